"""The folder of one training run: written atomically, read with every doubt named.

::

    config.json     everything needed to repeat the run, versions included; written first
    agent.npz       checkpoint: the state of all agents and their records so far, in one file
    episodes.csv    seed, episode, length, reward, phase; written at the end, like everything below
    summary.json    `snnrl.training.summary.summary`
    wear.json       of a run with devices: `snnrl.training.summary.wear_summary`
    student.tn      of a run with network truenorth: the first agent's packed student; student-SEED.tn of the others
    figures/*.png   learning_curve.png, raster.png, writes.png
    report.html

Every file appears whole or not at all (temporary file in the same folder, fsync, rename), and the checkpoint
is a single file, so a run killed at any moment is left with its last whole checkpoint.
"""

from __future__ import annotations

import csv
import io
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.training.checkpoint import Arrays, pack, unpack
from snnrl.training.config import TrainingConfig
from snnrl.training.files import one_line, read_json, read_text, replace_file, unwritable, write_json
from snnrl.training.result import AgentRecord

FORMAT = 1
"""Number of the layout above; raised when an older snnrl could no longer read the folder."""

CONFIG, CHECKPOINT, EPISODES, SUMMARY, WEAR, REPORT = (
    "config.json",
    "agent.npz",
    "episodes.csv",
    "summary.json",
    "wear.json",
    "report.html",
)


class RunFolder:
    """One run folder on disk.

    Use `create` for a new run and `open` for one that exists.

    Parameters
    ----------
    path
        The folder.
    config
        The run's options.
    versions
        Versions of what wrote it.
    """

    def __init__(self, path: Path, config: TrainingConfig, versions: Mapping[str, str]) -> None:
        self.path, self.config, self.versions = path, config, dict(versions)

    @classmethod
    def create(cls, path: Path, config: TrainingConfig) -> RunFolder:
        """Make the folder and write ``config.json``.

        Raises
        ------
        RunFolderError
            The path is taken, or cannot be written.
        """
        refuse_taken(path)
        folder = cls(path, config, versions())
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        content = {"format": FORMAT, "versions": folder.versions, "options": config.to_dict()}
        write_json(path / CONFIG, content)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a run that exists.

        Raises
        ------
        RunFolderError
            The folder is missing, half written, or of a format that this version cannot read.
        """
        if not path.is_dir():
            raise RunFolderError(f"{path}: no such run folder, allowed: a folder written by 'snnrl train'")
        content = read_json(path / CONFIG)
        found = content.get("format")
        if found != FORMAT:
            writer = _dict(content.get("versions")).get("snnrl", "an unknown version")
            raise RunFolderError(
                f"{path / CONFIG}: run folder of format {found!r} (written by snnrl {writer}), allowed: {FORMAT}"
            )
        try:
            config = TrainingConfig.from_dict(_dict(content.get("options")))
        except InvalidValueError as error:
            raise RunFolderError(f"{path / CONFIG}: {error}") from error
        return cls(path, config, _dict(content.get("versions")))

    @classmethod
    def open_to_resume(cls, path: Path) -> RunFolder:
        """Open a run to go on with it.

        Raises
        ------
        RunFolderError
            As `open`, or another version of snnrl began it, whose numbers may differ.
        """
        folder = cls.open(path)
        began, here = folder.versions.get("snnrl"), metadata.version("snnrl")
        if began != here:
            raise RunFolderError(f"{path}: begun by snnrl {began}, to resume it needs the same, got {here}")
        return folder

    @property
    def figures(self) -> Path:
        """Folder of the figures, made when it is missing."""
        (self.path / "figures").mkdir(exist_ok=True)
        return self.path / "figures"

    @property
    def has_checkpoint(self) -> bool:
        """Whether a checkpoint has been written."""
        return (self.path / CHECKPOINT).exists()

    @property
    def finished(self) -> bool:
        """Whether the run went through to its summary."""
        return (self.path / SUMMARY).exists()

    @property
    def has_wear(self) -> bool:
        """Whether the run has left the numbers of its devices."""
        return (self.path / WEAR).exists()

    def save_checkpoint(self, state: Mapping[str, NDArray[Any]], agents: Sequence[AgentRecord]) -> None:
        """Replace the checkpoint by the agents' state and records, in one atomic step.

        Parameters
        ----------
        state
            Arrays by name; names that begin with ``record/`` and arrays of objects are refused.
        agents
            Records so far.

        Raises
        ------
        InvalidValueError
            A name or an array that cannot be stored.
        """
        replace_file(self.path / CHECKPOINT, pack(state, agents))

    def load_checkpoint(self) -> tuple[Arrays, list[AgentRecord]]:
        """Return the state and the records of the last checkpoint.

        Raises
        ------
        RunFolderError
            There is none, or the file is damaged.
        """
        path = self.path / CHECKPOINT
        try:
            return unpack(path.read_bytes())
        except FileNotFoundError:
            raise RunFolderError(
                f"{path}: missing, allowed: a run that reached its first checkpoint; "
                f"'snnrl train --resume {self.path}' goes on with it"
            ) from None
        except (ValueError, OSError) as error:
            raise RunFolderError(f"{path}: damaged or not a checkpoint ({one_line(error)})") from error

    def write_episodes(self, agents: Sequence[AgentRecord]) -> None:
        """Write ``episodes.csv``: one row per episode, numbered from 1 in each phase of each seed."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("seed", "episode", "length", "reward", "phase"))
        for agent in agents:
            writer.writerows(_rows(agent))
        replace_file(self.path / EPISODES, text.getvalue().encode())

    def read_episodes(self) -> list[dict[str, str]]:
        """Return the rows of ``episodes.csv``.

        Raises
        ------
        RunFolderError
            The file is missing: the run is not finished.
        """
        with io.StringIO(read_text(self.path / EPISODES), newline="") as text:
            return list(csv.DictReader(text))

    def write_summary(self, numbers: Mapping[str, Any]) -> None:
        """Write ``summary.json``, which marks the run as finished."""
        write_json(self.path / SUMMARY, numbers)

    def write_wear(self, numbers: Mapping[str, Any]) -> None:
        """Write ``wear.json``."""
        write_json(self.path / WEAR, numbers)

    def read_wear(self) -> dict[str, Any]:
        """Return ``wear.json``.

        Raises
        ------
        RunFolderError
            The file is missing (the run is not finished, or has no devices) or damaged.
        """
        return read_json(self.path / WEAR)

    def read_summary(self) -> dict[str, Any]:
        """Return ``summary.json``.

        Raises
        ------
        RunFolderError
            The file is missing (the run is not finished) or damaged.
        """
        return read_json(self.path / SUMMARY)


