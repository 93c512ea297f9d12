"""What goes into a compiled Brian2 program, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.brian2.functions import Streams
from snnrl.engines.brian2.standalone_places import GIVEN, WRITTEN
from snnrl.engines.brian2.standalone_program import Program
from snnrl.engines.initial import initial_arrays, shape_of
from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import evaluate
from snnrl.errors import InvalidValueError

Arrays = dict[str, NDArray[Any]]


class Compiled:
    """A compiled program of a network: what goes in, what comes out.

    Parameters
    ----------
    network
        The lowered network.
    program
        What was compiled.
    """

    def __init__(self, network: LoweredNetwork, program: Program) -> None:
        self.network, self.program = network, program
        self.parts: dict[str, LoweredNeurons | LoweredSynapses] = {n.name: n for n in network.neurons}
        self.parts |= {s.name: s for s in network.synapses}
        self.names = [f"{p.name}.{v}" for p in self.parts.values() for v in p.initial]
        self.updated = [f"{s.name}.lastupdate" for s in network.synapses
                        if f"{s.name}.lastupdate" in program.files]  # fmt: skip

    def start(self, seed: int) -> Arrays:
        """Return the start value of every variable by ``"part.variable"``, in its shape."""
        return {
            f"{p.name}.{v}": values
            for p in self.parts.values()
            for v, values in initial_arrays(p, seed).items()
        }

    def streams(self, seed: int, prefix: str) -> NDArray[np.int64]:
        """Return the bases of the random streams of all statements."""
        streams = Streams(self.network, seed)
        streams.select(prefix)
        return streams.bases

    def run(self, start: Arrays, given: Sequence[NDArray[Any]]) -> tuple[Arrays, bytes]:
        """Run the program from these values; return all variables and what its loop has written."""
        content = b"".join(np.ascontiguousarray(array).tobytes() for array in given)
        flat = {name: values.ravel() for name, values in start.items()}
        return self.program.run(flat, {GIVEN: content}, (*self.names, *self.updated), WRITTEN)

    def shaped(self, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return a variable in its shape."""
        part, variable = name.split(".", 1)
        return np.asarray(values, np.float64).reshape(shape_of(self.parts[part], variable))

    def present(self, found: Arrays, name: str, step: int, signals: dict[str, float]) -> NDArray[np.float64]:
        """Return a variable at the present time: Brian2 keeps event-driven ones as of their last event."""
        part, variable = name.split(".", 1)
        low = self.parts[part]
        if not isinstance(low, LoweredSynapses) or variable not in low.flow:
            return self.shaped(name, found[name])
        names: dict[str, Any] = {v: self.shaped(f"{part}.{v}", found[f"{part}.{v}"]) for v in low.variables}
        since = step * self.network.dt - found[f"{part}.lastupdate"].reshape(low.shape)
        value = evaluate(low.flow[variable], {**signals, **low.constants, **names, "dt": since})
        return np.broadcast_to(value, low.shape).copy()


class Reader:
    """Takes arrays out of what a program has written, one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, kind: Any, number: int | None = None) -> NDArray[Any]:
        """Return the next array; without a number its length stands before it."""
        if number is None:
            number = int(self.take(np.int64, 1)[0])
        size = np.dtype(kind).itemsize * number
        array = np.frombuffer(self.content, kind, number, self.place).copy()
        self.place += size
        return array


def rasters(network: LoweredNetwork, events: NDArray[np.int32], steps: int) -> dict[str, NDArray[np.bool_]]:
    """Return spikes by population, ``[dt steps, neurons]``, from events of (step, population, neuron)."""
    found = {}
    for place, neurons in enumerate(network.neurons):
        raster = np.zeros((steps, neurons.size), dtype=bool)
        mine = events[(events[:, 1] == place) & (events[:, 0] < steps)]
        raster[mine[:, 0], mine[:, 2]] = True
        found[neurons.name] = raster
    return found


def checked_dtype(dtype: str) -> str:
    """Return the type of the model's variables, if Brian2 has it."""
    if dtype not in ("float64", "float32"):
        raise InvalidValueError("engine.dtype", dtype, "float64 or float32")
    return dtype
