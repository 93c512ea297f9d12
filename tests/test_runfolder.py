"""Run folders: what is written comes back, damage is named, nothing is lost half way."""

import json
import os
import platform
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnrl.errors import InvalidValueError, RunFolderError, UnknownNameError
from snnrl.training import runfolder
from snnrl.training.config import TrainingConfig
from snnrl.training.files import replace_file, write_json
from snnrl.training.result import NEVER, AgentRecord
from snnrl.training.runfolder import RunFolder, default_path

CONFIG = TrainingConfig(
    synapse="memristive", seeds=2, seed=7, task_parameters={"force": 8.0}, reward_parameters={"failure": -1.0}
)


def agents() -> list[AgentRecord]:
    return [
        AgentRecord(
            7, np.array([9, 30]), np.array([8.5, 29.25]), 2, np.array([500]), 210.0, 12.5, np.array([0.1])
        ),
        AgentRecord(
            8, np.array([11, 12, 13]), np.array([1.0, 2.0, 3.0]), NEVER, np.zeros(0, np.int64), 190.0
        ),
    ]


def test_config_comes_back_with_everything_needed_to_repeat(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "new" / "run", CONFIG)
    content = json.loads((folder.path / "config.json").read_text())
    assert content["format"] == runfolder.FORMAT
    assert set(content["versions"]) == {"snnrl", "numpy", "numba", "python", "platform"}
    assert content["versions"]["numpy"] == np.__version__
    assert content["versions"]["python"] == platform.python_version()
    opened = RunFolder.open(folder.path)
    assert opened.config == CONFIG
    assert opened.versions == folder.versions
    assert not opened.finished
    assert not opened.has_checkpoint


