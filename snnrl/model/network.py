"""`Neurons`, `Synapses` and `Network`: what a spiking network is, as text and numbers."""

from __future__ import annotations

import keyword
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError, ModelError, UnknownNameError
from snnrl.model.values import Array, FrozenDict

ALL_TO_ALL = "all-to-all"


def _check_name(owner: str, name: str) -> None:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or name.endswith("_"):
        raise InvalidValueError(
            f"{owner}.name", name, "a Python identifier that neither starts nor ends with an underscore"
        )


def _tidy(text: str) -> str:
    return textwrap.dedent(text).strip()


@dataclass(frozen=True)
class Neurons:
    """A population of identical neurons.

    Parameters
    ----------
    name
        Name of the population.
    size
        Number of neurons.
    equations
        Brian2 equations with units; ``(unless refractory)`` and ``(shared)`` are understood, noise is ``xi``.
    threshold
        Condition under which a neuron spikes; empty: it never does.
    reset
        Statements run on the neurons that spiked, after the synapses.
    refractory
        Refractory period as quantity text. As in Brian2 a variable flagged ``(unless refractory)`` is not
        written while the neuron is refractory, whoever writes it, except by ``reset``.
    method
        Name of the Brian2 state updater: ``exact``, ``euler``, ``exponential_euler``, ``rk2``, ``rk4``, ...
    parameters
        Constants by name: numbers, quantity text (``"10*ms"``), or an array of length ``size`` for a variable
        declared in ``equations`` as ``name : unit (constant)``. The numbers of an array are in the SI base unit
        of that declaration: ``{"tau": [0.01, 0.02]}`` for ``tau : second (constant)``.
    initial
        Initial values by variable: quantity text, expressions with ``rand()``, ``randn()`` and ``i`` (the
        neuron's index) that may use parameters and earlier entries, or numbers and arrays in SI base units.
    on_step
        Statements run once per environment step, before its first dt (Brian2's ``run_regularly``). The shared
        name ``exploration`` (1 in training) scales exploratory noise.

    Raises
    ------
    InvalidValueError
        If a field has a value outside what is allowed.
    """

    name: str
    size: int
    equations: str = ""
    threshold: str = ""
    reset: str = ""
    refractory: str = "0*ms"
    method: str = "euler"
    parameters: Mapping[str, Any] = field(default_factory=FrozenDict)
    initial: Mapping[str, Any] = field(default_factory=FrozenDict)
    on_step: str = ""

    def __post_init__(self) -> None:
        _check_name("Neurons", self.name)
        if not isinstance(self.size, int) or isinstance(self.size, bool) or self.size < 1:
            raise InvalidValueError(f"Neurons({self.name}).size", self.size, "an integer of at least 1")
        for text in ("equations", "threshold", "reset", "on_step"):
            object.__setattr__(self, text, _tidy(getattr(self, text)))
        for mapping in ("parameters", "initial"):
            owner = f"Neurons({self.name}).{mapping}"
            object.__setattr__(self, mapping, FrozenDict(getattr(self, mapping), owner))

    @property
    def writable(self) -> tuple[str, ...]:
        """Variables that hold one value per neuron, as ``equations`` declare them (read without Brian2)."""
        return tuple(m[1] or m[2] for m in _DECLARATION.finditer(self.equations) if not _SHARED.search(m[0]))


#: ``dx/dt = ...`` or ``x : unit``, with its flags, at the start of a line; subexpressions ``x = ...`` do not match.
_DECLARATION = re.compile(r"^\s*(?:d(\w+)\s*/\s*dt\s*=|(\w+)\s*:)[^#\n]*", re.MULTILINE)
_SHARED = re.compile(r"\([^()]*\bshared\b[^()]*\)")


@dataclass(frozen=True)
class Pairs:
    """Explicit connectivity: synapse k goes from neuron ``sources[k]`` to neuron ``targets[k]``.

    Synapses are kept sorted by source, then target; values of per-synapse arrays follow that order.

    Raises
    ------
    InvalidValueError
        If the two are not lists of whole numbers from 0 on, of the same length.
    """

    sources: Any
    targets: Any

    def __post_init__(self) -> None:
        sources, targets = (_indices(v) for v in (self.sources, self.targets))
        if sources.shape != targets.shape or sources.ndim != 1:
            raise InvalidValueError(
                "Pairs", (sources.shape, targets.shape), "two index lists of the same length"
            )
        if sources.size and (sources.min() < 0 or targets.min() < 0):
            raise InvalidValueError("Pairs", int(min(sources.min(), targets.min())), "indices of at least 0")
        order = np.lexsort((targets, sources))
        object.__setattr__(self, "sources", Array(sources[order]))
        object.__setattr__(self, "targets", Array(targets[order]))

    def __len__(self) -> int:
        return int(self.sources.values.size)


