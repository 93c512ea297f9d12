"""One group of synapses for a batch of agents: its statements on tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from snnrl.engines.tensors.clock import TensorClock
from snnrl.engines.tensors.deferred import Deferred, may_wait
from snnrl.engines.tensors.expressions import Assignment, Expression, assignments, torch_functions
from snnrl.engines.tensors.initial import initial_tensors
from snnrl.engines.tensors.linear import transmission
from snnrl.engines.tensors.order import NeuronNames, order_matters
from snnrl.engines.tensors.population import Gate, TensorPopulation, default_gate
from snnrl.engines.tensors.scope import Learning, Scope
from snnrl.engines.tensors.selection import Agents, End, Ends, Entries, Flat, Grid, Lines, Selection
from snnrl.engines.tensors.window import Window
from snnrl.equations.lowered import LoweredSynapses
from snnrl.equations.structure import analyse

CHUNK = 2**15
"""Synapses of the agents that are treated at once in place: few enough to stay in the processor's cache."""


class TensorSynapses:
    """One group of synapses.

    Parameters
    ----------
    lowered
        The group.
    source, target
        Its populations.
    clock
        Shared with all other parts.
    in_place
        Run events on the synapses of the neurons that spiked, gathered, and change tensors in place. Otherwise every
        statement runs on all synapses under a mask, with shapes that do not depend on the data.
    windowed
        Keep event-driven variables in window coordinates and postsynaptic increments for one matrix product at the
        end of the environment step, where the text allows it.
    gate
        What a statement under a mask writes, see `population.Gate`.

    Attributes
    ----------
    values
        Variables: ``[agents, source, target]`` or ``[agents, synapses]``; factored ones ``[agents, source]`` or
        ``[agents, target]``. Within an environment step use `present`.
    factored
        ``"pre"`` or ``"post"`` by factored variable, see `snnrl.equations.structure`.
    elapsed
        Number of dt since the last `end_window`.
    """

    def __init__(self, lowered: LoweredSynapses, source: TensorPopulation, target: TensorPopulation,
                 clock: TensorClock, in_place: bool = True, windowed: bool = True,
                 gate: Gate | None = None) -> None:  # fmt: skip
        self.lowered, self.source, self.target, self.clock = lowered, source, target, clock
        self.in_place, self.gate, self.elapsed = in_place, gate or default_gate, 0
        self.names = NeuronNames(lowered, source.lowered, target.lowered)
        self.ordered = {
            end: order_matters(lowered, source.lowered, target.lowered, f"on_{end}")
            for end in ("pre", "post")
        }
        structure = analyse(lowered)
        self.ends = self._pairs()
        self.factored: dict[str, End] = {}
        if self.ends is None:
            self.factored.update(dict.fromkeys(structure.pre, "pre"))
            self.factored.update(dict.fromkeys(structure.post, "post"))
        self._compile()
        self.window = Window(lowered, structure, clock.dt, clock.env_steps, windowed)
        eager = [v for v in self._flow if v not in self.window.variables]
        self._flow_once = [v for v in eager if v in self.factored]
        self._flow_each = [v for v in eager if v not in self.factored]
        self._numbers = torch.arange(
            lowered.n_source * lowered.n_target, dtype=torch.int32, device=clock.device
        ).view(lowered.n_source, lowered.n_target)
        self._start = {v: self._stored_once(v, x) for v, x in initial_tensors(lowered, clock).items()}
        self.values = {v: x.clone(memory_format=torch.contiguous_format) for v, x in self._start.items()}
        self._start = {v: x for v, x in self._start.items() if v not in lowered.weights}
        self.deferred: Deferred | None = None
        if windowed and self.ends is None and structure.increments and may_wait(self, structure.increments):
            self.deferred = Deferred(self, structure.increments)

    def _pairs(self) -> Ends | None:
        if self.lowered.sources is None or self.lowered.targets is None:
            return None
        both = (self.lowered.sources, self.lowered.targets)
        return Ends(*(torch.tensor(x, dtype=torch.int64, device=self.clock.device) for x in both))

    def _compile(self) -> None:
        lowered, functions = self.lowered, torch_functions(self.clock.dtype)
        self.constants = {**lowered.constants, "dt": self.clock.dt}

        def compiled(statements: Any) -> tuple[Assignment, ...]:
            return assignments(statements, self.constants, functions, self.names.adds)

        self._clock_update, self._on_pre = compiled(lowered.clock_update), compiled(lowered.on_pre)
        self._on_post, self._on_reward = compiled(lowered.on_post), compiled(lowered.on_reward)
        ends: tuple[tuple[End, tuple[Assignment, ...]], ...] = (
            ("pre", self._on_pre),
            ("post", self._on_post),
        )
        self.transmissions = {
            a: transmission(a.statement, self, own, self.constants, functions)
            for own, event in ends
            for a in event
            if a.add and a.statement is not None and not self.in_place
        }
        self._flow = {v: Expression(text, self.constants, functions) for v, text in lowered.flow.items()}

    def _stored_once(self, name: str, x: Tensor) -> Tensor:
        end = self.factored.get(name)
        if end is None:
            return x
        return x[:, :, 0] if end == "pre" else x[:, 0, :]

    def population(self, end: End) -> TensorPopulation:
        """Return the population at one end."""
        return self.source if end == "pre" else self.target

    def end_of(self, name: str) -> End | None:
        """Return at which end a factored variable or a variable of a neuron is, ``None`` for other names."""
        return self.factored.get(name) or self.names.end(name)

    def read_neuron(self, name: str, end: End) -> Tensor:
        """Return what the neurons at one end have one of, ``[agents, neurons]`` or ``[agents, 1]``."""
        if name in self.factored:
            return self.values[name]
        return self.population(end).read(name.removesuffix(f"_{end}"))

    def begin_episode(self, agents: Tensor) -> None:
        """Put everything but what was learned back to its start; ``agents`` is a mask ``[agents]``."""
        for name, start in self._start.items():
            x = self.values[name]
            where = agents.view(-1, *[1] * (x.dim() - 1))
            self.values[name] = torch.where(where, start, x)

    def clock_update(self, learning: Learning) -> None:
        """Run the clock-driven equations, before the events of a dt."""
        if self._clock_update:
            for selection in self._everything():
                self._scope(selection, "clock", learning).run(self._clock_update)

    def on_pre(self, learning: Learning) -> None:
        """Run ``on_pre`` for the presynaptic spikes that arrive in this dt."""
        if self._on_pre:
            self._event(self._on_pre, "pre", self.lowered.delay, learning)

    def on_post(self, learning: Learning) -> None:
        """Run ``on_post`` for the postsynaptic spikes of this dt."""
        if self.deferred is not None:
            self.deferred.on_post()
        elif self._on_post:
            self._event(self._on_post, "post", 0, learning)

    def _event(self, statements: tuple[Assignment, ...], own: End, delay: int, learning: Learning) -> None:
        for selection in self._spiking(own, delay):
            self._scope(selection, f"on_{own}", learning).run(statements)

    def _spiking(self, own: End, delay: int) -> Iterator[Selection]:
        """Give the synapses of the neurons that spiked, all at once unless their order matters."""
        population = self.population(own)
        spikes = population.arriving(delay)
        if not self.in_place:
            yield self._masked(spikes, own)
            return
        spiking = population.spiking(delay)
        for part in spiking.one_by_one() if self.ordered[own] else (spiking,) if len(spiking) else ():
            if self.ends is None:
                yield Lines(part, own, self.lowered.n_source, self.lowered.n_target)
            else:
                yield Entries(part, spikes.shape, own, self.ends)

    def _masked(self, spikes: Tensor, own: End) -> Selection:
        if self.ends is None:
            return Grid(self._numbers, spikes.unsqueeze(2 if own == "pre" else 1))
        return Flat(self.ends, spikes[:, self.ends.of(own)])

    def _scope(
        self, selection: Selection, event: str, learning: Learning, step: Tensor | None = None
    ) -> Scope:
        now = self.clock.steps[0] + self.clock.offset if step is None else step
        return Scope(self, selection, event, learning, now)

    def flow(self, learning: Learning) -> None:
        """Let the event-driven variables flow for one dt, unless that is put off to the end of the window."""
        self.elapsed += 1
        once = {v: self._flow[v](lambda n: self.read_neuron(n, "pre"), _no_draw) for v in self._flow_once}
        if self._flow_each:
            self._flow_synapses(self._flow_each, learning)
        for name, value in once.items():
            self.values[name] = value.expand(self.values[name].shape).contiguous()

    def _flow_synapses(self, names: list[str], learning: Learning) -> None:
        """Advance every synapse; all values are those before."""
        parallel = tuple(Assignment(f"_next_{v}_", self._flow[v]) for v in names)
        copies = tuple(Assignment(v, Expression(f"_next_{v}_", {}, {})) for v in names)
        for selection in self._everything():
            self._scope(selection, "flow", learning).run((*parallel, *copies))

    def end_window(self) -> None:
        """Bring all variables to the present, at the end of an environment step."""
        elapsed, self.elapsed = self.elapsed, 0
        if elapsed and self.window.variables:
            rows = self.window.rows(elapsed)
            for selection in self._everything():
                Scope(self, selection, "", False, self.clock.steps[0]).replace(rows)
        if self.deferred is not None:
            self.deferred.apply(elapsed)

    def on_reward(self, agents: Learning, reward_step: Tensor) -> None:
        """Run ``on_reward`` for the agents of the mask, after `end_window`."""
        if not self._on_reward or agents is False:
            return
        if not self.in_place:
            where = None if agents is True else agents.view(-1, *[1] * len(self.lowered.shape))
            for selection in self._everything(where):
                self._scope(selection, "on_reward", True, reward_step).run(self._on_reward)
            return
        for selection in self._everything(None, None if agents is True else agents.nonzero().squeeze(1)):
            self._scope(selection, "on_reward", True, reward_step).run(self._on_reward)

    def _everything(self, where: Tensor | None = None, chosen: Tensor | None = None) -> Iterator[Selection]:
        """All synapses: of all agents, or in place a few agents at a time."""
        if not self.in_place:
            yield self._all(where, None)
            return
        for part in self.chunks(None if chosen is None else len(chosen)):
            yield self._all(where, part if chosen is None else chosen[part])

    def chunks(self, count: int | None = None) -> Iterator[slice]:
        """Parts of a number of agents that are treated at once, of all of them by default."""
        if not self.in_place:
            yield slice(None)
            return
        count = self.clock.n_agents if count is None else count
        size = max(1, CHUNK // max(1, math.prod(self.lowered.shape)))
        for first in range(0, count, size):
            yield slice(first, min(count, first + size))

    def _all(self, where: Tensor | None, agents: Agents) -> Selection:
        if self.ends is None:
            return Grid(self._numbers, where, agents)
        return Flat(self.ends, where, agents)

    def state(self) -> dict[str, Tensor]:
        """Return everything that changes, between environment steps, agents first."""
        return dict(self.values)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.values = {v: state[v] for v in self.values}

    def present(self, name: str) -> Tensor:
        """Return a variable at the present time in its full shape, ``[agents, ...]``."""
        x = self.values[name]
        if name in self.window.variables and self.elapsed:
            x = self.window.rows(self.elapsed)[name].apply(lambda v: self.values[v])
        if self.deferred is not None:
            x = self.deferred.added(name, x, self.elapsed)
        end = self.factored.get(name)
        x = x if end is None else x.unsqueeze(2 if end == "pre" else 1)
        return x.expand(self.clock.n_agents, *self.lowered.shape)

    def assign(self, name: str, values: Tensor) -> None:
        """Set a variable between environment steps, of the shape that `present` returns."""
        self.values[name] = self._stored_once(name, values).clone(memory_format=torch.contiguous_format)


def _no_draw(draw: Any) -> Tensor:
    raise AssertionError(f"a flow draws no random numbers: {draw}")
