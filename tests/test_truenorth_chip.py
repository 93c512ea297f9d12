"""Cores: neuron model, mapping, splitters and delays, simulator, core files, the independent checker, RANC."""

from __future__ import annotations

import base64
import copy
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.simulator import ChipSimulator
from snnrl.engines.truenorth.simulator_kernel import reset
from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth import (
    STUDENTS,
    IntegerLayer,
    IntegerNetwork,
    LayerSpec,
    StudentSpec,
    checker,
    core_file,
    plan_cores,
    random_network,
)
from snnrl.networks.truenorth.chip import NOWHERE, OUTPUT, Chip, CoreType
from snnrl.networks.truenorth.energy import joules
from snnrl.networks.truenorth.mapping import map_network
from snnrl.networks.truenorth.ranc import to_ranc


def spec(channels: int, side: int, *rows: tuple[int, ...]) -> StudentSpec:
    return StudentSpec("s", tuple(LayerSpec(*row) for row in rows), channels, side)


SHAPES = {
    "splitters": spec(
        2, 12, (16, 4, 2, 1, 1), (32, 3, 1, 1, 2), (128, 1, 1, 0, 1), (32, 2, 1, 0, 8), (24, 2, 2, 0, 1)
    ),
    "tiles": spec(1, 12, (16, 3, 1, 1, 1), (16, 3, 1, 1, 2), (32, 2, 2, 0, 2), (12, 3, 3, 0, 4)),
    "more than 256 features": spec(
        3, 4, (40, 1, 1, 0, 1), (300, 1, 1, 0, 1), (100, 1, 1, 0, 10), (40, 2, 2, 0, 20)
    ),
    "groups share cores": spec(1, 8, (64, 2, 2, 0, 1), (64, 2, 1, 1, 16), (32, 1, 1, 0, 8)),
    "stride leaves a rest": spec(1, 9, (8, 2, 1, 0, 1), (16, 3, 3, 0, 1), (8, 1, 2, 0, 4)),
    "one layer": spec(2, 5, (8, 3, 1, 1, 1), (12, 3, 1, 1, 4)),
}


def frames(shape: StudentSpec, n: int, seed: int = 1) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .integers(0, 256, (n, shape.channels, shape.side, shape.side))
        .astype(np.int16)
    )


# ---------------------------------------------------------------------- neurons


@pytest.mark.parametrize(
    ("mode", "saturates", "above", "below"),
    [
        (0, False, 3, -3),  # normal: R, -R
        (0, True, 3, -5),  # normal, negative saturation: R, -beta
        (1, False, 2, -2),  # linear: V - alpha, V + beta
        (1, True, 2, -5),  # linear, negative saturation: V - alpha, -beta
        (2, False, 12, -7),  # no reset
        (2, True, 12, -5),  # no reset, negative saturation: V, -beta
    ],
)
def test_reset_modes_are_those_of_the_published_table(
    mode: int, saturates: bool, above: int, below: int
) -> None:
    """Cassidy et al. 2013: threshold alpha = 10, negative threshold beta = 5, reset R = 3."""
    assert reset(12, 10, 5, 3, mode, saturates) == (above, True)
    assert reset(-7, 10, 5, 3, mode, saturates) == (below, False)
    assert reset(9, 10, 5, 3, mode, saturates) == (9, False)
    assert reset(-5, 10, 5, 3, mode, saturates) == (-5, False)
    assert reset(10, 10, 5, 3, mode, saturates)[1]


def one_neuron(**fields: Any) -> CoreType:
    """Return a core with one neuron on two axons."""
    whole = {name: np.array([fields.get(name, default)], np.int32) for name, default in
             (("leak", 0), ("threshold", 10), ("floor", 5), ("reset", 0))}  # fmt: skip
    return CoreType(
        np.array([0, 3], np.uint8), np.ones((1, 2), bool), np.array([[4, 0, 0, -9]], np.int16), **whole,
        mode=np.array([fields.get("mode", 0)], np.uint8), saturates=np.array([fields.get("saturates", True)]),
    )  # fmt: skip


