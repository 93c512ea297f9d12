"""One population of neurons for a batch of agents: its statements on tensors ``[agents, neurons]``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from snnrl.engines.tensors.clock import RandomBlock, TensorClock
from snnrl.engines.tensors.expressions import Draw, Expression, Value, assignments, torch_functions
from snnrl.engines.tensors.initial import initial_tensors
from snnrl.engines.tensors.selection import Spiking
from snnrl.equations.lowered import LoweredNeurons

Gate = Callable[[Tensor, Value, Tensor], Tensor]
"""``gate(spikes, new, old)``: ``new`` where a neuron spikes, else ``old``."""

Names = Mapping[str, Tensor]


def select(where: Tensor, new: Value, old: Tensor) -> Tensor:
    """Return ``new`` where the condition holds, else ``old``; in the precision of ``old``."""
    result = torch.where(where, new, old)
    return result if result.dtype == old.dtype else result.to(old.dtype)


def default_gate(spikes: Tensor, new: Value, old: Tensor) -> Tensor:
    """Write where a neuron spikes."""
    return select(_mask(spikes), new, old)


class TensorPopulation:
    """One population.

    Parameters
    ----------
    lowered
        The population; a clamped one has no statements and no threshold.
    clock
        Shared with all other parts.
    history
        Longest delay of the synapses that leave it, in dt.
    lists
        Whether what has no spikes may be skipped, which needs to look at the data.
    threshold_functions
        What comparisons and functions mean in the threshold, if its spikes are to carry a gradient.
    gate
        What the reset writes.

    Attributes
    ----------
    values
        Variables, ``[agents, neurons]``, shared ones ``[agents, 1]``. Statements replace the tensors, so hold on to
        this dictionary and not to what is in it.
    record
        Spikes of the last ``history`` steps before the environment step and of the environment step so far.
    """

    def __init__(self, lowered: LoweredNeurons, clock: TensorClock, history: int = 0, lists: bool = True,
                 threshold_functions: Mapping[str, Any] | None = None, gate: Gate = default_gate) -> None:  # fmt: skip
        self.lowered, self.clock, self.history, self.lists, self.gate = lowered, clock, history, lists, gate
        self._compile(threshold_functions)
        self.advance: Callable[..., tuple[dict[str, Tensor], Tensor, Tensor]] = self._advance
        self._blocks = {
            (event, draw): RandomBlock(clock, f"{lowered.name}/{event}", draw, lowered.size)
            for event, draws in self._draws.items()
            for draw in draws
        }
        self._index = torch.arange(lowered.size, dtype=torch.int32, device=clock.device)
        self._start = initial_tensors(lowered, clock)
        self._none = torch.zeros(clock.n_agents, lowered.size, dtype=torch.bool, device=clock.device)
        self.values = {v: x.clone() for v, x in self._start.items()}
        self._until = torch.zeros_like(
            self._none, dtype=torch.int32
        )  # refractory until this dt of the window
        self._elapsed = 0  # dt since the window began
        self.record: list[Tensor] = [self._none] * history
        self._spiking: dict[int, Spiking] = {}

    def _compile(self, threshold_functions: Mapping[str, Any] | None) -> None:
        lowered, functions = self.lowered, torch_functions(self.clock.dtype)
        constants = {**lowered.constants, "dt": self.clock.dt}
        self._smooth = threshold_functions is not None
        self._update = assignments(lowered.update, constants, functions)
        self._reset = assignments(lowered.reset, constants, functions)
        self._on_step = [assignments((s,), constants, functions)[0] for s in lowered.on_step]
        self._threshold = None
        if lowered.threshold:
            self._threshold = Expression(lowered.threshold, constants, threshold_functions or functions)
        self._draws = {
            "update": [d for s in self._update for d in s.value.draws],
            "threshold": list(self._threshold.draws) if self._threshold else [],
            "reset": [d for s in self._reset for d in s.value.draws],
        }

    @property
    def spikes(self) -> Tensor:
        """Spikes of the present dt, ``[agents, neurons]``; bool, or numbers that carry a gradient."""
        return self.record[-1]

    @property
    def active(self) -> Tensor:
        """Neurons whose conditional variables synapses may write, bool ``[agents, neurons]``; after `update`."""
        return self._until < self._elapsed

    def masked(self, variable: str) -> bool:
        """Whether refractoriness keeps synapses from writing this variable."""
        return self.lowered.refractory_steps > 0 and variable in self.lowered.conditional

    def begin_episode(self, agents: Tensor) -> None:
        """Put variables, refractoriness and spikes under way back to their start; ``agents`` is a mask ``[agents]``."""
        where = agents.unsqueeze(-1)
        self.values = {v: torch.where(where, self._start[v], x) for v, x in self.values.items()}
        self._until = self._until.masked_fill(where, 0)
        self.record = [x.masked_fill(where, 0) for x in self.record]

    def begin_window(self) -> None:
        """Begin an environment step: of the spikes before it, keep those that may still be under way."""
        self.record = self.record[len(self.record) - self.history :]
        if self.lowered.refractory_steps:
            self._until = (self._until - self._elapsed).clamp(min=0)
        self._elapsed = 0
        for block in self._blocks.values():
            block.forget()

    def state(self) -> dict[str, Tensor]:
        """Return everything that changes, between environment steps, agents first."""
        state = dict(self.values) | {"(refractory)": (self._until - self._elapsed).clamp(min=0)}
        return state | ({"(spikes)": torch.stack(self.record, dim=1)} if self.record else {})

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        self.values = {v: state[v] for v in self.values}
        self._until, self._elapsed = state["(refractory)"], 0
        self.record = list(state["(spikes)"].unbind(1)) if "(spikes)" in state else []

    def read(self, name: str) -> Tensor:
        """Return a variable, a learning signal or the time, ``[agents, neurons]`` or ``[agents, 1]``."""
        if name in self.values:
            return self.values[name]
        return self.clock.t if name == "t" else self.clock.columns[name]

    def _now(self, event: str) -> dict[Draw, Tensor]:
        """Return the random numbers of a piece of code in this dt."""
        return {draw: self._blocks[event, draw].now() for draw in self._draws[event]}

    def on_step(self) -> None:
        """Run the statements at the start of an environment step; what all neurons share is drawn once."""
        local: dict[str, Value] = {}
        different = set(self.lowered.variables)
        for number, statement in enumerate(self._on_step):
            if different.intersection(statement.value.names):
                different.add(statement.target)
            index = self._index if statement.target in different else self._index[:1]
            draw = self._draw_on_step(f"{self.lowered.name}/on_step/{number}", index)
            value = statement.value(lambda n: local[n] if n in local else self.read(n), draw)
            if statement.target in self.values:
                self.values[statement.target] = _like(value, self.values[statement.target])
            else:
                local[statement.target] = value

    def _draw_on_step(self, stream: str, index: Tensor) -> Callable[[Draw], Tensor]:
        def numbers(draw: Draw) -> Tensor:
            keys = self.clock.keys(f"{stream}/{draw.call}", self.clock.steps[0])
            return self.clock.numbers(draw, keys.unsqueeze(-1), index)

        return numbers

    def update(self, supplied: Tensor | None = None) -> None:
        """Advance the state by one dt and find the spikes; ``supplied`` are those of a clamped population."""
        self._spiking.clear()
        self._elapsed += 1
        if supplied is not None:
            self.record.append(supplied.expand(self._none.shape))
        elif self._update or self._threshold:
            names = {**self.clock.columns, "t": self.clock.t} if self._timed else self.clock.columns
            arguments = names, self._now("update"), self._now("threshold"), self.clock.counts[self._elapsed]
            self.values, spikes, self._until = self.advance(self.values, self._until, *arguments)
            self.record.append(spikes)
        else:
            self.record.append(self._none)

    @property
    def _timed(self) -> bool:
        pieces = [s.value for s in self._update] + ([self._threshold] if self._threshold else [])
        return any("t" in piece.names for piece in pieces)

    def _advance(self, values: dict[str, Tensor], until: Tensor, names: Names, update: dict[Draw, Tensor],
                 threshold: dict[Draw, Tensor], elapsed: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:  # fmt: skip
        """One dt as a function without side effects, which can be compiled: new values, spikes, refractoriness."""
        new, refractory = dict(names) | values, self.lowered.refractory_steps
        ready = until < elapsed if refractory else None
        for statement in self._update:
            value = statement.value(new.__getitem__, update.__getitem__)
            if statement.target not in values:
                new[statement.target] = value
                continue
            old = new[statement.target]
            if ready is not None and statement.target in self.lowered.conditional:
                new[statement.target] = select(ready, value, old)
            else:
                new[statement.target] = _like(value, old)
        spikes = self._fires(new, threshold)
        if ready is not None:
            spikes = spikes * ready if self._smooth else spikes & ready
            until = torch.where(_mask(spikes), elapsed + (refractory - 1), until)
        return {v: new[v] for v in values}, spikes, until

    def _fires(self, names: Names, draws: dict[Draw, Tensor]) -> Tensor:
        if self._threshold is None:
            return self._none
        value = self._threshold(names.__getitem__, draws.__getitem__)
        if not isinstance(value, Tensor):
            return torch.full_like(self._none, bool(value))
        if value.dtype != torch.bool and not self._smooth:
            value = value != 0.0
        return value if value.shape == self._none.shape else value.expand(self._none.shape)

    def reset(self) -> None:
        """Run the reset statements for the neurons that spiked; refractoriness does not mask it."""
        if not self._reset or (self.lists and not len(self.spiking(0))):
            return
        spikes, local, draws = self.spikes, dict[str, Value](), self._now("reset")
        for statement in self._reset:
            value = statement.value(lambda n: local[n] if n in local else self.read(n), draws.__getitem__)
            if statement.target in self.lowered.variables:
                self.values[statement.target] = self.gate(spikes, value, self.values[statement.target])
            else:
                local[statement.target] = value

    def arriving(self, delay: int) -> Tensor:
        """Return the spikes of ``delay`` dt ago, ``[agents, neurons]``."""
        return self.record[len(self.record) - 1 - delay]

    def spiking(self, delay: int) -> Spiking:
        """Return which neurons spiked ``delay`` dt ago, as a list; made once per dt."""
        if delay not in self._spiking:
            self._spiking[delay] = Spiking.of(self.arriving(delay))
        return self._spiking[delay]

    def window(self) -> Tensor:
        """Return the spikes of the environment step so far, ``[agents, dt steps, neurons]``."""
        return torch.stack(self.record[self.history :], dim=1)


def _like(value: Value, old: Tensor) -> Tensor:
    """Return ``value`` in the shape and precision of ``old``."""
    if not isinstance(value, Tensor):
        return torch.full_like(old, value)
    same = value if value.dtype == old.dtype else value.to(old.dtype)
    return same if same.shape == old.shape else same.expand(old.shape)


def _mask(spikes: Tensor) -> Tensor:
    return spikes if spikes.dtype == torch.bool else spikes != 0.0
