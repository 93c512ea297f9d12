"""The units of work: plain functions that go to a process or to a machine, and give back the bytes of a file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from snnrl.errors import SimulationError
from snnrl.studies.rewards import files

Texts = Sequence[tuple[str, str]]
"""Path and text of every file that registers rewards."""

_ALONE = threading.Lock()
"""A Dask worker has several threads; rewards are registered, and kernels loaded, by one at a time."""


@dataclass(frozen=True)
class Part:
    """One unit of work.

    Parameters
    ----------
    file
        Where its bytes are kept, relative to the study's folder.
    title
        What it is, for people.
    function
        Makes the bytes.
    arguments
        Its arguments after the version and the `Texts`.
    """

    file: str
    title: str
    function: Callable[..., bytes]
    arguments: tuple[Any, ...]


def run(part: Part, version: str, texts: Texts) -> bytes:
    """Do a unit of work, wherever this is.

    Raises
    ------
    SimulationError
        If something went wrong in the simulation, or another version of snnrl does the work.
    """
    here = metadata.version("snnrl")
    if here != version:
        raise SimulationError(f"a worker has snnrl {here}, the study is run by {version}: all need the same")
    with _ALONE:
        for file, text in texts:
            files.load(text, file)
    try:
        return part.function(*part.arguments)
    except SimulationError as error:
        advice = "; mend it or leave it out" if str(error).startswith("the reward ") else ""
        raise SimulationError(f"{part.title}: {error}{advice}") from error


def train_block(options: Mapping[str, Any], points: int, threads: int) -> bytes:
    """Train agents, look at what their critics have learned, and evaluate them with plasticity off.

    Parameters
    ----------
    options
        Of a `TrainingConfig`.
    points
        Of the value maps, see `value_map.value_maps`.
    threads
        Agents side by side; changes no number.

    Returns
    -------
    bytes
        A checkpoint (`snnrl.training.checkpoint`) of the agents' records with the array ``value_map``.
    """
    from snnrl.engines.session import Stop
    from snnrl.studies.rewards.value_map import value_maps
    from snnrl.training.build import build_session, stop_rule
    from snnrl.training.checkpoint import pack
    from snnrl.training.config import TrainingConfig
    from snnrl.training.train import CHUNK, SILENT_AFTER, add_evaluation, learning_records

    config = TrainingConfig.from_dict({**options, "threads": threads})
    with _ALONE:
        session = build_session(config)
    while not session.finished.all():
        session.run(CHUNK, stop_rule(config))
        session.check_silence(SILENT_AFTER)
    records = learning_records(session)
    with _ALONE:
        maps = value_maps(session, points)
    session.begin_evaluation(config.evaluation_episodes)
    while not session.finished.all():
        session.run(
            CHUNK, Stop(config.evaluation_episodes), learning=False, exploration=config.evaluation_exploration
        )
    add_evaluation(records, session)
    return pack({"value_map": maps}, records)


def find_factor(options: Mapping[str, Any], reference: Mapping[str, Any], steps: int) -> bytes:
    """Return the factor of one reward and the sizes it comes from, see `td_error.size`."""
    from snnrl.studies.rewards import td_error
    from snnrl.training.config import TrainingConfig

    size = td_error.size(TrainingConfig.from_dict(options), steps)
    return _json({"size": size, "target": td_error.size(TrainingConfig.from_dict(reference), steps)})


def measure_spiking(options: Mapping[str, Any], scale: float, steps: int) -> bytes:
    """Return the TD error of the spiking agents with a factor on their reward, see `td_error.spiking_size`."""
    from snnrl.studies.rewards import td_error
    from snnrl.training.config import TrainingConfig

    parameters = {**options["reward_parameters"], "scale": scale}
    config = TrainingConfig.from_dict({**options, "reward_parameters": parameters})
    with _ALONE:
        return _json({"size": td_error.spiking_size(config, steps)})


def baseline_rows(options: Mapping[str, Any]) -> bytes:
    """Play the random policy and, where it fits the task, train tabular ASE/ACE, on the seeds of the agents."""
    from snnrl.studies.baselines import baselines
    from snnrl.training.config import TrainingConfig

    config = TrainingConfig.from_dict(options)
    return _json(
        baselines(config.make_task(), config.agent_seeds, config.episodes, config.evaluation_episodes)
    )


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, allow_nan=False).encode()
