"""The spikes on the chip that belong to a frame: the wave that it sends through the cores, tick by tick.

In the ticks before and behind a frame the chip is not silent: a neuron whose threshold is 0 or less spikes on
nothing. Only the tick in which a core handles the frame counts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.truenorth.simulator import ChipSimulator, Spikes
from snnrl.networks.truenorth.chip import Chip

IntArray = NDArray[np.int64]


class WatchedSimulator(ChipSimulator):
    """A chip that notes what each core spikes in each tick.

    Parameters
    ----------
    chip
        The cores.

    Attributes
    ----------
    ticks
        Spikes of the cores in each tick since it was last cleared, ``[cores]`` each.
    layers, neurons
        Numbers of the layers on the chip, and their neurons with copies and splitters, ``[layers]``.
    """

    def __init__(self, chip: Chip) -> None:
        super().__init__(chip)
        self.ticks: list[IntArray] = []
        self.layers, self._layer_of_core = np.unique(chip.layers, return_inverse=True)
        self.neurons = np.bincount(self._layer_of_core, weights=chip.n_neurons).astype(np.int64)
        self._arrivals = arrivals(chip)

    def step(self, spikes: Spikes) -> Spikes:
        """Run one tick; see `ChipSimulator.step`."""
        before = self.core_spikes.copy()
        outputs = super().step(spikes)
        self.ticks.append(self.core_spikes - before)
        return outputs

    def waves(self, frames: int) -> NDArray[np.float64]:
        """Return the spikes of each layer for the frames that entered in the first noted ticks, ``[frames, layers]``."""
        noted = np.array(self.ticks)
        cores = np.arange(len(self._arrivals))
        found = np.zeros((frames, len(self.layers)))
        for frame in range(frames):
            spikes = noted[frame + self._arrivals, cores]
            found[frame] = np.bincount(self._layer_of_core, weights=spikes, minlength=len(self.layers))
        return found


def arrivals(chip: Chip) -> IntArray:
    """Return how many ticks after its entry a frame is in each core, ``[cores]``.

    Delays align all paths to a core, so that the longest path is as long as any.
    """
    source, neuron = np.nonzero(chip.target_cores >= 0)
    target = chip.target_cores[source, neuron]
    links = np.unique(np.stack([source, target, chip.delays[source, neuron]]), axis=1).astype(np.int64)
    found = np.zeros(chip.n_cores, np.int64)
    for _ in range(chip.latency):  # no path is longer
        np.maximum.at(found, links[1], found[links[0]] + links[2])
    return found
