"""BindsNET layers of a model's populations: equation-driven nodes, and BindsNET's own where they are the same."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import torch
from bindsnet.network.nodes import AbstractInput, Input, LIFNodes, Nodes
from torch import Tensor

from snnrl.engines.bindsnet.native import INPUT, Choice, LIFParameters
from snnrl.engines.tensors.expressions import Expression, torch_functions
from snnrl.engines.tensors.population import TensorPopulation
from snnrl.equations.statements import calls_random
from snnrl.errors import UnsupportedError

if TYPE_CHECKING:
    from snnrl.engines.bindsnet.connections import EquationConnection
    from snnrl.engines.bindsnet.schedule import Schedule


class EquationNodes(Nodes):  # type: ignore[misc]  # bindsnet has no type hints
    """A layer that runs a population's own statements.

    ``s`` are the spikes of the present dt, ``[agents, neurons]``. Every variable of the model is an attribute, so that
    BindsNET's monitors find it: ``Monitor(layer, ["I"])``. With a threshold ``variable >= expression`` (or ``>``) that
    variable is also ``v`` and the expression ``thresh``, which BindsNET's pipelines and plots look for.

    Parameters
    ----------
    population
        Statements and state; its resets are run by the `Schedule`, after the synapses.
    schedule
        The dt that this layer is part of.

    Attributes
    ----------
    input_variable
        Variable that input from BindsNET's own connections, or from ``Network.run(inputs=...)``, is added to at the
        start of a dt (not while refractory, if the model freezes it then). ``None``: such input is an error.
    """

    def __init__(self, population: TensorPopulation, schedule: Schedule) -> None:
        super().__init__(n=population.lowered.size)
        self.population, self.schedule = population, schedule
        self.input_variable: str | None = None
        self.membrane = _membrane(population)

    def __getattr__(self, name: str) -> Any:
        population = self.__dict__.get("population")
        if population is not None and name in population.values:
            return population.values[name]
        membrane = self.__dict__.get("membrane")
        if population is not None and membrane is not None and name in ("v", "thresh"):
            variable, threshold = membrane
            return population.values[variable] if name == "v" else self._value(threshold)
        return super().__getattr__(name)

    def _value(self, expression: Expression) -> Tensor:
        """Evaluate a threshold: a tensor without dimensions if it is constant, which BindsNET draws as a line."""
        clock = self.schedule.clock
        value = expression(self.population.read, _no_draw)
        return torch.as_tensor(value, dtype=clock.dtype, device=clock.device)

    def forward(self, x: Tensor) -> None:
        """Run the state update and the threshold of one dt."""
        self.schedule.serve(self.population.lowered.name)
        self.take(x)
        self.population.update()
        self.s = self.population.spikes
        if self._clamp is not None or self._unclamp is not None:
            self.s = self.s.clone()  # BindsNET writes into it
            self.population.record[-1] = self.s
        super().forward(x)

    def take(self, x: Tensor) -> None:
        """Take what did not come through the model's own synapses."""
        if self.input_variable is None:
            if x.any():
                name = self.population.lowered.name
                raise UnsupportedError(
                    "bindsnet", f"input to layer {name!r}", "the model does not say what it is added to",
                    f"network.layers[{name!r}].input_variable = one of {', '.join(self.population.lowered.variables)}",
                )  # fmt: skip
            return
        old = self.population.values[self.input_variable]
        added = x.to(old.dtype)
        if self.population.masked(self.input_variable):
            added = torch.where(self.population.active, added, 0.0)
        self.population.values[self.input_variable] = old + added


class EncodedNodes(EquationNodes, AbstractInput):  # type: ignore[misc]
    """Equation-driven nodes one of whose variables is BindsNET's input: what an encoder writes.

    Where `Network.run` is called by a pipeline, the input of the first dt of an environment step is put into that
    variable, as an encoder does.
    """

    def __init__(self, population: TensorPopulation, schedule: Schedule, variable: str) -> None:
        super().__init__(population, schedule)
        self.variable = variable

    def take(self, x: Tensor) -> None:
        """Take the code of an observation at the start of an environment step; ``on_step`` comes after it."""
        if self.schedule.driven_from_outside and self.schedule.clock.offset == 0:
            old = self.population.values[self.variable]
            self.population.values[self.variable] = x.to(old.dtype)
            self.population.on_step()


