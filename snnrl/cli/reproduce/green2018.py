"""``snnrl reproduce green2018``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import typer

from snnrl.cli.reproduce.common import Columns, Episodes, JsonFile, Out, Seed, WorkerCount, given, run_paper
from snnrl.errors import InvalidValueError

EXAMPLE = "Example:  snnrl reproduce green2018 --tasks cartpole --widths 16,32 --out runs/green2018"
PARTS = ("control", "precisions", "pong")
COLUMNS = {
    "environment": ("task", ""),
    "update": ("update", ""),
    "return": ("return", ".1f"),
    "return_error": ("+-", ".1f"),
    "solved": ("solved", ".0f"),
    "likeliest": ("likeliest action", ".1f"),
    "likeliest_solved": ("solved", ".0f"),
    "policies": ("of", ".0f"),
    "last_quarter": ("last quarter of learning", ".1f"),
    "dips": ("below the level", ".0%"),
    "parameter_bits": ("bits", ",.0f"),
    "additions": ("adds", ",.0f"),
    "multiplications": ("multiplies", ",.0f"),
    "energy": ("J per decision", ".2e"),
}
PRECISIONS_COLUMNS = {
    "return": ("return", ".1f"),
    "solved": ("solved", ".0f"),
    "policies": ("of", ".0f"),
    "parameter_bits": ("bits", ",.0f"),
    "additions": ("adds", ",.0f"),
    "multiplications": ("multiplies", ",.0f"),
    "spikes": ("spikes", ",.0f"),
    "writes": ("writes a device", ",.0f"),
    "energy": ("J: Table I", ".2e"),
    "array_energy": ("J: arrays", ".2e"),
    "truenorth_energy": ("J: 26 pJ an event", ".2e"),
    "write_energy": ("J of all writes", ".2e"),
}
PONG_COLUMNS = {
    "return": ("score", "+.1f"),
    "return_error": ("+-", ".1f"),
    "policies": ("of", ".0f"),
    "late": ("last tenth of learning", "+.1f"),
    "games": ("learning games", ",.0f"),
    "parameter_bits": ("bits", ",.0f"),
    "additions": ("adds", ",.0f"),
    "multiplications": ("multiplies", ",.0f"),
    "energy": ("J per decision", ".2e"),
}


def green2018(
    part: Annotated[
        str,
        typer.Option(
            "--part",
            "--task",
            metavar="NAME",
            help="control: CartPole-v0 and Acrobot-v1; precisions: one table over dense, crossbar and spiking networks; "
            "pong.",
        ),
    ] = PARTS[0],
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Policies of each kind.", show_default="10, precisions 20, pong 5"
        ),
    ] = None,
    seed: Seed = None,
    episodes: Episodes = None,
    tasks: Annotated[
        str | None, typer.Option(metavar="NAMES", help="cartpole, acrobot.", show_default="both")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="full, binary-connect, binary-net, compressed, pruned, ternary, 2-bit, 4-bit, 8-bit.",
            show_default="all",
        ),
    ] = None,
    updates: Annotated[
        str | None, typer.Option(metavar="NAMES", help="plain, repaired.", show_default="both")
    ] = None,
    widths: Annotated[
        str | None, typer.Option(metavar="NUMBERS", help="Hidden units.", show_default="16,32,64,128,256")
    ] = None,
    networks: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Of precisions: dense, crossbar, spiking.", show_default="all"),
    ] = None,
    decisions: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Of pong: decisions of a policy.", show_default="3000000"),
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
    from snnrl.training.config import known_name

    known_name("--part", part, PARTS)
    lists = {"environments": tasks, "methods": methods, "updates": updates, "networks": networks}
    chosen: dict[str, object] = {
        name: tuple(text.split(",")) for name, text in lists.items() if text is not None
    }
    numbers = {"policies": policies, "seed": seed, "episodes": episodes, "decisions": decisions, "k": k}
    chosen |= {**given(**numbers), **_numbers(widths, percent)}
    studies: dict[str, tuple[Callable[..., Any], Callable[..., Any], Columns]] = {
        "control": (study.Settings, study.reproduce, COLUMNS),
        "precisions": (study.PrecisionSettings, study.reproduce_precisions, PRECISIONS_COLUMNS),
        "pong": (study.PongSettings, study.reproduce_pong, PONG_COLUMNS),
    }
    kind, reproduce, columns = studies[part]
    settings = kind(**_fitting(part, kind, chosen))
    title = f"green2018, {part}: {settings.policies} policies of each kind from seed {settings.seed}"
    run_paper(reproduce, settings, title, columns, workers, out, json_file)


OPTIONS = {"environments": "--tasks"}
"""Options that have another name than the setting."""


def _fitting(part: str, kind: Any, chosen: dict[str, object]) -> dict[str, Any]:
    """Refuse options that a part has not."""
    known = {field.name for field in dataclasses.fields(kind)}
    for name, value in chosen.items():
        if name not in known:
            option = OPTIONS.get(name, f"--{name}")
            raise InvalidValueError(option, value, f"nothing with --part {part}")
    return chosen


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
