"""Where a demo's agent comes from: the package, a run folder, or nothing yet."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.live import Start
from snnrl.demo.scenes import Scene, scene
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.errors import RunFolderError
from snnrl.training.build import build_model
from snnrl.training.config import TrainingConfig

Weights = Mapping[str, NDArray[Any]]
FOLDER = "pretrained"
"""Folder of the pretrained agents, in this package."""


def fresh(name: str, seed: int) -> Start:
    """Return an agent that has learned nothing and learns; its devices are those of the seed."""
    return Start(name, own_config(scene(name), seed), seed, learning=True)


def own_config(shown: Scene, seed: int) -> TrainingConfig:
    """Return the agent that a scene has by itself."""
    return TrainingConfig(task=shown.task, seeds=1, seed=seed, threads=1, **shown.options)


def pretrained(name: str, seed: int) -> Start:
    """Return the agent that comes with the package; without one, a fresh agent that learns."""
    shown = scene(name)
    if not shown.agent:
        return fresh(name, seed)
    content = resources.files("snnrl.demo").joinpath(FOLDER, shown.agent).read_bytes()
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    config = TrainingConfig.from_dict(json.loads(str(arrays.pop("config"))))
    return Start(name, config, seed, {key: values.astype(np.float64) for key, values in arrays.items()})


def packed(config: TrainingConfig, learned: Weights, start: Weights) -> bytes:
    """Return a pretrained agent as the bytes of a file: what learning changed, in single precision."""
    changed = {k: v.astype(np.float32) for k, v in learned.items() if not np.array_equal(v, start[k])}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, values in {"config": np.array(json.dumps(config.to_dict())), **changed}.items():
            with archive.open(
                zipfile.ZipInfo(f"{key}.npy"), "w"
            ) as member:  # no time stamp: same agent, same bytes
                np.lib.format.write_array(member, values, allow_pickle=False)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def from_run(name: str, path: Path, seed: int) -> Start:
    """Return the first agent of a run folder.

    Raises
    ------
    RunFolderError
        If the folder is no finished run, or its agent does not fit the demo.
    """
    from snnrl.training.runfolder import RunFolder

    folder = RunFolder.open(path)
    config = folder.config
    for option, wanted in (("task", name), ("engine", "fast")):
        if getattr(config, option) != wanted:
            got = getattr(config, option)
            raise RunFolderError(f"{path}: {option} {got!r}, allowed in 'snnrl demo {name}': {wanted!r}")
    state, _ = folder.load_checkpoint()
    return Start(name, replace(config, seeds=1), seed, _learned(config, state, path))


def _learned(config: TrainingConfig, state: Weights, path: Path) -> Weights:
    """Pick what the first agent learned out of a checkpoint."""
    groups = lowered_agent(build_model(config)).synapses
    keys = [f"S_{group.name}_{weight}" for group in groups for weight in group.weights]
    missing = [key for key in keys if key not in state]
    if missing:
        raise RunFolderError(
            f"{path}: its checkpoint lacks {missing[0]}, allowed: a run of this version of snnrl"
        )
    return {key: state[key][:1] for key in keys}
