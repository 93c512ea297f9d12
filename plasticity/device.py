"""What every memristive device has: a conductance range, a threshold, spread, and a step per programming pulse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import DeviceRangeError
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.validate import require

FloatArray = NDArray[np.float64]

THRESHOLD_FLOOR = 0.2
"""Smallest threshold drawn, in units of the nominal one: no fabricated device switches at zero volts."""
RATE_FLOOR = 0.1
"""Smallest rate drawn, in units of the nominal one."""
G_MAX_FLOOR = 0.4
"""Smallest upper conductance bound drawn, in units of the nominal one."""
HUGE = 1e6
"""Upper bound where only the lower one of ``clip()`` is wanted."""


@dataclass(frozen=True, kw_only=True)
class Device(ABC):
    """A memristive device used as a synapse; SI units throughout.

    The state used for learning is the normalised conductance u = (g - g_min)/(g_max - g_min) in [0, 1].
    The spread is Gaussian and relative; ``_dtod`` is drawn once per device, ``_std`` at every update.

    Parameters
    ----------
    threshold_dtod
        Device-to-device spread of the switching threshold, relative to nominal.
    rate_dtod
        Device-to-device spread of the switching rate, relative to nominal.
    range_dtod
        Device-to-device spread of g_min and of g_max (independent), relative to each.
    update_std
        Cycle-to-cycle spread of a conductance change, relative to that change.
    """

    threshold_dtod: float = 0.0
    rate_dtod: float = 0.0
    range_dtod: float = 0.0
    update_std: float = 0.0

    citation: ClassVar[str]
    polarities: ClassVar[tuple[str, ...]] = ("",)
    """Endings of the names of a device's own thresholds: one threshold for set and reset alike, or one for each."""
    time_resolved: ClassVar[bool]
    """True: a rate law, so any voltage waveform can be integrated. False: only whole pulse pairs are known."""

    def __post_init__(self) -> None:
        for name in ("threshold_dtod", "rate_dtod", "range_dtod", "update_std"):
            require(0 <= getattr(self, name) < 1, self, name, "0 <= value < 1, relative to nominal")

    @property
    @abstractmethod
    def g_min(self) -> float:
        """Smallest conductance, siemens."""

    @property
    @abstractmethod
    def g_max(self) -> float:
        """Largest conductance, siemens."""

    @property
    @abstractmethod
    def v_th(self) -> float:
        """Magnitude of the switching threshold, volt; the same for both polarities."""

    @property
    @abstractmethod
    def alpha(self) -> float:
        """Exponent of the overdrive |v|/v_th - 1 in the switching rate."""

    @abstractmethod
    def pulse_step(self, u: ArrayLike, up: bool, pulse: Rectangular) -> FloatArray:
        """Size of the change of u by one full-length pulse pair, before clipping (0 or above).

        Parameters
        ----------
        u
            Normalised conductance, any shape, in [0, 1].
        up
            True: towards g_max; False: towards g_min.
        pulse
            The pulse on either line; its width is the longest overlap.
        """

    @abstractmethod
    def pulse_step_text(self, u: str, up: bool, pulse: Rectangular) -> str:
        """Return the expression of :meth:`pulse_step` for the variable named `u`."""

    def threshold_text(self) -> str:
        """Return the expression that draws one device's own threshold, or the nominal one, with its unit."""
        nominal = f"{self.v_th!r}*volt"
        if self.threshold_dtod == 0:
            return nominal
        return f"{nominal}*clip(1 + {self.threshold_dtod!r}*randn(), {THRESHOLD_FLOOR!r}, {HUGE!r})"

    def nominal_gain(self, volts: float, both: float) -> float:
        """Return the rate of a nominal device at ``volts``, relative to that at ``both``, two lines' pulses together."""
        return float((max(volts / self.v_th - 1, 0.0) / (both / self.v_th - 1)) ** self.alpha)

    def gain_text(self, threshold: str, volts: float, both: float) -> str:
        """Return the expression of :meth:`nominal_gain` for a device whose threshold is the variable of this name."""
        overdrive = f"clip({volts!r}*volt/{threshold} - 1, 0, {HUGE!r})/{both / self.v_th - 1!r}"
        return f"({overdrive})" + ("" if self.alpha == 1 else f"**{self.alpha!r}")

    def normalised(self, g: ArrayLike) -> FloatArray:
        """Normalised conductance of `g` (siemens); refuses values outside [g_min, g_max]."""
        self._check_inside("conductance", g, self.g_min, self.g_max, "S")
        return (np.asarray(g, dtype=float) - self.g_min) / (self.g_max - self.g_min)

    def _check_inside(self, what: str, value: ArrayLike, low: float, high: float, unit: str = "") -> None:
        array = np.asarray(value, dtype=float)
        outside = array[~((array >= low) & (array <= high))]
        if outside.size:
            allowed = f"{low:g} to {high:g} {unit}".strip()
            raise DeviceRangeError(f"{type(self).__name__}.{what}", float(outside.flat[0]), allowed)
