"""The TD-LTP rule of Frémaux, Sprekeler and Gerstner 2013: potentials since the last own spike, low-passed by a kernel."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.plasticity.rules import SIGNALS, RuleText, _rate, _seconds
from snnrl.plasticity.validate import between, finite, one_of, positive, require


@dataclass(frozen=True)
class KernelTDLTP:
    """TD error times Hebbian long-term potentiation, in continuous time.

    With the presynaptic potential since the last postsynaptic spike, a difference of two exponentials, and the kernel
    kappa, another one, ::

        p = epsilon_0/(tau_m - tau_s) * (epsp_slow - epsp_fast)           both jump by 1 at a presynaptic spike
        E -> E + p kappa(t - now), epsp_slow = epsp_fast -> 0             at a postsynaptic spike
        kappa(t) = (exp(-t/tau_kappa) - exp(-t/nu_kappa)) / (tau_kappa - nu_kappa)
        w -> w + eta * td_error * E                                       once per environment step

    In the paper the weight follows ``dw/dt = eta' delta(t) E(t)/tau_r`` with ``delta = dV/dt - V/tau_r + r``. The TD
    error of this package is the integral of delta over an environment step divided by tau_r, where gamma is ``1 -
    step/tau_r`` and the value is taken at the end of the step (Doya's backward Euler); so ``eta`` is the paper's eta',
    and tau_r is in gamma.

    Parameters
    ----------
    eta
        Learning rate, weight per unit of TD error, millivolt and hertz.
    epsilon_0
        Integral of a postsynaptic potential, millivolt times seconds.
    tau_m, tau_s
        Time constants of the potential, seconds; tau_m is the longer.
    tau_kappa, nu_kappa
        Time constants of the kernel, seconds; tau_kappa is the longer.
    signal, anneal
        As in `snnrl.plasticity.TDLTP`.

    Raises
    ------
    InvalidValueError
        If a number is not finite, or a time constant not positive or not longer than the other.

    References
    ----------
    Frémaux, Sprekeler, Gerstner 2013, PLoS Comput. Biol. 9:e1003024, Eq. 17 (TD-LTP).
    """

    eta: float = 5e-4
    epsilon_0: float = 0.02
    tau_m: float = 0.02
    tau_s: float = 0.005
    tau_kappa: float = 0.2
    nu_kappa: float = 0.05
    signal: str = "td_error"
    anneal: float = 0.0

    def __post_init__(self) -> None:
        finite(self, "eta", "epsilon_0")
        positive(self, "tau_m", "tau_s", "tau_kappa", "nu_kappa")
        require(self.tau_m > self.tau_s, self, "tau_m", f"above tau_s = {self.tau_s:g}")
        require(self.tau_kappa > self.nu_kappa, self, "tau_kappa", f"above nu_kappa = {self.nu_kappa:g}")
        one_of(self, "signal", SIGNALS)
        between(self, "anneal", 0.0, 1.0)

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        parameters: dict[str, float | str] = {
            "eta": self.eta,
            "epsp_gain": self.epsilon_0 / (self.tau_m - self.tau_s),
            "kappa_gain": 1.0 / (self.tau_kappa - self.nu_kappa),
        }
        for name in ("tau_m", "tau_s", "tau_kappa", "nu_kappa"):
            parameters[name] = _seconds(getattr(self, name))
        rate = _rate(self.anneal, parameters)
        return RuleText(
            equations="depsp_slow/dt = -epsp_slow/tau_m : 1 (event-driven)\n"
            "depsp_fast/dt = -epsp_fast/tau_s : 1 (event-driven)\n"
            "delig_slow/dt = -elig_slow/tau_kappa : 1 (event-driven)\n"
            "delig_fast/dt = -elig_fast/nu_kappa : 1 (event-driven)",
            on_pre="epsp_slow += 1\nepsp_fast += 1",
            on_post="sample = epsp_gain*(epsp_slow - epsp_fast)\n"
            "elig_slow += sample\nelig_fast += sample\nepsp_slow = 0\nepsp_fast = 0",
            change=f"{rate}*{self.signal}*kappa_gain*(elig_slow - elig_fast)",
            after="",
            pre_trace="epsp_slow",
            signal=self.signal,
            parameters=parameters,
        )
