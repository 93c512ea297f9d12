"""The learning curve over seeds: how long episodes last, and how many seeds have solved the task."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, GREY, INK, VERMILLION
from snnrl.training.result import AgentRecord, FloatArray, TrainingResult
from snnrl.training.summary import bootstrap_interval, episodes_to_solve

CURVE_POINTS = 400
"""Most episodes at which the bootstrap interval is worked out; longer curves are thinned."""


def learning_curve_figure(result: TrainingResult) -> Figure:
    """Draw episode length against episode, median over seeds, and when the seeds solved the task."""
    config = result.config
    figure = Figure(figsize=(8, 6.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    figure.suptitle(
        f"{config.task}: {config.network}, {config.plasticity}, {config.synapse} synapses, "
        f"{config.reward} reward, {len(result.agents)} seed{'s' * (len(result.agents) != 1)}"
    )
    _draw_lengths(top, result)
    _draw_solved(bottom, result.agents)
    bottom.set_xlabel("episode")
    bottom.set_xlim(left=0)
    figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    return figure


def _draw_lengths(axes: Axes, result: TrainingResult) -> None:
    lengths = padded_lengths([agent.episode_lengths for agent in result.agents])
    axes.set_title("How long each learning episode lasted")
    axes.set_ylabel("episode length (steps)")
    _draw_band(axes, lengths)
    episodes = np.arange(1, lengths.shape[1] + 1)
    axes.plot(episodes, _median(lengths), color=BLUE, lw=1.6, label="median of the seeds still learning")
    window = result.config.solve_window
    running = _median(held_last(running_mean(lengths, window)))
    if np.isfinite(running).any():
        label = f"mean of the last {window} episodes, median"
        axes.plot(episodes, running, color=VERMILLION, lw=1.6, label=label)
    if result.config.solve_threshold is not None:
        level = result.config.solve_threshold
        label = f"solved: mean of {window} {'reaches' if level >= 0 else 'falls to'} {abs(level):g}"
        axes.axhline(abs(level), color=INK, lw=1, ls="--", label=label)
    random = _random_length(result)
    if random is not None:
        axes.axhline(random, color=GREY, lw=1.2, ls=":", label=f"random policy: {random:.0f} steps")
    axes.set_ylim(bottom=0, top=1.04 * axes.get_ylim()[1])


def _draw_band(axes: Axes, lengths: FloatArray) -> None:
    """Shade the bootstrap interval of the median where at least two seeds, and half of them, still learn."""
    still = np.sum(~np.isnan(lengths), axis=0)
    columns = np.flatnonzero(still >= max(2, math.ceil(lengths.shape[0] / 2)))
    columns = columns[:: max(1, math.ceil(columns.size / CURVE_POINTS))]
    low, high = np.full(columns.size, np.nan), np.full(columns.size, np.nan)
    for count in np.unique(still[columns]):
        # Seeds only ever drop out, so episodes with equal counts have the same seeds.
        where = np.flatnonzero(still[columns] == count)
        block = lengths[:, columns[where]]
        low[where], high[where] = bootstrap_interval(block[~np.isnan(block[:, 0])], np.median)
    if columns.size:
        axes.fill_between(
            columns + 1, low, high, color=BLUE, alpha=0.22, lw=0, label="its 95 % bootstrap interval"
        )


def _draw_solved(axes: Axes, agents: list[AgentRecord]) -> None:
    solved = np.sort(episodes_to_solve(agents))
    solved = solved[np.isfinite(solved)]
    last = max(len(agent.episode_lengths) for agent in agents)
    percent = 100 * np.arange(solved.size + 1) / len(agents)
    axes.step(np.r_[0, solved, last], np.r_[percent, percent[-1]], where="post", color=GREEN, lw=1.8)
    axes.set_title(f"Seeds that have solved the task: {solved.size} of {len(agents)}")
    axes.set_ylabel("seeds (%)")
    axes.set_ylim(-4, 104)
    axes.set_yticks((0, 50, 100))


def padded_lengths(rows: Iterable[np.ndarray]) -> FloatArray:
    """Stack rows of different lengths, ``[seeds, longest]``, filled up with NaN."""
    listed = list(rows)
    table = np.full((len(listed), max(len(row) for row in listed)), np.nan)
    for index, row in enumerate(listed):
        table[index, : len(row)] = row
    return table


def _median(table: FloatArray) -> FloatArray:
    """Return the median over the seeds still learning; NaN where fewer than half of them are."""
    present = ~np.isnan(table)
    enough = present.sum(axis=0) >= math.ceil(table.shape[0] / 2)
    median = np.full(table.shape[1], np.nan)
    if enough.any():
        median[enough] = np.nanmedian(table[:, enough], axis=0)
    return median


def running_mean(table: FloatArray, window: int) -> FloatArray:
    """Return the mean of the last `window` columns; NaN until there are that many."""
    means = np.full(table.shape, np.nan)
    if table.shape[1] >= window:
        sums = np.cumsum(np.c_[np.zeros(table.shape[0]), table], axis=1)
        means[:, window - 1 :] = (sums[:, window:] - sums[:, :-window]) / window
    return means


def held_last(table: FloatArray) -> FloatArray:
    """Let seeds that stopped, because they solved the task, keep their last value."""
    held = table.copy()
    for row in held:
        last = np.flatnonzero(~np.isnan(row))
        if last.size:
            row[last[-1] :] = row[last[-1]]
    return held


def _random_length(result: TrainingResult) -> float | None:
    random = (result.baselines or {}).get("random", {})
    length = random.get("mean_length")
    return None if length is None else float(length)
