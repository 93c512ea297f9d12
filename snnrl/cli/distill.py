"""``snnrl distill``."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.stop_button import stop_button
from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.distillation.recipe import LOSSES, TEMPERATURES, Recipe
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.truenorth.specs import STUDENTS
from snnrl.networks.truenorth.vision import KINDS

if TYPE_CHECKING:
    from snnrl.distillation.folder import Plan
    from snnrl.distillation.session import Progress, Session

EXAMPLE = (
    "Examples:  snnrl distill pong --teacher pong.zip --student mini --temperature 0.2   "
    "snnrl distill pong,breakout --teacher pong.pt --teacher breakout.pt"
)
_DEFAULTS = Recipe().to_dict()


def _option(name: str, help_text: str, metavar: str = "NUMBER", default: str | None = None) -> Any:
    """Return an option that is a constant of the recipe; its text is checked there."""
    shown = default or str(_DEFAULTS[name])
    return typer.Option(f"--{name.replace('_', '-')}", metavar=metavar, help=help_text, show_default=shown)


def distill(
    games: Annotated[
        str | None,
        typer.Argument(
            metavar="GAME[,GAME...]", help="A game, or several for one student.", show_default=False
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A teacher for each game, in their order: a Stable-Baselines3 zip, a torch state dict, "
            "script:freeway or look-ahead.",
            show_default=False,
        ),
    ] = None,
    student: Annotated[str | None, _option("student", f"One of: {', '.join(STUDENTS)}.", "NAME")] = None,
    loss: Annotated[str | None, _option("loss", f"One of: {', '.join(LOSSES)}.", "NAME")] = None,
    temperature: Annotated[
        str | None,
        _option(
            "temperature",
            "Of the teacher, for kl.",
            default=", ".join(f"{value:g} for {outputs}" for outputs, value in TEMPERATURES.items()),
        ),
    ] = None,
    inputs: Annotated[str | None, _option("inputs", f"One of: {', '.join(KINDS)}.", "NAME")] = None,
    dagger: Annotated[
        str | None,
        _option("dagger", "Share of later episodes that the student plays, labelled by the teacher."),
    ] = None,
    batches: Annotated[str | None, _option("batches", "Training batches.")] = None,
    batch_size: Annotated[str | None, _option("batch_size", "Frames in a batch.")] = None,
    rate: Annotated[str | None, _option("rate", "First step of the optimiser.")] = None,
    frames: Annotated[str | None, _option("frames", "Frames of each game before training.")] = None,
    seed: Annotated[str | None, _option("seed", "Of everything.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help=f"Any other constant: {', '.join(_DEFAULTS)}.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Rules of play, printed with every score: no-op, human-cap, sticky."
        ),
    ] = "no-op",
    threads: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Threads of torch.", show_default="torch's own")
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="Where the student is trained: cpu or cuda.")
    ] = "cpu",
    keep_frames: Annotated[
        bool, typer.Option("--keep-frames", help="Do not delete the frames at the end.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder; must be new.", show_default="runs/distill-<options>-<time>"),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with an interrupted run, with its options.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Distil teachers of ATARI games into a student that obeys a TrueNorth chip."""
    words = {name: text for name, text in locals().items() if name in _DEFAULTS and text is not None}
    check_json_option(json_file)
    given = {name: _value(text) for name, text in words.items()} | _settings(settings or [])
    if resume is None:
        plan, folder = _new(games, teacher or [], given, protocol), out
    else:
        plan, folder = _resumed(resume, out, bool(games or teacher or given)), resume
    _set_threads(threads)
    _check_device(device)
    _run(plan, folder, resume is not None, keep_frames, json_file, device)


