"""``snnrl finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.convert import number, task_parameters
from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from snnrl.conversion.options import Point

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
    rule: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="surrogate: all weights, by gradients through the spikes. "
            "policy-gradient: the output layer, by reward-gated plasticity.",
        ),
    ] = "surrogate",
    env_steps: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Environment steps to learn for. (40000 for surrogate, 8000 for policy-gradient)",
            show_default=False,
        ),
    ] = None,
    learning_rate: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Of the optimiser or of the synapses. (0.001 for surrogate, 0.5 for policy-gradient)",
            show_default=False,
        ),
    ] = None,
    episodes: Annotated[
        str, typer.Option(metavar="NUMBER", help="Episodes of the evaluation at the end.")
    ] = "100",
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Of exploration and episodes.")] = "0",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Let a converted agent go on learning in a changed task."""
    from snnrl.training.config import whole_number

    settings = task_parameters(parameters or [])
    options = _options(rule, env_steps, learning_rate)
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
    print_table(f"{out.name}: {rule}, {options.env_steps:,} environment steps", ("", "value"), rows)
    print(f"\n{out}")
    write_json_option(json_file, numbers)


def _options(rule: str, env_steps: str | None, learning_rate: str | None) -> Any:
    from snnrl.conversion.tuned import RULES, make_options
    from snnrl.training.config import whole_number

    if rule not in RULES:
        raise UnknownNameError("--rule", rule, RULES)
    steps = None if env_steps is None else whole_number("--env-steps", number(env_steps), 1)
    rate = None if learning_rate is None else number(learning_rate)
    if isinstance(rate, str):
        raise InvalidValueError("--learning-rate", learning_rate, "a number above 0, below 1")
    try:
        return make_options(rule, env_steps=steps, learning_rate=rate)
    except InvalidValueError as error:
        raise InvalidValueError("--learning-rate", error.got, error.allowed) from None


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
