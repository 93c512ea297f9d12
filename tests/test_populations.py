"""The input codes in closed loop: what the encoder writes is what the cells spike."""

from __future__ import annotations

import numpy as np
import pytest

from snnrl import tasks
from snnrl.coding import Encoder, FirstSpikeAction, FirstSpikeLatency, GaussianPopulation
from snnrl.engines.fast.engine import FastSession
from snnrl.model import AgentModel, Network, Neurons, RewardBaseline, Synapses
from snnrl.networks.populations import latency_cells, lif_neurons, poisson_cells, resting_count
from snnrl.tasks import rewards

TASK = tasks.CartPole()
SCALE, BOUNDED = TASK.observation_scale, TASK.observation_bounded
WINDOW = 20


def recorded(encoder: Encoder, cells: Neurons) -> tuple[np.ndarray, np.ndarray]:
    """Spikes ``[steps, dt, cells]`` and observations of one episode of an agent that does not learn."""
    actions = tuple(lif_neurons(f"action_{k}", 4, bias=1.5, noise=0.1) for k in range(2))
    synapses = tuple(
        Synapses(
            f"to_{a.name}", cells.name, a.name, "w : 1", on_pre="I_post += w", initial={"w": "0.3*rand()"}
        )
        for a in actions
    )
    network = Network((cells, *actions), synapses)
    model = AgentModel(network, encoder, FirstSpikeAction(("action_0", "action_1")), None, RewardBaseline())
    session = FastSession(model, TASK, rewards.make("survival").bind(TASK), [3], 1)
    spikes, trace = session.record_episode(0, learning=False, exploration=0.0)
    return spikes[cells.name].reshape(len(trace), WINDOW, -1), trace[:, 4:]


@pytest.mark.usefixtures("interpreted")
def test_latency_cells_spike_once_at_their_latency() -> None:
    encoder = FirstSpikeLatency("cells", "latency", SCALE, BOUNDED, 0.02, (6,), (1.0,), 1.0)
    spikes, observations = recorded(encoder, latency_cells("cells", 24))
    for step, observation in zip(spikes, observations, strict=True):
        latency = encoder.encode(observation)
        expected = latency < WINDOW * 1e-3
        np.testing.assert_array_equal(step.sum(axis=0), expected)
        assert 4 < expected.sum() < 24
        np.testing.assert_array_equal(step.argmax(axis=0)[expected], np.floor(latency[expected] * 1e3))


@pytest.mark.usefixtures("interpreted")
def test_poisson_cells_fire_at_their_rate() -> None:
    encoder = GaussianPopulation("cells", "rate", SCALE, BOUNDED, 200.0, (6,), (1.0,), 1.0)
    spikes, observations = recorded(encoder, poisson_cells("cells", 24))
    chance = np.array([encoder.encode(o) for o in observations]) * 1e-3  # per dt
    expected = WINDOW * chance.sum()
    spread = np.sqrt(WINDOW * (chance * (1.0 - chance)).sum())
    assert expected > 100
    assert abs(spikes.sum() - expected) < 4.0 * spread


def test_resting_count_is_the_closed_form() -> None:
    assert resting_count(1.4, 0.02) == pytest.approx(1.3766870737842438)
    assert resting_count(2.0, 0.02) == pytest.approx(20 / (2 + 10 * np.log(2)))
    assert resting_count(1.0, 0.02) == resting_count(0.3, 0.02) == 0.0
