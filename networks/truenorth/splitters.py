"""Splitter cores: each axon repeats the spikes of one output, as often as the output has targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.truenorth.chip import CoreType
from snnrl.networks.truenorth.cores import AXONS, NEURONS
from snnrl.networks.truenorth.draft import Draft, Targets


@dataclass(frozen=True)
class _Job:
    """An output that a splitter repeats: its core and neuron, and its place among the targets."""

    core: int
    neuron: int
    targets: Targets

    @property
    def size(self) -> int:
        return int(self.targets.count[self.neuron])


def add_splitters(
    draft: Draft,
    layer: int,
    cores: Sequence[int],
    targets: Sequence[Targets],
    stays: Sequence[NDArray[np.bool_]],
) -> None:
    """Add the splitters behind a layer and send the outputs that do not stay on their core to them.

    Parameters
    ----------
    draft
        Where the layer's cores are already; neuron n of a core is its output n.
    layer
        Number of the layer.
    cores
        Numbers of its cores.
    targets, stays
        For each core the targets of its outputs, and which outputs keep all their copies on it.
    """
    jobs = [
        _Job(core, int(neuron), target)
        for core, target, stay in zip(cores, targets, stays, strict=True)
        for neuron in np.flatnonzero(~stay)
    ]
    for held in _shared_out(sorted(jobs, key=lambda job: -job.size)):
        _add(draft, layer, held)


def _shared_out(jobs: list[_Job]) -> list[list[_Job]]:
    """Fill one splitter after the other. Sizes that are powers of two, largest first, leave no gap."""
    shares: list[list[_Job]] = []
    left = 0
    for job in jobs:
        if not shares or job.size > left or len(shares[-1]) == AXONS:
            shares.append([])
            left = NEURONS
        shares[-1].append(job)
        left -= job.size
    return shares


def _add(draft: Draft, layer: int, jobs: list[_Job]) -> None:
    number = draft.n_cores
    sizes = [job.size for job in jobs]
    cores, axons = (
        np.concatenate([getattr(job.targets, part)[job.neuron, : job.size] for job in jobs])
        for part in ("cores", "axons")
    )
    type_ = draft.type_of(("splitter", *sizes), lambda: _type(sizes))
    draft.add(layer, type_, cores, axons, delay=1, splitter=True)
    for axon, job in enumerate(jobs):
        draft.redirect(job.core, job.neuron, number, axon, delay=1)


def _type(sizes: list[int]) -> CoreType:
    """Return a core whose axon a reaches its own ``sizes[a]`` neurons, each with threshold 1."""
    source = np.repeat(np.arange(len(sizes)), sizes)
    crossbar = source[:, None] == np.arange(len(sizes))
    return CoreType.stateless(np.zeros(len(sizes), np.uint8), crossbar, np.ones(len(source), np.int32))
