"""Microseconds per dt of snnrl and its peers: 1, 64, 1024 agents; 1, 10, 100 times the neurons; one core each.

Every cell is the workload of benchmarks/workload.py at its size, in a process of its own. Cells are measured one
after the other, small sizes first, and kept as soon as they are: after Ctrl-C or when --minutes are over,
--resume goes on with the rest. Environments for the peers that snnrl does not depend on are made once.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from benchmarks import machine, peers_page, report
from benchmarks.cells import COLUMNS, CONTENDERS, CUDA_COLUMNS, ON_CUDA, Cell, cells
from benchmarks.client import PeerError
from benchmarks.environments import RECIPES, cache_folder, peer_python
from benchmarks.measure import Result, Settings, Store, measure

RESULTS = Path(__file__).resolve().parent / "results"
DEFAULTS = Settings()
EXAMPLE = f"""
examples:
  python -m benchmarks.peers_table --save               the whole table and its figure, about half an hour
  python -m benchmarks.peers_table --resume --save      go on with the cells that are missing
  python -m benchmarks.peers_table --only jax snnrl --columns 1 64 --seconds 0.1 --repeats 2
  python -m benchmarks.peers_table --device cuda        environment steps per second and memory on a GPU

peers and columns, with --device cuda those of {", ".join(c.name for c in ON_CUDA)} at {CUDA_COLUMNS[-1].title}:
  --only     {" ".join(c.name for c in CONTENDERS)}
  --columns  {" ".join(c.name for c in COLUMNS)}
environments (--python NAME=PATH names one of your own): {", ".join(RECIPES)}
"""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers_table",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="PEER", help="measure and show these alone")
    parser.add_argument("--columns", nargs="+", metavar="COLUMN", help="measure and show these sizes alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="(default cpu)")
    number = f"timings per cell (default {DEFAULTS.repeats})"
    parser.add_argument("--repeats", type=int, default=DEFAULTS.repeats, help=number)
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULTS.seconds,
        help=f"length of one timing (default {DEFAULTS.seconds})",
    )
    parser.add_argument(
        "--cell-seconds",
        type=float,
        default=DEFAULTS.cell_seconds,
        help=f"for all timings of a cell: slow cells get fewer, at least 2 (default {DEFAULTS.cell_seconds:g})",
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=DEFAULTS.limit,
        help=f"most seconds of a build or a timing (default {DEFAULTS.limit:g})",
    )
    parser.add_argument("--minutes", type=float, default=40.0, help="start no cell after that (default 40)")
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed, help="of weights and noise (default 0)")
    parser.add_argument("--core", type=int, help="core to run on (default: the last one; Linux)")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH", help="see below")
    parser.add_argument("--no-install", action="store_true", help="make no environments")
    parser.add_argument("--resume", action="store_true", help="measure only what is missing or failed")
    parser.add_argument("--save", action="store_true", help=f"write peers.md, .json and .png to {RESULTS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--verbose", action="store_true", help="show what the simulators print")
    return parser


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_args(argv)
    for name, least in (("repeats", 1), ("seed", 0)):
        if getattr(arguments, name) < least:
            parser.error(f"--{name}: got {getattr(arguments, name)}, allowed: {least} or more")
    for name in ("seconds", "cell_seconds", "limit", "minutes"):
        if not getattr(arguments, name) > 0:
            parser.error(f"--{name.replace('_', '-')}: got {getattr(arguments, name)}, allowed: more than 0")
    cores = machine.usable_cores()
    if arguments.core is not None and arguments.core not in cores:
        parser.error(f"--core: got {arguments.core}, allowed: {', '.join(map(str, cores)) or 'none here'}")
    if arguments.core is None and cores:
        arguments.core = cores[-1]
    contenders, columns = (ON_CUDA, CUDA_COLUMNS) if arguments.device == "cuda" else (CONTENDERS, COLUMNS)
    for option, names in (("only", [c.name for c in contenders]), ("columns", [c.name for c in columns])):
        for got in getattr(arguments, option) or []:
            if got not in names:
                parser.error(f"--{option}: got {got}, allowed: {', '.join(names)}")
    arguments.contenders = tuple(c for c in contenders if not arguments.only or c.name in arguments.only)
    arguments.columns = tuple(c for c in columns if not arguments.columns or c.name in arguments.columns)
    if arguments.save and len(arguments.contenders) * len(arguments.columns) < len(contenders) * len(columns):
        parser.error("--save: allowed only for the whole table, without --only and --columns")
    arguments.python = dict(_interpreter(parser, text) for text in arguments.python)
    return arguments


def _interpreter(parser: argparse.ArgumentParser, text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in RECIPES or not os.access(path, os.X_OK):
        allowed = f"NAME=PATH with a name of {', '.join(RECIPES)} and an interpreter"
        parser.error(f"--python: got {text}, allowed: {allowed}")
    return name, Path(path)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure what is missing, print the tables, write the files that were asked for."""
    arguments = _parse(argv)
    try:
        if arguments.device == "cuda":
            _require_cuda()
        _run(arguments)
    except PeerError as error:
        print(f"peers_table: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("peers_table: interrupted; --resume goes on with the cells that are missing", file=sys.stderr)
        return 130
    return 0


def _require_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise PeerError(
            "--device cuda: no CUDA device here (torch finds none); leave it out to measure on the CPU"
        )


def _run(arguments: argparse.Namespace) -> None:
    settings = Settings(**{name: getattr(arguments, name) for name in vars(DEFAULTS)})
    suffix = "-cuda" if arguments.device == "cuda" else ""
    store = Store(cache_folder() / f"peers-table{suffix}.json", settings, arguments.resume)
    wanted = cells(arguments.contenders, arguments.columns)
    if not arguments.resume:
        store.forget(wanted)
    if not (arguments.resume and store.machine):
        store.machine = machine.describe(arguments.device)
    with ExitStack() as stack:
        log = sys.stderr if arguments.verbose else stack.enter_context(open(os.devnull, "w"))
        _fill(store, wanted, arguments, settings, log)
    page = peers_page.Page(arguments.contenders, arguments.columns, store, arguments.device)
    print(page.tables())
    if arguments.json is not None:
        report.write_json(arguments.json, store.as_dict())
    if arguments.save:
        page.save(RESULTS, f"peers{suffix}")


def _fill(
    store: Store, wanted: Sequence[Cell], arguments: argparse.Namespace, settings: Settings, log: IO[str]
) -> None:
    """Try every cell that is not done."""
    end = time.monotonic() + 60.0 * arguments.minutes
    for number, cell in enumerate(wanted, 1):
        if store.done(cell):
            continue
        result = _try(cell, arguments, settings, log, end)
        store.put(cell, result)
        told = f"{result.median:10.4g} us per dt" if result.median else result.reason
        _say(f"{number:3}/{len(wanted)}  {cell.title:36} {told}")


def _try(cell: Cell, arguments: argparse.Namespace, settings: Settings, log: IO[str], end: float) -> Result:
    """Return the result of a cell, or why there is none."""
    if cell.column.name in cell.contender.cannot:
        return Result(reason=cell.contender.cannot[cell.column.name])
    if time.monotonic() > end:
        return Result(reason=f"not tried: --minutes {arguments.minutes:g} were over", final=False)
    name = cell.contender.environment
    try:
        python = peer_python(name, arguments.python.get(name), install=not arguments.no_install)
        return measure(cell, python, arguments.core, settings, log)
    except PeerError as error:
        return Result(reason=str(error).splitlines()[0], final=False)


if __name__ == "__main__":
    sys.exit(main())
