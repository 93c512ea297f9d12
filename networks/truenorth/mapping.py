"""A student placed on cores: axon pairs, tiles, neuron copies, splitters and delays.

Weights. Input i of a core takes two axons, 2i of type 0 (weight 1) and 2i+1 of type 1 (weight -1); a weight
of 1 connects only the first, -1 only the second, 0 neither. One axon cannot do it, because the sign belongs
to a neuron and a type, not to a neuron and an axon. Copies. A neuron has one target, so an output is there as
often as it has target axons, on its own core while neurons are left; the rest send one spike to a splitter
core, where one axon reaches as many neurons as there are targets. Delays. The detour takes one tick, so that
the direct spikes of a layer with splitters take two. All neurons forget (`CoreType.stateless`): a frame is
one tick, and frames follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.chip import MAX_LEAK, NOWHERE, OUTPUT, Chip, CoreType
from snnrl.networks.truenorth.cores import (
    IntArray,
    Tiling,
    input_window,
    local_outputs,
    part_sizes,
    plan_cores,
)
from snnrl.networks.truenorth.draft import Draft, Targets
from snnrl.networks.truenorth.integer import IntegerLayer, IntegerNetwork
from snnrl.networks.truenorth.specs import Place
from snnrl.networks.truenorth.splitters import add_splitters

DIRECT, DETOUR = 1, 2
"""Ticks from one layer to the next, without and with splitters behind it."""


@dataclass(frozen=True)
class _Tile:
    """What one core of a layer holds: output rows and columns, groups, and its part of the features."""

    number: int
    rows: range
    columns: range
    groups: range
    part: int
    input_rows: range
    input_columns: range


@dataclass(frozen=True)
class _Outputs:
    """Interleaved channel, feature, row and column of the outputs of a core, ``[outputs]``."""

    channel: IntArray
    feature: IntArray
    row: IntArray
    column: IntArray


@dataclass(frozen=True)
class _Sends:
    """Target cores and axons of every output, ``[channels, side, side, most]``, and how many there are."""

    cores: IntArray
    axons: IntArray
    count: IntArray

    def of(self, outputs: _Outputs) -> Targets:
        """Return cores, axons ``[outputs, most]`` and counts; an output nobody reads is there once."""
        where = (outputs.channel, outputs.row, outputs.column)
        return Targets(self.cores[where], self.axons[where], np.maximum(self.count[where], 1))


def map_network(network: IntegerNetwork, square: bool = True) -> Chip:
    """Place a student on cores.

    Parameters
    ----------
    network
        The student. Layer 1 stays off the chip: its spikes are the chip's inputs.
    square
        Whether tiles have as many rows as columns; see `plan_cores`.

    Returns
    -------
    ------- Chip whose input ``(c*side + y)*side + x`` is interleaved channel c of layer 1 at row y, column x,
    and whose outputs are those of the last layer, numbered alike.

    Raises
    ------
    InvalidValueError
        A threshold does not fit the leak, or an output needs more copies than a splitter core can make.
    """
    places, plan = list(network.spec.places()), plan_cores(network.spec, square).layers
    draft, latency = Draft(), 0
    reader: tuple[Place, list[_Tile]] | None = None
    for place, layer, cores in reversed(list(zip(places[1:], network.layers[1:], plan, strict=True))):
        _check_thresholds(place, layer)
        tiles = _tiles(place, cores.tiling, draft.n_cores)
        delay = _place_layer(draft, place, layer, tiles, cores.tiling.parts, _sends(place, reader))
        latency += 0 if reader is None else delay
        reader = (place, tiles)
    inputs = _sends(places[0], reader)
    source, copy = np.nonzero(np.arange(inputs.cores.shape[-1]) < inputs.count.reshape(-1, 1))
    links = tuple(
        a.reshape(len(inputs.count.ravel()), -1)[source, copy] for a in (inputs.cores, inputs.axons)
    )
    return draft.chip((source, *links), (places[0].neurons, places[-1].neurons), latency, network.spec.name)


def _check_thresholds(place: Place, layer: IntegerLayer) -> None:
    worst = int(np.abs(layer.thresholds).argmax())
    if abs(int(layer.thresholds[worst])) > MAX_LEAK:
        name = f"threshold of feature {worst} of layer {place.index}"
        raise InvalidValueError(
            name, int(layer.thresholds[worst]), f"-{MAX_LEAK} to {MAX_LEAK}, what a leak can be"
        )


def _tiles(place: Place, tiling: Tiling, start: int) -> list[_Tile]:
    """Return the cores of a layer in order: rows of tiles, columns, groups, parts."""
    side = place.output_side
    cuts = product(
        range(ceil(side / tiling.rows)),
        range(ceil(side / tiling.columns)),
        range(0, place.layer.groups, tiling.groups),
        range(tiling.parts),
    )
    return [
        _Tile(
            number,
            range(row * tiling.rows, min((row + 1) * tiling.rows, side)),
            range(column * tiling.columns, min((column + 1) * tiling.columns, side)),
            range(group, group + tiling.groups),
            part,
            input_window(place, tiling.rows, row),
            input_window(place, tiling.columns, column),
        )
        for number, (row, column, group, part) in enumerate(cuts, start=start)
    ]


def _sends(place: Place, reader: tuple[Place, list[_Tile]] | None) -> _Sends:
    """Return where the outputs of a layer go; those of the last layer leave the chip."""
    shape = (place.layer.features, place.output_side, place.output_side)
    if reader is None:
        numbers = np.arange(place.neurons).reshape(*shape, 1)
        return _Sends(np.full_like(numbers, OUTPUT), numbers, np.ones(shape, np.int64))
    following, tiles = reader
    count = np.zeros(shape, np.int64)
    reads = [(tile.number, _block(following, tile)) for tile in tiles]
    for _, block in reads:
        count[block] += 2
    cores = np.full((*shape, int(count.max(initial=1))), NOWHERE)
    axons = np.zeros_like(cores)
    count[:] = 0
    for number, block in reads:
        taken = count[block]
        inputs = _input_numbers(following, taken.shape)
        for sign in (0, 1):
            np.put_along_axis(cores[block], taken[..., None] + sign, number, axis=-1)
            np.put_along_axis(axons[block], taken[..., None] + sign, 2 * inputs[..., None] + sign, axis=-1)
        count[block] += 2
    return _Sends(cores, axons, count)


def _block(place: Place, tile: _Tile) -> tuple[slice, slice, slice]:
    """Return the input channels, rows and columns that a core reads."""
    size = place.channels_per_group
    rows, columns = tile.input_rows, tile.input_columns
    channels = slice(tile.groups.start * size, tile.groups.stop * size)
    return channels, slice(rows.start, rows.stop), slice(columns.start, columns.stop)


def _input_numbers(place: Place, shape: tuple[int, ...]) -> IntArray:
    """Return the number of each input on its core, ``[channels, rows, columns]``: by group, row, column, channel."""
    channels, rows, columns = shape
    numbers = np.arange(channels * rows * columns).reshape(-1, rows, columns, place.channels_per_group)
    return np.moveaxis(numbers, -1, 1).reshape(shape)


def _place_layer(
    draft: Draft, place: Place, layer: IntegerLayer, tiles: list[_Tile], parts: int, sends: _Sends
) -> int:
    """Add the cores of a layer and its splitters; return the ticks to the next layer."""
    held = [_outputs(place, tile, parts) for tile in tiles]
    targets = [sends.of(outputs) for outputs in held]
    stays = [local_outputs(target.count) for target in targets]
    split = any(not stay.all() for stay in stays)
    for tile, outputs, target, stay in zip(tiles, held, targets, stays, strict=True):
        extra = np.where(stay, target.count - 1, 0)
        source = np.concatenate([np.arange(len(extra)), np.repeat(np.arange(len(extra)), extra)])
        copy = np.concatenate([np.zeros_like(extra), *(np.arange(1, n + 1) for n in extra[stay])])
        key, make = _type(place, layer, tile, outputs, source)
        draft.add(
            place.index, draft.type_of(key, make), target.cores[source, copy], target.axons[source, copy],
            DETOUR if split else DIRECT,
        )  # fmt: skip
    add_splitters(draft, place.index, [tile.number for tile in tiles], targets, stays)
    return DETOUR if split else DIRECT


def _outputs(place: Place, tile: _Tile, parts: int) -> _Outputs:
    """Return the outputs of a core: by feature, row, column."""
    per_group, groups = place.layer.features_per_group, place.layer.groups
    sizes = part_sizes(per_group * len(tile.groups), parts)
    features = np.arange(sum(sizes[: tile.part]), sum(sizes[: tile.part + 1])) + tile.groups.start * per_group
    grid = np.meshgrid(features, np.array(tile.rows), np.array(tile.columns), indexing="ij")
    feature, row, column = (axis.ravel() for axis in grid)
    return _Outputs(feature % per_group * groups + feature // per_group, feature, row, column)


def _type(
    place: Place, layer: IntegerLayer, tile: _Tile, outputs: _Outputs, source: IntArray
) -> tuple[tuple[object, ...], Callable[[], CoreType]]:
    """Return what decides the type of a core, and a function that makes it."""
    spec = place.layer
    margins = tuple(
        (len(out), window.start - out.start * spec.stride, len(window))
        for out, window in ((tile.rows, tile.input_rows), (tile.columns, tile.input_columns))
    )

    def make() -> CoreType:
        weights = _core_weights(place, layer, tile, outputs)[source]
        crossbar = np.stack((weights > 0, weights < 0), axis=2).reshape(len(source), -1)
        axon_types = np.arange(crossbar.shape[1], dtype=np.uint8) % np.uint8(2)
        return CoreType.stateless(axon_types, crossbar, layer.thresholds[outputs.feature[source]])

    return (place.index, tile.groups.start, tile.part, margins, source.tobytes()), make


def _core_weights(place: Place, layer: IntegerLayer, tile: _Tile, outputs: _Outputs) -> NDArray[np.int8]:
    """Return the weights of a core's outputs, ``[outputs, inputs]``, inputs as in `_input_numbers`."""
    spec = place.layer
    size = (len(tile.groups), len(tile.input_rows), len(tile.input_columns), place.channels_per_group)
    weights = np.zeros((len(outputs.feature), *size), np.int8)
    group = outputs.feature // spec.features_per_group - tile.groups.start
    for i, j in product(range(spec.kernel), range(spec.kernel)):
        row = outputs.row * spec.stride - spec.padding + i - tile.input_rows.start
        column = outputs.column * spec.stride - spec.padding + j - tile.input_columns.start
        n = np.flatnonzero((row >= 0) & (row < size[1]) & (column >= 0) & (column < size[2]))
        weights[n, group[n], row[n], column[n]] = layer.weights[outputs.feature[n], :, i, j]
    return weights.reshape(len(weights), -1)
