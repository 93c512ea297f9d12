"""TrueNorth students: bit-packed inference beside torch on one core, and mapped cores simulated tick by tick.

Students have random ternary weights and thresholds that make about a fifth of their neurons spike; speed does
not depend on what they have learned, spike traffic does. "torch float" is a network of the same shapes with
float32 weights, biases and ReLU; "torch student" the student itself in evaluation. All have one thread and,
on Linux, the same core; they take turns, and every number is a median over the turns of the thread's CPU
time, so that other work on the machine counts little. Before anything is timed, spikes are compared.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks import machine, report
from snnrl.engines.truenorth.on_chip import ChipStudent
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.figures.style import BLUE, ORANGE, VERMILLION, write_png
from snnrl.networks.truenorth import STUDENTS, IntegerNetwork, StudentSpec, random_network
from snnrl.networks.truenorth.energy import joules
from snnrl.networks.truenorth.mapping import map_network
from snnrl.networks.truenorth.students import Student

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.truenorth               mini and the four columns, a few minutes
  python -m benchmarks.truenorth --save        the same, kept in benchmarks/results
  python -m benchmarks.truenorth --students 1-chip --repeats 200
"""
NAMES = ("mini", "1-chip", "2-chip", "4-chip", "8-chip")
BATCH = 32
CHIP_FRAMES = 100
ASKED = {"packed over torch float": 5.0, "frames per second": 1000.0}
Frames = NDArray[np.int16]


def float_network(spec: StudentSpec) -> torch.nn.Sequential:
    """Return a network of the same shapes with float32 weights, biases and ReLU."""
    layers: list[torch.nn.Module] = []
    for place in spec.places():
        row = place.layer
        conv = torch.nn.Conv2d(
            place.channels, row.features, row.kernel, row.stride, row.padding, groups=row.groups
        )
        layers += [conv, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers).eval()


def torch_student(network: IntegerNetwork) -> Student:
    """Return a student in torch whose evaluation has the weights and thresholds of an integer network."""
    student = Student(network.spec, network.n_actions, signed_input=network.signed_input).eval()
    with torch.no_grad():
        for block, layer in zip(student.layer_blocks, network.layers, strict=True):
            weights = torch.from_numpy(layer.weights.astype(np.float32))
            block.conv.weight.copy_(weights)
            block.conv.shadow.copy_(weights)
            half = torch.from_numpy(layer.thresholds.astype(np.float32)) - 0.5  # between two whole sums
            block.step.mean.copy_(half)
    return student


def contenders(network: IntegerNetwork) -> dict[str, Callable[[Frames], Any]]:
    """Return what is timed, by name; each takes frames."""
    packed, plain, student = PackedNetwork(network), float_network(network.spec), torch_student(network)
    last = float_network(network.spec).to(memory_format=torch.channels_last)

    def channels_last(x: Frames) -> Any:
        return last(torch.from_numpy(x).float().contiguous(memory_format=torch.channels_last))

    return {
        "packed": packed.counts,
        "torch float": lambda x: plain(torch.from_numpy(x).float()),
        "torch float, channels last": channels_last,
        "torch student": lambda x: student(torch.from_numpy(x)),
    }


def compare(network: IntegerNetwork, frames: Frames) -> None:
    """Stop unless torch, integers and packed bits agree on every output spike."""
    expected = network.outputs(frames)
    with torch.inference_mode():
        student = torch_student(network).spikes(torch.from_numpy(frames))[-1].numpy().astype(bool)
    packed = PackedNetwork(network)
    bits = np.stack([packed.activations(frame)[-1] for frame in frames])
    if not (np.array_equal(expected, student) and np.array_equal(expected, bits)):
        raise SystemExit(f"{network.spec.name}: output spikes differ")


