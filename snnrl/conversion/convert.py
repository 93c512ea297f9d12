"""`convert`: trained weights in, a run folder with the spiking equivalent and its measures out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.conversion.build import spiking_equivalent
from snnrl.conversion.episodes import Player
from snnrl.conversion.measure import Episodes, action_agreement, decide, play, value_error
from snnrl.conversion.options import ConversionOptions
from snnrl.conversion.sources import load
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, to_json
from snnrl.networks.dense import Conv2d, DenseNetwork, Linear
from snnrl.tasks import Task
from snnrl.training.build import build_learners
from snnrl.training.config import TrainingConfig
from snnrl.training.files import replace_file, write_json
from snnrl.training.recording import record
from snnrl.training.result import Progress, TrainingResult
from snnrl.training.runfolder import RunFolder, refuse_taken, versions
from snnrl.training.train import CHUNK, ProgressFunction, add_evaluation, learning_records

MODEL, DENSE, NUMBERS = "model.json", "dense.npz", "conversion.json"
"""What a conversion leaves beside the files of a run."""
CALIBRATION_EPISODES, CALIBRATION_STRAY = 20, 0.1
"""Episodes that the ranges come from, and the share of random actions in them."""
CALIBRATION_SEED = 50_000_000
"""Added to the seed for the calibration, so that no state of the measurement is calibrated with."""
MOST_STATES = 20_000
"""States at most on which actions and values are compared."""


@dataclass(frozen=True, eq=False)
class Converted:
    """A spiking equivalent and where it came from.

    Parameters
    ----------
    model
        The spiking agent.
    network
        The dense network.
    task
        What both play.
    options
        How it was converted.
    """

    model: AgentModel
    network: DenseNetwork
    task: Task
    options: ConversionOptions


def converted(network: DenseNetwork, task: Task, options: ConversionOptions, seed: int = 0) -> Converted:
    """Convert a network with the states that it meets in a task.

    Raises
    ------
    InvalidValueError
        If the network does not fit the task, or cannot be converted.
    """
    sizes = (int(np.prod(network.observation_shape)), network.n_actions)
    if sizes != (task.observation_size, task.n_actions):
        allowed = f"{(task.observation_size, task.n_actions)}, like the task {task.name}"
        raise InvalidValueError("network of (observed variables, actions)", sizes, allowed)
    met = play(network, task, CALIBRATION_EPISODES, seed + CALIBRATION_SEED, CALIBRATION_STRAY)
    return Converted(spiking_equivalent(network, met.states, options), network, task, options)


def convert(source: Any, out: str | Path, task: Task, options: ConversionOptions | None = None, *, episodes: int = 100,
            seed: int = 0, engine: str = "fast", progress: ProgressFunction | None = None, agent: int | None = None,
            activation: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Convert trained weights, compare both networks, and keep the spiking one as a run folder.

    Parameters
    ----------
    source
        A `DenseNetwork`, what `snnrl.conversion.sources.load` takes, or a NIR file, whose agent spikes already.
    out
        New run folder: ``snnrl evaluate`` and the engines read it, ``model.json`` is for ``snnrl train --model``.
    task
        What the network was trained on.
    options
        Number of steps, percentile, code and correction.
    episodes
        Episodes that each of the two plays.
    seed
        Of the first episode.
    engine
        What runs the spiking network.
    progress
        Called now and then.
    agent, activation
        What the source leaves open: which agent of a run (its seed), and the activation of a bare state dict.

    Returns
    -------
    dict
        ``action_agreement``, ``value_error``, ``return_mean``, ``dense_return_mean``, ``spikes_per_decision``,
        ``synaptic_operations_per_decision`` and how they came about; also written as ``conversion.json``.

    Raises
    ------
    InvalidValueError
        For a source that cannot be read or converted.
    RunFolderError
        If ``out`` is taken.
    """
    out = Path(out)
    refuse_taken(out)
    if isinstance(source, str | Path) and Path(source).suffix == ".nir":
        return _from_nir(Path(source), out, task, episodes, seed, engine, progress)
    network = load(source, seed=agent, activation=activation)
    made = converted(network, task, ConversionOptions() if options is None else options, seed)
    config = model_config(made.model, task, episodes, seed, engine)
    dense = play(network, task, episodes, seed)
    folder, returns = keep_model(made.model, config, out, progress)
    network.save(out / DENSE)
    numbers = {**compare(made, dense, engine), "return_mean": returns, "episodes": episodes, "seed": seed}
    write_json(folder.path / NUMBERS, numbers)
    return numbers


