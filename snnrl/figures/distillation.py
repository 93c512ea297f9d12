"""How a student comes to answer as its teacher: divergence, agreement and live scores against batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

GAME_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)


def distillation_figure(
    curve: Sequence[tuple[int, float, float, float]],
    scores: Mapping[str, Sequence[tuple[int, float]]],
    teachers: Mapping[str, float],
    loss: str,
) -> Figure:
    """Draw the curves of a distillation.

    Parameters
    ----------
    curve
        Batches, held-out divergence, agreement, and training loss since the point before.
    scores
        Batches and mean live score, by game.
    teachers
        Mean scores of the teachers, by game.
    loss
        Name of the training loss.
    """
    played = bool(scores) and any(scores.values())
    figure = Figure(figsize=(12 if played else 8.4, 3.6), layout="constrained")
    axes = list(np.atleast_1d(figure.subplots(1, 3 if played else 2)))
    batches, held_out, agreement, training = np.array(curve, np.float64).T
    if loss == "kl":
        axes[0].plot(batches, training, color=ORANGE, label="training")
    axes[0].plot(batches, held_out, color=BLUE, label="held out")
    axes[0].set(xlabel="batches", ylabel="divergence from the teacher (nats)", ylim=(0, None))
    axes[0].legend(fontsize="small")
    axes[1].plot(batches, agreement, color=BLUE)
    axes[1].set(xlabel="batches", ylabel="agreement with the teacher", ylim=(0, 1))
    if played:
        _draw_scores(axes[2], scores, teachers)
    return figure


def _draw_scores(
    axes: Axes, scores: Mapping[str, Sequence[tuple[int, float]]], teachers: Mapping[str, float]
) -> None:
    """Draw live scores; of several games, whose scores have nothing in common, as parts of the teachers'."""
    several = len(scores) > 1
    for number, (game, points) in enumerate(scores.items()):
        batches, means = np.array(points, np.float64).reshape(-1, 2).T
        scale = teachers.get(game, 1.0) or 1.0 if several else 1.0
        axes.plot(batches, means / scale, ".-", color=GAME_COLOURS[number % len(GAME_COLOURS)], label=game)
    for score in [1.0] if several else list(teachers.values()):
        axes.axhline(score, color=GREY, ls="--", label="teacher")
    axes.set(xlabel="batches", ylabel="score over the teacher's" if several else "score")
    axes.legend(fontsize="small")
