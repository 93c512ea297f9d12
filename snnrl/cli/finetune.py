"""``snnrl finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.convert import number, task_parameters
from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.conversion.finetune import Point

EXAMPLE = "Example:  snnrl finetune runs/my-spiking-run --set task.pole_length=4 --out runs/my-tuned-run"


def finetune(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder of 'snnrl convert'.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="Run folder of the tuned agent; must be new.", show_default=False)
    ],
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="task.NAME=VALUE",
            help="What is different now: task.pole_length=4.",
            show_default=False,
        ),
    ] = None,
    env_steps: Annotated[
        str, typer.Option(metavar="NUMBER", help="Environment steps to learn for.")
    ] = "40000",
    learning_rate: Annotated[str, typer.Option(metavar="NUMBER", help="Of the optimiser.")] = "0.001",
    episodes: Annotated[
        str, typer.Option(metavar="NUMBER", help="Episodes of the evaluation at the end.")
    ] = "100",
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Of exploration and episodes.")] = "0",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Let a converted agent go on learning in a changed task, by surrogate gradients through its spikes."""
    from snnrl.conversion.finetune import FineTuning
    from snnrl.training.config import whole_number

    settings = task_parameters(parameters or [])
    rate = number(learning_rate)
    if not isinstance(rate, int | float):
        raise InvalidValueError("--learning-rate", learning_rate, "a number above 0, below 1")
    options = FineTuning(whole_number("--env-steps", number(env_steps), 1), learning_rate=float(rate))
    count, first = whole_number("--episodes", number(episodes), 1), whole_number("--seed", number(seed), 0)
    check_json_option(json_file)
    try:
        numbers = _finetune(run, out, settings, options, count, first)
    except KeyboardInterrupt:
        print("snnrl: interrupted, nothing was written")
        raise typer.Exit(INTERRUPTED) from None
    rows = [
        (name.replace("_", " "), f"{numbers[name]:.1f}") for name in ("return_before_learning", "return_mean")
    ]
    print_table(f"{out.name}: {options.env_steps:,} environment steps", ("", "value"), rows)
    print(f"\n{out}")
    write_json_option(json_file, numbers)


def _finetune(
    run: Path, out: Path, settings: dict[str, Any], options: Any, episodes: int, seed: int
) -> dict[str, Any]:
    from rich.console import Console
    from rich.status import Status

    from snnrl.conversion.tuned import fine_tuned_run

    with Status("learning", console=Console(stderr=True)) as status:

        def show(point: Point) -> None:
            status.update(f"{point.env_steps:,} environment steps, return {point.return_mean:.1f}")

        return fine_tuned_run(run, out, settings, options, episodes, seed, show)
