"""The loops of bit-packed inference; see `packed` for what the arrays mean."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any

import numpy as np
from numba import njit

from snnrl.engines.truenorth.vectors import LANES, bit_plane, copy8, fire8, fire8_planes, popcount, word_of

Array = Any


class Row(IntEnum):
    """Columns of the table that describes the layers."""

    SIDE = 0
    """Output places on a side."""
    KERNEL = auto()
    STRIDE = auto()
    WIDTH = auto()
    """Input places on a side, with the zeros around the map; input pixels of the transduction layer."""
    GROUPS = auto()
    BYTES = auto()
    """Bytes of one group at one input place."""
    WORDS = auto()
    """Words of 64 inputs of a neuron."""
    PERIOD = auto()
    """Neurons after which the groups that they read repeat."""
    BLOCKS = auto()
    """Periods at one place."""
    WEIGHTS = auto()
    """First word of the layer's masks."""
    THRESHOLDS = auto()
    """First threshold."""
    LANE_GROUPS = auto()
    """First entry of the groups that the neurons of a period read."""
    INPUT = auto()
    """First byte of the layer's input."""
    OUTPUT = auto()
    """First byte of its output: inside the zeros around the next layer's input."""
    OUTPUT_WIDTH = auto()
    """Places in a row of the output, with zeros."""


