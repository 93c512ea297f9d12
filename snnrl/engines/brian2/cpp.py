"""From self-contained Python functions to C++: encoders, decoders, rewards and physics of the standalone target.

What an engine copies as text (`snnrl.tasks.base.source_of`) is a small part of Python: assignments, ``if``, ``for``
over ``range``, ``while``, arithmetic, comparisons, ``math``, and one-dimensional arrays. Every operation becomes the
same operation in the same order, so that the numbers are those of the Python function up to the last bit of the
library's ``exp`` or ``tanh``. Types are inferred: a variable that is ever assigned a float is a ``double``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.brian2.cpp_expressions import Expressions, UntranslatableError, spelled
from snnrl.errors import InvalidValueError, UnsupportedError
from snnrl.tasks.base import source_of

ENGINE = "brian2"
ALTERNATIVES = "the targets 'numpy' and 'cython' of this engine, or the engines fast, torch and bindsnet"

HELPERS = """\
template <class T> static inline T py_min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T py_max(T a, T b) { return b > a ? b : a; }
static inline int64_t py_floordiv(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
static inline int64_t py_mod(int64_t a, int64_t b) { return a - py_floordiv(a, b) * b; }
static inline double py_floordiv(double a, double b) { return std::floor(a / b); }
static inline double py_mod(double a, double b) { double r = std::fmod(a, b); return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r; }
"""
"""C++ that translated functions use; ``min``, ``max``, ``//`` and ``%`` as Python has them."""


@dataclass(frozen=True)
class Array:
    """An argument that is a one-dimensional array of a known length, of C++ type ``kind``."""

    length: int
    kind: str = "double"


Argument = Array | str
"""An argument's type: an array, or the C++ type of a scalar: ``double``, ``int64_t`` or ``bool``."""


def to_cpp(
    function: Callable[..., Any], name: str, arguments: tuple[Argument, ...], result: str, part: str
) -> str:
    """Translate a self-contained function.

    Parameters
    ----------
    function
        The Python function.
    name
        Its name in C++.
    arguments
        Types of the arguments, in order. Arrays become pointers.
    result
        C++ type of what it returns, or ``"void"``.
    part
        What it is in the model, for errors: ``"reward 'gaussian'"``.

    Raises
    ------
    UnsupportedError
        If it uses something that has no translation; names the part, the reason and the alternatives.
    """
    try:
        return definition_to_cpp(definition_of(function), name, arguments, result)
    except UntranslatableError as error:
        raise unsupported(part, function, str(error)) from error


def definition_to_cpp(
    definition: ast.FunctionDef, name: str, arguments: tuple[Argument, ...], result: str
) -> str:
    """Translate the syntax tree of a function; `UntranslatableError` says what has no translation."""
    names = [argument.arg for argument in definition.args.args]
    if len(names) != len(arguments):
        raise UntranslatableError(f"it takes {len(names)} arguments, {len(arguments)} are expected")
    return _Translator(name, dict(zip(names, arguments, strict=True)), result).translate(definition)


def definition_of(function: Callable[..., Any]) -> ast.FunctionDef:
    """Return the syntax tree of a self-contained function; `UntranslatableError` if it has no such text."""
    try:
        definition = ast.parse(source_of(function)).body[0]
    except InvalidValueError as error:
        raise UntranslatableError(str(error)) from error
    assert isinstance(definition, ast.FunctionDef)  # source_of has checked it
    return definition


def unsupported(part: str, function: Callable[..., Any], reason: str) -> UnsupportedError:
    """Return the error for a function without a translation."""
    name = getattr(function, "__name__", repr(function))
    return UnsupportedError(
        f"{ENGINE} (standalone)", part, f"{name}() cannot be translated to C++: {reason}", ALTERNATIVES
    )


def array_literal(name: str, values: NDArray[np.float64]) -> str:
    """Return the definition of a constant C++ array with exactly these numbers."""
    numbers = ", ".join(number(float(v)) for v in np.atleast_1d(values)) or "0.0"
    return f"static const double {name}[] = {{{numbers}}};"


def number(value: float) -> str:
    """Return a float as C++ text that reads back as the same number."""
    if np.isnan(value):
        return "NAN"
    if np.isinf(value):
        return "INFINITY" if value > 0 else "-INFINITY"
    return repr(value)


class _Translator:
    """One function: infers the types of its variables, then writes its statements."""

    def __init__(self, name: str, arguments: dict[str, Argument], result: str) -> None:
        self.name, self.arguments, self.result = name, arguments, result
        arrays = {n: a for n, a in arguments.items() if isinstance(a, Array)}
        scalars = {n: a for n, a in arguments.items() if isinstance(a, str)}
        self.expressions = Expressions(
            scalars, {n: a.kind for n, a in arrays.items()}, {n: a.length for n, a in arrays.items()}
        )
        self.lines: list[str] = []
        self.depth, self.fresh = 1, 0

    def translate(self, definition: ast.FunctionDef) -> str:
        self._infer(definition)
        parameters = ", ".join(
            f"{a.kind}* {spelled(n)}" if isinstance(a, Array) else f"{a} {spelled(n)}"
            for n, a in self.arguments.items()
        )
        for name, kind in self.expressions.types.items():
            if name not in self.arguments:
                self._add(f"{kind} {spelled(name)} = 0;")
        self._block(definition.body)
        return "\n".join([f"static {self.result} {self.name}({parameters}) {{", *self.lines, "}"])

    def _infer(self, definition: ast.FunctionDef) -> None:
        """Find the type of every variable: the widest of what it is assigned."""
        while True:
            before = dict(self.expressions.types)
            for node in ast.walk(definition):
                for target, value in _assignments(node):
                    self.expressions.widen(target, value)
            if self.expressions.types == before:
                return

    def _add(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def _new(self, stem: str) -> str:
        self.fresh += 1
        return f"{stem}_{self.fresh}_"

    def _block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            handler = getattr(self, f"_{type(statement).__name__}", None)
            if handler is None:
                raise UntranslatableError(f"{type(statement).__name__} in {ast.unparse(statement)!r}")
            handler(statement)

    def _indented(self, head: str, statements: list[ast.stmt]) -> None:
        self._add(head + " {")
        self.depth += 1
        self._block(statements)
        self.depth -= 1
        self._add("}")

    def _Assign(self, node: ast.Assign) -> None:  # noqa: N802  the names of ast's classes
        if len(node.targets) != 1:
            raise UntranslatableError(f"several targets in {ast.unparse(node)!r}")
        pairs = list(_assignments(node))
        if len(pairs) == 1:
            self._assign(pairs[0][0], self.expressions.text(pairs[0][1]))
            return
        values = []
        for _, value in pairs:  # all values are read before the first is written
            values.append(self._new("value"))
            self._add(f"const {self.expressions.kind(value)} {values[-1]} = {self.expressions.text(value)};")
        for (target, _), name in zip(pairs, values, strict=True):
            self._assign(target, name)

    def _assign(self, target: ast.expr, value: str) -> None:
        self._add(f"{self.expressions.text(target)} = {value};")

    def _AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802
        self._assign(node.target, self.expressions.text(ast.BinOp(_loaded(node.target), node.op, node.value)))

    def _If(self, node: ast.If) -> None:  # noqa: N802
        self._indented(f"if ({self.expressions.condition(node.test)})", node.body)
        if node.orelse:
            self._indented("else", node.orelse)

    def _While(self, node: ast.While) -> None:  # noqa: N802
        if node.orelse:
            raise UntranslatableError("'else' of a loop")
        self._indented(f"while ({self.expressions.condition(node.test)})", node.body)

    def _For(self, node: ast.For) -> None:  # noqa: N802
        """``range`` is evaluated once, and the variable may be changed in the loop, as in Python."""
        start, stop, step = _range_of(node)
        counter, end = self._new("k"), self._new("end")
        self._add(f"const int64_t {end} = {self.expressions.integer(stop)};")
        sign = "<" if step > 0 else ">"
        head = f"for (int64_t {counter} = {self.expressions.integer(start)}; {counter} {sign} {end}; {counter} += {step})"
        self._add(head + " {")
        self.depth += 1
        self._assign(node.target, counter)
        self._block(node.body)
        self.depth -= 1
        self._add("}")

    def _Return(self, node: ast.Return) -> None:  # noqa: N802
        if (node.value is None) != (self.result == "void"):
            raise UntranslatableError(f"{ast.unparse(node)!r} in a function that returns {self.result}")
        if node.value is None:
            self._add("return;")
        elif self.result == "bool":
            self._add(f"return {self.expressions.condition(node.value)};")
        else:
            self._add(f"return ({self.result})({self.expressions.text(node.value)});")

    def _Break(self, node: ast.Break) -> None:  # noqa: N802
        self._add("break;")

    def _Continue(self, node: ast.Continue) -> None:  # noqa: N802
        self._add("continue;")

    def _Pass(self, node: ast.Pass) -> None:  # noqa: N802
        pass


def _loaded(target: ast.expr) -> ast.expr:
    """Return an assignment's target as an expression that reads it."""
    return ast.parse(ast.unparse(target), mode="eval").body


def _assignments(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Return what a statement assigns to what, one by one."""
    if isinstance(node, ast.For):
        return [(node.target, ast.Constant(0))]
    if isinstance(node, ast.AugAssign):
        return [(node.target, ast.BinOp(_loaded(node.target), node.op, node.value))]
    if not isinstance(node, ast.Assign):
        return []
    target, value = node.targets[0], node.value
    if not isinstance(target, ast.Tuple):
        return [(target, value)]
    if not isinstance(value, ast.Tuple) or len(target.elts) != len(value.elts):
        raise UntranslatableError(f"{ast.unparse(node)!r}")
    return list(zip(target.elts, value.elts, strict=True))


def _range_of(node: ast.For) -> tuple[ast.expr, ast.expr, int]:
    """Return start, stop and step of a loop over ``range``."""
    call = node.iter
    is_range = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "range"
    if not is_range or node.orelse or not isinstance(node.target, ast.Name):
        raise UntranslatableError(f"{ast.unparse(node).splitlines()[0]!r}: only loops over range()")
    assert isinstance(call, ast.Call)
    start, stop = (ast.Constant(0), call.args[0]) if len(call.args) == 1 else (call.args[0], call.args[1])
    try:
        step = ast.literal_eval(call.args[2]) if len(call.args) == 3 else 1
    except ValueError as error:
        raise UntranslatableError(f"step of {ast.unparse(call)!r}: only a number") from error
    return start, stop, int(step)
