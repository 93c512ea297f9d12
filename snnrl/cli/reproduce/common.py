"""What the commands of all studies share: numbers and folders checked, a bar, the line after Ctrl-C, rows as a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.studies.paper import Outcome

Columns = Mapping[str, tuple[str, str]]
"""Heading and format of the numbers that a row may have, by their key."""
Out = Annotated[
    Path | None,
    typer.Option(
        help="Folder for results and pictures; a study interrupted there is gone on with.",
        show_default="nothing is kept",
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Also write the rows to this file.", show_default=False)
]
Seeds = Annotated[str | None, typer.Option(metavar="NUMBER", help="Agents of each kind.", show_default="20")]
Seed = Annotated[
    str | None,
    typer.Option(metavar="NUMBER", help="Seed of the first agent.", show_default="the study's own"),
]
Episodes = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="Most learning episodes.", show_default="the study's own")
]
WorkerCount = Annotated[
    str | None,
    typer.Option("--workers", metavar="NUMBER", help="Processes.", show_default="one per core"),
]


def whole(option: str, text: str | None) -> int | None:
    """Return a whole number from the command line: at least 1, a seed at least 0; None if it was not given.

    Raises
    ------
    InvalidValueError
        If it is anything else.
    """
    from snnrl.training.config import whole_number

    if text is None:
        return None
    least = 0 if option == "--seed" else 1
    return whole_number(option, int(text) if text.isdecimal() else text, least)


def given(**options: str | None) -> dict[str, int]:
    """Return the whole numbers that were given, by name; ``first_seed="3"`` is the option ``--first-seed 3``."""
    read = {name: whole(f"--{name.replace('_', '-')}", text) for name, text in options.items()}
    return {name: value for name, value in read.items() if value is not None}


def check_folder(out: Path | None) -> None:
    """Refuse a file as the folder of a study, before any work is done."""
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidValueError("--out", str(out), "a folder, new or of a study begun before")


@contextmanager
def interruptible(out: Path | None) -> Iterator[None]:
    """Make Ctrl-C inside the block one line that says what is kept, and the exit code of an interruption."""
    try:
        yield
    except KeyboardInterrupt:
        kept = "nothing is kept" if out is None else f"finished parts are kept; go on with --out {out}"
        print(f"snnrl: interrupted, {kept}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def doing(beginning: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done and for how long while the block runs; the value is the function that changes the words."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(beginning, total=None)
        yield lambda words: bar.update(task, description=words)


def print_rows(title: str, columns: Columns, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows under those columns that have a number in any of them; the first column is the row's name."""
    shown = {key: how for key, how in columns.items() if any(row.get(key) is not None for row in rows)}
    head = ("", *(label for label, _ in shown.values()))
    cells = [[row["row"], *(_cell(row.get(key), how) for key, (_, how) in shown.items())] for row in rows]
    print_table(title, head, cells)


def _cell(value: Any, how: str) -> str:
    return "" if value is None else format(value, how)


def run_paper(
    reproduce: Callable[..., Outcome],
    settings: Any,
    title: str,
    columns: Columns,
    workers: str | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    """Run a study of `snnrl.studies.paper` and print its rows, and the paper's claims beside ours.

    Parameters
    ----------
    reproduce
        ``reproduce(settings, folder, workers, report)`` of the study.
    settings
        Its settings.
    title, columns
        Of the table.
    workers, out, json_file
        From the command line.
    """
    from snnrl.studies.rewards.execute import processes

    check_json_option(json_file)
    check_folder(out)
    count = whole("--workers", workers) or os.cpu_count() or 1
    with interruptible(out), processes(count) as place, doing("beginning") as say:
        outcome = reproduce(settings, out, place, say)
    print_rows(title, columns, outcome.rows)
    print_outcome(outcome, json_file)


def print_outcome(outcome: Outcome, json_file: Path | None) -> None:
    """Print the paper's claims beside ours, the time and the pictures of a study; write the file of ``--json``."""
    print_table(
        "\nthe paper, and what is measured here",
        ("claim", "source", "here"),
        [(claim.claim, claim.source, claim.ours) for claim in outcome.claims],
    )
    print(f"\ncomputed in {outcome.seconds:,.0f} s")
    for picture in outcome.pictures:
        print(picture)
    write_json_option(json_file, outcome.to_dict())
