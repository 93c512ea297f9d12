"""`Show`: a game, decision by decision, with all that pictures of it need."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnrl.distillation.rollout import View
from snnrl.play.session import Tally

if TYPE_CHECKING:
    from snnrl.play.players import Decisions, FloatArray, Player
    from snnrl.play.session import Played
    from snnrl.play.timing import Timing
    from snnrl.tasks.atari import Protocol
    from snnrl.tasks.atari.environment import Step

HISTORY = 240
"""Decisions whose activity is remembered, 8 s at 30 a second."""
SCORES = 20
"""Finished games whose scores are remembered."""


@dataclass(frozen=True)
class Moment:
    """What is seen after a decision.

    Parameters
    ----------
    number
        Of the decision, from 1.
    screen
        The game's picture, ``uint8[210, 160, 3]``.
    seen
        The newest of the player's four screens, ``uint8[84, 84]``.
    outputs
        What the action was chosen by, ``[actions]``.
    action, explored
        What was done, and whether chance chose another than the player.
    share
        Part of each layer's neurons that spiked, ``[layers]``.
    spikes
        Spikes of all layers.
    score, lives, game
        Of the running game; games are counted from 1.
    scores
        Of the last finished games.
    """

    number: int
    screen: NDArray[np.uint8]
    seen: NDArray[np.uint8]
    outputs: FloatArray
    action: int
    explored: bool
    share: FloatArray
    spikes: float
    score: float
    lives: int
    game: int
    scores: tuple[float, ...]


class Show:
    """A game in one lane, for real time, a film, a page or a window; one game follows the other.

    Parameters
    ----------
    game, protocol, seed
        What is played, how, and which games.
    player
        Who plays.

    Attributes
    ----------
    env, tally
        The lane, and the books of the player.
    history
        Parts of the layers that spiked in the last decisions, ``[layers]`` each.
    """

    def __init__(self, game: str, player: Player, protocol: Protocol, seed: int) -> None:
        from snnrl.tasks.atari import Atari, Stack

        self.env, self.stack, self.tally = Atari(game, 1, seed, protocol), Stack(1), Tally(player)
        self.title = self.env.game.title
        self.history: deque[FloatArray] = deque(maxlen=HISTORY)
        self._see(self.env.reset(), np.ones(1, bool))

    @property
    def player(self) -> Player:
        """Who plays."""
        return self.tally.player

    @property
    def scores(self) -> tuple[float, ...]:
        """Scores of all finished games."""
        return tuple(score for _, score, _ in self.env.finished)

    def close(self) -> None:
        """Give the emulator back."""
        self.env.close()

    def played(self, seconds: float, complete: bool, timing: Timing | None = None) -> Played:
        """Return the books, closed."""
        return self.tally.played(self.scores, seconds, complete, timing)

    def _see(self, screens: NDArray[np.uint8], fresh: NDArray[np.bool_]) -> None:
        self._view = View(self.env, np.zeros(1, np.int64), self.stack.push(screens, fresh), fresh)

    def step(self) -> Moment:
        """Play one decision; where it ends a game, begin the next one."""
        seen = self._view.stacks[0, -1]
        decisions = self.tally.ask(self._view)
        actions = self.env.explore(decisions.actions)
        step = self.env.step(actions)
        moment = self._moment(seen, decisions, int(actions[0]), step)
        if step.ended[0]:
            step = self.env.step(actions)
        self._see(step.screens, step.fresh)
        return moment

    def _moment(self, seen: NDArray[np.uint8], decisions: Decisions, action: int, step: Step) -> Moment:
        spikes = decisions.spikes[0]
        share = spikes / self.player.neurons
        self.history.append(share)
        return Moment(
            number=self.tally.decided,
            screen=self.env.rgb(0),
            seen=seen,
            outputs=decisions.outputs[0],
            action=action,
            explored=action != int(decisions.actions[0]),
            share=share,
            spikes=float(spikes.sum()),
            score=float(self.env.scores[0]),
            lives=int(step.lives[0]),
            game=len(self.env.finished) + (not step.ended[0]),
            scores=self.scores[-SCORES:],
        )
