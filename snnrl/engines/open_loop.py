"""Run a network on given inputs, without a task: what equation-level experiments and comparisons need."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    seconds_per_dt
        Wall time per dt, without the first environment step, which may compile; of a standalone program, whose
        compilation is apart, the time of the whole program.
    """

    dt: float
    spikes: dict[str, NDArray[np.bool_]]
    variables: dict[str, NDArray[np.float64]]
    seconds_per_dt: float = float("nan")

    def spike_times(self, population: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return neuron indices and times in seconds of all spikes of a population, in order of time."""
        spikes = self.spikes[population]
        # The flat search is several times faster than that in two dimensions.
        steps, neurons = np.divmod(np.flatnonzero(spikes), spikes.shape[1])
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
    run = _OpenLoop(simulator, stimulus)
    simulator.begin_episode(run.everyone)
    simulator.drive(run.steps())
    ended = time.perf_counter()
    learned = [f"{s.name}.{w}" for s in simulator.network.synapses for w in s.weights]
    values = {
        name: simulator.variable(*name.split(".", 1))[0] for name in dict.fromkeys([*learned, *variables])
    }
    timed = max(stimulus.env_steps - 1, 1) * simulator.network.env_steps
    return Simulation(simulator.network.dt, run.spikes, values, (ended - run.began) / timed)


class _OpenLoop:
    """Gives a network its input, lets it advance, notes its spikes, and lets it learn."""

    def __init__(self, simulator: Simulator, stimulus: Stimulus) -> None:
        self.simulator, self.stimulus = simulator, stimulus
        self.everyone = np.ones(simulator.n_agents, dtype=bool)
        steps = stimulus.env_steps * simulator.network.env_steps
        self.spikes = {p.name: np.zeros((steps, p.size), dtype=bool) for p in simulator.network.neurons}
        self.began = time.perf_counter()

    def steps(self) -> Iterator[NDArray[np.bool_]]:
        """Yield where the network has to advance: the agents that learn."""
        for k in range(self.stimulus.env_steps):
            self._give(k)
            yield self.everyone if self.stimulus.learning else ~self.everyone
            n = self.simulator.network.env_steps
            for name, found in self.spikes.items():
                found[k * n : (k + 1) * n] = self.simulator.spikes(name)[0]
            self._learn(k)
            if k == 0:
                self.began = time.perf_counter()

    def _give(self, k: int) -> None:
        n = self.simulator.network.env_steps
        for name, spikes in self.stimulus.inputs.items():
            self.simulator.clamp(name, np.asarray(spikes[k * n : (k + 1) * n], dtype=bool))

    def _learn(self, k: int) -> None:
        signals = {**dict.fromkeys(LEARNING_SIGNALS, 0.0), **self.stimulus.signals_at(k)}
        for name, value in signals.items():
            self.simulator.signals[name][:] = value
        if self.stimulus.learning:
            self.simulator.learn(self.everyone, 2 * self.simulator.decision)
