"""A student with what it needs to play: its network, and for every game its vision and its actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.truenorth.integer import IntArray, IntegerNetwork
from snnrl.networks.truenorth.vision import DEPTH, Vision


@dataclass(frozen=True, eq=False)
class StudentGame:
    """A game that a student has learned.

    Parameters
    ----------
    vision
        The way from its screens to the student's input.
    info
        JSON values: ``game`` (its name), ``actions`` (names, in the game's order), ``outputs`` (the population
        of each action, the action's own number if absent), and whatever else is worth keeping: ``protocol``,
        ``teacher``, ``score``.
    """

    vision: Vision
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The game."""
        return str(self.info.get("game", ""))

    def choose(self, counts: IntArray) -> NDArray[np.int64]:
        """Return the game's action ``[batch]`` for the spikes of each population ``[batch, populations]``.

        A student of several games has one population for each action that any of them knows.
        """
        outputs = self.info.get("outputs")
        mine = counts if outputs is None else counts[:, outputs]
        return np.asarray(mine.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class PackedStudent:
    """What a packed file holds.

    Parameters
    ----------
    network
        The student as integers.
    vision, info
        Of its game, or of its first one; None and empty for a student that knows no game. See `StudentGame`.
    others
        Further games of a student of several.

    Raises
    ------
    InvalidValueError
        A game does not fit the network.
    """

    network: IntegerNetwork
    vision: Vision | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[StudentGame, ...] = ()

    def __post_init__(self) -> None:
        for game in self.games:
            check_game(game, self.network)

    @property
    def games(self) -> tuple[StudentGame, ...]:
        """All games that it has learned."""
        return () if self.vision is None else (StudentGame(self.vision, self.info), *self.others)

    def game(self, name: str) -> StudentGame:
        """Return one of its games.

        Raises
        ------
        UnknownNameError
            It has not learned that one.
        """
        for game in self.games:
            if game.name == name:
                return game
        raise UnknownNameError("game", name, [game.name for game in self.games] or ["none, it knows no game"])


def check_game(game: StudentGame, network: IntegerNetwork) -> None:
    """Refuse a game that does not fit a network.

    Raises
    ------
    InvalidValueError
        Another kind or size of input, or populations that the network does not have.
    """
    vision, spec = game.vision, network.spec
    if vision.signed != network.signed_input:
        raise InvalidValueError("Vision.kind", vision.kind, f"signed_input is {network.signed_input}")
    if spec.channels != DEPTH:
        raise InvalidValueError("channels of a student that plays", spec.channels, str(DEPTH))
    if vision.visible > spec.side or (vision.background is not None and len(vision.background) != spec.side):
        raise InvalidValueError("Vision", vision.visible, f"a side of {spec.side}, as the student's input")
    outputs = game.info.get("outputs")
    if outputs is not None and not (
        isinstance(outputs, list)
        and outputs
        and all(type(k) is int and 0 <= k < network.n_actions for k in outputs)
    ):
        raise InvalidValueError("outputs", outputs, f"a list of numbers, 0 to {network.n_actions - 1}")
