"""``snnrl train atari:GAME``: a teacher for `snnrl distill`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from snnrl.cli.text import INTERRUPTED, print_table, write_json_option
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.training.atari_run import AtariConfig, AtariProgress

PREFIX = "atari:"
EXAMPLE = "Example:  snnrl train atari:pong --algo ddqn --set network.steps=1000000"
TAKEN = "--algo, --seed, --evaluation-episodes, --threads, --set network.* and --set engine.device"
_USED = {
    "task": "game",
    "plasticity": "algorithm",
    "seed": "seed",
    "evaluation_episodes": "evaluation_episodes",
    "network_parameters": "parameters",
    "engine_parameters": "device",
    "threads": "threads",
}
"""Options of ``snnrl train`` that a game takes, with what they are called in `AtariConfig`."""


def is_atari(task: object, resume: Path | None) -> bool:
    """Say whether a command line is about a game."""
    if resume is None or task is not None:
        return str(task).startswith(PREFIX)
    from snnrl.training.atari_run import is_atari_run

    return is_atari_run(resume)


def train_game(
    given: Mapping[str, Any], out: Path | None, resume: Path | None, json_file: Path | None
) -> None:
    """Train a teacher, or go on with it.

    Parameters
    ----------
    given
        Options of the command line by their names in `TrainingConfig`.
    out
        Run folder; None: one named after game, algorithm and time.
    resume
        Run folder to go on with.
    json_file
        Where the summary goes too.
    """
    from snnrl.tasks.atari import check_rom, game
    from snnrl.training.runfolder import refuse_taken

    folder = resume or out or _default_path(given)
    if resume is not None and out not in (None, resume):
        raise InvalidValueError("--out", str(out), f"nothing beside --resume, the run goes on in {resume}")
    config = _config(given) if resume is None else _resumed(given, resume)
    check_rom(game(config.game))
    if resume is None:
        refuse_taken(folder)
    try:
        summary = _train(config, folder, resume is not None, given.get("threads"))
    except KeyboardInterrupt:
        _say_interrupted(folder)
        raise typer.Exit(INTERRUPTED) from None
    from snnrl.training.atari_run import TEACHER

    print_table(folder.name, ("", "value"), _rows(summary))
    print(f"\n{folder / TEACHER}")
    write_json_option(json_file, summary)


def _config(given: Mapping[str, Any]) -> AtariConfig:
    from snnrl.training.atari_run import AtariConfig

    options = _options(given)
    options.pop("threads", None)
    return AtariConfig(**options)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `AtariConfig` that the command line gives."""
    from snnrl.training.config import whole_number

    for name, value in given.items():
        if name not in _USED:
            allowed = f"nothing with a game, which takes {TAKEN}"
            raise InvalidValueError(name, value, allowed)
    options = {_USED[name]: value for name, value in given.items()}
    for name, least in (("seed", 0), ("evaluation_episodes", 0), ("threads", 1)):
        if name in options:
            options[name] = whole_number(name, options[name], least)
    if "game" in options:
        options["game"] = str(options["game"]).removeprefix(PREFIX)
    if "device" in options:
        if options["device"].keys() != {"device"}:
            raise InvalidValueError("engine_parameters", dict(options["device"]), "device=auto, cpu or cuda")
        options["device"] = options["device"]["device"]
    return options


def _resumed(given: Mapping[str, Any], resume: Path) -> AtariConfig:
    """Return the options of the interrupted run; the command line must not contradict them."""
    from snnrl.training.atari_run import read_config

    config = read_config(resume)
    for name, value in _options(given).items():
        began = getattr(config, name, value)  # the number of threads is free
        if value != began:
            raise InvalidValueError(name, value, f"{began!r}, as the resumed run began")
    return config


def _default_path(given: Mapping[str, Any]) -> Path:
    game = str(given["task"]).replace(":", "-")
    return Path("runs") / f"{game}-{given.get('plasticity', 'ddqn')}-{datetime.now():%Y%m%d-%H%M%S}"


def _train(config: AtariConfig, folder: Path, resume: bool, threads: int | None) -> dict[str, Any]:
    from snnrl.cli.stop_button import stop_button

    with stop_button() as stopped, _bar() as progress:
        import torch

        from snnrl.training.atari_run import train_atari

        if threads is not None:
            torch.set_num_threads(threads)
        return train_atari(config, folder, resume, progress, stopped)


@contextmanager
def _bar() -> Iterator[Callable[[AtariProgress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TextColumn("{task.fields[detail]}"),
               TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing the game", total=None, detail="")

        def show(progress: AtariProgress) -> None:
            score = f", score {progress.score:.1f}" if progress.games else ""
            unit = "decisions" if progress.phase == "learning" else "games"
            detail = f"{progress.done:,} of {progress.total:,} {unit}, {progress.games} games over{score}"
            bar.update(
                task, description=progress.phase, total=progress.total, completed=progress.done, detail=detail
            )

        yield show


def _rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("decisions learned from", f"{summary['steps']:,}"),
        ("games of the learner", str(summary["games"])),
    ]
    if summary["scores"]:
        score = f"{summary['score_mean']:.1f} +- {summary['score_std']:.1f} in {len(summary['scores'])} games"
        rows.append(("score", score))
    return [*rows, ("protocol", summary["protocol"])]


def _say_interrupted(folder: Path) -> None:
    from snnrl.training.runfolder import CHECKPOINT, CONFIG

    command = shlex.join(("snnrl", "train", "--resume", str(folder)))
    words = "interrupted before anything was written"
    if (folder / CONFIG).exists():
        kept = "the checkpoint is kept" if (folder / CHECKPOINT).exists() else "before the first checkpoint"
        words = f"interrupted, {kept}; go on with: {command}"
    print(f"snnrl: {words}", file=sys.stderr)
