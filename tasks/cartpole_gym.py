"""Gymnasium's cart-pole with the parameters of a :class:`~snnrl.tasks.cartpole.CartPole` task."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from snnrl.tasks.cartpole import CartPole

Observation = npt.NDArray[np.float32]


def make_cartpole(task: CartPole, render_mode: str | None) -> gymnasium.Env[Any, Any]:
    """Build the environment: the registered one, its attributes, and the difficulty setting around it.

    CartPole-v0 is CartPole-v1 with a limit of 200 steps; it is made from v1 because Gymnasium warns of v0.
    """
    env = gymnasium.make("CartPole-v1", max_episode_steps=task.max_steps, render_mode=render_mode)
    physics = env.unwrapped
    physics.gravity, physics.force_mag = task.gravity, task.force
    physics.length, physics.masspole, physics.masscart = task.pole_length / 2, task.pole_mass, task.cart_mass
    physics.total_mass = physics.masspole + physics.masscart
    physics.polemass_length = physics.masspole * physics.length
    return env if task.difficulty is None else BenchmarkCartPole(env, task)


class BenchmarkCartPole(gymnasium.Wrapper, gymnasium.utils.RecordConstructorArgs):  # type: ignore[misc]
    """The cart-pole under a difficulty setting: wider start, hidden velocities, an idle action.

    Parameters
    ----------
    env
        The cart-pole.
    task
        The task whose difficulty applies; ``task.difficulty`` must not be None.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], task: CartPole) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, task=task)
        gymnasium.Wrapper.__init__(self, env)
        self._task = task
        self._observed = list(task.observed)
        space = env.observation_space
        self.observation_space = gymnasium.spaces.Box(space.low[self._observed], space.high[self._observed])
        self.action_space = gymnasium.spaces.Discrete(task.n_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start uniformly in the setting's half-widths; ``options`` as for Gymnasium's cart-pole."""
        observation, info = self.env.reset(seed=seed, options=options)
        if options is None:
            width = np.array(self._task.start)
            self.unwrapped.state = self.unwrapped.np_random.uniform(-width, width)
            observation = self.unwrapped.state.astype(np.float32)
        return observation[self._observed], info

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Push with the task's force, or not at all for the idle action."""
        push = int(action) - (self._task.n_actions - 2)
        self.unwrapped.force_mag = self._task.force if push >= 0 else 0.0
        observation, reward, terminated, truncated, info = self.env.step(max(push, 0))
        return observation[self._observed], float(reward), terminated, truncated, info
