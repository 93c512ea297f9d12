"""Values of parameters: numbers, quantities as text, and arrays that compare and hash by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError


class Array:
    """A read-only numpy array that compares, hashes and pickles by content.

    Parameters
    ----------
    values
        Anything numpy turns into an array of numbers; the content is copied.

    Raises
    ------
    InvalidValueError
        If ``values`` are not numbers, or not in rows of one length.
    """

    __slots__ = ("values",)
    values: NDArray[Any]

    def __init__(self, values: ArrayLike) -> None:
        try:
            copy = np.array(values)
        except ValueError as error:
            raise InvalidValueError("Array", values, "numbers in rows of one length") from error
        if copy.dtype.kind not in "biuf":
            raise InvalidValueError("Array", values, "numbers")
        if copy.dtype.kind == "f":
            copy += 0.0  # -0.0 becomes 0.0, so that arrays that are equal have the same bytes
        copy.flags.writeable = False
        object.__setattr__(self, "values", copy)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Array is read-only")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Array):
            return NotImplemented
        return self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[str, tuple[int, ...], bytes]:
        return self.values.dtype.str, self.values.shape, self.values.tobytes()

    def __repr__(self) -> str:
        if self.values.size <= 6:
            return f"Array({self.values.tolist()})"
        return f"Array(shape={self.values.shape}, dtype={self.values.dtype})"

    def __reduce__(self) -> tuple[type[Array], tuple[NDArray[Any]]]:
        return Array, (np.array(self.values),)


Value = float | int | str | Array


class FrozenDict(Mapping[str, Value]):
    """An ordered mapping that cannot be changed; equal and hashed by content, whatever the order.

    Parameters
    ----------
    items
        Names and values.
    owner
        Whose they are, for the message about a value that is none.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), owner: str = "") -> None:
        self._items: dict[str, Value] = {
            k: freeze_value(v, f"{owner}[{k!r}]") for k, v in dict(items).items()
        }

    def __getitem__(self, key: str) -> Value:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._items == dict(other)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def freeze_value(value: Any, name: str) -> Value:
    """Turn lists and numpy arrays into `Array`, numpy scalars into Python numbers; leave the rest.

    Raises
    ------
    InvalidValueError
        If ``value`` is anything else; ``name`` says what it was given for.
    """
    if isinstance(value, np.ndarray | list | tuple):
        try:
            return Array(value)
        except InvalidValueError as error:
            raise InvalidValueError(name, value, f"an array of {error.allowed}") from error
    if isinstance(value, np.generic):
        item: Value = value.item()
        return item
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float | int | str | Array):
        return value
    raise InvalidValueError(name, value, "a number, quantity text such as '20*ms', or an array")
