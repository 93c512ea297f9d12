"""From the two chains of a dense network to layers of units: matrices, biases and who feeds whom.

Policy and value are walked side by side. Hidden units at the same depth stand in one layer, so that an encoder can
write the first one; units of the other chain are not connected. Convolutions become explicit matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.dense import Activation, Conv2d, DenseNetwork, Flatten, FloatArray, Layer, Linear, Shape

LARGEST_MATRIX = 4_000_000
"""Most numbers in the matrix that a layer becomes; a convolution is written out, zeros included."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Affine:
    """``W x + b`` with a pattern: where there is no connection at all.

    Parameters
    ----------
    weight, connected
        ``[out, in]``.
    bias
        ``[out]``.
    """

    weight: FloatArray
    connected: Mask
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class HiddenLayer:
    """Hidden units of one depth.

    Parameters
    ----------
    affine
        From the layer below, or from the observation.
    activation
        ``relu`` or ``tanh``.
    """

    affine: Affine
    activation: str

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.affine.bias)


@dataclass(frozen=True, eq=False)
class Readout:
    """A linear readout: the logits or the value.

    Parameters
    ----------
    depth
        Hidden layers below it.
    affine
        From all units of that depth.
    """

    depth: int
    affine: Affine


@dataclass(frozen=True, eq=False)
class Layers:
    """A dense network as layers.

    Parameters
    ----------
    scale
        What each variable of the flat observation is divided by.
    hidden
        From the observation up.
    policy, value
        The readouts; no value for networks without a critic.
    """

    scale: FloatArray
    hidden: tuple[HiddenLayer, ...]
    policy: Readout
    value: Readout | None

    def activations(self, observations: FloatArray) -> list[FloatArray]:
        """Return what the dense units of every hidden layer say to observations ``[batch, variables]``."""
        x, found = observations / self.scale, []
        for layer in self.hidden:
            x = Activation(layer.activation)(x @ layer.affine.weight.T + layer.affine.bias)
            found.append(x)
        return found


def layers_of(network: DenseNetwork) -> Layers:
    """Return the layers of a dense network.

    Raises
    ------
    InvalidValueError
        If a layer has no spiking equivalent, or its matrix would be too large; names the layer.
    """
    scale = np.ones(network.observation_shape)
    if network.observation_scale is not None:
        scale = np.broadcast_to(network.observation_scale, network.observation_shape).astype(np.float64)
    policy = _Chain("policy", network.policy, network.observation_shape)
    if not network.value:
        return Layers(scale.ravel(), policy.hidden(), policy.readout(), None)
    value = _Chain("value", network.value, network.observation_shape)
    return _joined(scale.ravel(), policy, value, network.shared)


class _Chain:
    """One chain: affine maps, each but the last followed by an activation."""

    def __init__(self, name: str, layers: Sequence[Layer], shape: Shape) -> None:
        self.name, self.affines, self.activations = name, list[Affine](), list[str]()
        self.ends: list[int] = []
        pending: Affine | None = None
        for index, layer in enumerate(layers):
            if isinstance(layer, Linear | Conv2d):
                found = _matrix(f"layer {name}[{index}]", layer, shape)
                pending = found if pending is None else _composed(pending, found)
            elif isinstance(layer, Activation):
                if pending is None:
                    self._refuse(index, layer, "an activation right after a Linear or Conv2d layer")
                self.affines.append(pending)
                self.activations.append(layer.kind)
                self.ends.append(index + 1)
                pending = None
            elif not isinstance(layer, Flatten):
                self._refuse(index, layer, "Linear, Conv2d, Flatten, ReLU and tanh")
            shape = layer.output_shape(shape)
        if pending is None:
            self._refuse(len(layers) - 1, layers[-1], "a Linear layer at the end, read by the membrane")
        if not self.activations:
            self._refuse(0, layers[0], "at least one hidden layer with ReLU or tanh")
        self.affines.append(pending)

    def _refuse(self, index: int, layer: Layer, allowed: str) -> NoReturn:
        got = layer.kind if isinstance(layer, Activation) else type(layer).__name__
        raise InvalidValueError(
            f"layer {self.name}[{index}]", got, f"{allowed}: it has no spiking equivalent"
        )

    def hidden(self) -> tuple[HiddenLayer, ...]:
        """Return the hidden layers."""
        return tuple(HiddenLayer(a, k) for a, k in zip(self.affines, self.activations, strict=False))

    def readout(self) -> Readout:
        """Return the readout."""
        return Readout(len(self.activations), self.affines[-1])


