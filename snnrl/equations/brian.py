"""The one place that talks to Brian2: parsing, units and state updaters.

Importing this module imports brian2 (about half a second); engines with a cached kernel never need it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

_excepthook = sys.excepthook

import brian2
import numpy as np
import sympy
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.core.variables import AuxiliaryVariable, Constant, Variable
from brian2.equations import Equations
from brian2.equations.unitcheck import check_units_statements
from brian2.parsing.expressions import is_boolean_expression, parse_expression_dimensions
from brian2.parsing.sympytools import sympy_to_str
from brian2.stateupdaters.base import StateUpdateMethod, UnsupportedEquationsException
from brian2.stateupdaters.exact import get_linear_system
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, DimensionMismatchError, Quantity
from brian2.units.fundamentalunits import get_unit_for_display as unit_name
from brian2.utils.stringtools import get_identifiers

from snnrl.errors import InvalidValueError, ModelError, UnitError, UnknownNameError
from snnrl.model.values import Array, Value

__all__ = [
    "DIMENSIONLESS",
    "Equations",
    "Variable",
    "Variables",
    "as_numbers",
    "base_variables",
    "brian2",
    "check_condition",
    "check_equation_units",
    "check_statement_units",
    "declare",
    "declare_constant",
    "dimensions_of",
    "parse_equations",
    "propagator_code",
    "quantity",
    "seconds",
    "unit_name",
    "update_code",
    "whole_steps",
]

# Brian2 replaces the hook and asks users to report every uncaught error to it; ours are not its business.
sys.excepthook = _excepthook
brian2.BrianLogger.suppress_name("method_choice")
logging.getLogger("brian2").setLevel(logging.ERROR)

_UNITS: dict[str, Any] = {
    name: value for name, value in vars(brian2).items() if isinstance(value, Quantity) and name.isidentifier()
}
Variables = dict[str, Any]


def quantity(name: str, value: Value) -> tuple[float | Array, Dimension]:
    """Return a parameter in SI units and its dimensions.

    Raises
    ------
    ModelError
        If the text is not a quantity.
    """
    if not isinstance(value, str):
        return (value if isinstance(value, Array) else float(value)), DIMENSIONLESS
    try:
        result = eval(value, {"__builtins__": {}}, _UNITS)
    except Exception as error:
        raise ModelError(f"{name}: {value!r} is not a quantity such as '20*ms' ({error})") from error
    return float(result), getattr(result, "dim", DIMENSIONLESS)


def seconds(name: str, value: Value) -> float:
    """Return a time in seconds; `UnitError` if ``value`` is not a time."""
    number, dimensions = quantity(name, value)
    if dimensions is not brian2.second.dim:
        raise UnitError(f"{name}: {value!r} is not a time such as '20*ms'")
    return float(number)  # type: ignore[arg-type]


def whole_steps(name: str, value: Value, dt: float) -> int:
    """Return a time as a whole number of dt, at least 0; `InvalidValueError` if it is not one."""
    duration = seconds(name, value)
    steps = round(duration / dt)
    if abs(steps * dt - duration) > 1e-9 * dt or steps < 0:
        raise InvalidValueError(name, value, f"a whole number of dt = {dt * 1e3:g} ms, at least 0")
    return steps


def parse_equations(text: str, where: str) -> Equations:
    """Parse equations; `ModelError` carries Brian2's own explanation."""
    try:
        return Equations(text)
    except Exception as error:
        raise ModelError(f"{where}: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def base_variables() -> Variables:
    """Return Brian2's functions, units and the shared names every statement may use."""
    variables: Variables = dict(DEFAULT_FUNCTIONS)
    for name, value in _UNITS.items():
        variables[name] = Constant(name, dimensions=value.dim, value=float(value))
    for name in ("dt", "t"):
        variables[name] = Variable(name, dimensions=brian2.second.dim, constant=name == "dt", scalar=True)
    return variables


def declare(variables: Variables, name: str, dimensions: Dimension, scalar: bool, constant: bool) -> None:
    """Add a variable to ``variables``."""
    variables[name] = Variable(name, dimensions=dimensions, constant=constant, scalar=scalar)


def declare_constant(variables: Variables, name: str, value: float, dimensions: Dimension) -> None:
    """Add a numeric constant to ``variables``."""
    variables[name] = Constant(name, dimensions=dimensions, value=value)


def check_equation_units(equations: Equations, variables: Variables, where: str) -> None:
    """Check every right-hand side against its variable's units; `UnitError` quotes both."""
    known = dict(variables)
    for xi in equations.stochastic_variables:
        known[xi] = AuxiliaryVariable(xi, dimensions=(brian2.second**-0.5).dim)
    for name, equation in equations.items():
        if equation.expr is None:
            continue
        _check_names(equation.identifiers, known, f"{where}: equation of {name!r}")
        expected = (
            equation.dim / brian2.second.dim if equation.type == "differential equation" else equation.dim
        )
        _check_dimensions(str(equation.expr), expected, known, f"{where}: equation of {name!r}")


def _check_names(names: Iterable[str], known: Mapping[str, Any], where: str) -> None:
    for name in sorted(names):
        if name not in known:
            user_names = [k for k in known if k not in _UNITS and k not in DEFAULT_FUNCTIONS]
            raise UnknownNameError(where, name, user_names)


def _check_dimensions(expression: str, expected: Dimension, variables: Variables, where: str) -> None:
    try:
        found = parse_expression_dimensions(expression, variables)
    except DimensionMismatchError as error:
        raise UnitError(f"{where}: {_one_line(error)}") from error
    except (SyntaxError, TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{where}: {_one_line(error)}") from error
    if found is not expected:
        got, want = unit_name(found), unit_name(expected)
        raise UnitError(f"{where}: {expression!r} has units {got}, expected {want}")


def check_statement_units(code: str, variables: Variables, where: str) -> None:
    """Check the units of statements with Brian2's own checker."""
    # Brian2 hashes all variables it is given, and there are a thousand units.
    known = {name: variables[name] for name in get_identifiers(code) if name in variables}
    try:
        check_units_statements(code, known)
    except DimensionMismatchError as error:
        raise UnitError(f"{where}: {_one_line(error)}") from error
    except Exception as error:
        raise ModelError(f"{where}: {_one_line(error)}") from error


def check_condition(expression: str, variables: Variables, where: str) -> None:
    """Check that a threshold is a condition whose units agree."""
    try:
        boolean = is_boolean_expression(expression, variables)
    except Exception as error:
        raise ModelError(f"{where}: {_one_line(error)}") from error
    if not boolean:
        raise ModelError(f"{where}: {expression!r} is not a condition such as 'v > 1'")
    _check_dimensions(expression, DIMENSIONLESS, variables, where)


def update_code(equations: Equations, variables: Variables, method: str, where: str) -> str:
    """Return the statements that advance ``equations`` by dt, from Brian2's state updater ``method``.

    ``exact`` also covers linear systems with a singular matrix, such as ``dw/dt = c*e; de/dt = -e/tau``, which
    Brian2's updater declines: see `propagator_code`.

    Raises
    ------
    ModelError
        If the method is unknown or cannot integrate these equations.
    """
    if method not in StateUpdateMethod.stateupdaters:
        raise UnknownNameError(f"{where}.method", method, StateUpdateMethod.stateupdaters)
    if not equations.diff_eq_names:
        return ""
    # Brian2 asks the variable "dt" for its value where there is one; ours has none until the network runs.
    known = {name: variable for name, variable in variables.items() if name != "dt"}
    try:
        code: str = StateUpdateMethod.apply_stateupdater(equations, known, method)
    except UnsupportedEquationsException as error:
        if method in ("exact", "linear") and not equations.is_stochastic:
            return propagator_code(equations, known, where, error)
        raise ModelError(f"{where}: method {method!r} cannot integrate these equations: {error}") from error
    return code


def propagator_code(equations: Equations, variables: Variables, where: str, cause: Exception) -> str:
    """Exact update of a linear system by the matrix exponential of the augmented matrix [[M, B], [0, 0]].

    Brian2's updater first solves M x + B = 0, which fails when M is singular although the flow exists, and it
    declines complex eigenvalues, although the flow of real equations is real. The system itself is still read by
    Brian2 (``get_linear_system``).
    """
    try:
        names, matrix, constants = get_linear_system(equations, variables)
    except (UnsupportedEquationsException, ValueError, TypeError, NotImplementedError):
        raise ModelError(f"{where}: {cause}") from cause
    size = len(names)
    step = sympy.Symbol("dt", real=True, positive=True)
    augmented = sympy.Matrix(matrix).row_join(sympy.Matrix(constants)).col_join(sympy.zeros(1, size + 1))
    flow = (augmented * step).exp().applyfunc(lambda entry: _real(entry, names, where))
    symbols = [sympy.Symbol(name, real=True) for name in names]
    state = sympy.Matrix([*symbols, 1])
    updates = [sympy.factor_terms(sympy.expand((flow[row, :] * state)[0])) for row in range(size)]
    lines = [f"_{name} = {sympy_to_str(update)}" for name, update in zip(names, updates, strict=True)]
    return "\n".join(lines + [f"{name} = _{name}" for name in names])


def _real(entry: Any, names: Iterable[str], where: str) -> Any:
    """Write exponentials of conjugate pairs of eigenvalues as sines and cosines.

    The imaginary unit must not survive: as text it is ``I``, which is what currents are called.
    """
    if not entry.has(sympy.I):
        return entry
    real = sympy.simplify(entry.as_real_imag()[0])
    if real.has(sympy.I, sympy.re, sympy.im, sympy.arg, sympy.atan2):
        raise ModelError(
            f"{where}: method 'exact' finds no real solution for {', '.join(names)}, whose eigenvalues are complex; "
            "use another method, such as 'rk4' (which an equation of synapses needs (clock-driven) for)"
        )
    return real


def dimensions_of(equations: Equations) -> dict[str, Dimension]:
    """Return the dimensions of every variable the equations define."""
    return {name: equation.dim for name, equation in equations.items()}


def as_numbers(value: float | Array) -> np.ndarray[Any, Any] | float:
    """Return a value as a float or numpy array."""
    return value.values if isinstance(value, Array) else value
