"""Lower a model: equations and statements become plain statements in SI units, checked by Brian2.

Importing this module imports brian2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from snnrl.equations import brian
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import (
    Statement,
    calls_random,
    constant_value,
    evaluate,
    names_in,
    parse,
    parse_expression,
    rename,
)
from snnrl.errors import InvalidValueError, ModelError, UnitError, UnknownNameError
from snnrl.model import Array, Network, Neurons, Pairs, Synapses

_SCALARS = (*SHARED_SIGNALS, "dt", "t")


class _Part:
    """What `Neurons` and `Synapses` have in common: equations, parameters, initial values, names."""

    def __init__(self, part: Neurons | Synapses, shape: tuple[int, ...]) -> None:
        self.part, self.shape = part, shape
        self.where = f"{type(part).__name__}({part.name})"
        self.equations = brian.parse_equations(part.equations, self.where)
        self.constants: dict[str, float] = {}
        self.initial: dict[str, Any] = {}
        self.variables = brian.base_variables()
        self._declare()
        self._read_parameters()
        self._read_initial()

    def _declare(self) -> None:
        for name in SHARED_SIGNALS:
            brian.declare(self.variables, name, brian.DIMENSIONLESS, scalar=True, constant=False)
        for name, dimensions in brian.dimensions_of(self.equations).items():
            shared = "shared" in self.equations[name].flags
            brian.declare(self.variables, name, dimensions, scalar=shared, constant=False)

    @property
    def stored(self) -> list[str]:
        """Names of the variables that have storage, in order: not the subexpressions."""
        return [n for n, e in self.equations.items() if e.type != "subexpression"]

    @property
    def shared(self) -> list[str]:
        """Names of the stored variables with one value for the whole population, as the text says."""
        return [n for n in self.stored if "shared" in self.equations[n].flags]

    @property
    def evolving(self) -> list[str]:
        """Shared variables that follow a differential equation."""
        return [n for n in self.shared if self.equations[n].type == "differential equation"]

    def _read_parameters(self) -> None:
        for name, value in self.part.parameters.items():
            number, dimensions = brian.quantity(f"{self.where}.parameters[{name!r}]", value)
            if name in self.equations:
                if not isinstance(number, Array):  # the numbers of an array are in the declared unit
                    self._check_units(name, dimensions)
                self.initial[name] = self._shaped(name, brian.as_numbers(number))
            elif isinstance(number, Array):
                raise ModelError(
                    f"{self.where}.parameters[{name!r}]: an array needs a declaration in the equations, "
                    f"such as '{name} : 1 (constant)'"
                )
            else:
                self.constants[name] = number
                brian.declare_constant(self.variables, name, number, dimensions)

    def _check_units(self, name: str, found: Any) -> None:
        expected = self.equations[name].dim
        if found is not expected:
            got, want = brian.unit_name(found), brian.unit_name(expected)
            raise UnitError(f"{self.where}.{name}: value has units {got}, expected {want}")

    def _shaped(self, name: str, value: Any) -> Any:
        shape = (1,) if name in self.shared else self.shape
        if isinstance(value, np.ndarray) and value.shape != shape:
            raise InvalidValueError(
                f"{self.where}.{name}", value.shape, f"a number or an array of shape {shape}"
            )
        return value

    def _read_initial(self) -> None:
        for name, value in self.part.initial.items():
            if name not in self.stored:
                raise UnknownNameError(f"{self.where}.initial", name, self.stored)
            if isinstance(value, str):
                expression = self._checked_expression(name, value)
                brian.check_statement_units(f"{name} = {value}", self._with_index(), f"{self.where}.initial")
                number = constant_value(expression)
                self.initial[name] = expression if number is None else number
            else:
                self.initial[name] = self._shaped(name, brian.as_numbers(brian.quantity(name, value)[0]))
        for name in self.stored:
            self.initial.setdefault(name, 0.0)

    @property
    def _indices(self) -> tuple[str, ...]:
        return ("i", "j") if isinstance(self.part, Synapses) else ("i",)

    def _with_index(self) -> brian.Variables:
        return {**self.variables, **{i: brian.Variable(i, scalar=False) for i in self._indices}}

    def _checked_expression(self, name: str, text: str) -> str:
        """Check an initial value: it may read parameters and earlier entries; of a shared one, shared ones."""
        where = f"{self.where}.initial[{name!r}]"
        allowed = {*self.initial, *self._indices}
        if name in self.shared:
            allowed &= set(self.shared)
        expression = self.resolve(brian_ast(text, where), {*allowed, *self.constants}, where)
        if name in self.evolving and calls_random(expression):
            raise ModelError(
                f"{where}: a shared variable with an equation starts at the same value, not at random"
            )
        return expression

    def resolve(self, expression: str, allowed: Iterable[str], where: str) -> str:
        """Put subexpressions in, turn units into SI numbers, and refuse unknown names."""
        known = set(allowed)
        for _ in range(len(self.equations) + 1):
            subexpressions = {
                n: f"({self.equations[n].expr})"
                for n in names_in(expression)
                if n in self.equations and self.equations[n].type == "subexpression"
            }
            if not subexpressions:
                break
            expression = rename(expression, subexpressions)
        units = {}
        for name in names_in(expression) - known:
            if name not in brian._UNITS:
                raise UnknownNameError(where, name, known)
            units[name] = repr(float(brian._UNITS[name]))
        return rename(expression, units) if units else expression

    def statements(
        self, code: str, field: str, allowed: Iterable[str], writable: Iterable[str]
    ) -> tuple[Statement, ...]:
        """Parse statements, check names and units, resolve every expression."""
        where = f"{self.where}.{field}"
        parsed = parse(code, where)
        known, can_write = set(allowed), set(writable)
        if parsed:
            text = "\n".join(str(s) for s in parsed)
            brian.check_statement_units(text, self.variables, where)
        result = []
        for s in parsed:
            if s.target in known and s.target not in can_write:
                raise ModelError(
                    f"{where}: {s.target!r} cannot be assigned here; writable: {sorted(can_write)}"
                )
            expression = self.resolve(s.expression, known, where)
            increment = self.resolve(s.increment, known, where) if s.increment else ""
            result.append(Statement(s.target, expression, increment))
            known.add(s.target)
            can_write.add(s.target)
        return tuple(result)


def brian_ast(text: str, where: str) -> str:
    """Parse an expression by our own rules and return it in normal form."""
    import ast

    return ast.unparse(parse_expression(text, where))


def lower_neurons(neurons: Neurons, dt: float) -> LoweredNeurons:
    """Lower one population.

    Raises
    ------
    ModelError, UnitError, UnknownNameError, InvalidValueError
        With the name of the population and what is wrong.
    """
    part = _Part(neurons, (neurons.size,))
    where, equations = part.where, part.equations
    brian.check_equation_units(equations, part.variables, where)
    _check_shared(part)
    # A shared equation is advanced by every neuron alike: only what has no equation is stored once.
    shared = tuple(n for n in part.shared if n not in part.evolving)
    stored = part.stored
    writable = set(stored) - set(part.evolving)
    readable = {*stored, *part.constants, *_SCALARS}
    update = _update(part, equations, neurons.method, readable, dt)
    threshold = ""
    if neurons.threshold:
        threshold = part.resolve(
            brian_ast(neurons.threshold, f"{where}.threshold"), readable, f"{where}.threshold"
        )
        brian.check_condition(neurons.threshold, part.variables, f"{where}.threshold")
    conditional = frozenset(n for n in stored if "unless refractory" in equations[n].flags)
    refractory = brian.whole_steps(f"{where}.refractory", neurons.refractory, dt)
    on_step = part.statements(neurons.on_step, "on_step", readable, writable)
    _check_shared_writes(part, on_step)
    return LoweredNeurons(
        name=neurons.name,
        size=neurons.size,
        constants=part.constants,
        variables=tuple(n for n in stored if n not in shared),
        shared=shared,
        conditional=conditional,
        update=update,
        threshold=threshold,
        reset=part.statements(neurons.reset, "reset", readable, writable - set(shared)),
        on_step=on_step,
        refractory_steps=refractory if threshold else 0,  # without spikes nothing is ever refractory
        initial=part.initial,
    )


def _check_shared(part: _Part) -> None:
    """Refuse shared equations that could differ between neurons."""
    for name in part.evolving:
        where, equation = f"{part.where}: equation of {name!r}", part.equations[name]
        if (
            set(part.equations.stochastic_variables) & equation.identifiers
            or "unless refractory" in equation.flags
        ):
            raise ModelError(f"{where}: noise and '(unless refractory)' cannot be (shared)")
        expression = part.resolve(
            brian_ast(str(equation.expr), where), {*part.stored, *part.constants, *_SCALARS}, where
        )
        _check_reads(part, name, names_in(expression), where)


def _check_shared_writes(part: _Part, statements: Iterable[Statement]) -> None:
    for s in statements:
        if s.target in part.shared:
            _check_reads(part, s.target, s.reads, f"{part.where}.on_step")


def _check_reads(part: _Part, name: str, reads: Iterable[str], where: str) -> None:
    different = sorted(n for n in reads if n in part.stored and n not in part.shared)
    if different:
        raise ModelError(f"{where}: {name!r} is (shared) and cannot depend on {different[0]!r}, which is not")


def _update(part: _Part, equations: Any, method: str, readable: set[str], dt: float) -> tuple[Statement, ...]:
    code = brian.update_code(equations, part.variables, method, part.where)
    known = set(readable)
    result = []
    for s in parse(code, part.where):
        result.append(Statement(s.target, part.resolve(s.expression, known, part.where)))
        known.add(s.target)
    if method in ("exact", "linear"):
        _check_finite(part, result, dt)
    return tuple(result)


def _check_finite(part: _Part, statements: Iterable[Statement], dt: float) -> None:
    """Refuse an exact solution that is 0/0 (equal time constants) or not real for the parameters given."""
    values: dict[str, Any] = {**part.constants, **dict.fromkeys(part.equations.diff_eq_names, 1.0), "dt": dt}
    for s in statements:
        if not s.reads <= set(values):
            continue  # the rest is known only when the network runs
        with np.errstate(all="ignore"):
            values[s.target] = evaluate(s.expression, values)
        if np.isnan(values[s.target]):
            raise ModelError(
                f"{part.where}: method 'exact' has no solution in real numbers for {s.target.lstrip('_')!r} with these "
                "parameters; two equal time constants, for example, have to differ slightly"
            )


def lower_synapses(synapses: Synapses, source: Neurons, target: Neurons, dt: float) -> LoweredSynapses:
    """Lower one group of synapses; raises as `lower_neurons` does."""
    pairs = synapses.connectivity if isinstance(synapses.connectivity, Pairs) else None
    shape = (source.size, target.size) if pairs is None else (len(pairs),)
    part = _Part(synapses, shape)
    _declare_ends(part, source, target)
    _check_flags(part)
    brian.check_equation_units(part.equations, part.variables, part.where)
    ends = [n for n in part.variables if n.endswith(("_pre", "_post"))]
    written = [n for n in ends if n not in _evolving_ends(source, target)]
    stored = part.stored
    readable = {*stored, *part.constants, *ends, *_SCALARS}
    for name in synapses.weights:
        if name not in stored:
            raise UnknownNameError(f"{part.where}.weights", name, stored)
    events = {
        field: part.statements(
            _qualify(getattr(synapses, field), part, target, field), field, readable, [*stored, *written]
        )
        for field in ("on_pre", "on_post")
    }
    return LoweredSynapses(
        name=synapses.name,
        source=synapses.source,
        target=synapses.target,
        n_source=source.size,
        n_target=target.size,
        sources=None if pairs is None else pairs.sources.values,
        targets=None if pairs is None else pairs.targets.values,
        constants=part.constants,
        variables=tuple(stored),
        flow=_flow(part, readable, dt),
        clock_update=_update(part, _selected(part, "clock-driven"), synapses.method, readable, dt),
        on_pre=events["on_pre"],
        on_post=events["on_post"],
        on_reward=part.statements(synapses.on_reward, "on_reward", readable, stored),
        weights=tuple(synapses.weights),
        delay=synapses.delay,
        initial=part.initial,
    )


def _declare_ends(part: _Part, source: Neurons, target: Neurons) -> None:
    for end, neurons in (("_pre", source), ("_post", target)):
        equations = brian.parse_equations(neurons.equations, f"Neurons({neurons.name})")
        for name, equation in equations.items():
            if equation.type != "subexpression":
                brian.declare(part.variables, name + end, equation.dim, scalar=False, constant=False)


def _evolving_ends(source: Neurons, target: Neurons) -> set[str]:
    """Shared variables with an equation, which synapses may read but not write."""
    found = set()
    for end, neurons in (("_pre", source), ("_post", target)):
        for name, equation in brian.parse_equations(neurons.equations, f"Neurons({neurons.name})").items():
            if equation.type == "differential equation" and "shared" in equation.flags:
                found.add(name + end)
    return found


def _qualify(code: str, part: _Part, target: Neurons, field: str) -> str:
    """As in Brian2, a bare name that the synapse lacks but the target neurons have means ``<name>_post``."""
    equations = brian.parse_equations(target.equations, f"Neurons({target.name})")
    own = {*part.equations, *part.constants}
    bare = {n: f"{n}_post" for n in equations if n not in own}
    lines = []
    for s in parse(code, f"{part.where}.{field}"):
        name = bare.get(s.target, s.target)
        if s.increment:
            lines.append(f"{name} += {rename(s.increment, bare)}")
        else:
            lines.append(f"{name} = {rename(s.expression, bare)}")
    return "\n".join(lines)


def _check_flags(part: _Part) -> None:
    for name, equation in part.equations.items():
        if equation.type == "differential equation" and not {"event-driven", "clock-driven"} & set(
            equation.flags
        ):
            raise ModelError(
                f"{part.where}: say whether {name!r} is (event-driven) or (clock-driven), for example "
                f"'d{name}/dt = ... : 1 (event-driven)'"
            )
        if "summed" in equation.flags or "shared" in equation.flags:
            raise ModelError(
                f"{part.where}: {name!r}: the flags 'summed' and 'shared' are not supported here"
            )


def _selected(part: _Part, flag: str) -> Any:
    chosen = [e for e in part.equations.values() if flag in e.flags or e.type != "differential equation"]
    return brian.Equations(chosen)


def _flow(part: _Part, readable: set[str], dt: float) -> dict[str, str]:
    equations = _selected(part, "event-driven")
    code = brian.update_code(equations, part.variables, "exact", part.where)
    statements = parse(code, part.where)
    new_values = {s.target: s.expression for s in statements if s.target.startswith("_")}
    flow = {
        s.target: part.resolve(new_values.get(s.expression, s.expression), readable, part.where)
        for s in statements
        if not s.target.startswith("_")
    }
    _check_finite(part, [Statement(f"_{v}", expression) for v, expression in flow.items()], dt)
    return flow


def lower(network: Network, env_step: str | None = None) -> LoweredNetwork:
    """Lower a whole network.

    Parameters
    ----------
    network
        The model.
    env_step
        Duration of an environment step; a whole number of dt.
    """
    dt = brian.seconds("Network.dt", network.dt)
    if not dt > 0.0:
        raise InvalidValueError("Network.dt", network.dt, "a positive time")
    steps = 1 if env_step is None else brian.whole_steps("AgentModel.env_step", env_step, dt)
    if steps < 1:
        raise InvalidValueError("AgentModel.env_step", env_step, "at least one dt")
    return LoweredNetwork(
        neurons=tuple(lower_neurons(n, dt) for n in network.neurons),
        synapses=tuple(
            lower_synapses(s, network.population(s.source), network.population(s.target), dt)
            for s in network.synapses
        ),
        dt=dt,
        env_steps=steps,
    )
