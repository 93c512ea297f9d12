"""Boxes: the observation falls into one cell of a grid with edges at will, and that cell alone is active."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from snnrl.coding.encoders import Encoder, Vector
from snnrl.errors import InvalidValueError


def boxes(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """Write the peak into the cell of the box, 0 into all others; the first variable varies fastest."""
    n_variables = int(p[0])
    box = 0
    stride = 1
    offset = 2
    for d in range(n_variables):
        z = observation[d] / p[offset]
        count = int(p[offset + 1])
        place = 0
        for k in range(count):
            if z >= p[offset + 2 + k]:
                place += 1
        box += stride * place
        stride *= count + 1
        offset += 2 + count
    for i in range(stride):
        out[i] = 0.0
    out[box] = p[1]


@dataclass(frozen=True)
class Boxes(Encoder):
    """One cell for each box of a grid (Michie & Chambers 1968; Barto, Sutton & Anderson 1983, section V).

    Parameters
    ----------
    edges
        Per variable, the values at which its boxes meet, in units of ``scale`` and ascending; a value on an edge belongs
        to the upper box. ``bounded`` has no effect: the outermost boxes have no end.
    """

    edges: tuple[tuple[float, ...], ...] = ()

    function = staticmethod(boxes)

    def __post_init__(self) -> None:
        super().__post_init__()
        edges = tuple(tuple(float(edge) for edge in row) for row in self.edges)
        object.__setattr__(self, "edges", edges)
        ascending = all(a < b for row in edges for a, b in itertools.pairwise(row))
        if len(edges) != len(self.scale) or not ascending or not np.isfinite(sum(edges, ())).all():
            raise InvalidValueError(
                "Boxes.edges", self.edges, f"{len(self.scale)} rows of finite numbers, each ascending"
            )

    @property
    def size(self) -> int:
        """Number of boxes."""
        return math.prod(len(row) + 1 for row in self.edges)

    def packed(self) -> Vector:
        """Return ``[n, peak, (scale, number of edges, edges...) * n]``."""
        rows = ((s, len(row), *row) for s, row in zip(self.scale, self.edges, strict=True))
        return np.array([len(self.scale), self.peak, *itertools.chain.from_iterable(rows)])
