"""Batch normalisation and binary step folded into one whole threshold per feature.

A neuron of a trained student spikes where ``(sum - mean) / sqrt(variance + eps) + bias >= 0``. The left side
never falls as the sum grows, in rounded arithmetic as well, and sums are whole numbers; so there is one
smallest sum that fires. About ``ceil(mean - bias sqrt(variance + eps))`` (Esser et al. 2016; McKinstry et
al.: "batch normalization parameters rolled into the neuron threshold"), it is found here by evaluating the
rounded expression itself on both sides of the estimate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

FloatArray = NDArray[np.float32]
SEARCH = 3
"""Whole numbers tried on both sides of the estimate; rounding in float32 moves it by less than one."""


def fires(
    sums: FloatArray, mean: FloatArray, variance: FloatArray, bias: FloatArray, eps: float
) -> NDArray[np.bool_]:
    """Return where neurons spike in evaluation: float32, operation by operation as in torch."""
    return np.asarray((sums - mean) / np.sqrt(variance + np.float32(eps)) + bias >= 0)


def fold_thresholds(
    mean: FloatArray, variance: FloatArray, bias: FloatArray, eps: float, largest: int
) -> NDArray[np.int32]:
    """Return the smallest sum that fires, ``[features]``, or ``largest + 1`` where none does.

    Parameters
    ----------
    mean, variance, bias
        Of the batch normalisation, ``float32[features]``.
    eps
        Added to the variance.
    largest
        Largest size of a sum. A threshold of ``-largest`` always fires.

    Raises
    ------
    InvalidValueError
        A number is not finite, or a variance is negative.
    """
    for name, values in (("mean", mean), ("variance", variance), ("bias", bias)):
        if not np.all(np.isfinite(values)) or (name == "variance" and np.any(values < 0)):
            raise InvalidValueError(
                f"{name} of a batch normalisation", "NaN, infinite or negative", "finite numbers"
            )
    spread = np.sqrt(variance.astype(np.float64) + eps)
    estimate = np.clip(np.ceil(mean - bias * spread), -largest, largest + 1)
    tried = estimate[:, None] + np.arange(-SEARCH, SEARCH + 1)
    tried = np.clip(tried, -largest, largest + 1)
    fire = fires(tried.astype(np.float32), mean[:, None], variance[:, None], bias[:, None], eps) | (
        tried > largest
    )
    return np.asarray(tried[np.arange(len(tried)), fire.argmax(axis=1)], dtype=np.int32)
