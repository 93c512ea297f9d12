"""The two figures of a run: the learning curve over seeds, and one episode spike by spike.

`learning_curve_figure` and `raster_figure` return a `matplotlib.figure.Figure`; `learning_curve` and `raster`
write it as PNG. Nothing here touches pyplot's global state.
"""

from __future__ import annotations

from pathlib import Path

from snnrl.figures.learning_curve import learning_curve_figure
from snnrl.figures.raster import raster_figure
from snnrl.figures.style import write_png
from snnrl.training.result import EpisodeRecording, TrainingResult

__all__ = ["learning_curve", "learning_curve_figure", "raster", "raster_figure"]


def learning_curve(result: TrainingResult, path: Path) -> None:
    """Write `learning_curve_figure` as PNG."""
    write_png(lambda: learning_curve_figure(result), path)


def raster(recording: EpisodeRecording, path: Path) -> None:
    """Write `raster_figure` as PNG."""
    write_png(lambda: raster_figure(recording), path)
