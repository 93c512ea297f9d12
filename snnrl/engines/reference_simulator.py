"""`ReferenceSimulator`: the reference as a `Simulator`, so that every engine can be held against it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.initial import shape_of
from snnrl.engines.reference import _Clock, _Group, _Population
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
        self.clock = _Clock(int(self.seeds[0]), self.network.dt, 1.0, "")
        self.populations = {n.name: _Population(n, self.clock) for n in self.network.neurons}
        self.groups = {
            s.name: _Group(s, self.populations[s.source], self.populations[s.target], self.clock)
            for s in self.network.synapses
        }
        self.given: dict[str, Mask] = {}

    def begin_phase(self, prefix: str) -> None:
        """Count from zero and draw from other streams."""
        super().begin_phase(prefix)
        self.clock.prefix, self.clock.step = prefix, 0

    def _begin_episode(self, agents: Mask) -> None:
        for population in self.populations.values():
            population.begin_episode()
        for group in self.groups.values():
            group.begin_episode()

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
        for population in self.populations.values():
            population.on_step()
        for k in range(self.network.env_steps):
            self._advance_dt(k, bool(learning[0]))
        self.step, self.given = self.clock.step, {}

    def _read_signals(self) -> None:
        self.clock.signals = {name: float(values[0]) for name, values in self.signals.items()}

    def _advance_dt(self, k: int, learning: bool) -> None:
        for name, population in self.populations.items():
            population.update()
            if name in self.given:
                population.spikes[self.clock.step] = np.flatnonzero(self.given[name][k])
        for group in self.groups.values():
            group.all(group.lowered.clock_update, "clock", learning)
        for group in self.groups.values():
            group.on_pre(learning)
        for group in self.groups.values():
            group.on_post(learning)
        for population in self.populations.values():
            population.reset()
        for group in self.groups.values():
            group.flow(learning)
        self.clock.step += 1

    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run the third factor."""
        self._read_signals()
        for group in self.groups.values() if agents[0] else ():
            group.all(group.lowered.on_reward, "on_reward", True, reward_step)

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
