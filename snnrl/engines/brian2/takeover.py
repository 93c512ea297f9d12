"""`from_brian2`: a Brian2 network that exists already, taken over as a model that every engine runs.

>>> import brian2, snnrl                                                       # doctest: +SKIP
>>> network = brian2.Network(cells, synapses, monitor)                         # doctest: +SKIP
>>> model = snnrl.from_brian2(network)                                         # doctest: +SKIP
>>> snnrl.simulate(model, "100*ms").spike_times("neurongroup")                 # doctest: +SKIP

What is taken is the text (equations, threshold, reset, pathways), the constants it reads, the connectivity and the
present value of every variable. Brian2's random numbers are not: where the text draws some, the model draws its own,
and only statistics agree.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import (
    EventMonitor,
    NetworkOperation,
    NeuronGroup,
    PoissonGroup,
    PoissonInput,
    PopulationRateMonitor,
    SpikeGeneratorGroup,
    StateMonitor,
    Subgroup,
)
from brian2 import Network as Brian2Network
from brian2 import Synapses as Brian2Synapses
from brian2.core.functions import timestep
from brian2.core.namespace import get_local_namespace
from brian2.core.network import _get_all_objects
from brian2.devices.device import RuntimeDevice, get_device
from brian2.groups.neurongroup import SubexpressionUpdater
from brian2.synapses.synapses import SummedVariableUpdater
from numpy.typing import NDArray

from snnrl.engines.brian2.takeover_neurons import Population, take_neurons
from snnrl.engines.brian2.takeover_synapses import Group, check_clock_driven, take_synapses
from snnrl.engines.brian2.takeover_text import Problems, quantity_of, unique_name
from snnrl.equations import brian
from snnrl.equations.lower import lower
from snnrl.errors import InvalidValueError, UnsupportedError
from snnrl.model import Network, Synapses

_POPULATIONS = (NeuronGroup, PoissonGroup, SpikeGeneratorGroup)
_LEFT_OUT = (EventMonitor, StateMonitor, PopulationRateMonitor, Subgroup)
_SLOTS = {"stateupdater": ("groups",), "thresholder": ("thresholds",), "resetter": ("resets", "after_resets")}
_SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]
_REASONS = (
    (
        SummedVariableUpdater,
        "a summed variable",
        "on_pre, which adds to a variable of the target at each spike",
    ),
    (SubexpressionUpdater, "'(constant over dt)'", "a plain subexpression, without random numbers"),
    (PoissonInput, "a PoissonInput", "a PoissonGroup with synapses"),
    (NetworkOperation, "a network_operation", "a task, or equations"),
)


@dataclass
class _Taking:
    """A Brian2 network on its way into the model: its parts by their Brian2 names."""

    network: Any
    problems: Problems = field(default_factory=Problems)
    populations: dict[str, Population] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schedule = list(self.network.sorted_objects)
        # Brian2 keeps a set, and orders what runs at the same time by name.
        self.objects = sorted(self.network.objects, key=lambda part: part.name)
        names: list[str] = []
        for part in self.objects:
            if type(part) in _POPULATIONS:
                names.append(unique_name(part.name, names))
                self.populations[part.name] = Population(part, names[-1])
        if not self.populations:
            raise InvalidValueError("from_brian2", self.network, "a network with a population")
        for part in self.objects:
            if type(part) is Brian2Synapses:
                names.append(unique_name(part.name, names))
                self._add_group(part, names[-1])
        first = {pathway.name: k for k, pathway in enumerate(self.schedule)}
        self.groups.sort(key=lambda g: min((first[p.name] for p in g.synapses._pathways), default=0))

    def _add_group(self, synapses: Any, name: str) -> None:
        ends = [getattr(end, "source", end) if isinstance(end, Subgroup) else end
                for end in (synapses.source, synapses.target)]  # fmt: skip
        missing = [end.name for end in ends if end.name not in self.populations]
        if missing:
            reason = f"an end of it, {missing[0]!r}, is no population of the network"
            self.problems.add(
                f"Synapses({name})", reason, "synapses between populations that are in the network"
            )
            return
        source, target = (self.populations[end.name] for end in ends)
        self.groups.append(Group(synapses, name, source, target))

    @property
    def dt(self) -> float:
        """Time step in seconds, that of the first population."""
        return float(next(iter(self.populations.values())).group.clock.dt_)


def from_brian2(network: Any, namespace: Mapping[str, Any] | None = None) -> Network:
    """Take over a Brian2 network.

    Parameters
    ----------
    network
        A ``brian2.Network`` that has not run yet (or was put back by ``restore``), in runtime mode. NeuronGroups,
        PoissonGroups, SpikeGeneratorGroups and Synapses are taken, on whole populations or subgroups; monitors are
        left out. A PoissonGroup spikes where ``rand() < rates*dt``; a SpikeGeneratorGroup becomes a population that
        is given its spikes: see `input_spikes`.
    namespace
        External constants, as for ``Network.run``; by default the caller's names.

    Returns
    -------
    Network
        The same network as text, constants in SI units and arrays. Parameters of synapses that events change are its
        ``weights``.

    Raises
    ------
    UnsupportedError
        For what the model cannot say; names every such part at once.
    ModelError
        For text that Brian2 would refuse too: an unknown name, units that do not agree.

    Warns
    -----
    UserWarning
        If the network draws random numbers: the model's are others.
    """
    if not isinstance(network, Brian2Network):
        raise InvalidValueError("from_brian2", network, "a brian2.Network, such as Network(collect())")
    names = get_local_namespace(level=1) if namespace is None else namespace
    if not isinstance(get_device(), RuntimeDevice):
        reason = "its values exist only inside the compiled program of Brian2's device"
        raise UnsupportedError("from_brian2", "Network", reason, "set_device('runtime') before it is built")
    taking = _Taking(network)
    _check_network(taking)
    dt, problems = taking.dt, taking.problems
    neurons = [take_neurons(p, names, dt, problems) for p in taking.populations.values()]
    synapses = [take_synapses(g, names, dt, problems) for g in taking.groups]
    problems.check()
    random = [part.name for part, draws in (*neurons, *synapses) if part is not None and draws]
    if random:
        warnings.warn(
            f"{', '.join(random)}: the model draws random numbers of its own, only statistics agree with Brian2",
            stacklevel=2,
        )
    groups: tuple[Synapses, ...] = tuple(s for s, _ in synapses if s is not None)
    taken = Network(tuple(n for n, _ in neurons), groups, str(quantity_of(dt, brian.brian2.second.dim)))
    lower(taken)  # what is wrong with the text shows here, not at the first run
    return taken


def input_spikes(network: Any, duration: str) -> dict[str, NDArray[np.bool_]]:
    """Return the spikes of a Brian2 network's SpikeGeneratorGroups, as `snnrl.simulate` takes them.

    Parameters
    ----------
    network
        The ``brian2.Network`` that `from_brian2` takes.
    duration
        Simulated time, such as ``"100*ms"``.

    Returns
    -------
    dict
        By the model's name of the population, bool ``[dt steps, neurons]``.
    """
    taking = _Taking(network)
    generators = [p for p in taking.populations.values() if isinstance(p.group, SpikeGeneratorGroup)]
    steps = brian.whole_steps("duration", duration, taking.dt)
    return {p.name: _generated(p.group, steps, taking.dt) for p in generators}


def _generated(group: Any, steps: int, dt: float) -> NDArray[np.bool_]:
    """Return what a SpikeGeneratorGroup emits in its first steps."""
    spikes = np.zeros((steps, int(group.N)), dtype=bool)
    bins = np.asarray(timestep(np.asarray(group._spike_time), dt), dtype=np.int64)
    period = float(np.ravel(group.period_)[0])
    repeat = round(period / dt) if 0.0 < period < np.inf else max(steps, 1)
    for start in range(0, steps, repeat):
        inside = start + bins < (min(start + repeat, steps) if repeat < steps else steps)
        spikes[start + bins[inside], np.asarray(group._neuron_index)[inside]] = True
    return spikes


def _check_network(taking: _Taking) -> None:
    """Note everything about the network as a whole, and all of its objects, that the model cannot say."""
    network, problems = taking.network, taking.problems
    if network.t_ != 0.0:
        reason = f"has run for {network.t}: spikes under way and refractoriness are no initial values"
        problems.add("Network", reason, "taking it over before its first run, or after restore()")
    if network.schedule != _SCHEDULE:
        problems.add("Network.schedule", f"{network.schedule}", f"{_SCHEDULE}")
    for part in taking.objects:
        if isinstance(part, _LEFT_OUT):
            continue
        if type(part) not in (*_POPULATIONS, Brian2Synapses):
            _refuse(taking, part)
        for each in [part, *sorted(_get_all_objects(part.contained_objects), key=lambda o: o.name)]:
            _check_object(taking, part, each)
    _check_pathways(taking)
    for group in taking.groups:
        check_clock_driven(group, taking.schedule, problems)


def _refuse(taking: _Taking, part: Any) -> None:
    reason, instead = _reason(part)
    taking.problems.add(f"{type(part).__name__}({part.name})", reason, instead)


def _reason(part: Any) -> tuple[str, str]:
    for kind, reason, instead in _REASONS:
        if isinstance(part, kind):
            return reason, instead
    if "run_regularly" in part.name:
        return "run_regularly", "on_step, once per environment step"
    return f"a {type(part).__name__}", "NeuronGroup, PoissonGroup, SpikeGeneratorGroup and Synapses"


def _check_object(taking: _Taking, owner: Any, part: Any) -> None:
    """Note an object with a time step, a place in the schedule or a purpose of its own."""
    problems, where = taking.problems, f"{type(owner).__name__}({owner.name})"
    if not part.active:
        problems.add(where, f"{part.name!r} is not active", "a network without it")
    if float(part.clock.dt_) != taking.dt:
        reason = f"{part.name!r} has a time step of {part.clock.dt}, others one of {taking.dt * 1e3:g} ms"
        problems.add(where, reason, "one dt for the whole network")
    if part is owner:
        return
    slots = _expected_slots(owner, part)
    if slots is None:
        reason, instead = _reason(part)
        problems.add(where, f"{reason} ({part.name!r})", instead)
    elif part.when not in slots:
        problems.add(where, f"{part.name!r} runs in the slot {part.when!r}", f"the slot {slots[0]!r}")


def _expected_slots(owner: Any, part: Any) -> tuple[str, ...] | None:
    """Return the slots of the schedule in which a part of a group may run; ``None`` if the model has no such part."""
    if isinstance(owner, Brian2Synapses) and any(part is p for p in owner._pathways):
        return ("synapses",)
    if part is getattr(owner, "state_updater", None):
        return _SLOTS["stateupdater"]
    for kind in ("thresholder", "resetter"):
        if any(part is each for each in getattr(owner, kind, {}).values()):
            return _SLOTS[kind]
    return None


def _check_pathways(taking: _Taking) -> None:
    """Note pathways of on_post that come before one of on_pre: in the model they never do."""
    ends = {p.name: p.prepost for g in taking.groups for p in g.synapses._pathways}
    order = [ends[part.name] for part in taking.schedule if part.name in ends]
    if order != sorted(order, key=lambda end: end == "post"):
        reason = "the order of a pathway puts on_post before on_pre"
        taking.problems.add("Synapses.order", reason, "the orders that Brian2 gives")
