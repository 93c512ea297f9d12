"""Synapses of a Brian2 network as the model's `Synapses`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2.equations.equations import DIFFERENTIAL_EQUATION, PARAMETER
from numpy.typing import NDArray

from snnrl.engines.brian2.takeover_neurons import (
    Population,
    check_equation,
    current_values,
    integration_method,
)
from snnrl.engines.brian2.takeover_text import (
    Problems,
    Reader,
    equation_text,
    quantity_of,
    renamed_variables,
)
from snnrl.equations.statements import Statement, parse
from snnrl.model import Pairs, Synapses
from snnrl.model.network import ALL_TO_ALL

_ENDS = ("_pre", "_post")


@dataclass
class Group:
    """A Brian2 Synapses object between two populations, ``name`` as the model calls it."""

    synapses: Any
    name: str
    source: Population
    target: Population

    def __post_init__(self) -> None:
        self.where = f"Synapses({self.name})"
        event_driven = self.synapses.event_driven
        self.equations: dict[str, Any] = dict(self.synapses.equations.items())
        self.equations |= {} if event_driven is None else dict(event_driven.items())
        self.shared = [n for n, e in self.equations.items() if e.type == PARAMETER and "shared" in e.flags]
        self.own_names = renamed_variables(self.equations)

    def names(self) -> dict[str, str]:
        """Return the names to be replaced: a bare name of a target's variable means ``<name>_post``."""
        names = dict(self.own_names)
        for end, population in zip(_ENDS, (self.source, self.target), strict=True):
            names |= {f"{old}{end}": f"{new}{end}" for old, new in population.names.items()}
        bare = [v for v in self.target.stored if v not in self.equations]
        return names | {v: f"{self.target.called(v)}_post" for v in bare}

    def known(self) -> set[str]:
        """Return the names that the model's synapses may read."""
        ends = {f"{v}_pre" for v in self.source.stored} | {f"{v}_post" for v in self.target.stored}
        return {*self.equations, *ends} - set(self.shared)

    def pathways(self, end: str) -> list[Any]:
        """Return the pathways of one end in the order in which Brian2 runs them."""
        chosen = [p for p in self.synapses._pathways if p.prepost == end]
        return sorted(chosen, key=lambda p: (p.order, p.name))


def take_synapses(
    group: Group, namespace: Mapping[str, Any], dt: float, problems: Problems
) -> tuple[Synapses | None, bool]:
    """Return a group of synapses of the model, and whether it draws random numbers; ``None`` if it is empty."""
    brian2_group, where = group.synapses, group.where
    if len(brian2_group) == 0:
        return None, False
    reader = Reader(brian2_group, where, namespace, problems, group.known(), group.names())
    _read_shared(group, reader)
    on_pre, delay = _events(group, "pre", reader, dt)
    on_post, late = _events(group, "post", reader, dt)
    if late:
        problems.add(f"{where}.on_post", "a delay of on_post", "a delay of on_pre only")
    lines = _lines(group, reader)
    method = "exact"
    if brian2_group.state_updater is not None:
        method = integration_method(brian2_group.state_updater, brian2_group.equations, reader, problems)
    connectivity, order = _connectivity(group)
    own = {n: e for n, e in group.equations.items() if n not in group.shared}
    parameters, initial = current_values(brian2_group, own, reader.names, order)
    for index in sorted({"i", "j"} & set(reader.names)):
        lines.append(f"{reader.names[index]} : integer (constant)")
        parameters[reader.names[index]] = np.asarray(getattr(brian2_group, index)[:])[order]
    shape = (
        (-1,) if isinstance(connectivity, Pairs) else (int(group.source.group.N), int(group.target.group.N))
    )
    return Synapses(
        name=group.name,
        source=group.source.name,
        target=group.target.name,
        equations="\n".join(lines),
        on_pre=on_pre,
        on_post=on_post,
        weights=_learned(group, reader.names, parse(f"{on_pre}\n{on_post}", where)),
        parameters={**reader.constants, **_shaped(parameters, shape)},
        initial=_shaped(initial, shape),
        connectivity=connectivity,
        delay=delay,
        method=method,
    ), reader.random