def chip_of(types: tuple[CoreType, ...], targets: list[tuple[int, int, int]], links: list[tuple[int, int, int]],
            outputs: int = 1, latency: int = 0) -> Chip:  # fmt: skip
    """Return a chip with one core of each type; a target for each core's neurons, all the same."""
    n = len(types)
    core, axon, delay = (np.repeat(np.array([t[k] for t in targets])[:, None], 256, axis=1) for k in range(3))
    source, to, at = np.array(links).reshape(-1, 3).T
    return Chip(
        types, np.arange(n, dtype=np.int32), np.ones(n, np.int16), np.zeros(n, bool), core.astype(np.int32),
        axon.astype(np.int32), delay.astype(np.uint8), source.astype(np.int32), to.astype(np.int32), at.astype(np.int16),
        2, outputs, latency,
    )  # fmt: skip


def test_a_neuron_that_remembers_integrates_leaks_and_resets() -> None:
    """Weight 4 on axon 0, -9 on axon 1, leak 1, threshold 10, floor 5."""
    simulator = ChipSimulator(
        chip_of((one_neuron(leak=1, mode=1),), [(OUTPUT, 0, 1)], [(0, 0, 0), (1, 0, 1)])
    )
    inputs = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0], [1, 0], [1, 0], [0, 0], [0, 0]], bool)
    potentials, spikes = [], []
    for given_ in inputs:
        spikes.append(bool(simulator.step(given_)[0]))
        potentials.append(int(simulator._v[0, 0]))
    #              5  10>0  -8>-5 -13>-5 0   5  10>0  1  2
    assert potentials == [5, 0, -5, -5, 0, 5, 0, 1, 2]
    assert spikes == [False, True, False, False, False, False, True, False, False]
    assert (simulator.core_events.tolist(), simulator.core_spikes.tolist()) == ([7], [2])


def test_an_event_is_a_spike_at_a_neuron() -> None:
    three = CoreType.stateless(
        np.zeros(2, np.uint8), np.array([[1, 0], [1, 1], [1, 0]], bool), np.ones(3, np.int32)
    )
    simulator = ChipSimulator(chip_of((three,), [(NOWHERE, 0, 1)], [(0, 0, 0), (1, 0, 1)]))
    events = []
    for spikes in ([True, False], [False, True], [True, True]):
        simulator.step(np.array(spikes))
        events.append(int(simulator.core_events[0]))
    assert events == [3, 4, 8]


@pytest.mark.parametrize("delay", [1, 2, 15])
def test_a_spike_arrives_after_its_delay(delay: int) -> None:
    relay = CoreType.stateless(np.zeros(1, np.uint8), np.ones((1, 1), bool), np.ones(1, np.int32))
    simulator = ChipSimulator(chip_of((relay, relay), [(1, 0, delay), (OUTPUT, 0, 1)], [(0, 0, 0)]))
    spikes = [bool(simulator.step(np.array([tick in (0, 3), False]))[0]) for tick in range(25)]
    assert np.flatnonzero(spikes).tolist() == [delay, 3 + delay]


def test_two_spikes_on_one_axon_are_one() -> None:
    relay = CoreType.stateless(np.zeros(1, np.uint8), np.ones((1, 1), bool), np.ones(1, np.int32))
    both = chip_of((relay,), [(OUTPUT, 0, 1)], [(0, 0, 0), (1, 0, 0)])
    simulator = ChipSimulator(both)
    assert simulator.step(np.array([True, True])).tolist() == [True]
    assert (simulator.collisions, simulator.core_events.tolist()) == (1, [1])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"leak": 256}, "leak: got 256, allowed: -255 to 255"),
        ({"mode": 3}, "reset mode: got 3"),
        ({"threshold": -1}, "threshold: got -1"),
        ({"reset": 2**18}, "reset: got 262144"),
    ],
)
def test_neurons_that_the_chip_does_not_have_are_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        one_neuron(**fields)


def test_a_threshold_that_does_not_fit_the_leak_is_refused() -> None:
    network = random_network(SHAPES["one layer"], 3, seed=0)
    thresholds = network.layers[1].thresholds.copy()
    thresholds[7] = 256
    layers = (network.layers[0], IntegerLayer(network.layers[1].weights, thresholds))
    with pytest.raises(
        InvalidValueError, match="threshold of feature 7 of layer 2: got 256, allowed: -255 to 255"
    ):
        map_network(IntegerNetwork(network.spec, layers, 3))


