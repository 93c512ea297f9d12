"""Episodes of crossbar agents in any task with two actions: in its kernel, or in its Gymnasium environment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_agent import CrossbarAgent
from snnrl.random import bits, stream_id, uniform
from snnrl.tasks import Task, TaskKernel
from snnrl.tasks.rewards import Reward
from snnrl.tasks.rewards import make as make_reward

FloatArray = NDArray[np.float64]
LEARNING_RESET, EVALUATION_RESET = "task/reset", "task/evaluation-reset"
RECENT = 20
"""Finished episodes whose mean length a reward may ask for."""


class Episode(NamedTuple):
    """What came of an episode: steps, sum of the task's own rewards, and whether it ended in a failure."""

    length: int
    reward: float
    failed: bool


class CrossbarPlayer:
    """One agent in one task; the same seed begins its episodes as it begins those of a spiking agent.

    The task's own reward is only added up. An episode that reaches the step limit is a success.

    Parameters
    ----------
    network
        What kind of agent.
    task
        A task with two actions.
    seed
        Seed of the agent and of its episodes.
    reward
        What it learns from; None: -1 where an episode terminates and else 0 (equation 1).
    """

    def __init__(
        self, network: CrossbarActorCritic, task: Task, seed: int, reward: Reward | None = None
    ) -> None:
        self.task, self.seed = task, seed
        self.agent: CrossbarAgent = network.agent(task, seed)
        kernel, judge = task.kernel(), (reward or make_reward("failure")).bind(task)
        self._world = _Environment(task, judge) if kernel is None else _Kernel(task, kernel, judge)
        self._played = {LEARNING_RESET: 0, EVALUATION_RESET: 0}
        self._lengths: list[int] = []

    def episode(self, learning: bool = True, exploration: float = 1.0) -> Episode:
        """Play one episode, learning after every step or not at all; `exploration` as in `CrossbarAgent.act`."""
        stream = LEARNING_RESET if learning else EVALUATION_RESET
        number, recent = self._played[stream], self._lengths[-RECENT:]
        record = sum(recent) / len(recent) if recent else 0.0
        observation = self._world.reset(self.seed, stream, number)
        self._played[stream] += 1
        if not learning:
            self.agent.begin_trial(evaluation=number)
        length, total, failed = 0, 0.0, False
        while not failed and length < self.task.max_steps:
            following, own, gain, failed = self._world.step(self.agent.act(observation, exploration), record)
            length, total = length + 1, total + own
            if learning:
                self.agent.learn(observation, following, failed, gain)
            else:
                self.agent.pass_step()
            observation = following
        if learning:
            self.agent.end_trial(success=not failed)
            self._lengths.append(length)
        else:
            self.agent.begin_trial()
        return Episode(length, total, failed)

    def close(self) -> None:
        """Close the environment, if there is one."""
        self._world.close()


class _Kernel:
    """The task's plain functions."""

    def __init__(self, task: Task, kernel: TaskKernel, judge: Reward) -> None:
        self._kernel, self._p, self._size, self._judge = (
            kernel,
            kernel.parameters,
            task.observation_size,
            judge,
        )
        self._state = np.zeros(kernel.state_size)
        self._steps = 0

    def reset(self, seed: int, stream: str, episode: int) -> FloatArray:
        uniforms = uniform(seed, stream_id(stream), episode, self._kernel.n_uniforms)
        self._kernel.reset(self._state, uniforms, self._p)
        self._steps = 0
        return self._observe()

    def step(self, action: int, record: float) -> tuple[FloatArray, float, float, bool]:
        before = self._state.copy()
        failed = bool(self._kernel.step(self._state, action, self._p))
        self._steps += 1
        own = self._kernel.reward(before, self._state, failed, self._steps, 0.0, self._p)
        gain = self._judge(before, self._state, failed, self._steps, record)
        return self._observe(), own, gain, failed

    def _observe(self) -> FloatArray:
        observation = np.zeros(self._size)
        self._kernel.observe(self._state, observation, self._p)
        return observation

    def close(self) -> None:
        """Nothing to close."""


class _Environment:
    """The task's Gymnasium environment."""

    def __init__(self, task: Task, judge: Reward) -> None:
        self._env: Any = task.make()
        self._judge, self._steps = judge, 0
        self._observation = np.zeros(task.observation_size)

    def reset(self, seed: int, stream: str, episode: int) -> FloatArray:
        self._steps = 0
        self._observation = flat(self._env.reset(seed=reset_seed(seed, stream, episode))[0])
        return self._observation

    def step(self, action: int, record: float) -> tuple[FloatArray, float, float, bool]:
        following, own, terminated, _, _ = self._env.step(action)
        before, self._observation = self._observation, flat(following)
        self._steps += 1
        gain = float(own)
        if not self._judge.uses_environment:
            gain = self._judge(before, self._observation, terminated, self._steps, record)
        return self._observation, float(own), gain, bool(terminated)

    def close(self) -> None:
        self._env.close()


def flat(observation: object) -> FloatArray:
    """Return an environment's observation as the network takes it, shape ``[variables]``."""
    return np.ravel(np.asarray(observation, dtype=np.float64))


def reset_seed(seed: int, stream: str, episode: int) -> int:
    """Return the seed with which an episode of a Gymnasium environment begins."""
    return int(bits(seed, stream_id(stream), episode, 1)[0]) & 0x7FFFFFFF
