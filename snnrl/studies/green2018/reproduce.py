"""The study: policies of every kind trained in blocks, their returns, and what their decisions cost."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from snnrl.plasticity.low_precision import Cost, LayerSize, cost, scale_cost
from snnrl.studies.green2018.learner import train_policies
from snnrl.studies.green2018.methods import METHODS, UPDATES
from snnrl.studies.green2018.settings import ENVIRONMENTS, STUDY, Kind, Settings
from snnrl.studies.paper import (
    Claim,
    Outcome,
    PaperStudy,
    Report,
    Row,
    mean_with_ends,
    median_with_ends,
    part_of,
)
from snnrl.studies.rewards.execute import Workers
from snnrl.training.checkpoint import unpack
from snnrl.training.result import AgentRecord, FloatArray, IntArray

if TYPE_CHECKING:
    from snnrl.figures.policies import Panel

BLOCK = 10
"""Policies in one part: they learn side by side, so that the last bits of their sums depend on it."""
SECTION_IV = "section IV, read"


class Found(NamedTuple):
    """Policies of one kind, see `snnrl.studies.green2018.learner.train_policies`."""

    records: list[AgentRecord]
    kept: IntArray
    likeliest: FloatArray


def join(contents: Iterable[bytes]) -> Found:
    """Return the policies of several parts as one."""
    parts = [unpack(content) for content in contents]
    return Found(
        [record for _, records in parts for record in records],
        *(np.concatenate([state[name] for state, _ in parts]) for name in ("kept", "likeliest")),
    )


def reproduce(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Train and evaluate all policies; parameters as in `snnrl.studies.vlasov2023.reproduce`."""
    chosen = settings or Settings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    blocks = {
        (kind, first): part_of(
            f"{kind.name}-{chosen.seed + first}", ".npz", train_policies,
            (chosen.options(kind, first, min(BLOCK, chosen.policies - first)),),
        )
        for kind in chosen.kinds()
        for first in range(0, chosen.policies, BLOCK)
    }  # fmt: skip
    made = study.make("policies", {f"{kind.name}/{first}": part for (kind, first), part in blocks.items()})
    found = {
        kind: join(made[f"{own.name}/{first}"] for own, first in blocks if own == kind)
        for kind in chosen.kinds()
    }
    rows = [row_of(kind, each, chosen) for kind, each in found.items()]
    pictures = [] if folder is None else _draw(found, rows, chosen, folder)
    return study.finish(claims(rows, chosen), rows, pictures)


