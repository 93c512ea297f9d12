"""A study on disk: every part in a file of its own, which appears whole or not at all."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from snnrl.errors import RunFolderError
from snnrl.training.checkpoint import unpack
from snnrl.training.files import one_line, read_json, replace_file, unwritable, write_json

SETTINGS, PARTS = "study.json", "parts"
MAY_CHANGE = ("rewards", "plasticities", "synapses", "devices", "reward_parameters", "files", "block")
"""Settings that another run in the same folder may have: what they change is in the names of the parts."""


class StudySettings(Protocol):
    """Settings of any study."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything that a number can depend on, as values for JSON."""
        ...


class StudyFolder:
    """Where the parts of a study are kept; without a path nothing is.

    Parameters
    ----------
    path
        New, empty, or of a study with the same settings; its lists of rewards, synapses and so on may differ.
    settings
        Of the study.

    Raises
    ------
    RunFolderError
        If the folder holds a study of other settings, something else, or cannot be written.
    """

    def __init__(self, path: Path | None, settings: StudySettings) -> None:
        self.path = path
        if path is None:
            return
        wanted = json.loads(json.dumps({"version": metadata.version("snnrl"), **settings.to_dict()}))
        if (path / SETTINGS).exists():
            _refuse_other(path, read_json(path / SETTINGS), wanted)
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunFolderError(
                f"{path}: exists and holds no {SETTINGS}, allowed: a new folder or a study's own"
            )
        try:
            (path / PARTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        write_json(path / SETTINGS, wanted)

    def found(self, file: str) -> bytes | None:
        """Return the bytes of a part that is done.

        Raises
        ------
        RunFolderError
            If the file is damaged.
        """
        if self.path is None or not (path := self.path / PARTS / file).exists():
            return None
        content = path.read_bytes()
        try:
            unpack(content) if path.suffix == ".npz" else json.loads(content)
        except ValueError as error:
            raise RunFolderError(f"{path}: damaged ({one_line(error)}), delete it to make it anew") from error
        return content

    def keep(self, file: str, content: bytes) -> None:
        """Keep a part."""
        if self.path is not None:
            replace_file(self.path / PARTS / file, content)


def _refuse_other(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Raise unless both settings are those of one study."""
    for name, value in wanted.items():
        if name not in MAY_CHANGE and found.get(name) != value:
            raise RunFolderError(
                f"{path}: a study with {name} = {found.get(name)!r}, got {value!r}, "
                "allowed: the same settings or a new folder"
            )
