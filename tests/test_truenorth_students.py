"""Shapes, training rules, folding and packed files of the students under TrueNorth's constraints."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.truenorth import (
    STUDENTS,
    IntegerLayer,
    IntegerNetwork,
    LayerSpec,
    StudentSpec,
    plan_cores,
    random_network,
    student_file,
    student_spec,
)
from snnrl.networks.truenorth.cores import local_outputs
from snnrl.networks.truenorth.folding import fires, fold_thresholds
from snnrl.networks.truenorth.integer import interleaved
from snnrl.networks.truenorth.layers import OutputPopulations, StepNorm, TernaryConv2d, binary_step, ternary
from snnrl.networks.truenorth.play_field import area_matrix, place_play_field
from snnrl.networks.truenorth.students import Student

ROWS = ((16, 4, 2, 1, 1), (32, 3, 1, 1, 2), (64, 1, 1, 0, 1), (30, 2, 2, 0, 2))
SMALL = StudentSpec("small", tuple(LayerSpec(*row) for row in ROWS), channels=2, side=12)


def frames(spec: StudentSpec, n: int, seed: int = 0, low: int = 0) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .integers(low, 256, (n, spec.channels, spec.side, spec.side))
        .astype(np.int16)
    )


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Small products on several threads wait for each other more than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@torch.no_grad()
def descend(parameter: torch.nn.Parameter, rate: float) -> None:
    """Take a step of one size against the gradient's sign; torch's optimisers take seconds to import."""
    assert parameter.grad is not None
    parameter -= rate * parameter.grad.sign()
    parameter.grad = None


# ---------------------------------------------------------------------- shapes and cores


@pytest.mark.parametrize(
    ("name", "parameters", "accumulates", "on_chip", "sees", "cores", "splitters"),
    [
        ("mini", 618_496, 15.958, 78_080, 84, 2584, 0),
        ("1-chip", 1_945_600, 34.746, 270_336, 74, 3988, 742),
        ("4-chip", 3_502_080, 122.388, 953_344, 84, 16_478, 2238),
        ("8-chip", 7_004_160, 244.777, 1_906_688, 84, 32_956, 4476),
        ("4-chip-printed", 3_502_080, 273.678, 2_119_680, 84, 34_602, 4842),
        ("8-chip-printed", 7_004_160, 547.357, 4_239_360, 84, 69_204, 9684),
    ],
)
def test_shapes_and_cores_of_table_1(
    name: str, parameters: int, accumulates: float, on_chip: int, sees: int, cores: int, splitters: int
) -> None:
    """Counts derived by hand for the project, see docs/truenorth.md."""
    spec = student_spec(name)
    plan = plan_cores(spec)
    assert spec.parameters == parameters
    assert spec.multiply_accumulates / 1e6 == pytest.approx(accumulates, abs=5e-4)
    assert spec.neurons - next(spec.places()).neurons == on_chip
    assert (spec.visible, plan.cores, plan.splitters) == (sees, cores, splitters)
    assert max(place.fan_in for place in list(spec.places())[1:]) == 128


def test_cores_of_the_1_chip_student_layer_by_layer() -> None:
    layers = plan_cores(STUDENTS["1-chip"]).layers
    assert [layer.cores for layer in layers] == [484, 242, 1152, 484, 484, 256, 32, 32, 32, 16, 16, 16]
    assert (layers[2].tiling.rows, layers[2].tiling.columns) == (2, 2)
    assert plan_cores(STUDENTS["1-chip"]).chips < 1


def test_the_2_chip_student_as_printed_and_with_the_padding_that_its_other_counts_need() -> None:
    """Padding 0 in layer 7 gives 3 x 3 maps; 5134 cores without splitters, as counted elsewhere, need padding 1."""
    printed = STUDENTS["2-chip"]
    plan = plan_cores(printed)
    assert (plan.cores, plan.splitters, printed.parameters) == (5182, 1168, 2_994_176)
    layers = (*printed.layers[:6], replace(printed.layers[6], padding=1), *printed.layers[7:])
    padded = plan_cores(StudentSpec("padded", layers))
    assert (padded.cores - padded.splitters, padded.splitters) == (5134, 1608)


def test_rectangular_tiles_bring_the_4_chip_student_onto_four_chips() -> None:
    assert plan_cores(STUDENTS["4-chip"]).chips > 4
    assert plan_cores(STUDENTS["4-chip"], square=False).cores == 14_834
    assert plan_cores(STUDENTS["1-chip"], square=False).cores == 3988


def test_outputs_with_few_copies_stay_on_their_core() -> None:
    counts = np.array([8] * 100 + [2] * 28)
    stays = local_outputs(counts)
    assert stays[100:].all()  # 28 more neurons
    assert stays[:100].sum() == (256 - 128 - 28) // 7


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((64, 3, 1, 1, 1), "fan-in of layer 2 of s: got 144, allowed: at most 128"),
        ((64, 1, 1, 0, 32), "groups of layer 2 of s: got 32, allowed: a divisor of 16 channels"),
        ((64, 9, 1, 0, 16), "kernel of layer 2 of s: got 9, allowed: at most 6"),
    ],
)
def test_a_layer_that_does_not_fit_is_named(row: tuple[int, ...], message: str) -> None:
    layers = (LayerSpec(*ROWS[0]), LayerSpec(*row))
    with pytest.raises(InvalidValueError, match="^" + message):
        StudentSpec("s", layers, 2, 12)


@pytest.mark.parametrize(
    "row", [(64, 3, 1, 3, 1), (63, 1, 1, 0, 2), (0, 1, 1, 0, 1), (8, 1, 1.0, 0, 1), (10**6, 1, 1, 0, 1)]
)
def test_an_impossible_layer_is_refused(row: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"^LayerSpec\."):
        LayerSpec(*row)


def test_an_unknown_student_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean '1-chip'"):
        student_spec("1-chips")


def test_what_lies_behind_the_visible_square_changes_nothing() -> None:
    spec = StudentSpec(
        "cut", (LayerSpec(8, 3, 2), LayerSpec(16, 4, 4)), channels=1, side=20
    )  # 9 places, 8 used
    assert spec.visible == 17
    network = IntegerNetwork(
        spec,
        (
            IntegerLayer(np.ones((8, 1, 3, 3), np.int8), np.full(8, 1, np.int32)),
            IntegerLayer(np.ones((16, 8, 4, 4), np.int8), np.full(16, 1, np.int32)),
        ),
        2,
    )
    pixels = np.eye(20 * 20, dtype=np.int16).reshape(-1, 1, 20, 20) * 255
    seen = network.outputs(pixels).any(axis=(1, 2, 3)).reshape(20, 20)
    assert seen[:17, :17].all()
    assert not seen[17:].any()
    assert not seen[:, 17:].any()


def test_the_play_field_is_put_where_it_is_seen() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (2, 210, 160)).astype(np.uint8)
    placed = place_play_field(picture, visible=74, rows=(34, 194))
    assert placed.shape == (2, 84, 84)
    assert not placed[:, 74:].any()
    assert not placed[..., 74:].any()
    assert placed[:, :74, :74].mean() == pytest.approx(picture[:, 34:194].mean(), abs=0.6)
    assert np.array_equal(place_play_field(picture[:, :84, :84], 84), picture[:, :84, :84])
    halves = np.kron(np.array([[10, 20], [30, 41]], np.uint8), np.ones((3, 3), np.uint8))
    assert np.array_equal(place_play_field(halves, 2, 2), [[10, 20], [30, 41]])


@pytest.mark.parametrize(("rows", "visible"), [((5, 5), 74), ((0, 211), 74), (None, 85), (None, 0)])
def test_a_play_field_outside_is_refused(rows: tuple[int, int] | None, visible: int) -> None:
    with pytest.raises(InvalidValueError):
        place_play_field(np.zeros((210, 160), np.uint8), visible, 84, rows)


def test_areas_are_averages() -> None:
    matrix = area_matrix(160, 74)
    assert np.allclose(matrix.sum(axis=1), 1)
    assert np.allclose(matrix.sum(axis=0), 74 / 160)


# ---------------------------------------------------------------------- training rules


def test_hysteresis_by_hand() -> None:
    shadow = [-1.0, -0.61, -0.6, -0.55, -0.45, -0.39, 0.0, 0.39, 0.45, 0.55, 0.61, 1.0, 0.5, 0.5, -0.5]
    before = [0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0]
    after = [-1.0, -1.0, -1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, -1.0]
    assert ternary(torch.tensor(shadow), torch.tensor(before)).tolist() == after


def test_step_and_its_triangular_slope() -> None:
    response = torch.tensor([-2.0, -1.0, -0.25, 0.0, 0.5, 1.0, 3.0], requires_grad=True)
    spikes = binary_step(response)
    (2 * spikes).sum().backward()
    assert spikes.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert response.grad is not None
    assert response.grad.tolist() == [0.0, 0.0, 1.5, 2.0, 1.0, 0.0, 0.0]


def test_gradients_are_taken_at_the_ternary_weights_and_given_to_the_shadow() -> None:
    torch.manual_seed(0)
    conv = TernaryConv2d(list(SMALL.places())[1])
    with torch.no_grad():
        conv.shadow.copy_(conv.shadow * 1.4)  # some outside [-1, 1]
    x = torch.randint(0, 2, (3, 16, 6, 6)).float()
    out = conv(x)
    (out * torch.arange(out.numel()).reshape(out.shape)).sum().backward()
    assert set(conv.weight.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert float(conv.shadow.detach().abs().max()) == 1.0
    free = conv.weight.clone().requires_grad_()
    plain = torch.nn.functional.conv2d(x, free, None, 1, 1, groups=2)
    (plain * torch.arange(plain.numel()).reshape(plain.shape)).sum().backward()
    assert torch.equal(out, plain)
    assert conv.shadow.grad is not None
    assert torch.equal(conv.shadow.grad, free.grad)


def test_too_many_inputs_are_refused_by_the_layer_itself() -> None:
    place = replace(list(SMALL.places())[1], channels=64)
    with pytest.raises(InvalidValueError, match="fan-in of layer 2: got 288"):
        TernaryConv2d(place)


def test_batch_normalisation_has_a_bias_and_no_scale() -> None:
    norm = StepNorm(2)
    norm.eval()
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([0.5, -0.5]))
        norm.variance.fill_(4.4)
    sums = torch.arange(-3.0, 4.0).reshape(1, 1, 1, 7).expand(1, 2, 1, 7)
    assert norm(sums)[0, :, 0].tolist() == [[0, 0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1, 1]]
    assert [name for name, _ in norm.named_parameters()] == ["bias"]


def test_a_dead_feature_keeps_gradients_finite() -> None:
    norm = StepNorm(1)
    sums = torch.full((2, 1, 3, 3), 5.0, requires_grad=True)
    norm(sums).sum().backward()
    assert sums.grad is not None
    assert bool(torch.isfinite(sums.grad).all())


def test_the_sparsity_penalty_is_half_eta_times_the_squared_mean_activations() -> None:
    torch.manual_seed(0)
    student = Student(SMALL, 3).train()
    x = torch.from_numpy(frames(SMALL, 4))
    student(x)
    penalty = float(student.sparsity_penalty(0.1).detach())
    with torch.no_grad():
        means = [spikes.mean(dim=(0, 2, 3)) for spikes in student.spikes(x)]
    assert penalty == pytest.approx(0.05 * sum(float((mean**2).sum()) for mean in means), rel=1e-5)
    student.eval()
    student(x)
    assert float(student.sparsity_penalty()) == 0.0


def test_each_action_has_its_share_of_the_channels() -> None:
    spikes = torch.zeros(1, 7, 2, 2)
    spikes[0, :3] = 1
    spikes[0, 3:6, 0, 0] = 1
    spikes[0, 6:] = 1  # left over
    assert OutputPopulations(7, 2, 10.0)(spikes).tolist() == [[10.0, 2.5]]


def test_interleaving_gives_every_group_a_part_of_every_group() -> None:
    order = interleaved(32, 4)
    assert sorted(order) == list(range(32))
    for block in order.reshape(8, 4):  # what the eight groups of the next layer read
        assert sorted(block // 8) == [0, 1, 2, 3]


def test_a_student_learns() -> None:
    torch.manual_seed(0)
    student = Student(SMALL, 3)
    x, labels = torch.from_numpy(frames(SMALL, 24, seed=1)), torch.arange(24) % 3
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(student(x), labels) + student.sparsity_penalty()
        loss.backward()
        for name, parameter in student.named_parameters():
            descend(parameter, 0.004 if "bias" in name else 0.04)
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


# ---------------------------------------------------------------------- folding


NUMBER = st.floats(-300, 300, width=32)


@given(NUMBER, st.floats(0, 2000, width=32), NUMBER, st.sampled_from([9, 72, 128]))
def test_a_folded_threshold_is_exact_for_every_whole_sum(
    mean: float, variance: float, bias: float, largest: int
) -> None:
    columns = [np.array([value], np.float32) for value in (mean, variance, bias)]
    (threshold,) = fold_thresholds(*columns, 1e-4, largest)
    sums = np.arange(-largest, largest + 1, dtype=np.float32)
    assert np.array_equal(sums >= threshold, fires(sums, *columns, 1e-4))
    assert -largest <= threshold <= largest + 1


@given(NUMBER, st.floats(2**-6, 2000, width=32), NUMBER)
def test_a_folded_threshold_is_the_published_formula(mean: float, variance: float, bias: float) -> None:
    columns = [np.array([value], np.float32) for value in (mean, variance, bias)]
    (threshold,) = fold_thresholds(*columns, 1e-4, 65_280)
    formula = np.clip(mean - bias * np.sqrt(variance + 1e-4), -65_280, 65_281)
    assert formula - 0.05 <= threshold < formula + 1.05  # rounding of float32 at sums up to 13,000


def test_a_quotient_that_is_rounded_up_fires_one_sum_earlier() -> None:
    """Bias -(3 / deviation) in float32: the exact formula often gives a little more than 3, hence 4."""
    variance = np.linspace(0.5, 50, 200, dtype=np.float32)
    bias = -np.float32(3) / np.sqrt(variance + np.float32(1e-4))
    exact = np.ceil(-bias * np.sqrt(variance.astype(np.float64) + 1e-4))
    assert set(exact) == {3, 4}
    assert np.all(fold_thresholds(np.zeros_like(bias), variance, bias, 1e-4, 128) == 3)


def test_torch_and_folding_round_alike() -> None:
    torch.manual_seed(0)
    norm = StepNorm(400).eval()
    with torch.no_grad():
        norm.mean.normal_(0, 20)
        norm.variance.uniform_(0, 50)
        norm.bias.normal_(0, 2)
    sums = torch.arange(-128.0, 129.0).reshape(1, 1, 257, 1).expand(1, 400, 257, 1)
    spikes = norm(sums)[0, :, :, 0].detach().numpy().astype(bool)
    assert np.array_equal(spikes, np.arange(-128, 129) >= norm.thresholds(128)[:, None])


@pytest.mark.parametrize(("part", "value"), [(0, np.nan), (1, -1.0), (2, np.inf)])
def test_statistics_that_are_no_numbers_are_refused(part: int, value: float) -> None:
    columns = [np.zeros(2, np.float32), np.ones(2, np.float32), np.zeros(2, np.float32)]
    columns[part][1] = value
    with pytest.raises(InvalidValueError, match="of a batch normalisation"):
        fold_thresholds(columns[0], columns[1], columns[2], 1e-4, 128)


@pytest.mark.parametrize("signed", [False, True])
def test_a_trained_student_and_its_integers_spike_alike(signed: bool) -> None:
    torch.manual_seed(0)
    student = Student(SMALL, 3, signed_input=signed).train()
    x = torch.from_numpy(frames(SMALL, 16, low=-255 if signed else 0))
    for _ in range(4):
        student(x).square().mean().backward()
        for parameter in student.parameters():
            descend(parameter, 0.02)
    network = student.to_integer()
    student.eval()
    held_out = frames(SMALL, 8, seed=1, low=-255 if signed else 0)
    with torch.no_grad():
        spikes = [s.numpy().astype(bool) for s in student.spikes(torch.from_numpy(held_out))]
        logits = student(torch.from_numpy(held_out)).numpy()
    for place, found, expected in zip(SMALL.places(), spikes, network.activations(held_out), strict=True):
        order = interleaved(place.layer.features, place.layer.groups)
        assert np.array_equal(found, expected[:, order]), f"layer {place.index}"
        assert 0.02 < found.mean() < 0.98
    assert np.allclose(logits, network.logits(held_out), atol=1e-5)
    assert np.array_equal(logits.argmax(axis=1), network.actions(held_out))
    assert np.array_equal(network.transduced(held_out), spikes[0])


def test_dead_features_are_found() -> None:
    network = random_network(SMALL, 3, seed=0)
    weights, thresholds = network.layers[1].weights.copy(), network.layers[1].thresholds.copy()
    thresholds[3] = (weights[3] > 0).sum() + 1
    thresholds[5] = -(weights[5] < 0).sum()
    layers = (network.layers[0], IntegerLayer(weights, thresholds), *network.layers[2:])
    never, always = IntegerNetwork(SMALL, layers, 3).constant_features()[1]
    assert never.tolist() == [3]
    assert always.tolist() == [5]


def test_integers_by_hand() -> None:
    """Two groups; interleaved channels are feature 0 of group 0, 0 of group 1, 1 of group 0, 1 of group 1."""
    spec = StudentSpec("hand", (LayerSpec(2, 1), LayerSpec(4, 1, groups=2)), channels=1, side=1)
    first = IntegerLayer(np.array([1, -1], np.int8).reshape(2, 1, 1, 1), np.array([100, -99], np.int32))
    second = IntegerLayer(
        np.array([1, -1, 0, 1], np.int8).reshape(4, 1, 1, 1), np.array([1, 0, 1, 1], np.int32)
    )
    network = IntegerNetwork(spec, (first, second), 2)
    dark, bright = network.activations(np.array([99, 100]).reshape(2, 1, 1, 1))[1][:, :, 0, 0].astype(int)
    assert dark.tolist() == [0, 1, 0, 1]
    assert bright.tolist() == [1, 0, 0, 0]
    assert network.counts(np.array([99, 100]).reshape(2, 1, 1, 1)).tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((1, 2, 12, 11), np.uint8), "shape of the frames"),
        (np.zeros((1, 2, 12, 12)), "type of the frames"),
        (np.full((1, 2, 12, 12), 256), "frames: got '256 to 256', allowed: 0 to 255"),
        (np.full((1, 2, 12, 12), -1), "frames: got '-1 to -1', allowed: 0 to 255"),
    ],
)
def test_frames_that_do_not_fit_are_refused(given: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        random_network(SMALL, 3, seed=0).counts(given)


def test_weights_that_are_not_ternary_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="weights: got '0 to 2', allowed: whole numbers, -1 to 1"):
        IntegerLayer(np.array([0, 2]).reshape(2, 1, 1, 1), np.zeros(2, np.int32))


# ---------------------------------------------------------------------- packed files


@given(st.lists(st.sampled_from([-1, 0, 1]), max_size=40))
def test_five_weights_to_a_byte(weights: list[int]) -> None:
    packed = student_file.pack_ternary(np.array(weights, np.int8))
    assert len(packed) == -(-len(weights) // 5)
    assert student_file.unpack_ternary(packed, len(weights)).tolist() == weights


def test_a_student_goes_to_a_small_file_and_back(tmp_path: Path) -> None:
    network = random_network(STUDENTS["mini"], 6, seed=0, signed_input=True)
    network.save(tmp_path / "mini.tn")
    again = IntegerNetwork.load(tmp_path / "mini.tn")
    assert (tmp_path / "mini.tn").stat().st_size < 1_000_000
    assert (again.spec, again.n_actions, again.signed_input) == (network.spec, 6, True)
    for a, b in zip(network.layers, again.layers, strict=True):
        assert np.array_equal(a.weights, b.weights)
        assert np.array_equal(a.thresholds, b.thresholds)


def sealed(content: bytes) -> bytes:
    """Give damaged content a right checksum."""
    return content[:-4] + struct.pack("<I", zlib.crc32(content[:-4]))


CONTENT = student_file.to_bytes(random_network(SMALL, 3, seed=0))


def with_header(**changes: object) -> bytes:
    length = struct.unpack_from("<I", CONTENT, 10)[0]
    header = json.loads(CONTENT[14 : 14 + length]) | changes
    text = json.dumps(header).encode()
    return sealed(CONTENT[:10] + struct.pack("<I", len(text)) + text + CONTENT[14 + length :])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes of something else"),
        (b"PK\x03\x04" + CONTENT, "bytes of something else"),
        (CONTENT[:8] + b"\x03\x00" + CONTENT[10:], "version 3', allowed: versions 1 and 2"),
        (CONTENT[:10] + b"\xff\xff\xff\xff" + CONTENT[14:], "a header of 4294967295 bytes"),
        (CONTENT[:-20] + CONTENT[-19:], "damaged bytes"),
        (sealed(CONTENT[:-20] + CONTENT[-19:]), "bytes of weights and thresholds"),
        (with_header(layers=[[2**60, 1, 1, 0, 1]]), r"LayerSpec.features"),
        (with_header(layers=[[65536, 1, 1, 0, 1]] * 64, channels=128), "fan-in of layer 2"),
        (with_header(channels=4, side=84), "bytes of weights and thresholds"),
        (with_header(actions=0), "n_actions"),
        (with_header(actions=True), "n_actions"),
        (with_header(logit_scale="x"), "a header that cannot be read"),
        (with_header(logit_scale=-1), "logit_scale"),
        (with_header(signed_input=1), "a header that cannot be read"),
        (with_header(layers="abc"), "a header that cannot be read"),
        (with_header(layers=[1, 2]), "a header that cannot be read"),
        (sealed(CONTENT[:14] + b"[" * 200 + CONTENT[214:]), "a header that cannot be read"),
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_file_is_one_clear_line(content: bytes, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        student_file.from_bytes(content)
    assert "\n" not in str(caught.value)


@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255), st.booleans(), st.integers(0, len(CONTENT)))
def test_fuzzed_files_load_or_are_refused(place: int, byte: int, seal: bool, cut: int) -> None:
    content = bytearray(CONTENT)
    content[place] = byte
    damaged = bytes(content)[: max(cut, 1)] if cut % 7 == 0 else bytes(content)
    try:
        student_file.from_bytes(sealed(damaged) if seal and len(damaged) > 4 else damaged)
    except InvalidValueError:
        return
    assert seal or damaged == CONTENT


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"student file: got .*nothing.tn"):
        IntegerNetwork.load(tmp_path / "nothing.tn")
    with pytest.raises(InvalidValueError, match="a file that can be written"):
        random_network(SMALL, 3, seed=0).save(tmp_path / "no" / "folder.tn")
