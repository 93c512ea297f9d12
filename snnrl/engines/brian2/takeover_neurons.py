"""Populations of a Brian2 network as the model's `Neurons`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Equations, NeuronGroup, PoissonGroup, Quantity, SpikeGeneratorGroup, second
from brian2.core.functions import timestep
from brian2.equations.equations import SUBEXPRESSION
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException

from snnrl.engines.brian2.takeover_text import (
    Problems,
    Reader,
    equation_text,
    quantity_of,
    renamed_variables,
    uniform,
)
from snnrl.errors import ModelError
from snnrl.model import Neurons

#: State updaters whose step of one variable reads the others only as they were before the step.
_UNCOUPLED = ("euler", "exponential_euler")


@dataclass
class Population:
    """One population of the Brian2 network.

    Attributes
    ----------
    group
        A NeuronGroup, PoissonGroup or SpikeGeneratorGroup.
    name
        What the model calls it.
    names
        New names of its variables, where the model needs others.
    equations
        Its equations by variable, as the user wrote them.
    """

    group: Any
    name: str

    def __post_init__(self) -> None:
        self.equations: dict[str, Any] = dict(_equations(self.group).items())
        self.names = renamed_variables(self.equations)
        self.where = f"Neurons({self.name})"

    @property
    def stored(self) -> list[str]:
        """Variables that hold values, by their Brian2 names."""
        return [name for name, equation in self.equations.items() if equation.type != SUBEXPRESSION]

    def called(self, variable: str) -> str:
        """Return the model's name of a variable."""
        return self.names.get(variable, variable)


def _equations(group: Any) -> Any:
    if isinstance(group, NeuronGroup):
        return group.user_equations
    if isinstance(group, PoissonGroup):
        rates = group._rates
        return Equations(f"rates = {rates} : Hz" if isinstance(rates, str) else "rates : Hz")
    return Equations("")


def take_neurons(
    population: Population, namespace: Mapping[str, Any], dt: float, problems: Problems
) -> tuple[Neurons, bool]:
    """Return a population of the model, and whether it draws random numbers."""
    group, where = population.group, population.where
    if isinstance(group, SpikeGeneratorGroup):
        return Neurons(population.name, int(group.N), ""), False
    reader = Reader(group, where, namespace, problems, set(population.equations), dict(population.names))
    events = dict(group.events)
    threshold = reader.read(events.pop("spike", ""), "threshold")
    for event in events:
        problems.add(
            f"{where}.events[{event!r}]", "only spikes are events", "a threshold of a population of its own"
        )
    reset = getattr(group, "event_codes", {}).get("spike", "")
    lines = _lines(population, reader, problems)
    reset = reader.read(reset, "reset")
    method = "euler"
    if isinstance(group, NeuronGroup):
        method = integration_method(group.state_updater, group.equations, reader, problems)
        _check_frozen(population, method, problems)
    parameters, initial = current_values(group, population.equations, population.names)
    if "i" in reader.names:
        lines.append(f"{reader.names['i']} : integer (constant)")
        parameters[reader.names["i"]] = np.arange(group.N)
    taken = Neurons(
        name=population.name,
        size=int(group.N),
        equations="\n".join(lines),
        threshold=threshold,
        reset=reset,
        refractory=_refractory(group, reader, dt),
        method=method,
        parameters={**reader.constants, **parameters},
        initial=initial,
    )
    return taken, reader.random


def _lines(population: Population, reader: Reader, problems: Problems) -> list[str]:
    """Return the equations, line by line; note what they hold that the model lacks."""
    lines = []
    for name, equation in population.equations.items():
        check_equation(population.where, name, equation, problems)
        if equation.expr is not None:
            reader.read(equation.expr.code, f"equations[{name!r}]")
    for equation in population.equations.values():
        lines.append(equation_text(equation, reader.names, equation.flags))
    return lines


def check_equation(where: str, name: str, equation: Any, problems: Problems) -> None:
    """Note what an equation asks for and the model lacks."""
    part = f"{where}.equations[{name!r}]"
    if "linked" in equation.flags:
        problems.add(part, "a linked variable", "a variable of its own, with synapses that write it")
    if "constant over dt" in equation.flags:
        problems.add(part, "'(constant over dt)'", "a plain subexpression, without random numbers")
    if equation.var_type == "boolean":
        problems.add(part, "a boolean variable", "a variable of unit 1 that is 0 or 1, compared with 0.5")


