"""Teachers in training: the double target, the memory of frames, runs that go on where they were, the command."""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch.nn import functional

from snnrl.cli import main
from snnrl.distillation.teachers import load_teacher
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.tasks.atari import Atari
from snnrl.training import atari_run, atari_sb3
from snnrl.training.atari_options import Ddqn, Ppo, make_options
from snnrl.training.atari_replay import FrameReplay
from snnrl.training.atari_run import AtariConfig, AtariProgress
from snnrl.training.atari_run import train_atari as train
from snnrl.training.atari_sb3 import LEARNING, AtariLearner, double_values
from snnrl.training.atari_vec_env import AtariVecEnv
from snnrl.training.checkpoint import unpack

SMALL: dict[str, dict[str, Any]] = {
    "ddqn": {"steps": 120, "environments": 2, "buffer": 64, "learning_starts": 60, "batch": 4, "target_every": 8,
             "exploration_steps": 100, "train_every": 4},
    "ppo": {"steps": 64, "environments": 2, "rollout": 8, "batch": 8, "epochs": 1},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_blocks_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(atari_sb3, "BLOCK", 40)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------------- double targets


def test_double_value_is_the_targets_of_the_onlines_choice() -> None:
    online = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, -1.0]])
    target = torch.tensor([[10.0, 20.0, 30.0], [-7.0, 8.0, 9.0]])
    assert double_values(online, target).tolist() == [[20.0], [-7.0]]


