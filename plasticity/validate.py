"""Checks of dataclass fields: each raises an error that names class, field, value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

from snnrl.errors import InvalidValueError


def require(condition: bool, owner: object, field: str, allowed: str) -> None:
    """Raise :class:`InvalidValueError` for ``owner.field`` unless `condition` holds."""
    if not condition:
        raise InvalidValueError(f"{type(owner).__name__}.{field}", getattr(owner, field), allowed)


def _is_finite(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def finite(owner: object, *fields: str) -> None:
    """Refuse a field that is not a finite number."""
    for field in fields:
        require(_is_finite(getattr(owner, field)), owner, field, "a finite number")


def positive(owner: object, *fields: str) -> None:
    """Refuse a field that is not a finite number above zero."""
    for field in fields:
        value = getattr(owner, field)
        require(_is_finite(value) and value > 0, owner, field, "a finite number above 0")


def not_negative(owner: object, *fields: str) -> None:
    """Refuse a field that is not a finite number, zero or above."""
    for field in fields:
        value = getattr(owner, field)
        require(_is_finite(value) and value >= 0, owner, field, "a finite number, 0 or above")


def one_of(owner: object, field: str, allowed: Iterable[str]) -> None:
    """Refuse a field that is none of the listed names."""
    names = tuple(allowed)
    require(getattr(owner, field) in names, owner, field, " or ".join(names))


def between(owner: object, field: str, low: float, high: float) -> None:
    """Refuse a field outside [low, high]."""
    value = getattr(owner, field)
    require(_is_finite(value) and low <= value <= high, owner, field, f"{low:g} to {high:g}")
