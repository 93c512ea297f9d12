"""Brian2's names, numbers and identifiers in the words of the model, and what the model has no words for."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import Quantity
from brian2.core.functions import Function
from brian2.core.namespace import DEFAULT_UNITS
from brian2.core.variables import Constant
from brian2.input.timedarray import TimedArray
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit
from brian2.utils.stringtools import get_identifiers, word_substitute

from snnrl.equations import brian
from snnrl.equations.lowered import SHARED_SIGNALS
from snnrl.equations.statements import FUNCTIONS, RANDOM
from snnrl.errors import ModelError, UnsupportedError

_BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candle")
_INDEX = {"i": "index_i", "j": "index_j"}


@dataclass
class Problems:
    """What a Brian2 network holds and the model cannot say: collected first, raised together."""

    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, part: str, reason: str, instead: str) -> None:
        """Note one problem."""
        if (part, reason, instead) not in self.found:
            self.found.append((part, reason, instead))

    def check(self) -> None:
        """Raise one `UnsupportedError` that names every problem, if there is any."""
        if not self.found:
            return
        parts = ", ".join(dict.fromkeys(part for part, _, _ in self.found))
        reasons = "; ".join(
            reason if len(self.found) == 1 else f"{part}: {reason}" for part, reason, _ in self.found
        )
        instead = "; ".join(dict.fromkeys(instead for _, _, instead in self.found))
        raise UnsupportedError("from_brian2", parts, reasons, instead)


def unit_text(dimensions: Any) -> str:
    """Return dimensions as text that Brian2's equations and our quantities both read."""
    if dimensions is DIMENSIONLESS:
        return "1"
    text = repr(get_unit(dimensions))
    if "(" not in text:
        return text
    powers = (
        (unit, float(power)) for unit, power in zip(_BASE_UNITS, dimensions._dims, strict=True) if power
    )
    return " * ".join(f"{unit} ** {power:g}" for unit, power in powers)


def quantity_of(value: Any, dimensions: Any) -> float | str:
    """Return a number in SI units as the model writes it: a number, or text such as ``"0.02 * second"``."""
    number = float(value)
    return number if dimensions is DIMENSIONLESS else f"{number!r} * {unit_text(dimensions)}"


def unique_name(name: str, taken: Iterable[str]) -> str:
    """Return ``name`` as the model allows it: no underscore at either end, no Python keyword, not taken."""
    base = name.strip("_") or "group"
    if keyword.iskeyword(base) or not base.isidentifier():
        base = f"group_{base}"
    used, result, number = set(taken), base, 1
    while result in used:
        result, number = f"{base}_{number}", number + 1
    return result


def renamed_variables(names: Iterable[str]) -> dict[str, str]:
    """Return new names for variables that the model calls a learning signal."""
    taken = {*names, *SHARED_SIGNALS}
    return {name: unique_name(name, taken) for name in names if name in SHARED_SIGNALS}


def substitute(text: str, names: Mapping[str, str]) -> str:
    """Replace whole words of a text."""
    return str(word_substitute(text, dict(names))) if names else text


def equation_text(equation: Any, names: Mapping[str, str], flags: Iterable[str]) -> str:
    """Return one of Brian2's equations as a line of text, with these names replaced and these flags."""
    name = names.get(equation.varname, equation.varname)
    left = f"d{name}/dt" if equation.type == "differential equation" else name
    right = ""
    if equation.expr is not None:
        right = f" = {substitute(' '.join(equation.expr.code.split()), names)}"
    unit = "integer" if equation.var_type == "integer" else unit_text(equation.dim)
    listed = ", ".join(flags)
    return f"{left}{right} : {unit}{f' ({listed})' if listed else ''}"


def uniform(values: Any) -> Any:
    """Return an array, or its number if all elements are the same."""
    array = np.asarray(values)
    return array.flat[0].item() if array.size and np.all(array == array.flat[0]) else array


