"""How a state becomes spikes, the first spike an action, and a pair of spikes a change: one figure."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION
from snnrl.networks.first_spike import INPUT
from snnrl.plasticity.nanocomposite import NANOCOMPOSITE
from snnrl.plasticity.parylene import PARYLENE
from snnrl.studies.vlasov2023.agents import NC
from snnrl.tasks import CartPole, Task

STATE = np.array([-0.4, 0.5, 0.05, -0.6])
"""A state of the cart-pole: m, m/s, rad, rad/s."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
LONGEST = 0.1
"""Largest interval of the STDP functions (s)."""


def code_figure(task: Task) -> Figure:
    """Draw the input spikes of one state and the STDP functions of both devices."""
    figure = Figure(figsize=(10, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _draw_code(left, task)
    _draw_stdp(right)
    return figure


def _draw_code(axes: Axes, task: Task) -> None:
    assert isinstance(task, CartPole)
    encoder = NC.build(task).encoder
    latencies = 1e3 * encoder.encode(STATE)
    cells = NC.cells_per_variable
    window = 1e3 * NC.window
    for variable, label in enumerate(task.observation_labels):
        rows = np.arange(variable * cells, (variable + 1) * cells)
        spiking = rows[latencies[rows] <= window]
        axes.vlines(latencies[spiking], spiking - 0.4, spiking + 0.4, color=COLOURS[variable], lw=2.2)
        value = f"{label.partition(' (')[0]} = {STATE[variable]:g} {label.partition('(')[2].rstrip(')')}"
        axes.text(window + 0.3, rows.mean(), value, va="center", color=COLOURS[variable], fontsize="small")
        axes.axhline(rows[0] - 0.5, color=GREY, lw=0.4)
    axes.set_title("One state as spike times")
    axes.set_xlabel("time since the environment step began (ms)")
    axes.set_ylabel(f"input cell ({INPUT})")
    axes.set_xlim(0, window)
    axes.set_ylim(-1, encoder.size)


def _draw_stdp(axes: Axes) -> None:
    lag = np.linspace(-LONGEST, LONGEST, 801)
    for device, name, colour in ((PARYLENE, "parylene", VERMILLION), (NANOCOMPOSITE, "nanocomposite", BLUE)):
        for w, line in ((0.3, ":"), (0.5, "-"), (0.7, "--")):
            axes.plot(
                1e3 * lag, device.stdp(lag, w), color=colour, ls=line, lw=1.5, label=f"{name}, w = {w:g}"
            )
    axes.axhline(0, color=INK, lw=0.6)
    axes.axvspan(-1e3 * NC.window, 1e3 * NC.window, color=GREY, alpha=0.15, lw=0, label="window of one state")
    axes.set_title("The devices' published functions")
    axes.set_xlabel("t_post - t_pre (ms)")
    axes.set_ylabel("change of w, of 1")
    axes.set_ylim(-0.8, 0.42)
    axes.legend(fontsize="x-small", loc="lower right")
