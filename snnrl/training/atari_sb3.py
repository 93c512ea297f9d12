"""Double DQN and PPO of Stable-Baselines3 on Atari games, in blocks after which learning can be saved and go on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.logger import Logger
from torch import Tensor

from snnrl import random
from snnrl.tasks.atari import Atari, Protocol
from snnrl.training.atari_options import AtariOptions, Ddqn, Ppo
from snnrl.training.atari_replay import FrameReplay
from snnrl.training.atari_vec_env import AtariVecEnv, State
from snnrl.training.dense_sb3 import BLOCK_STREAM, NO_LOG, _seeded, _under
from snnrl.training.dense_vpg import initial_seed

BLOCK = 200
"""Decisions of double Q-learning between two states that can be saved."""
LEARNING = Protocol(preprocessing="ddqn", life_ends_episode=True, epsilon=0.0)
"""Rules of play while learning; exploration is the algorithm's own."""
_SCHEDULES = ("lr_schedule", "exploration_schedule", "clip_range")
"""Functions of a model that lead to the model itself."""


def double_values(online: Tensor, target: Tensor) -> Tensor:
    """Return the target network's values of the actions that the online network prefers, ``[batch, 1]``.

    van Hasselt, Guez and Silver (2016), equation 4; both arguments ``[batch, actions]``.
    """
    return target.gather(1, online.argmax(dim=1, keepdim=True))


class DoubleDqn(DQN):
    """DQN with double targets.

    Stable-Baselines3 takes the largest of what the target network returns, which here is the one value that the
    online network chooses.
    """

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Take gradient steps."""
        target: Any = self.q_net_target

        def chosen(observations: Tensor) -> Tensor:
            return double_values(self.q_net(observations), target(observations))

        chosen_values: Any = chosen
        self.q_net_target = chosen_values
        try:
            super().train(gradient_steps, batch_size)
        finally:
            self.q_net_target = target


class AtariLearner:
    """One learner and its games.

    It draws from the global random numbers of torch and numpy, which every block seeds from the seed and the number of
    the block and then puts back.

    Parameters
    ----------
    game
        Name of the game.
    options
        Algorithm and numbers.
    seed
        Of games, weights and exploration.
    device
        Where the network is trained.
    """

    def __init__(self, game: str, options: AtariOptions, seed: int, device: str = "auto") -> None:
        self.options, self.seed, self.blocks = options, seed, 0
        self.environments = AtariVecEnv(Atari(game, options.environments, seed, LEARNING))
        with _seeded(initial_seed(seed)):
            self.model = make_model(options, self.environments, device)
        self.model._last_obs = self.environments.reset()
        self.model._last_episode_starts = np.ones(options.environments, dtype=bool)

    @property
    def steps(self) -> int:
        """Decisions learned from so far."""
        return self.model.num_timesteps

    def block(self) -> None:
        """Learn for one rollout of PPO, or for about `BLOCK` decisions."""
        key = random.bits(self.seed, random.stream_id(BLOCK_STREAM), self.blocks, 1)
        length = self.model.n_steps * self.options.environments if isinstance(self.model, PPO) else BLOCK
        with _seeded(int(key[0])) as seed:
            self.model.action_space.seed(seed)
            self.model.learn(length, log_interval=NO_LOG, reset_num_timesteps=False)
        self.blocks += 1

    def to_zip(self) -> bytes:
        """Return the model as Stable-Baselines3 saves it: the teacher."""
        content = io.BytesIO()
        self.model.save(content, exclude=_SCHEDULES)
        return content.getvalue()

    def save(self) -> State:
        """Return everything the next block depends on."""
        model: Any = self.model
        state: State = {f"games/{name}": array for name, array in self.environments.save().items()}
        state |= {"model": np.frombuffer(self.to_zip(), np.uint8), "starts": model._last_episode_starts.copy(),
                  "last_obs": model._last_obs.copy(),
                  "counts": np.array([self.blocks, model.num_timesteps, model._n_updates])}  # fmt: skip
        if isinstance(model, DQN):
            buffer: Any = model.replay_buffer
            state |= {f"buffer/{name}": array for name, array in buffer.save().items()}
            state["calls"] = np.array(model._n_calls)
        return state

    def restore(self, state: State) -> None:
        """Put back what `save` returned; of the model only tensors are read."""
        model: Any = self.model
        model.set_parameters(io.BytesIO(state["model"].tobytes()), device=model.device)
        self.environments.restore(_under(state, "games/"))
        model._last_obs, model._last_episode_starts = state["last_obs"].copy(), state["starts"].copy()
        self.blocks, model.num_timesteps, model._n_updates = (int(count) for count in state["counts"])
        if isinstance(model, DQN):
            buffer: Any = model.replay_buffer
            buffer.restore(_under(state, "buffer/"))
            model._n_calls = int(state["calls"])
            model.exploration_rate = model.exploration_schedule(0.0)

    def act(self, stacks: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the best actions for stacks, ``[n]``."""
        with torch.inference_mode():
            return np.asarray(self.model.predict(stacks, deterministic=True)[0], np.int64)

    def close(self) -> None:
        """Close the emulators."""
        self.environments.close()


def make_model(options: AtariOptions, environments: AtariVecEnv, device: str) -> DQN | PPO:
    """Return a fresh model with the numbers of the options."""
    common: dict[str, Any] = {
        "learning_rate": options.learning_rate,
        "gamma": options.gamma,
        "device": device,
    }
    model: Any = (
        _ddqn(options, environments, common)
        if isinstance(options, Ddqn)
        else _ppo(options, environments, common)
    )
    # Its own logger would leave an empty folder in the system's temporary folder.
    model.set_logger(Logger(folder=None, output_formats=[]))
    return model  # type: ignore[no-any-return]


def _ddqn(options: Ddqn, environments: AtariVecEnv, common: dict[str, Any]) -> DQN:
    n = options.environments
    memory: Any = FrameReplay  # a buffer, but none of its class that keeps whole stacks
    model = DoubleDqn(
        "CnnPolicy", environments, buffer_size=options.buffer, learning_starts=options.learning_starts,
        batch_size=options.batch, train_freq=max(options.train_every // n, 1),
        gradient_steps=max(n // options.train_every, 1), target_update_interval=options.target_every,
        replay_buffer_class=memory, **common,
    )  # fmt: skip

    def probability(_: float) -> float:
        """Return the probability of a random action; theirs depends on a total that is not known here."""
        done = min(model.num_timesteps / options.exploration_steps, 1.0)
        return 1.0 + done * (options.exploration_final - 1.0)

    model.exploration_schedule = probability
    return model


def _ppo(options: AtariOptions, environments: AtariVecEnv, common: dict[str, Any]) -> PPO:
    assert isinstance(options, Ppo)
    model = PPO(
        "CnnPolicy", environments, n_steps=options.rollout, batch_size=options.batch, n_epochs=options.epochs,
        clip_range=options.clip, gae_lambda=options.gae_lambda, ent_coef=options.entropy,
        vf_coef=options.value_weight, **common,
    )  # fmt: skip

    def step_size(_: float) -> float:
        """Return the step size, which falls to 0 over all decisions; theirs knows those of a block only."""
        return options.learning_rate * max(1.0 - model.num_timesteps / options.steps, 0.0)

    model.lr_schedule = step_size
    return model
