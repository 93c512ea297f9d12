"""A linear track: run to the goal at its right end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.tasks.base import Task, TaskKernel, Vector, check_positive, register

if TYPE_CHECKING:
    import gymnasium

TIME_STEP = 0.1
"""Seconds between decisions."""


def track_step(state: Vector, action: int, p: Vector) -> bool:
    """Run one step of ``speed * dt`` to one side; the walls at both ends stop the animal.

    Parameters
    ----------
    state
        Position in metres from the middle of the track, shape ``[1]``; changed in place.
    action
        0: to the left, 1: to the right. Where ``p[3]`` is 1 the animal is carried to the right whatever it wants.
    p
        Half of the track's length, distance run per step, half-width of the start around its middle, 1 for a carried
        animal, middle of the start.

    Returns
    -------
    bool
        True at the right end, where the goal is.
    """
    side = 1.0 if action == 1 or p[3] > 0.0 else -1.0
    state[0] = min(max(state[0] + side * p[1], -p[0]), p[0])
    return state[0] >= p[0]


def track_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Start at a place drawn evenly from the start area."""
    state[0] = p[4] - p[2] + (p[2] + p[2]) * uniforms[0]


def track_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show the position."""
    observation[0] = state[0]


def track_reward(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Charge 1 for every step; the one that reaches the goal is free."""
    return 0.0 if terminated else -1.0


@register("linear-track")
@dataclasses.dataclass(frozen=True)
class LinearTrack(Task):
    """Run left or right on a straight track until the goal at its right end is reached.

    The animal starts somewhere in the left half. Each step costs 1, the one that reaches the goal nothing, so with a
    discount the value of a place d steps away from the goal is ``gamma**(d - 1) - 1`` for an animal that runs straight:
    one less than the discounted reward of 1 at the goal.

    Frémaux, Sprekeler and Gerstner 2013 show their critic on a linear track; its length, the speed and the reward
    could not be retrieved, so the numbers here are ours.

    Parameters
    ----------
    length
        Length of the track in metres.
    speed
        Metres per second.
    carried
        The animal is carried to the goal at its speed, whatever its actions: what is left to learn is the value.
    steps
        Steps after which an episode is truncated.

    Raises
    ------
    InvalidValueError
        If a number is not positive and finite, or a step is longer than half of the track.
    """

    name: ClassVar[str] = "linear-track"
    length: float = 2.0
    speed: float = 0.5
    carried: bool = False
    steps: int = 200

    def __post_init__(self) -> None:
        for name in ("length", "speed", "steps"):
            check_positive(f"LinearTrack.{name}", getattr(self, name))
        if type(self.steps) is not int:
            raise InvalidValueError("LinearTrack.steps", self.steps, "a whole number >= 1")
        if type(self.carried) is not bool:
            raise InvalidValueError("LinearTrack.carried", self.carried, "true or false")
        if self.stride > self.length / 2:
            allowed = f"at most half of the track in a step of {TIME_STEP} s: {self.length / 2 / TIME_STEP:g}"
            raise InvalidValueError("LinearTrack.speed", self.speed, allowed)

    @property
    def stride(self) -> float:
        """Metres run per step."""
        return self.speed * TIME_STEP

    @property
    def state_names(self) -> tuple[str, ...]:
        """The position, in metres from the middle."""
        return ("position",)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """The same."""
        return self.state_names

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units."""
        return ("position from the middle of the track (m)",)

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """Half of the track."""
        return (self.length / 2,)

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """The track has two ends."""
        return (True,)

    @property
    def n_actions(self) -> int:
        """Left and right."""
        return 2

    @property
    def max_steps(self) -> int:
        """The steps given."""
        return self.steps

    @property
    def env_step(self) -> float:
        """Network time per decision: the time that passes on the track."""
        return TIME_STEP

    @property
    def solved_length(self) -> None:
        """None: the shorter the episode, the better."""

    @property
    def longest_run(self) -> int:
        """Steps of a straight run from the far end."""
        return int(np.ceil(self.length / self.stride - 1e-9))

    @property
    def solved_return(self) -> float:
        """A mean episode no longer than a straight run over the whole track."""
        return -float(self.longest_run)

    @property
    def default_reward(self) -> str:
        """The environment's own reward."""
        return "environment"

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give a Gymnasium environment with this task's parameters."""
        from snnrl.tasks.linear_track_gym import make_linear_track

        return make_linear_track(self, render_mode)

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions and their parameter array."""
        half = self.length / 2
        return TaskKernel(
            step=track_step,
            reset=track_reset,
            observe=track_observe,
            reward=track_reward,
            state_size=1,
            n_uniforms=1,
            parameters=np.array([half, self.stride, half / 2, float(self.carried), -half / 2]),
        )
