"""Pulses, their superposition on a device, and what it does against the delay."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, VERMILLION
from snnrl.plasticity.pulses import superpose
from snnrl.plasticity.vteam import VTEAM_SYNAPSE
from snnrl.studies.kulagin2025.pulses import DELAYS, PULSES, measured

SHOWN = 0.008
"""Delay (s) of the superposition that is drawn."""
LOOKS = {"rectangular": (BLUE, "-"), "triangular": (GREEN, "--"), "exponential": (ORANGE, "-.")}


def pulses_figure() -> Figure:
    """Draw one superposition in time, and the change of conductance against delay for every pulse and for parylene."""
    figure = Figure(figsize=(10.5, 4.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.15, 1))
    _draw_voltage(left)
    changes = measured()
    for name, (colour, line) in LOOKS.items():
        middle.plot(1e3 * DELAYS, changes[name], color=colour, ls=line, lw=1.7, label=f"{name} pulses")
    middle.set_title("VTEAM synapse, threshold 1 V")
    right.plot(
        1e3 * DELAYS, changes["parylene"], color=VERMILLION, lw=1.7, label="published function, w = 0.5"
    )
    right.set_title("Parylene, as its authors fitted it")
    for axes in (middle, right):
        axes.axhline(0, color=INK, lw=0.6)
        axes.axvline(0, color=GREY, lw=0.5)
        axes.set_xlabel("t_post - t_pre (ms)")
        axes.set_ylabel("change of conductance, of its range")
        axes.legend(fontsize="x-small", loc="upper left" if axes is right else "lower right")
    return figure


def _draw_voltage(axes: Axes) -> None:
    pulse = PULSES["rectangular"]
    t = np.linspace(-0.005, 0.04, 2000)
    device = pulse.leading * superpose(pulse, pulse, SHOWN, t)
    limit = VTEAM_SYNAPSE.v_off
    for k, (voltage, label, colour) in enumerate(
        (
            (pulse.voltage(t), "pre", BLUE),
            (pulse.voltage(t - SHOWN), "post", GREEN),
            (device, "across the device", INK),
        )
    ):
        base = -3.6 * k
        axes.plot(1e3 * t, voltage + base, color=colour, lw=1.5)
        axes.text(41, base, label, va="center", color=colour, fontsize="small")
    base = -7.2
    for level in (limit, -limit):
        axes.axhline(base + level, color=GREY, lw=0.8, ls="--")
    acts = np.abs(device) > limit
    axes.fill_between(1e3 * t, base, base + device, where=acts.tolist(), color=VERMILLION, alpha=0.5, lw=0)
    axes.set_title("Only the overlap passes the threshold")
    axes.set_xlabel("time (ms)")
    axes.set_yticks([base - limit, base, base + limit], ["-1 V", "0", "+1 V"])
    axes.set_xlim(-5, 76)
    axes.set_xticks((0, 10, 20, 30, 40))
