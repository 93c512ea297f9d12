"""A few lines that play Freeway, from the console's memory.

Places in memory: Anand et al. (2019), *Unsupervised State Representation Learning in Atari*, and OCAtari.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.distillation.teachers.base import LaneTeacher, Ratings
from snnrl.tasks.atari import Atari

_CHICKEN_Y, _FIRST_CAR_X = 14, 108
_LANES, _LANE_HEIGHT, _KERB = 10, 16, 8
_DANGER = (36, 56)
"""Columns in which a car is about to hit the chicken, which crosses at column 44 or so."""


@dataclass(frozen=True)
class Script:
    """A rule that names an action.

    Parameters
    ----------
    game
        What it plays.
    actions
        The minimal action set it was written for.
    choose
        From the 128 bytes of memory to the name of an action.
    """

    game: str
    actions: tuple[str, ...]
    choose: Callable[[NDArray[np.uint8]], str]


def cross(ram: NDArray[np.uint8]) -> str:
    """Go up, unless a car of the chicken's next lane is close to its column."""
    lane = (int(ram[_CHICKEN_Y]) - _KERB) // _LANE_HEIGHT
    if not 0 <= lane < _LANES:
        return "UP"
    return "NOOP" if _DANGER[0] <= ram[_FIRST_CAR_X + lane] <= _DANGER[1] else "UP"


SCRIPTS = {"freeway": Script("freeway", ("NOOP", "UP", "DOWN"), cross)}
"""By the name of the game."""


class Scripted(LaneTeacher):
    """A script as a teacher; its ratings are 1 for what it does."""

    def __init__(self, script: Script, preprocessing: str) -> None:
        super().__init__(f"script:{script.game}", preprocessing, "actions", len(script.actions))
        self.script = script

    def outputs_in(self, atari: Atari) -> Ratings:
        """Return ``float32[n, n_actions]``, 1 for the script's action."""
        chosen = [self.script.actions.index(self.script.choose(atari.ram(lane))) for lane in range(atari.n)]
        return np.eye(self.n_actions, dtype=np.float32)[chosen]
