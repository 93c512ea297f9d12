"""The figure of a paced run: how long its decisions took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREY, VERMILLION

if TYPE_CHECKING:
    from snnrl.play.timing import Timing


def latency_figure(timing: Timing, title: str) -> Figure:
    """Return a histogram of the latencies on two logarithmic axes, with the deadline.

    Parameters
    ----------
    timing
        The run.
    title
        What was played.
    """
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    latencies = 1000 * np.maximum(np.array(timing.seconds), 1e-5)
    deadline = 1000 * timing.period
    low, high = min(float(latencies.min()), deadline / 100), max(float(latencies.max()), deadline) * 1.5
    edges = np.geomspace(low, high, 61)
    counts, _ = np.histogram(latencies, edges)
    axes.stairs(np.maximum(counts, 0.5), edges, baseline=0.5, fill=True, color=BLUE)
    axes.axvline(deadline, color=VERMILLION, lw=1.5)
    axes.text(deadline, 0.97, f" deadline {deadline:.1f} ms", color=VERMILLION, va="top",
              transform=axes.get_xaxis_transform())  # fmt: skip
    for value, name in zip(timing.percentiles((50, 99)), ("p50", "p99"), strict=True):
        axes.axvline(1000 * value, color=GREY, lw=1, ls="--")
        axes.text(1000 * value, 0.97, f" {name}\n {1000 * value:.2g} ms", color=GREY, va="top", fontsize="small",
                  transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, 2 * high), ylim=(0.5, 4 * max(counts.max(), 1)))
    axes.set(xlabel="latency of a decision (ms)", ylabel="decisions")
    axes.set_title(f"{title}: {timing.missed:,} of {timing.steps:,} deadlines missed")
    return figure
