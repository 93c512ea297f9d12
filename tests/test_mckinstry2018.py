"""The study of McKinstry et al. (2018): a real miniature of it, gone on with, and what it says where there is no teacher."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from snnrl.cli import main
from snnrl.distillation.rollout import FINAL_SEED, Interrupted, play_scores, student_policy
from snnrl.networks.truenorth import STUDENTS, LayerSpec, StudentSpec
from snnrl.networks.truenorth.student_file import read_student
from snnrl.studies import mckinstry2018 as study
from snnrl.studies.mckinstry2018 import published
from snnrl.studies.mckinstry2018.jobs import Job, jobs_of
from snnrl.studies.mckinstry2018.reproduce import Step, claims
from snnrl.studies.mckinstry2018.running import Baseline
from snnrl.studies.mckinstry2018.tables import Measured
from snnrl.studies.mckinstry2018.teachers import find_teachers
from snnrl.studies.paper import RESULTS
from snnrl.tasks import atari

SHORT = atari.Protocol(max_frames=240)
TINY = StudentSpec("tiny", (LayerSpec(16, 12, 12), LayerSpec(32, 4, 3, 0, 4), LayerSpec(60, 2, 1, 0, 4)))
SCALE = study.Scale(
    games=("pong", "freeway", "enduro"), students=("tiny",),
    temperature_games=("pong", "freeway", "enduro"), temperature_student="tiny",
    together=(("pong", "freeway"), ("pong", "enduro")), together_students=("tiny",),
    method_games=("pong",), method_student="tiny",
    batches=5, frames=40, held_out=16, episodes=1, logit_temperatures=(0.2, 1.0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Games of four seconds, a student of a few neurons, a scale of a few batches, one thread."""
    monkeypatch.setitem(atari.PROTOCOLS, "short", SHORT)
    monkeypatch.setitem(STUDENTS, "tiny", TINY)
    monkeypatch.setitem(study.SCALES, "tiny", SCALE)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a random policy for Pong, as a state dict, and things that are no teachers."""
    folder = tmp_path_factory.mktemp("teachers")
    torch.manual_seed(3)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(4, 4, 8, 4), torch.nn.ReLU(), torch.nn.Conv2d(4, 8, 4, 2), torch.nn.ReLU(),
        torch.nn.Conv2d(8, 4, 3, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(196, 6),
    )  # fmt: skip
    torch.save(network.state_dict(), folder / "some_algorithm_Pong.sd.pt")
    (folder / "README.md").write_text("Pong")
    (folder / "pong-notes.txt").write_text("none")
    return folder


def settings(teachers: Path, **changes: Any) -> study.Settings:
    return study.Settings("tiny", teachers, protocol="short", **changes)


@pytest.fixture(scope="module")
def whole(teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any]]:
    """Run the whole study once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(atari.PROTOCOLS, "short", SHORT)
        patch.setitem(STUDENTS, "tiny", TINY)
        patch.setitem(study.SCALES, "tiny", SCALE)
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        folder = tmp_path_factory.mktemp("study") / "out"
        yield folder, study.reproduce(settings(teachers), folder)
        torch.set_num_threads(before)


def rows_of(rows: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["table"] == table]


def test_every_table_has_its_rows_and_a_missing_teacher_is_one(whole: tuple[Path, Any]) -> None:
    folder, outcome = whole
    labels = {table: [row["row"] for row in rows_of(outcome.rows, table)]
              for table in ("teachers", "table-3", "figure-3", "figure-4")}  # fmt: skip
    assert labels == {
        "teachers": ["Pong", "Freeway", "Enduro: no teacher"],
        "table-3": ["tiny, KL", "tiny, NLL"],
        "figure-3": [
            "Pong, tiny, KL",
            "Pong, tiny, NLL",
            "Freeway, tiny, KL",
            "Freeway, tiny, NLL",
            "Enduro: no teacher",
        ],
        "figure-4": ["Pong, Freeway, tiny", "Pong, Enduro: no teacher of Enduro"],
    }
    assert [(row["game"], row.get("temperature")) for row in rows_of(outcome.rows, "table-2")] == [
        ("pong", 0.2), ("pong", 1.0), ("freeway", None), ("enduro", None)]  # fmt: skip
    methods = {(row["loss"], row["temperature"], row["inputs"]) for row in rows_of(outcome.rows, "methods")}
    assert methods == {("kl", 0.2, "differences"), ("nll", None, "differences"), ("mse", None, "differences"),
                       ("kl", 0.2, "stack"), ("kl", 1.0, "differences")}  # fmt: skip
    assert {(row["batches"], row["frames"]) for row in rows_of(outcome.rows, "methods")} == {(5, 40)}
    protocols = {row["protocol"] for row in outcome.rows if "score" in row}
    assert all("cap 240 frames" in words and "epsilon 0.05" in words for words in protocols)
    assert json.loads((folder / RESULTS).read_text())["rows"] == json.loads(json.dumps(outcome.rows))
    assert [Path(picture).name for picture in outcome.pictures] == ["figure-3.png", "figure-4.png"]


