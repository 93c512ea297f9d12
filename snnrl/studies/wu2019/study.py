"""A study on disk: each result is made once, kept whole in its folder, and found again when the study goes on."""

from __future__ import annotations

import io
import json
import math
import time
import zipfile
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import RunFolderError
from snnrl.studies.wu2019.approaches import Approach, Outcome, pre_train, run
from snnrl.studies.wu2019.limited import Limited
from snnrl.studies.wu2019.runner import Progress
from snnrl.studies.wu2019.settings import FloatArray, Settings
from snnrl.training.files import read_json, replace_file, unwritable, write_json

SETTINGS, SECONDS = "study.json", "seconds"
Arrays = dict[str, Any]


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
    limited
        Numbers of the second scenario, by default the paper's.

    Attributes
    ----------
    seconds
        What making each result took, by name, of those asked for so far.

    Raises
    ------
    RunFolderError
        If the folder belongs to other settings, is damaged, or cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None = None,
        progress: Callable[[Stage], None] | None = None,
        limited: Limited | None = None,
    ) -> None:
        self.settings, self.folder, self._progress = settings, folder, progress
        self.limited = limited or Limited()
        self._made: dict[str, Arrays] = {}
        self.seconds: dict[str, float] = {}
        if folder is not None:
            self._open(folder)

    def _open(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from error
        wanted = json.loads(json.dumps(self.settings.to_dict() | {"limited": asdict(self.limited)}))
        path = folder / SETTINGS
        if not path.exists():
            # A first write that was killed has left its temporary file, nothing else.
            if any(not file.match(f".{SETTINGS}.*.tmp") for file in folder.iterdir()):
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

    def made(self, name: str, make: Callable[[Progress], Arrays], arrays_of: Collection[str] = ()) -> Arrays:
        """Return a result: from memory, from the folder, or made now and kept.

        Parameters
        ----------
        name
            Unique within the study.
        make
            Makes the arrays of the result; it is given the function to report steps with.
        arrays_of
            Names of the arrays that it must have.

        Raises
        ------
        RunFolderError
            If what is in the folder is damaged, or lacks an array.
        """
        if name not in self._made:
            path = None if self.folder is None else self.folder / f"{name}.npz"
            if path is not None and path.exists():
                arrays = _read(path, arrays_of)
                seconds = float(arrays.pop(SECONDS, math.nan))
            else:
                began = time.monotonic()
                arrays = make(self._reporter(name))
                seconds = time.monotonic() - began
                if path is not None:
                    _write(path, {**arrays, SECONDS: np.array(seconds)})
            self._made[name], self.seconds[name] = arrays, seconds
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
        made = self.made(
            "pre-training", lambda report: {"weights": pre_train(self.settings, report)}, ("weights",)
        )
        return np.asarray(made["weights"])

    def outcome(self, approach: Approach) -> Outcome:
        """Return what came of an approach."""
        weights = self.pre_trained
        made = self.made(
            approach.name,
            lambda report: run(approach, self.settings, weights, report)._asdict(),
            Outcome._fields,
        )
        return Outcome(**made)


def _write(path: Path, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    replace_file(path, buffer.getvalue())


def _read(path: Path, arrays_of: Collection[str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, str(error)) from error
    missing = set(arrays_of) - set(arrays)
    if missing:
        raise _damaged(path, f"without {', '.join(sorted(missing))}")
    return arrays


def _damaged(path: Path, why: str) -> RunFolderError:
    allowed = "a result written by snnrl (delete the file to make it anew)"
    return RunFolderError(f"{path}: damaged ({' '.join(why.split())}), allowed: {allowed}")
