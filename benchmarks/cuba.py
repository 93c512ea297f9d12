"""Brian2's example CUBA, 4000 neurons, taken over by `snnrl.from_brian2`: same spikes on `fast`, and how long it takes.

The network is Vogels and Abbott (2005, J. Neurosci. 25:10786) as Brian2's examples write it: 3200 excitatory and 800
inhibitory neurons, current-based synapses, each pair connected with probability 0.02, dt 0.1 ms. Connections and
initial voltages are drawn once and given to all. Each simulator runs on one thread of one core, and all of them are
timed in turn.

Three times are told apart. *Simulation*: the loop over time alone; for `fast` all of its environment steps. *A whole
run*: from the call to the list of spikes, with everything compiled before. Both are processor times, the clock of Brian2's
programs, which others on the machine disturb least. *First run*: the whole run with empty caches, code generation and
compilation included, as it passes on the wall.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, report
from benchmarks.cuba_simulators import DT, CubaError, Fast, Runtime, Spikes, Standalone, draw

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.cuba                       1 s of biological time on each, about two minutes
  python -m benchmarks.cuba --save                the same, kept in benchmarks/results
  python -m benchmarks.cuba --check               only: are the spikes of 100 ms the same? about a minute
"""
CHECKED_MS = 100
SAME_FLAGS = "-w -O3 -ffast-math -march=native -std=c++11"


@dataclass
class Entry:
    """One simulator and what was measured of it (s)."""

    simulator: Any
    first: float = 0.0
    spikes: Spikes = field(default_factory=lambda: (np.zeros(0, np.int64), np.zeros(0, np.int64)))
    simulation: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)

    def first_run(self) -> None:
        """Run for the first time, compilation included."""
        start = time.perf_counter()
        _, self.spikes = self.simulator.run()
        self.first = time.perf_counter() - start + getattr(self.simulator, "build_seconds", 0.0)

    def once_more(self) -> None:
        """Time another run."""
        start = processor_seconds()
        inside, _ = self.simulator.run()
        self.whole.append(processor_seconds() - start)
        self.simulation.append(inside)

    def until(self, step: int) -> Spikes:
        """Return the spikes before a step, ordered by step and neuron."""
        neurons, steps = (values[self.spikes[1] < step] for values in self.spikes)
        order = np.lexsort((neurons, steps))
        return neurons[order], steps[order]


