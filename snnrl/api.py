"""`snnrl.train` and `snnrl.evaluate`: the commands, as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnrl.training.result import TrainingResult
    from snnrl.training.train import ProgressFunction


def train(
    task: str = "cartpole",
    *,
    out: str | Path | None = None,
    resume: str | Path | None = None,
    progress: ProgressFunction | None = None,
    **options: Any,
) -> TrainingResult:
    """Train one agent per seed on a task and evaluate each with plasticity off.

    Parameters
    ----------
    task
        Name of a task, or ``gym:ENV_ID``.
    out
        New run folder; ``None`` keeps nothing on disk.
    resume
        A run folder to go on with; ``task`` and ``options`` are then taken from it.
    progress
        Called now and then with a `snnrl.training.result.Progress`.
    options
        Fields of `snnrl.training.config.TrainingConfig`: ``network``, ``plasticity``, ``synapse``, ``device``,
        ``spread``, ``reward``, ``seeds``, ``seed``, ``episodes``, ...; ``model`` also takes an `AgentModel`.

    Raises
    ------
    snnrl.errors.SnnrlError
        With one line that says what was wrong and what is allowed.
    """
    from snnrl.errors import InvalidValueError, UnknownNameError
    from snnrl.model import AgentModel, to_json
    from snnrl.training.config import TrainingConfig, option_names
    from snnrl.training.runfolder import RunFolder
    from snnrl.training.train import train as run

    if resume is not None:
        if options or out is not None:
            raise InvalidValueError(
                "resume", str(resume), "no other options: they are taken from the run folder"
            )
        return run(RunFolder.open_to_resume(Path(resume)).config, None, Path(resume), progress)
    for name in options:
        if name not in option_names():
            raise UnknownNameError("train option", name, option_names())
    if isinstance(options.get("model"), AgentModel):
        options["model"] = to_json(options["model"])
    return run(TrainingConfig(task=task, **options), None if out is None else Path(out), None, progress)


def evaluate(run: str | Path, episodes: int = 100, exploration: float | None = None) -> dict[str, Any]:
    """Play fresh episodes with the agents of a run, plasticity off; see `snnrl.training.evaluate.evaluate`."""
    from snnrl.training.evaluate import evaluate as play

    return play(Path(run), episodes, exploration)
