"""Figures that several studies of papers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from snnrl.figures.learning_curve import held_last, padded_lengths, running_mean
from snnrl.figures.rewards_learning import CURVE_POINTS, LOOKS, SMOOTHED
from snnrl.figures.style import GREY, INK
from snnrl.training.result import AgentRecord
from snnrl.training.summary import bootstrap_interval


def curves_figure(
    agents: Mapping[str, Sequence[AgentRecord]],
    random: float | None,
    levels: Sequence[float] = (195.0, 475.0),
    longest: int | None = None,
    window: int = SMOOTHED,
) -> Figure:
    """Draw episode length against episode, median over seeds with its 95 % bootstrap interval.

    Parameters
    ----------
    agents
        Records by label. Agents that have stopped, having solved the task, keep their last mean.
    random
        Mean length of the random policy; None leaves it out.
    levels
        Mean lengths (steps) to mark.
    longest
        Most episodes shown.
    window
        Episodes in the running mean.
    """
    figure = Figure(figsize=(8.4, 4.8), layout="constrained")
    axes = figure.subplots()
    for k, (label, records) in enumerate(agents.items()):
        colour, _, line = LOOKS[k % len(LOOKS)]
        span = min(window, min(len(r.episode_lengths[:longest]) for r in records))
        table = held_last(running_mean(padded_lengths([r.episode_lengths[:longest] for r in records]), span))
        columns = np.unique(np.linspace(span - 1, table.shape[1] - 1, CURVE_POINTS).round().astype(int))
        shown = table[:, columns]
        axes.plot(columns + 1, np.median(shown, axis=0), color=colour, ls=line, lw=1.7, label=label)
        if len(records) > 1:
            low, high = bootstrap_interval(shown, np.median)
            axes.fill_between(columns + 1, low, high, color=colour, alpha=0.18, lw=0)
    for level in levels:
        axes.axhline(level, color=INK, lw=0.9, ls=(0, (6, 3)))
        axes.text(
            0.005,
            level + 4,
            f"{level:g} steps",
            color=INK,
            fontsize="small",
            transform=axes.get_yaxis_transform(),
        )
    if random is not None:
        axes.axhline(random, color=GREY, lw=1.2, ls=":", label=f"random policy: {random:.0f} steps")
    axes.set_xlabel("learning episode")
    axes.set_ylabel(f"episode length (steps), mean of the last {window}")
    axes.set_ylim(0, 515)
    axes.set_xlim(left=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure
