"""The books an agent keeps in a kernel: where each number stands in its ``counters`` and ``control`` arrays."""

from __future__ import annotations

from enum import IntEnum


class Counter(IntEnum):
    """Whole numbers (int64): time, episodes, and what ended what."""

    STEP = 0
    DECISION = 1
    EPISODE = 2
    EPISODE_STEP = 3
    SOLVED_AT = 4
    FINISHED = 5
    ERROR = 6
    RECORD_FROM = 7
    ENV_STEPS = 8
    MODE = 9


class Control(IntEnum):
    """Real numbers (float64): value, learning signals, and the present episode's reward."""

    VALUE = 0
    TD_ERROR = 1
    REWARD = 2
    REWARD_ERROR = 3
    MEAN_REWARD = 4
    LAST_REWARD = 5
    LAST_REWARD_ERROR = 6
    EPISODE_REWARD = 7
    RECENT = 8
    SUCCESS = 9


def definitions(books: type[IntEnum]) -> str:
    """Return the kernel's line that gives the places their names."""
    return f"{', '.join(books.__members__)} = range({len(books)})"
