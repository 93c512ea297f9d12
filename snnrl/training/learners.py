"""`Learners`: what training asks of agents, whether they spike or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from snnrl.engines.books import State
    from snnrl.engines.session import Stop


class Learners(Protocol):
    """Agents and their books, see `snnrl.engines.session.Session` and `CrossbarSession`."""

    state: State
    seeds: NDArray[np.int64]
    evaluating: bool

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for about ``budget`` environment steps, or until it has finished."""

    def begin_evaluation(self, episodes: int) -> None:
        """Forget episodes and counts, keep what was learned."""

    def check_silence(self, after: int) -> None:
        """Raise `SimulationError` for a population without a spike in this many environment steps."""

    def save(self) -> State:
        """Return everything a run needs to go on, agents first."""

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Which agents have finished, ``[agents]``."""

    @property
    def episodes(self) -> NDArray[np.int64]:
        """Finished episodes, ``[agents]``."""

    @property
    def env_steps(self) -> NDArray[np.int64]:
        """Environment steps taken, ``[agents]``."""

    @property
    def solved_at(self) -> NDArray[np.int64]:
        """Episodes until solved, -1 where not solved, ``[agents]``."""

    @property
    def spikes_per_step(self) -> NDArray[np.float64]:
        """Spikes of the whole network per environment step, ``[agents]``; NaN where nothing spikes."""

    def writes_per_device(self) -> NDArray[np.float64] | None:
        """Return the mean number of writes of an agent's devices, ``[agents]``; None without any."""
