"""A film of a student at play: the same seed gives the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.film import SIZE, check_ending, encode
from snnrl.play.picture import GamePicture
from snnrl.play.show import Show

GIF_FPS = 15
"""Most pictures per second in a GIF: decisions between two pictures are left out."""


def record(
    show: Show, path: Path, seconds: float, fps: float, told: Callable[[int], object] = lambda done: None
) -> None:
    """Write a film of a game.

    Parameters
    ----------
    show
        The game.
    path
        ``.mp4`` or ``.gif``.
    seconds, fps
        How long the film runs, and the decisions in each of its seconds.
    told
        Called with the number of decisions played.

    Raises
    ------
    InvalidValueError
        For another ending.
    SimulationError
        If the encoder failed.
    """
    check_ending(path)
    ending = path.suffix.lower()
    every = max(1, round(fps / GIF_FPS)) if ending == ".gif" else 1
    width, height = SIZE[ending]
    shown = pictures(show, round(seconds * fps), every, fps, width, height, told)
    encode(path, shown, fps / every, width, height)


def pictures(
    show: Show, decisions: int, every: int, fps: float, width: int, height: int,
    told: Callable[[int], object] = lambda done: None,
) -> Iterator[NDArray[np.uint8]]:  # fmt: skip
    """Give a picture ``[height, width, 3]`` after every so many decisions."""
    page = GamePicture(show, fps, width, height)
    for number in range(decisions):
        moment = show.step()
        told(number + 1)
        if number % every == 0:
            yield page.draw(moment, show.history)
