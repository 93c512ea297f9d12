"""``snnrl reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from snnrl.studies.wu2019 import Stage

EXAMPLE = "Example:  snnrl reproduce wu2019 --table 1 --agents 250 --json table-1.json"

STUDIES = ("wu2019",)
_COLUMNS = {
    "t2f": ("t2f", ".0f"),
    "paper_t2f": ("paper", ".0f"),
    "updates": ("updates", ",.0f"),
    "paper_updates": ("paper", ",.0f"),
    "efficiency": ("gain/update", ".4f"),
    "paper_efficiency": ("paper", ".4f"),
    "speed_up_to_3500": ("speed-up", ".1f"),
    "samples_to_3500": ("samples", ",.0f"),
    "fewer_than_zero_1_to_3500": ("fewer than zero-1", ".1f"),
    "fewer_than_zero_4_to_3500": ("than zero-4", ".1f"),
    "value_min": ("value from", ".2f"),
    "value_max": ("to", ".2f"),
    "decided": ("decided", ".0%"),
    "t2f_change": ("change", "+.0f"),
    "solved": ("solved", ".0%"),
    "median_episodes": ("episodes", ".0f"),
    "evaluation": ("evaluation", ".0f"),
    "writes_mean": ("writes per device", ",.0f"),
    "writes_most": ("most", ",.0f"),
    "energy": ("J per decision", ".1e"),
    "baseline_t2f": ("Baseline t2f", ".0f"),
    "baseline_updates": ("updates", ",.0f"),
    "inference_t2f": ("Inference t2f", ".0f"),
    "exact_t2f": ("Exact t2f", ".0f"),
    "manhattan_t2f": ("Manhattan PQ t2f", ".0f"),
    "manhattan_updates": ("updates", ",.0f"),
    "zero_4_fewer_than_zero_1": ("zero-4 fewer than zero-1", ".1f"),
    "pre_4_fewer_than_zero_1": ("pre-4", ".1f"),
}
"""Numbers that are printed where a row has them; samples, speed-ups and ratios are those until a t2f of 3500."""


def reproduce(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help=f"One of: {', '.join(STUDIES)}.", show_default=False)
    ],
    table: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Table: 1 or 2.", show_default=False)
    ] = None,
    figure: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Figure: 10 to 14.", show_default=False)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every table and figure.", show_default=False)
    ] = False,
    extra: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Beside them: converters (8 bits), sensitivity (numbers left open), spiking (on the same devices).",
            show_default=False,
        ),
    ] = None,
    agents: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Agents per row.", show_default="2500, as in the paper"),
    ] = None,
    curve_agents: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Agents per curve of figures 12 to 14.",
            show_default="100, as in the paper, or --agents where that is less",
        ),
    ] = None,
    seed: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Seed of the study.", show_default="6000")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Number of threads.", show_default="one per core")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for results and pictures; a study interrupted there is gone on with.",
            show_default="nothing is kept",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the rows to this file.", show_default=False)
    ] = None,
) -> None:
    """Reproduce the tables and figures of a paper, beside the paper's own numbers."""
    if study not in STUDIES:
        raise UnknownNameError("STUDY", study, STUDIES)
    asked = {"--table": table, "--figure": figure, "--all": everything or None, "--extra": extra}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise InvalidValueError("what to reproduce", given, "one of --table, --figure, --extra and --all")
    check_json_option(json_file)
    _check_folder(out)
    numbers = {name: _whole(f"--{name}", text) for name, text in (("table", table), ("figure", figure))}
    options = {
        name: _whole(f"--{name}", text)
        for name, text in (("agents", agents), ("seed", seed), ("threads", threads))
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    result = _run({**numbers, "extra": extra}, chosen, _whole("--curve-agents", curve_agents), out)
    _print(result)
    write_json_option(json_file, result)


def _whole(option: str, text: str | None) -> int | None:
    from snnrl.training.config import whole_number

    if text is None:
        return None
    least = 0 if option == "--seed" else 1
    return whole_number(option, int(text) if text.isdecimal() else text, least)


def _check_folder(out: Path | None) -> None:
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidValueError("--out", str(out), "a folder, new or of a study begun before")


def _run(
    what: dict[str, Any], options: dict[str, int], curve_agents: int | None, out: Path | None
) -> dict[str, Any]:
    from snnrl.studies import wu2019

    settings = wu2019.Settings(**options)  # type: ignore[arg-type]
    limited = wu2019.Limited(agents=curve_agents or min(settings.agents, wu2019.Limited().agents))
    try:
        with _bar() as progress:
            return wu2019.reproduce(**what, folder=out, settings=settings, limited=limited, progress=progress)
    except KeyboardInterrupt:
        kept = "nothing is kept" if out is None else f"finished parts are kept; go on with --out {out}"
        print(f"snnrl: interrupted, {kept}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _bar() -> Iterator[Callable[[Stage], None]]:
    """Show which result is being made and how many agent steps it has taken."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing the kernel", total=None)
        yield lambda stage: bar.update(
            task, description=f"{stage.name}: {stage.steps / 1e6:,.0f} million agent steps"
        )


def _print(result: dict[str, Any]) -> None:
    rows = result["rows"]
    shown = {key: how for key, how in _COLUMNS.items() if any(row.get(key) is not None for row in rows)}
    head = ("", *(label for label, _ in shown.values()))
    cells = [[row["row"], *(_cell(row.get(key), how) for key, (_, how) in shown.items())] for row in rows]
    who = f"{rows[0]['seeds']} seeds" if "seeds" in rows[0] else f"{result['settings']['agents']} agents"
    print_table(f"wu2019: {who} a row", head, cells)
    if result.get("reduction") is not None:
        ours, paper = result["reduction"], result["paper_reduction"]
        print(f"\nBaseline / Manhattan PQ: {ours:.0f} times fewer updates (paper: {paper:.0f})")
    seconds = sum(result["seconds"].values())
    if seconds:
        print(f"\ncomputed in {seconds:,.0f} s")
    for picture in result["pictures"]:
        print(picture)


def _cell(value: float | None, how: str) -> str:
    return "" if value is None else format(value, how)
