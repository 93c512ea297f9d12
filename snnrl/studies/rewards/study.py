"""The comparison: what is to be done, what is done already, and everything that comes of it."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.studies.rewards import work
from snnrl.studies.rewards.execute import InProcess, Workers
from snnrl.studies.rewards.folder import StudyFolder
from snnrl.studies.rewards.making import make_all
from snnrl.studies.rewards.settings import REFERENCE, Combination, Settings
from snnrl.studies.rewards.td_error import Calibration
from snnrl.studies.rewards.work import Part
from snnrl.tasks import source_of
from snnrl.training.checkpoint import unpack
from snnrl.training.config import TrainingConfig
from snnrl.training.result import AgentRecord, TrainingResult

CALIBRATION_SEED = 50_000
"""First seed of the agents whose TD error is measured; nothing else is reported of them."""
NOTHING = 1e-6
"""Factor with which a reward is next to nothing."""


@dataclass(frozen=True)
class Progress:
    """Where a study is.

    Parameters
    ----------
    doing
        What is under way, in words.
    done, all
        Parts.
    """

    doing: str
    done: int
    all: int


@dataclass(frozen=True)
class Outcome:
    """What came of one combination.

    Parameters
    ----------
    combination
        Which.
    result
        Its agents, as `snnrl train` would give them.
    value_maps
        Value of every agent's critic over a grid of states, see `value_map.value_maps`.
    """

    combination: Combination
    result: TrainingResult
    value_maps: NDArray[np.float32]

    @property
    def agents(self) -> list[AgentRecord]:
        """Records, one per seed."""
        return self.result.agents


@dataclass(frozen=True)
class Comparison:
    """A finished study.

    Parameters
    ----------
    settings
        What was asked.
    outcomes
        One per combination.
    calibrations
        By reward, how large its TD error is with a factor of 1 and with the study's.
    baselines
        Random policy and ASE/ACE on the same seeds, see `snnrl.studies.baselines.baselines`.
    """

    settings: Settings
    outcomes: list[Outcome]
    calibrations: Mapping[str, Calibration]
    baselines: Mapping[str, Mapping[str, Any]]


def compare_rewards(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    threads: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Train every combination on the same seeds and judge all by how long their episodes last.

    Parameters
    ----------
    settings
        What to run; by default nine rewards, ideal and memristive synapses, 40 seeds each.
    folder
        Where every part is kept as soon as it is done, and from where a study that was interrupted goes on.
    workers
        Who does the work: `snnrl.studies.rewards.execute.processes`, `cluster`, or any executor; by default this process.
    threads
        Agents side by side in one unit of work; changes no number.
    progress
        Called after every part.

    Raises
    ------
    RunFolderError
        If the folder holds another study, a damaged one, or cannot be written.
    SimulationError
        If a reward is not a number; what is done is kept.
    WorkersLostError
        If the workers are gone; what is done is kept.
    """
    chosen = settings or Settings()
    study = _Study(chosen, StudyFolder(folder, chosen), workers or Workers(InProcess()), threads, progress)
    return study.comparison()


