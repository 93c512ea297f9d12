"""The checkpoint: state of all agents and their records so far, as the bytes of one npz file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.training.files import one_line
from snnrl.training.result import AgentRecord

Arrays = dict[str, NDArray[Any]]

_RECORD = "record/"
_RAGGED = ("episode_lengths", "episode_rewards", "evaluation_lengths", "evaluation_rewards")


def pack(state: Mapping[str, NDArray[Any]], agents: Sequence[AgentRecord]) -> bytes:
    """Return state and records as one npz file.

    Raises
    ------
    InvalidValueError
        A name that begins with ``record/``, or an array of objects.
    """
    for name, array in state.items():
        if name.startswith(_RECORD):
            raise InvalidValueError("state", name, f"names that do not begin with {_RECORD!r}")
        if np.asarray(array).dtype.hasobject:
            raise InvalidValueError(f"state[{name!r}]", "an array of objects", "numbers, bools and text")
    return _npz({**state, **_pack_records(agents)})


def unpack(content: bytes) -> tuple[Arrays, list[AgentRecord]]:
    """Return state and records from what `pack` gave.

    Raises
    ------
    ValueError
        The content is damaged, or something else.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        packed = {name: arrays.pop(name) for name in list(arrays) if name.startswith(_RECORD)}
        return arrays, _unpack_records(packed)
    except (zipfile.BadZipFile, TypeError, EOFError, KeyError) as error:
        raise ValueError(one_line(error)) from error


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return an npz file; unlike ``np.savez`` it takes any array name and never pickles."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(  # type: ignore[no-untyped-call]
                    member, np.asarray(array), allow_pickle=False
                )
    return buffer.getvalue()


def _pack_records(agents: Sequence[AgentRecord]) -> Arrays:
    """Return the records as flat arrays: episodes of all agents end to end, and how many each has."""
    packed: Arrays = {
        "seed": np.array([agent.seed for agent in agents], dtype=np.int64),
        "solved_at": np.array([agent.solved_at for agent in agents], dtype=np.int64),
        "spikes_per_step": np.array([agent.spikes_per_step for agent in agents], dtype=np.float64),
        # NaN stands for "does not apply".
        "writes_per_device": np.array([agent.writes_per_device for agent in agents], dtype=np.float64),
    }
    for name in _RAGGED:
        parts = [np.asarray(getattr(agent, name)) for agent in agents]
        packed[f"{name}/count"] = np.array([len(part) for part in parts], dtype=np.int64)
        packed[name] = np.concatenate(parts) if parts else np.zeros(0)
    return {_RECORD + name: array for name, array in packed.items()}


def _unpack_records(packed: Arrays) -> list[AgentRecord]:
    get = {name.removeprefix(_RECORD): array for name, array in packed.items()}
    ragged = {name: np.split(get[name], np.cumsum(get[f"{name}/count"])[:-1]) for name in _RAGGED}
    return [
        AgentRecord(
            seed=int(seed),
            solved_at=int(get["solved_at"][index]),
            spikes_per_step=float(get["spikes_per_step"][index]),
            writes_per_device=None if np.isnan(writes) else float(writes),
            **{name: parts[index] for name, parts in ragged.items()},
        )
        for index, (seed, writes) in enumerate(zip(get["seed"], get["writes_per_device"], strict=True))
    ]
