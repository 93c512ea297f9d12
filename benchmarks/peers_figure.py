"""The figure of `benchmarks.peers_table`: time per dt against agents and against synapses, log-log."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import Cell, Column, Contender
from benchmarks.measure import Result

# Okabe and Ito's colours, which the colour-blind can tell apart; a family also has its markers.
COLOURS = {
    "snnrl": "#0072B2",
    "jax": "#D55E00",
    "torch": "#009E73",
    "brian2": "#B07800",
    "bindsnet": "#CC79A7",
    "nest": "#000000",
    "spikingjelly": "#3A9BD6",
}
MARKERS = {
    "snnrl": "o",
    "jax": "D",
    "torch": "^",
    "brian2": "s",
    "bindsnet": "v",
    "nest": "P",
    "spikingjelly": "X",
}
DASHES = ("-", "--", ":", "-.")
LABEL_SPACE = 0.034
"""Least distance between two labels, as a part of the height."""

Point = tuple[float, float]


def draw(
    contenders: Sequence[Contender], columns: Sequence[Column], results: Mapping[str, Result], path: Path
) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(12.0, 6.6), sharey=True, facecolor="white")
    panels: tuple[tuple[str, list[Column], Callable[[Column], int]], ...] = (
        ("agents", [c for c in columns if c.scale == 1], lambda c: c.agents),
        ("synapses of one agent", [c for c in columns if c.agents == 1], lambda c: c.synapses),
    )
    learning = [contender for contender in contenders if contender.learns]
    panel_lines = [_lines(learning, chosen, results, x_of) for _, chosen, x_of in panels]
    heights = [y for lines in panel_lines for points in lines.values() for _, y in points] or [1.0]
    axes[0].set_ylim(min(heights) / 2.0, max(heights) * 4.0)  # of both; labels need it
    for axis, (title, chosen, x_of), lines in zip(axes, panels, panel_lines, strict=True):
        _panel(axis, title, learning, lines, [float(x_of(column)) for column in chosen])
    axes[0].set_ylabel("µs per dt, all agents together")
    axes[1].tick_params(labelleft=True)
    figure.suptitle("R-STDP with a TD error on CartPole-v1: one step of 1 ms on one core", fontsize=13)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("unfinished-" + path.name)
    figure.savefig(temporary, dpi=150)
    temporary.replace(path)
    plt.close(figure)


def _lines(
    contenders: Sequence[Contender],
    columns: Sequence[Column],
    results: Mapping[str, Result],
    x_of: Callable[[Column], int],
) -> dict[str, list[Point]]:
    """Return the measured points of each contender that has any."""
    lines: dict[str, list[Point]] = {}
    for contender in contenders:
        for column in columns:
            result = results.get(Cell(contender, column).key)
            if result is not None and result.median is not None:
                lines.setdefault(contender.name, []).append((float(x_of(column)), result.median))
    return lines


def _panel(
    axis: Any,
    title: str,
    contenders: Sequence[Contender],
    lines: Mapping[str, list[Point]],
    ticks: list[float],
) -> None:
    """Draw one panel; complete lines are labelled on the right, those that end early on the left."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(title)
    axis.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(True, color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    decades = math.log10(ticks[-1] / ticks[0]) if len(ticks) > 1 else 1.0
    axis.set_xlim(ticks[0] / 10 ** (0.42 * decades), ticks[-1] * 10 ** (0.5 * decades))
    seen: dict[str, int] = {}
    for contender in contenders:
        rank = seen[contender.family] = seen.get(contender.family, -1) + 1
        if contender.name in lines:
            _line(axis, contender, lines[contender.name], DASHES[rank % len(DASHES)])
    named = {contender.name: contender for contender in contenders}
    complete = {name: points for name, points in lines.items() if points[-1][0] == ticks[-1]}
    short = {name: points for name, points in lines.items() if name not in complete}
    _labels(
        axis, [(named[n], points[-1]) for n, points in complete.items()], "left", ticks[-1], 0.1 * decades
    )
    _labels(axis, [(named[n], points[0]) for n, points in short.items()], "right", ticks[0], -0.08 * decades)


def _line(axis: Any, contender: Contender, points: list[Point], dash: str) -> None:
    main = contender.name == "snnrl"
    axis.plot(
        *zip(*points, strict=True),
        color=COLOURS[contender.family],
        marker=MARKERS[contender.family],
        linestyle=dash if not main else "-",
        linewidth=3.0 if main else 1.5,
        markersize=8 if main else 6,
        zorder=3 if main else 2,
    )


def _labels(
    axis: Any, ends: Sequence[tuple[Contender, Point]], align: str, edge: float, shift: float
) -> None:
    """Write names beside the ends of their lines, moved apart where they would overlap."""
    low, high = (math.log10(limit) for limit in axis.get_ylim())
    ends = sorted(ends, key=lambda end: end[1][1])
    wanted = [(math.log10(y) - low) / (high - low) for _, (_, y) in ends]
    for (contender, (x, y)), place in zip(ends, spread(wanted, LABEL_SPACE), strict=True):
        colour = COLOURS[contender.family]
        axis.annotate(
            contender.title,
            xy=(x, y),
            xytext=(edge * 10**shift, 10 ** (low + place * (high - low))),
            color=colour,
            fontsize=9.5,
            fontweight="bold" if contender.family == "snnrl" else "normal",
            ha=align,
            va="center",
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "relpos": (0.0 if align == "left" else 1.0, 0.5),
                "shrinkB": 3,
            },
        )


def spread(wanted: Sequence[float], space: float) -> list[float]:
    """Return places in the same order, at least ``space`` apart, near the ``wanted`` ones (ascending).

    Neighbours that are too close become a group that stands around the mean of what its members wanted.
    """
    groups: list[list[float]] = []
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _bottom(groups[-1], space) < _bottom(groups[-2], space) + space * len(
            groups[-2]
        ):
            last = groups.pop()
            groups[-1] += last
    return [_bottom(group, space) + space * k for group in groups for k in range(len(group))]


def _bottom(group: Sequence[float], space: float) -> float:
    return sum(group) / len(group) - space * (len(group) - 1) / 2.0
