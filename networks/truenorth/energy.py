"""Energy of spikes on cores, estimated.

The active energy of a TrueNorth chip is ``E = 26 pJ * synaptic events``, 26 pJ for one event (Merolla et al.,
Science 345:668, 2014: "26 pJ per synaptic event"). A synaptic event is a spike on an axon that reaches a
neuron. Leakage and the clock, some tens of milliwatts per chip whether or not it computes, are not in it.
"""

from __future__ import annotations

JOULES_PER_EVENT = 26e-12


def joules(events: float) -> float:
    """Return the estimated active energy of synaptic events, in joules."""
    return JOULES_PER_EVENT * events
