"""The live demo, measured: ``python -m benchmarks.demo [--minutes 10] [--save]``.

Starts `snnrl demo` as a user does and opens its page in the system's Chromium: time to load, frames per second, memory and
missed deadlines over some minutes at real time, and learning from zero weights at ten times real time. Beside that, without
a page: how long the pretrained agent stands being kicked, and whether a film is the same twice. Needs a quiet machine.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.report import number, table, verdict, write, write_json

RESULTS = Path(__file__).parent / "results"
COMMAND = [sys.executable, "-m", "snnrl", "demo", "cartpole", "--no-browser"]
LOAD, FRAMES, GROWTH, ZERO_SECONDS, LENGTH, FILM_SECONDS = 3.0, 25.0, 0.5, 120.0, 500, 20.0
"""Asked: seconds to load, frames/s, MiB per minute, wall seconds from zero to an episode of this length, seconds of film."""
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--enable-precise-memory-info")
SAMPLE = 10.0
"""Wall seconds between two looks at the page."""
SETTLE = 30.0
"""Seconds after the start before memory is watched: caches fill."""


class Page:
    """A running demo with its page open in Chromium."""

    def __init__(self, process: subprocess.Popen[str], page: Any, load: float) -> None:
        self.process, self.page, self.load = process, page, load
        self.tools = page.context.new_cdp_session(page)

    def look(self) -> dict[str, float]:
        """Return what the page knows, and the memory of server, simulation and page (without its garbage), MiB."""
        self.tools.send("HeapProfiler.collectGarbage")
        seen: dict[str, Any] = self.page.evaluate(
            """() => ({ fps: demo.fps, heap: performance.memory.usedJSHeapSize / 2 ** 20, ...demo.clock,
                        best: demo.books.best_length, episode: demo.books.episode, drawn: demo.drawn })"""
        )
        return seen | {"memory": sum(map(_resident, (self.process.pid, *_children(self.process.pid))))}


@contextmanager
def opened(*words: str) -> Iterator[Page]:
    """Start the command, open its page, and end both afterwards."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    process = subprocess.Popen([*COMMAND, "--port", "0", *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().split()[0]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(120_000)
            _wait(page, address)  # the simulation may still be compiling
            began = time.monotonic()
            _wait(page, address)
            yield Page(process, page, time.monotonic() - began)
            browser.close()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:  # a shell that starts this in the background has Ctrl-C ignored
            process.kill()
            process.communicate()


def _wait(page: Any, address: str) -> None:
    page.goto(address)
    page.wait_for_function("window.demo && demo.drawn > 0")


def _children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024


# ---------------------------------------------------------------------- measurements


def at_real_time(minutes: float) -> dict[str, float]:
    """Watch the page at real time for some minutes."""
    with opened("--realtime") as page:
        page.page.wait_for_timeout(2000)
        page.page.evaluate("send('clear')")
        page.page.wait_for_timeout(1000)
        samples = [page.look() | {"time": 0.0}]
        began = time.monotonic()
        while time.monotonic() - began < 60.0 * minutes:
            page.page.wait_for_timeout(1000.0 * SAMPLE)
            samples.append(page.look() | {"time": time.monotonic() - began})
    first, last = samples[0], samples[-1]
    settled = [s for s in samples if s["time"] >= min(SETTLE, last["time"] / 2)]
    return {
        "load_s": page.load,
        "minutes": last["time"] / 60.0,
        "frames_per_s": (last["drawn"] - first["drawn"]) / last["time"],
        "frames_per_s_least": min(s["fps"] for s in samples[1:]),
        "simulated_per_wall": last["simulated"] / last["wall"],
        "late_p50_ms": 1000.0 * last["late_p50"],
        "late_p99_ms": 1000.0 * last["late_p99"],
        "missed": last["missed"],
        "steps": last["steps"],
        "memory_mib": last["memory"],
        "memory_growth_mib_per_min": _slope(settled, "memory"),
        "heap_growth_mib_per_min": _slope(settled, "heap"),
        "longest_balance_steps": last["best"],
    }


def _slope(samples: list[dict[str, float]], key: str) -> float:
    """Return the growth per minute: a straight line through the samples."""
    times = [s["time"] / 60.0 for s in samples]
    values = [s[key] for s in samples]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((t - middle) ** 2 for t in times)
    return (
        sum((t - middle) * (v - mean) for t, v in zip(times, values, strict=True)) / spread if spread else 0.0
    )


