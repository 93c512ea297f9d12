"""The figure of `benchmarks.aihwkit`: conductance after every pulse by both packages, and their difference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.plasticity.al2o3 import AL2O3
from snnrl.plasticity.crossbar import PLUS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmarks.aihwkit import Compared

EVERY = 40
"""Pulses between two marks of aihwkit; the curves take turns, so that marks on equal curves stand apart."""
MARKS = ("o", "s", "^", "D")


def draw(results: Sequence[Compared], path: Path) -> None:
    """Write the figure of these cases' first plus device."""
    from snnrl.figures.style import write_png

    write_png(lambda: _figure(results), path)


def _figure(results: Sequence[Compared]) -> Figure:
    from matplotlib.figure import Figure

    from snnrl.figures.style import BLUE, GREY, INK, ORANGE, VERMILLION

    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    pulses = np.arange(1, len(results[0].ours) + 1)
    for k, (result, colour) in enumerate(zip(results, (INK, ORANGE, BLUE, VERMILLION), strict=True)):
        ours, theirs = (_microsiemens(states[:, PLUS, 0, 0]) for states in (result.ours, result.theirs))
        marked = slice(k * EVERY // len(results), None, EVERY)
        line: dict[str, Any] = {
            "color": colour,
            "linewidth": 5.0 if k == 0 else 1.6,
            "alpha": 0.35 if k == 0 else 1.0,
        }
        above.plot(pulses, ours, **line, label=f"{result.case.name}: snnrl")
        above.plot(pulses[marked], theirs[marked], MARKS[k], color=colour, markerfacecolor="none",
                   label=f"aihwkit {result.case.peer}")  # fmt: skip
        below.plot(pulses, 1e6 * (theirs - ours), color=colour, linewidth=1.2)
    above.set_ylabel("conductance, µS")
    above.set_title("400 set pulses, then 400 reset pulses")
    above.legend(loc="upper right", fontsize=9)
    below.axhline(0.0, color=GREY, linewidth=0.6)
    below.set(xlabel="pulse", ylabel="aihwkit - snnrl, pS")
    return figure


def _microsiemens(states: np.ndarray) -> np.ndarray:
    """Return conductances for states in the range -1 to 1."""
    middle, half = (AL2O3.g_max + AL2O3.g_min) / 2.0, (AL2O3.g_max - AL2O3.g_min) / 2.0
    return np.asarray(1e6 * (middle + half * states))
