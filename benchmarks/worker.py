"""The process in which one peer lives: reads one JSON request per line, writes one JSON answer per line.

Requests: ``{"op": "build", "seed": 0, "options": {}}``, ``{"op": "run", "env_steps": 500}``,
``{"op": "regime"}``, ``{"op": "memory"}``. An answer holds the result or ``error``. The process ends with its standard input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any

from benchmarks.peers.interface import NAMES, Runner, load

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""Environment of a worker; pinning the process to one core makes the rule hold whatever a peer does."""


class Session:
    """Requests on one peer."""

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._runner: Runner | None = None

    @property
    def runner(self) -> Runner:
        """The built simulation."""
        if self._runner is None:
            raise RuntimeError("build the peer before running it")
        return self._runner

    def build(self, seed: int, options: dict[str, str]) -> dict[str, Any]:
        """Build the workload; the time includes imports and compilation."""
        start = time.perf_counter()
        self._runner = load(self._peer).build(seed, **options)
        return {"description": self._runner.description, "seconds": time.perf_counter() - start}

    def run(self, env_steps: int) -> dict[str, Any]:
        """Advance and time."""
        measured = self.runner.run(env_steps)
        return {"seconds": measured.seconds, "env_steps": measured.env_steps}

    def regime(self) -> dict[str, Any]:
        """Say what the network did so far."""
        return dict(self.runner.regime().as_dict())

    def memory(self) -> dict[str, Any]:
        """Return the most memory used so far, MiB."""
        import resource  # not on Windows

        kilobytes = {
            "process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            "children": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
        }
        device_bytes: Callable[[], int] = getattr(self.runner, "device_bytes", lambda: 0)
        return {name: round(value / 1024) for name, value in kilobytes.items()} | {
            "device": round(device_bytes() / 2**20)
        }


def _answer(session: Session, line: str) -> dict[str, Any]:
    request = json.loads(line)
    operation: Callable[..., dict[str, Any]] = getattr(session, request.pop("op"))
    try:
        return operation(**request)
    except Exception as error:  # noqa: BLE001 - the command that asked decides what a failure means
        return {"error": _root_cause(error)}


def _root_cause(error: BaseException) -> str:
    """Return the first error of the chain: Brian2 wraps what went wrong in a general one."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def _private_stdout() -> IO[str]:
    """Keep standard output for answers: whatever the peer or its compiler prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def main() -> None:
    """Answer requests until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=NAMES)
    parser.add_argument("--core", type=int, default=None, help="run on this core only")
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    answers = _private_stdout()
    session = Session(arguments.peer)
    for line in sys.stdin:
        print(json.dumps(_answer(session, line)), file=answers, flush=True)


if __name__ == "__main__":
    main()