def time_all(functions: dict[str, Callable[[Frames], Any]], frames: Frames, repeats: int) -> dict[str, float]:
    """Return the median milliseconds per call of each, taken in turns in another order each time."""
    rng, found = np.random.default_rng(0), {name: [] for name in functions}  # type: tuple[Any, dict[str, list[float]]]
    with torch.inference_mode():
        for function in functions.values():
            function(frames)
        for _ in range(repeats):
            for name in rng.permutation(list(functions)):
                start = time.thread_time()
                functions[str(name)](frames)
                found[str(name)].append(1000 * (time.thread_time() - start))
    return {name: statistics.median(times) for name, times in found.items()}


def measure(name: str, repeats: int, chip: bool) -> dict[str, Any]:
    """Return all numbers of one student."""
    network = random_network(STUDENTS[name], 6, seed=0)
    shape = (network.spec.channels, network.spec.side, network.spec.side)
    frames = np.random.default_rng(1).integers(0, 256, (max(BATCH, CHIP_FRAMES), *shape)).astype(np.int16)
    compare(network, frames[:4])
    functions = contenders(network)
    single = time_all(functions, frames[:1], repeats)
    batched = time_all(functions, frames[:BATCH], max(3, repeats // 20))
    numbers: dict[str, Any] = {
        "student": name,
        "ms_batch_1": single,
        "ms_batch": batched,
        "batch": BATCH,
        "packed_over_torch_float": _fastest_float(single) / single["packed"],
        "packed_over_torch_float_batched": _fastest_float(batched) / batched["packed"],
        "frames_per_second": 1000 / single["packed"],
        "frames_per_second_batched": 1000 * BATCH / batched["packed"],
        "packed_bytes": PackedNetwork(network).memory,
        "float_bytes": 4 * network.spec.parameters,
    }
    return numbers | (measure_chip(network, frames[:CHIP_FRAMES]) if chip else {})


def _fastest_float(times: dict[str, float]) -> float:
    return min(times["torch float"], times["torch float, channels last"])


def measure_chip(network: IntegerNetwork, frames: Frames) -> dict[str, Any]:
    """Map, simulate pipelined frames, compare every output spike, and count traffic."""
    chip = map_network(network)
    student = ChipStudent(network, chip)
    student.outputs(frames[:1])  # compiles
    start = time.perf_counter()
    outputs = student.outputs(frames)
    seconds = time.perf_counter() - start
    if not np.array_equal(outputs, network.outputs(frames)):
        raise SystemExit(f"{network.spec.name}: the chip's output spikes differ")
    assert student.traffic is not None
    return {
        "cores": chip.n_cores,
        "chip_frames": len(frames),
        "chip_seconds": seconds,
        "chip_bytes": _simulator_bytes(chip),
        "spikes_per_frame": student.traffic.spikes,
        "events_per_frame": student.traffic.events,
        "joules_per_frame": joules(student.traffic.events),
    }


def _simulator_bytes(chip: Any) -> int:
    from snnrl.engines.truenorth.simulator import ChipSimulator

    return ChipSimulator(chip).memory


def speed_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of inference."""
    head = ["student", "packed ms", "frames/s", "torch float ms", "torch student ms", "ratio", f"packed ms, {BATCH} frames",
            "frames/s batched", "torch float ms", "ratio", "packed MB", "float MB"]  # fmt: skip
    cells = [
        [
            row["student"],
            report.number(row["ms_batch_1"]["packed"]),
            f"{row['frames_per_second']:,.0f}",
            report.number(_fastest_float(row["ms_batch_1"])),
            report.number(row["ms_batch_1"]["torch student"]),
            report.number(row["packed_over_torch_float"]),
            report.number(row["ms_batch"]["packed"]),
            f"{row['frames_per_second_batched']:,.0f}",
            report.number(_fastest_float(row["ms_batch"])),
            report.number(row["packed_over_torch_float_batched"]),
            report.number(row["packed_bytes"] / 1e6),
            report.number(row["float_bytes"] / 1e6),
        ]
        for row in rows
    ]
    return report.table(head, cells)


def chip_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of the simulated chip."""
    head = [
        "student",
        "cores",
        f"s for {CHIP_FRAMES} frames",
        "simulator MB",
        "spikes/frame",
        "events/frame",
        "mJ/frame at 26 pJ",
    ]
    cells = [
        [
            row["student"],
            f"{row['cores']:,}",
            report.number(row["chip_seconds"]),
            report.number(row["chip_bytes"] / 1e6),
            f"{row['spikes_per_frame']:,.0f}",
            f"{row['events_per_frame']:,.0f}",
            report.number(1000 * row["joules_per_frame"]),
        ]
        for row in rows
        if "cores" in row
    ]
    return report.table(head, cells)


def figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw frames per second and memory of all students, beside torch."""
    found = Figure(figsize=(9, 3.6), layout="constrained")
    speed, memory = found.subplots(1, 2)
    place = np.arange(len(rows))
    bars = (
        ("packed, batch 1", BLUE, [row["frames_per_second"] for row in rows]),
        (f"packed, batch {BATCH}", ORANGE, [row["frames_per_second_batched"] for row in rows]),
        (
            f"torch float, batch {BATCH}",
            VERMILLION,
            [1000 * BATCH / _fastest_float(row["ms_batch"]) for row in rows],
        ),
    )
    for k, (label, colour, values) in enumerate(bars):
        speed.bar(place + 0.27 * (k - 1), values, 0.27, color=colour, label=label)
    speed.set_yscale("log")
    speed.set_ylabel("frames per second, one core")
    speed.legend(fontsize="small")
    for k, (label, colour, key) in enumerate(
        (("packed, all arrays", BLUE, "packed_bytes"), ("float32 weights", VERMILLION, "float_bytes"))
    ):
        memory.bar(place + 0.4 * (k - 0.5), [row[key] / 1e6 for row in rows], 0.4, color=colour, label=label)
    memory.set_yscale("log")
    memory.set_ylabel("MB")
    memory.legend(fontsize="small")
    for axes in (speed, memory):
        axes.set_xticks(place, [row["student"] for row in rows])
    return found


def _page(rows: Sequence[dict[str, Any]], facts: dict[str, Any], repeats: int) -> str:
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())
    return f"""# TrueNorth students: speed, memory, cores

Made by `python -m benchmarks.truenorth --save`. Untrained students (random ternary weights, about a fifth of the neurons
spike) on noise; one thread, CPU time; medians of {repeats} turns (batches: {max(3, repeats // 20)}). Torch float: the faster of the two
memory layouts. Ratio: torch float over packed. Asked for the 1-chip student: ratio at least 5, 1000 frames/s.

{speed_table(rows)}

![frames per second and memory](truenorth.png)

The simulated chip: frames follow each other one tick apart, output spikes compared with the integer network. Energy is
estimated at 26 pJ per synaptic event (Merolla et al. 2014), without the chip's static power. Asked for 1-chip: below 600 s, 4 GB.

{chip_table(rows)}

The machine:

{listed}
"""


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truenorth", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--students", nargs="+", choices=sorted(STUDENTS), default=NAMES, help="students to measure"
    )
    parser.add_argument("--repeats", type=int, default=200, help="turns at batch 1")
    parser.add_argument("--no-chip", action="store_true", help="leave out the simulated chip")
    parser.add_argument(
        "--save", action="store_true", help="keep page, figure and numbers in benchmarks/results"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parse(argv)
    torch.set_num_threads(1)
    facts = machine.describe()
    cores = machine.usable_cores()
    if cores:
        os.sched_setaffinity(0, {cores[-1]})
    rows = []
    for name in options.students:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows.append(measure(name, options.repeats, not options.no_chip))
    print(speed_table(rows), chip_table(rows), sep="\n\n")
    data = {"machine": facts, "asked": ASKED, "repeats": options.repeats, "rows": rows}
    if options.json:
        report.write_json(options.json, data)
    if options.save:
        report.write_json(RESULTS / "truenorth.json", data)
        report.write(RESULTS / "truenorth.md", _page(rows, facts, options.repeats))
        write_png(lambda: figure(rows), RESULTS / "truenorth.png")


if __name__ == "__main__":
    main()
