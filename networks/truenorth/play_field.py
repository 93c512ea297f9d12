"""The play field where a student sees it.

The 1-chip student as printed sees rows and columns 0 to 73 of its 84 (`StudentSpec.visible`): layer 7 steps
by 4 over 11 places and drops the last three. At 84 x 84 Breakout's paddle and Pong's right paddle lie
outside. Padding layer 7 would need 1.15 chips. Resizing the play field into the visible square costs no core;
how IBM did it is not printed.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError


def place_play_field(
    frames: NDArray[np.uint8], visible: int, side: int = 84, rows: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Return frames with their play field in the top left ``visible`` x ``visible`` pixels, else black.

    Parameters
    ----------
    frames
        Grey pictures, ``uint8[..., height, width]``.
    visible, side
        Pixels on a side of what is seen and of the student's input.
    rows
        First row of the play field and the one behind its last; cuts off the score. Without it all rows are
        kept.

    Returns
    -------
    uint8 array ``[..., side, side]``; each pixel is the mean over the area that it covers, rounded half up.

    Raises
    ------
    InvalidValueError
        The rows are not in the picture, or what is seen is larger than the input.
    """
    height, width = frames.shape[-2:]
    first, last = rows or (0, height)
    if not 0 <= first < last <= height:
        raise InvalidValueError("rows of the play field", rows, f"two numbers, rising, 0 to {height}")
    if not 1 <= visible <= side:
        raise InvalidValueError("visible", visible, f"1 to {side}")
    field = frames[..., first:last, :].astype(np.float64)
    resized = area_matrix(last - first, visible) @ field @ area_matrix(width, visible).T
    placed = np.zeros((*frames.shape[:-2], side, side), np.uint8)
    placed[..., :visible, :visible] = np.floor(resized + 0.5)
    return placed


@lru_cache(maxsize=16)
def area_matrix(before: int, after: int) -> NDArray[np.float64]:
    """Return the matrix that averages ``before`` pixels over ``after`` equal areas, ``[after, before]``."""
    edges = np.linspace(0, before, after + 1)
    pixels = np.arange(before)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(overlap, 0, None) * (after / before), dtype=np.float64)
