"""The network of `benchmarks.cuba` and the simulators that run it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

N, N_EXCITATORY, PROBABILITY, DT = 4000, 3200, 0.02, 1e-4
EQUATIONS = """
dv/dt  = (ge+gi-(v-El))/taum : volt (unless refractory)
dge/dt = -ge/taue : volt
dgi/dt = -gi/taui : volt
"""

Spikes = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Neurons and steps of all spikes, in order of time."""


class CubaError(RuntimeError):
    """A simulator failed; the message is its last line."""


@dataclass(frozen=True)
class Wiring:
    """What is drawn at random: voltages in volt, and pairs ``[2, synapses]`` by kind."""

    voltages: NDArray[np.float64]
    excitatory: NDArray[np.int64]
    inhibitory: NDArray[np.int64]


def draw(seed: int) -> Wiring:
    """Draw initial voltages and connections."""
    random = np.random.default_rng(seed)
    voltages = (-60 + 10 * random.random(N)) * 1e-3
    pairs = np.array(np.nonzero(random.random((N, N)) < PROBABILITY))
    excitatory = pairs[0] < N_EXCITATORY
    return Wiring(voltages, pairs[:, excitatory], pairs[:, ~excitatory])


def build(wiring: Wiring) -> tuple[Any, Any, dict[str, Any]]:
    """Return the Brian2 network, its spike monitor and its constants."""
    import brian2 as b2

    constants = {
        "taum": 20 * b2.ms, "taue": 5 * b2.ms, "taui": 10 * b2.ms, "Vt": -50 * b2.mV, "Vr": -60 * b2.mV,
        "El": -49 * b2.mV, "we": (60 * 0.27 / 10) * b2.mV, "wi": (-20 * 4.5 / 10) * b2.mV,
    }  # fmt: skip
    cells = b2.NeuronGroup(
        N, EQUATIONS, threshold="v>Vt", reset="v = Vr", refractory=5 * b2.ms, method="exact", name="cells"
    )
    cells.v = wiring.voltages * b2.volt
    excite = b2.Synapses(cells, cells, on_pre="ge += we", name="excite")
    excite.connect(i=wiring.excitatory[0], j=wiring.excitatory[1])
    inhibit = b2.Synapses(cells, cells, on_pre="gi += wi", name="inhibit")
    inhibit.connect(i=wiring.inhibitory[0], j=wiring.inhibitory[1])
    monitor = b2.SpikeMonitor(cells, name="monitor")
    return b2.Network(cells, excite, inhibit, monitor), monitor, constants


class Fast:
    """The network taken over, on `fast` in float64."""

    name = "snnrl fast"

    def __init__(self, wiring: Wiring, duration: float) -> None:
        from snnrl.engines.brian2.takeover import from_brian2

        network, _, constants = build(wiring)
        start = time.perf_counter()
        self.model = from_brian2(network, constants)
        self.take_over_seconds = time.perf_counter() - start
        self.duration = f"{duration!r}*second"

    def run(self) -> tuple[float, Spikes]:
        """Return the seconds of the simulation alone, and the spikes."""
        from snnrl import simulate
        from snnrl.engines.fast.simulator import FastSimulator

        inside = _Stopwatch(FastSimulator, "advance")
        with inside:
            neurons, times = simulate(self.model, self.duration).spike_times("cells")
        return inside.seconds, (neurons, _steps(times))


class _Stopwatch:
    """Adds up the processor time spent in one method."""

    def __init__(self, owner: type, method: str) -> None:
        self.owner, self.method, self.seconds = owner, method, 0.0

    def __enter__(self) -> Self:
        self.original: Callable[..., Any] = getattr(self.owner, self.method)

        def timed(*arguments: Any) -> Any:
            start = time.process_time()
            result = self.original(*arguments)
            self.seconds += time.process_time() - start
            return result

        setattr(self.owner, self.method, timed)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.method, self.original)


class Runtime:
    """Brian2's runtime mode with one code generation target."""

    def __init__(self, wiring: Wiring, duration: float, target: str) -> None:
        import brian2 as b2

        self.name, self.target, self.duration = f"Brian2 {target}", target, duration
        b2.prefs.codegen.target = target
        self.network, self.monitor, self.constants = build(wiring)
        self.network.store()

    def run(self) -> tuple[float, Spikes]:
        """Return the seconds of the simulation alone, and the spikes."""
        import brian2 as b2

        b2.prefs.codegen.target = self.target
        self.network.restore()
        ticks: list[float] = []  # when the loop begins and ends
        self.network.run(
            self.duration * b2.second, namespace=self.constants, report_period=1e9 * b2.second,
            report=lambda *_: ticks.append(time.process_time()),
        )  # fmt: skip
        return ticks[-1] - ticks[0], (
            np.array(self.monitor.i, np.int64),
            _steps(np.array(self.monitor.t)),
        )


class Standalone:
    """Brian2's C++ standalone mode: one program, with these compiler flags or Brian2's own."""

    def __init__(self, wiring: Wiring, duration: float, folder: Path, flags: str = "") -> None:
        import brian2 as b2

        self.folder = folder
        start = time.perf_counter()
        before = b2.prefs["codegen.cpp.extra_compile_args_gcc"]
        try:
            if flags:
                b2.prefs["codegen.cpp.extra_compile_args_gcc"] = flags.split()
            self.flags = " ".join(b2.prefs["codegen.cpp.extra_compile_args_gcc"])
            b2.set_device("cpp_standalone", build_on_run=False)
            network, _, constants = build(wiring)
            network.run(duration * b2.second, namespace=constants)
            b2.device.build(directory=str(folder), run=False, with_output=False)
        finally:
            b2.prefs["codegen.cpp.extra_compile_args_gcc"] = before
            b2.device.reinit()
            b2.set_device("runtime")
        self.build_seconds = time.perf_counter() - start
        self.name = f"Brian2 standalone, {'given' if flags else 'its own'} flags"

    def run(self) -> tuple[float, Spikes]:
        """Return the seconds of the simulation alone, and the spikes."""
        done = subprocess.run(["./main"], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CubaError(f"{self.name}: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
        neurons, times = self._result("i", np.int32), self._result("t", np.float64)
        inside = float((self.folder / "results" / "last_run_info.txt").read_text().split()[0])
        return inside, (neurons.astype(np.int64), _steps(times))

    def _result(self, variable: str, dtype: Any) -> NDArray[Any]:
        (file,) = (self.folder / "results").glob(f"_dynamic_array_monitor_{variable}*")
        return np.fromfile(file, dtype)


def _steps(times: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(times / DT).astype(np.int64)
