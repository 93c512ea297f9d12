"""From the emulator's screen to 84 x 84 grey levels, in three ways.

All take the maximum of the last two frames of a decision, because the console draws some objects in every
other frame only (Mnih et al. 2015, Methods).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 84
Picture = NDArray[np.uint8]
Frame = NDArray[np.uint8]
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""
ASYNC_RL_GREY = (0.2126, 0.0722, 0.7152)
"""Those of ITU-R BT.709 with green and blue exchanged, as muupan/async-rl has them."""


class Screen(ABC):
    """The last two frames of one emulator, and what is made of them.

    Parameters
    ----------
    height, width
        Of a frame, in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.before, self.last = (np.zeros((height, width), np.uint8) for _ in range(2))

    def start(self, ale: Any) -> None:
        """Take the frame on the screen as the only one."""
        self.take(ale, self.last)
        self.before[:] = 0

    @abstractmethod
    def take(self, ale: Any, frame: Frame) -> None:
        """Write what is on the screen into ``last`` or ``before``."""

    @abstractmethod
    def picture(self) -> Picture:
        """Return ``uint8[84, 84]``; called once after each decision."""

    def save(self) -> tuple[Frame, Frame]:
        """Return what `restore` takes."""
        return self.before.copy(), self.last.copy()

    def restore(self, frames: tuple[Frame, Frame]) -> None:
        """Put back what `save` returned."""
        self.before[:], self.last[:] = frames


class AreaScreen(Screen):
    """The emulator's grey and area interpolation: ``gymnasium.wrappers.AtariPreprocessing``, to the last bit.

    That wrapper keeps the maximum in place of the last frame; after a decision cut short by the end of a game
    it is part of the picture, and so it is here.
    """

    def take(self, ale: Any, frame: Frame) -> None:
        """Write the grey levels on the screen into ``last`` or ``before``."""
        ale.getScreenGrayscale(frame)

    def picture(self) -> Picture:
        """Return ``uint8[84, 84]``."""
        import cv2

        np.maximum(self.before, self.last, out=self.last)
        return np.asarray(cv2.resize(self.last, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


class BilinearScreen(Screen):
    """RGB, grey in floating point, bilinear interpolation: what the A2C and ACKTR teachers were trained on.

    Parameters
    ----------
    height, width
        Of a frame, in pixels.
    palette
        The colours.
    """

    def __init__(self, height: int, width: int, palette: Palette) -> None:
        super().__init__(height, width)
        self.palette = palette

    def take(self, ale: Any, frame: Frame) -> None:
        """Write the numbers of the colours on the screen into ``last`` or ``before``."""
        ale.getScreen(frame)
        self.palette.learn(ale, frame)

    def picture(self) -> Picture:
        """Return ``uint8[84, 84]``."""
        return bilinear(self.palette.pooled(self.before, self.last))


class LinearScreen(BilinearScreen):
    """RGB, grey in whole numbers, OpenCV's linear interpolation: the pictures of muupan/async-rl."""

    def picture(self) -> Picture:
        """Return ``uint8[84, 84]``."""
        import cv2

        grey = self.palette.pooled(self.before, self.last).astype(np.uint8)
        return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.uint8)


class Palette:
    """Grey levels of pairs of colours, learned from the frames that show them.

    A screen holds numbers of colours; number 0 is black. The maximum of two frames in RGB and its grey level
    are functions of two such numbers, so that a table of pairs takes the place of arithmetic on every pixel.

    Parameters
    ----------
    weights
        Of red, green and blue.
    """

    def __init__(self, weights: tuple[float, float, float] = GREY) -> None:
        self.weights = np.array(weights, np.float32)
        self.colours = np.zeros((256, 3), np.uint8)
        self.known = bytes(1)
        self.table = np.zeros(256 * 256, np.float32)

    def learn(self, ale: Any, frame: Frame) -> None:
        """Take up colours of the frame on the screen that have not been seen before."""
        if frame.tobytes().translate(None, self.known):
            self.colours[frame.reshape(-1)] = ale.getScreenRGB().reshape(-1, 3)
            self.known = bytes({*self.known, *np.unique(frame).tolist()})
            brightest = np.maximum(self.colours[:, None], self.colours)
            self.table = grey_levels(brightest, self.weights).reshape(-1)

    def pooled(self, first: Frame, second: Frame) -> NDArray[np.float32]:
        """Return the grey level of the maximum of two frames of colour numbers, ``float32[height, width]``."""
        pairs = np.multiply(first, 256, dtype=np.uint16)
        pairs += second
        return np.asarray(self.table.take(pairs, mode="clip"))


def grey_levels(rgb: NDArray[np.uint8], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the grey level of colours, ``uint8[..., 3]`` to ``float32[...]``."""
    return np.asarray(np.dot(rgb.astype(np.float32), weights), np.float32)


def make_palette(preprocessing: str) -> Palette:
    """Return an empty palette with the weights of a preprocessing."""
    return Palette(ASYNC_RL_GREY if preprocessing == "async-rl" else GREY)


def make_screen(preprocessing: str, height: int, width: int, palette: Palette) -> Screen:
    """Return the screen of a preprocessing, see `snnrl.tasks.atari.Protocol`."""
    if preprocessing == "ddqn":
        return AreaScreen(height, width)
    kind = LinearScreen if preprocessing == "async-rl" else BilinearScreen
    return kind(height, width, palette)


def bilinear(grey: NDArray[np.float32]) -> Picture:
    """Return a grey picture at 84 x 84 by Pillow's bilinear (antialiasing) filter, fractions cut off."""
    from PIL import Image

    return np.array(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.uint8)
