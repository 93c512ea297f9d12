"""Rewards side by side: who does better than whom, and what their critics think of a state."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snnrl.figures.style import INK

DIVERGING = "PuOr"
"""Colours from one side to the other that colour-blind readers can tell apart."""
SEQUENTIAL = "cividis"
"""Colours from low to high, the same to colour-blind readers (Nunez et al. 2018, PLoS ONE 13:e0199239)."""


def improvement_figure(groups: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draw the probability that a seed of one reward does better than a seed of another.

    Parameters
    ----------
    groups
        By kind of synapse, what `snnrl.studies.rewards.results.improvements` gives; the rewards in the order of the rows.
    """
    count = len({pair["reward"] for pairs in groups.values() for pair in pairs})
    side = 0.55 * count + 1.6
    figure = Figure(figsize=(side * len(groups) + 1.2, side + 0.4), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (name, pairs) in zip(panels, groups.items(), strict=True):
        image = _draw_matrix(axes, pairs)
        axes.set_title(name, pad=8)
    panels[0].set_ylabel("this reward ...")
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.02)
    bar.set_label("probability that it does better")
    return figure


def _draw_matrix(axes: Axes, pairs: Sequence[Mapping[str, Any]]) -> Any:
    rewards = list(dict.fromkeys(pair["reward"] for pair in pairs))
    place = {reward: index for index, reward in enumerate(rewards)}
    table = np.full((len(rewards), len(rewards)), np.nan)
    for pair in pairs:
        row, column = place[pair["reward"]], place[pair["than"]]
        table[row, column] = pair["probability"]
        sure = pair["low"] > 0.5 or pair["high"] < 0.5
        strong = abs(pair["probability"] - 0.5) > 0.3
        axes.text(column, row, _share(pair["probability"]), ha="center", va="center", fontsize=8,
                  weight="bold" if sure else "normal", color="white" if strong else INK)  # fmt: skip
    image = axes.imshow(table, cmap=DIVERGING, vmin=0.0, vmax=1.0)
    axes.set_xticks(range(len(rewards)), rewards, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rewards)), rewards)
    axes.set_xlabel("... than this one")
    axes.spines[:].set_visible(False)
    return image


def _share(probability: float) -> str:
    """Write a probability with two digits, without the zero in front; 0 and 1 only where they are exact."""
    if probability in (0.0, 1.0):
        return f"{probability:.0f}"
    return f"{min(max(probability, 0.01), 0.99):.2f}".removeprefix("0")


def value_figure(maps: Mapping[str, Mapping[str, NDArray[np.floating[Any]]]], angles: NDArray[np.float64],
                 rates: NDArray[np.float64]) -> Figure:  # fmt: skip
    """Draw the trained critics' value over angle and angular velocity, cart in the middle and at rest.

    Parameters
    ----------
    maps
        By kind of synapse and reward, the value ``[angular velocities, angles]``, mean over seeds; every panel is drawn
        from its own lowest to its own highest value, which are written on it, because rewards differ in unit.
    angles, rates
        Axes of the grid (rad, rad/s).
    """
    rewards = list(next(iter(maps.values())))
    figure = Figure(figsize=(1.75 * len(rewards) + 1.2, 1.9 * len(maps) + 1.0), layout="constrained")
    panels = figure.subplots(len(maps), len(rewards), squeeze=False, sharex=True, sharey=True)
    limits = (math.degrees(angles[0]), math.degrees(angles[-1]), rates[0], rates[-1])
    for place, (line, (name, by_reward)) in enumerate(zip(panels, maps.items(), strict=True)):
        for axes, reward in zip(line, rewards, strict=True):
            value = by_reward[reward]
            image = axes.imshow(value, origin="lower", extent=limits, aspect="auto", cmap=SEQUENTIAL)
            axes.contour(value, 5, origin="lower", extent=limits, colors="white", linewidths=0.5, alpha=0.7)
            axes.set_title(
                f"{reward if place == 0 else ''}\n{value.min():.2f} to {value.max():.2f}".strip(),
                fontsize=8,
            )
            axes.set_xticks((-10, 0, 10))
        line[0].set_ylabel(name + "\nangular velocity (rad/s)", fontsize=8)
    figure.supxlabel("pole angle (degrees)", fontsize="medium")
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.01, ticks=image.get_clim())
    bar.ax.set_yticklabels(("lowest", "highest"))
    bar.set_label("value")
    return figure
