"""Pong from the screen: what a policy sees, that a checkpoint goes on as if nothing had happened, the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from snnrl.cli import main
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.plasticity.low_precision.stacked import SparseLinear
from snnrl.studies.green2018 import PongSettings, pong, pong_learner, reproduce_pong
from snnrl.studies.green2018.pong import curve, learn_pong
from snnrl.studies.green2018.pong_learner import LANES, PongLearner
from snnrl.studies.green2018.pong_screens import (
    ACTIVE,
    BACKGROUND,
    HEIGHT,
    INPUTS,
    WIDTH,
    Seen,
    inputs_of,
    joined,
    things,
)

STEPS = 16
UPDATE = LANES * STEPS


@pytest.fixture(autouse=True)
def _short_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pong_learner, "STEPS", STEPS)


def dense(seen: Seen) -> np.ndarray[Any, Any]:
    """Return the inputs of every decision as a row."""
    table = np.zeros((len(seen.offsets), INPUTS))
    ends = [*seen.offsets[1:], len(seen.places)]
    for row, (begin, end) in enumerate(zip(seen.offsets, ends, strict=True)):
        table[row, seen.places[begin:end]] = seen.values[begin:end]
    return table


def test_things_on_the_field() -> None:
    screens = np.full((2, 84, 84), BACKGROUND, np.uint8)
    screens[0, :14] = 255  # the score
    screens[1, 19, 9] = 236
    found = things(screens)
    assert found.shape == (2, HEIGHT, WIDTH)
    assert np.argwhere(found).tolist() == [[1, 2, 4]]


def test_inputs_are_what_is_there_and_what_moved() -> None:
    before, now = np.zeros((2, HEIGHT, WIDTH), bool), np.zeros((2, HEIGHT, WIDTH), bool)
    before[1, 0, 3] = now[1, 0, 4] = now[1, 5, 5] = before[1, 5, 5] = True
    table = dense(inputs_of(before, now))
    half = HEIGHT * WIDTH
    assert not table[0].any()
    expected = {4: 1.0, 5 * WIDTH + 5: 1.0, half + 3: -1.0, half + 4: 1.0}
    assert {int(i): table[1, i] for i in np.flatnonzero(table[1])} == expected
    twice = joined([inputs_of(before, now), inputs_of(now, now)])
    assert dense(twice)[1].tolist() == table[1].tolist()
    assert np.flatnonzero(dense(twice)[3]).tolist() == [4, 5 * WIDTH + 5]


def test_sparse_layer_is_a_matrix_product() -> None:
    layer = SparseLinear(INPUTS, 5, torch.Generator().manual_seed(0), ACTIVE)
    with torch.no_grad():
        layer.bias += torch.arange(5.0)
    generator = np.random.default_rng(1)
    before, now = (generator.random((3, HEIGHT, WIDTH)) < 0.01 for _ in range(2))
    seen = inputs_of(before, now)
    found = layer(*(torch.from_numpy(each) for each in seen))
    x = torch.tensor(dense(seen), dtype=torch.float32)
    torch.testing.assert_close(found, x @ layer.weight + layer.bias)
    found.square().sum().backward()
    given = layer.weight.grad
    assert given is not None
    torch.testing.assert_close(given, 2.0 * x.T @ found.detach())


def test_a_checkpoint_goes_on_as_if_nothing_had_happened() -> None:
    whole = PongLearner(60_000, 8, "compressed")
    whole.update()
    whole.optimise(k=4, percent=50.0)
    whole.update()
    state = whole.save()
    again = PongLearner(60_000, 8, "compressed")
    again.restore(state, k=4, percent=50.0)
    for learner in (whole, again):
        learner.update()
        learner.close()
    assert again.decisions == 3 * UPDATE
    ours, theirs = whole.save(), again.save()
    assert set(ours) == set(theirs)
    assert all(np.array_equal(array, theirs[name]) for name, array in ours.items())
    assert len(np.unique(whole.policy.first.weight.detach())) == 4
    assert len(np.unique(whole.value.first.weight.detach())) > 4


def test_a_point_ends_a_rally() -> None:
    learner = PongLearner(60_000, 8, "full")
    rewards, points = np.zeros((STEPS, LANES)), np.zeros((STEPS, LANES), bool)
    rewards[9, 0], points[9, 0] = -1.0, True
    played = {"actions": np.zeros((STEPS, LANES), np.int64), "rewards": rewards}
    values = np.zeros((STEPS + 1, LANES))
    values[STEPS] = 0.5
    advantage, target = learner._advantages(played, values, points)
    learner.close()
    decay = 0.99 * 0.95
    np.testing.assert_allclose(advantage[:10, 0], -(decay ** np.arange(9, -1, -1)))
    # What lies behind the last decision counts by its value, and not for the rally before.
    np.testing.assert_allclose(advantage[10:, 0], 0.99 * 0.5 * decay ** np.arange(STEPS - 11, -1, -1))
    np.testing.assert_allclose(advantage[:, 1], 0.99 * 0.5 * decay ** np.arange(STEPS - 1, -1, -1))
    np.testing.assert_allclose(target, advantage)


def test_policies_move_with_their_weights() -> None:
    learner = PongLearner(60_001, 8, "pruned")
    before = [each.detach().clone() for each in learner.policy.parameters()]
    critic = [each.detach().clone() for each in learner.value.parameters()]
    learner.update()
    for old, new in zip(
        [*before, *critic], [*learner.policy.parameters(), *learner.value.parameters()], strict=True
    ):
        assert not torch.equal(old, new)
    learner.optimise(k=8, percent=50.0)
    learner.update()
    learner.close()
    assert learner.kept() == [INPUTS * 8 // 2, 12]


def test_learning_curve_by_hand() -> None:
    found = curve([[100.0, -21.0], [499.0, -19.0], [500.0, -15.0]], 1000)
    assert found[[0, 19, 97, 99, 110]].tolist() == [-21.0, -21.0, -21.0, -17.0, -17.0]


def test_the_study_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = PongSettings(policies=1, seed=60_000, widths=(8,), decisions=2 * UPDATE, games=1, k=4)
    (_, part), _ = settings.parts(tmp_path)
    options, _ = part.arguments
    monkeypatch.setattr(pong, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(PongLearner, "evaluate", lambda own, games, seed: [-21.0] * games)
    straight = json.loads(learn_pong(options))
    update = PongLearner.update

    def interrupted(own: PongLearner) -> None:
        if own.updates == 1:
            raise KeyboardInterrupt
        update(own)

    monkeypatch.setattr(PongLearner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reproduce_pong(settings, tmp_path)
    played: list[int] = []
    monkeypatch.setattr(PongLearner, "update", lambda own: (played.append(own.updates), update(own)))
    outcome = reproduce_pong(settings, tmp_path)
    assert played == [1, 0, 1]  # the first policy goes on, the second begins
    assert [row["method"] for row in outcome.rows] == ["full", "compressed"]
    first = json.loads((tmp_path / "parts" / part.file).read_text())
    assert (first["scores"], first["kept"]) == (straight["scores"], straight["kept"])
    assert outcome.rows[0]["return"] == -21.0
    assert outcome.rows[0]["parameter_bits"] == 32 * (INPUTS * 8 + 8 + 8 * 3 + 3)
    assert [Path(each).name for each in outcome.pictures] == ["pong.png"]


def test_games_are_counted() -> None:
    learner = PongLearner(60_000, 8, "full")
    scores = learner.evaluate(2, seed=3)
    learner.close()
    assert scores == [-21.0, -21.0]


def test_bad_settings() -> None:
    with pytest.raises(UnknownNameError, match="--methods: got 'ternary', allowed: compressed, full, pruned"):
        PongSettings(methods=("ternary",))
    with pytest.raises(InvalidValueError, match="--decisions: got 0"):
        PongSettings(decisions=0)


def test_bad_options_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "green2018", "--task", "pong", "--episodes", "5"]) == 2
    assert "--episodes: got 5, allowed: nothing with --part pong" in capsys.readouterr().err
