"""Neurosynaptic cores as data: crossbars, axon types, neurons, targets; made by a mapping, run by a simulator.

A core has up to 256 axons and 256 neurons. An axon has one of four types; a neuron has one signed weight per
type and a bit per axon. In each tick neuron j does (Cassidy et al., IJCNN 2013; Merolla et al., Science
345:668, 2014)::

    V += sum over axons i with a spike of bit[i, j] * weight[j, type[i]];   V += leak
    V >= threshold: spike, and then the positive reset;   V < -floor: the negative reset

==========  ==========  =================  ====================
mode        saturates   V after a spike    V below -floor
==========  ==========  =================  ====================
0 normal    no / yes    reset              -reset / -floor
1 linear    no / yes    V - threshold      V + floor / -floor
2 none      no / yes    V                  V / -floor
==========  ==========  =================  ====================

The chip's stochastic weights, leaks and thresholds are left out: students use none. A spike goes to one axon
of one core, 1 to 15 ticks later. Cores that differ in their targets only share a `CoreType`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.cores import AXONS, CORES_PER_CHIP, NEURONS

AXON_TYPES = 4
MAX_DELAY = 15
MAX_WEIGHT = MAX_LEAK = 255
RESET_MODES = 3
NOWHERE, OUTPUT = -1, -2
"""Target cores of neurons that nobody reads, and of those whose spikes leave the chip."""
CHIP_SIDE = 64


@dataclass(frozen=True, eq=False)
class CoreType:
    """Crossbar and neurons of a core.

    Parameters
    ----------
    axon_types
        0 to 3, ``[axons]``.
    crossbar
        Which axons reach which neurons, ``[neurons, axons]``.
    weights
        Weight per axon type, ``[neurons, 4]``.
    leak, threshold, floor, reset
        Whole numbers, ``[neurons]``; ``floor`` is the negative threshold's size.
    mode, saturates
        Reset mode 0, 1 or 2, and whether V stops at ``-floor``, ``[neurons]``.

    Raises
    ------
    InvalidValueError
        Something does not fit the hardware.
    """

    axon_types: NDArray[np.uint8]
    crossbar: NDArray[np.bool_]
    weights: NDArray[np.int16]
    leak: NDArray[np.int32]
    threshold: NDArray[np.int32]
    floor: NDArray[np.int32]
    reset: NDArray[np.int32]
    mode: NDArray[np.uint8]
    saturates: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for f in fields(self):
            getattr(self, f.name).setflags(write=False)
        axons, neurons = len(self.axon_types), len(self.leak)
        _within("axons of a core", axons, 0, AXONS)
        _within("neurons of a core", neurons, 0, NEURONS)
        shapes = {"crossbar": (neurons, axons), "weights": (neurons, AXON_TYPES)}
        for f in fields(self)[1:]:
            expected, got = shapes.get(f.name, (neurons,)), getattr(self, f.name).shape
            if got != expected:
                raise InvalidValueError(f"CoreType.{f.name}", got, str(expected))
        _within("axon type", self.axon_types, 0, AXON_TYPES - 1)
        _within("weight", self.weights, -MAX_WEIGHT, MAX_WEIGHT)
        _within("leak", self.leak, -MAX_LEAK, MAX_LEAK)
        _within("reset mode", self.mode, 0, RESET_MODES - 1)
        for name in ("threshold", "floor"):
            _within(name, getattr(self, name), 0, 2**18 - 1)
        _within("reset", self.reset, -(2**18), 2**18 - 1)

    @classmethod
    def stateless(
        cls, axon_types: NDArray[np.uint8], crossbar: NDArray[np.bool_], thresholds: NDArray[np.int32]
    ) -> CoreType:
        """Return neurons that forget: they spike where a tick's sum reaches the threshold; then V is 0.

        Threshold, floor and reset are 0, V saturates, and the leak is minus the threshold. Axons of type 0
        weigh 1, axons of type 1 weigh -1.

        Raises
        ------
        InvalidValueError
            The leak, minus a threshold, is not -255 to 255.
        """
        n = len(thresholds)
        zero = np.zeros(n, np.int32)
        weights = np.tile(np.array([1, -1, 0, 0], np.int16), (n, 1))
        leak = -np.asarray(thresholds, np.int32)
        return cls(
            axon_types, crossbar, weights, leak, zero, zero, zero, np.zeros(n, np.uint8), np.ones(n, bool)
        )


@dataclass(frozen=True, eq=False)
class Chip:
    """Cores with their types and targets, on one chip or several.

    Parameters
    ----------
    types
        What cores have in common.
    core_types
        Number of each core's type, ``[cores]``.
    layers
        Layer that each core belongs to, ``[cores]``.
    splitters
        Which cores are splitters, ``[cores]``.
    target_cores, target_axons, delays
        Where the spike of a neuron goes and how many ticks later, ``[cores, 256]``. A target core may be
        `NOWHERE` or `OUTPUT`; there ``target_axons`` is the number of the output.
    input_sources, input_cores, input_axons
        Links from the host: spike ``input_sources[i]`` reaches that axon in its own tick, ``[links]``.
    n_inputs, n_outputs
        Input spikes that the host may give and output spikes that it may get.
    latency
        Ticks from an input to the outputs that it causes.
    name
        Of the student.

    Raises
    ------
    InvalidValueError
        Something points outside the chip.
    """

    types: tuple[CoreType, ...]
    core_types: NDArray[np.int32]
    layers: NDArray[np.int16]
    splitters: NDArray[np.bool_]
    target_cores: NDArray[np.int32]
    target_axons: NDArray[np.int32]
    delays: NDArray[np.uint8]
    input_sources: NDArray[np.int32]
    input_cores: NDArray[np.int32]
    input_axons: NDArray[np.int16]
    n_inputs: int
    n_outputs: int
    latency: int
    name: str = field(default="")

    def __post_init__(self) -> None:
        cores, links = len(self.core_types), len(self.input_sources)
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(
            ("target_cores", "target_axons", "delays"), (cores, NEURONS)
        )
        shapes.update(layers=(cores,), splitters=(cores,), input_cores=(links,), input_axons=(links,))
        for name, shape in shapes.items():
            array = getattr(self, name)
            array.setflags(write=False)
            if array.shape != shape:
                raise InvalidValueError(f"Chip.{name}", array.shape, str(shape))
        _within("type of a core", self.core_types, 0, len(self.types) - 1)
        _within("delay", self.delays, 1, MAX_DELAY)
        _within("Chip.latency", self.latency, 0, 10**6)
        for name, values, end in (
            ("input", self.input_sources, self.n_inputs),
            ("core", self.input_cores, cores),
        ):
            _within(f"{name} of an input link", values, 0, end - 1)
        self._check_axons("axon of an input link", self.input_cores, self.input_axons)
        _within("target core", self.target_cores, OUTPUT, cores - 1)
        inside, leaving = self.target_cores >= 0, self.target_cores == OUTPUT
        self._check_axons("target axon", self.target_cores[inside], self.target_axons[inside])
        _within("output of a neuron", self.target_axons[leaving], 0, self.n_outputs - 1)

    def _check_axons(self, name: str, cores: NDArray[np.int32], axons: NDArray[np.signedinteger]) -> None:
        sizes = np.array([len(t.axon_types) for t in self.types], np.int64)
        bad = (axons < 0) | (axons >= sizes[self.core_types[cores]])
        if bad.any():
            raise InvalidValueError(name, int(axons[bad][0]), "an axon of that core")

    @property
    def n_cores(self) -> int:
        """Cores, with splitters."""
        return len(self.core_types)

    @property
    def n_chips(self) -> int:
        """Chips that hold the cores, 4096 each."""
        return -(-self.n_cores // CORES_PER_CHIP)

    @property
    def n_neurons(self) -> NDArray[np.int64]:
        """Neurons in use of each core, ``[cores]``."""
        return np.array([len(t.leak) for t in self.types], np.int64)[self.core_types]

    def coordinates(self) -> NDArray[np.int64]:
        """Return chip, column and row of each core, ``[cores, 3]``; a chip is filled row by row."""
        chip, place = np.divmod(np.arange(self.n_cores), CORES_PER_CHIP)
        row, column = np.divmod(place, CHIP_SIDE)
        return np.stack((chip, column, row), axis=1)


def _within(name: str, values: int | NDArray[np.generic], low: int, high: int) -> None:
    array = np.asarray(values)
    if array.size and not (low <= array.min() and array.max() <= high):
        got = int(array.max()) if array.max() > high else int(array.min())
        raise InvalidValueError(name, got, f"{low} to {high}")
