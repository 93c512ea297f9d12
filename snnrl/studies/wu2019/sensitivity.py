"""What each number that the paper leaves open does to Table I and to the ratios of figure 14: one change at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from snnrl.studies.wu2019.approaches import INFERENCE, approaches, manhattan_name
from snnrl.studies.wu2019.curves import limited_curve
from snnrl.studies.wu2019.levels import fewer
from snnrl.studies.wu2019.limited import Limited
from snnrl.studies.wu2019.settings import Settings
from snnrl.studies.wu2019.study import Stage, Study
from snnrl.studies.wu2019.tables import Row, measured

MOST_AGENTS, MOST_TRIALS, CRITERION = 250, 25, 50
LEVEL = 3500.0
"""Time to failure at which the ratios are taken."""
REFERENCE = "as chosen"

_PENDULUM: dict[str, tuple[float, ...]] = {
    "voltage": (0.85, 1.0, 1.2),
    "start_angle": (9.0, 8.0),
    "arm_limit": (90.0, 180.0),
    "fastest_arm": (3.0, 6.0),
    "fastest_pendulum": (1.9, 3.5),
}
_NETWORK: dict[str, tuple[float | bool, ...]] = {
    "w_init": (0.01, 0.5, 1.0),
    "w_max": (1.3, 5.0),
    "slope": (4.0, 16.0),
    "signed": (False,),
    "step": (1e-5, 1e-4),
}
_STUDY: dict[str, tuple[int, ...]] = {"pre_training_criterion": (10, 200)}


def variants(settings: Settings) -> Iterator[tuple[str, Settings]]:
    """Give the study, then the study with one of its own choices changed, by name."""
    yield REFERENCE, settings
    for key, values in _PENDULUM.items():
        for value in values:
            pendulum = dataclasses.replace(settings.pendulum, **{key: value})  # type: ignore[arg-type]
            yield f"pendulum.{key} = {value:g}", dataclasses.replace(settings, pendulum=pendulum)
    for key, choices in _NETWORK.items():
        for choice in choices:
            network = dataclasses.replace(settings.network, **{key: choice})  # type: ignore[arg-type]
            yield f"network.{key} = {choice}", dataclasses.replace(settings, network=network)
    for key, numbers in _STUDY.items():
        for number in numbers:
            yield f"{key} = {number}", dataclasses.replace(settings, **{key: number})  # type: ignore[arg-type]


def rows(
    settings: Settings,
    limited: Limited,
    folder: Path | None = None,
    progress: Callable[[Stage], None] | None = None,
) -> list[Row]:
    """Give a row for every variant: Table I at C = 50, and how much sooner pre-4 and zero-4 reach a level than zero-1.

    Parameters
    ----------
    settings, limited
        The study; at most `MOST_AGENTS` of its agents, each with `MOST_TRIALS` test trials, the same in every variant.
    folder
        Where every variant keeps its study.
    progress
        Called now and then.
    """
    few = dataclasses.replace(
        settings, agents=min(settings.agents, MOST_AGENTS), test_trials=min(settings.test_trials, MOST_TRIALS)
    )
    found = []
    for number, (name, changed) in enumerate(variants(few)):
        where = None if folder is None else folder / "sensitivity" / f"{number:02d}"
        study = Study(changed, where, progress, limited)
        found.append({"row": name} | _table_one(study) | _ratios(study))
    return found


def _table_one(study: Study) -> Row:
    """Give t2f and updates of the approaches of Table I at C = 50."""
    row: Row = {}
    for name in ("baseline", INFERENCE, "exact", manhattan_name(True, "ideal")):
        approach = approaches(study.settings)[name]
        marks = approach.marks and (CRITERION,)
        outcome = study.outcome(dataclasses.replace(approach, name=f"{name}-{CRITERION}", marks=marks))
        key = name.partition("-")[0]
        numbers = measured(outcome, 0)
        row |= {f"{key}_t2f": numbers["t2f"], f"{key}_updates": numbers["updates"]}
    return row


def _ratios(study: Study) -> Row:
    """Give how many times fewer updates four learners need than one: from zero knowledge, and after pre-training."""
    zero, four, pre = (limited_curve(study, *which) for which in (("zero", 1), ("zero", 4), ("pre", 4)))
    ratios = {"zero_4": fewer(four, zero, LEVEL), "pre_4": fewer(pre, zero, LEVEL)}
    return {f"{name}_fewer_than_zero_1": ratio.value for name, ratio in ratios.items()}
