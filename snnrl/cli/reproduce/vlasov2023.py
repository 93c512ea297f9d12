"""``snnrl reproduce vlasov2023``."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli.reproduce.common import Episodes, JsonFile, Out, Seed, Seeds, WorkerCount, given, run_paper

EXAMPLE = "Example:  snnrl reproduce vlasov2023 --seeds 20 --out runs/vlasov2023"
COLUMNS = {
    "solved_195": ("at 195", ".0%"),
    "solved_475": ("at 475", ".0%"),
    "episodes_195": ("episodes to 195", ".0f"),
    "episodes_475": ("to 475", ".0f"),
    "evaluation": ("evaluation, mean", ".1f"),
    "evaluation_median": ("median", ".1f"),
    "evaluation_worst": ("worst", ".0f"),
    "evaluation_195": (">= 195", ".0%"),
    "evaluation_475": (">= 475", ".0%"),
    "spikes_per_step": ("spikes per state", ".1f"),
    "writes": ("writes per device", ",.0f"),
}


def vlasov2023(
    seeds: Seeds = None,
    seed: Seed = None,
    episodes: Episodes = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Agents, comma-separated: ideal, parylene, nanocomposite, parylene-full-steps, nanocomposite-full-steps.",
            show_default="all",
        ),
    ] = None,
    workers: WorkerCount = None,
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """First-spike coding: parylene and nanocomposite memristors learn the cart-pole from the times of single spikes."""
    from snnrl.studies import vlasov2023 as study

    options = given(seeds=seeds, seed=seed, episodes=episodes)
    agents = {} if only is None else {"agents": tuple(only.split(","))}
    settings = study.Settings(**options, **agents)  # type: ignore[arg-type]
    title = f"vlasov2023: {settings.seeds} seeds from {settings.seed}"
    run_paper(study.reproduce, settings, title, COLUMNS, workers, out, json_file)
