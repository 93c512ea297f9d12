"""Counter-based random numbers: a function of (seed, stream, step, index) and nothing else.

Because a number depends on *where* it is used and not on how many were drawn before, neither the number of
threads nor the batch size, the chunking or the engine can change a spike. An agent is identified by its seed.

Only 32 and 64 bit integer arithmetic, one subtraction and one multiplication are used, so that every engine
computes bit-identical numbers:

* the key of a step is SplitMix64 (Steele, Lea and Flood 2014, OOPSLA) over seed, stream and step;
* the bits of an index are a two-round multiply-xorshift hash of the index, keyed by both halves of that key;
* ``uniform`` is those 32 bits over 2**32, in [0, 1);
* ``normal`` is the number of set bits of the hash (binomial with 32 trials), made continuous by a uniform of
  width one and standardised: mean 0, variance 1, no skewness, excess kurtosis -0.06, at most 5.81 in absolute
  value. It needs no logarithm, whose last bit differs between libraries.

The functions of one element at the end of this module are the text that the `fast` engine compiles; the
vectorised ones are the same arithmetic in numpy.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_STREAM = 0xD1342543DE82EF95
_MASK = 0xFFFFFFFFFFFFFFFF
NORMAL_SCALE = 1.0 / math.sqrt(8.0 + 1.0 / 12.0)


def stream_id(name: str) -> int:
    """Return the 32-bit number of a named stream, for example ``"critic/update/0"``."""
    return zlib.crc32(name.encode())


def _mix64(z: int) -> int:
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return z ^ (z >> 31)


def stream_base(seed: int, stream: int) -> int:
    """Return the 64-bit base of a stream for one agent; ``seed`` may be any integer."""
    return _mix64((_mix64((seed + _GOLDEN) & _MASK) ^ (stream * _STREAM)) & _MASK)


def step_key(base: int, step: int) -> int:
    """Return the 64-bit key of one step of a stream."""
    return _mix64((base + (step + 1) * _GOLDEN) & _MASK)


def bits(seed: int, stream: int, step: int, size: int) -> NDArray[np.uint32]:
    """Return ``size`` hashes of 32 bits, one per index."""
    key = step_key(stream_base(seed, stream), step)
    low, high = np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)
    with np.errstate(over="ignore"):
        return _hashed(np.arange(size, dtype=np.uint32) * np.uint32(0x9E3779B1) + low, high)


def uniform(seed: int, stream: int, step: int, size: int) -> NDArray[np.float64]:
    """Return ``size`` uniform numbers in [0, 1)."""
    return bits(seed, stream, step, size).astype(np.float64) * 2.0**-32


def first_uniforms(bases: NDArray[np.uint64], steps: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the first uniform number of many streams, each at its own step, ``[n]``; ``bases`` as `stream_base`."""
    with np.errstate(over="ignore"):
        z = bases + (steps + 1).astype(np.uint64) * np.uint64(_GOLDEN)
        for shift, factor in ((30, _MIX_1), (27, _MIX_2)):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        key = z ^ (z >> np.uint64(31))
        low, high = (key & np.uint64(0xFFFFFFFF)).astype(np.uint32), (key >> np.uint64(32)).astype(np.uint32)
        return np.asarray(_hashed(low, high).astype(np.float64) * 2.0**-32)


def _hashed(x: NDArray[np.uint32], high: np.uint32 | NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the hash of index times multiplier plus the low half of the key, keyed by the high half."""
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
    x = ((x ^ (x >> np.uint32(15))) + high) * np.uint32(0x846CA68B)
    return np.asarray(x ^ (x >> np.uint32(16)))


def normal(seed: int, stream: int, step: int, size: int) -> NDArray[np.float64]:
    """Return ``size`` standard normal numbers (see the module's text for how normal they are)."""
    x = bits(seed, stream, step, size)
    with np.errstate(over="ignore"):
        dither = (x * np.uint32(0x2C1B3C6D)) ^ (x >> np.uint32(13))
        dither = (dither * np.uint32(0x297A2D39)) >> np.uint32(8)
    ones = np.bitwise_count(x).astype(np.float64)
    return (ones - 16.5 + dither.astype(np.float64) * 2.0**-24) * NORMAL_SCALE
