"""(CoFeB)x(LiNbO3)1-x nanocomposite memristor: the measured spike-timing window as a fitted function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from snnrl.plasticity.device import Device, FloatArray
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.validate import finite, positive, require


@dataclass(frozen=True, kw_only=True)
class Nanocomposite(Device):
    """STDP of a nanocomposite memristor; delta_t = t_post - t_pre, w = normalised conductance in [0, 1].

    ::

        delta_t > 0:  dw = a_plus*w*(1 + tanh(-(delta_t - mu_plus)/tau_plus))
        delta_t < 0:  dw = a_minus*w*(1 + tanh((delta_t - mu_minus)/tau_minus))

    Both branches are proportional to w: w = 0 is absorbing. `tau_minus` is positive here (the authors' code
    has a negative one and 1 - tanh). Used for learning, a full pulse pair is the published step at
    ``+-pair_interval``; shorter pulses give a proportionally smaller step (assumed).

    Parameters
    ----------
    a_plus, a_minus
        Amplitudes; a_minus < 0.
    mu_plus, mu_minus, tau_plus, tau_minus
        Constants of the window, seconds; mu_minus < 0.
    pair_interval
        Interval of the programming pulse pair, seconds.
    g_min, g_max
        Conductance range, siemens. The fit is in normalised w; the ratio of 100 is an order of magnitude.
    v_th
        Switching voltage, volt (order of magnitude, used only to place the spread).
    alpha
        Exponent of the overdrive through which a spread threshold scales the step; 1 is assumed.

    References
    ----------
    Demin et al. 2021, Neural Networks 134:64; Sboev et al. 2021, Mathematics 9(24):3237; constants from the
    authors' NEST module ``stdp_tanh`` (github sag111/Sparse-WTA-SNN, 70040dd8). The papers print a_minus as
    -0.047, the module has -0.0496; the module's is used.
    """

    a_plus: float = 0.07376001452742792
    a_minus: float = -0.04963699617346189
    mu_plus: float = 26.730656991521247e-3
    mu_minus: float = -22.325265872889496e-3
    tau_plus: float = 9.300596954566565e-3
    tau_minus: float = 10.81180238558187e-3
    pair_interval: float = 0.01
    g_min: float = 1e-5
    g_max: float = 1e-3
    v_th: float = 4.5
    alpha: float = 1.0

    citation: ClassVar[str] = "Demin et al. 2021, Neural Networks 134:64"
    time_resolved: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "a_plus", "tau_plus", "tau_minus", "pair_interval", "g_min", "g_max", "v_th", "alpha")
        finite(self, "mu_plus", "mu_minus")
        require(self.a_minus < 0, self, "a_minus", "below 0")
        require(self.g_max > self.g_min, self, "g_max", f"above g_min = {self.g_min:g} S")

    def stdp(self, delta_t: ArrayLike, w: ArrayLike) -> FloatArray:
        """Weight change of one spike pair before clipping to [0, 1]; shapes broadcast.

        Parameters
        ----------
        delta_t
            t_post - t_pre, seconds; 0 has no effect.
        w
            Normalised conductance before the pair, in [0, 1].
        """
        self._check_inside("w", w, 0, 1)
        dt, w = np.asarray(delta_t, dtype=float), np.asarray(w, dtype=float)
        per_weight = np.where(dt > 0, self._potentiation(dt), self._depression(dt))
        return np.asarray(w * np.where(dt == 0, 0.0, per_weight))

    def _potentiation(self, dt: ArrayLike) -> FloatArray:
        return np.asarray(self.a_plus * (1 + np.tanh((self.mu_plus - np.asarray(dt)) / self.tau_plus)))

    def _depression(self, dt: ArrayLike) -> FloatArray:
        return np.asarray(self.a_minus * (1 + np.tanh((np.asarray(dt) - self.mu_minus) / self.tau_minus)))

    def pulse_step(self, u: ArrayLike, up: bool, pulse: Rectangular) -> FloatArray:
        """Size of the published step at ``+-pair_interval``; the shape of `pulse` is part of the fit."""
        return np.abs(self.stdp(self.pair_interval if up else -self.pair_interval, u))

    def pulse_step_text(self, u: str, up: bool, pulse: Rectangular) -> str:
        """Expression of :meth:`pulse_step`."""
        factor = self._potentiation(self.pair_interval) if up else -self._depression(-self.pair_interval)
        return f"{float(factor)!r}*{u}"

    def state_text(self, u: str, up: bool) -> str:
        """Expression of the part of :meth:`stdp` that depends on the conductance, 0 or above."""
        return f"{self.a_plus if up else -self.a_minus!r}*{u}"

    def timing_text(self, delta_t: str, up: bool) -> str:
        """Expression of the part of :meth:`stdp` that depends on the interval (a quantity), for its branch ``up`` or down."""
        if up:
            return f"(1 + tanh(({self.mu_plus!r}*second - {delta_t})/({self.tau_plus!r}*second)))"
        return f"(1 + tanh(({delta_t} - {self.mu_minus!r}*second)/({self.tau_minus!r}*second)))"


NANOCOMPOSITE = Nanocomposite()
"""The constants of the authors' module."""
