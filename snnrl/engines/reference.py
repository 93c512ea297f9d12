"""The meaning of a model: a plain, dense, slow interpreter of a lowered agent.

Every neuron and every synapse is advanced in every dt, nothing is lazy, factored, windowed or fused. What the
other engines compute is right when it agrees with this. The statements are those of `snnrl.equations.lower`,
evaluated on numpy arrays, and the random numbers are those of `snnrl.random`, so that spikes agree one by one.

One dt: state update and threshold of all populations; clock-driven equations, then ``on_pre``, then ``on_post`` of
all synapses; resets; then event-driven variables decay by their exact flow. Within one event the spiking neurons
are served in ascending order, each seeing what the ones before it wrote.

One environment step: the observation is encoded, ``on_step`` runs, the network advances, value and action are
decoded, the learning signal of the *previous* action is formed, and ``on_reward`` runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl import random
from snnrl.coding import Readout
from snnrl.engines.initial import initial_arrays
from snnrl.equations.lower import lower
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement, evaluate, names_in
from snnrl.model import AgentModel, RewardBaseline, TDError

Vector = NDArray[Any]


class _Draws:
    """``rand()`` and ``randn()`` of one piece of code: each call, in the order of the text, has its own stream."""

    def __init__(self, seed: int, name: str, step: int, size: int, rows: Any = slice(None)) -> None:
        self.seed, self.name, self.step, self.size, self.rows, self.calls = seed, name, step, size, rows, 0

    def _stream(self) -> int:
        self.calls += 1
        return random.stream_id(f"{self.name}/{self.calls - 1}")

    def evaluate(self, expression: str, names: Mapping[str, Any]) -> Any:
        """Evaluate an expression that may draw random numbers."""
        value = evaluate(expression, {**names, "rand": self._rand, "randn": self._randn})
        return np.asarray(value, dtype=np.float64)  # a condition is 1 or 0

    def _rand(self) -> Vector:
        return np.asarray(random.uniform(self.seed, self._stream(), self.step, self.size)[self.rows])

    def _randn(self) -> Vector:
        return np.asarray(random.normal(self.seed, self._stream(), self.step, self.size)[self.rows])


class _Clock:
    """What all statements share: the step, dt, the learning signals and the random streams' owner."""

    def __init__(self, seed: int, dt: float, exploration: float, prefix: str) -> None:
        self.seed, self.dt, self.prefix, self.step = seed, dt, prefix, 0
        self.signals = {**dict.fromkeys(SHARED_SIGNALS, 0.0), "exploration": exploration}

    def names(self) -> dict[str, float]:
        """Return the values of the shared names."""
        return {**self.signals, "dt": self.dt, "t": self.step * self.dt}

    def draws(self, name: str, size: int, rows: Any = slice(None), step: int | None = None) -> _Draws:
        """Return the random numbers of one piece of code."""
        return _Draws(self.seed, self.prefix + name, self.step if step is None else step, size, rows)


