"""Layers of a dense network as plain data: numpy arrays and what they do to a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError

FloatArray = NDArray[np.float64]
Shape = tuple[int, ...]
ACTIVATIONS = ("relu", "tanh")


@dataclass(frozen=True, eq=False)
class Linear:
    """``y = W x + b``.

    Parameters
    ----------
    weight
        W, ``[out, in]``.
    bias
        b, ``[out]``.

    Raises
    ------
    InvalidValueError
        If the shapes do not fit together, or a number is not finite.
    """

    weight: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        _settle(self, dimensions=2)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one output for the shape of one input; `InvalidValueError` where it does not fit."""
        size = self.weight.shape[1]
        _fits(self, shape, len(shape) == 1 and shape[0] == size, f"({size},)")
        return (self.weight.shape[0],)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the layer to ``x[batch, in]``."""
        return x @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Cross-correlation of images with square kernels, as torch's ``Conv2d``.

    Parameters
    ----------
    weight
        Kernels, ``[out, in, k, k]``.
    bias
        ``[out]``.
    stride, padding
        Pixels from one place of the kernel to the next, and zeros around the image.

    Raises
    ------
    InvalidValueError
        If the shapes do not fit together, or a number is not finite or out of range.
    """

    weight: FloatArray
    bias: FloatArray
    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        _settle(self, dimensions=4)
        square = self.weight.shape[2] == self.weight.shape[3]
        require(square, "Conv2d.weight", self.weight.shape, "a square kernel, [out, in, k, k]")
        for name, least in (("stride", 1), ("padding", 0)):
            value = getattr(self, name)
            whole = type(value) is int and value >= least
            require(whole, f"Conv2d.{name}", value, f"a whole number of at least {least}")

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of one output for the shape of one input; `InvalidValueError` where it does not fit."""
        out, channels, k, _ = self.weight.shape
        ok = len(shape) == 3 and shape[0] == channels and min(shape[1:]) + 2 * self.padding >= k
        _fits(self, shape, ok, f"({channels}, height, width) with at least {k} pixels on a side")
        height, width = ((side + 2 * self.padding - k) // self.stride + 1 for side in shape[1:])
        return (out, height, width)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the layer to ``x[batch, in, height, width]``."""
        out, channels, k, _ = self.weight.shape
        margin = (self.padding, self.padding)
        padded = np.pad(x, ((0, 0), (0, 0), margin, margin))
        windows = sliding_window_view(padded, (k, k), axis=(2, 3))  # type: ignore[call-overload]
        windows = windows[:, :, :: self.stride, :: self.stride]
        places = windows.transpose(0, 2, 3, 1, 4, 5)  # [batch, height, width, in, k, k]
        patches = places.reshape(*places.shape[:3], channels * k * k)
        return np.moveaxis(patches @ self.weight.reshape(out, -1).T + self.bias, -1, 1)


@dataclass(frozen=True, eq=False)
class Activation:
    """``relu`` or ``tanh`` of every number.

    Parameters
    ----------
    kind
        One of `ACTIVATIONS`.

    Raises
    ------
    InvalidValueError
        If it is neither.
    """

    kind: str

    def __post_init__(self) -> None:
        require(self.kind in ACTIVATIONS, "Activation.kind", self.kind, ", ".join(ACTIVATIONS))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape given."""
        return shape

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the layer to ``x[batch, ...]``."""
        return np.maximum(x, 0.0) if self.kind == "relu" else np.tanh(x)


@dataclass(frozen=True, eq=False)
class Flatten:
    """Put the numbers of each observation into one row, last index fastest."""

    def output_shape(self, shape: Shape) -> Shape:
        """Return the size of the shape given."""
        return (math.prod(shape),)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Apply the layer to ``x[batch, ...]``."""
        return x.reshape(len(x), -1)


Layer = Linear | Conv2d | Activation | Flatten


def run(layers: Sequence[Layer], x: FloatArray) -> FloatArray:
    """Apply a chain of layers to ``x[batch, ...]``."""
    for layer in layers:
        x = layer(x)
    return x


def frozen(values: ArrayLike) -> FloatArray:
    """Return a read-only copy in float64, which holds float32 weights exactly."""
    array = np.array(values, dtype=np.float64, order="C")
    array.setflags(write=False)
    return array


def _settle(layer: Linear | Conv2d, dimensions: int) -> None:
    """Make weight and bias read-only float64 and check their shapes."""
    name = type(layer).__name__
    for part in ("weight", "bias"):
        array = frozen(getattr(layer, part))
        require(bool(np.all(np.isfinite(array))), f"{name}.{part}", "NaN or infinity", "finite numbers")
        object.__setattr__(layer, part, array)
    shape = layer.weight.shape
    ok = len(shape) == dimensions and min(shape) >= 1
    require(ok, f"{name}.weight", shape, f"{dimensions} dimensions of at least 1, outputs first")
    require(layer.bias.shape == shape[:1], f"{name}.bias", layer.bias.shape, f"({shape[0]},)")


def _fits(layer: Layer, shape: Shape, ok: bool, allowed: str) -> None:
    require(ok, f"input of {type(layer).__name__}", shape, allowed)


def require(ok: bool, name: str, got: Any, allowed: str) -> None:
    """Raise `InvalidValueError` unless a condition holds."""
    if not ok:
        raise InvalidValueError(name, got, allowed)
