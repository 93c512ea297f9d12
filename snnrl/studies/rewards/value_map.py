"""What a trained critic thinks of the pole's angle and angular velocity: its value, state by state.

The agent plays one episode of a cart-pole that does not move by itself: it holds the cart still in the middle and goes
through a grid of angles and angular velocities, each held until the critic's rate has settled.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.registry import make_session
from snnrl.engines.session import Session
from snnrl.tasks import CartPole, TaskKernel, rewards
from snnrl.tasks.base import Vector
from snnrl.tasks.cartpole import ANGLE_LIMIT

HELD, SETTLING = 8, 4
"""Environment steps at each point, and how many of them come before the value is read."""
LARGEST_RATE = 2.0
"""Largest angular velocity of the grid (rad/s)."""


def grid_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Begin in the first corner; the last variable counts environment steps."""
    state[0] = 0.0
    state[1] = 0.0
    state[2] = -p[1]
    state[3] = -p[2]
    state[4] = 0.0


def grid_step(state: Vector, action: int, p: Vector) -> bool:
    """Go on to the next point of the grid after ``p[3]`` steps at one, angles first; never fails."""
    state[4] += 1.0
    point = int(state[4] / p[3])
    points = int(p[0])
    state[2] = p[1] * (2.0 * (point % points) / (points - 1.0) - 1.0)
    state[3] = p[2] * (2.0 * min(point // points, points - 1) / (points - 1.0) - 1.0)
    return False


@dataclasses.dataclass(frozen=True)
class StateGrid(CartPole):
    """A cart-pole that shows a grid of states, whatever the agent does.

    Parameters
    ----------
    points
        Angles, and angular velocities, of the grid.
    """

    name: ClassVar[str] = "state-grid"
    points: int = 2

    @property
    def max_steps(self) -> int:
        """Every point, held."""
        return self.points**2 * HELD

    def kernel(self) -> TaskKernel:
        """Give the walk over the grid as plain functions."""
        numbers = np.array([self.points, ANGLE_LIMIT, LARGEST_RATE, HELD])
        return dataclasses.replace(
            super().kernel(), step=grid_step, reset=grid_reset, state_size=5, parameters=numbers
        )


def axes(points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the angles (rad) and angular velocities (rad/s) of the grid."""
    steps = np.linspace(-1.0, 1.0, points)
    return ANGLE_LIMIT * steps, LARGEST_RATE * steps


def value_maps(session: Session, points: int) -> NDArray[np.float32]:
    """Return the critic's value at every point of the grid, with plasticity off.

    Parameters
    ----------
    session
        Trained agents with a critic, on a cart-pole that shows its whole state; left as it is.
    points
        Angles, and angular velocities, 2 or more; with fewer nothing is read.

    Returns
    -------
    ndarray
        ``[agents, angular velocities, angles]``; ``[agents, 0, 0]`` where nothing is read.
    """
    task = session.task
    if points < 2:
        return np.zeros((len(session.seeds), 0, 0), np.float32)
    assert isinstance(task, CartPole)  # the settings have checked it
    grid = StateGrid(**task.parameters(), points=points)
    reward = rewards.make("environment").bind(grid)
    walk = make_session("fast", session.model, grid, reward, session.seeds.tolist(), 1, "float64")
    walk.take_learned(session.save())
    walk.begin_evaluation(1)
    maps = [_value_map(walk, agent, points) for agent in range(len(session.seeds))]
    return np.array(maps, dtype=np.float32)


def _value_map(walk: Session, agent: int, points: int) -> NDArray[np.float64]:
    _, trace = walk.record_episode(agent, learning=False, exploration=0.0)
    held = trace[:, 0].reshape(points, points, HELD)
    return np.asarray(held[:, :, SETTLING:].mean(axis=2))
