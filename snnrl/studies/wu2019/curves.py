"""The numbers behind figures 10 to 14, as rows; :mod:`.figures` draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from snnrl.networks.crossbar_equations import hidden_layer, output_neuron, push_probability
from snnrl.studies.wu2019.approaches import Approach, Outcome, approaches, manhattan_name, run
from snnrl.studies.wu2019.levels import Ratio, fewer, reaches
from snnrl.studies.wu2019.limited import (
    Curve,
    agents_of,
    initial,
    network_of,
    pre_train_off_policy,
    re_train,
    store_samples,
)
from snnrl.studies.wu2019.paper import DEVICES
from snnrl.studies.wu2019.runner import Progress
from snnrl.studies.wu2019.settings import FloatArray, Settings
from snnrl.studies.wu2019.study import Study
from snnrl.studies.wu2019.tables import Row, measured

BIN = 35
"""Trials that figure 10 averages over."""
RECORDED = 60 * BIN
CURVE_AGENTS = 250
CRITERIA = (25, 50, 100, 150, 200, 300, 400)
LEVELS = (3000.0, 3500.0, 3800.0)
"""Times to failure at which figures 13 and 14 are compared; the paper says "comparable"."""
SPEEDS = (-2.0, 0.0, 2.0)
"""Arm speeds of figure 12's projections, rad/s; the paper does not give them."""


# ---------------------------------------------------------------------- figure 10: learning curves


def learning_curves(study: Study) -> dict[str, FloatArray]:
    """Give mean trial length per bin of 35 trials, by label, with and without pre-training (rule Exact).

    At most `CURVE_AGENTS` agents, which go on learning through all trials: one that stopped when it had learned would
    leave the mean to the others.
    """
    settings = dataclasses.replace(
        study.settings, agents=min(study.settings.agents, CURVE_AGENTS),
        pre_training_trials=RECORDED, re_training_trials=RECORDED,
    )  # fmt: skip
    exact = approaches(settings)["exact"]
    weights = study.pre_trained[: settings.sets]
    curves = {}
    for label, pre_trained in (("with pre-training", True), ("without pre-training", False)):
        name = f"figure-10-{'pre' if pre_trained else 'zero'}"
        approach = Approach(name, exact.network, pre_trained, (RECORDED + 1,), RECORDED)
        made = study.made(name, _runner(approach, settings, weights), Outcome._fields)
        curves[label] = made["lengths"].reshape(settings.agents, -1, BIN).mean(axis=(0, 2))
    return curves


def _runner(
    approach: Approach, settings: Settings, weights: FloatArray
) -> Callable[[Progress], dict[str, Any]]:
    return lambda report: run(approach, settings, weights, report)._asdict()


def rows_of_figure_10(study: Study) -> list[Row]:
    """Give the curves as one row per bin."""
    return [
        {
            "figure": 10,
            "row": f"{label}, trials {k * BIN + 1}-{(k + 1) * BIN}",
            "t2f": float(value),
            "updates": None,
        }
        for label, curve in learning_curves(study).items()
        for k, value in enumerate(curve)
    ]


# ---------------------------------------------------------------------- figure 11: t2f against C


def rows_of_figure_11(study: Study) -> list[Row]:
    """Give t2f at every criterion C: panel a by approach, panel b by device."""
    known = approaches(study.settings)
    panels = [("a", label, known[name]) for label, name in (
        ("Baseline", "baseline"), ("Baseline PQ", "baseline-pq"), ("Exact", "exact"), ("Exact PQ", "exact-pq"),
        ("Manhattan PQ", manhattan_name(True, "ideal")))]  # fmt: skip
    panels += [("b", label, known[manhattan_name(True, case)]) for case, label in DEVICES.items()]
    rows = []
    for panel, label, approach in panels:
        outcome = study.outcome(
            dataclasses.replace(approach, name=f"figure-11-{approach.name}", marks=CRITERIA)
        )
        for at, criterion in enumerate(CRITERIA):
            row = {"figure": 11, "panel": panel, "curve": label, "row": f"{label}, C = {criterion}"}
            rows.append(row | {"criterion": criterion} | measured(outcome, at))
    return rows


# ---------------------------------------------------------------------- figures 12 to 14: one shared network


def limited_curve(study: Study, kind: str, learners: int, case: str | None = None) -> Curve:
    """Give the re-training of zero-knowledge ("zero") or pre-trained ("pre") agents; `case`: on devices of that kind."""
    network = network_of(study.settings)
    if case is not None:
        device = dataclasses.replace(study.settings.amplitude_device, thresholds=case)
        network = dataclasses.replace(network, rule="variable-amplitude", device=device)
    suffix = "" if case is None else f"-{case.rstrip('%')}"
    weights = pre_trained_off_policy(study) if kind == "pre" else initial(study.settings, study.limited)

    def make(report: Progress) -> dict[str, Any]:
        return re_train(study.settings, study.limited, network, weights, learners, report)._asdict()

    return Curve(**study.made(f"{kind}-{learners}{suffix}", make, Curve._fields))


