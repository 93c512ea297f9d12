"""When a learning curve reaches a level, and how much sooner than another (figures 13 and 14 of Wu et al. 2020)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from snnrl.studies.wu2019 import limited
from snnrl.studies.wu2019.levels import fewer, reaches
from snnrl.studies.wu2019.limited import Curve
from snnrl.studies.wu2019.settings import Settings
from snnrl.tasks import RotaryPendulum


def curve(t2f: list[list[float]], updates: list[float]) -> Curve:
    return Curve(np.array(updates), 2.0 * np.array(updates), np.array(t2f), np.zeros(42))


def test_a_level_is_reached_between_checkpoints() -> None:
    found = curve([[0.0, 200.0, 400.0], [0.0, 200.0, 400.0]], [0.0, 10.0, 20.0])
    assert reaches(found, 100.0, found.updates) == pytest.approx(5.0)
    assert reaches(found, 300.0, found.updates) == pytest.approx(15.0)
    assert reaches(found, 300.0, found.samples) == pytest.approx(30.0)
    assert reaches(found, 500.0, found.updates) is None


def test_agents_that_begin_at_the_level_need_no_updates() -> None:
    found = curve([[300.0, 200.0, 400.0]], [0.0, 10.0, 20.0])
    assert reaches(found, 240.0, found.updates) == 0.0
    assert fewer(found, curve([[0.0, 200.0, 400.0]], [0.0, 10.0, 20.0]), 240.0).value is None


def test_a_peak_that_does_not_last_does_not_count() -> None:
    # The growing curve nearest to 0, 300, 100, 200, 400 is 0, 200, 200, 200, 400.
    found = curve([[0.0, 300.0, 100.0, 200.0, 400.0]], [0.0, 10.0, 20.0, 30.0, 40.0])
    assert reaches(found, 300.0, found.updates) == pytest.approx(35.0)
    assert reaches(found, 100.0, found.updates) == pytest.approx(5.0)


def test_ratio_of_two_curves_by_hand() -> None:
    slow = curve([[0.0, 100.0, 200.0]] * 3, [0.0, 40.0, 80.0])
    fast = curve([[0.0, 100.0, 200.0]] * 3, [0.0, 10.0, 20.0])
    assert fewer(fast, slow, 150.0) == pytest.approx((4.0, 4.0, 4.0))  # equal agents: no spread
    assert fewer(slow, fast, 150.0) == pytest.approx((0.25, 0.25, 0.25))


def test_interval_holds_the_ratio_and_follows_spread_and_number_of_agents() -> None:
    rng = np.random.default_rng(1)
    grid = np.linspace(0.0, 1.0, 6)
    widths = {}
    for agents, spread in ((50, 1.0), (50, 20.0), (800, 20.0)):
        slow, fast = (
            Curve(scale * grid, grid, 200.0 * grid + spread * rng.standard_normal((agents, 6)), np.zeros(42))
            for scale in (100.0, 25.0)
        )
        value, low, high = fewer(fast, slow, 120.0)
        assert value is not None
        assert low is not None
        assert high is not None
        assert low < value < high
        assert value == pytest.approx(4.0, rel=0.1)
        widths[agents, spread] = high - low
    assert widths[50, 20.0] > 3 * widths[50, 1.0]
    assert widths[800, 20.0] == pytest.approx(widths[50, 20.0] / 4, rel=0.4)


def test_a_level_that_one_curve_never_reaches() -> None:
    low, high = curve([[0.0, 100.0]] * 2, [0.0, 10.0]), curve([[0.0, 200.0]] * 2, [0.0, 10.0])
    assert fewer(high, low, 150.0).value is None
    assert fewer(low, high, 150.0) == (0.0, 0.0, 0.0)
    assert fewer(low, low, 150.0) == (None, None, None)


def test_re_training_is_tested_before_it_begins() -> None:
    settings = dataclasses.replace(
        Settings(seed=3, test_states=10, test_trials=2, threads=1), pendulum=RotaryPendulum(steps=30)
    )
    few = limited.Limited(agents=2, total=60, checkpoints=2)
    weights = limited.initial(settings, few)
    found = limited.re_train(settings, few, limited.network_of(settings), weights, 2)
    assert found.updates.tolist() == [0.0, 7.0, 30.0]
    assert found.samples.tolist() == [0.0, 14.0, 60.0]
    assert found.t2f.shape == (2, 3)
    assert np.array_equal(found.weights[0], weights[0])
    assert not np.array_equal(found.weights[1], weights[0])
