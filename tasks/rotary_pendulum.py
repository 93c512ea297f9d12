"""The rotary inverted pendulum of Wu et al.: a Quanser SRV02 servo that turns an arm with a pendulum at its end.

Wu, Vincent, Strukov & Xie (2020), "Memristor Hardware-Friendly Reinforcement Learning", arXiv 2001.06930, section
II.A. The paper names the plant and its two varied parameters; equations and the other parameters are those of
Quanser's ROTPEN laboratory [20], which several public control designs agree on.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.tasks.base import Task, TaskKernel, Vector, register

if TYPE_CHECKING:
    import gymnasium

TIME_STEP = 0.02
"""Seconds between decisions (section III.A.2)."""
STANDARD_MASS = 0.127
STANDARD_LENGTH = 0.3365
"""Kilograms and metres of the averaged pendulum (section III.A)."""
VARIATIONS = (-0.10, -0.05, 0.0, 0.05, 0.10)
"""Relative changes of mass and of length: all pairs are the paper's 25 pendulums (section III.A.2)."""
STATE = ("theta", "theta_dot", "alpha", "alpha_dot")
_MOST_DEGREES = 89.0
"""The largest angle limit: beyond the horizontal a pendulum on a table cannot go."""


def rotary_step(state: Vector, action: int, p: Vector) -> bool:
    """Advance the pendulum by one step of the classical Runge-Kutta method (RK4).

    With arm angle theta, pendulum angle alpha (0 upright, growing when the arm is driven counter-clockwise)::

        (A + B sin(alpha)^2) theta'' - C cos(alpha) alpha''
            + 2 B sin(alpha) cos(alpha) theta' alpha' + C sin(alpha) alpha'^2 = torque - drag theta'
        -C cos(alpha) theta'' + D alpha'' - B sin(alpha) cos(alpha) theta'^2 - G sin(alpha) = -friction alpha'

    Parameters
    ----------
    state
        theta (rad), theta' (rad/s), alpha (rad), alpha' (rad/s), shape ``[4]``; changed in place.
    action
        0: clockwise push, 1: counter-clockwise push. There is no idle action.
    p
        A, B, C, D (kg m^2), G (N m), torque (N m), drag, friction (N m s/rad), time step (s), limits of alpha
        and of theta (rad), start half-widths ``[4]``.

    Returns
    -------
    bool
        True where the pendulum, or the arm, reached its limit.
    """
    theta_dot = state[1]
    alpha = state[2]
    alpha_dot = state[3]
    torque = p[5] if action == 1 else -p[5]
    # Slopes of the stage before; the first stage stands at the state itself.
    turn = 0.0
    fall = 0.0
    speed = 0.0
    new_theta = state[0]
    new_theta_dot = theta_dot
    new_alpha = alpha
    new_alpha_dot = alpha_dot
    for stage in range(4):
        ahead = 0.0 if stage == 0 else (p[8] if stage == 3 else 0.5 * p[8])
        share = p[8] / 6.0 if stage == 0 or stage == 3 else p[8] / 3.0
        angle = alpha + ahead * speed
        rate = theta_dot + ahead * turn
        speed = alpha_dot + ahead * fall
        sine = math.sin(angle)
        cosine = math.cos(angle)
        inertia = p[0] + p[1] * sine * sine
        coupling = -p[2] * cosine
        on_arm = (
            torque - p[6] * rate - 2.0 * p[1] * sine * cosine * rate * speed - p[2] * sine * speed * speed
        )
        on_pendulum = p[1] * sine * cosine * rate * rate + p[4] * sine - p[7] * speed
        inverse = 1.0 / (inertia * p[3] - coupling * coupling)
        turn = (p[3] * on_arm - coupling * on_pendulum) * inverse
        fall = (inertia * on_pendulum - coupling * on_arm) * inverse
        new_theta = new_theta + share * rate
        new_theta_dot = new_theta_dot + share * turn
        new_alpha = new_alpha + share * speed
        new_alpha_dot = new_alpha_dot + share * fall
    state[0] = new_theta
    state[1] = new_theta_dot
    state[2] = new_alpha
    state[3] = new_alpha_dot
    return abs(new_alpha) >= p[9] or abs(new_theta) >= p[10]


