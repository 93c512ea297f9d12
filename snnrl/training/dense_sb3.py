"""A2C, PPO and DQN of Stable-Baselines3, in blocks after which an agent can be saved and go on bit for bit."""

from __future__ import annotations

import random as python_random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from snnrl import random
from snnrl.engines.books import State
from snnrl.networks.dense import DenseNetwork
from snnrl.networks.dense_options import A2c, DenseOptions, Dqn, Ppo
from snnrl.networks.dense_sb3 import policy_network
from snnrl.training.dense_slots import Finished, Stage
from snnrl.training.dense_vec_env import EpisodesVecEnv
from snnrl.training.dense_vpg import initial_seed, optimiser_arrays, restore_optimiser

BLOCK = 1000
"""Environment steps between two states that can be saved."""
NO_LOG = 10**12
BLOCK_STREAM = "dense/block"
_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Sb3Learner:
    """One agent that learns by an algorithm of Stable-Baselines3.

    It draws from the global random numbers of torch and numpy, which every block seeds from the agent's seed and the
    number of the block and then puts back: nothing outside can change a block.

    Parameters
    ----------
    stage
        Its world.
    options
        Layers and algorithm.
    """

    def __init__(self, stage: Stage, options: DenseOptions) -> None:
        self.stage, self.options, self.blocks = stage, options, 0
        size = options.environments if isinstance(options, A2c) else 1
        self.episodes = EpisodesVecEnv(stage, size)
        with _seeded(initial_seed(stage.seed)):
            self.model = make_model(options, self.episodes)
        self.model._last_obs = self.episodes.reset()
        self.model._last_episode_starts = np.ones(size, dtype=bool)

    def block(self, first: int, most: int, recent: float) -> tuple[list[Finished], int]:
        """Learn for about `BLOCK` environment steps; see `VpgLearner.block`.

        Episodes run on from block to block, so more than ``most`` may end in it.
        """
        self.episodes.recent = recent
        before = self.model.num_timesteps
        key = random.bits(self.stage.seed, random.stream_id(BLOCK_STREAM), self.blocks, 1)
        with _seeded(int(key[0])) as seed:
            self.model.action_space.seed(seed)
            self.model.learn(BLOCK, log_interval=NO_LOG, reset_num_timesteps=False)
        self.blocks += 1
        return self.episodes.take_finished(), self.model.num_timesteps - before

    def to_network(self) -> DenseNetwork:
        """Return what was learned so far."""
        task = self.stage.task
        arrays = {name: each.numpy() for name, each in self.model.policy.state_dict().items()}
        scale = np.asarray(task.observation_scale)
        return policy_network(arrays, self.options.activation, (task.observation_size,), scale)

    def save(self) -> State:
        """Return everything the next block depends on."""
        model: Any = self.model
        state: State = {
            f"policy/{name}": each.numpy().copy() for name, each in model.policy.state_dict().items()
        }
        state |= {
            f"optimiser/{name}": array for name, array in optimiser_arrays(model.policy.optimizer).items()
        }
        state |= {f"episodes/{name}": array for name, array in self.episodes.save().items()}
        state |= {"last_obs": model._last_obs.copy(), "starts": model._last_episode_starts.copy(),
                  "counts": np.array([self.blocks, model.num_timesteps, model._n_updates])}  # fmt: skip
        if isinstance(model, DQN):
            buffer: Any = model.replay_buffer
            state |= {f"buffer/{name}": getattr(buffer, name).copy() for name in _BUFFER}
            state["buffer/place"] = np.array([buffer.pos, int(buffer.full), model._n_calls])
        return state

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        model: Any = self.model
        parts = {name: _under(state, f"{name}/") for name in ("policy", "episodes", "buffer")}
        model.policy.load_state_dict({name: torch.tensor(array) for name, array in parts["policy"].items()})
        restore_optimiser(model.policy.optimizer, state, "optimiser/")
        self.episodes.restore(parts["episodes"])
        model._last_obs, model._last_episode_starts = state["last_obs"].copy(), state["starts"].copy()
        self.blocks, model.num_timesteps, model._n_updates = (int(count) for count in state["counts"])
        if isinstance(model, DQN):
            buffer: Any = model.replay_buffer
            for name in _BUFFER:
                getattr(buffer, name)[:] = parts["buffer"][name]
            place = parts["buffer"]["place"]
            buffer.pos, buffer.full, model._n_calls = int(place[0]), bool(place[1]), int(place[2])
            model.exploration_rate = model.exploration_schedule(
                0.0
            )  # theirs is set after a step, for the next