def row_of(kind: Kind, found: Found, settings: Settings) -> Row:
    """Return the numbers of one kind of policy.

    Returns
    -------
    dict
        ``return``: mean over policies of the mean return of the evaluation episodes, with its interval and ``return_error``,
        its standard error; ``solved``: policies at or above the level; ``likeliest`` and ``likeliest_solved``: the same with
        the likeliest action in place of a drawn one; ``last_quarter``: mean return of the last quarter of the
        learning episodes, with ``dips``, the fraction of that quarter's means of 100 episodes below the level;
        ``episodes_to_solve``; ``parameter_bits, additions, multiplications, energy`` of a decision (joules).
    """
    level = ENVIRONMENTS[kind.environment].level
    returns = np.array([each.evaluation_rewards.mean() for each in found.records])
    curves = learning_curves(found.records)
    last = curves[:, -(curves.shape[1] // 4) :]
    likeliest = found.likeliest.mean(axis=1)
    until = [each.solved_at if each.solved else np.inf for each in found.records]
    spent = decision_cost(kind, found.kept, settings)
    return {
        "row": f"{METHODS[kind.method].title}, {kind.width} units",
        **kind._asdict(),
        "policies": len(returns),
        **mean_with_ends("return", returns),
        "return_error": float(returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else 0.0,
        "solved": int(np.sum(returns >= level)),
        "likeliest": float(likeliest.mean()),
        "likeliest_solved": int(np.sum(likeliest >= level)),
        **median_with_ends("episodes_to_solve", until),
        "last_quarter": float(last.mean()),
        "dips": float(np.mean(last < level)),
        "parameter_bits": spent.parameter_bits,
        "additions": spent.additions,
        "multiplications": spent.multiplications,
        "energy": spent.energy,
    }


def learning_curves(records: list[AgentRecord], window: int = 100) -> FloatArray:
    """Return the running mean of the return over ``window`` episodes, ``[policies, episodes - window + 1]``."""
    table = np.array([each.episode_rewards for each in records], dtype=np.float64)
    sums = np.cumsum(np.pad(table, ((0, 0), (1, 0))), axis=1)
    span = min(window, table.shape[1])
    return np.asarray((sums[:, span:] - sums[:, :-span]) / span)


def decision_cost(kind: Kind, kept: IntArray, settings: Settings) -> Cost:
    """Return what a decision of such a policy costs; weights that are zero are the mean over policies, rounded."""
    task = ENVIRONMENTS[kind.environment].task
    sizes = ((task.observation_size, kind.width), (kind.width, task.n_actions))
    precision = METHODS[kind.method].precision(settings.k)
    layers = [
        LayerSize(inputs * outputs, outputs, kept=round(float(count)) if precision.sparse else None)
        for (inputs, outputs), count in zip(sizes, kept.mean(axis=0), strict=True)
    ]
    spent = cost(layers, precision)
    if UPDATES[kind.update].scaled and METHODS[kind.method].few:
        spent = spent + scale_cost(task.n_actions)
    return spent


def claims(rows: list[Row], settings: Settings) -> list[Claim]:
    """Return what the paper says beside what was measured."""
    return [
        Claim("BinaryConnect and BinaryNet are erratic, and overall do not perform well", SECTION_IV,
              _said(rows, ("binary-connect", "binary-net"), "plain")),
        Claim('"a different update strategy could prevent the instabilities" (left as future work)', SECTION_IV,
              _said(rows, ("binary-connect", "binary-net"), "repaired")),
        Claim("sharing 8 values a layer performs as well as full precision or better", SECTION_IV,
              _said(rows, ("full", "compressed"), "repaired")),
        Claim('pruning "fully recovers after 50% of its parameters have been removed"', SECTION_IV,
              _said(rows, ("full", "pruned"), "repaired")),
    ]  # fmt: skip


def _said(rows: list[Row], methods: tuple[str, ...], update: str) -> str:
    """Return mean returns over all widths, by environment and method."""
    words = []
    for environment in ENVIRONMENTS:
        for method in methods:
            chosen = [
                r
                for r in rows
                if (r["environment"], r["method"], r["update"]) == (environment, method, update)
            ]
            if chosen:
                mean = np.mean([row["return"] for row in chosen])
                solved, every = sum(row["solved"] for row in chosen), sum(row["policies"] for row in chosen)
                title = ENVIRONMENTS[environment].title
                words.append(f"{title}, {METHODS[method].title}: {mean:.1f}, {solved} of {every} solved")
    return "; ".join(words) or "not run"


def _draw(found: Mapping[Kind, Found], rows: list[Row], settings: Settings, folder: Path) -> list[str]:
    from snnrl.figures.policies import Points, energy_figure, policies_figure
    from snnrl.figures.style import write_png

    curves = {kind: learning_curves(each.records) for kind, each in found.items()}
    drawn = []
    for name, method in METHODS.items():
        panels = _panels(name, curves, settings)
        if method.figure and panels:
            write_png(functools.partial(policies_figure, panels), folder / f"figure-{method.figure}.png")
            drawn.append(str(folder / f"figure-{method.figure}.png"))
    points = [
        Points(ENVIRONMENTS[name].title, _points([row for row in rows if row["environment"] == name]))
        for name in settings.environments
    ]
    write_png(lambda: energy_figure(points), folder / "energy.png")
    return [*drawn, str(folder / "energy.png")]


def _panels(method: str, curves: Mapping[Kind, FloatArray], settings: Settings) -> list[Panel]:
    """Return the panels of a method's figure: its smallest, a middle and its largest network beside full precision."""
    from snnrl.figures.policies import Panel

    panels = []
    for environment in settings.environments:
        for update in settings.updates:
            same = {
                k.width: v
                for k, v in curves.items()
                if (k.environment, k.method, k.update) == (environment, method, update)
            }
            full = {
                k.width: v
                for k, v in curves.items()
                if (k.environment, k.method, k.update) == (environment, "full", update)
            }
            if same:
                widths = sorted({min(same), sorted(same)[len(same) // 2], max(same)})
                shown = {f"{METHODS[method].title}, {width} units": same[width] for width in widths}
                if full:
                    shown[f"{METHODS['full'].title}, {max(full)} units"] = full[max(full)]
                length, every = settings.length(environment), next(iter(same.values())).shape[1]
                half = length // 2 if METHODS[method].shared or METHODS[method].pruned else None
                title = f"{ENVIRONMENTS[environment].title}: {UPDATES[update].title}"
                panels.append(Panel(title, shown, length - every + 1, ENVIRONMENTS[environment].level, half))
    return panels


def _points(rows: list[Row]) -> dict[str, tuple[list[float], list[float]]]:
    """Return energies and returns by method, of the repaired update where it was run."""
    update = "repaired" if any(row["update"] == "repaired" for row in rows) else "plain"
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        if row["update"] == update:
            energy, earned = found.setdefault(METHODS[row["method"]].title, ([], []))
            energy.append(row["energy"])
            earned.append(row["return"])
    return found
