"""Decoders that look at parts of a population, as in Brian2's subgroups."""

from __future__ import annotations

import numpy as np
import pytest

from snnrl import tasks
from snnrl.coding import PopulationValue, Readout, SignedRate, SpikeCountAction
from snnrl.engines.books import Control
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Network, Neurons, TDError
from snnrl.networks.populations import current_driven_cells
from snnrl.tasks import rewards


def test_text() -> None:
    assert Readout.parse("critic") == Readout("critic", 0, None)
    assert Readout.parse("output[3:7]") == Readout("output", 3, 7)
    assert Readout.parse("output[3:7]").size(10) == 4


@pytest.mark.parametrize("text", ["output[3]", "output[7:3]", "output[:3]", "3output", "output[-1:3]", ""])
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="decoder population"):
        Readout.parse(text)


def agent(action: tuple[str, str], value: str) -> AgentModel:
    """Cells whose rate grows with their index, without any input."""
    output = Neurons(
        "output", 6, "chance : 1", threshold="rand() < chance", initial={"chance": "0.1*(i + 1)"}
    )
    network = Network((current_driven_cells("input", 8), output))
    encoder = SignedRate("input", "drive", (1.0,) * 4, (False,) * 4)
    return AgentModel(network, encoder, SpikeCountAction(action), PopulationValue(value), TDError())


def test_only_the_part_is_counted() -> None:
    task = tasks.CartPole()
    session = FastSession(
        agent(("output[0:3]", "output[3:6]"), "output[5:6]"),
        task,
        rewards.make("survival").bind(task),
        [4],
        10,
    )
    spikes, trace = session.record_episode(0, learning=False, exploration=0.0)
    steps = len(trace)
    counts = spikes["output"].reshape(steps, -1, 6).sum(axis=1)
    np.testing.assert_array_equal(trace[:, 0], counts[:, 5])  # the value is the last cell's count
    left, right = counts[:, :3].sum(axis=1), counts[:, 3:].sum(axis=1)
    clear = left != right
    assert clear.sum() > 3
    np.testing.assert_array_equal(trace[clear, 2], (right > left)[clear])
    session.run(5, Stop(10))
    assert session.state["control"][0, Control.VALUE] >= 0.0


def test_a_part_beyond_the_population_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="at most 6 neurons"):
        agent(("output[0:3]", "output[3:7]"), "output")
