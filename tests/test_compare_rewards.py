"""Rewards compared: the same tables wherever the work is done, nothing lost, equal TD errors, right statistics."""

from __future__ import annotations

import functools
import json
import math
import os
import pickle
import re
import shlex
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from rliable.metrics import probability_of_improvement
from scipy.stats import bootstrap

from snnrl.cli import main
from snnrl.errors import InvalidValueError, RunFolderError, SimulationError
from snnrl.studies.rewards import (
    NINE,
    Comparison,
    Settings,
    compare_rewards,
    execute,
    report,
    results,
    td_error,
)
from snnrl.studies.rewards.execute import InProcess, Workers, WorkersLostError, run_all
from snnrl.studies.rewards.study import Progress
from snnrl.studies.rewards.value_map import HELD, StateGrid, axes, value_maps
from snnrl.tasks import CartPole, GymTask, reward_registry, rewards, source_of
from snnrl.training.config import TrainingConfig

SMALL: dict[str, Any] = {
    "network_parameters": {"cells_per_variable": 2, "critic_size": 2, "actor_size": 1},
    "synapses": ("ideal",), "seed": 70, "evaluation_episodes": 1, "calibration_seeds": 1, "calibration_steps": 30,
    "map_points": 0,
}  # fmt: skip
"""A study that Python can run without compiling anything."""


def small(**changes: Any) -> Settings:
    return Settings(
        **{**SMALL, "rewards": ("survival", "failure"), "seeds": 2, "episodes": 2, "block": 1, **changes}
    )


@pytest.fixture(scope="module")
def plain_kernels(interpreted_module: Callable[[str], Any]) -> Iterator[None]:
    """Run kernels as Python."""
    from snnrl.engines.fast import engine

    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(engine, "load_module", functools.cache(interpreted_module))
        yield


@pytest.fixture(scope="module")
def study(plain_kernels: None) -> Comparison:
    return compare_rewards(small(map_points=2))


@pytest.fixture
def own_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test registers."""
    monkeypatch.setattr(reward_registry, "_REWARDS", dict(reward_registry._REWARDS))


# ---------------------------------------------------------------------- where the work is done

COMPILED = Settings(**{**SMALL, "rewards": ("gaussian",), "seeds": 4, "episodes": 20, "block": 1})


def test_process_pool_and_cluster_give_the_tables_of_one_process(tmp_path: Path) -> None:
    from distributed import LocalCluster

    expected = results.content(compare_rewards(COMPILED))
    with execute.processes(2) as workers:
        assert results.content(compare_rewards(COMPILED, workers=workers)) == expected
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.doing == "learning" and progress.done == 1:
            process = next(iter(cluster.workers.values())).process
            killed.append(process.pid)
            os.kill(process.pid, signal.SIGKILL)
        if progress.doing == "learning" and progress.done == 2:
            raise Stopped  # the study, too, ends in the middle

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with pytest.raises(Stopped), execute.cluster(cluster.scheduler_address) as workers:
            compare_rewards(COMPILED, tmp_path, workers, progress=kill_one)
        with execute.cluster(cluster.scheduler_address) as workers:
            found = results.content(compare_rewards(COMPILED, tmp_path, workers))
    assert len(killed) == 1
    assert found == expected
    assert expected["rows"][0]["spikes_per_episode"] > 0.0


@pytest.mark.usefixtures("plain_kernels")
def test_agents_are_those_of_a_training_run(study: Comparison) -> None:
    from snnrl.training.train import train

    outcome = study.outcomes[1]
    for mine, theirs in zip(outcome.agents, train(outcome.result.config).agents, strict=True):
        assert mine.episode_lengths.tolist() == theirs.episode_lengths.tolist()
        assert mine.episode_rewards.tolist() == theirs.episode_rewards.tolist()
        assert mine.evaluation_lengths.tolist() == theirs.evaluation_lengths.tolist()
        assert mine.spikes_per_step == theirs.spikes_per_step


@pytest.mark.usefixtures("plain_kernels")
def test_size_of_a_block_changes_no_number(study: Comparison) -> None:
    whole = compare_rewards(small(map_points=2, block=2))
    assert results.rows(whole) == results.rows(study)
    for mine, theirs in zip(whole.outcomes, study.outcomes, strict=True):
        np.testing.assert_array_equal(mine.value_maps, theirs.value_maps)


def test_a_killed_process_is_one_line() -> None:
    with pytest.raises(WorkersLostError, match="a worker was killed"), execute.processes(1) as workers:
        run_all(workers, {"kill": functools.partial(os._exit, 3)}, lambda name, result: None)


def test_workers_that_do_not_answer_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            if fn is str:  # as a Dask scheduler that dies leaves it
                future.cancel()
                future.set_running_or_notify_cancel()
            return future

    monkeypatch.setattr(execute, "POLL", 0.01)
    for work, line in ((int, "do not answer"), (str, "the cluster is gone")):
        with pytest.raises(WorkersLostError, match=line):
            run_all(Workers(Silent(), lambda: False), {"never": work}, lambda name, result: None)


def test_cluster_that_cannot_be_reached_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(execute, "PATIENCE", 0.3)
    words = [
        "compare-rewards",
        "cartpole",
        "--cluster",
        "tcp://127.0.0.1:9",
        "--out",
        str(tmp_path / "study"),
    ]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "snnrl: --cluster: got 'tcp://127.0.0.1:9', allowed: the address of a running Dask scheduler"
    )
    assert not (tmp_path / "study").exists()


# ---------------------------------------------------------------------- nothing is lost


class Stopped(BaseException):
    """Stands for Ctrl-C, which pytest would take for its own."""


class StopsAfter(InProcess):
    """Is interrupted before it does one more than so many calls."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call, or be interrupted."""
        if self.left == 0:
            raise Stopped
        self.left -= 1
        return super().submit(fn, *args, **kwargs)


