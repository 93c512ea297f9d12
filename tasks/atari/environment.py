"""Several games of one kind side by side."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.errors import InvalidValueError
from snnrl.tasks.atari import games
from snnrl.tasks.atari.lane import Lane, LaneState
from snnrl.tasks.atari.protocol import Protocol
from snnrl.tasks.atari.screens import make_palette

Lanes = NDArray[np.bool_]


class Step(NamedTuple):
    """What came of one decision in every lane.

    Parameters
    ----------
    screens
        The newest ones, ``uint8[n, 84, 84]``.
    rewards
        Points won, not clipped, ``float64[n]``.
    lives
        As the emulator counts them, ``int64[n]``.
    ended
        The game is over, or cut off, ``bool[n]``; the next step of such a lane starts the next game.
    fresh
        This screen starts a new stack, ``bool[n]``.
    """

    screens: NDArray[np.uint8]
    rewards: NDArray[np.float64]
    lives: NDArray[np.int64]
    ended: Lanes
    fresh: Lanes


class Atari:
    """Lanes of one game; a lane's games depend on the seed and on its number, never on the other lanes.

    Parameters
    ----------
    game
        Name, see `GAMES`.
    n
        Number of lanes.
    seed
        Of all lanes.
    protocol
        Rules of play.

    Attributes
    ----------
    game, protocol
        As given; the game with what is known of it.
    finished
        (lane, score, decisions) of every game that ended, in the order of their ends.

    Raises
    ------
    InvalidValueError
        Unknown game, no lanes, or a ROM that is missing.
    """

    def __init__(self, game: str, n: int = 1, seed: int = 0, protocol: Protocol | None = None) -> None:
        self.game = games.game(game)
        if n < 1:
            raise InvalidValueError("Atari.n", n, "at least 1")
        self.protocol = Protocol() if protocol is None else protocol
        palette = make_palette(self.protocol.preprocessing)
        self._lanes = [
            Lane(self.game, self.protocol, random.stream_base(seed, lane), palette) for lane in range(n)
        ]
        self.finished: list[tuple[int, float, int]] = []

    @property
    def n(self) -> int:
        """Number of lanes."""
        return len(self._lanes)

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return len(self._lanes[0].actions)

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, as the emulator has them: ``NOOP``, ``FIRE``, ``RIGHT``."""
        return tuple(action.name for action in self._lanes[0].ale_actions())

    @property
    def scores(self) -> NDArray[np.float64]:
        """Score of the game under way in every lane, ``[n]``; of an ended one until the next begins."""
        return np.array([lane.books.score for lane in self._lanes])

    @property
    def decisions(self) -> NDArray[np.int64]:
        """Actions taken in the game under way in every lane, ``[n]``."""
        return np.array([lane.books.decisions for lane in self._lanes], np.int64)

    def reset(self) -> NDArray[np.uint8]:
        """Start a new game in every lane; return the first screens, ``uint8[n, 84, 84]``, all fresh."""
        for lane in self._lanes:
            lane.reset()
        return self.screens()

    def screens(self) -> NDArray[np.uint8]:
        """Return the newest screen of every lane, ``uint8[n, 84, 84]``."""
        return np.stack([lane.picture for lane in self._lanes])

    def step(self, actions: NDArray[Any], lanes: Lanes | None = None) -> Step:
        """Take one decision in every lane; a lane that has ended starts its next game instead.

        Parameters
        ----------
        actions
            Numbers of actions, ``[n]``.
        lanes
            Lanes that move, ``[n]``; the others stand still, with reward 0, neither ended nor fresh. Without it
            all.
        """
        rewards = np.zeros(self.n)
        ended, fresh = np.zeros(self.n, dtype=bool), np.zeros(self.n, dtype=bool)
        for index in range(self.n) if lanes is None else np.flatnonzero(lanes):
            lane = self._lanes[index]
            rewards[index], ended[index], fresh[index] = lane.step(int(actions[index]))
            if lane.books.over:
                self.finished.append((int(index), lane.books.score, lane.books.decisions))
        lives = np.array([lane.books.lives for lane in self._lanes], np.int64)
        return Step(self.screens(), rewards, lives, ended, fresh)

    def explore(self, actions: NDArray[Any]) -> NDArray[np.int64]:
        """Return the actions, each replaced by any with the protocol's epsilon.

        The random numbers belong to lane, game and decision: the same call twice replaces the same actions.
        """
        return np.array(
            [lane.explored(int(action)) for lane, action in zip(self._lanes, actions, strict=True)], np.int64
        )

    def rgb(self, lane: int) -> NDArray[np.uint8]:
        """Return what is on a lane's screen, ``uint8[210, 160, 3]``."""
        return self._lanes[lane].rgb()

    def ram(self, lane: int) -> NDArray[np.uint8]:
        """Return the 128 bytes of memory of a lane's console."""
        return np.asarray(self._lanes[lane].ale.getRAM(), np.uint8)

    def emulator(self, lane: int) -> tuple[Any, tuple[int, ...]]:
        """Return a lane's ``ALEInterface`` and the emulator's numbers of the actions, for looking ahead.

        Whoever moves it puts the lane back afterwards with `clone_state` and `restore_state`.
        """
        return self._lanes[lane].ale, self._lanes[lane].actions

    def truncated(self, lane: int) -> bool:
        """Return whether a lane's game was cut off by the protocol's cap."""
        return bool(self._lanes[lane].ale.game_truncated())

    def clone_state(self, lane: int) -> LaneState:
        """Return a lane's state to come back to."""
        return self._lanes[lane].save()

    def restore_state(self, lane: int, state: LaneState) -> None:
        """Put a lane back to a state that `clone_state` returned for a lane of this game."""
        self._lanes[lane].restore(state)

    def close(self) -> None:
        """Close the emulators."""
        for lane in self._lanes:
            lane.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
