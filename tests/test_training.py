"""Interrupted runs end with the numbers of uninterrupted ones; evaluations repeat."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnrl
from snnrl.errors import RunFolderError, UnknownNameError
from snnrl.training import train as training
from snnrl.training.config import TrainingConfig
from snnrl.training.result import Progress, TrainingResult
from snnrl.training.runfolder import RunFolder

SMALL = {"cells_per_variable": 2, "critic_size": 4, "actor_size": 3}
CONFIG = TrainingConfig(seeds=3, seed=5, episodes=6, evaluation_episodes=5, threads=1, network_parameters=SMALL,
                        evaluation_exploration=0.5)  # fmt: skip


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the clock every 40 steps, so that a short run has a middle; leave out what has its own tests."""
    monkeypatch.setattr(training, "CHUNK", 40)
    monkeypatch.setattr(training._Run, "_baselines", lambda run: None)


def learned(path: Path) -> dict[str, np.ndarray]:
    """Load what is in ``agent.npz``, without the clock on the wall."""
    state, _ = RunFolder.open(path).load_checkpoint()
    return {name: array for name, array in state.items() if name != "wall_time"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingResult, Path, list[Progress]]:
    """Do the run without an interruption, with the report of what happened on the way."""
    path, seen = tmp_path_factory.mktemp("whole") / "run", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CHUNK", 40)
        patch.setattr(training._Run, "_baselines", lambda run: None)
        return training.train(CONFIG, path, None, seen.append), path, seen


