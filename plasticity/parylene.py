"""Parylene (poly-p-xylylene, PPX) memristor: the measured spike-timing window as a fitted function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from snnrl.plasticity.device import Device, FloatArray
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.validate import finite, positive, require


@dataclass(frozen=True, kw_only=True)
class Parylene(Device):
    """STDP of a parylene memristor; delta_t = t_post - t_pre, w = normalised conductance in [0, 1].

    ::

        delta_t > 0:  dw = +a_plus*exp(-beta_plus*(1 - w))*|delta_t/tau|*exp(-gamma_plus*(delta_t/tau)**2)
        delta_t < 0:  dw = -a_minus*exp(-beta_minus*w)*|delta_t/tau|*exp(-gamma_minus*(delta_t/tau)**2)
        |delta_t| > delta_t_max:  0

    Used for learning, a full pulse pair is the published step at ``+-pair_interval``; shorter pulses give a
    proportionally smaller step (assumed, the fit has one pulse length).

    Parameters
    ----------
    a_plus, a_minus, beta_plus, beta_minus, gamma_plus, gamma_minus
        Dimensionless constants of the fit.
    tau, delta_t_max
        Time scale and longest interval with an effect, seconds.
    pair_interval
        Interval of the programming pulse pair, seconds.
    g_min, g_max
        Conductance range of the fit, siemens (100 kOhm to 0.1 kOhm).
    v_th
        Switching voltage, volt. The fit contains no voltage; it is used only to place the spread.
    alpha
        Exponent of the overdrive through which a spread threshold scales the step; 1 is assumed.

    References
    ----------
    Sboev et al. 2021, Mathematics 9(24):3237; constants from the authors' NEST module
    ``stdp_gaussian_times_linear_with_separate_exp_r_dependence`` (github sag111/Sparse-WTA-SNN, 70040dd8).
    Switching voltage: Minnekhanov et al. 2019, Sci. Rep. 9:10800 (down to 1 V).
    """

    a_plus: float = 0.3161977426412055
    a_minus: float = 0.011297914920262086
    beta_plus: float = 2.213043124548639
    beta_minus: float = -5.9693974750170025
    gamma_plus: float = 0.031839429846118886
    gamma_minus: float = 0.14568323501051358
    tau: float = 0.01
    delta_t_max: float = 0.5
    pair_interval: float = 0.01
    g_min: float = 1e-5
    g_max: float = 1e-2
    v_th: float = 1.0
    alpha: float = 1.0

    citation: ClassVar[str] = "Sboev et al. 2021, Mathematics 9(24):3237"
    time_resolved: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(self, "a_plus", "a_minus", "gamma_plus", "gamma_minus", "tau", "delta_t_max")
        positive(self, "pair_interval", "g_min", "g_max", "v_th", "alpha")
        finite(self, "beta_plus", "beta_minus")
        require(self.g_max > self.g_min, self, "g_max", f"above g_min = {self.g_min:g} S")
        require(self.pair_interval <= self.delta_t_max, self, "pair_interval", "up to delta_t_max")

    def stdp(self, delta_t: ArrayLike, w: ArrayLike) -> FloatArray:
        """Weight change of one spike pair before clipping to [0, 1]; shapes broadcast.

        Parameters
        ----------
        delta_t
            t_post - t_pre, seconds.
        w
            Normalised conductance before the pair, in [0, 1].
        """
        self._check_inside("w", w, 0, 1)
        dt, w = np.asarray(delta_t, dtype=float), np.asarray(w, dtype=float)
        change = np.where(dt > 0, self._potentiation(dt, w), -self._depression(dt, w))
        return np.where(np.abs(dt) > self.delta_t_max, 0.0, change)

    def _potentiation(self, dt: FloatArray, w: FloatArray) -> FloatArray:
        return np.asarray(self.a_plus * np.exp(-self.beta_plus * (1 - w)) * self._timing(dt, self.gamma_plus))

    def _depression(self, dt: FloatArray, w: FloatArray) -> FloatArray:
        return np.asarray(self.a_minus * np.exp(-self.beta_minus * w) * self._timing(dt, self.gamma_minus))

    def _timing(self, dt: ArrayLike, gamma: float) -> FloatArray:
        s = np.asarray(dt, dtype=float) / self.tau
        return np.asarray(np.abs(s) * np.exp(-gamma * s**2))

    def pulse_step(self, u: ArrayLike, up: bool, pulse: Rectangular) -> FloatArray:
        """Size of the published step at ``+-pair_interval``; the shape of `pulse` is part of the fit."""
        return np.abs(self.stdp(self.pair_interval if up else -self.pair_interval, u))

    def pulse_step_text(self, u: str, up: bool, pulse: Rectangular) -> str:
        """Expression of :meth:`pulse_step`."""
        gamma = self.gamma_plus if up else self.gamma_minus
        return f"{self.state_text(u, up)}*{float(self._timing(self.pair_interval, gamma))!r}"

    def state_text(self, u: str, up: bool) -> str:
        """Expression of the part of :meth:`stdp` that depends on the conductance, 0 or above."""
        if up:
            return f"{self.a_plus!r}*exp(-{self.beta_plus!r}*(1 - {u}))"
        return f"{self.a_minus!r}*exp({-self.beta_minus!r}*{u})"

    def timing_text(self, delta_t: str, up: bool) -> str:
        """Expression of the part of :meth:`stdp` that depends on the interval (a quantity), for its branch ``up`` or down."""
        s, gamma = f"{delta_t}/({self.tau!r}*second)", self.gamma_plus if up else self.gamma_minus
        return f"abs({s})*exp(-{gamma!r}*({s})**2)"


PARYLENE = Parylene()
"""The published constants."""
