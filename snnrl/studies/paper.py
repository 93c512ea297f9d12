"""What studies of papers share: agents trained in blocks of seeds and kept, numbers over seeds, the paper's claims beside ours."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snnrl.studies.rewards import work
from snnrl.studies.rewards.execute import InProcess, Workers
from snnrl.studies.rewards.folder import StudyFolder, StudySettings
from snnrl.studies.rewards.making import make_all
from snnrl.studies.rewards.work import Part
from snnrl.training.checkpoint import unpack
from snnrl.training.config import TrainingConfig
from snnrl.training.files import write_json
from snnrl.training.result import AgentRecord, IntArray
from snnrl.training.summary import bootstrap_interval, finite

RESULTS = "results.json"
Row = dict[str, Any]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Claim:
    """What a paper says, and what is measured here.

    Parameters
    ----------
    claim
        In the paper's or its abstract's sense; short phrases of its own in quotation marks.
    source
        Where it stands, and whether it was read there or is known from memory.
    ours
        The measurement.
    """

    claim: str
    source: str
    ours: str


@dataclass(frozen=True)
class Outcome:
    """A finished study of a paper.

    Parameters
    ----------
    study
        Its name.
    claims, rows
        Paper beside ours, and our numbers.
    settings
        What was run.
    seconds
        Wall time, of this run alone where a study was gone on with.
    pictures
        Files of the figures.
    extra
        More numbers, by name.
    """

    study: str
    claims: list[Claim]
    rows: list[Row]
    settings: dict[str, Any]
    seconds: float
    pictures: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return asdict(self)


class PaperStudy:
    """A study under way: where its parts are kept, and who makes them.

    Parameters
    ----------
    name
        Of the study.
    settings
        Everything its numbers depend on.
    folder
        Where parts are kept and found again; None keeps nothing.
    workers
        Who does the work, see `snnrl.studies.rewards.execute`; by default this process.
    report
        Is told in words what is being done.

    Raises
    ------
    RunFolderError
        If the folder holds another study, or cannot be written.
    """

    def __init__(
        self,
        name: str,
        settings: StudySettings,
        folder: Path | None = None,
        workers: Workers | None = None,
        report: Report | None = None,
    ) -> None:
        self.name, self.settings, self.path = name, settings, folder
        self.folder = StudyFolder(folder, settings)
        self.workers, self._report = workers or Workers(InProcess()), report
        self._began = time.monotonic()

    def say(self, words: str) -> None:
        """Report what is being done."""
        if self._report is not None:
            self._report(words)

    def make(self, doing: str, parts: Mapping[str, Part]) -> dict[str, bytes]:
        """Return the bytes of parts by name: found in the folder, or made now and kept."""
        made = make_all(
            parts.values(),
            self.folder,
            self.workers,
            lambda done, every: self.say(f"{doing}: {done} of {every} parts"),
        )
        return {name: made[part.file] for name, part in parts.items()}

    def agents(self, jobs: Mapping[str, TrainingConfig], block: int = 5) -> dict[str, list[AgentRecord]]:
        """Train and evaluate the agents of every job, and return their records.

        Parameters
        ----------
        jobs
            By name.
        block
            Agents in one part; changes no number.
        """
        parts = {
            (name, first): _block(name, config, first, min(block, config.seeds - first))
            for first in range(0, max((config.seeds for config in jobs.values()), default=0), block)
            for name, config in jobs.items()
            if first < config.seeds
        }
        made = self.make("agents", {f"{name}/{first}": part for (name, first), part in parts.items()})
        found: dict[str, list[AgentRecord]] = {name: [] for name in jobs}
        for name, first in parts:
            found[name] += unpack(made[f"{name}/{first}"])[1]
        return found

    def finish(
        self, claims: list[Claim], rows: list[Row], pictures: list[str], extra: dict[str, Any] | None = None
    ) -> Outcome:
        """Return the outcome; with a folder it is kept there too, as ``results.json``."""
        seconds = time.monotonic() - self._began
        outcome = Outcome(self.name, claims, rows, self.settings.to_dict(), seconds, pictures, extra or {})
        if self.path is not None:
            write_json(self.path / RESULTS, outcome.to_dict())
        return outcome


def _block(name: str, config: TrainingConfig, first: int, count: int) -> Part:
    options = config.to_dict() | {"seeds": count, "seed": config.seed + first}
    return part_of(f"{name}-{options['seed']}", ".npz", work.train_block, (options, 0, 1))


def part_of(name: str, ending: str, function: Callable[..., bytes], arguments: tuple[Any, ...]) -> Part:
    """Return a unit of work whose file is named after all that its bytes depend on."""
    digest = hashlib.sha256(json.dumps(arguments, sort_keys=True).encode()).hexdigest()[:10]
    return Part(f"{name}-{digest}{ending}", name, function, arguments)


def first_run(lengths: IntArray, threshold: float, window: int = 100, longest: float = math.inf) -> float:
    """Return after how many episodes the mean length of the last ``window`` first reached a threshold, else infinity.

    Parameters
    ----------
    lengths
        Of the learning episodes, in steps.
    threshold
        Mean length.
    window
        Episodes in the mean.
    longest
        Longer episodes count as this long, as in a task that ends there.
    """
    sums = np.cumsum(np.concatenate([[0.0], np.minimum(lengths, longest)]))
    reached = np.flatnonzero(sums[window:] - sums[: max(len(sums) - window, 0)] >= window * threshold)
    return float(reached[0] + window) if reached.size else math.inf


def median_with_ends(name: str, values: ArrayLike) -> Row:
    """Return median and 95 % bootstrap interval over seeds: ``name, name_low, name_high``; None for infinite."""
    return _with_ends(name, np.asarray(values, dtype=float), np.median)


def mean_with_ends(name: str, values: ArrayLike) -> Row:
    """Return mean and 95 % bootstrap interval over seeds, as `median_with_ends`."""
    return _with_ends(name, np.asarray(values, dtype=float), np.mean)


def _with_ends(name: str, values: Any, statistic: Callable[..., Any]) -> Row:
    low, high = bootstrap_interval(values, statistic) if values.size > 1 else (values[0], values[0])
    return {
        name: finite(float(statistic(values))),
        f"{name}_low": finite(float(low)),
        f"{name}_high": finite(float(high)),
    }


def learned(agents: list[AgentRecord], episodes: int) -> Row:
    """Return the numbers of cart-pole agents that learned for at most ``episodes``.

    Returns
    -------
    dict
        ``seeds``; ``solved_195``: fraction of seeds whose last 100 episodes, cut at 200 steps as CartPole-v0 does, had a mean of
        195, and ``solved_475``: a mean of 475; ``episodes_195, episodes_475``: median episodes until then; and of the evaluation with
        plasticity off ``evaluation`` (mean), ``evaluation_median``, ``evaluation_worst`` and the fraction of seeds whose mean is at
        least 195 and 475 steps. Those with an interval have it as ``name_low, name_high``.
    """
    until = {195: [first_run(a.episode_lengths, 195.0, longest=200.0) for a in agents],
             475: [first_run(a.episode_lengths, 475.0) for a in agents]}  # fmt: skip
    row: Row = {"seeds": len(agents), "episodes": episodes}
    for level, found in until.items():
        row |= mean_with_ends(f"solved_{level}", np.isfinite(found)) | median_with_ends(
            f"episodes_{level}", found
        )
    means = np.array([a.evaluation_lengths.mean() for a in agents])
    row |= mean_with_ends("evaluation", means) | median_with_ends("evaluation_median", means)
    row |= {"evaluation_worst": float(means.min())}
    return row | {f"evaluation_{level}": float(np.mean(means >= level)) for level in (195, 475)}
