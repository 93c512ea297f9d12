"""Networks by name, with the plasticity rule by name."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.actor_critic import ActorCritic
from snnrl.networks.base import ActorNetwork
from snnrl.networks.fremaux import SRM0ActorCritic
from snnrl.networks.fremaux_presets import PRESETS as SRM0_PRESETS
from snnrl.networks.presets import PRESETS
from snnrl.networks.reward_modulated import RewardModulated
from snnrl.networks.rules import ACTOR_DECAY, ALONE_DECAY, actor_rule

SRM0_NETWORK = "srm0-actor-critic"
_NETWORKS: dict[str, type[ActorNetwork | SRM0ActorCritic]] = {
    "actor-critic": ActorCritic,
    "reward-modulated": RewardModulated,
    SRM0_NETWORK: SRM0ActorCritic,
}


_PARTS = ("presets", "neuron")
"""Fields that are no numbers."""


def names() -> list[str]:
    """Names that `make` knows."""
    return sorted(_NETWORKS)


def make(name: str, plasticity: str = "td-ltp", **parameters: Any) -> ActorNetwork | SRM0ActorCritic:
    """Return the network ``name`` with the actors' plasticity rule and the fields that differ from the defaults.

    Fields that are not given take the values of `snnrl.networks.presets.PRESETS`, or of `fremaux_presets.PRESETS`, for
    the task it is built for.

    Raises
    ------
    UnknownNameError
        If the network, the rule or a field is not known.
    InvalidValueError
        If a field is not a number, or outside its range, or the network has no such rule.
    """
    if name not in _NETWORKS:
        raise UnknownNameError("network", name, _NETWORKS)
    network = _NETWORKS[name]
    known = [f.name for f in fields(network) if f.name not in _PARTS and not f.name.endswith("_rule")]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of network {name}", parameter, known)
    for parameter, value in parameters.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValueError(f"{network.__name__}.{parameter}", value, "a number")
    if network is SRM0ActorCritic:
        return _srm0(plasticity, parameters)
    if network is RewardModulated:
        return RewardModulated(actor_rule=actor_rule(plasticity, "reward_error", ALONE_DECAY), **parameters)
    presets = {task: preset.without(parameters) for task, preset in PRESETS.items()}
    rule = actor_rule(plasticity, "td_error", ACTOR_DECAY)
    return ActorCritic(actor_rule=rule, presets=presets, **parameters)


def _srm0(plasticity: str, parameters: dict[str, Any]) -> SRM0ActorCritic:
    if plasticity != "td-ltp":
        raise InvalidValueError("plasticity", plasticity, f"td-ltp with network {SRM0_NETWORK!r}")
    kept = {
        task: {name: value for name, value in preset.items() if name not in parameters}
        for task, preset in SRM0_PRESETS.items()
    }
    return SRM0ActorCritic(presets=kept, **parameters)
