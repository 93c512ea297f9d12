"""What learning costs the devices of the study: writes and lifetime by approach, and the energy of a decision."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.crossbar_energy import energy_per_decision
from snnrl.plasticity.wear import ENDURANCE, Reading, lifetime, write_energy
from snnrl.studies.wu2019.approaches import Outcome, approaches
from snnrl.studies.wu2019.study import Study

__all__ = [
    "Reading",
    "endurance_report",
    "energy_per_decision",
    "lifetime",
    "write_energy",
    "writes_per_device",
]


def writes_per_device(outcome: Outcome) -> NDArray[np.int64]:
    """Give the writes of every pair of every agent, ``[agents, weights]``; both devices of a pair are written together.

    Manhattan pulses leave out lines whose signal is zero; an exact update writes all devices: ``[agents, 1]``.
    """
    if outcome.writes.size:
        return outcome.writes
    return outcome.updates[:, -1:]


def endurance_report(
    study: Study, endurance: float = ENDURANCE, names: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Give writes and lifetime by approach, at each approach's last criterion C.

    Parameters
    ----------
    study
        Where the outcomes come from.
    endurance
        Write cycles that a device survives; the default is an assumption, stated with the result.
    names
        Approaches to report; None: all.
    """
    rows = []
    for approach in approaches(study.settings).values():
        if approach.marks and (names is None or approach.name in names):
            outcome = study.outcome(approach)
            row = {"row": approach.name, "criterion": approach.marks[-1], "endurance": endurance}
            rows.append(row | lifetime(writes_per_device(outcome), endurance))
    return rows
