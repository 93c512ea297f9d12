"""Cores while a student is being placed: collected from the last layer to the first, then numbered anew."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.truenorth.chip import Chip, CoreType
from snnrl.networks.truenorth.cores import NEURONS, IntArray


@dataclass(frozen=True)
class Targets:
    """Cores and axons that outputs go to, ``[outputs, most]``, and how many of them count, ``[outputs]``."""

    cores: IntArray
    axons: IntArray
    count: IntArray


@dataclass
class _Core:
    """One core: layer, type, whether it is a splitter, and core, axon and delay of each neuron's target."""

    layer: int
    type: int
    splitter: bool
    targets: IntArray
    axons: IntArray
    delays: IntArray


class Draft:
    """Cores and their types as they are added."""

    def __init__(self) -> None:
        self.types: list[CoreType] = []
        self._known: dict[Hashable, int] = {}
        self._cores: list[_Core] = []

    @property
    def n_cores(self) -> int:
        """Cores so far, which is the number of the next."""
        return len(self._cores)

    def type_of(self, key: Hashable, make: Callable[[], CoreType]) -> int:
        """Return the number of the type with this key, made if it is not there yet."""
        if key not in self._known:
            self._known[key] = len(self.types)
            self.types.append(make())
        return self._known[key]

    def add(
        self, layer: int, type_: int, cores: IntArray, axons: IntArray, delay: int, splitter: bool = False
    ) -> None:
        """Add a core whose neurons go to these cores and axons, ``[neurons]``."""
        delays = np.full(len(cores), delay)
        self._cores.append(_Core(layer, type_, splitter, cores.copy(), axons.copy(), delays))

    def redirect(self, core: int, neuron: int, target: int, axon: int, delay: int) -> None:
        """Send the spikes of a neuron somewhere else."""
        found = self._cores[core]
        found.targets[neuron], found.axons[neuron], found.delays[neuron] = target, axon, delay

    def chip(self, links: tuple[IntArray, ...], sizes: tuple[int, int], latency: int, name: str) -> Chip:
        """Return the chip, its cores in the order of layers and splitters last in each.

        Parameters
        ----------
        links
            Source, core and axon of each input link.
        sizes
            Inputs and outputs.
        latency
            Ticks from an input to its outputs.
        name
            Of the student.
        """
        order = sorted(range(self.n_cores), key=lambda k: (self._cores[k].layer, self._cores[k].splitter, k))
        rank = np.empty(self.n_cores + 2, np.int64)
        rank[order] = np.arange(self.n_cores)
        rank[[-1, -2]] = -1, -2  # NOWHERE and OUTPUT stay what they are
        cores = [self._cores[k] for k in order]
        targets, axons, delays = (
            _filled([getattr(core, part) for core in cores], blank)
            for part, blank in (("targets", -1), ("axons", 0), ("delays", 1))
        )
        return Chip(
            tuple(self.types),
            np.array([core.type for core in cores], np.int32),
            np.array([core.layer for core in cores], np.int16),
            np.array([core.splitter for core in cores], bool),
            rank[targets].astype(np.int32),
            axons.astype(np.int32),
            delays.astype(np.uint8),
            links[0].astype(np.int32),
            rank[links[1]].astype(np.int32),
            links[2].astype(np.int16),
            *sizes,
            latency,
            name,
        )


def _filled(rows: list[IntArray], blank: int) -> NDArray[np.int64]:
    """Return rows of up to 256 numbers as ``[rows, 256]``."""
    filled = np.full((len(rows), NEURONS), blank)
    for line, row in zip(filled, rows, strict=True):
        line[: len(row)] = row
    return filled
