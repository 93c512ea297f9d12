"""Games played out side by side: one episode in each lane, for frames or for scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.networks.truenorth.packed_student import StudentGame

if TYPE_CHECKING:
    from snnrl.distillation.teachers import Teacher
    from snnrl.tasks.atari import Atari, Protocol

IntArray = NDArray[np.int64]
Screens = NDArray[np.uint8]
LANES = 8
"""Most games side by side."""
FIRST_SEEDS = {"frames": (0, 50_000), "held-out": (50_000, 20_000), "live": (70_000, 30_000)}
"""First seed and number of seeds for each use; those of reports begin at 7,800,000."""
FINAL_SEED = 7_800_000
"""Of the score that is written into a student's file."""


class Interrupted(KeyboardInterrupt):
    """Somebody asked to stop, and it was noticed between two steps."""


class View(NamedTuple):
    """What there is to decide on.

    Parameters
    ----------
    env
        The lanes.
    lanes
        Numbers of those still playing, ``[n]``.
    stacks
        Their stacks, ``uint8[n, 4, 84, 84]``.
    fresh
        Whether the newest screen of each begins a stack, ``[n]``.
    """

    env: Atari
    lanes: IntArray
    stacks: Screens
    fresh: NDArray[np.bool_]


Policy = Callable[[View], IntArray]
"""Actions of the lanes of a view, before the protocol's random ones."""


def play_out(env: Atari, policy: Callable[[View], IntArray | None], stopped: Callable[[], bool]) -> None:
    """Play one episode in each lane, with the protocol's epsilon; leave when the policy returns None.

    Raises
    ------
    Interrupted
        ``stopped()`` is true.
    """
    from snnrl.tasks.atari import Stack

    stack, screens = Stack(env.n), env.reset()
    fresh, playing = np.ones(env.n, bool), np.ones(env.n, bool)
    while playing.any():
        if stopped():
            raise Interrupted
        lanes = np.flatnonzero(playing)
        stacks = stack.push(screens, fresh, playing)
        chosen = policy(View(env, lanes, stacks[lanes], fresh[lanes]))
        if chosen is None:
            return
        actions = np.zeros(env.n, np.int64)
        actions[lanes] = chosen
        screens, _, _, ended, fresh = env.step(env.explore(actions), playing)
        playing &= ~ended


def play_scores(
    game: str, protocol: Protocol, policy: Policy, episodes: int, seed: int,
    stopped: Callable[[], bool] = lambda: False,
) -> list[float]:  # fmt: skip
    """Return the scores of some episodes.

    Raises
    ------
    Interrupted
        ``stopped()`` is true.
    """
    from snnrl.tasks.atari import Atari

    scores: list[float] = []
    while len(scores) < episodes:
        with Atari(game, min(LANES, episodes - len(scores)), seed + len(scores), protocol) as env:
            play_out(env, policy, stopped)
            scores += [score for _, score, _ in sorted(env.finished)]
    return scores


def game_seed(use: str, seed: int, number: int) -> int:
    """Return the seed of the ``number``-th games of a run for a use; uses never share one."""
    first, many = FIRST_SEEDS[use]
    return first + (997 * seed + number) % many


def ratings(teacher: Teacher, view: View) -> NDArray[np.float32]:
    """Return a teacher's outputs ``float32[n, actions]`` for the lanes of a view."""
    from snnrl.distillation.teachers import LaneTeacher

    if isinstance(teacher, LaneTeacher):
        return teacher.outputs_in(view.env)[view.lanes]
    return teacher.outputs_of(view.stacks)


def teacher_policy(teacher: Teacher) -> Policy:
    """Return a teacher as a player."""
    return lambda view: teacher.act(ratings(teacher, view))


def student_policy(network: IntegerNetwork, game: StudentGame) -> Policy:
    """Return a student as a player, by packed inference."""
    packed = PackedNetwork(network)
    return lambda view: game.choose(packed.counts(game.vision.inputs(view.stacks)))
