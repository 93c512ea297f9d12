"""The chip tick by tick: every axon, synapse, neuron and delay of every core.

A tick: the spikes due are taken from the axons, each neuron adds its weights and its leak, spikes and resets,
and its spike is put on its target axon for a later tick. Whole numbers only, so there is one right answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.truenorth import kernels
from snnrl.engines.truenorth.simulator_kernel import AXON_WORDS, NEURONS, SLOTS, TYPES
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.networks.truenorth.chip import Chip, CoreType

Spikes = NDArray[np.bool_]


class ChipSimulator:
    """Runs a chip.

    Parameters
    ----------
    chip
        The cores.

    Attributes
    ----------
    tick
        Ticks done.
    core_spikes, core_events
        Spikes and synaptic events (a spike on an axon, at a neuron that it reaches) of each core so far,
        ``[cores]``.
    collisions
        Spikes that reached an axon which had one in that tick already; the chip, too, keeps one.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        n, types = chip.n_cores, chip.types
        per_neuron = ("leak", "threshold", "floor", "reset", "mode", "saturates")
        self._types = (
            np.array([len(t.leak) for t in types]),
            np.stack([_by_word(t) for t in types]),
            np.stack([_axons_of_types(t) for t in types]),
            np.stack([_filled(t.weights.T.astype(np.int64)) for t in types]),
            *(
                np.stack([_filled(np.asarray(getattr(t, part), np.int64)) for t in types])
                for part in per_neuron
            ),
        )
        self._targets = (chip.target_cores.copy(), chip.target_axons.copy(), chip.delays.astype(np.int64))
        order = np.argsort(chip.input_sources, kind="stable")
        self._links = (
            np.searchsorted(chip.input_sources[order], np.arange(chip.n_inputs + 1)),
            chip.input_cores[order].astype(np.int64),
            chip.input_axons[order].astype(np.int64),
        )
        self._pending = np.zeros((SLOTS, n, AXON_WORDS), np.uint64)
        self._v = np.zeros((n, NEURONS), np.int64)
        self.tick = 0
        self.core_spikes, self.core_events = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.collisions = 0

    def step(self, spikes: Spikes) -> Spikes:
        """Run one tick with these input spikes ``[inputs]`` and return its outputs, ``[outputs]``."""
        outputs = np.zeros(self.chip.n_outputs, bool)
        kernel = kernels.load("simulator_kernel")
        self.collisions += kernel.give_inputs(spikes, *self._links, self._pending, self.tick)
        self.collisions += kernel.run_tick(
            self.tick, self.chip.core_types, *self._types, *self._targets, self._pending, self._v, outputs,
            self.core_spikes, self.core_events,
        )  # fmt: skip
        self.tick += 1
        return outputs

    def run(self, spikes: ArrayLike) -> Spikes:
        """Run frames one tick after the other, and as many ticks more as it takes until all have come out.

        Parameters
        ----------
        spikes
            Input spikes, ``[frames, inputs]``.

        Returns
        -------
        Output spikes that belong to each frame, ``[frames, outputs]``.

        Raises
        ------
        InvalidValueError
            Another shape.
        """
        given = np.asarray(spikes, dtype=bool)
        if given.ndim != 2 or given.shape[1] != self.chip.n_inputs:
            raise InvalidValueError(
                "shape of the input spikes", given.shape, f"[frames, {self.chip.n_inputs}]"
            )
        silence = np.zeros(self.chip.n_inputs, bool)
        ticks = [self.step(frame) for frame in given]
        ticks += [self.step(silence) for _ in range(self.chip.latency)]
        return np.array(ticks[self.chip.latency :], bool).reshape(len(given), self.chip.n_outputs)

    @property
    def memory(self) -> int:
        """Bytes of the simulator's arrays."""
        arrays = (
            *self._types,
            *self._targets,
            *self._links,
            self._pending,
            self._v,
            self.core_spikes,
            self.core_events,
        )
        return sum(array.nbytes for array in arrays)


def _filled(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``[..., neurons]`` filled up with zeros to 256 neurons."""
    filled = np.zeros((*values.shape[:-1], NEURONS), np.int64)
    filled[..., : values.shape[-1]] = values
    return filled


def _words(bits: Spikes) -> NDArray[np.uint64]:
    """Return ``[..., axons]`` bits as words ``[..., 4]``, the first axon lowest."""
    filled = np.zeros((*bits.shape[:-1], 64 * AXON_WORDS), bool)
    filled[..., : bits.shape[-1]] = bits
    return np.packbits(filled, axis=-1, bitorder="little").view("<u8").astype(np.uint64)


def _by_word(kind: CoreType) -> NDArray[np.uint64]:
    """Return the crossbar as words of axons, ``[4, 256 neurons]``."""
    words = np.zeros((AXON_WORDS, NEURONS), np.uint64)
    words[:, : len(kind.leak)] = _words(kind.crossbar).T
    return words


def _axons_of_types(kind: CoreType) -> NDArray[np.uint64]:
    """Return which axons have each type, as words ``[4 types, 4]``."""
    return _words(kind.axon_types == np.arange(TYPES, dtype=np.uint8)[:, None])
