"""One episode, spike by spike: spikes of every population, value, TD error and the pole's angle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILLION
from snnrl.training.result import BoolArray, EpisodeRecording, FloatArray

ACTION_COLOURS = (BLUE, VERMILLION, ORANGE, PURPLE, SKY)

ZOOM = 0.4
"""Length of the window in which single spikes are shown (s)."""

DENSE = 40
"""Neurons above which the dots are small."""


def raster_figure(recording: EpisodeRecording) -> Figure:
    """Draw one episode: spikes by population, value, TD error and the pole angle.

    An episode much longer than `ZOOM` is drawn whole, with spikes counted per environment step, and beside it
    a close-up around a moment of large angle, spike by spike.
    """
    duration = len(recording.action) * recording.env_step
    spans = [(0.0, duration)]
    if duration > 2 * ZOOM:
        spans.append(_close_up(recording, duration))
    figure, axes = _raster_axes(recording, len(spans))
    for column, span in enumerate(spans):
        _draw_column(axes[:, column], recording, span, close=column == len(spans) - 1)
    title = f"Whole episode: {len(recording.action)} steps, {duration:.4g} s"
    if len(spans) == 2:
        for axis in axes[:, 0]:
            axis.axvspan(*spans[1], color=ORANGE, alpha=0.25, lw=0)
        axes[0, 1].set_title(f"Close-up of the shaded {1000 * ZOOM:.0f} ms: each dot is one spike")
        title += f". The darker, the more spikes in {1000 * recording.env_step:g} ms"
    axes[0, 0].set_title(title)
    _add_legend(axes[:, -1], _populations(recording))
    figure.align_ylabels(axes[:, 0])
    return figure


def _raster_axes(recording: EpisodeRecording, columns: int) -> tuple[Figure, Any]:
    bands = [2.0 if band == "input" else 1.3 for band in _populations(recording)]
    heights = [*bands, *[1.0, 1.0] * _has_critic(recording), 1.3]
    figure = Figure(figsize=(13 if columns == 2 else 9, 1.0 + 1.1 * sum(heights)), layout="constrained")
    axes = figure.subplots(
        len(heights),
        columns,
        sharex="col",
        squeeze=False,
        height_ratios=heights,
        width_ratios=(1.5, 1)[:columns],
    )
    return figure, axes


def _draw_column(
    axes: Sequence[Axes], recording: EpisodeRecording, span: tuple[float, float], close: bool
) -> None:
    """Draw all rows for one span of time (s); `close` shows single spikes and the actions."""
    rows = iter(axes)
    for band, names in _populations(recording).items():
        _draw_spikes(next(rows), recording, band, names, close)
    if _has_critic(recording):
        _draw_trace(next(rows), recording, recording.value, "value", GREEN)
        _draw_trace(next(rows), recording, recording.td_error, "TD error", PURPLE)
    _draw_variable(axes[-1], recording, limits=span[0] == 0.0)
    axes[-1].set_xlim(*span)
    axes[-1].set_xlabel("time in the episode (s)")


def _has_critic(recording: EpisodeRecording) -> bool:
    return recording.value is not None and recording.td_error is not None


def _populations(recording: EpisodeRecording) -> dict[str, list[str]]:
    """Sort the recorded populations into the bands "input", "critic" and "actor", as far as they exist."""
    names = list(recording.spikes)
    critic = [name for name in names[1:] if "critic" in name.lower()]
    bands = {"input": names[:1], "critic": critic, "actor": [n for n in names[1:] if n not in critic]}
    return {band: members for band, members in bands.items() if members}


def _close_up(recording: EpisodeRecording, duration: float) -> tuple[float, float]:
    """Return a window around the largest value of the shown variable (s).

    The first quarter is left out: the variable may be large there only because the episode began so.
    """
    trace = np.abs(recording.observation[:, _shown_variable(recording)])
    first = len(trace) // 4
    middle = (first + int(np.argmax(trace[first:]))) * recording.env_step
    start = min(max(middle - ZOOM / 2, 0.0), duration - ZOOM)
    start = round(start / recording.env_step) * recording.env_step
    return start, start + ZOOM


def _shown_variable(recording: EpisodeRecording) -> int:
    """Return the index of the first angle, else of the first variable."""
    angles = [index for index, label in enumerate(recording.observation_names) if "angle" in label]
    return angles[0] if angles else 0


def _draw_spikes(axes: Axes, recording: EpisodeRecording, band: str, names: list[str], close: bool) -> None:
    """Draw the populations of one band above each other; input neurons that never fire are left out."""
    offset = total = 0
    for name, colour in zip(names, _colours(band, names), strict=True):
        spikes = recording.spikes[name]
        total += spikes.shape[1]
        shown = spikes[:, spikes.any(axis=0)] if band == "input" else spikes
        if close:
            steps, neurons = np.nonzero(shown)
            size = 3.2 if shown.shape[1] <= DENSE else 1.8
            axes.plot((steps + 0.5) * recording.dt, neurons + offset, "o", ms=size, mew=0, color=colour)
        else:
            _draw_counts(axes, recording, shown, colour, offset)
        offset += shown.shape[1]
        if name != names[-1]:
            axes.axhline(offset - 0.5, color=GREY, lw=0.5)
    axes.set_ylim(-0.5 - 0.02 * offset, max(offset, 1) - 0.5 + 0.02 * offset)
    axes.set_ylabel(
        f"{band} neurons\n({offset} of {total} fire)" if band == "input" else f"{total} {band}\nneurons"
    )
    axes.set_yticks(())
    if band == "actor" and close:
        _shade_actions(axes, recording, names)


def _draw_counts(
    axes: Axes, recording: EpisodeRecording, spikes: BoolArray, colour: str, offset: int
) -> None:
    """Shade each neuron by its spikes in each environment step, from white for none to the colour."""
    if spikes.shape[1] == 0:
        return
    steps = len(recording.action)
    per_step = round(recording.env_step / recording.dt)
    counts = spikes[: steps * per_step].reshape(steps, per_step, -1).sum(axis=1)
    axes.imshow(
        counts.T,
        cmap=LinearSegmentedColormap.from_list("", ("white", colour)),
        vmin=0,
        vmax=max(int(counts.max()), 1),
        aspect="auto",
        origin="lower",
        extent=(0, steps * recording.env_step, offset - 0.5, offset + spikes.shape[1] - 0.5),
    )


def _shade_actions(axes: Axes, recording: EpisodeRecording, names: list[str]) -> None:
    """Tint each environment step with the colour of the action taken in it, where groups stand for actions."""
    if len(names) <= int(recording.action.max(initial=0)):
        return
    colours = _colours("actor", names)
    for step, action in enumerate(recording.action):
        start = step * recording.env_step
        axes.axvspan(start, start + recording.env_step, color=colours[action], alpha=0.14, lw=0, zorder=0)


def _draw_trace(
    axes: Axes, recording: EpisodeRecording, trace: FloatArray | None, label: str, colour: str
) -> None:
    if trace is None:
        return
    edges = np.arange(len(trace) + 1) * recording.env_step
    axes.stairs(trace, edges, baseline=None, color=colour, lw=1.0)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.set_ylabel(label)


def _draw_variable(axes: Axes, recording: EpisodeRecording, limits: bool) -> None:
    index = _shown_variable(recording)
    label = recording.observation_names[index]
    factor = 180 / math.pi if "(rad)" in label else 1.0
    times = np.arange(len(recording.observation)) * recording.env_step
    axes.plot(times, factor * recording.observation[:, index], color=INK, lw=1.2)
    axes.axhline(0, color=GREY, lw=0.6)
    limit = recording.observation_limits.get(label)
    if limits and limit is not None:
        for side in (-factor * limit, factor * limit):
            axes.axhline(side, color=VERMILLION, lw=1, ls="--")
        axes.set_ylim(-1.35 * factor * limit, 1.35 * factor * limit)
        axes.annotate(
            "beyond the dashed lines the episode ends",
            (0.01, 0.97),
            xycoords="axes fraction",
            va="top",
            fontsize="small",
            color=VERMILLION,
        )
    axes.set_ylabel(label.replace("(rad)", "(°)"))


def _colours(band: str, names: list[str]) -> list[str]:
    if band == "actor":
        return [ACTION_COLOURS[index % len(ACTION_COLOURS)] for index in range(len(names))]
    return [GREEN if band == "critic" else INK] * len(names)


def _add_legend(column: Iterable[Axes], populations: dict[str, list[str]]) -> None:
    """Name the actor groups by colour, beside their rows in the close-up."""
    for axes, (band, names) in zip(column, populations.items(), strict=False):
        if band != "actor":
            continue
        handles = [
            Line2D([], [], linestyle="none", marker="o", color=colour, label=name.replace("_", " "))
            for name, colour in zip(names, _colours(band, names), strict=True)
        ]
        axes.legend(
            handles=handles[::-1],
            title="background:\naction taken",
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            fontsize="small",
            title_fontsize="small",
        )