SIDE, KERNEL, STRIDE, WIDTH, GROUPS, BYTES, WORDS, PERIOD, BLOCKS, WEIGHTS, THRESHOLDS, LANE_GROUPS, INPUT, OUTPUT, OUTPUT_WIDTH = (
    int(column) for column in Row
)  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def run(frames: Array, signed: bool, padding: int, table: Array, plus: Array, minus: Array, thresholds: Array,
        lane_groups: Array, activity: Array, image: Array, scratch: Array, population: int, counts: Array,
        spikes: Array) -> None:  # fmt: skip
    """Run frames through all layers.

    Parameters
    ----------
    frames
        ``int16[batch, channels, side, side]``.
    activity, image, scratch
        Working memory, zero where nothing is written.
    population
        Channels of an action.
    counts
        Out: spikes of each action's share, ``[batch, actions]``.
    spikes
        Out: spikes of each layer, ``[batch, layers]``, if it has rows.
    """
    last = len(table) - 1
    for index in range(len(frames)):
        _load_image(frames[index], signed, padding, image)
        _transduce(table[0], frames.shape[1], signed, image, plus, minus, thresholds, scratch, activity)
        for layer in range(1, len(table)):
            _layer(table[layer], plus, minus, thresholds, lane_groups, scratch, activity)
        _count(table[last], population, activity, counts[index])
        if len(spikes):
            for layer in range(len(table)):
                spikes[index, layer] = _layer_spikes(table[layer], activity)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _load_image(frame: Array, signed: bool, padding: int, image: Array) -> None:
    """Write low bytes, and behind them signs, into the middle of the zeros."""
    channels, side = frame.shape[0], frame.shape[1]
    width = side + 2 * padding
    plane = channels * width * width
    for channel in range(channels):
        for row in range(side):
            start = (channel * width + row + padding) * width + padding
            for column in range(side):
                image[start + column] = np.uint8(frame[channel, row, column] & 255)
            if signed:
                for column in range(side):
                    image[plane + start + column] = np.uint8(frame[channel, row, column] < 0)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _transduce(row: Array, channels: int, signed: bool, image: Array, plus: Array, minus: Array, thresholds: Array,
               scratch: Array, activity: Array) -> None:  # fmt: skip
    """Run the transduction layer: bit planes of each patch, then all features on them."""
    kernel, width, words = row[KERNEL], row[WIDTH], row[WORDS]
    plane = channels * width * width
    planes = 9 if signed else 8
    patch = np.zeros(64 * words + kernel + 8, np.uint8)
    negative = np.zeros(64 * words + kernel + 8, np.uint8)
    sign = np.int64(-1 if signed else 1)
    for y in range(row[SIDE]):
        for x in range(row[SIDE]):
            corner = y * row[STRIDE] * width + x * row[STRIDE]
            _gather_patch(image, corner, channels, width, kernel, patch)
            if signed:
                _gather_patch(image, plane + corner, channels, width, kernel, negative)
            for word in range(words):
                if signed:
                    scratch[word] = bit_plane(negative, 64 * word, np.uint8(1))
                for bit in range(8):
                    place = (planes - 1 - bit) * words + word
                    scratch[place] = bit_plane(patch, 64 * word, np.uint8(1 << bit))
            out = row[OUTPUT] + (y * row[OUTPUT_WIDTH] + x) * row[BLOCKS] * row[PERIOD] // LANES
            step = row[PERIOD]
            for block in range(row[BLOCKS]):
                for lane in range(0, step, LANES):
                    base = row[WEIGHTS] + block * step * words + lane
                    first = row[THRESHOLDS] + block * step + lane
                    activity[out + (block * step + lane) // LANES] = fire8_planes(
                        scratch, planes, sign, words, plus, minus, base, step, thresholds, first
                    )


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gather_patch(image: Array, corner: int, channels: int, width: int, kernel: int, patch: Array) -> None:
    """Copy the pixels under the kernel, eight at a time; what is copied too much meets weights of zero."""
    place = 0
    for channel in range(channels):
        for line in range(kernel):
            start = corner + (channel * width + line) * width
            for column in range(0, kernel, 8):
                copy8(patch, place + column, image, start + column)
            place += kernel


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _layer(row: Array, plus: Array, minus: Array, thresholds: Array, lane_groups: Array, scratch: Array,
           activity: Array) -> None:  # fmt: skip
    """Run one layer on spikes: at each place gather the inputs of each group, then all neurons."""
    words, step, groups, reads = row[WORDS], row[PERIOD], row[GROUPS], row[LANE_GROUPS]
    gathered = words * step
    for y in range(row[SIDE]):
        for x in range(row[SIDE]):
            _gather(row, y * row[STRIDE], x * row[STRIDE], activity, scratch, gathered)
            for word in range(words):
                for lane in range(step):
                    scratch[word * step + lane] = scratch[
                        gathered + word * groups + lane_groups[reads + lane]
                    ]
            out = row[OUTPUT] + (y * row[OUTPUT_WIDTH] + x) * row[BLOCKS] * step // LANES
            for block in range(row[BLOCKS]):
                base = row[WEIGHTS] + block * step * words
                first = row[THRESHOLDS] + block * step
                to = out + block * step // LANES
                for byte in range(step // LANES):
                    lane = byte * LANES
                    activity[to + byte] = fire8(
                        scratch, lane, plus, minus, base, step, words, thresholds, first + lane
                    )


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _gather(row: Array, top: int, left: int, activity: Array, scratch: Array, gathered: int) -> None:
    """Collect the bits under the kernel as words, ``scratch[gathered + word * groups + group]``."""
    groups, size, kernel = row[GROUPS], row[BYTES], row[KERNEL]
    if kernel == 1 and size % 8 == 0:
        place = row[INPUT] + (top * row[WIDTH] + left) * groups * size
        for word in range(size // 8):
            for group in range(groups):
                scratch[gathered + word * groups + group] = word_of(activity, place + group * size + 8 * word)
        return
    scratch[gathered : gathered + row[WORDS] * groups] = 0
    for i in range(kernel):
        for j in range(kernel):
            place = row[INPUT] + ((top + i) * row[WIDTH] + left + j) * groups * size
            for byte in range(size):
                number = (i * kernel + j) * size + byte
                target = gathered + (number >> 3) * groups
                shift = np.uint64(8 * (number & 7))
                if size == 1:  # a loop of its own: neighbours in memory become vectors
                    for group in range(groups):
                        scratch[target + group] |= np.uint64(activity[place + group]) << shift
                else:
                    for group in range(groups):
                        scratch[target + group] |= np.uint64(activity[place + group * size + byte]) << shift


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _count(row: Array, population: int, activity: Array, counts: Array) -> None:
    """Count the spikes of each action's share of the last layer's channels, over all places."""
    size = row[BLOCKS] * row[PERIOD] // LANES
    for action in range(len(counts)):
        first, end = action * population, (action + 1) * population
        total = 0
        for place in range(row[SIDE] * row[SIDE]):
            start = row[OUTPUT] + place * size
            for byte in range(first >> 3, (end + 7) >> 3):
                held = np.uint32(activity[start + byte])
                if 8 * byte < first:
                    held &= np.uint32(255 << (first - 8 * byte))
                if 8 * byte + 8 > end:
                    held &= np.uint32(255 >> (8 * byte + 8 - end))
                total += popcount(held)
        counts[action] = total


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _layer_spikes(row: Array, activity: Array) -> int:
    size = row[BLOCKS] * row[PERIOD] // LANES
    total = 0
    for y in range(row[SIDE]):
        start = row[OUTPUT] + y * row[OUTPUT_WIDTH] * size
        for byte in range(row[SIDE] * size):
            total += popcount(np.uint32(activity[start + byte]))
    return total
