"""``snnrl info``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from snnrl.cli.text import check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError

EXAMPLE = "Examples:  snnrl info   snnrl info runs/my-run   snnrl info --kernel"


def info(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN",
            help="Run folder, packed student or core file; without it, what there is to choose from.",
            show_default=False,
        ),
    ] = None,
    kernel: Annotated[
        bool,
        typer.Option("--kernel", help="Print the compiled kernel's source: RUN's, or the default run's."),
    ] = False,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Draw a student's activity, or the cores of a core file.", show_default=False
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write it to this file.", show_default=False)
    ] = None,
) -> None:
    """Show the options and results of RUN, or everything there is to choose from."""
    check_json_option(json_file)
    is_file = run is not None and run.is_file()
    if figure is not None and (not is_file or not figure.absolute().parent.is_dir()):
        allowed = "a file in a folder that exists, with a packed student or a core file"
        raise InvalidValueError("--figure", str(figure), allowed)
    if kernel:
        content = _show_kernel(run)
    elif run is not None and is_file:
        from snnrl.cli.truenorth import show_file

        content = show_file(run, figure)
    elif run is not None:
        content = _show_run(run)
    else:
        content = _show_choices()
    write_json_option(json_file, content)


def _show_kernel(run: Path | None) -> dict[str, Any]:
    from dataclasses import replace

    from snnrl.engines.fast.engine import FastSession
    from snnrl.training.build import build_crossbars, build_session
    from snnrl.training.config import TrainingConfig
    from snnrl.training.runfolder import RunFolder

    config = TrainingConfig() if run is None else RunFolder.open(run).config
    if config.dense or config.truenorth:
        allowed = f"a run of a network with a kernel, which {config.network} ones have not"
        raise InvalidValueError("--kernel", str(run), allowed)
    config = replace(config, seeds=1, engine="fast", engine_parameters={})
    if config.crossbar:
        source = build_crossbars(config).source
    else:
        session = build_session(config)
        assert isinstance(session, FastSession)
        source = session.kernel.source  # the same for any number of agents
    print(source)
    return {"kernel": source}


def _show_run(run: Path) -> dict[str, Any]:
    from snnrl.report import LABELS, number_text, wear_rows
    from snnrl.training.runfolder import RunFolder

    folder = RunFolder.open(run)
    options = {name: value for name, value in folder.config.to_dict().items() if value not in (None, {})}
    if "model" in options:
        options["model"] = "an agent of one's own, in config.json"
    rows = [(name.replace("_", " "), str(value)) for name, value in (options | folder.versions).items()]
    print_table(str(run), ("option", "value"), rows)
    print(f"\nrepeat it:  {folder.config.command()}")
    if not folder.finished:
        print(f"not finished; go on with:  snnrl train --resume {run}")
        return {"options": options, "versions": folder.versions, "summary": None}
    summary = folder.read_summary()
    print()
    print_table(
        "result", ("", "value"), [(LABELS.get(key, key), number_text(key, v)) for key, v in summary.items()]
    )
    content: dict[str, Any] = {"options": options, "versions": folder.versions, "summary": summary}
    if folder.has_wear:
        content["wear"] = folder.read_wear()
        print()
        print_table("wear and energy", ("", "value"), wear_rows(content["wear"]))
    return content


def _show_choices() -> dict[str, Any]:
    from snnrl.tasks import rewards
    from snnrl.training.runfolder import versions

    choices = dict(_choices())
    print_table(
        "what there is to choose from", ("option", "names"), [(k, ", ".join(v)) for k, v in choices.items()]
    )
    formulas = {name: rewards.make(name).formula for name in rewards.names()}
    print()
    print_table("reward functions", ("name", "formula"), list(formulas.items()))
    print()
    print_table("versions", ("", ""), list(versions().items()))
    return {"choices": choices, "rewards": formulas, "versions": versions()}


def _choices() -> Iterator[tuple[str, list[str]]]:
    """Give every option that takes a name, with the names it knows."""
    from snnrl import tasks
    from snnrl.plasticity import devices
    from snnrl.tasks import rewards
    from snnrl.training.config import CHOICES

    yield "TASK", [*tasks.names(), "gym:ENV_ID"]
    for option, names in CHOICES.items():
        yield f"--{option}", list(names)
    yield "--device", devices.names()
    yield "--reward", rewards.names()
