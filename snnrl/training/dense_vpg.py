"""The plain policy gradient over whole episodes: its mathematics, and an agent that learns by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import Tensor, nn

from snnrl import random
from snnrl.engines.books import State
from snnrl.networks.dense import DenseNetwork
from snnrl.networks.dense_options import Vpg
from snnrl.networks.dense_torch import DenseActorCritic
from snnrl.training.dense_slots import Episodes, Finished, FloatArray, IntArray, Stage, play

ACTION_STREAM = "dense/action"


def discounted(values: FloatArray, rate: float) -> FloatArray:
    """Return ``y[t] = values[t] + rate * y[t + 1]`` along one episode, ``[steps]``."""
    return np.asarray(lfilter([1.0], [1.0, -rate], values[::-1])[::-1])


def advantages(
    episodes: Episodes, values: FloatArray, last_values: FloatArray, options: Vpg
) -> tuple[FloatArray, FloatArray]:
    """Return the advantage of every step and what its value should have been, each ``[steps]``.

    An episode cut off by its step limit goes on in the value of its last observation, except in the two kinds of
    advantage that are made of rewards alone.

    Parameters
    ----------
    episodes
        What was played.
    values
        Value of every step's observation, ``[steps]``.
    last_values
        Value of the observation after every episode, ``[episodes]``.
    options
        Kind of advantage, gamma and lambda.
    """
    after = np.where(episodes.terminated, 0.0, last_values)
    parts, targets = [], []
    for start, end, bootstrap in zip(episodes.bounds, episodes.bounds[1:], after, strict=False):
        rewards, value = episodes.rewards[start:end], values[start:end]
        ahead = np.append(value[1:], bootstrap)
        errors = rewards + options.gamma * ahead - value
        gae = discounted(errors, options.gamma * options.gae_lambda)
        targets.append(gae + value)
        if options.advantage == "gae":
            parts.append(gae)
        elif options.advantage == "return":
            parts.append(np.full(end - start, rewards.sum()))
        else:
            parts.append(discounted(rewards, options.gamma))
    return np.concatenate(parts), np.concatenate(targets)


def normalised(values: FloatArray) -> FloatArray:
    """Return the values with mean 0 and deviation 1."""
    return np.asarray((values - values.mean()) / (values.std() + 1e-8))


def policy_loss(
    logits: Tensor, actions: Tensor, advantage: Tensor, entropy: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """Return equation 4 of Green et al. (2018), ``-mean(log pi(a|s) A)``, less the weighted mean entropy.

    Parameters
    ----------
    logits
        ``[steps, actions]``.
    actions, advantage
        ``[steps]``.
    entropy
        Weight of the entropy.
    weights
        Of the steps in the means, ``[steps]``; None: all alike.
    """

    def mean(values: Tensor) -> Tensor:
        return values.mean() if weights is None else (values * weights).sum()

    log_pi = torch.log_softmax(logits, dim=1)
    loss = -mean(log_pi.gather(1, actions[:, None])[:, 0] * advantage)
    if entropy == 0.0:
        return loss
    return loss + entropy * mean((log_pi.exp() * log_pi).sum(dim=1))


def gumbel_noise(seed: int, stream: str, step: int, shape: tuple[int, int]) -> FloatArray:
    """Return standard Gumbel numbers: ``argmax(logits + noise)`` is a draw from their softmax (Gumbel 1954)."""
    uniform = random.uniform(seed, random.stream_id(stream), step, shape[0] * shape[1]) + 2.0**-33  # never 0
    return np.asarray(-np.log(-np.log(uniform)).reshape(shape))


class VpgLearner:
    """One agent that learns by the plain policy gradient.

    Parameters
    ----------
    stage
        Its world.
    options
        Layers and numbers.
    """

    def __init__(self, stage: Stage, options: Vpg) -> None:
        self.stage, self.options = stage, options
        task = stage.task
        generator = torch.Generator().manual_seed(initial_seed(stage.seed))
        self.network = DenseActorCritic.mlp(
            task.observation_size, task.n_actions, options.hidden, options.activation, options.shared,
            task.observation_scale, generator,
        )  # fmt: skip
        assert self.network.value is not None
        trunk = list(self.network.trunk.parameters())
        self.optimisers = {
            "policy": torch.optim.Adam([*trunk, *self.network.policy.parameters()], options.learning_rate),
            "value": torch.optim.Adam([*trunk, *self.network.value.parameters()], options.value_rate),
        }

    def block(self, first: int, most: int, recent: float) -> tuple[list[Finished], int]:
        """Play a batch of episodes and learn from it.

        Parameters
        ----------
        first
            Number of the first episode.
        most
            Most episodes.
        recent
            Mean length of the last 20 finished episodes.

        Returns
        -------
        finished
            The episodes played.
        steps
            Environment steps taken.
        """
        episodes = play(self.stage, first, min(self.options.batch, most), recent, self._chooser(first))
        self.update(episodes)
        return episodes.finished(), int(episodes.lengths.sum())

    def _chooser(self, first: int) -> Any:
        longest = self.stage.task.max_steps

        def choose(observations: FloatArray, step: int) -> IntArray:
            with torch.inference_mode():
                logits = self.network.logits(torch.tensor(observations, dtype=torch.float32)).numpy()
            # A batch's numbers are its first episode's, of which no other batch has any.
            noise = gumbel_noise(self.stage.seed, ACTION_STREAM, first * longest + step, logits.shape)
            return np.asarray(np.argmax(logits + noise, axis=1), dtype=np.int64)

        return choose

    def update(self, episodes: Episodes) -> None:
        """Take one step of the policy and some of the value."""
        seen = torch.tensor(episodes.observations, dtype=torch.float32)
        logits, values = self.network(seen)
        with torch.inference_mode():
            last_values = self.network(torch.tensor(episodes.last, dtype=torch.float32))[1]
        worth = values.detach().double().numpy(), last_values.double().numpy()
        advantage, target = advantages(episodes, *worth, self.options)
        if self.options.normalise:
            advantage = normalised(advantage)
        actions = torch.tensor(episodes.actions)
        weights = torch.tensor(advantage, dtype=torch.float32)
        self._descend("policy", policy_loss(logits, actions, weights, self.options.entropy))
        aim = torch.tensor(target, dtype=torch.float32)
        for _ in range(self.options.value_steps):
            self._descend("value", nn.functional.mse_loss(self.network(seen)[1], aim))

    def _descend(self, part: str, loss: Tensor) -> None:
        self.optimisers[part].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[part].step()

    def to_network(self) -> DenseNetwork:
        """Return what was learned so far."""
        return self.network.to_network()

    def save(self) -> State:
        """Return parameters and optimisers as arrays by name."""
        state = {
            f"parameter/{name}": each.detach().numpy().copy()
            for name, each in self.network.named_parameters()
        }
        for part, optimiser in self.optimisers.items():
            state |= {
                f"optimiser/{part}/{name}": array for name, array in optimiser_arrays(optimiser).items()
            }
        return state

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        with torch.no_grad():
            for name, each in self.network.named_parameters():
                each.copy_(torch.tensor(state[f"parameter/{name}"]))
        for part, optimiser in self.optimisers.items():
            restore_optimiser(optimiser, state, f"optimiser/{part}/")


def initial_seed(seed: int) -> int:
    """Return the seed of an agent's initial weights."""
    return int(random.bits(seed, random.stream_id("dense/initial"), 0, 1)[0])


def optimiser_arrays(optimiser: torch.optim.Optimizer) -> dict[str, NDArray[Any]]:
    """Return an optimiser's running averages as arrays by ``PARAMETER/NAME``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}/{name}": value.detach().numpy().copy()
        for i, each in state.items()
        for name, value in each.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, arrays: State, prefix: str) -> None:
    """Put back what `optimiser_arrays` returned, stored under a prefix."""
    state: dict[int, dict[str, Tensor]] = {}
    for key in arrays:
        if key.startswith(prefix):
            index, _, name = key.removeprefix(prefix).partition("/")
            state.setdefault(int(index), {})[name] = torch.tensor(arrays[key])
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
