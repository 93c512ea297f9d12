"""Rewards side by side: how they learn, where they end, and how large their TD error is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.learning_curve import held_last, padded_lengths, running_mean
from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION
from snnrl.training.result import AgentRecord
from snnrl.training.summary import bootstrap_interval

SMOOTHED = 20
"""Episodes in the running mean of the curves."""
CURVE_POINTS = 60
"""Most episodes of a curve at which the interval is worked out."""
LOOKS = (
    (BLUE, "o", "-"),
    (VERMILLION, "s", "--"),
    (GREEN, "^", "-."),
    (PURPLE, "D", ":"),
    (ORANGE, "v", "-"),
    (SKY, "P", "--"),
)
"""Colour, marker and line of every kind of synapse; with a marker and a line of its own each is known without colour."""

Groups = Mapping[str, Mapping[str, Sequence[AgentRecord]]]
"""Records by what the rewards share (rule and synapse) and by reward."""


def curves_figure(groups: Groups, rewards: Sequence[str], threshold: float, random: float | None) -> Figure:
    """Draw episode length against episode, one panel per reward, median over seeds with its 95 % interval.

    Parameters
    ----------
    groups
        The agents.
    rewards
        Panels, in order.
    threshold
        Mean length (steps) that counts as solved.
    random
        Mean length of the random policy.
    """
    across = min(3, len(rewards))
    down = math.ceil(len(rewards) / across)
    figure = Figure(figsize=(3.6 * across + 0.6, 2.3 * down + 1.0), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
    for panel, reward in zip(panels, rewards, strict=False):
        panel.set_title(reward)
        for (name, agents), look in zip(groups.items(), _looks(groups), strict=True):
            _draw_curve(panel, agents[reward], name, look)
        panel.axhline(threshold, color=INK, lw=0.9, ls=(0, (6, 3)), label=f"solved: {threshold:g} steps")
        if random is not None:
            panel.axhline(random, color=GREY, lw=1.0, ls=":", label=f"random policy: {random:.0f} steps")
    for panel in panels[len(rewards) :]:
        panel.set_axis_off()
    panels[0].set_ylim(bottom=0)
    panels[0].set_xlim(left=0)
    figure.supxlabel("learning episode", fontsize="medium")
    figure.supylabel(f"episode length (steps), mean of the last {SMOOTHED}", fontsize="medium")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), fontsize="small")
    return figure


def _looks(groups: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [LOOKS[place % len(LOOKS)] for place in range(len(groups))]


def _draw_curve(axes: Axes, agents: Sequence[AgentRecord], name: str, look: tuple[str, str, str]) -> None:
    """Draw the median over seeds; seeds that have stopped, having solved the task, keep their last mean."""
    lengths = padded_lengths([agent.episode_lengths for agent in agents])
    window = min(SMOOTHED, min(len(agent.episode_lengths) for agent in agents))
    table = held_last(running_mean(lengths, window))
    columns = np.unique(np.linspace(window - 1, table.shape[1] - 1, CURVE_POINTS).round().astype(int))
    shown = table[:, columns]
    axes.plot(columns + 1, np.median(shown, axis=0), color=look[0], ls=look[2], lw=1.6, label=name)
    if len(agents) > 1:
        low, high = bootstrap_interval(shown, np.median)
        axes.fill_between(columns + 1, low, high, color=look[0], alpha=0.2, lw=0)


def overview_figure(
    rows: Sequence[Mapping[str, Any]], rewards: Sequence[str], episodes: int, longest: int
) -> Figure:
    """Draw solved seeds, median episodes and final evaluation of every reward with their 95 % intervals.

    Parameters
    ----------
    rows
        Of `snnrl.studies.rewards.results.rows`, with ``group`` as their kind of synapse.
    rewards
        In order, from above.
    episodes
        Most learning episodes: medians that are infinite are drawn there.
    longest
        Length of the longest possible episode (steps).
    """
    figure = Figure(figsize=(10, 0.42 * len(rewards) + 1.6), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    names = list(dict.fromkeys(row["group"] for row in rows))
    kinds = (("solved", "solved_fraction", 100.0, "seeds that solved the task (%)", 100.0),
             ("median", "median_episodes", 1.0, f"episodes to solve, median (at {episodes}: not solved)", episodes),
             ("evaluation", "evaluation_mean", 1.0, "evaluation, plasticity off: mean length (steps)", longest))  # fmt: skip
    for panel, (short, key, unit, label, end) in zip(panels, kinds, strict=True):
        for place, (name, look) in enumerate(zip(names, _looks(dict.fromkeys(names)), strict=True)):
            chosen = {row["reward"]: row for row in rows if row["group"] == name}
            heights = np.arange(len(rewards)) + 0.3 * (place - (len(names) - 1) / 2) / max(len(names) - 1, 1)
            _draw_intervals(
                panel, [chosen[reward] for reward in rewards], heights, (short, key), unit, end, look, name
            )
        panel.set_xlabel(label, fontsize="small")
        panel.set_xlim(0, 1.04 * end)
        panel.grid(axis="x", color="#dddddd", lw=0.6)
    panels[0].set_yticks(range(len(rewards)), rewards)
    panels[0].invert_yaxis()
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(names), fontsize="small"
    )
    return figure


def _draw_intervals(axes: Axes, rows: Sequence[Mapping[str, Any]], heights: Any, keys: tuple[str, str], unit: float,
                    end: float, look: tuple[str, str, str], name: str) -> None:  # fmt: skip
    short, key = keys

    def at(which: str) -> list[float]:
        return [end if row[which] is None else unit * row[which] for row in rows]

    if any(row[f"{short}_low"] is not None for row in rows):
        axes.hlines(heights, at(f"{short}_low"), at(f"{short}_high"), color=look[0], lw=1.4)
    axes.plot(at(key), heights, look[1], color=look[0], ms=5, label=name, clip_on=False)


def td_error_figure(measured: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the size of every reward's TD error, as it is and with its factor.

    Parameters
    ----------
    measured
        By reward, the numbers of `snnrl.studies.rewards.td_error.Calibration`.
    """
    figure = Figure(figsize=(10, 0.36 * len(measured) + 1.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    heights = np.arange(len(measured))
    for axes, raw, equal, title in (
        (left, "raw_size", "size", "Critic without noise, values of random pushes"),
        (right, "raw_spiking", "spiking", "Spiking agents, first steps of learning"),
    ):
        before, after = ([row[key] for row in measured] for key in (raw, equal))
        axes.hlines(heights, before, after, color=GREY, lw=0.8)
        axes.plot(before, heights, "s", color=VERMILLION, ms=6, mfc="none", label="reward as it is")
        axes.plot(after, heights, "o", color=BLUE, ms=5, label="times its factor")
        axes.set_title(title)
        axes.set_xlabel("TD error, root mean square")
    left.set_xscale("log")  # rewards as they are differ by a factor of ten and more
    right.axvline(measured[0]["noise"], color=INK, lw=1, ls=":", label="no reward: the critic's own noise")
    left.set_yticks(heights, [f"{row['reward']}  x {row['factor']:.3g}" for row in measured])
    left.invert_yaxis()
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    return figure
