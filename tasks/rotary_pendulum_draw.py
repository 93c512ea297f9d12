"""A picture of the rotary pendulum, drawn with numpy alone: the same on every machine, no display needed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Point = tuple[float, float]

WIDTH, HEIGHT = 600, 400
_ELEVATION = math.radians(25.0)
_SCALE = 620.0
"""Pixels per metre."""
_CENTRE = (300.0, 270.0)
_BACKGROUND = (255, 255, 255)
_TABLE, _ARM, _PENDULUM, _JOINT = (210, 210, 210), (60, 60, 60), (202, 152, 101), (129, 132, 203)


def draw(theta: float, alpha: float, arm_length: float, length: float) -> Image:
    """Draw the servo, the arm and the pendulum from obliquely above.

    Parameters
    ----------
    theta, alpha
        Arm and pendulum angle, rad.
    arm_length, length
        Metres.

    Returns
    -------
    Image
        Shape ``[HEIGHT, WIDTH, 3]``.
    """
    image = np.full((HEIGHT, WIDTH, 3), _BACKGROUND, dtype=np.float64)
    outward, along = (math.sin(theta), -math.cos(theta)), (math.cos(theta), math.sin(theta))
    end = (arm_length * outward[0], arm_length * outward[1], 0.0)
    # The pendulum leans back when the arm is driven forward: alpha > 0 points against the arm's motion.
    lean = -length * math.sin(alpha)
    tip = (end[0] + lean * along[0], end[1] + lean * along[1], length * math.cos(alpha))
    pivot, joint, top = _project(0.0, 0.0, 0.0), _project(*end), _project(*tip)
    _ring(image, arm_length)
    _line(image, (pivot[0], pivot[1] + 60.0), pivot, 26.0, _TABLE)
    _line(image, pivot, joint, 10.0, _ARM)
    _line(image, joint, top, 10.0, _PENDULUM)
    _line(image, joint, joint, 12.0, _JOINT)
    return image.round().astype(np.uint8)


def _project(x: float, y: float, z: float) -> Point:
    """Give the pixel of a point in metres (x right, y away, z up), seen without perspective."""
    up = z * math.cos(_ELEVATION) + y * math.sin(_ELEVATION)
    return _CENTRE[0] + _SCALE * x, _CENTRE[1] - _SCALE * up


def _ring(image: npt.NDArray[np.float64], radius: float) -> None:
    angles = np.linspace(0.0, 2 * math.pi, 49)
    points = [_project(radius * math.cos(a), radius * math.sin(a), 0.0) for a in angles]
    for start, end in itertools.pairwise(points):
        _line(image, start, end, 1.5, _TABLE)


def _line(
    image: npt.NDArray[np.float64], start: Point, end: Point, width: float, colour: tuple[int, int, int]
) -> None:
    """Blend a line with round ends into the image; its edge is smoothed over one pixel."""
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    dx, dy = end[0] - start[0], end[1] - start[1]
    squared = dx * dx + dy * dy
    along = (
        0.0 if squared == 0.0 else np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / squared, 0.0, 1.0)
    )
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    cover = np.clip(width / 2 + 0.5 - distance, 0.0, 1.0)[..., None]
    image += cover * (np.array(colour, dtype=np.float64) - image)
