"""A student on bit-packed spikes: 64 inputs of a neuron in a word, one population count for each.

Layout. The spikes at one place stand in the order in which the next layer reads them, one bit each: group by
group, each group filled up to whole bytes. A neuron's inputs are the bytes of its group under the kernel, put
together into words of 64. The neurons of a layer stand in the order of their bits, so eight neighbours make
one byte; neighbours belong to different groups, hence words of inputs are laid out group by group as well and
no neuron has to look one up. Weights are two masks per word, plus and minus (`vectors`); thresholds hold the
count of minus weights.

The transduction layer reads pixels as eight bit planes, differences as nine in two's complement, with the
same masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.truenorth import kernels
from snnrl.engines.truenorth.packed_kernel import Row
from snnrl.engines.truenorth.vectors import LANES

if TYPE_CHECKING:
    from snnrl.networks.truenorth.integer import IntegerLayer, IntegerNetwork
    from snnrl.networks.truenorth.specs import LayerSpec, Place

IntArray = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)
WordArray = NDArray[np.uint64]
SHORTEST_PERIOD = 8
"""Neurons in a period: long enough to be worth a loop, short enough for the nearest cache."""
CACHE_LINE = 64
NEVER = 2**40
"""Threshold of bits that only fill up a byte."""


@dataclass(frozen=True)
class _Layer:
    """Arrays of a layer: masks ``[blocks, words, period]``, thresholds ``[lanes]``, groups ``[period]``."""

    plus: WordArray
    minus: WordArray
    thresholds: IntArray
    lane_groups: IntArray

    @property
    def period(self) -> int:
        return len(self.lane_groups)


class PackedNetwork:
    """Fast inference of a student; not to be shared between threads, because it holds working memory.

    Parameters
    ----------
    network
        The student as integers, of which every spike is reproduced.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network
        self._places = list(network.spec.places())
        readers: list[LayerSpec | None] = [place.layer for place in self._places[1:]]
        self._readers = [*readers, None]
        layers = [
            _pack(place, layer, reader, _mask_values(place.index, network.signed_input))
            for place, layer, reader in zip(self._places, network.layers, self._readers, strict=True)
        ]
        self._lanes = [len(layer.thresholds) for layer in layers]
        self._plus = _aligned(np.concatenate([layer.plus.ravel() for layer in layers]))
        self._minus = _aligned(np.concatenate([layer.minus.ravel() for layer in layers]))
        self._thresholds = _aligned(np.concatenate([layer.thresholds for layer in layers]))
        self._lane_groups = np.concatenate([layer.lane_groups for layer in layers])
        self._table, size = self._describe(layers)
        self._activity = np.zeros(size, np.uint8)
        first = self._places[0]
        self._padding = first.layer.padding
        width = first.side + 2 * self._padding
        self._image = np.zeros((2 if network.signed_input else 1) * first.channels * width**2 + 64, np.uint8)
        words = self._table[:, Row.WORDS] * (self._table[:, Row.PERIOD] + self._table[:, Row.GROUPS])
        scratch = max(int(words.max()), 9 * int(self._table[0, Row.WORDS]))
        self._scratch = _aligned(np.zeros(scratch, np.uint64))

    def _describe(self, layers: list[_Layer]) -> tuple[IntArray, int]:
        """Return the table of the layers and the bytes of all their activity."""
        table = np.zeros((len(layers), len(Row)), np.int64)
        weights = thresholds = groups = start = 0
        for row, place, layer, reader in zip(table, self._places, layers, self._readers, strict=True):
            spec, lanes, period = place.layer, len(layer.thresholds), layer.period
            margin = 0 if reader is None else reader.padding
            width = place.output_side + 2 * margin
            row[[Row.SIDE, Row.KERNEL, Row.STRIDE, Row.GROUPS]] = (
                place.output_side,
                spec.kernel,
                spec.stride,
                spec.groups,
            )
            row[[Row.WIDTH, Row.BYTES]] = place.side + 2 * spec.padding, -(-place.channels_per_group // 8)
            row[[Row.WORDS, Row.PERIOD, Row.BLOCKS]] = layer.plus.shape[1], period, lanes // period
            row[[Row.WEIGHTS, Row.THRESHOLDS, Row.LANE_GROUPS]] = weights, thresholds, groups
            row[[Row.OUTPUT, Row.OUTPUT_WIDTH]] = start + (margin * width + margin) * lanes // LANES, width
            weights, thresholds, groups = weights + layer.plus.size, thresholds + lanes, groups + period
            if place.index < len(layers):
                table[place.index, Row.INPUT] = start
            start += width**2 * lanes // LANES
        return table, start

    @property
    def memory(self) -> int:
        """Bytes of weights, thresholds and working memory."""
        arrays = (
            self._plus,
            self._minus,
            self._thresholds,
            self._lane_groups,
            self._activity,
            self._image,
            self._scratch,
        )
        return sum(array.nbytes for array in arrays)

    def counts(self, frames: ArrayLike) -> IntArray:
        """Return the spikes of each action's share, ``[batch, actions]``; see `IntegerNetwork.counts`."""
        return self._run(frames, np.zeros((0, 0), np.int64))

    def actions(self, frames: ArrayLike) -> IntArray:
        """Return the action with the most spikes, ``[batch]``; the first of equals."""
        return np.asarray(self.counts(frames).argmax(axis=1))

    def layer_spikes(self, frames: ArrayLike) -> IntArray:
        """Return the number of spikes of each layer, ``[batch, layers]``."""
        return self.counts_and_spikes(frames)[1]

    def counts_and_spikes(self, frames: ArrayLike) -> tuple[IntArray, IntArray]:
        """Return what `counts` and `layer_spikes` do, of one run."""
        x = self._frames(frames)
        spikes = np.zeros((len(x), len(self._places)), np.int64)
        return self._run(x, spikes), spikes

    def activations(self, frame: ArrayLike) -> list[NDArray[np.bool_]]:
        """Return the spikes of every layer for one frame, interleaved, ``[features, side, side]``."""
        self.counts(np.asarray(frame)[None])
        found = []
        for row, place, reader, lanes in zip(
            self._table, self._places, self._readers, self._lanes, strict=True
        ):
            size, width, side = lanes // LANES, int(row[Row.OUTPUT_WIDTH]), place.output_side
            places = np.arange(side)[:, None] * width + np.arange(side)
            held = self._activity[row[Row.OUTPUT] + (places[..., None] * size + np.arange(size))]
            bits = np.unpackbits(held, axis=-1, bitorder="little").astype(bool)
            found.append(np.moveaxis(bits[..., _slots(place.layer.features, reader)], -1, 0))
        return found

    def _frames(self, frames: ArrayLike) -> NDArray[np.int16]:
        return np.ascontiguousarray(self.network.frames(frames))

    def _run(self, frames: ArrayLike, spikes: IntArray) -> IntArray:
        x = self._frames(frames)
        counts = np.zeros((len(x), self.network.n_actions), np.int64)
        kernels.load("packed_kernel").run(
            x, self.network.signed_input, self._padding, self._table, self._plus, self._minus, self._thresholds,
            self._lane_groups, self._activity, self._image, self._scratch, self.network.population, counts, spikes,
        )  # fmt: skip
        return counts


def _aligned(array: NDArray[Number]) -> NDArray[Number]:
    """Return a copy that begins at a cache line, so that a vector of eight words lies in one line, not two."""
    room = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    copy = room[start : start + array.nbytes].view(array.dtype)
    copy[:] = array
    return copy


def _mask_values(index: int, signed_input: bool) -> int:
    """Return what one input that is all zeros adds to a neuron's count for each minus weight."""
    if index > 1:
        return 1
    return -1 if signed_input else 255


def _slots(features: int, reader: LayerSpec | None) -> IntArray:
    """Return the bit of each interleaved channel: every group of the reader starts a new byte."""
    groups = 1 if reader is None else reader.groups
    group, inside = np.divmod(np.arange(features), features // groups)
    return np.asarray(group * (-(-(features // groups) // LANES) * LANES) + inside)


def _pack(place: Place, layer: IntegerLayer, reader: LayerSpec | None, zero: int) -> _Layer:
    """Return the arrays of a layer, its neurons in the order of their bits."""
    spec, groups = place.layer, place.layer.groups
    slots = _slots(spec.features, reader)
    lanes = -(-(int(slots[-1]) + 1) // LANES) * LANES
    channel = np.arange(spec.features)
    feature = channel % groups * spec.features_per_group + channel // groups  # of each channel
    bits = _pixel_bits(layer.weights, place) if place.index == 1 else _input_bits(layer.weights)
    masks = np.zeros((2, lanes, bits.shape[1]), np.uint64)
    for mask, sign in zip(masks, (1, -1), strict=True):
        mask[slots] = _words(bits[feature] == sign)
    thresholds = np.full(lanes, NEVER, np.int64)
    minus = (bits < 0).sum(axis=(1, 2))
    thresholds[slots] = (layer.thresholds + zero * minus)[feature]
    lane_groups = np.zeros(lanes, np.int64)
    lane_groups[slots] = channel % groups
    period = _period(lane_groups)
    plus, minus_ = (mask.reshape(-1, period, mask.shape[1]).transpose(0, 2, 1).copy() for mask in masks)
    return _Layer(plus, minus_, thresholds, lane_groups[:period])


def _pixel_bits(weights: NDArray[np.int8], place: Place) -> NDArray[np.int8]:
    """Return weights by channel, row, column, 0 for other groups' channels, ``[features, words, 64]``."""
    size, kernel = place.channels_per_group, place.layer.kernel
    filled = np.zeros((len(weights), place.channels, kernel, kernel), np.int8)
    for group in range(place.layer.groups):
        features = np.arange(place.layer.features_per_group) + group * place.layer.features_per_group
        filled[features, group * size : (group + 1) * size] = weights[features]
    return _in_words(filled.reshape(len(weights), -1))


def _input_bits(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return weights by row, column and channel of the group in whole bytes, ``[features, words, 64]``."""
    features, channels, kernel, _ = weights.shape
    filled = np.zeros((features, kernel, kernel, -(-channels // LANES) * LANES), np.int8)
    filled[..., :channels] = weights.transpose(0, 2, 3, 1)
    return _in_words(filled.reshape(features, -1))


def _in_words(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return ``[features, inputs]`` filled up with zeros to words, ``[features, words, 64]``."""
    bits = np.zeros((len(weights), -(-weights.shape[1] // 64) * 64), np.int8)
    bits[:, : weights.shape[1]] = weights
    return bits.reshape(len(weights), -1, 64)


def _words(bits: NDArray[np.bool_]) -> WordArray:
    """Return ``[..., 64]`` bits as words, the first bit lowest."""
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8")[..., 0].astype(np.uint64)


def _period(lane_groups: IntArray) -> int:
    """Return the shortest period worth a loop after which the groups of the neurons repeat."""
    lanes = len(lane_groups)
    for period in range(LANES, lanes, LANES):
        if lanes % period == 0 and period >= min(SHORTEST_PERIOD, lanes) and _repeats(lane_groups, period):
            return period
    return lanes


def _repeats(values: IntArray, period: int) -> bool:
    return bool(np.all(values.reshape(-1, period) == values[:period]))
