"""Dense networks as arrays by name, and as ``.npz`` files that hold nothing but numbers and short texts.

Every layer stands once, so that a shared trunk is still shared after reading::

    dense/format             number of this layout
    dense/observation_shape  and, where there is one, dense/observation_scale
    dense/q_values           0 or 1
    dense/policy, dense/value    indices of the layers of each chain
    dense/I/kind             linear, conv2d, relu, tanh or flatten
    dense/I/weight, dense/I/bias     and dense/I/geometry (stride, padding) of a convolution
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.dense import ACTIVATIONS, Activation, Conv2d, DenseNetwork, Flatten, Layer, Linear

Arrays = dict[str, NDArray[Any]]

FORMAT = 1
UNREADABLE = (ValueError, OSError, EOFError, KeyError, IndexError, TypeError, RuntimeError, MemoryError,
              OverflowError, SyntaxError, zipfile.BadZipFile, zlib.error, struct.error)  # fmt: skip
"""What numpy and zipfile raise over damaged or foreign bytes."""


def to_arrays(network: DenseNetwork) -> Arrays:
    """Return the network as arrays by name, see the module."""
    layers = list(dict.fromkeys((*network.policy, *network.value)))  # identity: layers hash by it
    arrays: Arrays = {
        "dense/format": np.array(FORMAT),
        "dense/observation_shape": np.array(network.observation_shape),
        "dense/q_values": np.array(int(network.q_values)),
        "dense/policy": np.array([layers.index(layer) for layer in network.policy], np.int64),
        "dense/value": np.array([layers.index(layer) for layer in network.value], np.int64),
    }
    if network.observation_scale is not None:
        arrays["dense/observation_scale"] = network.observation_scale
    for index, layer in enumerate(layers):
        arrays |= {f"dense/{index}/{name}": array for name, array in _layer_arrays(layer).items()}
    return arrays


def _layer_arrays(layer: Layer) -> Arrays:
    kind = layer.kind if isinstance(layer, Activation) else type(layer).__name__.lower()
    arrays: Arrays = {"kind": np.array(kind)}
    if isinstance(layer, Linear | Conv2d):
        arrays |= {"weight": layer.weight, "bias": layer.bias}
    if isinstance(layer, Conv2d):
        arrays["geometry"] = np.array([layer.stride, layer.padding])
    return arrays


def from_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> DenseNetwork:
    """Return the network that `to_arrays` took apart; its arrays may be stored under a prefix.

    Raises
    ------
    InvalidValueError
        An array is missing or does not fit.
    """
    arrays = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    try:
        found = int(arrays["dense/format"])
        if found != FORMAT:
            raise InvalidValueError("format of a dense network", found, f"{FORMAT}")
        chains = [[int(i) for i in arrays[f"dense/{name}"]] for name in ("policy", "value")]
        layers = {i: _layer(arrays, i) for i in sorted({*chains[0], *chains[1]})}
        policy, value = (tuple(layers[i] for i in chain) for chain in chains)
        shape = tuple(int(size) for size in arrays["dense/observation_shape"])
        scale = arrays.get("dense/observation_scale")
        return DenseNetwork(shape, policy, value, scale, bool(arrays["dense/q_values"]))
    except KeyError as error:
        raise InvalidValueError("arrays of a dense network", f"none named {error}", "all of them") from None
    except (TypeError, IndexError) as error:
        raise InvalidValueError("arrays of a dense network", str(error), "those of a saved network") from None


def _layer(arrays: Mapping[str, NDArray[Any]], index: int) -> Layer:
    kind = str(arrays[f"dense/{index}/kind"])
    if kind in ACTIVATIONS:
        return Activation(kind)
    if kind == "flatten":
        return Flatten()
    if kind not in ("linear", "conv2d"):
        allowed = ", ".join(("linear", "conv2d", *ACTIVATIONS, "flatten"))
        raise InvalidValueError(f"kind of layer {index}", kind, allowed)
    weight, bias = arrays[f"dense/{index}/weight"], arrays[f"dense/{index}/bias"]
    if kind == "linear":
        return Linear(weight, bias)
    stride, padding = (int(number) for number in arrays[f"dense/{index}/geometry"])
    return Conv2d(weight, bias, stride, padding)


def write(network: DenseNetwork, path: Path) -> None:
    """Write an ``.npz`` file.

    Raises
    ------
    InvalidValueError
        If it cannot be written.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **to_arrays(network))  # type: ignore[arg-type]
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        allowed = f"a file that can be written ({error.strerror})"
        raise InvalidValueError("network file", str(path), allowed) from error


def read(path: Path) -> DenseNetwork:
    """Read an ``.npz`` file; nothing in it is executed.

    Raises
    ------
    InvalidValueError
        If it cannot be read, is damaged or holds something else.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name.startswith("dense/")}
        return from_arrays(arrays)
    except UNREADABLE as error:
        why = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        allowed = f"a file written by DenseNetwork.save ({why})"
        raise InvalidValueError("network file", str(path), allowed) from error
