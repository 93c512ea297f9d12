"""The command ``snnrl``. Bad input is one line and exit code 2; unexpected errors keep their traceback."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from snnrl.cli import map as map_command
from snnrl.cli import reproduce
from snnrl.cli.app import app
from snnrl.cli.text import BAD_INPUT, INTERRUPTED, error_line
from snnrl.errors import SnnrlError

app.add_typer(reproduce.app, name="reproduce")
app.command("map", epilog=map_command.EXAMPLE)(map_command.map_student)

USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What Typer raises for a command line it cannot read; it has no public name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments
        Words after ``snnrl``, by default those of this process.
    """
    try:
        code = app(args=arguments, prog_name="snnrl", standalone_mode=False)
    except (SnnrlError, USAGE_ERROR) as error:
        print(f"snnrl: {error_line(error)}", file=sys.stderr)
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        print("snnrl: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code if isinstance(code, int) else 0
