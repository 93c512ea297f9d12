"""What every engine offers: a network simulated for a batch of agents, one environment step at a time.

The order within a dt and the meaning of every event are those of docs/architecture.md ("Order of things"); the
slowest statement of them is `snnrl.engines.reference`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons
from snnrl.errors import InvalidValueError, UnknownNameError

State = dict[str, NDArray[Any]]
Mask = NDArray[np.bool_]
"""One truth value per agent, ``[agents]``."""

LEARNING_SIGNALS = ("reward", "td_error", "reward_error")
"""Shared names that are zero until an episode's first action has been judged."""


class Simulator(ABC):
    """A lowered network and its state for a batch of agents that advance together.

    Agents differ in their seed, hence in their random numbers and in everything that follows. All of them have
    taken the same number of environment steps: ``decision`` and ``step`` (in dt) are common.

    Parameters
    ----------
    network
        The network in SI units; ``network.env_steps`` dt make an environment step.
    seeds
        One agent per seed, ``[agents]``.
    dtype
        ``"float64"`` or ``"float32"``.
    clamped
        Populations that are not simulated: they spike when `clamp` says so.

    Attributes
    ----------
    signals
        Value of the shared names (`SHARED_SIGNALS`) by name, float64 ``[agents]``: written by the agent loop,
        read by every statement.

    Raises
    ------
    UnsupportedError
        If the engine cannot run a part of the network; names the engine, the part and the alternatives.
    """

    engine: ClassVar[str]

    def __init__(self, network: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
                 clamped: Iterable[str] = ()) -> None:  # fmt: skip
        self.clamped = frozenset(clamped)
        self.network = clamp_populations(network, self.clamped)
        self.seeds = np.atleast_1d(np.asarray(seeds, dtype=np.int64))
        self.dtype = dtype
        self.signals = {name: np.zeros(len(self.seeds)) for name in SHARED_SIGNALS}
        self.signals["exploration"][:] = 1.0
        self.step, self.decision, self.prefix = 0, 0, ""

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.seeds)

    def begin_phase(self, prefix: str) -> None:
        """Count steps from zero again and draw from the random streams whose names begin with ``prefix``.

        Learning has the prefix ``""``, evaluation ``"evaluation/"``. Initial values have none.
        """
        self.step, self.decision, self.prefix = 0, 0, prefix

    def set_clock(self, step: int, decision: int) -> None:
        """Count on from here: for one agent taken out of a batch in which it had finished before the others."""
        self.step, self.decision = step, decision

    def begin_episode(self, agents: Mask) -> None:
        """Put everything but what was learned back to its start, for the agents of the mask."""
        for name in LEARNING_SIGNALS:
            self.signals[name][agents] = 0.0
        self._begin_episode(agents)

    def drive(self, loop: Iterator[Mask]) -> None:
        """Advance once for each item of ``loop``: the agents that learn; the loop reads spikes in between."""
        for learning in loop:
            self.advance(learning)

    @abstractmethod
    def _begin_episode(self, agents: Mask) -> None:
        """Put variables, refractoriness and spikes under way back to their start."""

    @abstractmethod
    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population, ``[agents, neurons]``: what an encoder does."""

    @abstractmethod
    def clamp(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population in the next environment step, ``[dt steps, neurons]``."""

    @abstractmethod
    def advance(self, learning: Mask) -> None:
        """Run ``on_step`` and one environment step of dt; the agents outside of the mask do not change weights.

        Adds one to ``decision`` before (``on_step`` has the step of the first dt), and one to ``step`` per dt.
        """

    @abstractmethod
    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run ``on_reward`` with the present signals for the agents of the mask.

        ``reward_step`` is the step of its random numbers: twice ``decision``, plus one after a termination.
        """

    @abstractmethod
    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step, ``[agents, dt steps, neurons]``."""

    @abstractmethod
    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time, ``[agents, ...]`` as in the lowered model.

        Of a population ``[agents, neurons]`` (a shared one ``[agents, 1]``), of synapses
        ``[agents, source, target]``, or ``[agents, synapses]`` with explicit pairs.

        Raises
        ------
        UnknownNameError
            If there is no such part or variable.
        """

    @abstractmethod
    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable, of the shape that `variable` returns."""

    @abstractmethod
    def save(self) -> State:
        """Return everything that changes in a run, agents first: enough to go on as if never interrupted."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Put back what `save` returned."""

    def part(self, name: str) -> Any:
        """Return the lowered population or group of synapses called ``name``."""
        parts: dict[str, Any] = {p.name: p for p in self.network.neurons}
        parts |= {p.name: p for p in self.network.synapses}
        if name not in parts:
            raise UnknownNameError("population or group of synapses", name, parts)
        return parts[name]


def clamp_populations(network: LoweredNetwork, names: Iterable[str]) -> LoweredNetwork:
    """Return the network with these populations emptied: spikes come from outside, nothing else happens."""
    chosen = set(names)
    known = [n.name for n in network.neurons]
    for name in chosen - set(known):
        raise UnknownNameError("population with supplied spikes", name, known)
    return replace(network, neurons=tuple(_emptied(n) if n.name in chosen else n for n in network.neurons))


def _emptied(neurons: LoweredNeurons) -> LoweredNeurons:
    """Keep the variables, which synapses may read; drop everything that happens by itself."""
    return replace(neurons, update=(), threshold="", reset=(), on_step=(), refractory_steps=0)


def check_clamp(spikes: NDArray[np.bool_], steps: int, size: int, population: str) -> None:
    """Raise `InvalidValueError` unless the supplied spikes have the shape ``[steps, size]``."""
    if spikes.shape != (steps, size):
        raise InvalidValueError(
            f"spikes supplied to {population!r}", spikes.shape, f"the shape {(steps, size)}"
        )
