"""How many cores a student takes: the tiles of every layer, neuron copies and splitters.

A core holds a tile of t x u output places of one group, or of several small groups. Its inputs, the channels
of the group in a window of ((t-1) s + k) x ((u-1) s + k) places, take two axons each, so there may be 128. A
neuron of a core is a copy of an output: it has one target axon, so an output needs two copies, one for each
sign, for every core of the next layer that reads it. Outputs whose copies do not fit into their core's 256
neurons send one spike to a splitter core, which repeats it (McKinstry et al., "Neuron fan-out").

The tilings of all layers are chosen together by dynamic programming, because the copies that a layer needs
depend on the tiles of the next. Layer 1 is off the chip, and its host may write to any number of axons.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.specs import MAX_FAN_IN, Place, StudentSpec

NEURONS = AXONS = 256
CORES_PER_CHIP = 4096
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Tiling:
    """What one core holds of a layer.

    Parameters
    ----------
    rows, columns
        Output places.
    groups
        Groups.
    parts
        Cores that share the features of one place and group; 1 unless there are more than 256.
    """

    rows: int = 1
    columns: int = 1
    groups: int = 1
    parts: int = 1


@dataclass(frozen=True)
class LayerCores:
    """Cores of one layer on the chip.

    Parameters
    ----------
    index
        Number of the layer, from 2 on.
    tiling
        What a core of it holds.
    cores
        Cores of the layer.
    splitters
        Splitter cores behind it.
    """

    index: int
    tiling: Tiling
    cores: int
    splitters: int


@dataclass(frozen=True)
class CorePlan:
    """Cores of a student, layer by layer."""

    layers: tuple[LayerCores, ...]

    @property
    def splitters(self) -> int:
        """Splitter cores."""
        return sum(layer.splitters for layer in self.layers)

    @property
    def cores(self) -> int:
        """All cores, with splitters."""
        return _total(self.layers)

    @property
    def chips(self) -> float:
        """Cores over the 4096 of a chip."""
        return self.cores / CORES_PER_CHIP


def input_window(place: Place, size: int, number: int) -> range:
    """Return the rows (or columns) of the input that tile ``number`` reads, without the zeros around the map.

    ``size`` is the rows (or columns) of output places in a tile.
    """
    layer = place.layer
    first = number * size
    last = min(first + size, place.output_side) - 1
    low = first * layer.stride - layer.padding
    high = last * layer.stride - layer.padding + layer.kernel
    return range(max(low, 0), min(high, place.side))


def readers(place: Place | None, size: int, side: int) -> IntArray:
    """Return how many tiles (along one axis) of a layer read each of ``side`` rows; without a layer 0."""
    count = np.zeros(side, np.int64)
    if place is not None:
        for number in range(ceil(place.output_side / size)):
            window = input_window(place, size, number)
            count[window.start : window.stop] += 1
    return count


def copies(place: Place, following: Place | None, reader: Tiling) -> IntArray:
    """Return the copies of an output by row and column, ``[side, side]``, for the tiling of the next layer.

    The outputs of the last layer, and those that no core reads, are there once.
    """
    rows, columns = (readers(following, size, place.output_side) for size in (reader.rows, reader.columns))
    return np.asarray(np.maximum(2 * reader.parts * np.outer(rows, columns), 1), dtype=np.int64)


def local_outputs(counts: IntArray) -> NDArray[np.bool_]:
    """Return which outputs of one core keep all their copies on it; the others go through a splitter.

    Parameters
    ----------
    counts
        Copies of every output of the core, ``[outputs]``. Those with the fewest copies stay.
    """
    order = np.argsort(counts, kind="stable")
    stays = np.zeros(len(counts), bool)
    stays[order] = len(counts) + np.cumsum(counts[order] - 1) <= NEURONS
    return stays


def part_sizes(features: int, parts: int) -> list[int]:
    """Return the features of each of the cores that share a place and group."""
    return [features // parts + (part < features % parts) for part in range(parts)]


def _split_neurons(place: Place, tiling: Tiling, counts: IntArray) -> int:
    """Return the neurons that the splitters behind a layer need."""
    total, side = 0, place.output_side
    sizes = part_sizes(tiling.groups * place.layer.features_per_group, tiling.parts)
    known: dict[bytes, int] = {}
    for top, left in product(range(0, side, tiling.rows), range(0, side, tiling.columns)):
        block = counts[top : top + tiling.rows, left : left + tiling.columns].ravel()
        key = np.sort(block).tobytes()
        if key not in known:
            held = (np.tile(block, size) for size in sizes)
            known[key] = sum(int(core[~local_outputs(core)].sum()) for core in held)
        total += known[key]
    return total * (place.layer.groups // tiling.groups)


def _tilings(place: Place, square: bool) -> list[Tiling]:
    """Return what fits on a core."""
    layer, sizes = place.layer, range(1, place.output_side + 1)
    window = [max(len(input_window(place, t, n)) for n in range(ceil(place.output_side / t))) for t in sizes]
    divisors = [
        groups for groups in range(1, min(layer.groups, MAX_FAN_IN) + 1) if layer.groups % groups == 0
    ]
    found = []
    for rows, columns, groups in product(sizes, sizes, divisors):
        inputs = window[rows - 1] * window[columns - 1] * groups * place.channels_per_group
        outputs = rows * columns * groups * layer.features_per_group
        alone = rows == columns == groups == 1
        if inputs <= MAX_FAN_IN and (outputs <= NEURONS or alone) and (rows == columns or not square):
            found.append(Tiling(rows, columns, groups, ceil(outputs / NEURONS)))
    return found


def _layer_cores(place: Place, tiling: Tiling, following: Place | None, reader: Tiling) -> LayerCores:
    counts = copies(place, following, reader)
    if int(counts.max()) > NEURONS:
        where = f"copies of an output of layer {place.index}"
        raise InvalidValueError(
            where, int(counts.max()), f"at most {NEURONS}, what one splitter core can make"
        )
    tiles = ceil(place.output_side / tiling.rows) * ceil(place.output_side / tiling.columns)
    cores = tiles * (place.layer.groups // tiling.groups) * tiling.parts
    return LayerCores(place.index, tiling, cores, ceil(_split_neurons(place, tiling, counts) / NEURONS))


@lru_cache(maxsize=32)
def plan_cores(spec: StudentSpec, square: bool = True) -> CorePlan:
    """Choose the tilings of all layers so that the student takes the fewest cores.

    Parameters
    ----------
    spec
        The student.
    square
        Whether tiles have as many rows as columns. Rectangles save cores in wide layers of the larger
        students.

    Raises
    ------
    InvalidValueError
        The student has no layer on the chip, or an output would need more copies than a core has neurons.
    """
    places = list(spec.places())[1:]
    if not places:
        raise InvalidValueError("StudentSpec.layers", 1, "at least 2: layer 1 is off the chip")
    best: dict[Tiling, tuple[LayerCores, ...]] = {Tiling(): ()}
    following: Place | None = None
    for place in reversed(places):
        best = {tiling: _cheapest(place, tiling, following, best) for tiling in _tilings(place, square)}
        following = place
    return CorePlan(min(best.values(), key=_total))


def _cheapest(
    place: Place, tiling: Tiling, following: Place | None, best: dict[Tiling, tuple[LayerCores, ...]]
) -> tuple[LayerCores, ...]:
    """Return the cheapest layers from ``place`` on, if it has this tiling."""
    chains = ((_layer_cores(place, tiling, following, reader), *rest) for reader, rest in best.items())
    return min(chains, key=_total)


def _total(layers: tuple[LayerCores, ...]) -> int:
    return sum(layer.cores + layer.splitters for layer in layers)
