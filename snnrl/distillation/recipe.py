"""`Recipe`: every constant of a distillation, in one place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.specs import student_spec
from snnrl.networks.truenorth.vision import KINDS

LOSSES = ("kl", "nll", "mse")
LARGEST_SEED = 2**31 - 1
TEMPERATURES = {"logits": 0.2, "q-values": 0.01, "actions": 0.2}
"""Of teachers by their outputs: 0.01 for action values is the paper's; logits want 0.2 to 1."""


@dataclass(frozen=True)
class Recipe:
    """How a student is distilled.

    Parameters
    ----------
    student
        Name of its shapes (`specs.STUDENTS`).
    loss
        ``"kl"`` (equation 6 of the paper), ``"nll"`` (5) or ``"mse"`` (4).
    temperature
        Of the teacher; None for that of `TEMPERATURES`, by what its outputs are.
    inputs
        ``"differences"`` or ``"stack"``; see `Vision`.
    batches, batch_size
        Training batches, and frames in one.
    rate, last_rate
        Step of Adam for the hidden weights, and the part of it that is left at the end of its cosine.
    sparsity
        Weight of the spike-sparsity penalty, the paper's eta.
    logit_scale
        Logit of an action whose population spikes everywhere.
    frames, held_out
        Frames of each game played before training begins, and frames of other episodes for the curve.
    epsilon
        Probability of a random action while frames are collected.
    dagger
        Share of the episodes that the student plays in the rounds after the first frames, 0 for no such
        rounds; the teacher labels all frames (DAgger, Ross et al. 2011).
    dagger_every, dagger_frames
        Batches between two rounds, and frames of each game in a round.
    evaluate_every, score_every
        Batches between two points of the held-out curve, and between two live scores.
    score_episodes, final_episodes
        Episodes of a live score, and of the score that is written into the student's file.
    checkpoint_every
        Batches between two checkpoints.
    settle_batches, settle_size
        Batches, and frames in one, from which the normalisation statistics are recomputed before anything is
        measured or folded.
    seed
        Of everything.

    Raises
    ------
    InvalidValueError
        A value is out of range.
    """

    student: str = "mini"
    loss: str = "kl"
    temperature: float | None = None
    inputs: str = "differences"
    batches: int = 20_000
    batch_size: int = 32
    rate: float = 0.01
    last_rate: float = 0.02
    sparsity: float = 1e-4
    logit_scale: float = 16.0
    frames: int = 100_000
    held_out: int = 10_000
    epsilon: float = 0.05
    dagger: float = 0.0
    dagger_every: int = 2000
    dagger_frames: int = 10_000
    evaluate_every: int = 1000
    score_every: int = 5000
    score_episodes: int = 2
    final_episodes: int = 10
    checkpoint_every: int = 1000
    settle_batches: int = 16
    settle_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        student_spec(self.student)
        for name, allowed in (("loss", LOSSES), ("inputs", KINDS)):
            if getattr(self, name) not in allowed:
                raise InvalidValueError(name, getattr(self, name), ", ".join(allowed))
        for name, (least, most) in _WHOLE.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise InvalidValueError(name, value, f"a whole number, {least} to {most}")
        for name, (low, high, words) in _REAL.items():
            value = getattr(self, name)
            if name == "temperature" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise InvalidValueError(name, value, words)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that `to_dict` gave.

        Raises
        ------
        InvalidValueError
            An unknown name, or a value out of range.
        """
        known = {field.name for field in fields(cls)}
        if not set(values) <= known:
            raise InvalidValueError("recipe", sorted(set(values) - known), ", ".join(sorted(known)))
        return cls(**values)

    def temperature_for(self, outputs: str) -> float:
        """Return the temperature for a teacher whose outputs are logits, q-values or actions."""
        return TEMPERATURES[outputs] if self.temperature is None else self.temperature

    def rate_left(self, done: int) -> float:
        """Return the part of the step that is left after ``done`` batches."""
        return self.last_rate + (1 - self.last_rate) * 0.5 * (1 + math.cos(math.pi * done / self.batches))

    def rounds(self, done: int) -> int:
        """Return how many rounds of DAgger have been due after ``done`` batches."""
        if self.dagger == 0:
            return 0
        return min(done, self.batches - 1) // self.dagger_every


_MANY = 10**9
_WHOLE = {
    "batches": (1, _MANY),
    "batch_size": (2, 65536),
    "frames": (16, _MANY),
    "held_out": (16, _MANY),
    "dagger_every": (1, _MANY),
    "dagger_frames": (1, _MANY),
    "evaluate_every": (1, _MANY),
    "score_every": (1, _MANY),
    "score_episodes": (0, 1000),
    "final_episodes": (0, 1000),
    "checkpoint_every": (1, _MANY),
    "settle_batches": (1, 10_000),
    "settle_size": (2, 65536),
    "seed": (0, LARGEST_SEED),
}
_TINY = 1e-6
_REAL = {
    "temperature": (_TINY, 1e6, "a number from 1e-6 to 1e6"),
    "rate": (_TINY, 100.0, "a number from 1e-6 to 100"),
    "last_rate": (0.0, 1.0, "a number, 0 to 1"),
    "sparsity": (0.0, 1e6, "a number from 0 to 1e6"),
    "logit_scale": (_TINY, 1e6, "a number from 1e-6 to 1e6"),
    "epsilon": (0.0, 1.0, "a probability, 0 to 1"),
    "dagger": (0.0, 1.0, "a share, 0 to 1"),
}
