"""Frames of Pong with a teacher's answers, stored once, and the differences that a student sees.

A recording is a row of single screens, ``uint8[frames, 84, 84]``, the teacher's logits for the stack that
ends at each, and the number of frames of its episode before it. Students see differences: a picture that
stands still puts all thresholds of a binary layer on one side, and what moves is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.truenorth_frames import STACK, Teacher, play

Frames = NDArray[np.uint8]
Rows = NDArray[np.int64]
MEDIAN_FRAMES = 1001
CHUNK = 500
MERGED = np.array([0, 0, 1, 2, 1, 2])
"""Pong's actions: none, fire, right, left, right and fire, left and fire. Between serves fire does nothing."""


@dataclass(frozen=True)
class Recording:
    """Screens that a teacher has played.

    Parameters
    ----------
    frames
        Single screens, ``[n, 84, 84]``.
    logits
        The teacher's, ``[n, 6]``.
    age
        Screens of the same episode before this one, ``[n]``.
    """

    frames: Frames
    logits: NDArray[np.float32]
    age: Rows

    @property
    def rows(self) -> Rows:
        """Frames with three before them in their episode, which students are shown."""
        return np.flatnonzero(self.age >= STACK - 1)

    def background(self) -> Frames:
        """Return the median of every pixel over about 1,000 frames, ``[84, 84]``."""
        chosen = np.linspace(0, len(self.frames) - 1, min(MEDIAN_FRAMES, len(self.frames))).astype(np.int64)
        return np.median(self.frames[chosen], axis=0).astype(np.uint8)

    def differences(self, rows: Rows, background: Frames) -> NDArray[np.int16]:
        """Return ``[f4 - background, f4 - f3, f4 - f2, f3 - background]``, ``int16[batch, 4, 84, 84]``.

        ``f4`` is the screen of the row, ``f3`` and ``f2`` those one and two decisions before it.
        """
        f4, f3, f2 = (self.frames[rows - back].astype(np.int16) for back in range(3))
        still = background.astype(np.int16)
        return np.stack([f4 - still, f4 - f3, f4 - f2, f3 - still], axis=1)


def recording(path: Path, teacher: Teacher, seed: int, n: int, told: Callable[[int], object]) -> Recording:
    """Return ``n`` frames of the teacher's play, from the file where they are already there.

    Parameters
    ----------
    path
        An ``.npz`` file.
    seed
        Of the episodes; other seeds, other episodes.
    told
        Called with the number of frames played, now and then.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _play(teacher, seed, n, told)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(temporary, frames=found.frames, logits=found.logits, age=found.age)
        os.replace(temporary, path)
    with np.load(path) as data:
        return Recording(data["frames"], data["logits"], data["age"])


def _play(teacher: Teacher, seed: int, n: int, told: Callable[[int], object]) -> Recording:
    frames, age = np.empty((n, 84, 84), np.uint8), np.empty(n, np.int64)
    logits, stacks = np.empty((n, 6), np.float32), play(teacher, seed)
    for first in range(0, n, CHUNK):
        chunk = np.stack([next(stacks) for _ in range(min(CHUNK, n - first))])
        here = slice(first, first + len(chunk))
        frames[here], logits[here] = chunk[:, -1], teacher.logits(chunk)
        for row, stack in enumerate(chunk, start=first):
            age[row] = 0 if not stack[:-1].any() else age[row - 1] + 1
        told(first + len(chunk))
    return Recording(frames, logits, age)
