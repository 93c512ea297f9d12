"""`LowPrecisionLearner`: a policy gradient on a policy of low precision, from first weights to final evaluation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import nn

from snnrl.networks.dense_options import Vpg
from snnrl.plasticity.low_precision.sharing import prune_smallest, share
from snnrl.plasticity.low_precision.weights import Binary, BinaryActivation, keep_within_limit, parametrise
from snnrl.studies.green2018.methods import METHODS, UPDATES, Method
from snnrl.studies.paper import first_run
from snnrl.training.dense_slots import FloatArray, IntArray, Stage, play
from snnrl.training.dense_vpg import VpgLearner
from snnrl.training.result import NEVER, AgentRecord


class LowPrecisionLearner(VpgLearner):
    """An agent whose policy has a low precision; its critic, which only teaches, has not.

    Parameters
    ----------
    stage
        Its world.
    options
        Layers and numbers.
    method
        What is done to the policy.
    """

    def __init__(self, stage: Stage, options: Vpg, method: Method) -> None:
        super().__init__(stage, options)
        self.method = method
        if method.binary_weights:
            parametrise(self.network.policy, Binary())
        if method.binary_units:
            hidden = (BinaryActivation() if not isinstance(m, nn.Linear) else m for m in self.network.policy)
            self.network.policy = nn.Sequential(*hidden)
        self._renew_optimiser()

    def _renew_optimiser(self) -> None:
        """Make an optimiser for the policy's parameters as they now are."""
        policy = self.network.policy
        self.optimisers["policy"] = torch.optim.Adam(policy.parameters(), self.options.learning_rate)
        keep_within_limit(policy, self.optimisers["policy"])

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
            share(self.network.policy, k, self.stage.seed)
        if self.method.pruned:
            prune_smallest(self.network.policy, percent)
        if self.method.shared or self.method.pruned:
            self._renew_optimiser()

    def evaluate(self, episodes: int) -> tuple[IntArray, FloatArray]:
        """Play episodes with the likeliest action; return their lengths and returns, ``[episodes]``."""

        def choose(observations: FloatArray, step: int) -> IntArray:
            with torch.inference_mode():
                logits = self.network.logits(torch.tensor(observations, dtype=torch.float32))
            return logits.argmax(dim=1).numpy()

        stage = dataclasses.replace(self.stage, evaluating=True)
        finished = play(stage, 0, episodes, 0.0, choose).finished()
        return np.array([each.length for each in finished]), np.array([each.reward for each in finished])


def train_policies(options: dict[str, Any]) -> bytes:
    """Train and evaluate some policies of one kind, one after the other.

    Parameters
    ----------
    options
        ``task, level, method, update, hidden, seed, count, episodes, evaluation_episodes, k, percent``; level is the mean
        return of 100 episodes that counts as solved.

    Returns
    -------
    bytes
        A checkpoint (`snnrl.training.checkpoint`) of their records, with ``kept``: weights that are not zero,
        ``[policies, layers]``.
    """
    from snnrl.engines.world import physics_module
    from snnrl.training.checkpoint import pack
    from snnrl.training.config import TrainingConfig

    torch.set_num_threads(1)
    config = TrainingConfig(task=options["task"], reward="environment", seeds=1)
    task, reward = config.make_task(), config.make_reward()
    module = physics_module(task, reward)
    method = METHODS[options["method"]]
    vpg = Vpg(hidden=(options["hidden"],), activation="tanh", **UPDATES[options["update"]].options)
    records, kept = [], []
    for seed in range(options["seed"], options["seed"] + options["count"]):
        learner = LowPrecisionLearner(Stage(task, reward, module, seed), vpg, method)
        records.append(_train(learner, options))
        kept.append(
            [int(torch.count_nonzero(m.weight)) for m in learner.network.policy if isinstance(m, nn.Linear)]
        )
    return pack({"kept": np.array(kept)}, records)


def _train(learner: LowPrecisionLearner, options: dict[str, Any]) -> AgentRecord:
    episodes, until = options["episodes"], options["level"]
    lengths: list[int] = []
    returns: list[float] = []
    for end in (episodes // 2, episodes):
        while len(lengths) < end:
            finished, _ = learner.block(len(lengths), end - len(lengths), 0.0)
            lengths += [each.length for each in finished]
            returns += [each.reward for each in finished]
        if end < episodes:
            learner.optimise(options["k"], options["percent"])
    evaluation_lengths, evaluation_returns = learner.evaluate(options["evaluation_episodes"])
    return AgentRecord(
        seed=learner.stage.seed,
        episode_lengths=np.array(lengths, dtype=np.int32),
        episode_rewards=np.array(returns),
        evaluation_lengths=evaluation_lengths.astype(np.int32),
        evaluation_rewards=evaluation_returns,
        solved_at=NEVER if math.isinf(at := first_run(np.array(returns), until)) else int(at),
        spikes_per_step=float("nan"),
        writes_per_device=None,
    )
