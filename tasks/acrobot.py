"""The Acrobot: same numbers as Gymnasium's Acrobot-v1, step by step.

Sutton (1996), Advances in Neural Information Processing Systems 8:1038, with the dynamics of Sutton & Barto's book, in
the order of operations of Gymnasium's ``AcrobotEnv``: one step of fourth-order Runge-Kutta per action.
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

TIME_STEP = 0.2
"""Seconds between decisions (Gymnasium's ``dt``)."""
GRAVITY = 9.8
"""Acceleration in m/s^2; a constant in Gymnasium's step, so no field of the task."""
START = 0.1
"""Half-width of the uniform start: rad and rad/s."""
MAX_VELOCITY_1, MAX_VELOCITY_2 = 4 * math.pi, 9 * math.pi
"""Largest angular velocities, rad/s."""
STATE = ("theta1", "theta2", "theta1_dot", "theta2_dot")


def acrobot_step(state: Vector, action: int, p: Vector) -> bool:
    """Advance the Acrobot by one step of ``dt``.

    With masses m, link length l1, centres of mass lc, moments of inertia I and torque a at the joint between the links::

        d1  = m1 lc1^2 + m2 (l1^2 + lc2^2 + 2 l1 lc2 cos(theta2)) + 2 I
        d2  = m2 (lc2^2 + l1 lc2 cos(theta2)) + I
        f2  = m2 lc2 g cos(theta1 + theta2 - pi/2)
        f1  = -m2 l1 lc2 theta2_dot (theta2_dot + 2 theta1_dot) sin(theta2) + (m1 lc1 + m2 l1) g cos(theta1 - pi/2) + f2
        theta2_dd = (a + f1 d2/d1 - m2 l1 lc2 theta1_dot^2 sin(theta2) - f2) / (m2 lc2^2 + I - d2^2/d1)
        theta1_dd = -(d2 theta2_dd + f1) / d1

    Squares are ``pow`` with an exponent that no compiler knows: the C library's ``pow(x, 2)``, which Gymnasium calls, and
    ``x * x`` differ in the last bit about once in a thousand.

    Parameters
    ----------
    state
        theta1, theta2 (rad, both 0 when hanging, theta2 relative to the first link), theta1_dot, theta2_dot (rad/s),
        shape ``[4]``; changed in place. Angles are wrapped to [-pi, pi], velocities cut at ``p[10]`` and ``p[11]``.
    action
        0, 1, 2: torque ``-p[0]``, 0, ``p[0]``.
    p
        torque, m1, m2, l1, lc1, lc2, I, g, dt, the exponent 2, largest theta1_dot and theta2_dot, start half-width.

    Returns
    -------
    bool
        True where the tip stands more than one link above the fixed joint: -cos(theta1) - cos(theta1 + theta2) > 1.
    """
    torque = (action - 1) * p[0]
    m1, m2, l1, lc1, lc2, inertia, g, dt, two = p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]
    theta1, theta2, dot1, dot2 = state[0], state[1], state[2], state[3]
    sum1 = sum2 = sum3 = sum4 = 0.0
    for stage in range(4):
        sine, cosine = math.sin(theta2), math.cos(theta2)
        d1 = m1 * (lc1 * lc1) + m2 * (l1 * l1 + lc2 * lc2 + 2 * l1 * lc2 * cosine) + inertia + inertia
        d2 = m2 * (lc2 * lc2 + l1 * lc2 * cosine) + inertia
        f2 = m2 * lc2 * g * math.cos(theta1 + theta2 - math.pi / 2.0)
        f1 = (
            -m2 * l1 * lc2 * math.pow(dot2, two) * sine
            - 2 * m2 * l1 * lc2 * dot2 * dot1 * sine
            + (m1 * lc1 + m2 * l1) * g * math.cos(theta1 - math.pi / 2)
            + f2
        )
        turn2 = (torque + d2 / d1 * f1 - m2 * l1 * lc2 * math.pow(dot1, two) * sine - f2) / (
            m2 * (lc2 * lc2) + inertia - math.pow(d2, two) / d1
        )
        turn1 = -(d2 * turn2 + f1) / d1
        weight = 1.0 if stage == 0 or stage == 3 else 2.0
        sum1, sum2 = sum1 + weight * dot1, sum2 + weight * dot2
        sum3, sum4 = sum3 + weight * turn1, sum4 + weight * turn2
        ahead = dt if stage == 2 else dt / 2.0
        theta1, theta2 = state[0] + ahead * dot1, state[1] + ahead * dot2
        dot1, dot2 = state[2] + ahead * turn1, state[3] + ahead * turn2
    theta1, theta2 = state[0] + dt / 6.0 * sum1, state[1] + dt / 6.0 * sum2
    while theta1 > math.pi:
        theta1 -= 2 * math.pi
    while theta1 < -math.pi:
        theta1 += 2 * math.pi
    while theta2 > math.pi:
        theta2 -= 2 * math.pi
    while theta2 < -math.pi:
        theta2 += 2 * math.pi
    state[0], state[1] = theta1, theta2
    state[2] = min(max(state[2] + dt / 6.0 * sum3, -p[10]), p[10])
    state[3] = min(max(state[3] + dt / 6.0 * sum4, -p[11]), p[11])
    return -math.cos(theta1) - math.cos(theta2 + theta1) > 1.0