def compare(made: Converted, dense: Episodes, engine: str = "fast") -> dict[str, Any]:
    """Compare the decisions of both networks on states that the dense one met."""
    states = dense.states[:MOST_STATES]
    decisions = decide(made.model, states, engine)
    network = made.network
    return {
        "action_agreement": action_agreement(network, states, decisions),
        "value_error": value_error(network, states, decisions),
        "dense_return_mean": float(dense.returns.mean()),
        "spikes_per_decision": float(decisions.spikes.mean()),
        "synaptic_operations_per_decision": float(decisions.operations.mean()),
        "dense_operations": dense_operations(network),
        "value_spread": float(network.values(states).std()) if network.has_value else None,
        "states": len(states),
        "neurons": sum(n.size for n in made.model.network.neurons),
        "engine": engine,
        "task": made.task.name,
        **asdict(made.options),
    }


def dense_operations(network: DenseNetwork) -> int:
    """Return the multiplications of the dense network for one decision and its value."""
    chains, total = [network.policy, network.value[network.shared :]], 0
    for number, chain in enumerate(chains):
        shape = network.observation_shape
        for layer in network.value[: network.shared] if number else ():
            shape = layer.output_shape(shape)
        for layer in chain:
            shape = layer.output_shape(shape)
            if isinstance(layer, Linear):
                total += layer.weight.size
            elif isinstance(layer, Conv2d):
                total += layer.weight.size * int(np.prod(shape[1:]))
    return total


def _from_nir(path: Path, out: Path, task: Task, episodes: int, seed: int, engine: str,
              progress: ProgressFunction | None) -> dict[str, Any]:  # fmt: skip
    """Keep the agent of a NIR file, which has no dense network to compare it with."""
    from snnrl.conversion.nir_file import read_nir

    model = read_nir(path)
    folder, returns = keep_model(model, model_config(model, task, episodes, seed, engine), out, progress)
    player = Player(task)
    decisions = decide(model, [player.reset(seed + k) for k in range(episodes)], engine)
    numbers = {
        **dict.fromkeys(("action_agreement", "value_error", "value_spread", "dense_return_mean", "dense_operations")),
        "spikes_per_decision": float(decisions.spikes.mean()),
        "synaptic_operations_per_decision": float(decisions.operations.mean()),
        "return_mean": returns, "episodes": episodes, "seed": seed, "engine": engine, "task": task.name,
    }  # fmt: skip
    write_json(folder.path / NUMBERS, numbers)
    return numbers


def model_config(
    model: AgentModel, task: Task, episodes: int, seed: int, engine: str = "fast"
) -> TrainingConfig:
    """Return the options of a run of the spiking agent that has nothing to learn."""
    name = "gym" if hasattr(task, "env_id") else task.name
    return TrainingConfig(task=name, task_parameters=task.parameters(), reward="environment", seeds=1, seed=seed,
                          episodes=1, evaluation_episodes=episodes, engine=engine, model=to_json(model))  # fmt: skip


def keep_model(
    model: AgentModel, config: TrainingConfig, out: Path, progress: ProgressFunction | None = None
) -> tuple[RunFolder, float]:
    """Let the agent play with plasticity off, write its run folder, and return the folder and the mean return."""
    from snnrl.report import write_run

    session = build_learners(config)
    folder = RunFolder.create(out, config)
    records = learning_records(session)
    play_out(session, config.evaluation_episodes, progress)
    add_evaluation(records, session)
    folder.save_checkpoint({**session.save(), "wall_time": np.array(0.0)}, records)
    replace_file(out / MODEL, to_json(model).encode())
    write_run(folder, TrainingResult(config, records, record(session), None, 0.0, versions()))  # type: ignore[arg-type]
    return folder, float(records[0].evaluation_rewards.mean())


def play_out(session: Any, episodes: int, progress: ProgressFunction | None = None) -> None:
    """Let the agents of a session play with plasticity and exploration off."""
    from snnrl.engines.session import Stop

    session.begin_evaluation(episodes)
    while not session.finished.all():
        session.run(CHUNK, Stop(episodes), learning=False, exploration=0.0)
        if progress is not None:
            recent = float(session.state["lengths"][:, : max(int(session.episodes.max()), 1)].mean())
            done, steps = int(session.finished.sum()), int(session.env_steps.sum())
            progress(Progress("evaluation", done, session.episodes.copy(), recent, steps))


def task_of(source: Path, name: str | None, parameters: Mapping[str, Any]) -> Task:
    """Return the task that is named, or that of the run folder the weights come from.

    Raises
    ------
    InvalidValueError
        If there is neither.
    """
    from snnrl import tasks

    if name is not None:
        return tasks.make(name, **parameters)
    if source.is_dir():
        config = RunFolder.open(source).config
        return tasks.make(config.task, **{**config.task_parameters, **parameters})
    allowed = f"the task the network was trained on: {', '.join((*tasks.names(), 'gym:ENV_ID'))}"
    raise InvalidValueError("--task", None, allowed)