def _indices(value: Any) -> NDArray[np.int64]:
    found = np.atleast_1d(np.asarray(value.values if isinstance(value, Array) else value))
    if found.dtype.kind not in "iu" and found.size:
        raise InvalidValueError("Pairs", found.tolist(), "whole numbers")
    return found.astype(np.int64)


@dataclass(frozen=True)
class Synapses:
    """Synapses from one population to another, with their plasticity.

    Parameters
    ----------
    name, source, target
        Name of the group and of the two populations.
    equations
        Brian2 equations; differential equations are ``(event-driven)`` or ``(clock-driven)``.
    on_pre, on_post
        Statements run at presynaptic and postsynaptic spikes; within one dt ``on_pre`` comes first. ``x_pre``
        and ``x_post`` are variables of the source and target neurons.
    on_reward
        The third factor: statements run once per environment step for every synapse. The shared names
        ``reward``, ``td_error``, ``reward_error`` (reward minus its running mean), ``exploration`` and ``success``
        may appear.
    weights
        Names of the variables that carry what is learned: they last from episode to episode, are saved, and
        stay as they are when plasticity is off. All others restart at their initial values every episode.
    parameters, initial
        As in `Neurons`, one value per synapse: arrays are ``[source, target]``, or ``[synapse]`` with `Pairs`, in
        SI base units of the declaration; ``i`` and ``j`` are the indices of the source and target neuron.
    connectivity
        ``"all-to-all"`` or `Pairs`.
    delay
        Additional delay in whole dt (Brian2's ``delay``): a spike at t acts on its targets' state update at
        ``t + (1 + delay) dt``.
    method
        State updater of clock-driven equations.
    """

    name: str
    source: str
    target: str
    equations: str = ""
    on_pre: str = ""
    on_post: str = ""
    on_reward: str = ""
    weights: tuple[str, ...] = ("w",)
    parameters: Mapping[str, Any] = field(default_factory=FrozenDict)
    initial: Mapping[str, Any] = field(default_factory=FrozenDict)
    connectivity: str | Pairs = ALL_TO_ALL
    delay: int = 0
    method: str = "exact"

    def __post_init__(self) -> None:
        _check_name("Synapses", self.name)
        if isinstance(self.connectivity, str) and self.connectivity != ALL_TO_ALL:
            raise InvalidValueError(
                f"Synapses({self.name}).connectivity",
                self.connectivity,
                "'all-to-all' or Pairs(sources, targets)",
            )
        if not isinstance(self.delay, int) or isinstance(self.delay, bool) or not 0 <= self.delay <= 10_000:
            raise InvalidValueError(f"Synapses({self.name}).delay", self.delay, "whole steps, 0 to 10000")
        object.__setattr__(self, "weights", tuple(self.weights))
        for text in ("equations", "on_pre", "on_post", "on_reward"):
            object.__setattr__(self, text, _tidy(getattr(self, text)))
        for mapping in ("parameters", "initial"):
            owner = f"Synapses({self.name}).{mapping}"
            object.__setattr__(self, mapping, FrozenDict(getattr(self, mapping), owner))


@dataclass(frozen=True)
class Network:
    """Populations and synapses that run on one clock.

    Parameters
    ----------
    neurons, synapses
        The parts; names are unique over both.
    dt
        Time step as quantity text.

    Raises
    ------
    ModelError
        If a name occurs twice, or explicit connectivity goes beyond a population.
    UnknownNameError
        If synapses name a population that does not exist.
    """

    neurons: tuple[Neurons, ...]
    synapses: tuple[Synapses, ...] = ()
    dt: str = "1*ms"

    def __post_init__(self) -> None:
        object.__setattr__(self, "neurons", tuple(self.neurons))
        object.__setattr__(self, "synapses", tuple(self.synapses))
        names = [n.name for n in self.neurons] + [s.name for s in self.synapses]
        for name in names:
            if names.count(name) > 1:
                raise ModelError(f"Network: the name {name!r} is used more than once")
        for synapses in self.synapses:
            self._check_ends(synapses)

    def _check_ends(self, synapses: Synapses) -> None:
        sizes = {n.name: n.size for n in self.neurons}
        for end in ("source", "target"):
            if getattr(synapses, end) not in sizes:
                raise UnknownNameError(f"Synapses({synapses.name}).{end}", getattr(synapses, end), sizes)
        if isinstance(synapses.connectivity, Pairs) and len(synapses.connectivity):
            highest = (
                int(synapses.connectivity.sources.values.max()),
                int(synapses.connectivity.targets.values.max()),
            )
            allowed = (sizes[synapses.source] - 1, sizes[synapses.target] - 1)
            if highest[0] > allowed[0] or highest[1] > allowed[1]:
                raise InvalidValueError(
                    f"Synapses({synapses.name}).connectivity", highest, f"indices up to {allowed}"
                )

    def population(self, name: str) -> Neurons:
        """Return the population called ``name``; `UnknownNameError` if there is none."""
        for neurons in self.neurons:
            if neurons.name == name:
                return neurons
        raise UnknownNameError("Network.population", name, [n.name for n in self.neurons])
