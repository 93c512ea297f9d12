"""Make the picture of the README from a real run: ``python docs/make_pictures.py``.

Trains the default agent on the cart-pole, in memory, and writes ``docs/pictures/overview.png``. Spikes and curve
are those of that run; the sizes in the schematic are those of the model.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle

import snnrl
from snnrl import networks
from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, VERMILLION, write_png
from snnrl.model import AgentModel
from snnrl.training.result import EpisodeRecording, TrainingResult
from snnrl.training.summary import bootstrap_interval

PICTURES = Path(__file__).parent / "pictures"
SHOWN_STEPS = 20
"""Environment steps in the raster of the overview."""
SOURCE, CROSSING = (3.1, 5.95), 4.3
"""Where the plastic synapses begin in the schematic, and where the TD error meets them."""
COLOURS = {"place": GREY, "critic": GREEN, "action_0": BLUE, "action_1": VERMILLION}
WORDS = {"place": "place cells", "critic": "critic", "action_0": "push left", "action_1": "push right"}


def overview(result: TrainingResult) -> Figure:
    """Draw network, spikes and learning curve side by side."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.05, 1.2))
    task = result.config.make_task()
    _draw_network(left.subplots(), networks.make(result.config.network, result.config.plasticity).build(task))
    top, bottom = right.subplots(2, 1, height_ratios=(1.25, 1))
    assert result.recording is not None
    _draw_spikes(top, result.recording)
    _draw_learning(bottom, result)
    return figure


# ---------------------------------------------------------------------- network


def _draw_network(axes: Axes, model: AgentModel) -> None:
    axes.set_xlim(-0.4, 10)
    axes.set_ylim(0, 10)
    axes.set_aspect("equal")
    axes.axis("off")
    _draw_cart(axes, 1.75, 1.1)
    _draw_grid(axes, 0.55, 4.75, 2.4)
    _label(axes, 1.75, 7.5, f"{model.network.population('place').size} place cells")
    for name, y in (("critic", 8.0), ("action_0", 5.6), ("action_1", 3.6)):
        _draw_population(axes, name, model.network.population(name).size, 7.6, y)
        _arrow(axes, SOURCE, (6.3, y), COLOURS[name], lw=2.0)
    _draw_error(axes, (8.0, 5.6, 3.6))
    _arrow(axes, (1.75, 2.9), (1.75, 4.6), INK, lw=1.4)
    _label(axes, 1.9, 3.7, "observation", align="left")
    _rivalry(axes)
    _path(axes, (7.6, 2.95), (7.6, 1.1), (3.3, 1.1))
    _label(axes, 5.5, 1.5, "the action with more spikes")


def _draw_cart(axes: Axes, x: float, y: float) -> None:
    axes.plot((x - 1.4, x + 1.4), (y - 0.42, y - 0.42), color=INK, lw=1.2)
    axes.add_patch(Rectangle((x - 0.55, y - 0.25), 1.1, 0.5, facecolor=INK))
    axes.plot((x, x + 0.28), (y + 0.2, y + 1.65), color=ORANGE, lw=5, solid_capstyle="round")
    for wheel in (x - 0.35, x + 0.35):
        axes.add_patch(Circle((wheel, y - 0.3), 0.12, facecolor="white", edgecolor=INK))


def _draw_grid(axes: Axes, x: float, y: float, size: float) -> None:
    """Draw a slice through the place cells: the closer a cell's centre to the observation, the darker."""
    n = 4
    for row in range(n):
        for column in range(n):
            distance = np.hypot(row - 1.2, column - 2.1)
            shade = 0.12 + 0.8 * np.exp(-(distance**2) / 2)
            centre = (x + size * (column + 0.5) / n, y + size * (row + 0.5) / n)
            axes.add_patch(Circle(centre, 0.24, facecolor=str(1 - shade), edgecolor=GREY, lw=0.6))


def _draw_population(axes: Axes, name: str, size: int, x: float, y: float) -> None:
    box = FancyBboxPatch(
        (x - 1.2, y - 0.55), 2.4, 1.1, boxstyle="round,pad=0.05,rounding_size=0.3", facecolor="white",
        edgecolor=COLOURS[name], lw=2,
    )  # fmt: skip
    axes.add_patch(box)
    _label(axes, x, y, f"{WORDS[name]}\n{size} LIF neurons", colour=COLOURS[name])


def _rivalry(axes: Axes) -> None:
    arrow = FancyArrowPatch((9.0, 5.6), (9.0, 3.6), connectionstyle="arc3,rad=-0.45", arrowstyle="|-|", color=GREY,
                            mutation_scale=4, lw=1.4)  # fmt: skip
    axes.add_patch(arrow)
    axes.text(9.75, 4.6, "inhibit", color=GREY, fontsize=8.5, rotation=-90, va="center", ha="center")


