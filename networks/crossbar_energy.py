"""Energy of a crossbar network's decisions, see :mod:`snnrl.plasticity.wear`."""

from __future__ import annotations

from numpy.typing import ArrayLike

from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.plasticity.device import Device
from snnrl.plasticity.wear import Reading, read_energy


def energy_per_decision(
    network: CrossbarActorCritic,
    inputs: ArrayLike,
    hidden: ArrayLike,
    device: Device,
    reading: Reading | None = None,
) -> float:
    """Give the energy (joule) that the arrays of the action network turn into heat for one decision.

    Only the sums of squares matter, so that one number may stand for several: the root of the sum of their squares.

    Parameters
    ----------
    inputs, hidden
        The network's inputs, the constant included, and the outputs of its hidden neurons.
    """
    how = reading or Reading()
    outputs = 2 if network.shared else 1
    return read_energy(inputs, network.hidden, device, how) + read_energy(hidden, outputs, device, how)
