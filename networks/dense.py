"""Dense actor-critics as plain data: layers of numbers and their forward pass in numpy.

A `DenseNetwork` is what every source of trained weights becomes (`snnrl.conversion.sources.load`) and what a spiking
equivalent is made from. It holds no torch object; `snnrl.networks.dense_torch` is the trainable form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.dense_layers import (
    ACTIVATIONS,
    Activation,
    Conv2d,
    Flatten,
    FloatArray,
    Layer,
    Linear,
    Shape,
    frozen,
    require,
    run,
)

if TYPE_CHECKING:
    from snnrl.networks.dense_torch import DenseActorCritic

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Conv2d",
    "DenseNetwork",
    "Flatten",
    "FloatArray",
    "Layer",
    "Linear",
    "Shape",
    "run",
]

NATURE_SHAPE = (4, 84, 84)
NATURE_CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""Filters, kernel size and stride of the three convolutions of Mnih et al. (2015), Nature 518:529, Methods."""
NATURE_HIDDEN = 512
IMAGE_SCALE = 255.0
"""What an image is divided by."""


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """A policy and a value, each a chain of layers from the observation on.

    Layers are compared by identity: the same objects at the start of both chains are a shared trunk.

    Parameters
    ----------
    observation_shape
        Shape of one observation; images are ``(channels, height, width)``.
    policy
        Layers from the observation to the logits ``[actions]``, or to the action values of a Q-network.
    value
        Layers from the observation to the value ``[1]``; empty for a network without a critic.
    observation_scale
        What an observation is divided by before the first layer, of a shape that broadcasts to
        ``observation_shape``; None: as it comes.
    q_values
        The policy's outputs are action values, and the value is the largest of them; needs an empty ``value``.

    Raises
    ------
    InvalidValueError
        If the layers do not fit together, or end in something else.
    """

    observation_shape: Shape
    policy: tuple[Layer, ...]
    value: tuple[Layer, ...] = ()
    observation_scale: FloatArray | None = None
    q_values: bool = False

    def __post_init__(self) -> None:
        shape = tuple(int(size) for size in self.observation_shape)
        positive = bool(shape) and min(shape) >= 1
        require(positive, "DenseNetwork.observation_shape", shape, "sizes of at least 1")
        object.__setattr__(self, "observation_shape", shape)
        object.__setattr__(self, "policy", tuple(self.policy))
        object.__setattr__(self, "value", tuple(self.value))
        if self.observation_scale is not None:
            object.__setattr__(self, "observation_scale", self._checked_scale(self.observation_scale))
        end = self._end("policy", self.policy)
        require(len(end) == 1, "output of DenseNetwork.policy", end, "one number per action, [actions]")
        if self.value:
            end = self._end("value", self.value)
            require(end == (1,), "output of DenseNetwork.value", end, "one number, (1,)")
            require(not self.q_values, "DenseNetwork.q_values", True, "False beside a value of its own")

    def _checked_scale(self, scale: ArrayLike) -> FloatArray:
        numbers = frozen(scale)
        allowed = f"positive finite numbers that broadcast to {self.observation_shape}"
        ok = bool(np.all(np.isfinite(numbers) & (numbers > 0)))
        try:
            ok = ok and np.broadcast_shapes(numbers.shape, self.observation_shape) == self.observation_shape
        except ValueError:
            ok = False
        require(ok, "DenseNetwork.observation_scale", numbers, allowed)
        return numbers

    def _end(self, name: str, layers: Sequence[Layer]) -> Shape:
        """Return the shape after the last layer; the error names the layer that does not fit."""
        shape = self.observation_shape
        for index, layer in enumerate(layers):
            try:
                shape = layer.output_shape(shape)
            except InvalidValueError as error:
                raise InvalidValueError(
                    f"DenseNetwork.{name}[{index}], {error.name}", error.got, error.allowed
                ) from None
        return shape

    @property
    def shared(self) -> int:
        """Number of leading layers that policy and value have in common."""
        same = [a is b for a, b in zip(self.policy, self.value, strict=False)]
        return same.index(False) if False in same else len(same)

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return self._end("policy", self.policy)[0]

    @property
    def has_value(self) -> bool:
        """Whether `values` has an answer."""
        return bool(self.value) or self.q_values

    def inputs(self, observations: ArrayLike) -> FloatArray:
        """Return what the first layer sees, ``[batch, *observation_shape]``: float64, divided by the scale.

        Images may also come as ``[batch, height, width, channels]`` and are then transposed.

        Raises
        ------
        InvalidValueError
            If the observations have another shape.
        """
        x = np.asarray(observations, dtype=np.float64)
        shape = self.observation_shape
        if len(shape) == 3 and x.shape[1:] != shape and x.shape[1:] == (*shape[1:], shape[0]):
            x = np.moveaxis(x, -1, 1)
        require(
            x.shape[1:] == shape and x.ndim > 1, "shape of the observations", x.shape, f"[batch, {shape}]"
        )
        return x if self.observation_scale is None else x / self.observation_scale

    def logits(self, observations: ArrayLike) -> FloatArray:
        """Return the logits (action values of a Q-network), ``[batch, actions]``, for ``[batch, ...]``."""
        return run(self.policy, self.inputs(observations))

    def values(self, observations: ArrayLike) -> FloatArray:
        """Return the value of each observation, ``[batch]``.

        Raises
        ------
        InvalidValueError
            If the network has no value.
        """
        require(self.has_value, "DenseNetwork.value", (), "a chain of layers, or q_values=True")
        if self.q_values:
            return np.asarray(self.logits(observations).max(axis=1))
        return run(self.value, self.inputs(observations))[:, 0]

    def actions(self, observations: ArrayLike) -> NDArray[np.int64]:
        """Return the action with the largest logit, ``[batch]``; the first of equals."""
        return np.asarray(np.argmax(self.logits(observations), axis=1), dtype=np.int64)

    def save(self, path: str | Path) -> None:
        """Write the network as an ``.npz`` file; see `snnrl.networks.dense_file`.

        Raises
        ------
        InvalidValueError
            If the file cannot be written.
        """
        from snnrl.networks.dense_file import write

        write(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> DenseNetwork:
        """Read what `save` wrote; nothing in the file is executed.

        Raises
        ------
        InvalidValueError
            If the file cannot be read, is damaged or holds something else.
        """
        from snnrl.networks.dense_file import read

        return read(Path(path))

    def to_torch(self) -> DenseActorCritic:
        """Return the network as a torch module of float32 parameters."""
        from snnrl.networks.dense_torch import DenseActorCritic

        return DenseActorCritic.from_network(self)
