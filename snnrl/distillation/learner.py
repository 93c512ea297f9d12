"""`Learner`: a student that is trained batch by batch on frames that a teacher has labelled.

The numbers of a batch depend on the recipe's seed and on the batch's number alone, so that an interrupted
training that goes on from its last state ends as one that was not interrupted, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnrl import random
from snnrl.distillation.fused import FusedStudent
from snnrl.distillation.lesson import Lesson, Rows, agreement
from snnrl.distillation.recipe import Recipe
from snnrl.networks.truenorth.distillation import (
    LOSSES,
    distillation_loss,
    optimiser_of,
    settle_statistics,
    take_step,
)
from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.networks.truenorth.specs import StudentSpec, student_spec
from snnrl.networks.truenorth.students import Student

TESTED = 2000
"""Held-out frames of each game that are looked at."""
PART = 128
"""Frames at a time while the student is looked at."""
RANGE = (0.005, 0.995)
"""Quantiles of the teacher's outputs that ``mse`` maps to the ends of the student's range."""
FUSED_THREADS = 2
"""Most threads of torch with which `FusedStudent` is chosen."""
State = dict[str, Any]
_BATCH, _SETTLE, _TEST, _INITIAL = (
    random.stream_id(f"distillation/{name}") for name in ("batch", "settle", "test", "initial")
)


class Point(NamedTuple):
    """A point of the curve.

    Parameters
    ----------
    batches
        Trained so far.
    held_out
        Mean divergence from the teacher on held-out frames, equation 6.
    agreement
        Share of held-out frames in which student and teacher would do the same.
    training
        Mean training loss since the point before; NaN at the first.
    """

    batches: int
    held_out: float
    agreement: float
    training: float


class Learner:
    """A student in training.

    Parameters
    ----------
    recipe
        All constants.
    lessons
        The games, each with frames.
    populations
        Populations of the student's last layer.
    spec
        Its shapes, if they are not those that the recipe names.
    fused
        Whether to train with `FusedStudent`; by default on one or two threads of torch, since on many its own
        passes over memory are faster than one thread's few.
    device
        Where the student is trained, ``"cpu"`` or ``"cuda"``; it starts with the same weights.

    Attributes
    ----------
    done
        Batches trained.
    curve
        Points so far.
    """

    def __init__(
        self, recipe: Recipe, lessons: Sequence[Lesson], populations: int, spec: StudentSpec | None = None,
        fused: bool | None = None, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.recipe, self.lessons, self.device = recipe, list(lessons), device
        self.loss = LOSSES[recipe.loss]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.bits(recipe.seed, _INITIAL, 0, 1)[0]))
            few = device == "cpu" and torch.get_num_threads() <= FUSED_THREADS
            kind = FusedStudent if fused or (fused is None and few) else Student
            student = kind(
                spec or student_spec(recipe.student), populations, recipe.logit_scale,
                signed_input=lessons[0].vision.signed,
            )  # fmt: skip
        self.student: Student = student.to(device).to(memory_format=torch.channels_last)
        self.optimiser = optimiser_of(self.student, recipe.rate, fused=True)
        self._steps = [group["lr"] for group in self.optimiser.param_groups]
        self.done, self.curve = 0, []  # type: int, list[Point]
        self._loss_sum, self._loss_count = 0.0, 0
        self._ranges = [self._range(lesson) for lesson in self.lessons]
        self._tested = [self._held_out_rows(lesson) for lesson in self.lessons]

    def step(self) -> float:
        """Train on the next batch and return its loss; layers on the chip in bfloat16, exact for their sums."""
        for group, rate in zip(self.optimiser.param_groups, self._steps, strict=True):
            group["lr"] = rate * self.recipe.rate_left(self.done)
        drawn = self._draw(_BATCH, self.done, self.recipe.batch_size)
        wanted = [
            self._target(number, torch.from_numpy(self.lessons[number].frames.outputs(rows))).to(self.device)
            for number, rows in drawn
        ]
        parts = [(number, target) for (number, _), target in zip(drawn, wanted, strict=True)]
        frames = as_tensor(self._inputs(drawn)).to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            loss = take_step(
                self.student, self.optimiser, frames, lambda s: self._loss(s, parts), self.recipe.sparsity
            )
        self._loss_sum, self._loss_count = self._loss_sum + loss, self._loss_count + 1
        self.done += 1
        return loss

    def look(self) -> Point:
        """Recompute the statistics, measure on held-out frames, and add a point to the curve."""
        self.settle()
        found = [self._held_out(number) for number in range(len(self.lessons))]
        held_out, agreement = np.mean(found, axis=0)
        training = self._loss_sum / self._loss_count if self._loss_count else math.nan
        self._loss_sum, self._loss_count = 0.0, 0
        self.curve.append(Point(self.done, float(held_out), float(agreement), training))
        return self.curve[-1]

    def settle(self) -> None:
        """Recompute the normalisation statistics from training frames and leave `train()` mode."""
        with torch.autocast(self.device, torch.bfloat16):
            settle_statistics(self.student, self._settling())

    def network(self) -> IntegerNetwork:
        """Return the student as it is now as integers, statistics recomputed."""
        self.settle()
        return self.student.to_integer()

    def state(self) -> State:
        """Return everything that training needs to go on, for ``torch.save``."""
        return {
            "done": self.done,
            "curve": [tuple(point) for point in self.curve],
            "losses": (self._loss_sum, self._loss_count),
            "student": self.student.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: State) -> None:
        """Put back what `state` returned."""
        self.student.load_state_dict(state["student"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.curve = state["done"], [Point(*point) for point in state["curve"]]
        self._loss_sum, self._loss_count = state["losses"]

    def _draw(self, stream: int, step: int, size: int) -> list[tuple[int, Rows]]:
        """Return rows of each lesson, in turn as many of each as of the others."""
        drawn, n = random.uniform(self.recipe.seed, stream, step, size), len(self.lessons)
        parts = [(number, drawn[(number + step) % n :: n]) for number in range(n)]
        return [
            (number, (part * len(self.lessons[number].frames)).astype(np.int64))
            for number, part in parts
            if len(part)
        ]

    def _inputs(self, drawn: Sequence[tuple[int, Rows]]) -> NDArray[np.int16]:
        seen = [self.lessons[number].inputs(self.lessons[number].frames, rows) for number, rows in drawn]
        return np.concatenate(seen) if len(seen) > 1 else seen[0]

    def _loss(self, logits: Tensor, parts: Sequence[tuple[int, Tensor]]) -> Tensor:
        """Return the mean loss over a batch whose rows stand game by game."""
        total, first = torch.zeros(()), 0
        for number, target in parts:
            lesson = self.lessons[number]
            mine = lesson.moves.logits(logits[first : first + len(target)])
            total = total + self.loss(mine, target, lesson.temperature) * len(target)
            first += len(target)
        return total / first

    def _target(self, number: int, outputs: Tensor) -> Tensor:
        """Return what the student's logits of this game's populations are held against."""
        if self.recipe.loss != "mse":
            return outputs
        low, high = self._ranges[number]
        return (outputs - low) * (self.recipe.logit_scale / max(high - low, 1e-6))

    def _range(self, lesson: Lesson) -> tuple[float, float]:
        """Return which outputs of the teacher lie at the ends of the student's range, 0 to ``logit_scale``.

        From the first frames only, which are there before training begins.
        """
        rows = np.arange(min(len(lesson.frames), self.recipe.frames))
        low, high = np.quantile(lesson.frames.outputs(rows), RANGE)
        return float(low), float(high)

    def _held_out_rows(self, lesson: Lesson) -> Rows:
        n = len(lesson.held_out)
        order = np.argsort(random.bits(self.recipe.seed, _TEST, 0, n), kind="stable")
        return np.sort(order[:TESTED])

    @torch.no_grad()
    def _held_out(self, number: int) -> tuple[float, float]:
        """Return divergence and agreement of a game."""
        lesson, rows = self.lessons[number], self._tested[number]
        parts = np.array_split(rows, -(-len(rows) // PART))
        with torch.autocast(self.device, torch.bfloat16):
            logits = torch.cat(
                [self.student(as_tensor(lesson.inputs(lesson.held_out, p)).to(self.device)) for p in parts]
            ).cpu()
        outputs = torch.from_numpy(lesson.held_out.outputs(rows))
        mine = lesson.moves.logits(logits)
        return float(distillation_loss(mine, outputs, lesson.temperature)), agreement(mine, outputs)

    def _settling(self) -> Iterator[Tensor]:
        for k in range(self.recipe.settle_batches):
            step = self.done * self.recipe.settle_batches + k
            inputs = self._inputs(self._draw(_SETTLE, step, self.recipe.settle_size))
            seen = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
            yield seen.to(self.device)  # whole numbers still: all are held at once


def as_tensor(inputs: NDArray[np.int16]) -> Tensor:
    """Return inputs as float32, channels last, which convolutions on a CPU like best."""
    return torch.from_numpy(inputs).float().contiguous(memory_format=torch.channels_last)