# ---------------------------------------------------------------------- mapping


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(2))
def test_mapped_cores_spike_as_the_integers(shape: str, square: bool, seed: int) -> None:
    network = random_network(SHAPES[shape], 4, seed, rate=0.4)
    chip = map_network(network, square)
    student = ChipStudent(network, chip)
    inputs = frames(SHAPES[shape], 6, seed)
    outputs = student.outputs(inputs)
    assert np.array_equal(outputs, network.outputs(inputs))
    assert 0.05 < outputs.mean() < 0.95
    assert np.array_equal(student.actions(inputs), network.actions(inputs))
    plan = plan_cores(SHAPES[shape], square)
    assert (chip.n_cores, int(chip.splitters.sum())) == (plan.cores, plan.splitters)


def test_the_shapes_test_what_they_are_for() -> None:
    plans = {name: plan_cores(shape).layers for name, shape in SHAPES.items()}
    assert any(layer.splitters for layer in plans["splitters"])
    assert any(layer.tiling.rows > 1 for layer in plans["tiles"])
    assert plan_cores(SHAPES["tiles"], square=False).layers != plans["tiles"]
    assert any(layer.tiling.parts > 1 for layer in plans["more than 256 features"])
    assert any(layer.tiling.groups > 1 for layer in plans["groups share cores"])
    unread = map_network(random_network(SHAPES["stride leaves a rest"], 2, 0))
    assert np.any(unread.target_cores[np.arange(256) < unread.n_neurons[:, None]] == NOWHERE)


def test_the_mini_student_on_its_cores() -> None:
    network = random_network(STUDENTS["mini"], 6, seed=0)
    chip = map_network(network)
    student, inputs = ChipStudent(network, chip), frames(STUDENTS["mini"], 5)
    assert np.array_equal(student.outputs(inputs), network.outputs(inputs))
    assert (chip.n_cores, chip.n_chips, chip.latency) == (2584, 1, 5)
    assert student.traffic is not None
    assert student.traffic.spikes > network.outputs(inputs).sum() / 5
    assert joules(student.traffic.events) == pytest.approx(26e-12 * student.traffic.events)


