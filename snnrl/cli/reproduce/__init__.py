"""``snnrl reproduce``: one command per paper.

The command of a study is a function of the study's name in a module of that name, with its `EXAMPLE`.
"""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from snnrl.errors import UnknownNameError

EXAMPLE = "Example:  snnrl reproduce wu2019 --table 1 --agents 250 --json table-1.json"
STUDIES = ("barto1983", "fremaux2013", "green2018", "kulagin2025", "mckinstry2018", "vlasov2023", "wu2019")


class Studies(TyperGroup):
    """The group of the studies: a name that it does not know is answered with those that it knows."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of the study that is named first."""
        if args and args[0] not in self.commands:
            raise UnknownNameError("STUDY", args[0], self.commands)
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Studies, epilog=EXAMPLE, subcommand_metavar="STUDY [OPTIONS]")


@app.callback(invoke_without_command=True)
def reproduce(context: typer.Context) -> None:
    """Reproduce a paper: its own numbers, or its claim, beside what is measured here."""
    if context.invoked_subcommand is None:
        raise UnknownNameError("STUDY", None, STUDIES)


for _name in STUDIES:
    _module = importlib.import_module(f"{__name__}.{_name}")
    app.command(_name, epilog=_module.EXAMPLE, rich_help_panel="Studies")(getattr(_module, _name))
