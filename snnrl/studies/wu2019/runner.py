"""Run many agents of one kind in the compiled kernels: training with checkpoints, and trials with fixed weights."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.fast.cache import load_module
from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_agent import ACTION_STREAM, START_STREAM, pair_thresholds
from snnrl.plasticity.crossbar_random import HardwareRandom
from snnrl.random import stream_base, stream_id
from snnrl.studies.wu2019.lanes import LANES
from snnrl.studies.wu2019.library import Number
from snnrl.studies.wu2019.source import Shape, kernel_source
from snnrl.tasks import RotaryPendulum

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[int], None]
"""Called with the number of agent steps taken since the last call."""

CHUNK = 200_000
"""Steps of all lanes between two looks at the clock; changes no number."""
TEST = "test/"
"""Beginning of the names of a test's random streams."""
EXACT_ANGLE = 20.0
"""Degrees up to which the float32 kernels' sine is good to their precision."""


@dataclass(frozen=True)
class Agents:
    """Agents of one kind, each with its own pendulum and seed.

    Parameters
    ----------
    network
        What kind.
    tasks
        The pendulum of each agent; they may differ in physics only.
    seeds
        The seed of each agent.
    dtype
        Precision of the kernel; in "float64" it gives the numbers of :class:`snnrl.networks.CrossbarAgent`.
    threads
        Most threads; changes no number.
    hardware_random
        Draw actions with the bytes of :class:`snnrl.plasticity.crossbar_random.HardwareRandom`, which needs
        ``adc_bits=8``. Each agent, and in tests each trial, has a generator of its own, `generator`.
    """

    network: CrossbarActorCritic
    tasks: Sequence[RotaryPendulum]
    seeds: Sequence[int]
    dtype: str = "float32"
    threads: int | None = None
    hardware_random: bool = False

    def __post_init__(self) -> None:
        if self.hardware_random and self.network.adc_bits != 8:
            raise InvalidValueError(
                "CrossbarActorCritic.adc_bits", self.network.adc_bits, "8 for random bytes"
            )
        if not self.tasks or len(self.tasks) != len(self.seeds):
            got = (len(self.tasks), len(self.seeds))
            raise InvalidValueError("Agents.tasks, seeds", got, "one pendulum for every seed, at least one")
        widest = max(task.angle_limit for task in self.tasks)
        if self.dtype == "float32" and widest > EXACT_ANGLE:
            allowed = f"up to {EXACT_ANGLE:g} degrees in float32 (float64 has no limit)"
            raise InvalidValueError("RotaryPendulum.angle_limit", widest, allowed)

    @property
    def n_inputs(self) -> int:
        """Inputs of the network, the constant included."""
        return self.network.inputs(self.tasks[0])

    def checked(self, weights: FloatArray) -> NDArray[Any]:
        """Return the agents' weights in the kernel's precision, shape ``[agents, places.size]``."""
        if len(weights) != len(self.seeds):
            raise InvalidValueError("weight sets", len(weights), f"{len(self.seeds)}, one for every agent")
        return np.array([self.network.checked_weights(w, self.n_inputs) for w in weights], dtype=self.dtype)

    def generator(self, agent: int, learner: int = 0, test_trial: int | None = None) -> HardwareRandom:
        """Give the hardware's generator of an agent's learner as it is before training, or before a trial of a test."""
        phase = "" if test_trial is None else TEST
        return HardwareRandom.seeded(
            self.seeds[agent], f"{phase}{ACTION_STREAM}/{learner}", step=test_trial or 0
        )

    def bases(self, learners: int, phase: str) -> NDArray[np.uint64]:
        """Bases of the random streams, actions and starts, shape ``[2, learners, agents]``."""
        streams = (f"{phase}{ACTION_STREAM}", f"{phase}{START_STREAM}")
        return np.array(
            [
                [[stream_base(s, stream_id(f"{name}/{k}")) for s in self.seeds] for k in range(learners)]
                for name in streams
            ],
            dtype=np.uint64,
        )

    def worlds(self) -> NDArray[Any]:
        """Parameters of every agent's pendulum, shape ``[agents, n]``."""
        return np.array([task.kernel().parameters for task in self.tasks], dtype=self.dtype)

    def numbers(self) -> NDArray[Any]:
        """Give the network's numbers in the order of `Number`."""
        n, device = self.network, self.network.device
        values = {
            Number.SLOPE: n.slope, Number.BIAS: n.bias, Number.CRITIC_RATE: n.critic_rate,
            Number.CRITIC_HIDDEN_RATE: n.critic_hidden_rate, Number.ACTOR_RATE: n.actor_rate,
            Number.ACTOR_HIDDEN_RATE: n.actor_hidden_rate, Number.STEP: n.step, Number.W_MAX: n.w_max,
            Number.SATURATION: 0.0 if device is None else device.saturation, Number.GATE: n.gate,
            Number.GATE_AFTER: n.gate_after, Number.GAMMA: n.gamma, Number.VARIABLE: n.discount_below * n.variable_discount,
            Number.LEVELS: 2.0**n.adc_bits - 1.0,
        }  # fmt: skip
        return np.array([values[number] for number in Number], dtype=self.dtype)

    def devices(self) -> NDArray[Any]:
        """Speeds of every agent's devices ``[agents, 4, weights]``: set plus, set minus, reset plus, reset minus."""
        size = self.network.places(self.n_inputs).size
        if self.network.rule == "exact":
            return np.zeros((0, 4, size), dtype=self.dtype)
        device = self.network.device
        if device is None:
            return np.ones((len(self.seeds), 4, size), dtype=self.dtype)
        speeds = [device.speed(pair_thresholds(device, seed, size)).reshape(4, size) for seed in self.seeds]
        return np.array(speeds, dtype=self.dtype)

    def slices(self) -> list[tuple[int, int]]:
        """Divide the agents among threads, whole lanes' worth at least."""
        most = self.threads or os.cpu_count() or 1
        parts = max(1, min(most, len(self.seeds) // LANES))
        edges = np.linspace(0, len(self.seeds), parts + 1).astype(int)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


@dataclass(frozen=True)
class Trained:
    """What agents have become at each checkpoint.

    Attributes
    ----------
    weights
        Shape ``[agents, checkpoints, weights]``.
    updates, steps, trials, successes
        Shape ``[agents, checkpoints]``; ``updates`` is what every weight has received.
    writes
        Pulses of every pair, ``[agents, checkpoints, weights]``; empty where the rule is exact.
    lengths
        Length of every trial, ``[agents, trials]``, 0 where there was none; empty unless asked for.
    """

    weights: FloatArray
    updates: IntArray
    steps: IntArray
    trials: IntArray
    successes: IntArray
    writes: IntArray
    lengths: NDArray[np.int32]


@dataclass(frozen=True)
class Limits:
    """When an agent has trained enough.

    Parameters
    ----------
    marks
        Checkpoints, growing: numbers of successful trials (criterion C), or of steps. The last one ends training.
    trials
        Most trials; an agent that gets there keeps its weights for all checkpoints left.
    by_steps
        Whether marks are steps of the agent.
    learners
        Synchronous actor-learners (algorithm 1), which share the weights and add up their changes.
    """

    marks: tuple[int, ...]
    trials: int
    by_steps: bool = False
    learners: int = 1

    def __post_init__(self) -> None:
        growing = all(a < b for a, b in zip(self.marks, self.marks[1:], strict=False))
        if not self.marks or self.marks[0] < 1 or not growing:
            raise InvalidValueError("criterion C", self.marks, "growing whole numbers >= 1")
        for name in ("trials", "learners"):
            if getattr(self, name) < 1:
                raise InvalidValueError(f"Limits.{name}", getattr(self, name), "a whole number >= 1")


def train(
    agents: Agents,
    weights: FloatArray,
    starts: FloatArray,
    limits: Limits,
    progress: Progress | None = None,
    record_lengths: int = 0,
) -> Trained:
    """Train agents until they reach their limits.

    Parameters
    ----------
    weights
        Initial weights, ``[agents, weights]``.
    starts
        States that trials start from, ``[n, 4]``; every trial draws one.
    record_lengths
        Trials whose length is kept, per agent.
    """
    module, count = kernel_module(agents), len(agents.seeds)
    initial = agents.checked(weights)
    size, marks = initial.shape[1], np.array(limits.marks, dtype=np.int64)
    devices = agents.devices()
    kept = 0 if agents.network.rule == "exact" else count
    outputs: dict[str, NDArray[Any]] = {
        "weights_out": np.zeros((count, len(marks), size)),
        "tallies_out": np.zeros((count, len(marks), 4), dtype=np.int64),
        "writes_out": np.zeros((kept, len(marks), size), dtype=np.int64),
        "lengths": np.zeros((count, record_lengths), dtype=np.int32),
    }
    inputs = {
        "limits": np.array([agents.tasks[0].steps, limits.trials, limits.by_steps, limits.learners]),
        "marks": marks, "weights": initial, "devices": devices, "worlds": agents.worlds(),
        "bases": agents.bases(limits.learners, ""), "starts": starts.astype(agents.dtype),
    }  # fmt: skip
    lanes = functools.partial(lane_arrays, agents, size, limits.learners)
    _run(module.advance, agents.slices(), lanes, {**inputs, **outputs}, progress)
    updates, steps, trials, successes = np.moveaxis(outputs["tallies_out"], 2, 0)
    bound = agents.network.w_max
    final = np.clip(outputs["weights_out"], -bound, bound)  # float32 rounds the bound itself
    return Trained(final, updates, steps, trials, successes, outputs["writes_out"], outputs["lengths"])


def trial_lengths(
    agents: Agents, weights: FloatArray, starts: FloatArray, trials: int, progress: Progress | None = None
) -> NDArray[np.int32]:
    """Run trials with fixed weights and the stochastic policy; return their lengths, ``[agents, trials]``.

    Starts and random numbers depend on seed and trial alone, so that the same agent before and after training is
    compared in the same trials.
    """
    module = kernel_module(agents)
    initial = agents.checked(weights)
    lengths = np.zeros((len(agents.seeds), trials), dtype=np.int32)
    inputs = {
        "limits": np.array([agents.tasks[0].steps]), "weights": initial, "worlds": agents.worlds(),
        "bases": agents.bases(1, TEST), "starts": starts.astype(agents.dtype), "lengths": lengths,
    }  # fmt: skip
    lanes = functools.partial(_testing_lanes, agents, initial.shape[1])
    slices = [(first * trials, last * trials) for first, last in agents.slices()]
    _run(module.play, slices, lanes, inputs, progress)
    return lengths


def _run(
    kernel: Any,
    slices: list[tuple[int, int]],
    lanes: Callable[[], dict[str, Any]],
    shared: dict[str, Any],
    progress: Progress | None,
) -> None:
    """Run a kernel on every slice of jobs, one thread each, in chunks of steps."""
    order = list(inspect.signature(kernel).parameters)[1:]
    parts = [{**lanes(), **shared, "queue": np.array(jobs, dtype=np.int64)} for jobs in slices]

    def chunk(part: dict[str, Any]) -> int:
        return int(kernel(CHUNK, *(part[name] for name in order)))

    with ThreadPoolExecutor(len(parts)) as pool:
        while parts:
            taken = list(pool.map(chunk, parts))
            parts = [part for part, steps in zip(parts, taken, strict=True) if steps > 0]
            if progress is not None:
                progress(sum(taken))


def lane_arrays(agents: Agents, size: int, learners: int) -> dict[str, Any]:
    """Make the arrays of one thread's lanes."""
    whole, real, hidden = np.int64, agents.dtype, agents.network.hidden
    pairs = size * LANES if agents.network.rule != "exact" else 0
    return {
        **_testing_lanes(agents, size, learners),
        "reached": np.zeros(LANES, whole), "tally": np.zeros((4, LANES), whole),
        "trials": np.zeros((learners, LANES), whole), "learnt": np.zeros(LANES, real), "rule": np.zeros((2, LANES)),
        "gate": np.full(LANES, -1.0, real), "gamma": np.zeros(LANES, real), "active": np.zeros(LANES, real),
        "y": np.zeros(hidden * LANES, real), "later": np.zeros(hidden * LANES, real),
        "change": np.zeros(size * LANES, real), "plus": np.zeros(pairs, real), "minus": np.zeros(pairs, real),
        "speed": np.zeros(4 * pairs, real), "writes": np.zeros(pairs, np.int32),
    }  # fmt: skip


def _testing_lanes(agents: Agents, size: int, learners: int = 1) -> dict[str, Any]:
    real, inputs, hidden = agents.dtype, agents.n_inputs, agents.network.hidden
    kernel, draws = agents.tasks[0].kernel(), np.int64 if agents.hardware_random else np.uint32

    def each(width: int, dtype: Any = real) -> NDArray[Any]:
        return np.zeros((learners, width * LANES), dtype)

    return {
        "agent_of": np.full(LANES, -1, np.int64), "state": each(kernel.state_size), "t": each(1, np.int32),
        "low": each(1, draws), "high": each(1, draws), "x": each(inputs), "ahead": each(inputs),
        "z": each(hidden), "seen": np.zeros((inputs - 1) * LANES, real), "surprise": each(1),
        "failed": each(1, np.int32), "learns": each(1), "w": np.zeros(size * LANES, real),
        "p": np.ones(kernel.parameters.size * LANES, real), "active": np.zeros(LANES, real),
        "gate": np.full(LANES, 2.0, real), "numbers": agents.numbers(),
        "inverse": (1.0 / np.array(agents.tasks[0].observation_scale)).astype(real),
        "empty": np.zeros((0, 4, 0), real), "pairs": np.zeros(0, real),
    }  # fmt: skip


def kernel_module(agents: Agents) -> ModuleType:
    """Return the compiled kernel of a kind of agents."""
    shape = Shape.of(agents.network, agents.n_inputs, agents.dtype, agents.hardware_random)
    return load_module(kernel_source(shape))
