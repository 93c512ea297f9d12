"""How long snnrl takes to start: import, help, and training with and without cached kernels.

Every figure is the wall time of a fresh process, the median of several. A cold start finds an empty kernel
cache; the warm start after it uses what the cold one compiled, and must add no file to the cache.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import machine, report

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.startup                  import, help and the start of training
  python -m benchmarks.startup --full --save    also the whole default training, kept in benchmarks/results
"""

# Trains until the first report of progress, after one episode of each agent: little more than the start.
BEGIN_TRAINING = """
import os, sys
from pathlib import Path
from snnrl.training.config import TrainingConfig
from snnrl.training.train import train
config = TrainingConfig(task="cartpole", seeds=8, episodes=1)
train(config, Path(sys.argv[1]), None, lambda progress: os._exit(0))
"""


class StartupError(RuntimeError):
    """A measured command failed; the message is its last line."""


@dataclass(frozen=True)
class Timing:
    """Times of one command in fresh processes (s), and what is asked of their median."""

    title: str
    seconds: tuple[float, ...]
    asked: float | None = None

    @property
    def median(self) -> float:
        """Median over the processes."""
        return statistics.median(self.seconds)

    @property
    def met(self) -> str:
        """Whether the median is below what was asked."""
        return report.verdict(self.median, self.asked, at_most=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the timing for JSON."""
        return {
            "title": self.title,
            "median_s": self.median,
            "seconds": self.seconds,
            "asked_s": self.asked,
            "met": self.met,
        }


@dataclass(frozen=True)
class Bench:
    """Runs commands in fresh processes, in a folder of its own, and times them."""

    folder: Path
    repeats: int

    def seconds(self, title: str, command: Sequence[str], cache: Path | None = None) -> float:
        """Return the wall time of one process; ``cache`` replaces the kernel cache of this user."""
        environment = os.environ if cache is None else {**os.environ, "SNNRL_CACHE": str(cache)}
        start = time.perf_counter()
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
        if done.returncode != 0:
            lines = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()
            raise StartupError(f"{title}: exit code {done.returncode}: {lines[-1]}")
        return seconds

    def plain(self, title: str, command: Sequence[str], asked: float | None) -> Timing:
        """Time a command that needs no kernel, after one unmeasured run that fills the disk cache."""
        self.seconds(title, command)
        found = []
        for _ in range(self.repeats):
            found.append(self.seconds(title, command))
            _say(title, found[-1])
        return Timing(title, tuple(found), asked)

    def cold_and_warm(
        self, title: str, command: Callable[[Path], Sequence[str]], asked: tuple[float | None, float]
    ) -> tuple[Timing, Timing, int]:
        """Time a command with an empty kernel cache, then again; also count files the second start added.

        ``command`` makes the command line from a run folder that does not exist yet.
        """
        cold, warm, added = [], [], 0
        runs = itertools.count()
        for repeat in range(self.repeats):
            cache = self.folder / f"cache-{title}-{repeat}".replace(" ", "-")
            cold.append(self.seconds(title, command(self.folder / f"{title}-{next(runs)}"), cache))
            _say(f"{title}, cold", cold[-1])
            before = _files(cache)
            if not before:
                raise StartupError(f"{title}: nothing was written to SNNRL_CACHE={cache}")
            warm.append(self.seconds(title, command(self.folder / f"{title}-{next(runs)}"), cache))
            _say(f"{title}, warm", warm[-1])
            added += len(_files(cache) - before)
        return (
            Timing(f"{title}, cold", tuple(cold), asked[0]),
            Timing(f"{title}, warm", tuple(warm), asked[1]),
            added,
        )


def _say(title: str, seconds: float) -> None:
    print(f"{title}  {seconds:.3f} s", file=sys.stderr, flush=True)


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _measure(bench: Bench, snnrl: str, full: bool) -> tuple[list[Timing], int]:
    """Return all timings, and the number of files that second starts added to the kernel cache."""
    timings = [
        bench.plain("python -c pass", [sys.executable, "-c", "pass"], None),
        bench.plain("import snnrl", [sys.executable, "-c", "import snnrl"], 0.3),
        bench.plain("snnrl --help", [snnrl, "--help"], 0.6),
    ]
    *begin, added = bench.cold_and_warm(
        "train begins", lambda run: [sys.executable, "-c", BEGIN_TRAINING, str(run)], (None, 3.0)
    )
    if not full:
        return [*timings, *begin], added
    *whole, added_by_whole = bench.cold_and_warm(
        "train cartpole --seeds 8",
        lambda run: [snnrl, "train", "cartpole", "--seeds", "8", "--out", str(run)],
        (75.0, 30.0),
    )
    return [*timings, *begin, *whole], added + added_by_whole


def _table(timings: Sequence[Timing]) -> str:
    rows = [
        [
            timing.title,
            f"{timing.median:.3f}",
            f"{min(timing.seconds):.3f} to {max(timing.seconds):.3f}",
            "-" if timing.asked is None else f"< {timing.asked:g}",
            timing.met,
        ]
        for timing in timings
    ]
    return report.table(["what", "median s", "range s", "asked s", "met"], rows)


def _page(table: str, added: int, facts: dict[str, Any]) -> str:
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())
    return f"""# Start-up times

Made by `python -m benchmarks.startup --full --save`: wall times of fresh processes, medians. "train begins" ends
when each of 8 agents has done one episode. Cold: empty kernel cache. Warm: the second start, which added {added} files to it.

{table}

The machine:

{listed}
"""


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup",
        description=__doc__,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=5, help="fresh processes per figure (default 5)")
    parser.add_argument("--full", action="store_true", help="also time 'snnrl train cartpole --seeds 8'")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--save", action="store_true", help=f"write startup.json and startup.md to {RESULTS}")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1:
        parser.error(f"--repeats: got {arguments.repeats}, allowed: 1 or more")
    if arguments.save and not arguments.full:
        parser.error("--save: allowed only with --full, so that the kept table is whole")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the files that were asked for; 2 if a measured command failed."""
    arguments = _parse(argv)
    snnrl = shutil.which(
        "snnrl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if snnrl is None:
        print(
            "startup: the command snnrl is not installed beside this Python: pip install -e .",
            file=sys.stderr,
        )
        return 2
    facts = machine.describe()
    try:
        with tempfile.TemporaryDirectory(prefix="snnrl-startup-") as folder:
            timings, added = _measure(Bench(Path(folder), arguments.repeats), snnrl, arguments.full)
    except StartupError as error:
        print(f"startup: {error}", file=sys.stderr)
        return 2
    table = _table(timings)
    print(table)
    print(f"\nfiles that second starts added to the kernel cache: {added} (asked: 0)")
    data = {
        "machine": facts,
        "timings": [t.as_dict() for t in timings],
        "files_added_by_second_starts": added,
    }
    if arguments.json is not None:
        report.write_json(arguments.json, data)
    if arguments.save:
        report.write_json(RESULTS / "startup.json", data)
        report.write(RESULTS / "startup.md", _page(table, added, facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
