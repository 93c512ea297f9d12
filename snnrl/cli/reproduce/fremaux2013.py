"""``snnrl reproduce fremaux2013``."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli.reproduce.common import Episodes, JsonFile, Out, Seed, Seeds, WorkerCount, given, run_paper

EXAMPLE = "Example:  snnrl reproduce fremaux2013 --part track --seeds 5 --out runs/fremaux2013"
COLUMNS = {
    "solved": ("solved", ".0%"),
    "episodes": ("episodes", ".0f"),
    "first": ("first 10", ".0f"),
    "last": ("last 100", ".1f"),
    "evaluation": ("evaluation", ".1f"),
    "evaluation_low": ("from", ".1f"),
    "evaluation_high": ("to", ".1f"),
    "evaluation_worst": ("worst", ".1f"),
    "spikes": ("spikes per decision", ",.0f"),
}


def fremaux2013(
    part: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Parts, comma-separated: identities, track, cartpole, acrobot, retrieved.",
            show_default="all",
        ),
    ] = None,
    seeds: Seeds = None,
    seed: Seed = None,
    episodes: Episodes = None,
    workers: WorkerCount = None,
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """SRM0 neurons, a critic in continuous time and a ring of actors: exact identities, and three tasks learned."""
    from snnrl.studies import fremaux2013 as study

    options = given(seeds=seeds, seed=seed, episodes=episodes)
    parts = {} if part is None else {"parts": tuple(str(part).split(","))}
    settings = study.Settings(**options, **parts)  # type: ignore[arg-type]
    run_paper(
        study.reproduce, settings, f"{study.STUDY}: {settings.seeds} seeds", COLUMNS, workers, out, json_file
    )
