"""Frames on disk with the teacher's answers: single screens, of which stacks are put together when they are read.

::

    buffer.json    side of a screen, number of actions, and what the owner tells about the frames
    screens.u8     uint8[frames, side, side]
    outputs.f32    float32[frames, actions], the teacher's
    back.u32       uint32[frames], how many rows before it the screen stands that came before it in its stack;
                   0 where a stack begins

Files are written by appending and read through a memory map. A stack follows the links of ``back`` and so
never holds a screen of another episode, however many games were played side by side. What was appended whole
is kept, whatever happens; the rest is cut off when the buffer is opened again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.training.files import read_json, unwritable, write_json

Screens = NDArray[np.uint8]
Rows = NDArray[np.int64]
CHUNK = 512
"""Frames written at a time."""
HEAD = "buffer.json"
MAX_FRAMES = 2**32


class FrameBuffer:
    """Frames in a folder.

    Parameters
    ----------
    folder
        Where they are, or will be.
    side, n_actions
        Rows and columns of a screen, and the teacher's outputs.
    about
        JSON values that say where the frames come from; an existing buffer must have been made with the same.

    Raises
    ------
    RunFolderError
        The folder cannot be read or written, is damaged, or holds other frames.
    """

    def __init__(self, folder: Path, side: int, n_actions: int, about: Mapping[str, Any]) -> None:
        self.folder, self.side, self.n_actions = folder, side, n_actions
        head = {"side": side, "actions": n_actions, "about": dict(about)}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / HEAD).exists():
                write_json(folder / HEAD, head)
            elif (found := read_json(folder / HEAD)) != head:
                raise RunFolderError(f"{folder}: frames of {found}, allowed: frames of {head}")
            self._columns = {
                "screens.u8": _Column(folder / "screens.u8", np.dtype(np.uint8), (side, side)),
                "outputs.f32": _Column(folder / "outputs.f32", np.dtype("<f4"), (n_actions,)),
                "back.u32": _Column(folder / "back.u32", np.dtype("<u4"), ()),
            }
        except OSError as error:
            raise unwritable(folder, error) from error
        self._waiting: list[tuple[Screens, NDArray[np.float32], NDArray[np.uint32]]] = []
        self._n_waiting = 0
        self.truncate(min(len(column) for column in self._columns.values()))

    def __len__(self) -> int:
        """Frames that can be read: those appended and flushed."""
        return len(self._columns["back.u32"])

    @property
    def appended(self) -> int:
        """Frames appended, flushed or not: the row of the next one."""
        return len(self) + self._n_waiting

    def append(self, screens: Screens, outputs: NDArray[np.float32], back: ArrayLike) -> None:
        """Add frames.

        Parameters
        ----------
        screens
            ``uint8[k, side, side]``, as the student sees them.
        outputs
            The teacher's, ``float32[k, actions]``.
        back
            Rows from each screen back to the one before it in its stack, 0 for none, ``[k]``.

        Raises
        ------
        InvalidValueError
            Shapes do not fit, or a link points before the first row.
        RunFolderError
            There is no room left; all frames written before can still be used.
        """
        links, k = np.asarray(back, np.int64), len(screens)
        shapes = (screens.shape, outputs.shape, links.shape)
        wanted = ((k, self.side, self.side), (k, self.n_actions), (k,))
        if shapes != wanted:
            raise InvalidValueError("shapes of appended frames", shapes, str(wanted))
        if np.any((links < 0) | (links > self.appended + np.arange(k))):
            raise InvalidValueError("links of appended frames", links.tolist(), "rows of this buffer")
        self._waiting.append((screens.copy(), outputs.astype("<f4"), links.astype("<u4")))
        self._n_waiting += k
        if self._n_waiting >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what waits; see `append`."""
        if not self._waiting:
            return
        parts = [np.concatenate(part) for part in zip(*self._waiting, strict=True)]
        self._waiting, self._n_waiting = [], 0
        before = len(self)
        try:
            for column, part in zip(self._columns.values(), parts, strict=True):
                column.append(part)
        except OSError as error:
            self.truncate(before)
            raise RunFolderError(
                f"{self.folder}: no room for more frames ({error.strerror}), the {before:,} before them are kept; "
                "allowed: a disk with room, or fewer frames"
            ) from error

    def truncate(self, n: int) -> None:
        """Forget all frames but the first ``n``."""
        self._waiting, self._n_waiting = [], 0
        for column in self._columns.values():
            column.truncate(n)

    def sync(self) -> None:
        """Write what waits and have the disk keep it."""
        self.flush()
        for column in self._columns.values():
            column.sync()

    def stacks(self, rows: Rows, depth: int = 4) -> Screens:
        """Return the stacks that end at these rows, oldest screen first, ``uint8[batch, depth, side, side]``.

        Screens from before a stack began are black.
        """
        screens, back = self._columns["screens.u8"].read(), self._columns["back.u32"].read()
        found = np.empty((len(rows), depth, self.side, self.side), np.uint8)
        at, there = np.asarray(rows), np.ones(len(rows), bool)
        for place in reversed(range(depth)):
            np.take(screens, at, axis=0, out=found[:, place])
            found[~there, place] = 0
            step = back[at].astype(np.int64)
            there &= step > 0
            at = at - step
        return found

    def outputs(self, rows: Rows) -> NDArray[np.float32]:
        """Return the teacher's outputs ``float32[batch, actions]``."""
        return np.asarray(self._columns["outputs.f32"].read()[rows], np.float32)

    def screens(self, rows: Rows) -> Screens:
        """Return single screens ``uint8[batch, side, side]``."""
        return np.asarray(self._columns["screens.u8"].read()[rows])


class _Column:
    """A file of rows that grows: appended to without a buffer of Python's, read through a memory map."""

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape
        self.row_size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        path.touch()
        self._n = path.stat().st_size // self.row_size
        self._map: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self._n

    def append(self, rows: NDArray[Any]) -> None:
        content = memoryview(np.ascontiguousarray(rows, self.dtype).tobytes())
        with self.path.open("ab", buffering=0) as file:
            while content:  # a disk that fills up may take a part
                content = content[file.write(content) :]
        self._n += len(rows)

    def truncate(self, n: int) -> None:
        self._map = None  # before the file shrinks under it
        os.truncate(self.path, n * self.row_size)
        self._n = n

    def read(self) -> NDArray[Any]:
        if self._map is None or len(self._map) != self._n:
            self._map = (
                np.memmap(self.path, self.dtype, "r", shape=(self._n, *self.shape))
                if self._n
                else np.empty((0, *self.shape), self.dtype)
            )
        return self._map

    def sync(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
