"""Render expressions as kernel source, with everything constant computed beforehand on the host."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.equations.statements import calls_random, evaluate, is_condition, names_in

_MATH = {
    "exp": "math.exp", "log": "math.log", "log10": "math.log10", "sqrt": "math.sqrt", "abs": "abs",
    "sin": "math.sin", "cos": "math.cos", "tan": "math.tan", "sinh": "math.sinh", "cosh": "math.cosh",
    "tanh": "math.tanh", "arctan": "math.atan", "floor": "np.floor", "ceil": "np.ceil", "clip": "clip",
    "sign": "sign", "exprel": "exprel",
}  # fmt: skip


class Source:
    """Lines of Python with indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def add(self, *lines: str) -> None:
        """Append lines at the present depth."""
        for line in lines:
            self.lines.append("    " * self.depth + line if line else "")

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        """Indent what is added inside, under ``header``; an empty block becomes ``pass``."""
        self.add(header)
        self.depth += 1
        start = len(self.lines)
        yield
        if len(self.lines) == start:
            self.add("pass")
        self.depth -= 1

    def text(self) -> str:
        """Return everything added so far."""
        return "\n".join(self.lines) + "\n"


@dataclass
class Constants:
    """Numbers computed once on the host and handed to the kernel: scalars, and tables over the window.

    A scalar is a subexpression of constants. A table holds a subexpression of constants and of the time since
    the environment step began, at 0, 1, ..., ``steps`` dt.
    """

    dt: float
    steps: int
    scalars: dict[tuple[str, str], float] = field(default_factory=dict)
    tables: dict[tuple[str, str, int], NDArray[np.float64]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def scalar(self, group: str, expression: str, values: Mapping[str, float]) -> str:
        """Register a scalar and return its name in the kernel."""
        key = (group, expression)
        if key not in self.scalars:
            self.scalars[key] = float(evaluate(expression, {**values, "dt": self.dt}))
        name = self._name(list(self.scalars).index(key), group, expression)
        self._used.add(name)
        return name

    @staticmethod
    def _name(index: int, group: str, expression: str) -> str:
        """Return the local of a scalar; its number keeps names apart that meet when joined."""
        return f"p{index}_{group}_{expression}" if expression.isidentifier() else f"c{index}"

    def table(self, group: str, expression: str, values: Mapping[str, float], sign: int) -> str:
        """Register a table over the window and return the beginning of its element; ``sign`` -1: backwards in time."""
        key = (group, expression, sign)
        if key not in self.tables:
            offsets = sign * self.dt * np.arange(self.steps + 1)
            self.tables[key] = np.broadcast_to(evaluate(expression, {**values, "dt": offsets}), offsets.shape)
        return f"tables[{list(self.tables).index(key)}, "

    def prologue(self, source: Source) -> None:
        """Load the scalars used since the last prologue into locals named after them."""
        for index, (group, expression) in enumerate(self.scalars):
            name = self._name(index, group, expression)
            if name in self._used:
                comment = "" if expression.isidentifier() else f"  # {group}: {expression}"
                source.add(f"{name} = p[{index}]{comment}")
        self._used.clear()

    def pack(self, dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all scalars and tables as arrays of the kernel's precision."""
        scalars = np.array([*self.scalars.values(), 0.0], dtype=dtype)
        tables = np.array([*self.tables.values(), np.zeros(self.steps + 1)], dtype=dtype)
        return scalars, tables


@dataclass
class Scope:
    """What names mean while one piece of code is rendered.

    Attributes
    ----------
    group
        Name of the population or synapse group.
    values
        Its scalar parameters.
    names
        Kernel text by name, for everything that is not a constant.
    random
        Called with ``"rand"`` or ``"randn"``; returns kernel text of one random number.
    offset
        Index text into tables when ``dt`` means the time since the window began, else ``None``.
    sign
        -1 when that time runs backwards.
    """

    constants: Constants
    group: str
    values: dict[str, float]
    names: dict[str, str]
    random: Any = None
    offset: str | None = None
    sign: int = 1
    single: bool = False

    def render(self, expression: str) -> str:
        """Return kernel source for ``expression``."""
        return ast.unparse(self._visit(ast.parse(expression, mode="eval").body))

    def _is_constant(self, node: ast.expr) -> bool:
        text = ast.unparse(node)
        return names_in(text) <= {*self.values, "dt"} and not calls_random(text)

    def _visit(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Constant):
            return _expr(self.literal(float(str(node.value))))
        if self._is_constant(node):
            return _expr(self._hoist(ast.unparse(node)))
        if isinstance(node, ast.Name):
            return _expr(self.names[node.id])
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            power = isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant)
            whole = power and float(node.right.value).is_integer()  # type: ignore[attr-defined]
            left = self._visit(
                node.left
            )  # before the right side: random numbers are numbered as they are read
            right = ast.Constant(int(node.right.value)) if whole else self._visit(node.right)  # type: ignore[attr-defined]
            return ast.BinOp(left, node.op, right)
        if isinstance(node, ast.UnaryOp):
            return ast.UnaryOp(node.op, self._visit(node.operand))
        if isinstance(node, ast.BoolOp):
            return ast.BoolOp(node.op, [self._visit(v) for v in node.values])
        if isinstance(node, ast.Compare):
            return ast.Compare(self._visit(node.left), node.ops, [self._visit(c) for c in node.comparators])
        raise TypeError(f"cannot render {ast.dump(node)}")

    def _call(self, node: ast.Call) -> ast.expr:
        name = node.func.id  # type: ignore[attr-defined]
        if name in ("rand", "randn"):
            return _expr(self.random(name))
        arguments = [ast.unparse(self._visit(a)) for a in node.args]
        if name == "int" and not is_condition(node.args[0]):
            return _expr(f"real(np.trunc({arguments[0]}))")
        if name == "int":
            return _expr(f"({self.literal(1.0)} if {arguments[0]} else {self.literal(0.0)})")
        return _expr(f"{_MATH[name]}({', '.join(arguments)})")

    def _hoist(self, text: str) -> str:
        if self.offset is not None and "dt" in names_in(text):
            return f"{self.constants.table(self.group, text, self.values, self.sign)}{self.offset}]"
        return self.constants.scalar(self.group, text, self.values)

    def literal(self, value: float) -> str:
        """Return a number in the kernel's precision."""
        return f"real({value!r})" if self.single else repr(value)


def _expr(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
