"""``snnrl convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from snnrl.conversion.options import ConversionOptions

EXAMPLE = "Example:  snnrl convert runs/my-dense-run --to spiking --steps 32 --out runs/my-spiking-run"

TARGETS = ("spiking",)
LABELS = {
    "action_agreement": ("same action as the dense network", "{:.2%}"),
    "value_error": ("error of the value (root mean square)", "{:.4g}"),
    "value_spread": ("standard deviation of the value itself", "{:.4g}"),
    "return_mean": ("mean return", "{:.1f}"),
    "dense_return_mean": ("mean return of the dense network", "{:.1f}"),
    "spikes_per_decision": ("spikes per decision", "{:.1f}"),
    "synaptic_operations_per_decision": ("synaptic operations per decision", "{:,.0f}"),
    "dense_operations": ("multiplications of the dense network", "{:,.0f}"),
}


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Trained weights: a run folder of 'snnrl train --network dense', a Stable-Baselines3 zip, a torch file, "
            "ONNX, an .npz of DenseNetwork.save, or a .nir file, whose network spikes already.",
            show_default=False,
        ),
    ],
    to: Annotated[str, typer.Option(metavar="NAME", help="What to make: spiking.")] = "spiking",
    steps: Annotated[str, typer.Option(metavar="NUMBER", help="Time steps per decision, 1 to 1024.")] = "32",
    percentile: Annotated[
        str, typer.Option(metavar="NUMBER", help="Percentile of the activations that the neurons reach.")
    ] = "99.9",
    code: Annotated[str, typer.Option(metavar="NAME", help="rate or first-spike.")] = "rate",
    no_correction: Annotated[
        bool, typer.Option("--no-correction", help="Plain neurons, without residual membrane correction.")
    ] = False,
    reset: Annotated[
        str, typer.Option(metavar="NAME", help="Of plain neurons: subtract or zero (which NIR knows).")
    ] = "subtract",
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="The task.", show_default="the run's own")
    ] = None,
    episodes: Annotated[
        str, typer.Option(metavar="NUMBER", help="Episodes that both networks play.")
    ] = "100",
    seed: Annotated[str, typer.Option(metavar="NUMBER", help="Seed of the first episode.")] = "0",
    engine: Annotated[str, typer.Option(metavar="NAME", help="fast, torch, bindsnet or brian2.")] = "fast",
    agent: Annotated[
        str | None,
        typer.Option(metavar="SEED", help="Which agent of a run folder.", show_default="the first"),
    ] = None,
    activation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="relu or tanh, where a file of weights does not say.", show_default=False
        ),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="task.NAME=VALUE", help="A parameter of the task.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; must be new.", show_default=False)] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Turn a trained dense network into a spiking one, compare the two, and write a run folder."""
    from snnrl.training.config import ENGINES, known_name, whole_number

    if to not in TARGETS:
        raise UnknownNameError("--to", to, TARGETS)
    options = _options(steps, percentile, code, not no_correction, reset)
    count = whole_number("--episodes", number(episodes), 1)
    first = whole_number("--seed", number(seed), 0)
    known_name("--engine", engine, ENGINES)
    check_json_option(json_file)
    if out is None:
        raise InvalidValueError("--out", None, "a new folder for the spiking agent")
    if not source.exists():
        raise InvalidValueError("SOURCE", str(source), "a run folder or a file that exists")
    hints = {
        "activation": activation,
        "agent": None if agent is None else whole_number("--agent", number(agent), 0),
    }
    numbers = _convert(source, out, task, parameters or [], options, count, first, engine, hints)
    rows = [
        (text, form.format(numbers[key])) for key, (text, form) in LABELS.items() if numbers[key] is not None
    ]
    print_table(f"{out.name}: {options.steps} dt per decision, {options.code} code", ("", "value"), rows)
    print(f"\n{out}")
    write_json_option(json_file, numbers)


def _options(steps: str, percentile: str, code: str, correction: bool, reset: str) -> ConversionOptions:
    from snnrl.conversion.options import CODES, ConversionOptions

    if code not in CODES:
        raise UnknownNameError("--code", code, CODES)
    try:
        return ConversionOptions(number(steps), number(percentile), code, correction, reset)
    except InvalidValueError as error:
        raise InvalidValueError(f"--{error.name}", error.got, error.allowed) from None
    except TypeError:
        raise InvalidValueError("--percentile", percentile, "a number above 50, at most 100") from None


def number(text: str) -> Any:
    """Return the number in a text, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _convert(source: Path, out: Path, task: str | None, settings: list[str], options: ConversionOptions, episodes: int,
             seed: int, engine: str, hints: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
    from snnrl.cli.progress import progress_bar

    given = task_parameters(settings)
    with progress_bar(1, 1, episodes) as progress:
        from snnrl.conversion.convert import convert as run
        from snnrl.conversion.convert import task_of

        chosen = task_of(source, task, given)
        return run(source, out, chosen, options, episodes=episodes, seed=seed, engine=engine, progress=progress,
                   **hints)  # fmt: skip


def task_parameters(settings: list[str]) -> dict[str, Any]:
    """Read ``task.NAME=VALUE`` settings."""
    read = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        part, _, name = key.partition(".")
        if part != "task" or not name or not equals:
            raise InvalidValueError("--set", setting, "task.NAME=VALUE")
        read[name] = number(text)
    return read
