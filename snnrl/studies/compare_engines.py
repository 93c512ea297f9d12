"""One model on every engine: whether they agree, and how fast each is.

The open loop: the spiking actor-critic of the cart-pole with plasticity, given the same input spikes and TD errors on
every engine; spikes are compared step by step with those of the reference, weights relative to their largest value.
The closed loop: the same agent learns the cart-pole from the same seed on every engine; actions and lengths of all
episodes are compared with those of `fast`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.open_loop import Simulation, Stimulus
from snnrl.errors import UnsupportedError

if TYPE_CHECKING:
    from snnrl.engines.session import Session
    from snnrl.equations.lowered import LoweredNetwork
    from snnrl.model import AgentModel
    from snnrl.tasks import Task

INPUT_RATE = 20.0
"""Mean rate of the supplied input spikes, Hz per place cell."""


@dataclass(frozen=True)
class Variant:
    """An engine with its options, as a row of the table."""

    name: str
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float64"


VARIANTS = (
    Variant("reference", "reference"),
    Variant("fast", "fast"),
    Variant("fast-general", "fast", {"windowed": False}),
    Variant("fast-float32", "fast", dtype="float32"),
    Variant("torch", "torch"),
    Variant("torch-float32", "torch", dtype="float32"),
    Variant("bindsnet", "bindsnet"),
    Variant("brian2-numpy", "brian2", {"target": "numpy"}),
    Variant("brian2-cython", "brian2", {"target": "cython"}),
    Variant("brian2-standalone", "brian2", {"target": "standalone"}),
)
"""Every way to run a model."""


@dataclass(frozen=True)
class Agreement:
    """One row.

    Attributes
    ----------
    engine
        Name of the variant.
    spikes_identical
        Whether every spike of every population came in the same dt as in the reference.
    spike_count_difference
        Largest relative difference of a population's spike count.
    weights_max_rel_diff
        Largest difference of a weight over the largest weight of its group.
    us_per_dt
        Wall time of the open loop per dt, in microseconds, without building and compiling.
    same_actions
        Whether the closed loop took the same actions in episodes of the same lengths as `fast`; ``None`` if not asked.
    closed_loop_us_per_dt
        Wall time of the closed loop per dt, in microseconds, without the first episode, which may compile.
    build_seconds
        Time to build and compile the open loop.
    absent
        Why there is nothing to compare, else ``None``.
    """

    engine: str
    spikes_identical: bool | None = None
    spike_count_difference: float | None = None
    weights_max_rel_diff: float | None = None
    us_per_dt: float | None = None
    same_actions: bool | None = None
    closed_loop_us_per_dt: float | None = None
    build_seconds: float | None = None
    absent: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return asdict(self)


def default_agent() -> tuple[AgentModel, Task]:
    """Return the default actor-critic of the cart-pole."""
    from snnrl import networks, tasks

    task = tasks.CartPole()
    return networks.make("actor-critic", "td-ltp").build(task), task


def make_stimulus(network: LoweredNetwork, population: str, seconds: float, seed: int) -> Stimulus:
    """Return input spikes of `INPUT_RATE` and TD errors of unit variance, from counter-based random numbers."""
    n = next(p.size for p in network.neurons if p.name == population)
    env_steps = max(1, round(seconds / (network.dt * network.env_steps)))
    steps = env_steps * network.env_steps
    spikes = random.uniform(seed, random.stream_id("compare/spikes"), 0, steps * n).reshape(steps, n)
    errors = random.normal(seed, random.stream_id("compare/td_error"), 0, env_steps)
    return Stimulus(env_steps, {population: spikes < INPUT_RATE * network.dt}, {"td_error": errors})


def compare_engines(
    variants: Sequence[Variant] = VARIANTS,
    seconds: float = 10.0,
    episodes: int = 20,
    seed: int = 0,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Agreement]:
    """Run the default agent on every engine.

    Parameters
    ----------
    variants
        Out of `VARIANTS`.
    seconds
        Simulated time of the open loop.
    episodes
        Of the closed loop; 0 leaves it out.
    seed
        Of weights, noise, inputs and the task.
    progress
        Told what is being done.
    """
    model, task = default_agent()
    comparison = _Comparison(model, task, seconds, episodes, seed)
    rows = []
    for variant in variants:
        progress(variant.name)
        try:
            rows.append(comparison.row(variant))
        except UnsupportedError as error:
            rows.append(Agreement(variant.name, absent=str(error)))
    return rows


class _Comparison:
    """What all rows are compared with."""

    def __init__(self, model: AgentModel, task: Task, seconds: float, episodes: int, seed: int) -> None:
        from snnrl.equations.lower import lower

        self.model, self.task, self.episodes, self.seed = model, task, episodes, seed
        self.lowered = lower(model.network, model.env_step)
        self.stimulus = make_stimulus(self.lowered, model.encoder.population, seconds, seed)
        self.expected = self._simulate(Variant("reference", "reference"))[0]
        self.expected_actions = self._learn(Variant("fast", "fast"))[0] if episodes else []

    def _simulate(self, variant: Variant) -> tuple[Simulation, float]:
        from snnrl.engines.registry import simulate_on

        began = time.perf_counter()
        result = simulate_on(variant.engine, self.model.network, self.lowered, self.seed, self.stimulus, (),
                             variant.dtype, **variant.options)  # fmt: skip
        steps = self.stimulus.env_steps * self.lowered.env_steps
        return result, time.perf_counter() - began - result.seconds_per_dt * steps

    def row(self, variant: Variant) -> Agreement:
        """Return the row of one variant."""
        found, build = (self.expected, 0.0) if variant.engine == "reference" else self._simulate(variant)
        same, closed = None, None
        if self.episodes and variant.engine != "reference":
            actions, closed = self._learn(variant)
            same = all(np.array_equal(a, b) for a, b in zip(actions, self.expected_actions, strict=True))
        return Agreement(
            variant.name,
            spikes_identical=all(np.array_equal(s, found.spikes[n]) for n, s in self.expected.spikes.items()),
            spike_count_difference=max(_count_difference(self.expected.spikes, found.spikes)),
            weights_max_rel_diff=max(_weight_difference(self.expected.variables, found.variables)),
            us_per_dt=found.seconds_per_dt * 1e6,
            same_actions=same,
            closed_loop_us_per_dt=closed,
            build_seconds=build,
        )

    def _session(self, variant: Variant) -> Session:
        from snnrl.engines.registry import make_session
        from snnrl.tasks import rewards

        reward = rewards.make("gaussian").bind(self.task)
        return make_session(variant.engine, self.model, self.task, reward, [self.seed], self.episodes,
                            variant.dtype, **variant.options)  # fmt: skip

    def _learn(self, variant: Variant) -> tuple[list[NDArray[Any]], float]:
        """Return the actions of every episode, and microseconds per dt."""
        session = self._session(variant)
        traces = session.trace_episodes(1)  # what is compiled on the way is compiled now
        before, began = int(session.env_steps.sum()), time.perf_counter()
        traces += session.trace_episodes(self.episodes - 1)
        steps = (int(session.env_steps.sum()) - before) * self.lowered.env_steps
        return [trace[:, 2] for trace in traces], (time.perf_counter() - began) / max(steps, 1) * 1e6


def _count_difference(
    expected: Mapping[str, NDArray[np.bool_]], found: Mapping[str, NDArray[np.bool_]]
) -> list[float]:
    return [abs(int(found[n].sum()) - int(s.sum())) / max(int(s.sum()), 1) for n, s in expected.items()]


def _weight_difference(
    expected: Mapping[str, NDArray[np.float64]], found: Mapping[str, NDArray[np.float64]]
) -> list[float]:
    return [float(np.abs(found[n] - w).max() / max(np.abs(w).max(), 1e-300)) for n, w in expected.items()]
