"""The other end of `benchmarks.worker`: one live process per peer, asked over pipes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from benchmarks.peers.interface import Measured
from benchmarks.worker import ONE_THREAD

ROOT = Path(__file__).resolve().parent.parent


class PeerError(RuntimeError):
    """A peer could not be built or run; the message says why."""


class Worker:
    """One peer in its own process, limited to one thread and, where the system can, to one core.

    Parameters
    ----------
    python : Path
        Interpreter that has the peer installed.
    peer : str
        Name as in `peers.interface.NAMES`.
    core : int or None
        Core to pin the process to.
    log : file
        Where the peer's own output goes.
    limit : float or None
        Most seconds that one answer may take.
    """

    def __init__(
        self, python: Path, peer: str, core: int | None, log: IO[str], limit: float | None = None
    ) -> None:
        self._limit = limit
        command = [str(python), "-m", "benchmarks.worker", peer]
        if core is not None:
            command += ["--core", str(core)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process: it leaves with its standard input, and cleans up, unless it is stuck."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"op": operation, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(f"the worker ended with code {self._process.wait()}") from None
        if not select.select([self._process.stdout], [], [], self._limit)[0]:
            self._process.kill()
            raise PeerError(f"{operation} took more than {self._limit:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(f"the worker ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def build(self, seed: int, options: dict[str, str]) -> tuple[str, float]:
        """Build the workload; returns what was built and the seconds it took."""
        answer = self._ask("build", seed=seed, options=options)
        return answer["description"], answer["seconds"]

    def run(self, env_steps: int) -> Measured:
        """Advance and time."""
        answer = self._ask("run", env_steps=env_steps)
        return Measured(answer["seconds"], answer["env_steps"])

    def regime(self) -> dict[str, float]:
        """Return the fields of `peers.interface.Regime`."""
        return self._ask("regime")

    def memory(self) -> dict[str, float]:
        """Return the most memory used so far, MiB: of the process, of its children, and on a GPU."""
        return self._ask("memory")
