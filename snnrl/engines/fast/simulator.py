"""`FastSimulator`: a network without an agent around it, on the generated kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl import random
from snnrl.engines.books import Control, Counter
from snnrl.engines.fast.cache import load_module
from snnrl.engines.fast.generate import generate_network
from snnrl.engines.initial import shape_of
from snnrl.engines.simulator import LEARNING_SIGNALS, Mask, Simulator, State, check_clamp
from snnrl.equations.lowered import LoweredNetwork, LoweredSynapses
from snnrl.errors import SimulationError, UnknownNameError
from snnrl.model import Network


class FastSimulator(Simulator):
    """Agents that live in one kernel.

    With plasticity off, traces that only learning needs are not kept up. An `advance` with plasticity on has to be
    followed by `learn`: both together are one window of the event-driven equations.

    Parameters
    ----------
    windowed
        Whether rules of the trace family may use the windowed form.
    threads
        Agents run side by side on this many threads; changes no number.
    """

    engine = "fast"

    def __init__(self, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
                 clamped: Iterable[str] = (), windowed: bool = True, threads: int = 1) -> None:  # fmt: skip
        super().__init__(lowered, seeds, dtype, clamped)
        self.threads = threads
        self.kernel = generate_network(self.network, dtype, windowed, self.clamped)
        self.module = load_module(self.kernel.source)
        self.common = self._common()
        self.state = self._fresh_state()
        self.open_windows = np.zeros(self.n_agents, dtype=bool)
        self.learned_last = np.zeros(self.n_agents, dtype=bool)

    def _common(self) -> State:
        kernel, layout = self.kernel, self.kernel.layout
        common: State = {
            name: np.zeros(layout.arrays[name].shape, layout.arrays[name].dtype)
            for name in layout.names("common")
        }
        return common | {"p": kernel.scalars, "tables": kernel.tables, **kernel.common}

    def _fresh_state(self) -> State:
        state = self.kernel.layout.zeros(self.n_agents, "learned", "episode", "control")
        for population in self.kernel.populations:
            shape = (self.n_agents, self.network.env_steps, population.lowered.size)
            state[population.record] = np.zeros(shape, np.uint8)
        self.kernel.fill_initial(state, self.seeds)
        state["streams"] = self._streams()
        return state

    def _streams(self) -> NDArray[np.uint64]:
        ids = [random.stream_id(self.prefix + name) for name in self.kernel.streams.names]
        bases = [[random.stream_base(int(seed), stream) for stream in ids] for seed in self.seeds]
        return np.array(bases, dtype=np.uint64).reshape(self.n_agents, len(ids))

    def begin_phase(self, prefix: str) -> None:
        """Count from zero and draw from other streams, see `Simulator.begin_phase`."""
        super().begin_phase(prefix)
        self.state["streams"] = self._streams()

    def _begin_episode(self, agents: Mask) -> None:
        self.open_windows[agents] = False
        self._each(agents, lambda agent: self._call("network_begin", agent))

    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population, ``[agents, neurons]``."""
        self.state[self._array(population, variable)][:] = values

    def clamp(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population in the next environment step, ``[dt steps, neurons]``."""
        lowered = self.part(population)
        check_clamp(spikes, self.network.env_steps, lowered.size, population)
        owner = next(p for p in self.kernel.populations if p.lowered.name == population)
        if not owner.clamped:
            raise UnknownNameError("population with supplied spikes", population, self.clamped)
        self.state[owner.given][:] = spikes

    def advance(self, learning: Mask) -> None:
        """Run one environment step, see `Simulator.advance`."""
        self._close_windows()
        self.decision += 1
        counters = self.state["counters"]
        counters[:, Counter.STEP], counters[:, Counter.DECISION] = self.step, self.decision
        counters[:, Counter.RECORD_FROM] = self.decision - 1
        for name in (*LEARNING_SIGNALS, "success"):
            self.state["control"][:, Control[name.upper()]] = self.signals[name]
        for population in self.kernel.populations:
            self.state[population.record][:] = 0
        exploration = self.signals["exploration"]
        self._each(
            np.ones_like(learning),
            lambda agent: self._call(
                "network_advance", agent, bool(learning[agent]), float(exploration[agent])
            ),
        )
        self.step += self.network.env_steps
        self.open_windows[:], self.learned_last = True, learning.copy()
        for population in self.kernel.populations:
            if population.clamped:
                self.state[population.given][:] = 0
        self._check()

    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run the third factor, see `Simulator.learn`."""
        self._each(agents, lambda agent: self._finish(agent, reward_step, learning=True))

    def _finish(self, agent: int, reward_step: int, learning: bool) -> None:
        """Run the third factor of one agent and move to its next window."""
        control = self.state["control"][agent]
        now = [float(self.signals[name][agent]) for name in ("td_error", "reward", "reward_error")]
        before = [float(control[c]) for c in (Control.TD_ERROR, Control.REWARD, Control.REWARD_ERROR)]
        end = self.network.env_steps if self.open_windows[agent] else 0
        control[Control.SUCCESS] = self.signals["success"][agent]
        exploration = float(self.signals["exploration"][agent])
        self._call("network_learn", agent, end, reward_step, learning, exploration, *now, *before)
        control[[Control.TD_ERROR, Control.REWARD, Control.REWARD_ERROR]] = now
        self.open_windows[agent] = False

    def _close_windows(self) -> None:
        """Move agents that have learned nothing to their next window."""
        for agent in np.flatnonzero(self.open_windows):
            if self.learned_last[agent]:
                raise SimulationError("an advance with plasticity on has to be followed by learn")
            self._finish(int(agent), 0, learning=False)

    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step, ``[agents, dt steps, neurons]``."""
        self.part(population)
        owner = next(p for p in self.kernel.populations if p.lowered.name == population)
        return np.asarray(self.state[owner.record] != 0)

    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time, see `Simulator.variable`."""
        self._close_windows()
        stored = self.state[self._array(part, name)].astype(np.float64)
        owner = self.part(part)
        if isinstance(owner, LoweredSynapses) and stored.shape[1:] != owner.shape:
            return self._spread(owner, name, stored)
        return stored

    def _spread(self, owner: LoweredSynapses, name: str, stored: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give a variable that is kept once per neuron to every synapse."""
        group = next(g for g in self.kernel.groups if g.lowered.name == owner.name)
        by_source = name in group.structure.pre
        if owner.sources is not None and owner.targets is not None:
            return stored[:, owner.sources if by_source else owner.targets]
        whole = (self.n_agents, *owner.shape)
        return np.broadcast_to(stored[:, :, None] if by_source else stored[:, None, :], whole).copy()

    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable that is kept for every neuron or synapse."""
        self._close_windows()
        owner, array = self.part(part), self._array(part, name)
        if self.state[array].shape[1:] != shape_of(owner, name):
            raise UnknownNameError("variable that can be set", f"{part}.{name}", owner.weights)
        self.state[array][:] = values

    def _array(self, part: str, variable: str) -> str:
        for owner, arrays in self.kernel.parts:
            if owner.name == part:
                if variable not in arrays:
                    raise UnknownNameError(f"variable of {part!r}", variable, arrays)
                return arrays[variable]
        self.part(part)
        raise AssertionError(part)

    def save(self) -> State:
        """Return everything that changes in a run."""
        books = {"open_windows": self.open_windows, "learned_last": self.learned_last}
        books |= {f"signal_{name}": values for name, values in self.signals.items()}
        clock = np.tile([self.step, self.decision], (self.n_agents, 1))
        return {name: array.copy() for name, array in {**self.state, **books, "clock": clock}.items()}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        self.state = {name: state[name].copy() for name in self.state}
        self.open_windows, self.learned_last = state["open_windows"].copy(), state["learned_last"].copy()
        self.signals = {name: state[f"signal_{name}"].copy() for name in self.signals}
        self.step, self.decision = (int(x) for x in state["clock"][0])

    def _call(self, function: str, agent: int, *first: Any) -> None:
        arrays = [
            self.state[n][agent] if n in self.state else self.common[n] for n in self.kernel.entries[function]
        ]
        getattr(self.module, function)(*first, *arrays)

    def _each(self, agents: Mask, work: Callable[[int], None]) -> None:
        chosen = [int(a) for a in np.flatnonzero(agents)]
        if self.threads == 1 or len(chosen) < 2:
            for agent in chosen:
                work(agent)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, chosen))

    def _check(self) -> None:
        errors = self.state["counters"][:, Counter.ERROR]
        for row in np.flatnonzero(errors):
            name = self.network.neurons[int(errors[row]) - 1].name
            raise SimulationError(
                f"population {name!r} reached NaN or infinity by {self.step * self.network.dt:.3f} s "
                f"(seed {self.seeds[row]}): check its equations and the size of its inputs"
            )


def simulator(network: Network, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
              clamped: Iterable[str] = (), windowed: bool = True, threads: int = 1) -> FastSimulator:  # fmt: skip
    """Return a network on the generated kernel; see `FastSimulator`."""
    return FastSimulator(lowered, seeds, dtype, clamped, windowed, threads)
