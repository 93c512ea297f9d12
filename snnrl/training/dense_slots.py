"""`Slots`: several episodes of one agent side by side, in compiled physics or in Gymnasium environments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Control, Counter, State
from snnrl.engines.world import World
from snnrl.errors import SimulationError
from snnrl.tasks import Task
from snnrl.tasks.rewards import Reward

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass
class Stage:
    """What episodes need of the world: the task, the reward, its compiled functions, and whose episodes they are.

    Parameters
    ----------
    task, reward
        The task and the reward bound to it.
    module
        From `snnrl.engines.world.physics_module`.
    seed
        Seed of the agent.
    evaluating
        Whether episodes begin from the random streams of the evaluation.
    """

    task: Task
    reward: Reward
    module: ModuleType
    seed: int
    evaluating: bool = False


class Finished(NamedTuple):
    """An episode that is over: its steps, and the sum of its rewards."""

    length: int
    reward: float


class Step(NamedTuple):
    """One step of all slots, ``[slots]``; ``over`` is terminated or truncated."""

    reward: FloatArray
    terminated: Mask
    over: Mask


class Slots:
    """Episodes of one agent, each in a slot of its own; an episode's number decides how it begins.

    Parameters
    ----------
    stage
        The world.
    size
        Number of slots.
    recent
        Mean length of the last 20 finished episodes, which some rewards read.

    Attributes
    ----------
    state
        Arrays by name, slots first: ``observation``, ``counters``, ``control`` and what the world adds.
    """

    def __init__(self, stage: Stage, size: int, recent: float = 0.0) -> None:
        self.stage, self.task, self.reward = stage, stage.task, stage.reward
        self.seeds = np.full(size, stage.seed, np.int64)
        counters, control = np.zeros((size, len(Counter)), np.int64), np.zeros((size, len(Control)))
        self.state: State = {"counters": counters, "control": control}
        self.set_recent(recent)
        self.world = World.of(self, stage.module)
        self.state |= self.world.fresh_state()

    def stream_name(self, name: str) -> str:
        """Return the name of a random stream in the present phase; the same as that of spiking agents."""
        if not self.stage.evaluating:
            return name
        return "task/evaluation-reset" if name == "task/reset" else f"evaluation/{name}"

    def reset_seed(self, agent: int, episode: int) -> int:
        """Return the seed with which an episode of a Gymnasium environment begins."""
        stream = random.stream_id(self.stream_name("task/reset"))
        return int(random.bits(int(self.seeds[agent]), stream, episode, 1)[0]) & 0x7FFFFFFF

    def set_recent(self, recent: float) -> None:
        """Set the mean length of the last 20 finished episodes."""
        self.state["control"][:, Control.RECENT] = recent

    @property
    def observation(self) -> FloatArray:
        """What the agent sees, ``[slots, variables]``."""
        return self.state["observation"]

    @property
    def size(self) -> int:
        """Number of slots."""
        return len(self.seeds)

    def begin(self, slots: Mask, episodes: IntArray) -> None:
        """Begin the episodes with these numbers in these slots."""
        counters, control = self.state["counters"], self.state["control"]
        counters[slots] = 0
        counters[slots, Counter.EPISODE] = episodes[slots]
        control[slots, Control.EPISODE_REWARD] = 0.0
        self.world.reset(slots)

    def step(self, actions: IntArray, slots: Mask) -> Step:
        """Take an action in each of these slots.

        Raises
        ------
        SimulationError
            If the reward became NaN or infinite.
        """
        counters, control = self.state["counters"], self.state["control"]
        gains, terminated, truncated = self.world.step(slots, actions)
        self.stage.module.take_all(slots, gains, terminated, truncated, False, 0.0, counters, control)
        if np.any(counters[:, Counter.ERROR]):
            raise SimulationError(
                f"the reward {self.reward.name!r} returned NaN or infinity (seed {self.stage.seed})"
            )
        return Step(gains, terminated & slots, (terminated | truncated) & slots)

    def finished(self, slot: int) -> Finished:
        """Return what came of the episode in a slot."""
        counters, control = self.state["counters"][slot], self.state["control"][slot]
        return Finished(int(counters[Counter.EPISODE_STEP]), float(control[Control.EPISODE_REWARD]))

    def close(self) -> None:
        """Close the environments."""
        self.world.close()


class Episodes(NamedTuple):
    """Whole episodes, one after the other along the steps.

    Parameters
    ----------
    observations
        What the agent saw, ``[steps, variables]``.
    actions, rewards
        What it did and got, ``[steps]``.
    lengths
        Steps of each episode, ``[episodes]``.
    terminated
        Whether the episode ended by itself, not by its step limit, ``[episodes]``.
    last
        The observation after its last step, ``[episodes, variables]``.
    """

    observations: FloatArray
    actions: IntArray
    rewards: FloatArray
    lengths: IntArray
    terminated: Mask
    last: FloatArray

    @property
    def bounds(self) -> IntArray:
        """Where each episode begins, and the end, ``[episodes + 1]``."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def finished(self) -> list[Finished]:
        """Return length and sum of rewards of every episode."""
        returns = np.add.reduceat(self.rewards, self.bounds[:-1])
        return [Finished(int(n), float(r)) for n, r in zip(self.lengths, returns, strict=True)]


Choose = Callable[[FloatArray, int], IntArray]
"""Actions for observations ``[slots, variables]`` in a step of all episodes."""


def play(stage: Stage, first: int, count: int, recent: float, choose: Choose) -> Episodes:
    """Play ``count`` episodes side by side, each to its end; nothing but the episodes changes.

    Parameters
    ----------
    stage
        The world.
    first
        Number of the first episode.
    count
        How many.
    recent
        Mean length of the last 20 finished episodes.
    choose
        Chooses the actions; those of episodes that are over are not looked at.
    """
    slots = Slots(stage, count, recent)
    try:
        return _play(slots, first, choose)
    finally:
        slots.close()


def _play(slots: Slots, first: int, choose: Choose) -> Episodes:
    running = np.ones(slots.size, dtype=bool)
    slots.begin(running, first + np.arange(slots.size))
    ended = np.zeros(slots.size, dtype=bool)
    seen: list[FloatArray] = []
    acted: list[IntArray] = []
    gained: list[FloatArray] = []
    while running.any():
        seen.append(slots.observation.copy())
        acted.append(choose(seen[-1], len(acted)))
        step = slots.step(acted[-1], running)
        gained.append(step.reward)
        ended |= step.terminated
        running = running & ~step.over
    lengths = slots.state["counters"][:, Counter.EPISODE_STEP].copy()
    at = np.concatenate([np.arange(n) for n in lengths]), np.repeat(np.arange(slots.size), lengths)
    return Episodes(
        np.stack(seen)[at], np.stack(acted)[at], np.stack(gained)[at], lengths, ended, slots.observation.copy()
    )  # fmt: skip
