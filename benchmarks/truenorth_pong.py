"""A `mini` student learns Pong from a teacher: divergence on held-out episodes against training batches.

The teacher plays with epsilon 0.05; training and held-out frames come from different episodes. The student
has binary spikes, ternary weights and at most 128 inputs per neuron, and sees differences of frames
(`benchmarks.pong_frames`). Before every point of the curve its normalisation statistics are recomputed from
training frames, as before folding. The numbers of a batch depend on its number alone, so an interrupted run
goes on from its folder and ends as one that was not.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import machine, report
from benchmarks.pong_frames import MERGED, Recording, recording
from benchmarks.truenorth_frames import EPSILON, Teacher
from snnrl.networks.truenorth.distillation import (
    distillation_loss,
    optimiser_of,
    settle_statistics,
    train_batch,
)
from snnrl.networks.truenorth.students import Student

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.truenorth_pong --teacher /path/to/iko_acktr_Pong.sd.pt --save
  python -m benchmarks.truenorth_pong --teacher FILE --batches 500 --folder /tmp/pong     a first look
The same command goes on with an interrupted run.
"""
BATCH, TEMPERATURE, RATE, LAST_RATE = 32, 0.2, 0.01, 0.02
"""``LAST_RATE``: part of the step that is left at the end; it falls as a cosine."""
EVERY = 500
"""Batches between two points of the curve, which are also the checkpoints."""
SETTLE_BATCHES, SETTLE_SIZE, PART = 16, 128, 128
TRAINING_SEED, HELD_OUT_SEED = 1, 2_760_000
HELD_OUT_ROWS = 3000
INTERRUPTED = 130
ASKED = 0.5
"""Largest ratio of the held-out divergence at the end to that at the start."""


