"""One picture of the film: the panels of the page, drawn by matplotlib."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, Polygon
from numpy.typing import NDArray

from snnrl.demo.messages import Books, Setup, Steps, WeightMap
from snnrl.demo.scenes import Scene, Shape
from snnrl.figures.raster import ACTION_COLOURS
from snnrl.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILLION
from snnrl.tasks import Task

SPAN, VALUE_SPAN, NOTE = 0.6, 5.0, 1.2
"""Simulated seconds of spikes and of value and TD error that are seen, and for which a note stands."""
COLOURS = {
    "ink": INK,
    "grey": GREY,
    "faint": "#c3cbd3",
    "pole": ORANGE,
    "left": BLUE,
    "right": VERMILLION,
    "warn": VERMILLION,
}
SIGNED = LinearSegmentedColormap.from_list("signed", (BLUE, "white", VERMILLION))
WIDTH = 1280
"""Pixels for which the sizes below are meant."""


class Panels:
    """A figure whose panels stand still while a few things in them move.

    Parameters
    ----------
    width, height
        Pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.scale = width / WIDTH
        self.background: Any = None
        self.figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def _text(self, owner: Any, x: float, y: float, text: str, size: float, **options: Any) -> Any:
        return owner.text(x, y, text, fontsize=size * self.scale, **options)

    def _bare(self, axes: Axes, title: str) -> None:
        axes.set_title(title, fontsize=11 * self.scale, loc="left", pad=4 * self.scale)
        axes.tick_params(labelsize=9 * self.scale, length=2 * self.scale)
        axes.set_xticks(())
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)

    def _rendered(self, moving: list[Artist]) -> NDArray[np.uint8]:
        """Draw what moves over what stays."""
        for artist in moving:
            artist.set_animated(True)
        if self.background is None:
            self.canvas.draw()  # type: ignore[no-untyped-call]
            self.background = self.canvas.copy_from_bbox(self.figure.bbox)  # type: ignore[no-untyped-call]
        self.canvas.restore_region(self.background)  # type: ignore[no-untyped-call]
        for artist in moving:
            self.figure.draw_artist(artist)
        return np.array(self.canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]


