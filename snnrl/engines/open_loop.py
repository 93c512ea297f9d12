"""Run a network on given inputs, without a task: what equation-level experiments and comparisons need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.simulator import LEARNING_SIGNALS, Simulator
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork
from snnrl.errors import InvalidValueError, UnknownNameError


@dataclass(frozen=True)
class Stimulus:
    """What a network is given from outside.

    Parameters
    ----------
    env_steps
        Length, in environment steps.
    inputs
        Spikes by population, bool ``[env_steps * dt steps, neurons]``; these populations are not simulated.
    signals
        Learning signals by name (``td_error``, ``reward``, ``reward_error``, ``exploration``, ``success``),
        ``[env_steps]``. Those of an environment step reach ``on_reward`` at its end.
    learning
        Whether plasticity is on.
    """

    env_steps: int
    inputs: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    signals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    learning: bool = True

    def check(self, network: LoweredNetwork) -> None:
        """Raise `InvalidValueError` or `UnknownNameError` if the stimulus does not fit the network."""
        sizes = {n.name: n.size for n in network.neurons}
        for name, spikes in self.inputs.items():
            if name not in sizes:
                raise UnknownNameError("population with supplied spikes", name, sizes)
            shape = (self.env_steps * network.env_steps, sizes[name])
            if np.shape(spikes) != shape:
                raise InvalidValueError(
                    f"spikes supplied to {name!r}", np.shape(spikes), f"the shape {shape}"
                )
        for name, values in self.signals.items():
            if name not in SHARED_SIGNALS:
                raise UnknownNameError("learning signal", name, SHARED_SIGNALS)
            if np.shape(values) != (self.env_steps,):
                raise InvalidValueError(
                    f"signal {name!r}", np.shape(values), f"the shape {(self.env_steps,)}"
                )

    def signals_at(self, env_step: int) -> dict[str, float]:
        """Return the signals at the end of an environment step."""
        return {name: float(values[env_step]) for name, values in self.signals.items()}


@dataclass(frozen=True)
class Simulation:
    """What a network did.

    Attributes
    ----------
    dt
        Time step in seconds.
    spikes
        By population, bool ``[dt steps, neurons]``.
    variables
        Values at the end by ``"part.variable"``, SI units, shaped as in the lowered model.
    """

    dt: float
    spikes: dict[str, NDArray[np.bool_]]
    variables: dict[str, NDArray[np.float64]]

    def spike_times(self, population: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return neuron indices and times in seconds of all spikes of a population, in order of time."""
        steps, neurons = np.nonzero(self.spikes[population])
        return np.asarray(neurons, np.int64), np.asarray(steps * self.dt, np.float64)


def run_open_loop(simulator: Simulator, stimulus: Stimulus, variables: Sequence[str] = ()) -> Simulation:
    """Run a one-agent simulator on a stimulus, from the start of an episode.

    Parameters
    ----------
    simulator
        Fresh, with the stimulus' populations clamped.
    stimulus
        What comes from outside.
    variables
        ``"part.variable"`` names to return; all variables of ``weights`` are returned too.
    """
    stimulus.check(simulator.network)
    everyone = np.ones(simulator.n_agents, dtype=bool)
    simulator.begin_episode(everyone)
    n = simulator.network.env_steps
    names = [p.name for p in simulator.network.neurons]
    found: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in names}
    loop = _loop(simulator, stimulus, found, n)
    simulator.drive(loop)
    spikes = {name: np.concatenate(windows) for name, windows in found.items()}
    learned = [f"{s.name}.{w}" for s in simulator.network.synapses for w in s.weights]
    values = {
        name: simulator.variable(*name.split(".", 1))[0] for name in dict.fromkeys([*learned, *variables])
    }
    return Simulation(simulator.network.dt, spikes, values)


def _loop(simulator: Simulator, stimulus: Stimulus, found: dict[str, list[NDArray[np.bool_]]], n: int) -> Any:
    """Give the network its input, let it advance, note its spikes, and let it learn."""
    everyone = np.ones(simulator.n_agents, dtype=bool)
    for k in range(stimulus.env_steps):
        for name, spikes in stimulus.inputs.items():
            simulator.clamp(name, np.asarray(spikes[k * n : (k + 1) * n], dtype=bool))
        yield everyone if stimulus.learning else ~everyone
        for name, windows in found.items():
            windows.append(simulator.spikes(name)[0])
        for name, value in {**dict.fromkeys(LEARNING_SIGNALS, 0.0), **stimulus.signals_at(k)}.items():
            simulator.signals[name][:] = value
        if stimulus.learning:
            simulator.learn(everyone, 2 * simulator.decision)
