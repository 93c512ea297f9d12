"""Students on a chip, drawn: where the cores are and how full, and how many neurons of each layer spike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION
from snnrl.networks.truenorth.chip import CHIP_SIDE, Chip
from snnrl.networks.truenorth.cores import AXONS, NEURONS

COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)
"""Taken in turn by the layers."""
CHIPS_SHOWN = 4


def chip_figure(chip: Chip) -> Figure:
    """Draw the cores by layer, and the share of neurons and axons in use.

    The first four chips are shown. Splitters have the paler colour of their layer.
    """
    shown = min(chip.n_chips, CHIPS_SHOWN)
    figure = Figure(figsize=(4.2 * shown + 4.2, 4.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, shown + 1, width_ratios=[*[1] * shown, 0.8]))
    layers = np.unique(chip.layers)
    for number in range(shown):
        _draw_chip(axes[number], chip, number, layers)
    _draw_use(axes[-1], chip, layers)
    handles = [Patch(color=_colour(k), label=f"layer {layer}") for k, layer in enumerate(layers)]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, fontsize="small")
    return figure


def _draw_chip(axes: Axes, chip: Chip, number: int, layers: NDArray[np.int16]) -> None:
    places = chip.coordinates()
    here = places[:, 0] == number
    picture = np.ones((CHIP_SIDE, CHIP_SIDE, 3))
    colours = np.array([to_rgb(_colour(k)) for k in range(len(layers))])[np.searchsorted(layers, chip.layers)]
    colours[chip.splitters] = 0.5 + 0.5 * colours[chip.splitters]
    picture[places[here, 2], places[here, 1]] = colours[here]
    axes.imshow(picture, interpolation="nearest")
    which = f"chip {number + 1} of {chip.n_chips}: " if chip.n_chips > 1 else ""
    axes.set_title(
        f"{which}{int(here.sum()):,} of {CHIP_SIDE**2:,} cores, {int(chip.splitters[here].sum()):,} splitters"
    )
    axes.set_xlabel("column of cores")
    axes.set_ylabel("row of cores")


def _draw_use(axes: Axes, chip: Chip, layers: NDArray[np.int16]) -> None:
    """Draw the share of neurons and of axons in use, layer by layer and for splitters."""
    axons = np.array([len(t.axon_types) for t in chip.types])[chip.core_types]
    groups = [(f"layer {layer}", (chip.layers == layer) & ~chip.splitters) for layer in layers]
    groups += [("splitters", chip.splitters)] if chip.splitters.any() else []
    place = np.arange(len(groups))
    for offset, values, most, label, colour in (
        (-0.2, chip.n_neurons, NEURONS, "neurons", INK),
        (0.2, axons, AXONS, "axons", GREY),
    ):
        share = [100 * float(values[cores].mean()) / most for _, cores in groups]
        axes.barh(place + offset, share, 0.4, color=colour, label=label)
    axes.set_yticks(place, [name for name, _ in groups])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("in use, % of a core's 256")
    axes.set_title("Use of the cores")
    axes.legend(fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), ncols=2)


def activity_figure(rates: NDArray[np.float64], names: Sequence[str]) -> Figure:
    """Draw how often the neurons of each layer spike.

    Parameters
    ----------
    rates
        Share of neurons that spike, ``[frames, layers]``.
    names
        Of the layers.
    """
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    place = np.arange(rates.shape[1])
    axes.bar(place, 100 * rates.mean(axis=0), color=BLUE)
    spread = 100 * np.abs(np.quantile(rates, [0.05, 0.95], axis=0) - rates.mean(axis=0))
    axes.errorbar(place, 100 * rates.mean(axis=0), spread, fmt="none", color=INK, lw=1)
    axes.set_xticks(place, names)
    axes.set_xlabel("layer")
    axes.set_ylabel("neurons that spike, % per frame")
    axes.set_title(f"Activity over {len(rates)} frames: mean, 5 to 95 % of frames")
    return figure


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
