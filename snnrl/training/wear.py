"""What learning has cost the devices of a run: writes of each, energy of a decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnrl.networks.crossbar_energy import energy_per_decision
from snnrl.plasticity.al2o3 import AL2O3
from snnrl.plasticity.wear import spike_energy
from snnrl.training.config import TrainingConfig
from snnrl.training.crossbar_kernel import Running
from snnrl.training.crossbar_session import CrossbarSession
from snnrl.training.result import Wear

if TYPE_CHECKING:
    from snnrl.engines.session import Session
    from snnrl.equations.lowered import LoweredSynapses
    from snnrl.training.learners import Learners


def measure_wear(config: TrainingConfig, learners: Learners) -> Wear | None:
    """Return what the devices of a run went through; None without devices: ideal synapses, dense networks, students.

    Parameters
    ----------
    config
        The run.
    learners
        Its agents, after the evaluation.
    """
    from snnrl.engines.session import Session

    if isinstance(learners, CrossbarSession):
        pairs = learners.state["writes"]  # both devices of a pair are written together
        return Wear(np.concatenate([pairs, pairs], axis=1), _crossbar_energies(learners))
    if config.dense or config.truenorth:
        return None
    assert isinstance(learners, Session)
    groups = [(group, _counters(group)) for group in learners.network.synapses]
    counts = [_counts(learners, group.name, name) for group, names in groups for name in names]
    if not counts:
        return None
    columns = sum(group.n_target for group, names in groups if names and group.target in _actors(learners))
    return Wear(np.concatenate(counts, axis=1), _spiking_energies(config, learners, columns))


def _counters(group: LoweredSynapses) -> list[str]:
    """Give the variables in which a group counts the writes of its devices."""
    return [name for name in group.variables if name == "writes" or name.startswith("writes_")]


def _counts(session: Session, group: str, name: str) -> NDArray[np.int64]:
    values = np.asarray(session.variable(group, name), dtype=np.int64)
    return values.reshape(len(session.seeds), -1)


def _actors(session: Session) -> set[str]:
    return {name.partition("[")[0] for name in session.model.action.populations}


def _crossbar_energies(session: CrossbarSession) -> NDArray[np.float64]:
    """Give the mean energy of a decision from the mean squares of inputs and hidden outputs.

    Ideal pairs are given the conductances of an Al2O3/TiO2-x device.
    """
    device = session.network.device or AL2O3
    squares = session.state["running"][:, [Running.INPUT_SQUARES, Running.HIDDEN_SQUARES]]
    means = squares / np.where(session.env_steps > 0, session.env_steps, np.nan)[:, None]
    energies = [
        energy_per_decision(session.network, [inputs], [hidden], device) for inputs, hidden in np.sqrt(means)
    ]
    return np.array(energies)


def _spiking_energies(config: TrainingConfig, session: Session, columns: int) -> NDArray[np.float64]:
    """Give the energy of the mean number of input spikes, each a read pulse on the actors' pairs of its row."""
    device = config.make_device()
    if device is None:  # a model of the user's own, whose devices are not known
        return np.full(len(session.seeds), np.nan)
    spikes = session.state["spike_total"][:, 0] / np.where(session.env_steps > 0, session.env_steps, np.nan)
    single = 0.5 if config.synapse_parameters.get("layout") == "offset" else 1.0
    return np.array([single * spike_energy(count, columns, device) for count in spikes])