class Interrupt:
    """Progress function that raises at its n-th call in a phase."""

    def __init__(self, phase: str, call: int, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.phase, self.left, self.error = phase, call, error

    def __call__(self, progress: Progress) -> None:
        """Count, and raise."""
        self.left -= progress.phase == self.phase
        if self.left == 0:
            raise self.error


def assert_same_result(result: TrainingResult, path: Path, whole: tuple[TrainingResult, Path, Any]) -> None:
    for mine, expected in zip(result.agents, whole[0].agents, strict=True):
        for field in dataclasses.fields(mine):
            np.testing.assert_array_equal(
                getattr(mine, field.name), getattr(expected, field.name), err_msg=field.name
            )
    mine, expected = learned(path), learned(whole[1])
    assert mine.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(mine[name], expected[name], err_msg=name)
    assert result.recording is not None
    assert whole[0].recording is not None
    for name, spikes in whole[0].recording.spikes.items():
        np.testing.assert_array_equal(result.recording.spikes[name], spikes, err_msg=name)


def test_the_whole_run_is_worth_interrupting(whole: tuple[TrainingResult, Path, list[Progress]]) -> None:
    result, _, seen = whole
    phases = [p.phase for p in seen]
    assert phases.count("learning") >= 3
    assert phases.count("evaluation") >= 2
    assert phases == sorted(phases, reverse=True)
    assert [p.env_steps for p in seen if p.phase == "learning"][-1] == sum(
        a.episode_lengths.sum() for a in result.agents
    )
    assert seen[-1].seeds_done == 3
    for agent in result.agents:
        assert len(agent.episode_lengths) == 6
        assert len(agent.evaluation_lengths) == len(agent.evaluation_rewards) == 5
    assert len({tuple(agent.episode_lengths) for agent in result.agents}) == 3


@pytest.mark.parametrize(
    ("phase", "call"), [("learning", 1), ("learning", 2), ("evaluation", 1), ("evaluation", 2)]
)
def test_interrupted_and_resumed_is_uninterrupted(phase: str, call: int, whole: Any, tmp_path: Path) -> None:
    """The same numbers, and nothing that was done before is done again."""
    path, seen = tmp_path / "run", []
    with pytest.raises(KeyboardInterrupt):
        training.train(CONFIG, path, None, Interrupt(phase, call))
    assert_same_result(training.train(CONFIG, None, path, seen.append), path, whole)
    looks = [progress.phase for progress in whole[2]]
    assert [progress.phase for progress in seen] == looks[looks.index(phase) + call :]


def test_interrupted_at_every_look_at_the_clock(whole: Any, tmp_path: Path) -> None:
    path, options = tmp_path / "run", {"out": tmp_path / "run"}
    for _ in whole[2]:
        with pytest.raises(KeyboardInterrupt):
            training.train(CONFIG, **options, progress=_raise)  # type: ignore[arg-type]
        options = {"resume": path}
    assert_same_result(training.train(CONFIG, None, path, _raise), path, whole)


def _raise(progress: Progress) -> None:
    raise KeyboardInterrupt


def test_a_crash_goes_back_to_the_last_checkpoint(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a chance to save: two looks were saved, the third is lost and done again."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1.0)
    path = tmp_path / "run"
    with pytest.raises(MemoryError):
        training.train(CONFIG, path, None, Interrupt("learning", 3, MemoryError))
    assert RunFolder.open_to_resume(path).has_checkpoint
    assert_same_result(training.train(CONFIG, None, path), path, whole)


def test_resume_through_the_public_function(whole: Any, tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        snnrl.train("cartpole", out=path, progress=Interrupt("learning", 2), **given_options())
    result = snnrl.train(resume=path)
    assert_same_result(result, path, whole)


def given_options() -> dict[str, Any]:
    return {name: value for name, value in CONFIG.to_dict().items() if name != "task" and value is not None}


def test_unknown_option_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"'episods'.*did you mean 'episodes'"):
        snnrl.train("cartpole", episods=3)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_chunks_change_nothing(
    threads: int, whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHUNK", 1000)
    config = dataclasses.replace(CONFIG, threads=threads)
    assert_same_result(training.train(config, tmp_path / "run"), tmp_path / "run", whole)


def test_interrupted_inside_an_episode_of_a_gymnasium_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C falls anywhere; an environment cannot be saved, so the episode it falls in is played again."""
    from gymnasium.envs.classic_control import CartPoleEnv

    config = dataclasses.replace(CONFIG, task="gym:CartPole-v1", task_parameters={"steps": 20}, reward=None,
                                 solve_threshold=None, seeds=1, episodes=5, evaluation_episodes=2)  # fmt: skip
    whole = training.train(config, tmp_path / "whole"), tmp_path / "whole", []
    with monkeypatch.context() as patch:
        patch.setattr(CartPoleEnv, "step", _interrupting(CartPoleEnv.step, 37))
        with pytest.raises(KeyboardInterrupt):
            training.train(config, tmp_path / "run")
    assert_same_result(training.train(config, None, tmp_path / "run"), tmp_path / "run", whole)


def _interrupting(step: Callable[..., Any], calls: int) -> Callable[..., Any]:
    left = [calls]

    def interrupted(env: Any, action: int) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return step(env, action)

    return interrupted


# ---------------------------------------------------------------------- evaluation


def test_evaluation_of_a_run_repeats_itself_and_the_run(whole: Any) -> None:
    """Same episodes each time, the same as those of the run itself, and nothing in the folder changes."""
    _, path, _ = whole
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    first, second = (snnrl.evaluate(path, episodes=5) for _ in range(2))
    assert first == second
    own = RunFolder.open(path).read_summary()
    for key in ("evaluation_mean", "evaluation_worst", "spikes_per_step"):
        assert first[key] == own[key], key
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before


def test_evaluation_with_other_exploration_differs(whole: Any) -> None:
    quiet, loud = (snnrl.evaluate(whole[1], episodes=8, exploration=level) for level in (0.0, 3.0))
    assert quiet["spikes_per_step"] != loud["spikes_per_step"]


def test_a_run_that_is_not_finished_can_not_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.train(CONFIG, tmp_path / "run", None, Interrupt("learning", 1))
    with pytest.raises(RunFolderError, match=r"half written|--resume"):
        snnrl.evaluate(tmp_path / "run")


# ---------------------------------------------------------------------- what the records hold


def test_silent_population_ends_training_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from snnrl.errors import SimulationError

    monkeypatch.setattr(training, "SILENT_AFTER", 10)
    dead = dataclasses.replace(
        CONFIG, network_parameters={**SMALL, "critic_bias": 0.1, "critic_noise": 0.0, "gain": 1e-9}
    )
    with pytest.raises(SimulationError, match="population 'critic' has been silent for"):
        training.train(dead)


@pytest.mark.usefixtures("interpreted")
def test_rewards_in_the_records_are_sums_of_the_reward() -> None:
    """Survival pays one per step, so an episode's reward is its length less the fall."""
    from snnrl.tasks import rewards

    result = training.train(
        dataclasses.replace(CONFIG, reward="survival", evaluation_episodes=0, seeds=2, episodes=3)
    )
    survival = rewards.make("survival")
    for agent in result.agents:
        for length, total in zip(agent.episode_lengths, agent.episode_rewards, strict=True):
            each = [survival(np.zeros(4), np.zeros(4), step == length, step) for step in range(1, length + 1)]
            assert total == pytest.approx(sum(each))
        assert agent.evaluation_lengths.size == 0
