"""The study: all distillations one after another, then tables, figures and the paper's claims beside ours."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from snnrl.distillation.rollout import Interrupted
from snnrl.distillation.session import Progress
from snnrl.studies.mckinstry2018.jobs import Job, jobs_of
from snnrl.studies.mckinstry2018.running import Runner
from snnrl.studies.mckinstry2018.settings import PARTS, STUDY, Settings
from snnrl.studies.mckinstry2018.tables import (
    FIGURE_3,
    FIGURE_4,
    METHODS,
    TABLE_2,
    TABLE_3,
    Measured,
    mean_of,
    rows_of,
    title,
)
from snnrl.studies.mckinstry2018.teachers import find_teachers
from snnrl.studies.paper import Claim, Outcome, PaperStudy, Row


class Step(NamedTuple):
    """How far the study is.

    Parameters
    ----------
    name
        Of the distillation, or what else is done.
    done, total
        Distillations.
    progress
        Of this one.
    """

    name: str
    done: int
    total: int
    progress: Progress


def reproduce(
    settings: Settings,
    folder: Path,
    told: Callable[[Step], object] = lambda step: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run the study, or go on with it.

    Parameters
    ----------
    settings
        What is run.
    folder
        New, or that of a study with the same settings: a run folder for every distillation, results, figures.
    told
        Called with the progress.
    stopped
        Asked between batches and between decisions.

    Raises
    ------
    Interrupted
        ``stopped()`` became true; all is kept, and the same call goes on.
    InvalidValueError
        There are no teachers, or one of them cannot be used.
    RunFolderError
        The folder is another study's, is damaged, or there is no room left on the disk.
    """
    scale = settings.numbers
    teachers = find_teachers(settings.chosen_games, settings.teachers, scale.look_ahead, settings.device)
    study = PaperStudy(STUDY, settings, folder)
    jobs = jobs_of(settings, teachers)
    runs = list(jobs)
    at = _At(told, len(runs))
    runner = Runner(folder, study.folder, settings, teachers, at, stopped)
    baselines = {game: runner.baseline(game) for game in settings.chosen_games if game in teachers}
    summaries = {}
    for number, job in enumerate(runs):
        if stopped():
            raise Interrupted
        at.next(job, number)
        summaries[job] = runner.make(job, baselines)
        runner.drop_frames(runs[number + 1 :])
    rows = Measured(settings, teachers, jobs, baselines, summaries).rows()
    extra = {
        "games": list(settings.games),
        "parts": list(settings.parts) if settings.parts != PARTS else [],
        "seconds_of_distillations": sum(summary["seconds"] for summary in summaries.values()),
    }
    return study.finish(claims(rows), rows, _draw(rows, folder), extra)


class _At:
    """Tells of the progress of one distillation as a step of the study."""

    def __init__(self, told: Callable[[Step], object], total: int) -> None:
        self._told, self._name, self._done, self._total = told, "teachers", 0, total

    def next(self, job: Job, number: int) -> None:
        self._name, self._done = job.name, number

    def __call__(self, progress: Progress) -> None:
        self._told(Step(self._name, self._done, self._total, progress))


def claims(rows: list[Row]) -> list[Claim]:
    """Return what the paper says beside what was measured."""
    return [
        Claim('students are "within two percent of the teacher\'s score on average" (98.24 %, 4-chip, KL)',
              "contributions, table 3", _sizes(rows, "kl")),
        Claim("scores grow with the network: 76.71, 87.15, 98.24 % for 1, 2, 4 chips with KL", "table 3",
              _sizes(rows, "kl")),
        Claim("KL is better than NLL at every size: NLL 69.31, 81.45, 94.28 %", "table 3", _sizes(rows, "nll")),
        Claim("temperature 0.01 is best for action values", "table 2", _temperatures(rows)),
        Claim("one student plays two games about as well as two students, three or ten less well, small students least",
              "figure 4", _together(rows)),
        Claim("MSE was not tried; KL and NLL were", "experiments", _losses(rows)),
    ]  # fmt: skip


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _sizes(rows: list[Row], loss: str) -> str:
    words = [
        f"{row['student']} {_percent(row['of_teacher'])} ({row['games']} games)"
        for row in rows_of(rows, TABLE_3)
        if row["loss"] == loss
    ]
    return f"{loss.upper()}: {', '.join(words)}" if words else "not run"


def _temperatures(rows: list[Row]) -> str:
    found = [row for row in rows_of(rows, TABLE_2) if row.get("of_range") is not None]
    words = []
    for game in dict.fromkeys(row["game"] for row in found):
        best = max((row for row in found if row["game"] == game), key=lambda row: float(row["of_range"]))
        words.append(f"{title(game)} ({best['outputs']}): best at {best['temperature']:g}")
    return "; ".join(words) or "not run"


def _together(rows: list[Row]) -> str:
    found = [row for row in rows_of(rows, FIGURE_4) if "student" in row]
    counts = sorted({(row["student"], row["games"]) for row in found})
    words = []
    for student, games in counts:
        same = [row for row in found if (row["student"], row["games"]) == (student, games)]
        part = mean_of(row["of_range_alone"] for row in same)
        words.append(f"{student}, {games} games: {_percent(part)} of the range of students of one game")
    return "; ".join(words) or "not run"


def _losses(rows: list[Row]) -> str:
    words = [
        f"{row['row']} {row['score']:.1f} ({_percent(row['of_range'])} of the range)"
        for row in rows_of(rows, METHODS)
        if row["row"].endswith((": KL", ": NLL", ": MSE"))
    ]
    return "; ".join(words) or "not run"


def _draw(rows: list[Row], folder: Path) -> list[str]:
    from snnrl.figures.students import sizes_figure, together_figure
    from snnrl.figures.style import write_png

    drawn = []
    sizes = [row for row in rows_of(rows, FIGURE_3) if "student" in row]
    together = [row for row in rows_of(rows, FIGURE_4) if "student" in row]
    if sizes:
        bars = {(row["game"], row["student"], row["loss"]): row for row in sizes}
        shown = {
            (title(game), student, loss): row["of_teacher"] for (game, student, loss), row in bars.items()
        }
        write_png(functools.partial(sizes_figure, shown), folder / "figure-3.png")
        drawn.append(str(folder / "figure-3.png"))
    if together:
        kinds = sorted({(row["games"], row["student"]) for row in together})
        means = {
            kind: mean_of(row["of_alone"] for row in together if (row["games"], row["student"]) == kind)
            for kind in kinds
        }
        write_png(functools.partial(together_figure, means), folder / "figure-4.png")
        drawn.append(str(folder / "figure-4.png"))
    return drawn
