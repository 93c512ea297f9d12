"""Distillation without a game: losses, frames on disk, moves, training, and the student's file with its games."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from snnrl.distillation import fused
from snnrl.distillation.buffer import CHUNK, FrameBuffer
from snnrl.distillation.fused import FusedStudent
from snnrl.distillation.learner import Learner, as_tensor
from snnrl.distillation.lesson import Lesson, Moves, agreement, moves_of
from snnrl.distillation.recipe import Recipe
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.networks.truenorth import LayerSpec, StudentSpec, random_network
from snnrl.networks.truenorth.distillation import LOSSES
from snnrl.networks.truenorth.layers import TernaryConv2d, ternary
from snnrl.networks.truenorth.packed_student import PackedStudent, StudentGame
from snnrl.networks.truenorth.student_file import (
    read_student,
    student_from_bytes,
    to_bytes,
    write_student,
)
from snnrl.networks.truenorth.students import Student
from snnrl.networks.truenorth.vision import Vision, background_of

SIDE = 12
SPEC = StudentSpec(
    "small", (LayerSpec(32, 4, 2, 1), LayerSpec(64, 2, 2, 0, 2), LayerSpec(128, 3, 1, 0, 8)), side=SIDE
)
RNG = np.random.default_rng(0)
N = 48
"""Frames to learn from."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------------- losses

STUDENT, TEACHER = RNG.normal(0, 3, (2, 7, 5))


def loss(name: str, temperature: float = 1.0) -> float:
    return float(LOSSES[name](torch.from_numpy(STUDENT), torch.from_numpy(TEACHER), temperature))


@pytest.mark.parametrize("temperature", [0.01, 0.2, 1.0])
def test_kl_is_that_of_scipy(temperature: float) -> None:
    expected = entropy(softmax(TEACHER / temperature, axis=1), softmax(STUDENT, axis=1), axis=1)
    assert loss("kl", temperature) == pytest.approx(float(np.mean(expected)))


def test_nll_is_that_of_scipy() -> None:
    likelihoods = log_softmax(STUDENT, axis=1)[np.arange(7), TEACHER.argmax(axis=1)]
    assert loss("nll") == pytest.approx(-float(np.mean(likelihoods)))
    assert loss("nll", 0.01) == loss("nll")


def test_mse_is_the_mean_squared_distance() -> None:
    expected = np.mean(np.linalg.norm(STUDENT - TEACHER, axis=1) ** 2)
    assert loss("mse") == pytest.approx(float(expected))


# ---------------------------------------------------------------------- frames on disk


def buffer(folder: Path, side: int = SIDE, actions: int = 3) -> FrameBuffer:
    return FrameBuffer(folder / "frames", side, actions, {"game": "noise"})


def append_lanes(frames: FrameBuffer, steps: int, lanes: int, ends: float) -> list[tuple[int, ...]]:
    """Append games side by side whose screens tell lane, episode and step; return what each row shows."""
    rng = np.random.default_rng(1)
    newest, episode, step = np.full(lanes, -1), np.zeros(lanes, int), np.zeros(lanes, int)
    shown = []
    for _ in range(steps):
        playing = np.flatnonzero(rng.random(lanes) < 0.8)
        if not len(playing):
            continue
        rows = frames.appended + np.arange(len(playing))
        back = np.where(step[playing] == 0, 0, rows - newest[playing])
        marks = np.stack([playing + 1, episode[playing], step[playing]], axis=1)
        screens = np.zeros((len(playing), SIDE, SIDE), np.uint8)
        screens[:, 0, :3] = marks
        frames.append(screens, marks.astype(np.float32), back)
        newest[playing], shown = rows, [*shown, *map(tuple, marks.tolist())]
        step[playing] += 1
        over = playing[rng.random(len(playing)) < ends]
        episode[over], step[over] = episode[over] + 1, 0
    frames.flush()
    return shown


def test_a_stack_never_mixes_episodes_or_lanes(tmp_path: Path) -> None:
    frames = buffer(tmp_path)
    shown = append_lanes(frames, 400, 4, 0.15)
    assert len(frames) == len(shown) > 2 * CHUNK
    stacks = frames.stacks(np.arange(len(frames)))[:, :, 0, :3]
    for (lane, episode, step), stack in zip(shown, stacks, strict=True):
        expected = [(lane, episode, step - k) if step >= k else (0, 0, 0) for k in (3, 2, 1, 0)]
        assert [tuple(screen) for screen in stack.tolist()] == expected
    assert frames.outputs(np.arange(len(frames))).tolist() == [list(map(float, row)) for row in shown]


