"""Al2O3/TiO2-x memristor: a step towards the nearer bound, scaled by pulse and by the device's own threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from snnrl.errors import InvalidValueError
from snnrl.plasticity.device import Device, FloatArray
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.validate import between, finite, not_negative, positive, require
from snnrl.random import stream_id, uniform

THRESHOLD_CASES = ("ideal", "30%", "full", "spread")
"""The three assumptions of Wu et al., section II.B: no variation, +-30 %, and anything from 1 to 5.5 V; and any spread."""
SET, RESET = 0, 1


@dataclass(frozen=True, kw_only=True)
class Al2O3(Device):
    """Conductance change of an Al2O3/TiO2-x memristor under one write pulse.

    With u = (g - g_min)/(g_max - g_min) in [0, 1]::

        set:    du = +rate*exp(slope*(v - v_write) + slope*(v_th - v_set))*(1 - saturation*(2*u - 1))
        reset:  du = -rate*exp(slope*(v - v_write) + slope*(v_th - v_reset))*(1 + saturation*(2*u - 1))

    times the pulse's length in units of ``write_width``, cut at the bounds. v_set and v_reset are the effective
    thresholds of the device at hand, v_th their nominal value. ``saturation`` 0 moves in equal steps between
    hard bounds, 1 is the soft-bound law, in which the step vanishes at the bound ahead.

    That the change depends on pulse, state and two effective thresholds, and the three cases of the thresholds,
    are from the paper; that rates are about exponential in voltage is its reference [31]. The formula is not in
    the paper, nor are ``rate``, ``slope`` and ``saturation``: phenomenological, chosen here (docs/crossbar.md).

    Parameters
    ----------
    rate
        Step at mid-range by the nominal write pulse, as a fraction of the conductance range.
    slope
        Sensitivity to voltage, 1/V.
    saturation
        Dependence on the state, 0 to 1.
    v_threshold
        Nominal effective threshold, set and reset alike, volt.
    v_write, write_width
        The nominal write pulse: volt across the device, seconds.
    thresholds
        One of `THRESHOLD_CASES`: how the thresholds are drawn, uniformly.
    threshold_spread
        Half-width of the case "spread", relative to the nominal threshold.
    g_min, g_max
        Conductance range, siemens.

    References
    ----------
    Wu et al. 2020, arXiv 2001.06930, section II.B; Prezioso et al. 2015, Nature 521:61.
    """

    rate: float = 3e-5
    slope: float = 0.3
    saturation: float = 1.0
    v_threshold: float = 2.25
    v_write: float = 3.0
    write_width: float = 5e-4
    thresholds: str = "ideal"
    threshold_spread: float = 0.3
    g_min: float = 1e-5
    g_max: float = 1e-4

    citation: ClassVar[str] = "Prezioso et al. 2015, Nature 521:61; law of snnrl"
    polarities: ClassVar[tuple[str, ...]] = ("_set", "_reset")
    time_resolved: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "rate", "v_threshold", "v_write", "write_width", "g_min", "g_max")
        finite(self, "slope")
        not_negative(self, "slope")
        between(self, "saturation", 0.0, 1.0)
        require(self.rate < 0.5, self, "rate", "below 0.5, half the range in one pulse")
        require(self.g_max > self.g_min, self, "g_max", f"above g_min = {self.g_min:g} S")
        require(self.thresholds in THRESHOLD_CASES, self, "thresholds", ", ".join(THRESHOLD_CASES))
        require(
            0 <= self.threshold_spread < 1, self, "threshold_spread", "0 <= value < 1, relative to nominal"
        )
        require(self.threshold_dtod == 0, self, "threshold_dtod", "0: 'thresholds' says how they are drawn")

    @property
    def v_th(self) -> float:
        """Nominal threshold, volt."""
        return self.v_threshold

    @property
    def only_thresholds(self) -> bool:
        """Whether nothing but the thresholds differs from device to device, and nothing from write to write."""
        return self.rate_dtod == self.range_dtod == self.update_std == 0

    @property
    def alpha(self) -> float:
        """No overdrive in this law: its dependence on voltage and threshold is exponential (:meth:`gain_text`)."""
        return math.nan

    def pulse_step(self, u: ArrayLike, up: bool, pulse: Rectangular) -> FloatArray:
        """Step of a nominal device under both lines' pulses together."""
        toward = 2 * np.asarray(u, dtype=float) - 1
        return np.asarray(self._scale(pulse) * (1 + (-1 if up else 1) * self.saturation * toward))

    def pulse_step_text(self, u: str, up: bool, pulse: Rectangular) -> str:
        """Expression of :meth:`pulse_step`."""
        sign = "-" if up else "+"
        return f"{self._scale(pulse)!r}*(1 {sign} {self.saturation!r}*(2*{u} - 1))"

    def _scale(self, pulse: Rectangular) -> float:
        both = self.slope * (2 * pulse.amplitude - self.v_write)
        return self.rate * math.exp(both) * pulse.width / self.write_width

    def draw_thresholds(self, seed: int, size: int) -> FloatArray:
        """Effective thresholds of the devices of one crossbar array, volt.

        Parameters
        ----------
        seed
            Seed of the agent that owns the array.
        size
            Number of devices.

        Returns
        -------
        FloatArray
            Set and reset threshold of each device, shape ``[2, size]``; uniform, set and reset independent.
        """
        draws = uniform(seed, stream_id("crossbar/thresholds"), 0, 2 * size).reshape(2, size)
        unit, low, high = self._threshold_range()
        return np.asarray(unit * (low + (high - low) * draws))

    def _threshold_range(self) -> tuple[float, float, float]:
        """Give the unit in volt, and the range of the thresholds in that unit."""
        if self.thresholds == "full":
            return 1.0, 1.0, 5.5
        half = {"ideal": 0.0, "30%": 0.3, "spread": self.threshold_spread}[self.thresholds]
        return self.v_threshold, 1.0 - half, 1.0 + half

    def threshold_text(self) -> str:
        """Expression of one draw of :meth:`draw_thresholds`."""
        unit, low, high = self._threshold_range()
        if low == high:
            return f"{unit!r}*volt"
        return f"{unit!r}*volt*({low!r} + {high - low!r}*rand())"

    def nominal_gain(self, volts: float, both: float) -> float:
        """Rate of a nominal device at ``volts`` relative to that at ``both``."""
        return math.exp(self.slope * (volts - both))

    def gain_text(self, threshold: str, volts: float, both: float) -> str:
        """Expression of :meth:`nominal_gain` times :meth:`speed`."""
        return f"exp({self.slope!r}*({self.v_threshold + volts - both!r} - {threshold}/volt))"

    def speed(self, threshold: ArrayLike) -> FloatArray:
        """Step of devices with these effective thresholds (volt), relative to a nominal one."""
        volts = np.asarray(threshold, dtype=float)
        if not np.all(np.isfinite(volts) & (volts > 0)):
            raise InvalidValueError("Al2O3.threshold", float(np.min(volts)), "volts above 0")
        return np.asarray(np.exp(self.slope * (self.v_threshold - volts)))


AL2O3 = Al2O3()
"""Ideal thresholds, soft bounds."""
AL2O3_SYNAPSE = Al2O3(rate=5e-3, slope=0.03, saturation=0.0)
"""The device for learning that writes at every step: slope and saturation as in the study's figure 14 (docs/crossbar.md).
The rate counts for spiking synapses alone: their longest overlap, 10 ms, moves a device by a tenth of its range, as it
does parylene."""
