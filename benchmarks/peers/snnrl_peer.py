"""snnrl: the workload as equation text on the `fast` engine, on its windowed or its general path."""

from __future__ import annotations

import math
import time
from importlib.metadata import version

import numpy as np

from benchmarks import workload as wl
from benchmarks.peers.interface import Measured, Regime
from snnrl.coding import GaussianPopulation, PopulationValue, SpikeCountAction
from snnrl.engines.books import Counter
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.session import Stop
from snnrl.model import AgentModel, Network, Neurons, Synapses, TDError
from snnrl.tasks import CartPole
from snnrl.tasks.base import Vector
from snnrl.tasks.rewards import Reward

ACTIONS = (f"outputs[0:{wl.ACTION_GROUP}]", f"outputs[{wl.ACTION_GROUP}:{2 * wl.ACTION_GROUP}]")
CRITIC = f"outputs[{2 * wl.ACTION_GROUP}:{wl.N_OUTPUTS}]"
ENCODER_RANGE = 10.0
"""The encoder clips to its range; this many times the outermost cells no cell fires any more."""


def _failure(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Return ``-p[0]`` at failure, else 0."""
    return -p[0] if terminated else 0.0


def reward() -> Reward:
    """Return the reward at failure; snnrl's TD error weighs rewards by ``1 - gamma``, the workload's does not."""
    size = -wl.FAILURE_REWARD / (1.0 - wl.DISCOUNT)
    return Reward("failure", {"size": size}, _failure, "-size at failure", "facts/peers.md", (-size, 0.0))


def _inputs() -> Neurons:
    return Neurons(
        name="inputs",
        size=wl.N_INPUTS,
        equations="rate : Hz",
        threshold="rand() < rate*dt",
    )


def _outputs() -> Neurons:
    return Neurons(
        name="outputs",
        size=wl.N_OUTPUTS,
        equations="dv/dt = -v/tau_m : 1",
        threshold="v >= 1",
        reset="v = 0",
        refractory=f"{wl.REFRACTORY}*ms",
        method="exact",
        parameters={"tau_m": f"{wl.TAU_MEMBRANE}*ms"},
    )


def _eligible_time() -> float:
    """Return the integral of a decaying eligibility over one environment step, ms."""
    return wl.TAU_ELIGIBILITY * (1.0 - math.exp(-wl.STEPS * wl.DT / wl.TAU_ELIGIBILITY))


def _plastic() -> Synapses:
    """R-STDP whose weight follows the TD error continuously, clipped wherever it is looked at."""
    return Synapses(
        name="plastic",
        source="inputs",
        target="outputs",
        equations="""
        dw/dt = learning_rate*td_error*elig : 1 (event-driven)
        delig/dt = -elig/tau_e : 1 (event-driven)
        dapre/dt = -apre/tau_x : 1 (event-driven)
        dapost/dt = -apost/tau_x : 1 (event-driven)
        """,
        on_pre="""
        w = clip(w, w_min, w_max)
        v_post += gain*w
        apre += 1
        elig -= apost
        """,
        on_post="""
        apost += 1
        elig += apre
        """,
        # In the workload a failure's TD error acts through the following environment step; here the episode
        # ends at once, so what that step would have added comes when the reward is negative.
        on_reward="w = clip(w + failure_gain*td_error*elig*int(reward < 0), w_min, w_max)",
        parameters={
            "learning_rate": f"{wl.LEARNING_RATE}/ms",
            "tau_x": f"{wl.TAU_TRACE}*ms",
            "tau_e": f"{wl.TAU_ELIGIBILITY}*ms",
            "gain": wl.GAIN_BEFORE_DECAY,
            "failure_gain": _eligible_time() * wl.LEARNING_RATE,
            "w_min": wl.W_MIN,
            "w_max": wl.W_MAX,
        },
        initial={"w": f"{wl.W_START[0]} + {wl.W_START[1] - wl.W_START[0]}*rand()"},
    )


def agent_model() -> AgentModel:
    """Return the workload in snnrl's own words."""
    smoothing = 1.0 - math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
    network = Network(
        neurons=(_inputs(), _outputs()),
        synapses=(_plastic(),),
        dt=f"{wl.DT}*ms",
    )
    return AgentModel(
        network=network,
        encoder=GaussianPopulation(
            population="inputs",
            variable="rate",
            scale=tuple(ENCODER_RANGE * limit for limit in wl.STATE_LIMITS),
            bounded=(True,) * len(wl.STATE_LIMITS),
            peak=wl.PEAK_RATE,
            counts=(wl.CELLS_PER_VARIABLE,),
            reach=(1.0 / ENCODER_RANGE,),
        ),
        action=SpikeCountAction(ACTIONS),
        value=PopulationValue(CRITIC, scale=wl.VALUE_SCALE / smoothing, smoothing=smoothing),
        signal=TDError(gamma=wl.DISCOUNT),
        env_step=f"{wl.STEPS * wl.DT}*ms",
    )


class SnnrlRunner:
    """One or many agents, each with its own weights, in one kernel."""

    def __init__(self, seed: int, path: str, agents: int, dtype: str) -> None:
        self.description = f"snnrl {version('snnrl')} {path}, {dtype}"
        self._agents = agents
        task = CartPole()
        self._session = FastSession(
            agent_model(),
            task,
            reward().bind(task),
            range(seed, seed + agents),
            episodes=wl.RESTORE_EVERY,
            dtype=dtype,
            windowed=path == "windowed",
        )
        self._start = {name: array.copy() for name, array in self._session.state.items()}
        self._w = self._session.variable("plastic", "w").copy()
        self._blocks = self._episodes = 0
        self._input_spikes = self._output_spikes = self._moved = self._moved_most = 0.0
        self._block(1)  # compiles, or finds the kernel in the cache

    def _block(self, env_steps: int) -> float:
        """Run from the start, with noise of its own; returns the seconds of the kernel call."""
        counters = self._session.state["counters"]
        clock = counters[:, [Counter.STEP, Counter.DECISION]].copy()  # the noise is a function of these
        for name, array in self._start.items():
            np.copyto(self._session.state[name], array)
        counters[:, [Counter.STEP, Counter.DECISION]] = clock
        start = time.perf_counter()
        self._session.run(env_steps, Stop(episodes=wl.RESTORE_EVERY))
        return time.perf_counter() - start

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by ``n_env_steps``."""
        seconds = 0.0
        for _ in range(n_env_steps // wl.RESTORE_EVERY):
            seconds += self._block(wl.RESTORE_EVERY)
            self._count()
        return Measured(seconds, n_env_steps)

    def _count(self) -> None:
        self._blocks += 1
        self._episodes += int(self._session.episodes.sum())
        spikes = self._session.state["spike_total"].sum(axis=0)  # by population: inputs first
        self._input_spikes += float(spikes[0])
        self._output_spikes += float(spikes[1:].sum())
        change = np.abs(self._session.variable("plastic", "w") - self._w)
        self._moved += float(change.mean())
        self._moved_most = float(change.max())

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        env_steps = self._blocks * wl.RESTORE_EVERY * self._agents
        seconds = env_steps * wl.STEPS * wl.DT * 1e-3
        return Regime(
            env_steps=env_steps,
            episodes=self._episodes,
            input_hz=self._input_spikes / (seconds * wl.N_INPUTS),
            output_hz=self._output_spikes / (seconds * wl.N_OUTPUTS),
            weight_change_mean=self._moved / self._blocks,
            weight_change_max=self._moved_most,
        )


def build(seed: int, **options: str) -> SnnrlRunner:
    """Build and compile the workload in snnrl.

    Options: ``path`` is ``windowed`` or ``general``, ``agents`` a number, ``dtype`` float32 or float64.
    """
    return SnnrlRunner(
        seed,
        options.get("path", "windowed"),
        int(options.get("agents", "1")),
        options.get("dtype", "float64"),
    )