def test_frames_are_found_again_and_what_is_not_whole_is_cut_off(tmp_path: Path) -> None:
    frames = buffer(tmp_path)
    append_lanes(frames, 300, 3, 0.1)
    n, before = len(frames), frames.stacks(np.arange(len(frames)))
    with (tmp_path / "frames" / "screens.u8").open("ab") as file:
        file.write(b"torn off" * 30)
    again = buffer(tmp_path)
    assert len(again) == n
    assert np.array_equal(again.stacks(np.arange(n)), before)
    again.append(before[:600, -1], np.zeros((600, 3), np.float32), np.zeros(600))
    assert np.array_equal(again.screens(n + np.arange(600)), before[:600, -1])
    again.truncate(10)
    assert len(again) == again.appended == 10
    assert np.array_equal(again.stacks(np.arange(10)), before[:10])


def test_a_buffer_of_other_frames_is_refused(tmp_path: Path) -> None:
    buffer(tmp_path)
    with pytest.raises(RunFolderError, match="allowed: frames of"):
        buffer(tmp_path, actions=4)


def test_links_and_shapes_are_checked(tmp_path: Path) -> None:
    frames = buffer(tmp_path)
    screens, outputs = np.zeros((2, SIDE, SIDE), np.uint8), np.zeros((2, 3), np.float32)
    with pytest.raises(InvalidValueError, match="links of appended frames"):
        frames.append(screens, outputs, [0, 2])
    with pytest.raises(InvalidValueError, match="shapes of appended frames"):
        frames.append(screens, outputs[:1], [0, 1])
    frames.append(screens, outputs, [0, 1])


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from snnrl.distillation.buffer import FrameBuffer
from snnrl.errors import SnnrlError

frames = FrameBuffer(Path(sys.argv[1]), 12, 3, {})
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    for k in range(100):
        frames.append(np.full((100, 12, 12), k, np.uint8), np.zeros((100, 3), np.float32), np.zeros(100))