def _draw_error(axes: Axes, heights: tuple[float, ...]) -> None:
    """Draw the third factor, what it is made of, and the plastic synapses that it reaches."""
    _label(axes, 3.5, 9.5, r"TD error  $\delta = (1-\gamma)\,r + \gamma V' - V$", colour=ORANGE, size=10.5)
    _path(axes, (7.6, 8.65), (7.6, 9.5), (6.0, 9.5), colour=GREEN)
    _label(axes, 7.75, 9.5, "value V", colour=GREEN, align="left")
    _path(axes, (0.1, 1.1), (-0.2, 1.1), (-0.2, 9.5), (0.9, 9.5))
    axes.text(-0.05, 8.5, "reward r", color=INK, fontsize=9, ha="left", va="center")
    part = (CROSSING - SOURCE[0]) / (6.3 - SOURCE[0])
    crossings = [SOURCE[1] + part * (y - SOURCE[1]) for y in heights]
    axes.plot((CROSSING, CROSSING), (9.15, min(crossings)), color=ORANGE, lw=1.4, ls="--", zorder=3)
    for y in crossings:
        axes.add_patch(Circle((CROSSING, y), 0.14, facecolor=ORANGE, edgecolor="white", zorder=4))
    axes.text(
        CROSSING + 0.15, 8.4, "changes\nthe weights", color=ORANGE, fontsize=8.5, ha="left", va="center"
    )


def _path(axes: Axes, *points: tuple[float, float], colour: str = INK) -> None:
    """Draw a line through the points that ends in an arrow."""
    axes.plot(*zip(*points[:-1], strict=True), color=colour, lw=1.4)
    _arrow(axes, points[-2], points[-1], colour, lw=1.4)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str, lw: float) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", color=colour, lw=lw, mutation_scale=12, shrinkA=0,
                                   shrinkB=0))  # fmt: skip


def _label(
    axes: Axes, x: float, y: float, text: str, colour: str = INK, size: float = 9, align: str = "center"
) -> None:
    axes.text(x, y, text, color=colour, fontsize=size, ha=align, va="center")


# ---------------------------------------------------------------------- spikes and learning


def _draw_spikes(axes: Axes, recording: EpisodeRecording) -> None:
    window = round(recording.env_step / recording.dt)
    ticks, base = [], 0
    for name, spikes in reversed(recording.spikes.items()):
        shown = spikes[: SHOWN_STEPS * window]
        if shown.shape[1] > 40:  # of the place cells only those that fire
            shown = shown[:, shown.any(axis=0)]
        times, rows = np.nonzero(shown)
        axes.scatter(1000 * times * recording.dt, rows + base, s=3.5, color=COLOURS[name], lw=0)
        ticks.append((base + shown.shape[1] / 2, WORDS[name]))
        base += shown.shape[1] + 5
    axes.set_yticks([tick for tick, _ in ticks], [word for _, word in ticks])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1000 * SHOWN_STEPS * recording.env_step)
    axes.set_xlabel(f"time (ms); a decision every {1000 * recording.env_step:g} ms")
    axes.set_title(
        f"The first spikes of an episode that lasted {len(recording.action)} steps, plasticity off"
    )


def _draw_learning(axes: Axes, result: TrainingResult) -> None:
    """Draw the median over all seeds; a seed that has solved the task keeps its last 10-episode mean."""
    curves = [_smooth(agent.episode_lengths) for agent in result.agents]
    last = max(len(curve) for curve in curves)
    table = np.stack([np.pad(curve, (0, last - len(curve)), mode="edge") for curve in curves])
    low, high = bootstrap_interval(table, np.median)
    episodes = np.arange(1, last + 1)
    axes.fill_between(episodes, low, high, color=BLUE, alpha=0.22, lw=0, label="95 % bootstrap interval")
    axes.plot(episodes, np.median(table, axis=0), color=BLUE, lw=1.8, label=f"median of {len(curves)} agents")
    axes.set_xlim(0, last)
    axes.set_ylim(0, 1.06 * result.config.make_task().max_steps)
    axes.set_xlabel("learning episode (means of 10; an agent that has solved the task keeps its last)")
    axes.set_ylabel("steps balanced")
    axes.legend(loc="lower right", fontsize=9)
    axes.set_title("How long the pole stays up while the network learns")


def _smooth(lengths: np.ndarray, window: int = 10) -> np.ndarray:
    total = np.cumsum(lengths)
    before = (
        np.concatenate([np.zeros(window), total[:-window]]) if len(total) > window else np.zeros(len(total))
    )
    return (total - before[: len(total)]) / np.minimum(np.arange(1, len(total) + 1), window)


def main() -> None:
    """Train, draw, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8, help="number of agents")
    result = snnrl.train("cartpole", seeds=parser.parse_args().seeds)
    PICTURES.mkdir(exist_ok=True)
    write_png(lambda: overview(result), PICTURES / "overview.png")


if __name__ == "__main__":
    main()
