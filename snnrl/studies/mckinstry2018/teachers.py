"""Teachers of the study, by the names of their files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snnrl.distillation.teachers import SCRIPTS, load_teacher
from snnrl.errors import InvalidValueError
from snnrl.tasks import atari
from snnrl.training.atari_run import TEACHER

if TYPE_CHECKING:
    from snnrl.distillation.teachers import Teacher

ENDINGS = (".pt", ".pth", ".zip")


@dataclass(frozen=True)
class Found:
    """A teacher of a game.

    Parameters
    ----------
    source
        As `snnrl.distillation.teachers.load_teacher` takes it.
    key
        Which teacher it is, wherever its file lies: a name, or a digest of the file.
    teacher
        Loaded.
    """

    source: str
    key: str
    teacher: Teacher


def find_teachers(
    games: Iterable[str], folder: Path | None, look_ahead: bool, device: str = "cpu"
) -> dict[str, Found]:
    """Return the teacher of each game that has one.

    Parameters
    ----------
    games
        Names of the games.
    folder
        With files or run folders whose names begin or end with the game's: ``pong.zip``, ``pong-ddqn.pt``, ``iko_acktr_Pong.sd.pt``.
        Of several, the first in the order of their names is taken. None: none.
    look_ahead
        Whether games without any other teacher get one that looks ahead.
    device
        Where networks are computed.

    Raises
    ------
    InvalidValueError
        The folder is none, a file in it cannot be read or does not fit its game, or there is no teacher of any game.
    """
    if folder is not None and not folder.is_dir():
        raise InvalidValueError("--teachers", str(folder), "a folder with files named after games")
    entries = sorted(folder.iterdir()) if folder is not None else []
    asked, found = list(games), {}
    for game in asked:
        source = _source(game, entries, look_ahead)
        if source is not None:
            found[game] = Found(source, _key(source), load_teacher(source, game, device=device))
    if not found:
        got = "nothing" if folder is None else str(folder)
        raise InvalidValueError(
            "--teachers", got, f"a folder with a file named after any of {', '.join(asked)}"
        )
    return found


def _source(game: str, entries: Iterable[Path], look_ahead: bool) -> str | None:
    name = _letters(game)
    for entry in entries:
        stem = _letters(entry.name.split(".")[0])
        usable = entry.suffix.lower() in ENDINGS or (entry / TEACHER).is_file()
        if usable and (stem.startswith(name) or stem.endswith(name)):
            return str(entry)
    if game in SCRIPTS:
        return f"script:{game}"
    return "look-ahead" if look_ahead and game in atari.GAMES else None


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _key(source: str) -> str:
    path = Path(source) / TEACHER if Path(source).is_dir() else Path(source)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else source
