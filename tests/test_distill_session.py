"""Distillation of a game: collection, DAgger, runs that are interrupted, and the command."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from snnrl.cli import distill as distill_command
from snnrl.cli import main
from snnrl.distillation import folder as run_folder
from snnrl.distillation.buffer import FrameBuffer
from snnrl.distillation.collect import Collector
from snnrl.distillation.folder import Plan
from snnrl.distillation.recipe import Recipe
from snnrl.distillation.rollout import Interrupted, View, play_scores, student_policy
from snnrl.distillation.session import Progress, Session
from snnrl.distillation.teachers import Teacher, teacher_from_module
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.networks.truenorth import STUDENTS, LayerSpec, StudentSpec
from snnrl.networks.truenorth.student_file import read_student
from snnrl.tasks import atari

SHORT = atari.Protocol(max_frames=240)
TINY = StudentSpec("tiny", (LayerSpec(16, 12, 6), LayerSpec(32, 4, 3, 0, 4), LayerSpec(60, 4, 1, 0, 4)))


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Games of four seconds, a student of a few neurons, one thread."""
    monkeypatch.setitem(atari.PROTOCOLS, "short", SHORT)
    monkeypatch.setitem(STUDENTS, "tiny", TINY)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(actions: int) -> torch.nn.Module:
    """Return a small convolutional policy with random weights."""
    torch.manual_seed(actions)
    return torch.nn.Sequential(
        torch.nn.Conv2d(4, 4, 8, 8), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(400, actions)
    )


def teacher(game: str = "pong") -> Teacher:
    return teacher_from_module(network(len(ACTIONS[game])), game, preprocessing="teacher")


ACTIONS = {
    "pong": ["NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"],
    "breakout": ["NOOP", "FIRE", "RIGHT", "LEFT"],
}
SIZES = {
    "student": "tiny", "batches": 12, "batch_size": 8, "frames": 40, "held_out": 20, "dagger_frames": 24,
    "dagger_every": 6, "evaluate_every": 4, "score_every": 6, "score_episodes": 1, "final_episodes": 1,
    "checkpoint_every": 3, "settle_batches": 1, "settle_size": 16,
}  # fmt: skip


def plan(games: str = "pong", **changes: object) -> Plan:
    names = tuple(games.split(","))
    recipe = Recipe.from_dict(SIZES | {"dagger": 1.0} | changes)
    return Plan(recipe, names, ("random",) * len(names), "short")


def session(folder: Path, asked: Plan, **hooks: object) -> Session:
    if not folder.exists():
        run_folder.create(folder, asked)
    return Session(folder, asked, [teacher(game) for game in asked.games], **hooks)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- collection


def collector(folder: Path, epsilon: float = 0.0) -> Collector:
    protocol = atari.Protocol(max_frames=240, epsilon=epsilon)
    frames = FrameBuffer(folder, 84, 6, {})
    return Collector(frames, "pong", protocol, teacher(), lambda screens: screens, "frames", 3)


def test_frames_are_those_of_the_game_with_the_teachers_answers(tmp_path: Path) -> None:
    made = collector(tmp_path)
    made.fill(130)
    rows = np.arange(130)
    stacks = made.buffer.stacks(rows)
    assert made.buffer.outputs(rows) == pytest.approx(made.teacher.outputs_of(stacks), rel=1e-4, abs=1e-4)
    with atari.Atari("pong", 1, 3 * 997, made.protocol) as env:
        screens, stack = env.reset(), atari.Stack(1)
        fresh = np.ones(1, bool)
        for row in range(50):
            seen = stack.push(screens, fresh)
            assert np.array_equal(stacks[2 * row], seen[0])
            screens, _, _, _, fresh = env.step(made.teacher.act(made.teacher.outputs_of(seen)))


def test_the_student_plays_and_the_teacher_labels(tmp_path: Path) -> None:
    made, seen = collector(tmp_path), []

    def student(view: View) -> np.ndarray:
        seen.append(view.stacks)
        return np.full(len(view.lanes), 3)  # up and up

    made.fill(40, 1.0, student)
    rows = np.arange(40)
    stacks = made.buffer.stacks(rows)
    assert np.array_equal(np.concatenate(seen), stacks)
    expected = made.teacher.outputs_of(stacks)
    assert made.buffer.outputs(rows) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert not np.all(expected.argmax(axis=1) == 3)
    with atari.Atari("pong", 1, 3 * 997, made.protocol) as env:
        env.reset()
        for _ in range(39):
            screens = env.step(np.array([3])).screens
    assert np.array_equal(screens, made.buffer.screens(rows)[-1:])


def test_nobody_but_the_teacher_plays_without_a_share(tmp_path: Path) -> None:
    def student(view: View) -> np.ndarray:
        raise AssertionError

    made, other = collector(tmp_path / "a"), collector(tmp_path / "b")
    made.fill(60, 0.0, student)
    other.fill(60)
    assert np.array_equal(made.buffer.screens(np.arange(60)), other.buffer.screens(np.arange(60)))


