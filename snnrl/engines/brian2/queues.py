"""Spikes under way: what is in the delay queue of a pathway, as an array, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2.synapses.spikequeue import SpikeQueue
from numpy.typing import NDArray


def pending(pathway: Any, rows: int) -> NDArray[np.bool_]:
    """Return which synapses are reached now, in one dt, in two, ..., bool ``[rows, synapses]``."""
    found = np.zeros((rows, len(pathway.synapses)), dtype=bool)
    state = pathway.queue._full_state()
    if isinstance(pathway.queue, SpikeQueue):  # Brian2 without its compiled queue
        for delay, synapse in state[1]:
            found[delay, synapse] = True
        return found
    offset, queue = state
    for place, synapses in enumerate(queue):
        if len(synapses):
            found[(place - offset) % len(queue), synapses] = True
    return found


def set_pending(pathway: Any, reached: NDArray[np.bool_]) -> None:
    """Put spikes under way in place of those that are."""
    if isinstance(pathway.queue, SpikeQueue):
        most = max(1, int(reached.sum(axis=1).max(initial=0)) + 1)
        spikes = np.argwhere(reached)
        pathway.queue.currenttime = 0
        pathway.queue._restore_from_full_state((pathway.queue._dt, spikes, (len(reached), most)))
    else:
        pathway.queue._restore_from_full_state((0, [np.flatnonzero(row).tolist() for row in reached]))
