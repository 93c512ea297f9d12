"""One run of statements on some synapses of a group: what they read, and what they leave behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from snnrl.engines.tensors.expressions import Assignment, Draw, Value
from snnrl.engines.tensors.selection import End, Selection
from snnrl.engines.tensors.window import Row

if TYPE_CHECKING:
    from snnrl.engines.tensors.synapses import TensorSynapses

Learning = bool | Tensor
"""Which agents learn: all, none, or those of a mask ``[agents]``."""


class Scope:
    """Statements of one event on a selection of a group's synapses.

    A variable is read once, kept at hand while the statements run, and put back at the end.

    Parameters
    ----------
    group
        The group of synapses.
    selection
        Which of them.
    event
        Name of the piece of code: that of its random streams.
    learning
        The agents whose weights may be written.
    step
        Step of the random numbers, int64 without dimensions.
    """

    def __init__(self, group: TensorSynapses, selection: Selection, event: str, learning: Learning,
                 step: Tensor) -> None:  # fmt: skip
        self.group, self.selection, self.event = group, selection, event
        self.learning, self.step = learning, step
        self.known: dict[str, Value] = {}
        self.changed: dict[str, None] = {}

    def run(self, statements: Iterable[Assignment]) -> None:
        """Run statements and put back what they changed."""
        for statement in statements:
            weight = statement.target in self.group.lowered.weights
            if weight and self.learning is False:
                continue
            if statement in self.group.transmissions and self._transmit(statement):
                continue
            value = statement.value(self.read, self.draw)
            if statement.target in self.group.values:
                self._change(statement.target, value, weight)
            elif end := self.group.names.end(statement.target):
                self._write_neuron(statement, value, end)
            else:
                self.known[statement.target] = value
        self._store()

    def read(self, name: str) -> Value:
        """Return a name's value on the selection."""
        if name not in self.known:
            self.known[name] = self._load(name)
        return self.known[name]

    def _load(self, name: str) -> Value:
        group, selection = self.group, self.selection
        if name in group.values:
            if name in group.window.variables:
                return group.window.rows(group.elapsed)[name].apply(self._stored)
            return self._stored(name)
        if end := group.names.end(name):
            return selection.neuron(group.population(end).values[name.removesuffix(f"_{end}")], end)
        return group.clock.t if name == "t" else selection.agent(group.clock.signals[name])

    def _stored(self, name: str) -> Tensor:
        end = self.group.factored.get(name)
        x = self.group.values[name]
        return self.selection.neuron(x, end) if end else self.selection.synapse(x)

    def draw(self, draw: Draw) -> Tensor:
        """Return the random numbers of one call for the synapses of the selection."""
        clock = self.group.clock
        keys = clock.keys(f"{self.group.lowered.name}/{self.event}/{draw.call}", self.step)
        return clock.numbers(draw, self.selection.agent(keys), self.selection.index())

    def _change(self, name: str, value: Value, weight: bool) -> None:
        where = self.selection.where
        if not isinstance(value, Tensor):
            value = torch.full((), value, dtype=self.group.clock.dtype, device=self.group.clock.device)
        if where is not None:
            value = self.group.gate(where, value, self.read(name))
        if weight and isinstance(self.learning, Tensor):
            value = torch.where(self.selection.agent(self.learning), value, self.read(name))
        self.known[name] = value.to(self.group.clock.dtype)
        self.changed[name] = None

    def _transmit(self, statement: Assignment) -> bool:
        """Add to the neurons by a matrix product, if the statement has that form."""
        form, where = self.group.transmissions[statement], self.selection.where
        if form is None or where is None:
            return False
        own: End = "pre" if self.event == "on_pre" else "post"
        end: End = "post" if own == "pre" else "pre"
        population, name = self.group.population(end), statement.target.removesuffix(f"_{end}")
        spikes = where.squeeze(2 if own == "pre" else 1)
        total = form.total(self.read, spikes, own)
        if population.masked(name):
            total = torch.where(population.active, total, 0.0)
        old = population.values[name]
        population.values[name] = old + (total if old.shape == total.shape else total.sum(1, keepdim=True))
        self._forget(name)
        return True

    def _write_neuron(self, statement: Assignment, value: Value, end: End) -> None:
        """Add to the neurons at one end, or assign to those with a synapse here; unless they are refractory."""
        population = self.group.population(end)
        name = statement.target.removesuffix(f"_{end}")
        old = population.values[name]
        if not isinstance(value, Tensor):
            value = torch.full((), value, dtype=old.dtype, device=old.device)
        if statement.add:
            if population.masked(name):
                value = torch.where(self.selection.neuron(population.active, end), value, 0.0)
            population.values[name] = self.selection.add_neuron(old, value.to(old.dtype), end)
        else:
            touched = (
                self.selection.add_neuron(torch.zeros_like(old), torch.ones_like(old[:1, :1]).view(()), end)
                > 0.0
            )
            if population.masked(name):
                touched = touched & population.active
            assigned = statement.value(lambda n: population.read(n.removesuffix(f"_{end}")), self.draw)
            population.values[name] = torch.where(touched, assigned, old)
        self._forget(name)

    def _forget(self, name: str) -> None:
        """Read a variable of neurons anew: it was written, and both ends may be the same population."""
        for written in (f"{name}_pre", f"{name}_post"):
            self.known.pop(written, None)

    def _store(self) -> None:
        """Put back what changed; variables in window coordinates are carried back to the start of the window."""
        window, group = self.group.window, self.group
        carried = window.affected(self.changed) if window.variables else []
        back = window.rows(-group.elapsed) if carried else {}
        values = {v: self.known[v] for v in self.changed if v not in window.variables}
        self._put(values | {v: back[v].apply(self.read) for v in carried})

    def replace(self, rows: Mapping[str, Row]) -> None:
        """Put linear functions of the stored values in their place."""
        self._put({v: row.apply(self._stored) for v, row in rows.items()})

    def _put(self, values: dict[str, Tensor]) -> None:
        group = self.group
        if len(values) > 1:
            values = {v: self._owned(x) for v, x in values.items()}
        for name, value in values.items():
            end = group.factored.get(name)
            if end:
                group.values[name] = self.selection.store_factored(group.values[name], value, end)
            else:
                group.values[name] = self.selection.store_synapse(group.values[name], value)

    def _owned(self, value: Tensor) -> Tensor:
        """Copy what lies in the storage of a variable: another one may be written there first."""
        storage = value.untyped_storage().data_ptr()
        held = any(x.untyped_storage().data_ptr() == storage for x in self.group.values.values())
        return value.clone() if held and self.group.in_place else value
