"""Games and their books: how a player is asked, and what it has come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.distillation.rollout import LANES, View, play_out
from snnrl.play.players import Decisions, FloatArray, IntArray

if TYPE_CHECKING:
    from snnrl.play.players import Player
    from snnrl.play.timing import Timing
    from snnrl.tasks.atari import Protocol


@dataclass(frozen=True)
class Played:
    """What a player has played.

    Parameters
    ----------
    player
        Its name.
    scores
        Of the games, in their order.
    decisions
        Frames answered, those of an unfinished game included.
    seconds
        Wall time.
    spikes_per_frame
        Mean of each layer, ``[layers]``.
    layers
        Their names.
    complete
        Whether all games asked for were finished.
    timing
        Deadlines and latencies; None where nothing was paced.
    """

    player: str
    scores: tuple[float, ...]
    decisions: int
    seconds: float
    spikes_per_frame: FloatArray
    layers: tuple[str, ...]
    complete: bool = True
    timing: Timing | None = None

    @property
    def mean(self) -> float | None:
        """Mean score; None without a finished game."""
        return float(np.mean(self.scores)) if self.scores else None

    @property
    def std(self) -> float | None:
        """Standard deviation of the scores; None for fewer than two games."""
        return float(np.std(self.scores, ddof=1)) if len(self.scores) > 1 else None

    @property
    def frames_per_second(self) -> float:
        """Decisions per second of wall time, all lanes together."""
        return self.decisions / self.seconds if self.seconds > 0 else 0.0

    def numbers(self) -> dict[str, Any]:
        """Return everything as plain values for a JSON file."""
        paced = self.timing
        return {
            "player": self.player,
            "score_mean": self.mean,
            "score_std": self.std,
            "scores": list(self.scores),
            "frames_per_second": self.frames_per_second,
            "deadline_misses": 0 if paced is None else paced.missed,
            "deadlines": 0 if paced is None else paced.steps,
            "spikes_per_frame": float(self.spikes_per_frame.sum()),
            "spikes_per_layer": dict(zip(self.layers, self.spikes_per_frame.tolist(), strict=True)),
            "decisions": self.decisions,
            "seconds": self.seconds,
            "complete": self.complete,
            **({} if paced is None else {"latency": paced.numbers()}),
        }


class Tally:
    """A player as a policy, with the books of what it answers.

    Parameters
    ----------
    player
        Who is asked.
    told
        Called after every answer with the number of frames answered.

    Attributes
    ----------
    decided, spikes
        Frames answered, and spikes in them, ``[layers]``.
    """

    def __init__(self, player: Player, told: Callable[[int], object] = lambda decided: None) -> None:
        self.player, self.told = player, told
        self.decided, self.spikes = 0, np.zeros(len(player.layers))

    def __call__(self, view: View) -> IntArray:
        """Return the player's actions in the lanes of a view."""
        return self.ask(view).actions

    def ask(self, view: View) -> Decisions:
        """Return the player's decisions, counted."""
        decisions = self.player.decide(view)
        self.decided += len(view.lanes)
        self.spikes += decisions.spikes.sum(axis=0)
        self.told(self.decided)
        return decisions

    def played(
        self, scores: Sequence[float], seconds: float, complete: bool, timing: Timing | None = None
    ) -> Played:
        """Return the books, closed."""
        mean = self.spikes / max(self.decided, 1)
        layers, name = self.player.layers, self.player.name
        return Played(name, tuple(scores), self.decided, seconds, mean, layers, complete, timing)


def play(
    game: str,
    player: Player,
    protocol: Protocol,
    episodes: int,
    seed: int,
    told: Callable[[int, int], object] = lambda games, decisions: None,
) -> Played:
    """Play some games as fast as they go; Ctrl-C ends them early, and what was played is returned.

    The games are those of `snnrl.distillation.rollout.play_scores`: `LANES` side by side, a group of them for
    every `LANES`-th seed.

    Parameters
    ----------
    game, protocol, seed
        What is played, how, and which games.
    player
        Who plays.
    episodes
        Games.
    told
        Called often with the numbers of finished games and of frames answered.
    """
    scores: list[float] = []
    tally = Tally(player, lambda decided: told(len(scores), decided))
    begun, complete = time.perf_counter(), False
    with suppress(KeyboardInterrupt):
        for first in range(0, episodes, LANES):
            _play_group(game, protocol, tally, min(LANES, episodes - first), seed + first, scores)
        complete = True
    return tally.played(scores, time.perf_counter() - begun, complete)


def _play_group(game: str, protocol: Protocol, tally: Tally, n: int, seed: int, scores: list[float]) -> None:
    """Play one game in each of some lanes; add the scores of those that were finished, in the order of the lanes."""
    from snnrl.tasks.atari import Atari

    with Atari(game, n, seed, protocol) as env:
        try:
            play_out(env, tally, lambda: False)
        finally:
            scores += [score for _, score, _ in sorted(env.finished)]


def range_share(score: float | None, random: float | None, teacher: float | None) -> float | None:
    """Return how much of the way from random play to the teacher's score a score is, in per cent.

    None where a score is missing or the teacher is no better than chance.
    """
    if score is None or random is None or teacher is None or teacher <= random:
        return None
    return 100 * (score - random) / (teacher - random)
