"""Statements as trees: parse, list what is read and written, rename, render, evaluate.

The language is Brian2's abstract code, which is a subset of Python: one assignment per line, no control flow.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast

from snnrl.errors import ModelError

#: Functions that may be called in statements; ``rand`` and ``randn`` take no argument.
FUNCTIONS = (
    "exp", "log", "log10", "sqrt", "abs", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan",
    "floor", "ceil", "clip", "int", "exprel", "rand", "randn",
)  # fmt: skip
RANDOM = ("rand", "randn")

_AUGMENTED = {"+=": ast.Add, "-=": ast.Sub, "*=": ast.Mult, "/=": ast.Div, "**=": ast.Pow}
_NODES = (
    ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call, ast.Name, ast.Constant, ast.Load, ast.Add, ast.Sub,
    ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or, ast.Eq,
    ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """One assignment ``target = expression``; augmented assignments are written out.

    ``increment`` is the added expression when the source said ``target += increment``, else empty.
    """

    target: str
    expression: str
    increment: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """Names the expression reads."""
        return names_in(self.expression)

    def __str__(self) -> str:
        return f"{self.target} = {self.expression}"


def parse_expression(text: str, where: str) -> ast.expr:
    """Parse and check one expression; `ModelError` names ``where`` and the offending part."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ModelError(f"{where}: {text.strip()!r} is not an expression ({error.msg})") from error
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise ModelError(f"{where}: {type(node).__name__} is not allowed in {text.strip()!r}")
        if isinstance(node, ast.Call) and (
            not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords
        ):
            raise ModelError(
                f"{where}: unknown function in {ast.unparse(node)!r}; known: {', '.join(FUNCTIONS)}"
            )
    return tree


def parse(code: str, where: str) -> list[Statement]:
    """Parse statements, one per line or separated by semicolons; comments start with ``#``."""
    lines = [part.strip() for line in code.splitlines() for part in line.split("#")[0].split(";")]
    return [_parse_line(line, where) for line in lines if line]


def _parse_line(line: str, where: str) -> Statement:
    try:
        node = ast.parse(line).body[0]
    except (SyntaxError, IndexError) as error:
        raise ModelError(f"{where}: {line!r} is not a statement") from error
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        increment = ast.unparse(parse_expression(ast.unparse(node.value), where))
        if isinstance(node.op, tuple(_AUGMENTED.values())):
            whole = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, node.value)
            added = increment if isinstance(node.op, ast.Add) else ""
            if isinstance(node.op, ast.Sub):
                added = ast.unparse(ast.UnaryOp(ast.USub(), node.value))
            return Statement(node.target.id, ast.unparse(whole), added)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        expression = ast.unparse(parse_expression(ast.unparse(node.value), where))
        return Statement(node.targets[0].id, expression)
    raise ModelError(f"{where}: {line!r} must be an assignment such as 'x = ...' or 'x += ...'")


@functools.lru_cache(maxsize=4096)
def names_in(expression: str) -> frozenset[str]:
    """Return the variable names in an expression, without function names."""
    tree = ast.parse(expression, mode="eval")
    called = {id(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    return frozenset(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called)


def calls_random(expression: str) -> bool:
    """Whether the expression draws random numbers."""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in RANDOM
        for n in ast.walk(ast.parse(expression, mode="eval"))
    )


def written(statements: Iterable[Statement]) -> list[str]:
    """Return the names that are assigned, each once, in order."""
    return list(dict.fromkeys(s.target for s in statements))


def rename(expression: str, names: Mapping[str, str]) -> str:
    """Replace variable names by expressions, all at once."""

    class _Renamer(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            node.args = [self.visit(argument) for argument in node.args]
            return node

        def visit_Name(self, node: ast.Name) -> ast.AST:
            return ast.parse(names[node.id], mode="eval").body if node.id in names else node

    return ast.unparse(_Renamer().visit(ast.parse(expression, mode="eval")))


def keep_effects(statements: Sequence[Statement], outputs: Callable[[str], bool]) -> list[Statement]:
    """Keep the statements that some output needs, in order (backwards dead-code elimination)."""
    needed: set[str] = set()
    kept: list[Statement] = []
    for statement in reversed(statements):
        if outputs(statement.target) or statement.target in needed:
            kept.append(statement)
            needed |= statement.reads
    return kept[::-1]


def is_condition(node: ast.expr) -> bool:
    """Whether an expression is true or false by its form: a comparison, ``and``, ``or`` or ``not``."""
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.Not)
    return isinstance(node, ast.Compare | ast.BoolOp)


@functools.cache
def numpy_functions() -> dict[str, Any]:
    """Return what the functions of `FUNCTIONS`, and the calls that `array_tree` puts in, mean on numpy arrays."""
    import numpy as np
    from scipy.special import exprel

    same = ("exp", "log", "log10", "sqrt", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan",
            "floor", "ceil", "clip", "abs")  # fmt: skip
    functions: dict[str, Any] = {name: getattr(np, name) for name in same}
    functions["exprel"] = exprel
    functions["int"] = lambda x: np.trunc(np.asarray(x, dtype=np.float64))  # a condition is 1 or 0
    functions["_and"], functions["_or"], functions["_not"] = np.logical_and, np.logical_or, np.logical_not
    return functions


class _ArrayLogic(ast.NodeTransformer):
    """Turn ``and``, ``or`` and ``not`` into calls that work on arrays; split chained comparisons.

    A condition in arithmetic counts 1 or 0: numpy's own sum of two conditions would be a condition.
    """

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        name = "_and" if isinstance(node.op, ast.And) else "_or"
        values: list[ast.expr] = [self.visit(v) for v in node.values]
        result = values[0]
        for value in values[1:]:
            result = ast.Call(ast.Name(name, ast.Load()), [result, value], [])
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return ast.Call(ast.Name("_not", ast.Load()), [node.operand], [])
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        sides = [self.visit(side) for side in (node.left, *node.comparators)]
        result: ast.expr = ast.Compare(sides[0], [node.ops[0]], [sides[1]])
        for operator, left, right in zip(node.ops[1:], sides[1:], sides[2:], strict=False):
            result = ast.Call(
                ast.Name("_and", ast.Load()), [result, ast.Compare(left, [operator], [right])], []
            )
        return result

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        sides = [
            ast.Call(ast.Name("int", ast.Load()), [self.visit(side)], [])
            if is_condition(side)
            else self.visit(side)
            for side in (node.left, node.right)
        ]
        return ast.BinOp(sides[0], node.op, sides[1])


def array_tree(expression: str) -> ast.Expression:
    """Parse an expression for arrays: ``and``, ``or``, ``not`` are calls of ``_and``, ``_or``, ``_not``."""
    tree = _ArrayLogic().visit(ast.parse(expression, mode="eval"))
    return cast(ast.Expression, ast.fix_missing_locations(tree))


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> CodeType:
    return compile(array_tree(expression), "<equation>", "eval")


def evaluate(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Evaluate an expression on numpy arrays; ``namespace`` also supplies ``rand`` and ``randn`` if used."""
    return eval(_compiled(expression), {"__builtins__": {}, **numpy_functions(), **namespace})


def constant_value(expression: str) -> float | None:
    """Return the number if the expression is a plain number, else ``None``."""
    try:
        value = ast.literal_eval(expression)
    except (ValueError, SyntaxError):
        return None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
