"""Crossbar networks for training: which numbers a task needs, and the network from options given by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.device import Device
from snnrl.tasks import RotaryPendulum, Task

PAPER: dict[str, Any] = {}
"""Fields for the rotary pendulum: those of Wu et al., the defaults of :class:`CrossbarActorCritic`."""
CART_POLE: dict[str, Any] = {
    "gamma": 0.985,
    "critic_rate": 0.4,
    "critic_hidden_rate": 4.0,
    "actor_rate": 0.06,
    "actor_hidden_rate": 0.6,
    "w_max": 5.0,
}
"""Fields for the cart-pole, and for tasks nobody has tuned them for; found on seeds below 100,000."""
_ELSEWHERE = {"rule": "plasticity", "device": "device and its parameters"}


def preset(task: Task) -> dict[str, Any]:
    """Return the fields in which a task's network differs from the defaults."""
    return PAPER if isinstance(task, RotaryPendulum) else CART_POLE


def make_crossbar(
    task: Task, rule: str, device: Device | None = None, parameters: Mapping[str, Any] | None = None
) -> CrossbarActorCritic:
    """Return the crossbar network for a task.

    Parameters
    ----------
    task
        Gives the `preset`.
    rule
        How weights change, see :class:`CrossbarActorCritic`.
    device
        The memristors; None: ideal ones.
    parameters
        Fields that differ from the preset.

    Raises
    ------
    UnknownNameError
        If a field is not known.
    InvalidValueError
        If a value is of another kind than the field or out of its range, or the device is no `Al2O3`.
    """
    if device is not None and not isinstance(device, Al2O3):
        allowed = "al2o3 with network 'crossbar': its law is that of crossbar pulses"
        raise InvalidValueError("device", type(device).__name__.lower(), allowed)
    known = {f.name: f.default for f in dataclasses.fields(CrossbarActorCritic) if f.name not in _ELSEWHERE}
    given = dict(parameters or {})
    for name, value in given.items():
        if name in _ELSEWHERE:
            raise InvalidValueError(f"network.{name}", value, f"the option {_ELSEWHERE[name]}")
        if name not in known:
            raise UnknownNameError("parameter of network crossbar", name, known)
        _check_kind(name, value, type(known[name]))
    return CrossbarActorCritic(rule=rule, device=device, **(preset(task) | given))


def _check_kind(name: str, value: object, kind: type) -> None:
    """Refuse text for a number, and a number for yes or no; ranges are the network's own matter."""
    if kind is bool:
        fits, allowed = isinstance(value, bool), "true or false"
    else:
        fits, allowed = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    if not fits:
        raise InvalidValueError(f"CrossbarActorCritic.{name}", value, allowed)
