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
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.initial import initial_arrays
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement, evaluate, names_in

Vector = NDArray[Any]


class Draws:
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


class Clock:
    """What all statements share: the step, dt, the learning signals and the random streams' owner."""

    def __init__(self, seed: int, dt: float, exploration: float, prefix: str) -> None:
        self.seed, self.dt, self.prefix, self.step = seed, dt, prefix, 0
        self.signals = {**dict.fromkeys(SHARED_SIGNALS, 0.0), "exploration": exploration}

    def names(self) -> dict[str, float]:
        """Return the values of the shared names."""
        return {**self.signals, "dt": self.dt, "t": self.step * self.dt}

    def draws(self, name: str, size: int, rows: Any = slice(None), step: int | None = None) -> Draws:
        """Return the random numbers of one piece of code."""
        return Draws(self.seed, self.prefix + name, self.step if step is None else step, size, rows)


class Population:
    """One population: variables ``[size]`` (shared ones ``[1]``), refractoriness, and the spikes of the past."""

    def __init__(self, lowered: LoweredNeurons, clock: Clock) -> None:
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


class Group:
    """One group of synapses as a flat list: synapse k goes from ``i[k]`` to ``j[k]``; variables are ``[n]``."""

    def __init__(
        self, lowered: LoweredSynapses, source: Population, target: Population, clock: Clock
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


class Parts:
    """All populations and groups of a network, on one clock.

    Parameters
    ----------
    network
        The lowered network.
    seed, exploration, prefix
        Of the random numbers, value of the shared name ``exploration``, and prefix of the streams' names.
    """

    def __init__(
        self, network: LoweredNetwork, seed: int, exploration: float = 1.0, prefix: str = ""
    ) -> None:
        self.clock = Clock(seed, network.dt, exploration, prefix)
        self.populations = {n.name: Population(n, self.clock) for n in network.neurons}
        self.groups = {
            s.name: Group(s, self.populations[s.source], self.populations[s.target], self.clock)
            for s in network.synapses
        }

    def begin_episode(self) -> None:
        """Put everything but what was learned back to its start."""
        for population in self.populations.values():
            population.begin_episode()
        for group in self.groups.values():
            group.begin_episode()

    def on_step(self) -> None:
        """Run the statements at the start of an environment step."""
        for population in self.populations.values():
            population.on_step()

    def advance(self, learning: bool, supplied: Mapping[str, Vector] | None = None) -> None:
        """Advance by one dt; ``supplied`` gives the neurons that spike, for populations that are told to."""
        for name, population in self.populations.items():
            population.update()
            if supplied is not None and name in supplied:
                population.spikes[self.clock.step] = supplied[name]
        for group in self.groups.values():
            group.all(group.lowered.clock_update, "clock", learning)
        for group in self.groups.values():
            group.on_pre(learning)
        for group in self.groups.values():
            group.on_post(learning)
        for population in self.populations.values():
            population.reset()
        for group in self.groups.values():
            group.flow(learning)
        self.clock.step += 1

    def on_reward(self, step: int) -> None:
        """Run the third factor; ``step`` is that of its random numbers."""
        for group in self.groups.values():
            group.all(group.lowered.on_reward, "on_reward", True, step)
