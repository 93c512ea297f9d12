"""Reward-driven learning rules: small dataclasses that produce their own equation text.

A rule says which traces a synapse carries, what spikes do to them, and which weight change it wants at
the end of an environment step. Where the weight lives (an ideal number, a memristor, a pair of them) is the
business of :mod:`snnrl.plasticity.memristive`, which turns the wanted change into a new weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from snnrl.errors import UnknownNameError
from snnrl.plasticity.validate import between, finite, not_negative, one_of, positive, require

SIGNALS = ("td_error", "reward_error", "reward")
"""Shared signals that may gate a rule: TD error, reward minus its running mean, reward itself."""


@dataclass(frozen=True)
class RuleText:
    """The text of a rule, in Brian2's equation and statement language.

    Attributes
    ----------
    equations
        Declarations of the traces and tags; the weight is not among them.
    on_pre, on_post
        Statements run at a presynaptic and a postsynaptic spike.
    change
        Expression: the weight change this synapse wants in this environment step (units of the weight).
    after
        Statements run in ``on_reward`` after the weight was updated, such as the decay of the tag.
    parameters, initial
        As in :class:`snnrl.model.Synapses`.
    pre_trace
        Name of the trace of recent presynaptic spikes: alive means that the row has just been active.
    signal
        Name of the shared signal that gates the rule.
    """

    equations: str
    on_pre: str
    on_post: str
    change: str
    after: str
    pre_trace: str
    signal: str
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    initial: Mapping[str, float | str] = field(default_factory=dict)


class Rule(Protocol):
    """Anything that produces the text of a learning rule."""

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        ...


def _rate(anneal: float, parameters: dict[str, float | str]) -> str:
    """Return the learning rate as an expression, annealed by success if asked."""
    if anneal == 0.0:
        return "eta"
    parameters["anneal"] = anneal
    return "eta*(1 - anneal*success**2)"


def _seconds(value: float) -> str:
    return f"{value!r}*second"


def _tag_parameters(rule: TDLTP | PolicyGradient) -> dict[str, float | str]:
    """Return the parameters of a presynaptic trace whose tag decays once per environment step."""
    return {
        "eta": rule.eta,
        "tau_pre": _seconds(rule.tau_pre),
        "jump": rule.jump,
        "trace_decay": rule.trace_decay,
    }


@dataclass(frozen=True)
class TDLTP:
    """TD error times Hebbian long-term potentiation, with a tag that outlives the environment step.

    ::

        dx/dt = -x/tau_pre, x -> x + 1         at a presynaptic spike
        new_tag -> new_tag + jump*x            at a postsynaptic spike
        w       -> w + eta*td_error*tag        once per environment step, then
        tag     -> trace_decay*tag + new_tag - jump*inhibition*x*h,   new_tag -> 0

    The tag used with a TD error is the one built up to the previous action, as the error judges that action.

    Parameters
    ----------
    eta
        Learning rate, weight units per unit of signal and tag.
    tau_pre
        Time constant of the presynaptic trace, seconds.
    jump
        Tag added per postsynaptic spike and unit of presynaptic trace.
    trace_decay
        Factor on the tag per environment step; gamma*lambda for TD(lambda).
    inhibition
        Weight of inhibitory events: a neuron silenced by its rivals unlearns its active inputs.
    inhibitory_events
        Target variable that counts the inhibitory events of this environment step.
    signal
        Which shared signal gates the rule.
    anneal
        The rate falls to ``eta*(1 - anneal)`` as the shared ``success`` (mean length of the last 20 episodes
        over the longest possible) reaches 1, with its square: what works is changed less.

    References
    ----------
    Fremaux, Sprekeler, Gerstner 2013, PLoS Comput. Biol. 9:e1003024, Eq. 17 (TD-LTP). The discrete decay per
    environment step, in place of their filter kappa, and the anti-Hebbian inhibition term are ours.
    """

    eta: float = 0.15
    tau_pre: float = 0.04
    jump: float = 0.1
    trace_decay: float = 0.776
    inhibition: float = 0.0
    inhibitory_events: str = "h_post"
    signal: str = "td_error"
    anneal: float = 0.0

    def __post_init__(self) -> None:
        finite(self, "eta", "jump")
        positive(self, "tau_pre")
        not_negative(self, "inhibition", "trace_decay")
        one_of(self, "signal", SIGNALS)
        between(self, "anneal", 0.0, 1.0)

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        parameters = _tag_parameters(self)
        unlearn = ""
        if self.inhibition > 0:
            parameters["inhibition"] = self.inhibition
            unlearn = f" - jump*inhibition*x*{self.inhibitory_events}"
        return RuleText(
            equations="dx/dt = -x/tau_pre : 1 (event-driven)\nnew_tag : 1\ntag : 1",
            on_pre="x += 1",
            on_post="new_tag += jump*x",
            change=f"{_rate(self.anneal, parameters)}*{self.signal}*tag",
            after=f"tag = trace_decay*tag + new_tag{unlearn}\nnew_tag = 0",
            pre_trace="x",
            signal=self.signal,
            parameters=parameters,
        )


@dataclass(frozen=True)
class RSTDP:
    """Reward-modulated STDP: pair-based STDP written to an eligibility trace, which reward turns into weight.

    With ``tau_e``, the continuous eligibility trace of the literature::

        dapre/dt = -apre/tau_plus, dapost/dt = -apost/tau_minus, delig/dt = -elig/tau_e
        apre  -> apre + a_plus,   elig -> elig + apost    at a presynaptic spike
        apost -> apost + a_minus, elig -> elig + apre     at a postsynaptic spike
        w     -> w + eta*signal*elig                      once per environment step

    With ``trace_decay``, a tag that decays once per environment step, as in :class:`TDLTP`: the pairs of the
    present step join the tag only after the weight has changed, because the signal judges the step before.

    Parameters
    ----------
    eta
        Learning rate, weight units per unit of signal and eligibility.
    tau_plus, tau_minus
        Time constants of the pre-before-post and post-before-pre window, seconds.
    a_plus, a_minus
        Amplitudes of the two halves of the window; `a_minus` is negative for Hebbian STDP.
    tau_e
        Time constant of the continuous eligibility trace, seconds (MSTDPET). None: no such trace; without
        `trace_decay` either (MSTDP) the reward judges only the pairs of its own environment step.
    signal
        Which shared signal gates the rule.
    anneal
        As in :class:`TDLTP`.
    trace_decay
        Factor on the tag per environment step; None: no tag. Not together with `tau_e`.
    inhibition, inhibitory_events
        As in :class:`TDLTP`; only with `trace_decay`.

    References
    ----------
    Florian 2007, Neural Comput. 19:1468, Eqs. 10-14 (MSTDP, MSTDPET); Izhikevich 2007, Cereb. Cortex 17:2443.
    The factor 1/tau_e of Florian's trace is part of `eta` here. The tag per environment step is ours.
    """

    eta: float = 0.05
    tau_plus: float = 0.02
    tau_minus: float = 0.02
    a_plus: float = 1.0
    a_minus: float = -1.0
    tau_e: float | None = 0.2
    signal: str = "td_error"
    anneal: float = 0.0
    trace_decay: float | None = None
    inhibition: float = 0.0
    inhibitory_events: str = "h_post"

    def __post_init__(self) -> None:
        finite(self, "eta", "a_plus", "a_minus")
        positive(self, "tau_plus", "tau_minus", *(() if self.tau_e is None else ("tau_e",)))
        one_of(self, "signal", SIGNALS)
        between(self, "anneal", 0.0, 1.0)
        not_negative(self, "inhibition", *(() if self.trace_decay is None else ("trace_decay",)))
        require(
            self.tau_e is None or self.trace_decay is None, self, "trace_decay", "None where tau_e is given"
        )
        require(
            self.inhibition == 0 or self.trace_decay is not None, self, "inhibition", "0 without trace_decay"
        )

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        parameters: dict[str, float | str] = {
            "eta": self.eta,
            "tau_plus": _seconds(self.tau_plus),
            "tau_minus": _seconds(self.tau_minus),
            "A_plus": self.a_plus,
            "A_minus": self.a_minus,
        }
        eligibility, pairs, used, after = self._eligibility(parameters)
        return RuleText(
            equations="dapre/dt = -apre/tau_plus : 1 (event-driven)\n"
            f"dapost/dt = -apost/tau_minus : 1 (event-driven)\n{eligibility}",
            on_pre=f"apre += A_plus\n{pairs} += apost",
            on_post=f"apost += A_minus\n{pairs} += apre",
            change=f"{_rate(self.anneal, parameters)}*{self.signal}*{used}",
            after=after,
            pre_trace="apre",
            signal=self.signal,
            parameters=parameters,
        )

    def _eligibility(self, parameters: dict[str, float | str]) -> tuple[str, str, str, str]:
        """Return declarations, the variable pairs are written to, the one the change reads, what follows it."""
        if self.tau_e is not None:
            parameters["tau_e"] = _seconds(self.tau_e)
            return "delig/dt = -elig/tau_e : 1 (event-driven)", "elig", "elig", ""
        if self.trace_decay is None:
            return "elig : 1", "elig", "elig", "elig = 0"
        parameters["trace_decay"] = self.trace_decay
        unlearn = ""
        if self.inhibition > 0:
            parameters["inhibition"] = self.inhibition
            unlearn = f" - inhibition*apre*{self.inhibitory_events}"
        return (
            "new_tag : 1\ntag : 1",
            "new_tag",
            "tag",
            f"tag = trace_decay*tag + new_tag{unlearn}\nnew_tag = 0",
        )


MSTDPET = RSTDP(tau_e=0.025)
"""Florian 2007, Sec. 5: tau_plus = tau_minus = 20 ms, a_plus = -a_minus = 1, tau_z = 25 ms."""


@dataclass(frozen=True)
class PolicyGradient:
    """Policy-gradient (R-max) trace: presynaptic trace times (postsynaptic spikes minus the expected ones).

    ::

        dx/dt = -x/tau_pre, x -> x + 1         at a presynaptic spike
        new_tag -> new_tag + jump*x            at a postsynaptic spike
        w       -> w + eta*signal*tag          once per environment step, then
        tag     -> trace_decay*tag + new_tag - jump*x*rho,   new_tag -> 0

    For a neuron that fires at random the derivative of the log-probability of its spike train with respect to
    w is the sum of (spike - expected spike) times the postsynaptic potential. The expected number of spikes
    per environment step, rho, is a variable of the target neuron: a low-pass trace of its own activity. The
    expected term takes x at the end of the step for its mean over the step, good while `tau_pre` is not
    shorter than the step.

    Parameters
    ----------
    eta, tau_pre, jump, trace_decay, signal, anneal
        As in :class:`TDLTP`.
    expected
        Target variable that holds the expected number of spikes per environment step.

    References
    ----------
    Williams 1992, Mach. Learn. 8:229 (REINFORCE); Xie & Seung 2004, Phys. Rev. E 69:041909, Eq. 9; Florian
    2007, Neural Comput. 19:1468, Sec. 3; Fremaux, Sprekeler, Gerstner 2010, J. Neurosci. 30:13326 (R-max).
    """

    eta: float = 0.15
    tau_pre: float = 0.04
    jump: float = 0.1
    trace_decay: float = 0.776
    expected: str = "rho_post"
    signal: str = "td_error"
    anneal: float = 0.0

    def __post_init__(self) -> None:
        finite(self, "eta", "jump")
        positive(self, "tau_pre")
        not_negative(self, "trace_decay")
        one_of(self, "signal", SIGNALS)
        between(self, "anneal", 0.0, 1.0)

    def text(self) -> RuleText:
        """Return the rule as equation text."""
        parameters = _tag_parameters(self)
        return RuleText(
            equations="dx/dt = -x/tau_pre : 1 (event-driven)\nnew_tag : 1\ntag : 1",
            on_pre="x += 1",
            on_post="new_tag += jump*x",
            change=f"{_rate(self.anneal, parameters)}*{self.signal}*tag",
            after=f"tag = trace_decay*tag + new_tag - jump*x*{self.expected}\nnew_tag = 0",
            pre_trace="x",
            signal=self.signal,
            parameters=parameters,
        )


_RULES: dict[str, type[TDLTP | RSTDP | PolicyGradient]] = {
    "td-ltp": TDLTP,
    "r-stdp": RSTDP,
    "policy-gradient": PolicyGradient,
}


def names() -> list[str]:
    """Names that :func:`make` knows."""
    return sorted(_RULES)


def make(name: str, **overrides: float | str | None) -> TDLTP | RSTDP | PolicyGradient:
    """Return the rule `name` with its defaults, changed by `overrides` (field name -> value)."""
    if name not in _RULES:
        raise UnknownNameError("plasticity", name, _RULES)
    known = [f.name for f in fields(_RULES[name])]
    for key in overrides:
        if key not in known:
            raise UnknownNameError(f"{name} parameter", key, known)
    return _RULES[name](**overrides)  # type: ignore[arg-type]  # the fields check their own values
