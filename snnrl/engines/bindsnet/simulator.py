"""`BindsnetSimulator`: a model as a real `bindsnet.network.Network`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from bindsnet.network import Network
from bindsnet.network.monitors import Monitor
from bindsnet.network.nodes import Nodes
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from snnrl.engines.bindsnet.connections import EquationConnection
from snnrl.engines.bindsnet.native import EQUATIONS, INPUT, choose_nodes
from snnrl.engines.bindsnet.nodes import EncodedNodes, NativeLayer, make_nodes
from snnrl.engines.bindsnet.schedule import RewardMonitor, Schedule
from snnrl.engines.simulator import Mask, State, clamp_populations
from snnrl.engines.tensors.population import TensorPopulation
from snnrl.engines.tensors.scope import Learning
from snnrl.engines.torch.simulator import TorchSimulator
from snnrl.equations.lowered import LoweredNetwork
from snnrl.errors import UnsupportedError
from snnrl.model import Network as Model


class BindsnetSimulator(TorchSimulator):
    """A network of BindsNET layers and connections; time advances in `bindsnet.network.Network.run`.

    Parameters
    ----------
    network, seeds, dtype, clamped
        See `snnrl.engines.simulator.Simulator`.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    encoded
        Variables that come in through BindsNET's inputs, by population, where a pipeline runs the network.

    Attributes
    ----------
    bindsnet_network
        The `bindsnet.network.Network`: layers by the names of the populations, connections by the names of source and
        target (and of the synapses, for all but the first between the same two), monitors ``"<population>_raster"``
        of the spikes of the last environment step.
    connections
        The network's connections, by the names of the synapses.
    choices
        Which BindsNET nodes each population became, and why.
    """

    engine = "bindsnet"

    def __init__(self, network: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64", clamped: Iterable[str] = (),
                 device: str = "cpu", encoded: Mapping[str, str] | None = None) -> None:  # fmt: skip
        whole = clamp_populations(network, clamped)
        self.choices = {n.name: choose_nodes(whole, n, n.name in set(clamped)) for n in whole.neurons}
        native = [name for name, choice in self.choices.items() if choice.nodes != EQUATIONS]
        try:
            # Not windowed: one sum over an environment step would round differently in a batch than alone.
            super().__init__(clamp_populations(whole, native), seeds, dtype, clamped, device, windowed=False)
        except UnsupportedError as error:
            raise UnsupportedError(self.engine, error.part, error.reason, error.alternatives) from error
        self.network = whole
        self.learning: Learning = True
        self.everyone = np.ones(self.n_agents, dtype=bool)
        self.schedule = Schedule(self)
        self.bindsnet_network = Network(dt=self.schedule.dt_ms, batch_size=self.n_agents)
        self.layers = {n.name: self._add_layer(n.name, (encoded or {}).get(n.name)) for n in whole.neurons}
        self.native_layers = [self._native(name) for name in native]
        self.connections = {s.name: self._add_connection(s.name) for s in whole.synapses}
        self.sources = {n.name: self._source(n.name) for n in whole.neurons if self._draws(n.name)}
        self._add_monitors()

    # ------------------------------------------------------------------ building

    def _add_layer(self, name: str, encoded: str | None) -> Nodes:
        if hasattr(self.bindsnet_network, name):
            raise UnsupportedError(
                self.engine,
                f"Neurons({name})",
                "BindsNET's Network has an attribute of that name",
                "another name",
            )
        layer = make_nodes(self.choices[name], self.populations[name], self.schedule, encoded).to(self.device)
        self.bindsnet_network.add_layer(layer, name)
        return layer

    def _native(self, name: str) -> NativeLayer:
        return NativeLayer(self.layers[name], self.populations[name], self.choices[name].lif)

    def _add_connection(self, name: str) -> EquationConnection:
        group, network = self.groups[name], self.bindsnet_network
        source, target = group.lowered.source, group.lowered.target
        lif = self.choices[target].lif
        connection = EquationConnection(self.layers[source], self.layers[target], group, self.schedule, lif)
        if (source, target) not in network.connections:
            network.add_connection(connection, source, target)
        else:  # BindsNET knows a connection by its ends; it only ever reads the first two of the names
            network.connections[source, target, name] = connection
            network.add_module(f"{source}_to_{target}_{name}", connection)
        if lif is not None:
            next(layer for layer in self.native_layers if layer.nodes is self.layers[target]).incoming.append(
                connection
            )
        return connection

    def _draws(self, name: str) -> bool:
        """Whether the spikes of this `Input` are drawn here and not supplied."""
        return self.choices[name].nodes == INPUT and name not in self.clamped

    def _source(self, name: str) -> TensorPopulation:
        return TensorPopulation(self.part(name), self.clock)

    def _add_monitors(self) -> None:
        network, device = self.bindsnet_network, str(self.device)
        network.add_monitor(self.schedule, Schedule.NAME)  # the first: it ends the dt that the others record
        for name, layer in self.layers.items():
            network.add_monitor(
                Monitor(layer, ["s"], time=self.clock.env_steps, device=device), f"{name}_raster"
            )
        network.add_monitor(RewardMonitor(self), RewardMonitor.NAME)

    @property
    def objects(self) -> Network:
        """The `bindsnet.network.Network`, to add monitors, layers and connections to."""
        return self.bindsnet_network

    # ------------------------------------------------------------------ running

    def advance(self, learning: Mask) -> None:
        """Run ``on_step`` and one environment step of dt, in `Network.run`."""
        self.learning, self.schedule.driven_from_outside = self._learning(learning), False
        try:
            with _default_dtype(self.clock.dtype):
                # Half a dt more, because BindsNET takes the whole part of time over dt.
                self.bindsnet_network.run(
                    self.inputs(), time=(self.clock.env_steps + 0.5) * self.schedule.dt_ms
                )
        finally:
            self.learning, self.schedule.driven_from_outside = True, True
        self._supplied.clear()

    def inputs(self) -> dict[str, Tensor]:
        """Begin an environment step and return the spikes of its `Input` layers: what `Network.run` takes.

        Returns
        -------
        dict
            Bool ``[dt steps, agents, neurons]`` by population: supplied spikes, or those of spike sources.
        """
        self.schedule.begin_dt()
        return {name: self._input(name) for name, choice in self.choices.items() if choice.nodes == INPUT}

    def _input(self, name: str) -> Tensor:
        shape = (self.clock.env_steps, self.n_agents, self.part(name).size)
        if name in self.sources:
            return self._drawn(name)
        if name in self._supplied:
            return self._supplied[name].unsqueeze(1).expand(shape)
        return torch.zeros(shape, dtype=torch.bool, device=self.device)

    def _drawn(self, name: str) -> Tensor:
        """Draw the spikes of a source for a whole environment step."""
        source = self.sources[name]
        source.values = self.populations[name].values
        source.begin_window()
        for _ in range(self.clock.env_steps):
            source.update()
            self.clock.advance()
        self.clock.offset = 0
        return source.window().transpose(0, 1)

    def begin_env_step(self) -> None:
        """Do what comes before the first dt of an environment step; called by the `Schedule`."""
        self.decision += 1
        self.clock.prefix = self.prefix
        self.clock.begin_window(self.step)
        self.clock.set_signals(self.signals)
        for name, population in self.populations.items():
            population.begin_window()
            if not (self.schedule.driven_from_outside and isinstance(self.layers[name], EncodedNodes)):
                population.on_step()

    def end_env_step(self) -> None:
        """Do what comes after the last dt of an environment step; called by the `Schedule`."""
        for group in self.groups.values():
            group.end_window()
        self.step += self.clock.offset
        self.clock.offset = 0

    def abandon_env_step(self) -> None:
        """End an environment step before its time: a new episode begins."""
        if self.clock.offset:
            self.end_env_step()

    def _begin_episode(self, agents: Mask) -> None:
        super()._begin_episode(agents)
        mask = self._mask(agents)
        for layer in self.native_layers:
            layer.begin_episode(mask)
        for connection in self.connections.values():
            connection.begin_episode(mask)

    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step, from BindsNET's monitors; none before the first."""
        size = self._population(population).lowered.size
        record = self.bindsnet_network.monitors[f"{population}_raster"].get("s")
        if not record.numel():
            return np.zeros((self.n_agents, self.clock.env_steps, size), dtype=bool)
        return np.asarray(record.transpose(0, 1).cpu().numpy(), dtype=np.bool_)

    # ------------------------------------------------------------------ state

    def _membrane(self, part: str, name: str) -> NativeLayer | None:
        """Return the layer whose own ``v`` is this variable."""
        choice = self.choices.get(part)
        if choice is None or choice.lif is None or choice.lif.variable != name:
            return None
        return next(layer for layer in self.native_layers if layer.nodes is self.layers[part])

    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population, ``[agents, neurons]``."""
        if self._membrane(population, variable) is None:
            super().write(population, variable, values)
        else:
            self.assign(population, variable, values)

    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time, see `Simulator.variable`."""
        layer = self._membrane(part, name)
        return (
            super().variable(part, name)
            if layer is None
            else layer.membrane().cpu().numpy().astype(np.float64)
        )

    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable, of the shape that `variable` returns."""
        layer = self._membrane(part, name)
        if layer is None:
            super().assign(part, name, values)
        else:
            layer.assign(self._tensor(values, layer.nodes.v.shape))

    def _lif_state(self) -> Iterator[tuple[str, Any, str]]:
        """Give what `LIFNodes` and their connections hold: a name, and the object and attribute where it is."""
        for layer in self.native_layers:
            if layer.lif is not None:
                name = layer.population.lowered.name
                yield f"layer.{name}.v", layer.nodes, "v"
                yield f"layer.{name}.refrac_count", layer.nodes, "refrac_count"
                yield from ((f"arriving.{c.group.lowered.name}", c, "arriving") for c in layer.incoming)

    def save(self) -> State:
        """Return everything that changes in a run."""
        return super().save() | {name: getattr(o, a).cpu().numpy().copy() for name, o, a in self._lif_state()}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        super().restore(state)
        for name, held, attribute in self._lif_state():
            setattr(held, attribute, torch.from_numpy(state[name].copy()).to(self.device))


def simulator(network: Model, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
              clamped: Iterable[str] = (), device: str = "cpu") -> BindsnetSimulator:  # fmt: skip
    """Return a network as a `bindsnet.network.Network`; see `BindsnetSimulator`."""
    return BindsnetSimulator(lowered, seeds, dtype, clamped, device)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """BindsNET sums the input of a layer in torch's default precision."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
