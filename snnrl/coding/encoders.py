"""Encoders: from an observation to one number per input neuron, once per environment step.

An encoder fills a variable of one population. What that number *is* the population decides: a current into
leaky integrate-and-fire cells (deterministic rate code), the rate of Poisson cells (Poisson rate code), or
the latency of cells that spike once (first-spike code).

Observations are first brought to a common range: a bounded variable is divided by its scale and clipped to
[-1, 1], an unbounded one goes through ``tanh(x / scale)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError

Vector = NDArray[np.float64]
EncoderFunction = Callable[[Vector, Vector, Vector, Vector], None]


def signed_rate(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """Two cells per variable: ``peak * max(z, 0)`` and ``peak * max(-z, 0)``."""
    n_variables = int(p[0])
    for d in range(n_variables):
        scale, bounded = p[2 + 2 * d], p[3 + 2 * d]
        z = observation[d] / scale
        z = min(max(z, -1.0), 1.0) if bounded > 0.0 else math.tanh(z)
        out[2 * d] = p[1] * max(z, 0.0)
        out[2 * d + 1] = p[1] * max(-z, 0.0)


def gaussian_population(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """``count`` Gaussian tuning curves per variable, side by side.

    Centres are equally spaced, so the ratio of neighbouring cells is itself geometric: four exponentials per
    variable instead of one per cell, outwards from the nearest cell so that nothing underflows too early.
    """
    n_variables = int(p[0])
    first = 0
    offset = 2
    for d in range(n_variables):
        scale, bounded, count = p[offset], p[offset + 1], int(p[offset + 2])
        low, spacing, inverse_width = p[offset + 3], p[offset + 4], p[offset + 5]
        z = observation[d] / scale
        z = min(max(z, -1.0), 1.0) if bounded > 0.0 else math.tanh(z)
        nearest = min(max(int((z - low) / spacing + 0.5), 0), count - 1)
        distance = (z - (low + spacing * nearest)) * inverse_width
        step = spacing * inverse_width
        shrink = math.exp(-step * step)
        centre = p[1] * math.exp(-0.5 * distance * distance)
        value, ratio = centre, math.exp(step * distance - 0.5 * step * step)
        out[first + nearest] = centre
        for k in range(nearest + 1, count):
            value *= ratio
            ratio *= shrink
            out[first + k] = value
        value, ratio = centre, math.exp(-step * distance - 0.5 * step * step)
        for k in range(nearest - 1, -1, -1):
            value *= ratio
            ratio *= shrink
            out[first + k] = value
        first += count
        offset += 6


def place_cells(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """Products of one Gaussian per variable on a full grid; the last variable varies fastest."""
    n_variables = int(p[0])
    out[0] = p[1]
    filled = 1
    offset = 2
    for d in range(n_variables):
        scale, bounded, count = p[offset], p[offset + 1], int(p[offset + 2])
        low, spacing, inverse_width = p[offset + 3], p[offset + 4], p[offset + 5]
        z = observation[d] / scale
        z = min(max(z, -1.0), 1.0) if bounded > 0.0 else math.tanh(z)
        for k in range(count):
            distance = z - (low + spacing * k)
            if bounded > 1.0:  # periodic: the shorter way round
                distance -= 2.0 * math.floor(0.5 * distance + 0.5)
            distance *= inverse_width
            scratch[k] = math.exp(-0.5 * distance * distance)
        for i in range(filled - 1, -1, -1):  # backwards, so that the grid grows in place
            value = out[i]
            for k in range(count):
                out[i * count + k] = value * scratch[k]
        filled *= count
        offset += 6


def first_spike_latency(observation: Vector, out: Vector, scratch: Vector, p: Vector) -> None:
    """Latency ``window * (1 - g)`` of Gaussian cells; below the cut-off ``g`` the cell stays silent."""
    n_variables = int(p[0])
    window, cutoff, silent = p[1], p[2], p[3]
    cell = 0
    offset = 4
    for d in range(n_variables):
        scale, bounded, count = p[offset], p[offset + 1], int(p[offset + 2])
        low, spacing, inverse_width = p[offset + 3], p[offset + 4], p[offset + 5]
        z = observation[d] / scale
        z = min(max(z, -1.0), 1.0) if bounded > 0.0 else math.tanh(z)
        for k in range(count):
            distance = (z - (low + spacing * k)) * inverse_width
            g = math.exp(-0.5 * distance * distance)
            out[cell] = window * (1.0 - g) if g >= cutoff else silent
            cell += 1
        offset += 6


@dataclass(frozen=True)
class Encoder:
    """Base of all encoders.

    Parameters
    ----------
    population, variable
        Where the code is written.
    scale, bounded
        Per observation variable: its scale, and whether it is clipped (True) or squashed by tanh (False).
    peak
        Largest value of the code, in the SI unit of ``variable``.
    """

    population: str
    variable: str
    scale: tuple[float, ...]
    bounded: tuple[bool, ...]
    peak: float = 1.0

    function: ClassVar[staticmethod[[Vector, Vector, Vector, Vector], None]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", tuple(float(s) for s in self.scale))
        object.__setattr__(self, "bounded", tuple(bool(b) for b in self.bounded))
        name = type(self).__name__
        if len(self.scale) != len(self.bounded) or not self.scale:
            raise InvalidValueError(
                f"{name}.bounded", self.bounded, f"{len(self.scale)} booleans, like scale"
            )
        if not all(s > 0.0 and math.isfinite(s) for s in self.scale):
            raise InvalidValueError(f"{name}.scale", self.scale, "positive finite numbers")
        if not (self.peak > 0.0 and math.isfinite(self.peak)):
            raise InvalidValueError(f"{name}.peak", self.peak, "a positive finite number")

    @property
    def size(self) -> int:
        """Number of input neurons."""
        raise NotImplementedError

    @property
    def scratch_size(self) -> int:
        """Length of the work array ``function`` needs."""
        return 1

    def packed(self) -> Vector:
        """Return the numbers ``function`` reads."""
        raise NotImplementedError

    def encode(self, observation: ArrayLike) -> Vector:
        """Return the code of one observation, shape ``[size]``."""
        out = np.zeros(self.size)
        values = np.asarray(observation, dtype=np.float64)
        type(self).function(values, out, np.zeros(self.scratch_size), self.packed())
        return out


@dataclass(frozen=True)
class SignedRate(Encoder):
    """Deterministic rate code: two cells per variable, one for each sign."""

    function = staticmethod(signed_rate)

    @property
    def size(self) -> int:
        """Two cells per variable."""
        return 2 * len(self.scale)

    def packed(self) -> Vector:
        """Return ``[n, peak, (scale, bounded) * n]``."""
        pairs = [v for s, b in zip(self.scale, self.bounded, strict=True) for v in (s, float(b))]
        return np.array([len(self.scale), self.peak, *pairs])


@dataclass(frozen=True)
class _Grid(Encoder):
    """Gaussian tuning curves: ``counts[d]`` centres from ``-reach`` to ``reach`` in the scaled variable d.

    ``width`` is the standard deviation in units of the spacing of the centres.
    """

    counts: tuple[int, ...] = ()
    reach: tuple[float, ...] = ()
    width: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        name, n = type(self).__name__, len(self.scale)
        object.__setattr__(self, "counts", _per_variable(f"{name}.counts", self.counts, n, 5))
        object.__setattr__(self, "reach", _per_variable(f"{name}.reach", self.reach, n, 1.0))
        if not all(int(c) == c and c >= 2 for c in self.counts):
            raise InvalidValueError(f"{name}.counts", self.counts, "integers of at least 2, one per variable")
        object.__setattr__(self, "counts", tuple(int(c) for c in self.counts))
        if not all(r > 0.0 for r in self.reach):
            raise InvalidValueError(f"{name}.reach", self.reach, "positive numbers, one per variable")
        if not self.width > 0.0:
            raise InvalidValueError(f"{name}.width", self.width, "a positive number (units of the spacing)")

    @property
    def size(self) -> int:
        """One cell per centre."""
        return sum(self.counts)

    def _tuning(self) -> list[float]:
        numbers: list[float] = []
        for scale, bounded, count, reach in zip(
            self.scale, self.bounded, self.counts, self.reach, strict=True
        ):
            spacing = 2.0 * reach / (count - 1)
            numbers += [scale, float(bounded), count, -reach, spacing, 1.0 / (self.width * spacing)]
        return numbers

    def packed(self) -> Vector:
        """Return ``[n, peak, (scale, bounded, count, low, spacing, 1/width) * n]``."""
        return np.array([len(self.scale), self.peak, *self._tuning()])


def _per_variable(name: str, values: Sequence[float], n: int, default: float) -> tuple[float, ...]:
    given = tuple(values) or (default,)
    if len(given) not in (1, n):
        raise InvalidValueError(name, given, f"one number, or {n}: one per variable")
    return given * n if len(given) == 1 else given


@dataclass(frozen=True)
class GaussianPopulation(_Grid):
    """Gaussian population code: each variable has its own row of cells."""

    function = staticmethod(gaussian_population)


@dataclass(frozen=True)
class PlaceCells(_Grid):
    """Product place cells: one cell per point of the full grid (Frémaux et al. 2013, section 1.2 of the facts).

    Parameters
    ----------
    periodic
        Per variable: whether -scale and scale are the same place, as for an angle; none by default. The centres then
        divide the circle evenly, half a spacing away from where it closes, and ``reach`` has no effect.
    """

    periodic: tuple[bool, ...] = ()

    function = staticmethod(place_cells)

    def __post_init__(self) -> None:
        super().__post_init__()
        periodic = _per_variable("PlaceCells.periodic", self.periodic, len(self.scale), False)
        object.__setattr__(self, "periodic", tuple(bool(p) for p in periodic))
        for closed, bounded in zip(self.periodic, self.bounded, strict=True):
            if closed and not bounded:
                raise InvalidValueError(
                    "PlaceCells.periodic", self.periodic, "True for bounded variables only"
                )

    @property
    def size(self) -> int:
        """Product of the counts."""
        return math.prod(self.counts)

    @property
    def scratch_size(self) -> int:
        """One row of the grid."""
        return max(self.counts)

    def _tuning(self) -> list[float]:
        numbers = super()._tuning()
        for d, closed in enumerate(self.periodic):
            if closed:
                spacing = 2.0 / self.counts[d]
                numbers[6 * d + 1] = 2.0  # what `place_cells` knows a periodic variable by
                numbers[6 * d + 3 : 6 * d + 6] = [0.5 * spacing - 1.0, spacing, 1.0 / (self.width * spacing)]
        return numbers


@dataclass(frozen=True)
class FirstSpikeLatency(_Grid):
    """First-spike code: a cell with activation g spikes once, at ``peak * (1 - g)`` after the step begins.

    ``peak`` is the window in seconds. Cells below ``cutoff`` stay silent (Vlasov et al. 2023 and the authors'
    encoder cut at 0.09).
    """

    cutoff: float = 0.09

    function = staticmethod(first_spike_latency)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 < self.cutoff < 1.0:
            raise InvalidValueError("FirstSpikeLatency.cutoff", self.cutoff, "0 < cutoff < 1")

    def packed(self) -> Vector:
        """Return ``[n, window, cutoff, never, tuning...]``; ``never`` lies beyond every window."""
        return np.array([len(self.scale), self.peak, self.cutoff, 1e9, *self._tuning()])