def test_a_distillation_that_serves_several_tables_is_run_once_and_frames_go(whole: tuple[Path, Any]) -> None:
    runs = sorted(path.name.rsplit("-", 1)[0] for path in (whole[0] / "runs").iterdir())
    assert runs == [
        "freeway-tiny-kl-t0.2", "freeway-tiny-nll", "pong-freeway-tiny-nll", "pong-tiny-kl-t0.2",
        "pong-tiny-kl-t0.2-dagger", "pong-tiny-kl-t0.2-stack", "pong-tiny-kl-t1", "pong-tiny-mse", "pong-tiny-nll",
    ]  # fmt: skip
    assert list(whole[0].rglob("*.u8")) == []


def test_the_students_file_knows_its_scores_and_the_teachers(whole: tuple[Path, Any]) -> None:
    folder, outcome = whole
    run = next((folder / "runs").glob("freeway-tiny-kl*"))
    student = read_student(run / "student.tn")
    game, row = student.game("freeway"), rows_of(outcome.rows, "figure-3")[2]
    again = play_scores("freeway", atari.Protocol(**game.info["protocol"]), student_policy(student.network, game), 1, FINAL_SEED)  # fmt: skip
    assert game.info["score"]["scores"] == again
    assert game.info["score"]["mean"] == row["score"]
    assert game.info["teacher_score"]["mean"] == row["teacher_score"] > row["random_score"] == 0.0


def test_a_finished_study_is_only_written_again(whole: tuple[Path, Any], teachers: Path) -> None:
    folder, outcome = whole
    steps: list[Step] = []
    again = study.reproduce(settings(teachers), folder, steps.append)
    assert again.rows == outcome.rows
    assert steps == []


def test_an_interrupted_study_ends_as_an_uninterrupted_one(
    whole: tuple[Path, Any], teachers: Path, tmp_path: Path
) -> None:
    asked, steps = settings(teachers, games=("pong",), parts=("sizes",)), []  # type: study.Settings, list[Step]

    def stopped(name: str, batches: int) -> bool:
        return (
            bool(steps)
            and steps[-1].name.startswith(name)
            and steps[-1].progress[:2] == ("training", batches)
        )

    for name, batches in (("pong-tiny-kl", 2), ("pong-tiny-nll", 3)):
        with pytest.raises(Interrupted):
            study.reproduce(asked, tmp_path / "out", steps.append, lambda: stopped(name, batches))  # noqa: B023
    outcome = study.reproduce(asked, tmp_path / "out", steps.append)
    assert rows_of(outcome.rows, "figure-3") == [
        row for row in rows_of(whole[1].rows, "figure-3") if row["game"] == "pong"
    ]
    for run in (tmp_path / "out" / "runs").iterdir():
        assert (run / "student.tn").read_bytes() == (whole[0] / "runs" / run.name / "student.tn").read_bytes()
    trained = [(step.name, step.progress.done) for step in steps if step.progress.phase == "training"]
    assert trained == [(name, n) for name in ("pong-tiny-kl-t0.2", "pong-tiny-nll") for n in (1, 2, 3, 4, 5)]
    assert {step.name for step in steps if step.progress.phase == "playing pong"} == {"pong-tiny-kl-t0.2"}


def test_scores_are_held_against_the_teachers_and_against_random_play(teachers: Path) -> None:
    asked = settings(teachers)
    found = find_teachers(asked.chosen_games, teachers, look_ahead=False)
    jobs = jobs_of(asked, found)
    baselines = {"pong": Baseline([20.0, 10.0], [-20.0, -22.0], "a"), "freeway": Baseline([30.0], [0.0], "b")}
    scores = {
        "pong-tiny-kl-t0.2": 6.0,
        "pong-tiny-nll": 3.0,
        "freeway-tiny-kl-t0.2": 24.0,
        "freeway-tiny-nll": 15.0,
    }

    def summary(job: Job) -> dict[str, Any]:
        mean = scores.get(job.name, 1.5)
        games = {game: {"score": {"mean": mean, "std": None, "scores": [mean]}} for game in job.games}
        return {"games": games, "agreement_end": 0.5, "batches": 5, "frames": dict.fromkeys(job.games, 40)}

    rows = Measured(asked, found, jobs, baselines, {job: summary(job) for job in jobs}).rows()
    pong = next(row for row in rows if row["row"] == "Pong, tiny, KL")
    assert (pong["of_teacher"], pong["of_range"]) == (pytest.approx(6 / 15), pytest.approx(27 / 36))
    kl = next(row for row in rows if row["row"] == "tiny, KL")
    assert (kl["games"], kl["of_teacher"]) == (2, pytest.approx((6 / 15 + 24 / 30) / 2))
    assert kl["of_range"] == pytest.approx((27 / 36 + 24 / 30) / 2)
    together = next(row for row in rows if row["row"] == "Pong, Freeway, tiny")
    assert together["of_alone"] == pytest.approx((1.5 / 3.0 + 1.5 / 15.0) / 2)
    assert together["of_range_alone"] == pytest.approx((22.5 / 24.0 + 1.5 / 15.0) / 2)
    said = {claim.claim.partition(" ")[0]: claim.ours for claim in claims(rows)}
    assert said["students"] == "KL: tiny 60.0 % (2 games)"
    assert said["temperature"] == "Pong (logits): best at 0.2"


