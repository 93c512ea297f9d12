"""Expressions of the model's language as functions of torch tensors, compiled once.

What is constant is folded by numpy beforehand, so that it has the bits of the reference interpreter. The order of
the remaining operations is that of the text. Every call of ``rand()`` and ``randn()`` becomes an argument.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from snnrl.equations.statements import RANDOM, Statement, array_tree, numpy_functions

Value = Any
"""A tensor, or a number where an expression is constant."""

GREATER, GREATER_EQUAL = "_greater", "_greater_equal"
"""Functions that take the place of comparisons where there are such."""


@dataclass(frozen=True)
class Draw:
    """One call of ``rand()`` or ``randn()``: which one, and its number among those of its piece of code."""

    normal: bool
    call: int


class Expression:
    """An expression that can be evaluated on tensors.

    Parameters
    ----------
    text
        The expression.
    constants
        Scalars by name, put in.
    functions
        What the functions mean, see `torch_functions`.
    first_call
        Number of random calls before this one in the same piece of code.

    Attributes
    ----------
    names
        Variables it reads.
    draws
        Its random calls, in the order in which they are evaluated.
    """

    def __init__(
        self, text: str, constants: Mapping[str, float], functions: Mapping[str, Any], first_call: int = 0
    ) -> None:
        tree = _Fold(constants).visit(array_tree(text))
        numbering = _NumberDraws(first_call)
        body = numbering.visit(tree).body
        if GREATER in functions:
            body = _CallComparisons().visit(body)
        self.text, self.draws = text, tuple(numbering.draws)
        called = {id(n.func) for n in ast.walk(body) if isinstance(n, ast.Call)}
        read = {n.id for n in ast.walk(body) if isinstance(n, ast.Name) and id(n) not in called}
        arguments = {_argument(draw) for draw in self.draws}
        self.names = tuple(sorted(read - arguments))
        self._function = _function(body, [*self.names, *map(_argument, self.draws)], functions)

    def __call__(self, read: Callable[[str], Value], draw: Callable[[Draw], Tensor]) -> Value:
        """Evaluate: ``read`` gives the value of a name, ``draw`` the numbers of a random call."""
        return self._function(*[read(n) for n in self.names], *[draw(d) for d in self.draws])


@dataclass(frozen=True)
class Assignment:
    """One statement: what it assigns, and whether the value is added (to a neuron, by synapses)."""

    target: str
    value: Expression
    add: bool = False
    statement: Statement | None = None


def assignments(
    statements: tuple[Statement, ...],
    constants: Mapping[str, float],
    functions: Mapping[str, Any],
    adds: Callable[[Statement], bool] = lambda statement: False,
) -> tuple[Assignment, ...]:
    """Compile the statements of one piece of code, whose random calls are numbered through."""
    result, calls = list[Assignment](), 0
    for statement in statements:
        add = adds(statement)
        value = Expression(statement.increment if add else statement.expression, constants, functions, calls)
        calls += len(value.draws)
        result.append(Assignment(statement.target, value, add, statement))
    return tuple(result)


def _number(node: ast.Constant) -> float:
    assert isinstance(node.value, int | float)  # the language has no other constants
    return float(node.value)


def _argument(draw: Draw) -> str:
    return f"_draw_{draw.call}"


def _function(body: ast.expr, arguments: list[str], functions: Mapping[str, Any]) -> Callable[..., Value]:
    parameters = ast.arguments(posonlyargs=[], args=[ast.arg(a) for a in arguments], kwonlyargs=[], kw_defaults=[],
                               defaults=[])  # fmt: skip
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(parameters, body)))
    function: Callable[..., Value] = eval(compile(tree, "<equation>", "eval"), dict(functions))
    return function


class _Fold(ast.NodeTransformer):
    """Put constants in and evaluate what does not depend on anything else."""

    def __init__(self, constants: Mapping[str, float]) -> None:
        self.constants = constants

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self.constants[node.id]) if node.id in self.constants else node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(_number(node))  # torch would convert a whole number in every call

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.args = [self.visit(argument) for argument in node.args]
        drawn = isinstance(node.func, ast.Name) and node.func.id in RANDOM
        return node if drawn else _folded(node, node.args)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return _folded(node, [node.left, node.right])

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _folded(node, [node.operand])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        return _folded(node, [node.left, *node.comparators])


def _folded(node: ast.expr, operands: list[ast.expr]) -> ast.expr:
    if not all(isinstance(o, ast.Constant) for o in operands):
        return node
    tree = ast.fix_missing_locations(ast.Expression(node))
    value = eval(compile(tree, "<constant>", "eval"), {"__builtins__": {}, **numpy_functions()})
    return ast.Constant(value.item() if hasattr(value, "item") else value)


class _NumberDraws(ast.NodeTransformer):
    """Make every random call an argument, numbered in the order of evaluation."""

    def __init__(self, first_call: int) -> None:
        self.first_call = first_call
        self.draws: list[Draw] = []

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in RANDOM:
            self.draws.append(Draw(node.func.id == "randn", self.first_call + len(self.draws)))
            return ast.Name(_argument(self.draws[-1]), ast.Load())
        return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])


class _CallComparisons(ast.NodeTransformer):
    """Turn ``>``, ``>=``, ``<`` and ``<=`` into calls."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        sides, operator = [node.left, node.comparators[0]], node.ops[0]
        if isinstance(operator, ast.Lt | ast.LtE):
            sides.reverse()
        if isinstance(operator, ast.Eq | ast.NotEq):
            return node
        name = GREATER if isinstance(operator, ast.Lt | ast.Gt) else GREATER_EQUAL
        return ast.Call(ast.Name(name, ast.Load()), sides, [])


@functools.cache
def torch_functions(dtype: torch.dtype) -> dict[str, Any]:
    """Return what the functions of the language mean on tensors of this precision."""
    same = ("exp", "log", "log10", "sqrt", "abs", "sign", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan",
            "floor", "ceil")  # fmt: skip
    functions: dict[str, Any] = {name: getattr(torch, name) for name in same}
    functions |= {"clip": clip, "int": functools.partial(whole, dtype=dtype), "exprel": exprel}
    return functions | {"_and": _and, "_or": _or, "_not": lambda x: _truth(x).logical_not()}


def clip(x: Value, low: Value, high: Value) -> Value:
    """Clip between numbers or tensors."""
    if isinstance(x, Tensor) and not isinstance(low, Tensor) and not isinstance(high, Tensor):
        return torch.clamp(x, low, high)
    like = next(v for v in (x, low, high) if isinstance(v, Tensor))
    x, low, high = (v if isinstance(v, Tensor) else torch.full_like(like, v) for v in (x, low, high))
    return torch.minimum(torch.maximum(x, low), high)


def whole(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``int``: towards zero; a condition is 1 or 0."""
    return x.to(dtype) if x.dtype == torch.bool else torch.trunc(x)


def exprel(x: Tensor) -> Tensor:
    """``(exp(x) - 1)/x``, 1 at 0."""
    zero = x == 0.0
    divisor = torch.where(zero, 1.0, x)
    return torch.where(zero, 1.0, torch.expm1(x) / divisor)


def _truth(x: Value) -> Tensor:
    if isinstance(x, Tensor):
        return x if x.dtype == torch.bool else x != 0.0
    return torch.tensor(bool(x))


def _and(a: Value, b: Value) -> Tensor:
    return torch.logical_and(_truth(a), _truth(b))


def _or(a: Value, b: Value) -> Tensor:
    return torch.logical_or(_truth(a), _truth(b))