@pytest.mark.usefixtures("plain_kernels")
def test_an_interrupted_study_goes_on_with_what_is_left(study: Comparison, tmp_path: Path) -> None:
    settings = small(map_points=2)
    with pytest.raises(Stopped):
        compare_rewards(settings, tmp_path, Workers(StopsAfter(4)))
    kept = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == 4
    seen: list[Progress] = []
    again = compare_rewards(settings, tmp_path, progress=seen.append)
    assert next(now.done for now in seen if now.doing == "learning") == 2
    assert {name: (tmp_path / "parts" / name).stat().st_mtime_ns for name in kept} == kept
    assert results.content(again) == results.content(study)
    # A whole study is only read, and another list of rewards is the same study.
    compare_rewards(settings, tmp_path, Workers(StopsAfter(0)))
    fewer = compare_rewards(small(map_points=2, rewards=("failure",)), tmp_path, Workers(StopsAfter(0)))
    assert results.rows(fewer) == results.rows(study)[1:]


def test_a_folder_of_other_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        compare_rewards(small(), tmp_path / "study", Workers(StopsAfter(0)))
    with pytest.raises(
        RunFolderError, match=r"study: a study with episodes = 2, got 3, allowed: the same settings"
    ):
        compare_rewards(small(episodes=3), tmp_path / "study", Workers(StopsAfter(0)))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match=r"other: exists and holds no study\.json"):
        compare_rewards(small(), tmp_path / "other")
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["thesis.tex"]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        compare_rewards(small(), tmp_path, Workers(StopsAfter(1)))
    (part,) = (tmp_path / "parts").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(RunFolderError, match=r"factor-survival-\w+.json: damaged .* delete it"):
        compare_rewards(small(), tmp_path)


# ---------------------------------------------------------------------- bad rewards

NAN_REWARD = """
import math
from snnrl.tasks import rewards

@rewards.register("broken", formula="r = log(-1)", source="this test", range=(0, 1))
def broken(before, after, terminated, step, record, p):
    return {}
"""


def text_of(expression: str) -> str:
    return NAN_REWARD.replace("{}", expression)


@pytest.mark.usefixtures("plain_kernels", "own_rewards")
@pytest.mark.parametrize("equalise", [True, False])
def test_a_reward_that_is_not_a_number_is_named(equalise: bool, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text_of("1.0 if step < 20 else math.nan" if equalise else "math.nan"))
    settings = small(rewards=("failure", "broken"), files=(str(file),), equalise=equalise)
    with pytest.raises(
        SimulationError,
        match=r"^reward broken: the reward 'broken' returned NaN or infinity.*; mend it or leave it out",
    ):
        compare_rewards(settings, tmp_path / "study")
    kept = [
        path.name.partition("-")[2].partition("-")[0] for path in (tmp_path / "study" / "parts").iterdir()
    ]
    assert kept == ["failure"]
    file.write_text(text_of("1.0 / step"))  # mended: the same folder goes on
    mended = compare_rewards(
        small(rewards=("failure", "broken"), files=(str(file),), equalise=equalise), tmp_path / "study"
    )
    assert [row["reward"] for row in results.rows(mended)] == ["failure", "broken"]
    file.write_text(text_of("0.5 / step"))  # another reward of the same name is made anew
    with pytest.raises(Stopped):
        compare_rewards(replace(settings), tmp_path / "study", Workers(StopsAfter(0)))


