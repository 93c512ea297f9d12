"""The random number generator of the crossbar's output neuron: a shift register xor a cellular automaton.

Tkacik (2002), "A Hardware Random Number Generator", CHES 2002, reference [28] of Wu et al. (figure 8c): the low 32
bits of a 43-bit linear feedback shift register (LFSR) xor those of a 37-bit cellular automaton shift register
(CASR). Both step once per word here; in hardware two free-running oscillators clock them.

The register is a Galois one with x^43 + x^41 + x^20 + x + 1. The automaton follows rule 90 (left xor right), the cell
of index 28 rule 150 (left xor itself xor right), with zeros beyond both ends. Both have the longest possible period,
2^43 - 1 and 2^37 - 1 (tests/test_crossbar.py works out the orders); a cyclic automaton, as in some Verilog versions,
does not.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.random import bits, stream_id

LFSR_BITS, CASR_BITS = 43, 37
_WORD = 0xFFFFFFFF


def lfsr_step(state: int) -> int:
    """Return the next state of the shift register; like a task's kernel, text that compiled kernels copy."""
    return ((state << 1) & ((1 << 43) - 1)) ^ ((1 << 41 | 1 << 20 | 1 << 1 | 1) if state >> 42 else 0)


def casr_step(state: int) -> int:
    """Return the next state of the cellular automaton."""
    return ((state << 1) & ((1 << 37) - 1)) ^ (state >> 1) ^ (state & (1 << 28))


def lfsr_seed(first: int, second: int) -> int:
    """Return a state of the shift register from two random words of 32 bits; 0, where it would stay, becomes 1."""
    return max(first << 11 | second >> 21, 1)


def casr_seed(first: int, second: int) -> int:
    """Return a state of the automaton from two random words of 32 bits, never 0."""
    return max(first << 5 | second >> 27, 1)


class HardwareRandom:
    """The generator.

    Parameters
    ----------
    lfsr, casr
        Initial states of the two registers; zero would stay zero.
    """

    def __init__(self, lfsr: int = 1, casr: int = 1) -> None:
        for name, state, size in (("lfsr", lfsr, LFSR_BITS), ("casr", casr, CASR_BITS)):
            if not 0 < state < 1 << size:
                raise InvalidValueError(f"HardwareRandom.{name}", state, f"1 to {(1 << size) - 1}")
        self.lfsr, self.casr = lfsr, casr

    @classmethod
    def seeded(cls, seed: int, stream: str, step: int = 0) -> Self:
        """Return a generator of its own for a place in a study, as :mod:`snnrl.random` names places.

        Parameters
        ----------
        seed
            Of the agent.
        stream
            Name of the stream of its actions.
        step
            Number of the trial where each has a generator.
        """
        words = bits(seed, stream_id(stream), step, 4).tolist()
        return cls(lfsr_seed(*words[:2]), casr_seed(*words[2:]))

    def word(self) -> int:
        """Step both registers and return 32 bits."""
        self.lfsr, self.casr = lfsr_step(self.lfsr), casr_step(self.casr)
        return (self.lfsr ^ self.casr) & _WORD

    def byte(self) -> int:
        """Step both registers and return 8 bits, what the comparator of the output neuron gets."""
        return self.word() & 0xFF

    def bytes(self, size: int) -> NDArray[np.uint8]:
        """Return the next bytes, shape ``[size]``."""
        return np.array([self.byte() for _ in range(size)], dtype=np.uint8)
