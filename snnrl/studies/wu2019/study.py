"""A study on disk: each result is made once, kept whole in its folder, and found again when the study goes on."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import RunFolderError
from snnrl.studies.wu2019.approaches import Approach, Outcome, pre_train, run
from snnrl.studies.wu2019.runner import Progress
from snnrl.studies.wu2019.settings import FloatArray, Settings
from snnrl.training.files import read_json, replace_file, unwritable, write_json

SETTINGS = "study.json"
Arrays = Mapping[str, Any]


@dataclass(frozen=True)
class Stage:
    """Where a study is: the result being made, and the agent steps it has taken so far."""

    name: str
    steps: int


class Study:
    """Results of one `Settings`, in memory and, where there is a folder, on disk.

    Parameters
    ----------
    settings
        What to run.
    folder
        Where to keep results; None keeps nothing. A folder of the same settings is gone on with.
    progress
        Called now and then.

    Raises
    ------
    RunFolderError
        If the folder belongs to other settings, is damaged, or cannot be written.
    """

    def __init__(
        self, settings: Settings, folder: Path | None = None, progress: Callable[[Stage], None] | None = None
    ) -> None:
        self.settings, self.folder, self._progress = settings, folder, progress
        self._made: dict[str, Arrays] = {}
        if folder is not None:
            self._open(folder)

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        wanted = json.loads(json.dumps(self.settings.to_dict()))
        path = folder / SETTINGS
        if not path.exists():
            if any(folder.iterdir()):
                raise RunFolderError(
                    f"{folder}: holds files but no {SETTINGS}, allowed: a new folder or a study's own"
                )
            write_json(path, wanted)
            return
        found = read_json(path)
        if found != wanted:
            differs = sorted(key for key in wanted if found.get(key) != wanted[key])
            name = differs[0] if differs else "settings"
            raise RunFolderError(
                f"{folder}: a study with {name} = {found.get(name)!r}, allowed: the same ({wanted.get(name)!r} asked)"
            )

    def made(self, name: str, make: Callable[[Progress], Arrays]) -> Arrays:
        """Return a result: from memory, from the folder, or made now and kept.

        Parameters
        ----------
        name
            Unique within the study.
        make
            Makes the arrays of the result; it is given the function to report steps with.
        """
        if name not in self._made:
            path = None if self.folder is None else self.folder / f"{name}.npz"
            if path is not None and path.exists():
                self._made[name] = _read(path)
            else:
                self._made[name] = make(self._reporter(name))
                if path is not None:
                    _write(path, self._made[name])
        return self._made[name]

    def _reporter(self, name: str) -> Progress:
        steps = 0

        def report(taken: int) -> None:
            nonlocal steps
            steps += taken
            if self._progress is not None:
                self._progress(Stage(name, steps))

        report(0)
        return report

    @property
    def pre_trained(self) -> FloatArray:
        """Pre-trained weights, shape ``[sets, weights]``."""
        made = self.made("pre-training", lambda report: {"weights": pre_train(self.settings, report)})
        return np.asarray(made["weights"])

    def outcome(self, approach: Approach) -> Outcome:
        """Return what came of an approach."""
        weights = self.pre_trained
        made = self.made(
            approach.name, lambda report: run(approach, self.settings, weights, report)._asdict()
        )
        return Outcome(**made)


def _write(path: Path, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    replace_file(path, buffer.getvalue())


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        allowed = "a result written by snnrl (delete the file to make it anew)"
        raise RunFolderError(
            f"{path}: damaged ({' '.join(str(error).split())}), allowed: {allowed}"
        ) from error
