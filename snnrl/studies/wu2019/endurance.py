"""What learning costs the devices: writes, lifetime, and the energy of a decision.

Energy is Joule's law for the arrays alone, E = t * sum(V^2 G) over the devices that see a voltage; converters, neurons
and drivers are not counted. Reading at 0.1 V is that of Prezioso et al. 2015, Nature 521:61; the read time is assumed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.studies.wu2019.approaches import Outcome, approaches
from snnrl.studies.wu2019.study import Study


@dataclass(frozen=True)
class Reading:
    """How a crossbar is read.

    Parameters
    ----------
    voltage
        Volt on a row whose input is 1.
    time
        Seconds that the voltages are applied.
    """

    voltage: float = 0.1
    time: float = 1e-6

    def __post_init__(self) -> None:
        for name in ("voltage", "time"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InvalidValueError(f"Reading.{name}", getattr(self, name), "a finite number > 0")


def writes_per_device(outcome: Outcome) -> NDArray[np.int64]:
    """Give the writes of every pair of every agent, ``[agents, weights]``; both devices of a pair are written together.

    Manhattan pulses leave out lines whose signal is zero; an exact update writes all devices: ``[agents, 1]``.
    """
    if outcome.writes.size:
        return outcome.writes
    return outcome.updates[:, -1:]


def lifetime(writes: ArrayLike, endurance: float) -> dict[str, float]:
    """Give the distribution of writes and how often a training can be repeated at a stated endurance.

    Parameters
    ----------
    writes
        Writes of one training, any shape.
    endurance
        Write cycles that a device survives.

    Returns
    -------
    dict
        ``mean, median, p99, most`` writes; ``trainings_median`` until the median device has worn out and
        ``trainings_first`` until the first.
    """
    if not (np.isfinite(endurance) and endurance > 0):
        raise InvalidValueError("endurance", endurance, "write cycles, a finite number > 0")
    counts = np.asarray(writes, dtype=float).ravel()
    median, most = float(np.median(counts)), float(counts.max())
    return {
        "mean": float(counts.mean()),
        "median": median,
        "p99": float(np.quantile(counts, 0.99)),
        "most": most,
        "trainings_median": endurance / median if median else float("inf"),
        "trainings_first": endurance / most if most else float("inf"),
    }


def endurance_report(
    study: Study, endurance: float = 1e6, names: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Give writes and lifetime by approach, at each approach's last criterion C.

    Parameters
    ----------
    study
        Where the outcomes come from.
    endurance
        Write cycles that a device survives; 1e6 is an assumption, stated with the result.
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


def read_energy(inputs: ArrayLike, columns: int, device: Al2O3, reading: Reading) -> float:
    """Give the energy (joule) of one product of inputs and a layer: t * sum_j V_j^2 * columns * (G+ + G-).

    A pair written symmetrically has G+ + G- = g_min + g_max, whatever its weight.

    Parameters
    ----------
    inputs
        Row signals; a signal of 1 is ``reading.voltage``.
    columns
        Output lines of the layer, a pair of devices for each row.
    """
    volts = reading.voltage * np.asarray(inputs, dtype=float)
    return float(reading.time * np.sum(volts**2) * columns * (device.g_min + device.g_max))


def energy_per_decision(
    network: CrossbarActorCritic,
    inputs: ArrayLike,
    hidden: ArrayLike,
    device: Al2O3,
    reading: Reading | None = None,
) -> float:
    """Give the energy (joule) that the arrays of the action network turn into heat for one decision.

    Parameters
    ----------
    inputs, hidden
        The network's inputs, the constant included, and the outputs of its hidden neurons.
    """
    how = reading or Reading()
    outputs = 2 if network.shared else 1
    return read_energy(inputs, network.hidden, device, how) + read_energy(hidden, outputs, device, how)


def write_energy(device: Al2O3, pulses: int = 1) -> float:
    """Give the energy (joule) of write pulses on a device at mid-range: V^2 * G * width each."""
    return pulses * device.v_write**2 * (device.g_min + device.g_max) / 2 * device.write_width
