"""Policies of low precision: what is done to them, that they learn, and that a study can be gone on with."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from snnrl.cli import main
from snnrl.engines.world import physics_module
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.networks.dense_options import Vpg
from snnrl.plasticity.low_precision import compression_rate
from snnrl.plasticity.low_precision.stacked import StackedLinear
from snnrl.plasticity.low_precision.weights import shadow_weights
from snnrl.studies.green2018 import (
    METHODS,
    UPDATES,
    PongSettings,
    PrecisionSettings,
    Settings,
    reproduce,
)
from snnrl.studies.green2018.learner import PolicyBatch, train_policies
from snnrl.studies.green2018.reproduce import decision_cost, learning_curves
from snnrl.studies.green2018.settings import ENVIRONMENTS, Kind
from snnrl.tasks import Task
from snnrl.tasks.rewards import Reward
from snnrl.training.checkpoint import unpack
from snnrl.training.config import TrainingConfig
from snnrl.training.dense_slots import Stage
from snnrl.training.dense_vpg import ACTION_STREAM, VpgLearner, gumbel_noise

SMALL = {"environments": ("cartpole",), "updates": ("repaired",), "widths": (6,), "policies": 2, "seed": 60_000,
         "episodes": 32, "evaluation_episodes": 3, "k": 4}  # fmt: skip
OPTIONS = Vpg(hidden=(6,), activation="tanh", **UPDATES["repaired"].options)


SEEDS = np.array([60_000, 60_001])


@pytest.fixture(scope="module")
def world() -> tuple[Task, Reward]:
    config = TrainingConfig(task="cartpole-v0", reward="environment", seeds=1)
    return config.make_task(), config.make_reward()


World = tuple[Task, Reward]


def settings(**changes: Any) -> Settings:
    return Settings(**{**SMALL, **changes})


def learner(world: World, method: str, options: Vpg = OPTIONS) -> PolicyBatch:
    return PolicyBatch(*world, SEEDS, options, METHODS[method])


def layers(of: PolicyBatch) -> list[StackedLinear]:
    of.layers()  # what they compute with now
    return [module for module in of.policy if isinstance(module, StackedLinear)]


def values_of(layer: StackedLinear) -> list[int]:
    """Return how many different weights each network has."""
    return [len(weight.detach().unique()) for weight in layer.weight]


@pytest.mark.parametrize("update", UPDATES)
def test_full_precision_is_the_plain_learner(world: World, update: str) -> None:
    options = Vpg(hidden=(6,), activation="tanh", **UPDATES[update].options)
    mine = learner(world, "full", options)
    stages = [Stage(*world, physics_module(*world), int(seed)) for seed in SEEDS]
    plain = [VpgLearner(stage, options) for stage in stages]
    for first in range(0, 48, options.batch):
        batch = mine.learn(first, options.batch)
        for i, each in enumerate(plain):
            finished, steps = each.block(first, options.batch, 0.0)
            assert batch.lengths[i].tolist() == [one.length for one in finished]
            assert (batch.returns[i].sum(), batch.steps[i]) == (sum(one.reward for one in finished), steps)
    for i, each in enumerate(plain):
        theirs = [module for module in each.network.policy if isinstance(module, nn.Linear)]
        for ours, their in zip(layers(mine), theirs, strict=True):
            torch.testing.assert_close(ours.weight[i], their.weight, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(ours.bias[i], their.bias, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["binary-connect", "binary-net", "ternary", "2-bit"])
def test_policies_only_ever_see_their_values(world: World, method: str) -> None:
    allowed = {"ternary": [-1.0, 0.0, 1.0], "2-bit": [-1.0, -1 / 3, 1 / 3, 1.0]}.get(method, [-1.0, 1.0])
    mine = learner(world, method)
    seen: list[torch.Tensor] = []
    mine.policy[-1].register_forward_pre_hook(lambda layer, x: seen.append(x[0].detach()))
    before = [shadow.detach().clone() for shadow in shadow_weights(mine.policy)]
    mine.learn(0, 16)
    for used in (mine.layers().hidden_weights, mine.layers().weights):
        assert np.abs(used[..., None] - np.array(allowed)).min(axis=-1).max() < 1e-6
    assert np.unique(np.round(mine.layers().hidden_weights, 6)) == pytest.approx(allowed, abs=1e-6)
    for old, new in zip(before, shadow_weights(mine.policy), strict=True):
        assert not torch.equal(old, new)
    units = torch.cat(seen, dim=1).unique().tolist()
    assert (set(units) == {-1.0, 1.0}) is METHODS[method].binary_units
    assert mine.value is not None
    assert values_of(mine.value[0]) == [24, 24]  # the critic is of full precision


def test_policies_of_compiled_code_are_those_of_torch(world: World) -> None:
    for method in ("full", "binary-net"):
        mine = learner(world, method)
        mine.learn(0, 16)
        batch = mine.rollout.learning(mine.layers(), 16, 3)
        with torch.no_grad():
            logits = mine.policy(torch.from_numpy(batch.observations) / mine.scale).numpy()
        longest, begin = world[0].max_steps, 0
        for episode, length in enumerate(batch.lengths[1]):
            for step in range(length):
                noise = gumbel_noise(60_001, ACTION_STREAM, 16 * longest + step, (3, 2))[episode]
                assert batch.actions[1, begin + step] == np.argmax(logits[1, begin + step] + noise)
            begin += int(length)
        assert not batch.observations[0, batch.steps[0] :].any()


def test_the_repaired_update_scales_logits_and_lets_steps_end(world: World) -> None:
    plain = PolicyBatch(*world, SEEDS, OPTIONS, METHODS["binary-net"])
    scaled = PolicyBatch(*world, SEEDS, OPTIONS, METHODS["binary-net"], scaled=True)
    np.testing.assert_allclose(scaled.layers().weights, plain.layers().weights / np.sqrt(6.0), rtol=1e-6)
    batch = scaled.learn(0, 16)
    assert scaled.optimiser.param_groups[0]["lr"] == OPTIONS.learning_rate
    before = [shadow.detach().clone() for shadow in shadow_weights(scaled.policy)]
    scaled.set_step(0.0)
    scaled.update(batch)
    assert all(torch.equal(a, b) for a, b in zip(before, shadow_weights(scaled.policy), strict=True))
    first = torch.full((2, 1, 1), 6.0**-0.5)
    assert not torch.isclose(scaled.gain, first).any()  # it is learned
    full = PolicyBatch(*world, SEEDS, OPTIONS, METHODS["full"], scaled=True)
    full.learn(0, 16)
    assert torch.equal(full.gain, torch.ones(2, 1, 1))


def test_the_step_falls_while_policies_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[float]] = {}
    monkeypatch.setattr(PolicyBatch, "set_step", lambda own, step: seen[update].append(step))
    for update in UPDATES:
        seen[update] = []
        train_policies({**settings(episodes=64).options(Kind("cartpole", "full", update, 6), 0, 1)})
    assert seen == {"plain": [1.0] * 64, "repaired": [1.0, 0.75, 0.5, 0.25]}


def test_acrobot_shows_what_gymnasium_shows() -> None:
    task = ENVIRONMENTS["acrobot"].task
    kernel, environment = task.kernel(), task.make()
    assert kernel is not None
    environment.reset(seed=3)
    state = np.array(environment.unwrapped.state, dtype=float)  # type: ignore[attr-defined]
    observation = np.zeros(task.observation_size)
    for action in (0, 2, 1, 2, 2, 0):
        kernel.step(state, action, kernel.parameters)
        kernel.observe(state, observation, kernel.parameters)
        np.testing.assert_allclose(observation, environment.step(action)[0], rtol=1e-6)
    environment.close()


def test_half_time(world: World) -> None:
    shared, pruned, full = (learner(world, method) for method in ("compressed", "pruned", "full"))
    for each in (shared, pruned, full):
        each.learn(0, 16)
        optimiser = each.optimiser
        each.optimise(k=4, percent=50.0)
        assert (each.optimiser is optimiser) is (each is full)  # the others begin with new averages
        before = [layer.weight.detach().clone() for layer in layers(each)]
        each.learn(16, 16)
        assert not any(torch.equal(a, b.weight) for a, b in zip(before, layers(each), strict=True))
    assert [values_of(layer) for layer in layers(shared)] == [[4, 4], [4, 4]]
    assert pruned.kept().tolist() == [[12, 6], [12, 6]]
    assert full.kept().tolist() == [[24, 12], [24, 12]]


def test_records_of_a_block() -> None:
    kind = Kind("cartpole", "pruned", "repaired", 6)
    state, (first, second) = unpack(train_policies(settings().options(kind, 0, 2)))
    assert state["kept"].tolist() == [[12, 6], [12, 6]]
    assert state["likeliest"].shape == (2, 3)
    assert not np.array_equal(state["likeliest"][0], first.evaluation_rewards)
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
        assert record.evaluation_rewards.mean() > 100.0
        assert record.episode_rewards[:50].mean() < 60.0


def test_costs_are_those_of_the_layers() -> None:
    kept = np.array([[12, 6]])
    full, binary, net, shared, pruned, ternary, two, four, eight = (
        decision_cost(Kind("cartpole", method, "plain", 6), kept, settings()) for method in METHODS
    )
    scaled = decision_cost(Kind("cartpole", "binary-net", "repaired", 6), kept, settings())
    assert (scaled.multiplications, scaled.parameter_bits - net.parameter_bits) == (2, 32)
    assert scaled.energy - net.energy == pytest.approx(2 * 3.7e-12 + 5e-12)
    assert decision_cost(Kind("cartpole", "pruned", "repaired", 6), kept, settings()) == pruned
    assert (full.additions, full.multiplications, full.parameter_bits) == (36 + 8, 36, 32 * 44)
    assert (binary.multiplications, net.multiplications) == (0, 0)
    assert net.energy < binary.energy < full.energy
    weights = 32 * 24 / compression_rate(24, 4) + 32 * 12 / compression_rate(12, 4)
    assert shared.parameter_bits == pytest.approx(weights + 32 * 8)
    assert (pruned.additions, pruned.multiplications) == (18 + 8, 18)
    assert (ternary.additions, ternary.multiplications, ternary.parameter_bits) == (
        18 + 8,
        0,
        2 * 36 + 32 * 8,
    )
    assert [each.parameter_bits for each in (two, four, eight)] == [bits * 36 + 32 * 8 for bits in (2, 4, 8)]
    assert two.operation_energy == full.operation_energy


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
        ("--methods rounded", "--methods: got 'rounded', allowed: 2-bit, 4-bit, 8-bit, binary-connect"),
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


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
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


def test_pages_of_all_parts() -> None:
    path = Path(__file__).parent.parent / "docs" / "make_papers.py"
    spec = importlib.util.spec_from_file_location("make_papers", path)
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    for chosen, study, words in (
        (Settings(policies=3), "green2018", "reproduce green2018 --policies 3 --out"),
        (PrecisionSettings(seed=7), "green2018-precisions", "green2018 --part precisions --seed 7 --out"),
        (PongSettings(decisions=1000), "green2018-pong", "green2018 --part pong --decisions 1000 --out"),
    ):
        row = {"row": "some kind"} | {
            key: 2.0 if how else "name" for key, (_, how) in pages.columns_of(study).items()
        }
        content = {"study": study, "settings": chosen.to_dict(), "rows": [row], "claims": [], "pictures": []}
        page = pages.page(content)
        assert words in page
        assert page.count("some kind") == 1