def _membrane(population: TensorPopulation) -> tuple[str, Expression] | None:
    """Return the variable that a threshold compares, and with what."""
    neurons, clock = population.lowered, population.clock
    tree = ast.parse(neurons.threshold or "0", mode="eval").body
    if not isinstance(tree, ast.Compare) or not isinstance(tree.ops[0], ast.Gt | ast.GtE):
        return None
    variable, right = ast.unparse(tree.left), ast.unparse(tree.comparators[0])
    if len(tree.ops) > 1 or variable not in neurons.variables or calls_random(right):
        return None
    constants = {**neurons.constants, "dt": clock.dt}
    return variable, Expression(right, constants, torch_functions(clock.dtype))


def _no_draw(draw: Any) -> Tensor:
    raise AssertionError(f"a threshold shown as an attribute draws no random numbers: {draw}")


def make_nodes(
    choice: Choice, population: TensorPopulation, schedule: Schedule, encoded: str | None
) -> Nodes:
    """Make the layer of a population."""
    if choice.lif is not None:
        return _lif_nodes(choice.lif, population.lowered.size, schedule)
    if choice.nodes == INPUT:
        return Input(n=population.lowered.size)
    if encoded is not None:
        return EncodedNodes(population, schedule, encoded)
    return EquationNodes(population, schedule)


def _lif_nodes(lif: LIFParameters, size: int, schedule: Schedule) -> LIFNodes:
    """Make `LIFNodes` and count their refractoriness in the middle of a dt, where rounding cannot matter."""
    dt = schedule.dt_ms
    return LIFNodes(
        n=size, thresh=lif.thresh, rest=lif.rest, reset=lif.rest, refrac=(lif.refractory_steps - 0.5) * dt,
        tc_decay=lif.time_constant(dt),
    )  # fmt: skip


class NativeLayer:
    """What a layer of BindsNET's own nodes needs beside them: the model's books of a population without statements.

    Parameters
    ----------
    nodes
        The layer.
    population
        Its record of spikes, and the variables that synapses read and write.
    lif
        Parameters, for `LIFNodes`. Their membrane is the layer's ``v``; what synapses add to the variable of that name
        is collected by the connections.
    """

    def __init__(self, nodes: Nodes, population: TensorPopulation, lif: LIFParameters | None) -> None:
        self.nodes, self.population, self.lif = nodes, population, lif
        self.incoming: list[EquationConnection] = []
        if lif is not None:
            self._set_precision(lif)

    def _set_precision(self, lif: LIFParameters) -> None:
        """Give `LIFNodes`, which BindsNET makes in float32, numbers of the precision of the model, and its start."""
        v = self.population.values[lif.variable]
        for name, value in (
            ("rest", lif.rest),
            ("reset", lif.rest),
            ("thresh", lif.thresh),
            ("decay", lif.decay),
        ):
            setattr(self.nodes, name, torch.tensor(value, dtype=v.dtype, device=v.device))
        self.nodes.refrac_count = torch.zeros_like(v)
        self.begin_episode(torch.ones(len(v), dtype=torch.bool, device=v.device))

    def begin_episode(self, agents: Tensor) -> None:
        """Put the membrane back to its start, after the population; ``agents`` is a mask ``[agents]``."""
        if self.lif is None:
            return
        where, start = agents.unsqueeze(-1), self.population.values[self.lif.variable]
        self.nodes.v = torch.where(where, start, self.nodes.v)
        self.nodes.refrac_count = self.nodes.refrac_count.masked_fill(where, 0.0)
        self.population.values[self.lif.variable] = torch.zeros_like(start)

    def note_spikes(self) -> None:
        """Tell the model's books who spiked in this dt."""
        spikes = self.nodes.s
        self.population.update(spikes if spikes.dtype == torch.bool else spikes != 0.0)

    def membrane(self) -> Tensor:
        """Return the membrane with what has arrived since its last decay."""
        v: Tensor = self.nodes.v
        for connection in self.incoming:
            v = v + torch.where(self.nodes.refrac_count > 0.0, 0.0, connection.arriving)
        return v

    def assign(self, v: Tensor) -> None:
        """Set the membrane."""
        self.nodes.v = v
        for connection in self.incoming:
            connection.arriving = torch.zeros_like(connection.arriving)