def test_splitters_and_delays_on_a_network_drawn_by_hand() -> None:
    """130 outputs with two copies each: 126 fit beside the originals, four go through a splitter.

    Layer 2 has one core (130 neurons and 126 copies), layer 3 two groups, so two cores of 65 inputs each. The
    direct spikes wait a tick for those of the splitter: they take two.
    """
    shape = spec(1, 1, (8, 1, 1, 0, 1), (130, 1, 1, 0, 1), (4, 1, 1, 0, 2))
    chip = map_network(random_network(shape, 2, seed=0))
    assert chip.layers.tolist() == [2, 2, 3, 3]
    assert chip.splitters.tolist() == [False, True, False, False]
    assert chip.n_neurons.tolist() == [256, 8, 2, 2]
    assert chip.latency == 2
    to_splitter = chip.target_cores[0] == 1
    assert to_splitter.sum() == 4
    assert set(chip.delays[0][to_splitter]) == {1}
    assert set(chip.delays[0][~to_splitter]) == {2}
    assert set(chip.delays[1][:8]) == {1}
    assert sorted(chip.target_axons[0][to_splitter]) == [0, 1, 2, 3]
    pairs = {
        (int(c), int(a)) for c, a in zip(chip.target_cores[1][:8], chip.target_axons[1][:8], strict=True)
    }
    assert len({(core, axon // 2) for core, axon in pairs}) == 4  # both axons of four inputs
    assert len(pairs) == 8


def test_frames_in_a_stream_do_not_mix() -> None:
    network = random_network(SHAPES["splitters"], 4, seed=0, rate=0.4)
    student, inputs = ChipStudent(network, map_network(network)), frames(SHAPES["splitters"], 5)
    alone = np.concatenate([student.outputs(frame[None]) for frame in inputs])
    assert np.array_equal(student.outputs(inputs), alone)
    simulator = ChipSimulator(student.chip)
    simulator.run(network.transduced(inputs).reshape(5, -1))
    assert simulator.collisions == 0


def test_an_output_with_too_many_copies_is_refused() -> None:
    """Each of the 11 x 11 places that read a pixel is two cores (300 features), both signs: 484 copies."""
    head = ((1, 1, 1, 0, 1), (1, 1, 1, 0, 1))
    assert plan_cores(spec(1, 34, *head, (256, 11, 1, 0, 1))).splitters > 0
    with pytest.raises(
        InvalidValueError, match="copies of an output of layer 2: got 484, allowed: at most 256"
    ):
        plan_cores(spec(1, 34, *head, (300, 11, 1, 0, 1)))


def test_cores_of_another_student_are_refused() -> None:
    chip = map_network(random_network(SHAPES["tiles"], 2, seed=0))
    with pytest.raises(InvalidValueError, match="cores of the student"):
        ChipStudent(random_network(SHAPES["splitters"], 2, seed=0), chip)


# ---------------------------------------------------------------------- core files and the checker


NETWORK = random_network(SHAPES["splitters"], 4, seed=0, rate=0.4)
CHIP = map_network(NETWORK)
CONTENT = core_file.to_json(CHIP)


def read_array(packed: dict[str, Any]) -> np.ndarray:
    raw = zlib.decompress(base64.b64decode(packed["zlib"]))
    return np.frombuffer(raw, packed["type"]).reshape(packed["shape"]).copy()


def changed(change: Callable[[dict[str, np.ndarray]], None], part: str) -> dict[str, Any]:
    """Return the content of the file with the arrays of one part changed."""
    content = copy.deepcopy(CONTENT)
    arrays = {name: read_array(packed) for name, packed in content[part].items()}
    change(arrays)
    for name, array in arrays.items():
        content[part][name] = core_file._pack(array, content[part][name]["type"])
    return content


def check(content: dict[str, Any], folder: Path) -> checker.Report:
    path = folder / "cores.json"
    path.write_text(json.dumps(content))
    return checker.check(path)


def test_cores_go_to_a_file_and_back(tmp_path: Path) -> None:
    core_file.write(CHIP, tmp_path / "cores.json")
    again = core_file.read(tmp_path / "cores.json")
    assert core_file.to_json(again) == CONTENT
    inputs = NETWORK.transduced(frames(NETWORK.spec, 3)).reshape(3, -1)
    assert np.array_equal(ChipSimulator(again).run(inputs), ChipSimulator(CHIP).run(inputs))


def test_the_checker_counts_and_finds_nothing(tmp_path: Path) -> None:
    report = check(CONTENT, tmp_path)
    assert report.violations == []
    assert (report.cores, report.chips, report.splitters) == (CHIP.n_cores, 1, int(CHIP.splitters.sum()))
    assert report.neurons_used == CHIP.n_neurons.sum()
    assert report.axons_used == len(CHIP.input_cores) + np.sum(CHIP.target_cores >= 0)
    nonzero = [
        np.count_nonzero(w.reshape(len(w), -1), axis=1).max() for w in (r.weights for r in NETWORK.layers[1:])
    ]
    assert report.fan_in_max == max(nonzero)


def set_weight(arrays: dict[str, np.ndarray]) -> None:
    arrays["weights"][0, 0] = 2


def connect_both(arrays: dict[str, np.ndarray]) -> None:
    arrays["crossbar"][np.argmax(np.repeat(arrays["axons"], arrays["neurons"]) > 8), 0] |= 3


def connect_all(arrays: dict[str, np.ndarray]) -> None:
    widest = int(np.argmax(arrays["axons"]))
    assert arrays["axons"][widest] > 128
    arrays["crossbar"][int(arrays["neurons"][:widest].sum())] = 255


def remember(arrays: dict[str, np.ndarray]) -> None:
    arrays["threshold"][5] = 1


def late(arrays: dict[str, np.ndarray]) -> None:
    arrays["delay"][0] += 1


def far(arrays: dict[str, np.ndarray]) -> None:
    arrays["delay"][3] = 16


def nowhere(arrays: dict[str, np.ndarray]) -> None:
    arrays["target_core"][0] = CHIP.n_cores


def twice(arrays: dict[str, np.ndarray]) -> None:
    arrays["target_axon"][1], arrays["target_core"][1] = arrays["target_axon"][0], arrays["target_core"][0]


def lost(arrays: dict[str, np.ndarray]) -> None:
    arrays["target_core"][np.argmax(arrays["target_core"] == OUTPUT)] = NOWHERE


def silent(arrays: dict[str, np.ndarray]) -> None:
    arrays["target_core"][0] = NOWHERE


def unsaturated(arrays: dict[str, np.ndarray]) -> None:
    arrays["saturates"][0] = 0


@pytest.mark.parametrize(
    ("change", "part", "message"),
    [
        (set_weight, "types", "something else than -1 or 1"),
        (connect_both, "types", "both axons of an input"),
        (connect_all, "types", "more than 128 inputs"),
        (remember, "types", "threshold is not 0"),
        (unsaturated, "types", "does not stop at its floor"),
        (late, "cores", "different frames meet"),
        (far, "cores", "a delay is not 1 to 15"),
        (nowhere, "cores", "a target core does not exist"),
        (twice, "cores", "an axon has two sources"),
        (lost, "cores", "an output is missing"),
        (silent, "cores", "an axon that nothing leads to"),
    ],
)
def test_the_checker_finds_what_is_wrong(
    change: Callable[[dict[str, np.ndarray]], None], part: str, message: str, tmp_path: Path
) -> None:
    report = check(changed(change, part), tmp_path)
    assert any(message in violation for violation in report.violations), report.violations


def test_the_checker_compares_the_latency(tmp_path: Path) -> None:
    report = check({**CONTENT, "latency": CONTENT["latency"] + 1}, tmp_path)
    assert report.violations == ["an output does not come after the latency"]


def bomb(size: int) -> dict[str, Any]:
    packed = base64.b64encode(zlib.compress(bytes(10**6), 9)).decode()
    return {"type": "<i4", "shape": [size], "zlib": packed}


def without(part: str, name: str) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    del content[part][name]
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "cores written by snnrl"),
        ({"format": "x"}, "cores written by snnrl"),
        ({**CONTENT, "version": 2}, "version: got 2, allowed: 1, which this snnrl reads"),
        ({**CONTENT, "latency": -1}, "inputs, outputs, latency"),
        ({**CONTENT, "inputs": 1e300}, "inputs, outputs, latency"),
        ({**CONTENT, "inputs": 1}, "input of an input link"),
        ({**CONTENT, "outputs": 1}, "output of a neuron"),
        ({**CONTENT, "links": {**CONTENT["links"], "core": bomb(2**31 - 1)}}, "cannot hold"),
        ({**CONTENT, "links": {**CONTENT["links"], "core": bomb(10**5)}}, "holds 400001"),
        ({**CONTENT, "links": {**CONTENT["links"], "core": bomb(5)}}, "holds 21"),
        ({**CONTENT, "links": 3}, "damaged"),
        (without("cores", "delay"), "damaged"),
        (without("types", "crossbar"), "damaged"),
        ({**CONTENT, "types": {**CONTENT["types"], "leak": {"type": "O", "shape": [1], "zlib": ""}}}, "damaged"),
        ({**CONTENT, "types": {**CONTENT["types"], "leak": {"type": "<i2", "shape": [-1], "zlib": ""}}}, "bad shape"),
        ({**CONTENT, "types": {**CONTENT["types"], "leak": {"type": "<i2", "shape": [1], "zlib": "%%"}}}, "damaged"),
        (changed(nowhere, "cores"), "target core"),
        (changed(far, "cores"), "delay: got 16"),
        (changed(lambda a: a["neurons"].__setitem__(0, 257), "types"), "size of a core type: got 257"),
        (changed(lambda a: a["type"].__setitem__(0, 9999), "cores"), "type of a core: got 9999"),
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_core_file_is_one_clear_line(content: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        core_file.from_json(content)
    assert "\n" not in str(caught.value)


TEXT = json.dumps(CONTENT).encode()


@given(st.integers(0, len(TEXT) - 1), st.integers(32, 126), st.booleans())
def test_fuzzed_core_files_load_or_are_refused(place: int, byte: int, cut: bool) -> None:
    content = bytearray(TEXT)
    content[place] = byte
    try:
        core_file.from_json(json.loads(bytes(content)[:place] if cut else bytes(content)))
    except InvalidValueError:
        return
    except ValueError:  # no JSON: `read` says so
        return


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[[[[", b"[" * 100_000, b'{"format": NaN}', bytes(range(256)), b"9" * 10_000]
)
def test_a_file_that_is_no_json_is_one_clear_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cores.json"
    path.write_bytes(content)
    for look in (core_file.read, checker.check):
        with pytest.raises(InvalidValueError, match="core file") as caught:
            look(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidValueError, match="a file that can be read"):
        core_file.read(tmp_path / "nothing.json")


@given(st.integers(0, len(TEXT) - 1), st.integers(32, 126))
def test_the_checker_survives_fuzzed_files(place: int, byte: int) -> None:
    content = bytearray(TEXT)
    content[place] = byte
    try:
        checker._Check(json.loads(bytes(content))).report()
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, zlib.error):
        return  # what `check` turns into one line


# ---------------------------------------------------------------------- RANC


def run_ranc(configuration: dict[str, Any], content: dict[str, Any], ticks: int) -> np.ndarray:
    """Run a RANC file by its published rules: integrate, leak, fire at the threshold; a packet arrives at the next tick."""
    cores = {tuple(core["coordinates"]): core for core in content["cores"]}
    bus = tuple(content["output_bus"]["coordinates"])
    due: dict[int, list[tuple[tuple[int, int], int]]] = {}
    outputs = np.zeros((ticks + 1, content["output_bus"]["num_outputs"]), bool)
    for tick in range(ticks):
        for packet in content["packets"][tick] if tick < len(content["packets"]) else []:
            due.setdefault(tick + 1 + packet["destination_tick"], []).append(
                (tuple(packet["destination_core"]), packet["destination_axon"])
            )
        active: dict[tuple[int, int], set[int]] = {}
        for place, axon in due.pop(tick, []):
            if place == bus:
                outputs[tick, axon] = True
            else:
                active.setdefault(place, set()).add(axon)
        for place, core in cores.items():
            axons = np.array(sorted(active.get(place, ())), int)
            weights = np.array([n["weights"] for n in core["neurons"]])[:, np.array(core["axons"])[axons]]
            sums = (weights * np.array(core["connections"])[:, axons]).sum(axis=1)
            for neuron, total in zip(core["neurons"], sums, strict=True):
                if total + neuron["leak"] >= neuron["positive_threshold"]:
                    dx, dy = neuron["destination_core_offset"]
                    due.setdefault(tick + 1 + neuron["destination_tick"], []).append(
                        ((place[0] + dx, place[1] + dy), neuron["destination_axon"])
                    )
    assert configuration["num_cores_x"] * configuration["num_cores_y"] > len(cores)
    return outputs


def test_the_ranc_export_computes_the_same() -> None:
    shape = spec(1, 3, (6, 1, 1, 0, 1), (12, 2, 1, 0, 2), (6, 2, 2, 0, 1))
    network = random_network(shape, 2, seed=2, rate=0.5)
    chip, inputs = map_network(network), frames(shape, 4)
    configuration, content = to_ranc(chip, network.transduced(inputs).reshape(4, -1))
    json.dumps([configuration, content])
    outputs = run_ranc(configuration, content, ticks=10)
    lag = chip.latency + 2  # the host's packets and the output bus take a tick each
    expected = network.outputs(inputs).reshape(4, -1)
    assert np.array_equal(outputs[lag : lag + 4], expected)
    assert 0.1 < expected.mean() < 0.9


def test_ranc_gets_only_neurons_that_forget() -> None:
    chip = chip_of((one_neuron(),), [(OUTPUT, 0, 1)], [(0, 0, 0)])
    with pytest.raises(InvalidValueError, match="stateless"):
        to_ranc(chip, np.zeros((1, 2), bool))


def test_cores_have_places_on_chips() -> None:
    chip = replace(chip_of((one_neuron(),), [(OUTPUT, 0, 1)], [(0, 0, 0)]))
    assert chip.coordinates().tolist() == [[0, 0, 0]]
    relay = CoreType.stateless(np.zeros(1, np.uint8), np.ones((1, 1), bool), np.ones(1, np.int32))
    many = Chip(
        (relay,), np.zeros(4100, np.int32), np.ones(4100, np.int16), np.zeros(4100, bool),
        np.full((4100, 256), NOWHERE, np.int32), np.zeros((4100, 256), np.int32), np.ones((4100, 256), np.uint8),
        np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(1, np.int16), 1, 0, 0,
    )  # fmt: skip
    assert many.n_chips == 2
    assert many.coordinates()[[63, 64, 4095, 4096]].tolist() == [
        [0, 63, 0],
        [0, 0, 1],
        [0, 63, 63],
        [1, 0, 0],
    ]