@pytest.mark.usefixtures("own_rewards")
def test_a_reward_without_size_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text_of("0.0 * step"))
    with pytest.raises(SimulationError, match="'broken' was 0 all the time"):
        compare_rewards(small(rewards=("broken",), files=(str(file),)))


def test_files_that_cannot_be_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=r"--import: got .*none.py"):
        small(files=(str(tmp_path / "none.py"),))
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(InvalidValueError, match=r"a file that registers rewards \(ZeroDivisionError"):
        small(files=(str(tmp_path / "bad.py"),))


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--rewards", "gausian"], r"--rewards: got 'gausian', .*did you mean 'gaussian'"),
        (["--rewards", "angle,angle"], r"--rewards: got 'angle,angle', allowed: one or more different names"),
        (["--rewards", "car-energy"], r"task for reward car-energy: got \('x', 'x_dot'"),
        (["--synapses", "perfect"], r"--synapses: got 'perfect', allowed: ideal, memristive"),
        (["--plasticities", "exact"], r"--plasticities: got 'exact', allowed: policy-gradient"),
        (["--seeds", "0"], r"--seeds: got 0, allowed: a whole number of at least 1"),
        (
            ["--set", "failure.penalti=2"],
            r"parameter of reward failure: got 'penalti', .*did you mean 'penalty'",
        ),
        (["--set", "failur.penalty=2"], r"--set: got 'failur', .*did you mean 'failure'"),
        (["--set", "penalty=2"], r"--set: got 'penalty=2', allowed: REWARD.NAME=NUMBER"),
        (
            ["--workers", "2", "--cluster", "tcp://a:1"],
            r"--workers: got '2', allowed: nothing beside --cluster",
        ),
    ],
)
def test_bad_options_are_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare-rewards", "cartpole", *words]) == 2
    (found,) = capsys.readouterr().err.splitlines()
    assert re.match(f"snnrl: {line}", found)


@pytest.mark.parametrize("task", ["cartpole-hard", "cartpole-medium", "gym:CartPole-v1"])
def test_other_tasks_are_refused(task: str) -> None:
    with pytest.raises(
        InvalidValueError, match=f"task: got '{task}', allowed: a cart-pole that shows all four"
    ):
        small(task=task)


# ---------------------------------------------------------------------- the scale of a reward


@pytest.mark.parametrize("name", NINE)
def test_a_scale_multiplies_the_whole_reward(name: str) -> None:
    plain, scaled = rewards.make(name), rewards.make(name, scale=2.5)
    before, after = np.array([0.3, 0.1, 0.05, -0.2]), np.array([0.31, 0.2, 0.09, -0.4])
    compiled = njit(scaled.function) if name == "gaussian" else scaled.function
    for terminated in (False, True):
        value = plain(before, after, terminated, 7, 3.0)
        assert scaled(before, after, terminated, 7, 3.0) == pytest.approx(2.5 * value, rel=1e-15)
        assert compiled(before, after, terminated, 7, 3.0, scaled.p) == pytest.approx(2.5 * value, rel=1e-15)
    assert scaled.range == (2.5 * plain.range[0], 2.5 * plain.range[1])
    assert source_of(scaled.function).startswith(f"def {name}(before, after, terminated, step, record, p):")


