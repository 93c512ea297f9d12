"""`fine_tuned_run`: a converted agent in, the run folder of the fine-tuned one out, by either way of learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snnrl import tasks
from snnrl.conversion.convert import NUMBERS, keep_model
from snnrl.conversion.finetune import FineTuning, fine_tune
from snnrl.conversion.options import Point
from snnrl.conversion.plastic import RewardGated, reward_gated
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.figures.conversion import fine_tuning
from snnrl.model import AgentModel, to_json
from snnrl.tasks import Task
from snnrl.training.build import build_model
from snnrl.training.files import write_json
from snnrl.training.runfolder import RunFolder, refuse_taken

CURVE = "fine_tuning.png"
RULES: dict[str, type[FineTuning | RewardGated]] = {"surrogate": FineTuning, "policy-gradient": RewardGated}
"""Ways of learning: surrogate gradients through the whole network, or reward-gated plasticity of its output layer."""
TITLES = {"surrogate": "surrogate gradients", "policy-gradient": "reward-gated plasticity"}


def make_options(rule: str, **numbers: Any) -> FineTuning | RewardGated:
    """Return the numbers of a way of learning; what is None has its default there.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    InvalidValueError
        If a number is out of range.
    """
    if rule not in RULES:
        raise UnknownNameError("rule", rule, RULES)
    return RULES[rule](**{name: value for name, value in numbers.items() if value is not None})


def rule_of(options: FineTuning | RewardGated) -> str:
    """Return the name of the rule that the numbers belong to."""
    return next(name for name, kind in RULES.items() if type(options) is kind)


def tune(model: AgentModel, task: Task, options: FineTuning | RewardGated, seed: int,
         progress: Callable[[Point], None] | None = None) -> tuple[AgentModel, list[Point]]:  # fmt: skip
    """Let a spiking equivalent go on learning by the rule that the numbers belong to."""
    if isinstance(options, RewardGated):
        return reward_gated(model, task, options, seed, progress)
    return fine_tune(model, task, options, seed, progress)


def fine_tuned_run(run: Path, out: Path, settings: Mapping[str, Any], options: FineTuning | RewardGated, episodes: int,
                   seed: int, progress: Callable[[Point], None] | None = None) -> dict[str, Any]:  # fmt: skip
    """Fine-tune the agent of a run in its task with changed parameters, evaluate it, and write a run folder.

    Parameters
    ----------
    run, out
        Folder of the converted agent, and of the tuned one.
    settings
        Fields of the task that are different now.
    options
        Numbers of the way of learning, of `make_options`.
    episodes, seed
        Of the evaluation at the end; the seed also of the exploration.
    progress
        Called with every evaluation on the way.

    Returns
    -------
    dict
        ``return_before_learning`` (in the changed task), ``return_mean`` and ``curve``, a list of environment steps and
        mean returns; ``rule`` and its numbers.

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
    model, curve = tune(build_model(folder.config), task, options, seed, progress)
    config = dataclasses.replace(folder.config, task_parameters=changed, model=to_json(model), seed=seed,
                                 evaluation_episodes=episodes, solve_threshold=None)  # fmt: skip
    _, returns = keep_model(model, config, out)
    rule = rule_of(options)
    numbers = {"rule": rule, "return_before_learning": curve[0].return_mean, "return_mean": returns,
               "curve": [dataclasses.astuple(point) for point in curve], **dataclasses.asdict(options)}  # fmt: skip
    write_json(out / NUMBERS, numbers)
    words = ", ".join(f"{name} = {value}" for name, value in settings.items()) or "the same task"
    drawn = {"change": words, "curves": [{"name": TITLES[rule], "steps": [p.env_steps for p in curve],
                                         "returns": [p.return_mean for p in curve]}]}  # fmt: skip
    fine_tuning(drawn, out / "figures" / CURVE)
    return numbers
