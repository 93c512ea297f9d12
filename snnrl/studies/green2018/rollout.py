"""`Rollout`: episodes of several policies with one hidden layer, played in compiled code.

The same episodes as `snnrl.training.dense_slots.play` with the same random numbers, without Python between two steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.world import physics_module
from snnrl.tasks import Task
from snnrl.tasks.rewards import Reward
from snnrl.training.dense_slots import Episodes
from snnrl.training.dense_vpg import ACTION_STREAM

FloatArray = NDArray[np.float64]
RealArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
EVALUATION = "task/evaluation-reset", f"evaluation/{ACTION_STREAM}"
"""Random streams of the evaluation: starts, and actions."""

_DRIVER = """

@njit(nogil=True, error_model='numpy', fastmath=True)
def logits_of(observation, scale, w1, b1, w2, b2, signs, hidden, out):
    for j in range(hidden.shape[0]):
        hidden[j] = b1[j]
    for i in range(scale.shape[0]):
        x = np.float32(observation[i]) / scale[i]
        for j in range(hidden.shape[0]):
            hidden[j] += x * w1[i, j]
    if signs:
        for j in range(hidden.shape[0]):
            hidden[j] = np.float32(1.0) if hidden[j] >= 0 else np.float32(-1.0)
    else:
        for j in range(hidden.shape[0]):
            # tanh(x) = 1 - 2 / (exp(2 x) + 1), of which the compiler makes vector code; beyond 9 it is 1 in float32
            bounded = min(max(hidden[j], np.float32(-9.0)), np.float32(9.0))
            hidden[j] = np.float32(1.0) - np.float32(2.0) / (math.exp(bounded + bounded) + np.float32(1.0))
    for k in range(out.shape[0]):
        total = b2[k]
        for j in range(hidden.shape[0]):
            total += hidden[j] * w2[k, j]
        out[k] = total


@njit(nogil=True, error_model='numpy')
def choose(out, greedy, base, step, slot):
    best, chosen = -1e300, 0
    if greedy:
        for k in range(out.shape[0]):
            if out[k] > best:
                best, chosen = float(out[k]), k
        return chosen
    low, high = step_key(base, step)
    for k in range(out.shape[0]):
        chance = uniform(low, high, slot * out.shape[0] + k) + 2.0**-33
        worth = out[k] - math.log(-math.log(chance))
        if worth > best:
            best, chosen = worth, k
    return chosen


@njit(nogil=True, cache=True, error_model='numpy')
def play_all(w1, b1, w2, b2, signs, greedy, starts, draws, first, longest, scale, task_p, reward_p, uniforms,
             before, world, seen, hidden, out, kept, observations, actions, rewards, lengths, returns, ended, last):
    for p in range(lengths.shape[0]):
        row = 0
        for e in range(lengths.shape[1]):
            low, high = step_key(starts[p], first + e)
            for k in range(uniforms.shape[0]):
                uniforms[k] = uniform(low, high, k)
            task_reset(world, uniforms, task_p)
            task_observe(world, seen, task_p)
            step, over, total = 0, False, 0.0
            while not over and step < longest:
                logits_of(seen, scale, w1[p], b1[p], w2[p], b2[p], signs, hidden, out)
                action = choose(out, greedy, draws[p], first * longest + step, e)
                if kept:
                    for k in range(seen.shape[0]):
                        observations[p, row, k] = seen[k]
                    actions[p, row] = action
                for k in range(world.shape[0]):
                    before[k] = world[k]
                over = task_step(world, action, task_p)
                task_observe(world, seen, task_p)
                step += 1
                gain = task_reward(before, world, over, step, 0.0, reward_p)
                if kept:
                    rewards[p, row] = gain
                total += gain
                row += 1
            lengths[p, e], returns[p, e], ended[p, e] = step, total, over
            for k in range(seen.shape[0]):
                last[p, e, k] = seen[k]
