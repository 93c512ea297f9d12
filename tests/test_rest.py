"""Rows at rest: which texts let an engine skip them, and that skipping changes nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from snnrl import networks, tasks
from snnrl.engines.fast import synapse_arrays
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.session import Stop
from snnrl.equations.lower import lower
from snnrl.equations.rest import rests
from snnrl.equations.structure import analyse
from snnrl.model import Network, Neurons, Synapses
from snnrl.plasticity import devices
from snnrl.tasks import rewards

TRACE = "dx/dt = -x/tau : 1 (event-driven)\ntag : 1\nw : 1"
CELLS = (
    Neurons("a", 3, "drive : 1", threshold="drive > 1"),
    Neurons("b", 2, "dv/dt = -v/tau : 1", threshold="v > 1", reset="v = 0", parameters={"tau": "10*ms"}),
)


def group(on_reward: str, equations: str = TRACE, **fields: object) -> Synapses:
    """Synapses of the trace family with this third factor."""
    return Synapses(
        "s", "a", "b", equations, on_pre="x += 1\nv_post += w", on_post="tag += x", on_reward=on_reward,
        parameters={"tau": "20*ms", "eta": 0.1, "low": -1.0, "high": 1.0}, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def skipped(synapses: Synapses) -> bool:
    """Whether an engine may skip rows at rest."""
    lowered = lower(Network(CELLS, (synapses,))).synapses[0]
    return rests(lowered, analyse(lowered))


@pytest.mark.parametrize(
    "on_reward",
    [
        "w = clip(w + eta*td_error*tag, low, high)\ntag = 0.9*tag",
        "w += eta*reward*tag\ntag = 0",
        "asked = eta*td_error*tag\nw += int(abs(asked) > 0.001)*randn()*asked",
        "tag = 0.5*tag - x*v_post",
    ],
)
def test_no_tag_no_change(on_reward: str) -> None:
    assert skipped(group(on_reward))


@pytest.mark.parametrize(
    "on_reward",
    [
        "w = 0.99*w",  # forgets
        "w += eta*td_error",  # changes without a tag
        "w += eta*reward*(tag + 1)",
        "tag = tag + reward",
        "w += int(tag < 0.5)*eta",  # the comparison is true at rest
        "w = w + 0.001*randn()",
    ],
)
def test_text_that_changes_rows_at_rest_is_never_skipped(on_reward: str) -> None:
    assert not skipped(group(on_reward))


def test_a_tag_that_starts_above_zero_is_not_at_rest() -> None:
    text = "w += eta*td_error*tag"
    assert skipped(group(text))
    assert not skipped(group(text, initial={"tag": 0.5}))
    assert not skipped(
        group(text, equations=TRACE.replace("tag : 1", "dtag/dt = (1 - tag)/tau : 1 (event-driven)"))
    )


def test_post_events_that_reach_rows_at_rest_forbid_skipping() -> None:
    assert not skipped(dataclasses.replace(group("w += eta*td_error*tag"), on_post="tag += 1"))


@pytest.mark.parametrize("device", [None, "vteam"])
def test_skipping_changes_no_number(monkeypatch: pytest.MonkeyPatch, device: str | None) -> None:
    task = tasks.CartPole()
    network = networks.ActorCritic(cells_per_variable=2, critic_size=4, actor_size=2)
    model = network.build(task, None if device is None else devices.make(device))

    def weights() -> dict[str, np.ndarray]:
        session = FastSession(model, task, rewards.make("gaussian").bind(task), range(2), 6)
        assert any(g.alive for g in session.kernel.groups) == skipping
        session.run(10_000, Stop(6))
        return session.learned()

    skipping = True
    with_skips = weights()
    monkeypatch.setattr(synapse_arrays, "rests", lambda *_: False)
    skipping = False
    for name, values in weights().items():
        np.testing.assert_array_equal(values, with_skips[name], err_msg=name)
        assert len(np.unique(values)) > 1 or "w" not in name
