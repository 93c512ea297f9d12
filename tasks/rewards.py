"""Reward functions for control tasks, each named, parametrised, with its formula, source and range.

The agents learn the discounted *mean* of the reward (the TD error is ``(1-gamma) r + gamma V' - V``), so a
reward that stays inside a range keeps the value inside the same range and needs no scaling. What follows a
failure counts as 0 for ever. A penalty p given once, at the failure, is therefore worth ``(1-gamma) p``: it
takes ``p = 1/(1-gamma)`` to make a failure as bad as a reward of -1 for ever.

The cart-pole's state is read as [x (m), x_dot (m/s), theta (rad), theta_dot (rad/s)], the Acrobot's as [theta1, theta2
(rad), theta1_dot, theta2_dot (rad/s)], the mountain car's as [position, velocity]. Every function is self-contained:
engines copy its text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from snnrl.tasks.base import Vector
from snnrl.tasks.reward_registry import Range, Reward, make, names, register

__all__ = ["ACROBOT", "CART_POLE", "MOUNTAIN_CAR", "Reward", "make", "names", "register"]

CART_POLE = ("x", "x_dot", "theta", "theta_dot")
"""State variables that the cart-pole rewards read."""
ACROBOT = ("theta1", "theta2", "theta1_dot", "theta2_dot")
MOUNTAIN_CAR = ("position", "velocity")
_LIMITS = {"theta_max": 12 * 2 * math.pi / 360, "x_max": 2.4}
_NOT_NEGATIVE = (0.0, math.inf)
_THETA = {"theta_max": _LIMITS["theta_max"]}


def _with_failure(low: float, high: float) -> Callable[[Mapping[str, float]], Range]:
    """Give the range rule of a reward that is inside [low, high] until ``failure`` is paid."""
    return lambda p: (min(low, p["failure"]), max(high, p["failure"]))


@register(
    "environment",
    formula="r = the environment's own reward",
    source="Gymnasium",
    range=(-math.inf, math.inf),
    uses_environment=True,
)
def environment(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Stand for the environment's own reward; never evaluated once bound, so NaN makes a mistake visible."""
    return math.nan


