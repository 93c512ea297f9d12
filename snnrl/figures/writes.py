"""How often the devices were written: the distribution over all devices of all seeds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from snnrl.figures.style import BLUE, INK, VERMILLION
from snnrl.training.result import Wear
from snnrl.training.summary import wear_summary

BINS = 60


def writes_figure(wear: Wear) -> Figure:
    """Draw the share of devices against their writes, and below the share that have had at least as many."""
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    counts = np.sort(wear.writes.ravel())
    edges = _edges(counts)
    top.hist(counts, edges, weights=np.full(counts.size, 1 / counts.size), color=BLUE, alpha=0.75)
    never = int(np.sum(counts == 0))
    left_out = f"; {never:,} never, not shown" if never and edges[0] > 0 else ""
    seeds = f"{len(wear.writes)} seed{'s' * (len(wear.writes) != 1)}"
    top.set_title(f"Writes of each of {counts.size:,} devices of {seeds}{left_out}")
    top.set_ylabel("share of devices")
    left = 1 - np.arange(counts.size + 1) / counts.size
    bottom.step(np.r_[edges[0], counts], left, where="pre", color=INK, lw=1.4)
    bottom.set_ylabel("at least as many")
    bottom.set_xlabel("writes of a device over learning")
    if edges[0] > 0:
        bottom.set_xscale("log")
    bottom.set_xlim(edges[0], edges[-1])
    for axes in (top, bottom):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        _mark(axes, wear)
    top.legend(loc="best", fontsize="small")
    return figure


def _edges(counts: np.ndarray) -> np.ndarray:
    """Return the bins: logarithmic where devices differ tenfold and more, else equal."""
    some = counts[counts > 0]
    if some.size and some[-1] >= 10 * some[0]:
        return np.geomspace(max(float(some[0]), 0.9), 1.05 * some[-1], BINS)
    return np.linspace(0.0, 1.05 * max(float(counts[-1]), 1.0), BINS)


def _mark(axes: Axes, wear: Wear) -> None:
    numbers = wear_summary(wear)
    for key, label, style in (
        ("median", "median", "--"),
        ("p99", "99 % have fewer", ":"),
        ("most", "most", "-"),
    ):
        value = numbers[key]
        axes.axvline(float(value or 0.0), color=VERMILLION, lw=1.2, ls=style, label=f"{label}: {value:,.0f}")
