"""Python expressions as Brian2's abstract code: names, numbers, masks for conditions."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence

from snnrl.engines.brian2.cpp_expressions import UntranslatableError

_FUNCTIONS = {"math.sin": "sin", "math.cos": "cos", "math.tan": "tan", "math.exp": "exp", "math.log": "log",
              "math.sqrt": "sqrt", "math.tanh": "tanh", "math.sinh": "sinh", "math.cosh": "cosh", "math.fabs": "abs",
              "math.atan": "arctan", "abs": "abs"}  # fmt: skip
_KEPT = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)


class AbstractExpressions:
    """Expressions of one function, with what is known of its names.

    Parameters
    ----------
    arrays
        For each array argument its elements: names of variables, or numbers.
    scalars
        For each scalar argument its name or text.
    """

    def __init__(self, arrays: Mapping[str, Sequence[str | float]], scalars: Mapping[str, str]) -> None:
        self.arrays, self.scalars = arrays, scalars
        self.local: dict[str, str] = {}
        self.known: dict[str, float] = {}

    def text(self, node: ast.expr) -> str:
        """Return an expression, numbers as floats, parentheses as in the source."""
        if isinstance(node, ast.Constant):
            return _number(node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Subscript):
            element = self.element(node)
            return element if isinstance(element, str) else _number(element)
        if is_condition(node):
            return as_number(self.condition(node))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return f"(-{parenthesised(self.text(node.operand))})"
        if isinstance(node, ast.BinOp) and isinstance(node.op, _KEPT):
            sides = (parenthesised(self.text(side)) for side in (node.left, node.right))
            return f" {_SYMBOL[type(node.op)]} ".join(sides)
        if isinstance(node, ast.IfExp):
            return self._choice(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        raise UntranslatableError(f"{type(node).__name__} in {ast.unparse(node)!r}")

    def _name(self, name: str) -> str:
        if name in self.known:  # before a local variable of that name: it was assigned last
            return _number(self.known[name])
        if name in self.scalars:
            return self.scalars[name]
        if name not in self.local:
            raise UntranslatableError(f"{name!r} has no value")
        return self.local[name]

    def element(self, node: ast.Subscript) -> str | float:
        """Return the name or the number that an element of an array is."""
        array = ast.unparse(node.value)
        if array not in self.arrays:
            raise UntranslatableError(f"{ast.unparse(node)!r}")
        index = self.whole(node.slice)
        if not -len(self.arrays[array]) <= index < len(self.arrays[array]):
            raise UntranslatableError(f"{ast.unparse(node)!r}: it has {len(self.arrays[array])} elements")
        return self.arrays[array][index]

    def whole(self, node: ast.expr) -> int:
        """Return the value of an index or a bound of a loop, which must be known here."""
        value = self.value(node)
        if value is None or value != int(value):
            raise UntranslatableError(f"{ast.unparse(node)!r} is not a known whole number")
        return int(value)

    def value(self, node: ast.expr) -> float | None:
        """Return an expression's number, if it depends on numbers only."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        numeric = {
            name: list(elements)
            for name, elements in self.arrays.items()
            if all(not isinstance(e, str) for e in elements)
        }
        allowed = {
            "int": int,
            "len": len,
            "abs": abs,
            "min": min,
            "max": max,
            "math": math,
            **numeric,
            **self.known,
        }
        if not names <= set(allowed):
            return None
        try:
            value = eval(ast.unparse(node), {"__builtins__": {}}, allowed)
        except (ArithmeticError, TypeError, ValueError, IndexError, SyntaxError) as error:
            raise UntranslatableError(f"{ast.unparse(node)!r}: {error}") from error
        return float(value) if isinstance(value, int | float) else None

    def condition(self, node: ast.expr) -> str:
        """Return the truth value of an expression, in parentheses."""
        if isinstance(node, ast.BoolOp):
            word = " and " if isinstance(node.op, ast.And) else " or "
            return f"({word.join(self.condition(value) for value in node.values)})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"(not {self.condition(node.operand)})"
        if isinstance(node, ast.Compare):
            sides = [parenthesised(self.text(side)) for side in (node.left, *node.comparators)]
            pairs = zip(sides[:-1], node.ops, sides[1:], strict=True)
            return f"({' and '.join(f'{a} {_comparison(operator)} {b}' for a, operator, b in pairs)})"
        return f"({parenthesised(self.text(node))} != 0.0)"

    def _choice(self, node: ast.IfExp) -> str:
        known = self.value(node.test)
        if known is not None:
            return self.text(node.body if known else node.orelse)
        for side in (node.body, node.orelse):
            self.check_harmless(side)
        test = as_number(self.condition(node.test))
        yes, no = (parenthesised(self.text(side)) for side in (node.body, node.orelse))
        return f"{test}*{yes} + (1.0 - {test})*{no}"

    def _call(self, node: ast.Call) -> str:
        known = self.value(node)
        if known is not None:
            return _number(known)
        name = ast.unparse(node.func)
        arguments = [self.text(argument) for argument in node.args]
        if name in ("min", "max") and len(arguments) == 2:
            a, b = arguments
            test = f"int({parenthesised(b)} {'<' if name == 'min' else '>'} {parenthesised(a)})"
            return f"{test}*{parenthesised(b)} + (1.0 - {test})*{parenthesised(a)}"
        if name == "math.pow":
            return " ** ".join(parenthesised(a) for a in arguments)
        if name not in _FUNCTIONS or len(arguments) != 1:
            raise UntranslatableError(f"the call {ast.unparse(node)!r}")
        return f"{_FUNCTIONS[name]}({arguments[0]})"

    def check_harmless(self, node: ast.expr | None) -> None:
        """Refuse what may be infinite or NaN where its condition does not hold: masked it would still be computed."""
        for part in ast.walk(node) if node is not None else ():
            risky = isinstance(part, ast.BinOp) and isinstance(part.op, ast.Div | ast.Pow)
            risky |= isinstance(part, ast.Call) and ast.unparse(part.func).startswith("math.")
            if risky and self.value(part) is None:  # type: ignore[arg-type]  # an expression, as tested above
                raise UntranslatableError(f"{ast.unparse(part)!r} under a condition")


_SYMBOL = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARISON = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}


def _comparison(operator: ast.cmpop) -> str:
    if type(operator) not in _COMPARISON:
        raise UntranslatableError(f"the comparison {type(operator).__name__}")
    return _COMPARISON[type(operator)]


def is_condition(node: ast.expr) -> bool:
    """Whether an expression is true or false by its form."""
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def as_number(condition: str) -> str:
    """Return a condition, which is in parentheses, as 1 or 0."""
    return f"int{condition}"


def parenthesised(text: str) -> str:
    """Put an expression in parentheses unless it is a name, a number or a call."""
    tree = ast.parse(text, mode="eval").body
    atom = isinstance(tree, ast.Name | ast.Constant | ast.Call)
    return text if atom or (text.startswith("(") and _matching(text)) else f"({text})"


def _matching(text: str) -> bool:
    """Whether the first parenthesis is closed by the last one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UntranslatableError(f"the constant {value!r}")
    text = repr(float(value))
    if text == "nan":
        raise UntranslatableError("the number nan")
    return f"({text})" if text.startswith("-") else text