def test_a_scaled_reward_is_a_reward() -> None:
    scaled = rewards.make("gaussian", scale=2.0, failure=-1.0)
    assert list(scaled.parameters)[-1] == "scale"
    assert pickle.loads(pickle.dumps(scaled)) == scaled == rewards.make("gaussian", **scaled.parameters)
    assert rewards.make("environment", scale=3.0).bind(CartPole())(np.zeros(4), np.zeros(4), False, 1) == 3.0
    with pytest.raises(InvalidValueError, match=r"environment.scale: got 3.0, allowed: none"):
        rewards.make("environment", scale=3.0).bind(GymTask("Acrobot-v1"))
    with pytest.raises(InvalidValueError, match=r"gaussian.scale: got 0.0, allowed: a number > 0"):
        rewards.make("gaussian", scale=0.0)
    with pytest.raises(InvalidValueError, match=r"parameter.*scale.*every reward has a scale"):
        rewards.register("x", formula="r = 1", source="this test", range=(0, 1), defaults={"scale": 1.0})(
            reward_registry._REWARDS["survival"].function
        )


# ---------------------------------------------------------------------- the TD error's size


def config(reward: str, scale: float = 1.0, **changes: Any) -> TrainingConfig:
    settings = Settings(**{**SMALL, "rewards": (reward,), "seeds": 3, "episodes": 2, **changes})
    return settings.config(settings.combinations()[0], scale)


@pytest.mark.parametrize("name", NINE)
def test_with_its_factor_every_reward_has_the_td_error_of_the_reference(name: str) -> None:
    target = td_error.size(config("gaussian"), 200)
    factor = target / td_error.size(config(name), 200)
    assert td_error.size(config(name, factor), 200) == pytest.approx(target, rel=1e-9)


def test_the_table_learns_the_value_of_random_pushes() -> None:
    # survival is 1 in every step: value and TD error are 1 - gamma^(steps left) and 0 in the mean, once learned
    task, reward = CartPole(), rewards.make("survival")
    errors = td_error.table_errors(task, reward, 5, 6000, 0.95)
    assert errors[0] == pytest.approx(0.05)  # the first transition: nothing is known yet
    late = errors[3000:]
    assert abs(late.mean()) < 0.2 * late.std()
    assert late.min() < -0.3  # a failure
    # nothing follows a failure: with a reward of -1 there, values stay between -(1 - gamma) and 0
    errors = td_error.table_errors(task, rewards.make("failure"), 5, 6000, 0.95)
    assert errors.min() >= -0.05 - 1e-12
    assert errors.max() <= 0.05 + 1e-12


@pytest.mark.usefixtures("plain_kernels")
def test_spiking_errors_are_those_that_the_agents_learn_from() -> None:
    from snnrl.engines.books import Control
    from snnrl.engines.session import Stop
    from snnrl.training.build import build_session

    one = TrainingConfig.from_dict(config("survival").to_dict() | {"seeds": 1, "episodes": 9})
    session = build_session(one)
    session.run(1000, Stop(1))
    length, at_failure = int(session.state["lengths"][0, 0]), session.state["control"][0, Control.TD_ERROR]
    first, second = build_session(one).trace_episodes(2)
    found = td_error.spiking_errors(one, one.seed, length + 5)
    assert found.shape == (length + 5,)
    assert found[: length - 1].tolist() == first[1:, 1].tolist()
    assert found[length - 1] == pytest.approx(at_failure, rel=1e-12)  # learned from after the last step
    assert found[length:].tolist() == second[1:6, 1].tolist()


def test_without_equalising_rewards_stay_as_they_are(study: Comparison) -> None:
    assert [outcome.result.config.reward_parameters["scale"] for outcome in study.outcomes] == [
        study.calibrations["survival"].factor, study.calibrations["failure"].factor,
    ]  # fmt: skip
    assert study.calibrations["failure"].size == pytest.approx(study.calibrations["survival"].size, rel=1e-12)
    assert study.calibrations["failure"].factor > 2.0
    settings = small(equalise=False)
    assert settings.config(settings.combinations()[0]).reward_parameters["scale"] == 1.0


# ---------------------------------------------------------------------- statistics


