"""What a conversion is asked for, checked."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.errors import InvalidValueError
from snnrl.networks.spiking_equivalent_neurons import RESETS

CODES = ("rate", "first-spike")
LONGEST = 1024
"""Most dt per decision."""
CORRECTION_STEPS = 6
"""Length of the stage of falling spikes that tells the residual membrane."""


@dataclass(frozen=True)
class ConversionOptions:
    """How a dense network becomes a spiking one.

    Parameters
    ----------
    steps
        Time steps (dt) of a decision, everything included: T. A spike takes one dt to the next layer.
    percentile
        The range of a neuron is that of its unit over the calibration states, without what lies beyond this percentile
        at either end; in (50, 100].
    code
        ``rate`` or ``first-spike``.
    correction
        Whether the residual membrane is corrected: tracking pairs for the rate code, rounding for the first spike.
        Without it the network is one of plain integrate-and-fire neurons with soft reset.
    reset
        Of plain neurons: ``subtract`` (soft), or ``zero``, the only one that NIR knows.

    Raises
    ------
    InvalidValueError
        If a number is out of range, or the code unknown.
    """

    steps: int = 32
    percentile: float = 99.9
    code: str = "rate"
    correction: bool = True
    reset: str = "subtract"

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or not 1 <= self.steps <= LONGEST:
            raise InvalidValueError("steps", self.steps, f"a whole number of 1 to {LONGEST}")
        if not 50.0 < self.percentile <= 100.0:
            raise InvalidValueError("percentile", self.percentile, "above 50, at most 100")
        if self.code not in CODES:
            raise InvalidValueError("code", self.code, " or ".join(CODES))
        if self.reset not in RESETS:
            raise InvalidValueError("reset", self.reset, " or ".join(RESETS))
        if self.reset != "subtract" and (self.correction or self.code != "rate"):
            raise InvalidValueError(
                "reset", self.reset, "subtract, unless with rate code and without correction"
            )


@dataclass(frozen=True)
class Point:
    """A fine-tuned agent after some environment steps: mean return with exploration off."""

    env_steps: int
    return_mean: float