def pre_trained_off_policy(study: Study) -> FloatArray:
    """Give the weights after off-policy pre-training, ``[agents, weights]``."""

    def make(report: Progress) -> dict[str, Any]:
        settings, limited = study.settings, study.limited
        agents = agents_of(settings, limited, network_of(settings))
        samples = store_samples(settings, limited.samples)
        weights = pre_train_off_policy(agents, initial(settings, limited), samples, limited.consumed, report)
        return {"weights": weights}

    return np.asarray(study.made("off-policy", make, ("weights",))["weights"])


class Map(NamedTuple):
    """Value and policy over the pendulum's angle and speed at theta = 0."""

    stage: str
    arm_speed: float
    value: FloatArray
    policy: FloatArray


def maps(study: Study, points: int = 61) -> list[Map]:
    """Give figure 12: the first agent before, after pre-training, and after re-training with four learners."""
    weights = {
        "zero-knowledge": initial(study.settings, study.limited)[0],
        "after pre-training": pre_trained_off_policy(study)[0],
        "after re-training": limited_curve(study, "pre", 4).weights[-1],
    }
    return [
        _map(study, stage, np.asarray(w), speed, points) for stage, w in weights.items() for speed in SPEEDS
    ]


def _map(study: Study, stage: str, w: FloatArray, arm_speed: float, points: int) -> Map:
    network, scale = network_of(study.settings), study.settings.pendulum.observation_scale
    place, y = network.places(5), np.zeros(network.hidden)
    value, policy = np.zeros((points, points)), np.zeros((points, points))
    grid = np.linspace(-1.0, 1.0, points)
    for row, alpha_dot in enumerate(grid):
        for column, alpha in enumerate(grid):
            x = np.array([0.0, arm_speed / scale[1], alpha, alpha_dot, network.bias])
            hidden_layer(w, x, y, 0, 5, network.hidden)
            value[row, column] = output_neuron(w, y, place.critic_output, network.hidden)
            total = output_neuron(w, y, place.actor_output, network.hidden)
            policy[row, column] = push_probability(total, network.slope)
    return Map(stage, arm_speed, value, policy)


def rows_of_figure_12(study: Study) -> list[Row]:
    """Give the range of every map, and the share of states in which the policy has decided (p beyond 0.1 and 0.9)."""
    return [
        {
            "figure": 12, "row": f"{m.stage}, theta_dot = {m.arm_speed:g} rad/s", "t2f": None, "updates": None,
            "value_min": float(m.value.min()), "value_max": float(m.value.max()),
            "decided": float(((m.policy < 0.1) | (m.policy > 0.9)).mean()),
        }
        for m in maps(study)
    ]  # fmt: skip


def rows_of_figure_13(study: Study) -> list[Row]:
    """Give, per number of learners, updates and samples until each level, and the speed-up over one learner."""
    rows: list[Row] = []
    for kind in ("zero", "pre"):
        alone = limited_curve(study, kind, 1)
        for learners in study.limited.learners:
            curve = limited_curve(study, kind, learners)
            row: Row = {"figure": 13, "row": f"{kind}-{learners}", "t2f": float(curve.t2f[:, -1].mean())}
            row |= {"updates": float(curve.updates[-1]), "learners": learners}
            for level in LEVELS:
                row[f"updates_to_{level:.0f}"] = reaches(curve, level, curve.updates)
                row[f"samples_to_{level:.0f}"] = reaches(curve, level, curve.samples)
                row |= _ratio(f"speed_up_to_{level:.0f}", fewer(curve, alone, level))
            rows.append(row)
    return rows


def rows_of_figure_14(study: Study) -> list[Row]:
    """Give updates until each level: without devices zero-1, zero-4 and pre-4, then pre-4 on devices.

    ``fewer_than_zero_1`` and ``fewer_than_zero_4`` are the paper's 30 to 40 and 3 to 4.
    """
    zero = {k: limited_curve(study, "zero", k) for k in (1, 4)}
    curves = {f"zero-{k}": curve for k, curve in zero.items()} | {"pre-4": limited_curve(study, "pre", 4)}
    curves |= {f"pre-4, {label}": limited_curve(study, "pre", 4, case) for case, label in DEVICES.items()}
    rows: list[Row] = []
    for name, curve in curves.items():
        row: Row = {
            "figure": 14,
            "row": name,
            "t2f": float(curve.t2f[:, -1].mean()),
            "updates": float(curve.updates[-1]),
        }
        for level in LEVELS:
            row[f"updates_to_{level:.0f}"] = reaches(curve, level, curve.updates)
            for k in (1, 4):
                row |= _ratio(f"fewer_than_zero_{k}_to_{level:.0f}", fewer(curve, zero[k], level))
        rows.append(row)
    return rows


def _ratio(name: str, ratio: Ratio) -> Row:
    """Give a ratio and the ends of its interval as parts of a row."""
    return {name: ratio.value, f"{name}_low": ratio.low, f"{name}_high": ratio.high}
