"""Cores as a JSON file: a few numbers, and arrays as zlib-compressed base64. Nothing in it is executed.

::

    format "snnrl-truenorth-cores", version, student, latency, inputs, outputs
    types    axons, neurons: sizes of each core type; then for all types one after the other
             axon_types [axons]; crossbar: a row of 256 bits per neuron (32 bytes, axon 0 lowest);
             weights [neurons, 4], leak, threshold, floor, reset, mode, saturates [neurons]
    cores    type, layer, splitter [cores]; then for the neurons in use of all cores one after the other
             target_core (-1 nowhere, -2 an output), target_axon (or number of the output), delay
    links    source, core, axon: an input spike and an axon that it reaches

Every array is ``{"type": NumPy type, "shape": [..], "zlib": base64}``. `snnrl.networks.truenorth.checker`
reads the same file with code of its own.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.chip import NOWHERE, Chip, CoreType
from snnrl.networks.truenorth.cores import AXONS, NEURONS

FORMAT, VERSION = "snnrl-truenorth-cores", 1
BEST_RATIO = 1100
"""More than zlib can compress; an array that claims more is refused before it is made."""
_TYPE_PARTS = {
    "leak": "<i2",
    "threshold": "<i4",
    "floor": "<i4",
    "reset": "<i4",
    "mode": "|u1",
    "saturates": "|u1",
}
UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    IndexError,
    binascii.Error,
    zlib.error,
)
"""What damaged or foreign content may raise."""


def to_json(chip: Chip) -> dict[str, Any]:
    """Return the cores as what the JSON file holds."""
    used = np.arange(NEURONS) < chip.n_neurons[:, None]
    types = chip.types
    rows = np.concatenate([_crossbar_bytes(t) for t in types])
    per_type = {
        name: _pack(np.concatenate([getattr(t, name) for t in types]), kind)
        for name, kind in _TYPE_PARTS.items()
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "student": chip.name,
        "latency": chip.latency,
        "inputs": chip.n_inputs,
        "outputs": chip.n_outputs,
        "types": {
            "axons": _pack(np.array([len(t.axon_types) for t in types]), "<i2"),
            "neurons": _pack(np.array([len(t.leak) for t in types]), "<i2"),
            "axon_types": _pack(np.concatenate([t.axon_types for t in types]), "|u1"),
            "crossbar": _pack(rows, "|u1"),
            "weights": _pack(np.concatenate([t.weights for t in types]), "<i2"),
            **per_type,
        },
        "cores": {
            "type": _pack(chip.core_types, "<i4"),
            "layer": _pack(chip.layers, "<i2"),
            "splitter": _pack(chip.splitters, "|u1"),
            "target_core": _pack(chip.target_cores[used], "<i4"),
            "target_axon": _pack(chip.target_axons[used], "<i4"),
            "delay": _pack(chip.delays[used], "|u1"),
        },
        "links": {
            "source": _pack(chip.input_sources, "<i4"),
            "core": _pack(chip.input_cores, "<i4"),
            "axon": _pack(chip.input_axons, "<i2"),
        },
    }


def from_json(content: Any, name: str = "core file") -> Chip:
    """Return the cores in the content of a JSON file.

    Raises
    ------
    InvalidValueError
        The content is something else, is damaged, breaks a limit of the hardware, or is of another version;
        the message begins with ``name``.
    """
    try:
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InvalidValueError("content", "something else", f"{FORMAT!r}, cores written by snnrl")
        if content.get("version") != VERSION:
            raise InvalidValueError("version", content.get("version"), f"{VERSION}, which this snnrl reads")
        return _chip(content)
    except InvalidValueError as error:
        raise InvalidValueError(f"{name}: {error.name}", error.got, error.allowed) from None
    except UNREADABLE as error:
        got = f"damaged ({type(error).__name__}: {' '.join(str(error).split())})"
        raise InvalidValueError(name, got, "a core file written by snnrl") from None


def _chip(content: dict[str, Any]) -> Chip:
    cores, links = content["cores"], content["links"]
    types = _types(content["types"])
    core_types = _unpack(cores["type"], "<i4", 1)
    if core_types.size and not 0 <= core_types.min() <= core_types.max() < len(types):
        raise InvalidValueError("type of a core", int(core_types.max()), f"0 to {len(types) - 1}")
    counts = np.array([len(t.leak) for t in types], np.int64)[core_types]
    used = np.arange(NEURONS) < counts[:, None]
    filled = []
    for part, kind, blank in (
        ("target_core", "<i4", NOWHERE),
        ("target_axon", "<i4", 0),
        ("delay", "|u1", 1),
    ):
        array = np.full(used.shape, blank, np.dtype(kind).newbyteorder("="))
        array[used] = _sized(_unpack(cores[part], kind, 1), int(counts.sum()), part)
        filled.append(array)
    numbers: list[int] = [content[key] for key in ("inputs", "outputs", "latency")]
    if not all(type(number) is int and 0 <= number < 2**31 for number in numbers):
        raise InvalidValueError("inputs, outputs, latency", numbers, "whole numbers of at least 0")
    return Chip(
        types=types,
        core_types=core_types,
        layers=_unpack(cores["layer"], "<i2", 1),
        splitters=_unpack(cores["splitter"], "|u1", 1).astype(bool),
        target_cores=filled[0],
        target_axons=filled[1],
        delays=filled[2],
        input_sources=_unpack(links["source"], "<i4", 1),
        input_cores=_unpack(links["core"], "<i4", 1),
        input_axons=_unpack(links["axon"], "<i2", 1),
        n_inputs=numbers[0],
        n_outputs=numbers[1],
        latency=numbers[2],
        name=str(content["student"]),
    )


def _types(content: dict[str, Any]) -> tuple[CoreType, ...]:
    axons, neurons = (_unpack(content[key], "<i2", 1).astype(np.int64) for key in ("axons", "neurons"))
    for size, most in ((axons, AXONS), (neurons, NEURONS)):
        if size.size and not 0 <= size.min() <= size.max() <= most:
            raise InvalidValueError("size of a core type", int(size.max()), f"0 to {most}")
    total = int(neurons.sum())
    _sized(neurons, len(axons), "neurons")
    axon_types = np.split(
        _sized(_unpack(content["axon_types"], "|u1", 1), int(axons.sum()), "axon_types"),
        np.cumsum(axons)[:-1],
    )
    rows = _sized(_unpack(content["crossbar"], "|u1", 2), total, "crossbar")
    crossbar = np.unpackbits(rows, axis=1, bitorder="little").astype(bool)
    weights = _sized(_unpack(content["weights"], "<i2", 2), total, "weights")
    parts = [_sized(_unpack(content[name], kind, 1), total, name) for name, kind in _TYPE_PARTS.items()]
    ends = np.cumsum(neurons)
    found = []
    for k, end in enumerate(ends):
        here = slice(int(end - neurons[k]), int(end))
        leak, threshold, floor, reset, mode, saturates = (part[here] for part in parts)
        if crossbar[here, axons[k] :].any():
            raise InvalidValueError(
                "crossbar", "a synapse on an axon that is not there", f"axons 0 to {axons[k] - 1}"
            )
        found.append(
            CoreType(
                axon_types[k], crossbar[here, : axons[k]].copy(), weights[here].copy(), leak.astype(np.int32),
                threshold.copy(),                 floor.copy(), reset.copy(), mode.copy(), saturates.astype(bool),
            )
        )  # fmt: skip
    return tuple(found)


def _crossbar_bytes(kind: CoreType) -> NDArray[np.uint8]:
    bits = np.zeros((len(kind.leak), AXONS), bool)
    bits[:, : len(kind.axon_types)] = kind.crossbar
    return np.packbits(bits, axis=1, bitorder="little")


def _pack(values: NDArray[Any], kind: str) -> dict[str, Any]:
    array = np.ascontiguousarray(values, dtype=kind)
    packed = base64.b64encode(zlib.compress(array.tobytes(), 6)).decode()
    return {"type": kind, "shape": list(array.shape), "zlib": packed}


def _unpack(content: dict[str, Any], kind: str, dimensions: int) -> NDArray[Any]:
    shape = content["shape"]
    if content["type"] != kind or not isinstance(shape, list) or len(shape) != dimensions:
        raise ValueError(f"an array of type {kind} with {dimensions} dimensions is missing")
    if not all(type(n) is int and 0 <= n < 2**31 for n in shape):
        raise ValueError("bad shape")
    packed = base64.b64decode(content["zlib"], validate=True)
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if size > BEST_RATIO * len(packed):
        raise ValueError(f"{len(packed)} bytes cannot hold {size}")
    reader = zlib.decompressobj()
    raw = reader.decompress(packed, size + 1)
    if len(raw) != size:
        raise ValueError(f"an array of {size} bytes holds {len(raw)}")
    return np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _sized(array: NDArray[Any], length: int, name: str) -> NDArray[Any]:
    if len(array) != length:
        raise InvalidValueError(f"length of {name}", len(array), str(length))
    return array


def write(chip: Chip, path: Path) -> None:
    """Write the cores as a JSON file.

    Raises
    ------
    InvalidValueError
        It cannot be written.
    """
    try:
        path.write_text(json.dumps(to_json(chip), indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        allowed = f"a file that can be written ({error.strerror})"
        raise InvalidValueError("core file", str(path), allowed) from error


def read(path: Path) -> Chip:
    """Read cores from a JSON file.

    Raises
    ------
    InvalidValueError
        It cannot be read, is damaged, breaks a limit of the hardware, or is of another version.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        allowed = f"a file that can be read ({error.strerror})"
        raise InvalidValueError("core file", str(path), allowed) from error
    except (ValueError, RecursionError) as error:
        got = f"no JSON ({type(error).__name__}: {' '.join(str(error).split())})"
        raise InvalidValueError(f"core file {path}", got, "a core file written by snnrl") from None
    return from_json(content, f"core file {path}")
