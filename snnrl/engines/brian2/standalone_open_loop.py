"""A network on supplied spikes and signals as one compiled Brian2 program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.books import Counter
from snnrl.engines.brian2.objects import build
from snnrl.engines.brian2.standalone_compiled import Compiled, Reader, checked_dtype, rasters
from snnrl.engines.brian2.standalone_loop import open_loop
from snnrl.engines.brian2.standalone_places import Places
from snnrl.engines.brian2.standalone_program import build_program, standalone_device
from snnrl.engines.open_loop import Simulation, Stimulus
from snnrl.engines.simulator import clamp_populations
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork
from snnrl.errors import UnknownNameError
from snnrl.model import Network


def simulate_standalone(network: Network, lowered: LoweredNetwork, seed: int, stimulus: Stimulus,
                        variables: Sequence[str] = (), dtype: str = "float64") -> Simulation:  # fmt: skip
    """Run a network on a stimulus as one compiled program; as `snnrl.engines.open_loop.run_open_loop`.

    The program is the same for any seed, any spikes, any values of the same signals, and any length.

    Parameters
    ----------
    network, lowered
        The model and its lowered form.
    seed
        The agent.
    stimulus
        What comes from outside.
    variables
        ``"part.variable"`` names to return; all variables of ``weights`` are returned too.
    dtype
        ``"float64"`` or ``"float32"``.

    Raises
    ------
    UnsupportedError
        If Brian2 cannot run a part, or there is no C++ compiler.
    """
    stimulus.check(lowered)
    compiled = _compile(network, lowered, stimulus, checked_dtype(dtype))
    learned = [f"{s.name}.{w}" for s in lowered.synapses for w in s.weights]
    wanted = list(dict.fromkeys([*learned, *variables]))
    for name in wanted:
        if name not in compiled.names:
            raise UnknownNameError("variable", name, compiled.names)
    began = time.perf_counter()
    found, written = compiled.run(compiled.start(seed), _given(compiled, seed, stimulus))
    seconds = time.perf_counter() - began
    books = Reader(written)
    step = int(books.take(np.int64, len(Counter))[Counter.STEP])
    spikes = rasters(lowered, books.take(np.int32).reshape(-1, 3), stimulus.env_steps * lowered.env_steps)
    signals = {**dict.fromkeys(SHARED_SIGNALS, 0.0), "exploration": 1.0}
    if stimulus.env_steps:
        signals |= stimulus.signals_at(-1)
    values = {name: compiled.present(found, name, step, signals) for name in wanted}
    return Simulation(lowered.dt, spikes, values, seconds / max(step, 1))


def _compile(network: Network, lowered: LoweredNetwork, stimulus: Stimulus, dtype: str) -> Compiled:
    inputs, signals = sorted(stimulus.inputs), sorted(stimulus.signals)
    emptied = clamp_populations(lowered, inputs)
    with standalone_device() as folder:
        built = build(network, emptied, 0, dtype, inputs)
        places = Places(built, emptied)
        program = build_program(
            built.objects.network, folder, lambda: open_loop(places, inputs, signals), lowered.dt
        )
    return Compiled(emptied, program)


def _given(compiled: Compiled, seed: int, stimulus: Stimulus) -> list[NDArray[Any]]:
    """Return what the program is told, in the order in which it reads."""
    given: list[NDArray[Any]] = [
        np.array([stimulus.env_steps, stimulus.learning], np.int64),
        compiled.streams(seed, ""),
    ]
    given += [np.asarray(stimulus.inputs[name], np.uint8) for name in sorted(stimulus.inputs)]
    signals = [np.asarray(stimulus.signals[name], np.float64) for name in sorted(stimulus.signals)]
    return [*given, np.stack(signals, axis=1)] if signals else given
