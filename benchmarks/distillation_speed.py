"""Milliseconds of a training batch of `snnrl distill`, and what its parts take.

The student is trained on frames of noise from a memory-mapped buffer, once with the fused loops and once with
torch's own operations. Both are measured in turn, so that other work on the machine slows them alike; times are
those of the process, not of the wall.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine, report
from snnrl.distillation.buffer import FrameBuffer
from snnrl.distillation.learner import Learner, as_tensor
from snnrl.distillation.lesson import Lesson, Moves
from snnrl.distillation.recipe import Recipe
from snnrl.networks.truenorth import STUDENTS
from snnrl.networks.truenorth.vision import Vision

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.distillation_speed --save
  python -m benchmarks.distillation_speed --students mini 1-chip --repeats 50
"""
FRAMES, SIDE, ACTIONS = 4096, 84, 3
ASKED = 31.0
"""Milliseconds of a batch of ``mini`` before, on one idle core (`truenorth_atari.md`, trials)."""


def noise(folder: Path) -> Lesson:
    """Return frames of noise, in episodes of 512."""
    rng, names = np.random.default_rng(0), ("A", "B", "C")
    frames = FrameBuffer(folder, SIDE, ACTIONS, {})
    for _ in range(FRAMES // 512):
        screens = rng.integers(0, 256, (512, SIDE, SIDE)).astype(np.uint8)
        back = np.where(np.arange(512) == 0, 0, 1)
        frames.append(screens, rng.normal(size=(512, ACTIONS)).astype(np.float32), back)
    frames.flush()
    vision = Vision("differences", np.full((SIDE, SIDE), 128, np.uint8), SIDE)
    return Lesson("noise", frames, frames, vision, Moves(names, (0, 1, 2)), 0.2)


def milliseconds(works: Sequence[Callable[[], Any]], repeats: int) -> list[list[float]]:
    """Return the process times of some works, measured in turn, ``[works][repeats]``."""
    for work in works:
        work()
        work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for mine, work in zip(times, works, strict=True):
            began = time.process_time()
            work()
            mine.append(1000 * (time.process_time() - began))
    return times


def measure(name: str, lesson: Lesson, repeats: int) -> dict[str, Any]:
    """Return the times of a student's batches in milliseconds, least and median."""
    recipe = Recipe(student=name)
    fused, plain = (Learner(recipe, [lesson], ACTIONS, fused=chosen) for chosen in (True, False))
    rows = np.random.default_rng(1).integers(0, FRAMES, recipe.batch_size)
    works = {
        "fused": fused.step,
        "plain": plain.step,
        "gather": lambda: as_tensor(lesson.inputs(lesson.frames, rows)),
    }
    times = milliseconds(list(works.values()), repeats)
    return {"student": name, "batch": recipe.batch_size} | {
        part: {"least": min(found), "median": float(np.median(found))}
        for part, found in zip(works, times, strict=True)
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table."""
    head = ["student", "batch (ms), least and median", "with torch's own operations", "ratio of the medians",
            "of it reading frames"]  # fmt: skip
    cells = [
        [row["student"]]
        + [f"{row[part]['least']:.1f}, {row[part]['median']:.1f}" for part in ("fused", "plain")]
        + [f"{row['plain']['median'] / row['fused']['median']:.2f}", f"{row['gather']['median']:.2f}"]
        for row in rows
    ]
    return report.table(head, cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distillation_speed", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--students", nargs="+", choices=sorted(STUDENTS), default=["mini", "1-chip"])
    parser.add_argument("--repeats", type=int, default=30, help="batches measured")
    parser.add_argument("--save", action="store_true", help="keep page and numbers in benchmarks/results")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        lesson = noise(Path(folder))
        rows = [measure(name, lesson, options.repeats) for name in options.students]
    print(table(rows))
    if options.save:
        data = {"machine": machine.describe(), "asked_mini": ASKED, "rows": rows}
        report.write_json(RESULTS / "distillation_speed.json", data)
        report.write(RESULTS / "distillation_speed.md", _page(rows))


def _page(rows: Sequence[dict[str, Any]]) -> str:
    return f"""# A training batch of a student

Made by `python -m benchmarks.distillation_speed --save`, one thread, process time. The whole batch: reading frames, forward,
backward, optimiser. In the trials a batch of `mini` took {ASKED:g} ms on one idle core.

{table(rows)}
"""


if __name__ == "__main__":
    main()
