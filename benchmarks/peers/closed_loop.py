"""What is common to peers whose network is called from Python: carts, TD error, blocks and counting."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks import workload as wl
from benchmarks.peers.interface import Measured, Regime

IntArray = npt.NDArray[np.int64]
THETA_LIMIT = 12 * 2 * math.pi / 360


class OneCart:
    """Gymnasium's own CartPole-v1: for one agent it is faster than arrays of length one."""

    def __init__(self, seed: int) -> None:
        import gymnasium

        self._env: gymnasium.Env[Any, Any] = gymnasium.make("CartPole-v1")
        self._env.reset(seed=seed)

    def reset(self) -> wl.FloatArray:
        """Start an episode; returns the observation, shape [1, 4]."""
        observation: wl.FloatArray = self._env.reset()[0][None]
        return observation

    def step(self, action: IntArray) -> tuple[wl.FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return the next observation [1, 4], terminated and truncated [1]; a new episode starts by itself."""
        observation, _, terminated, truncated, _ = self._env.step(int(action[0]))
        after = self.reset() if terminated or truncated else observation[None]
        return after, np.array([terminated]), np.array([truncated])


class ManyCarts:
    """The equations of Gymnasium's CartPole-v1 (explicit Euler, 20 ms) on arrays.

    Gymnasium's own vector environment spends a step on each reset, which the workload does not.
    """

    def __init__(self, agents: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._state = self._fresh(agents)
        self._lengths = np.zeros(agents, dtype=np.int64)

    def _fresh(self, agents: int) -> wl.FloatArray:
        return self._random.uniform(-0.05, 0.05, (agents, 4))

    def reset(self) -> wl.FloatArray:
        """Start an episode of every agent; returns observations, shape [agents, 4]."""
        self._state, self._lengths[:] = self._fresh(len(self._state)), 0
        return self._state

    def step(self, action: IntArray) -> tuple[wl.FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Return next observations [agents, 4], terminated and truncated [agents]."""
        _, x_dot, theta, theta_dot = self._state.T
        cos, sin = np.cos(theta), np.sin(theta)
        temp = (20.0 * action - 10.0 + 0.05 * theta_dot**2 * sin) / 1.1
        theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cos**2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * cos / 1.1
        self._state = self._state + 0.02 * np.stack([x_dot, x_acc, theta_dot, theta_acc], axis=1)
        terminated = (np.abs(self._state[:, 0]) > 2.4) | (np.abs(self._state[:, 2]) > THETA_LIMIT)
        self._lengths += 1
        truncated = ~terminated & (self._lengths >= wl.MAX_EPISODE_STEPS)
        over = terminated | truncated
        if over.any():
            self._state[over] = self._fresh(int(over.sum()))
            self._lengths[over] = 0
        return self._state, terminated, truncated


class ClosedLoop:
    """The agents outside of the network: cart-pole, action, critic and TD error.

    Attributes
    ----------
    observation : array, shape [agents, 4]
    td_error : array, shape [agents]
        Of the last environment step.
    """

    def __init__(self, size: wl.Size, seed: int) -> None:
        self._size = size
        self._carts = OneCart(seed) if size.agents == 1 else ManyCarts(size.agents, seed)
        self._centres = size.cell_centres()
        self._scale = 1.0 / wl.cell_widths()[:, None]
        self._peak = wl.PEAK_RATE * wl.DT * 1e-3
        self._value_decay = math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
        self._steps = 0
        self.episodes = 0
        self.restart()

    def restart(self) -> None:
        """Put carts, critic and TD error back to their start."""
        self.observation = self._carts.reset()
        self._critic, self._value, self.td_error = np.zeros((3, self._size.agents))

    def probabilities(self) -> wl.FloatArray:
        """Return the probability of an input spike in one dt, shape [agents, n_inputs]."""
        z = (self.observation[:, :, None] - self._centres) * self._scale
        probability: wl.FloatArray = self._peak * np.exp(-0.5 * z * z)
        return probability.reshape(self._size.agents, -1)

    def judge(self, counts: IntArray) -> None:
        """Act on the spike counts of left, right and critic, shape [agents, 3], and form the TD error."""
        left, right, critic = counts.T
        action = np.where(left == right, self._steps & 1, right > left).astype(np.int64)
        self.observation, terminated, truncated = self._carts.step(action)
        self._critic = self._critic * self._value_decay + critic / self._size.n_critic
        value = np.where(terminated, 0.0, wl.VALUE_SCALE * self._critic)
        reward = np.where(terminated, wl.FAILURE_REWARD, 0.0)
        self.td_error = reward + wl.DISCOUNT * value - self._value
        self._value = value
        self._steps += 1
        self.episodes += int((terminated | truncated).sum())


class Books:
    """Counts what `Regime` reports, block after block."""

    def __init__(self, size: wl.Size) -> None:
        self._size = size
        self._blocks = self._episodes = 0
        self._inputs = self._outputs = self._moved = self._moved_most = 0.0

    def block(self, inputs: float, outputs: float, episodes: int, moved: tuple[float, float]) -> None:
        """Enter a block: its spikes, finished episodes, mean and greatest absolute weight change."""
        self._blocks += 1
        self._inputs += inputs
        self._outputs += outputs
        self._episodes += episodes
        self._moved += moved[0]
        self._moved_most = moved[1]

    def regime(self) -> Regime:
        """Return what happened in all blocks."""
        env_steps = self._blocks * self._size.block
        seconds = env_steps * self._size.neuron_ms * 1e-3
        return Regime(
            env_steps=env_steps * self._size.agents,
            episodes=self._episodes,
            input_hz=self._inputs / (seconds * self._size.n_inputs),
            output_hz=self._outputs / (seconds * self._size.n_outputs),
            weight_change_mean=self._moved / self._blocks,
            weight_change_max=self._moved_most,
        )


class LoopRunner(ABC):
    """A peer that Python calls once per environment step; subclasses set ``description``."""

    description: str

    def __init__(self, size: wl.Size, seed: int) -> None:
        self.size = size
        self.loop = ClosedLoop(size, seed)
        self._books = Books(size)

    @abstractmethod
    def restore(self) -> None:
        """Put weights, traces and membranes back to their start (not timed)."""

    @abstractmethod
    def advance(self) -> tuple[IntArray, Any]:
        """Advance by one environment step.

        Returns the spike counts of left, right and critic, shape [agents, 3], and the number of input spikes,
        which may stay a tensor: reading it out in every environment step would cost time.
        """

    @abstractmethod
    def change(self) -> tuple[float, float]:
        """Return mean and greatest absolute change of a weight since the start of the block."""

    def synchronize(self) -> None:
        """Wait until everything that was asked for is done; a peer on a GPU overrides this."""
        return

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by ``n_env_steps``, in blocks from the start."""
        seconds = 0.0
        for _ in range(n_env_steps // self.size.block):
            seconds += self._block()
        return Measured(seconds, n_env_steps)

    def _block(self) -> float:
        self.loop.restart()
        self.restore()
        episodes, inputs, outputs = self.loop.episodes, 0, 0
        self.synchronize()
        start = time.perf_counter()
        for _ in range(self.size.block):
            counts, spikes = self.advance()
            self.loop.judge(counts)
            inputs = inputs + spikes
            outputs += int(counts.sum())
        self.synchronize()
        seconds = time.perf_counter() - start
        self._books.block(float(inputs), outputs, self.loop.episodes - episodes, self.change())
        return seconds

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        return self._books.regime()
