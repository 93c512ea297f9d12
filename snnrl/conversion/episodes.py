"""A task one step at a time: its own physics where it has them, its Gymnasium environment elsewhere."""

from __future__ import annotations

import numpy as np

from snnrl import random
from snnrl.networks.dense import FloatArray
from snnrl.tasks import Task

_START = random.stream_id("task/evaluation-reset")


class Player:
    """An environment that shows what the engines show: the observation of the task.

    Parameters
    ----------
    task
        The task; without physics of its own its Gymnasium environment is made.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.kernel = task, task.kernel()
        self.environment = task.make() if self.kernel is None else None
        self.state = np.zeros(0 if self.kernel is None else self.kernel.state_size)
        self.steps = 0

    def reset(self, seed: int, episode: int = 0) -> FloatArray:
        """Begin an episode and return the first observation, ``[variables]``.

        It begins where that episode of an engine's evaluation begins, for the agent of that seed.
        """
        self.steps = 0
        if self.environment is not None:
            start = int(random.bits(seed, _START, episode, 1)[0]) & 0x7FFFFFFF
            return np.ravel(self.environment.reset(seed=start)[0]).astype(np.float64)
        assert self.kernel is not None
        uniforms = random.uniform(seed, _START, episode, self.kernel.n_uniforms)
        self.state = np.zeros(self.kernel.state_size)
        self.kernel.reset(self.state, uniforms, self.kernel.parameters)
        return self._observed()

    def step(self, action: int) -> tuple[FloatArray, float, bool, bool]:
        """Take an action; return observation, reward, and whether the episode was terminated or truncated."""
        self.steps += 1
        if self.environment is not None:
            observed, reward, terminated, truncated, _ = self.environment.step(action)
            return np.ravel(observed).astype(np.float64), float(reward), bool(terminated), bool(truncated)
        assert self.kernel is not None
        before, p = self.state.copy(), self.kernel.parameters
        terminated = bool(self.kernel.step(self.state, action, p))
        reward = float(self.kernel.reward(before, self.state, terminated, self.steps, 0.0, p))
        return self._observed(), reward, terminated, not terminated and self.steps >= self.task.max_steps

    def _observed(self) -> FloatArray:
        assert self.kernel is not None
        seen = np.zeros(self.task.observation_size)
        self.kernel.observe(self.state, seen, self.kernel.parameters)
        return seen

    def close(self) -> None:
        """Close the Gymnasium environment, if there is one."""
        if self.environment is not None:
            self.environment.close()
