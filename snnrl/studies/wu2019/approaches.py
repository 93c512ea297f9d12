"""The training approaches of section III.A.1, and what agents trained by each come to."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import SimulationError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.studies.wu2019.runner import Agents, Limits, Progress, Trained, train, trial_lengths
from snnrl.studies.wu2019.settings import FloatArray, Settings

INFERENCE = "inference"
BASELINE_GATE_AFTER = 2
"""Successful trials before PQ gating of untrained agents begins (docs/crossbar.md)."""
PRE_TRAINING_ROUNDS = 20
"""How often weight sets that failed are replaced before pre-training is given up."""


@dataclass(frozen=True)
class Approach:
    """One way to train.

    Parameters
    ----------
    name
        Unique.
    network
        How the agents learn.
    pre_trained
        Whether they begin with pre-trained weights.
    marks
        Criteria C at which they are tested; empty: tested as they are.
    record
        Trials whose lengths are kept.
    hardware_random
        Whether actions are drawn with the hardware's random bytes.
    """

    name: str
    network: CrossbarActorCritic
    pre_trained: bool
    marks: tuple[int, ...]
    record: int = 0
    hardware_random: bool = False


class Outcome(NamedTuple):
    """What came of an approach, per agent and criterion; arrays ``[agents, criteria]`` unless said otherwise."""

    t2f: FloatArray
    updates: NDArray[np.int64]
    steps: NDArray[np.int64]
    trials: NDArray[np.int64]
    successes: NDArray[np.int64]
    writes: NDArray[np.int64]
    """Pulses of every pair at the last criterion, ``[agents, weights]``; empty where weights change exactly."""
    lengths: NDArray[np.int32]
    """``[agents, trials]`` as far as recorded."""


def approaches(settings: Settings) -> dict[str, Approach]:
    """Give the approaches of Tables I and II by name."""
    base = settings.network
    change = functools.partial(dataclasses.replace, base)
    manhattan = functools.partial(change, gamma=0.75, rule="manhattan", gate=0.95)
    found = [
        Approach("baseline", base, False, (50,)),
        Approach("baseline-pq", change(gate=0.9, gate_after=BASELINE_GATE_AFTER), False, (50,)),
        Approach(INFERENCE, base, True, ()),
        Approach("exact", change(gamma=0.9), True, (50, 100)),
        Approach("exact-pq", change(gamma=0.9, gate=0.9), True, (100, 400)),
    ]
    for variable in (True, False):
        for case in ("ideal", "30%", "full"):
            device = dataclasses.replace(settings.device, thresholds=case)
            network = manhattan(variable_discount=variable, device=device)
            found.append(Approach(manhattan_name(variable, case), network, True, (50, 100, 150)))
    return {approach.name: approach for approach in found}


def manhattan_name(variable: bool, case: str) -> str:
    """Return the name of a Manhattan PQ approach: its discount rate and its device."""
    return f"manhattan-pq-{'variable' if variable else 'fixed'}-{case.rstrip('%')}"


def pre_train(settings: Settings, progress: Progress | None = None) -> FloatArray:
    """Pre-train every weight set on the standard pendulum, shape ``[sets, weights]``.

    A set that has not reached the criterion when its trials are used up has learned nothing that could be put on a
    crossbar; the next seed takes its place, as often as need be.
    """
    states = settings.states("pre-training", settings.pre_training_states)
    limits = Limits((settings.pre_training_criterion,), settings.pre_training_trials)
    seeds, found = settings.set_seeds(), np.zeros((0, 0))
    for _ in range(PRE_TRAINING_ROUNDS):
        agents = Agents(settings.network, [settings.pendulum] * len(seeds), seeds, threads=settings.threads)
        trained = train(agents, initial_weights(settings, seeds), states, limits, progress)
        able = trained.weights[trained.successes[:, -1] >= settings.pre_training_criterion, -1]
        found = able if found.size == 0 else np.concatenate([found, able])
        if len(found) == settings.sets:
            return found
        seeds = range(seeds.stop, seeds.stop + settings.sets - len(found))
    raise SimulationError(
        f"pre-training: {len(found)} of {settings.sets} weight sets reached C = {settings.pre_training_criterion} "
        f"in {PRE_TRAINING_ROUNDS} rounds of {settings.pre_training_trials} trials"
    )


def initial_weights(settings: Settings, seeds: range | None = None) -> FloatArray:
    """Give the random weight sets of these seeds, by default those of the study, shape ``[sets, weights]``."""
    n_inputs = settings.network.inputs(settings.pendulum)
    chosen = settings.set_seeds() if seeds is None else seeds
    return np.array([settings.network.initial_weights(n_inputs, seed) for seed in chosen])


def run(
    approach: Approach, settings: Settings, pre_trained: FloatArray, progress: Progress | None = None
) -> Outcome:
    """Train all agents by one approach, and test them at every criterion."""
    agents = Agents(
        approach.network, settings.agent_tasks(), settings.agent_seeds(), threads=settings.threads,
        hardware_random=approach.hardware_random,
    )  # fmt: skip
    sets = pre_trained if approach.pre_trained else initial_weights(settings)
    weights = sets[settings.set_of_agent()]
    if not approach.marks:
        none = np.zeros((len(weights), 1), dtype=np.int64)
        empty = np.zeros((0, weights.shape[1]), dtype=np.int64)
        trained = Trained(
            weights[:, None], none, none, none, none, empty[:, None], np.zeros((0, 0), np.int32)
        )
    elif approach.pre_trained:
        states = settings.states("re-training", settings.re_training_states)
        limits = Limits(approach.marks, settings.re_training_trials)
        trained = train(agents, weights, states, limits, progress, approach.record)
    else:
        states = settings.states("pre-training", settings.pre_training_states)
        limits = Limits(approach.marks, settings.pre_training_trials)
        trained = train(agents, weights, states, limits, progress, approach.record)
    return Outcome(
        _times_to_failure(agents, trained.weights, settings, progress),
        trained.updates,
        trained.steps,
        trained.trials,
        trained.successes,
        trained.writes[:, -1],
        trained.lengths,
    )


def _times_to_failure(
    agents: Agents, weights: FloatArray, settings: Settings, progress: Progress | None
) -> FloatArray:
    """Mean length of the test trials of every agent at every criterion, ``[agents, criteria]``."""
    plain = dataclasses.replace(
        agents, network=dataclasses.replace(agents.network, rule="exact", device=None)
    )  # a test writes nothing, and one kernel serves all rules
    states = settings.states("test", settings.test_states)
    return np.stack(
        [
            trial_lengths(plain, weights[:, k], states, settings.test_trials, progress).mean(axis=1)
            for k in range(weights.shape[1])
        ],
        axis=1,
    )
