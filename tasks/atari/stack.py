"""The last screens of every lane, which never mix two episodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnrl.tasks.atari.screens import SIDE


class Stack:
    """The newest screens of some lanes.

    Parameters
    ----------
    n
        Number of lanes.
    depth
        Screens kept of each.
    """

    def __init__(self, n: int, depth: int = 4) -> None:
        self.screens = np.zeros((n, depth, SIDE, SIDE), np.uint8)

    def push(
        self, screens: NDArray[np.uint8], fresh: NDArray[np.bool_], lanes: NDArray[np.bool_] | None = None
    ) -> NDArray[np.uint8]:
        """Take the newest screens and return the stacks, oldest first.

        Parameters
        ----------
        screens
            ``[n, 84, 84]``.
        fresh
            Lanes whose screen is the first of an episode or a life: the ones before it are black, ``[n]``.
        lanes
            Lanes that have moved, ``[n]``; the stacks of the others stay. Without it all.

        Returns
        -------
        uint8 array ``[n, depth, 84, 84]``, a copy.
        """
        moved = np.ones(len(self.screens), dtype=bool) if lanes is None else lanes
        self.screens[moved, :-1] = self.screens[moved, 1:]
        self.screens[fresh & moved] = 0
        self.screens[moved, -1] = screens[moved]
        return self.screens.copy()
