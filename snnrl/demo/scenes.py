"""What a task looks like in the demo, one registration per task: drawing, sliders, buttons, words, agent.

A drawing is a function from the task's state to shapes in metres (or whatever unit fits); page and film draw the same
shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from snnrl.errors import UnknownNameError
from snnrl.tasks import Task

Colour = Literal["ink", "grey", "faint", "pole", "left", "right", "warn"]
Point = tuple[float, float]


@dataclass(frozen=True)
class Shape:
    """A line through points, with round ends; a filled polygon where ``width`` is 0; a disc where there is one point.

    Parameters
    ----------
    points
        In the units of the scene's view.
    width
        Of the line, or the disc's diameter, in the same units; 0 fills the polygon.
    colour
        A role: each spectator has its own colours for dark and light.
    """

    points: tuple[Point, ...]
    width: float
    colour: Colour


Draw = Callable[[Sequence[float], int, Task], list[Shape]]
"""``draw(state, action, task)``: state variables after the step, action of the step (-1: none yet)."""


@dataclass(frozen=True)
class Slider:
    """Something to be moved while the agent runs.

    Parameters
    ----------
    name
        A field of the task, or one of `SPEED`, `RATE` and `SPREAD`.
    label, unit
        In words.
    low, high, step, value
        Range, and where it stands at first.
    log
        Whether the slider moves in factors.
    """

    name: str
    label: str
    unit: str
    low: float
    high: float
    step: float
    value: float
    log: bool = False


@dataclass(frozen=True)
class Button:
    """A nudge: adds ``amount`` to a state variable of the task at once.

    Parameters
    ----------
    label
        In words.
    key
        Key that does the same, as browsers name it.
    state, amount
        Which variable, and by how much, in its unit.
    """

    label: str
    key: str
    state: str
    amount: float


SPEED, RATE, SPREAD = "speed", "rate", "spread"
"""Sliders that every scene has: simulated over wall time, learning rate, spread of the devices."""

SPEEDS = (0.1, 20.0)
"""Slowest and fastest, simulated over wall time."""
LOOPBACK = ("127.0.0.1", "localhost")
"""Addresses that only this machine reaches."""

_COMMON = (
    Slider(SPEED, "speed", "× real time", *SPEEDS, 0.1, 1.0, log=True),
    Slider(RATE, "learning rate", "× own", 0.0, 4.0, 0.05, 1.0),
    Slider(SPREAD, "device spread", "%", 1.0, 60.0, 1.0, 30.0),
)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A task in the demo.

    Parameters
    ----------
    task
        Name of the task.
    title
        Of the page.
    draw, view
        Drawing, and what of it is seen: left, right, bottom, top.
    speed
        Network time over wall time at first; below 1 where an environment step is longer in the physics.
    sliders
        Of the task; each named after a field of it.
    buttons
        Nudges.
    words
        Populations, in words.
    caption
        Under the drawing.
    lasting
        What the agent does for as long as an episode lasts.
    disturbances
        What the pretrained agent has met in learning: state variables, and amounts, taken up to 2.5 times as strong.
    starts
        Half-width, by state variable, of where the pretrained agent's disturbed episodes begin.
    options
        Of the agent, see `snnrl.training.config.TrainingConfig`; used without a run folder and without `agent`.
    agent
        File in this package with a pretrained agent; empty: the demo begins with a fresh one that learns.
    """

    task: str
    title: str
    draw: Draw
    view: tuple[float, float, float, float]
    caption: str
    lasting: str = "balanced for"
    speed: float = 1.0
    sliders: tuple[Slider, ...] = ()
    buttons: tuple[Button, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    disturbances: tuple[tuple[str, float], ...] = ()
    starts: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    agent: str = ""

    @property
    def all_sliders(self) -> tuple[Slider, ...]:
        """Sliders of every scene and of this one."""
        return (_COMMON[0], *self.sliders, *_COMMON[1:])


_SCENES: dict[str, Scene] = {}
MEMRISTIVE: Mapping[str, Any] = {"synapse": "memristive", "device": "vteam", "spread": 0.3}
"""Options of an agent whose weights are memristors: what the map and the spread slider are about."""


def register(scene: Scene) -> Scene:
    """Make a scene known under the name of its task."""
    _SCENES[scene.task] = scene
    return scene


def names() -> list[str]:
    """Names of the scenes."""
    return sorted(_SCENES)


def scene(name: str) -> Scene:
    """Return a scene; `UnknownNameError` lists those there are."""
    if name not in _SCENES:
        raise UnknownNameError("task of a demo", name, _SCENES)
    return _SCENES[name]


# ---------------------------------------------------------------------- cart-pole

_TRACK, _CART, _WHEEL = 2.4, (0.5, 0.26), 0.14


def _draw_cartpole(state: Sequence[float], action: int, task: Task) -> list[Shape]:
    """Draw the cart on its track, the pole, and the push as an arrow."""
    x, angle = state[0], state[2]
    length = float(getattr(task, "pole_length", 1.0))
    half, height = _CART[0] / 2, _CART[1]
    base, axle = _WHEEL / 2, _WHEEL + height
    tip = (x + length * math.sin(angle), axle + length * math.cos(angle))
    body = ((x - half, _WHEEL), (x + half, _WHEEL), (x + half, axle), (x - half, axle))
    shapes = [Shape(((-_TRACK, 0.0), (_TRACK, 0.0)), 0.02, "grey")]
    shapes += [Shape(((side, 0.0), (side, 0.35)), 0.03, "warn") for side in (-_TRACK, _TRACK)]
    shapes += [Shape(((x, axle), _limit(x, axle, length, side)), 0.012, "faint") for side in (-1, 1)]
    if action >= 0:
        shapes += _arrow(x, _WHEEL + height / 2, half, 1 if action else -1)
    shapes.append(Shape(body, 0.0, "ink"))
    shapes += [Shape(((x + side * 0.6 * half, base),), _WHEEL, "grey") for side in (-1, 1)]
    shapes.append(Shape(((x, axle), tip), 0.07, "pole"))
    shapes.append(Shape(((x, axle),), 0.1, "grey"))
    return shapes


def _limit(x: float, axle: float, length: float, side: int) -> Point:
    """Return where the tip would be at the angle at which the pole has failed."""
    angle = side * math.radians(12.0)
    return x + 1.08 * length * math.sin(angle), axle + 1.08 * length * math.cos(angle)


def _arrow(x: float, y: float, half: float, side: int) -> list[Shape]:
    start, end = x - side * (half + 0.4), x - side * (half + 0.08)
    head = ((end, y), (end - side * 0.14, y + 0.09), (end - side * 0.14, y - 0.09))
    colour: Colour = "right" if side > 0 else "left"
    return [Shape(((start, y), (end - side * 0.12, y)), 0.05, colour), Shape(head, 0.0, colour)]


register(
    Scene(
        task="cartpole",
        title="A spiking network balances a pole",
        draw=_draw_cartpole,
        view=(-2.75, 2.75, -0.25, 1.75),
        caption="The network pushes the cart left or right 50 times a second (coloured arrow). Beyond the thin lines (12°) "
        "the pole has fallen.",
        sliders=(
            Slider("pole_length", "pole length", "m", 0.4, 2.0, 0.05, 1.0),
            Slider("force", "force", "N", 4.0, 20.0, 0.5, 10.0),
        ),
        buttons=(
            Button("push left", "ArrowLeft", "x_dot", -0.4),
            Button("push right", "ArrowRight", "x_dot", 0.4),
            Button("kick pole left", "a", "theta_dot", -math.radians(25.0)),
            Button("kick pole right", "d", "theta_dot", math.radians(25.0)),
        ),
        words={"place": "place cells", "critic": "critic", "action_0": "push left", "action_1": "push right"},
        disturbances=(
            ("x_dot", -0.25),
            ("x_dot", 0.25),
            ("theta_dot", -math.radians(15.0)),
            ("theta_dot", math.radians(15.0)),
        ),
        starts={"x": 1.6},
        options=MEMRISTIVE,
        agent="cartpole.npz",
    )
)

# ---------------------------------------------------------------------- rotary pendulum

_ELEVATION = math.radians(25.0)


def _draw_rotary(state: Sequence[float], action: int, task: Task) -> list[Shape]:
    """Draw servo, arm and pendulum from obliquely above."""
    theta, alpha = state[0], state[2]
    arm, length = float(getattr(task, "arm_length", 0.2)), float(getattr(task, "length", 0.3))
    along = (math.cos(theta), math.sin(theta))
    end = (arm * math.sin(theta), -arm * math.cos(theta), 0.0)
    # The pendulum leans back when the arm is driven forward: alpha > 0 points against the arm's motion.
    lean = -length * math.sin(alpha)
    tip = (end[0] + lean * along[0], end[1] + lean * along[1], length * math.cos(alpha))
    turns = [2 * math.pi * k / 48 for k in range(49)]
    ring = tuple(_seen(arm * math.cos(a), arm * math.sin(a), 0.0) for a in turns)
    colour: Colour = "right" if action == 1 else "left"
    pushed = tuple(_seen(*_beside(end, along, s * (1 if action == 1 else -1))) for s in (0.02, 0.08))
    shapes = [
        Shape(ring, 0.003, "faint"),
        Shape((_seen(0.0, 0.0, -0.1), _seen(0.0, 0.0, 0.0)), 0.045, "grey"),
        Shape((_seen(0.0, 0.0, 0.0), _seen(*end)), 0.018, "ink"),
        Shape((_seen(*end), _seen(*tip)), 0.018, "pole"),
        Shape((_seen(*end),), 0.024, "grey"),
    ]
    return shapes + ([Shape(pushed, 0.01, colour)] if action >= 0 else [])


def _beside(end: tuple[float, float, float], along: Point, by: float) -> tuple[float, float, float]:
    return end[0] + by * along[0], end[1] + by * along[1], end[2]


def _seen(x: float, y: float, z: float) -> Point:
    """Project a point (x right, y away, z up), without perspective."""
    return x, z * math.cos(_ELEVATION) + y * math.sin(_ELEVATION)


register(
    Scene(
        task="rotary-pendulum",
        title="A spiking network balances a rotary pendulum",
        draw=_draw_rotary,
        view=(-0.42, 0.42, -0.22, 0.4),
        caption="The motor turns the arm one way or the other 50 times a second (coloured dash). At 10° the pendulum has "
        "fallen.",
        sliders=(
            Slider("length", "pendulum length", "m", 0.2, 0.6, 0.01, 0.3365),
            Slider("voltage", "motor voltage", "V", 0.4, 3.0, 0.05, 0.915),
        ),
        buttons=(
            Button("kick left", "ArrowLeft", "alpha_dot", -math.radians(10.0)),
            Button("kick right", "ArrowRight", "alpha_dot", math.radians(10.0)),
        ),
        words={
            "place": "place cells",
            "critic": "critic",
            "action_0": "clockwise",
            "action_1": "counter-clockwise",
        },
        options={
            **MEMRISTIVE,
            "network_parameters": {"reach": 0.5, "width": 0.8},
            "reward": "failure",
            "reward_parameters": {"penalty": 20.0},
        },
    )
)

# ---------------------------------------------------------------------- acrobot


def _draw_acrobot(state: Sequence[float], action: int, task: Task) -> list[Shape]:
    """Draw the two links, the height to be reached, and the torque as a mark at the joint."""
    first, both = state[0], state[0] + state[1]
    elbow = (math.sin(first), -math.cos(first))
    tip = (elbow[0] + math.sin(both), elbow[1] - math.cos(both))
    colour: Colour = "grey" if action == 1 or action < 0 else ("right" if action == 2 else "left")
    return [
        Shape(((-2.2, 1.0), (2.2, 1.0)), 0.02, "warn"),
        Shape(((0.0, 0.0), elbow), 0.14, "ink"),
        Shape((elbow, tip), 0.14, "pole"),
        Shape(((0.0, 0.0),), 0.16, "grey"),
        Shape((elbow,), 0.2, colour),
    ]


register(
    Scene(
        task="acrobot",
        title="A spiking network swings up an acrobot",
        draw=_draw_acrobot,
        view=(-2.3, 2.3, -2.2, 2.2),
        lasting="trying for",
        speed=0.2,
        caption="The network turns the joint between the links (its colour is the torque). The tip has to reach the line.",
        buttons=(
            Button("kick left", "ArrowLeft", "theta1_dot", -1.0),
            Button("kick right", "ArrowRight", "theta1_dot", 1.0),
        ),
        words={"place": "place cells", "critic": "critic", "action_0": "torque −", "action_1": "no torque",
               "action_2": "torque +"},
        options=MEMRISTIVE,
    )
)  # fmt: skip
