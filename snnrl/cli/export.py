"""``snnrl export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from snnrl.cli.text import check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError, UnknownNameError

EXAMPLE = "Example:  snnrl export runs/my-spiking-run --to nir --out agent.nir"

FORMATS = {"nir": ".nir", "neo": ".mat"}


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Run folder of a spiking agent.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="nir: the network, for Norse, snnTorch and others; neo: spikes and membranes of an episode, for Elephant.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="New file.", show_default=False)],
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="neo: environment steps at most.", show_default="the whole episode"
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write what was exported to this file.", show_default=False),
    ] = None,
) -> None:
    """Write the agent of RUN in a format that other packages read."""
    from snnrl.training.config import whole_number

    if to not in FORMATS:
        raise UnknownNameError("--to", to, FORMATS)
    if out.suffix != FORMATS[to] or out.exists() or not out.absolute().parent.is_dir():
        raise InvalidValueError("--out", str(out), f"a new file *{FORMATS[to]} in a folder that exists")
    most = None if steps is None else whole_number("--steps", int(steps) if steps.isdecimal() else steps, 1)
    check_json_option(json_file)
    numbers = _export(run, to, out, most)
    rows = [(name.replace("_", " "), str(value)) for name, value in numbers.items()]
    print_table(f"{run.name} as {to}: {out}", ("", "value"), rows)
    write_json_option(json_file, numbers)


def _export(run: Path, to: str, out: Path, steps: int | None) -> dict[str, Any]:
    from snnrl.training.build import build_model
    from snnrl.training.runfolder import RunFolder

    folder = RunFolder.open(run)
    if folder.config.network in ("dense", "crossbar"):
        raise InvalidValueError(
            "RUN", str(run), "a spiking agent; 'snnrl convert' makes one of a dense network"
        )
    if to == "neo":
        from snnrl.conversion.neo_file import write_neo

        return write_neo(run, out, steps)
    from snnrl.conversion.nir_file import write_nir

    model = build_model(folder.config)
    write_nir(model, out)
    return {"populations": len(model.network.neurons), "neurons": sum(n.size for n in model.network.neurons)}