def test_a_collection_that_goes_on_ends_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    whole, broken = collector(tmp_path / "whole", 0.2), collector(tmp_path / "broken", 0.2)
    whole.fill(90)
    asked = iter([False] * 70 + [True])
    with pytest.raises(Interrupted):
        broken.fill(90, stopped=lambda: next(asked))
    broken.buffer.flush()  # a part of a segment has come to the disk
    again = collector(tmp_path / "broken", 0.2)
    assert 0 < len(again.buffer) < 90
    again.fill(90)
    rows = np.arange(90)
    assert np.array_equal(again.buffer.stacks(rows), whole.buffer.stacks(rows))
    assert np.array_equal(again.buffer.outputs(rows), whole.buffer.outputs(rows))


# ---------------------------------------------------------------------- sessions


def contents(folder: Path) -> dict[str, bytes]:
    """Return the student, and the frames with their answers."""
    paths = [folder / "student.tn", *sorted((folder / "frames").rglob("*.*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def finish(made: Session) -> tuple[object, object]:
    made.run()
    return made.final_scores()


@pytest.mark.parametrize("phase", ["playing held-out pong", "the student plays breakout", "playing"])
def test_a_run_that_goes_on_ends_as_one_that_was_not_interrupted(
    tmp_path: Path, phase: str, whole_run: tuple[Path, object, list[object]]
) -> None:
    """Stop in the first frames, in a round of DAgger, and in the games of a live score."""
    whole, scores, curve = whole_run
    phases: list[str] = []
    stopped = session(
        tmp_path / "run", plan("pong,breakout"),
        told=lambda progress: phases.append(progress.phase), stopped=lambda: phases[-1:] == [phase],
    )  # fmt: skip
    with pytest.raises(Interrupted):
        stopped.run()
    again = session(tmp_path / "run", plan("pong,breakout"))
    assert finish(again) == scores
    assert again.learner is not None
    assert repr(again.learner.curve) == repr(curve)
    assert contents(tmp_path / "run") == contents(whole)
    books = [run_folder.load_checkpoint(path) for path in (tmp_path / "run", whole)]
    assert books[0] is not None
    assert books[1] is not None
    assert books[0]["scores"] == books[1]["scores"]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object, list[object]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(atari.PROTOCOLS, "short", SHORT)
        patch.setitem(STUDENTS, "tiny", TINY)
        torch.set_num_threads(1)
        path = tmp_path_factory.mktemp("whole") / "run"
        made = session(path, plan("pong,breakout"))
        scores = finish(made)
        assert made.learner is not None
        return path, scores, list(made.learner.curve)


def test_a_run_collects_in_rounds_and_keeps_a_student_of_its_games(
    whole_run: tuple[Path, object, list[object]],
) -> None:
    path, scores, curve = whole_run
    assert len(curve) == 4
    for game in ("pong", "breakout"):
        about = json.loads((path / "frames" / game / "segments.json").read_text())["ends"]
        assert {40, 64} <= set(about)
        assert about[-1] == 64
    student = read_student(path / "student.tn")
    assert [game.info["actions"] for game in student.games] == [ACTIONS["pong"], ACTIONS["breakout"]]
    assert [game.info["outputs"] for game in student.games] == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]
    assert student.network.n_actions == 6
    mine, _ = scores  # type: ignore[misc]
    for game in student.games:
        assert game.info["score"]["scores"] == mine[game.name]
        assert game.info["protocol"]["max_frames"] == 240
        assert game.info["teacher_score"]["mean"] is not None
        protocol = atari.Protocol(**game.info["protocol"])
        policy = student_policy(student.network, game)
        assert play_scores(game.name, protocol, policy, 1, 7_800_000) == mine[game.name]


def test_frames_that_are_missing_are_named(tmp_path: Path) -> None:
    asked = plan(score_every=100)
    made = session(tmp_path / "run", asked)
    made.run()
    frames = tmp_path / "run" / "frames" / "pong"
    for name in ("screens.u8", "outputs.f32", "back.u32", "segments.json"):
        (frames / name).unlink()
    with pytest.raises(RunFolderError, match="40 frames, allowed: the 64 that the checkpoint"):
        session(tmp_path / "run", asked).run()


def test_a_teacher_of_another_game_is_refused(tmp_path: Path) -> None:
    asked = plan("breakout")
    run_folder.create(tmp_path / "run", asked)
    with pytest.raises(InvalidValueError, match="actions of teacher module: got 6, allowed: 4 for breakout"):
        Session(tmp_path / "run", asked, [teacher("pong")])


def test_a_student_that_does_not_see_all_gets_the_field_where_it_sees(tmp_path: Path) -> None:
    STUDENTS["tiny"] = StudentSpec("tiny", (LayerSpec(16, 8, 7), LayerSpec(60, 5, 3, 0, 4)))
    assert (STUDENTS["tiny"].visible, TINY.visible) == (78, 84)
    made = session(tmp_path / "run", plan(dagger=0.0, score_every=100, batches=2))
    made.run()
    seen = made.collectors[0].buffer.screens(np.arange(40))
    assert seen[:, : made.visible, : made.visible].any()
    assert not seen[:, made.visible :].any()


# ---------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"\x80\x02]q\x00."])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"checkpoint\.pt: damaged or not a checkpoint") as caught:
        run_folder.load_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------------- the command

FREEWAY = ["distill", "freeway", "--teacher", "script:freeway", "--protocol", "short", "--threads", "1"]
FREEWAY += [f"--set={name}={value}" for name, value in SIZES.items()]


def test_the_command_leaves_a_student_a_report_and_its_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main([*FREEWAY, "--dagger", "0.5", "--out", str(run), "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    numbers = json.loads((tmp_path / "out.json").read_text())
    game = numbers["games"]["freeway"]
    assert numbers == json.loads((run / "summary.json").read_text())
    assert numbers["batches"] == 12
    assert [point["batches"] for point in numbers["curve"]] == [0, 4, 8, 12]
    assert [point["batches"] for point in numbers["live_scores"]] == [6]
    assert game["teacher"] == "script:freeway"
    assert game["protocol"] in printed
    assert "cap 240 frames" in game["protocol"]
    assert len(game["score"]["scores"]) == len(game["teacher_score"]["scores"]) == 1
    assert read_student(run / "student.tn").game("freeway").info["score"] == game["score"]
    assert "data:image/png" in (run / "report.html").read_text()
    assert not (run / "frames").exists()
    assert main(["distill", "--resume", str(run)]) == 2
    assert "an interrupted run, this one is finished" in capsys.readouterr().err


def test_ctrl_c_keeps_a_checkpoint_and_resume_ends_as_an_uninterrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*FREEWAY, "--dagger", "1", "--keep-frames", "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0

    @contextmanager
    def impatient() -> Iterator[Callable[[Progress], None]]:
        def press(progress: Progress) -> None:
            if progress.phase == "training" and progress.done == 7:
                os.kill(os.getpid(), signal.SIGINT)

        yield press

    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setattr(distill_command, "_bar", impatient)
        assert main([*words, str(broken)]) == 130
    assert f"go on with: snnrl distill --resume {broken}" in capsys.readouterr().err
    state = run_folder.load_checkpoint(broken)
    assert state is not None
    assert state["learner"]["done"] == 7
    assert main(["distill", "--resume", str(broken), "--keep-frames", "--threads", "1"]) == 0
    assert contents(broken) == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "GAME: got None, allowed: games, each once: breakout, pong"),
        (["pung"], "game: got 'pung', allowed: "),
        (["pong,pong", "--teacher", "a", "--teacher", "b"], "GAME: got 'pong,pong'"),
        (["pong"], "--teacher: got [], allowed: 1, one for each of pong"),
        (["pong,qbert", "--teacher", "a"], "allowed: 2, one for each of pong, qbert"),
        (["pong", "--teacher", "missing.pt"], "missing.pt"),
        (["freeway", "--teacher", "script:freeway", "--loss", "l1"], "--loss: got 'l1', allowed: kl, nll, mse"),
        (["freeway", "--teacher", "script:freeway", "--batch-size", "1"], "--batch-size: got 1, allowed: a whole"),
        (["freeway", "--teacher", "script:freeway", "--student", "maxi"], "--student: got 'maxi', allowed: 1-chip"),
        (["freeway", "--teacher", "script:freeway", "--protocol", "x"], "--protocol: got 'x', allowed: human-cap"),
        (["freeway", "--teacher", "script:freeway", "--threads", "0"], "--threads: got 0"),
        (["freeway", "--teacher", "script:freeway", "--set", "speed=1"], "--set: got 'speed=1', allowed: NAME=VALUE"),
        (["freeway", "--teacher", "script:freeway", "--device", "tpu"], "--device: got 'tpu', allowed: on this"),
        (["--resume", "nowhere"], "nowhere: no such run folder"),
        (["pong", "--resume", "nowhere"], "--resume: got 'nowhere', allowed: no other options"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["distill", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "no distillation of format 1"),
        ("[", "damaged"),
        ('{"format": 1, "versions": {"snnrl": "0"}, "distillation": {}}', "begun by snnrl 0"),
    ],
)
def test_a_folder_that_is_no_distillation_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunFolderError, match=message):
        run_folder.open_plan(tmp_path)


def test_a_full_disk_in_a_run_is_one_line_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The limit on a file's size stands for the end of the disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    run = tmp_path / "run"
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 84 * 84, limits[1]))
    try:
        code = main([*FREEWAY, "--set=frames=200", "--out", str(run), "--dagger", "0", "--keep-frames"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    error = capsys.readouterr().err
    assert code == 2
    assert "no room for more frames" in error
    assert error.count("\n") == 1
    assert main(["distill", "--resume", str(run), "--keep-frames", "--threads", "1"]) == 0
    assert (run / "frames" / "freeway" / "screens.u8").stat().st_size == 200 * 84 * 84