def processor_seconds() -> float:
    """Return the processor time of this process and of the programs it has run."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def same_until(a: Entry, b: Entry, steps: int) -> int:
    """Return the number of steps from the start in which two simulators spike alike."""
    sets = [set(zip(*map(np.ndarray.tolist, entry.until(steps)), strict=True)) for entry in (a, b)]
    return min((step for _, step in sets[0] ^ sets[1]), default=steps)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _entries(arguments: argparse.Namespace, folder: Path) -> list[Entry]:
    """Build all simulators and let each run once; caches start empty in ``folder``."""
    import brian2 as b2

    wiring = draw(arguments.seed)
    os.environ["SNNRL_CACHE"] = str(folder / "kernels")
    b2.prefs["codegen.runtime.cython.cache_dir"] = str(folder / "cython")
    makers: list[Callable[[], Any]] = [
        lambda: Fast(wiring, arguments.seconds),
        lambda: Runtime(wiring, CHECKED_MS * 1e-3, "numpy"),
        lambda: Runtime(wiring, arguments.seconds, "cython"),
        lambda: Standalone(wiring, arguments.seconds, folder / "own"),
        lambda: Standalone(wiring, arguments.seconds, folder / "given", SAME_FLAGS),
    ]
    entries = []
    for make in makers:
        entry = Entry(make())
        _say(f"{entry.simulator.name}: first run")
        entry.first_run()
        entries.append(entry)
    return entries


def _measure(entries: Sequence[Entry], repeats: int) -> None:
    """Time all entries in turn, each repeat in another order."""
    for repeat in range(repeats):
        for k in range(len(entries)):
            entry = entries[(k + repeat) % len(entries)]
            entry.once_more()
            _say(
                f"repeat {repeat + 1}/{repeats}  {entry.simulator.name:35} {entry.simulation[-1] * 1e3:9.1f} ms"
            )


def _agreement(entries: Sequence[Entry], seconds: float) -> list[dict[str, Any]]:
    """Return how long each simulator spikes as `fast` does."""
    rows = []
    for entry in entries[1:]:
        steps = round((CHECKED_MS * 1e-3 if entry.simulator.name == "Brian2 numpy" else seconds) / DT)
        same = same_until(entries[0], entry, steps)
        rows.append({
            "simulator": entry.simulator.name, "same_until_ms": same * DT * 1e3, "compared_ms": steps * DT * 1e3,
            "identical_100_ms": same * DT * 1e3 >= min(CHECKED_MS, steps * DT * 1e3),
        })  # fmt: skip
    return rows


def agreement_table(rows: Sequence[dict[str, Any]], spikes: int) -> str:
    """Return the agreement as a table; ``spikes`` is their number in the first 100 ms."""
    header = [
        "beside snnrl fast, float64",
        f"spikes of the first {CHECKED_MS} ms ({spikes})",
        "alike for",
        "compared",
    ]
    lines = [
        [r["simulator"], "identical" if r["identical_100_ms"] else "DIFFERENT", f"{r['same_until_ms']:.1f} ms",
         f"{r['compared_ms']:.0f} ms"]
        for r in rows
    ]  # fmt: skip
    return report.table(header, lines)


def time_table(entries: Sequence[Entry], seconds: float) -> str:
    """Return the times as a table; ratios are between medians of the simulation alone."""
    rows = []
    for e in entries:
        times = [x * 1e3 for x in e.simulation]
        middle = statistics.median(times)
        base = statistics.median(entries[0].simulation) * 1e3
        rows.append([
            e.simulator.name, f"{report.number(middle)} ({report.number(min(times))}-{report.number(max(times))})",
            report.number(middle / seconds * DT * 1e3), report.number(middle / base),
            report.number(statistics.median(e.whole) * 1e3), report.number(e.first),
        ])  # fmt: skip
    header = ["simulator", "simulation, ms", "us per dt", "times fast", "a whole run, ms", "first run, s"]
    return report.table(header, rows)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cuba", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=7, help="timings per simulator (default 7)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="biological time of a timed run (default 1)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of connections and voltages (default 0)")
    parser.add_argument("--core", type=int, help="core to run on (default: the last one; Linux)")
    parser.add_argument("--check", action="store_true", help="compare the spikes, without timing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--save", action="store_true", help=f"write cuba.json and cuba.md to {RESULTS}")
    arguments = parser.parse_args(argv)
    cores = machine.usable_cores()
    if arguments.repeats < 1:
        parser.error(f"--repeats: got {arguments.repeats}, allowed: 1 or more")
    if not CHECKED_MS * 1e-3 <= arguments.seconds <= 100 or round(arguments.seconds / DT) % 100:
        parser.error(f"--seconds: got {arguments.seconds}, allowed: 0.1 to 100, a multiple of 0.01")
    if arguments.seed < 0:
        parser.error(f"--seed: got {arguments.seed}, allowed: 0 or more")
    if arguments.core is not None and arguments.core not in cores:
        parser.error(f"--core: got {arguments.core}, allowed: {', '.join(map(str, cores)) or 'none here'}")
    if arguments.save and arguments.check:
        parser.error("--save: allowed only with the times, without --check")
    if arguments.check:
        arguments.seconds = CHECKED_MS * 1e-3
    if arguments.core is None and cores:
        arguments.core = cores[-1]
    return arguments


def _page(
    tables: Sequence[str], facts: dict[str, Any], arguments: argparse.Namespace, notes: Sequence[str]
) -> str:
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())
    told = "\n".join(f"- {note}" for note in notes)
    return f"""# CUBA: a Brian2 network on `fast`

Made by `python -m benchmarks.cuba --save`: 4000 neurons, 2 % connectivity, dt 0.1 ms, {arguments.seconds:g} s of biological
time, one thread, {arguments.repeats} interleaved repeats, medians (least-most). Simulation and whole run are processor times
with everything compiled before; the first run is wall time with empty caches, on one core.

{tables[0]}

{tables[1]}

{told}

The machine:

{listed}
"""


def _run(arguments: argparse.Namespace, facts: dict[str, Any]) -> bool:
    """Measure, print and write; returns whether the spikes agree."""
    with tempfile.TemporaryDirectory(prefix="snnrl-cuba-") as folder:
        entries = _entries(arguments, Path(folder))
        timed = [e for e in entries if e.simulator.name != "Brian2 numpy"]
        if not arguments.check:
            _measure(timed, arguments.repeats)
    rows = _agreement(entries, arguments.seconds)
    tables = [agreement_table(rows, entries[0].until(round(CHECKED_MS * 1e-3 / DT))[0].size)]
    notes = [
        f"{e.simulator.name}: `{e.simulator.flags}`" for e in entries if isinstance(e.simulator, Standalone)
    ]
    notes.append(f"`from_brian2` took {entries[0].simulator.take_over_seconds:.2f} s, part of no column")
    if not arguments.check:
        tables.append(time_table(timed, arguments.seconds))
    print(*tables, *notes, sep="\n\n")
    data = {"machine": facts, "seconds": arguments.seconds, "agreement": rows, "notes": notes,
            "times": [{"simulator": e.simulator.name, "simulation_s": e.simulation, "whole_run_s": e.whole,
                       "first_run_s": e.first} for e in timed]}  # fmt: skip
    if arguments.json is not None:
        report.write_json(arguments.json, data)
    if arguments.save:
        report.write_json(RESULTS / "cuba.json", data)
        report.write(RESULTS / "cuba.md", _page(tables, facts, arguments, notes))
    return all(row["identical_100_ms"] for row in rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; 1 if spikes differ, 2 if a simulator broke down."""
    arguments = _parse(argv)
    facts = machine.describe()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    try:
        return 0 if _run(arguments, facts) else 1
    except CubaError as error:
        print(f"cuba: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("cuba: interrupted, nothing was written", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
