"""One picture of a game being played: screen, what the player sees, its layers' spikes, and its choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from snnrl.demo.film_page import Panels
from snnrl.figures.style import BLUE, GREY, INK, ORANGE, VERMILLION
from snnrl.play.show import HISTORY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from snnrl.play.players import FloatArray
    from snnrl.play.show import Moment, Show

PART = LinearSegmentedColormap.from_list("part", ("white", BLUE, "#00304f"))
RANGE = (5, 95)
"""Percentiles of a layer's frames between which it is drawn: the first frame of a game is far from all others."""
LANE, DIMMEST = 8, 0.12
"""Rows of a layer, the last of them white, and the colour of its quietest frame."""
FAINT = "#c3cbd3"


class GamePicture(Panels):
    """The panels of a film or a window.

    Parameters
    ----------
    show
        The game; its newest `Moment` is given to `draw`.
    fps
        Decisions per second, for the time axis and the text.
    width, height
        Pixels.
    """

    def __init__(self, show: Show, fps: float, width: int, height: int) -> None:
        super().__init__(width, height)
        self.show, self.fps = show, fps
        self._text(self.figure, 0.025, 0.935, show.title, 20, weight="bold")
        self._text(self.figure, 0.98, 0.94, show.player.name, 13, color=GREY, ha="right")
        self.counter = self._text(self.figure, 0.98, 0.905, "", 11, color=GREY, ha="right")
        self.score = self._text(self.figure, 0.025, 0.885, "", 14, color=INK)
        self._prepare_screens()
        self._prepare_layers()
        self._prepare_actions()

    def _prepare_screens(self) -> None:
        stage = self.figure.add_axes((0.025, 0.04, 0.39, 0.82))
        self.screen = stage.imshow(np.zeros((210, 160, 3), np.uint8), interpolation="nearest", aspect="auto")
        seen = self.figure.add_axes((0.44, 0.045, 0.165, 0.165 * 16 / 9))
        self._bare(seen, "what the student sees")
        self.seen = seen.imshow(np.zeros((84, 84)), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        for axes in (stage, seen):
            axes.set_xticks(())
            axes.set_yticks(())
            for spine in axes.spines.values():
                spine.set_visible(False)

    def _prepare_layers(self) -> None:
        names = self.show.player.layers
        axes = self.figure.add_axes((0.515, 0.46, 0.40, 0.38))
        self._bare(
            axes,
            f"part of each layer's neurons that spikes, over its own range; last {HISTORY / self.fps:.0f} s",
        )
        rows = len(names) * LANE
        self.layers = axes.imshow(np.zeros((rows, HISTORY)), cmap=PART, vmin=0, vmax=1, aspect="auto",
                                  interpolation="nearest")  # fmt: skip
        middle = LANE * np.arange(len(names)) + (LANE - 2) / 2
        axes.set_yticks(middle, names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        self.parts = [self._text(axes, HISTORY + 3, row, "", 9, va="center", color=INK) for row in middle]

    def _prepare_actions(self) -> None:
        names = self.show.env.action_names
        axes = self.figure.add_axes((0.71, 0.045, 0.27, 0.295))
        self._bare(axes, "spikes for each action; orange: done")
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_yticks(np.arange(len(names)), [name.lower() for name in names])
        axes.tick_params(axis="y", length=0, labelsize=min(9.0, 90 / len(names)) * self.scale)
        axes.spines["bottom"].set_visible(False)
        self.bars = axes.barh(np.arange(len(names)), np.zeros(len(names)), color=FAINT, height=0.7)
        self.note = self._text(axes, 1.0, len(names) - 0.5, "", 9, ha="right", va="bottom", color=VERMILLION)
        self._axes_of_actions: Axes = axes

    def draw(self, moment: Moment, history: Sequence[FloatArray]) -> NDArray[np.uint8]:
        """Return the picture after a decision, ``[height, width, 3]``.

        Parameters
        ----------
        moment
            The decision.
        history
            Parts of the layers that spiked in the last `HISTORY` decisions at most, the newest last.
        """
        self.screen.set_data(moment.screen)
        self.seen.set_data(moment.seen)
        self._draw_layers(moment.share, history)
        self._draw_actions(moment)
        lives = f"   lives {moment.lives}" if moment.lives else ""
        before = f"   before: {', '.join(f'{s:g}' for s in moment.scores[-5:])}" if moment.scores else ""
        self.score.set_text(f"game {moment.game}   score {moment.score:g}{lives}{before}")
        self.counter.set_text(f"frame {moment.number:,}, {self.fps:g} frames/s, {moment.spikes:,.0f} spikes")
        moving = [self.screen, self.seen, self.layers, *self.parts, *self.bars, self.note, self.score]
        return self._rendered([*moving, self.counter])

    def _draw_layers(self, newest: FloatArray, history: Sequence[FloatArray]) -> None:
        past = np.array(history).T
        low, high = np.percentile(past, RANGE, axis=1)[..., None]
        lanes = DIMMEST + (1 - DIMMEST) * np.clip((past - low) / np.maximum(high - low, 1e-9), 0, 1)
        held = np.zeros((len(lanes), LANE, HISTORY))
        held[:, : LANE - 1, HISTORY - lanes.shape[1] :] = lanes[:, None]
        self.layers.set_data(held.reshape(-1, HISTORY))
        for text, share in zip(self.parts, newest, strict=True):
            text.set_text(f"{100 * share:.1f} %")

    def _draw_actions(self, moment: Moment) -> None:
        values = bar_lengths(moment.outputs)
        for number, (bar, value) in enumerate(zip(self.bars, values, strict=True)):
            bar.set_width(value)
            bar.set_color(ORANGE if number == moment.action else FAINT)
        self.note.set_text("chosen by chance" if moment.explored else "")


def bar_lengths(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how long the bars of the actions are, 0 to 1.

    They begin a little below the smallest output: actions differ by little beside what they share.
    """
    low, high = float(outputs.min()), float(outputs.max())
    if high <= low:
        return np.full(len(outputs), 0.5)
    return (outputs - low + 0.15 * (high - low)) / (1.15 * (high - low))
