"""Baselines: a random policy and ASE/ACE, against Gymnasium and a plain re-telling of the algorithm."""

from __future__ import annotations

import itertools
import json
import math

import gymnasium
import numpy as np
import pytest

from snnrl.errors import InvalidValueError
from snnrl.random import stream_id, uniform
from snnrl.studies import baselines
from snnrl.studies.baselines import AseAce, ase_ace, random_policy
from snnrl.tasks import CartPole, GymTask

DEGREE = math.pi / 180


def test_random_policy_lasts_as_long_as_published() -> None:
    result = random_policy(CartPole(), range(100, 120), episodes=100)
    # Facts, section 6: mean 22.3 over 20 000 episodes, and a standard deviation below 13 per episode. The
    # standard error of 2000 episodes is below 0.3; five of them miss with probability 6e-7.
    assert result["mean_length"] == pytest.approx(22.3, abs=1.5)
    assert result["evaluation_mean"] == result["mean_length"]
    assert (result["solved_fraction"], result["median_episodes"], result["first_full_median"]) == (
        0.0,
        None,
        None,
    )
    assert result["evaluation_seeds_ge_475"] == 0
    json.dumps(result, allow_nan=False)


def test_random_policy_in_kernel_and_environment_agree() -> None:
    kernel = random_policy(CartPole(), range(8), episodes=150)
    outside = random_policy(GymTask("CartPole-v1"), range(8), episodes=150)
    # Two samples of 1200 episodes with standard deviation below 13: five standard errors are 2.7 steps.
    assert kernel["mean_length"] == pytest.approx(outside["mean_length"], abs=2.7)


def test_random_policy_takes_any_gymnasium_task() -> None:
    result = random_policy(GymTask("MountainCar-v0"), [4], episodes=2)
    assert result["mean_length"] == 200.0  # random actions never reach the flag
    assert result["first_full_median"] == 1.0
    assert result["solved_fraction"] == 0.0


def test_box_counts_162_and_splits_at_the_published_edges() -> None:
    inside = itertools.product(
        (-1.6, 0.0, 1.6),
        (-1.0, 0.0, 1.0),
        (-9 * DEGREE, -3 * DEGREE, -0.5 * DEGREE, 0.5 * DEGREE, 3 * DEGREE, 9 * DEGREE),
        (-80 * DEGREE, 0.0, 80 * DEGREE),
    )
    assert {baselines.box(*state) for state in inside} == set(range(baselines.BOXES))
    edges = [[-0.8, 0.8], [-0.5, 0.5], [d * DEGREE for d in (-6, -1, 0, 1, 6)], [-50 * DEGREE, 50 * DEGREE]]
    for index, values in enumerate(edges):
        for edge in values:
            below, above = np.full(4, 0.01), np.full(4, 0.01)
            below[index], above[index] = edge - 1e-9, edge + 1e-9
            assert baselines.box(*below) != baselines.box(*above)
            assert baselines.box(*below) == baselines.box(*(below - 1e-10))


