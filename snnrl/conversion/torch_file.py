"""Torch modules and torch files as `DenseNetwork`; files are read with ``weights_only=True`` and must be state dicts."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnrl.errors import InvalidValueError
from snnrl.networks.dense import (
    NATURE_CONVOLUTIONS,
    NATURE_SHAPE,
    Activation,
    Conv2d,
    DenseNetwork,
    Flatten,
    Layer,
    Linear,
    Shape,
)
from snnrl.networks.dense_sb3 import policy_network
from snnrl.networks.dense_torch import DenseActorCritic, as_layer

if TYPE_CHECKING:
    from snnrl.conversion.sources import Hints

POLICY = ("policy", "actor", "pi", "action_net")
VALUE = ("value", "critic", "vf", "v", "value_net")
"""Names of a module's parts that hold the two heads; other parts before them are the trunk."""
NESTED = ("state_dict", "model_state_dict", "model")
"""Names under which a file may keep its state dict."""
_SILENT = (nn.Identity, nn.Dropout)
"""Layers that do nothing once a network is trained."""
_EXTRA = "_extra_state"

Arrays = dict[str, NDArray[Any]]


def from_module(module: Any, hints: Hints) -> DenseNetwork:
    """Return a torch module as data.

    A module is a `DenseActorCritic`, a ``Sequential``, or has parts named as in `POLICY` and `VALUE`.

    Raises
    ------
    InvalidValueError
        If it is no torch module, or a layer has no counterpart; the layer is named.
    """
    if isinstance(module, DenseActorCritic):
        return module.to_network()
    if not isinstance(module, nn.Module):
        raise InvalidValueError("source", type(module).__name__, "a path, a torch module or a DenseNetwork")
    children = dict(module.named_children())
    if isinstance(module, nn.Sequential) or not any(name in POLICY for name in children):
        return _network(_layers(module), [], [], hints)
    return _network(*_heads({name: _layers(child) for name, child in children.items()}), hints)


def _layers(module: nn.Module) -> list[Layer]:
    if isinstance(module, nn.Sequential):
        return [layer for child in module for layer in _layers(child)]
    if isinstance(module, _SILENT):
        return []
    return [as_layer(module)]


def from_bytes(content: bytes, name: str, hints: Hints) -> DenseNetwork:
    """Return the network in the bytes of a torch file.

    Parameters
    ----------
    content
        The file.
    name
        Its path, for messages.
    hints
        What the state dict leaves open.

    Raises
    ------
    InvalidValueError
        If the file holds anything but a state dict, or its parameters are no such network's.
    """
    loaded = load_weights(content, name)
    for key in NESTED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    tensors = isinstance(loaded, Mapping) and all(isinstance(key, str) for key in loaded)
    tensors = tensors and all(isinstance(value, Tensor) for key, value in loaded.items() if key != _EXTRA)
    if not tensors or not loaded:
        raise InvalidValueError("torch file", name, "a state dict: names and tensors")
    extra = loaded.get(_EXTRA)
    arrays = {key: as_array(value) for key, value in loaded.items() if key != _EXTRA}
    if extra is not None:
        return _own(arrays, extra, name)
    if "action_net.weight" in arrays or "q_net.q_net.0.weight" in arrays:
        return _stable_baselines(arrays, hints)
    return from_parameters(arrays, hints)


def load_weights(content: bytes, name: str) -> Any:
    """Return what a torch file holds, if that is tensors and plain values only.

    Raises
    ------
    InvalidValueError
        If it holds anything else, or is damaged. Nothing in it has been executed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file leads torch's reader into any of a dozen
        why = (
            "holds objects that are not weights"
            if "weights_only" in str(error)
            else "damaged, or no torch file"
        )
        allowed = (
            f"a state dict, saved by torch.save(module.state_dict(), path) ({why}; nothing was executed)"
        )
        raise InvalidValueError("torch file", name, allowed) from error


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor as an array; half precisions become float32."""
    plain = tensor.detach().cpu()
    return (
        plain.float().numpy() if plain.is_floating_point() and plain.dtype != torch.float64 else plain.numpy()
    )


def _own(arrays: Arrays, extra: Any, name: str) -> DenseNetwork:
    """Return a `DenseActorCritic` from its state dict, whose extra state describes the layers."""
    try:
        chains = {part: _described(arrays, part, extra[part]) for part in ("trunk", "policy", "value")}
        value = (*chains["trunk"], *chains["value"]) if chains["value"] else ()
        return DenseNetwork(tuple(extra["observation_shape"]), (*chains["trunk"], *chains["policy"]), value,
                            arrays.get("observation_scale"), bool(extra["q_values"]))  # fmt: skip
    except (KeyError, TypeError, IndexError) as error:
        allowed = f"a state dict of DenseActorCritic ({type(error).__name__}: {error})"
        raise InvalidValueError("torch file", name, allowed) from error


def _described(arrays: Arrays, part: str, kinds: Sequence[Sequence[Any]]) -> list[Layer]:
    layers: list[Layer] = []
    for place, (kind, *geometry) in enumerate(kinds):
        if kind in ("linear", "conv2d"):
            weight, bias = (arrays[f"{part}.{place}.{name}"] for name in ("weight", "bias"))
            layers.append(Linear(weight, bias) if kind == "linear" else Conv2d(weight, bias, *geometry))
        else:
            layers.append(Flatten() if kind == "flatten" else Activation(kind))
    return layers


