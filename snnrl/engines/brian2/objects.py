"""The Brian2 objects of a model: what a Brian2 user would have written, made from the same text.

Equations, thresholds, resets and events are the model's own text, parameters are constants of the namespace, and the
integration is Brian2's. What is added: the learning signals a text reads, as ``(shared)`` variables; numbers for the
places that draw random numbers (`functions`); ``choose(learning, new, old)`` around writes to weights in events; and
the order of docs/architecture.md, as ``when`` and ``order`` of the objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from brian2.equations.equations import SingleEquation

from snnrl.engines.brian2.checks import (
    check_constants,
    check_event_driven,
    check_network,
    made,
    writes_weights,
)
from snnrl.engines.brian2.functions import Streams, choose
from snnrl.engines.brian2.text import (
    LEARNING,
    REWARD_STEP,
    draws,
    event_code,
    numbered,
    on_step_code,
    words,
)
from snnrl.engines.initial import initial_arrays
from snnrl.equations import brian
from snnrl.equations.brian import brian2
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.model import Array, Network, Neurons, Synapses

SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


@dataclass
class Objects:
    """The Brian2 objects of a model, to add monitors to and to change.

    Attributes
    ----------
    network
        A ``brian2.Network`` that holds all of them.
    neurons
        ``NeuronGroup`` by population; ``SpikeGeneratorGroup`` for a population with supplied spikes.
    synapses
        ``Synapses`` by group.
    """

    network: Any
    neurons: dict[str, Any]
    synapses: dict[str, Any]


@dataclass
class Built:
    """Objects and what is needed to run them.

    Attributes
    ----------
    objects
        For the user.
    clock
        The clock of all objects.
    streams
        The random numbers.
    on_step
        Code at the start of an environment step by population, where there is some.
    on_reward
        Code of the third factor by group.
    signals
        Learning signals that are variables of a part, by part.
    """

    objects: Objects
    clock: Any
    streams: Streams
    on_step: dict[str, str] = field(default_factory=dict)
    on_reward: dict[str, str] = field(default_factory=dict)
    signals: dict[str, list[str]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Any]:
        """All groups by name."""
        return {**self.objects.neurons, **self.objects.synapses}


def build(network: Network, lowered: LoweredNetwork, seed: int, dtype: str = "float64",
          clamped: Collection[str] = (), codeobj_class: Any = None) -> Built:  # fmt: skip
    """Make the objects of a model, with their initial values.

    Parameters
    ----------
    network
        The model.
    lowered
        Its lowered form, clamped populations emptied (`snnrl.engines.simulator.clamp_populations`).
    seed
        The agent.
    dtype
        ``"float64"`` or ``"float32"``: of the variables of the model.
    clamped
        Populations that become a ``SpikeGeneratorGroup``.
    codeobj_class
        What compiles the code; ``None`` leaves it to the device and the preferences.

    Raises
    ------
    UnsupportedError
        If Brian2 cannot run a part.
    """
    check_network(network, lowered)
    return _Builder(network, lowered, seed, dtype, frozenset(clamped), codeobj_class).build()


class _Builder:
    """One network in the making."""

    def __init__(self, network: Network, lowered: LoweredNetwork, seed: int, dtype: str, clamped: frozenset[str],
                 codeobj_class: Any) -> None:  # fmt: skip
        self.network, self.lowered, self.seed, self.clamped = network, lowered, seed, clamped
        self.dtype, self.codeobj_class, self.dt = np.dtype(dtype), codeobj_class, lowered.dt * brian2.second
        clock = brian2.Clock(self.dt, name="model_clock")
        container = brian2.Network(name="model_network")
        container.schedule = SCHEDULE
        self.built = Built(Objects(container, {}, {}), clock, Streams(lowered, seed))
        self.functions = {**self.built.streams.functions(), "choose": choose()}

    def build(self) -> Built:
        """Make neurons, then synapses."""
        built = self.built
        for neurons, low in zip(self.network.neurons, self.lowered.neurons, strict=True):
            make = self._clamped if neurons.name in self.clamped else self._neurons
            built.objects.neurons[neurons.name] = make(neurons, low)
        for place, (synapses, group) in enumerate(
            zip(self.network.synapses, self.lowered.synapses, strict=True)
        ):
            built.objects.synapses[synapses.name] = self._synapses(synapses, group, place)
        lowered: list[LoweredNeurons | LoweredSynapses] = [*self.lowered.neurons, *self.lowered.synapses]
        for each in lowered:
            part = built.parts[each.name]
            built.objects.network.add(part)
            for variable, values in initial_arrays(each, self.seed).items():
                part.variables[variable].set_value(values.ravel())
        return built

    # ------------------------------------------------------------------ neurons

    def _neurons(self, neurons: Neurons, low: LoweredNeurons) -> Any:
        where, first = f"Neurons({low.name})", self.built.streams.first
        texts = (neurons.equations, neurons.threshold, neurons.reset, neurons.on_step)
        signals = self._signals(neurons, texts)
        equations = _unshared(brian.parse_equations("\n".join([neurons.equations, *signals]), where))
        reset = event_code(neurons.reset, first[f"{low.name}/reset"]) if low.threshold else ""
        group = made(
            where, brian2.NeuronGroup, low.size, equations, name=low.name, clock=self.built.clock,
            method=self._updater(equations, neurons.method, where, first[f"{low.name}/update"]),
            threshold=numbered(neurons.threshold, count(first[f"{low.name}/threshold"])) if low.threshold else None,
            reset=reset or None,
            refractory=low.refractory_steps * self.dt if low.refractory_steps else False,
            namespace=self._namespace(neurons, low, texts),
            dtype=self._dtypes(equations), codeobj_class=self.codeobj_class,
        )  # fmt: skip
        check_constants(where, low.constants, group.variables)
        if low.on_step:
            self.built.on_step[low.name] = on_step_code(neurons.on_step, low, first)
        return group

    def _clamped(self, neurons: Neurons, low: LoweredNeurons) -> Any:
        """Return a generator of spikes; it also holds the variables that synapses may read."""
        group = brian2.SpikeGeneratorGroup(low.size, [], [] * brian2.second, clock=self.built.clock, name=low.name,
                                           codeobj_class=self.codeobj_class)  # fmt: skip
        equations = brian.parse_equations(neurons.equations, f"Neurons({low.name})")
        for name in (*low.variables, *low.shared):
            shared = name in low.shared
            group.variables.add_array(name, size=1 if shared else low.size, dimensions=equations[name].dim,
                                      dtype=self.dtype, scalar=shared)  # fmt: skip
        self.built.signals[low.name] = []
        return group

    def _updater(self, equations: Any, method: str, where: str, first: int, weights: Collection[str] = ()
                 ) -> Callable[..., str]:  # fmt: skip
        """Return a state updater: Brian2's own, with numbers for the places that draw.

        It gets the equations as they were written: Brian2 has multiplied ``(unless refractory)`` ones by
        ``not_refractory``, but does not write those variables of a refractory neuron in any case.
        """

        def updater(_: Any, variables: Any, options: Any = None) -> str:
            return event_code(brian.update_code(equations, variables, method, where), first, weights)

        updater.__name__ = method
        return updater

    # ------------------------------------------------------------------ synapses

    def _synapses(self, synapses: Synapses, low: LoweredSynapses, place: int) -> Any:
        where, first = f"Synapses({low.name})", self.built.streams.first
        texts = (synapses.equations, synapses.on_pre, synapses.on_post, synapses.on_reward)
        extra = self._extra(synapses, low, texts)
        model = brian.parse_equations("\n".join([synapses.equations, *extra]), where)
        codes = {event: event_code(getattr(synapses, event), first[f"{low.name}/{event}"], low.weights)
                 for event in ("on_pre", "on_post") if self._spikes(low, event)}  # fmt: skip
        delays = {"on_pre": {"pre": low.delay * self.dt}, "on_post": {"post": 0 * brian2.second}}
        clocked = brian.Equations(
            [e for e in model.values() if "clock-driven" in e.flags or e.type != "differential equation"]
        )
        group = made(
            where, brian2.Synapses, self.built.objects.neurons[low.source], self.built.objects.neurons[low.target], model,
            on_pre=codes.get("on_pre") or None, on_post=codes.get("on_post") or None,
            delay={k: v for event, code in codes.items() if code for k, v in delays[event].items()},
            method=self._updater(clocked, synapses.method, where, first[f"{low.name}/clock"], low.weights),
            namespace=self._namespace(synapses, low, texts, model),
            dtype=self._dtypes(model), clock=self.built.clock, name=low.name, codeobj_class=self.codeobj_class,
        )  # fmt: skip
        check_constants(where, low.constants, group.variables)
        for name in self._used_signals(synapses, texts):
            if name not in group.variables:  # the source neurons have it
                group.variables.add_reference(name, group.source, name, index="0")
        check_event_driven(where, group)
        _connect(group, low)
        self._schedule(group, place)
        reward = event_code(synapses.on_reward, first[f"{low.name}/on_reward"], (), REWARD_STEP)
        if reward:
            self.built.on_reward[low.name] = reward
        return group

    def _spikes(self, low: LoweredSynapses, event: str) -> bool:
        """Whether the population whose spikes start the event can spike at all."""
        name = low.source if event == "on_pre" else low.target
        return name in self.clamped or bool(self.lowered.population(name).threshold)

    def _schedule(self, group: Any, place: int) -> None:
        """Clock-driven equations, then ``on_pre``, then ``on_post``, each in the order of the model."""
        n = len(self.lowered.synapses)
        if group.state_updater is not None:
            group.state_updater.when, group.state_updater.order = "synapses", place - 2 * n
        for pathway in group._pathways:
            pathway.order = place - n if pathway.prepost == "pre" else place + 1

    def _extra(self, synapses: Synapses, low: LoweredSynapses, texts: Iterable[str]) -> list[str]:
        """Return the declarations that a group of synapses needs beside its own."""
        ends = [self.built.objects.neurons[name].variables for name in (low.source, low.target)]
        lines = self._signals(synapses, texts, {name for variables in ends for name in variables})
        if writes_weights(synapses, low):
            lines.append(f"{LEARNING} : boolean (shared)")
        if draws(synapses.on_reward):
            lines.append(f"{REWARD_STEP} : integer (shared)")
        return lines

    # ------------------------------------------------------------------ names

    def _used_signals(self, part: Neurons | Synapses, texts: Iterable[str]) -> list[str]:
        """Return the learning signals that the part's text reads."""
        own = {*brian.parse_equations(part.equations, part.name), *part.parameters}
        return [name for name in SHARED_SIGNALS if name in words(*texts) and name not in own]

    def _signals(self, part: Neurons | Synapses, texts: Iterable[str], there: Collection[str] = ()
                 ) -> list[str]:  # fmt: skip
        """Return declarations of these, but for those that the neurons at the ends of synapses have."""
        self.built.signals[part.name] = [n for n in self._used_signals(part, texts) if n not in there]
        return [f"{name} : 1 (shared)" for name in self.built.signals[part.name]]

    def _namespace(self, part: Neurons | Synapses, low: LoweredNeurons | LoweredSynapses, texts: Iterable[str],
                   model: Any = ()) -> dict[str, Any]:  # fmt: skip
        """Return the parameters as quantities, and the functions where they are used."""
        names = {n: _quantity(part, n) for n in low.constants}
        random = any(draws(text) for text in texts) or "xi" in words(part.equations)
        random |= any(word.startswith("xi_") for word in words(part.equations))
        guarded = LEARNING in model
        return {n: f for n, f in self.functions.items() if (guarded if n == "choose" else random)} | names

    def _dtypes(self, equations: Any) -> dict[str, Any]:
        return {n: self.dtype for n, e in equations.items() if e.var_type == "float"}


def _unshared(equations: Any) -> Any:
    """Let every neuron hold a shared variable with an equation: Brian2 advances none once for all."""
    kept = []
    for name, e in equations.items():
        if e.type == "differential equation" and "shared" in e.flags:
            flags = [flag for flag in e.flags if flag != "shared"]
            e = SingleEquation(e.type, name, e.dim, e.var_type, e.expr, flags)
        kept.append(e)
    return brian.Equations(kept)


def _quantity(part: Neurons | Synapses, name: str) -> Any:
    number, dimensions = brian.quantity(f"{part.name}.{name}", part.parameters[name])
    assert not isinstance(number, Array)
    return brian2.Quantity(number, dim=dimensions)


def _connect(group: Any, low: LoweredSynapses) -> None:
    """Make the synapses, in the order in which the model numbers them: by source, then by target."""
    if low.sources is None:
        i, j = (places.ravel() for places in np.indices(low.shape))
        group.connect(i=i, j=j)
    elif low.sources.size:
        group.connect(i=low.sources, j=low.targets)
    else:
        group.connect(condition=False)