def rotary_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Start in the upright region: every variable uniform in its half-width around zero (``p[11:15]``)."""
    for i in range(4):
        state[i] = p[11 + i] * (2.0 * uniforms[i] - 1.0)


def rotary_observe(state: Vector, observation: Vector, p: Vector) -> None:
    """Show the whole state."""
    for i in range(4):
        observation[i] = state[i]


def rotary_reward(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Equation 1: 0 inside the limits, -1 at the step that reaches one."""
    return -1.0 if terminated else 0.0


@register("rotary-pendulum")
@dataclasses.dataclass(frozen=True)
class RotaryPendulum(Task):
    """Keep a pendulum upright by pushing, at every step, the arm that carries it one way or the other.

    Parameters
    ----------
    mass, length
        Pendulum mass (kg) and whole length (m); its inertia about the middle is ``mass*length**2/12``.
    voltage
        Magnitude of the voltage pulse on the motor (V). The paper does not give it.
    angle_limit
        Pendulum angle (degrees) at which a trial fails (equation 1).
    arm_limit
        Arm angle (degrees) at which a trial fails; None: the arm turns freely, as the paper says nothing of it.
    start_angle
        Half-width (degrees) of the uniform start of the pendulum; arm and both speeds start at zero.
        Not in the paper, which only says "in the upright region".
    fastest_arm, fastest_pendulum
        Speeds of arm and pendulum (rad/s) that count as one where the state is normalised. The paper normalises "to
        their maximum values" and does not give them; these are fitted to its Table I (docs/crossbar.md).
    steps
        Steps after which a trial has succeeded (section III.A.2).
    arm_mass, arm_length
        Rotary arm: kg, m; its inertia about the pivot's middle is ``arm_mass*arm_length**2/12``.
    arm_damping, pendulum_damping
        Viscous friction, N m s/rad.
    gear, motor_constant, resistance, efficiency
        Gear ratio; torque constant (N m/A), equal to the back-EMF constant (V s/rad); ohm; gearbox times motor.
    gravity
        m/s^2.

    Raises
    ------
    InvalidValueError
        If a number is outside its range.
    """

    name: ClassVar[str] = "rotary-pendulum"
    mass: float = STANDARD_MASS
    length: float = STANDARD_LENGTH
    voltage: float = 0.915
    angle_limit: float = 10.0
    arm_limit: float | None = None
    start_angle: float = 10.0
    fastest_arm: float = 4.0
    fastest_pendulum: float = 2.5
    steps: int = 5000
    arm_mass: float = 0.257
    arm_length: float = 0.2159
    arm_damping: float = 0.0024
    pendulum_damping: float = 0.0024
    gear: float = 70.0
    motor_constant: float = 7.68e-3
    resistance: float = 2.6
    efficiency: float = 0.9 * 0.69
    gravity: float = 9.81

    def __post_init__(self) -> None:
        for key in (
            "mass",
            "length",
            "voltage",
            "arm_mass",
            "arm_length",
            "gear",
            "motor_constant",
            "resistance",
            "fastest_arm",
            "fastest_pendulum",
        ):
            self._check(key, 0.0, math.inf, "a finite number > 0")
        self._check("gravity", 0.0, math.inf, "a finite number > 0")
        self._check("angle_limit", 0.0, _MOST_DEGREES, f"degrees, > 0 and <= {_MOST_DEGREES:g}")
        self._check(
            "start_angle", 0.0, self.angle_limit, f"degrees, > 0 and <= angle_limit = {self.angle_limit:g}"
        )
        self._check("efficiency", 0.0, 1.0, "> 0 and <= 1")
        for key in ("arm_damping", "pendulum_damping"):
            if getattr(self, key) != 0:
                self._check(key, 0.0, math.inf, "a finite number >= 0")
        if self.arm_limit is not None:
            self._check("arm_limit", 0.0, math.inf, "degrees > 0, or None for no limit")
        if type(self.steps) is not int or self.steps < 1:
            raise InvalidValueError("RotaryPendulum.steps", self.steps, "a whole number >= 1")

    def _check(self, key: str, above: float, most: float, allowed: str) -> None:
        value = getattr(self, key)
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not (math.isfinite(value) and above < value <= most):
            raise InvalidValueError(f"RotaryPendulum.{key}", value, allowed)

    @property
    def state_names(self) -> tuple[str, ...]:
        """The four variables of the physics, in the paper's order."""
        return STATE

    @property
    def observation_names(self) -> tuple[str, ...]:
        """The network sees the whole state."""
        return STATE

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units."""
        return (
            "arm angle (rad)",
            "arm angular velocity (rad/s)",
            "pendulum angle (rad)",
            "pendulum angular velocity (rad/s)",
        )

    @property
    def observation_limits(self) -> dict[str, float]:
        """Angles at which a trial has failed."""
        limits = {"pendulum angle (rad)": math.radians(self.angle_limit)}
        return (
            limits if self.arm_limit is None else limits | {"arm angle (rad)": math.radians(self.arm_limit)}
        )

    @property
    def observation_scale(self) -> tuple[float, ...]:
        """Values that count as one: pi, the fastest arm, the angle limit, the fastest pendulum."""
        return (math.pi, self.fastest_arm, math.radians(self.angle_limit), self.fastest_pendulum)

    @property
    def observation_bounded(self) -> tuple[bool, ...]:
        """Only the pendulum angle is bounded, by failure."""
        return False, False, True, False

    @property
    def n_actions(self) -> int:
        """Clockwise and counter-clockwise."""
        return 2

    @property
    def max_steps(self) -> int:
        """Steps of a successful trial."""
        return self.steps

    @property
    def env_step(self) -> float:
        """Network time per decision: the time that passes in the physics."""
        return TIME_STEP

    @property
    def solved_length(self) -> float:
        """Four fifths of a successful trial; some starts near the limit cannot be saved."""
        return 0.8 * self.steps

    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give the registered environment ``snnrl/RotaryPendulum-v0`` with this task's parameters."""
        from snnrl.tasks.rotary_pendulum_gym import make_rotary_pendulum

        return make_rotary_pendulum(self, render_mode)

    def kernel(self) -> TaskKernel:
        """Give the physics as plain functions and their parameter array."""
        return TaskKernel(
            step=rotary_step,
            reset=rotary_reset,
            observe=rotary_observe,
            reward=rotary_reward,
            state_size=4,
            n_uniforms=4,
            parameters=np.array(
                [*self._physics(), *self._limits(), 0.0, 0.0, math.radians(self.start_angle), 0.0]
            ),
        )

    def _physics(self) -> tuple[float, ...]:
        half = self.mass * self.length / 2
        quarter = half * self.length / 2
        stiffness = self.efficiency * self.gear * self.motor_constant / self.resistance
        return (
            self.mass * self.arm_length**2 + self.arm_mass * self.arm_length**2 / 12,
            quarter,
            half * self.arm_length,
            self.mass * self.length**2 / 12 + quarter,
            half * self.gravity,
            stiffness * self.voltage,
            stiffness * self.gear * self.motor_constant + self.arm_damping,
            self.pendulum_damping,
        )

    def _limits(self) -> tuple[float, float, float]:
        arm = math.inf if self.arm_limit is None else math.radians(self.arm_limit)
        return TIME_STEP, math.radians(self.angle_limit), arm


def varied(task: RotaryPendulum, mass: float = 0.0, length: float = 0.0) -> RotaryPendulum:
    """Return the task with pendulum mass and length changed by these fractions of the task's own."""
    return dataclasses.replace(task, mass=task.mass * (1 + mass), length=task.length * (1 + length))


def pendulums(task: RotaryPendulum) -> tuple[RotaryPendulum, ...]:
    """Return the paper's 25 pendulums around a task, length changing slowest (section III.A.2)."""
    return tuple(varied(task, mass, length) for length in VARIATIONS for mass in VARIATIONS)
