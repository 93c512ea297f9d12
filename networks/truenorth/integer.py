"""A student as integers, which is its meaning: ternary weights and one whole threshold per feature.

Neuron of feature f: it spikes where the sum of its inputs times weights in {-1, 0, 1} reaches
``threshold[f]``. Between two layers the features are interleaved: channel ``c`` of what the next layer reads
is feature ``c // G`` of group ``c % G``, so that every group reads from as many groups as it can. An action's
score is the number of spikes in its share of the last layer's interleaved channels, all places together;
channels left over are not read. The first of equals wins.

Written in numpy for clearness, products by BLAS in float32, exact for the whole numbers that occur (below
2**24). The fast form is `snnrl.engines.truenorth.packed`, the chip `snnrl.networks.truenorth.mapping`; torch
trains (`snnrl.networks.truenorth.students`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.specs import Place, StudentSpec

Weights = NDArray[np.int8]
Thresholds = NDArray[np.int32]
Spikes = NDArray[np.bool_]
IntArray = NDArray[np.int64]

MAX_PIXEL = 255
CHUNK = 16
"""Frames at a time: bounds the memory of the patches."""
NEVER = 2**30
"""Largest threshold that a student may have."""


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """Weights and thresholds of a layer, features in the order of their groups.

    Parameters
    ----------
    weights
        -1, 0 or 1, ``[features, channels per group, kernel, kernel]``.
    thresholds
        ``[features]``.

    Raises
    ------
    InvalidValueError
        A weight is something else, or the shapes do not fit.
    """

    weights: Weights
    thresholds: Thresholds

    def __post_init__(self) -> None:
        weights = _whole("IntegerLayer.weights", self.weights, 1, np.dtype(np.int8))
        thresholds = _whole("IntegerLayer.thresholds", self.thresholds, NEVER, np.dtype(np.int32))
        if weights.ndim != 4 or thresholds.shape != weights.shape[:1]:
            shapes = (weights.shape, thresholds.shape)
            raise InvalidValueError("IntegerLayer", shapes, "[features, channels, k, k] and [features]")
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "thresholds", thresholds)


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """A student of whole numbers.

    Parameters
    ----------
    spec
        Its shapes.
    layers
        Weights and thresholds, from the transduction layer on.
    n_actions
        Actions that share the last layer's features.
    signed_input
        Whether inputs are differences, -255 to 255; else pixels, 0 to 255.
    logit_scale
        Logit of an action is this times the mean of its share; actions do not depend on it.

    Raises
    ------
    InvalidValueError
        The parts do not fit together.
    """

    spec: StudentSpec
    layers: tuple[IntegerLayer, ...]
    n_actions: int
    signed_input: bool = False
    logit_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if len(self.layers) != len(self.spec.layers):
            raise InvalidValueError(
                "IntegerNetwork.layers", len(self.layers), f"{len(self.spec.layers)} layers"
            )
        for place, layer in zip(self.spec.places(), self.layers, strict=True):
            shape = weight_shape(place)
            if layer.weights.shape != shape:
                raise InvalidValueError(f"weights of layer {place.index}", layer.weights.shape, str(shape))
        if type(self.n_actions) is not int or not 1 <= self.n_actions <= self.spec.output_features:
            allowed = f"1 to {self.spec.output_features}, the features of the last layer"
            raise InvalidValueError("IntegerNetwork.n_actions", self.n_actions, allowed)
        if not 0 < self.logit_scale < np.inf:
            raise InvalidValueError(
                "IntegerNetwork.logit_scale", self.logit_scale, "a positive finite number"
            )

    @property
    def population(self) -> int:
        """Channels of the last layer that stand for one action."""
        return self.spec.output_features // self.n_actions

    def frames(self, frames: ArrayLike) -> NDArray[np.int16]:
        """Return inputs as ``int16[batch, channels, side, side]``, checked.

        Raises
        ------
        InvalidValueError
            Another shape, no whole numbers, or a number out of range.
        """
        x = np.asarray(frames)
        spec = self.spec
        shape = (spec.channels, spec.side, spec.side)
        if x.shape[1:] != shape:
            raise InvalidValueError("shape of the frames", x.shape, f"[batch, {', '.join(map(str, shape))}]")
        if x.dtype.kind not in "ui":
            raise InvalidValueError("type of the frames", str(x.dtype), "whole numbers")
        low = -MAX_PIXEL if self.signed_input else 0
        if x.size and not low <= int(x.min()) <= int(x.max()) <= MAX_PIXEL:
            raise InvalidValueError("frames", f"{x.min()} to {x.max()}", f"{low} to {MAX_PIXEL}")
        return x.astype(np.int16)

    def activations(self, frames: ArrayLike) -> list[Spikes]:
        """Return the spikes of every layer, ``[batch, features, side, side]``, features by group."""
        x: NDArray[np.float32] = self.frames(frames).astype(np.float32)
        found = []
        for place, layer in zip(self.spec.places(), self.layers, strict=True):
            spikes = sums(x, layer.weights, place) >= layer.thresholds[:, None, None]
            found.append(spikes)
            x = spikes[:, interleaved(place.layer.features, place.layer.groups)].astype(np.float32)
        return found

    def transduced(self, frames: ArrayLike) -> Spikes:
        """Return the spikes of layer 1, the one off the chip, interleaved, ``[batch, features, side, side]``."""
        place = next(self.spec.places())
        spikes = sums(self.frames(frames).astype(np.float32), self.layers[0].weights, place)
        order = interleaved(place.layer.features, place.layer.groups)
        return np.asarray(spikes >= self.layers[0].thresholds[:, None, None])[:, order]

    def outputs(self, frames: ArrayLike) -> Spikes:
        """Return the spikes of the last layer, interleaved, ``[batch, features, side, side]``."""
        last = self.spec.layers[-1]
        order = interleaved(last.features, last.groups)
        x = self.frames(frames)
        parts = [self.activations(x[i : i + CHUNK])[-1][:, order] for i in range(0, len(x), CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, last.features, 0, 0), bool)

    def counts(self, frames: ArrayLike) -> IntArray:
        """Return the spikes of each action's share, ``[batch, actions]``."""
        return self.count_actions(self.outputs(frames))

    def count_actions(self, outputs: Spikes) -> IntArray:
        """Return the spikes of each action's share, ``[batch, actions]``, for interleaved outputs."""
        read = outputs[:, : self.n_actions * self.population]
        return np.asarray(read.reshape(len(read), self.n_actions, -1).sum(axis=2), dtype=np.int64)

    def logits(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return ``logit_scale`` times the mean of each action's share, ``[batch, actions]``."""
        return self.count_logits(self.counts(frames))

    def count_logits(self, counts: IntArray) -> NDArray[np.float64]:
        """Return the logits ``[batch, actions]`` for the spikes of each action's share."""
        side = list(self.spec.places())[-1].output_side
        return np.asarray(counts * (self.logit_scale / (self.population * side**2)), dtype=np.float64)

    def actions(self, frames: ArrayLike) -> IntArray:
        """Return the action with the most spikes, ``[batch]``; the first of equals."""
        return np.asarray(self.counts(frames).argmax(axis=1), dtype=np.int64)

    def constant_features(self) -> list[tuple[IntArray, IntArray]]:
        """Return for every layer the features that never spike and those that always do."""
        found = []
        for index, layer in enumerate(self.layers):
            low, high = sum_range(layer.weights, self.signed_input if index == 0 else None)
            never, always = layer.thresholds > high, layer.thresholds <= low
            found.append((np.flatnonzero(never), np.flatnonzero(always)))
        return found

    def save(self, path: str | Path) -> None:
        """Write the student as a packed file; see `snnrl.networks.truenorth.student_file`."""
        from snnrl.networks.truenorth.student_file import write_student

        write_student(self, path)

    @classmethod
    def load(cls, path: str | Path) -> IntegerNetwork:
        """Read what `save` wrote; nothing in the file is executed.

        Raises
        ------
        InvalidValueError
            The file cannot be read, is damaged, or is of another version.
        """
        from snnrl.networks.truenorth.student_file import read_student

        return read_student(path).network


def weight_shape(place: Place) -> tuple[int, int, int, int]:
    """Return the shape of a layer's weights, ``(features, channels per group, kernel, kernel)``."""
    layer = place.layer
    return (layer.features, place.channels_per_group, layer.kernel, layer.kernel)


def interleaved(features: int, groups: int) -> IntArray:
    """Return the feature behind each channel of the next layer's input, ``[features]``."""
    return np.arange(features).reshape(groups, -1).T.ravel()


def sums(x: NDArray[np.float32], weights: Weights, place: Place) -> NDArray[np.float32]:
    """Return weighted sums ``[batch, features, side, side]`` of inputs ``[batch, channels, side, side]``."""
    layer, batch = place.layer, len(x)
    margin = (layer.padding, layer.padding)
    padded = np.pad(x, ((0, 0), (0, 0), margin, margin))
    kernel = (layer.kernel, layer.kernel)
    windows = sliding_window_view(padded, kernel, axis=(2, 3))  # type: ignore[call-overload]
    windows = windows[:, :, :: layer.stride, :: layer.stride]  # [batch, channels, side, side, k, k]
    side, groups = place.output_side, layer.groups
    grouped = windows.reshape(batch, groups, place.channels_per_group, side, side, *windows.shape[4:])
    patches = grouped.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, batch * side * side, place.fan_in)
    kernels = weights.reshape(groups, layer.features_per_group, place.fan_in).astype(np.float32)
    found = patches @ kernels.transpose(0, 2, 1)  # [groups, batch * places, features per group]
    found = found.reshape(groups, batch, side, side, -1).transpose(1, 0, 4, 2, 3)
    return np.asarray(found.reshape(batch, layer.features, side, side), dtype=np.float32)


