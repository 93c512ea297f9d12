"""A cart-pole actor under the chip's constraints: two layers on two cores.

The four numbers of the state are given to the transduction layer as 8-bit values, each at three gains,
because a pole has to be caught within a fraction of its range: ``255 * (clip(gain * state / scale) + 1) /
2``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.specs import LayerSpec, StudentSpec

if TYPE_CHECKING:
    from snnrl.tasks import Task

SCALE = np.array([2.4, 3.0, 0.2095, 3.5])
"""Size of position (m), velocity (m/s), angle (rad) and angular velocity (rad/s) that makes 1."""
GAINS = np.array([1.0, 4.0, 16.0])
CARTPOLE = StudentSpec(
    "cartpole",
    (LayerSpec(128, 1), LayerSpec(128, 1), LayerSpec(256, 1)),
    channels=len(SCALE) * len(GAINS),
    side=1,
)


def check_task(task: Task) -> None:
    """Refuse a task whose states `cartpole_frames` does not know.

    Raises
    ------
    InvalidValueError
        It is not the cart-pole, or a part of its state is not observed.
    """
    if task.name != "cartpole" or task.observation_size != len(SCALE) or task.n_actions != 2:
        allowed = "cartpole with its whole state and two actions, with network 'truenorth'"
        raise InvalidValueError("task", task.name, allowed)


def cartpole_frames(observations: ArrayLike) -> NDArray[np.int16]:
    """Return inputs of a `CARTPOLE` student, ``[batch, 12, 1, 1]``, for states ``[batch, 4]``."""
    scaled = np.asarray(observations, dtype=np.float64)[:, :, None] / SCALE[:, None] * GAINS
    pixels = np.round(127.5 * (np.clip(scaled, -1, 1) + 1))
    return np.asarray(pixels.reshape(len(pixels), -1, 1, 1), dtype=np.int16)
