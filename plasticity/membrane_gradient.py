"""Policy gradient for neurons that are read by their membrane, not by their spikes."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.plasticity.rules import SIGNALS, RuleText
from snnrl.plasticity.validate import finite, not_negative, one_of


@dataclass(frozen=True)
class MembraneGradient:
    """What the sum of input owes to chance, times presynaptic input: the third factor makes a weight change of it.

    ::

        x   -> x + worth                       at a presynaptic spike: its effect on the membrane per unit of weight
        w   -> w + eta*signal*tag              once per environment step, then
        tag -> trace_decay*tag + x*chance,     x -> 0

    A membrane that is ``sum of w x`` plus Gaussian noise has the noise, over its variance, times x as derivative of
    its log-probability with respect to w. With ``chance = 1`` the tag is the derivative of the membrane itself, and
    with the TD error as the signal the rule is linear TD(lambda): for a critic.

    Parameters
    ----------
    eta
        Learning rate, weight units per unit of signal and tag.
    trace_decay
        Factor on the tag per environment step; gamma*lambda for TD(lambda).
    worth
        Expression: what a spike adds to the target's membrane for a weight of 1.
    chance
        Expression: the noise of the target's membrane in this environment step over its variance; 1 for a critic.
    signal
        Which shared signal gates the rule.

    References
    ----------
    Williams 1992, Mach. Learn. 8:229, Sec. 6 (REINFORCE for Gaussian units); Fiete & Seung 2006, Phys. Rev. Lett.
    97:048104 (perturbed membranes of spiking neurons); Sutton 1988, Mach. Learn. 3:9, Eq. 4 (TD(lambda)).
    """

    eta: float = 0.01
    trace_decay: float = 0.9
    worth: str = "1"
    chance: str = "noise_post"
    signal: str = "td_error"

    def __post_init__(self) -> None:
        finite(self, "eta")
        not_negative(self, "trace_decay")
        one_of(self, "signal", SIGNALS)

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        return RuleText(
            equations="x : 1\ntag : 1",
            on_pre=f"x += {self.worth}",
            on_post="",
            change=f"eta*{self.signal}*tag",
            after=f"tag = trace_decay*tag + x*{self.chance}\nx = 0",
            pre_trace="x",
            signal=self.signal,
            parameters={"eta": self.eta, "trace_decay": self.trace_decay},
        )