def sum_range(weights: Weights, signed_input: bool | None) -> tuple[IntArray, IntArray]:
    """Return the smallest and the largest sum of every feature.

    Parameters
    ----------
    weights
        ``[features, ...]``.
    signed_input
        None for spikes; for pixels False, for differences True.
    """
    flat = weights.reshape(len(weights), -1)
    minus, plus = (flat < 0).sum(axis=1), (flat > 0).sum(axis=1)
    scale = 1 if signed_input is None else MAX_PIXEL
    low, high = (minus + plus, minus + plus) if signed_input else (minus, plus)
    return -scale * low, scale * high


def random_network(
    spec: StudentSpec, n_actions: int, seed: int, rate: float = 0.2, signed_input: bool = False
) -> IntegerNetwork:
    """Return an untrained student: half of the weights 0, thresholds for spikes at about ``rate``.

    Thresholds are quantiles of the sums over a few random frames, noise on a grey ground. For equality tests
    and measurements of speed; it plays no game.
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 60, (4, spec.channels, spec.side, spec.side)) + rng.integers(0, 195, (4, 1, 1, 1))
    if signed_input:
        x = x - x[::-1]
    layers = tuple(_random_layers(spec, x.astype(np.float32), rng, rate))
    return IntegerNetwork(spec, layers, n_actions, signed_input)


def _random_layers(
    spec: StudentSpec, x: NDArray[np.float32], rng: np.random.Generator, rate: float
) -> Iterator[IntegerLayer]:
    for place in spec.places():
        weights = rng.choice(np.array([-1, 0, 0, 1], np.int8), weight_shape(place))
        found = sums(x, weights, place)
        spread = np.moveaxis(found, 1, 0).reshape(place.layer.features, -1)
        jittered = rng.uniform(0.5 * rate, 1.5 * rate, place.layer.features)
        thresholds = np.array([np.quantile(row, 1 - p) for row, p in zip(spread, jittered, strict=True)])
        layer = IntegerLayer(weights, np.ceil(thresholds).astype(np.int32))
        yield layer
        spikes = found >= layer.thresholds[:, None, None]
        x = spikes[:, interleaved(place.layer.features, place.layer.groups)].astype(np.float32)


def _whole(
    name: str, values: ArrayLike, most: int, dtype: np.dtype[np.signedinteger]
) -> NDArray[np.signedinteger]:
    """Return a read-only copy of whole numbers between -most and most."""
    array = np.array(values)
    if array.dtype.kind not in "iu" or (
        array.size and not -most <= int(array.min()) <= int(array.max()) <= most
    ):
        got = str(array.dtype) if array.dtype.kind not in "iu" else f"{array.min()} to {array.max()}"
        raise InvalidValueError(name, got, f"whole numbers, -{most} to {most}")
    array = np.ascontiguousarray(array, dtype=dtype)
    array.setflags(write=False)
    return array