"""


class Batch(NamedTuple):
    """Episodes of several policies; those of one stand end to end along the rows, behind them are rows of zeros.

    Parameters
    ----------
    observations
        ``[policies, rows, variables]``.
    actions, rewards
        ``[policies, rows]``.
    lengths, returns, terminated
        Of every episode, ``[policies, episodes]``.
    last
        The observation after its last step, ``[policies, episodes, variables]``.
    """

    observations: RealArray
    actions: IntArray
    rewards: FloatArray
    lengths: IntArray
    returns: FloatArray
    terminated: NDArray[np.bool_]
    last: RealArray

    @property
    def steps(self) -> IntArray:
        """Rows that each policy has, ``[policies]``."""
        return np.asarray(self.lengths.sum(axis=1))

    def of(self, policy: int) -> Episodes:
        """Return the episodes of one policy."""
        rows = slice(0, int(self.steps[policy]))
        return Episodes(
            self.observations[policy, rows].astype(np.float64), self.actions[policy, rows],
            self.rewards[policy, rows], self.lengths[policy], self.terminated[policy],
            self.last[policy].astype(np.float64),
        )  # fmt: skip


class Layers(NamedTuple):
    """What policies compute with: weights and biases of the hidden layer and of the logits, policies first.

    Parameters
    ----------
    hidden_weights, hidden_biases
        ``[policies, variables, units]`` and ``[policies, units]``.
    weights, biases
        ``[policies, actions, units]`` and ``[policies, actions]``.
    signs
        Whether a hidden unit is the sign of its input; else it is the hyperbolic tangent.
    """

    hidden_weights: RealArray
    hidden_biases: RealArray
    weights: RealArray
    biases: RealArray
    signs: bool


class Rollout:
    """Plays episodes of a task whose physics are compiled.

    Parameters
    ----------
    task, reward
        The task and the reward bound to it.
    seeds
        One for every policy.
    """

    def __init__(self, task: Task, reward: Reward, seeds: IntArray) -> None:
        kernel = task.kernel()
        assert kernel is not None
        self.task, self.reward, self.kernel, self.seeds = task, reward, kernel, seeds
        self.module = physics_module(task, reward, _DRIVER)
        self.scale = np.array(task.observation_scale, np.float32)

    def _bases(self, stream: str) -> NDArray[np.uint64]:
        return np.array([random.stream_base(int(s), random.stream_id(stream)) for s in self.seeds], np.uint64)

    def learning(self, layers: Layers, first: int, count: int) -> Batch:
        """Play ``count`` episodes of every policy with actions drawn from it.

        Parameters
        ----------
        layers
            The policies.
        first
            Number of the first episode.
        count
            How many.
        """
        return self._play(layers, first, count, evaluating=False, greedy=False)

    def evaluation(self, layers: Layers, count: int, greedy: bool) -> tuple[IntArray, FloatArray]:
        """Play the first ``count`` episodes of the evaluation; return lengths and returns, ``[policies, episodes]``.

        Parameters
        ----------
        layers
            The policies.
        count
            How many.
        greedy
            Whether the likeliest action is taken; else it is drawn, as in learning.
        """
        batch = self._play(layers, 0, count, evaluating=True, greedy=greedy)
        return batch.lengths, batch.returns

    def _play(self, layers: Layers, first: int, count: int, evaluating: bool, greedy: bool) -> Batch:
        policies, (variables, units) = len(self.seeds), layers.hidden_weights.shape[1:]
        rows = 1 if evaluating else count * self.task.max_steps
        starts, draws = ("task/reset", ACTION_STREAM) if not evaluating else EVALUATION
        batch = Batch(
            np.zeros((policies, rows, variables), np.float32), np.zeros((policies, rows), np.int64),
            np.zeros((policies, rows)), np.zeros((policies, count), np.int64), np.zeros((policies, count)),
            np.zeros((policies, count), bool), np.zeros((policies, count, variables), np.float32),
        )  # fmt: skip
        state = self.kernel.state_size
        self.module.play_all(
            *layers, greedy, self._bases(starts), self._bases(draws), first, self.task.max_steps,
            self.scale, self.kernel.parameters, self.reward.p, np.zeros(self.kernel.n_uniforms), np.zeros(state),
            np.zeros(state), np.zeros(variables), np.zeros(units, np.float32),
            np.zeros(self.task.n_actions, np.float32), not evaluating, batch.observations, batch.actions,
            batch.rewards, batch.lengths, batch.returns, batch.terminated, batch.last,
        )  # fmt: skip
        longest = 1 if evaluating else int(batch.steps.max())
        return batch._replace(
            observations=batch.observations[:, :longest], actions=batch.actions[:, :longest],
            rewards=batch.rewards[:, :longest],
        )  # fmt: skip
