"""Networks by name, with the plasticity rule by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from snnrl.errors import UnknownNameError
from snnrl.networks.actor_critic import ActorCritic
from snnrl.networks.base import ActorNetwork
from snnrl.networks.reward_modulated import RewardModulated
from snnrl.plasticity import RSTDP, TDLTP, PolicyGradient, Rule

_NETWORKS = ("actor-critic", "reward-modulated")
_RULES = ("td-ltp", "r-stdp", "policy-gradient")


def names() -> list[str]:
    """Names that `make` knows."""
    return sorted(_NETWORKS)


def _actor_rule(plasticity: str, signal: str, decay: float) -> Rule:
    """Return the actors' rule; the amplitude of every tag is 0.1 per pair, whichever rule writes it."""
    if plasticity == "td-ltp":
        return TDLTP(eta=0.1, trace_decay=decay, inhibition=0.5, signal=signal, anneal=0.8)
    if plasticity == "r-stdp":
        return RSTDP(eta=0.1, tau_plus=0.04, a_plus=0.1, a_minus=-0.02, tau_e=None, trace_decay=decay,
                     inhibition=0.5, signal=signal, anneal=0.8)  # fmt: skip
    if plasticity == "policy-gradient":
        return PolicyGradient(eta=0.2, trace_decay=decay, signal=signal, anneal=0.8)
    raise UnknownNameError("plasticity", plasticity, _RULES)


def make(name: str, plasticity: str = "td-ltp", **parameters: Any) -> ActorNetwork:
    """Return the network ``name`` with the actors' plasticity rule and the fields that differ from the defaults.

    Raises
    ------
    UnknownNameError
        If the network, the rule or a field is not known.
    """
    if name not in _NETWORKS:
        raise UnknownNameError("network", name, _NETWORKS)
    network: type[ActorNetwork] = ActorCritic if name == "actor-critic" else RewardModulated
    known = [f.name for f in fields(network) if not f.name.endswith("_rule")]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of network {name}", parameter, known)
    signal, decay = ("td_error", 0.95 * 0.8) if network is ActorCritic else ("reward_error", 0.38)
    return network(actor_rule=_actor_rule(plasticity, signal, decay), **parameters)  # type: ignore[call-arg]
