"""Trained weights put into few values afterwards: into the levels of devices, into signs, into shared values.

For networks whose learning rule knows nothing of precision. A layer's weights have one scale of full precision, which on a
crossbar is the voltage it is read with: with b bits the levels are ``2^b`` conductances of either device of a pair, equally
spaced, the minus device at the mirror image of the plus device, so that a pair holds the grid of
`snnrl.plasticity.low_precision.weights.KBit`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

FloatArray = NDArray[np.float64]


def to_levels(weights: FloatArray, bits: int) -> FloatArray:
    """Return the nearest of ``2^bits`` equally spaced values between plus and minus the largest weight.

    One bit is the sign times the mean size (Rastegari et al. 2016, arXiv 1603.05279, Eq. 6).

    Raises
    ------
    InvalidValueError
        If the bits are not 1 to 16.
    """
    if type(bits) is not int or not 1 <= bits <= 16:
        raise InvalidValueError("bits", bits, "a whole number from 1 to 16")
    size = np.abs(weights)
    if bits == 1:
        return np.asarray(np.where(weights >= 0.0, 1.0, -1.0) * size.mean())
    largest, steps = float(size.max()), 2**bits - 1
    if largest == 0.0:  # nothing was learned
        return weights.copy()
    return np.asarray((np.round((weights / largest + 1.0) / 2.0 * steps) / steps * 2.0 - 1.0) * largest)


def to_ternary(weights: FloatArray, threshold: float = 0.7) -> FloatArray:
    """Return minus a size, 0 and that size, 0 below ``threshold`` times the mean size (Li et al. 2016, arXiv 1605.04711, Eq. 6)."""
    size = np.abs(weights)
    large = size > threshold * size.mean()
    return np.asarray(np.sign(weights) * large * (size[large].mean() if large.any() else 0.0))


def to_shared(weights: FloatArray, k: int, seed: int = 0) -> FloatArray:
    """Return the mean of each weight's cluster; clusters as in `snnrl.plasticity.low_precision.sharing.share`.

    Raises
    ------
    InvalidValueError
        If k is below 1, or there are fewer different weights.
    """
    from snnrl.plasticity.low_precision.sharing import clusters

    different = len(np.unique(weights))
    if type(k) is not int or not 1 <= k <= different:
        raise InvalidValueError("k", k, f"1 to {different}, the different weights of the layer")
    place = clusters(weights, k, seed)
    means = np.bincount(place, weights.ravel(), k) / np.bincount(place, minlength=k)
    return np.asarray(means[place].reshape(weights.shape))


def without_smallest(weights: FloatArray, percent: float) -> FloatArray:
    """Return the weights with their smallest, so many per cent, set to 0.

    Raises
    ------
    InvalidValueError
        If that is below 0, or 100 or more.
    """
    if not 0.0 <= percent < 100.0:
        raise InvalidValueError("percent", percent, "0 to 100, 100 not included")
    gone = np.argsort(np.abs(weights), axis=None, kind="stable")[: round(weights.size * percent / 100.0)]
    kept = weights.copy()
    kept.flat[gone] = 0.0
    return kept