def test_rows_hold_the_intervals_of_scipy(study: Comparison) -> None:
    first = study.outcomes[0].agents[0]
    agents = [
        replace(first, evaluation_lengths=np.array([9 + k * k]), spikes_per_step=5.0 + k) for k in range(8)
    ]
    outcome = replace(study.outcomes[0], result=replace(study.outcomes[0].result, agents=agents))
    row = results.row_of(outcome)
    means = np.array([agent.evaluation_lengths.mean() for agent in outcome.agents])
    spikes = means * [agent.spikes_per_step for agent in outcome.agents]
    for values, key, short in (
        (means, "evaluation_mean", "evaluation"),
        (spikes, "spikes_per_episode", "spikes"),
    ):
        interval = bootstrap((values,), np.mean, confidence_level=0.95, n_resamples=2000, method="percentile",
                             rng=np.random.default_rng(0)).confidence_interval  # fmt: skip
        assert row[key] == pytest.approx(values.mean())
        assert (row[f"{short}_low"], row[f"{short}_high"]) == (interval.low, interval.high)
    assert row["writes_per_episode"] is None
    assert (row["solved_fraction"], row["median_episodes"]) == (0.0, None)
    assert {"reward", "synapse", "median_low", "median_high"} <= row.keys()


def test_probability_of_improvement_and_its_interval() -> None:
    draw = np.random.default_rng(3)
    better, worse = draw.integers(0, 8, 15) + 2.0, draw.integers(0, 8, 12) + 0.0
    pairs = [(b > w) + 0.5 * (b == w) for b in better for w in worse]
    assert results.improvement(better, worse) == pytest.approx(np.mean(pairs))

    def statistic(x: Any, y: Any) -> float:
        return float(probability_of_improvement(x[:, None], y[:, None]))

    expected = bootstrap((better, worse), statistic, vectorized=False, n_resamples=2000, method="percentile",
                         rng=np.random.default_rng(1)).confidence_interval  # fmt: skip
    assert results.improvement_interval(better, worse) == pytest.approx(tuple(expected), abs=0.02)
    assert results.improvement_interval(better, worse + 99.0) == (0.0, 0.0)


def test_seeds_that_did_not_solve_the_task_come_last(study: Comparison) -> None:
    outcome = study.outcomes[0]
    first, second = outcome.agents
    solved = replace(first, solved_at=2)
    scores = results.scores(replace(outcome, result=replace(outcome.result, agents=[solved, first, second])))
    assert scores[0] == -2.0
    assert -4.0 <= min(scores[1:]) <= max(scores[1:]) < -3.0 + 1.0
    longer = int(np.argmax([agent.evaluation_lengths.mean() for agent in (first, second)]))
    assert int(np.argmax(scores[1:])) == longer


# ---------------------------------------------------------------------- shaping leaves the best policy as it is

ANGLES, PLACES = (-0.9, -0.45, 0.0, 0.45, 0.9), (-0.8, 0.0, 0.8)
"""States of a small task, as parts of the cart-pole's limits: beyond the outer angles it fails."""
THETA_MAX, X_MAX = 12 * 2 * math.pi / 360, 2.4


def best_values(reward: rewards.Reward, gamma: float) -> np.ndarray:
    """Value iteration: the value of every action, ``[angles, places, actions]``.

    A push goes one way with probability 0.8, else the other; the pole leans on by itself where it leans, and the cart
    moves with the push.
    """
    values = np.zeros((len(ANGLES), len(PLACES), 2))
    for _ in range(600):
        values = np.array(
            [[[_backup(reward, gamma, values, a, x, action) for action in (0, 1)] for x in range(len(PLACES))]
             for a in range(len(ANGLES))]
        )  # fmt: skip
    return values


def _backup(
    reward: rewards.Reward, gamma: float, values: np.ndarray, angle: int, place: int, action: int
) -> float:
    total = 0.0
    for chance, push in ((0.8, 2 * action - 1), (0.2, 1 - 2 * action)):
        lean = (ANGLES[angle] > 0.3) - (ANGLES[angle] < -0.3)
        to_angle, to_place = angle - push + lean, min(max(place + push, 0), len(PLACES) - 1)
        failed = not 0 <= to_angle < len(ANGLES)
        before = np.array([X_MAX * PLACES[place], 0.0, THETA_MAX * ANGLES[angle], 0.0])
        after = np.array(
            [X_MAX * PLACES[to_place], 0.0, THETA_MAX * (1.2 if failed else ANGLES[to_angle]), 0.0]
        )
        total += chance * (
            reward(before, after, failed, 1) + (0.0 if failed else gamma * values[to_angle, to_place].max())
        )
    return total


