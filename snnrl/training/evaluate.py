"""Evaluate the agents of a finished run with plasticity off."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from snnrl.errors import RunFolderError
from snnrl.training.build import build_learners
from snnrl.training.result import Progress, TrainingResult
from snnrl.training.runfolder import RunFolder
from snnrl.training.summary import summary
from snnrl.training.train import CHUNK, ProgressFunction, add_evaluation


def evaluate(run: Path, episodes: int = 100, exploration: float | None = None,
             progress: ProgressFunction | None = None) -> dict[str, Any]:  # fmt: skip
    """Play fresh episodes with the agents of a run; nothing is learned and nothing is written to the run.

    Parameters
    ----------
    run
        A run folder.
    episodes
        Episodes per agent.
    exploration
        Scale of the exploration current; by default the run's own ``evaluation_exploration``.
    progress
        Called now and then.

    Returns
    -------
    dict
        The keys of ``summary.json``, with the evaluation's from the new episodes.

    Raises
    ------
    RunFolderError
        If the folder is missing, half written or of another version.
    """
    from snnrl.engines.session import Stop

    folder = RunFolder.open(Path(run))
    if not folder.finished:
        raise RunFolderError(
            f"{run}: not finished, allowed: a finished run; 'snnrl train --resume {run}' goes on with it"
        )
    state, records = folder.load_checkpoint()
    config = dataclasses.replace(folder.config, evaluation_episodes=episodes)
    session = build_learners(config)
    session.take_learned(state)
    session.begin_evaluation(episodes)
    level = config.evaluation_exploration if exploration is None else exploration
    while not session.finished.all():
        session.run(CHUNK, Stop(episodes), learning=False, exploration=level)
        if progress is not None:
            recent = float(session.state["lengths"][:, : int(session.episodes.max())].mean())
            done = int(session.finished.sum())
            progress(
                Progress("evaluation", done, session.episodes.copy(), recent, int(session.env_steps.sum()))
            )
    add_evaluation(records, session)
    return summary(TrainingResult(config, records))