def _matrix(name: str, layer: Linear | Conv2d, shape: Shape) -> Affine:
    """Write a layer out as a matrix over the flat input."""
    n_in, n_out = int(np.prod(shape)), int(np.prod(layer.output_shape(shape)))
    if n_in * n_out > LARGEST_MATRIX:
        allowed = f"at most {LARGEST_MATRIX:,} weights when written out as a matrix"
        raise InvalidValueError(name, f"{type(layer).__name__} from {n_in:,} to {n_out:,} units", allowed)
    if isinstance(layer, Linear):
        return Affine(np.array(layer.weight), np.ones((n_out, n_in), dtype=bool), np.array(layer.bias))
    basis = np.eye(n_in).reshape(n_in, *shape)
    without = Conv2d(layer.weight, np.zeros_like(layer.bias), layer.stride, layer.padding)
    pattern = Conv2d(np.ones_like(layer.weight), without.bias, layer.stride, layer.padding)
    per_channel = n_out // len(layer.bias)
    return Affine(without(basis).reshape(n_in, n_out).T, pattern(basis).reshape(n_in, n_out).T > 0.0,
                  np.repeat(layer.bias, per_channel))  # fmt: skip


def _composed(first: Affine, second: Affine) -> Affine:
    """Return ``second(first(x))``."""
    joined = (second.connected.astype(np.int64) @ first.connected.astype(np.int64)) > 0
    return Affine(second.weight @ first.weight, joined, second.weight @ first.bias + second.bias)


def _joined(scale: FloatArray, policy: _Chain, value: _Chain, shared: int) -> Layers:
    """Put two chains side by side; a shared trunk stands once."""
    trunk = sum(end <= shared for end in policy.ends)
    hidden: list[HiddenLayer] = []
    starts: dict[str, list[int]] = {"policy": [0], "value": [0]}  # where a chain's units begin, per depth
    sizes = [len(scale)]
    for depth in range(max(len(policy.activations), len(value.activations))):
        chains = [c for c in (policy, value) if depth < len(c.activations)][: 1 if depth < trunk else 2]
        hidden.append(_side_by_side(depth, chains, starts, sizes[-1]))
        place = 0
        for chain in chains:
            starts[chain.name].append(place)
            place += len(chain.affines[depth].bias)
        if depth < trunk:
            starts["value"].append(0)
        sizes.append(hidden[-1].size)
    readouts = {
        chain.name: Readout(
            n := len(chain.activations), _placed([chain.affines[n]], [starts[chain.name][n]], sizes[n])
        )
        for chain in (policy, value)
    }
    return Layers(scale, tuple(hidden), readouts["policy"], readouts["value"])


def _side_by_side(
    depth: int, chains: Sequence[_Chain], starts: dict[str, list[int]], below: int
) -> HiddenLayer:
    kinds = {chain.activations[depth] for chain in chains}
    if len(kinds) > 1:
        got = " and ".join(f"{chain.name}: {chain.activations[depth]}" for chain in chains)
        raise InvalidValueError(f"hidden layer {depth + 1}", got, "one activation for policy and value")
    affines = [chain.affines[depth] for chain in chains]
    return HiddenLayer(_placed(affines, [starts[c.name][depth] for c in chains], below), kinds.pop())


def _placed(affines: Sequence[Affine], starts: Sequence[int], below: int) -> Affine:
    """Stack affine maps, each over its own part of the layer below."""
    n_out = sum(len(a.bias) for a in affines)
    weight, connected = np.zeros((n_out, below)), np.zeros((n_out, below), dtype=bool)
    row = 0
    for affine, start in zip(affines, starts, strict=True):
        n, columns = len(affine.bias), slice(start, start + affine.weight.shape[1])
        weight[row : row + n, columns], connected[row : row + n, columns] = affine.weight, affine.connected
        row += n
    return Affine(weight, connected, np.concatenate([a.bias for a in affines]))
