"""The part of a kernel that is the same for every model: random numbers and small functions.

This text is put at the head of every generated kernel. Its arithmetic is that of `snnrl.random`.
"""

from snnrl.engines.books import Control, Counter, definitions
from snnrl.random import NORMAL_SCALE

_HEADER = """import math

import numpy as np
from numba import njit

real = np.{real}

# counters (int64) and control (float64) of one agent
{counters}
{control}


@njit(nogil=True)
def clip(x, low, high):
    return low if x < low else (high if x > high else x)


@njit(nogil=True)
def sign(x):
    return real(1.0) if x > 0 else (real(-1.0) if x < 0 else real(0.0))


@njit(nogil=True)
def exprel(x):
    return real(1.0) if abs(x) < 1e-16 else real(math.expm1(x) / x)


@njit(nogil=True)
def mix64(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(nogil=True)
def step_key(base, step):
    z = mix64(base + np.uint64(step + 1) * np.uint64(0x9E3779B97F4A7C15))
    return np.uint32(z & np.uint64(0xFFFFFFFF)), np.uint32(z >> np.uint64(32))


@njit(nogil=True)
def bits(low, high, index):
    x = np.uint32(np.uint32(np.uint32(index) * np.uint32(0x9E3779B1)) + low)
    x = np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(np.uint32(np.uint32(x ^ np.uint32(x >> np.uint32(15))) + high) * np.uint32(0x846CA68B))
    return np.uint32(x ^ np.uint32(x >> np.uint32(16)))


@njit(nogil=True)
def uniform(low, high, index):
    return real(bits(low, high, index)) * real(2.0**-32)


@njit(nogil=True)
def normal(low, high, index):
    x = bits(low, high, index)
    dither = np.uint32(np.uint32(x * np.uint32(0x2C1B3C6D)) ^ np.uint32(x >> np.uint32(13)))
    dither = np.uint32(np.uint32(dither * np.uint32(0x297A2D39)) >> np.uint32(8))
    ones = np.uint32(x - np.uint32(np.uint32(x >> np.uint32(1)) & np.uint32(0x55555555)))
    ones = np.uint32(
        np.uint32(ones & np.uint32(0x33333333)) + np.uint32(np.uint32(ones >> np.uint32(2)) & np.uint32(0x33333333))
    )
    ones = np.uint32(np.uint32(ones + np.uint32(ones >> np.uint32(4))) & np.uint32(0x0F0F0F0F))
    ones = np.uint32(np.uint32(ones * np.uint32(0x01010101)) >> np.uint32(24))
    return (real(ones) - real(16.5) + real(dither) * real(2.0**-24)) * real({normal_scale!r})
"""


def header(real: str) -> str:
    """Return the head of a kernel of this precision, ``"float64"`` or ``"float32"``."""
    books = {"counters": definitions(Counter), "control": definitions(Control)}
    return _HEADER.format(real=real, normal_scale=NORMAL_SCALE, **books)
