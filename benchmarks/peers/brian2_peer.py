"""Brian2 C++ standalone: the network and the cart-pole itself written as Brian2 equations, one binary."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import brian2 as b2
import numpy as np

from benchmarks import workload as wl
from benchmarks.peers import brian2_equations as eq
from benchmarks.peers import brian2_network as nets
from benchmarks.peers.interface import Measured, Regime

BLOCKS = 6
"""Blocks in one call of the binary, unless the options say so (its length is compiled in)."""

STOPWATCH_START = "const auto stopwatch = std::chrono::steady_clock::now();"
STOPWATCH_STOP = """
{
    std::ofstream file("seconds.txt");
    file << std::chrono::duration<double>(std::chrono::steady_clock::now() - stopwatch).count();
}
"""


class Brian2Runner:
    """All agents in one binary, timed inside it: neither its start nor its files count."""

    def __init__(self, size: wl.Size, seed: int, style: str, blocks: int) -> None:
        self.description = f"Brian2 {version('brian2')} C++ standalone ({style}), float64"
        self._size, self._blocks = size, blocks
        folder = tempfile.mkdtemp(prefix="snnrl-brian2-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self._seconds_file = Path(folder) / "seconds.txt"
        b2.set_device("cpp_standalone", build_on_run=False, directory=folder)
        b2.prefs.codegen.cpp.headers += ["<chrono>"]
        b2.defaultclock.dt = wl.DT * b2.ms
        b2.seed(seed)
        # With one block there is nothing to put back, and the pass over the synapses would be timed.
        restore = nets.block_length(size) if blocks > 1 else None
        self._cart = nets.cart(size)
        self._inputs = nets.inputs(size, eq.STYLES[style], self._cart, restore)
        self._outputs = nets.outputs(size, eq.STYLES[style], self._cart, restore)
        self._plastic = nets.plastic(
            size, eq.STYLES[style], self._inputs, self._outputs, self._cart, seed, restore
        )
        counter = nets.counter(size, self._outputs, self._cart)
        network = b2.Network(self._cart, self._inputs, self._outputs, self._plastic, counter)
        b2.device.insert_code("before_network_run", STOPWATCH_START)
        b2.device.insert_code("after_network_run", STOPWATCH_STOP)
        network.run(blocks * nets.block_length(size), namespace=nets.namespace(size))
        b2.device.build(run=False, directory=folder)
        self._calls = 0

    def run(self, n_env_steps: int) -> Measured:
        """Run the binary often enough; every run does the same."""
        env_steps = self._blocks * self._size.block
        calls = -(-n_env_steps // env_steps)
        seconds = 0.0
        for _ in range(calls):
            b2.device.run(with_output=False)
            seconds += float(self._seconds_file.read_text())
        self._calls += calls
        return Measured(seconds, calls * env_steps)

    def regime(self) -> Regime:
        """Return what happened in the last run of the binary, times the number of runs."""
        env_steps = self._blocks * self._size.block
        seconds = env_steps * wl.STEPS * wl.DT * 1e-3
        change = np.abs(self._plastic.w[:] - self._plastic.w_start[:])
        return Regime(
            env_steps=self._calls * env_steps * self._size.agents,
            episodes=self._calls * int(self._cart.episodes[:].sum()),
            input_hz=float(np.mean(self._inputs.spike_count[:])) / seconds,
            output_hz=float(np.mean(self._outputs.spike_count[:])) / seconds,
            weight_change_mean=float(np.mean(self._plastic.moved[:] + change)) / self._blocks,
            weight_change_max=float(change.max()),
        )


def build(seed: int, **options: str) -> Brian2Runner:
    """Build and compile the workload in Brian2.

    Options: those of `workload.Size`; ``style`` is a key of `brian2_equations.STYLES`, ``blocks`` a number.
    """
    style = options.get("style", "equations")
    return Brian2Runner(wl.Size.of(options), seed, style, int(options.get("blocks", str(BLOCKS))))
