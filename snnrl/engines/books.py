"""The books an agent keeps in a kernel: where each number stands in its ``counters`` and ``control`` arrays."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[Any]]
"""Arrays by name, agents first."""


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


class Books:
    """The books of several agents, read, saved and put back: what sessions of every kind share.

    Attributes
    ----------
    state
        Arrays by name, agents first; ``counters`` holds the numbers of `Counter`.
    seeds
        Seed of every agent.
    evaluating
        Whether learning is over.
    """

    state: State
    seeds: NDArray[np.int64]
    evaluating: bool

    def save(self) -> State:
        """Return everything a run needs to go on, agents first."""
        return {**self.state, "evaluating": np.full(len(self.seeds), self.evaluating)}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        self.evaluating = bool(state["evaluating"].any())
        self.state = {name: array for name, array in state.items() if name != "evaluating"}

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Which agents have finished, ``[agents]``."""
        return np.asarray(self.state["counters"][:, Counter.FINISHED] != 0)

    @property
    def episodes(self) -> NDArray[np.int64]:
        """Finished episodes, ``[agents]``."""
        return np.asarray(self.state["counters"][:, Counter.EPISODE])

    @property
    def env_steps(self) -> NDArray[np.int64]:
        """Environment steps taken, ``[agents]``."""
        return np.asarray(self.state["counters"][:, Counter.ENV_STEPS])

    @property
    def solved_at(self) -> NDArray[np.int64]:
        """Episodes until solved, -1 where not solved, ``[agents]``."""
        return np.asarray(self.state["counters"][:, Counter.SOLVED_AT])
