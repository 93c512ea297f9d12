"""Initial values of a lowered part for one agent: numbers, arrays, or expressions that may draw random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.equations.lowered import LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import evaluate


def shape_of(part: LoweredNeurons | LoweredSynapses, variable: str) -> tuple[int, ...]:
    """Return the shape of one agent's variable: ``[size]``, ``[1]`` if shared, ``[source, target]`` or ``[synapse]``."""
    if isinstance(part, LoweredSynapses):
        return part.shape
    return (1,) if variable in part.shared else (part.size,)


def initial_values(part: LoweredNeurons | LoweredSynapses, seed: int) -> dict[str, Any]:
    """Evaluate a part's initial values for one agent, in the order of the model.

    An expression may use parameters and earlier entries. The streams are ``{part}/initial/{variable}/{call}``.

    Returns
    -------
    dict
        A number, or an array of the shape that `shape_of` gives, by variable.
    """
    known: dict[str, Any] = {**part.constants, **indices(part)}
    result: dict[str, Any] = {}
    for variable, value in part.initial.items():
        if isinstance(value, str):
            draws = _Draws(seed, f"{part.name}/initial/{variable}", shape_of(part, variable))
            value = evaluate(value, {**known, "rand": draws.rand, "randn": draws.randn})
        known[variable] = result[variable] = value
    return result


def initial_arrays(part: LoweredNeurons | LoweredSynapses, seed: int) -> dict[str, NDArray[np.float64]]:
    """Return the initial values of one agent as float64 arrays of their full shape."""
    return {
        variable: np.broadcast_to(np.asarray(value, np.float64), shape_of(part, variable)).copy()
        for variable, value in initial_values(part, seed).items()
    }


def indices(part: LoweredNeurons | LoweredSynapses) -> dict[str, NDArray[np.int64]]:
    """Return ``i`` (and ``j``), as in Brian2: a neuron's index, or a synapse's source and target."""
    if isinstance(part, LoweredNeurons):
        return {"i": np.arange(part.size)}
    if part.sources is not None and part.targets is not None:
        return {"i": part.sources, "j": part.targets}
    i, j = np.indices(part.shape)
    return {"i": i, "j": j}


class _Draws:
    """``rand()`` and ``randn()`` of an initial value: every call has its own stream."""

    def __init__(self, seed: int, name: str, shape: tuple[int, ...]) -> None:
        self.seed, self.name, self.shape, self.calls = seed, name, shape, 0

    def _next(self) -> tuple[int, int, int, int]:
        stream = random.stream_id(f"{self.name}/{self.calls}")
        self.calls += 1
        return self.seed, stream, 0, int(np.prod(self.shape))

    def rand(self) -> NDArray[np.float64]:
        return random.uniform(*self._next()).reshape(self.shape)

    def randn(self) -> NDArray[np.float64]:
        return random.normal(*self._next()).reshape(self.shape)
