"""Students of ATARI teachers as McKinstry et al. (2018) draw them: by size and loss, and of several games."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, INK, ORANGE, PURPLE, SKY, VERMILLION

COLOURS = (SKY, BLUE, ORANGE, VERMILLION, GREEN, PURPLE)
HATCHES = {"nll": "///", "mse": "..."}
"""Of losses; that of KL is plain."""
WIDTH = 0.82
"""Of a group of bars."""


def sizes_figure(scores: Mapping[tuple[str, str, str], float | None]) -> Figure:
    """Draw each game's scores over the teacher's, a bar for every size and loss (figure 3 of the paper).

    Parameters
    ----------
    scores
        By game, student and loss; None where the teacher has no points, and no bar is drawn.
    """
    games = list(dict.fromkeys(game for game, _, _ in scores))
    kinds = list(dict.fromkeys((student, loss) for _, student, loss in scores))
    students = list(dict.fromkeys(student for student, _ in kinds))
    bars = {f"{student}, {loss.upper()}": [scores.get((game, student, loss)) for game in games]
            for student, loss in kinds}  # fmt: skip
    looks = [
        (COLOURS[students.index(student) % len(COLOURS)], HATCHES.get(loss, "")) for student, loss in kinds
    ]
    return _bars(games, bars, looks, "score over the teacher's", "teacher")


def together_figure(parts: Mapping[tuple[int, str], float | None]) -> Figure:
    """Draw the scores of students of several games over those of students of one (figure 4 of the paper).

    Parameters
    ----------
    parts
        Mean over games, by number of games and student; None where it means nothing, and no bar is drawn.
    """
    counts = sorted({count for count, _ in parts})
    students = list(dict.fromkeys(student for _, student in parts))
    bars = {student: [parts.get((count, student)) for count in counts] for student in students}
    looks = [(COLOURS[k % len(COLOURS)], "") for k in range(len(students))]
    words = "score over that of a student of one game"
    return _bars([f"{count} games" for count in counts], bars, looks, words, "student of one game")


def _bars(
    groups: list[str],
    bars: Mapping[str, list[float | None]],
    looks: list[tuple[str, str]],
    upwards: str,
    level: str,
) -> Figure:
    """Draw groups of bars beside each other, and a dashed line at 1."""
    figure = Figure(figsize=(max(6.4, 1.3 * len(groups) + 2.0), 4.2), layout="constrained")
    axes = figure.subplots()
    width, middle = WIDTH / len(bars), (len(bars) - 1) / 2
    for k, ((label, heights), (colour, hatch)) in enumerate(zip(bars.items(), looks, strict=True)):
        at = np.arange(len(groups)) + (k - middle) * width
        shown = np.array([np.nan if height is None else height for height in heights])
        axes.bar(at, shown, 0.92 * width, color=colour, hatch=hatch, edgecolor="white", label=label)
    axes.axhline(1.0, color=INK, lw=1.0, ls=(0, (6, 3)), label=level)
    axes.axhline(0.0, color=INK, lw=0.6)
    axes.set_xticks(np.arange(len(groups)), groups)
    axes.set_ylabel(upwards)
    figure.legend(loc="outside lower center", ncols=4, fontsize="small")
    return figure
