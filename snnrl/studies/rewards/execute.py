"""Where the work is done: in this process, in processes of this machine, or on a Dask cluster; the same numbers either way.

All three are an executor of `concurrent.futures`, and so may be one's own.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from snnrl.errors import InvalidValueError, SnnrlError

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds to wait for a cluster that does not answer."""
RETRIES = 3
"""Times that Dask does a unit of work again when its worker has died."""
POLL = 1.0
"""Seconds between two looks at whether the workers are still there."""


class WorkersLostError(SnnrlError):
    """The processes or machines that did the work are gone."""


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Parameters
    ----------
    executor
        Any executor of `concurrent.futures`.
    answering
        Whether it still can finish anything.
    """

    executor: Executor
    answering: Callable[[], bool] = lambda: True


def run_all(workers: Workers, calls: Mapping[str, Callable[[], T]], done: Callable[[str, T], None]) -> None:
    """Have calls done, and hand over each result as soon as it is there.

    Parameters
    ----------
    workers
        Who does them.
    calls
        By name.
    done
        Is given name and result.

    Raises
    ------
    WorkersLostError
        If the workers are gone. What was handed over before is done.
    """
    pending: dict[Future[T], str] = {}
    try:
        for name, call in calls.items():
            pending[workers.executor.submit(call)] = name
            _hand_over(pending, done, 0.0)
        while pending:
            if not _hand_over(pending, done, POLL) and not workers.answering():
                raise WorkersLostError("the workers do not answer any more")
    except BrokenProcessPool as error:
        raise WorkersLostError("a worker was killed, perhaps for want of memory") from error
    except CancelledError as error:
        raise WorkersLostError("the cluster is gone") from error
    finally:
        for future in pending:
            future.cancel()


def _hand_over(pending: dict[Future[T], str], done: Callable[[str, T], None], seconds: float) -> bool:
    """Wait for results, at most so long; return whether there was one."""
    finished, _ = wait(pending, seconds, FIRST_COMPLETED)
    for future in finished:
        done(pending.pop(future), future.result())
    return bool(finished)


class InProcess(Executor):
    """Does everything at once, in this process."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Call the function and return its result as a future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  handed on by the future
            future.set_exception(error)
        return future


@contextmanager
def processes(count: int) -> Iterator[Workers]:
    """Give processes on this machine; they end with the block, and with this process, whatever ends it."""
    context = multiprocessing.get_context("spawn")
    held, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with, initargs=(held,))
    try:
        yield Workers(pool)
    except BaseException:
        ours.close()  # the workers end at once instead of after their present unit of work
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ours.close()
        held.close()


def _end_with(held: Connection) -> None:
    """Leave Ctrl-C to the main process, and end this one as soon as the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        held.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """Give the workers of a Dask cluster; work that a dead worker had is done again by another.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    InvalidValueError
        If Dask is not installed, or no scheduler with a worker answers there.
    """
    try:
        from distributed import KilledWorker
    except ImportError as error:
        raise InvalidValueError(
            "--cluster", address, "nothing without Dask: pip install distributed"
        ) from error
    with _quiet("distributed"):
        client = _connected(address)
        try:
            yield Workers(client.get_executor(pure=False, retries=RETRIES), _Pulse(client).beats)
        except KilledWorker as error:
            raise WorkersLostError("one unit of work killed every worker that took it") from error
        finally:
            client.close(timeout=PATIENCE)


@contextmanager
def _quiet(package: str) -> Iterator[None]:
    """Let a package log nothing below critical: Dask reports a lost connection with tracebacks."""
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == package]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError) as error:
        allowed = "the address of a running Dask scheduler, such as tcp://127.0.0.1:8786"
        raise InvalidValueError("--cluster", address, allowed) from error
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        client.close(timeout=PATIENCE)  # type: ignore[no-untyped-call]
        raise InvalidValueError("--cluster", address, "a cluster with at least one worker") from error
    return client


class _Pulse:
    """Whether a client is connected to its scheduler, or was a moment ago."""

    def __init__(self, client: Any) -> None:
        self.client, self.last = client, time.monotonic()

    def beats(self) -> bool:
        """Return False once the connection has been lost for `PATIENCE` seconds."""
        if self.client.status == "running":
            self.last = time.monotonic()
        return time.monotonic() - self.last < PATIENCE
