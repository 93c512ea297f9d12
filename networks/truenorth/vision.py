"""What a student sees of a game: the last screens themselves, or their differences.

A picture that stands still puts all thresholds of a binary layer on one side, and what moves is lost. With
the background taken away and screens subtracted from one another students learn at once; layer 1 is computed
off the chip, so it costs no core.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.play_field import place_play_field

Screens = NDArray[np.uint8]
Inputs = NDArray[np.int16]
KINDS = ("stack", "differences")
DEPTH = 4
"""Screens in a stack, and channels of a student's input."""


@dataclass(frozen=True, eq=False)
class Vision:
    """The way from stacks of screens to a student's input.

    Parameters
    ----------
    kind
        ``"stack"``: the four screens. ``"differences"``: ``[f4 - background, f4 - f3, f4 - f2, f3 -
        background]``, where ``f4`` is the newest screen.
    background
        What stands still, as the student sees it, ``uint8[side, side]``; for differences only.
    visible
        Rows and columns of the input that reach the student's output (`StudentSpec.visible`); the screen is
        resized into them if they are fewer than its own.

    Raises
    ------
    InvalidValueError
        An unknown kind, a background that is missing or of another shape, nothing visible.
    """

    kind: str
    background: Screens | None
    visible: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidValueError("Vision.kind", self.kind, ", ".join(KINDS))
        if type(self.visible) is not int or self.visible < 1:
            raise InvalidValueError("Vision.visible", self.visible, "a whole number from 1")
        if (self.background is not None) != self.signed:
            got = None if self.background is None else f"an array {self.background.shape}"
            raise InvalidValueError("Vision.background", got, "an array for differences, None for a stack")
        if self.background is not None:
            _check_background(self.background, self.visible)

    @property
    def signed(self) -> bool:
        """Whether inputs are differences, -255 to 255; else pixels, 0 to 255."""
        return self.kind == "differences"

    def inputs(self, stacks: Screens) -> Inputs:
        """Return the student's inputs for stacks of whole screens, oldest first.

        Parameters
        ----------
        stacks
            ``uint8[batch, 4, side, side]``.

        Returns
        -------
        ``int16[batch, 4, side, side]``.
        """
        return self.channels(self.placed(stacks))

    def placed(self, screens: Screens) -> Screens:
        """Return screens ``uint8[..., side, side]`` resized into the rows and columns that are seen."""
        side = screens.shape[-1]
        if self.visible >= side:
            return screens
        return place_play_field(screens, self.visible, side)

    def channels(self, stacks: Screens) -> Inputs:
        """Return the student's inputs ``int16[batch, 4, side, side]`` for stacks of placed screens."""
        if self.background is None:
            return stacks.astype(np.int16)
        f2, f3, f4 = (stacks[:, k].astype(np.int16) for k in (1, 2, 3))
        still = self.background.astype(np.int16)
        found = np.empty(stacks.shape, np.int16)
        for channel, (a, b) in enumerate(((f4, still), (f4, f3), (f4, f2), (f3, still))):
            np.subtract(a, b, out=found[:, channel])
        return found


def background_of(screens: Screens) -> Screens:
    """Return the median of every pixel over placed screens ``uint8[n, side, side]``."""
    return np.asarray(np.median(screens, axis=0), np.uint8)


def _check_background(background: Screens, visible: int) -> None:
    shape = background.shape
    if background.dtype != np.uint8 or len(shape) != 2 or shape[0] != shape[1] or shape[0] < visible:
        got = f"{background.dtype}{list(shape)}"
        raise InvalidValueError("Vision.background", got, f"uint8[side, side], side at least {visible}")