def test_double_dqn_learns_from_double_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = AtariLearner(
        "pong", Ddqn(**(SMALL["ddqn"] | {"learning_starts": 10_000})), seed=1, device="cpu"
    )
    try:
        learner.block()
        model: Any = learner.model
        generator = torch.Generator().manual_seed(0)
        for parameter in model.q_net_target.parameters():  # or both would prefer the same action
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
        monkeypatch.setattr(model, "gamma", 0.75)
        seen: list[torch.Tensor] = []

        def loss(values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            seen.append(targets)
            return functional.mse_loss(values, targets)

        np.random.seed(0)
        batch = model.replay_buffer.sample(32)
        with torch.no_grad():
            chosen = model.q_net(batch.next_observations).argmax(dim=1)
            values = model.q_net_target(batch.next_observations)
            double = batch.rewards[:, 0] + 0.75 * (1 - batch.dones[:, 0]) * values[torch.arange(32), chosen]
            single = batch.rewards[:, 0] + 0.75 * (1 - batch.dones[:, 0]) * values.max(dim=1).values
        monkeypatch.setattr("stable_baselines3.dqn.dqn.F.smooth_l1_loss", loss)
        np.random.seed(0)
        target_net = model.q_net_target
        model.train(1, 32)
        assert model.q_net_target is target_net
        torch.testing.assert_close(seen[0][:, 0], double)
        assert not torch.allclose(single, double)
    finally:
        learner.close()


# ---------------------------------------------------------------------- memory


def test_memory_gives_back_the_stacks_that_went_in() -> None:
    rng, n, size = np.random.default_rng(0), 2, 24
    box = spaces.Box(0, 255, (4, 2, 2), np.uint8)
    memory = FrameReplay(size * n, box, spaces.Discrete(6), "cpu", n)
    stacks = np.zeros((n, 4, 2, 2), np.uint8)
    fresh, number = np.ones(n, dtype=bool), 0
    kept: dict[int, tuple[Any, ...]] = {}
    for step in range(3 * size):
        for lane in range(n):
            number = number % 255 + 1
            stacks[lane, :-1] = 0 if fresh[lane] else stacks[lane, 1:]
            stacks[lane, -1] = number
        done = rng.random(n) < 0.2
        cut = done & (rng.random(n) < 0.3)
        actions, rewards = rng.integers(0, 6, n), rng.integers(-1, 2, n).astype(np.float32)
        memory.add(
            stacks.copy(), stacks, actions, rewards, done, [{"TimeLimit.truncated": bool(c)} for c in cut]
        )
        for lane in range(n):
            kept[step * n + lane] = (stacks[lane].copy(), actions[lane], rewards[lane], done[lane], cut[lane])
        fresh = done
        if step % 5 == 4:
            check(memory, kept, n, step)


def check(memory: FrameReplay, kept: dict[int, tuple[Any, ...]], n: int, step: int) -> None:
    """Compare drawn decisions with what went in, found by the newest frame, whose number is of its own."""
    oldest = max(0, step + 1 - memory.buffer_size)
    within = {int(row[0][-1, 0, 0]): at for at, row in kept.items() if at // n >= oldest}
    batch = memory.sample(64)
    drawn = set()
    for i in range(64):
        obs = batch.observations[i].numpy()
        at = within[int(obs[-1, 0, 0])]
        expected, action, reward, done, cut = kept[at]
        drawn.add(at)
        assert not cut
        assert at // n < step  # the screen after it has to be there
        assert np.array_equal(obs, expected)
        assert (batch.actions[i].item(), batch.rewards[i].item(), batch.dones[i].item()) == (
            action,
            reward,
            done,
        )
        if not done:
            assert np.array_equal(batch.next_observations[i].numpy(), kept[at + n][0])
    assert len(drawn) > 8 or step < 12


def test_environments_clip_rewards_and_start_stacks_anew() -> None:
    environments = AtariVecEnv(Atari("breakout", 2, 1, dataclasses.replace(LEARNING, noop_max=0)))
    seen, rewards, ends = [environments.reset()], [], 0
    for action in np.random.default_rng(0).integers(0, 4, 250):
        environments.step_async(np.array([action, 1]))
        stacks, reward, done, infos = environments.step_wait()
        rewards += reward.tolist()
        for lane in range(2):
            old = not stacks[lane, :3].any()
            assert old == done[lane] or len(seen) < 4
            if done[lane]:
                ends += 1
                assert np.array_equal(infos[lane]["terminal_observation"][:3], seen[-1][lane, 1:])
                assert infos[lane]["TimeLimit.truncated"] is False
            elif len(seen) > 1:
                assert np.array_equal(stacks[lane, :3], seen[-1][lane, 1:])
        seen.append(stacks)
    environments.close()
    assert ends > 5
    assert set(rewards) == {0.0, 1.0}
    assert len(environments.games) >= 1


# ---------------------------------------------------------------------- runs


def stop_after(blocks: int) -> Callable[[], bool]:
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) >= blocks

    return stopped


def arrays(folder: Path) -> dict[str, NDArray[Any]]:
    found = unpack((folder / "agent.npz").read_bytes())[0]
    model = found.pop("model").tobytes()
    found.pop("seconds")
    (folder / "copy.zip").write_bytes(model)
    return found


@pytest.mark.parametrize("algorithm", ["ddqn", "ppo"])
def test_resumed_run_ends_as_an_uninterrupted_one(tmp_path: Path, algorithm: str) -> None:
    config = AtariConfig("pong", algorithm, 3, 0, "cpu", SMALL[algorithm])
    told: list[AtariProgress] = []
    whole = train(config, tmp_path / "whole", progress=told.append)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "parts", stopped=stop_after(2))
    assert not (tmp_path / "parts" / "summary.json").exists()
    parts = train(config, tmp_path / "parts", resume=True)
    assert parts | {"wall_time": 0} == whole | {"wall_time": 0}
    assert whole["steps"] >= SMALL[algorithm]["steps"]
    assert told[-1].done == whole["steps"]
    one, two = arrays(tmp_path / "whole"), arrays(tmp_path / "parts")
    assert one.keys() == two.keys()
    assert [name for name in one if not np.array_equal(one[name], two[name])] == []
    teachers = [load_teacher(tmp_path / name, "pong") for name in ("whole", "parts")]
    screens = np.random.default_rng(0).integers(0, 256, (4, 4, 84, 84), dtype=np.uint8)
    assert np.array_equal(*(teacher.outputs_of(screens) for teacher in teachers))
    assert teachers[0].outputs == {"ddqn": "q-values", "ppo": "logits"}[algorithm]
    assert teachers[0].preprocessing == "ddqn"


