"""``snnrl train``."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli import train_atari
from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError
from snnrl.training import config as options
from snnrl.training.config import TrainingConfig

if TYPE_CHECKING:
    from snnrl.training.result import TrainingResult

EXAMPLE = (
    "Example:  snnrl train cartpole --synapse memristive --spread 0.3 --seeds 40 --seed 3000\n\n"
    f"{train_atari.EXAMPLE}"
)

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(TrainingConfig)}
_NUMBERS = (*options.LEAST, "spread", "solve_threshold", "evaluation_exploration")
_FREE_ON_RESUME = ("threads",)
_RULES = (
    f"{options.SPIKING_RULES[0]}; crossbar: {options.CROSSBAR_RULES[0]}, memristive {options.CROSSBAR_RULES[-1]}; "
    f"dense, truenorth: {options.DENSE_RULES[0]}; atari: ddqn, or ppo"
)


def _option(name: str, help_text: str, default: str | None = None, *also: str) -> Any:
    """Return an option whose default is left to `TrainingConfig`, but shown; it may have other names.

    Numbers come as text, so that `TrainingConfig` checks them and its message names the value got.
    """
    return typer.Option(
        f"--{name.replace('_', '-')}",
        *also,
        metavar="NUMBER" if name in _NUMBERS else "NAME",
        help=help_text,
        show_default=default or str(_DEFAULTS[name]),
    )


def _choice(name: str, default: str | None = None, *also: str) -> Any:
    return _option(name, f"One of: {', '.join(options.CHOICES[name])}.", default, *also)


def train(
    task: Annotated[
        str | None,
        typer.Argument(
            metavar="TASK",
            help="The task: cartpole, gym:ENV_ID for any Gymnasium environment, or atari:GAME for a teacher of "
            "'snnrl distill'.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[str | None, _choice("network")] = None,
    plasticity: Annotated[str | None, _choice("plasticity", _RULES, "--algo")] = None,
    synapse: Annotated[str | None, _choice("synapse")] = None,
    device: Annotated[
        str | None,
        _option(
            "device",
            "Memristive device, see 'snnrl info'.",
            f"{options.DEFAULT_DEVICE}; crossbar: {options.CROSSBAR_DEVICE}",
        ),
    ] = None,
    spread: Annotated[
        str | None,
        _option(
            "spread",
            "Device-to-device spread of thresholds and rates, 0 to 1; memristive only.",
            str(options.DEFAULT_SPREAD),
        ),
    ] = None,
    reward: Annotated[
        str | None,
        _option(
            "reward",
            "Reward function, see 'snnrl info'.",
            "gaussian; progress without a critic; failure with crossbar; the task's own with dense, truenorth and elsewhere",
        ),
    ] = None,
    seeds: Annotated[str | None, _option("seeds", "Number of agents.")] = None,
    seed: Annotated[str | None, _option("seed", "Seed of the first agent.")] = None,
    episodes: Annotated[str | None, _option("episodes", "Most learning episodes per agent.")] = None,
    evaluation_episodes: Annotated[
        str | None, _option("evaluation_episodes", "Episodes per agent with plasticity off.")
    ] = None,
    solve_threshold: Annotated[
        str | None, _option("solve_threshold", "Mean length (steps) that counts as solved.", "the task's")
    ] = None,
    solve_window: Annotated[str | None, _option("solve_window", "Episodes in that mean.")] = None,
    consolidation: Annotated[
        str | None,
        _option(
            "consolidation",
            "Episodes to go on learning for after solving.",
            f"0; vpg: {options.DEFAULT_CONSOLIDATION['vpg']}",
        ),
    ] = None,
    evaluation_exploration: Annotated[
        str | None, _option("evaluation_exploration", "Scale of the exploration current in the evaluation.")
    ] = None,
    engine: Annotated[str | None, _choice("engine")] = None,
    threads: Annotated[str | None, _option("threads", "Number of threads.", "one per core")] = None,
    dtype: Annotated[str | None, _choice("dtype")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.NAME=VALUE",
            help="A parameter of task, reward, network, device, synapse or engine: task.force=8, "
            "network.exploration=0.3, network.hidden=64,64, device.thresholds=full, synapse.waveform_steps=4, synapse.half_select=true, "
            "synapse.layout=offset, engine.target=cython.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An agent of your own, written by snnrl.model.to_json, instead of --network.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; must be new.", show_default="runs/<options>-<time>")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with an interrupted run, with its options.", show_default=False)
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the summary to this file.", show_default=False)
    ] = None,
) -> None:
    """Train agents on TASK, evaluate them with plasticity off, and write a run folder with a report."""
    words = {name: value for name, value in locals().items() if name in _DEFAULTS and value is not None}
    words.pop("model", None)
    given = {name: _value(word) if name in _NUMBERS else word for name, word in words.items()}
    given |= _parameters(parameters or [])
    if model is not None:
        given["model"] = _model_text(model)
    check_json_option(json_file)
    if train_atari.is_atari(task, resume):
        train_atari.train_game(given, out, resume, json_file)
        return
    config = _new(given) if resume is None else _resumed(resume, out, given)
    _run(config, out if resume is None else resume, resume, json_file)


def _model_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError(
            "--model", str(path), f"a file written by snnrl.model.to_json ({error})"
        ) from error


def _new(given: dict[str, Any]) -> TrainingConfig:
    if "task" not in given:
        from snnrl import tasks

        raise InvalidValueError("task", None, ", ".join((*tasks.names(), "gym:ENV_ID")))
    return TrainingConfig(**given)


def _resumed(resume: Path, out: Path | None, given: dict[str, Any]) -> TrainingConfig:
    """Return the options of the interrupted run; options on the command line must not contradict them."""
    from snnrl.training.runfolder import RunFolder

    if out is not None and out != resume:
        raise InvalidValueError("--out", str(out), f"nothing beside --resume, the run goes on in {resume}")
    config = RunFolder.open_to_resume(resume).config
    stored = config.to_dict()
    for option, value in given.items():
        if option not in _FREE_ON_RESUME and value != stored[option]:
            raise InvalidValueError(option, value, f"{stored[option]!r}, as the resumed run began")
    changed = {option: given[option] for option in _FREE_ON_RESUME if option in given}
    return TrainingConfig.from_dict(stored | changed)


def _run(config: TrainingConfig, out: Path | None, resume: Path | None, json_file: Path | None) -> None:
    from snnrl.report import table_beside_baselines
    from snnrl.training.runfolder import REPORT, default_path, refuse_taken
    from snnrl.training.summary import summary

    folder = out or default_path(config, datetime.now())
    if resume is None:
        refuse_taken(folder)
    try:
        result = _train(config, folder, resume)
    except KeyboardInterrupt:
        _say_interrupted(folder)
        raise typer.Exit(INTERRUPTED) from None
    print_table(folder.name, *table_beside_baselines(result))
    print(f"\n{folder / REPORT}")
    write_json_option(json_file, summary(result))


def _train(config: TrainingConfig, folder: Path, resume: Path | None) -> TrainingResult:
    from snnrl.cli.progress import progress_bar

    with progress_bar(config.seeds, config.episodes, config.evaluation_episodes) as progress:
        from snnrl.training.train import train as train_agents

        return train_agents(config, folder, resume, progress)


def _say_interrupted(folder: Path) -> None:
    from snnrl.training.runfolder import CHECKPOINT, CONFIG

    command = shlex.join(("snnrl", "train", "--resume", str(folder)))
    if (folder / CHECKPOINT).exists():
        words = f"interrupted, the checkpoint is kept; go on with: {command}"
    elif (folder / CONFIG).exists():
        words = f"interrupted before the first checkpoint; start again with: {command}"
    else:
        words = "interrupted before anything was written"
    print(f"snnrl: {words}", file=sys.stderr)


def _parameters(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read ``PART.NAME=VALUE`` settings into the config's ``PART_parameters``."""
    read: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        part, dot, name = key.partition(".")
        if not (equals and dot and name) or f"{part}_parameters" not in _DEFAULTS:
            parts = (name.removesuffix("_parameters") for name in _DEFAULTS if name.endswith("_parameters"))
            raise InvalidValueError("--set", setting, ", ".join(f"{part}.NAME=VALUE" for part in parts))
        read.setdefault(f"{part}_parameters", {})[name] = _value(text)
    return read


def _value(text: str) -> Any:
    """Return what JSON reads in the text, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
