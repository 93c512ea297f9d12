"""The random numbers of `snnrl.random` in torch's integer arithmetic: the same bits on every device.

torch has no arithmetic on unsigned 32 and 64 bit integers. Addition and multiplication of signed ones wrap around
to the same bits, and a shift to the right is made logical by masking what it copies from the sign.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from snnrl import random


def _signed(value: int, bits: int) -> int:
    """Return the signed integer with the same ``bits`` bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


_GOLDEN = _signed(random._GOLDEN, 64)
_MIX_1, _MIX_2 = _signed(random._MIX_1, 64), _signed(random._MIX_2, 64)
_INDEX, _ROUND_1, _ROUND_2 = (_signed(c, 32) for c in (0x9E3779B1, 0x7FEB352D, 0x846CA68B))
_DITHER_1, _DITHER_2 = 0x2C1B3C6D, 0x297A2D39


def stream_bases(seeds: Iterable[int], stream: str, device: torch.device) -> Tensor:
    """Return `snnrl.random.stream_base` of a named stream for each agent, int64 ``[agents]``."""
    number = random.stream_id(stream)
    bases = [_signed(random.stream_base(int(seed), number), 64) for seed in seeds]
    return torch.tensor(bases, dtype=torch.int64, device=device)


def _shifted(x: Tensor, count: int, bits: int) -> Tensor:
    """Logical shift to the right of integers of ``bits`` bits."""
    return (x >> count) & ((1 << (bits - count)) - 1)


def step_keys(bases: Tensor, steps: Tensor) -> Tensor:
    """Return `snnrl.random.step_key` of every step for every agent, int64 ``[*steps.shape, agents]``."""
    z = bases + (steps.unsqueeze(-1) + 1) * _GOLDEN
    z = (z ^ _shifted(z, 30, 64)) * _MIX_1
    z = (z ^ _shifted(z, 27, 64)) * _MIX_2
    return z ^ _shifted(z, 31, 64)


def bits(keys: Tensor, index: Tensor) -> Tensor:
    """Return the 32-bit hashes of indices (int32) under keys (int64) as int32; the two broadcast."""
    low = ((keys << 32) >> 32).to(torch.int32)
    high = (keys >> 32).to(torch.int32)
    x = index * _INDEX + low
    x = (x ^ _shifted(x, 16, 32)) * _ROUND_1
    x = ((x ^ _shifted(x, 15, 32)) + high) * _ROUND_2
    return x ^ _shifted(x, 16, 32)


def uniform(keys: Tensor, index: Tensor, dtype: torch.dtype) -> Tensor:
    """Return uniform numbers in [0, 1); ``keys`` and ``index`` broadcast."""
    x = bits(keys, index).to(torch.int64) & 0xFFFFFFFF
    return (x.to(torch.float64) * 2.0**-32).to(dtype)


def normal(keys: Tensor, index: Tensor, dtype: torch.dtype) -> Tensor:
    """Return standard normal numbers; ``keys`` and ``index`` broadcast."""
    x = bits(keys, index)
    dither = (x * _DITHER_1) ^ _shifted(x, 13, 32)
    dither = _shifted(dither * _DITHER_2, 8, 32)
    ones = _bit_count(x).to(torch.float64)
    return ((ones - 16.5 + dither.to(torch.float64) * 2.0**-24) * random.NORMAL_SCALE).to(dtype)


def _bit_count(x: Tensor) -> Tensor:
    """Count the set bits of int32, by adding neighbouring fields (Warren 2013, Hacker's Delight, section 5-1)."""
    x = x - (_shifted(x, 1, 32) & 0x55555555)
    x = (x & 0x33333333) + (_shifted(x, 2, 32) & 0x33333333)
    x = (x + _shifted(x, 4, 32)) & 0x0F0F0F0F
    return _shifted(x * 0x01010101, 24, 32)
