"""Policies of low precision: what is done to them, that they learn, and that a study can be gone on with."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snnrl.cli import main
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.networks.dense_options import Vpg
from snnrl.plasticity.low_precision import compression_rate
from snnrl.studies.green2018 import METHODS, UPDATES, Settings, reproduce
from snnrl.studies.green2018.learner import LowPrecisionLearner, train_policies
from snnrl.studies.green2018.reproduce import decision_cost, learning_curves
from snnrl.studies.green2018.settings import Kind
from snnrl.training.checkpoint import unpack
from snnrl.training.config import TrainingConfig
from snnrl.training.dense_slots import Stage
from snnrl.training.dense_vpg import VpgLearner

SMALL = {"environments": ("cartpole",), "updates": ("repaired",), "widths": (6,), "policies": 2, "seed": 60_000,
         "episodes": 32, "evaluation_episodes": 3, "k": 4}  # fmt: skip
OPTIONS = Vpg(hidden=(6,), activation="tanh", **UPDATES["repaired"].options)


@pytest.fixture(scope="module")
def stage() -> Stage:
    from snnrl.engines.world import physics_module

    config = TrainingConfig(task="cartpole-v0", reward="environment", seeds=1)
    task, reward = config.make_task(), config.make_reward()
    return Stage(task, reward, physics_module(task, reward), 60_000)


def settings(**changes: Any) -> Settings:
    return Settings(**{**SMALL, **changes})


def layers(learner: VpgLearner) -> list[nn.Linear]:
    return [module for module in learner.network.policy if isinstance(module, nn.Linear)]


def test_full_precision_is_the_plain_learner(stage: Stage) -> None:
    mine, plain = LowPrecisionLearner(stage, OPTIONS, METHODS["full"]), VpgLearner(stage, OPTIONS)
    for first in (0, 16):
        assert mine.block(first, 16, 0.0) == plain.block(first, 16, 0.0)
    for ours, theirs in zip(layers(mine), layers(plain), strict=True):
        assert torch.equal(ours.weight, theirs.weight)


@pytest.mark.parametrize("method", ["binary-connect", "binary-net"])
def test_binary_policies_see_only_signs(stage: Stage, method: str) -> None:
    learner = LowPrecisionLearner(stage, OPTIONS, METHODS[method])
    seen: list[torch.Tensor] = []
    learner.network.policy[-1].register_forward_pre_hook(lambda layer, x: seen.append(x[0].detach()))
    learner.block(0, 16, 0.0)
    for layer in layers(learner):
        assert set(layer.weight.detach().unique().tolist()) == {-1.0, 1.0}
    units = torch.cat(seen).unique().tolist()
    assert (set(units) == {-1.0, 1.0}) is METHODS[method].binary_units
    critic = [m for m in learner.network.value or () if isinstance(m, nn.Linear)]
    assert all(len(layer.weight.detach().unique()) > 2 for layer in critic)


def test_half_time(stage: Stage) -> None:
    shared = LowPrecisionLearner(stage, OPTIONS, METHODS["compressed"])
    pruned = LowPrecisionLearner(stage, OPTIONS, METHODS["pruned"])
    full = LowPrecisionLearner(stage, OPTIONS, METHODS["full"])
    for learner in (shared, pruned, full):
        learner.optimise(k=4, percent=50.0)
        before = [layer.weight.detach().clone() for layer in layers(learner)]
        learner.block(0, 16, 0.0)
        assert not any(torch.equal(a, b.weight) for a, b in zip(before, layers(learner), strict=True))
    assert [len(layer.weight.detach().unique()) for layer in layers(shared)] == [4, 4]
    assert [int(torch.count_nonzero(layer.weight)) for layer in layers(pruned)] == [12, 6]
    assert [int(torch.count_nonzero(layer.weight)) for layer in layers(full)] == [24, 12]


def test_records_of_a_block() -> None:
    kind = Kind("cartpole", "pruned", "repaired", 6)
    state, (first, second) = unpack(train_policies(settings().options(kind, 0, 2)))
    assert state["kept"].tolist() == [[12, 6], [12, 6]]
    assert (first.seed, second.seed) == (60_000, 60_001)
    assert first.episode_rewards.tolist() == first.episode_lengths.tolist()
    assert (len(first.episode_lengths), len(first.evaluation_lengths)) == (32, 3)
    _, (alone,) = unpack(train_policies(settings().options(kind, 1, 1)))  # whatever the others do
    assert alone.episode_lengths.tolist() == second.episode_lengths.tolist()
    assert alone.evaluation_lengths.tolist() == second.evaluation_lengths.tolist()


def test_running_means_by_hand() -> None:
    _, records = unpack(train_policies(settings().options(Kind("cartpole", "full", "repaired", 6), 0, 1)))
    rewards = records[0].episode_rewards
    found = learning_curves(records, window=10)
    assert found.shape == (1, 23)
    assert found[0, 7] == pytest.approx(rewards[7:17].mean())


def test_policies_learn() -> None:
    chosen = settings(widths=(16,), episodes=1000, evaluation_episodes=20)
    for method in ("full", "binary-net"):
        _, (record,) = unpack(train_policies(chosen.options(Kind("cartpole", method, "repaired", 16), 0, 1)))
        assert record.evaluation_rewards.mean() > 150.0
        assert record.episode_rewards[:50].mean() < 60.0


def test_costs_are_those_of_the_layers() -> None:
    kept = np.array([[12, 6]])
    full, binary, net, shared, pruned = (
        decision_cost(Kind("cartpole", method, "repaired", 6), kept, settings()) for method in METHODS
    )
    assert (full.additions, full.multiplications, full.parameter_bits) == (36 + 8, 36, 32 * 44)
    assert (binary.multiplications, net.multiplications) == (0, 0)
    assert net.energy < binary.energy < full.energy
    weights = 32 * 24 / compression_rate(24, 4) + 32 * 12 / compression_rate(12, 4)
    assert shared.parameter_bits == pytest.approx(weights + 32 * 8)
    assert (pruned.additions, pruned.multiplications) == (18 + 8, 18)


def test_a_study_is_gone_on_with(tmp_path: Path) -> None:
    chosen = settings(methods=("full", "compressed"))
    whole = reproduce(chosen, tmp_path)
    assert {Path(each).name for each in whole.pictures} == {"figure-5.png", "energy.png"}
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(parts) == 2
    again = reproduce(dataclasses.replace(chosen, methods=("compressed",)), tmp_path)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == parts
    assert again.rows == whole.rows[1:]
    with pytest.raises(RunFolderError, match="k = 4, got 5"):
        reproduce(settings(k=5), tmp_path)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--methods rounded", "--methods: got 'rounded', allowed: binary-connect, binary-net"),
        ("--widths 8,x", "--widths: got '8,x', allowed: whole numbers >= 1"),
        ("--widths 0", "--widths: got 0"),
        ("--percent 100", "--percent: got 100.0, allowed: above 0 and below 100"),
        ("--percent much", "--percent: got 'much'"),
        ("--k 0", "--k: got 0"),
        ("--tasks pong", "--tasks: got 'pong', allowed: acrobot, cartpole"),
    ],
)
def test_bad_options_are_one_line(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "green2018", *words.split()]) == 2
    assert line in capsys.readouterr().err


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # the table is then as wide as it is
    words = "--policies 1 --episodes 16 --tasks cartpole --methods full,pruned --updates plain --widths 4 --workers 1"
    assert (
        main(["reproduce", "green2018", *words.split(), "--seed", "5", "--json", str(tmp_path / "a.json")])
        == 0
    )
    printed = capsys.readouterr().out
    assert "Pruning+VPG, 4 units" in printed
    assert "instabilities" in printed
    rows = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert [row["method"] for row in rows] == ["full", "pruned"]


def test_bad_settings() -> None:
    with pytest.raises(InvalidValueError, match="--policies: got 0"):
        settings(policies=0)
