"""Reproduce tables and figures of the paper: one call, one list of rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.studies.wu2019 import curves
from snnrl.studies.wu2019.endurance import endurance_report
from snnrl.studies.wu2019.limited import Limited
from snnrl.studies.wu2019.paper import REDUCTION
from snnrl.studies.wu2019.settings import Settings
from snnrl.studies.wu2019.study import Stage, Study
from snnrl.studies.wu2019.tables import Row, names_of, reduction, table_one, table_two

TABLES, FIGURES = (1, 2), (10, 11, 12, 13, 14)
EXTRAS = ("converters", "sensitivity", "spiking")
"""What goes beyond the tables and figures: 8 bits, the numbers left open, spiking networks on the same devices."""


def reproduce(
    table: int | None = None,
    figure: int | None = None,
    extra: str | None = None,
    agents: int | None = None,
    folder: Path | None = None,
    settings: Settings | None = None,
    limited: Limited | None = None,
    progress: Callable[[Stage], None] | None = None,
) -> dict[str, Any]:
    """Reproduce one table or figure, or, without either, all of them; or run one of the studies beside them.

    Parameters
    ----------
    table, figure
        1 or 2; 10 to 14.
    extra
        One of `EXTRAS`, instead of a table or figure.
    agents
        Agents per row of a table (paper: 2500) and, where fewer than 100, per curve of figures 12 to 14.
    folder
        Where results and pictures are kept; a study found there is gone on with.
    settings, limited
        What to run, by default the study that docs/crossbar.md describes.
    progress
        Called now and then.

    Returns
    -------
    dict
        ``rows``, each with ``row, t2f, updates, paper_t2f, paper_updates`` (None where there is none) and more;
        ``reduction``, Baseline's updates over Manhattan PQ's, with Table I; ``endurance``, the writes of the tables'
        approaches; ``seconds``, what making each result took; ``pictures``, the files drawn.

    Raises
    ------
    InvalidValueError
        If there is no such table or figure, or a number is out of range.
    UnknownNameError
        If there is no such extra.
    RunFolderError
        If the folder holds another study, or a damaged one.
    """
    wanted = _wanted(table, figure) if extra is None else ()
    chosen = settings or Settings()
    scenario = limited or Limited()
    if agents is not None:
        chosen = dataclasses.replace(chosen, agents=agents)
        scenario = dataclasses.replace(scenario, agents=min(agents, scenario.agents))
    study = Study(chosen, folder, progress, scenario)
    rows: list[Row] = []
    for number in wanted:
        rows += _rows(study, number)
    if extra is not None:
        rows = _extra(extra, study, progress)
    result: dict[str, Any] = {"settings": chosen.to_dict(), "rows": [_complete(row) for row in rows]}
    if 1 in wanted:
        result |= {"reduction": reduction(rows), "paper_reduction": REDUCTION}
    names = set().union(*(names_of(table) for table in TABLES if table in wanted))
    if names:
        result["endurance"] = endurance_report(study, names=names)
    result["seconds"] = study.seconds
    result["pictures"] = [] if folder is None else _pictures(study, wanted, folder)
    return result


def _wanted(table: int | None, figure: int | None) -> tuple[int, ...]:
    if table is not None and table not in TABLES:
        raise InvalidValueError("--table", table, " or ".join(map(str, TABLES)))
    if figure is not None and figure not in FIGURES:
        raise InvalidValueError("--figure", figure, f"{FIGURES[0]} to {FIGURES[-1]}")
    asked = tuple(number for number in (table, figure) if number is not None)
    return asked or (*TABLES, *FIGURES)


def _rows(study: Study, number: int) -> list[Row]:
    makers: dict[int, Callable[[], list[Row]]] = {
        1: lambda: table_one(study),
        2: lambda: table_two(study),
        10: lambda: curves.rows_of_figure_10(study),
        11: lambda: curves.rows_of_figure_11(study),
        12: lambda: curves.rows_of_figure_12(study),
        13: lambda: curves.rows_of_figure_13(study),
        14: lambda: curves.rows_of_figure_14(study),
    }
    return makers[number]()


def _extra(name: str, study: Study, progress: Callable[[Stage], None] | None) -> list[Row]:
    from snnrl.studies.wu2019 import converters, sensitivity, spiking

    folder = study.folder
    makers: dict[str, Callable[[], list[Row]]] = {
        "converters": lambda: converters.rows(study),
        "sensitivity": lambda: sensitivity.rows(study.settings, study.limited, folder, progress),
        "spiking": lambda: spiking.compare(
            None if folder is None else folder / "spiking",
            progress=None if progress is None else lambda row, now: progress(Stage(row, now.env_steps)),
        ),
    }
    if name not in makers:
        raise UnknownNameError("--extra", name, EXTRAS)
    return makers[name]()


def _complete(row: Row) -> Row:
    return {"t2f": None, "updates": None, "paper_t2f": None, "paper_updates": None} | row


def _pictures(study: Study, wanted: tuple[int, ...], folder: Path) -> list[str]:
    drawn = []
    for number in wanted:
        if number in FIGURES:
            from snnrl.studies.wu2019.figures import draw

            path = folder / f"figure-{number}.png"
            draw(study, number, path)
            drawn.append(str(path))
    return drawn