def acrobot_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Start near hanging: every variable uniform in +-``p[12]``, rounded to float32 as Gymnasium does.

    The rounding is Veltkamp's splitting at 24 bits (Dekker 1971, Numer. Math. 18:224).
    """
    for i in range(4):
        value = -p[12] + (p[12] + p[12]) * uniforms[i]
        scaled = value * 536870913.0  # 2^29 + 1
        state[i] = scaled - (scaled - value)


def acrobot_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show the whole state."""
    for i in range(4):
        observation[i] = state[i]


def acrobot_reward(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Gymnasium's own reward: -1 for every step, 0 for the one that reaches the goal."""
    return 0.0 if terminated else -1.0


@register("acrobot")
@dataclasses.dataclass(frozen=True)
class Acrobot(Task):
    """Swing two links, driven only at the joint between them, until the tip stands one link above the fixed joint.

    The kernel's numbers are those of ``gymnasium.make("Acrobot-v1")`` bit for bit. The network sees the two angles and
    the two angular velocities of the state; Gymnasium shows the cosine and sine of the angles in their place. The angles
    are periodic: the code of pi is that of -pi.

    Parameters
    ----------
    torque
        Torque of actions 0 and 2 in N m.
    mass_1, mass_2
        Masses of the links in kilograms.
    length_1
        Length of the first link in metres; that of the second is nowhere in the dynamics.
    centre_1, centre_2
        Distance of each link's centre of mass from its joint in metres.
    inertia
        Moment of inertia of either link in kg m^2.
    steps
        Steps after which an episode is truncated.

    Raises
    ------
    InvalidValueError
        If a number is not positive and finite.
    """

    name: ClassVar[str] = "acrobot"
    torque: float = 1.0
    mass_1: float = 1.0
    mass_2: float = 1.0
    length_1: float = 1.0
    centre_1: float = 0.5
    centre_2: float = 0.5
    inertia: float = 1.0
    steps: int = 500

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_positive(f"Acrobot.{field.name}", getattr(self, field.name))
        if type(self.steps) is not int:
            raise InvalidValueError("Acrobot.steps", self.steps, "a whole number >= 1")

    @property
    def state_names(self) -> tuple[str, ...]:
        """The four variables of the physics."""
        return STATE

    @property
    def observation_names(self) -> tuple[str, ...]:
        """The network sees the whole state."""
        return STATE

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units."""
        return (
            "angle of link 1 (rad)",
            "angle of link 2 (rad)",
            "angular velocity of link 1 (rad/s)",
            "angular velocity of link 2 (rad/s)",
        )

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """Half a turn for the angles, 3 and 6 rad/s for the velocities."""
        return math.pi, math.pi, 3.0, 6.0

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """The angles are bounded; the velocities have limits, but far above what a swing-up needs."""
        return True, True, False, False

    @property
    def observation_periodic(self) -> tuple[bool, ...]:
        """The angles."""
        return True, True, False, False

    @property
    def n_actions(self) -> int:
        """Torque to one side, none, to the other."""
        return 3

    @property
    def max_steps(self) -> int:
        """The steps given."""
        return self.steps

    @property
    def env_step(self) -> float:
        """Network time per decision: 20 ms, a tenth of the time that passes in the physics."""
        return 0.02

    @property
    def solved_length(self) -> None:
        """None: the shorter the episode, the better."""

    @property
    def solved_return(self) -> float:
        """A mean return of -110 over 100 episodes."""
        return -110.0

    @property
    def default_reward(self) -> str:
        """The environment's own reward, shaped by energy."""
        return "acrobot-energy"

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give Gymnasium's own Acrobot with this task's parameters set on it."""
        import gymnasium

        env = gymnasium.make("Acrobot-v1", max_episode_steps=self.steps, render_mode=render_mode)
        physics: Any = env.unwrapped
        physics.AVAIL_TORQUE = [-self.torque, 0.0, self.torque]
        physics.LINK_MASS_1, physics.LINK_MASS_2 = self.mass_1, self.mass_2
        physics.LINK_LENGTH_1, physics.LINK_MOI = self.length_1, self.inertia
        physics.LINK_COM_POS_1, physics.LINK_COM_POS_2 = self.centre_1, self.centre_2
        return env

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions and their parameter array."""
        links = (self.mass_1, self.mass_2, self.length_1, self.centre_1, self.centre_2, self.inertia)
        limits = (MAX_VELOCITY_1, MAX_VELOCITY_2, START)
        return TaskKernel(
            step=acrobot_step,
            reset=acrobot_reset,
            observe=acrobot_observe,
            reward=acrobot_reward,
            state_size=4,
            n_uniforms=4,
            parameters=np.array([self.torque, *links, GRAVITY, TIME_STEP, 2.0, *limits]),
        )
