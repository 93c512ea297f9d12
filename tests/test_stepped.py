"""The agent loop around a simulator: the same agent as in the fused loop, whatever ends an episode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snnrl.coding import FirstSpikeAction, SoftmaxAction
from snnrl.engines.books import Counter
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.session import Session, Stop
from snnrl.engines.stepped import SteppedSession
from snnrl.errors import SimulationError
from snnrl.model import AgentModel, Neurons
from snnrl.tasks import rewards
from snnrl.tasks.gym_task import GymTask


def pair(
    model: AgentModel, task: Any, seeds: list[int], episodes: int, reward: str = "gaussian"
) -> list[Session]:
    """Return the fused session and the stepped one."""
    bound = rewards.make(reward).bind(task)
    return [
        FastSession(model, task, bound, seeds, episodes),
        SteppedSession("fast", model, task, bound, seeds, episodes),
    ]


def finish(session: Session, stop: Stop, budget: int = 1000, **options: Any) -> None:
    while not session.finished.all():
        session.run(budget, stop, **options)


def assert_same_books(fused: Session, stepped: Session) -> None:
    for name in ("counters", "control", "lengths", "rewards", "spike_total"):
        np.testing.assert_array_equal(fused.state[name], stepped.state[name], err_msg=name)
    for group in fused.network.synapses:
        for weight in group.weights:
            mine, other = fused.variable(group.name, weight), stepped.variable(group.name, weight)
            np.testing.assert_array_equal(mine, other, err_msg=f"{group.name}.{weight}")


def test_same_books_and_weights(actor_critic: AgentModel, short_cartpole: Any) -> None:
    """Agents whose episodes end at different times, by falls and by the limit, in odd chunks."""
    fused, stepped = pair(actor_critic, short_cartpole(limit=20), [3, 4, 5], 12)
    finish(fused, Stop(12))
    finish(stepped, Stop(12), budget=7)
    lengths = fused.state["lengths"]
    assert (lengths == 20).any()
    assert (lengths < 20).any()
    assert len(set(fused.env_steps.tolist())) > 1
    assert_same_books(fused, stepped)


def test_recording_an_agent_that_finished_first(actor_critic: AgentModel, short_cartpole: Any) -> None:
    """Every agent's next episode draws on from where that agent stopped, not from where the batch did."""
    fused, stepped = pair(actor_critic, short_cartpole(limit=20), [3, 4, 5], 6)
    for session in (fused, stepped):
        finish(session, Stop(6))
    for agent in range(3):
        wanted, found = (s.record_episode(agent, True, 1.0) for s in (fused, stepped))
        np.testing.assert_array_equal(wanted[1], found[1])
        for name, spikes in wanted[0].items():
            np.testing.assert_array_equal(spikes, found[0][name])
    assert_same_books(fused, stepped)


def test_evaluation_and_stop_rule(actor_critic: AgentModel, short_cartpole: Any) -> None:
    fused, stepped = pair(actor_critic, short_cartpole(limit=20), [3, 4], 30)
    for session in (fused, stepped):
        finish(session, Stop(30, window=4, threshold=16.0, consolidation=2))
        session.begin_evaluation(4)
        finish(session, Stop(4), learning=False, exploration=0.0)
    assert_same_books(fused, stepped)


def test_resumed_run_ends_the_same(actor_critic: AgentModel, short_cartpole: Any) -> None:
    whole, begun, resumed = (pair(actor_critic, short_cartpole(limit=20), [3, 4], 8)[1] for _ in range(3))
    finish(whole, Stop(8))
    begun.run(33, Stop(8))
    resumed.restore({name: array.copy() for name, array in begun.save().items()})
    finish(resumed, Stop(8), budget=11)
    assert_same_books(whole, resumed)


@pytest.mark.parametrize("decoder", [FirstSpikeAction, SoftmaxAction])
def test_other_decoders(
    decoder: Callable[..., Any], gadget: Callable[..., AgentModel], short_cartpole: Any
) -> None:
    """Decoders that look at first spikes or draw, and an agent without a critic."""
    model = gadget()
    model = AgentModel(model.network, model.encoder, decoder(("action_0", "action_1")), None, model.signal)
    fused, stepped = pair(model, short_cartpole(limit=20), [6, 7], 5)
    for session in (fused, stepped):
        finish(session, Stop(5))
    assert_same_books(fused, stepped)


def test_gymnasium_environment(actor_critic: AgentModel) -> None:
    """Environments stepped in Python, one simulator per agent; left only between episodes."""
    task = GymTask("CartPole-v1")
    fused, stepped = pair(actor_critic, task, [1, 2], 4, reward="environment")
    for session in (fused, stepped):
        session.run(5, Stop(4))
        assert (session.state["counters"][:, Counter.EPISODE_STEP] == 0).all()
        finish(session, Stop(4))
    np.testing.assert_array_equal(fused.state["lengths"], stepped.state["lengths"])


def test_values_that_are_no_numbers(gadget: Callable[..., AgentModel], short_cartpole: Any) -> None:
    blown = Neurons("blown", 1, "dv/dt = 1e308*v/ms : 1", initial={"v": 1})
    stepped = pair(gadget([blown]), short_cartpole(), [1], 2)[1]
    with pytest.raises(SimulationError, match="blown"):
        finish(stepped, Stop(2))


def test_a_reward_that_is_no_number(actor_critic: AgentModel, short_cartpole: Any) -> None:
    task = short_cartpole()
    bound = rewards.make("gaussian").bind(task)
    broken = dataclasses.replace(bound, parameters=dict.fromkeys(bound.parameters, float("nan")))
    stepped = SteppedSession("fast", actor_critic, task, broken, [1], 2)
    with pytest.raises(SimulationError, match="reward 'gaussian' returned NaN"):
        finish(stepped, Stop(2))
