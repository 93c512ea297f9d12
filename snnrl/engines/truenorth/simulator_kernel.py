"""One tick of all cores; see `simulator` for what the arrays mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from snnrl.engines.truenorth.vectors import popcount

Array = Any

SLOTS = 16
"""Ticks that a spike may be under way: delays 1 to 15."""
AXON_WORDS = 4
NEURONS = 256
TYPES = 4


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def reset(v: int, threshold: int, floor: int, value: int, mode: int, saturates: bool) -> tuple[int, bool]:
    """Return V after a tick and whether the neuron spiked; the table in `snnrl.networks.truenorth.chip`."""
    if v >= threshold:
        if mode == 0:
            return value, True
        if mode == 1:
            return v - threshold, True
        return v, True
    if v < -floor:
        if saturates:
            return -floor, False
        if mode == 0:
            return -value, False
        if mode == 1:
            return v + floor, False
    return v, False


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def deliver(pending: Array, tick: int, core: int, axon: int) -> int:
    """Put a spike on an axon for a tick; return 1 if there was one already, for an axon holds one bit."""
    bit = np.uint64(1) << np.uint64(axon & 63)
    slot = tick % SLOTS
    before = pending[slot, core, axon >> 6]
    pending[slot, core, axon >> 6] = before | bit
    return int((before & bit) != 0)


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def give_inputs(
    spikes: Array, first_link: Array, link_cores: Array, link_axons: Array, pending: Array, tick: int
) -> int:
    """Put the host's spikes of a tick on their axons; return how many met another."""
    collisions = 0
    for source in np.flatnonzero(spikes):
        for link in range(first_link[source], first_link[source + 1]):
            collisions += deliver(pending, tick, link_cores[link], link_axons[link])
    return collisions


@njit(nogil=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def run_tick(tick: int, core_types: Array, sizes: Array, crossbar: Array, type_axons: Array, weights: Array,
             leak: Array, threshold: Array, floor: Array, value: Array, mode: Array, saturates: Array,
             targets: Array, axons: Array, delays: Array, pending: Array, v: Array, outputs: Array,
             core_spikes: Array, core_events: Array) -> int:  # fmt: skip
    """Advance every core by a tick: synapses, leak, threshold, reset, spikes on their way.

    Returns the spikes that met another on their axon.
    """
    collisions = 0
    total = np.empty(NEURONS, np.int64)
    slot = tick % SLOTS
    for core in range(len(core_types)):
        kind = core_types[core]
        size = sizes[kind]
        for neuron in range(size):
            total[neuron] = v[core, neuron] + leak[kind, neuron]
        events = 0
        for word in range(AXON_WORDS):
            here = pending[slot, core, word]
            if here == 0:
                continue
            pending[slot, core, word] = 0
            for axon_type in range(TYPES):
                active = here & type_axons[kind, axon_type, word]
                if active != 0:
                    for neuron in range(size):
                        hits = int(popcount(active & crossbar[kind, word, neuron]))
                        total[neuron] += hits * weights[kind, axon_type, neuron]
                        events += hits
        core_events[core] += events
        for neuron in range(size):
            after, spiked = reset(
                total[neuron], threshold[kind, neuron], floor[kind, neuron], value[kind, neuron], mode[kind, neuron],
                saturates[kind, neuron],
            )  # fmt: skip
            v[core, neuron] = after
            if spiked:
                core_spikes[core] += 1
                target = targets[core, neuron]
                if target >= 0:
                    collisions += deliver(pending, tick + delays[core, neuron], target, axons[core, neuron])
                elif target == -2:
                    outputs[axons[core, neuron]] = True
    return collisions
