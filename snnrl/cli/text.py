"""What the commands print: one line for an error, tables, and the file of ``--json``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from snnrl.errors import InvalidValueError
from snnrl.training.config import option_names

BAD_INPUT, INTERRUPTED = 2, 130
"""Exit codes."""


def error_line(error: Exception) -> str:
    """Return an error as one line; an option of a run is named as it is written on the command line."""
    message = str(error)
    if isinstance(error, InvalidValueError) and error.name in option_names():
        written = _as_written(error.name)
        message = written + message.removeprefix(error.name)
    elif hasattr(error, "format_message"):
        # Typer's own: a word of the command line that it cannot place.
        context = getattr(error, "ctx", None)
        message = f"{error.format_message()} (see '{context.command_path if context else 'snnrl'} --help')"
    return " ".join(message.split())


def _as_written(option: str) -> str:
    """Return an option of a run as it stands on the command line."""
    if option == "task":
        return "TASK"
    if option.endswith("_parameters"):
        return f"--set {option.removesuffix('_parameters')}.*"
    return f"--{option.replace('_', '-')}"


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on standard output; in a file or a pipe, where nothing wraps, in its full width."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in head:
        table.add_column(name)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        unbounded = console.options.update(max_width=10**6)
        console.width = max(console.width, console.measure(table, options=unbounded).maximum)
    console.print(table)


def check_json_option(path: Path | None) -> None:
    """Refuse a file for ``--json`` that could not be written, before any work is done."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InvalidValueError("--json", str(path), "a file in a folder that exists")


def write_json_option(path: Path | None, numbers: Mapping[str, Any]) -> None:
    """Write the file of ``--json``, if it was asked for."""
    if path is not None:
        from snnrl.training.files import write_json

        write_json(path, numbers)
