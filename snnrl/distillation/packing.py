"""The student's file: its network, what it knows of its games, and how well it has played them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.networks.truenorth.packed_student import PackedStudent, StudentGame
from snnrl.networks.truenorth.student_file import STUDENT_FILE, to_bytes
from snnrl.training.files import replace_file

if TYPE_CHECKING:
    from snnrl.distillation.learner import Learner
    from snnrl.distillation.teachers import Teacher
    from snnrl.tasks.atari import Protocol

Scores = dict[str, list[float]]
"""By game."""


def student_games(
    learner: Learner,
    protocols: Sequence[Protocol],
    teachers: Sequence[Teacher],
    more: Mapping[str, Mapping[str, Any]],
) -> list[StudentGame]:
    """Return what a student knows of its games.

    Parameters
    ----------
    learner
        The student in training.
    protocols, teachers
        Of the games.
    more
        What else is to be kept of a game, by its name.
    """
    return [
        StudentGame(
            lesson.vision,
            {
                "game": lesson.name,
                "actions": list(lesson.moves.names),
                "outputs": list(lesson.moves.outputs),
                "protocol": asdict(protocol),
                "teacher": teacher.name,
                "temperature": lesson.temperature,
                "batches": learner.done,
                "recipe": learner.recipe.to_dict(),
                **more.get(lesson.name, {}),
            },
        )
        for lesson, protocol, teacher in zip(learner.lessons, protocols, teachers, strict=True)
    ]


def write_packed(folder: Path, network: IntegerNetwork, games: Sequence[StudentGame]) -> None:
    """Write the packed student into a run folder, in one step."""
    first, *others = games
    student = PackedStudent(network, first.vision, first.info, tuple(others))
    replace_file(folder / STUDENT_FILE, to_bytes(student))


def score_of(scores: Sequence[float]) -> dict[str, Any] | None:
    """Return mean, standard deviation and scores; None where no games were played."""
    if not scores:
        return None
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else math.nan
    return {
        "mean": float(np.mean(scores)),
        "std": spread if math.isfinite(spread) else None,
        "scores": [float(score) for score in scores],
    }
