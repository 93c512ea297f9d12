"""A student on its cores: the host transduces and counts, the simulated chip does everything between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.truenorth.simulator import ChipSimulator
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.networks.truenorth.chip import Chip
    from snnrl.networks.truenorth.integer import IntegerNetwork


@dataclass(frozen=True)
class Traffic:
    """What a tick, and so a frame, costs on the chip.

    Means over the ticks of a run, those of the silence behind its last frame included: in a long run a frame's cost.

    Parameters
    ----------
    spikes
        Spikes of all neurons, with copies and splitters.
    events
        Synaptic events: a spike on an axon, at a neuron that it reaches.
    """

    spikes: float
    events: float


class ChipStudent:
    """Plays through mapped cores.

    Parameters
    ----------
    network
        The student: its layer 1 and its read-out run on the host.
    chip
        Its cores, `snnrl.networks.truenorth.mapping.map_network`.
    simulator
        Runs them; by default a `ChipSimulator` of its own.

    Attributes
    ----------
    simulator
        The chip, which goes on from run to run; its neurons forget, so that runs do not touch each other.
    traffic
        Of the last run; None before it.

    Raises
    ------
    InvalidValueError
        The cores belong to another student.
    """

    def __init__(self, network: IntegerNetwork, chip: Chip, simulator: ChipSimulator | None = None) -> None:
        places = list(network.spec.places())
        expected = (places[0].neurons, places[-1].neurons)
        if (chip.n_inputs, chip.n_outputs) != expected:
            got = f"{chip.n_inputs} inputs and {chip.n_outputs} outputs"
            raise InvalidValueError("cores of the student", got, f"{expected[0]} and {expected[1]}")
        self.network, self.chip = network, chip
        self.simulator = ChipSimulator(chip) if simulator is None else simulator
        self.traffic: Traffic | None = None

    def outputs(self, frames: ArrayLike) -> NDArray[np.bool_]:
        """Return the output spikes of frames that enter one per tick, ``[batch, features, side, side]``."""
        spikes = self.network.transduced(frames)
        before = self._totals()
        found = self.simulator.run(spikes.reshape(len(spikes), -1))
        # Every tick counts: in a silent one, what always spikes does so too.
        ticks, fired, events = (after - start for after, start in zip(self._totals(), before, strict=True))
        self.traffic = Traffic(fired / max(ticks, 1), events / max(ticks, 1))
        last = list(self.network.spec.places())[-1]
        return found.reshape(len(found), last.layer.features, last.output_side, last.output_side)

    def _totals(self) -> tuple[int, int, int]:
        simulator = self.simulator
        return simulator.tick, int(simulator.core_spikes.sum()), int(simulator.core_events.sum())

    def counts(self, frames: ArrayLike) -> NDArray[np.int64]:
        """Return the spikes of each action's share, ``[batch, actions]``."""
        return self.network.count_actions(self.outputs(frames))

    def actions(self, frames: ArrayLike) -> NDArray[np.int64]:
        """Return the action with the most spikes, ``[batch]``; the first of equals."""
        return np.asarray(self.counts(frames).argmax(axis=1))
