"""What a policy sees of Pong: where things are now, and where something came or went since the decision before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TOP, BOTTOM = 14, 78
"""Rows of the 84 x 84 picture that show the field; above them is the score."""
BACKGROUND, CONTRAST = 87, 20
"""Grey level of the field, and how much a thing on it differs at least."""
HEIGHT, WIDTH = (BOTTOM - TOP) // 2, 42
INPUTS = 2 * HEIGHT * WIDTH
"""Two planes of half the picture's resolution."""
ACTIVE = 30
"""Inputs that are usually not zero: paddles, ball, and what moved."""
ACTIONS = ("NOOP", "RIGHT", "LEFT")
""""Move up, move down, and no move" (section IV), by the emulator's names."""


class Seen(NamedTuple):
    """Inputs of several decisions that are not zero, one decision after the other.

    Parameters
    ----------
    places, values
        Which inputs, int64, and what they are (+1 or -1), float32.
    offsets
        Where each decision begins, ``[decisions]``.
    """

    places: NDArray[np.int64]
    offsets: NDArray[np.int64]
    values: NDArray[np.float32]


def things(screens: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where there is something other than the field, ``[n, HEIGHT, WIDTH]``, for screens ``uint8[n, 84, 84]``."""
    field = np.abs(screens[:, TOP:BOTTOM].astype(np.int16) - BACKGROUND) > CONTRAST
    return np.asarray(field.reshape(len(screens), HEIGHT, 2, WIDTH, 2).any(axis=(2, 4)))


def inputs_of(before: NDArray[np.bool_], now: NDArray[np.bool_]) -> Seen:
    """Return the inputs of several decisions.

    Parameters
    ----------
    before, now
        From `things`, at the decision before and now. The first plane is ``now``, the second ``now - before``.
    """
    n = len(now)
    planes = np.concatenate([now.reshape(n, -1), (now != before).reshape(n, -1)], axis=1)
    row, place = np.nonzero(planes)
    came = now.reshape(n, -1)[row, place % (HEIGHT * WIDTH)]
    offsets = np.searchsorted(row, np.arange(n))
    return Seen(place, offsets, np.where(came, 1.0, -1.0).astype(np.float32))


def joined(seen: list[Seen]) -> Seen:
    """Return the decisions of several steps as one, step after step."""
    sizes = np.cumsum([0, *(len(each.places) for each in seen)])[:-1]
    return Seen(
        np.concatenate([each.places for each in seen]),
        np.concatenate([each.offsets + size for each, size in zip(seen, sizes, strict=True)]),
        np.concatenate([each.values for each in seen]),
    )