def test_teacher_file_acts_as_the_learner(tmp_path: Path) -> None:
    learner = AtariLearner("pong", Ppo(**SMALL["ppo"]), seed=1, device="cpu")
    (tmp_path / "t.zip").write_bytes(learner.to_zip())
    teacher = load_teacher(tmp_path / "t.zip", "pong")
    screens = np.random.default_rng(0).integers(0, 256, (32, 4, 84, 84), dtype=np.uint8)
    actions = learner.act(screens)
    learner.close()
    assert teacher.act(teacher.outputs_of(screens)).tolist() == actions.tolist()
    assert len(set(actions.tolist())) > 1


def test_checkpoint_that_is_damaged(tmp_path: Path) -> None:
    config = AtariConfig("pong", "ppo", 3, 0, "cpu", SMALL["ppo"])
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", stopped=stop_after(1))
    path = tmp_path / "run" / "agent.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RunFolderError, match=r"agent\.npz: damaged") as caught:
        train(config, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunFolderError, match="already holds a run"):
        train(config, tmp_path / "run")


# ---------------------------------------------------------------------- command


def words(algorithm: str) -> list[str]:
    options = ["--set", "engine.device=cpu", "--algo", algorithm, "--evaluation-episodes", "0"]
    for name, value in SMALL[algorithm].items():
        options += ["--set", f"network.{name}={value}"]
    return options


def test_command_trains_is_interrupted_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    block = atari_sb3.AtariLearner.block

    def pressed(self: AtariLearner) -> None:
        signal.raise_signal(signal.SIGINT)
        block(self)

    with monkeypatch.context() as patched:
        patched.setattr(atari_sb3.AtariLearner, "block", pressed)
        assert main(["train", "atari:pong", "--out", str(run), *words("ppo")]) == 130
    said = capsys.readouterr().err
    assert f"interrupted, the checkpoint is kept; go on with: snnrl train --resume {run}" in said
    assert main(["train", "--resume", str(run), "--json", str(tmp_path / "s.json")]) == 0
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["steps"] == SMALL["ppo"]["steps"]
    assert (run / "games.csv").read_text().startswith("steps,score,decisions\n")
    assert main(["train", "--resume", str(run), "--algo", "ddqn"]) == 2
    assert "got 'ddqn', allowed: 'ppo', as the resumed run began" in capsys.readouterr().err


def test_evaluation_plays_the_games_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = dataclasses.replace(atari_run.EVALUATION, max_frames=240)
    monkeypatch.setattr(atari_run, "EVALUATION", short)
    monkeypatch.setattr(atari_run, "LANES", 2)
    config = AtariConfig("pong", "ppo", 3, 3, "cpu", SMALL["ppo"])
    summary = train(config, tmp_path / "run")
    assert len(summary["scores"]) == 3
    assert summary["score_mean"] == np.mean(summary["scores"])
    assert summary["protocol"] == short.describe()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["atari:pnog"], "game: got 'pnog', allowed: beam-rider"),
        (["atari:pong", "--algo", "a2c"], "got 'a2c', allowed: ddqn, ppo"),
        (
            ["atari:pong", "--synapse", "memristive"],
            "--synapse: got 'memristive', allowed: nothing with a game",
        ),
        (["atari:pong", "--seed", "-1"], "seed: got -1"),
        (["atari:pong", "--set", "network.stepz=3"], "got 'stepz', allowed: batch"),
        (["atari:pong", "--set", "network.steps=0"], "Ddqn.steps: got 0"),
        (["atari:pong", "--set", "network.gamma=x"], "Ddqn.gamma: got 'x', allowed: a number"),
        (["atari:pong", "--set", "engine.device=tpu"], "device: got 'tpu', allowed: auto, cpu, cuda"),
        (["atari:pong", "--set", "engine.target=x"], "--set engine.*"),
    ],
)
def test_bad_options_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments, "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_numbers_out_of_range() -> None:
    for algorithm, name, value in (
        ("ddqn", "train_every", 3),
        ("ddqn", "buffer", 10),
        ("ddqn", "exploration_final", 2.0),
        ("ppo", "batch", 10_000),
        ("ppo", "clip", 0.0),
    ):
        with pytest.raises(InvalidValueError, match=name):
            make_options(algorithm, {name: value})
