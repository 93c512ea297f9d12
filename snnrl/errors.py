"""The exceptions snnrl raises on purpose.

Every message names what was wrong, the value got and what is allowed, so that the command line can print
it as one line and exit with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class SnnrlError(Exception):
    """Base class of all errors that snnrl raises on purpose."""


class InvalidValueError(SnnrlError, ValueError):
    """A parameter has a value outside what is allowed.

    Parameters
    ----------
    name
        What was wrong: ``class.parameter`` or the command-line option.
    got
        The value that was given.
    allowed
        What is allowed, in words.
    """

    def __init__(self, name: str, got: object, allowed: str) -> None:
        super().__init__(f"{name}: got {got!r}, allowed: {allowed}")
        self.name, self.got, self.allowed = name, got, allowed

    def __reduce__(self) -> tuple[type[InvalidValueError], tuple[str, object, Any]]:
        return type(self), (self.name, self.got, self.allowed)


class UnknownNameError(InvalidValueError):
    """A name that is not in a registry; the message lists the registry and the closest match."""

    def __init__(self, name: str, got: object, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(str(got), names, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        super().__init__(name, got, ", ".join(names) + hint)
        self.known = names

    def __reduce__(self) -> tuple[type[InvalidValueError], tuple[str, object, Any]]:
        return type(self), (self.name, self.got, self.known)


class ModelError(SnnrlError):
    """A model that cannot be run: an unknown variable, an undeclared population, a bad statement."""


class UnitError(ModelError):
    """Equations or statements whose physical units do not agree."""


class DeviceRangeError(InvalidValueError):
    """A memristive device was asked for something outside its published or fitted range."""


class SimulationError(SnnrlError):
    """The simulation went wrong while running: NaN, or a population that stays silent."""


class RunFolderError(SnnrlError):
    """A run folder that is missing, half written, or from another version."""


class UnsupportedError(SnnrlError):
    """An engine was asked for something it cannot do.

    Parameters
    ----------
    engine
        Name of the engine.
    part
        What it was asked to run: ``Synapses(place_critic).on_pre`` or an option.
    reason
        Why it cannot.
    alternatives
        What can be done instead.
    """

    def __init__(self, engine: str, part: str, reason: str, alternatives: str) -> None:
        super().__init__(f"engine {engine!r}, {part}: {reason}; instead: {alternatives}")
        self.engine, self.part, self.reason, self.alternatives = engine, part, reason, alternatives

    def __reduce__(self) -> tuple[type[UnsupportedError], tuple[str, str, str, str]]:
        return type(self), (self.engine, self.part, self.reason, self.alternatives)
