"""NEST: `iaf_psc_delta` neurons and `stdp_dopamine_synapse`, one call of the simulator per environment step.

Where the rule differs: the TD error arrives as dopamine spikes around a baseline, counted in thousandths, and the
dopamine decays with `TAU_DOPAMINE`, so a TD error reaches into the environment step after its own. Each agent needs
a synapse model of its own for its own dopamine.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import nest
import numpy as np

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray, LoopRunner

TAU_DOPAMINE = 10.0  # ms
ENV_STEP = wl.STEPS * wl.DT
UNIT = 1000.0  # concentration of dopamine that stands for a TD error of 1
BASELINE = 2.0 * UNIT  # dopamine cannot be negative, a TD error can; it stays above -2
SILENCE = 5  # environment steps that let the traces of a block fade before the next one


def _synapse_model(agent: int, size: wl.Size, dopamine: Any) -> str:
    """Make the synapse model of an agent; ``dopamine`` is the injector of its dopamine spikes."""
    transmitter = nest.Create("volume_transmitter", params={"deliver_interval": wl.STEPS})
    nest.Connect(dopamine, transmitter, syn_spec={"delay": wl.DT})
    jump = size.gain * wl.LEARNING_RATE * wl.DT / UNIT  # the weights are gain * w
    name = f"plastic{agent}"
    nest.CopyModel(
        "stdp_dopamine_synapse",
        name,
        {
            "volume_transmitter": transmitter,
            "A_plus": jump,
            "A_minus": jump,
            "tau_plus": wl.TAU_TRACE,
            "tau_c": wl.TAU_ELIGIBILITY,
            "tau_n": TAU_DOPAMINE,
            "b": BASELINE,
            "Wmin": size.gain * wl.W_MIN,
            "Wmax": size.gain * wl.W_MAX,
        },
    )
    return name


class NestRunner(LoopRunner):
    """One or more agents in one kernel; ``learns`` False leaves static synapses."""

    def __init__(self, size: wl.Size, seed: int, learns: bool) -> None:
        super().__init__(size, seed)
        rule = "stdp_dopamine" if learns else "forward"
        self.description = f"NEST {version('nest-simulator')} {rule}, float64"
        self._learns = learns
        self._random = np.random.default_rng(seed)
        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.ResetKernel()
        nest.set(resolution=wl.DT, local_num_threads=1, rng_seed=seed + 1)
        self._sources = nest.Create("spike_train_injector", size.agents * size.n_inputs)
        self._neurons = nest.Create("iaf_psc_delta", size.agents * size.n_outputs, params=_membrane())
        self._recorders = nest.Create("spike_recorder", 3 * size.agents)  # left, right and critic
        self._dopamine = nest.Create("spike_train_injector", size.agents)
        self._now = 0.0  # NEST's own biological_time is slow to read
        weights = size.start_weights(seed) * size.gain
        models = [self._connect(agent, weights[agent]) for agent in range(size.agents)]
        self._simulate(1)  # NEST sorts its connections here; before it their order is another
        # Handles, of which each synapse is one Python object: only to put weights back and to look at them.
        self._synapses = [nest.GetConnections(synapse_model=model) for model in models if learns]
        self._start = [np.array(synapses.get("weight")) for synapses in self._synapses]

    def _simulate(self, env_steps: int) -> None:
        nest.Simulate(env_steps * ENV_STEP)
        self._now += env_steps * ENV_STEP

    def _connect(self, agent: int, weights: wl.FloatArray) -> str:
        """Connect one agent all-to-all, count its votes; returns the name of its synapse model."""
        size = self.size
        sources = self._sources[agent * size.n_inputs : (agent + 1) * size.n_inputs]
        neurons = self._neurons[agent * size.n_outputs : (agent + 1) * size.n_outputs]
        model = _synapse_model(agent, size, self._dopamine[agent]) if self._learns else "static_synapse"
        spec = {"synapse_model": model, "weight": weights.T, "delay": wl.DT}
        nest.Connect(sources, neurons, "all_to_all", spec)
        group = size.action_group
        for k, (first, last) in enumerate(((0, group), (group, 2 * group), (2 * group, size.n_outputs))):
            nest.Connect(neurons[first:last], self._recorders[3 * agent + k])
        return model

    def restore(self) -> None:
        """Let the traces fade in silence, then put weights, eligibility and membranes back to the start."""
        self._simulate(SILENCE)
        for synapses, start in zip(self._synapses, self._start, strict=True):
            synapses.set(weight=start.tolist(), c=0.0, n=BASELINE)
        self._neurons.set(V_m=0.0)
        self._forget()

    def _forget(self) -> None:
        """Empty the recorders: asking for their counts copies their events, too."""
        self._recorders.set([{"n_events": 0}] * len(self._recorders))

    def advance(self) -> tuple[IntArray, int]:
        """One environment step: hand over spikes and dopamine, simulate, read the recorders."""
        shape = (wl.STEPS, self.size.agents * self.size.n_inputs)
        spikes = self._random.random(shape) < self.loop.probabilities().ravel()
        self._inject(spikes)
        if self._learns:
            self._release()
        self._simulate(1)
        counts = np.array(self._recorders.get("n_events"), dtype=np.int64).reshape(-1, 3)
        self._forget()
        return counts, int(spikes.sum())

    def _inject(self, spikes: Any) -> None:
        """Give every source that fires the times of its spikes; those of the others lie in the past."""
        firing = np.flatnonzero(spikes.any(axis=0))
        times = self._now + wl.DT * np.arange(1, wl.STEPS + 1)
        parameters = [{"spike_times": times[spikes[:, source]]} for source in firing]
        if len(firing):
            self._sources[firing.tolist()].set(parameters)

    def _release(self) -> None:
        """Send each agent's TD error as the number of dopamine spikes at the start of the environment step."""
        numbers = np.rint(wl.STEPS * wl.DT * (UNIT * self.loop.td_error + BASELINE)).astype(int)
        time = [self._now + wl.DT]
        # A list of dictionaries is the fast way: with one dictionary `set` first asks for everything there is.
        self._dopamine.set([{"spike_times": time, "spike_multiplicities": [n]} for n in numbers.tolist()])

    def change(self) -> tuple[float, float]:
        """Return the weight change in units of w."""
        if not self._learns:
            return 0.0, 0.0
        both = zip(self._synapses, self._start, strict=True)
        moved = (
            np.concatenate([np.abs(np.array(s.get("weight")) - start) for s, start in both]) / self.size.gain
        )
        return float(moved.mean()), float(moved.max())


def _membrane() -> dict[str, float]:
    return {
        "E_L": 0.0,
        "V_m": 0.0,
        "V_reset": 0.0,
        "V_th": 1.0,
        "tau_m": wl.TAU_MEMBRANE,
        "t_ref": wl.REFRACTORY,
        "tau_minus": wl.TAU_TRACE,
    }


def build(seed: int, **options: str) -> NestRunner:
    """Build the workload in NEST (options: those of `workload.Size`; ``rule`` none: static synapses)."""
    return NestRunner(wl.Size.of(options), seed, options.get("rule") != "none")
