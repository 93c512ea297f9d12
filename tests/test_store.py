"""Lowered networks on disk: what is read back is what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from snnrl import networks, tasks
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.equations import lower, store
from snnrl.model import Network, Neurons
from snnrl.plasticity import devices


def test_round_trip() -> None:
    model = networks.ActorCritic().build(tasks.CartPole(), devices.make("vteam"))
    network = lower.lower(model.network, model.env_step)
    text = store.to_text(network)
    assert text is not None
    assert store.from_text(text) == network


def test_arrays_are_not_stored() -> None:
    cells = Neurons("a", 2, "v : 1", initial={"v": np.array([0.0, 1.0])})
    assert store.to_text(lower.lower(Network((cells,)))) is None


def test_the_second_time_nothing_is_lowered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SNNRL_CACHE", str(tmp_path))
    model = networks.ActorCritic(critic_size=3).build(tasks.CartPole())
    first = lowered_agent(model)

    def fail(*_: object) -> None:
        raise AssertionError("lowered again")

    monkeypatch.setattr(lower, "lower", fail)
    assert lowered_agent(model) == first
    with pytest.raises(AssertionError, match="lowered again"):
        lowered_agent(networks.ActorCritic(critic_size=4).build(tasks.CartPole()))