class FilmPage(Panels):
    """The panels, and what they remember of the last seconds.

    Parameters
    ----------
    setup, scene
        What is shown.
    width, height
        Pixels.
    """

    def __init__(self, setup: Setup, scene: Scene, width: int, height: int) -> None:
        super().__init__(width, height)
        self.setup, self.scene = setup, scene
        self.neurons = sum(p.size for p in setup.populations)
        self.time, self.noted = 0.0, ("", -math.inf)
        self.rows = self._rows()
        self.seen = np.zeros((0, 2))
        self.trace = np.zeros((0, 3))
        self._lay_out()

    # ------------------------------------------------------------------ what stays

    def _rows(self) -> NDArray[np.float64]:
        """Return the height of every neuron's row: populations from bottom to top, inputs closer together."""
        rows, bottom = [], 0.0
        for population in self.setup.populations:
            step = 20.0 / population.size if population.kind == "input" else 1.0
            rows.append(bottom + step * np.arange(population.size))
            bottom = float(rows[-1][-1]) + 3.0
        return np.concatenate(rows)

    def _lay_out(self) -> None:
        add = self.figure.add_axes
        self.stage, self.map_axes = add((0.02, 0.34, 0.44, 0.52)), add((0.02, 0.06, 0.44, 0.2))
        self.raster = add((0.555, 0.44, 0.43, 0.42))
        self.value, self.error = add((0.555, 0.245, 0.43, 0.12)), add((0.555, 0.06, 0.43, 0.12))
        self._text(self.figure, 0.02, 0.935, self.setup.title, 18, weight="bold")
        self.counter = self._text(self.figure, 0.02, 0.89, "", 13, color=GREY)
        self._prepare_stage()
        self._prepare_raster()
        self.curves = []
        for axes, colour, name in ((self.value, GREEN, "value"), (self.error, PURPLE, "TD error")):
            self._bare(axes, f"{name}, last {VALUE_SPAN:g} s")
            axes.set_xlim(-VALUE_SPAN, 0.0)
            axes.set_ylim(-0.1, 0.1)
            axes.axhline(0.0, color="#c3cbd3", lw=0.8 * self.scale)
            self.curves += axes.plot([], [], color=colour, lw=1.3 * self.scale)
        self._prepare_map()

    def _prepare_stage(self) -> None:
        left, right, bottom, top = self.setup.view
        self.stage.set_xlim(left, right)
        self.stage.set_ylim(bottom, top)
        self.stage.set_aspect("equal")
        self.stage.axis("off")
        self.note_text = self._text(self.stage, (left + right) / 2, top, "", 15, color=VERMILLION, ha="center", va="top",
                                    weight="bold")  # fmt: skip

    def _prepare_raster(self) -> None:
        self._bare(self.raster, f"spikes, last {SPAN:g} s")
        self.raster.set_xlim(-SPAN, 0.0)
        self.raster.set_ylim(-1.5, self.rows[-1] + 1.5)
        first, ticks = 0, []
        for population in self.setup.populations:
            ticks.append(float(self.rows[first : first + population.size].mean()))
            first += population.size
        self.raster.set_yticks(ticks, [p.label for p in self.setup.populations])
        self.raster.tick_params(axis="y", length=0)
        self.raster.spines["left"].set_visible(False)
        box = self.raster.get_window_extent()
        self.paper = np.ones((round(box.height), round(box.width), 3))
        extent = (-SPAN, 0.0, -1.5, float(self.rows[-1]) + 1.5)
        self.marks = self.raster.imshow(
            self.paper, extent=extent, aspect="auto", origin="lower", interpolation="nearest"
        )
        for tick, population in zip(self.raster.get_yticklabels(), self.setup.populations, strict=True):
            tick.set_color(self._colour(population.kind))
        sizes = [p.size for p in self.setup.populations]
        self.colours = np.repeat(
            [to_rgb(self._colour(p.kind)) for p in self.setup.populations], sizes, axis=0
        )
        self.halves = np.repeat([0.06 if p.kind == "input" else 0.36 for p in self.setup.populations], sizes)

    def _prepare_map(self) -> None:
        what = "memristor conductances, G+ − G−" if self.setup.devices else "weights"
        self._bare(self.map_axes, f"{what}: rows neurons, columns place cells")
        rows = sum(size for _, size in self.setup.targets)
        self.image = self.map_axes.imshow(np.zeros((max(rows, 1), max(self.setup.sources, 1))), cmap=SIGNED, vmin=-1, vmax=1,
                                          aspect="auto", origin="lower", interpolation="nearest")  # fmt: skip
        self.map_axes.set_yticks(())
        self.map_axes.spines["left"].set_visible(False)

    def _colour(self, kind: str) -> str:
        if kind.startswith("action "):
            return ACTION_COLOURS[int(kind.split()[1]) % len(ACTION_COLOURS)]
        return GREEN if kind == "critic" else INK

    # ------------------------------------------------------------------ what moves

    def note(self, words: str) -> None:
        """Let words stand over the drawing for a while."""
        self.noted = (words, self.time)

    def picture(self, steps: Steps | None, books: Books, weights: WeightMap, task: Task) -> NDArray[np.uint8]:
        """Take in some environment steps and return the next picture, ``[height, width, 3]``."""
        stage: list[Artist] = []
        if steps is not None:
            self._remember(steps)
            stage = self._drawing(self.scene.draw(steps.state[-1].tolist(), int(steps.action[-1]), task))
        self._draw_raster()
        self._draw_trace()
        largest = max(float(np.abs(weights.weights).max(initial=0.0)), 0.05)
        self.image.set_data(np.sign(weights.weights) * np.sqrt(np.abs(weights.weights) / largest))
        seconds = books.episode_step * self.setup.env_step
        state = "learning" if books.learning else "learning off"
        self.counter.set_text(f"{state} · episode {books.episode + 1} · {self.setup.lasting} {seconds:.1f} s")
        words, since = self.noted
        self.note_text.set_text(words if self.time - since < NOTE else "")
        return self._rendered([*stage, self.marks, *self.curves, self.image, self.counter, self.note_text])

    def _remember(self, steps: Steps) -> None:
        dt, start = self.setup.dt, steps.start * self.setup.dt
        self.time = float(steps.end[-1]) * dt
        times, neurons = np.divmod(steps.spikes.astype(np.int64), self.neurons)
        seen = np.concatenate([self.seen, np.stack([start + times * dt, neurons], axis=1)])
        self.seen = seen[seen[:, 0] >= self.time - SPAN]
        trace = np.concatenate([self.trace, np.stack([steps.end * dt, steps.value, steps.td_error], axis=1)])
        self.trace = trace[trace[:, 0] >= self.time - VALUE_SPAN]

    def _drawing(self, shapes: list[Shape]) -> list[Artist]:
        """Return the shapes as artists of the stage, and take those of the picture before away."""
        for old in [*self.stage.lines, *self.stage.patches]:
            old.remove()
        view = self.setup.view
        unit = self.stage.get_window_extent().width / (view[1] - view[0]) * 72 / self.figure.dpi
        return [self._artist(shape, unit) for shape in shapes]

    def _artist(self, shape: Shape, unit: float) -> Artist:
        colour, points = COLOURS[shape.colour], np.array(shape.points)
        if len(points) == 1:
            return self.stage.add_patch(Circle(tuple(points[0]), shape.width / 2, color=colour, lw=0))
        if shape.width == 0:
            return self.stage.add_patch(Polygon(points, closed=True, color=colour, lw=0))
        width = max(shape.width * unit, self.scale)
        return self.stage.add_line(Line2D(*points.T, color=colour, lw=width, solid_capstyle="round"))

    def _draw_raster(self) -> None:
        """Paint every spike as an upright mark, pixel by pixel: matplotlib's own lines take ten times as long."""
        self.paper.fill(1.0)
        height, width, _ = self.paper.shape
        neurons = self.seen[:, 1].astype(np.int64)
        x = np.clip(((self.seen[:, 0] - self.time) / SPAN + 1.0) * width, 0, width - 1).astype(np.int64)
        unit = height / (self.rows[-1] + 3.0)
        low = ((self.rows[neurons] + 1.5 - self.halves[neurons]) * unit).astype(np.int64)
        high = np.maximum(
            ((self.rows[neurons] + 1.5 + self.halves[neurons]) * unit).astype(np.int64), low + 1
        )
        for k in range(int((high - low).max(initial=0))):
            at = low + k < high
            self.paper[np.minimum(low[at] + k, height - 1), x[at]] = self.colours[neurons[at]]
        self.marks.set_data(self.paper)

    def _draw_trace(self) -> None:
        for axes, curve, values in zip(
            (self.value, self.error), self.curves, self.trace[:, 1:].T, strict=True
        ):
            curve.set_data(self.trace[:, 0] - self.time, values)
            low, high = axes.get_ylim()
            least, most = float(np.nanmin(values, initial=low)), float(np.nanmax(values, initial=high))
            if least < low or most > high:  # the axis only ever grows, and then its numbers are drawn anew
                axes.set_ylim(least if least == low else least - 0.1, most if most == high else most + 0.1)
                self.background = None
