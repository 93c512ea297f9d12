"""``snnrl reproduce kulagin2025``."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli.reproduce.common import Episodes, JsonFile, Out, Seed, WorkerCount, given, run_paper

EXAMPLE = "Example:  snnrl reproduce kulagin2025 --seeds 10 --out runs/kulagin2025"
COLUMNS = {
    "solved_fraction": ("solved", ".0%"),
    "median_episodes": ("episodes", ".0f"),
    "evaluation_mean": ("evaluation", ".1f"),
    "evaluation_worst": ("worst", ".0f"),
    "spikes_per_episode": ("spikes per episode", ",.0f"),
    "writes_per_episode": ("writes per device and episode", ",.0f"),
}


def _names(help_text: str, usual: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(metavar="NAMES", help=help_text, show_default=usual)
    return option


def kulagin2025(
    seeds: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Agents of each combination.", show_default="10")
    ] = None,
    seed: Seed = None,
    episodes: Episodes = None,
    rewards: Annotated[
        str | None, _names("Rewards, comma-separated.", "survival,failure,angle,gaussian")
    ] = None,
    plasticities: Annotated[
        str | None, _names("Trace rules, comma-separated.", "td-ltp,r-stdp,policy-gradient")
    ] = None,
    devices: Annotated[str | None, _names("Memristive devices, comma-separated.", "vteam,parylene")] = None,
    workers: WorkerCount = None,
    out: Out = None,
    json_file: JsonFile = None,
) -> None:
    """Trace rules, rewards and memristive devices balance a pole; real time, and pulses that act where they overlap."""
    from snnrl.studies import kulagin2025 as study

    lists = {"rewards": rewards, "plasticities": plasticities, "devices": devices}
    chosen = {name: tuple(words.split(",")) for name, words in lists.items() if words is not None}
    settings = study.Settings(**given(seeds=seeds, seed=seed, episodes=episodes), **chosen)  # type: ignore[arg-type]
    title = f"kulagin2025: {settings.seeds} seeds from {settings.seed}, memristive synapses with 30 % spread"
    run_paper(study.reproduce, settings, title, COLUMNS, workers, out, json_file)