def test_potential_shaping_keeps_the_best_policy_of_a_small_task() -> None:
    gamma = 0.9
    plain = best_values(rewards.make("failure"), gamma)
    shaped = best_values(rewards.make("potential", gamma=gamma), gamma)
    potential = np.array([[-(a**2) - 0.5 * x**2 for x in PLACES] for a in ANGLES])
    # Ng, Harada & Russell 1999: Q of the shaped task is Q - Phi, so every state keeps its best action
    np.testing.assert_allclose(shaped, plain - potential[:, :, None], atol=1e-9)
    assert (shaped.argmax(axis=2) == plain.argmax(axis=2))[abs(np.diff(plain)[:, :, 0]) > 1e-9].all()
    assert len(np.unique(plain.argmax(axis=2))) == 2
    # what is no shaping changes it: with the gamma of another agent, or by paying for being upright
    wrong = best_values(rewards.make("potential", gamma=0.2), gamma)
    assert np.abs(wrong - (plain - potential[:, :, None])).max() > 0.1


# ---------------------------------------------------------------------- value maps


def test_the_grid_shows_every_state_for_as_long() -> None:
    grid = StateGrid(points=3)
    kernel, state, seen = grid.kernel(), np.zeros(5), []
    kernel.reset(state, np.zeros(4), kernel.parameters)
    for _ in range(grid.max_steps):
        seen.append(tuple(state[:4]))
        assert not kernel.step(state, 1, kernel.parameters)
    angles, rates = axes(3)
    expected = [(0.0, 0.0, angle, rate) for rate in rates for angle in angles for _ in range(HELD)]
    np.testing.assert_allclose(seen, expected, atol=1e-12)


@pytest.mark.usefixtures("plain_kernels")
def test_value_maps_are_those_of_the_learned_weights(study: Comparison) -> None:
    from snnrl.training.build import build_session

    assert study.outcomes[0].value_maps.shape == (2, 2, 2)
    session = build_session(config("survival", seeds=2))
    weights = session.variable("place_critic", "w")
    weights[0], weights[1] = 0.0, 3.0
    before = weights.copy()
    nothing, much = value_maps(session, 2)
    assert nothing.max() < 0.5 < much.min() - nothing.max()
    np.testing.assert_array_equal(session.variable("place_critic", "w"), before)
    assert value_maps(session, 0).shape == (2, 0, 0)


# ---------------------------------------------------------------------- what people get


def test_the_command_writes_everything(
    study: Comparison, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def computed(settings: Settings, folder: Path, workers: Any, threads: int, progress: Any) -> Comparison:
        asked.extend((settings, workers, threads))
        progress(Progress("learning", 1, 2))
        folder.mkdir()
        return study

    monkeypatch.setattr("snnrl.studies.rewards.compare_rewards", computed)
    monkeypatch.setenv("COLUMNS", "200")  # no cell is wrapped
    words = [
        "--rewards",
        "survival,failure",
        "--synapses",
        "ideal",
        "--seeds",
        "2",
        "--no-equalise",
        "--workers",
        "0",
    ]
    words += ["--threads", "1", "--set", "failure.penalty=2", "--set", "network.critic_size=2"]
    numbers, folder = tmp_path / "numbers.json", tmp_path / "study"
    assert main(["compare-rewards", "cartpole", *words, "--out", str(folder), "--json", str(numbers)]) == 0
    assert asked == [
        Settings(rewards=("survival", "failure"), synapses=("ideal",), seeds=2, equalise=False,
                 reward_parameters={"failure": {"penalty": 2}}, network_parameters={"critic_size": 2}), None, 1,
    ]  # fmt: skip
    assert report.command(asked[0]) == shlex.join(
        ("snnrl", "compare-rewards", "cartpole", *words[:7], *words[-4:])
    )
    printed = capsys.readouterr().out
    assert "random policy" in printed
    assert "report.html" in printed.replace("\n", "")
    found = json.loads(numbers.read_text())
    assert [row["reward"] for row in found["rows"]] == ["survival", "failure"]
    assert found == json.loads((folder / "results.json").read_text())
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "ASE/ACE" in page
    assert "<link" not in page


def test_interrupting_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Comparison:
        raise KeyboardInterrupt

    monkeypatch.setattr("snnrl.studies.rewards.compare_rewards", interrupted)
    words = ["compare-rewards", "cartpole", "--seeds", "3", "--workers", "0", "--out", str(tmp_path)]
    assert main(words) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "snnrl: interrupted, finished parts are kept; go on with: snnrl compare-rewards cartpole --seeds 3 "
        f"--out {tmp_path}"
    )
