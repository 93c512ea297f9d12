"""Dense networks as spiking ones: closed forms of the neurons, accuracy, engines, the command and its errors."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnrl
from snnrl import cli, tasks
from snnrl.coding import AffineCode
from snnrl.conversion.build import partners, spiking_equivalent
from snnrl.conversion.layers import LARGEST_MATRIX, layers_of
from snnrl.conversion.measure import action_agreement, decide, fan_out, play, value_error
from snnrl.conversion.options import ConversionOptions
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.reference import ReferenceAgent
from snnrl.engines.registry import make_session, make_simulator
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Network, Neurons, from_json, to_json
from snnrl.networks.dense import Activation, Conv2d, DenseNetwork, Flatten, Linear
from snnrl.networks.spiking_equivalent_neurons import (
    first_spike_neurons,
    plain_neurons,
    tracking_neurons,
)

ENGINES = ("fast", "torch", "bindsnet", "brian2")


def chain(random: np.random.Generator, sizes: tuple[int, ...], kind: str) -> tuple[Any, ...]:
    layers: list[Any] = []
    for n_in, n_out in itertools.pairwise(sizes):
        weight = random.normal(0.0, 1.2 / np.sqrt(n_in), (n_out, n_in))
        layers += [Linear(weight, random.normal(0.0, 0.2, n_out)), Activation(kind)]
    return tuple(layers[:-1])


def network(kind: str = "relu", hidden: tuple[int, ...] = (12, 12), seed: int = 1) -> DenseNetwork:
    random = np.random.default_rng(seed)
    return DenseNetwork((4,), chain(random, (4, *hidden, 2), kind), chain(random, (4, *hidden, 1), kind))


def states(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, (n, 4))


def simulated(neurons: Neurons, steps: int, *variables: str, synapses: tuple[Any, ...] = ()) -> Any:
    names = [f"{neurons.name}.{v}" for v in variables]
    return snnrl.simulate(
        Network((neurons,), synapses), f"{steps}*ms", "torch", env_step=f"{steps}*ms", variables=names
    )


# ---------------------------------------------------------------------- single neurons


@pytest.mark.parametrize("steps", [8, 30])
def test_soft_reset_counts_are_the_floor_of_the_integrated_current(steps: int) -> None:
    """A constant current z gives floor(z T) spikes, none below 0 and one per dt from 1 on; exact in binary fractions."""
    current = np.arange(-32, 96) / 64.0
    spikes = simulated(plain_neurons("cells", len(current), current), steps).spikes["cells"]
    expected = np.clip(np.floor(current * steps), 0, steps)
    np.testing.assert_array_equal(spikes.sum(axis=0), expected)


def test_tracking_pairs_round_to_the_nearest_quantum() -> None:
    """With whole quanta only, n dt tell the activation rounded to a quantum, at most n of them either way."""
    u, quantum, active = np.arange(-200, 200) / 64.0 + 1 / 128, 0.25, 6
    size = len(u)
    cells = tracking_neurons(
        "cells", "relu", u, np.full(size, 0.5), np.full(size, quantum), 1, 1 + active, active
    )
    told = simulated(cells, active + 2, "told", synapses=(partners("cells", size),)).variables["cells.told"]
    counts = np.clip(np.rint((np.maximum(u, 0.0) - 0.5) / quantum), -active, active)
    np.testing.assert_allclose(told[:size], 0.5 + quantum * counts, atol=1e-12)
    np.testing.assert_array_equal(
        told[:size], told[size:], err_msg="partners disagree about what they have said"
    )


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_falling_quanta_tell_the_residual(activation: str) -> None:
    """After a plateau of p and m halvings, what is told is within half the last quantum of the activation."""
    u = np.linspace(-0.9, 0.9, 37)
    dense = np.maximum(u, 0.0) if activation == "relu" else np.tanh(u)
    plateau, halvings, quantum = 4, 6, 0.25
    size = len(u)
    zeros, quanta = np.zeros(size), np.full(size, quantum)
    stop = plateau + halvings
    cells = tracking_neurons("cells", activation, u, zeros, quanta, 0, stop, plateau)
    result = simulated(cells, stop, "told", "q", synapses=(partners("cells", size),))
    told, last = result.variables["cells.told"][:size], quantum * 0.5**halvings
    np.testing.assert_allclose(result.variables["cells.q"], last)
    assert np.abs(told - dense).max() <= 0.5 * last + 1e-12
    off = result.spikes["cells"][:, size:]
    assert off.any(), "no spike was taken back, no negative value was told"


@pytest.mark.parametrize("rounding", [0.0, 0.5])
def test_the_first_spike_comes_when_the_falling_threshold_meets_the_activation(rounding: float) -> None:
    u = np.arange(-40, 80) / 64.0 + 1 / 256
    window, first, size = 8, 2, len(u)
    low, quantum = np.full(size, 0.125), np.full(size, 0.0625)
    cells = first_spike_neurons("cells", "relu", u, low, quantum, first, window, rounding)
    spikes = simulated(cells, first + window + 1).spikes["cells"]
    levels = np.minimum(np.floor((np.maximum(u, 0.0) - low) / quantum + rounding), window)
    assert spikes.sum(axis=0).max() == 1
    np.testing.assert_array_equal(spikes.any(axis=0), levels >= 1)
    told = levels >= 1
    np.testing.assert_array_equal(spikes.argmax(axis=0)[told], first + window - levels[told])


def test_a_converted_layer_says_the_closed_form() -> None:
    """One hidden layer of plain neurons: the logits are those of floor(z T / theta) / T, spike by spike."""
    dense = network(hidden=(10,))
    met, steps = states(300, 3), 16
    found = decide(
        spiking_equivalent(dense, met, ConversionOptions(steps, correction=False)), met[:50], "torch"
    )
    first, _, last = dense.policy
    pre = met @ first.weight.T + first.bias
    value_first, _, _ = dense.value
    both = np.concatenate([pre, met @ value_first.weight.T + value_first.bias], axis=1)
    low, theta = np.percentile(np.maximum(both, 0.0), [0.1, 99.9], axis=0)
    theta = np.maximum(theta, low + 1e-3 * (theta - low).max())[: pre.shape[1]]  # units that are never active
    counts = np.clip(np.floor(pre[:50] / theta * steps), 0, steps)
    np.testing.assert_allclose(found.logits, (counts / steps * theta) @ last.weight.T + last.bias, atol=1e-9)


# ---------------------------------------------------------------------- accuracy


@pytest.fixture(scope="module")
def curves() -> dict[str, dict[int, tuple[float, float]]]:
    """Agreement and value error by code and T."""
    dense, met, fresh = network(), states(500, 1), states(300, 2)
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for code, correction in (("rate", True), ("rate", False), ("first-spike", True)):
        name = f"{code}{'' if correction else ', plain'}"
        found[name] = {}
        for steps in (4, 16, 64):
            options = ConversionOptions(steps, 99.9, code, correction)
            decisions = decide(spiking_equivalent(dense, met, options), fresh, "torch")
            error = value_error(dense, fresh, decisions)
            assert error is not None
            found[name][steps] = (action_agreement(dense, fresh, decisions), error)
    return found


@pytest.mark.parametrize("name", ["rate", "rate, plain", "first-spike"])
def test_agreement_grows_with_the_number_of_steps(curves: Any, name: str) -> None:
    agreement, error = zip(*curves[name].values(), strict=True)
    assert agreement[0] < agreement[2]
    assert agreement[1] <= agreement[2] + 0.01
    assert error[0] > error[1] > error[2]


def test_the_correction_pays(curves: Any) -> None:
    for steps in (4, 16, 64):
        assert curves["rate"][steps][0] > curves["rate, plain"][steps][0]
        assert curves["rate"][steps][1] < 0.5 * curves["rate, plain"][steps][1]
    assert curves["rate"][64][0] > 0.98


def test_tanh_and_a_shared_trunk() -> None:
    random = np.random.default_rng(4)
    trunk = (*chain(random, (4, 10, 10), "tanh"), Activation("tanh"))
    head = Linear(random.normal(size=(3, 10)), np.zeros(3))
    dense = DenseNetwork((4,), (*trunk, head), (*trunk, *chain(random, (10, 8, 1), "tanh")))
    layers = layers_of(dense)
    assert [layer.size for layer in layers.hidden] == [10, 10, 8]
    model = spiking_equivalent(dense, states(500, 1), ConversionOptions(24))
    fresh = states(200, 2)
    decisions = decide(model, fresh, "torch")
    error = value_error(dense, fresh, decisions)
    assert action_agreement(dense, fresh, decisions) > 0.98
    assert error is not None
    assert error < 0.05 * dense.values(fresh).std()


def test_a_network_without_a_critic() -> None:
    random = np.random.default_rng(4)
    dense = DenseNetwork((4,), chain(random, (4, 8, 3), "relu"), q_values=True)
    decisions = decide(spiking_equivalent(dense, states(200, 1)), states(100, 2), "torch")
    assert decisions.values is None
    assert value_error(dense, states(100, 2), decisions) is None
    assert action_agreement(dense, states(100, 2), decisions) > 0.97


# ---------------------------------------------------------------------- layers


def test_a_convolution_is_its_own_matrix() -> None:
    random = np.random.default_rng(5)
    layers = (
        Conv2d(random.normal(size=(3, 2, 3, 3)), random.normal(size=3), stride=2, padding=1),
        Activation("relu"),
        Flatten(),
        Linear(random.normal(size=(2, 27)), np.zeros(2)),
    )
    dense = DenseNetwork((2, 6, 6), layers, observation_scale=np.float64(2.0))
    images = random.normal(size=(7, 2, 6, 6))
    found = layers_of(dense)
    activations = found.activations(images.reshape(7, -1))[-1]
    logits = activations @ found.policy.affine.weight.T + found.policy.affine.bias
    np.testing.assert_allclose(logits, dense.logits(images), atol=1e-12)
    pattern = found.hidden[0].affine.connected
    assert (pattern == (found.hidden[0].affine.weight != 0.0)).all()
    assert 0.0 < pattern.mean() < 0.3


def refused(policy: tuple[Any, ...], value: tuple[Any, ...] = (), size: int = 4) -> str:
    with pytest.raises(InvalidValueError) as caught:
        layers_of(DenseNetwork((size,), policy, value))
    return str(caught.value)


def test_layers_without_an_equivalent_are_named() -> None:
    a, b = Linear(np.eye(4), np.zeros(4)), Linear(np.ones((2, 4)), np.zeros(2))
    relu, tanh = Activation("relu"), Activation("tanh")
    assert refused((a, relu, b, tanh)).startswith("layer policy[3]: got 'tanh'")
    assert refused((relu, a, relu, b)).startswith("layer policy[0]: got 'relu'")
    assert refused((a, b)).startswith("layer policy[0]: got 'Linear'")
    value = (Linear(np.eye(4), np.ones(4)), tanh, Linear(np.ones((1, 4)), np.zeros(1)))
    assert "policy: relu and value: tanh" in refused((a, relu, b), value)
    n = int(np.sqrt(LARGEST_MATRIX)) + 1
    wide = (Linear(np.zeros((n, n)), np.zeros(n)), relu, Linear(np.zeros((2, n)), np.zeros(2)))
    assert "policy[0]" in refused(wide, size=n)
    with pytest.raises(InvalidValueError, match="hidden layer 1: got 'tanh'"):
        spiking_equivalent(network("tanh"), states(9, 1), ConversionOptions(correction=False))


@pytest.mark.parametrize(
    ("options", "named"),
    [({"steps": 0}, "steps: got 0"), ({"steps": 1025}, "steps: got 1025"), ({"steps": 2.5}, "steps: got 2.5"),
     ({"percentile": 50.0}, "percentile"), ({"percentile": float("nan")}, "percentile"),
     ({"percentile": 100.1}, "percentile"), ({"code": "latency"}, "code: got 'latency'")],
)  # fmt: skip
def test_options_out_of_range(options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidValueError, match=named):
        ConversionOptions(**options)


def test_fewer_steps_than_layers() -> None:
    with pytest.raises(InvalidValueError, match="at least 2, one for each hidden layer"):
        spiking_equivalent(network(), states(9, 1), ConversionOptions(1))


# ---------------------------------------------------------------------- engines


def spike_trains(model: AgentModel, engine: str, met: np.ndarray) -> dict[str, np.ndarray]:
    """Spikes of every population, ``[states, dt, neurons]``, and the logits."""
    simulator = make_simulator(engine, model.network, lowered_agent(model), [0], "float64", ())
    simulator.begin_episode(np.ones(1, dtype=bool))
    names = [n.name for n in model.network.neurons if n.threshold]
    found: dict[str, list[Any]] = {name: [] for name in (*names, "logits")}

    def steps() -> Any:
        for row in met:
            simulator.write(model.encoder.population, model.encoder.variable, model.encoder.encode(row)[None])
            yield np.zeros(1, dtype=bool)
            for name in names:
                found[name].append(simulator.spikes(name)[0].copy())
            found["logits"].append(simulator.variable("logits", "y")[0].copy())

    simulator.drive(steps())
    return {name: np.array(rows) for name, rows in found.items()}


@pytest.mark.parametrize(
    ("kind", "options"),
    [("relu", {}), ("tanh", {}), ("relu", {"correction": False}), ("tanh", {"code": "first-spike"})],
    ids=["tracking", "tracking, tanh", "plain", "first-spike"],
)
def test_the_same_spikes_on_the_four_engines(kind: str, options: dict[str, Any]) -> None:
    model = spiking_equivalent(network(kind, (6, 6)), states(200, 1), ConversionOptions(steps=12, **options))
    met = states(8, 2)
    first = spike_trains(model, "fast", met)
    assert all(train.any() for train in first.values())
    for engine in ENGINES[1:]:
        other = spike_trains(model, engine, met)
        for name, train in first.items():
            if name == "logits":
                np.testing.assert_allclose(other[name], train, atol=1e-12)
            else:
                np.testing.assert_array_equal(other[name], train, err_msg=f"{name} on {engine}")


def test_the_loops_read_the_membranes() -> None:
    """Fast, torch and the reference act on the integrators, and all see the same value."""
    task = tasks.make("cartpole")
    reward = tasks.rewards.make("environment").bind(task)
    dense = network(hidden=(6, 6))
    model = spiking_equivalent(dense, states(200, 1), ConversionOptions(steps=12))
    traces = []
    for engine in ("fast", "torch"):
        session = make_session(engine, model, task, reward, [5], 2)
        session.begin_evaluation(2)
        traces.append(np.concatenate(session.trace_episodes(2, learning=False, exploration=0.0)))
    np.testing.assert_allclose(*traces, atol=1e-9)
    trace = traces[0]
    agent = ReferenceAgent(model, 5, learning=False, exploration=0.0, stream_prefix="evaluation/")
    agent.begin_episode()
    for row in trace[:5]:
        assert agent.decide(row[4:]) == row[2]
        assert agent.value == pytest.approx(row[0])
    found = decide(model, trace[:, 4:])
    np.testing.assert_array_equal(found.actions, trace[:, 2])
    np.testing.assert_allclose(found.values, trace[:, 0], atol=1e-9)


def test_operations_are_spikes_times_synapses() -> None:
    model = spiking_equivalent(network(hidden=(6, 6)), states(200, 1), ConversionOptions(steps=12))
    fans = fan_out(model)
    assert fans["hidden_1"].tolist() == [13.0] * 24  # twelve units of two neurons, six in reach; the partner
    assert sorted(set(fans["hidden_2"])) == [2.0, 3.0]  # value or two logits, and the partner
    met = states(4, 2)
    found, trains = decide(model, met, "torch"), spike_trains(model, "torch", met)
    spent = sum(trains[name].sum(axis=1) @ fan for name, fan in fans.items())
    np.testing.assert_allclose(found.operations, spent + 12 * 4)


def test_the_affine_code() -> None:
    weight, bias = np.arange(6.0).reshape(2, 3), np.array([0.5, -1.0])
    code = AffineCode("x", "u", (1.0, 2.0, 4.0), (False,) * 3, 1.0, tuple(map(tuple, weight)), tuple(bias), 2)
    observation = np.array([1.0, -2.0, 8.0])
    expected = weight @ (observation / [1.0, 2.0, 4.0]) + bias
    np.testing.assert_allclose(code.encode(observation), np.tile(expected, 2))
    with pytest.raises(InvalidValueError, match=r"AffineCode\.weight"):
        AffineCode("x", "u", (1.0,), (False,), 1.0, tuple(map(tuple, weight)), tuple(bias))
    with pytest.raises(InvalidValueError, match=r"AffineCode\.bias"):
        AffineCode("x", "u", (1.0,) * 3, (False,) * 3, 1.0, tuple(map(tuple, weight)), (1.0,))


# ---------------------------------------------------------------------- the command

KEYS = {"action_agreement", "value_error", "return_mean", "dense_return_mean", "spikes_per_decision",
        "synaptic_operations_per_decision"}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dense") / "dense.npz"
    network(hidden=(6, 6)).save(path)
    return path


def test_the_command_writes_a_run_that_can_be_evaluated(saved: Path, tmp_path: Path, capsys: Any) -> None:
    out, numbers = tmp_path / "spiking", tmp_path / "numbers.json"
    words = [
        "convert",
        str(saved),
        "--to",
        "spiking",
        "--task",
        "cartpole",
        "--steps",
        "12",
        "--episodes",
        "2",
    ]
    assert cli.main([*words, "--out", str(out), "--json", str(numbers)]) == 0
    written = json.loads(numbers.read_text())
    assert written.keys() >= KEYS
    assert written == json.loads((out / "conversion.json").read_text())
    assert "same action as the dense network" in capsys.readouterr().out
    model = from_json((out / "model.json").read_text())
    assert isinstance(model, AgentModel)
    assert to_json(model) == (out / "model.json").read_text()
    assert snnrl.evaluate(out, episodes=2)["evaluation_mean"] == pytest.approx(written["return_mean"])
    dense = DenseNetwork.load(out / "dense.npz")
    again = play(dense, tasks.make("cartpole"), 2, 0)
    assert written["dense_return_mean"] == again.returns.mean()
    task = tasks.make("cartpole")
    session = make_session("fast", model, task, tasks.rewards.make("environment").bind(task), [0], 2)
    session.begin_evaluation(2)
    both = [trace[0, 4:] for trace in session.trace_episodes(2, learning=False, exploration=0.0)]
    starts = np.cumsum([0, *again.returns.astype(int)])[:2]
    np.testing.assert_array_equal(again.states[starts], both, err_msg="the two play episodes of their own")
    assert written["action_agreement"] == action_agreement(dense, again.states, decide(model, again.states))
    assert cli.main([*words, "--out", str(out)]) == 2
    assert "already holds a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "named"),
    [(["--steps", "0"], "--steps: got 0"), (["--steps", "many"], "--steps: got 'many'"),
     (["--percentile", "101"], "--percentile: got 101"), (["--percentile", "high"], "--percentile: got 'high'"),
     (["--code", "phase"], "--code: got 'phase'"), (["--to", "silicon"], "--to: got 'silicon'"),
     (["--episodes", "0"], "--episodes: got 0"), (["--seed", "-1"], "--seed: got -1"),
     (["--engine", "nest"], "--engine: got 'nest'"), (["--set", "network.x=1"], "--set: got 'network.x=1'"),
     (["--task", "acrobot"], "(4, 2)")],
)  # fmt: skip
def test_bad_input_is_one_line(
    saved: Path, tmp_path: Path, capsys: Any, words: list[str], named: str
) -> None:
    task = [] if "--task" in words else ["--task", "cartpole"]
    assert cli.main(["convert", str(saved), "--out", str(tmp_path / "out"), *task, *words]) == 2
    error = capsys.readouterr().err.strip()
    assert named in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_a_source_that_cannot_be_read(tmp_path: Path, capsys: Any) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(b"no zip at all")
    for source in (damaged, tmp_path / "missing.npz"):
        command = ["convert", str(source), "--task", "cartpole", "--out", str(tmp_path / "out")]
        assert cli.main(command) == 2
        assert source.name in capsys.readouterr().err
