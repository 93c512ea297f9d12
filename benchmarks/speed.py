"""Speed of snnrl beside BindsNET, Brian2 and JAX on one workload, in one run, one thread each.

Every simulator runs the workload of benchmarks/workload.py in a process of its own. In each repeat all of
them are timed one after the other, so that a change of the machine's speed meets all alike.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from benchmarks import machine, report, tables
from benchmarks import workload as wl
from benchmarks.client import PeerError, Worker
from benchmarks.environments import has_module, jax_python
from benchmarks.rows import ROWS, Entry, ratios

RESULTS = Path(__file__).resolve().parent / "results"
CHECK_STEPS = 6 * wl.RESTORE_EVERY
EXAMPLE = """
examples:
  python -m benchmarks.speed                            the whole table, about two minutes
  python -m benchmarks.speed --save                     the same, kept in benchmarks/results
  python -m benchmarks.speed --check                    do all of them simulate the same network?
  python -m benchmarks.speed --only jax snnrl --repeats 3 --seconds 0.1

JAX is no dependency of snnrl: it is taken from this environment, from --jax-python, or from an
environment made once in ~/.cache/snnrl-benchmarks with pip install jax.
"""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _start(entry: Entry, arguments: argparse.Namespace, core: int | None, log: IO[str]) -> None:
    """Start the worker of an entry and build the workload; on failure the entry says why it is absent."""
    options = dict(entry.row.options)
    if entry.row.peer == "snnrl":
        options.setdefault("dtype", arguments.dtype)
    try:
        python = Path(sys.executable)
        if entry.row.peer == "jax":
            python = jax_python(arguments.jax_python, install=not arguments.no_install)
        _say(f"building {entry.row.name}")
        entry.worker = Worker(python, entry.row.peer, core, log)
        entry.description, entry.build_seconds = entry.worker.build(arguments.seed, options)
    except PeerError as error:
        entry.absent = str(error)
        _say(f"{entry.row.name} is absent: {error}")


def _time_once(entry: Entry) -> float:
    """Run one repeat; returns microseconds per dt for all agents of the row together."""
    assert entry.worker is not None
    measured = entry.worker.run(entry.env_steps)
    return measured.seconds / (measured.env_steps * wl.STEPS) * 1e6


def _calibrate(entry: Entry, seconds: float) -> None:
    """Warm up and choose the length of a repeat: whole blocks that take about ``seconds``."""
    _time_once(entry)
    block_seconds = _time_once(entry) * wl.RESTORE_EVERY * wl.STEPS * 1e-6
    entry.env_steps = wl.RESTORE_EVERY * max(1, round(seconds / block_seconds))


def _measure(entries: Sequence[Entry], repeats: int, seconds: float) -> None:
    """Time all entries in turn, ``repeats`` times, each repeat in another order."""
    for entry in entries:
        _calibrate(entry, seconds)
    for repeat in range(repeats):
        for i in range(len(entries)):
            entry = entries[(i + repeat) % len(entries)]
            entry.us_per_dt.append(_time_once(entry))
            _say(f"repeat {repeat + 1}/{repeats}  {entry.row.name:14} {entry.us_per_dt[-1]:10.4g} us per dt")


def _check(entries: Sequence[Entry]) -> None:
    """Run every entry long enough to compare rates."""
    for entry in entries:
        assert entry.worker is not None
        _say(f"checking {entry.row.name}")
        entry.worker.run(wl.RESTORE_EVERY if entry.row.agents > 1 else CHECK_STEPS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = sorted({row.name for row in ROWS})
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--repeats", type=int, default=9, help="timings per simulator (default 9)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one timing (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and noise (default 0)")
    parser.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="of snnrl where the row does not say; BindsNET and JAX use float32",
    )
    parser.add_argument("--core", type=int, help="core to run on (default: the last one; Linux)")
    parser.add_argument("--jax-python", type=Path, metavar="PATH", help="interpreter that has JAX")
    parser.add_argument("--no-install", action="store_true", help="do not make an environment for JAX")
    parser.add_argument("--check", action="store_true", help="print what the networks do, without timing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--save", action="store_true", help=f"write speed.json and speed.md to {RESULTS}")
    parser.add_argument("--verbose", action="store_true", help="show what the simulators print")
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(argv)
    cores = machine.usable_cores()
    if arguments.repeats < 1:
        parser.error(f"--repeats: got {arguments.repeats}, allowed: 1 or more")
    if not arguments.seconds > 0:
        parser.error(f"--seconds: got {arguments.seconds}, allowed: more than 0")
    if arguments.seed < 0:
        parser.error(f"--seed: got {arguments.seed}, allowed: 0 or more")
    if arguments.core is not None and arguments.core not in cores:
        parser.error(f"--core: got {arguments.core}, allowed: {', '.join(map(str, cores)) or 'none here'}")
    if arguments.jax_python is not None and not has_module(arguments.jax_python, "jax"):
        parser.error(f"--jax-python: got {arguments.jax_python}, allowed: a Python interpreter that has JAX")
    if arguments.save and (arguments.check or arguments.only):
        parser.error("--save: allowed only for the whole table, without --check and --only")
    if arguments.core is None and cores:
        arguments.core = cores[-1]
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure or check, print the tables, write the files that were asked for; 2 if a simulator broke down."""
    arguments = _parse(argv)
    try:
        _run(arguments)
    except PeerError as error:
        print(f"speed: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("speed: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0


def _run(arguments: argparse.Namespace) -> None:
    facts = machine.describe()
    entries = [Entry(row) for row in ROWS if arguments.only is None or row.name in arguments.only]
    with ExitStack() as stack:
        log = sys.stderr if arguments.verbose else stack.enter_context(open(os.devnull, "w"))
        for entry in entries:
            _start(entry, arguments, arguments.core, log)
            if entry.worker is not None:
                stack.enter_context(entry.worker)
        present = [entry for entry in entries if not entry.absent]
        if arguments.check:
            _check(present)
        else:
            _measure(present, arguments.repeats, arguments.seconds)
        for entry in present:
            assert entry.worker is not None
            entry.regime = entry.worker.regime()
    asked = ratios(entries)
    _publish(arguments, entries, asked, facts)


def _publish(
    arguments: argparse.Namespace,
    entries: Sequence[Entry],
    asked: Sequence[dict[str, Any]],
    facts: dict[str, Any],
) -> None:
    """Print the tables and write the files."""
    if not arguments.check:
        print(tables.time_table(entries), tables.ratio_table(asked), sep="\n\n", end="\n\n")
    print(tables.regime_table(entries))
    data = {"machine": facts, "rows": [entry.as_dict() for entry in entries], "ratios": asked}
    if arguments.json is not None:
        report.write_json(arguments.json, data)
    if arguments.save:
        report.write_json(RESULTS / "speed.json", data)
        report.write(RESULTS / "speed.md", tables.page(entries, asked, facts))


if __name__ == "__main__":
    sys.exit(main())
