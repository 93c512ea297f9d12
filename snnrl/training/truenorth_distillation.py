"""A dense cart-pole actor distilled into a student under TrueNorth's constraints.

The student learns the teacher's answers, first on states of the teacher's episodes, then on those that the
student itself comes to: Ross, Gordon & Bagnell, *A reduction of imitation learning and structured prediction
to no-regret online learning* (AISTATS 2011), algorithm 3.1 (DAgger). The divergence is equation 6 of McKinstry et
al.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from snnrl import random
from snnrl.engines.truenorth.packed import PackedNetwork
from snnrl.networks.truenorth.cartpole import CARTPOLE, cartpole_frames
from snnrl.networks.truenorth.distillation import optimiser_of, settle_statistics, train_batch
from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.networks.truenorth.students import Student
from snnrl.training.dense_session import Policy
from snnrl.training.dense_slots import Choose, Episodes, FloatArray, IntArray, Stage, play

EPISODES, STEPS, BATCH, ROUNDS = 20, 400, 256, 3
"""Episodes of a look at a policy, batches in a round, states in a batch, and rounds."""
SPREADS = (0.2, 0.05)
"""Probability of a random action in the teacher's and in the student's episodes, to see more than the middle."""
SLOWER = 0.8
"""The step of a round over that of the one before."""
KEPT = 200_000
"""States remembered."""
SETTLED = 4096
"""Most states in a batch from which the statistics are recomputed."""


class StudentPolicy:
    """A student that plays from bit-packed spikes.

    Parameters
    ----------
    network
        The student.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        self.network, self.packed = network, PackedNetwork(network)

    def logits(self, observations: ArrayLike) -> FloatArray:
        """Return logits ``[batch, actions]`` for states ``[batch, 4]``."""
        return self.network.count_logits(self.packed.counts(cartpole_frames(observations)))

    def spikes(self, observations: ArrayLike) -> int:
        """Return the spikes of all layers, summed over states ``[batch, 4]``."""
        return int(self.packed.layer_spikes(cartpole_frames(observations)).sum())


class Round(NamedTuple):
    """What came of a round.

    Parameters
    ----------
    network
        The student after it.
    divergences
        Of every batch, before its step.
    length
        Mean length of episodes that the student played without random actions.
    """

    network: IntegerNetwork
    divergences: list[float]
    length: float


def best(rounds: list[Round]) -> IntegerNetwork:
    """Return the student of the longest episodes, the last of equals."""
    return max(reversed(rounds), key=lambda each: each.length).network


def distil(teacher: Policy, stage: Stage, first: int) -> Iterator[Round]:
    """Give the student after every round.

    Same seed, same numbers. Use one torch thread.

    Parameters
    ----------
    teacher
        The actor to learn from.
    stage
        The world, and the seed of the student.
    first
        Number of the first episode played; the ones behind it are used as well.
    """
    look = _numbered(stage, first)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(random.bits(stage.seed, random.stream_id("truenorth/initial"), 0, 1)[0]))
        student = Student(CARTPOLE, 2)
    optimiser, states = optimiser_of(student), look(teacher, SPREADS[0]).observations
    for number in range(ROUNDS):
        frames, answers = cartpole_frames(states), teacher.logits(states).astype(np.float32)
        for group in optimiser.param_groups:
            group["lr"] *= SLOWER
        divergences = []
        for step in range(number * STEPS, (number + 1) * STEPS):
            rows = _rows(stage.seed, step, len(frames))
            batch = torch.from_numpy(frames[rows]), torch.from_numpy(answers[rows])
            divergences.append(train_batch(student, optimiser, *batch))
        parts = -(-len(frames) // SETTLED)
        settle_statistics(student, (torch.from_numpy(frames[k::parts]) for k in range(parts)))
        network = student.to_integer()
        policy = StudentPolicy(network)
        seen = look(policy, SPREADS[1]).observations
        yield Round(network, divergences, float(look(policy, 0.0).lengths.mean()))
        states = np.concatenate([states, seen])[-KEPT:]


def _rows(seed: int, step: int, n: int) -> IntArray:
    return (random.uniform(seed, random.stream_id("truenorth/batch"), step, BATCH) * n).astype(np.int64)


def _numbered(stage: Stage, first: int) -> Callable[[Policy, float], Episodes]:
    """Return a function that plays the next episodes with a policy and a probability of random actions."""
    begun = first

    def look(policy: Policy, spread: float) -> Episodes:
        nonlocal begun
        found = play(stage, begun, EPISODES, 0.0, _chooser(policy, stage, begun, spread))
        begun += EPISODES
        return found

    return look


def _chooser(policy: Policy, stage: Stage, first: int, spread: float) -> Choose:
    stream, longest = random.stream_id("truenorth/exploration"), stage.task.max_steps

    def choose(observations: FloatArray, step: int) -> IntArray:
        n = len(observations)
        drawn, action = random.uniform(stage.seed, stream, first * longest + step, 2 * n).reshape(2, n)
        best_actions = policy.logits(observations).argmax(axis=1)
        return np.where(drawn < spread, (2 * action).astype(np.int64), best_actions)

    return choose
