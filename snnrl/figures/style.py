"""What the figures have in common: colours, sizes, and how they become files.

The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind readers can
tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from snnrl.training.files import replace_file

DPI = 150

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)
INK, GREY = "#222222", "#767676"

STYLE: dict[Any, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "legend.frameon": False,
    "font.size": 10,
}


def write_png(draw: Callable[[], Figure], path: Path) -> None:
    """Draw a figure in the common style and write it, without touching the caller's matplotlib settings."""
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        draw().savefig(buffer, format="png", dpi=DPI, facecolor="white")
    replace_file(path, buffer.getvalue())