class Retold:
    """ASE/ACE with Gymnasium's own physics and one array operation per equation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.physics = gymnasium.make("CartPole-v1").unwrapped
        self.weights, self.values = np.zeros(162), np.zeros(162)

    def play(self, episode: int, resets: str, actions: str, learning: bool) -> int:
        """Play one episode on the given random streams and give its length."""
        self.physics.reset(seed=0)
        self.physics.state = -0.05 + 0.1 * uniform(self.seed, stream_id(resets), episode, 4)
        choices = uniform(self.seed, stream_id(actions), episode, 500)
        eligibility, trace = np.zeros(162), np.zeros(162)
        here = baselines.box(*self.physics.state)
        for t in range(500):
            y = int(choices[t] < 1 / (1 + math.exp(-np.clip(self.weights[here], -50, 50))))
            eligibility[here] += (1 - 0.9) * (y - 0.5)
            trace[here] += 1 - 0.8
            failed = self.physics.step(y)[2]
            there = here if failed else baselines.box(*self.physics.state)
            error = -1.0 - self.values[here] if failed else 0.95 * self.values[there] - self.values[here]
            if learning:
                self.weights += 1000 * error * eligibility
                self.values += 0.5 * error * trace
            eligibility *= 0.9
            trace *= 0.8
            here = there
            if failed:
                break
        return t + 1


def test_ase_ace_equals_the_retold_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    records = []
    monkeypatch.setattr(baselines, "_summary", lambda task, made: records.extend(made) or {})
    ase_ace(CartPole(), [0, 3], episodes=45, evaluation_episodes=10)
    assert [record.seed for record in records] == [0, 3]
    for record in records:
        retold = Retold(record.seed)
        learned = [retold.play(e, "task/reset", "baseline/action", True) for e in range(45)]
        assert record.episode_lengths.tolist() == learned
        assert 500 in learned  # truncation is covered
        fixed = [
            retold.play(e, "task/evaluation-reset", "baseline/evaluation-action", False) for e in range(10)
        ]
        assert record.evaluation_lengths.tolist() == fixed


def test_ase_ace_learns() -> None:
    result = ase_ace(CartPole(), [1, 2, 3, 4], episodes=400)
    assert result["solved_fraction"] == 1.0
    assert 100 <= result["median_episodes"] <= 250
    assert result["evaluation_mean"] >= 475
    assert result["first_full_median"] < 80
    for row in result["per_seed"]:
        assert row["first_full_episode"] < row["solved_at"]


def test_solved_is_the_first_window_that_reaches_the_mean() -> None:
    lengths = np.array([10] * 30 + [500] * 150)
    record = baselines._record(CartPole(), 0, lengths, lengths[:0])
    # 5 of the 10s may stay: (5 * 10 + 95 * 500) / 100 = 475.5, with 6 it is 470.6
    assert record.solved_at == 30 + 95
    assert baselines._record(CartPole(), 0, lengths[:124], lengths[:0]).solved_at == -1
    assert baselines._record(CartPole(version="v0"), 0, np.full(100, 195), lengths[:0]).solved_at == 100


def test_learning_stops_when_solved() -> None:
    short = ase_ace(CartPole(), [1], episodes=400, evaluation_episodes=20)["per_seed"][0]
    long = ase_ace(CartPole(), [1], episodes=1000, evaluation_episodes=20)["per_seed"][0]
    assert short == long
    assert short["solved_at"] < 400


def test_a_seed_gives_the_same_numbers_alone_and_in_company() -> None:
    alone = ase_ace(CartPole(), [7], episodes=60, evaluation_episodes=5)["per_seed"]
    company = ase_ace(CartPole(), [6, 7], episodes=60, evaluation_episodes=5)["per_seed"]
    assert alone[0] == company[1] != company[0]


def test_without_a_learning_rate_nothing_is_learned() -> None:
    frozen = ase_ace(CartPole(), range(4), 100, 0, AseAce(actor_rate=0.0))
    assert frozen["mean_length"] == pytest.approx(
        22.3, abs=3.3
    )  # five standard errors of 400 random episodes
    assert frozen["evaluation_mean"] is None


@pytest.mark.parametrize("task", [CartPole(difficulty="medium"), CartPole(difficulty="hardest")])
def test_ase_ace_refuses_tasks_that_hide_or_idle(task: CartPole) -> None:
    with pytest.raises(InvalidValueError, match="task for ASE/ACE"):
        ase_ace(task, [0])


def test_bad_input() -> None:
    with pytest.raises(InvalidValueError, match="task for ASE/ACE"):
        ase_ace(GymTask("CartPole-v1"), [0])  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="episodes: got 0"):
        ase_ace(CartPole(), [0], episodes=0)
    with pytest.raises(InvalidValueError, match="seeds"):
        random_policy(CartPole(), [], episodes=1)
    with pytest.raises(InvalidValueError, match=r"AseAce\.gamma: got 1\.0"):
        AseAce(gamma=1.0)
    with pytest.raises(InvalidValueError, match=r"AseAce\.actor_rate: got -1"):
        AseAce(actor_rate=-1.0)
