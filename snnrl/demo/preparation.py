"""`Preparation`: work that would take the simulation too long, done beforehand in another process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from snnrl.training.config import TrainingConfig


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it: a pool's process would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


def lower_spread(config: TrainingConfig, percent: float) -> None:
    """Lower the agent with another spread of its devices; the simulation then finds it in the cache."""
    from snnrl.demo.live import spread_model
    from snnrl.engines.fast.prepare import lowered_agent

    lowered_agent(spread_model(config, percent))


class Preparation:
    """Lowers agents with other spreads, one after the other; of several waiting only the last is done.

    A process and not a thread: brian2 can only be loaded by the main thread of a process, and loading it takes a second.

    Parameters
    ----------
    config
        The agent.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.lock = threading.Lock()
        self.pool: ProcessPoolExecutor | None = None
        self.busy = False
        self.waiting: tuple[float, Callable[[str], None]] | None = None

    def ask(self, percent: float, then: Callable[[str], None]) -> None:
        """Prepare a spread in per cent; ``then`` is called with what went wrong, or an empty text, in a thread."""
        with self.lock:
            if self.busy:
                self.waiting = percent, then
                return
            self.busy = True
            if self.pool is None:
                context = multiprocessing.get_context("spawn")
                self.pool = ProcessPoolExecutor(1, context, _begin)
            future = self.pool.submit(lower_spread, self.config, percent)
        future.add_done_callback(lambda done: self._done(done, then))

    def _done(self, future: Future[Any], then: Callable[[str], None]) -> None:
        with self.lock:
            self.busy, waiting, self.waiting = False, self.waiting, None
        if not future.cancelled():
            error = future.exception()
            then("" if error is None else str(error))
        if waiting is not None:
            self.ask(*waiting)

    def close(self) -> None:
        """End the process."""
        with self.lock:
            self.busy, self.waiting = True, None  # nothing is begun any more
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)
