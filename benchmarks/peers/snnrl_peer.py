"""snnrl: the workload as equation text, on the `fast` engine (windowed or general path) or on `torch`."""

from __future__ import annotations

import math
import time
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import Books
from benchmarks.peers.interface import Measured, Regime
from snnrl.coding import GaussianPopulation, PopulationValue, SpikeCountAction
from snnrl.engines.books import Counter
from snnrl.engines.registry import make_session
from snnrl.engines.session import Session, Stop
from snnrl.model import AgentModel, Network, Neurons, Synapses, TDError
from snnrl.tasks import CartPole
from snnrl.tasks.base import Vector
from snnrl.tasks.rewards import Reward

START_WEIGHTS = f"{wl.W_START[0]} + {wl.W_START[1] - wl.W_START[0]}*rand()"
ENCODER_RANGE = 10.0
"""The encoder clips to its range; this many times the outermost cells no cell fires any more."""


def _failure(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Return ``-p[0]`` at failure, else 0."""
    return -p[0] if terminated else 0.0


def reward() -> Reward:
    """Return the reward at failure; snnrl's TD error weighs rewards by ``1 - gamma``, the workload's does not."""
    size = -wl.FAILURE_REWARD / (1.0 - wl.DISCOUNT)
    return Reward("failure", {"size": size}, _failure, "-size at failure", "facts/peers.md", (-size, 0.0))


def _inputs(size: wl.Size) -> Neurons:
    return Neurons(
        name="inputs",
        size=size.n_inputs,
        equations="rate : Hz",
        threshold="rand() < rate*dt",
    )


def _outputs(size: wl.Size) -> Neurons:
    return Neurons(
        name="outputs",
        size=size.n_outputs,
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


def _plastic(size: wl.Size) -> Synapses:
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
            "gain": size.gain_before_decay,
            "failure_gain": _eligible_time() * wl.LEARNING_RATE,
            "w_min": wl.W_MIN,
            "w_max": wl.W_MAX,
        },
        initial={"w": START_WEIGHTS},
    )


def _fixed(size: wl.Size) -> Synapses:
    """Return the same synapses without plasticity."""
    return Synapses(
        name="plastic",
        source="inputs",
        target="outputs",
        equations="w : 1",
        on_pre="v_post += gain*w",
        parameters={"gain": size.gain_before_decay},
        initial={"w": START_WEIGHTS},
    )


def agent_model(size: wl.Size | None = None, learns: bool = True) -> AgentModel:
    """Return the workload in snnrl's own words."""
    size = size or wl.Size()
    smoothing = 1.0 - math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
    group, cells = size.action_group, size.n_inputs // len(wl.STATE_LIMITS)
    network = Network(
        neurons=(_inputs(size), _outputs(size)),
        synapses=(_plastic(size) if learns else _fixed(size),),
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
            counts=(cells,),
            reach=(1.0 / ENCODER_RANGE,),
            width=(cells - 1) / (wl.CELLS_PER_VARIABLE - 1),  # in units of the spacing
        ),
        action=SpikeCountAction((f"outputs[0:{group}]", f"outputs[{group}:{2 * group}]")),
        value=PopulationValue(
            f"outputs[{2 * group}:{size.n_outputs}]", scale=wl.VALUE_SCALE / smoothing, smoothing=smoothing
        ),
        signal=TDError(gamma=wl.DISCOUNT),
        env_step=f"{wl.STEPS * wl.DT}*ms",
    )


def _session(
    size: wl.Size, seed: int, engine: str, dtype: str, learns: bool, options: dict[str, Any]
) -> Session:
    task = CartPole()
    return make_session(
        engine,
        agent_model(size, learns),
        task,
        reward().bind(task),
        range(seed, seed + size.agents),
        episodes=size.block,
        dtype=dtype,
        **options,
    )


class SnnrlRunner:
    """One or many agents, each with its own weights."""

    def __init__(self, size: wl.Size, description: str, session: Session) -> None:
        self.description, self._size, self._session = description, size, session
        self._books = Books(size)
        self._fast = hasattr(session, "kernel")
        self._start = {name: array.copy() for name, array in session.save().items()}
        self._w = session.variable("plastic", "w").copy()
        self._block(1)  # compiles, or finds the kernel in the cache

    def _restore(self) -> None:
        """Go back to the start; `fast` keeps its clock, of which its noise is a function."""
        if not self._fast:
            self._session.restore(self._start)
            return
        counters = self._session.state["counters"]
        clock = counters[:, [Counter.STEP, Counter.DECISION]].copy()
        for name, array in self._session.state.items():
            np.copyto(array, self._start[name])
        counters[:, [Counter.STEP, Counter.DECISION]] = clock

    def _block(self, env_steps: int) -> float:
        """Run from the start; returns the seconds of it."""
        self._restore()
        start = time.perf_counter()
        self._session.run(env_steps, Stop(episodes=self._size.block))
        return time.perf_counter() - start

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by ``n_env_steps``."""
        seconds = 0.0
        for _ in range(n_env_steps // self._size.block):
            seconds += self._block(self._size.block)
            self._count()
        return Measured(seconds, n_env_steps)

    def _count(self) -> None:
        spikes = self._session.state["spike_total"].sum(axis=0)  # by population: inputs first
        change = self._session.variable("plastic", "w") - self._w
        np.abs(change, out=change)
        moved = float(change.mean()), float(change.max())
        self._books.block(float(spikes[0]), float(spikes[1:].sum()), int(self._session.episodes.sum()), moved)

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        return self._books.regime()


class TorchSnnrlRunner(SnnrlRunner):
    """The same on the torch engine: spikes come back in every environment step, so nothing is left to wait for."""

    def device_bytes(self) -> int:
        """Return the most memory used on the GPU, 0 on the CPU."""
        import torch

        return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else 0


def build(seed: int, **options: str) -> SnnrlRunner:
    """Build and compile the workload in snnrl.

    Options: those of `workload.Size`; ``engine`` is fast or torch, ``dtype`` float32 or float64, ``rule`` none
    leaves out the plasticity; of fast ``path`` (windowed or general), of torch ``device`` (cpu or cuda) and
    ``compile`` (yes).
    """
    size, engine = wl.Size.of(options), options.get("engine", "fast")
    dtype, learns = options.get("dtype", "float64"), options.get("rule") != "none"
    kind = "forward" if not learns else ""
    if engine == "fast":
        path = options.get("path", "windowed")
        session = _session(size, seed, engine, dtype, learns, {"windowed": path == "windowed"})
        return SnnrlRunner(size, f"snnrl {version('snnrl')} {kind or path}, {dtype}", session)
    import torch

    torch.set_num_threads(1)
    compiled = options.get("compile") == "yes"
    chosen = {"device": options.get("device", "cpu"), "compile": compiled}
    session = _session(size, seed, engine, dtype, learns, chosen)
    words = " ".join(word for word in ("torch engine", "compiled" if compiled else "", kind) if word)
    return TorchSnnrlRunner(size, f"snnrl {version('snnrl')} {words}, {dtype}", session)
