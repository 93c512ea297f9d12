"""The windowed form: postsynaptic increments as one matrix product per environment step.

A postsynaptic spike of neuron j adds ``c_j * x_i`` to a variable of all its synapses, where ``x`` is a presynaptic
trace (`snnrl.equations.structure.PostIncrement`). If nothing reads the variable before the environment step ends, the
sums over its dt can wait: with the traces ``X [dt, source]`` and the spikes times coefficients ``P [dt, target]``
they are ``X^T P``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from snnrl.engines.tensors.expressions import Assignment, Expression, assignments, torch_functions
from snnrl.engines.tensors.window import Window
from snnrl.equations.lowered import LoweredSynapses
from snnrl.equations.statements import names_in
from snnrl.equations.structure import PostIncrement

if TYPE_CHECKING:
    from snnrl.engines.tensors.synapses import TensorSynapses


@dataclass
class _Waiting:
    """One increment, and the factors of what it adds by the number of the dt, ``[agents, neurons]`` each."""

    increment: PostIncrement
    coefficient: Expression
    traces: dict[int, Tensor] = field(default_factory=dict)
    columns: dict[int, Tensor] = field(default_factory=dict)


class Deferred:
    """The increments of one group that wait for the end of the environment step.

    Parameters
    ----------
    group
        All-to-all synapses.
    increments
        What its ``on_post`` consists of, besides factored variables.
    """

    def __init__(self, group: TensorSynapses, increments: tuple[PostIncrement, ...]) -> None:
        self.group = group
        constants, functions = group.constants, torch_functions(group.clock.dtype)
        self._waiting = [_Waiting(i, Expression(i.coefficient, constants, functions)) for i in increments]
        waiting, compiled = iter(self._waiting), assignments(group.lowered.on_post, constants, functions)
        self._statements: list[Assignment | _Waiting] = [
            s if s.target in group.factored else next(waiting) for s in compiled
        ]

    def on_post(self) -> None:
        """Note the traces and spikes of this dt; factored variables change at once."""
        group = self.group
        if group.in_place and not len(group.target.spiking(0)):
            return
        spikes = group.target.spikes
        for statement in self._statements:
            expression = statement.coefficient if isinstance(statement, _Waiting) else statement.value
            value = expression(lambda n: group.read_neuron(n, "post"), _no_draw)
            if isinstance(statement, _Waiting):
                statement.traces[group.elapsed] = self._trace(statement.increment.trace)
                statement.columns[group.elapsed] = spikes.to(group.clock.dtype) * value
            else:
                old = group.values[statement.target]
                group.values[statement.target] = group.gate(spikes, value, old)

    def _trace(self, name: str) -> Tensor:
        replaced = self.group.lowered.flow.get(name, name) != name  # by its flow, at the end of this dt
        held = self.group.values[name]
        return held if replaced else held.clone()

    def apply(self, elapsed: int) -> None:
        """Add what waits, ``elapsed`` dt after the start of the window, and forget it."""
        group = self.group
        for name in self._touched() if any(w.traces for w in self._waiting) else ():
            for agents in group.chunks():
                part = self.added(name, group.values[name][agents], elapsed, agents)
                if group.in_place:
                    group.values[name][agents] = part
                else:
                    group.values[name] = part
        for waiting in self._waiting:
            waiting.traces.clear()
            waiting.columns.clear()

    def _touched(self) -> list[str]:
        targets = {w.increment.target for w in self._waiting}
        return sorted(targets | set(self.group.window.affected(targets)))

    def added(self, name: str, x: Tensor, elapsed: int, agents: slice = slice(None)) -> Tensor:
        """Return a variable at the present time with what waits for it, for some agents.

        Every dt has its place in the product, with or without spikes, so that rounding is that of an agent alone.
        """
        for waiting in self._waiting:
            weights = {k: self._weight(name, waiting.increment.target, elapsed - k) for k in waiting.traces}
            if not any(weights.values()):
                continue
            left = _stacked({k: trace[agents] for k, trace in waiting.traces.items()}, elapsed)
            columns = {k: waiting.columns[k][agents] for k in weights}
            right = _stacked(
                {k: x if weights[k] == 1.0 else x * weights[k] for k, x in columns.items()}, elapsed
            )
            x = torch.baddbmm(x, left.mT, right)
        return x

    def _weight(self, name: str, target: str, steps: int) -> float:
        """Return what one unit added to ``target`` is to ``name`` that many dt later."""
        if target not in self.group.window.variables:
            return 1.0 if name == target else 0.0
        if name not in self.group.window.variables:
            return 0.0
        return self.group.window.rows(steps)[name].coefficients.get(target, 0.0)


def _stacked(parts: dict[int, Tensor], count: int) -> Tensor:
    """Stack ``[agents, neurons]`` to ``[agents, count, neurons]``, zero where there is none."""
    zero = torch.zeros_like(next(iter(parts.values())))
    return torch.stack([parts.get(k, zero) for k in range(count)], dim=1)


def may_wait(group: TensorSynapses, increments: tuple[PostIncrement, ...]) -> bool:
    """Whether nothing else reads or assigns these variables, or what flows from them, within an environment step."""
    lowered, window = group.lowered, group.window
    targets = {i.target for i in increments}
    touched = targets | set(window.affected(targets))
    if any(t in lowered.weights or (t in lowered.flow and t not in window.variables) for t in touched):
        return False
    return not touched & _looked_at(lowered, window, touched)


def _looked_at(lowered: LoweredSynapses, window: Window, touched: set[str]) -> set[str]:
    """Names that are read in every dt, or that events read or assign otherwise than by adding something else."""
    eager = [text for v, text in lowered.flow.items() if v not in window.variables]
    found = {name for text in eager for name in names_in(text)}
    for s in (*lowered.on_pre, *lowered.on_post):
        adds_only = s.target in touched and bool(s.increment)
        found |= names_in(s.increment if adds_only else s.expression)
        found |= set() if adds_only else {s.target}
    return found


def _no_draw(draw: Any) -> Tensor:
    raise AssertionError(f"an increment that waits draws no random numbers: {draw}")
