"""``snnrl evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import check_json_option, print_table, write_json_option

if TYPE_CHECKING:
    from snnrl.training.runfolder import RunFolder

EXAMPLE = "Example:  snnrl evaluate runs/my-run --episodes 500 --json evaluation.json"


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.", show_default=False)],
    episodes: Annotated[
        str, typer.Option(metavar="NUMBER", help="Fresh episodes per agent.", show_default="100")
    ] = "100",
    exploration: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Scale of the exploration current; 1 is as in learning.",
            show_default="the run's own",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Evaluate the trained agents of RUN with plasticity off."""
    from snnrl.report import LABELS, number_text
    from snnrl.training.config import real_number, whole_number
    from snnrl.training.runfolder import RunFolder

    check_json_option(json_file)
    count = whole_number("--episodes", int(episodes) if episodes.isdecimal() else episodes, 1)
    level = None if exploration is None else real_number("--exploration", _number(exploration), 0.0)
    numbers = _evaluate(RunFolder.open(run), count, level)
    rows = [(LABELS[key], number_text(key, numbers[key])) for key in LABELS if key in numbers]
    print_table(f"{run.name}: {count} episodes per agent, plasticity off", ("", "value"), rows)
    write_json_option(json_file, numbers)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _evaluate(folder: RunFolder, episodes: int, exploration: float | None) -> dict[str, Any]:
    from snnrl.cli.progress import progress_bar

    with progress_bar(folder.config.seeds, folder.config.episodes, episodes) as progress:
        from snnrl.training.evaluate import evaluate as evaluate_agents

        return evaluate_agents(folder.path, episodes, exploration, progress)
