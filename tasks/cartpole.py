"""The cart-pole: same numbers as Gymnasium's CartPole-v0 and CartPole-v1, step by step.

Barto, Sutton & Anderson (1983), IEEE Trans. SMC 13:834-846, appendix, without friction and with the
derivatives held over one Euler step, in the order of operations of Gymnasium's ``CartPoleEnv.step``.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snnrl.errors import UnknownNameError
from snnrl.tasks.base import FloatArray, Task, TaskKernel, Vector, check_positive, register

if TYPE_CHECKING:
    import gymnasium

TIME_STEP = 0.02
"""Seconds between decisions (Gymnasium's ``tau``)."""
POSITION_LIMIT = 2.4
"""Metres from the centre at which the cart has failed."""
ANGLE_LIMIT = 12 * 2 * math.pi / 360
"""Radians from upright at which the pole has failed (12 degrees)."""


def cartpole_step(state: Vector, action: int, p: Vector) -> bool:
    """Advance the cart-pole by one step of ``tau``.

    With pole half-length l, masses M (cart) and m (pole), force F::

        temp     = (F + m l theta_dot^2 sin(theta)) / (M + m)
        theta_dd = (g sin(theta) - cos(theta) temp) / (l (4/3 - m cos(theta)^2 / (M + m)))
        x_dd     = temp - m l theta_dd cos(theta) / (M + m)

    and an Euler step in which positions use the old velocities.

    Parameters
    ----------
    state
        x (m), x_dot (m/s), theta (rad), theta_dot (rad/s), shape ``[4]``; changed in place.
    action
        0: push left, 1: push right; one higher, with 0: do not push, where ``p[9]`` is 1.
    p
        g, F, l, m, M + m, m l, tau, x limit, theta limit, number of idle actions, start half-widths ``[4]``.

    Returns
    -------
    bool
        True where the cart or the pole left its limits.
    """
    x = state[0]
    x_dot = state[1]
    theta = state[2]
    theta_dot = state[3]
    push = action - int(p[9])
    force = p[1] if push == 1 else (-p[1] if push == 0 else 0.0)
    cosine = math.cos(theta)
    sine = math.sin(theta)
    temp = (force + p[5] * (theta_dot * theta_dot) * sine) / p[4]
    theta_dd = (p[0] * sine - cosine * temp) / (p[2] * (4.0 / 3.0 - p[3] * (cosine * cosine) / p[4]))
    x_dd = temp - p[5] * theta_dd * cosine / p[4]
    state[0] = x + p[6] * x_dot
    state[1] = x_dot + p[6] * x_dd
    state[2] = theta + p[6] * theta_dot
    state[3] = theta_dot + p[6] * theta_dd
    return abs(state[0]) > p[7] or abs(state[2]) > p[8]


def cartpole_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Start near upright: every variable uniform in its half-width around zero (``p[10:14]``)."""
    for i in range(4):
        low = -p[10 + i]
        state[i] = low + (p[10 + i] - low) * uniforms[i]


def cartpole_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show the whole state."""
    for i in range(4):
        observation[i] = state[i]


def cartpole_observe_positions(state: Vector, observation: Vector, p: Vector) -> None:
    """Show x and theta, hide the velocities."""
    observation[0] = state[0]
    observation[1] = state[2]


def cartpole_reward(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Gymnasium's own reward: 1 for every step taken, the last one included."""
    return 1.0


@dataclasses.dataclass(frozen=True)
class Difficulty:
    """One of the four settings of the cart-pole as a neuromorphic benchmark.

    Parameters
    ----------
    velocities
        Whether the network sees the two velocities.
    idle
        Whether there is an action that does not push (then action 0; left is 1, right is 2).
    idle_fraction
        Fraction of idle actions that :meth:`fitness` asks for; None where it asks for none.
    target
        Mean fitness, in steps, that the benchmark calls an achievement.
    """

    velocities: bool
    idle: bool
    idle_fraction: float | None
    target: float

    def fitness(self, steps: int, idle_steps: int) -> float:
        """Score of an episode in steps: its length, less where fewer steps were idle than asked for."""
        if self.idle_fraction is None or idle_steps > self.idle_fraction * steps:
            return float(steps)
        return idle_steps / self.idle_fraction


DIFFICULTIES: dict[str, Difficulty] = {
    "easy": Difficulty(velocities=True, idle=False, idle_fraction=None, target=14_250.0),
    "medium": Difficulty(velocities=True, idle=True, idle_fraction=0.75, target=12_000.0),
    "hard": Difficulty(velocities=False, idle=True, idle_fraction=None, target=9_000.0),
    "hardest": Difficulty(velocities=False, idle=False, idle_fraction=None, target=6_000.0),
}
_VERSIONS = {"v0": (200, 195.0), "v1": (500, 475.0)}  # step limit, solved at this mean over 100 episodes
_DIFFICULTY_STEPS = 15_000  # five minutes of 20 ms steps
_START = (0.05, 0.05, 0.05, 0.05)
_DIFFICULTY_START = (POSITION_LIMIT / 2, 0.05, 0.10475, 0.05)


@register("cartpole")
@register("cartpole-v0", version="v0")
@register("cartpole-easy", difficulty="easy")
@register("cartpole-medium", difficulty="medium")
@register("cartpole-hard", difficulty="hard")
@register("cartpole-hardest", difficulty="hardest")
@dataclasses.dataclass(frozen=True)
class CartPole(Task):
    """Balance a pole on a cart that can be pushed left or right.

    The kernel's numbers are those of ``gymnasium.make("CartPole-v1")`` bit for bit. The kernel shows the
    float64 state; Gymnasium rounds the observation it returns (not its state) to float32.

    ``difficulty`` selects one of the four settings of Plank, Rizzo, White & Schuman (2025), "The Cart-Pole
    Application as a Benchmark for Neuromorphic Computing", J. Low Power Electron. Appl. 15(1):5. The
    article's text was not available to us; the settings come from the authors' repository and from two
    independent re-implementations:

    ======== ============ ======================= ==================================================
    name     observed     actions                 score (``DIFFICULTIES[name].fitness``)
    ======== ============ ======================= ==================================================
    easy     all four     left, right             steps
    medium   all four     nothing, left, right    steps if over 75 % are idle, else idle steps / 0.75
    hard     x, theta     nothing, left, right    steps
    hardest  x, theta     left, right             steps
    ======== ============ ======================= ==================================================

    Actions and their order, and 15000 steps: TENNLab-UTK/framework-open, ``markdown/more_cartpole.md`` and
    ``cartpole_example.md``. Observations, the 75 %, and starts uniform in +-1.2 m, +-0.05 m/s, +-0.10475
    rad, +-0.05 rad/s: two re-implementations that agree with each other; targets: one of them. Doubt: the
    authors' own example 1 begins at 0.20 m/s and 0.40 rad/s, so their velocities may start wider.

    Parameters
    ----------
    version
        "v1": 500 steps, solved at a mean of 475. "v0": 200 steps, 195. No effect where ``difficulty`` is set.
    force
        Push in newtons.
    pole_length
        Whole length of the pole in metres (Gymnasium's ``length`` is half of it).
    pole_mass, cart_mass
        Masses in kilograms.
    gravity
        Acceleration in m/s^2.
    difficulty
        None, "easy", "medium", "hard" or "hardest".

    Raises
    ------
    InvalidValueError
        If a number is not positive and finite.
    UnknownNameError
        If the version or the difficulty is not known.
    """

    name: ClassVar[str] = "cartpole"
    version: str = "v1"
    force: float = 10.0
    pole_length: float = 1.0
    pole_mass: float = 0.1
    cart_mass: float = 1.0
    gravity: float = 9.8
    difficulty: str | None = None

    def __post_init__(self) -> None:
        if self.version not in tuple(_VERSIONS):
            raise UnknownNameError("CartPole.version", self.version, _VERSIONS)
        if self.difficulty is not None and self.difficulty not in tuple(DIFFICULTIES):
            raise UnknownNameError("CartPole.difficulty", self.difficulty, DIFFICULTIES)
        for key in ("force", "pole_length", "pole_mass", "cart_mass", "gravity"):
            check_positive(f"CartPole.{key}", getattr(self, key))

    @property
    def setting(self) -> Difficulty | None:
        """The difficulty setting, if one is selected."""
        return None if self.difficulty is None else DIFFICULTIES[self.difficulty]

    @property
    def start(self) -> tuple[float, float, float, float]:
        """Half-widths of the uniform start: m, m/s, rad, rad/s."""
        return _START if self.difficulty is None else _DIFFICULTY_START

    @property
    def state_names(self) -> tuple[str, ...]:
        """The four variables of the physics."""
        return ("x", "x_dot", "theta", "theta_dot")

    @property
    def observed(self) -> tuple[int, ...]:
        """Indices of the state variables that the network sees."""
        return (0, 1, 2, 3) if self.setting is None or self.setting.velocities else (0, 2)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """Names of what the network sees: all four variables, or x and theta."""
        return tuple(self.state_names[i] for i in self.observed)

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units."""
        labels = (
            "cart position (m)",
            "cart velocity (m/s)",
            "pole angle (rad)",
            "pole angular velocity (rad/s)",
        )
        return tuple(labels[i] for i in self.observed)

    @property
    def observation_limits(self) -> dict[str, float]:
        """Position and angle at which the task has failed."""
        return {"cart position (m)": POSITION_LIMIT, "pole angle (rad)": ANGLE_LIMIT}

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """The failure limits for the positions, 1.5 m/s and 1.5 rad/s for the velocities."""
        return tuple((POSITION_LIMIT, 1.5, ANGLE_LIMIT, 1.5)[i] for i in self.observed)

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """Positions are bounded by failure, velocities are not."""
        return tuple((True, False, True, False)[i] for i in self.observed)

    @property
    def n_actions(self) -> int:
        """Two, or three with an idle action."""
        return 3 if self.setting is not None and self.setting.idle else 2

    @property
    def max_steps(self) -> int:
        """The step limit of the version or of the difficulty setting."""
        return _VERSIONS[self.version][0] if self.difficulty is None else _DIFFICULTY_STEPS

    @property
    def env_step(self) -> float:
        """Network time per decision: the time that passes in the physics."""
        return TIME_STEP

    @property
    def solved_length(self) -> float:
        """Mean length that counts as solved."""
        return _VERSIONS[self.version][1] if self.setting is None else self.setting.target

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give Gymnasium's own cart-pole with this task's parameters set on it."""
        from snnrl.tasks.cartpole_gym import make_cartpole

        return make_cartpole(self, render_mode)

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions and their parameter array."""
        whole = len(self.observed) == 4
        return TaskKernel(
            step=cartpole_step,
            reset=cartpole_reset,
            observe=cartpole_observe if whole else cartpole_observe_positions,
            reward=cartpole_reward,
            state_size=4,
            n_uniforms=4,
            parameters=self._kernel_parameters(),
        )

    def _kernel_parameters(self) -> FloatArray:
        half_length = self.pole_length / 2
        total_mass = self.pole_mass + self.cart_mass
        physics = (
            self.gravity,
            self.force,
            half_length,
            self.pole_mass,
            total_mass,
            self.pole_mass * half_length,
        )
        limits = (TIME_STEP, POSITION_LIMIT, ANGLE_LIMIT)
        return np.array([*physics, *limits, self.n_actions - 2, *self.start])