def default_path(config: TrainingConfig, now: datetime) -> Path:
    """Return ``runs/<task>-<network>-<plasticity>-<synapse>-<timestamp>``."""
    parts = (
        config.task,
        config.network,
        str(config.plasticity),
        config.synapse,
        now.strftime("%Y%m%d-%H%M%S"),
    )
    return Path("runs") / re.sub(r"[^\w.-]+", "_", "-".join(parts))


def refuse_taken(path: Path) -> None:
    """Raise `RunFolderError` unless a new run can be written to `path`."""
    if (path / CONFIG).exists():
        raise RunFolderError(
            f"{path}: already holds a run, allowed: a new folder, or '--resume {path}' to go on"
        )
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunFolderError(f"{path}: exists and is no run folder, allowed: a new or an empty folder")


def versions() -> dict[str, str]:
    """Return the versions a result depends on."""
    packages = {name: metadata.version(name) for name in ("snnrl", "numpy", "numba")}
    return packages | {"python": platform.python_version(), "platform": platform.platform()}


def _rows(agent: AgentRecord) -> Iterator[tuple[int, int, int, str, str]]:
    for phase, lengths, rewards in (
        ("train", agent.episode_lengths, agent.episode_rewards),
        ("evaluate", agent.evaluation_lengths, agent.evaluation_rewards),
    ):
        for index, length in enumerate(lengths):
            reward = repr(float(rewards[index])) if len(rewards) else ""
            yield agent.seed, index + 1, int(length), reward, phase


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
