"""The figures of a run: the learning curve over seeds, one episode spike by spike, the writes of the devices.

`learning_curve_figure`, `raster_figure` and `writes_figure` return a `matplotlib.figure.Figure`; `learning_curve`,
`raster` and `writes` write it as PNG. Nothing here touches pyplot's global state.
"""

from __future__ import annotations

from pathlib import Path

from snnrl.figures.learning_curve import learning_curve_figure
from snnrl.figures.raster import raster_figure
from snnrl.figures.style import write_png
from snnrl.figures.writes import writes_figure
from snnrl.training.result import EpisodeRecording, TrainingResult, Wear

__all__ = ["learning_curve", "learning_curve_figure", "raster", "raster_figure", "writes", "writes_figure"]


def learning_curve(result: TrainingResult, path: Path) -> None:
    """Write `learning_curve_figure` as PNG."""
    write_png(lambda: learning_curve_figure(result), path)


def raster(recording: EpisodeRecording, path: Path) -> None:
    """Write `raster_figure` as PNG."""
    write_png(lambda: raster_figure(recording), path)


def writes(wear: Wear, path: Path) -> None:
    """Write `writes_figure` as PNG."""
    write_png(lambda: writes_figure(wear), path)
