"""The second scenario, section III.B: pre-training from stored samples, re-training by synchronous actor-learners."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar import SHARED, CrossbarActorCritic
from snnrl.random import stream_base, stream_id, uniform
from snnrl.studies.wu2019.lanes import LANES
from snnrl.studies.wu2019.runner import (
    Agents,
    Limits,
    Progress,
    kernel_module,
    lane_arrays,
    train,
    trial_lengths,
)
from snnrl.studies.wu2019.settings import SAMPLE_SEED, FloatArray, Settings

SAMPLE_STREAM = "crossbar/sample"
NEVER = 2**31
"""More trials than any agent has: training ends by steps."""


@dataclass(frozen=True)
class Limited:
    """Numbers of the second scenario.

    Parameters
    ----------
    agents
        Agents per curve (figure 13: 100).
    samples
        Stored samples (section III.B.4).
    consumed
        Samples drawn in pre-training, each followed by an update.
    total
        Samples of re-training, over all actor-learners.
    checkpoints
        Tests along re-training. The paper says "several".
    learners
        Numbers of actor-learners.
    """

    agents: int = 100
    samples: int = 150_000
    consumed: int = 200_000
    total: int = 500_000
    checkpoints: int = 20
    learners: tuple[int, ...] = (1, 2, 4, 8)

    def __post_init__(self) -> None:
        for name in ("agents", "samples", "consumed", "total", "checkpoints"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidValueError(f"Limited.{name}", value, "a whole number >= 1")
        if not self.learners or min(self.learners) < 1:
            raise InvalidValueError("Limited.learners", self.learners, "whole numbers >= 1")

    def marks(self, learners: int) -> tuple[int, ...]:
        """Give the steps of each learner at the checkpoints: denser at the beginning, the last one at the end."""
        parts = np.linspace(0.0, 1.0, self.checkpoints + 1)[1:] ** 2
        steps = np.maximum(1, (parts * self.total / learners).astype(int))
        return tuple(sorted(set(steps.tolist())))


class Samples(NamedTuple):
    """Stored transitions: states ``[n, 4]``, actions ``[n]``, states after them ``[n, 4]``, failures ``[n]``."""

    states: FloatArray
    actions: NDArray[np.int32]
    followers: FloatArray
    failures: NDArray[np.int32]


def network_of(settings: Settings) -> CrossbarActorCritic:
    """Give the one network of the scenario, with the study's own choices."""
    own = settings.network
    chosen = {name: getattr(own, name) for name in ("hidden", "slope", "w_max", "w_init", "signed")}
    return dataclasses.replace(SHARED, **chosen)


def store_samples(settings: Settings, size: int) -> Samples:
    """Draw states uniformly over the normalised state space, actions by a fair coin, and take one step from each."""
    task, seed = settings.pendulum, settings.seed + SAMPLE_SEED
    draws = uniform(seed, stream_id("wu2019/samples"), 0, 5 * size).reshape(5, size)
    states = ((2.0 * draws[:4] - 1.0) * np.array(task.observation_scale)[:, None]).T.copy()
    actions = (draws[4] < 0.5).astype(np.int32)
    followers, failures, kernel = states.copy(), np.zeros(size, dtype=np.int32), task.kernel()
    for after, action, i in zip(followers, actions.tolist(), range(size), strict=True):
        failures[i] = kernel.step(after, action, kernel.parameters)
    return Samples(states, actions, followers, failures)


def initial(settings: Settings, limited: Limited) -> FloatArray:
    """Give the zero-knowledge agents' weights, ``[agents, weights]``."""
    network = network_of(settings)
    return np.array([network.initial_weights(5, settings.seed + a) for a in range(limited.agents)])


def agents_of(settings: Settings, limited: Limited, network: CrossbarActorCritic) -> Agents:
    """Give the agents: all on the standard pendulum."""
    seeds = range(settings.seed, settings.seed + limited.agents)
    return Agents(network, [settings.pendulum] * limited.agents, seeds, threads=settings.threads)


def pre_train_off_policy(
    agents: Agents, weights: FloatArray, samples: Samples, consumed: int, progress: Progress | None = None
) -> FloatArray:
    """Learn from stored samples with importance weights; every agent draws its own order.

    Parameters
    ----------
    weights
        Zero-knowledge weights, ``[agents, weights]``.
    consumed
        Updates per agent.
    """
    module, found = kernel_module(agents), agents.checked(weights)
    real, size, count = agents.dtype, found.shape[1], len(found)
    scale = 1.0 / np.array(agents.tasks[0].observation_scale)
    bias = np.full((len(samples.actions), 1), agents.network.bias)
    before, after = (
        np.hstack([states * scale, bias]).astype(real) for states in (samples.states, samples.followers)
    )
    bases = np.array([stream_base(s, stream_id(SAMPLE_STREAM)) for s in agents.seeds], dtype=np.uint64)
    result = np.zeros((count, size))
    for first in range(0, count, LANES):
        some = np.minimum(
            np.arange(first, first + LANES), count - 1
        )  # the last agent fills the lanes left over
        lanes = lane_arrays(agents, size, 1)
        w = np.ascontiguousarray(found[some].T).reshape(-1)
        one = [lanes[name][0] for name in ("x", "ahead")]
        module.replay(
            consumed, np.dtype(real).type(0.5), bases[some], before, after, samples.actions, samples.failures, *one,
            lanes["y"], lanes["later"], lanes["z"][0], lanes["surprise"][0], lanes["failed"][0], lanes["learns"][0], w,
            np.zeros(LANES, np.int32), np.full(LANES, agents.network.gamma, real), lanes["change"], lanes["plus"],
            lanes["minus"], lanes["speed"], lanes["writes"], lanes["numbers"],
        )  # fmt: skip
        result[some] = w.reshape(size, LANES).T
        if progress is not None:
            progress(consumed * min(LANES, count - first))
    return np.clip(result, -agents.network.w_max, agents.network.w_max)


class Curve(NamedTuple):
    """Re-training along its checkpoints, the first before it begins."""

    updates: FloatArray
    """Updates per weight, mean over agents, ``[checkpoints]``."""
    samples: FloatArray
    """Samples of all actor-learners, ``[checkpoints]``."""
    t2f: FloatArray
    """Mean length of the test trials, ``[agents, checkpoints]``."""
    weights: FloatArray
    """Weights of the first agent, ``[checkpoints, weights]``."""


def re_train(
    settings: Settings,
    limited: Limited,
    network: CrossbarActorCritic,
    weights: FloatArray,
    learners: int,
    progress: Progress | None = None,
) -> Curve:
    """Re-train by synchronous actor-learners (algorithm 1) and test at the checkpoints."""
    agents = agents_of(settings, limited, network)
    states = settings.states("re-training", settings.re_training_states)
    limits = Limits(limited.marks(learners), NEVER, by_steps=True, learners=learners)
    trained = train(agents, weights, states, limits, progress)
    plain = dataclasses.replace(agents, network=dataclasses.replace(network, rule="exact", device=None))
    test_states = settings.states("test", settings.test_states)
    stages = np.concatenate([weights[:, None], trained.weights], axis=1)
    t2f = [
        trial_lengths(plain, stages[:, k], test_states, settings.test_trials, progress).mean(axis=1)
        for k in range(stages.shape[1])
    ]
    return Curve(
        np.append(0.0, trained.updates.mean(axis=0)),
        np.append(0.0, trained.steps.mean(axis=0) * learners),
        np.stack(t2f, axis=1),
        stages[0],
    )
