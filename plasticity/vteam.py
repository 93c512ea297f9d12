"""VTEAM: a voltage-threshold memristor model.

Polarity (the paper's): a voltage above v_off > 0 moves the state x towards x_off, the HIGH resistance, and so
lowers the conductance; a voltage below v_on < 0 raises it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from snnrl.errors import InvalidValueError
from snnrl.plasticity.device import Device, FloatArray
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.validate import finite, one_of, positive, require

WINDOWS = ("none", "joglekar", "biolek", "team")
MAPS = ("resistance", "exponential", "conductance")


@dataclass(frozen=True, kw_only=True)
class VTEAM(Device):
    """VTEAM memristor.

    ::

        dx/dt = k_off*(v/v_off - 1)**alpha_off*f_off(x)    v > v_off > 0
                0                                          v_on < v < v_off
                k_on*(v/v_on - 1)**alpha_on*f_on(x)        v < v_on < 0
        i     = v*G(x)

    Parameters
    ----------
    r_on, r_off
        Resistance at x_on and at x_off, ohm.
    k_on, k_off
        Rates, units of x per second; k_on < 0 < k_off.
    alpha_on, alpha_off
        Exponents of the overdrive.
    v_on, v_off
        Thresholds, volt; v_on < 0 < v_off.
    x_on, x_off
        Bounds of the state (metre, or dimensionless for a normalised state).
    window
        ``none`` (hard bounds), ``joglekar``, ``biolek`` or ``team``.
    p
        Integer exponent of the Joglekar and Biolek windows.
    a_on, a_off, w_c
        Constants of the TEAM window, units of x.
    map
        How the state sets the current: ``resistance`` (R linear in x, Eq. 4), ``exponential`` (Eq. 5) or
        ``conductance`` (G linear in x; VTEAM leaves the current law open). Learning needs ``conductance``.
    v_limit
        Largest voltage magnitude for which the numbers hold; beyond it the model refuses.

    References
    ----------
    Kvatinsky, Ramadan, Friedman, Kolodny 2015, IEEE TCAS-II 62:786, Eqs. 1-5. Windows: Joglekar & Wolf 2009,
    Eur. J. Phys. 30:661; Biolek et al. 2009, Radioengineering 18:210; Kvatinsky et al. 2013, TCAS-I 60:211.
    """

    r_on: float
    r_off: float
    k_on: float
    k_off: float
    alpha_on: float
    alpha_off: float
    v_on: float
    v_off: float
    x_on: float = 0.0
    x_off: float = 1.0
    window: str = "none"
    p: int = 1
    a_on: float = 0.0
    a_off: float = 1.0
    w_c: float = 0.1
    map: str = "resistance"
    v_limit: float = math.inf

    citation: ClassVar[str] = "Kvatinsky et al. 2015, IEEE TCAS-II 62:786"
    time_resolved: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "r_on", "r_off", "k_off", "v_off", "alpha_on", "alpha_off", "w_c")
        finite(self, "k_on", "v_on", "x_on", "x_off", "a_on", "a_off")
        require(self.r_off > self.r_on, self, "r_off", f"above r_on = {self.r_on:g} ohm")
        require(self.k_on < 0, self, "k_on", "below 0")
        require(self.v_on < 0, self, "v_on", "below 0")
        require(self.x_off > self.x_on, self, "x_off", f"above x_on = {self.x_on:g}")
        require(self.v_limit > 0, self, "v_limit", "above 0 volt")
        require(isinstance(self.p, int) and self.p >= 1, self, "p", "a whole number, 1 or above")
        one_of(self, "window", WINDOWS)
        one_of(self, "map", MAPS)

    @property
    def g_min(self) -> float:
        """Conductance at x_off, siemens."""
        return 1 / self.r_off

    @property
    def g_max(self) -> float:
        """Conductance at x_on, siemens."""
        return 1 / self.r_on

    @property
    def v_th(self) -> float:
        """The threshold, volt, of a device with v_on = -v_off."""
        require(self.v_on == -self.v_off, self, "v_on", f"-v_off = {-self.v_off:g} V, for learning")
        return self.v_off

    @property
    def alpha(self) -> float:
        """The exponent of a device with alpha_on = alpha_off."""
        require(self.alpha_on == self.alpha_off, self, "alpha_on", f"{self.alpha_off:g}, for learning")
        return self.alpha_off

    def state_rate(self, v: ArrayLike, x: ArrayLike) -> FloatArray:
        """dx/dt (units of x per second) at voltage `v` (volt) and state `x`; shapes broadcast."""
        self._check_inside("voltage", v, -self.v_limit, self.v_limit, "V")
        self._check_inside("state", x, self.x_on, self.x_off)
        v, x = np.asarray(v, dtype=float), np.asarray(x, dtype=float)
        off = self.k_off * np.maximum(v / self.v_off - 1, 0) ** self.alpha_off
        on = self.k_on * np.maximum(v / self.v_on - 1, 0) ** self.alpha_on
        return np.asarray(off * self.window_value(x, up=False) + on * self.window_value(x, up=True))

    def conductance(self, x: ArrayLike) -> FloatArray:
        """Conductance (siemens) at state `x`."""
        self._check_inside("state", x, self.x_on, self.x_off)
        s = (np.asarray(x, dtype=float) - self.x_on) / (self.x_off - self.x_on)
        if self.map == "conductance":
            return np.asarray(self.g_max + (self.g_min - self.g_max) * s)
        if self.map == "exponential":
            return np.asarray(np.exp(-math.log(self.r_off / self.r_on) * s) / self.r_on)
        return np.asarray(1 / (self.r_on + (self.r_off - self.r_on) * s))

    def current(self, v: ArrayLike, x: ArrayLike) -> FloatArray:
        """Return the current (ampere) at voltage `v` and state `x`."""
        self._check_inside("voltage", v, -self.v_limit, self.v_limit, "V")
        return np.asarray(np.asarray(v, dtype=float) * self.conductance(x))

    def window_value(self, x: ArrayLike, up: bool) -> FloatArray:
        """Window f_on (`up`, towards x_on) or f_off (towards x_off) at state `x`."""
        x = np.asarray(x, dtype=float)
        if self.window == "team":
            distance = self.a_on - x if up else x - self.a_off
            return np.asarray(np.exp(-np.exp(distance / self.w_c)))
        return self._window_of_u((self.x_off - x) / (self.x_off - self.x_on), up)

    def _window_of_u(self, u: FloatArray, up: bool) -> FloatArray:
        """Hard-bound, Joglekar or Biolek window as a function of the normalised conductance."""
        if self.window == "biolek":
            return np.asarray(1 - (u if up else 1 - u) ** (2 * self.p))
        if self.window == "joglekar":
            return np.asarray(1 - (2 * u - 1) ** (2 * self.p))
        return np.ones_like(u)

    def _window_text(self, u: str, up: bool) -> str:
        if self.window == "biolek":
            return f"(1 - {u if up else f'(1 - {u})'}**{2 * self.p})"
        return f"(1 - (2*{u} - 1)**{2 * self.p})" if self.window == "joglekar" else "1"

    def pulse_gain(self, up: bool, pulse: Rectangular) -> float:
        """Change of u by a full overlap of two pulses where the window is 1: k*T*(2*V0/v_th - 1)**alpha."""
        if self.map != "conductance" or self.window == "team":
            got = f"map={self.map}, window={self.window}"
            raise InvalidValueError(
                "VTEAM", got, "map=conductance and a window other than team, for learning"
            )
        self._check_inside("voltage", 2 * pulse.amplitude, 0, self.v_limit, "V")
        rate = (-self.k_on if up else self.k_off) / (self.x_off - self.x_on)
        return float(rate * pulse.width * max(2 * pulse.amplitude / self.v_th - 1, 0.0) ** self.alpha)

    def pulse_step(self, u: ArrayLike, up: bool, pulse: Rectangular) -> FloatArray:
        """Change of u by a full overlap, the window held at its starting value."""
        self._check_inside("state u", u, 0, 1)
        return np.asarray(self.pulse_gain(up, pulse) * self._window_of_u(np.asarray(u, dtype=float), up))

    def pulse_step_text(self, u: str, up: bool, pulse: Rectangular) -> str:
        """Expression of :meth:`pulse_step`."""
        return f"{self.pulse_gain(up, pulse)!r}*{self._window_text(u, up)}"


VTEAM_SYNAPSE = VTEAM(
    r_on=1e4, r_off=2e5, k_on=-100.0, k_off=100.0, alpha_on=1.0, alpha_off=1.0, v_on=-1.0, v_off=1.0,
    window="biolek", p=10, map="conductance", v_limit=2.0,
)  # fmt: skip
"""A nearly linear synapse, 5 to 100 uS, thresholds of +-1 V as parylene's; a design choice, not a fitted device.

k = 100/s: two half pulses of 10 ms at 0.75 V each, fully overlapping, move the state by half of its range.
"""

VTEAM_MEMTORCH = VTEAM(
    r_on=50.0, r_off=1e3, k_on=-10.0, k_off=5e-4, alpha_on=3.0, alpha_off=1.0, v_on=-0.2, v_off=0.02,
    x_on=0.0, x_off=3e-9,
)  # fmt: skip
"""The defaults of MemTorch's VTEAM.py (state in metre); its source states no voltage range."""
