"""Train agents, evaluate them with plasticity off, and keep everything in a run folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.training.build import build_learners, stop_rule
from snnrl.training.config import TrainingConfig
from snnrl.training.recording import record
from snnrl.training.result import AgentRecord, EpisodeRecording, Progress, TrainingResult
from snnrl.training.runfolder import RunFolder, refuse_taken, versions
from snnrl.training.wear import measure_wear

if TYPE_CHECKING:
    from snnrl.training.learners import Learners

ProgressFunction = Callable[[Progress], None]

CHUNK = 1000
"""Environment steps per agent between two looks at the clock; changes no number."""
CHECKPOINT_SECONDS = 10.0
SILENT_AFTER = 500
"""A population without a spike in this many environment steps is an error."""


def train(
    config: TrainingConfig,
    out: Path | None = None,
    resume: Path | None = None,
    progress: ProgressFunction | None = None,
) -> TrainingResult:
    """Train one agent per seed and evaluate each with plasticity off.

    Parameters
    ----------
    config
        What to train.
    out
        New run folder; ``None`` keeps nothing on disk.
    resume
        A run folder to go on with; ``config`` must be the one it was begun with.
    progress
        Called now and then.

    Raises
    ------
    RunFolderError
        If ``out`` holds a run already, or ``resume`` cannot be read.
    SimulationError
        If a value becomes NaN or a population stays silent.
    """
    folder = RunFolder.open_to_resume(resume) if resume is not None else None
    if folder is None and out is not None:
        refuse_taken(out)
    session = build_learners(config)  # before the folder is made: bad options leave nothing behind
    if folder is None and out is not None:
        folder = RunFolder.create(out, config)
    return _Run(config, session, folder, progress).result()


class _Run:
    """One run: its session, its folder, and the records made so far."""

    def __init__(
        self,
        config: TrainingConfig,
        session: Learners,
        folder: RunFolder | None,
        progress: ProgressFunction | None,
    ) -> None:
        self.config, self.session, self.folder, self.progress = config, session, folder, progress
        self.records: list[AgentRecord] = []
        self.began, self.spent_before = time.monotonic(), 0.0
        self.saved = time.monotonic()
        if folder is not None and folder.has_checkpoint:
            self._load(folder)

    @property
    def wall_time(self) -> float:
        """Seconds spent, over all interrupted parts."""
        return self.spent_before + time.monotonic() - self.began

    def result(self) -> TrainingResult:
        """Do what is left to do and return everything."""
        try:
            self._learn()
            self._evaluate()
        except KeyboardInterrupt:
            self._save()
            raise
        self._save()
        result = TrainingResult(
            self.config,
            self.records,
            self._recording(),
            self._baselines(),
            self.wall_time,
            versions(),
            measure_wear(self.config, self.session),
        )
        if self.folder is not None:
            from snnrl.report import write_run

            self._write_students(self.folder)
            write_run(self.folder, result)
        return result

    def _write_students(self, folder: RunFolder) -> None:
        """Write the students for a TrueNorth chip, if that is what was trained."""
        if self.config.truenorth:
            from snnrl.training.truenorth_session import TrueNorthSession

            assert isinstance(self.session, TrueNorthSession)
            self.session.write_students(folder.path)

    def _recording(self) -> EpisodeRecording | None:
        """Record an episode of the first agent, if it spikes."""
        from snnrl.engines.session import Session

        if not isinstance(self.session, Session):
            return None
        return record(self.session, exploration=self.config.evaluation_exploration)

    def _baselines(self) -> dict[str, dict[str, Any]]:
        """Run the random policy and, where its boxes fit the task, tabular ASE/ACE, on the same seeds."""
        from snnrl.studies.baselines import baselines

        config = self.config
        return baselines(config.make_task(), config.agent_seeds, config.episodes, config.evaluation_episodes)

    def _learn(self) -> None:
        if self.session.evaluating:
            return
        stop = stop_rule(self.config)
        while not self.session.finished.all():
            self.session.run(CHUNK, stop)
            self.session.check_silence(SILENT_AFTER)
            self._tick("learning")
        self.records = learning_records(self.session)
        self.session.begin_evaluation(max(self.config.evaluation_episodes, 1))

    def _evaluate(self) -> None:
        if self.config.evaluation_episodes == 0:
            return
        from snnrl.engines.session import Stop

        stop = Stop(self.config.evaluation_episodes)
        while not self.session.finished.all():
            self.session.run(CHUNK, stop, learning=False, exploration=self.config.evaluation_exploration)
            self._tick("evaluation")
        add_evaluation(self.records, self.session)

    def _tick(self, phase: str) -> None:
        session = self.session
        if self.progress is not None:
            recent = [
                _recent_mean(n, row)
                for n, row in zip(session.episodes, session.state["lengths"], strict=True)
            ]
            self.progress(
                Progress(phase, int(session.finished.sum()), session.episodes.copy(), float(np.mean(recent)),  # type: ignore[arg-type]
                         int(session.env_steps.sum()))
            )  # fmt: skip
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS:
            self._save()

    def _save(self) -> None:
        if self.folder is None:
            return
        state = {**self.session.save(), "wall_time": np.array(self.wall_time)}
        self.folder.save_checkpoint(state, self.records)
        self.saved = time.monotonic()

    def _load(self, folder: RunFolder) -> None:
        state, self.records = folder.load_checkpoint()
        self.spent_before = float(state.pop("wall_time"))
        self.session.restore(state)


def _recent_mean(n: int, lengths: np.ndarray) -> float:
    return float(lengths[max(0, n - 10) : n].mean()) if n else 0.0


def learning_records(session: Learners) -> list[AgentRecord]:
    """Return the agents' records at the end of learning, without an evaluation."""
    writes, spikes = session.writes_per_device(), session.spikes_per_step
    return [
        AgentRecord(
            seed=int(seed),
            episode_lengths=session.state["lengths"][row, : session.episodes[row]].astype(np.int64),
            episode_rewards=session.state["rewards"][row, : session.episodes[row]].copy(),
            solved_at=int(session.solved_at[row]),
            evaluation_lengths=np.zeros(0, np.int64),
            spikes_per_step=float(spikes[row]),
            writes_per_device=None if writes is None else float(writes[row]),
        )
        for row, seed in enumerate(session.seeds)
    ]


def add_evaluation(records: list[AgentRecord], session: Learners) -> None:
    """Put the evaluation of the session into the records, in place."""
    spikes = session.spikes_per_step
    for row, agent in enumerate(records):
        episodes = int(session.episodes[row])
        records[row] = dataclasses.replace(
            agent,
            evaluation_lengths=session.state["lengths"][row, :episodes].astype(np.int64),
            evaluation_rewards=session.state["rewards"][row, :episodes].copy(),
            spikes_per_step=float(spikes[row]),
        )
