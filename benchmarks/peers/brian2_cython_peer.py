"""Brian2 at run time with its cython target: the closed loop is a `network_operation`, called from `net.run`.

A `net.run()` per environment step would cost 0.2 to 0.9 s each, so one call runs them all, and the clock is read
inside: neither the start of the run nor the restoring counts.
"""

from __future__ import annotations

import time
from importlib.metadata import version

import brian2 as b2
import numpy as np

from benchmarks import workload as wl
from benchmarks.peers import brian2_equations as eq
from benchmarks.peers import brian2_network as nets
from benchmarks.peers.closed_loop import Books, ClosedLoop, IntArray
from benchmarks.peers.interface import Measured, Regime


class Brian2CythonRunner:
    """All agents in one Brian2 network; cart-pole and TD error in Python."""

    def __init__(self, size: wl.Size, seed: int, style: str) -> None:
        self.description = f"Brian2 {version('brian2')} cython ({style}), float64"
        self._size = size
        self._loop = ClosedLoop(size, seed)
        self._books = Books(size)
        b2.prefs.codegen.target = "cython"
        b2.defaultclock.dt = wl.DT * b2.ms
        b2.seed(seed)
        text = eq.STYLES[style]
        self._inputs = nets.inputs(size, text, None, None)
        self._outputs = nets.outputs(size, text, None, None)
        self._plastic = nets.plastic(size, text, self._inputs, self._outputs, None, seed, None)
        operation = b2.NetworkOperation(self._boundary, dt=nets.ENV_STEP, when="start")
        self._network = b2.Network(self._inputs, self._outputs, self._plastic, operation)
        self._view()
        self._wanted = self._done = 0
        self._seconds = 0.0
        self._started: float | None = None
        self._episodes, self._spikes_out = 0, 0.0
        self.run(size.block)  # compiles
        self._books = Books(size)

    def _view(self) -> None:
        """Look at Brian2's own arrays: attribute access checks units and costs more than a dt."""
        self._probability = self._inputs.variables["probability"].get_value()
        self._in_counts = self._inputs.variables["spike_count"].get_value()
        self._out_counts = self._outputs.variables["spike_count"].get_value()
        if self._size.agents == 1:
            self._signal = self._plastic.variables["td_error"].get_value()
        else:
            self._signal = self._outputs.variables["signal"].get_value()

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by ``n_env_steps``; one environment step more ends the last, not timed."""
        self._wanted, self._done, self._seconds, self._started = n_env_steps, 0, 0.0, None
        self._network.run((n_env_steps + 1) * nets.ENV_STEP, namespace=nets.namespace(self._size))
        return Measured(self._seconds, n_env_steps)

    def _boundary(self) -> None:
        """Between two environment steps: learn from the last one, encode for the next."""
        if self._started is not None:
            self._loop.judge(self._votes())
            self._done += 1
        if self._done % self._size.block == 0:
            self._change_block()
        self._out_counts[:] = 0.0
        if self._done < self._wanted:
            self._probability[:] = self._loop.probabilities().ravel()
            self._signal[:] = np.repeat(self._loop.td_error, len(self._signal) // self._size.agents)

    def _votes(self) -> IntArray:
        quarters = self._out_counts.reshape(self._size.agents, 4, -1).sum(2)
        self._spikes_out += float(quarters.sum())
        return np.stack([quarters[:, 0], quarters[:, 1], quarters[:, 2] + quarters[:, 3]], 1).astype(np.int64)

    def _change_block(self) -> None:
        """Stop the clock, enter the block in the books, and put everything back to its start."""
        now = time.perf_counter()
        if self._started is not None:
            self._seconds += now - self._started
            change = np.abs(self._plastic.w[:] - self._plastic.w_start[:])
            moved = float(change.mean()), float(change.max())
            spikes_in = float(self._in_counts.sum())
            self._books.block(spikes_in, self._spikes_out, self._loop.episodes - self._episodes, moved)
        self._restore()
        self._episodes, self._spikes_out = self._loop.episodes, 0.0
        self._started = time.perf_counter()

    def _restore(self) -> None:
        self._loop.restart()
        self._in_counts[:] = 0.0
        self._outputs.v = 0.0
        self._plastic.w = self._plastic.w_start[:]
        for group in (self._inputs, self._outputs, self._plastic):
            for name in ("recent", "eligibility", "apre", "apost"):
                if name in group.variables and group.variables[name].owner is group:
                    setattr(group, name, 0.0)

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        return self._books.regime()


def build(seed: int, **options: str) -> Brian2CythonRunner:
    """Build and compile the workload in Brian2.

    Options: those of `workload.Size`; ``style`` is a key of `brian2_equations.STYLES`.
    """
    return Brian2CythonRunner(wl.Size.of(options), seed, options.get("style", "equations"))
