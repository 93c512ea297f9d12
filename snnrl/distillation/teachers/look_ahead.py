"""A teacher that tries every action in a copy of the emulator: games without trained weights.

After Guo, Singh, Lee, Lewis and Wang, *Deep Learning for Real-Time Atari Game Play Using Offline Monte-Carlo
Tree Search Planning* (NIPS 2014), with flat roll-outs in place of their search tree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.distillation.teachers.base import LaneTeacher, Ratings
from snnrl.errors import InvalidValueError
from snnrl.tasks.atari import Atari, Game

_STREAM = random.stream_id("look-ahead")


class LookAhead(LaneTeacher):
    """Mean outcome of some random games that begin with each action.

    Every roll-out begins with the action to be rated and goes on with random ones; each is held for ``hold``
    decisions. It ends with a lost life, which counts as much as the most points that any roll-out from here has
    brought, at least one.

    Parameters
    ----------
    game
        What is played.
    roll_outs
        Per action.
    depth
        Decisions in one.
    hold
        Decisions for which an action is held.
    seed
        Of the random actions.
    preprocessing
        Of the screens that its students shall see.

    Raises
    ------
    InvalidValueError
        A number below 1.
    """

    def __init__(self, game: Game, roll_outs: int = 3, depth: int = 15, hold: int = 1, seed: int = 0,
                 preprocessing: str = "ddqn") -> None:  # fmt: skip
        for name, number in (("roll_outs", roll_outs), ("depth", depth), ("hold", hold)):
            if number < 1:
                raise InvalidValueError(f"LookAhead.{name}", number, "at least 1")
        super().__init__("look-ahead", preprocessing, "q-values", game.n_actions)
        self.roll_outs, self.depth, self.hold, self.seed = roll_outs, depth, hold, seed

    def outputs_in(self, atari: Atari) -> Ratings:
        """Return the mean outcome ``float32[n, n_actions]``; the lanes stand where they stood."""
        return np.stack([self._rate(atari, lane) for lane in range(atari.n)])

    def _rate(self, atari: Atari, lane: int) -> Ratings:
        ale, codes = atari.emulator(lane)
        if ale.game_over():
            return np.zeros(len(codes), np.float32)
        state, skip = atari.clone_state(lane), atari.protocol.frame_skip
        plans = self._plans(random.bits(self.seed, _STREAM, ale.getFrameNumber(), 1)[0], len(codes))
        points, deaths = np.zeros(plans.shape[:2]), np.zeros(plans.shape[:2], dtype=bool)
        for first, roll_out in np.ndindex(*plans.shape[:2]):
            ale.restoreState(state.emulator)
            plan = [codes[action] for action in plans[first, roll_out]]
            points[first, roll_out], deaths[first, roll_out] = roll(ale, plan, skip)
        atari.restore_state(lane, state)
        outcome = (points - deaths * max(points.max(), 1.0)).mean(axis=1)
        return np.asarray(outcome, np.float32)

    def _plans(self, key: np.uint32, n: int) -> NDArray[np.int64]:
        """Return actions ``[actions, roll_outs, depth]``: each action first, then random ones."""
        size = (n, self.roll_outs, self.depth)
        drawn = (random.uniform(int(key), _STREAM, 0, int(np.prod(size))) * n).astype(np.int64).reshape(size)
        drawn[..., 0] = np.arange(n)[:, None]
        return drawn[..., np.arange(self.depth) // self.hold * self.hold]


def roll(ale: Any, plan: list[int], skip: int) -> tuple[float, bool]:
    """Play a plan; return the points and whether a life was lost, with which it ends.

    Parameters
    ----------
    ale
        The emulator.
    plan
        Its numbers of the actions.
    skip
        Frames for which each is held.
    """
    points, lives = 0.0, ale.lives()
    for code in plan:
        for _ in range(skip):
            points += ale.act(code)
        if ale.lives() < lives or ale.game_over(with_truncation=False):
            return points, True
    return points, False