class _Population:
    """One population: variables ``[size]`` (shared ones ``[1]``), refractoriness, and the spikes of the past."""

    def __init__(self, lowered: LoweredNeurons, clock: _Clock) -> None:
        self.lowered, self.clock = lowered, clock
        self.start = initial_arrays(lowered, clock.seed)
        self.begin_episode()

    def begin_episode(self) -> None:
        """Put everything back to its start."""
        self.values = {v: x.copy() for v, x in self.start.items()}
        self.remaining = np.zeros(self.lowered.size)
        self.active = np.ones(self.lowered.size, dtype=bool)
        self.spikes: dict[int, Vector] = {}

    def _names(self, local: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.lowered.constants, **self.clock.names(), **self.values, **local}

    def on_step(self) -> None:
        """Statements at the start of an environment step; what is the same for all neurons is drawn once."""
        n, local = self.lowered, dict[str, Any]()
        different = set(n.variables)
        for number, statement in enumerate(n.on_step):
            if statement.reads & different:
                different.add(statement.target)
            rows = slice(None) if statement.target in different else slice(1)
            draws = self.clock.draws(f"{n.name}/on_step/{number}", n.size, rows)
            value = draws.evaluate(statement.expression, self._names(local))
            if statement.target in self.values:
                self.values[statement.target] = np.broadcast_to(
                    value, self.values[statement.target].shape
                ).copy()
            else:
                local[statement.target] = value

    def update(self) -> None:
        """State update, then threshold; notes who spikes and who may be written by synapses."""
        n = self.lowered
        self.remaining = np.maximum(self.remaining - 1.0, 0.0)
        ready = self.remaining <= 0.0
        local: dict[str, Any] = {}
        draws = self.clock.draws(f"{n.name}/update", n.size)
        for statement in n.update:
            value = draws.evaluate(statement.expression, self._names(local))
            if statement.target not in self.values:
                local[statement.target] = value
                continue
            old = self.values[statement.target]
            writable = ready if statement.target in n.conditional else True
            self.values[statement.target] = np.where(writable, value, old)[: old.size]
        fires = np.zeros(n.size, dtype=bool)
        if n.threshold:
            draws = self.clock.draws(f"{n.name}/threshold", n.size)
            fires = (np.broadcast_to(draws.evaluate(n.threshold, self._names({})), (n.size,)) != 0.0) & ready
        self.remaining[fires] = n.refractory_steps
        self.active = ready & ~fires if n.refractory_steps else np.ones(n.size, dtype=bool)
        self.spikes[self.clock.step] = np.flatnonzero(fires)

    def reset(self) -> None:
        """Reset the neurons that spiked; refractoriness does not mask it."""
        n, rows = self.lowered, self.spikes[self.clock.step]
        draws = self.clock.draws(f"{n.name}/reset", n.size, rows)
        local = {v: x[rows] if v in n.variables else x for v, x in self.values.items()}
        for statement in n.reset if rows.size else ():
            local[statement.target] = draws.evaluate(statement.expression, self._names(local))
            if statement.target in n.variables:
                self.values[statement.target][rows] = local[statement.target]

    def write(self, variable: str, neurons: Vector, value: Any, add: bool) -> None:
        """Write to ``neurons`` from synapses (repeats add up), unless refractoriness masks the variable."""
        target = self.values[variable]
        where = neurons if variable in self.lowered.variables else np.zeros_like(neurons)
        writable = (
            self.active[neurons] if variable in self.lowered.conditional else np.full(neurons.shape, True)
        )
        values = np.broadcast_to(value, neurons.shape)[writable]
        if add:
            np.add.at(target, where[writable], values)
        else:
            target[where[writable]] = values


