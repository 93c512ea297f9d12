"""`ReferenceSimulator`: the reference as a `Simulator`, so that every engine can be held against it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.initial import shape_of
from snnrl.engines.reference.parts import Parts
from snnrl.engines.simulator import Mask, Simulator, State, check_clamp
from snnrl.equations.lowered import LoweredNetwork
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.model import Network


class ReferenceSimulator(Simulator):
    """One agent in plain, dense NumPy: the meaning of a model, slow."""

    engine = "reference"

    def __init__(self, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
                 clamped: Iterable[str] = ()) -> None:  # fmt: skip
        super().__init__(lowered, seeds, dtype, clamped)
        if self.n_agents != 1 or dtype != "float64":
            raise InvalidValueError("reference", (self.n_agents, dtype), "one agent in float64")
        self.parts = Parts(self.network, int(self.seeds[0]))
        self.clock, self.populations, self.groups = (
            self.parts.clock,
            self.parts.populations,
            self.parts.groups,
        )
        self.given: dict[str, Mask] = {}

    def begin_phase(self, prefix: str) -> None:
        """Count from zero and draw from other streams."""
        super().begin_phase(prefix)
        self.clock.prefix, self.clock.step = prefix, 0

    def _begin_episode(self, agents: Mask) -> None:
        self.parts.begin_episode()

    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population."""
        self.populations[population].values[variable] = np.array(values[0], dtype=np.float64)

    def clamp(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population in the next environment step."""
        check_clamp(spikes, self.network.env_steps, self.part(population).size, population)
        self.given[population] = np.array(spikes, dtype=bool)

    def advance(self, learning: Mask) -> None:
        """Run one environment step."""
        self.decision += 1
        self._read_signals()
        self.parts.on_step()
        for k in range(self.network.env_steps):
            supplied = {name: np.flatnonzero(spikes[k]) for name, spikes in self.given.items()}
            self.parts.advance(bool(learning[0]), supplied)
        self.step, self.given = self.clock.step, {}

    def _read_signals(self) -> None:
        self.clock.signals = {name: float(values[0]) for name, values in self.signals.items()}

    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run the third factor."""
        self._read_signals()
        if agents[0]:
            self.parts.on_reward(reward_step)

    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step."""
        n, found = self.network.env_steps, self.populations[population].spikes
        raster = np.zeros((1, n, self.part(population).size), dtype=bool)
        for k in range(n):
            raster[0, k, found.get(self.step - n + k, np.zeros(0, np.int64))] = True
        return raster

    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time."""
        values = self._values(part)
        if name not in values:
            raise UnknownNameError(f"variable of {part!r}", name, values)
        return np.asarray(values[name], np.float64).reshape(1, *shape_of(self.part(part), name)).copy()

    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable."""
        held = self._values(part)
        held[name] = np.array(values[0], dtype=np.float64).reshape(held[name].shape)

    def _values(self, part: str) -> dict[str, NDArray[np.float64]]:
        self.part(part)
        return self.groups[part].values if part in self.groups else self.populations[part].values

    def save(self) -> State:
        """Return the variables of all parts."""
        return {
            f"{p}.{v}": self.variable(p, v)
            for p in (*self.populations, *self.groups)
            for v in self._values(p)
        }

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        for name, values in state.items():
            part, variable = name.split(".", 1)
            self.assign(part, variable, values)


def simulator(network: Network, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
              clamped: Iterable[str] = ()) -> ReferenceSimulator:  # fmt: skip
    """Return a network on the reference; see `ReferenceSimulator`."""
    return ReferenceSimulator(lowered, seeds, dtype, clamped)
