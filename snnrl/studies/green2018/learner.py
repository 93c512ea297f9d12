"""`PolicyBatch`: policy gradients on policies of low precision, several side by side, from first weights to evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snnrl.networks.dense_options import Vpg
from snnrl.networks.dense_torch import DenseActorCritic
from snnrl.plasticity.low_precision.cost import WORD
from snnrl.plasticity.low_precision.sharing import prune_smallest, share
from snnrl.plasticity.low_precision.stacked import StackedLinear, stack
from snnrl.plasticity.low_precision.weights import (
    Binary,
    BinaryActivation,
    FewValues,
    KBit,
    Ternary,
    keep_within_limit,
    parametrise,
)
from snnrl.studies.green2018.methods import METHODS, UPDATES, Method
from snnrl.studies.green2018.rollout import Batch, FloatArray, IntArray, Layers, Rollout
from snnrl.studies.green2018.settings import ENVIRONMENTS
from snnrl.studies.paper import first_run
from snnrl.tasks import Task, rewards
from snnrl.tasks.rewards import Reward
from snnrl.training.dense_vpg import advantages, initial_seed, normalised, policy_loss
from snnrl.training.result import NEVER, AgentRecord

ROWS = 400
"""Rows whose gradients are made at once: what they take then stays in the processor's caches."""