def make_model(options: DenseOptions, env: VecEnv) -> BaseAlgorithm:
    """Return a fresh algorithm of Stable-Baselines3 with the numbers of the options."""
    layers: dict[str, Any] = {
        "activation_fn": _ACTIVATIONS[options.activation],
        "net_arch": list(options.hidden),
    }
    if options.shared:
        layers |= {"net_arch": [], "features_extractor_class": SharedTrunk,
                   "features_extractor_kwargs": {"hidden": options.hidden, "activation": options.activation}}  # fmt: skip
    common: dict[str, Any] = {"learning_rate": options.learning_rate, "gamma": options.gamma, "device": "cpu",
                              "policy_kwargs": layers}  # fmt: skip
    model = (
        _make_dqn(options, env, common) if isinstance(options, Dqn) else _make_on_policy(options, env, common)
    )
    # Its own logger would leave an empty folder in the system's temporary folder for every agent.
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model


def _make_on_policy(options: DenseOptions, env: VecEnv, common: dict[str, Any]) -> A2C | PPO:
    assert isinstance(options, A2c)
    common |= {"n_steps": options.steps, "gae_lambda": options.gae_lambda, "ent_coef": options.entropy,
               "vf_coef": options.value_weight}  # fmt: skip
    if not isinstance(options, Ppo):
        return A2C("MlpPolicy", env, **common)
    return PPO("MlpPolicy", env, batch_size=options.batch, n_epochs=options.epochs, clip_range=options.clip,
               **common)  # fmt: skip


def _make_dqn(options: Dqn, env: VecEnv, common: dict[str, Any]) -> DQN:
    model = DQN(
        "MlpPolicy", env, buffer_size=options.buffer, learning_starts=options.learning_starts,
        batch_size=options.batch, train_freq=options.train_every, gradient_steps=options.gradient_steps,
        target_update_interval=options.target_every, **common,
    )  # fmt: skip

    def probability(_: float) -> float:
        """Return the probability of a random action; theirs depends on a total that is not known here."""
        done = min(model.num_timesteps / options.exploration_steps, 1.0)
        return 1.0 + done * (options.exploration_final - 1.0)

    model.exploration_schedule = probability
    return model


class SharedTrunk(BaseFeaturesExtractor):
    """Hidden layers under both heads.

    Parameters
    ----------
    observation_space
        A Box of one dimension.
    hidden
        Sizes of the layers.
    activation
        ``relu`` or ``tanh``.
    """

    def __init__(
        self, observation_space: gymnasium.Space[Any], hidden: Sequence[int], activation: str
    ) -> None:
        super().__init__(observation_space, hidden[-1])
        assert observation_space.shape is not None
        layers: list[nn.Module] = []
        for inputs, outputs in zip((observation_space.shape[0], *hidden), hidden, strict=False):
            layers += [nn.Linear(inputs, outputs), _ACTIVATIONS[activation]()]
        self.trunk = nn.Sequential(*layers)

    def forward(self, observations: Tensor) -> Tensor:
        """Return what both heads see, ``[batch, hidden]``."""
        features: Tensor = self.trunk(observations)
        return features


def _under(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


@contextmanager
def _seeded(seed: int) -> Iterator[int]:
    """Seed the global random numbers of Python, numpy and torch for the block, and put them back after it."""
    states = python_random.getstate(), np.random.get_state(), torch.get_rng_state()
    python_random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield seed
    finally:
        python_random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
