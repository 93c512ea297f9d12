"""Play in real time: a decision every period, deadlines that stand still, and how late each answer was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.pacing import Pace
from snnrl.errors import InvalidValueError

FPS = 30.0
"""Student frames per second in the paper (McKinstry et al., Hardware Implementation)."""
LARGEST_FPS = 10_000.0
BINS = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 100.0 / 3)
"""Edges of the printed histogram in milliseconds; the deadline and infinity follow."""
BAR = 40


@dataclass
class Timing:
    """Latencies of the decisions of a paced game.

    The latency of a decision goes from the moment it was due, when its screen stands, until its action was
    carried out and the next screen stood. It misses its deadline if it is longer than the period.

    Parameters
    ----------
    period
        Seconds between two decisions.
    """

    period: float
    missed: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """Deadlines."""
        return len(self.seconds)

    def percentiles(self, q: Sequence[float], last: int | None = None) -> list[float]:
        """Return percentiles of the latencies, by default of all of them, seconds; 0 before the first."""
        chosen = self.seconds if last is None else self.seconds[-last:]
        found: list[float] = np.percentile(chosen or [0.0], q).tolist()
        return found

    def histogram(self) -> tuple[list[float], NDArray[np.int64]]:
        """Return lower edges in milliseconds and the number of latencies from each to the next."""
        deadline = 1000 * self.period
        edges = [edge for edge in BINS if edge < deadline] + [deadline]
        counts, _ = np.histogram(1000 * np.array(self.seconds), [*edges, np.inf])
        return edges, counts

    def numbers(self) -> dict[str, Any]:
        """Return everything as plain values for a JSON file; milliseconds."""
        edges, counts = self.histogram()
        p50, p99, largest = (1000 * seconds for seconds in self.percentiles((50, 99, 100)))
        return {
            "period_ms": 1000 * self.period,
            "p50_ms": p50,
            "p99_ms": p99,
            "max_ms": largest,
            "histogram": {"from_ms": edges, "count": counts.tolist()},
        }

    def text(self) -> str:
        """Return the histogram in words and bars."""
        edges, counts = self.histogram()
        most = max(int(counts.max(initial=0)), 1)
        lines = [
            f"{edge:6.1f} ms {'late' if edge == edges[-1] else '    '} {count:8,}  {'█' * -(-BAR * int(count) // most)}"
            for edge, count in zip(edges, counts, strict=True)
        ]
        p50, p99, largest = (1000 * seconds for seconds in self.percentiles((50, 99, 100)))
        head = f"latency p50 {p50:.2f}, p99 {p99:.2f}, max {largest:.2f} ms; missed deadlines: {self.missed:,} of {self.steps:,}"
        return "\n".join([head, *lines])


class Paced:
    """Does something once every period, and keeps the books of its latencies.

    Parameters
    ----------
    fps
        Times per second.
    strict
        Whether the schedule is kept however far behind it is, see `Pace`.
    pace
        Keeps the time instead, for tests.

    Raises
    ------
    InvalidValueError
        ``fps`` is not above 0, or larger than `LARGEST_FPS`.
    """

    def __init__(self, fps: float = FPS, strict: bool = True, pace: Pace | None = None) -> None:
        if not 0 < fps <= LARGEST_FPS:
            raise InvalidValueError("--fps", fps, f"a number above 0, at most {LARGEST_FPS:g}")
        self.pace = Pace(1 / fps, strict=strict) if pace is None else pace
        self.timing = Timing(self.pace.period)

    def resume(self) -> None:
        """Begin the schedule now, for the first time or after a pause."""
        self.pace.resume()

    def step(self, act: Callable[[], object]) -> None:
        """Wait until the next decision is due, and take it."""
        self.pace.wait_until_due()
        due = self.pace.due
        self.pace.begin()
        act()
        self.pace.done()
        self.timing.seconds.append(self.pace.last - due)
        self.timing.missed = self.pace.missed
