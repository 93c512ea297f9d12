"""``snnrl compare-engines``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option

if TYPE_CHECKING:
    from snnrl.studies.compare_engines import Agreement, Variant

EXAMPLE = "Example:  snnrl compare-engines --seconds 2 --only fast --only torch --json engines.json"


def compare_engines(
    seconds: Annotated[
        str, typer.Option(metavar="NUMBER", help="Simulated seconds of the open loop.", show_default="10")
    ] = "10",
    episodes: Annotated[
        str, typer.Option(metavar="NUMBER", help="Episodes of the closed loop; 0: none.", show_default="20")
    ] = "20",
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Seed of everything.", show_default="0")] = "0",
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="One row of the table; may be given again.", show_default="all rows"
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the rows to this file.", show_default=False)
    ] = None,
) -> None:
    """Run one agent on every engine: do spikes, weights and actions agree, and how fast is each."""
    from snnrl.training.config import real_number, whole_number

    check_json_option(json_file)
    variants = _variants(only or [])
    duration = real_number("--seconds", _read(seconds, float), 0.02)
    count, first = (
        whole_number("--episodes", _read(episodes, int), 0),
        whole_number("--seed", _read(seed, int), 0),
    )
    rows = _compare(variants, duration, count, first)
    title = f"open loop of {duration:g} s beside the reference; closed loop of {count} episodes beside fast"
    print_table(title, HEAD, [_cells(row) for row in rows])
    for row in rows:
        if row.absent is not None:
            print(f"{row.engine}: {row.absent}")
    conditions = {"seconds": duration, "episodes": count, "seed": first, **_machine()}
    write_json_option(json_file, {"engines": [row.as_dict() for row in rows], **conditions})


HEAD = (
    "engine",
    "spikes identical",
    "spike counts",
    "weights",
    "us per dt",
    "same actions",
    "us per dt, closed",
    "build s",
)


def _machine() -> dict[str, Any]:
    """Return what the times depend on."""
    import os
    import platform

    from snnrl.training.runfolder import versions

    return {"system": platform.platform(), "cores": os.cpu_count(), "versions": versions()}


def _read(text: str, kind: type) -> object:
    """Return a number, or the text itself for the error message."""
    try:
        return kind(text)
    except ValueError:
        return text


def _variants(names: Sequence[str]) -> list[Variant]:
    from snnrl.studies.compare_engines import VARIANTS
    from snnrl.training.config import known_name

    known = {variant.name: variant for variant in VARIANTS}
    for name in names:
        known_name("--only", name, known)
    return [known[name] for name in names or known]


def _compare(variants: Sequence[Variant], seconds: float, episodes: int, seed: int) -> list[Agreement]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("the reference", total=len(variants) + 1)

        def advance(name: str) -> None:
            bar.update(task, advance=1, description=name)

        from snnrl.studies.compare_engines import compare_engines as compare

        try:
            return compare(variants, seconds, episodes, seed, advance)
        except KeyboardInterrupt:
            print("snnrl: interrupted, nothing was written", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


def _cells(row: Agreement) -> tuple[str, ...]:
    if row.absent is not None:
        return (row.engine, "absent", *["–"] * (len(HEAD) - 2))
    return (
        row.engine, _yes(row.spikes_identical), _number(row.spike_count_difference, ".2%"),
        _number(row.weights_max_rel_diff, ".1e"), _number(row.us_per_dt, ".3g"), _yes(row.same_actions),
        _number(row.closed_loop_us_per_dt, ".3g"), _number(row.build_seconds, ".1f"),
    )  # fmt: skip


def _yes(value: bool | None) -> str:
    return "–" if value is None else ("yes" if value else "no")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