def test_checkpoint_comes_back(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    state = {"critic/w": np.arange(6.0).reshape(2, 3), "step": np.array([4, 5]), "file": np.array(["a", "b"])}
    folder.save_checkpoint(state, agents())
    assert folder.has_checkpoint
    loaded, records = folder.load_checkpoint()
    assert set(loaded) == set(state)
    for name, array in state.items():
        assert np.array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype
    assert len(records) == 2
    for found, wanted in zip(records, agents(), strict=True):
        for field, value in vars(wanted).items():
            assert np.array_equal(getattr(found, field), value), field
    assert records[1].writes_per_device is None


def test_checkpoint_without_agents(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.save_checkpoint({}, [])
    assert folder.load_checkpoint() == ({}, [])


def test_state_that_cannot_be_stored_is_refused_and_the_old_checkpoint_stays(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.save_checkpoint({"w": np.ones(3)}, agents())
    with pytest.raises(InvalidValueError, match="record/"):
        folder.save_checkpoint({"record/w": np.ones(3)}, agents())
    with pytest.raises(InvalidValueError, match="objects"):
        folder.save_checkpoint({"w": np.array([{}])}, agents())
    assert np.array_equal(folder.load_checkpoint()[0]["w"], np.ones(3))


def test_kill_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.save_checkpoint({"w": np.ones(3)}, agents())

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.save_checkpoint({"w": np.zeros(3)}, agents())
    assert np.array_equal(folder.load_checkpoint()[0]["w"], np.ones(3))
    assert sorted(path.name for path in folder.path.iterdir()) == ["agent.npz", "config.json"]


def test_episodes(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    folder.write_episodes(agents())
    lines = (folder.path / "episodes.csv").read_text().splitlines()
    assert lines[0] == "seed,episode,length,reward,phase"
    assert lines[1:4] == ["7,1,9,8.5,train", "7,2,30,29.25,train", "7,1,500,0.1,evaluate"]
    assert len(lines) == 1 + 3 + 3
    rows = folder.read_episodes()
    assert rows[-1] == {"seed": "8", "episode": "3", "length": "13", "reward": "3.0", "phase": "train"}


def test_summary_marks_the_run_as_finished_and_has_no_nan(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(RunFolderError, match=r"summary\.json: missing"):
        folder.read_summary()
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_summary({"median_episodes": float("inf")})
    assert not folder.finished
    folder.write_summary({"seeds": 2, "median_episodes": None})
    assert folder.finished
    assert folder.read_summary() == {"seeds": 2, "median_episodes": None}


def test_a_taken_folder_is_refused(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(RunFolderError, match=r"already holds a run.*--resume"):
        RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(RunFolderError, match="exists and is no run folder"):
        RunFolder.create(tmp_path, CONFIG)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="exists and is no run folder"):
        RunFolder.create(tmp_path / "file", CONFIG)
    (tmp_path / "empty").mkdir()
    assert RunFolder.create(tmp_path / "empty", CONFIG).path.is_dir()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="file/run: cannot be written"):
        RunFolder.create(tmp_path / "file" / "run", CONFIG)
    with pytest.raises(RunFolderError, match=r"missing/a\.json: cannot be written"):
        replace_file(tmp_path / "missing" / "a.json", b"")


def changed(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text()) | changes
    write_json(path, content)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="nowhere: no such run folder"):
        RunFolder.open(tmp_path / "nowhere")
    with pytest.raises(RunFolderError, match=r"config\.json: missing.*half written"):
        RunFolder.open(tmp_path)
    path = RunFolder.create(tmp_path / "run", CONFIG).path
    changed(path / "config.json", format=99, versions={"snnrl": "9.9"})
    with pytest.raises(RunFolderError, match=r"format 99 \(written by snnrl 9\.9\), allowed: 1"):
        RunFolder.open(path)
    changed(path / "config.json", format=runfolder.FORMAT, options={"tusk": "cartpole"})
    with pytest.raises(RunFolderError, match=r"option: got 'tusk', allowed: .*did you mean 'task'"):
        RunFolder.open(path)
    changed(path / "config.json", options={"seeds": -1})
    with pytest.raises(RunFolderError, match="seeds: got -1"):
        RunFolder.open(path)
    for text, found in (('{"format": 1, "ver', "damaged"), ("[1]", "no JSON object")):
        (path / "config.json").write_text(text)
        with pytest.raises(RunFolderError, match=rf"config\.json: .*{found}"):
            RunFolder.open(path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG)
    with pytest.raises(RunFolderError, match=r"agent\.npz: missing.*--resume"):
        folder.load_checkpoint()
    folder.save_checkpoint({"w": np.arange(1000.0)}, agents())
    whole = (folder.path / "agent.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[2000] ^= 255
    for damaged in (whole[: len(whole) // 2], b"", bytes(flipped)):
        (folder.path / "agent.npz").write_bytes(damaged)
        with pytest.raises(RunFolderError, match=r"agent\.npz: damaged"):
            folder.load_checkpoint()
    np.savez(folder.path / "agent.npz", w=np.ones(2))
    with pytest.raises(RunFolderError, match=r"agent\.npz: damaged or not a checkpoint"):
        folder.load_checkpoint()


def test_resume_needs_the_same_version(tmp_path: Path) -> None:
    path = RunFolder.create(tmp_path / "run", CONFIG).path
    assert RunFolder.open_to_resume(path).config == CONFIG
    changed(path / "config.json", versions={"snnrl": "0.0.1"})
    assert RunFolder.open(path).config == CONFIG
    with pytest.raises(RunFolderError, match=r"begun by snnrl 0\.0\.1"):
        RunFolder.open_to_resume(path)


def test_default_path() -> None:
    config = TrainingConfig(task="gym:Acrobot-v1", plasticity="r-stdp")
    path = default_path(config, datetime(2025, 3, 4, 15, 6, 7))
    assert path == Path("runs/gym_Acrobot-v1-actor-critic-r-stdp-ideal-20250304-150607")


def test_config_fills_in_what_depends_on_other_options() -> None:
    assert (CONFIG.device, CONFIG.spread) == ("vteam", 0.3)
    assert (CONFIG.reward, CONFIG.solve_threshold) == ("gaussian", 475.0)
    assert list(CONFIG.agent_seeds) == [7, 8]
    acrobot = TrainingConfig(task="gym:Acrobot-v1")
    assert (acrobot.reward, acrobot.solve_threshold, acrobot.device) == ("environment", None, None)
    assert CONFIG.make_task().parameters()["force"] == 8.0
    assert CONFIG.make_reward().parameters["failure"] == -1.0
    device = CONFIG.make_device()
    assert device is not None
    assert device.threshold_dtod == 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "cartpol"}, "task: got 'cartpol'.*did you mean 'cartpole'"),
        (
            {"network": "actor"},
            "network: got 'actor', allowed: actor-critic, crossbar, dense, reward-modulated",
        ),
        ({"plasticity": "stdp"}, "plasticity: got 'stdp'"),
        ({"synapse": "memristor"}, "synapse: got 'memristor'"),
        ({"engine": "quick"}, "engine: got 'quick'"),
        ({"dtype": "float16"}, "dtype: got 'float16'"),
        ({"reward": "gausian"}, "reward: got 'gausian'.*did you mean 'gaussian'"),
        ({"synapse": "memristive", "device": "vtem"}, "device: got 'vtem'.*did you mean 'vteam'"),
    ],
)
def test_unknown_names_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        TrainingConfig(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds: got 0, allowed: a whole number of at least 1"),
        ({"seeds": True}, "seeds: got True"),
        ({"seeds": 2.0}, "seeds: got 2.0"),
        ({"seed": -1}, "seed: got -1"),
        ({"episodes": "ten"}, "episodes: got 'ten'"),
        ({"evaluation_episodes": -5}, "evaluation_episodes: got -5"),
        ({"threads": 0}, "threads: got 0"),
        ({"solve_threshold": float("nan")}, "solve_threshold: got nan"),
        ({"device": "vteam"}, "device: got 'vteam', allowed: only with synapse 'memristive'"),
        ({"spread": 0.1}, "spread: got 0.1, allowed: only with synapse 'memristive'"),
        ({"synapse": "memristive", "spread": -0.1}, "spread: got -0.1"),
        ({"synapse": "memristive", "spread": 1.0}, "spread: got 1.0"),
        ({"task": "gym:Acrobot-v1", "reward": "gaussian"}, "reward gaussian"),
    ],
)
def test_values_outside_their_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        TrainingConfig(**options)


def test_command_repeats_the_run() -> None:
    words = CONFIG.command()
    assert words.startswith("snnrl train cartpole --set task.force=8.0 --network actor-critic")
    assert "--set reward.failure=-1.0" in words
    assert "--synapse memristive --device vteam --spread 0.3" in words
    assert "--threads" not in words
