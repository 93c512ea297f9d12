"""``snnrl reproduce mckinstry2018``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.reproduce.common import (
    Columns,
    JsonFile,
    check_folder,
    given,
    interruptible,
    print_outcome,
    print_rows,
    whole,
)
from snnrl.cli.stop_button import stop_button
from snnrl.cli.text import check_json_option
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.studies.mckinstry2018.reproduce import Step

EXAMPLE = "Example:  snnrl reproduce mckinstry2018 --scale quick --teachers teachers --out runs/mckinstry2018"
_SCORES = {
    "score": ("score", ",.1f"),
    "deviation": ("+-", ",.1f"),
    "of_teacher": ("of the teacher", ".1%"),
    "of_range": ("of its range", ".1%"),
    "agreement": ("agreement", ".3f"),
    "teacher_score": ("teacher", ",.1f"),
    "random_score": ("random", ",.1f"),
    "episodes": ("episodes", ",.0f"),
    "protocol": ("protocol", ""),
}
TABLES: dict[str, tuple[str, Columns]] = {
    "teachers": ("teachers", {
        "teacher": ("teacher", ""), "outputs": ("its outputs", ""), "teacher_score": ("score", ",.1f"),
        "random_score": ("random", ",.1f"), "episodes": ("episodes", ",.0f"), "protocol": ("protocol", ""),
    }),
    "table-2": ("table 2: temperature", {
        "outputs": ("teacher's outputs", ""), "temperature": ("temperature", "g"), "student": ("student", ""),
        "paper": ("paper", ".1%"), **_SCORES,
    }),
    "table-3": ("table 3: size and loss, mean over games", {
        "games": ("games", ",.0f"), "paper": ("paper: of the teacher", ".1%"), "of_teacher": ("of the teacher", ".1%"),
        "of_range": ("of its range", ".1%"),
    }),
    "figure-3": ("figure 3: every game", _SCORES),
    "figure-4": ("figure 4: several games", {
        "games": ("games", ",.0f"), "of_alone": ("score over that of students of one", ".1%"),
        "of_range_alone": ("the same, of the range", ".1%"), "of_teacher": ("of the teachers", ".1%"),
        "of_range": ("of their range", ".1%"), "agreement": ("agreement", ".3f"),
    }),
    "methods": ("methods at equal budget", {
        "student": ("student", ""), "temperature": ("temperature", "g"), "batches": ("batches", ",.0f"),
        "frames": ("frames", ",.0f"), **_SCORES,
    }),
}  # fmt: skip
"""Heading and columns of every table, by the value of ``table`` in its rows."""


def mckinstry2018(
    scale: Annotated[
        str, typer.Option(metavar="NAME", help="How much is run: quick, cpu, gpu or paper.")
    ] = "quick",
    teachers: Annotated[
        Path | None,
        typer.Option(
            help="Folder with teachers, each named after its game: pong.zip, a3c_Breakout.sd.pt.",
            show_default="those that need no file",
        ),
    ] = None,
    games: Annotated[
        str | None,
        typer.Option(
            metavar="GAMES", help="Only these, with commas between.", show_default="all of the scale"
        ),
    ] = None,
    parts: Annotated[
        str | None,
        typer.Option(
            metavar="PARTS",
            help="Some of sizes (table 3, figure 3), temperatures (table 2), together (figure 4), methods.",
            show_default="all",
        ),
    ] = None,
    protocol: Annotated[
        str, typer.Option(metavar="NAME", help="Of all scores: no-op, human-cap or sticky.")
    ] = "no-op",
    seed: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Of everything.", show_default="0")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="Where students learn: cpu or cuda.")] = "cpu",
    threads: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Threads of torch.", show_default="its own choice")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for students, results and pictures; a study interrupted there is gone on with.",
            show_default="runs/mckinstry2018-SCALE",
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """ATARI teachers distilled into students for a TrueNorth chip: sizes, losses, temperatures, several games."""
    from snnrl.studies import mckinstry2018 as study

    check_json_option(json_file)
    check_folder(out)
    lists = {"games": games, "parts": parts}
    chosen: dict[str, Any] = {
        name: tuple(text.split(",")) for name, text in lists.items() if text is not None
    }
    chosen |= given(seed=seed)
    settings = study.Settings(scale, teachers, protocol=protocol, device=device, **chosen)
    _prepare(device, whole("--threads", threads))
    folder = out or Path("runs") / f"mckinstry2018-{scale}"
    with interruptible(folder), stop_button() as stopped, _bars() as told:
        outcome = study.reproduce(settings, folder, told, stopped)
    _print(outcome.rows)
    print_outcome(outcome, json_file)


def _prepare(device: str, threads: int | None) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidValueError("--device", device, "on this machine cpu")
    if threads is not None:
        torch.set_num_threads(threads)


def _print(rows: Sequence[dict[str, Any]]) -> None:
    for table, (heading, columns) in TABLES.items():
        mine = [row for row in rows if row["table"] == table]
        if mine:
            print_rows(f"\n{heading}", columns, mine)


@contextmanager
def _bars() -> Iterator[Callable[[Step], None]]:
    """Show how many distillations are done, and how far this one is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        every = bar.add_task("distillations", total=None, detail="")
        this = bar.add_task("", total=None, detail="")

        def show(step: Step) -> None:
            bar.update(every, completed=step.done, total=step.total, detail=step.name)
            now = step.progress
            bar.update(this, description=now.phase, completed=now.done, total=now.total, detail=now.detail)

        yield show
