"""Policies that learn, as Green, Vineyard & Koc (2018) draw them, and what they earn for the energy they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION

LOOKS = ((INK, "o", "-"), (BLUE, "s", "--"), (VERMILLION, "^", "-."), (GREEN, "D", ":"), (PURPLE, "v", "-"), (ORANGE, "P", "--"))  # fmt: skip
"""Colour, marker and line; with a marker and a line of its own each is known without colour."""
POINTS = 400
"""Most points of a curve."""


class Panel(NamedTuple):
    """Learning curves on one task.

    Parameters
    ----------
    title
        Of the panel.
    curves
        Running mean of the return by label, ``[policies, episodes]``.
    first
        Episode of the first column.
    level
        Mean return that counts as solved.
    half
        Episode after which the policies were changed, None: never.
    across, upwards
        What the axes show; by default learning episodes, and the return as a mean of the ``first`` ones.
    step
        Episodes, or what else is across, between two columns.
    """

    title: str
    curves: Mapping[str, NDArray[np.float64]]
    first: float
    level: float
    half: float | None
    across: str = "learning episode"
    upwards: str = ""
    step: float = 1.0


def policies_figure(panels: Sequence[Panel]) -> Figure:
    """Draw the mean over policies, and one standard deviation to both sides, against the episode."""
    figure = Figure(figsize=(4.6 * len(panels) + 0.4, 4.2), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(panel.title)
        for (label, table), (colour, _, line) in zip(panel.curves.items(), LOOKS, strict=False):
            at = np.unique(np.linspace(0, table.shape[1] - 1, POINTS).round().astype(int))
            mean, spread = table[:, at].mean(axis=0), table[:, at].std(axis=0)
            across = panel.first + panel.step * at
            axes.plot(across, mean, color=colour, ls=line, lw=1.6, label=label)
            axes.fill_between(across, mean - spread, mean + spread, color=colour, alpha=0.14, lw=0)
        axes.axhline(panel.level, color=GREY, lw=1.0, ls=(0, (6, 3)), label=f"solved: {panel.level:g}")
        if panel.half is not None:
            axes.axvline(panel.half, color=GREY, lw=1.0, ls=":", label="changed here, then fine-tuned")
        axes.set_xlabel(panel.across)
        axes.set_ylabel(panel.upwards or f"return, mean of {panel.first:g} episodes")
        axes.set_xlim(left=0)
        axes.legend(fontsize="x-small", loc="lower right")
    return figure


class Points(NamedTuple):
    """Kinds of policies on one task: energy of a decision (joules) and mean return, ``[widths]`` each, by method."""

    title: str
    methods: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def energy_figure(panels: Sequence[Points]) -> Figure:
    """Draw the mean return against the energy of a decision, one line a method, one marker a width."""
    figure = Figure(figsize=(4.6 * len(panels) + 0.4, 3.9), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(panel.title)
        for (label, (energy, earned)), (colour, marker, line) in zip(
            panel.methods.items(), LOOKS, strict=False
        ):
            axes.plot(
                np.multiply(1e9, energy), earned, color=colour, marker=marker, ls=line, lw=1.1, label=label
            )
        axes.set_xscale("log")
        axes.set_xlabel("energy of a decision (nJ)")
        axes.set_ylabel("mean return of the evaluation")
        axes.legend(fontsize="x-small")
    return figure