def from_zero(patience: float = 3 * ZERO_SECONDS) -> dict[str, float | None]:
    """Let an agent with zero weights learn at ten times real time, on the page."""
    with opened("--from-zero", "--speed", "10", "--seed", "5000000") as page:
        page.page.click("#forget")  # it has learned while the page was loading
        began, reached = time.monotonic(), None
        while reached is None and time.monotonic() - began < patience:
            page.page.wait_for_timeout(250)
            if page.page.evaluate("demo.books.learning && demo.books.best_length") >= LENGTH:
                reached = time.monotonic() - began
        seen = page.look()
    return {"wall_s": reached, "episodes": seen["episode"], "simulated_per_wall": seen["ratio"]}


def kicked(minutes: float) -> list[int]:
    """Return how often the pretrained agent fails while it is kicked, for every held-out seed of the noise."""
    from snnrl.demo.agents import pretrained
    from snnrl.demo.live import LiveAgent
    from snnrl.demo.pretrain import HELD_OUT, endurance

    return [len(endurance(LiveAgent(pretrained("cartpole", seed)), minutes)) for seed in HELD_OUT]


def filmed(seconds: float) -> dict[str, float]:
    """Make the same film twice."""
    from snnrl.demo.agents import pretrained
    from snnrl.demo.film import record

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{name}.mp4" for name in "ab"]
        began = time.monotonic()
        for path in paths:
            record(pretrained("cartpole", 0), path, seconds)
        spent = (time.monotonic() - began) / 2
        first, second = (path.read_bytes() for path in paths)
    return {"seconds": seconds, "spent_s": spent, "bytes": len(first), "identical": float(first == second)}


# ---------------------------------------------------------------------- report


def rows(measured: dict[str, Any]) -> list[list[str]]:
    """Return the table: what, measured, asked, whether it is so."""
    page, zero, film = measured["page"], measured["from_zero"], measured["film"]
    failures = sum(measured["kicked"])
    trials = f"{len(measured['kicked'])} seeds of {measured['kicked_minutes']:g} min"
    found: list[tuple[str, float | None, str, float | None, bool]] = [
        ("page loads and moves (s)", page["load_s"], "< 3", LOAD, True),
        ("frames/s drawn, mean", page["frames_per_s"], "25", FRAMES, False),
        ("frames/s drawn, slowest second seen", page["frames_per_s_least"], "", None, False),
        ("simulated / wall time", page["simulated_per_wall"], "1", 0.999, False),
        ("step jitter p50 (ms)", page["late_p50_ms"], "", None, True),
        ("step jitter p99 (ms)", page["late_p99_ms"], "", None, True),
        (f"missed 20 ms deadlines of {page['steps']:,.0f}", page["missed"], "0", 0, True),
        ("growth of server and simulation (MiB/min)", page["memory_growth_mib_per_min"], "0", GROWTH, True),
        ("growth of the page (MiB/min)", page["heap_growth_mib_per_min"], "0", GROWTH, True),
        (f"failures, kicked by 5 degrees/s every 5 s, {trials}", failures, "0", 0, True),
        (f"wall seconds from zero weights to {LENGTH} steps, 10 x real time", zero["wall_s"], "120", ZERO_SECONDS, True),
        (f"film of {film['seconds']:g} s, twice: identical", film["identical"], "yes", 1.0, False),
        ("seconds to make it", film["spent_s"], "", None, True),
    ]  # fmt: skip
    return [
        [name, number(value), asked, verdict(value, limit, at_most)]
        for name, value, asked, limit, at_most in found
    ]


def markdown(measured: dict[str, Any]) -> str:
    """Return the page of results."""
    where = measured["machine"]
    page = measured["page"]
    return (
        "# The live demo, measured\n\n"
        f"`python -m benchmarks.demo --save`, {where['date']}; {where['processor']}, {where['cores']} cores, load "
        f"{where['load_before']} before it began. The page was watched for {page['minutes']:.1f} minutes at real time in "
        "headless Chromium on the same machine. Seeds: 5000000 and up, never tuned on.\n\n"
        + table(["what", "measured", "asked", "met"], rows(measured))
        + "\n"
    )


def main() -> None:
    """Measure, print, and save if asked to."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="of watching the page, and of being kicked"
    )
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/demo.json and .md")
    options = parser.parse_args()
    measured: dict[str, Any] = {"machine": machine.describe(), "kicked_minutes": options.minutes}
    measured["page"] = at_real_time(options.minutes)
    measured["from_zero"] = from_zero()
    measured["kicked"] = kicked(options.minutes)
    measured["film"] = filmed(min(FILM_SECONDS, 60.0 * options.minutes))
    print(markdown(measured))
    if options.save:
        write_json(RESULTS / "demo.json", measured)
        write(RESULTS / "demo.md", markdown(measured))


if __name__ == "__main__":
    main()
