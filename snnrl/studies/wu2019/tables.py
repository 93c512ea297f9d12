"""Tables I and II, each row beside the paper's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snnrl.studies.wu2019.approaches import INFERENCE, Outcome, approaches, manhattan_name
from snnrl.studies.wu2019.paper import CRITERIA, DEVICES, TABLE_1, TABLE_2
from snnrl.studies.wu2019.settings import PENDULUMS
from snnrl.studies.wu2019.study import Study

Row = dict[str, Any]
_NAMES = {
    "Baseline": "baseline",
    "Baseline PQ": "baseline-pq",
    "Inference on pre-trained agent": INFERENCE,
    "Exact": "exact",
    "Exact PQ": "exact-pq",
    # Table I's gain per update is that of the variable discount rate in Table II (docs/crossbar.md).
    "Manhattan PQ (ideal)": manhattan_name(True, "ideal"),
}


def table_one(study: Study) -> list[Row]:
    """Give the rows of Table I: time steps to failure and updates per weight by approach and criterion C."""
    known, rows = approaches(study.settings), []
    for printed in TABLE_1:
        approach = known[_NAMES[printed.approach]]
        at = 0 if printed.criterion is None else approach.marks.index(printed.criterion)
        name = (
            printed.approach if printed.criterion is None else f"{printed.approach}, C = {printed.criterion}"
        )
        row: Row = {"table": 1, "row": name, "criterion": printed.criterion}
        row |= measured(study.outcome(approach), at)
        row |= {"paper_t2f": printed.t2f, "paper_updates": printed.updates}
        row["t2f_difference"] = row["t2f"] / printed.t2f - 1.0
        row["updates_factor"] = None if printed.updates is None else row["updates"] / printed.updates
        rows.append(row)
    return rows


def table_two(study: Study) -> list[Row]:
    """Give the cells of Table II: t2f gained over the pre-trained agents per update, by discount rate and device."""
    known = approaches(study.settings)
    before = study.outcome(known[INFERENCE])
    rows = []
    for (variable, case), printed in TABLE_2.items():
        outcome = study.outcome(known[manhattan_name(variable, case)])
        for at, criterion in enumerate(CRITERIA):
            rate = "Variable DR" if variable else "Fixed DR"
            row: Row = {
                "table": 2,
                "row": f"{rate}, {DEVICES[case]}, C = {criterion}",
                "criterion": criterion,
            }
            row |= measured(outcome, at)
            gain = outcome.t2f[:, at] - before.t2f[:, 0]
            row |= {
                "gain": float(gain.mean()),
                "gain_se": standard_error(gain),
                "efficiency": float(gain.mean()) / row["updates"] if row["updates"] else None,
                "paper_t2f": None,
                "paper_updates": None,
                "paper_efficiency": printed[at],
            }
            rows.append(row)
    return rows


def names_of(table: int) -> set[str]:
    """Give the names of the approaches that a table needs."""
    if table == 1:
        return set(_NAMES.values())
    return {INFERENCE, *(manhattan_name(variable, case) for variable, case in TABLE_2)}


def measured(outcome: Outcome, at: int) -> Row:
    """Give the numbers of an outcome at one criterion; ``reached`` is the share of agents that got there."""
    criterion = outcome.successes[:, at]
    return {
        "t2f": float(outcome.t2f[:, at].mean()),
        "t2f_se": standard_error(outcome.t2f[:, at]),
        "updates": float(outcome.updates[:, at].mean()),
        "trials": float(outcome.trials[:, at].mean()),
        "steps": float(outcome.steps[:, at].mean()),
        "reached": float((criterion == criterion.max()).mean()),
        "lost": float((outcome.t2f[:, at] < 1000).mean()),
        "agents": len(outcome.t2f),
    }


def standard_error(values: np.ndarray) -> float | None:
    """Give the standard error of a mean over agents; agents of one weight set are not independent, sets are."""
    sets = [part.mean() for part in np.split(values, range(PENDULUMS, len(values), PENDULUMS))]
    return float(np.std(sets, ddof=1) / math.sqrt(len(sets))) if len(sets) > 1 else None


def reduction(rows: list[Row]) -> float | None:
    """Give Baseline's updates per weight over those of Manhattan PQ at C = 50 (section VI)."""
    updates = {row["row"]: row["updates"] for row in rows}
    few = updates.get("Manhattan PQ (ideal), C = 50")
    return updates["Baseline, C = 50"] / few if few else None
