"""Which arrays a kernel works on: state of the agents, tables shared by all agents, and scratch space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

#: What happens to an array: ``learned`` lasts for ever, ``episode`` restarts with each episode, ``control`` is
#: the agent loop's own state, ``common`` is read by all agents, ``scratch`` lives during one call.
Role = Literal["learned", "episode", "control", "common", "scratch"]


@dataclass(frozen=True)
class ArraySpec:
    """One array of the kernel; ``shape`` is that of one agent."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    role: Role


@dataclass
class Layout:
    """All arrays by name, in the order of the kernel's arguments.

    ``window`` is the role of what lives as long as an environment step: scratch where one call runs the whole step,
    state where the step and its third factor are two calls.
    """

    real: Any
    window: Role = "scratch"
    arrays: dict[str, ArraySpec] = field(default_factory=dict)

    def add(self, name: str, shape: tuple[int, ...] | int, role: Role, dtype: Any = None) -> str:
        """Declare an array and return its name, made unique if need be."""
        while name in self.arrays:
            name += "_"
        size = (shape,) if isinstance(shape, int) else shape
        self.arrays[name] = ArraySpec(name, size, np.dtype(dtype or self.real), role)
        return name

    def names(self, *roles: Role) -> list[str]:
        """Return the names of the arrays with one of these roles (all of them if none is given)."""
        return [a.name for a in self.arrays.values() if not roles or a.role in roles]

    def zeros(self, n_agents: int, *roles: Role) -> dict[str, np.ndarray[Any, Any]]:
        """Return zeroed arrays ``[n_agents, *shape]`` for the roles."""
        chosen = [self.arrays[n] for n in self.names(*roles)]
        return {a.name: np.zeros((n_agents, *a.shape), a.dtype) for a in chosen}
