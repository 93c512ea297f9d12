"""Values of parameters: numbers, quantities as text, and arrays that compare and hash by content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Array:
    """A read-only numpy array that compares, hashes and pickles by content.

    Parameters
    ----------
    values
        Anything numpy turns into an array; the content is copied.
    """

    __slots__ = ("values",)
    values: NDArray[Any]

    def __init__(self, values: ArrayLike) -> None:
        copy = np.array(values)
        copy.flags.writeable = False
        object.__setattr__(self, "values", copy)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Array is read-only")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Array):
            return NotImplemented
        return self.values.dtype == other.values.dtype and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash((self.values.shape, self.values.tobytes()))

    def __repr__(self) -> str:
        if self.values.size <= 6:
            return f"Array({self.values.tolist()})"
        return f"Array(shape={self.values.shape}, dtype={self.values.dtype})"

    def __reduce__(self) -> tuple[type[Array], tuple[NDArray[Any]]]:
        return Array, (np.array(self.values),)


Value = float | int | str | Array


class FrozenDict(Mapping[str, Value]):
    """An ordered mapping that cannot be changed; equal and hashed by content."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self._items: dict[str, Value] = {k: freeze_value(v) for k, v in dict(items).items()}

    def __getitem__(self, key: str) -> Value:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self._items == dict(other)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def freeze_value(value: Any) -> Value:
    """Turn lists and numpy arrays into `Array`, numpy scalars into Python numbers; leave the rest."""
    if isinstance(value, np.ndarray | list | tuple):
        return Array(value)
    if isinstance(value, np.generic):
        item: Value = value.item()
        return item
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float | int | str | Array):
        return value
    raise TypeError(f"a value must be a number, text or an array, got {type(value).__name__}")
