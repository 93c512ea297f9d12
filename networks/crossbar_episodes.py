"""Episodes of crossbar agents in any task with two actions: in its kernel, or in its Gymnasium environment."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_agent import CrossbarAgent
from snnrl.random import stream_id, uniform
from snnrl.tasks import Task, TaskKernel

FloatArray = NDArray[np.float64]
LEARNING_RESET, EVALUATION_RESET = "task/reset", "task/evaluation-reset"


class Episode(NamedTuple):
    """What came of an episode: steps, sum of the task's own rewards, and whether it ended in a failure."""

    length: int
    reward: float
    failed: bool


class CrossbarPlayer:
    """One agent in one task; the same seed begins its episodes as it begins those of a spiking agent.

    The agent learns from the paper's reward, -1 where an episode terminates and else 0 (equation 1); the task's own
    reward is only added up. An episode that reaches the step limit is a success.

    Parameters
    ----------
    network
        What kind of agent.
    task
        A task with two actions.
    seed
        Seed of the agent and of its episodes.
    """

    def __init__(self, network: CrossbarActorCritic, task: Task, seed: int) -> None:
        self.task, self.seed = task, seed
        self.agent: CrossbarAgent = network.agent(task, seed)
        kernel = task.kernel()
        self._world = _Environment(task) if kernel is None else _Kernel(task, kernel)
        self._played = {LEARNING_RESET: 0, EVALUATION_RESET: 0}

    def episode(self, learning: bool = True) -> Episode:
        """Play one episode, learning after every step or not at all."""
        stream = LEARNING_RESET if learning else EVALUATION_RESET
        observation = self._world.reset(self.seed, stream, self._played[stream])
        self._played[stream] += 1
        length, total, failed = 0, 0.0, False
        while not failed and length < self.task.max_steps:
            following, reward, failed = self._world.step(self.agent.act(observation))
            length, total = length + 1, total + reward
            if learning:
                self.agent.learn(observation, following, failed)
            else:
                self.agent.pass_step()
            observation = following
        self.agent.end_trial(success=not failed, counts=learning)
        return Episode(length, total, failed)

    def close(self) -> None:
        """Close the environment, if there is one."""
        self._world.close()


class _Kernel:
    """The task's plain functions."""

    def __init__(self, task: Task, kernel: TaskKernel) -> None:
        self._kernel, self._p, self._size = kernel, kernel.parameters, task.observation_size
        self._state = np.zeros(kernel.state_size)
        self._steps = 0

    def reset(self, seed: int, stream: str, episode: int) -> FloatArray:
        uniforms = uniform(seed, stream_id(stream), episode, self._kernel.n_uniforms)
        self._kernel.reset(self._state, uniforms, self._p)
        self._steps = 0
        return self._observe()

    def step(self, action: int) -> tuple[FloatArray, float, bool]:
        before = self._state.copy()
        failed = bool(self._kernel.step(self._state, action, self._p))
        self._steps += 1
        reward = self._kernel.reward(before, self._state, failed, self._steps, 0.0, self._p)
        return self._observe(), reward, failed

    def _observe(self) -> FloatArray:
        observation = np.zeros(self._size)
        self._kernel.observe(self._state, observation, self._p)
        return observation

    def close(self) -> None:
        """Nothing to close."""


class _Environment:
    """The task's Gymnasium environment."""

    def __init__(self, task: Task) -> None:
        self._env: Any = task.make()

    def reset(self, seed: int, stream: str, episode: int) -> FloatArray:
        chosen = int(uniform(seed, stream_id(stream), episode, 1)[0] * 2**31)
        return np.asarray(self._env.reset(seed=chosen)[0], dtype=np.float64)

    def step(self, action: int) -> tuple[FloatArray, float, bool]:
        observation, reward, terminated, _, _ = self._env.step(action)
        return np.asarray(observation, dtype=np.float64), float(reward), bool(terminated)

    def close(self) -> None:
        self._env.close()
