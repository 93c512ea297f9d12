"""What a ready-made network changes for a task it does not learn with its defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from snnrl.plasticity import Rule


@dataclass(frozen=True)
class Preset:
    """Changes to a network for one task.

    Parameters
    ----------
    fields
        Fields of the network and their values.
    critic_decay, actor_decay
        Decay of the tags per environment step.
    critic_rate
        Factor on the critic's learning rate.
    """

    fields: Mapping[str, float]
    critic_decay: float
    actor_decay: float
    critic_rate: float = 1.0

    def without(self, names: Iterable[str]) -> Preset:
        """Return the preset less the fields that somebody has chosen."""
        kept = {name: value for name, value in self.fields.items() if name not in set(names)}
        return dataclasses.replace(self, fields=kept)

    def critic(self, rule: Rule) -> Rule:
        """Return the critic's rule for the task."""
        return _changed(rule, self.critic_decay, self.critic_rate)

    def actor(self, rule: Rule) -> Rule:
        """Return the actors' rule for the task."""
        return _changed(rule, self.actor_decay, 1.0)


def _changed(rule: Rule, decay: float, rate: float) -> Rule:
    tuned: Any = rule  # every rule is a dataclass with these two fields
    changed: Rule = dataclasses.replace(tuned, trace_decay=decay, eta=rate * tuned.eta)
    return changed


_SWING = 0.99
"""Discount where a swing-up takes about a hundred steps."""
_QUIET = {"critic_size": 128, "critic_bias": 2.0, "value_scale": 0.5}
"""A critic whose value is less noisy: more neurons, more spikes per value."""
PRESETS: dict[str, Preset] = {
    "acrobot": Preset({"gamma": _SWING, "cells_per_variable": 5}, _SWING * 0.9, _SWING * 0.8),
    "mountain-car": Preset(
        {"gamma": _SWING, "cells_per_variable": 10, **_QUIET}, _SWING * 0.9, _SWING * 0.8, critic_rate=2.0
    ),
}
"""By the name of a task; found on seeds below 100,000. What is not here learns with the defaults, tuned for the cart-pole."""
