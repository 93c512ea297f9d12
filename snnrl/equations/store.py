"""Lowered networks as JSON, so that a second start does not import brian2."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement

_STATEMENTS = ("update", "reset", "on_step", "clock_update", "on_pre", "on_post", "on_reward")
_TUPLES = ("variables", "shared", "weights")


def to_text(network: LoweredNetwork) -> str | None:
    """Return a lowered network as JSON; ``None`` if it holds arrays, which are not worth it."""
    try:
        return json.dumps(
            {
                "dt": network.dt,
                "env_steps": network.env_steps,
                "neurons": [_part(n) for n in network.neurons],
                "synapses": [_part(s) for s in network.synapses],
            }
        )
    except TypeError:
        return None


def _part(part: LoweredNeurons | LoweredSynapses) -> dict[str, Any]:
    fields = {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    for name in _STATEMENTS:
        if name in fields:
            fields[name] = [[s.target, s.expression, s.increment] for s in fields[name]]
    if "conditional" in fields:
        fields["conditional"] = sorted(fields["conditional"])
    return fields


def from_text(text: str) -> LoweredNetwork:
    """Return the lowered network that `to_text` wrote."""
    content = json.loads(text)
    return LoweredNetwork(
        neurons=tuple(LoweredNeurons(**_fields(n)) for n in content["neurons"]),
        synapses=tuple(LoweredSynapses(**_fields(s)) for s in content["synapses"]),
        dt=content["dt"],
        env_steps=content["env_steps"],
    )


def _fields(fields: dict[str, Any]) -> dict[str, Any]:
    for name in _STATEMENTS:
        if name in fields:
            fields[name] = tuple(Statement(*s) for s in fields[name])
    for name in _TUPLES:
        if name in fields:
            fields[name] = tuple(fields[name])
    if "conditional" in fields:
        fields["conditional"] = frozenset(fields["conditional"])
    return fields