def _stable_baselines(arrays: Arrays, hints: Hints) -> DenseNetwork:
    """Return the network of a policy.pth outside its zip, which then does not say its activation and observation."""
    first = next((array for key, array in arrays.items() if key.endswith(".weight")), np.zeros((1, 1)))
    shape = hints.observation_shape or _guessed_shape(first)
    return policy_network(arrays, _activation(hints), shape, hints.observation_scale)


def from_parameters(arrays: Arrays, hints: Hints) -> DenseNetwork:
    """Return the network whose parameters are named like those of a ``Sequential`` or of `POLICY` and `VALUE` parts.

    Weights of two dimensions are fully connected layers, of four convolutions; an activation stands after every layer
    but the last of each head.

    Raises
    ------
    InvalidValueError
        If a parameter belongs to no such layer, or something is left open.
    """
    groups: dict[str, dict[str, dict[str, NDArray[Any]]]] = {}
    for name, array in arrays.items():
        layer, _, part = name.rpartition(".")
        kinds = {"weight": (2, 4), "bias": (1,)}
        if array.ndim not in kinds.get(part, ()):
            allowed = "weights and biases of Linear and Conv2d layers: nothing else has a spiking equivalent"
            raise InvalidValueError(f"parameter of shape {array.shape}", name, allowed)
        groups.setdefault(layer.partition(".")[0], {}).setdefault(layer, {})[part] = array
    strides = _strides(arrays, hints)
    chains = {name: _chain(list(group.items()), hints, strides) for name, group in groups.items()}
    if any(name in POLICY for name in groups):
        trunk, policy, value = _heads(chains)
        return _network(trunk, policy[:-1], value[:-1], hints)
    return _network([layer for chain in chains.values() for layer in chain][:-1], [], [], hints)


def _chain(
    group: Iterable[tuple[str, dict[str, NDArray[Any]]]], hints: Hints, strides: dict[str, int]
) -> list[Layer]:
    """Return layers with an activation after each."""
    layers: list[Layer] = []
    for name, parts in group:
        if "weight" not in parts:
            raise InvalidValueError(
                "parameters of the state dict", f"no {name}.weight", "a weight beside every bias"
            )
        weight = parts["weight"]
        bias = parts.get("bias", np.zeros(len(weight)))
        layers.append(Linear(weight, bias) if weight.ndim == 2 else Conv2d(weight, bias, strides[name]))
        layers.append(Activation(_activation(hints)))
    return layers


def _activation(hints: Hints) -> str:
    if hints.activation is None:
        raise InvalidValueError("activation", None, "relu or tanh: a state dict does not say")
    return hints.activation


def _strides(arrays: Arrays, hints: Hints) -> dict[str, int]:
    """Return the stride of every convolution, by the name of its layer."""
    weights = {name: array for name, array in arrays.items() if array.ndim == 4}
    kernels = tuple((len(array), array.shape[2]) for array in weights.values())
    nature = kernels == tuple((filters, kernel) for filters, kernel, _ in NATURE_CONVOLUTIONS)
    strides = hints.strides or (tuple(stride for *_, stride in NATURE_CONVOLUTIONS) if nature else ())
    if len(strides) != len(weights):
        allowed = f"{len(weights)} whole numbers, one per convolution: a state dict does not say"
        raise InvalidValueError("strides", hints.strides, allowed)
    return {name.removesuffix(".weight"): stride for name, stride in zip(weights, strides, strict=True)}


def _heads(parts: Mapping[str, list[Layer]]) -> tuple[list[Layer], list[Layer], list[Layer]]:
    """Return trunk, policy and value from a module's named parts."""
    policy = [layer for name, layers in parts.items() if name in POLICY for layer in layers]
    value = [layer for name, layers in parts.items() if name in VALUE for layer in layers]
    trunk = [layer for name, layers in parts.items() if name not in (*POLICY, *VALUE) for layer in layers]
    return trunk, policy, value


def _network(trunk: list[Layer], policy: list[Layer], value: list[Layer], hints: Hints) -> DenseNetwork:
    weighted = (layer for layer in (*trunk, *policy) if isinstance(layer, Linear | Conv2d))
    first = next(weighted, None)
    if first is None:
        raise InvalidValueError("source", "no layer with weights", "Linear and Conv2d layers")
    shape = hints.observation_shape or _guessed_shape(first.weight)
    trunk = flattened(trunk, shape)
    after = shape
    for layer in trunk:
        after = layer.output_shape(after)
    policy, critic = flattened(policy, after), flattened(value, after)
    return DenseNetwork(shape, (*trunk, *policy), (*trunk, *critic) if value else (), hints.observation_scale)  # type: ignore[arg-type]


def flattened(layers: Iterable[Layer], shape: Shape) -> list[Layer]:
    """Return the layers with a `Flatten` where a fully connected one follows an image."""
    whole: list[Layer] = []
    for layer in layers:
        if isinstance(layer, Linear) and len(shape) > 1:
            whole.append(Flatten())
            shape = whole[-1].output_shape(shape)
        whole.append(layer)
        shape = layer.output_shape(shape)
    return whole


def _guessed_shape(weight: NDArray[Any]) -> Shape:
    """Return the shape of the observations that a first layer takes: images are taken to be 84 pixels square."""
    return (weight.shape[1], *NATURE_SHAPE[1:]) if weight.ndim == 4 else (weight.shape[1],)
