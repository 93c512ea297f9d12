"""The command line as users meet it: a process, its exit code, and what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from snnrl.cli import main, progress
from snnrl.cli.progress import progress_text, share_done
from snnrl.cli.text import print_table
from snnrl.errors import InvalidValueError
from snnrl.training.config import TrainingConfig
from snnrl.training.files import write_json
from snnrl.training.result import Progress
from snnrl.training.runfolder import RunFolder

HEAVY = ("torch", "brian2", "bindsnet", "numba", "matplotlib", "scipy", "gymnasium", "sympy", "pandas")


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snnrl", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def refusal(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a command that must be refused, and return its one line."""
    done = run(*words, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("snnrl: ")
    return lines[0].removeprefix("snnrl: ")


def imported(code: str) -> set[str]:
    """Return the top-level packages in memory after running `code` in a fresh process."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import snnrl",
        "from snnrl.cli import main\nmain(['--help'])",
        "from snnrl.cli import main\nmain(['train', 'x'])",
    ],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert imported(code).isdisjoint(HEAVY)


def test_help_of_every_command_has_an_example() -> None:
    top = run("--help")
    assert top.returncode == 0
    for command in ("train", "evaluate", "info"):
        assert command in top.stdout
        page = run(command, "--help")
        assert page.returncode == 0
        assert f"snnrl {command}" in page.stdout.partition("Example")[2]


def test_train_help_lists_every_option() -> None:
    page = run("train", "--help").stdout
    for name in TrainingConfig().to_dict():
        if name != "task" and not name.endswith("_parameters"):
            assert f"--{name.replace('_', '-')}" in page
    for option in ("--out", "--resume", "--json", "--set"):
        assert option in page


def test_a_table_in_a_file_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    words = [f"column-number-{k}" for k in range(30)]
    print_table("wide", words, [words])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [words, words]
    monkeypatch.setenv("COLUMNS", "60")
    print_table("wide", words, [words])
    assert all(len(line) <= 60 for line in capsys.readouterr().out.splitlines())


def test_without_a_command_help_is_shown() -> None:
    assert run().stdout.strip() == run("--help").stdout.strip()


def test_version() -> None:
    from importlib import metadata

    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"snnrl {metadata.version('snnrl')}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train",), "TASK: got None, allowed: acrobot, cartpole, "),
        (("train", "cartpol"), "TASK: got 'cartpol', allowed: acrobot, cartpole, "),
        (("train", "gym:Nope-v0"), "GymTask.env_id: got 'Nope-v0', allowed: "),
        (
            ("train", "cartpole", "--seeds", "abc"),
            "--seeds: got 'abc', allowed: a whole number of at least 1",
        ),
        (("train", "cartpole", "--seeds", "0"), "--seeds: got 0, allowed: a whole number of at least 1"),
        (
            ("train", "cartpole", "--episodes", "-3"),
            "--episodes: got -3, allowed: a whole number of at least 1",
        ),
        (("train", "cartpole", "--evaluation-episodes", "1.5"), "--evaluation-episodes: got 1.5, allowed: "),
        (("train", "cartpole", "--threads", "0"), "--threads: got 0, allowed: "),
        (("train", "cartpole", "--network", "actor"), "--network: got 'actor', allowed: actor-critic, "),
        (
            ("train", "cartpole", "--plasticity", "stdp"),
            "--plasticity: got 'stdp', allowed: a2c, dqn, exact, manhattan, policy-gradient, ppo, r-stdp, td-ltp, variable-amplitude, vpg",
        ),
        (("train", "cartpole", "--reward", "gausian"), "--reward: got 'gausian', allowed: "),
        (("train", "cartpole", "--device", "vteam"), "--device: got 'vteam', allowed: only with synapse"),
        (
            ("train", "cartpole", "--engine", "quick"),
            "--engine: got 'quick', allowed: bindsnet, brian2, fast, torch",
        ),
        (
            ("train", "cartpole", "--set", "force=3"),
            "--set: got 'force=3', allowed: task.NAME=VALUE, device.NAME=VALUE, reward.NAME=VALUE",
        ),
        (
            ("train", "cartpole", "--set", "device.rate=2"),
            "--set device.*: got {'rate': 2}, allowed: only with synapse 'memristive'",
        ),
        (("train", "cartpole", "--set", "task.force=-1"), "CartPole.force: got -1, allowed: "),
        (
            ("train", "cartpole", "--set", "reward.width=1"),
            "parameter of reward gaussian: got 'width', allowed: ",
        ),
        (
            ("train", "cartpole", "--json", "no/such/folder.json"),
            "--json: got 'no/such/folder.json', allowed: ",
        ),
        (("train", "--resume", "nowhere"), "nowhere: no such run folder, allowed: "),
        (("evaluate", "nowhere"), "nowhere: no such run folder, allowed: "),
        (
            ("evaluate", "nowhere", "--episodes", "0"),
            "--episodes: got 0, allowed: a whole number of at least 1",
        ),
        (("info", "nowhere"), "nowhere: no such run folder, allowed: "),
        (("train", "cartpole", "--seedz", "3"), "No such option: --seedz"),
        (("tran",), "No such command 'tran'."),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], message: str, tmp_path: Path) -> None:
    assert refusal(*words, cwd=tmp_path).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_python_gives_the_same_message() -> None:
    with pytest.raises(InvalidValueError) as caught:
        TrainingConfig(evaluation_episodes=-1)
    assert refusal("train", "cartpole", "--evaluation-episodes", "-1") == "--evaluation-episodes" + str(
        caught.value
    ).removeprefix("evaluation_episodes")


def test_a_run_folder_is_never_overwritten(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", TrainingConfig(seeds=3))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "already holds a run, allowed: a new folder, or '--resume" in refusal(
        "train", "cartpole", "--out", folder.path
    )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_resume_refuses_other_options_and_another_place(tmp_path: Path) -> None:
    path = RunFolder.create(tmp_path / "run", TrainingConfig(seeds=3, reward="angle")).path
    resume = ("train", "--resume", path)
    assert refusal(*resume, "--seeds", "4") == "--seeds: got 4, allowed: 3, as the resumed run began"
    assert refusal(*resume, "--reward", "cosine").startswith("--reward: got 'cosine', allowed: 'angle'")
    assert refusal("train", "cartpole-v0", *resume[1:]).startswith(
        "TASK: got 'cartpole-v0', allowed: 'cartpole'"
    )
    assert refusal(*resume, "--out", "elsewhere").startswith(
        "--out: got 'elsewhere', allowed: nothing beside"
    )


def test_damaged_and_foreign_run_folders_are_named(tmp_path: Path) -> None:
    path = RunFolder.create(tmp_path / "run", TrainingConfig()).path
    write_json(path / "config.json", {"format": 99, "versions": {"snnrl": "9.9"}})
    assert "run folder of format 99 (written by snnrl 9.9), allowed: 1" in refusal("info", path)
    (path / "config.json").write_text("{")
    assert "config.json: damaged" in refusal("evaluate", path)
    (path / "config.json").unlink()
    assert "config.json: missing" in refusal("train", "--resume", path)


def test_info_lists_what_there_is(tmp_path: Path) -> None:
    from snnrl.plasticity import devices
    from snnrl.tasks import rewards

    done = run("info", "--json", tmp_path / "info.json")
    assert done.returncode == 0
    content = json.loads((tmp_path / "info.json").read_text())
    assert content["choices"]["--device"] == devices.names()
    assert set(content["rewards"]) == set(rewards.names())
    for name in (*devices.names(), *rewards.names()):
        assert name in done.stdout


def test_info_of_a_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", TrainingConfig(seeds=3))
    unfinished = run("info", folder.path)
    assert unfinished.returncode == 0
    assert folder.config.command() in " ".join(unfinished.stdout.split())
    assert "not finished" in unfinished.stdout
    folder.write_summary({"seeds": 3, "solved_fraction": 0.75, "median_episodes": None})
    done = run("info", folder.path, "--json", tmp_path / "info.json")
    assert "75 %" in done.stdout
    assert json.loads((tmp_path / "info.json").read_text())["summary"]["solved_fraction"] == 0.75


def test_progress_runs_ahead_with_the_agents_that_stopped_early() -> None:
    import numpy as np

    now = Progress("learning", 3, np.array([100, 100, 100, 140]), 480.4, 123456)
    assert share_done(now, seeds=4, most=1000) == 0.75
    assert share_done(now, seeds=4, most=120) == pytest.approx(110 / 120)
    assert progress_text(now, 4) == "3/4 seeds done, episode 140, length 480 steps, 123,456 environment steps"


SHORT = (
    "train",
    "cartpole",
    "--seeds",
    "2",
    "--seed",
    "5",
    "--episodes",
    "4",
    "--evaluation-episodes",
    "3",
    "--threads",
    "1",
)


def test_train_evaluate_and_info_end_to_end(tmp_path: Path) -> None:
    done = run(*SHORT, "--out", tmp_path / "run", "--json", tmp_path / "train.json")
    assert done.returncode == 0, done.stderr
    assert "median episodes to solve" in done.stdout
    assert str(tmp_path / "run" / "report.html") in done.stdout
    folder = RunFolder.open(tmp_path / "run")
    assert folder.read_summary() == json.loads((tmp_path / "train.json").read_text())
    rows = [(row["seed"], row["phase"]) for row in folder.read_episodes()]
    assert rows == [(s, p) for s in ("5", "6") for p, n in (("train", 4), ("evaluate", 3)) for _ in range(n)]
    assert {path.name for path in folder.figures.iterdir()} == {"learning_curve.png", "raster.png"}

    fresh = run("evaluate", folder.path, "--episodes", "2", "--json", tmp_path / "evaluation.json")
    assert fresh.returncode == 0, fresh.stderr
    assert "2 episodes per agent, plasticity off" in fresh.stdout
    assert json.loads((tmp_path / "evaluation.json").read_text())["seeds"] == 2

    kernel = run("info", folder.path, "--kernel")
    assert kernel.returncode == 0, kernel.stderr
    compile(kernel.stdout, "kernel", "exec")


def test_ctrl_c_keeps_the_checkpoint_and_resume_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SHORT, "--out", str(tmp_path / "whole")]) == 0

    def ctrl_c(*_: object) -> str:
        raise KeyboardInterrupt

    capsys.readouterr()
    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setattr(progress, "progress_text", ctrl_c)
        assert main([*SHORT, "--out", str(broken)]) == 130
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith(f"snnrl: interrupted, the checkpoint is kept; go on with: snnrl train --resume {broken}")
    )
    assert {path.name for path in broken.iterdir()} == {"config.json", "agent.npz"}
    assert main(["train", "--resume", str(broken)]) == 0
    for name in ("episodes.csv", "summary.json"):
        assert (broken / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