def test_the_papers_temperatures_are_for_action_values_and_its_numbers_beside_them_only() -> None:
    asked = study.Settings("paper", games=("beam-rider", "freeway"), parts=("temperatures", "sizes"))
    found = find_teachers(asked.chosen_games, None, look_ahead=True)
    assert {game: each.source for game, each in found.items()} == {
        "beam-rider": "look-ahead",
        "freeway": "script:freeway",
    }
    jobs = jobs_of(asked, found)
    assert list(jobs.temperatures) == [("beam-rider", tau) for tau in (0.05, 0.01, 0.005, 0.001)]
    assert jobs.sizes["beam-rider", "4-chip", "kl"].recipe.temperature == 0.01
    assert jobs.sizes["beam-rider", "4-chip", "nll"].recipe.batches == 1_500_000
    assert published.table_2("beam-rider", 0.01) == 1.0014
    assert published.table_2("beam-rider", 0.2) is None
    assert published.table_2("pong", 0.01) is None
    assert published.TABLE_3["4-chip", "kl"] == 0.9824


@pytest.mark.parametrize("scale", ["quick", "cpu", "gpu", "paper", "tiny"])
def test_dagger_has_no_frame_and_no_batch_more(teachers: Path, scale: str) -> None:
    asked = study.Settings(scale, teachers, games=("pong",), parts=("methods",))
    jobs = jobs_of(asked, find_teachers(asked.chosen_games, teachers, look_ahead=False))
    methods = [job.recipe for job in jobs.methods.values()]
    every = {recipe.frames + recipe.rounds(recipe.batches) * recipe.dagger_frames if recipe.dagger else recipe.frames
             for recipe in methods}  # fmt: skip
    assert every == {study.SCALES[scale].frames}
    assert {recipe.batches for recipe in methods} == {study.SCALES[scale].batches}
    own = next(recipe for recipe in methods if recipe.dagger)
    assert own.rounds(own.batches) == 4
    assert 0.4 < own.frames / study.SCALES[scale].frames <= 0.51


def test_teachers_are_found_by_the_names_of_their_files(teachers: Path, tmp_path: Path) -> None:
    content = (teachers / "some_algorithm_Pong.sd.pt").read_bytes()
    for name in ("space-invaders_2.pt", "b_SpaceInvaders.sd.pt", "pingpong-notes.txt", "qbert.md"):
        (tmp_path / name).write_bytes(content)
    found = find_teachers(("space-invaders", "qbert", "pong"), tmp_path, look_ahead=False)
    assert {game: Path(each.source).name for game, each in found.items()} == {
        "space-invaders": "b_SpaceInvaders.sd.pt"
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", "huge"], "cpu, gpu, paper, quick"),
        (["--parts", "all"], "methods, sizes, temperatures, together"),
        (["--games", "qbert"], "breakout, pong"),
        (["--protocol", "none"], "human-cap, no-op, short, sticky"),
        (["--seed", "-1"], "--seed"),
        (["--teachers", "nowhere"], "a folder with files named after games"),
        ([], "--teachers"),
        (["--teachers", "FITS_NOT"], "4, the actions of Breakout"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str], words: str, teachers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "breakout.pt").write_bytes((teachers / "some_algorithm_Pong.sd.pt").read_bytes())
    told = [str(wrong) if option == "FITS_NOT" else option for option in options]
    assert main(["reproduce", "mckinstry2018", "--out", str(tmp_path / "out"), *told]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error
    assert not (tmp_path / "out").exists()


def test_the_command_prints_all_tables_and_refuses_the_folder_of_other_settings(
    whole: tuple[Path, Any], teachers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "reproduce",
        "mckinstry2018",
        "--scale",
        "tiny",
        "--teachers",
        str(teachers),
        "--protocol",
        "short",
    ]
    words += ["--out", str(whole[0])]
    assert main([*words, "--json", str(tmp_path / "found.json")]) == 0
    printed = capsys.readouterr().out
    for heading in (
        "teachers",
        "table 2: ",
        "table 3: ",
        "figure 3: ",
        "figure 4: ",
        "methods at equal budget",
    ):
        assert heading in printed
    assert "Enduro: no teacher" in printed
    assert "98.24 %" in printed
    assert json.loads((tmp_path / "found.json").read_text())["rows"] == json.loads(json.dumps(whole[1].rows))
    assert main([*words, "--seed", "1"]) == 2
    assert "a study with seed = 0, got 1" in capsys.readouterr().err