@register(
    "survival",
    formula="r = alive; at the failing step r = failure",
    source="Gymnasium CartPole-v1 (alive = failure = 1); failure = -1 to -100 in common use",
    range=lambda p: (min(p["alive"], p["failure"]), max(p["alive"], p["failure"])),
    defaults={"alive": 1.0, "failure": 1.0},
)
def survival(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Pay the same for every step taken."""
    return p[1] if terminated else p[0]


@register(
    "failure",
    formula="r = 0; at failure r = -penalty",
    source="Barto, Sutton & Anderson 1983, IEEE Trans. SMC 13:834; Gymnasium sutton_barto_reward=True",
    range=lambda p: (min(0.0, -p["penalty"]), max(0.0, -p["penalty"])),
    defaults={"penalty": 1.0},
)
def failure(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Punish the failure and nothing else."""
    return -p[0] if terminated else 0.0


@register(
    "angle",
    formula="r = max(0, 1 - |theta|/theta_max); at the failing step r = failure",
    source="linear angle reward in common use; Kulagin et al. 2025 compare rewards, formulas not available",
    range=_with_failure(0.0, 1.0),
    defaults={**_THETA, "failure": 0.0},
    variables=CART_POLE,
    positive=("theta_max",),
)
def angle(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Fall linearly from 1 upright to 0 at the angle limit."""
    return p[1] if terminated else max(0.0, 1.0 - abs(after[2]) / p[0])


@register(
    "cosine",
    formula="r = cos(theta); at the failing step r = failure",
    source="Doya 2000, Neural Computation 12:219 (pendulum, R = cos(theta))",
    range=_with_failure(-1.0, 1.0),
    defaults={"failure": 0.0},
    variables=CART_POLE,
)
def cosine(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Pay the height of the pole's tip; above 0.978 at every angle inside 12 degrees."""
    return p[0] if terminated else math.cos(after[2])


@register(
    "gaussian",
    formula="r = exp(-(theta/theta_max/angle_width)^2/2 - (x/x_max/position_width)^2/2); "
    "at the failing step r = failure",
    source="saturating cost of Deisenroth & Rasmussen 2011 (PILCO) as a reward; widths found in trials",
    range=_with_failure(0.0, 1.0),
    defaults={"angle_width": 0.3, "position_width": 0.5, **_LIMITS, "failure": 0.0},
    variables=CART_POLE,
    positive=("angle_width", "position_width", "theta_max", "x_max"),
)
def gaussian(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Peak at 1 for an upright pole in the middle of the track."""
    if terminated:
        return p[4]
    theta = after[2] / p[2] / p[0]
    x = after[0] / p[3] / p[1]
    return math.exp(-0.5 * theta * theta - 0.5 * x * x)


@register(
    "quadratic",
    formula="r = -(angle_weight min(1, |theta|/theta_max)^2 + position_weight min(1, |x|/x_max)^2); "
    "at the failing step r = -penalty",
    source="LQR cost on position and angle; the default penalty is a cost of 1 for ever at gamma = 0.97",
    range=lambda p: (min(-p["angle_weight"] - p["position_weight"], -p["penalty"]), 0.0),
    defaults={"angle_weight": 0.5, "position_weight": 0.5, **_LIMITS, "penalty": 1.0 / (1.0 - 0.97)},
    variables=CART_POLE,
    positive=("theta_max", "x_max"),
    limits={"angle_weight": _NOT_NEGATIVE, "position_weight": _NOT_NEGATIVE, "penalty": _NOT_NEGATIVE},
)
def quadratic(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Charge the squared distance from upright and from the middle.

    All costs are negative and what follows a failure is 0, so that a small penalty would make failing pay.
    """
    if terminated:
        return -p[4]
    theta = min(1.0, abs(after[2]) / p[2])
    x = min(1.0, abs(after[0]) / p[3])
    return -(p[0] * theta * theta + p[1] * x * x)


@register(
    "upright",
    formula="r = (1+cos(theta))/2 (1+t(x, x_margin))/2 (1+t(theta_dot, velocity_margin))/2, "
    "t(v, m) = 0.1^((v/m)^2); at the failing step r = failure",
    source="dm_control cartpole, smooth reward (Tassa et al. 2018, arXiv:1801.00690); its control factor is "
    "left out: it is the constant 0.8 for a push that is always at full force",
    range=_with_failure(0.0, 1.0),
    defaults={"x_margin": 2.0, "velocity_margin": 5.0, "failure": 0.0},
    variables=CART_POLE,
    positive=("x_margin", "velocity_margin"),
)
def upright(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Multiply upright, centred and slow, each between 1/2 (or 0) and 1."""
    if terminated:
        return p[2]
    centred = (1.0 + math.pow(0.1, (after[0] / p[0]) * (after[0] / p[0]))) / 2.0
    slow = (1.0 + math.pow(0.1, (after[3] / p[1]) * (after[3] / p[1]))) / 2.0
    return (1.0 + math.cos(after[2])) / 2.0 * centred * slow


def _potential_range(p: Mapping[str, float]) -> Range:
    """Bound the shaping by the smallest potential, -(sum of weights)."""
    depth = p["angle_weight"] + p["position_weight"]
    return min(-p["gamma"] * depth, -p["penalty"]), max(depth, depth - p["penalty"])


@register(
    "potential",
    formula="r = f + gamma Phi(s') - Phi(s), Phi = -(angle_weight min(1, |theta|/theta_max)^2 + "
    "position_weight min(1, |x|/x_max)^2), f = 0; at the failing step f = -penalty, Phi(s') = 0",
    source="Ng, Harada & Russell 1999 (ICML); Phi of a terminal state is 0: Grzes 2017 (AAMAS)",
    range=_potential_range,
    defaults={"gamma": 0.97, "angle_weight": 1.0, "position_weight": 0.5, **_LIMITS, "penalty": 1.0},
    variables=CART_POLE,
    positive=("theta_max", "x_max"),
    limits={"gamma": (0.0, 1.0), "angle_weight": _NOT_NEGATIVE, "position_weight": _NOT_NEGATIVE},
)
def potential(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Add potential-based shaping to the failure reward; the best policy stays the same.

    ``gamma`` must be the agent's discount factor for that.
    """
    theta = min(1.0, abs(before[2]) / p[3])
    x = min(1.0, abs(before[0]) / p[4])
    phi_before = -(p[1] * theta * theta + p[2] * x * x)
    if terminated:
        return -p[5] - phi_before
    theta = min(1.0, abs(after[2]) / p[3])
    x = min(1.0, abs(after[0]) / p[4])
    return -p[0] * (p[1] * theta * theta + p[2] * x * x) - phi_before


@register(
    "improvement",
    formula="r = -gain (min(theta_max, |theta'|) - min(theta_max, |theta|)); at failure r = -penalty",
    source="found with gain 100 per rad in a public spiking cart-pole agent; it is shaping with gamma = 1",
    range=lambda p: (
        min(-abs(p["gain"]) * p["theta_max"], -p["penalty"]),
        max(abs(p["gain"]) * p["theta_max"], -p["penalty"]),
    ),
    defaults={"gain": 100.0, **_THETA, "penalty": 1.0},
    variables=CART_POLE,
    positive=("theta_max",),
)
def improvement(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Pay for a pole that came closer to upright in this step."""
    if terminated:
        return -p[2]
    return -p[0] * (min(p[1], abs(after[2])) - min(p[1], abs(before[2])))


@register(
    "progress",
    formula="r = q - q', q = (theta/theta_max + rate_weight theta_dot)^2; at failure r = -penalty",
    source="ours, for networks without a critic: shaping with gamma = 1 by how far the pole leans and falls",
    range=(-math.inf, math.inf),
    defaults={**_THETA, "rate_weight": 0.5, "penalty": 1.0},
    variables=CART_POLE,
    positive=("theta_max",),
)
def progress(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Grade a push at once: pay for a pole that leans and falls less than before it."""
    if terminated:
        return -p[2]
    lean = before[2] / p[0] + p[1] * before[3]
    lean_after = after[2] / p[0] + p[1] * after[3]
    return lean * lean - lean_after * lean_after


@register(
    "record",
    formula="r = bonus where step > mean length of the last 20 episodes, else 0; at failure r = -penalty",
    source="Curt-Park/fly-cartpole (best of five rewards for bounded synapses there)",
    range=lambda p: (min(0.0, p["bonus"], -p["penalty"]), max(0.0, p["bonus"], -p["penalty"])),
    defaults={"bonus": 0.1, "penalty": 1.0},
)
def record(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Punish the failure and pay a little for every step beyond the recent mean."""
    if terminated:
        return -p[1]
    return p[0] if step > record else 0.0


def _swing_range(goal: float) -> Callable[[Mapping[str, float]], Range]:
    """Give the range rule of a cost of 1 per step, ``goal`` at the goal, and a shaping potential from -1 to 0."""

    def rule(p: Mapping[str, float]) -> Range:
        reach = p["weight"] / (1.0 - p["gamma"])
        return -1.0 - p["gamma"] * reach, goal + reach

    return rule


_SWING_FORMULA = (
    "r = f + weight (gamma Phi(s') - Phi(s))/(1-gamma), f = -1, Phi = min(0, (E - E_goal)/(E_goal - E_rest)); "
    "at the goal f = {goal}, Phi(s') = 0; "
)
_SWING_LIMITS = {"gamma": (0.0, 1.0 - 1e-9), "weight": _NOT_NEGATIVE}


@register(
    "acrobot-energy",
    formula=_SWING_FORMULA.format(goal="0") + "E: mechanical energy, E_rest = -19.6 J, E_goal = goal_energy",
    source="the environment's own reward, shaped: Ng, Harada & Russell 1999 (ICML); energy as the measure of a swing-up: "
    "Spong 1995, IEEE Control Syst. 15(1):49",
    range=_swing_range(0.0),
    defaults={"gamma": 0.99, "weight": 1.0, "goal_energy": 4.9},
    variables=ACROBOT,
    limits={**_SWING_LIMITS, "goal_energy": (-19.0, math.inf)},
)
def acrobot_energy(
    before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
) -> float:
    """Charge every step, and pay for energy put into the swing; the best policy is the environment's.

    ``gamma`` must be the agent's discount factor for that. The energy is that of the task's default masses and lengths.
    4.9 J is the least energy with which the goal can be reached.
    """
    phi = 0.0
    phi_before = 0.0
    for k in range(2):
        upper = after[0] if k == 0 else before[0]
        lower = after[1] if k == 0 else before[1]
        speed = after[2] if k == 0 else before[2]
        swing = after[3] if k == 0 else before[3]
        turn = math.cos(lower)
        kinetic = (
            0.5 * (3.5 + turn) * speed * speed + (1.25 + 0.5 * turn) * speed * swing + 0.625 * swing * swing
        )
        energy = kinetic - 14.7 * math.cos(upper) - 4.9 * math.cos(upper + lower)
        phi_before = min(0.0, (energy - p[2]) / (p[2] + 19.6))
        if k == 0:
            phi = phi_before
    if terminated:
        return -p[1] * phi_before / (1.0 - p[0])
    return -1.0 + p[1] * (p[0] * phi - phi_before) / (1.0 - p[0])


@register(
    "car-energy",
    formula=_SWING_FORMULA.format(goal="-1")
    + "E = sin(3 position)/3 + velocity^2/(2 gravity), gravity = 0.0025, "
    "E_rest = -1/3, E_goal = goal_energy",
    source="as acrobot-energy; the slope of Gymnasium's mountain is cos(3 position)",
    range=_swing_range(-1.0),
    defaults={"gamma": 0.99, "weight": 1.0, "goal_energy": math.sin(1.5) / 3},
    variables=MOUNTAIN_CAR,
    limits={**_SWING_LIMITS, "goal_energy": (-0.33, math.inf)},
)
def car_energy(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    """Charge every step, and pay for energy of the car on its slope; the best policy is the environment's.

    ``gamma`` must be the agent's discount factor for that. sin(3 * 0.5)/3 is the energy of rest at the goal.
    """
    energy = math.sin(3 * before[0]) / 3 + before[1] * before[1] / 0.005
    phi_before = min(0.0, (energy - p[2]) / (p[2] + 1.0 / 3.0))
    if terminated:
        return -1.0 - p[1] * phi_before / (1.0 - p[0])
    energy = math.sin(3 * after[0]) / 3 + after[1] * after[1] / 0.005
    phi = min(0.0, (energy - p[2]) / (p[2] + 1.0 / 3.0))
    return -1.0 + p[1] * (p[0] * phi - phi_before) / (1.0 - p[0])
