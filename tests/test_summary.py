"""The numbers of summary.json, by hand-counted cases, and their bootstrap intervals."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from snnrl.training.result import NEVER, AgentRecord, TrainingConfig, TrainingResult
from snnrl.training.summary import bootstrap_interval, quantile, summary, summary_intervals

KEYS = [
    "seeds",
    "solved_fraction",
    "median_episodes",
    "q90_episodes",
    "evaluation_mean",
    "evaluation_worst",
    "evaluation_seeds_ge_475",
    "spikes_per_step",
    "writes_per_device",
]


def result(
    solved_at: Sequence[int],
    evaluation: Sequence[Sequence[int]],
    writes: float | None = None,
    **options: object,
) -> TrainingResult:
    agents = [
        AgentRecord(
            seed=seed,
            episode_lengths=np.full(max(at, 3), 100),
            episode_rewards=np.ones(max(at, 3)),
            solved_at=at,
            evaluation_lengths=np.array(lengths, dtype=np.int64),
            spikes_per_step=200.0 + seed,
            writes_per_device=None if writes is None else writes + seed,
        )
        for seed, (at, lengths) in enumerate(zip(solved_at, evaluation, strict=True))
    ]
    return TrainingResult(TrainingConfig(seeds=len(agents), **options), agents)  # type: ignore[arg-type]


def test_hand_counted_case() -> None:
    numbers = summary(
        result([100, 120, 140, 160], [[500, 500], [500, 450], [474, 475], [400, 500]], writes=10.0)
    )
    assert list(numbers) == KEYS
    assert numbers["seeds"] == 4
    assert numbers["solved_fraction"] == 1.0
    assert numbers["median_episodes"] == 130.0
    assert numbers["q90_episodes"] == pytest.approx(154.0)
    assert numbers["evaluation_mean"] == pytest.approx((500 + 475 + 474.5 + 450) / 4)
    assert numbers["evaluation_worst"] == 450.0
    assert numbers["evaluation_seeds_ge_475"] == 2
    assert numbers["spikes_per_step"] == 201.5
    assert numbers["writes_per_device"] == 11.5


def test_unsolved_seeds_count_as_infinite() -> None:
    numbers = summary(result([100, 120, NEVER], [[500]] * 3))
    assert numbers["solved_fraction"] == pytest.approx(2 / 3)
    assert numbers["median_episodes"] == 120.0
    assert numbers["q90_episodes"] is None
    assert summary(result([100, NEVER, NEVER], [[500]] * 3))["median_episodes"] is None
    assert summary(result([100, NEVER], [[500]] * 2))["median_episodes"] is None


def test_what_does_not_apply_is_null() -> None:
    numbers = summary(result([100, 120], [[], []]))
    assert [key for key in KEYS if numbers[key] is None] == [
        "evaluation_mean",
        "evaluation_worst",
        "evaluation_seeds_ge_475",
        "writes_per_device",
    ]
    short = summary(result([100], [[200]], task="cartpole", task_parameters={"version": "v0"}))
    assert short["evaluation_seeds_ge_475"] is None
    without = summary(result([NEVER], [[90]], task="gym:Acrobot-v1"))
    assert (without["solved_fraction"], without["median_episodes"]) == (None, None)


def test_quantile_agrees_with_numpy_and_takes_infinity() -> None:
    values = np.random.default_rng(1).normal(size=41)
    for q in (0.0, 0.1, 0.5, 0.9, 1.0):
        assert quantile(values, q) == pytest.approx(np.quantile(values, q))
    assert quantile(np.array([1.0, 2.0, math.inf]), 0.5) == 2.0
    assert quantile(np.array([1.0, 2.0, math.inf, math.inf]), 0.5) == math.inf
    assert math.isnan(quantile(np.zeros(0), 0.5))


def test_bootstrap_interval_of_the_mean_is_that_of_the_central_limit() -> None:
    values = np.random.default_rng(2).normal(loc=10.0, scale=2.0, size=400)
    low, high = bootstrap_interval(values, np.mean)
    half = 1.96 * values.std() / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)


def test_bootstrap_interval_of_the_median_with_unsolved_seeds() -> None:
    values = np.array([100.0, 110.0, 120.0, 130.0, 140.0, math.inf, math.inf])
    low, high = bootstrap_interval(values, np.median)
    assert low == pytest.approx(110.0, abs=10.0)
    assert high == math.inf


def test_bootstrap_interval_is_repeatable_and_works_along_an_axis() -> None:
    table = np.random.default_rng(3).normal(size=(12, 5))
    low, high = bootstrap_interval(table, np.mean)
    again, _ = bootstrap_interval(table, np.mean)
    assert low.shape == (5,)
    assert np.array_equal(low, again)
    assert np.all(low < table.mean(axis=0))
    assert np.all(high > table.mean(axis=0))


def test_intervals_hold_the_numbers_and_bound_nothing_with_one_seed() -> None:
    several = result([100, 120, 140, 160, 180], [[500], [480], [470], [490], [499]])
    numbers, intervals = summary(several), summary_intervals(several)
    assert set(intervals) == {"solved_fraction", "median_episodes", "evaluation_mean", "spikes_per_step"}
    for key, (low, high) in intervals.items():
        assert low <= numbers[key] <= high  # type: ignore[operator]
    assert summary_intervals(result([100], [[500]])) == {}
    unbounded = summary_intervals(result([100, 120, NEVER], [[500]] * 3))["median_episodes"]
    assert unbounded == (100.0, None)
