"""One game under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.tasks.atari.emulator import open_emulator
from snnrl.tasks.atari.games import Game
from snnrl.tasks.atari.protocol import Protocol
from snnrl.tasks.atari.screens import Frame, Palette, make_screen

NOOP, FIRE = 0, 1
"""Numbers of the emulator's actions."""
_NOOPS, _STICKY, _EXPLORE = (random.stream_id(f"atari/{name}") for name in ("no-ops", "sticky", "explore"))


@dataclass
class Books:
    """What is counted of a lane.

    Parameters
    ----------
    episode
        Number of the game under way, from 0.
    decisions
        Actions taken in it; a forced press of the fire button is none.
    score
        Sum of its rewards.
    lives
        As the emulator counts them.
    held
        The emulator's action of the frame before, which a sticky action repeats.
    over, life_over
        The game, or an episode that is a life, has ended.
    """

    episode: int = -1
    decisions: int = 0
    score: float = 0.0
    lives: int = 0
    held: int = NOOP
    over: bool = True
    life_over: bool = False


@dataclass(frozen=True)
class LaneState:
    """A lane to come back to: the emulator, what is on its screen, the frames of the picture, the books."""

    emulator: Any
    rgb: NDArray[np.uint8]
    frames: tuple[Frame, Frame]
    picture: NDArray[np.uint8]
    books: Books

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays, to be kept in a file."""
        before, last = self.frames
        books = np.array([float(value) for value in astuple(self.books)])
        emulator = np.frombuffer(self.emulator.serialize(), np.uint8)
        return {"emulator": emulator, "rgb": self.rgb, "before": before, "last": last, "picture": self.picture,
                "books": books}  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LaneState:
        """Return the state that `to_arrays` gave."""
        from ale_py import ALEState

        kinds = [type(value) for value in astuple(Books())]
        books = Books(*(kind(value) for kind, value in zip(kinds, arrays["books"].tolist(), strict=True)))
        frames = (arrays["before"], arrays["last"])
        return cls(ALEState(arrays["emulator"].tobytes()), arrays["rgb"], frames, arrays["picture"], books)


class Lane:
    """One emulator and the books of its game.

    Every random number is a function of (seed, lane, episode, decision).

    Parameters
    ----------
    game
        What is played.
    protocol
        How.
    seed
        Of the lane.
    palette
        Colours, shared by lanes of one game.
    """

    def __init__(self, game: Game, protocol: Protocol, seed: int, palette: Palette) -> None:
        self.game, self.protocol = game, protocol
        self.environment = open_emulator(game, protocol)
        self.ale = self.environment.ale
        self.actions = tuple(action.value for action in self.ale_actions())
        height, width = self.ale.getScreenDims()
        self.screen = make_screen(protocol.preprocessing, height, width, palette)
        self.books = Books()
        self._base = random.stream_base(seed, random.stream_id("atari"))
        self._shown: NDArray[np.uint8] | None = None
        self.screen.start(self.ale)
        self.picture = self.screen.picture()
        self._start = self.save()

    def ale_actions(self) -> list[Any]:
        """Return the emulator's actions that the player has."""
        full = self.protocol.full_actions
        return list(self.ale.getLegalActionSet() if full else self.ale.getMinimalActionSet())

    @property
    def episode_seed(self) -> int:
        """Seed of the game under way."""
        return random.step_key(self._base, self.books.episode)

    def reset(self) -> None:
        """Start the next game.

        The emulator is put back to how it was when the ROM was loaded: after a reset of the console alone, Beam
        Rider's memory is not what it is in the first game.
        """
        episode = self.books.episode + 1
        self.restore(self._start)
        self.books = Books(episode=episode, over=False)
        for _ in range(self._noops()):
            self._frame(NOOP)
            self.screen.start(self.ale)
        self.books.lives = self.ale.lives()
        if self.protocol.preprocessing == "teacher":
            self._serve()
        self.picture = self.screen.picture()

    def _noops(self) -> int:
        most = self.protocol.noop_max
        return 1 + int(random.uniform(self.episode_seed, _NOOPS, 0, 1)[0] * most) if most else 0

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Hold an action for some frames; after an end, start again instead.

        Returns
        -------
        Reward, whether the episode has ended, whether the picture is the first of a stack.
        """
        books = self.books
        if books.over:
            self.reset()
            return 0.0, False, True
        if books.life_over:
            return self._next_life(), books.over, True
        lives = books.lives
        reward = self._decision(self.actions[action])
        books.decisions += 1
        lost = books.lives < lives and not books.over
        books.life_over = lost and self.protocol.life_ends_episode
        fresh = lost and self.protocol.preprocessing == "teacher" and not books.life_over
        if fresh:
            reward += self._serve()
        self.picture = self.screen.picture()
        return reward, books.over or books.life_over, fresh

    def _next_life(self) -> float:
        """Go on after a life that ended an episode: serve, or wait for one decision."""
        self.books.life_over = False
        teacher = self.protocol.preprocessing == "teacher" and self.game.fire_to_start
        reward = self._decision(FIRE if teacher else NOOP)
        self.picture = self.screen.picture()
        return reward

    def _serve(self) -> float:
        return self._decision(FIRE) if self.game.fire_to_start else 0.0

    def _decision(self, code: int) -> float:
        """Hold one of the emulator's actions, and return the reward."""
        skip, reward = self.protocol.frame_skip, 0.0
        sticks = self._sticks()
        for frame in range(skip):
            reward += self._frame(self.books.held if sticks[frame] else code)
            if self.ale.game_over():
                self.books.over = True
                break
            if frame >= skip - 2:
                self.screen.take(self.ale, self.screen.last if frame == skip - 1 else self.screen.before)
        self.books.score += reward
        self.books.lives = self.ale.lives()
        return reward

    def _sticks(self) -> NDArray[np.bool_]:
        """Return in which frames of the decision the action of the frame before is held."""
        skip, sticky = self.protocol.frame_skip, self.protocol.sticky
        if not sticky:
            return np.zeros(skip, dtype=bool)
        # The number of the frame in its episode tells a forced press of the fire button from the decision before.
        return random.uniform(self.episode_seed, _STICKY, self.ale.getEpisodeFrameNumber(), skip) < sticky

    def _frame(self, code: int) -> float:
        self._shown, self.books.held = None, code
        return float(self.ale.act(code))

    def explored(self, action: int) -> int:
        """Return the action, or with probability epsilon any."""
        epsilon = self.protocol.epsilon
        if not epsilon:
            return action
        chance, which = random.uniform(self.episode_seed, _EXPLORE, self.books.decisions, 2)
        return int(which * len(self.actions)) if chance < epsilon else action

    def rgb(self) -> NDArray[np.uint8]:
        """Return what is on the screen, ``uint8[210, 160, 3]``."""
        return np.asarray(self.ale.getScreenRGB()) if self._shown is None else self._shown.copy()

    def save(self) -> LaneState:
        """Return the lane's state."""
        emulator = self.ale.cloneState(include_rng=True)
        return LaneState(emulator, self.rgb(), self.screen.save(), self.picture.copy(), replace(self.books))

    def restore(self, state: LaneState) -> None:
        """Go back to a state; what is on the screen is no part of the emulator's, and is kept beside it."""
        self.ale.restoreState(state.emulator)
        self._shown = state.rgb
        self.screen.restore(state.frames)
        self.picture, self.books = state.picture.copy(), replace(state.books)

    def close(self) -> None:
        """Close the emulator."""
        self.environment.close()
