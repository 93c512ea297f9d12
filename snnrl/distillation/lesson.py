"""A game as a student learns it: frames, what it sees of them, and which population stands for which action.

A student of several games has one population for every move that any of them knows, by its name (``NOOP``,
``RIGHT``): moves mean the same everywhere, and populations stay large. One per game and action would leave a
tenth of the features to each action of ten games. Loss and play look only at the populations of the game's
own actions, so that the network need not be told which game it sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from snnrl.distillation.buffer import FrameBuffer
from snnrl.networks.truenorth.vision import Vision

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Moves:
    """The actions of a game, and the student's populations that stand for them.

    Parameters
    ----------
    names
        Of the actions, in the game's order.
    outputs
        For every action its population.
    """

    names: tuple[str, ...]
    outputs: tuple[int, ...]

    def logits(self, student: Tensor) -> Tensor:
        """Return the logits of this game's actions ``[batch, actions]`` of those of all populations."""
        return student[:, list(self.outputs)]


def moves_of(games: Sequence[tuple[str, ...]]) -> tuple[list[Moves], list[str]]:
    """Return the moves of each game, and the name of every population of a student of them all.

    Parameters
    ----------
    games
        Names of the actions of each.
    """
    populations = list(dict.fromkeys(name for names in games for name in names))
    return [Moves(names, tuple(populations.index(name) for name in names)) for names in games], populations


def agreement(student: Tensor, teacher: Tensor) -> float:
    """Return the share of frames in which the best actions are the same; both ``[batch, actions]``."""
    return float((student.argmax(dim=1) == teacher.argmax(dim=1)).double().mean())


@dataclass(frozen=True)
class Lesson:
    """A game as a student learns it.

    Parameters
    ----------
    name
        Of the game.
    frames, held_out
        To train on, and of other episodes for the curve; screens are placed already (`Vision.placed`).
    vision
        What the student sees.
    moves
        Its actions.
    temperature
        Of the teacher.
    """

    name: str
    frames: FrameBuffer
    held_out: FrameBuffer
    vision: Vision
    moves: Moves
    temperature: float

    def inputs(self, buffer: FrameBuffer, rows: Rows) -> NDArray[np.int16]:
        """Return what the student sees, ``int16[batch, 4, side, side]``."""
        return self.vision.channels(buffer.stacks(rows))