except SnnrlError as error:
    print(len(frames), error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
frames.append(np.full((600, 12, 12), 200, np.uint8), np.zeros((600, 3), np.float32), np.ones(600))
"""


def test_a_full_disk_is_one_line_and_leaves_a_usable_buffer(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "frames")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    n, _, line = done.stdout.partition(" ")
    assert "no room for more frames (File too large), the" in line
    assert line.count("\n") == 1
    frames = FrameBuffer(tmp_path / "frames", 12, 3, {})
    assert len(frames) == int(n) + 600 > 1600
    rows = np.arange(int(n))
    assert np.array_equal(frames.screens(rows)[:, 5, 5], rows // 100)
    assert (frames.screens(rows[-1] + 1 + np.arange(600)) == 200).all()


# ---------------------------------------------------------------------- vision


def test_differences_are_those_of_the_newest_screens_and_the_background() -> None:
    stacks = RNG.integers(0, 256, (3, 4, SIDE, SIDE)).astype(np.uint8)
    background = background_of(stacks[:, 0])
    assert np.array_equal(background, np.sort(stacks[:, 0], axis=0)[1])
    seen = Vision("differences", background, SIDE).inputs(stacks)
    _, f2, f3, f4 = (stacks[:, k].astype(int) for k in range(4))
    assert np.array_equal(seen, np.stack([f4 - background, f4 - f3, f4 - f2, f3 - background], axis=1))
    assert np.array_equal(Vision("stack", None, SIDE).inputs(stacks), stacks)


def test_a_student_that_sees_less_gets_the_whole_picture_smaller() -> None:
    stacks = np.full((2, 4, SIDE, SIDE), 200, np.uint8)
    seen = Vision("stack", None, 9).inputs(stacks)
    assert (seen[:, :, :9, :9] == 200).all()
    assert not seen[:, :, 9:].any()
    assert not seen[:, :, :, 9:].any()
    vision = Vision("differences", seen[0, 0].astype(np.uint8), 9)
    assert not vision.inputs(stacks).any()
    assert np.array_equal(vision.channels(vision.placed(stacks)), vision.inputs(stacks))


@pytest.mark.parametrize(
    ("kind", "background", "visible", "message"),
    [
        ("blur", None, 84, "Vision.kind: got 'blur', allowed: stack, differences"),
        ("differences", None, 84, "Vision.background: got None"),
        ("stack", np.zeros((84, 84), np.uint8), 84, "Vision.background"),
        ("differences", np.zeros((84, 80), np.uint8), 84, "Vision.background"),
        ("differences", np.zeros((84, 84)), 84, "Vision.background"),
        ("differences", np.zeros((70, 70), np.uint8), 74, "side at least 74"),
        ("stack", None, 0, "Vision.visible: got 0"),
    ],
)
def test_a_vision_that_cannot_be_is_refused(
    kind: str, background: np.ndarray | None, visible: int, message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Vision(kind, background, visible)


# ---------------------------------------------------------------------- moves

PONG = ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")
SEAQUEST = ("NOOP", "FIRE", "UP", "RIGHT", "LEFT")


def test_moves_of_the_same_name_share_a_population() -> None:
    (pong, seaquest), names = moves_of([PONG, SEAQUEST])
    assert names == [*PONG, "UP"]
    assert pong.outputs == (0, 1, 2, 3, 4, 5)
    assert seaquest.outputs == (0, 1, 6, 2, 3)


def test_logits_of_a_game_stand_in_the_order_of_its_actions() -> None:
    (_, seaquest), _ = moves_of([PONG, SEAQUEST])
    assert seaquest.logits(torch.arange(7.0)[None]).tolist() == [[0.0, 1.0, 6.0, 2.0, 3.0]]


def test_agreement_is_that_of_the_best_actions() -> None:
    student, teacher = torch.eye(6)[[0, 4, 2, 5]], torch.eye(6)[[1, 4, 3, 5]]
    assert agreement(student, teacher) == 0.5


# ---------------------------------------------------------------------- training


def random_teacher(actions: int) -> torch.nn.Module:
    """Return a convolutional network with random weights."""
    torch.manual_seed(5)
    return torch.nn.Sequential(
        torch.nn.Conv2d(4, 8, 5, 2), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(128, actions)
    )


def labelled(folder: Path, n: int, actions: int, seed: int) -> FrameBuffer:
    """Return random frames in episodes of 16 with a random teacher's answers."""
    frames = FrameBuffer(folder, SIDE, actions, {})
    screens = np.random.default_rng(seed).integers(0, 256, (n, SIDE, SIDE)).astype(np.uint8)
    back = np.where(np.arange(n) % 16 == 0, 0, 1)
    frames.append(screens, np.zeros((n, actions), np.float32), back)
    frames.flush()
    stacks = torch.from_numpy(frames.stacks(np.arange(n))).float()
    with torch.inference_mode():
        answers = random_teacher(actions)(stacks / 64 - 2).numpy()
    frames.truncate(0)
    frames.append(screens, 40 * answers, back)
    frames.flush()
    return frames


def lesson(
    folder: Path, name: str = "noise", moves: Moves | None = None, kind: str = "differences"
) -> Lesson:
    moves = moves or Moves(("A", "B", "C"), (0, 1, 2))
    frames = labelled(folder / name, N, len(moves.names), len(name))
    background = background_of(frames.screens(np.arange(N))) if kind == "differences" else None
    return Lesson(name, frames, frames, Vision(kind, background, SIDE), moves, 0.05)


def recipe(**changes: object) -> Recipe:
    values = {
        "batches": 250,
        "frames": 96,
        "held_out": 96,
        "settle_batches": 2,
        "settle_size": 96,
        "rate": 0.02,
    }
    return Recipe.from_dict(values | changes)


def trained(learner: Learner, batches: int) -> Learner:
    for _ in range(batches):
        learner.step()
    return learner


@pytest.mark.parametrize(("name", "least"), [("kl", 1.0), ("nll", 1.0), ("mse", 0.75)])
def test_a_small_student_comes_to_answer_as_a_random_teacher(tmp_path: Path, name: str, least: float) -> None:
    """The answers of mse have to be right in size, too, and come near in so few batches."""
    learner = Learner(recipe(loss=name), [lesson(tmp_path)], 3, SPEC)
    before = learner.look()
    after = trained(learner, 200).look()
    assert before.agreement < 0.6
    assert np.isnan(before.training)
    assert after.agreement >= least
    network, rows = learner.network(), np.arange(N)
    frames = learner.lessons[0].frames
    best = frames.outputs(rows).argmax(axis=1)
    assert np.mean(network.actions(learner.lessons[0].inputs(frames, rows)) == best) == after.agreement


def test_one_student_learns_two_games(tmp_path: Path) -> None:
    moves, names = moves_of([("A", "B", "C"), ("C", "A", "D")])
    lessons = [lesson(tmp_path, name, each) for name, each in zip(("one", "other"), moves, strict=True)]
    learner = trained(Learner(recipe(loss="nll", batches=300), lessons, len(names), SPEC), 300)
    assert names == ["A", "B", "C", "D"]
    assert learner.look().agreement == 1.0


def test_batches_hold_as_many_frames_of_each_game(tmp_path: Path) -> None:
    lessons = [lesson(tmp_path, name) for name in ("one", "other", "third")]
    learner = Learner(recipe(batch_size=32), lessons, 3, SPEC)
    counts = np.array([[len(rows) for _, rows in learner._draw(0, step, 32)] for step in range(30)])
    assert counts.sum(axis=1).tolist() == [32] * 30
    assert counts.sum(axis=0).tolist() == [320, 320, 320]


def same_state(one: object, other: object) -> bool:
    """Compare nested states bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_state(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_state, one, other))
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return one == other or repr(one) == repr(other) == "nan"


def test_training_that_goes_on_ends_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    made = lesson(tmp_path)
    whole = Learner(recipe(), [made], 3, SPEC)
    whole.look()
    trained(whole, 12).look()
    trained(whole, 8)
    first = Learner(recipe(), [made], 3, SPEC)
    first.look()
    trained(first, 7)
    torch.save(first.state(), tmp_path / "state.pt")
    second = Learner(recipe(), [made], 3, SPEC)
    second.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    trained(second, 5).look()
    trained(second, 8)
    assert same_state(whole.state(), second.state())
    assert not same_state(whole.state(), first.state())


def test_the_seed_decides_the_first_weights(tmp_path: Path) -> None:
    made = lesson(tmp_path)
    one, same, other = (
        Learner(recipe(seed=seed), [made], 3, SPEC).student.layer_blocks[0].conv.shadow for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def gradients(kind: type[Student]) -> tuple[float, Student]:
    """Return the loss of a batch, and the student with its gradients."""
    torch.manual_seed(3)
    student = kind(SPEC, 3, signed_input=True)
    for block in student.layer_blocks:
        torch.nn.init.normal_(block.step.bias, 0, 0.3)  # no response of exactly 0
    student = student.to(memory_format=torch.channels_last).train()
    frames = as_tensor(np.random.default_rng(4).integers(-255, 256, (16, 4, SIDE, SIDE)).astype(np.int16))
    with torch.autocast("cpu", torch.bfloat16):
        loss = LOSSES["kl"](student(frames), torch.eye(3).repeat(6, 1)[:16], 0.5)
        (loss + student.sparsity_penalty(3.0)).backward()  # type: ignore[no-untyped-call]
    return float(loss.detach()), student


def test_the_fast_student_trains_as_the_plain_one() -> None:
    (loss, plain), (other, fast) = gradients(Student), gradients(FusedStudent)
    assert other == pytest.approx(loss, rel=1e-6)
    for (name, one), two in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert one.grad is not None
        assert two.grad is not None
        assert float((one.grad - two.grad).norm()) < 0.01 * float(one.grad.norm()), name
    for (name, one), two in zip(plain.named_buffers(), fast.buffers(), strict=True):
        assert torch.allclose(one.float(), two.float(), rtol=1e-4), name
    for one, two in zip(plain.rates, fast.rates, strict=True):
        assert torch.allclose(one, two.float(), rtol=1e-2)


def test_the_fast_student_switches_weights_as_the_plain_one() -> None:
    torch.manual_seed(0)
    shadow, before = 1.5 * torch.randn(4, 2, 3, 3), torch.randint(-1, 2, (4, 2, 3, 3)).float()
    shadow.ravel()[:4] = torch.tensor([0.6, -0.6, 0.4, -0.4])
    conv = TernaryConv2d(next(StudentSpec("one", (LayerSpec(4, 3),), channels=2, side=3).places()))
    conv.shadow.data.copy_(shadow)
    conv.weight.copy_(before)
    fused._settle(conv)
    assert torch.equal(conv.weight, ternary(shadow, before))
    assert torch.equal(conv.shadow.detach(), shadow.clamp(-1, 1))


def test_looking_at_a_student_does_not_change_its_training(tmp_path: Path) -> None:
    made = lesson(tmp_path)
    looked, blind = (Learner(recipe(), [made], 3, SPEC) for _ in range(2))
    for _ in range(5):
        assert looked.step() == blind.step()
        looked.look()


# ---------------------------------------------------------------------- recipe


def test_the_step_falls_as_a_cosine() -> None:
    chosen = Recipe(batches=1000, last_rate=0.1)
    assert [chosen.rate_left(n) for n in (0, 500, 1000)] == pytest.approx([1, 0.55, 0.1])


def test_the_temperature_goes_with_the_teachers_outputs() -> None:
    assert [Recipe().temperature_for(outputs) for outputs in ("logits", "q-values")] == [0.2, 0.01]
    assert Recipe(temperature=0.5).temperature_for("q-values") == 0.5


def test_rounds_of_the_student_fall_due() -> None:
    assert [Recipe(dagger=0.5, batches=100, dagger_every=25).rounds(n) for n in (0, 24, 25, 99, 100)] == [
        0, 0, 1, 3, 3,
    ]  # fmt: skip
    assert Recipe(batches=100, dagger_every=25).rounds(80) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"student": "maxi"}, r"student: got 'maxi', allowed: .*mini"),
        ({"loss": "l1"}, "loss: got 'l1', allowed: kl, nll, mse"),
        ({"inputs": "colour"}, "inputs: got 'colour', allowed: stack, differences"),
        ({"temperature": 0}, "temperature: got 0, allowed: a number from 1e-6"),
        ({"temperature": float("nan")}, "temperature: got nan"),
        ({"dagger": 1.5}, "dagger: got 1.5, allowed: a share, 0 to 1"),
        ({"batches": 0}, "batches: got 0, allowed: a whole number, 1 to"),
        ({"batches": 1.5}, "batches: got 1.5, allowed: a whole number"),
        ({"seed": True}, "seed: got True"),
        ({"rate": "fast"}, "rate: got 'fast'"),
        ({"speed": 1}, r"recipe: got \['speed'\], allowed: batch_size, "),
    ],
)
def test_a_recipe_that_cannot_be_is_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        Recipe.from_dict(changes)
    assert "\n" not in str(caught.value)


def test_a_recipe_goes_to_json_and_back() -> None:
    chosen = Recipe(loss="mse", dagger=0.25, seed=3)
    assert Recipe.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen


# ---------------------------------------------------------------------- the student's file

NETWORK = random_network(SPEC, 4, seed=0, signed_input=True)
BACKGROUNDS = RNG.integers(0, 256, (2, SIDE, SIDE)).astype(np.uint8)
STUDENT_OF_TWO = PackedStudent(
    NETWORK,
    Vision("differences", BACKGROUNDS[0], SIDE),
    {"game": "pong", "actions": ["NOOP", "RIGHT"], "outputs": [0, 2], "score": {"mean": 3.5}},
    (StudentGame(Vision("differences", BACKGROUNDS[1], 10), {"game": "breakout"}),),
)
CONTENT = to_bytes(STUDENT_OF_TWO)


def test_a_student_goes_to_its_file_and_back_with_its_games(tmp_path: Path) -> None:
    write_student(STUDENT_OF_TWO, tmp_path / "student.tn")
    again = read_student(tmp_path / "student.tn")
    for a, b in zip(again.network.layers, NETWORK.layers, strict=True):
        assert np.array_equal(a.weights, b.weights)
        assert np.array_equal(a.thresholds, b.thresholds)
    assert [game.name for game in again.games] == ["pong", "breakout"]
    assert [dict(game.info) for game in again.games] == [dict(game.info) for game in STUDENT_OF_TWO.games]
    for game, background, visible in zip(again.games, BACKGROUNDS, (SIDE, 10), strict=True):
        assert (game.vision.kind, game.vision.visible) == ("differences", visible)
        assert game.vision.background is not None
        assert np.array_equal(game.vision.background, background)
    assert again.game("breakout").name == "breakout"
    with pytest.raises(InvalidValueError, match="game: got 'qbert', allowed: breakout, pong"):
        again.game("qbert")


def test_a_student_without_games_is_written_as_before() -> None:
    content = to_bytes(NETWORK)
    assert struct.unpack_from("<H", content, 8) == (1,)
    assert struct.unpack_from("<H", CONTENT, 8) == (2,)
    again = student_from_bytes(content)
    assert (again.vision, again.games, again.network.n_actions) == (None, (), 4)
    with pytest.raises(InvalidValueError, match="none, it knows no game"):
        again.game("pong")


def test_a_game_chooses_among_its_own_populations() -> None:
    counts = np.array([[9, 8, 7, 6], [0, 9, 5, 1], [3, 3, 3, 9]])
    assert STUDENT_OF_TWO.game("pong").choose(counts).tolist() == [0, 1, 0]
    assert STUDENT_OF_TWO.game("breakout").choose(counts).tolist() == [0, 1, 3]


def sealed(content: bytes) -> bytes:
    return content[:-4] + struct.pack("<I", zlib.crc32(content[:-4]))


def with_header(**changes: object) -> bytes:
    length = struct.unpack_from("<I", CONTENT, 10)[0]
    text = json.dumps(json.loads(CONTENT[14 : 14 + length]) | changes).encode()
    return sealed(CONTENT[:10] + struct.pack("<I", len(text)) + text + CONTENT[14 + length :])


def games(**changes: object) -> list[dict[str, object]]:
    length = struct.unpack_from("<I", CONTENT, 10)[0]
    rows: list[dict[str, object]] = json.loads(CONTENT[14 : 14 + length])["games"]
    return [row | changes for row in rows]


BOMB = zlib.compress(bytes(10**6))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (with_header(games=[]), "a header that cannot be read"),
        (with_header(games=None), "a header that cannot be read"),
        (with_header(games=games(info=3)), "a header that cannot be read"),
        (with_header(games=games(vision={"kind": "blur", "visible": 12})), "bytes of backgrounds"),
        (with_header(games=games(vision={"kind": "differences", "visible": 99})), "Vision.background"),
        (with_header(games=games(vision={"kind": "differences", "visible": True})), "Vision.visible"),
        (with_header(games=games(vision=[])), "a header that cannot be read"),
        (with_header(games=games(info={"outputs": [0, 4]})), "outputs"),
        (with_header(games=games(info={"outputs": 1})), "outputs"),
        (with_header(games=games()[:1]), "bytes of backgrounds"),
        (with_header(signed_input=False), r"Vision.kind 'differences'.*signed_input is False"),
        (sealed(CONTENT[:-5] + CONTENT[-4:]), "backgrounds"),
        (sealed(CONTENT[:-4] + b"more" + CONTENT[-4:]), "bytes of backgrounds"),
        (sealed(CONTENT[:-4] + BOMB + CONTENT[-4:]), "bytes of backgrounds"),
        (sealed(CONTENT[:-300] + CONTENT[-4:]), "backgrounds"),
        (sealed(CONTENT[:8] + b"\x01\x00" + CONTENT[10:]), "bytes of weights and thresholds"),
        (CONTENT[:-9] + CONTENT[-8:], "damaged bytes"),
    ],
)  # fmt: skip
def test_a_damaged_student_with_games_is_one_line(content: bytes, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        student_from_bytes(content)
    assert "\n" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(0, 255), st.booleans())
def test_fuzzed_students_load_or_are_refused(place: int, byte: int, seal: bool) -> None:
    content = bytearray(CONTENT)
    content[place] = byte
    damaged = sealed(bytes(content)) if seal else bytes(content)
    try:
        student_from_bytes(damaged)
    except InvalidValueError:
        return
    assert seal or damaged == CONTENT


def test_what_cannot_be_kept_is_refused() -> None:
    vision = Vision("differences", BACKGROUNDS[0], SIDE)
    with pytest.raises(InvalidValueError, match=r"info of a student: .* allowed: JSON values"):
        to_bytes(PackedStudent(NETWORK, vision, {"score": float("nan")}))
    with pytest.raises(InvalidValueError, match="bytes', allowed: at most 65536"):
        to_bytes(PackedStudent(NETWORK, vision, {"words": "x" * 70_000}))
    with pytest.raises(InvalidValueError, match=r"Vision.kind: got 'stack', allowed: signed_input is True"):
        PackedStudent(NETWORK, Vision("stack", None, SIDE))
    with pytest.raises(InvalidValueError, match="outputs: got"):
        PackedStudent(NETWORK, vision, {"outputs": [0, 4]})
    with pytest.raises(InvalidValueError, match="a side of 12"):
        PackedStudent(NETWORK, Vision("differences", np.zeros((14, 14), np.uint8), SIDE))
