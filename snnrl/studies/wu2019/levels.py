"""How many updates a learning curve needs until a time to failure, and how much sooner one curve is than another.

A mean over 100 agents is known to some 50 steps, so that a flat curve crosses a level by chance, long before it stays
there. What is crossed here is the isotonic regression of the mean curve: the growing curve nearest to it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnrl.studies.wu2019.limited import Curve
from snnrl.studies.wu2019.settings import FloatArray
from snnrl.training.summary import finite, quantile

RESAMPLES = 1000
LOW, HIGH = 0.025, 0.975


class Ratio(NamedTuple):
    """How many times fewer updates, with the 95 % bootstrap interval over agents; None where a level is not reached."""

    value: float | None
    low: float | None
    high: float | None


def reaches(curve: Curve, level: float, axis: FloatArray) -> float | None:
    """Give where the growing mean t2f reaches a level, on one of the curve's axes, between checkpoints linearly."""
    return finite(float(_crossing(_growing(curve.t2f.mean(axis=0)), level, axis)))


def fewer(curve: Curve, other: Curve, level: float) -> Ratio:
    """Give how many times fewer updates per weight a curve needs until a level than another of the same agents."""
    ours, theirs = _resampled(curve), _resampled(other)
    ratios = np.array(
        [
            _ratio(_crossing(a, level, curve.updates), _crossing(b, level, other.updates))
            for a, b in zip(ours, theirs, strict=True)
        ]
    )
    known = ratios[1:][~np.isnan(ratios[1:])]
    return Ratio(finite(ratios[0]), finite(quantile(known, LOW)), finite(quantile(known, HIGH)))


def _growing(t2f: FloatArray) -> FloatArray:
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(t2f).x)


def _resampled(curve: Curve) -> list[FloatArray]:
    """Give the growing mean curve of all agents, then those of the resampled agents."""
    agents = len(curve.t2f)
    drawn = np.random.default_rng(0).integers(agents, size=(RESAMPLES, agents))
    means: NDArray[np.float64] = curve.t2f[drawn].mean(axis=1)
    return [_growing(mean) for mean in (curve.t2f.mean(axis=0), *means)]


def _crossing(t2f: FloatArray, level: float, axis: FloatArray) -> float:
    """Give where a growing curve reaches a level: its beginning where it starts there, infinity where it never does."""
    if t2f[-1] < level:
        return math.inf
    k = int(np.argmax(t2f >= level))
    if k == 0:
        return float(axis[0])
    return float(axis[k - 1] + (axis[k] - axis[k - 1]) * (level - t2f[k - 1]) / (t2f[k] - t2f[k - 1]))


def _ratio(ours: float, theirs: float) -> float:
    """Divide updates; not a number where nothing can be said: both never (inf / inf), or ours at once."""
    return theirs / ours if ours else math.nan
