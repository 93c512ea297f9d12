"""The loops between two convolutions of a student in training; see `fused` for what they compute.

Arrays are ``[places, features]``, places of all frames. bfloat16 is passed as its bits, the upper half of a
float32's; ``words`` and ``values`` are one row of working memory, seen as bits and as numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = Any
ONE = np.uint16(0x3F80)
"""The bits of 1."""


@njit(nogil=True, cache=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def widen(bits: Array, words: Array) -> None:
    """Write a row of bfloat16 as float32."""
    for c in range(len(bits)):
        words[c] = np.uint32(bits[c]) << np.uint32(16)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def statistics(sums: Array, low: bool, words: Array, values: Array, mean: Array, variance: Array) -> None:
    """Write mean and variance of every feature, float64."""
    places, features = sums.shape
    mean[:] = 0.0
    variance[:] = 0.0
    for p in range(places):
        widen(sums[p], words) if low else copy(sums[p], words)
        for c in range(features):
            value = np.float64(values[c])
            mean[c] += value
            variance[c] += value * value
    for c in range(features):
        mean[c] /= places
        variance[c] = max(variance[c] / places - mean[c] * mean[c], 0.0)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")  # type: ignore[untyped-decorator]
def copy(bits: Array, words: Array) -> None:
    """Write a row of float32, which is passed as its bits."""
    for c in range(len(bits)):
        words[c] = bits[c]


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def fire(sums: Array, low: bool, words: Array, values: Array, scale: Array, shift: Array, groups: int,
         row: Array, spikes: Array, counts: Array) -> None:  # fmt: skip
    """Write spikes, interleaved, where ``sums * scale + shift >= 0``, and count those of every feature.

    Parameters
    ----------
    scale, shift
        Of every feature, float32.
    groups
        Of the layer.
    row
        Working memory, ``uint16[features]``.
    spikes
        Out: bfloat16, ``uint16[places, features]``.
    counts
        Out: float32, features by group.
    """
    places, features = sums.shape
    size = features // groups
    counts[:] = 0.0
    for p in range(places):
        widen(sums[p], words) if low else copy(sums[p], words)
        for c in range(features):
            fires = values[c] * scale[c] + shift[c] >= np.float32(0.0)
            row[c] = ONE if fires else np.uint16(0)
            counts[c] += np.float32(1.0) if fires else np.float32(0.0)
        for k in range(size):
            for g in range(groups):
                spikes[p, k * groups + g] = row[g * size + k]


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def gather(gradient: Array, groups: int, extra: Array, words: Array, values: Array, wide: Array) -> None:
    """Write a row of the gradient by groups, with what is added to every feature's."""
    features = len(gradient)
    size = features // groups
    widen(gradient, words)
    for k in range(size):
        for g in range(groups):
            wide[g * size + k] = values[k * groups + g]
    for c in range(features):
        wide[c] += extra[c]


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def backward(sums: Array, low: bool, gradient: Array, extra: Array, groups: int, mean: Array, inverse: Array,
             bias: Array, words: Array, values: Array, wide: Array, total: Array, product: Array,
             out: Array) -> None:  # fmt: skip
    """Write the gradient of the sums and, in ``total``, that of the biases.

    Parameters
    ----------
    gradient
        Of the spikes, interleaved bfloat16.
    extra
        Gradient that every spike of a feature has besides, by group.
    mean, inverse, bias
        Of the normalisation, float32; ``inverse`` is one over the standard deviation.
    wide
        Working memory, float32.
    total, product
        Out: float32 sums over places of the response's gradient, and of it times the normalised sum.
    out
        Out: the type of ``sums``.
    """
    places, features = sums.shape
    one, zero = np.float32(1.0), np.float32(0.0)
    total[:] = zero
    product[:] = zero
    for p in range(places):
        gather(gradient[p], groups, extra, words, values, wide)
        widen(sums[p], words) if low else copy(sums[p], words)
        for c in range(features):
            unit = (values[c] - mean[c]) * inverse[c]
            g = wide[c] * max(one - abs(unit + bias[c]), zero)
            total[c] += g
            product[c] += g * unit
    share = np.float32(1.0 / places)
    for p in range(places):
        gather(gradient[p], groups, extra, words, values, wide)
        widen(sums[p], words) if low else copy(sums[p], words)
        for c in range(features):
            unit = (values[c] - mean[c]) * inverse[c]
            g = wide[c] * max(one - abs(unit + bias[c]), zero)
            values[c] = inverse[c] * (g - total[c] * share - unit * (product[c] * share))
        if low:
            for c in range(features):  # to the nearest, of two the even one
                word = words[c]
                odd = (word >> np.uint32(16)) & np.uint32(1)
                out[p, c] = np.uint16((word + np.uint32(0x7FFF) + odd) >> np.uint32(16))
        else:
            for c in range(features):
                out[p, c] = words[c]


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def settle(shadow: Array, weight: Array, low: float, high: float) -> None:
    """Clip hidden weights to [-1, 1] and switch the weights that have left their band; see `layers.ternary`."""
    one, zero = np.float32(1.0), np.float32(0.0)
    inner, outer = np.float32(low), np.float32(high)
    for i in range(len(shadow)):
        s = min(max(shadow[i], -one), one)
        shadow[i] = s
        size = abs(s)
        kept = weight[i] if inner < size < outer else zero
        weight[i] = (one if s > zero else -one) if size >= outer else kept
