"""Built-in networks and populations: what they are made of, and the rates and latencies of their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnrl import networks, tasks
from snnrl.coding import FirstSpikeAction, FirstSpikeLatency, GaussianPopulation, PlaceCells, SignedRate
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.model import AgentModel, Network, RewardBaseline, TDError, from_json, to_json
from snnrl.networks.populations import (
    current_driven_cells,
    latency_cells,
    lif_neurons,
    poisson_cells,
    resting_count,
)
from snnrl.plasticity import devices


@pytest.mark.parametrize("plasticity", ["td-ltp", "r-stdp", "policy-gradient"])
@pytest.mark.parametrize("name", ["actor-critic", "reward-modulated"])
def test_every_network_with_every_rule(name: str, plasticity: str) -> None:
    model = networks.make(name, plasticity).build(tasks.CartPole())
    critic = ["critic"] if name == "actor-critic" else []
    assert [n.name for n in model.network.neurons] == ["place", *critic, "action_0", "action_1"]
    assert isinstance(model.signal, TDError if critic else RewardBaseline)
    assert model.encoder.size == 4**4
    assert from_json(to_json(model)) == model
    signals = {"td_error", "reward_error"} - {"td_error" if critic else "reward_error"}
    assert not any(signal in s.on_reward for s in model.network.synapses for signal in signals)


def test_three_actions_inhibit_one_another() -> None:
    task = next(t for n in tasks.cartpole.DIFFICULTIES if (t := tasks.CartPole(difficulty=n)).n_actions == 3)
    model = networks.ActorCritic().build(task)
    assert model.action.populations == ("action_0", "action_1", "action_2")
    rivals = {(s.source, s.target) for s in model.network.synapses if "inhibits" in s.name}
    assert rivals == {(a, b) for a in model.action.populations for b in model.action.populations if a != b}


def test_too_many_variables_for_a_grid_get_a_population_code() -> None:
    acrobot = tasks.GymTask("Acrobot-v1")
    assert isinstance(
        networks.ActorCritic(cells_per_variable=4).build(acrobot).encoder, PlaceCells
    )  # 4**6 = 4096
    encoder = networks.ActorCritic(cells_per_variable=5).build(acrobot).encoder
    assert isinstance(encoder, GaussianPopulation)
    assert encoder.size == 30


def test_memristive_storage_replaces_the_weight() -> None:
    model = networks.ActorCritic().build(tasks.CartPole(), devices.make("vteam", spread=0.3))
    learned = {s.name: s.weights for s in model.network.synapses if s.weights}
    assert set(learned) == {"place_critic", "place_action_0", "place_action_1"}
    assert all({"g_plus", "g_minus", "writes_plus"} <= set(weights) for weights in learned.values())


def test_env_step_is_the_tasks() -> None:
    task = tasks.GymTask("CartPole-v1", decision_time=0.05)
    assert networks.ActorCritic().build(task).env_step == "50000*us"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: networks.make("actor-critc"), UnknownNameError, "did you mean 'actor-critic'"),
        (lambda: networks.make("actor-critic", "hebb"), UnknownNameError, "plasticity.*'hebb'.*td-ltp"),
        (lambda: networks.make("actor-critic", gama=0.9), UnknownNameError, "did you mean 'gamma'"),
        (lambda: networks.make("reward-modulated", critic_size=3), UnknownNameError, "critic_size"),
        (lambda: networks.ActorCritic(actor_size=0), InvalidValueError, r"ActorCritic\.actor_size: got 0"),
        (lambda: networks.ActorCritic(w_max=-1.0), InvalidValueError, r"ActorCritic\.w_max.*positive"),
        (lambda: networks.RewardModulated(exploration=-0.1), InvalidValueError, r"RewardModulated\.exploration"),
        (lambda: networks.ActorCritic(gamma=1.0).build(tasks.CartPole()), InvalidValueError, r"TDError\.gamma: got 1\.0"),
        (lambda: networks.RewardModulated(time_constant=0.5).build(tasks.CartPole()), InvalidValueError, "time_constant"),
    ],
)  # fmt: skip
def test_bad_input(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------------- cells


def agent(cells: Any, encoder: Any, action: Any = None, extra: Any = ()) -> AgentModel:
    actors = [lif_neurons(f"action_{k}", 2, 1.5, 0.1) for k in range(2)]
    action = FirstSpikeAction(("action_0", "action_1")) if action is None else action
    return AgentModel(Network((cells, *actors, *extra)), encoder, action, None, RewardBaseline())


@pytest.mark.usefixtures("interpreted")
def test_poisson_cells_fire_at_their_rate_independently(session_of: Any) -> None:
    task = tasks.CartPole()
    encoder = SignedRate("input", "rate", task.observation_scale, task.observation_bounded, 300.0)
    rates = np.array([10.0, 50.0, 200.0, 400.0]).repeat(25)
    extra = poisson_cells("noise", 100)
    extra = type(extra)(**{**vars(extra), "initial": {"rate": rates}})
    session = session_of(agent(poisson_cells("input", 8), encoder, extra=[extra]), seeds=[2], limit=40)
    spikes = session.record_episode(0, True, 1.0)[0]["noise"]
    n = len(spikes)
    expected = rates * 1e-3
    error = np.sqrt(expected * (1 - expected) / n)
    assert np.abs((spikes.mean(axis=0) - expected) / error).max() < 4.5
    total = spikes.sum(axis=1)
    assert total.var() == pytest.approx((expected * (1 - expected)).sum(), rel=6 * np.sqrt(2 / n))


@pytest.mark.usefixtures("interpreted")
def test_latency_cells_spike_once_at_their_latency(session_of: Any, next_episode: Any) -> None:
    task = tasks.CartPole()
    encoder = FirstSpikeLatency(
        "input", "latency", task.observation_scale, task.observation_bounded, 0.02, (3,), (1.0,), 0.5
    )
    session = session_of(agent(latency_cells("input", 12), encoder), seeds=[2], limit=3)
    spikes, trace = next_episode(session)
    windows = spikes["input"].reshape(len(trace), 20, 12)
    for window, observation in zip(windows, trace[:, 4:], strict=True):
        latency = encoder.encode(observation)
        due = np.floor(latency / 1e-3).astype(np.int64)  # the clock passes the latency in this dt
        for cell in range(12):
            expected = [due[cell]] if due[cell] < 20 else []
            assert np.flatnonzero(window[:, cell]).tolist() == expected
    assert windows.any()
    assert not windows.any(axis=1).all()


@pytest.mark.parametrize("bias", [0.5, 1.0, 1.2, 2.0, 5.0])
def test_resting_count_is_the_closed_form(bias: float) -> None:
    """Period of a leaky cell: refractory + tau ln(b / (b - 1)); silent at and below threshold."""
    expected = 0.0 if bias <= 1.0 else 0.02 / (0.002 + 0.01 * np.log(bias / (bias - 1.0)))
    assert resting_count(bias, 0.02) == pytest.approx(expected, rel=1e-12)


def test_optional_variables_of_lif_neurons() -> None:
    plain = lif_neurons("a", 2, 1.5, 0.1)
    full = lif_neurons("a", 2, 1.5, 0.1, exploration=0.3, counts_inhibition=True, expects_spikes=0.5)
    assert "explore" not in plain.equations
    assert plain.on_step == ""
    assert all(name in full.equations for name in ("explore : 1 (shared)", "h : 1", "drho/dt"))
    assert full.on_step == "explore = exploration*explore_std*randn()\nh = 0"
    assert full.parameters["rho_jump"] == pytest.approx(0.04)
    assert current_driven_cells("c", 3).threshold == "u >= 1"


@pytest.mark.parametrize("value", ["wide", True, None, [1.0]])
@pytest.mark.parametrize("field", ["gain", "gamma", "critic_size"])
def test_a_parameter_that_is_no_number_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=rf"ActorCritic\.{field}: got .*, allowed: a number"):
        networks.make("actor-critic", **{field: value})
