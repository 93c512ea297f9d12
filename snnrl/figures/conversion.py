"""Figures of the conversion of dense networks: accuracy against the number of steps, and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION, write_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS = (
    (BLUE, "o", "-"),
    (SKY, "o", "--"),
    (GREEN, "D", "--"),
    (VERMILLION, "s", "-"),
    (ORANGE, "^", "-"),
    (PURPLE, "v", "-"),
)
_WAYS = {
    "surrogate": ("surrogate gradients, all weights", _LOOKS[0]),
    "policy-gradient": ("reward-gated, output layer", _LOOKS[3]),
}
_FLOOR = 1e-4
"""Least disagreement that is drawn: all of the states agree."""


def accuracy(data: Mapping[str, Any], path: Path) -> None:
    """Draw disagreement and value error against T, one line per converter.

    Parameters
    ----------
    data
        ``curves`` with ``name``, ``steps``, ``action_agreement`` and ``value_error``; ``value_spread``.
    path
        PNG file.
    """
    write_png(lambda: _accuracy(data), path)


def _accuracy(data: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for curve, (colour, mark, line) in zip(data["curves"], _LOOKS, strict=False):
        look: dict[str, Any] = {"color": colour, "marker": mark, "linestyle": line, "markersize": 5}
        wrong = np.maximum(100.0 * (1.0 - np.array(curve["action_agreement"])), 100.0 * _FLOOR)
        left.plot(curve["steps"], wrong, **look, label=curve["name"])
        right.plot(curve["steps"], curve["value_error"], **look)
    left.axhline(0.5, color=GREY, linewidth=1.0, linestyle=":")
    first = data["curves"][0]["steps"][0]
    beside: dict[str, Any] = {"textcoords": "offset points", "color": GREY}
    left.annotate("0.5 %", (first, 0.5), xytext=(0, 3), **beside)
    right.axhline(data["value_spread"], color=GREY, linewidth=1.0, linestyle=":")
    right.annotate("spread of the value", (first, data["value_spread"]), xytext=(0, -14), **beside)
    for axes, label in (
        (left, "decisions unlike the dense network's (%)"),
        (right, "error of the value (RMS)"),
    ):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(data["curves"][0]["steps"], [str(t) for t in data["curves"][0]["steps"]])
        axes.set_xlabel("time steps per decision, T")
        axes.set_ylabel(label)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def fine_tuning(data: Mapping[str, Any], path: Path) -> None:
    """Draw the return through a change of the task: before, after, and while the agents learn again.

    Parameters
    ----------
    data
        ``before``: mean return before the change, if known; ``change``: in words; ``curves``: list of ``name``, ``steps`` and ``returns`` (evaluations with
        exploration off against environment steps).
    path
        PNG file.
    """
    write_png(lambda: _fine_tuning(data), path)


def _fine_tuning(data: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axhline(475.0, color=GREY, linewidth=1.0, linestyle=":")
    longest = max(curve["steps"][-1] for curve in data["curves"]) / 1000.0
    if "before" in data:
        axes.plot([-0.08 * longest, 0.0], [data["before"], data["before"]], color=INK, marker="o", markersize=5,
                  label="before the change")  # fmt: skip
    for curve, (colour, mark, _) in zip(data["curves"], (_LOOKS[0], _LOOKS[3]), strict=False):
        axes.plot(np.array(curve["steps"]) / 1000.0, curve["returns"], color=colour, marker=mark, markersize=4,
                  label=curve["name"])  # fmt: skip
    axes.axvline(0.0, color=GREY, linewidth=1.0)
    axes.annotate(data["change"], (0.0, 0.93), xycoords=("data", "axes fraction"), xytext=(5, 0),
                  textcoords="offset points", color=GREY)  # fmt: skip
    axes.set_xlabel("environment steps after the change (thousands)")
    axes.set_ylabel("mean return, exploration off")
    axes.set_ylim(0.0, 515.0)
    axes.legend(loc="center right")
    return figure


def recovery(data: Mapping[str, Any], path: Path) -> None:
    """Draw the return while converted agents learn on with longer poles, a panel for each length.

    Parameters
    ----------
    data
        ``lengths``: by length, ``dense`` and ``converted`` (returns by seed) and a ``... curve`` for each way of learning with
        ``steps``, ``median``, ``low`` and ``high``; ``"1"`` is the task before the change.
    path
        PNG file.
    """
    write_png(lambda: _recovery(data["lengths"]), path)


def _recovery(lengths: Mapping[str, Any]) -> Figure:
    from matplotlib.figure import Figure

    changed = [length for length in lengths if length != "1"]
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    before = float(np.median(lengths["1"]["converted"]))
    for axes, length in zip(figure.subplots(1, len(changed), sharey=True), changed, strict=True):
        row = lengths[length]
        curves = {name.removesuffix(" curve"): row[name] for name in row if name.endswith(" curve")}
        longest = max(curve["steps"][-1] for curve in curves.values()) / 1000.0
        axes.plot([-0.12 * longest, 0.0], [before, before], color=INK, marker="o", markersize=5, label="converted, before the change")  # fmt: skip
        axes.axhline(
            float(np.median(row["dense"])),
            color=GREY,
            linestyle="--",
            linewidth=1.0,
            label="dense, not tuned",
        )
        for name, curve in curves.items():
            title, (colour, mark, _) = _WAYS[name]
            steps = np.array(curve["steps"]) / 1000.0
            axes.plot(steps, curve["median"], color=colour, marker=mark, markersize=4, label=title)
            axes.fill_between(steps, curve["low"], curve["high"], color=colour, alpha=0.2, linewidth=0.0)
        axes.axhline(475.0, color=GREY, linewidth=1.0, linestyle=":")
        axes.axvline(0.0, color=GREY, linewidth=1.0)
        axes.set_title(f"pole {length} times as long")
        axes.set_xlabel("environment steps after the change (thousands)")
        axes.set_ylim(0.0, 515.0)
    figure.axes[0].set_ylabel("return, exploration off (median, 95 % interval)")
    figure.legend(*figure.axes[-1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
