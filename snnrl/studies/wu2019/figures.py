"""Figures 10 to 14, drawn from a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION, write_png
from snnrl.studies.wu2019.curves import (
    BIN,
    SPEEDS,
    Map,
    learning_curves,
    limited_curve,
    maps,
    rows_of_figure_11,
)
from snnrl.studies.wu2019.limited import Curve
from snnrl.studies.wu2019.paper import DEVICES
from snnrl.studies.wu2019.study import Study

COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
T2F = "time steps to failure"


def draw(study: Study, figure: int, path: Path) -> None:
    """Draw one of the figures 10 to 14 as a PNG."""
    drawings: dict[int, Callable[[], Figure]] = {
        10: lambda: figure_10(study),
        11: lambda: figure_11(study),
        12: lambda: figure_12(study),
        13: lambda: figure_13(study),
        14: lambda: figure_14(study),
    }
    write_png(drawings[figure], path)


def _axes(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, list(np.ravel(figure.subplots(rows, columns)))


def figure_10(study: Study) -> Figure:
    """Draw learning curves with and without pre-training."""
    figure, (axes,) = _axes(1, 1, (6, 3.6))
    for (label, curve), colour in zip(learning_curves(study).items(), COLOURS, strict=False):
        axes.plot((np.arange(len(curve)) + 0.5) * BIN, curve, label=label, color=colour)
    axes.set(xlabel="trial", ylabel="time steps per trial", title=f"Exact, mean of {BIN} trials")
    axes.legend()
    return figure


def figure_11(study: Study) -> Figure:
    """Draw t2f against criterion C, by approach and by device."""
    figure, panels = _axes(1, 2, (9, 3.6))
    rows = rows_of_figure_11(study)
    for axes, panel, title in zip(panels, "ab", ("approaches", "Manhattan PQ on devices"), strict=True):
        curves = list(dict.fromkeys(row["curve"] for row in rows if row["panel"] == panel))
        for curve, colour in zip(curves, COLOURS, strict=False):
            points = [
                (row["criterion"], row["t2f"])
                for row in rows
                if (row["panel"], row["curve"]) == (panel, curve)
            ]
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=curve, color=colour)
        axes.set(xlabel="successful trials C", ylabel=T2F, title=f"({panel}) {title}")
        axes.legend()
    return figure


def figure_12(study: Study) -> Figure:
    """Draw value function and policy over the pendulum's angle and speed at three stages of learning."""
    found = maps(study)
    stages = list(dict.fromkeys(m.stage for m in found))
    figure, panels = _axes(2 * len(SPEEDS), len(stages), (2.6 * len(stages), 4.4 * len(SPEEDS)))
    grid = np.reshape(np.array(panels, dtype=object), (-1, len(stages)))
    for index, m in enumerate(found):
        column, row = divmod(index, len(SPEEDS))
        _map_panel(grid[row, column], m, "value", study)
        _map_panel(grid[len(SPEEDS) + row, column], m, "policy", study)
    return figure


def _map_panel(axes: Axes, m: Map, which: str, study: Study) -> None:
    reach = study.settings.pendulum.observation_scale
    edges = (-np.degrees(reach[2]), np.degrees(reach[2]), -reach[3], reach[3])
    values, limits = (m.value, (None, None)) if which == "value" else (m.policy, (0.0, 1.0))
    image = axes.imshow(
        values, origin="lower", extent=edges, aspect="auto", cmap="viridis", vmin=limits[0], vmax=limits[1]
    )
    axes.get_figure().colorbar(image, ax=axes)  # type: ignore[union-attr]
    axes.set_title(f"{which}, {m.stage}\narm at {m.arm_speed:g} rad/s", fontsize="small")
    axes.set(xlabel="alpha (degrees)", ylabel="d alpha/dt (rad/s)")


def _curve(axes: Axes, x: np.ndarray, curve: Curve, label: str, colour: str, style: str = "-") -> None:
    mean, spread = curve.t2f.mean(axis=0), curve.t2f.std(axis=0) / np.sqrt(len(curve.t2f))
    axes.plot(x, mean, style, label=label, color=colour)
    axes.fill_between(x, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


def figure_13(study: Study) -> Figure:
    """Draw t2f against samples (a, c) and against time steps (b, d), without and with pre-training."""
    figure, panels = _axes(2, 2, (9, 6.4))
    for row, (kind, title) in enumerate((("zero", "zero-knowledge"), ("pre", "pre-trained"))):
        for learners, colour in zip(study.limited.learners, COLOURS, strict=False):
            curve = limited_curve(study, kind, learners)
            _curve(panels[2 * row], curve.samples / 1000, curve, f"{kind}-{learners}", colour)
            _curve(panels[2 * row + 1], curve.updates / 1000, curve, f"{kind}-{learners}", colour)
        panels[2 * row].set(xlabel="samples (thousands)", ylabel=T2F, title=f"({'ac'[row]}) {title}")
        panels[2 * row + 1].set(
            xlabel="time steps = updates per weight (thousands)", ylabel=T2F, title=f"({'bd'[row]}) {title}"
        )
        panels[2 * row].legend()
    return figure


def figure_14(study: Study) -> Figure:
    """Draw t2f against updates per weight for devices under variable amplitude, beside zero-knowledge agents."""
    figure, (axes,) = _axes(1, 1, (6.4, 3.8))
    for learners, style in ((1, ":"), (4, "--")):
        curve = limited_curve(study, "zero", learners)
        _curve(axes, curve.updates, curve, f"zero-{learners}", INK, style)
    for (case, label), colour in zip(DEVICES.items(), COLOURS, strict=False):
        curve = limited_curve(study, "pre", 4, case)
        _curve(axes, curve.updates, curve, f"pre-4, {label}", colour)
    axes.set(xlabel="updates per weight", ylabel=T2F, xscale="log", title="Variable Amplitude")
    axes.legend(loc="center left", bbox_to_anchor=(0.0, 0.36))
    return figure
