"""The numbers of the paper: Tables I and II of Wu et al. 2020, arXiv 2001.06930."""

from __future__ import annotations

from typing import NamedTuple


class TableOne(NamedTuple):
    """A row of Table I; ``updates`` is per weight, None where nothing is updated."""

    approach: str
    criterion: int | None
    updates: float | None
    t2f: float


TABLE_1 = (
    TableOne("Baseline", 50, 3.5610e5, 4159.1),
    TableOne("Baseline PQ", 50, 1.1360e5, 4062.6),
    TableOne("Inference on pre-trained agent", None, None, 4106.1),
    TableOne("Exact", 50, 2.6249e5, 4325.3),
    TableOne("Exact", 100, 5.1997e5, 4407.5),
    TableOne("Exact PQ", 100, 8.9290e3, 4210.9),
    TableOne("Exact PQ", 400, 3.2968e4, 4338.9),
    TableOne("Manhattan PQ (ideal)", 50, 1.8256e3, 4200.3),
    TableOne("Manhattan PQ (ideal)", 100, 3.5108e3, 4204.5),
)

CRITERIA = (50, 100, 150)
DEVICES = {"ideal": "Ideal devices", "30%": "30% PV", "full": "Full range PV"}
"""Device assumptions of Table II, by the name of the threshold case."""

TABLE_2: dict[tuple[bool, str], tuple[float, float, float]] = {
    (True, "ideal"): (0.0518, 0.0294, 0.0205),
    (True, "30%"): (0.0549, 0.0316, 0.0208),
    (True, "full"): (0.0433, 0.0242, 0.0155),
    (False, "ideal"): (0.0424, 0.0216, 0.0115),
    (False, "30%"): (0.0397, 0.0187, 0.0103),
    (False, "full"): (0.0319, 0.0153, 0.0080),
}
"""Efficiency of weight updates (steps of t2f gained per update) by variable discount rate and device, for `CRITERIA`."""

REDUCTION = 195.0
"""Baseline's updates per weight over those of Manhattan PQ (section VI)."""