class _Study:
    """A study under way."""

    def __init__(
        self,
        settings: Settings,
        folder: StudyFolder,
        workers: Workers,
        threads: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.settings, self.folder, self.workers, self.threads = settings, folder, workers, threads
        self.progress = progress

    def comparison(self) -> Comparison:
        """Do what is left to do and put everything together."""
        sizes = self._sizes()
        factors = {reward: found["target"] / found["size"] for reward, found in sizes.items()}
        used = factors if self.settings.equalise else dict.fromkeys(factors, 1.0)
        combinations = self.settings.combinations()
        # The first block of every combination comes first: each process then compiles other kernels.
        blocks = [
            [self._block(combination, used[combination.reward], seeds) for combination in combinations]
            for seeds in self.settings.blocks()
        ]
        baselines = self._part(
            "baselines", "baselines", work.baseline_rows, self.settings.config(self._learner(REFERENCE))
        )
        sized = {(reward, scale) for reward, factor in factors.items() for scale in (1.0, factor)}
        spiking = {key: self._spiking(*key) for key in sorted(sized | {(REFERENCE, NOTHING)})}
        made = self._made(
            "learning", [*(part for row in blocks for part in row), baselines, *spiking.values()]
        )
        outcomes = [
            _outcome(combination, self.settings.config(combination, used[combination.reward]),
                     [made[row[place].file] for row in blocks])
            for place, combination in enumerate(combinations)
        ]  # fmt: skip
        read = {key: float(json.loads(made[part.file])["size"]) for key, part in spiking.items()}
        calibrations = {
            reward: Calibration(reward, factor, sizes[reward]["size"], sizes[reward]["target"],
                                read[reward, 1.0], read[reward, factor], read[REFERENCE, NOTHING])
            for reward, factor in factors.items()
        }  # fmt: skip
        return Comparison(self.settings, outcomes, calibrations, json.loads(made[baselines.file]))

    def _sizes(self) -> dict[str, dict[str, float]]:
        """Return, by reward, the size of its TD error without noise, and the size that it shall have."""
        steps, reference = self.settings.calibration_steps, self._calibration(REFERENCE).to_dict()
        parts = {
            reward: self._part(f"factor-{reward}", f"reward {reward}", work.find_factor, self._calibration(reward),
                               reference, steps)
            for reward in self.settings.rewards
        }  # fmt: skip
        made = self._made("sizes of the TD errors", parts.values())
        found = {reward: json.loads(made[part.file]) for reward, part in parts.items()}
        return {reward: {"size": each["size"], "target": self.settings.td_error * each["target"]}
                for reward, each in found.items()}  # fmt: skip

    def _spiking(self, reward: str, scale: float) -> Part:
        return self._part(f"td-error-{reward}-{scale:.3g}", f"reward {reward}", work.measure_spiking,
                          self._calibration(reward), scale, self.settings.calibration_steps)  # fmt: skip

    def _calibration(self, reward: str) -> TrainingConfig:
        seeds = range(CALIBRATION_SEED, CALIBRATION_SEED + self.settings.calibration_seeds)
        return self.settings.config(self._learner(reward), seeds=seeds)

    def _learner(self, reward: str) -> Combination:
        return Combination(reward, self.settings.plasticities[0], "ideal", None)

    def _block(self, combination: Combination, factor: float, seeds: range) -> Part:
        config = self.settings.config(combination, factor, seeds)
        title = f"reward {combination.reward}, {combination.group}"
        return self._part(
            f"{combination.key}-{seeds.start}",
            title,
            work.train_block,
            config,
            self.settings.map_points,
            self.threads,
        )

    def _part(self, name: str, title: str, function: Callable[..., bytes], config: TrainingConfig,
              *rest: Any) -> Part:  # fmt: skip
        """Return a unit of work; everything that its numbers depend on is in the name of its file."""
        options = config.to_dict()
        depends = [options, source_of(config.make_reward().function)]
        depends += list(rest[:-1] if function is work.train_block else rest)  # threads change no number
        digest = hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:10]
        return Part(f"{name}-{digest}{'.npz' if function is work.train_block else '.json'}", title, function,
                    (options, *rest))  # fmt: skip

    def _made(self, doing: str, parts: Iterable[Part]) -> dict[str, bytes]:
        """Return the bytes of parts by file: those of the folder, and those made now and kept."""
        tell = functools.partial(self._tell, doing)
        return make_all(parts, self.folder, self.workers, tell, self.settings.texts)

    def _tell(self, doing: str, done: int, every: int) -> None:
        if self.progress is not None:
            self.progress(Progress(doing, done, every))


def _outcome(combination: Combination, config: TrainingConfig, blocks: list[bytes]) -> Outcome:
    agents: list[AgentRecord] = []
    maps = []
    for block in blocks:
        arrays, records = unpack(block)
        agents += records
        maps.append(arrays["value_map"])
    return Outcome(combination, TrainingResult(config, agents), np.concatenate(maps))