@dataclass
class Reader:
    """Reads the identifiers of one Brian2 group and finds what each of them stands for.

    Attributes
    ----------
    group, where
        The Brian2 group, and what the model calls it in a message.
    namespace
        The run namespace.
    known
        Names that need no more: variables of the model.
    names
        Names to be replaced; ``i`` and ``j`` are added when the text reads them.
    constants
        External constants found so far, as the model writes them.
    random
        Whether the text draws random numbers.
    """

    group: Any
    where: str
    namespace: Mapping[str, Any]
    problems: Problems
    known: set[str]
    names: dict[str, str]
    constants: dict[str, float | str] = field(default_factory=dict)
    random: bool = False

    def read(self, text: str, field_name: str) -> str:
        """Return a text in the words of the model; what it reads from outside becomes a parameter."""
        code = re.sub(r"#[^\n]*", "", text)
        for name in sorted(get_identifiers(code)):
            self._find(name, field_name)
        return substitute(code, self.names)

    def _find(self, name: str, field_name: str) -> None:
        if name in self.known or name in self.names or name in ("t", "dt"):
            return
        if name == "xi" or name.startswith("xi_"):
            self.random = True
        elif name in getattr(self.group, "variables", {}):
            self._internal(name, field_name)
        else:
            self._external(name, field_name)

    def _internal(self, name: str, field_name: str) -> None:
        variable = self.group.variables[name]
        if name in _INDEX:
            self.names[name] = unique_name(_INDEX[name], self.known)
        elif name in ("N", "N_pre", "N_post"):
            self.constants[name] = float(np.ravel(variable.get_value())[0])
        else:
            reason = f"reads {name!r}, which Brian2 keeps for itself or computes anew at each use"
            self.problems.add(f"{self.where}.{field_name}", reason, "write the text without it")

    def _external(self, name: str, field_name: str) -> None:
        """Find a name as Brian2 does: units and functions, then the group's namespace, then the run's."""
        found = self.resolve(name, field_name)
        if isinstance(found, Function):
            self._function(name, found, field_name)
        elif name not in DEFAULT_UNITS:
            if name in SHARED_SIGNALS:
                self.names[name] = unique_name(name, {*self.known, *SHARED_SIGNALS})
            self.constants[self.names.get(name, name)] = quantity_of(found.get_value(), found.dim)

    def resolve(self, name: str, field_name: str) -> Any:
        """Return Brian2's constant or function of that name; `ModelError` if there is none."""
        try:
            found = self.group._resolve_external(name, run_namespace=self.namespace)
        except KeyError as error:
            raise ModelError(
                f"from_brian2, {self.where}.{field_name}: {error.args[0]} Give it with namespace={{{name!r}: ...}}"
            ) from error
        if not isinstance(found, Function | Constant):
            raise ModelError(
                f"from_brian2, {self.where}.{field_name}: {name!r} is {type(found).__name__}, no number"
            )
        return found

    def _function(self, name: str, function: Any, field_name: str) -> None:
        self.random |= name in RANDOM
        if isinstance(function, TimedArray):
            instead = "a variable that `on_step` or the encoder writes, or a population with supplied spikes"
            self.problems.add(f"{self.where}.{field_name}", f"reads the TimedArray {name!r}", instead)
        elif name not in FUNCTIONS:
            known = ", ".join(FUNCTIONS)
            self.problems.add(f"{self.where}.{field_name}", f"calls {name!r}", f"the functions {known}")

    def constant_quantity(self, text: str, field_name: str) -> Any:
        """Return the value of a text of constants as a Brian2 quantity; ``None`` if it is not constant."""
        values: dict[str, Any] = dict(brian._UNITS)
        for name in get_identifiers(text):
            if name in self.group.variables:
                return None
            found = self.resolve(name, field_name)
            if isinstance(found, Function):
                return None
            values[name] = Quantity(found.get_value(), dim=found.dim)
        return eval(text, {"__builtins__": {}}, values)
