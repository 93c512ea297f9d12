"""``snnrl reproduce wu2019``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from snnrl.cli.reproduce.common import (
    JsonFile,
    Out,
    check_folder,
    doing,
    given,
    interruptible,
    print_rows,
    whole,
)
from snnrl.cli.text import check_json_option, write_json_option
from snnrl.errors import InvalidValueError

EXAMPLE = "Example:  snnrl reproduce wu2019 --table 1 --agents 250 --json table-1.json"

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


def wu2019(
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
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """Memristor crossbars that learn to balance a rotary pendulum: the paper's tables and figures."""
    asked = {"--table": table, "--figure": figure, "--all": everything or None, "--extra": extra}
    chosen = [name for name, value in asked.items() if value is not None]
    if len(chosen) != 1:
        raise InvalidValueError("what to reproduce", chosen, "one of --table, --figure, --extra and --all")
    check_json_option(json_file)
    check_folder(out)
    numbers = {name: whole(f"--{name}", text) for name, text in (("table", table), ("figure", figure))}
    options = given(agents=agents, seed=seed, threads=threads)
    result = _run({**numbers, "extra": extra}, options, whole("--curve-agents", curve_agents), out)
    _print(result)
    write_json_option(json_file, result)


def _run(
    what: dict[str, Any], options: dict[str, int], curve_agents: int | None, out: Path | None
) -> dict[str, Any]:
    from snnrl.studies import wu2019 as study

    settings = study.Settings(**options)  # type: ignore[arg-type]
    limited = study.Limited(agents=curve_agents or min(settings.agents, study.Limited().agents))
    with interruptible(out), doing("preparing the kernel") as say:

        def progress(stage: study.Stage) -> None:
            say(f"{stage.name}: {stage.steps / 1e6:,.0f} million agent steps")

        return study.reproduce(**what, folder=out, settings=settings, limited=limited, progress=progress)


def _print(result: dict[str, Any]) -> None:
    rows = result["rows"]
    who = f"{rows[0]['seeds']} seeds" if "seeds" in rows[0] else f"{result['settings']['agents']} agents"
    print_rows(f"wu2019: {who} a row", _COLUMNS, rows)
    if result.get("reduction") is not None:
        ours, paper = result["reduction"], result["paper_reduction"]
        print(f"\nBaseline / Manhattan PQ: {ours:.0f} times fewer updates (paper: {paper:.0f})")
    seconds = sum(result["seconds"].values())
    if seconds:
        print(f"\ncomputed in {seconds:,.0f} s")
    for picture in result["pictures"]:
        print(picture)
