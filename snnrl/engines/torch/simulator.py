"""The torch engine: a network on tensors ``[agents, ...]``, on the CPU or a CUDA device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from snnrl.engines.simulator import Mask, Simulator, State, check_clamp
from snnrl.engines.tensors.clock import TensorClock
from snnrl.engines.tensors.order import check_order
from snnrl.engines.tensors.population import TensorPopulation, default_gate
from snnrl.engines.tensors.scope import Learning
from snnrl.engines.tensors.synapses import TensorSynapses
from snnrl.engines.torch.graphs import WindowGraphs
from snnrl.engines.torch.options import check_options, torch_device, torch_dtype
from snnrl.engines.torch.surrogate import Surrogate, gate
from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.errors import UnknownNameError
from snnrl.model import Network


class TorchSimulator(Simulator):
    """A network on torch tensors.

    Parameters
    ----------
    network, seeds, dtype, clamped
        See `snnrl.engines.simulator.Simulator`.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"`` and so on.
    in_place
        Serve spikes as lists and change tensors in place, see `snnrl.engines.tensors.synapses.TensorSynapses`;
        ``None``: on the CPU.
    windowed
        Use the windowed form of plasticity where the text allows it.
    surrogate
        Let spikes be numbers that carry this gradient; then nothing is changed in place.
    compile
        Compile the state updates of the populations.
    graphs
        Record an environment step as a CUDA graph and replay it.
    """

    engine: ClassVar[str] = "torch"

    def __init__(self, network: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64", clamped: Iterable[str] = (),
                 device: str = "cpu", in_place: bool | None = None, windowed: bool = True,
                 surrogate: Surrogate | None = None, compile: bool = False, graphs: bool = False) -> None:  # fmt: skip
        super().__init__(network, seeds, dtype, clamped)
        self.device = torch_device(device)
        check_options(self.device, surrogate is not None, compile, graphs)
        self.surrogate, self.windowed = surrogate, windowed
        self.in_place = self.device.type == "cpu" if in_place is None else in_place
        self.in_place &= surrogate is None
        check_order(self.network, self.engine, self.in_place)
        seeds_list = self.seeds.tolist()
        self.clock = TensorClock(seeds_list, network.dt, network.env_steps, torch_dtype(dtype), self.device)
        self.populations = {n.name: self._make_population(n) for n in self.network.neurons}
        self.groups = {s.name: self._make_group(s) for s in self.network.synapses}
        self._supplied: dict[str, Tensor] = {}
        if compile:
            for population in self.populations.values():
                population.advance = torch.compile(population.advance, dynamic=False, fullgraph=True)
        self.graphs = WindowGraphs(self) if graphs else None

    def _make_population(self, lowered: LoweredNeurons) -> TensorPopulation:
        delay = max((s.delay for s in self.network.synapses if s.source == lowered.name), default=0)
        if self.surrogate is None:
            return TensorPopulation(lowered, self.clock, delay, self.in_place)
        functions = self.surrogate.functions(self.clock.dtype)
        return TensorPopulation(lowered, self.clock, delay, False, functions, self.surrogate.reset_gate)

    def _make_group(self, lowered: LoweredSynapses) -> TensorSynapses:
        ends = self.populations[lowered.source], self.populations[lowered.target]
        chosen = default_gate if self.surrogate is None else gate
        return TensorSynapses(lowered, *ends, self.clock, self.in_place, self.windowed, chosen)

    @property
    def parts(self) -> dict[str, TensorPopulation | TensorSynapses]:
        """Populations and groups of synapses by name."""
        return {**self.populations, **self.groups}

    def _mask(self, agents: Mask) -> Tensor:
        return torch.from_numpy(np.array(agents, dtype=np.bool_)).to(self.device)

    def _begin_episode(self, agents: Mask) -> None:
        mask = self._mask(agents)
        for part in self.parts.values():
            part.begin_episode(mask)

    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population, ``[agents, neurons]``."""
        chosen = self._population(population)
        if variable not in chosen.values:
            raise UnknownNameError(f"variable of {population!r}", variable, chosen.values)
        chosen.values[variable] = self._tensor(values, chosen.values[variable].shape)

    def _tensor(self, values: ArrayLike, shape: Iterable[int]) -> Tensor:
        array = np.broadcast_to(np.asarray(values, dtype=np.float64), tuple(shape)).copy()
        return torch.from_numpy(array).to(self.device, self.clock.dtype)

    def clamp(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population in the next environment step, ``[dt steps, neurons]``."""
        if population not in self.clamped:
            raise UnknownNameError("population with supplied spikes", population, self.clamped)
        check_clamp(spikes, self.network.env_steps, self.part(population).size, population)
        self._supplied[population] = torch.from_numpy(spikes.copy()).to(self.device)

    def advance(self, learning: Mask) -> None:
        """Run ``on_step`` and one environment step of dt."""
        self.run_window(self._learning(learning), self._supplied)
        self._supplied = {}

    def run_window(self, learning: Learning, supplied: Mapping[str, Tensor]) -> None:
        """Run an environment step; ``supplied`` are the spikes of clamped populations, ``[dt steps, (agents,) neurons]``."""
        self.decision += 1
        self.clock.prefix = self.prefix
        self.clock.begin_window(self.step)
        self.clock.set_signals(self.signals)
        if self.graphs is None:
            self.advance_parts(learning, supplied)
        else:
            self.graphs.advance(learning, supplied)
        self.step += self.network.env_steps

    def _learning(self, mask: Mask) -> Learning:
        if mask.all():
            return True
        return self._mask(mask) if mask.any() else False

    def advance_parts(self, learning: Learning, supplied: Mapping[str, Tensor]) -> None:
        """Everything of an environment step that happens on the device."""
        for population in self.populations.values():
            population.begin_window()
        for population in self.populations.values():
            population.on_step()
        for _ in range(self.network.env_steps):
            self._dt(learning, supplied)
            self.clock.advance()
        for group in self.groups.values():
            group.end_window()

    def _dt(self, learning: Learning, supplied: Mapping[str, Tensor]) -> None:
        """Run one dt, in the order of docs/architecture.md."""
        groups = self.groups.values()
        for name, population in self.populations.items():
            population.update(supplied[name][self.clock.offset] if name in supplied else None)
        for group in groups:
            group.clock_update(learning)
        for group in groups:
            group.on_pre(learning)
        for group in groups:
            group.on_post(learning)
        for population in self.populations.values():
            population.reset()
        for group in groups:
            group.flow(learning)

    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run ``on_reward`` with the present signals for the agents of the mask."""
        self.clock.prefix = self.prefix
        self.clock.set_signals(self.signals)
        step = torch.tensor(reward_step, device=self.device)
        for group in self.groups.values():
            group.on_reward(self._learning(agents), step)

    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step, ``[agents, dt steps, neurons]``."""
        return np.asarray(self._population(population).window().detach().cpu().numpy() != 0)

    def _population(self, name: str) -> TensorPopulation:
        if name not in self.populations:
            raise UnknownNameError("population", name, self.populations)
        return self.populations[name]

    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time, see `Simulator.variable`."""
        lowered = self.part(part)
        if part in self.populations:
            if name in self.populations[part].values:
                return _numpy(self.populations[part].values[name])
        elif name in self.groups[part].values:
            return _numpy(self.groups[part].present(name))
        known = (*lowered.variables, *getattr(lowered, "shared", ()))
        raise UnknownNameError(f"variable of {part!r}", name, known)

    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable, of the shape that `variable` returns."""
        tensor = self._tensor(values, self.variable(part, name).shape)
        if part in self.populations:
            self.populations[part].values[name] = tensor
        else:
            self.groups[part].assign(name, tensor)

    def save(self) -> State:
        """Return everything that changes in a run."""
        state: State = {f"signal.{name}": value.copy() for name, value in self.signals.items()}
        for part, owner in self.parts.items():
            state |= {f"{part}.{name}": x.detach().cpu().numpy().copy() for name, x in owner.state().items()}
        counts = np.array([self.step, self.decision])
        prefixes = np.array([self.prefix] * self.n_agents)
        return state | {"counts": np.tile(counts, (self.n_agents, 1)), "prefix": prefixes}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        for name in self.signals:
            self.signals[name][:] = state[f"signal.{name}"]
        self.step, self.decision = (int(n) for n in state["counts"][0])
        self.prefix = str(state["prefix"][0])
        for part, owner in self.parts.items():
            head = f"{part}."  # all that was saved of it, whatever it holds now
            saved = {n.removeprefix(head): x.copy() for n, x in state.items() if n.startswith(head)}
            owner.load({name: torch.from_numpy(x).to(self.device) for name, x in saved.items()})


def simulator(network: Network, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
              clamped: Iterable[str] = (), device: str = "cpu", compile: bool = False, graphs: bool = False,
              surrogate: str | Surrogate | None = None) -> TorchSimulator:  # fmt: skip
    """Return a network on torch.

    Parameters
    ----------
    network, lowered, seeds, dtype, clamped
        See `snnrl.engines.registry.make_simulator`; the model itself is not needed.
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    compile
        Compile the state updates with `torch.compile` (needs a C++ compiler, on CUDA Triton).
    graphs
        Record an environment step as a CUDA graph and replay it.
    surrogate
        Let spikes carry this gradient: ``"triangle"``, ``"fast-sigmoid"``, ``"arctan"`` or a `Surrogate`. To train
        the weights themselves see `DifferentiableNetwork`.

    Raises
    ------
    InvalidValueError
        For a value that an option cannot have.
    UnsupportedError
        If there is no such device, or a text depends on the order of neurons.
    """
    chosen = Surrogate(surrogate) if isinstance(surrogate, str) else surrogate
    return TorchSimulator(
        lowered, seeds, dtype, clamped, device, surrogate=chosen, compile=compile, graphs=graphs
    )


def _numpy(x: Tensor) -> NDArray[np.float64]:
    return x.detach().cpu().numpy().astype(np.float64)
