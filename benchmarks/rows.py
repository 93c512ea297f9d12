"""What is measured, and the ratios that are asked of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import report
from benchmarks import workload as wl
from benchmarks.client import Worker


@dataclass(frozen=True)
class Row:
    """One line of the table: a peer with its options; ``agents`` simulations share the time."""

    name: str
    peer: str
    options: dict[str, str] = field(default_factory=dict)
    agents: int = 1


ROWS = (
    Row("bindsnet", "bindsnet"),
    Row("brian2", "brian2", {"style": "equations"}),
    Row("brian2-tuned", "brian2", {"style": "tuned"}),
    Row("jax", "jax"),
    Row("snnrl", "snnrl", {"path": "windowed"}),
    Row("snnrl-float64", "snnrl", {"path": "windowed", "dtype": "float64"}),
    Row("snnrl-general", "snnrl", {"path": "general"}),
    Row("snnrl-1024", "snnrl", {"path": "windowed", "agents": "1024"}, agents=1024),
)


@dataclass(frozen=True)
class Asked:
    """A ratio of two rows' times and the figure it has to reach, or None where it is only reported."""

    title: str
    above: str
    below: str
    figure: float | None
    at_most: bool = False


ASKED = (
    Asked("snnrl against BindsNET", "bindsnet", "snnrl", 400),
    Asked("snnrl against Brian2 C++ standalone", "brian2", "snnrl", 25),
    Asked("snnrl against Brian2 C++ standalone, tuned by hand", "brian2-tuned", "snnrl", None),
    Asked("snnrl against JAX by hand", "jax", "snnrl", 10),
    Asked("snnrl general path against BindsNET", "bindsnet", "snnrl-general", 100),
    Asked("1024 agents against one", "snnrl-1024", "snnrl", 1100, at_most=True),
)


@dataclass
class Entry:
    """A row while it is measured; ``absent`` says why there is nothing to measure."""

    row: Row
    worker: Worker | None = None
    description: str = ""
    build_seconds: float | None = None
    env_steps: int = wl.RESTORE_EVERY
    us_per_dt: list[float] = field(default_factory=list)
    regime: dict[str, float] | None = None
    absent: str = ""

    @property
    def median(self) -> float | None:
        """Median of the repeats, microseconds per dt."""
        return statistics.median(self.us_per_dt) if self.us_per_dt else None

    def as_dict(self) -> dict[str, Any]:
        """Return the entry for JSON."""
        return {
            "name": self.row.name,
            "description": self.description,
            "agents": self.row.agents,
            "median_us_per_dt": self.median,
            "us_per_dt": self.us_per_dt,
            "env_steps_per_repeat": self.env_steps,
            "build_seconds": self.build_seconds,
            "regime": self.regime,
            "absent": self.absent or None,
        }


def ratios(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Return every asked ratio: of the medians, and the least and greatest within one repeat."""
    by_name = {entry.row.name: entry for entry in entries}
    rows = []
    for asked in ASKED:
        above, below = by_name.get(asked.above), by_name.get(asked.below)
        value, extremes = None, None
        if above and below and above.us_per_dt and below.us_per_dt:
            value = statistics.median(above.us_per_dt) / statistics.median(below.us_per_dt)
            each = [a / b for a, b in zip(above.us_per_dt, below.us_per_dt, strict=True)]
            extremes = [min(each), max(each)]
        rows.append(
            {
                "title": asked.title,
                "ratio": value,
                "range": extremes,
                "asked": asked.figure,
                "at_most": asked.at_most,
                "met": report.verdict(value, asked.figure, asked.at_most),
            }
        )
    return rows