def integration_method(updater: Any, equations: Any, reader: Reader, problems: Problems) -> str:
    """Return the name of the state updater that Brian2 uses: of several the first that can."""
    if not equations.diff_eq_names:
        return "euler"
    part, choice = f"{reader.where}.method", updater.method_choice
    several = isinstance(choice, Iterable) and not isinstance(choice, str)
    candidates = list(choice) if several else [choice]
    if updater.method_options:
        problems.add(part, "method_options", "the state updater without options")
    for candidate in candidates:
        name = _registered(candidate)
        if name is None or name.startswith("gsl"):
            problems.add(part, f"the state updater {candidate!r}", "one of Brian2's own, such as 'rk4'")
            return "euler"
        if not several or _applies(name, equations, reader):
            return name
    raise ModelError(f"from_brian2, {part}: none of {candidates} can integrate these equations")


def _registered(candidate: Any) -> str | None:
    """Return the name under which Brian2 knows a state updater."""
    known = StateUpdateMethod.stateupdaters
    if isinstance(candidate, str):
        return candidate.lower() if candidate.lower() in known else None
    return next((name for name, updater in known.items() if updater is candidate), None)


def _applies(name: str, equations: Any, reader: Reader) -> bool:
    identifiers = equations.names | equations.identifiers | {"dt"}
    variables = reader.group.resolve_all(identifiers, reader.namespace, user_identifiers=set())
    try:
        StateUpdateMethod.apply_stateupdater(equations, variables, name)
    except UnsupportedEquationsException:
        return False
    return True


def _check_frozen(population: Population, method: str, problems: Problems) -> None:
    """Note equations that follow a variable in its refractory period by a joint step.

    Brian2 integrates them with that variable at rest; the model integrates all and then does not write it.
    """
    equations = population.equations
    frozen = {name for name, e in equations.items() if "unless refractory" in e.flags}
    if population.group._refractory is False or method in _UNCOUPLED or not frozen:
        return
    for name, equation in equations.items():
        if equation.type != "differential equation" or name in frozen:
            continue
        seen = _reads(name, equations)
        if seen & frozen:
            problems.add(
                f"{population.where}.equations[{name!r}]",
                f"follows {min(seen & frozen)!r}, which is '(unless refractory)', in one step of {method!r}",
                "method='euler' or 'exponential_euler'",
            )


def _reads(name: str, equations: Mapping[str, Any]) -> set[str]:
    """Return all variables that an equation depends on, directly or not."""
    seen: set[str] = set()
    ahead = {name}
    while ahead:
        equation = equations[ahead.pop()]
        new = {n for n in equation.identifiers if n in equations} - seen
        seen |= new
        ahead |= new
    return seen


def _refractory(group: Any, reader: Reader, dt: float) -> str:
    """Return the refractory period as text, in whole steps as Brian2 counts them.

    Without the keyword nothing is refractory. With it, even with 0 ms, what is ``(unless refractory)`` is closed to
    synapses in the step of the spike, which in the model takes one dt.
    """
    period = getattr(group, "_refractory", False)
    if period is False:
        return "0*ms"
    part = f"{reader.where}.refractory"
    if isinstance(period, str):
        text, period = period, reader.constant_quantity(period, "refractory")
        if not isinstance(period, Quantity) or period.dim is not second.dim:
            reason = f"{text!r} is no constant time"
            reader.problems.add(part, reason, "one refractory period for the whole population")
            return "0*ms"
    steps = max(1, int(timestep(float(period), dt)))
    if np.any(timestep(-np.asarray(group.variables["lastspike"].get_value()), dt) < steps):
        reader.problems.add(part, "neurons are refractory at the start", "lastspike as Brian2 sets it")
    return f"{steps * dt!r} * second"


def current_values(
    group: Any, equations: Mapping[str, Any], names: Mapping[str, str], order: Any = slice(None)
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the constants and the other variables of a group at their present values, in SI units.

    ``order`` rearranges values per neuron or synapse. A variable that is zero everywhere is left out: that is where
    the model starts.
    """
    parameters: dict[str, Any] = {}
    initial: dict[str, Any] = {}
    for name, equation in equations.items():
        if equation.type == SUBEXPRESSION or name not in group.variables:
            continue
        values = np.asarray(group.variables[name].get_value())
        value = uniform(values[order] if values.ndim and values.size > 1 else values)
        if "constant" in equation.flags:
            text = value if isinstance(value, np.ndarray) else quantity_of(value, equation.dim)
            parameters[names.get(name, name)] = text
        elif isinstance(value, np.ndarray) or value != 0:
            initial[names.get(name, name)] = value
    return parameters, initial
