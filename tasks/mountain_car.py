"""The mountain car: same numbers as Gymnasium's MountainCar-v0, step by step.

Moore (1990), Efficient Memory-Based Learning for Robot Control, as in Sutton & Barto's book, in the order of operations
of Gymnasium's ``MountainCarEnv.step``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.tasks.base import Task, TaskKernel, Vector, check_positive, register

if TYPE_CHECKING:
    import gymnasium

LOW, HIGH, GOAL = -1.2, 0.6, 0.5
"""Ends of the track and position of the goal."""
MAX_SPEED = 0.07
"""Largest change of position per step."""
START = (-0.6, -0.4)
"""Bounds of the uniform start; the car is at rest there."""
STATE = ("position", "velocity")


def mountain_car_step(state: Vector, action: int, p: Vector) -> bool:
    """Advance the car by one step.

    ::

        velocity <- velocity + (action - 1) force - gravity cos(3 position), cut at the largest speed
        position <- position + velocity, cut at the ends of the track; the left end stops the car

    Parameters
    ----------
    state
        position, velocity (track units, and track units per step), shape ``[2]``; changed in place.
    action
        0: push left, 1: do not push, 2: push right.
    p
        force, gravity, left end, right end, goal, largest speed, bounds of the start ``[2]``.

    Returns
    -------
    bool
        True where the car is at the goal and does not roll back.
    """
    velocity = state[1] + ((action - 1) * p[0] + math.cos(3 * state[0]) * (-p[1]))
    velocity = min(max(velocity, -p[5]), p[5])
    position = min(max(state[0] + velocity, p[2]), p[3])
    if position == p[2] and velocity < 0:
        velocity = 0.0
    state[0] = position
    state[1] = velocity
    return position >= p[4] and velocity >= 0.0


def mountain_car_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Start at rest near the bottom of the valley."""
    state[0] = p[6] + (p[7] - p[6]) * uniforms[0]
    state[1] = 0.0


def mountain_car_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show the position from the middle of the track, and the velocity."""
    observation[0] = state[0] - 0.5 * (p[2] + p[3])
    observation[1] = state[1]


def mountain_car_reward(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Gymnasium's own reward: -1 for every step, the last one included."""
    return -1.0


@register("mountain-car")
@dataclasses.dataclass(frozen=True)
class MountainCar(Task):
    """Drive a car whose engine is too weak up a hill, by swinging back first.

    The kernel's numbers are those of ``gymnasium.make("MountainCar-v0")`` bit for bit. The network sees the position
    counted from the middle of the track, -0.3, so that both ends lie at the same distance, and the velocity.

    Parameters
    ----------
    force
        Change of velocity by the engine in one step.
    gravity
        Largest change of velocity by the slope in one step.
    steps
        Steps after which an episode is truncated.

    Raises
    ------
    InvalidValueError
        If a number is not positive and finite.
    """

    name: ClassVar[str] = "mountain-car"
    force: float = 0.001
    gravity: float = 0.0025
    steps: int = 200

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_positive(f"MountainCar.{field.name}", getattr(self, field.name))
        if type(self.steps) is not int:
            raise InvalidValueError("MountainCar.steps", self.steps, "a whole number >= 1")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The two variables of the physics."""
        return STATE

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Position from the middle of the track, and velocity."""
        return "offset", "velocity"

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units."""
        return "position from the middle of the track", "velocity (per step)"

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """Half of the track, and the largest speed."""
        return (HIGH - LOW) / 2, MAX_SPEED

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """Both have limits."""
        return True, True

    @property
    def n_actions(self) -> int:
        """Push left, do not push, push right."""
        return 3

    @property
    def max_steps(self) -> int:
        """The steps given."""
        return self.steps

    @property
    def env_step(self) -> float:
        """Network time per decision: 20 ms, as for the cart-pole; the physics counts in steps."""
        return 0.02

    @property
    def solved_length(self) -> None:
        """None: the shorter the episode, the better."""

    @property
    def solved_return(self) -> float:
        """A mean return of -110 over 100 episodes (the registration's reward threshold)."""
        return -110.0

    @property
    def default_reward(self) -> str:
        """The environment's own reward, shaped by energy."""
        return "car-energy"

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give Gymnasium's own mountain car with this task's parameters set on it."""
        import gymnasium

        env = gymnasium.make("MountainCar-v0", max_episode_steps=self.steps, render_mode=render_mode)
        physics: Any = env.unwrapped
        physics.force, physics.gravity = self.force, self.gravity
        return env

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions and their parameter array."""
        return TaskKernel(
            step=mountain_car_step,
            reset=mountain_car_reset,
            observe=mountain_car_observe,
            reward=mountain_car_reward,
            state_size=2,
            n_uniforms=1,
            parameters=np.array([self.force, self.gravity, LOW, HIGH, GOAL, MAX_SPEED, *START]),
        )
