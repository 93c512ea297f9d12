"""The plasticity rules of the ready-made networks, with the constants that were tuned (docs/plasticity.md)."""

from __future__ import annotations

from snnrl.errors import UnknownNameError
from snnrl.plasticity import RSTDP, TDLTP, PolicyGradient, Rule

RULES = ("td-ltp", "r-stdp", "policy-gradient")

GAMMA = 0.95
"""Discount per environment step; traces decay by gamma times lambda."""
CRITIC_DECAY = GAMMA * 0.9
ACTOR_DECAY = GAMMA * 0.8
ALONE_DECAY = 0.38
"""Tag decay of actors without a critic, whose reward grades the push just made."""
ANNEAL = 0.8
INHIBITION = 0.5


def critic_rule() -> Rule:
    """Return the critic's rule."""
    return TDLTP(eta=0.04, trace_decay=CRITIC_DECAY, anneal=ANNEAL)


def actor_rule(plasticity: str, signal: str, decay: float) -> Rule:
    """Return the actors' rule; the amplitude of every tag is 0.1 per pair, whichever rule writes it.

    Raises
    ------
    UnknownNameError
        If ``plasticity`` is none of `RULES`.
    """
    if plasticity == "td-ltp":
        return TDLTP(eta=0.1, trace_decay=decay, inhibition=INHIBITION, signal=signal, anneal=ANNEAL)
    if plasticity == "r-stdp":
        return RSTDP(eta=0.1, tau_plus=0.04, a_plus=0.1, a_minus=-0.02, tau_e=None, trace_decay=decay,
                     inhibition=INHIBITION, signal=signal, anneal=ANNEAL)  # fmt: skip
    if plasticity == "policy-gradient":
        return PolicyGradient(eta=0.2, trace_decay=decay, signal=signal, anneal=ANNEAL)
    raise UnknownNameError("plasticity", plasticity, RULES)
