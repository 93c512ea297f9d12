"""``snnrl reproduce barto1983``."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli.reproduce.common import JsonFile, Out, Seed, Seeds, WorkerCount, given, run_paper

EXAMPLE = "Example:  snnrl reproduce barto1983 --seeds 20 --out runs/barto1983"
COLUMNS = {
    "balanced": ("balanced", ".0%"),
    "trials_to_balance": ("trials to 500 steps", ".0f"),
    "trials_to_475": ("to a mean of 475", ".0f"),
    "failures": ("failures", ".1f"),
    "last_20": ("last 20 trials", ".0f"),
    "evaluation": ("evaluation", ".1f"),
}


def barto1983(
    seeds: Seeds = None,
    seed: Seed = None,
    trials: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Learning trials of every agent.", show_default="300")
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Agents, comma-separated: ase-ace, ase-ace-spiking, ase, ase-spiking.",
            show_default="all",
        ),
    ] = None,
    workers: WorkerCount = None,
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """ASE/ACE on 162 boxes, as a table and as a spiking network, and the ASE alone: trials until the pole is balanced."""
    from snnrl.studies import barto1983 as study

    options = given(seeds=seeds, seed=seed, trials=trials)
    agents = {} if only is None else {"agents": tuple(only.split(","))}
    settings = study.Settings(**options, **agents)  # type: ignore[arg-type]
    title = f"barto1983: {settings.seeds} seeds from {settings.seed}, {settings.trials} trials each"
    run_paper(study.reproduce, settings, title, COLUMNS, workers, out, json_file)
