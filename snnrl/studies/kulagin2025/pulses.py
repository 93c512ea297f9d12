"""What one pair of pulses does to a device, against the time between them; and one pulse alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.plasticity.parylene import PARYLENE
from snnrl.plasticity.pulses import Exponential, Pulse, Rectangular, Triangular, overlap_window
from snnrl.plasticity.vteam import VTEAM_SYNAPSE

PULSES: dict[str, Pulse] = {
    "rectangular": Rectangular(),
    "triangular": Triangular(),
    "exponential": Exponential(a_plus=0.9, a_minus=0.7),
}
"""Pulses below the device's threshold of 1 V; the exponential one has a tail that passes it only together with a rise."""
START = 0.5
"""Normalised conductance before the pair."""
ALONE = 10.0
"""Seconds between two pulses that never meet."""
DELAYS = np.arange(-100, 101) * 1e-3
"""t_post - t_pre (s)."""


def measured() -> dict[str, NDArray[np.float64]]:
    """Return, by pulse, the change of normalised conductance at `DELAYS`; ``parylene`` is its published function."""
    found = {
        name: np.array([overlap_window(VTEAM_SYNAPSE, pulse, delay, START) for delay in DELAYS])
        for name, pulse in PULSES.items()
    }
    return found | {"parylene": PARYLENE.stdp(DELAYS, START)}


def alone(pulse: Pulse) -> float:
    """Return the change by two pulses that never meet: each acts alone."""
    return overlap_window(VTEAM_SYNAPSE, pulse, ALONE, START)


def touch(pulse: Pulse) -> float:
    """Return the largest delay (s) at which two pulses of this shape still share a moment."""
    return pulse.breaks[-1] - pulse.breaks[0]


def summary() -> dict[str, dict[str, Any]]:
    """Return what was measured, by pulse.

    Returns
    -------
    dict
        ``alone``: change by single pulses; ``outside``: largest change at delays at which the pulses do not overlap; ``most,
        least``: largest and smallest change, and the delays ``most_at, least_at`` (s) where they are.
    """
    changes, found = measured(), {}
    for name, pulse in PULSES.items():
        change = changes[name]
        outside = np.abs(change[np.abs(DELAYS) > touch(pulse) + 1e-9])
        found[name] = {
            "alone": alone(pulse),
            "outside": float(outside.max()) if outside.size else None,
            "most": float(change.max()),
            "most_at": float(DELAYS[change.argmax()]),
            "least": float(change.min()),
            "least_at": float(DELAYS[change.argmin()]),
        }
    return found
