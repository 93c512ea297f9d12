"""`fine_tuned_run`: a converted agent in, the run folder of the fine-tuned one out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snnrl import tasks
from snnrl.conversion.convert import NUMBERS, keep_model
from snnrl.conversion.finetune import FineTuning, Point, fine_tune
from snnrl.errors import InvalidValueError
from snnrl.figures.conversion import fine_tuning
from snnrl.model import to_json
from snnrl.training.build import build_model
from snnrl.training.files import write_json
from snnrl.training.runfolder import RunFolder, refuse_taken

CURVE = "fine_tuning.png"


def fine_tuned_run(run: Path, out: Path, settings: Mapping[str, Any], options: FineTuning, episodes: int, seed: int,
                   progress: Callable[[Point], None] | None = None) -> dict[str, Any]:  # fmt: skip
    """Fine-tune the agent of a run in its task with changed parameters, evaluate it, and write a run folder.

    Parameters
    ----------
    run, out
        Folder of the converted agent, and of the tuned one.
    settings
        Fields of the task that are different now.
    options
        Numbers of the algorithm.
    episodes, seed
        Of the evaluation at the end; the seed also of the exploration.
    progress
        Called with every evaluation on the way.

    Returns
    -------
    dict
        ``return_before_learning`` (in the changed task), ``return_mean`` and ``curve``, a list of environment steps and
        mean returns.

    Raises
    ------
    InvalidValueError
        If the run is not of a converted agent.
    """
    refuse_taken(out)
    folder = RunFolder.open(run)
    if folder.config.model is None:
        raise InvalidValueError("RUN", str(run), "a run folder of 'snnrl convert'")
    changed = {**folder.config.task_parameters, **settings}
    task = tasks.make(folder.config.task, **changed)
    model, curve = fine_tune(build_model(folder.config), task, options, seed, progress)
    config = dataclasses.replace(folder.config, task_parameters=changed, model=to_json(model), seed=seed,
                                 evaluation_episodes=episodes, solve_threshold=None)  # fmt: skip
    _, returns = keep_model(model, config, out)
    numbers = {"return_before_learning": curve[0].return_mean, "return_mean": returns,
               "curve": [dataclasses.astuple(point) for point in curve], **dataclasses.asdict(options)}  # fmt: skip
    write_json(out / NUMBERS, numbers)
    words = ", ".join(f"{name} = {value}" for name, value in settings.items()) or "the same task"
    drawn = {"change": words, "curves": [{"name": "surrogate gradients", "steps": [p.env_steps for p in curve],
                                         "returns": [p.return_mean for p in curve]}]}  # fmt: skip
    fine_tuning(drawn, out / "figures" / CURVE)
    return numbers
