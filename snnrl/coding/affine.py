"""`AffineCode`: the first layer of a dense network as an analog input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnrl.coding.encoders import Encoder, Vector
from snnrl.errors import InvalidValueError


def affine_code(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """``out = W (observation / scale) + b``, the whole code ``copies`` times in a row."""
    n_in, n_out, copies = int(p[0]), int(p[1]), int(p[2])
    biases = 3 + n_in
    weights = biases + n_out
    for d in range(n_in):
        scratch[d] = observation[d] / p[3 + d]
    for k in range(n_out):
        total = p[biases + k]
        for d in range(n_in):
            total += p[weights + k * n_in + d] * scratch[d]
        for c in range(copies):
            out[c * n_out + k] = total


@dataclass(frozen=True)
class AffineCode(Encoder):
    """A weighted sum of the observation per neuron: direct coding, one analog number for a whole environment step.

    Parameters
    ----------
    scale
        Each variable of the observation is divided by it; nothing is clipped, ``bounded`` and ``peak`` have no effect.
    weight
        W, ``[neurons, variables]``.
    bias
        b, ``[neurons]``.
    copies
        How often the code is repeated, for populations that hold several neurons per unit.

    Raises
    ------
    InvalidValueError
        If the shapes do not fit together.
    """

    weight: tuple[tuple[float, ...], ...] = ()
    bias: tuple[float, ...] = ()
    copies: int = 1

    function = staticmethod(affine_code)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weight", tuple(tuple(float(w) for w in row) for row in self.weight))
        object.__setattr__(self, "bias", tuple(float(b) for b in self.bias))
        rows = sorted({len(row) for row in self.weight})
        if rows != [len(self.scale)]:
            raise InvalidValueError(
                "AffineCode.weight", rows, f"rows of {len(self.scale)}, one number per variable"
            )
        if len(self.bias) != len(self.weight):
            raise InvalidValueError(
                "AffineCode.bias", len(self.bias), f"{len(self.weight)} numbers, like weight"
            )
        if not isinstance(self.copies, int) or self.copies < 1:
            raise InvalidValueError("AffineCode.copies", self.copies, "a whole number of at least 1")

    @property
    def size(self) -> int:
        """One neuron per row of W and copy."""
        return len(self.bias) * self.copies

    @property
    def scratch_size(self) -> int:
        """The scaled observation."""
        return len(self.scale)

    def packed(self) -> Vector:
        """Return ``[variables, rows, copies, scale..., b..., W row by row...]``."""
        head = [len(self.scale), len(self.bias), self.copies]
        return np.asarray(
            np.concatenate([head, self.scale, self.bias, np.ravel(self.weight)]), dtype=np.float64
        )