class Run:
    """Training that can stop at any batch and go on.

    Parameters
    ----------
    training, held_out
        What the teacher played.
    batches
        Length of the whole run; the step falls towards its end.
    folder
        Where the checkpoint is kept.
    """

    def __init__(self, training: Recording, held_out: Recording, batches: int, folder: Path) -> None:
        self.training, self.held_out, self.batches = training, held_out, batches
        self.background = training.background()
        self.rows = training.rows
        self.tested = np.sort(
            np.random.default_rng(0).permutation(held_out.rows)[: min(HELD_OUT_ROWS, len(held_out.rows))]
        )
        torch.manual_seed(0)
        student = Student("mini", 6, signed_input=True)
        self.student: Student = student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = optimiser_of(self.student, RATE)
        self.steps = [group["lr"] for group in self.optimiser.param_groups]
        self.done, self.losses, self.curve = 0, [], []  # type: int, list[float], list[dict[str, float]]
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()

    def _settings(self) -> dict[str, Any]:
        return {"batches": self.batches, "batch": BATCH, "temperature": TEMPERATURE, "rate": RATE,
                "training": len(self.training.frames), "held_out": len(self.held_out.frames)}  # fmt: skip

    def save(self) -> None:
        """Write the checkpoint at once."""
        state = {"settings": self._settings(), "done": self.done, "losses": self.losses, "curve": self.curve,
                 "student": self.student.state_dict(), "optimiser": self.optimiser.state_dict()}  # fmt: skip
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.checkpoint)

    def _restore(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        if state["settings"] != self._settings():
            raise SystemExit(
                f"{self.checkpoint} is of another run: {state['settings']}. Choose another --folder."
            )
        self.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.losses, self.curve = state["done"], state["losses"], state["curve"]

    def step(self) -> None:
        """Train on one batch; layers on the chip in bfloat16, which holds their sums exactly."""
        left = LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * self.done / self.batches))
        for group, rate in zip(self.optimiser.param_groups, self.steps, strict=True):
            group["lr"] = rate * left
        rows = np.random.default_rng((1, self.done)).choice(self.rows, BATCH)
        wanted = torch.from_numpy(self.training.logits[rows])
        with torch.autocast("cpu", torch.bfloat16):
            loss = train_batch(
                self.student, self.optimiser, self._inputs(self.training, rows), wanted, TEMPERATURE
            )
        self.losses.append(loss)
        self.done += 1

    def _inputs(self, played: Recording, rows: NDArray[np.int64]) -> torch.Tensor:
        frames = torch.from_numpy(played.differences(rows, self.background)).float()
        return frames.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def test(self) -> None:
        """Recompute the statistics and add a point to the curve."""
        parts = np.array_split(self.tested, -(-len(self.tested) // PART))
        with torch.autocast("cpu", torch.bfloat16):
            settle_statistics(self.student, self._settling())
            answers = [self.student(self._inputs(self.held_out, rows)) for rows in parts]
        found, wanted = torch.cat(answers), torch.from_numpy(self.held_out.logits[self.tested])
        since = self.losses[self.curve[-1]["batches"] if self.curve else 0 :]  # type: ignore[misc]
        self.curve.append(
            {
                "batches": self.done,
                "held_out": float(distillation_loss(found, wanted, TEMPERATURE)),
                "agreement": agreement(found, wanted),
                "training": float(np.mean(since)) if since else math.nan,
            }
        )

    def _settling(self) -> Iterator[torch.Tensor]:
        for k in range(SETTLE_BATCHES):
            rows = np.random.default_rng((2, self.done, k)).choice(self.rows, SETTLE_SIZE)
            yield self._inputs(self.training, rows)


def merged(logits: torch.Tensor) -> torch.Tensor:
    """Return the actions that have the largest summed probability, with Pong's duplicates as one."""
    chances = torch.zeros(len(logits), int(MERGED.max()) + 1)
    return chances.index_add_(1, torch.from_numpy(MERGED), torch.softmax(logits, dim=1)).argmax(dim=1)


def agreement(student: torch.Tensor, teacher: torch.Tensor) -> float:
    """Return the share of frames in which both would move the same way."""
    same = merged(student) == merged(teacher / TEMPERATURE)
    return float(same.float().mean())


def train(run: Run) -> None:
    """Train to the end; on Ctrl-C finish the batch, keep the checkpoint and leave."""
    from rich.console import Console
    from rich.progress import track

    stop: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: stop.append(number))
    console = Console(stderr=True)
    left = range(run.done, run.batches)
    if not run.curve:
        run.test()
    for _ in track(left, "batches", console=console, transient=True, disable=not console.is_terminal):
        run.step()
        if run.done % EVERY == 0 or run.done == run.batches:
            run.test()
            run.save()
            print(_line(run), flush=True)
        if stop:
            run.save()
            print(f"stopped after {run.done} batches; the same command goes on", file=sys.stderr)
            raise SystemExit(INTERRUPTED)
    signal.signal(signal.SIGINT, before)


def _line(run: Run) -> str:
    point = run.curve[-1]
    return (
        f"{run.done} batches: held-out {point['held_out']:.4f} of {run.curve[0]['held_out']:.4f}, "
        f"training {point['training']:.4f}, agreement {point['agreement']:.3f}"
    )


def summary(run: Run, teacher: str) -> dict[str, Any]:
    """Return what is written down."""
    start, end = run.curve[0], run.curve[-1]
    constant = run.training.logits[run.rows]
    return {
        "machine": machine.describe(),
        "teacher": teacher,
        "settings": run._settings() | {"held_out_tested": len(run.tested), "last_rate": LAST_RATE},
        "batches": run.done,
        "held_out_start": start["held_out"],
        "held_out_end": end["held_out"],
        "ratio": end["held_out"] / start["held_out"],
        "asked": ASKED,
        "held_out_best_constant": _constant(constant, run.held_out.logits[run.tested]),
        "agreement_start": start["agreement"],
        "agreement_end": end["agreement"],
        "curve": [{k: v if math.isfinite(v) else None for k, v in point.items()} for point in run.curve],
    }


def _constant(training: NDArray[np.float32], held_out: NDArray[np.float32]) -> float:
    """Return the divergence of an answer that is the same everywhere, the teacher's mean policy."""
    policy = torch.softmax(torch.from_numpy(training) / TEMPERATURE, dim=1).mean(dim=0)
    wanted = torch.from_numpy(held_out)
    return float(distillation_loss(policy.log().expand_as(wanted), wanted, TEMPERATURE))


def page(data: dict[str, Any]) -> str:
    """Return the page."""
    settings = data["settings"]
    shown = [p for p in data["curve"] if p["batches"] % (4 * EVERY) == 0 or p is data["curve"][-1]]
    rows = [
        [f"{p['batches']:,}", *(report.number(p[k]) for k in ("held_out", "training", "agreement"))]
        for p in shown
    ]
    head = ["batches", "held-out divergence", "divergence in training since", "agreement"]
    answer = report.verdict(data["ratio"], ASKED, at_most=True)
    return f"""# A mini student learns Pong

Made by `python -m benchmarks.truenorth_pong --teacher FILE --save`. Teacher: {data["teacher"]}, epsilon {EPSILON}.
{settings["training"]:,} training frames; {settings["held_out_tested"]:,} of {settings["held_out"]:,} frames of other episodes
are tested. {data["batches"]:,} batches of {BATCH}, Adam {RATE} falling as a cosine to {LAST_RATE * RATE:g}, biases a tenth,
temperature {TEMPERATURE}, sparsity penalty as in the paper. Input: `[f4 - bg, f4 - f3, f4 - f2, f3 - bg]`.

The held-out divergence falls from {report.number(data["held_out_start"])} to {report.number(data["held_out_end"])}, a ratio of
{report.number(data["ratio"])}; below {ASKED} asked: {answer}. The best answer that does not look at the frame, the teacher's mean
policy, has {report.number(data["held_out_best_constant"])}. Agreement is that of the most probable move, with Pong's duplicate
actions as one.

{report.table(head, rows)}

![held-out divergence and agreement](truenorth_pong.png)
"""


def draw(data: dict[str, Any], path: Path) -> None:
    """Write the figure: divergence and agreement against batches."""
    from matplotlib.figure import Figure

    from snnrl.figures.style import BLUE, GREY, ORANGE, write_png

    def figure() -> Figure:
        made = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = made.subplots(1, 2)
        batches = [p["batches"] for p in data["curve"]]
        left.plot(batches, [p["training"] for p in data["curve"]], color=ORANGE, label="training")
        left.plot(batches, [p["held_out"] for p in data["curve"]], color=BLUE, label="held out")
        left.axhline(ASKED * data["held_out_start"], color=GREY, ls="--", label="half of the start")
        left.axhline(data["held_out_best_constant"], color=GREY, ls=":", label="teacher's mean policy")
        left.set(xlabel="batches", ylabel="divergence (nats)", ylim=(0, None))
        left.legend(fontsize="small")
        right.plot(batches, [p["agreement"] for p in data["curve"]], color=BLUE)
        right.set(xlabel="batches", ylabel="agreement with the teacher", ylim=(0, 1))
        return made

    write_png(figure, path)


def main(argv: Sequence[str] | None = None) -> None:
    """Play, train, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.truenorth_pong", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--teacher", type=Path, required=True, help="state dict of a convolutional actor")
    parser.add_argument("--batches", type=int, default=20_000, help=f"training batches of {BATCH}")
    parser.add_argument(
        "--frames", type=int, default=60_000, help="training frames; a tenth more is held out"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/truenorth-pong"), help="frames and checkpoint"
    )
    parser.add_argument("--student", type=Path, help="keep the packed student here")
    parser.add_argument(
        "--save", action="store_true", help="keep page, figure and numbers in benchmarks/results"
    )
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    run = Run(*_played(options), options.batches, options.folder)
    train(run)
    data = summary(run, options.teacher.name)
    text = page(data)
    print(text)
    if options.student:
        run.student.to_integer().save(options.student)
    if options.save:
        report.write_json(RESULTS / "truenorth_pong.json", data)
        report.write(RESULTS / "truenorth_pong.md", text)
        draw(data, RESULTS / "truenorth_pong.png")


def _played(options: argparse.Namespace) -> tuple[Recording, Recording]:
    from rich.console import Console
    from rich.progress import Progress

    teacher, found = Teacher(options.teacher), []
    wanted = {"training": (TRAINING_SEED, options.frames), "held_out": (HELD_OUT_SEED, options.frames // 10)}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        for name, (seed, n) in wanted.items():
            task = bar.add_task(f"playing {name.replace('_', ' ')} frames", total=n)
            path = options.folder / f"{name}.npz"
            found.append(
                recording(path, teacher, seed, n, lambda k, task=task: bar.update(task, completed=k))
            )
    return found[0], found[1]


if __name__ == "__main__":
    main()
