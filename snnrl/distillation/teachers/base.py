"""What a teacher is: something that rates the actions of a game."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.tasks.atari import Atari

Outputs = Literal["logits", "q-values", "actions"]
Ratings = NDArray[np.float32]


class Teacher(ABC):
    """Ratings of actions; the best is the one to take.

    Parameters
    ----------
    name
        For messages and records.
    preprocessing
        Of the screens that it was made for, see `snnrl.tasks.atari.Protocol`.
    outputs
        What its ratings are: logits of a policy, action values, or 1 for the action it takes.
    n_actions
        Number of actions.
    """

    def __init__(self, name: str, preprocessing: str, outputs: Outputs, n_actions: int) -> None:
        self.name, self.preprocessing = name, preprocessing
        self.outputs: Outputs = outputs
        self.n_actions = n_actions

    @abstractmethod
    def outputs_of(self, stacks: NDArray[np.uint8]) -> Ratings:
        """Return ratings ``float32[b, n_actions]`` for ``uint8[b, 4, 84, 84]``, oldest screen first.

        Raises
        ------
        InvalidValueError
            The teacher looks into the emulator instead, see `answers`.
        """

    def act(self, outputs: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the best action for each row of ratings ``[n, n_actions]``, the first of equals."""
        return np.asarray(outputs.argmax(axis=1), np.int64)


class LaneTeacher(Teacher):
    """A teacher that looks into the emulator, which it leaves as it was."""

    def outputs_of(self, stacks: NDArray[np.uint8]) -> Ratings:
        """Refuse: screens alone are not enough."""
        raise InvalidValueError("teacher", self.name, "a network, where only the screens are known")

    @abstractmethod
    def outputs_in(self, atari: Atari) -> Ratings:
        """Return ratings ``float32[n, n_actions]`` for where the lanes stand."""


def answers(teacher: Teacher, atari: Atari, stacks: NDArray[np.uint8]) -> Ratings:
    """Return any teacher's ratings ``float32[n, n_actions]`` for where the lanes stand.

    Parameters
    ----------
    teacher
        Of either kind.
    atari
        The lanes.
    stacks
        Their last four screens, ``uint8[n, 4, 84, 84]``.

    Raises
    ------
    InvalidValueError
        The lanes have other actions than the teacher.
    """
    if atari.n_actions != teacher.n_actions:
        allowed = f"{atari.n_actions}, as {atari.game.title} is played here"
        raise InvalidValueError(f"actions of teacher {teacher.name}", teacher.n_actions, allowed)
    return teacher.outputs_in(atari) if isinstance(teacher, LaneTeacher) else teacher.outputs_of(stacks)