class PolicyBatch:
    """Policies of one kind, each with its own seed; critics, where there are any, only teach and are not changed.

    Each learns as a `VpgLearner` with its seed does; their sums are done side by side, in another order.

    Parameters
    ----------
    task, reward
        The task and the reward bound to it.
    seeds
        Of the policies.
    options
        Layers and numbers.
    method
        What is done to the policies.
    scaled
        Whether logits of few values have a learned scale.
    """

    def __init__(
        self, task: Task, reward: Reward, seeds: IntArray, options: Vpg, method: Method, scaled: bool = False
    ) -> None:
        self.seeds, self.options, self.method = seeds, options, method
        self.rollout = Rollout(task, reward, seeds)
        self.scale = torch.tensor(self.rollout.scale)
        networks = [
            DenseActorCritic.mlp(
                task.observation_size, task.n_actions, options.hidden, options.activation, False,
                task.observation_scale, torch.Generator().manual_seed(initial_seed(int(seed))),
            )
            for seed in seeds
        ]  # fmt: skip
        self.policy = stack([each.policy for each in networks])
        few = few_values(method)
        gain = 1.0
        if few is not None:
            parametrise(self.policy, few)
            gain = options.hidden[-1] ** -0.5 if scaled else 1.0
        self.gain = nn.Parameter(torch.full((len(seeds), 1, 1), gain), requires_grad=gain != 1.0)
        if method.binary_units:
            self.policy[1] = BinaryActivation()
        self.optimiser, self.entropy = self._new_optimiser(), options.entropy
        self.value = self.value_optimiser = None
        if options.advantage == "gae":
            self.value = stack([each.value for each in networks if each.value is not None])
            self.value_optimiser = torch.optim.Adam(self.value.parameters(), options.value_rate, fused=True)

    def _new_optimiser(self) -> torch.optim.Optimizer:
        """Return an optimiser of the policies' parameters as they now are."""
        parameters = [*self.policy.parameters(), *([self.gain] if self.gain.requires_grad else [])]
        optimiser = torch.optim.Adam(parameters, self.options.learning_rate, fused=True)
        keep_within_limit(self.policy, optimiser)
        return optimiser

    def set_step(self, part: float) -> None:
        """Set the policies' step size, and the weight of their entropy, to a part of those that the options have."""
        self.entropy = part * self.options.entropy
        for group in self.optimiser.param_groups:
            group["lr"] = part * self.options.learning_rate

    def layers(self) -> Layers:
        """Return what the policies compute with now."""
        with torch.no_grad():
            self.policy(torch.zeros(len(self.seeds), 1, len(self.scale)))  # brings pruned weights up to date
            first, last = (each for each in self.policy if isinstance(each, StackedLinear))
            return Layers(
                first.weight.transpose(1, 2).contiguous().numpy(), first.bias.detach().numpy(),
                (self.gain * last.weight).contiguous().numpy(), (self.gain[:, 0] * last.bias).numpy(),
                self.method.binary_units,
            )  # fmt: skip

    def learn(self, first: int, count: int) -> Batch:
        """Play ``count`` episodes from number ``first`` on with every policy, and take one step of each."""
        batch = self.rollout.learning(self.layers(), first, count)
        self.update(batch)
        return batch

    def update(self, batch: Batch) -> None:
        """Take one step of every policy, and some of every critic."""
        seen = torch.from_numpy(batch.observations) / self.scale
        weights, targets = self._advantages(batch, seen)
        share_of_row = torch.from_numpy(_row_weights(batch))
        actions = torch.from_numpy(batch.actions)
        parts = [slice(row, row + ROWS) for row in range(0, seen.shape[1], ROWS)]

        def policy_part(rows: slice) -> Tensor:
            # Summed over policies; each policy's parameters see its own mean alone.
            logits = (self.gain * self.policy(seen[:, rows])).flatten(0, 1)
            acted, weight, own = (t[:, rows].flatten() for t in (actions, weights, share_of_row))
            return policy_loss(logits, acted, weight, self.entropy, own)

        _descend(self.optimiser, policy_part, parts)
        if self.value is None or self.value_optimiser is None:
            return
        critic = self.value

        def value_part(rows: slice) -> Tensor:
            errors = critic(seen[:, rows])[:, :, 0] - targets[:, rows]
            return torch.sum(errors.square() * share_of_row[:, rows])

        for _ in range(self.options.value_steps):
            _descend(self.value_optimiser, value_part, parts)

    def _advantages(self, batch: Batch, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the advantage of every row, and what its value should have been, each ``[policies, rows]``."""
        values, after = np.zeros(batch.rewards.shape), np.zeros(batch.lengths.shape)
        if self.value is not None:
            with torch.inference_mode():
                values = self.value(seen)[:, :, 0].double().numpy()
                after = self.value(torch.from_numpy(batch.last) / self.scale)[:, :, 0].double().numpy()
        weights, targets = np.zeros(values.shape, np.float32), np.zeros(values.shape, np.float32)
        for policy, steps in enumerate(batch.steps):
            found, aim = advantages(batch.of(policy), values[policy, :steps], after[policy], self.options)
            weights[policy, :steps] = normalised(found) if self.options.normalise else found
            targets[policy, :steps] = aim
        return torch.from_numpy(weights), torch.from_numpy(targets)

    def optimise(self, k: int, percent: float) -> None:
        """Do what the method does at half time; the rest is fine-tuning.

        Parameters
        ----------
        k
            Values that the weights of a layer share.
        percent
            Weights of a layer that go.
        """
        if self.method.shared:
            share(self.policy, k, int(self.seeds[0]))
        if self.method.pruned:
            prune_smallest(self.policy, percent)
        if self.method.shared or self.method.pruned:
            self.optimiser = self._new_optimiser()

    def kept(self) -> IntArray:
        """Return how many weights are not zero, ``[policies, layers]``."""
        layers = self.layers()
        return np.stack(
            [np.count_nonzero(w, axis=(1, 2)) for w in (layers.hidden_weights, layers.weights)], 1
        )


def _descend(
    optimiser: torch.optim.Optimizer, loss: Callable[[slice], Tensor], parts: Sequence[slice]
) -> None:
    """Take one step down the sum of the losses of parts of the rows."""
    optimiser.zero_grad()
    for part in parts:
        loss(part).backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def few_values(method: Method) -> FewValues | None:
    """Return what makes the weights of a method, None where they are of full precision from the beginning."""
    if method.ternary:
        return Ternary()
    if method.bits == 1:
        return Binary()
    return KBit(method.bits) if method.bits < WORD else None


def _row_weights(batch: Batch) -> FloatArray:
    """Return 1 over the policy's rows where there is one, else 0, ``[policies, rows]``, float32."""
    steps = batch.steps[:, None]
    return np.asarray((np.arange(batch.rewards.shape[1]) < steps) / steps, np.float32)


def train_policies(options: dict[str, Any]) -> bytes:
    """Train and evaluate some policies of one kind, side by side.

    Parameters
    ----------
    options
        ``environment, level, method, update, hidden, seed, count, episodes, evaluation_episodes, k, percent``; level is the mean
        return of 100 episodes that counts as solved.

    Returns
    -------
    bytes
        A checkpoint (`snnrl.training.checkpoint`) of their records, evaluated with actions drawn from the policy, with ``kept``:
        weights that are not zero, ``[policies, layers]``, and ``likeliest``: returns of the same episodes with the
        likeliest actions, ``[policies, episodes]``.
    """
    from snnrl.training.checkpoint import pack

    torch.set_num_threads(1)
    task = ENVIRONMENTS[options["environment"]].task
    reward = rewards.make("environment").bind(task)
    vpg = Vpg(hidden=(options["hidden"],), activation="tanh", **UPDATES[options["update"]].options)
    seeds = options["seed"] + np.arange(options["count"])
    update = UPDATES[options["update"]]
    learner = PolicyBatch(task, reward, seeds, vpg, METHODS[options["method"]], update.scaled)
    lengths, returns = _train(learner, options)
    layers, count = learner.layers(), options["evaluation_episodes"]
    evaluated = learner.rollout.evaluation(layers, count, greedy=False)
    likeliest = learner.rollout.evaluation(layers, count, greedy=True)[1]
    records = [
        AgentRecord(
            seed=int(seed),
            episode_lengths=lengths[i].astype(np.int32),
            episode_rewards=returns[i],
            evaluation_lengths=evaluated[0][i].astype(np.int32),
            evaluation_rewards=evaluated[1][i],
            solved_at=NEVER if math.isinf(at := first_run(returns[i], options["level"])) else int(at),
            spikes_per_step=float("nan"),
            writes_per_device=None,
        )
        for i, seed in enumerate(seeds)
    ]
    return pack({"kept": learner.kept(), "likeliest": likeliest}, records)


def _train(learner: PolicyBatch, options: dict[str, Any]) -> tuple[IntArray, FloatArray]:
    """Let policies learn; return the lengths and returns of their episodes, ``[policies, episodes]``."""
    half, episodes = options["episodes"] // 2, options["episodes"]
    lengths, returns = [], []
    for begin, end in ((0, half), (half, episodes)):
        for first in range(begin, end, learner.options.batch):
            learner.set_step(1.0 - first / episodes if UPDATES[options["update"]].falling else 1.0)
            batch = learner.learn(first, min(learner.options.batch, end - first))
            lengths.append(batch.lengths)
            returns.append(batch.returns)
        if end < episodes:
            learner.optimise(options["k"], options["percent"])
    return np.concatenate(lengths, axis=1), np.concatenate(returns, axis=1)
