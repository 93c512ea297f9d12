"""The lowered form of a network: plain statements and SI numbers, which every engine can run.

Nothing here imports brian2; `snnrl.equations.lower` makes these objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.equations.statements import Statement

#: Names every statement may read: the learning signals of the environment step, the scale of exploration, and
#: success: the mean length of the last 20 episodes over the longest possible one (0 where length is no merit).
SHARED_SIGNALS = ("reward", "td_error", "reward_error", "exploration", "success")


@dataclass(frozen=True)
class LoweredNeurons:
    """One population, lowered.

    Attributes
    ----------
    constants
        Scalar parameters in SI units.
    variables
        Per-neuron variables, in the order of the equations.
    shared
        Variables with one value for the whole population.
    conditional
        Variables that are not written while the neuron is refractory (Brian2's ``unless refractory``).
    update, reset, on_step
        Statements of the state update, the reset, and the start of an environment step.
    threshold
        Spike condition, ``""`` for none.
    refractory_steps
        Refractory period in dt.
    initial
        Initial value by variable: a number, an array ``[size]`` or an expression.
    """

    name: str
    size: int
    constants: dict[str, float]
    variables: tuple[str, ...]
    shared: tuple[str, ...]
    conditional: frozenset[str]
    update: tuple[Statement, ...]
    threshold: str
    reset: tuple[Statement, ...]
    on_step: tuple[Statement, ...]
    refractory_steps: int
    initial: dict[str, Any]


@dataclass(frozen=True)
class LoweredSynapses:
    """One group of synapses, lowered. Neuron variables appear as ``<name>_pre`` and ``<name>_post``.

    Attributes
    ----------
    sources, targets
        Indices ``[n_synapses]`` sorted by source; ``None`` for all-to-all.
    flow
        For each event-driven variable its value after a time ``dt``, as an expression of the values before.
    clock_update
        Statements run every dt for every synapse.
    weights
        Variables that last from episode to episode.
    """

    name: str
    source: str
    target: str
    n_source: int
    n_target: int
    sources: NDArray[np.int64] | None
    targets: NDArray[np.int64] | None
    constants: dict[str, float]
    variables: tuple[str, ...]
    flow: dict[str, str]
    clock_update: tuple[Statement, ...]
    on_pre: tuple[Statement, ...]
    on_post: tuple[Statement, ...]
    on_reward: tuple[Statement, ...]
    weights: tuple[str, ...]
    delay: int
    initial: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a per-synapse variable: ``[n_source, n_target]`` or ``[n_synapses]``."""
        if self.sources is None:
            return (self.n_source, self.n_target)
        return (int(self.sources.size),)

    @property
    def neuron_writes(self) -> frozenset[str]:
        """Neuron variables (with suffix) that synaptic events write."""
        written = {s.target for s in (*self.on_pre, *self.on_post)}
        return frozenset(n for n in written if n.endswith(("_pre", "_post")))


@dataclass(frozen=True)
class LoweredNetwork:
    """All parts of a network, lowered, with dt in seconds."""

    neurons: tuple[LoweredNeurons, ...]
    synapses: tuple[LoweredSynapses, ...]
    dt: float
    env_steps: int = field(default=1)

    def population(self, name: str) -> LoweredNeurons:
        """Return the population called ``name``."""
        return next(n for n in self.neurons if n.name == name)
