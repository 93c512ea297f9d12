"""Weights put into few values after learning, and the table over dense, crossbar and spiking networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnrl.cli import main
from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.energy import joules
from snnrl.plasticity.low_precision import Precision, SpikingSize, spiking_cost
from snnrl.plasticity.low_precision.rounding import to_levels, to_shared, to_ternary, without_smallest
from snnrl.plasticity.wear import Reading, write_energy
from snnrl.studies.green2018 import PrecisionSettings, reproduce_precisions
from snnrl.studies.green2018.precisions import PRECISIONS, _stored
from snnrl.studies.green2018.rounding import actor_layers, learn_and_round, round_actors, rounded
from snnrl.training.build import build_learners
from snnrl.training.config import TrainingConfig

WEIGHTS = np.array([-1.0, -0.6, -0.1, 0.0, 0.05, 0.3, 0.35, 0.8])
DEVICES: dict[str, Any] = {"synapse": "memristive", "device": "al2o3", "spread": 0.3}
SMALL: dict[str, Any] = {"policies": 2, "seed": 60_000, "episodes": 12, "evaluation_episodes": 2}


# ---------------------------------------------------------------------- few values


def test_levels_by_hand() -> None:
    np.testing.assert_allclose(to_levels(WEIGHTS, 2), np.array([-3, -1, -1, 1, 1, 1, 1, 3]) / 3.0)
    np.testing.assert_allclose(to_levels(WEIGHTS, 1), np.array([-1, -1, -1, 1, 1, 1, 1, 1]) * 0.4)
    assert np.abs(to_levels(WEIGHTS, 8) - WEIGHTS).max() <= 1.0 / 255.0
    assert to_levels(np.zeros(3), 4).tolist() == [0.0, 0.0, 0.0]


def test_ternary_by_hand() -> None:
    size = (1.0 + 0.6 + 0.3 + 0.35 + 0.8) / 5  # the mean size is 0.4, those above 0.28 stay
    np.testing.assert_allclose(to_ternary(WEIGHTS), [-size, -size, 0, 0, 0, size, size, size])


def test_shared_and_pruned_by_hand() -> None:
    found = to_shared(WEIGHTS, 3)
    assert len(np.unique(found)) == 3
    for value in np.unique(found):
        assert value == pytest.approx(WEIGHTS[found == value].mean())
    assert without_smallest(WEIGHTS, 50).tolist() == [-1.0, -0.6, 0, 0, 0, 0, 0.35, 0.8]


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda: to_levels(WEIGHTS, 0), "bits: got 0"),
        (lambda: to_shared(WEIGHTS, 9), "k: got 9, allowed: 1 to 8, the different weights"),
        (lambda: without_smallest(WEIGHTS, 100.0), "percent: got 100"),
    ],
)
def test_bad_numbers_are_one_line(wrong: Any, line: str) -> None:
    with pytest.raises(InvalidValueError) as error:
        wrong()
    assert line in str(error.value)


def test_cost_of_spikes_by_hand() -> None:
    size = SpikingSize(weights=64, kept=32, events=100.0, updates=20.0)
    full = spiking_cost(size, Precision())
    assert (full.additions, full.multiplications, full.parameter_bits) == (120, 20, 64 * 32)
    assert full.operation_energy == pytest.approx(100 * 0.9e-12 + 20 * 4.6e-12)
    assert full.memory_energy == pytest.approx(100 * 5e-12)
    four = spiking_cost(size, Precision(weight_bits=4))
    assert four.operation_energy == pytest.approx(100 * 0.05e-12 + 20 * 4.6e-12)
    assert four.memory_energy == pytest.approx(100 * 5e-12 / 8)
    ternary = spiking_cost(size, Precision(weight_bits=2, ternary=True))
    assert ternary.additions == 50 + 20  # half of the weights are zero
    assert spiking_cost(size, Precision(shared=8)).memory_energy == pytest.approx(100 * 5e-12 * 3 / 32)


def test_bits_of_a_small_layer() -> None:
    assert _stored(30, 30.0, Precision(shared=8)) == 30 * 3 + 8 * 32
    assert _stored(6, 6.0, Precision(shared=8)) == 6 * 32  # fewer weights than values
    assert _stored(30, 15.0, Precision(pruned=True)) == 15 * 32 + 30


# ---------------------------------------------------------------------- networks


def config(network: str) -> TrainingConfig:
    """Return a small run: spiking networks have 16 place cells and two neurons per action."""
    small = {"cells_per_variable": 2, "actor_size": 2, "critic_size": 2} if network == "actor-critic" else {}
    return TrainingConfig(
        task="cartpole-v0", network=network, network_parameters=small, seeds=2, seed=60_000,
        episodes=1 if small else 12, evaluation_episodes=1 if small else 2, **DEVICES,
    )  # fmt: skip


@pytest.fixture(scope="module")
def crossbar() -> dict[str, Any]:
    methods = ["pruned", "2-bit", "ternary", "compressed", "full"]  # nothing may be left of those before
    options = {"config": config("crossbar").to_dict(), "methods": methods, "k": 8, "percent": 50.0}
    found: dict[str, Any] = json.loads(learn_and_round(options))
    return found


@pytest.mark.usefixtures("interpreted")  # a kernel that runs once is not worth its compilation
@pytest.mark.parametrize("network", ["crossbar", "actor-critic"])
def test_only_the_actors_are_rounded(network: str) -> None:
    session = build_learners(config(network))
    layers = actor_layers(session)
    draw = np.random.default_rng(0)
    for parts in layers:
        for part in parts:
            part[:] = draw.normal(size=part.shape)
    before = {name: array.copy() for name, array in session.state.items()}
    kept = round_actors(session, "2-bit", 8, 50.0)
    for index, parts in enumerate(layers):
        flat = np.concatenate([part[1].ravel() for part in parts])
        assert 1 < len(np.unique(np.round(flat, 9))) <= 4
        assert kept[1, index] == flat.size
    changed = {name for name, array in session.state.items() if not np.array_equal(array, before[name])}
    assert len(changed) == (1 if network == "crossbar" else 2)  # one group of synapses for each action
    if network == "crossbar":
        place = session.network.places(5)  # type: ignore[attr-defined]
        critic = slice(0, place.actor_hidden)
        assert np.array_equal(session.state["w"][:, critic], before["w"][:, critic])


def test_agents_learn_once_and_play_in_every_precision(crossbar: dict[str, Any]) -> None:
    assert crossbar["weights"] == [30, 6]
    assert crossbar["devices"] == 2 * 2 * 36
    assert crossbar["write_energy"][0] == pytest.approx(
        write_energy(config("crossbar").make_device(), crossbar["writes"][0])  # type: ignore[arg-type]
    )
    assert crossbar["methods"]["full"]["kept"] == [[30, 6], [30, 6]]
    assert crossbar["methods"]["pruned"]["kept"] == [[15, 3], [15, 3]]
    device, reading = config("crossbar").make_device(), Reading()
    assert device is not None
    least = 6 * reading.voltage**2 * reading.time * (device.g_min + device.g_max)  # the constant input alone
    assert all(least < each < 10 * least for each in crossbar["methods"]["full"]["array_energy"])


def test_the_full_precision_is_that_of_an_ordinary_run(crossbar: dict[str, Any]) -> None:
    from snnrl.training.train import train

    result = train(config("crossbar"))
    expected = [agent.evaluation_lengths.mean() for agent in result.agents]
    assert crossbar["methods"]["full"]["returns"] == expected


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = PrecisionSettings(networks=("dense", "crossbar"), **SMALL)
    outcome = reproduce_precisions(settings, tmp_path)
    assert len(outcome.rows) == len(PRECISIONS) + len(PRECISIONS) - 1
    rows = {row["row"]: row for row in outcome.rows}
    dense, device = rows["dense, 4 bits"], rows["crossbar, 4 bits"]
    assert dense["parameter_bits"] == 4 * 96 + 32 * 18 + 32  # one of them is the scale of the logits
    assert device["parameter_bits"] == 4 * 36
    assert (dense["writes"], device["additions"], device["spikes"]) == (None, None, None)
    assert device["array_energy"] < dense["energy"]
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert reproduce_precisions(settings, tmp_path).rows == outcome.rows
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == times
    words = "--part precisions --networks crossbar --policies 2 --seed 60000 --episodes 12 --workers 1"
    assert main(["reproduce", "green2018", *words.split()]) == 0
    assert "crossbar, 2 bits" in capsys.readouterr().out


@pytest.mark.usefixtures("interpreted")
def test_energy_of_spikes() -> None:
    options = {
        "config": config("actor-critic").to_dict(),
        "methods": ["full", "8-bit"],
        "k": 8,
        "percent": 50.0,
    }
    found = json.loads(learn_and_round(options))
    full = found["methods"]["full"]
    assert (found["weights"], found["columns"]) == ([16 * 4], 4)
    assert found["updates"] == 4 * 20
    assert 0.0 < full["events"][0] / 4 < full["spikes"][0]  # input spikes are some of all spikes
    device, reading = config("actor-critic").make_device(), Reading()
    assert device is not None
    pulse = reading.voltage**2 * reading.time * (device.g_min + device.g_max)
    assert full["array_energy"][0] == pytest.approx(full["events"][0] * pulse)
    assert joules(full["events"][0]) == pytest.approx(26e-12 * full["events"][0])


def test_methods_of_devices() -> None:
    assert rounded(WEIGHTS, "full", 8, 50.0, 0).tolist() == WEIGHTS.tolist()
    assert len(np.unique(rounded(WEIGHTS[:3], "compressed", 8, 50.0, 0))) == 3


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--part precisions --networks deep", "--networks: got 'deep', allowed: crossbar, dense, spiking"),
        ("--part precisions --widths 8", "--widths: got (8,), allowed: nothing with --part precisions"),
        ("--part precisions --tasks acrobot", "--tasks: got ('acrobot',), allowed: nothing with"),
        ("--part all", "--part: got 'all'"),
        ("--networks dense", "--networks: got ('dense',), allowed: nothing with --part control"),
        ("--part precisions --policies 0", "--policies: got 0"),
    ],
)
def test_bad_options_are_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "green2018", *words.split()]) == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"policies": 0}, {"percent": 100.0}, {"k": 0}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=f"--{next(iter(wrong))}: got"):
        PrecisionSettings(**wrong)
