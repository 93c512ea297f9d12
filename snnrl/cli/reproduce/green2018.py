"""``snnrl reproduce green2018``."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli.reproduce.common import Episodes, JsonFile, Out, Seed, WorkerCount, given, run_paper
from snnrl.errors import InvalidValueError

EXAMPLE = "Example:  snnrl reproduce green2018 --tasks cartpole --widths 16,32 --out runs/green2018"
COLUMNS = {
    "environment": ("task", ""),
    "update": ("update", ""),
    "return": ("return", ".1f"),
    "return_error": ("+-", ".1f"),
    "solved": ("solved", ".0f"),
    "policies": ("of", ".0f"),
    "dips": ("below the level", ".0%"),
    "parameter_bits": ("bits", ",.0f"),
    "additions": ("adds", ",.0f"),
    "multiplications": ("multiplies", ",.0f"),
    "energy": ("J per decision", ".2e"),
}


def green2018(
    policies: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Policies of each kind.", show_default="10")
    ] = None,
    seed: Seed = None,
    episodes: Episodes = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="NAMES", help="cartpole, acrobot.", show_default="both")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="full, binary-connect, binary-net, compressed, pruned.", show_default="all"
        ),
    ] = None,
    updates: Annotated[
        str | None, typer.Option(metavar="NAMES", help="plain, repaired.", show_default="both")
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Hidden units.", show_default="16,32,64,128,256")
    ] = None,
    k: Annotated[
        str | None,
        typer.Option("--k", metavar="NUMBER", help="Values that a layer shares.", show_default="8"),
    ] = None,
    percent: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Weights that are pruned.", show_default="50")
    ] = None,
    workers: WorkerCount = None,
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """Binary, compressed and pruned policies: what low precision costs in return, and what it saves."""
    from snnrl.studies import green2018 as study

    lists = {"environments": tasks, "methods": methods, "updates": updates}
    chosen = {name: tuple(text.split(",")) for name, text in lists.items() if text is not None}
    options = given(policies=policies, seed=seed, episodes=episodes, k=k)
    settings = study.Settings(**options, **chosen, **_numbers(widths, percent))  # type: ignore[arg-type]
    title = f"green2018: {settings.policies} policies of each kind from seed {settings.seed}"
    run_paper(study.reproduce, settings, title, COLUMNS, workers, out, json_file)


def _numbers(widths: str | None, percent: str | None) -> dict[str, object]:
    """Read the options that are not single whole numbers."""
    found: dict[str, object] = {}
    if widths is not None:
        if not all(part.isdecimal() for part in widths.split(",")):
            raise InvalidValueError("--widths", widths, "whole numbers >= 1, separated by commas")
        found["widths"] = tuple(map(int, widths.split(",")))
    if percent is not None:
        try:
            found["percent"] = float(percent)
        except ValueError:
            raise InvalidValueError("--percent", percent, "above 0 and below 100") from None
    return found
