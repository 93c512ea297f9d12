"""A network as a `torch.nn.Module`: its weights are parameters, trained by backpropagation through its own statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from snnrl.engines.fast.plans import frozen_plan
from snnrl.engines.torch.simulator import TorchSimulator
from snnrl.engines.torch.surrogate import Surrogate
from snnrl.equations.lowered import LoweredNetwork, LoweredSynapses
from snnrl.equations.structure import analyse
from snnrl.errors import InvalidValueError, UnknownNameError


class DifferentiableNetwork(torch.nn.Module):
    """The network of a model, with a surrogate gradient at the threshold.

    The forward pass runs the statements of the model in the order in which every engine runs them; the spikes are
    those of the engine without gradients. The plasticity of the model is off: weights change by the optimiser alone.

    Parameters
    ----------
    network
        The lowered network, see `snnrl.equations.lower.lower`.
    batch
        Number of samples in a batch; they share the weights and have their own random numbers.
    surrogate
        Name or settings of the surrogate derivative.
    trained
        Which of the variables that last from episode to episode are parameters, as ``"group.variable"``; all of them
        by default.
    clamped
        Populations whose spikes are given.
    seed
        Of the first sample, and of random initial weights; the others count up from it.
    dtype, device
        As for `TorchSimulator`.

    Notes
    -----
    Gradients flow through transmission (increments to neurons), state updates, thresholds and, unless
    ``Surrogate.detach_reset``, resets. Time is unrolled: memory grows with the number of dt.
    """

    def __init__(self, network: LoweredNetwork, batch: int = 1, surrogate: str | Surrogate = "fast-sigmoid",
                 trained: Iterable[str] | None = None, clamped: Iterable[str] = (), seed: int = 0,
                 dtype: str = "float64", device: str = "cpu") -> None:  # fmt: skip
        super().__init__()
        if batch < 1:
            raise InvalidValueError("DifferentiableNetwork.batch", batch, "at least 1")
        chosen = Surrogate(surrogate) if isinstance(surrogate, str) else surrogate
        transmitting = replace(network, synapses=tuple(_transmitting(s) for s in network.synapses))
        seeds = range(seed, seed + batch)
        self.simulator = TorchSimulator(transmitting, list(seeds), dtype, clamped, device, surrogate=chosen)
        weights = [f"{s.name}.{v}" for s in network.synapses for v in s.weights]
        names = weights if trained is None else list(trained)
        for name in set(names) - set(weights):
            raise UnknownNameError("DifferentiableNetwork.trained", name, weights)
        self._names = {name.replace(".", "__"): tuple(name.rsplit(".", 1)) for name in names}
        for key, (group, variable) in self._names.items():
            values = self.simulator.groups[group].values[variable][0]
            self.register_parameter(key, torch.nn.Parameter(values.clone()))

    def weight(self, name: str) -> torch.nn.Parameter:
        """Return the parameter of ``"group.variable"``, ``[source, target]`` or ``[synapses]``."""
        known = [".".join(pair) for pair in self._names.values()]
        if name not in known:
            raise UnknownNameError("trained variable", name, known)
        return self.get_parameter(name.replace(".", "__"))

    def forward(self, spikes: Mapping[str, Tensor] | None = None, codes: Mapping[str, Tensor] | None = None,
                env_steps: int = 1) -> dict[str, Tensor]:  # fmt: skip
        """Run an episode from its start.

        Parameters
        ----------
        spikes
            Of the clamped populations, ``[batch, env_steps * dt steps, neurons]``, 1 or 0; may require gradients.
        codes
            Values of variables by ``"population.variable"``, ``[batch, neurons]``, as an encoder writes them at the
            start of every environment step.
        env_steps
            Length in environment steps.

        Returns
        -------
        dict
            Spikes by population, ``[batch, env_steps * dt steps, neurons]``, 1.0 or 0.0, with gradients.
        """
        simulator, length = self.simulator, self.simulator.network.env_steps
        given = {name: self._checked(name, x, env_steps) for name, x in (spikes or {}).items()}
        self._start()
        for key, (group, variable) in self._names.items():
            held = simulator.groups[group].values
            held[variable] = getattr(self, key).expand(held[variable].shape)
        found: dict[str, list[Tensor]] = {name: [] for name in simulator.populations}
        for first in range(0, env_steps * length, length):
            for name, values in (codes or {}).items():
                self._write(name, values)
            simulator.run_window(False, {name: x[first : first + length] for name, x in given.items()})
            for name, population in simulator.populations.items():
                found[name].append(population.window())
        return {name: torch.cat(windows, dim=1).to(simulator.clock.dtype) for name, windows in found.items()}

    def _start(self) -> None:
        """Put everything back to its start, and forget the history that gradients of the last run followed."""
        for part in self.simulator.parts.values():
            part.load({name: x.detach() for name, x in part.state().items()})
        self.simulator.begin_phase("")
        self.simulator.begin_episode(np.ones(self.simulator.n_agents, dtype=np.bool_))

    def state(self, part: str, name: str) -> Tensor:
        """Return a variable at the end of the last run, with its gradient; shapes as `Simulator.variable`."""
        if part in self.simulator.populations:
            return self.simulator.populations[part].values[name]
        return self.simulator.groups[part].present(name)

    def _checked(self, name: str, spikes: Tensor, env_steps: int) -> Tensor:
        """Return supplied spikes with the time first, ``[dt steps, batch, neurons]``."""
        simulator = self.simulator
        if name not in simulator.clamped:
            raise UnknownNameError("population with supplied spikes", name, simulator.clamped)
        shape = (simulator.n_agents, env_steps * simulator.network.env_steps, simulator.part(name).size)
        if tuple(spikes.shape) != shape:
            raise InvalidValueError(f"spikes supplied to {name!r}", tuple(spikes.shape), f"the shape {shape}")
        return spikes.to(simulator.device, simulator.clock.dtype).transpose(0, 1)

    def _write(self, name: str, values: Tensor) -> None:
        population, _, variable = name.rpartition(".")
        known = [f"{p}.{v}" for p, owner in self.simulator.populations.items() for v in owner.values]
        if name not in known:
            raise UnknownNameError("code", name, known)
        held = self.simulator.populations[population].values
        values = values.to(self.simulator.device, self.simulator.clock.dtype)
        if values.shape[-1] != held[variable].shape[-1]:
            raise InvalidValueError(
                f"code {name!r}", tuple(values.shape), f"the shape {tuple(held[variable].shape)}"
            )
        held[variable] = values.expand(held[variable].shape)


def _transmitting(synapses: LoweredSynapses) -> LoweredSynapses:
    """Return what of a group of synapses is left without plasticity."""
    plan = frozen_plan(synapses, analyse(synapses))
    kept = {v: text for v, text in synapses.flow.items() if v in plan.flow.coefficients}
    return replace(synapses, clock_update=plan.clock_update, on_pre=plan.on_pre, on_post=plan.on_post, on_reward=(),
                   flow=kept)  # fmt: skip
