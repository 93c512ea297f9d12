"""`ReferenceAgent`: the agent loop around the reference, one agent, written for reading."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl import random
from snnrl.coding import Readout
from snnrl.engines.reference.parts import Parts, Vector
from snnrl.equations.lower import lower
from snnrl.equations.lowered import LoweredNetwork
from snnrl.model import AgentModel, RewardBaseline, TDError


class ReferenceAgent:
    """One agent, driven from outside: ``begin_episode``, then ``decide`` and ``feedback`` in turn.

    Parameters
    ----------
    model
        The agent's model.
    seed
        Its whole identity.
    learning
        Whether plasticity is on.
    exploration
        Value of the shared name ``exploration``.
    stream_prefix
        Put before the names of the random streams; ``"evaluation/"`` gives the numbers of an evaluation.
    network
        The model's lowered network, if it is at hand.
    success_scale
        ``success`` of one step of mean episode length: one over the longest possible episode, or 0 where length
        is no merit.
    """

    def __init__(self, model: AgentModel, seed: int, learning: bool = True, exploration: float = 1.0,
                 stream_prefix: str = "", network: LoweredNetwork | None = None,
                 success_scale: float = 0.0) -> None:  # fmt: skip
        network = lower(model.network, model.env_step) if network is None else network
        self.model, self.learning, self.env_steps = model, learning, network.env_steps
        self.parts = Parts(network, seed, exploration, stream_prefix)
        self.clock, self.populations, self.groups = (
            self.parts.clock,
            self.parts.populations,
            self.parts.groups,
        )
        self.decision, self.mean_reward, self.value = 0, 0.0, 0.0
        self.first, self.last_reward, self.last_reward_error = True, 0.0, 0.0
        self.success_scale, self.episode_step = success_scale, 0
        self.lengths: list[int] = []

    def begin_episode(self) -> None:
        """Put everything but what was learned back to its start."""
        self.parts.begin_episode()
        self.first, self.value = True, 0.0
        self.clock.signals |= {"reward": 0.0, "td_error": 0.0, "reward_error": 0.0}

    def decide(self, observation: ArrayLike) -> int:
        """Sense an observation, learn from the last transition and return an action."""
        self._learn(self._sense(observation), terminated=False)
        draws = random.uniform(
            self.clock.seed, random.stream_id(f"{self.clock.prefix}action"), self.decision, 1
        )
        spikes = [
            self._read_out(readout) for readout in self.model.readouts[: len(self.model.action.populations)]
        ]
        counts = np.array([sum(s.size for s in window) for window in spikes], dtype=np.float64)
        if self.model.action.variable:
            readouts = self.model.readouts[: len(spikes)]
            counts = np.array([self._sum(self.model.action.variable, readout) for readout in readouts])
        first = np.array([next((k for k, s in enumerate(w) if s.size), -1) for w in spikes])
        decode, packed = type(self.model.action).function, self.model.action.packed()
        return int(decode(counts, first, float(draws[0]), float(self.env_steps), packed))

    def feedback(self, reward: float, terminated: bool, truncated: bool, observation: ArrayLike) -> None:
        """Take the reward of the last action; at the end of an episode learn from it at once.

        A terminated episode has no future: its TD error uses a value of 0. A truncated one is bootstrapped
        from the network's value of the last observation.
        """
        self.last_reward, self.last_reward_error = reward, reward - self.mean_reward
        if self.learning and isinstance(self.model.signal, RewardBaseline):
            self.mean_reward += self.last_reward_error / self.model.signal.time_constant
        self.first = False
        self.episode_step += 1
        if terminated:
            self._learn(0.0, terminated=True)
        elif truncated:
            self._learn(self._sense(observation), terminated=False)
        if terminated or truncated:
            self.lengths.append(self.episode_step)
            self.episode_step = 0

    def recent_spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step, ``[dt steps, neurons]``."""
        spikes = np.zeros((self.env_steps, self.populations[population].lowered.size), dtype=bool)
        for row, neurons in zip(spikes, self._window(population), strict=True):
            row[neurons] = True
        return spikes

    def _window(self, population: str) -> list[Vector]:
        spikes = self.populations[population].spikes
        return [spikes[step] for step in range(self.clock.step - self.env_steps, self.clock.step)]

    def _read_out(self, readout: Readout) -> list[Vector]:
        """Return the spikes of the last environment step that a decoder looks at, dt by dt."""
        stop = np.inf if readout.stop is None else readout.stop
        return [s[(s >= readout.start) & (s < stop)] for s in self._window(readout.population)]

    def _sum(self, variable: str, readout: Readout) -> float:
        """Return the sum of a variable over what a decoder looks at."""
        values = self.populations[readout.population].values[variable]
        return float(values[readout.start : readout.stop].sum())

    def _sense(self, observation: ArrayLike) -> float:
        """Advance the network on an observation and return the value it gives."""
        self.decision += 1
        encoder, value, critic = self.model.encoder, self.model.value, self.model.readouts[-1]
        self.populations[encoder.population].values[encoder.variable] = encoder.encode(observation)
        self.parts.on_step()
        for _ in range(self.env_steps):
            self.parts.advance(self.learning)
        if value is None:
            return 0.0
        population = self.populations[critic.population]
        if value.variable:
            read = self._sum(value.variable, critic)
        else:
            read = sum(s.size for s in self._read_out(critic))
        instant = value.scale * (read / critic.size(population.lowered.size) - value.baseline)
        return instant if self.first else self.value + value.smoothing * (instant - self.value)

    def _learn(self, value: float, terminated: bool) -> None:
        """Form the learning signals of the last transition and run ``on_reward``."""
        self.clock.signals |= {**self._signals(value), "success": self._success()}
        if self.learning:
            self.parts.on_reward(2 * self.decision + int(terminated))
        self.value = value

    def _success(self) -> float:
        """Mean length of the last 20 episodes over the longest possible one."""
        recent = self.lengths[-20:]
        return min(1.0, sum(recent) / len(recent) * self.success_scale) if recent else 0.0

    def _signals(self, value: float) -> dict[str, float]:
        if self.first:
            return {"reward": 0.0, "td_error": 0.0, "reward_error": 0.0}
        error, signal = 0.0, self.model.signal
        if isinstance(signal, TDError):
            error = (1.0 - signal.gamma) * self.last_reward + signal.gamma * value - self.value
            error = min(max(error, -signal.clip), signal.clip)
        return {"reward": self.last_reward, "td_error": error, "reward_error": self.last_reward_error}
