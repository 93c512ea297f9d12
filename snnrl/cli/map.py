"""``snnrl map``: a student placed on TrueNorth cores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.networks.truenorth.chip import Chip
    from snnrl.networks.truenorth.integer import IntegerNetwork

EXAMPLE = "Examples:  snnrl map pong.student --out pong.cores.json   snnrl map 1-chip --json cores.json"
TILES = ("square", "any")


def map_student(
    student: Annotated[
        str,
        typer.Argument(
            metavar="STUDENT",
            help="A packed student, a run folder with one, or a student's name (then with random weights).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the cores as JSON.", show_default=False)
    ] = None,
    tiles: Annotated[
        str, typer.Option(metavar="square|any", help="Whether tiles are squares, or rectangles too.")
    ] = "square",
    figure: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the placed cores.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Place STUDENT on TrueNorth cores and check the result."""
    check_json_option(json_file)
    for option, path in (("--out", out), ("--figure", figure)):
        if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
            raise InvalidValueError(option, str(path), "a file in a folder that exists")
    if tiles not in TILES:
        raise InvalidValueError("--tiles", tiles, ", ".join(TILES))
    numbers = _map(load_student(student), tiles == "square", out, figure)
    names = {name: name.replace("_", " ") for name in numbers if name != "layers"}
    print_table(
        f"{student} on cores", ("", "value"), [(text, f"{numbers[name]:,}") for name, text in names.items()]
    )
    print()
    rows = [[str(value) for value in layer.values()] for layer in numbers["layers"]]
    print_table("cores of each layer", ("layer", "tile", "groups", "cores", "splitters"), rows)
    write_json_option(json_file, numbers)


def load_student(student: str) -> IntegerNetwork:
    """Return the student in a file or run folder, or an untrained one of that name.

    Raises
    ------
    InvalidValueError
        There is none, or the file is damaged.
    """
    from snnrl.networks.truenorth import STUDENTS, IntegerNetwork, random_network
    from snnrl.networks.truenorth.student_file import STUDENT_FILE

    path = Path(student)
    if path.is_dir():
        path = path / STUDENT_FILE
    if path.exists():
        return IntegerNetwork.load(path)
    if student not in STUDENTS:
        allowed = f"a packed student, a folder with {STUDENT_FILE}, or one of {', '.join(STUDENTS)}"
        raise InvalidValueError("STUDENT", student, allowed)
    return random_network(STUDENTS[student], n_actions=6, seed=0)


def _map(network: IntegerNetwork, square: bool, out: Path | None, figure: Path | None) -> dict[str, Any]:
    """Map, write, and count what is in the written file."""
    from rich.console import Console

    from snnrl.networks.truenorth.mapping import map_network

    with Console(stderr=True).status("placing the student on cores"):
        chip = map_network(network, square)
        report = _check(chip, out)
    violations = report.pop("violations")
    if violations:
        raise InvalidValueError(
            "mapped cores", "; ".join(violations), "no broken constraint; a fault of snnrl"
        )
    if figure is not None:
        from snnrl.figures.style import write_png
        from snnrl.figures.truenorth import chip_figure

        write_png(lambda: chip_figure(chip), figure)
    return {**report, "latency_ticks": chip.latency, "layers": _layers(network, square)}


def _check(chip: Chip, out: Path | None) -> dict[str, Any]:
    """Return the independent checker's report on the file, a temporary one if none is kept."""
    import tempfile
    from dataclasses import asdict

    from snnrl.networks.truenorth import checker, core_file

    with tempfile.TemporaryDirectory() as folder:
        path = out or Path(folder) / "cores.json"
        core_file.write(chip, path)
        return asdict(checker.check(path))


def _layers(network: IntegerNetwork, square: bool) -> list[dict[str, Any]]:
    from snnrl.networks.truenorth.cores import plan_cores

    return [
        {
            "layer": layer.index,
            "tile": f"{layer.tiling.rows} x {layer.tiling.columns}",
            "groups": layer.tiling.groups,
            "cores": layer.cores,
            "splitters": layer.splitters,
        }
        for layer in plan_cores(network.spec, square).layers
    ]
