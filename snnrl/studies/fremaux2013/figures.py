"""Kernels, learning curves and the value of the track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snnrl.figures.learning_curve import held_last, padded_lengths, running_mean
from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, VERMILLION
from snnrl.networks.fremaux_presets import PAPER_KERNELS
from snnrl.networks.srm0 import SRM0, kernel
from snnrl.studies.fremaux2013.identities import (
    Response,
    paper_network,
    potential_response,
    td_kernel,
    value_response,
    vector_response,
)
from snnrl.training.result import AgentRecord
from snnrl.training.summary import bootstrap_interval

WINDOW = 20
"""Episodes in a running mean."""
Agents = Mapping[str, Sequence[AgentRecord]]


def kernels_figure() -> Figure:
    """Draw the four kernels as simulated, on top of their closed forms."""
    neuron, net = SRM0(), paper_network()
    value, error = value_response()
    slow, fast = PAPER_KERNELS["tau_kappa"], PAPER_KERNELS["nu_kappa"]
    potential, vector = potential_response(neuron), vector_response(net)
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 2)
    _draw_kernel(panels[0, 0], potential, neuron.epsilon_0 * kernel(potential.times, neuron.tau_m, neuron.tau_s),
                 "Potential of one spike (weight 1)", "potential (mV)", 0.12)  # fmt: skip
    _draw_kernel(panels[0, 1], value, kernel(value.times, slow, fast), "Value kernel κ", "1/s", 1.2)
    _draw_kernel(
        panels[1, 0], error, td_kernel(error.times, slow, fast), "TD error kernel, dκ/dt - κ/τr", "1/s²", 1.2
    )
    _draw_kernel(panels[1, 1], vector, kernel(vector.times, net.tau_gamma, net.nu_gamma),
                 "Population vector kernel γ", "1/s", 0.3)  # fmt: skip
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _draw_kernel(
    axes: Axes, response: Response, closed: NDArray[np.float64], title: str, unit: str, end: float
) -> None:
    shown = response.times <= end
    times = 1e3 * response.times[shown]
    few = slice(None, None, max(1, times.size // 40))
    axes.plot(times, closed[shown], color=BLUE, lw=1.6, label="closed form")
    axes.plot(times[few], response.values[shown][few], ls="", marker="o", ms=3.4, mfc="none", color=VERMILLION,
              label="simulated from the equation text, every few time steps")  # fmt: skip
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set(title=title, xlabel="time since the spike (ms)", ylabel=unit)


def learning_figure(title: str, agents: Agents, level: float | None, random: float) -> Figure:
    """Draw episode length against episode, median over seeds with its 95 % bootstrap interval.

    Parameters
    ----------
    title
        Of the figure.
    agents
        Records by label. Agents that have stopped, having solved the task, keep their last mean.
    level
        Mean length (steps) of a solved task; None leaves it out.
    random
        Mean length of the random policy.
    """
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    axes = figure.subplots()
    for (label, records), colour in zip(agents.items(), (BLUE, ORANGE, GREEN), strict=False):
        _draw_curve(axes, records, label, colour)
    if level is not None:
        axes.axhline(level, color=INK, lw=1, ls="--", label=f"solved: {level:g} steps over 100 episodes")
    axes.axhline(random, color=GREY, lw=1.3, ls=":", label=f"random policy: {random:.0f} steps")
    axes.set(title=title, xlabel="learning episode", ylabel=f"episode length (steps), mean of {WINDOW}")
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.set_xlim(left=0)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return figure


def _draw_curve(axes: Axes, records: Sequence[AgentRecord], label: str, colour: str) -> None:
    table = held_last(running_mean(padded_lengths([r.episode_lengths for r in records]), WINDOW))
    columns = np.unique(np.linspace(WINDOW - 1, table.shape[1] - 1, 150).astype(int))
    shown = table[:, columns]
    axes.plot(columns + 1, np.median(shown, axis=0), color=colour, lw=1.7,
              label=f"{label}, median of {len(records)} seeds, 95 % interval")  # fmt: skip
    if len(records) > 1:
        axes.fill_between(columns + 1, *bootstrap_interval(shown, np.median), color=colour, alpha=0.2, lw=0)


def value_figure(values: Mapping[str, Any]) -> Figure:
    """Draw the value of every place of the track before and after learning, and its closed form."""
    position, closed = np.array(values["position"]), np.array(values["closed"])
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, colour in (("before", GREY), ("after", BLUE)):
        table = np.array(values[name])
        axes.plot(position, table.T, color=colour, lw=0.5, alpha=0.45)
        axes.plot(
            position, np.median(table, axis=0), color=colour, lw=2.2, label=f"critic {name} learning, median"
        )
    axes.plot(position, closed, color=VERMILLION, lw=1.6, ls="--", label="discounted cost of a straight run")
    axes.axvspan(position[0], 0, color=ORANGE, alpha=0.08, lw=0, label="runs start here")
    axes.set(title=f"Value of the linear track, {len(values['after'])} seeds", ylabel="value (cost per step = 1)",
             xlabel="position from the middle of the track (m); the goal is at the right end")  # fmt: skip
    axes.legend(fontsize="small", loc="best")
    return figure
