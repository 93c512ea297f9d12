"""Any Gymnasium environment with a one-dimensional Box observation and a Discrete action."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks.base import FloatArray, Task, register

if TYPE_CHECKING:
    import gymnasium

_NAMES = {
    "CartPole": ("x", "x_dot", "theta", "theta_dot"),
    "Acrobot": ("cos_theta1", "sin_theta1", "cos_theta2", "sin_theta2", "theta1_dot", "theta2_dot"),
    "MountainCar": ("position", "velocity"),
}
_UNBOUNDED = 1e30  # some environments write the largest float32 (3.4e38) where they mean infinity


class _Interface(NamedTuple):
    """What the environment was found to be."""

    scale: tuple[float, ...]
    bounded: tuple[bool, ...]
    n_actions: int
    max_steps: int


@register("gym")
@dataclasses.dataclass(frozen=True)
class GymTask(Task):
    """Any Gymnasium environment whose spaces fit: Box observation of one dimension, Discrete action.

    Parameters
    ----------
    env_id
        Id in Gymnasium's registry, for example "Acrobot-v1".
    scale
        Scale of each observed variable; default: the larger bound of the Box, and 1 where it is infinite.
        Variables with finite bounds are encoded as x/scale, the others as tanh(x/scale).
    steps
        Steps after which an episode is truncated; default: the environment's own limit.
    decision_time
        Network time per decision in seconds.

    Raises
    ------
    UnknownNameError
        If Gymnasium does not know the id.
    InvalidValueError
        If the spaces do not fit, or a parameter is out of its range.
    """

    name: ClassVar[str] = "gym"
    env_id: str
    scale: tuple[float, ...] | None = None
    steps: int | None = None
    decision_time: float = 0.02

    def __post_init__(self) -> None:
        if self.scale is not None:  # lists come from JSON
            object.__setattr__(self, "scale", tuple(self.scale))
        if not _is_positive(self.decision_time):
            raise InvalidValueError(
                "GymTask.decision_time", self.decision_time, "a finite number of seconds > 0"
            )
        if self.steps is not None and not (type(self.steps) is int and self.steps >= 1):
            raise InvalidValueError("GymTask.steps", self.steps, "a whole number >= 1")
        _ = self._interface  # looked at now, so that a wrong environment is refused here

    @functools.cached_property
    def _interface(self) -> _Interface:
        env = self.make()
        try:
            low, high = self._box_bounds(env.observation_space)
            n_actions = self._action_count(env.action_space)
            limit = self.steps or (env.spec.max_episode_steps if env.spec is not None else None)
        finally:
            env.close()
        if limit is None:
            raise InvalidValueError(
                f"GymTask.steps of {self.env_id}", None, "a number: it has no limit of its own"
            )
        bounded = np.isfinite(low) & np.isfinite(high) & (np.maximum(-low, high) < _UNBOUNDED)
        return _Interface(self._scales(low, high, bounded), tuple(bounded.tolist()), n_actions, int(limit))

    def _box_bounds(self, space: Any) -> tuple[FloatArray, FloatArray]:
        from gymnasium.spaces import Box

        if not isinstance(space, Box) or len(space.shape) != 1 or space.shape[0] < 1:
            raise InvalidValueError(f"observation space of {self.env_id}", space, "a Box of one dimension")
        return space.low.astype(np.float64), space.high.astype(np.float64)

    def _action_count(self, space: Any) -> int:
        from gymnasium.spaces import Discrete

        if not isinstance(space, Discrete) or space.n < 2 or space.start != 0:
            raise InvalidValueError(
                f"action space of {self.env_id}", space, "Discrete(n), n >= 2, counted from 0"
            )
        return int(space.n)

    def _scales(self, low: FloatArray, high: FloatArray, bounded: Any) -> tuple[float, ...]:
        if self.scale is None:
            larger = np.maximum(np.abs(low), np.abs(high))
            return tuple(np.where(bounded & (larger > 0), larger, 1.0).tolist())
        if len(self.scale) != len(low) or not all(map(_is_positive, self.scale)):
            raise InvalidValueError("GymTask.scale", self.scale, f"{len(low)} finite numbers > 0")
        return tuple(map(float, self.scale))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the observed variables, where the environment is known, else numbered."""
        known = _NAMES.get(self.env_id.rpartition("-v")[0])
        if known is not None and len(known) == len(self._interface.scale):
            return known
        return tuple(f"observation[{i}]" for i in range(len(self._interface.scale)))

    @property
    def observation_names(self) -> tuple[str, ...]:
        """The same: a Gymnasium environment shows no other state than its observation."""
        return self.state_names

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """The scale given, or the Box bounds."""
        return self._interface.scale

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """Whether the Box is finite, variable by variable."""
        return self._interface.bounded

    @property
    def n_actions(self) -> int:
        """Size of the Discrete action space."""
        return self._interface.n_actions

    @property
    def max_steps(self) -> int:
        """The steps given, or the limit in the environment's registration."""
        return self._interface.max_steps

    @property
    def env_step(self) -> float:
        """Network time per decision in seconds."""
        return self.decision_time

    @property
    def solved_length(self) -> float | None:
        """Known for the cart-pole only: elsewhere a longer episode is not a better one."""
        import gymnasium

        return gymnasium.spec(self.env_id).reward_threshold if self.env_id.startswith("CartPole-v") else None

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give a new environment."""
        import gymnasium

        if self.env_id not in tuple(gymnasium.registry):
            closest = difflib.get_close_matches(str(self.env_id), gymnasium.registry, n=5, cutoff=0.0)
            raise UnknownNameError("GymTask.env_id", self.env_id, closest)
        options = {} if self.steps is None else {"max_episode_steps": int(self.steps)}
        try:
            return gymnasium.make(self.env_id, render_mode=render_mode, **options)
        except (gymnasium.error.Error, ImportError) as error:
            raise InvalidValueError(
                "GymTask.env_id", self.env_id, f"an environment that can be made ({error})"
            ) from error

    def kernel(self) -> None:
        """None: the environment runs outside the compiled loop."""


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
