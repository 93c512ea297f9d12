"""One cell of `benchmarks.peers_table` measured, and the file in which measured cells wait for the others."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Self

from benchmarks import report
from benchmarks import workload as wl
from benchmarks.cells import Cell
from benchmarks.client import PeerError, Worker


@dataclass(frozen=True)
class Settings:
    """How long a cell is measured.

    Parameters
    ----------
    seed : int
        Of weights and noise.
    seconds : float
        Length of one repeat; a block that takes longer is one repeat.
    repeats : int
        Timings per cell, where they fit into ``cell_seconds``; at least two.
    cell_seconds : float
        What all repeats of a cell may take together.
    limit : float
        Most seconds for a build or for one repeat.
    """

    seed: int = 0
    seconds: float = 0.5
    repeats: int = 7
    cell_seconds: float = 15.0
    limit: float = 300.0


@dataclass
class Result:
    """A cell after it was tried; ``reason`` says why there are no times."""

    description: str = ""
    reason: str = ""
    final: bool = True
    us_per_dt: list[float] = field(default_factory=list)
    env_steps: int = 0
    build_seconds: float | None = None
    regime: dict[str, float] | None = None
    memory_mib: dict[str, float] | None = None
    date: str = ""

    @property
    def median(self) -> float | None:
        """Median of the repeats, microseconds per dt for all agents together."""
        return statistics.median(self.us_per_dt) if self.us_per_dt else None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, and the median, for JSON."""
        return {"median_us_per_dt": self.median, **asdict(self)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what `as_dict` made."""
        return cls(**{f.name: data[f.name] for f in fields(cls)})


def measure(cell: Cell, python: Path, core: int | None, settings: Settings, log: IO[str]) -> Result:
    """Build and time one cell in a process of its own.

    Raises
    ------
    PeerError
        If the peer cannot be built or run, or takes too long.
    """
    with Worker(python, cell.contender.peer, core, log, settings.limit) as worker:
        result = Result(date=time.strftime("%Y-%m-%d"))
        result.description, result.build_seconds = worker.build(settings.seed, cell.options())
        _time(worker, cell, settings, result)
        result.regime, result.memory_mib = worker.regime(), worker.memory()
    return result


def _time(worker: Worker, cell: Cell, settings: Settings, result: Result) -> None:
    """Warm up with a block, then repeat. A block so long that warming up hardly matters counts as a repeat."""
    start = time.perf_counter()
    block, env_steps = _once(worker, cell.column.block)
    wall = time.perf_counter() - start  # of a block, with the return to its start
    per_repeat = max(1, round(settings.seconds / (block * env_steps * wl.STEPS * 1e-6)))
    result.env_steps = per_repeat * env_steps
    if 3 * wall > settings.cell_seconds:
        result.us_per_dt.append(block)
    affordable = int(settings.cell_seconds / (wall * per_repeat))
    for _ in range(min(settings.repeats, max(2, affordable)) - len(result.us_per_dt)):
        result.us_per_dt.append(_once(worker, result.env_steps)[0])


def _once(worker: Worker, env_steps: int) -> tuple[float, int]:
    """Run; returns microseconds per dt and the environment steps that were really done."""
    measured = worker.run(env_steps)
    return measured.seconds / (measured.env_steps * wl.STEPS) * 1e6, measured.env_steps


class Store:
    """Results by cell, in a file that is written after each of them.

    Parameters
    ----------
    path : Path
        The file.
    settings : Settings
        How its cells are measured.
    resume : bool
        Whether the file has to fit; else cells that do not are forgotten.

    Raises
    ------
    PeerError
        If it is to be resumed and cannot be read, or was measured with other settings.
    """

    def __init__(self, path: Path, settings: Settings, resume: bool) -> None:
        self.path, self._settings = path, asdict(settings)
        self.results: dict[str, Result] = {}
        self.machine: dict[str, Any] = {}
        if path.exists():
            try:
                self._load()
            except PeerError:
                if resume:
                    raise

    def _load(self) -> None:
        try:
            data = json.loads(self.path.read_text())
            saved, machine = data["settings"], data["machine"]
            results = {key: Result.from_dict(result) for key, result in data["cells"].items()}
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise PeerError(f"--resume: {self.path} cannot be read ({error}); leave out --resume") from None
        other = [name for name, value in self._settings.items() if saved.get(name) != value]
        if other:
            given = ", ".join(f"--{name.replace('_', '-')} {saved.get(name)}" for name in other)
            raise PeerError(f"--resume: the cells in {self.path} were measured with {given}")
        self.machine, self.results = machine, results

    @property
    def repeats(self) -> int:
        """Timings that a cell has unless it is slow."""
        return int(self._settings["repeats"])

    def done(self, cell: Cell) -> bool:
        """Whether a cell needs no other try: measured, or known to be impossible."""
        return cell.key in self.results and self.results[cell.key].final

    def forget(self, cells: Iterable[Cell]) -> None:
        """Drop results that are to be measured anew."""
        for cell in cells:
            self.results.pop(cell.key, None)

    def put(self, cell: Cell, result: Result) -> None:
        """Keep a result, on the disk as well."""
        self.results[cell.key] = result
        report.write_json(self.path, self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        cells = {key: result.as_dict() for key, result in self.results.items()}
        return {"machine": self.machine, "settings": self._settings, "cells": cells}
