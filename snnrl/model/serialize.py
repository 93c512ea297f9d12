"""Models to JSON and back.

A frozen dataclass becomes ``{"type": name, field: value, ...}``; only the classes registered here can be read
back, so nothing in a file is ever executed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from snnrl.errors import ModelError, UnknownNameError
from snnrl.model.values import Array


def _classes() -> dict[str, type]:
    from snnrl.coding import affine, boxes, decoders, encoders
    from snnrl.model import agent, network

    found: dict[str, type] = {}
    for module in (network, agent, encoders, decoders, affine, boxes):
        for name, item in vars(module).items():
            if isinstance(item, type) and dataclasses.is_dataclass(item) and not name.startswith("_"):
                found[name] = item
    return found


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        body = {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return {"type": type(value).__name__, **body}
    if isinstance(value, Array):
        return {"type": "Array", "dtype": str(value.values.dtype), "values": value.values.tolist()}
    if isinstance(value, Mapping):
        return {"type": "dict", "items": [[k, _encode(v)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        return [_encode(v) for v in value]
    return value


def _decode(value: Any, classes: dict[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v, classes) for v in value)
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if kind == "Array":
        return Array(np.array(value["values"], dtype=value["dtype"]))
    if kind == "dict":
        return {k: _decode(v, classes) for k, v in value["items"]}
    if kind not in classes:
        raise UnknownNameError("model file type", kind, classes)
    return classes[kind](**{k: _decode(v, classes) for k, v in value.items() if k != "type"})


def to_json(model: Any) -> str:
    """Return ``model`` (a `Network`, an `AgentModel`, ...) as JSON text."""
    return json.dumps(_encode(model), sort_keys=True)


def from_json(text: str) -> Any:
    """Return the model that `to_json` wrote.

    Raises
    ------
    ModelError
        If the text is not a model.
    """
    try:
        return _decode(json.loads(text), _classes())
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelError(f"not a model: {error}") from error