def _new(games: str | None, teachers: list[str], given: dict[str, Any], protocol: str) -> Plan:
    from snnrl.distillation.folder import Plan
    from snnrl.tasks import atari

    names = tuple(games.split(",")) if games else ()
    if not names or len(set(names)) != len(names):
        raise InvalidValueError("GAME", games, f"games, each once: {', '.join(atari.GAMES)}")
    for name in names:
        atari.game(name)
    if len(teachers) != len(names):
        raise InvalidValueError("--teacher", teachers, f"{len(names)}, one for each of {', '.join(names)}")
    if protocol not in atari.PROTOCOLS:
        raise UnknownNameError("--protocol", protocol, atari.PROTOCOLS)
    try:
        recipe = Recipe.from_dict(given)
    except InvalidValueError as error:
        name = f"--{error.name.replace('_', '-')}" if error.name in _DEFAULTS else error.name
        raise InvalidValueError(name, error.got, error.allowed) from None
    return Plan(recipe, names, tuple(teachers), protocol)


def _resumed(resume: Path, out: Path | None, more: bool) -> Plan:
    from snnrl.distillation.folder import SUMMARY, open_plan

    if more or (out is not None and out != resume):
        raise InvalidValueError("--resume", str(resume), "no other options of the run, it keeps its own")
    plan = open_plan(resume)
    if (resume / SUMMARY).exists():
        raise InvalidValueError("--resume", str(resume), "an interrupted run, this one is finished")
    return plan


def _set_threads(threads: str | None) -> None:
    import torch

    from snnrl.training.config import whole_number

    if threads is not None:
        torch.set_num_threads(whole_number("--threads", _value(threads), 1))


def _check_device(device: str) -> None:
    import torch

    allowed = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    if device not in allowed:
        raise InvalidValueError("--device", device, f"on this machine {' or '.join(allowed)}")


def _run(
    plan: Plan, out: Path | None, resumed: bool, keep_frames: bool, json_file: Path | None, device: str
) -> None:
    from snnrl.distillation import folder as run_folder
    from snnrl.distillation.session import Session
    from snnrl.distillation.teachers import load_teacher

    pairs = zip(plan.teachers, plan.games, strict=True)
    teachers = [load_teacher(file, game, device=device) for file, game in pairs]
    path = out or run_folder.default_path(plan, datetime.now())
    if not resumed:
        run_folder.create(path, plan)
    began = time.monotonic()
    with stop_button() as stopped, _bar() as told:
        session = Session(path, plan, teachers, told, stopped, device)
        try:
            session.run()
            scores = session.final_scores()
        except KeyboardInterrupt:
            command = shlex.join(("snnrl", "distill", "--resume", str(path)))
            print(f"snnrl: interrupted, all is kept; go on with: {command}", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
    _finish(session, scores, time.monotonic() - began, json_file)
    if not keep_frames:
        run_folder.drop_frames(path)


def _finish(session: Session, scores: tuple[Any, Any], seconds: float, json_file: Path | None) -> None:
    from snnrl.distillation.folder import REPORT
    from snnrl.distillation.report import number_rows, score_rows, write_results
    from snnrl.networks.truenorth.student_file import STUDENT_FILE

    numbers = write_results(session, *scores, seconds)
    print_table(session.folder.name, ("game", "student", "teacher", "protocol"), score_rows(numbers))
    print()
    print_table("", ("", "value"), number_rows(numbers))
    print(f"\n{session.folder / STUDENT_FILE}\n{session.folder / REPORT}")
    write_json_option(json_file, numbers)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def show(progress: Progress) -> None:
            if progress.phase not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[progress.phase] = bar.add_task(progress.phase, total=progress.total, detail="")
            bar.update(
                tasks[progress.phase], completed=progress.done, total=progress.total,
                detail=progress.detail, visible=True,
            )  # fmt: skip

        yield show


def _settings(settings: list[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` settings."""
    read = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in _DEFAULTS:
            raise InvalidValueError("--set", setting, f"NAME=VALUE with one of {', '.join(_DEFAULTS)}")
        read[name] = _value(text)
    return read


def _value(text: str) -> Any:
    """Return what JSON reads in the text, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
