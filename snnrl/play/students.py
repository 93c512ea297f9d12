"""Packed students for play: found, read, and checked against the game that they shall play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.networks.truenorth.integer import IntegerNetwork
    from snnrl.networks.truenorth.packed_student import StudentGame
    from snnrl.networks.truenorth.vision import Vision
    from snnrl.tasks.atari import Protocol

ENDING = ".tn"


@dataclass(frozen=True)
class Student:
    """A student that fits a game.

    Parameters
    ----------
    source
        Where it was read from, for messages.
    network
        The student as integers.
    game
        Its vision and its actions for that game.
    size
        Bytes of its file.
    """

    source: str
    network: IntegerNetwork
    game: StudentGame
    size: int

    @property
    def name(self) -> str:
        """Which student it is: the name of its shapes."""
        return f"{self.network.spec.name} student"

    @property
    def vision(self) -> Vision:
        """The way from screens to its input."""
        return self.game.vision

    @property
    def protocol(self) -> Protocol:
        """The rules by which it learned; the usual ones where its file does not say.

        Raises
        ------
        InvalidValueError
            The file says something else than rules.
        """
        from snnrl.tasks.atari import Protocol

        told = self.game.info.get("protocol", {})
        try:
            return Protocol(**told)
        except (TypeError, InvalidValueError) as error:
            why = " ".join(str(error).split())
            raise InvalidValueError(
                f"student {self.source}", f"protocol {told!r}", f"rules of play ({why})"
            ) from None

    def check_actions(self, names: Sequence[str]) -> None:
        """Refuse a game whose actions are not the student's.

        Raises
        ------
        InvalidValueError
            They are others.
        """
        told = self.game.info.get("actions")
        if told is not None and list(told) != list(names):
            got = f"actions {', '.join(map(str, told))}"
            allowed = f"those of {self.game.name}: {', '.join(names)}"
            raise InvalidValueError(f"student {self.source}", got, allowed)
        outputs = self.game.info.get("outputs")
        n_actions = self.network.n_actions if outputs is None else len(outputs)
        if n_actions != len(names):
            allowed = f"{len(names)}: {', '.join(names)}"
            raise InvalidValueError(f"student {self.source}", f"{n_actions} actions", allowed)

    def choose(self, counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the actions ``[n]`` and the counts of the game's populations, ``[n, actions]``."""
        outputs = self.game.info.get("outputs")
        own = counts if outputs is None else counts[:, outputs]
        return self.game.choose(counts), own.astype(np.float64)


def shipped() -> list[str]:
    """Return the games for which a student comes with the package."""
    folder = resources.files("snnrl.play").joinpath("students")
    if not folder.is_dir():
        return []
    return sorted(each.name.removesuffix(ENDING) for each in folder.iterdir() if each.name.endswith(ENDING))


def load(path: Path | None, game: str) -> Student:
    """Return the student in a file, or the one that comes with the package.

    Parameters
    ----------
    path
        A packed file; None for the packaged student of the game.
    game
        The game that it shall play.

    Raises
    ------
    InvalidValueError
        There is no such student, its file is damaged, or it is a student of another game.
    """
    if path is not None:
        return _read(path, str(path), game)
    if game not in shipped():
        come = ", ".join(shipped()) or "none"
        allowed = f"a packed student, made by snnrl distill; students that come with snnrl: {come}"
        raise InvalidValueError("--student", f"none for {game}", allowed)
    packaged = resources.files("snnrl.play").joinpath("students", game + ENDING)
    with resources.as_file(packaged) as file:
        return _read(file, f"snnrl's own for {game}", game)


def _read(path: Path, source: str, game: str) -> Student:
    from snnrl.networks.truenorth.student_file import read_student

    packed = read_student(path)
    known = [each.name for each in packed.games]
    if known and game not in known:
        raise InvalidValueError(f"student {source}", f"a student of {', '.join(known)}", f"one of {game}")
    found = packed.game(game) if known else _without_game(packed.network, source, game)
    return Student(source, packed.network, found, path.stat().st_size)


def _without_game(network: IntegerNetwork, source: str, name: str) -> StudentGame:
    """Return what can be said of a student whose file names no game: it sees whole screens."""
    from snnrl.networks.truenorth.packed_student import StudentGame, check_game
    from snnrl.networks.truenorth.vision import Vision

    if network.signed_input:
        allowed = "a file that holds the background of its game (snnrl distill writes it)"
        raise InvalidValueError(f"student {source}", "differences without a background", allowed)
    game = StudentGame(Vision("stack", None, network.spec.visible), {"game": name})
    check_game(game, network)
    return game
