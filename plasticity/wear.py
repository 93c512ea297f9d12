"""What use costs memristors: the writes they have received, how long they last, the energy of reading and writing.

Energy is Joule's law for the arrays alone, E = t * sum(V^2 G) over the devices that see a voltage; converters, neurons
and drivers are not counted. Reading at 0.1 V is that of Prezioso et al. 2015, Nature 521:61; the read time is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from snnrl.errors import InvalidValueError
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.device import Device
from snnrl.plasticity.validate import positive

ENDURANCE = 1e6
"""Write cycles that a device survives: an assumption, stated with every lifetime."""


@dataclass(frozen=True)
class Reading:
    """How a crossbar is read.

    Parameters
    ----------
    voltage
        Volt on a row whose input is 1, or that has an input spike.
    time
        Seconds that the voltages are applied.
    """

    voltage: float = 0.1
    time: float = 1e-6

    def __post_init__(self) -> None:
        positive(self, "voltage", "time")


def lifetime(writes: ArrayLike, endurance: float = ENDURANCE) -> dict[str, float]:
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


def read_energy(inputs: ArrayLike, columns: int, device: Device, reading: Reading) -> float:
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


def spike_energy(spikes: float, columns: int, device: Device, reading: Reading | None = None) -> float:
    """Give the energy (joule) of input spikes: one read pulse each on the pairs of its row.

    Parameters
    ----------
    spikes
        Number of input spikes, may be a mean.
    columns
        Neurons that a row leads to.
    """
    return spikes * read_energy([1.0], columns, device, reading or Reading())


def write_energy(device: Al2O3, pulses: int = 1) -> float:
    """Give the energy (joule) of write pulses on a device at mid-range: V^2 * G * width each."""
    return pulses * device.v_write**2 * (device.g_min + device.g_max) / 2 * device.write_width