def _shaped(values: Mapping[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    return {n: v.reshape(shape) if isinstance(v, np.ndarray) else v for n, v in values.items()}


def _read_shared(group: Group, reader: Reader) -> None:
    """Turn shared parameters, which the model's synapses lack, into constants."""
    for name in group.shared:
        value = np.ravel(group.synapses.variables[name].get_value())[0]
        reader.constants[group.own_names.get(name, name)] = quantity_of(value, group.equations[name].dim)
        reader.known.add(name)


def _events(group: Group, end: str, reader: Reader, dt: float) -> tuple[str, int]:
    """Return the statements of one event and their delay in dt; several pathways follow one another."""
    texts, delays = [], set[int]()
    event = f"on_{end}"
    part = f"{group.where}.{event}"
    for pathway in group.pathways(end):
        if pathway.event != "spike":
            reader.problems.add(part, f"runs on {pathway.event!r}", "the event 'spike'")
        texts.append(reader.read(pathway.code, event))
        delays |= _delays(pathway, dt)
    if len(delays) > 1:
        instead = "one Synapses object for each delay"
        reader.problems.add(part, f"delays from {min(delays)} to {max(delays)} dt in one group", instead)
    statements = [parse(text, part) for text in texts]
    for number, before in enumerate(statements):
        _check_one_after_the_other(part, before, statements[number + 1 :], reader.problems)
    for statement in (s for several in statements for s in several):
        if statement.target in group.shared:
            reader.problems.add(part, f"writes the shared {statement.target!r}", "one value for each synapse")
    return "\n".join(text.strip("\n") for text in texts), max(delays, default=0)


def _delays(pathway: Any, dt: float) -> set[int]:
    """Return the delays of a pathway in dt, rounded as Brian2 rounds them."""
    values = np.asarray(pathway.variables["delay"].get_value())
    return {int(v / dt + 0.5) for v in np.unique(values)}


def _check_one_after_the_other(
    part: str, before: list[Statement], after: list[list[Statement]], problems: Problems
) -> None:
    """Note a pathway that reads what an earlier one wrote on neurons.

    Brian2 runs a pathway on all synapses before the next one; the model runs all statements on one neuron's synapses
    before those of the next.
    """
    written = {s.target for s in before if s.target.endswith(_ENDS)}
    read = {
        name
        for several in after
        for s in several
        for name in s.reads - ({s.target} if s.increment else set())
    }
    for name in sorted(written & read):
        problems.add(part, f"{name!r} is written by one pathway and read by a later one", "one pathway")


def _lines(group: Group, reader: Reader) -> list[str]:
    """Return the equations, line by line; note what they hold that the model lacks."""
    lines = []
    for name, equation in group.equations.items():
        check_equation(group.where, name, equation, reader.problems)
        if equation.expr is not None:
            reader.read(equation.expr.code, f"equations[{name!r}]")
        if "event-driven" in equation.flags:
            _check_event_driven(group, name, equation, reader.problems)
    for name, equation in group.equations.items():
        if name not in group.shared:
            lines.append(equation_text(equation, reader.names, _flags(equation)))
    return lines


def _flags(equation: Any) -> list[str]:
    """Return the flags for the model, in which an equation of synapses says when it is advanced."""
    flags = [flag for flag in equation.flags if flag != "shared"]
    if equation.type == DIFFERENTIAL_EQUATION and "event-driven" not in flags and "clock-driven" not in flags:
        flags.append("clock-driven")
    return flags


def _check_event_driven(group: Group, name: str, equation: Any, problems: Problems) -> None:
    """Note an event-driven equation that follows a neuron variable which changes between events.

    Brian2 then uses the value at the event for all the time since the last one.
    """
    for end, population in zip(_ENDS, (group.source, group.target), strict=True):
        for variable in population.stored:
            constant = "constant" in population.equations[variable].flags
            bare = end == "_post" and variable in equation.identifiers and variable not in group.equations
            if not constant and (bare or f"{variable}{end}" in equation.identifiers):
                part = f"{group.where}.equations[{name!r}]"
                problems.add(
                    part, f"event-driven, and reads {variable + end!r}, which changes", "'(clock-driven)'"
                )


def _connectivity(group: Group) -> tuple[str | Pairs, NDArray[np.int64]]:
    """Return the connectivity between whole populations, and the model's order of Brian2's synapses."""
    sources = np.asarray(group.synapses.variables["_synaptic_pre"].get_value(), dtype=np.int64)
    targets = np.asarray(group.synapses.variables["_synaptic_post"].get_value(), dtype=np.int64)
    order = np.lexsort((targets, sources))
    n_source, n_target = int(group.source.group.N), int(group.target.group.N)
    numbers = sources[order] * n_target + targets[order]
    if np.array_equal(numbers, np.arange(n_source * n_target)):
        return ALL_TO_ALL, order
    return Pairs(sources, targets), order


def _learned(group: Group, names: Mapping[str, str], statements: Iterable[Statement]) -> tuple[str, ...]:
    """Return what events change and no equation moves: the weights."""
    written = {s.target for s in statements}
    free = [names.get(n, n) for n, e in group.equations.items() if e.type == PARAMETER]
    return tuple(n for n in free if n in written)


def check_clock_driven(group: Group, schedule: list[Any], problems: Problems) -> None:
    """Note clock-driven equations that read a population which Brian2 advances only afterwards."""
    position = {o.name: k for k, o in enumerate(schedule)}
    updater = group.synapses.state_updater
    if updater is None:
        return
    for end, population in zip(_ENDS, (group.source, group.target), strict=True):
        moving = [v for v, e in population.equations.items() if e.type == DIFFERENTIAL_EQUATION]
        read = {f"{v}{end}" for v in moving} | ({*moving} if end == "_post" else set())
        reads = {name for e in group.synapses.equations.values() for name in e.identifiers}
        other = getattr(population.group, "state_updater", None)
        if read & reads and other is not None and position[other.name] > position[updater.name]:
            reason = f"is advanced before {population.name!r}, whose variables it reads"
            problems.add(f"{group.where}.equations", reason, "Synapses(..., order=1)")
