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

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

LFSR_BITS, CASR_BITS = 43, 37
_LFSR_MASK, _CASR_MASK = (1 << LFSR_BITS) - 1, (1 << CASR_BITS) - 1
_FEEDBACK = 1 << 41 | 1 << 20 | 1 << 1 | 1
_RULE_150 = 1 << 28
_WORD = 0xFFFFFFFF


def lfsr_step(state: int) -> int:
    """Return the next state of the shift register."""
    carried = state >> (LFSR_BITS - 1)
    return ((state << 1) & _LFSR_MASK) ^ (_FEEDBACK if carried else 0)


def casr_step(state: int) -> int:
    """Return the next state of the cellular automaton."""
    return ((state << 1) & _CASR_MASK) ^ (state >> 1) ^ (state & _RULE_150)


class HardwareRandom:
    """The generator.

    Parameters
    ----------
    lfsr, casr
        Initial states of the two registers; zero would stay zero.
    """

    def __init__(self, lfsr: int = 1, casr: int = 1) -> None:
        for name, state, mask in (("lfsr", lfsr, _LFSR_MASK), ("casr", casr, _CASR_MASK)):
            if not 0 < state <= mask:
                raise InvalidValueError(f"HardwareRandom.{name}", state, f"1 to {mask}")
        self.lfsr, self.casr = lfsr, casr

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