class _Group:
    """One group of synapses as a flat list: synapse k goes from ``i[k]`` to ``j[k]``; variables are ``[n]``."""

    def __init__(
        self, lowered: LoweredSynapses, source: _Population, target: _Population, clock: _Clock
    ) -> None:
        self.lowered, self.source, self.target, self.clock = lowered, source, target, clock
        if lowered.sources is None or lowered.targets is None:
            self.i, self.j = (x.ravel() for x in np.indices((lowered.n_source, lowered.n_target)))
        else:
            self.i, self.j = lowered.sources, lowered.targets
        self.start = {v: x.ravel() for v, x in initial_arrays(lowered, clock.seed).items()}
        self.values = {v: x.copy() for v, x in self.start.items()}

    def begin_episode(self) -> None:
        """Put everything but what was learned back to its start."""
        self.values |= {v: x.copy() for v, x in self.start.items() if v not in self.lowered.weights}

    def _read(self, name: str, rows: Vector, local: Mapping[str, Any]) -> Any:
        if name in local:
            return local[name]
        if name in self.values:
            return self.values[name][rows]
        for end, population, neurons in (("_pre", self.source, self.i), ("_post", self.target, self.j)):
            variable = name.removesuffix(end)
            if name.endswith(end) and variable in population.values:
                values = population.values[variable]
                return values[neurons[rows]] if variable in population.lowered.variables else values
        return {**self.clock.names(), **self.lowered.constants}[name]

    def run(self, statements: Sequence[Statement], event: str, rows: Vector, learning: bool,
            step: int | None = None) -> None:  # fmt: skip
        """Run statements on the synapses ``rows``; without learning the weights are not written."""
        draws = self.clock.draws(f"{self.lowered.name}/{event}", self.i.size, rows, step)
        local: dict[str, Any] = {}
        for statement in statements:
            text = statement.increment if statement.target.endswith(("_pre", "_post")) else ""
            expression = text or statement.expression
            value = draws.evaluate(expression, {n: self._read(n, rows, local) for n in names_in(expression)})
            self._write(statement.target, value, rows, bool(text), local, learning)

    def _write(
        self, name: str, value: Any, rows: Vector, add: bool, local: dict[str, Any], learning: bool
    ) -> None:
        if name in self.lowered.weights and not learning:
            return
        if name in self.values:
            self.values[name][rows] = value
            return
        for end, population, neurons in (("_pre", self.source, self.i), ("_post", self.target, self.j)):
            if name.endswith(end) and name.removesuffix(end) in population.values:
                population.write(name.removesuffix(end), neurons[rows], value, add)
                return
        local[name] = value

    def on_pre(self, learning: bool) -> None:
        """Presynaptic spikes that arrive now, source by source."""
        arrived = self.source.spikes.get(self.clock.step - self.lowered.delay, np.zeros(0, np.int64))
        for neuron in arrived:
            self.run(self.lowered.on_pre, "on_pre", np.flatnonzero(self.i == neuron), learning)

    def on_post(self, learning: bool) -> None:
        """Postsynaptic spikes of this dt, target by target."""
        for neuron in self.target.spikes[self.clock.step]:
            self.run(self.lowered.on_post, "on_post", np.flatnonzero(self.j == neuron), learning)

    def all(
        self, statements: Sequence[Statement], event: str, learning: bool, step: int | None = None
    ) -> None:
        """Run statements on every synapse."""
        self.run(statements, event, np.arange(self.i.size), learning, step)

    def flow(self, learning: bool) -> None:
        """Let the event-driven variables flow for one dt, all from their values before."""
        rows = np.arange(self.i.size)
        new = {
            v: evaluate(text, {n: self._read(n, rows, {}) for n in names_in(text)})
            for v, text in self.lowered.flow.items()
            if learning or v not in self.lowered.weights
        }
        for variable, value in new.items():
            self.values[variable][:] = value


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
        self.clock = _Clock(seed, network.dt, exploration, stream_prefix)
        self.populations = {n.name: _Population(n, self.clock) for n in network.neurons}
        self.groups = {
            s.name: _Group(s, self.populations[s.source], self.populations[s.target], self.clock)
            for s in network.synapses
        }
        self.decision, self.mean_reward, self.value = 0, 0.0, 0.0
        self.first, self.last_reward, self.last_reward_error = True, 0.0, 0.0
        self.success_scale, self.episode_step = success_scale, 0
        self.lengths: list[int] = []

    def begin_episode(self) -> None:
        """Put everything but what was learned back to its start."""
        for population in self.populations.values():
            population.begin_episode()
        for group in self.groups.values():
            group.begin_episode()
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

    def _sense(self, observation: ArrayLike) -> float:
        """Advance the network on an observation and return the value it gives."""
        self.decision += 1
        encoder, value, critic = self.model.encoder, self.model.value, self.model.readouts[-1]
        self.populations[encoder.population].values[encoder.variable] = encoder.encode(observation)
        for population in self.populations.values():
            population.on_step()
        for _ in range(self.env_steps):
            self._advance()
        if value is None:
            return 0.0
        spikes = sum(s.size for s in self._read_out(critic))
        size = critic.size(self.populations[critic.population].lowered.size)
        instant = value.scale * (spikes / size - value.baseline)
        return instant if self.first else self.value + value.smoothing * (instant - self.value)

    def _advance(self) -> None:
        """Advance the network by one dt."""
        for population in self.populations.values():
            population.update()
        for group in self.groups.values():
            group.all(group.lowered.clock_update, "clock", self.learning)
        for group in self.groups.values():
            group.on_pre(self.learning)
        for group in self.groups.values():
            group.on_post(self.learning)
        for population in self.populations.values():
            population.reset()
        for group in self.groups.values():
            group.flow(self.learning)
        self.clock.step += 1

    def _learn(self, value: float, terminated: bool) -> None:
        """Form the learning signals of the last transition and run ``on_reward``."""
        self.clock.signals |= {**self._signals(value), "success": self._success()}
        if self.learning:
            for group in self.groups.values():
                step = 2 * self.decision + int(terminated)
                group.all(group.lowered.on_reward, "on_reward", True, step)
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
