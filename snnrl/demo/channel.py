"""A ring of messages in memory that two processes share: the writer never waits, a slow reader misses the oldest."""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Iterator
from multiprocessing.context import SpawnContext
from typing import Any

_HEAD = struct.Struct("<QLL")  # number of the message, its size and its checksum
SLOTS, SLOT_SIZE = 32, 256 * 1024


class Ring:
    """Messages numbered from 1 on; the last `SLOTS` of them can be read.

    Each slot bears the number and the checksum of its message: a reader that finds another number or sum was overtaken by
    the writer in the middle and has missed the message. Can be sent to a spawned process.

    Parameters
    ----------
    context
        From which the memory is taken.
    slots, size
        Number of slots, and bytes of each.
    """

    def __init__(self, context: SpawnContext, slots: int = SLOTS, size: int = SLOT_SIZE) -> None:
        self.slots, self.size = slots, size
        self.memory = context.RawArray("B", slots * size)
        self.latest_number = context.RawValue("Q", 0)

    def put(self, message: Any) -> bool:
        """Write a message; return whether it fitted into a slot."""
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        if len(content) + _HEAD.size > self.size:
            return False
        number = self.latest_number.value + 1
        view, start = self._view(), (number % self.slots) * self.size
        view[start + _HEAD.size : start + _HEAD.size + len(content)] = content
        _HEAD.pack_into(view, start, number, len(content), zlib.crc32(content))
        self.latest_number.value = number
        return True

    def read(self, after: int) -> Iterator[tuple[int, Any]]:
        """Give the messages with a number above ``after`` that are still there, oldest first."""
        newest = int(self.latest_number.value)
        for number in range(max(after + 1, newest - self.slots + 2, 1), newest + 1):
            content = self._content(number)
            if content is not None:
                yield number, pickle.loads(content)

    def _content(self, number: int) -> bytes | None:
        view, start = self._view(), (number % self.slots) * self.size
        found, length, checksum = _HEAD.unpack_from(view, start)
        content = bytes(view[start + _HEAD.size : start + _HEAD.size + length])
        return content if found == number and zlib.crc32(content) == checksum else None

    def _view(self) -> memoryview:
        return memoryview(self.memory).cast("B")
