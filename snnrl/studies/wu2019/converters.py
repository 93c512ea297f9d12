"""Do 8 bits suffice? Section IV.A: for converter and random numbers they give "comparable performance".

>>> from snnrl.studies.wu2019 import Settings, Study, converters
>>> print(converters.table(converters.rows(Study(Settings(agents=250), folder))))          # doctest: +SKIP

Three kinds of agents begin with the same pre-trained weights, on the same pendulums: p as it is, against a uniform
number of 32 bits; p rounded to 8 bits, against a byte of the package's own random numbers; the same against a byte of
:class:`~snnrl.plasticity.crossbar_random.HardwareRandom`, the paper's generator.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

from snnrl.studies.wu2019.approaches import INFERENCE, Approach, Outcome, approaches, manhattan_name
from snnrl.studies.wu2019.paper import TABLE_1
from snnrl.studies.wu2019.settings import Settings
from snnrl.studies.wu2019.study import Study
from snnrl.studies.wu2019.tables import Row, measured, standard_error


class Converter(NamedTuple):
    """How p and the number that it is compared with are made."""

    title: str
    suffix: str
    bits: int
    hardware_random: bool


CONVERTERS = (
    Converter("no rounding", "", 0, False),
    Converter("8 bits", "-8-bit", 8, False),
    Converter("8 bits, LFSR xor CASR", "-8-bit-registers", 8, True),
)
_CASES = {
    "Inference on pre-trained agent": (INFERENCE, None),
    "Exact PQ": ("exact-pq", 100),
    "Manhattan PQ (ideal)": (manhattan_name(True, "ideal"), 50),
}
"""Approach and criterion C by the name of the row in Table I."""


def approach_of(settings: Settings, name: str, criterion: int | None, converter: Converter) -> Approach:
    """Give an approach with this converter; without rounding it is that of Table I, results included."""
    known = approaches(settings)[name]
    if not converter.bits:
        return known
    return dataclasses.replace(
        known,
        name=name + converter.suffix,
        network=dataclasses.replace(known.network, adc_bits=converter.bits),
        marks=() if criterion is None else (criterion,),
        hardware_random=converter.hardware_random,
    )


def rows(study: Study) -> list[Row]:
    """Give one row for each approach and converter, kept in the study like any other result.

    Returns
    -------
    list of dict
        As the rows of Table I; and ``t2f_change``, ``t2f_change_se``, the change against the same agents without
        rounding, in steps.
    """
    found = []
    for printed, (name, criterion) in _CASES.items():
        exact: Outcome | None = None
        for converter in CONVERTERS:
            approach = approach_of(study.settings, name, criterion, converter)
            at = 0 if criterion is None else approach.marks.index(criterion)
            outcome = study.outcome(approach)
            exact = exact or outcome
            title = printed if criterion is None else f"{printed}, C = {criterion}"
            change = outcome.t2f[:, at] - exact.t2f[:, 0]  # both criteria are the first of Table I
            row: Row = {"row": f"{title}: {converter.title}", "criterion": criterion} | measured(outcome, at)
            row |= {"t2f_change": float(change.mean()), "t2f_change_se": standard_error(change)}
            found.append(row | _paper(printed, criterion, converter))
    return found


def _paper(approach: str, criterion: int | None, converter: Converter) -> Row:
    """Give what the paper prints, which it does without rounding only."""
    (printed,) = (row for row in TABLE_1 if (row.approach, row.criterion) == (approach, criterion))
    known = not converter.bits
    return {
        "paper_t2f": printed.t2f if known else None,
        "paper_updates": printed.updates if known else None,
    }


def table(found: list[Row]) -> str:
    """Return rows as a Markdown table."""
    lines = ["| row | t2f | change | updates | lost |", "|---|---|---|---|---|"]
    for row in found:
        cells = (
            row["row"],
            _with_error(row["t2f"], row["t2f_se"]),
            _with_error(row["t2f_change"], row["t2f_change_se"]),
            f"{row['updates']:,.0f}",
            f"{row['lost']:.1%}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.0f}" if error is None else f"{value:.0f} +- {error:.0f}"
