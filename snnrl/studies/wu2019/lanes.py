"""Copy plain scalar functions into loops over SIMD lanes, one lane per agent.

The functions are those that tasks and networks give as text (:func:`snnrl.tasks.source_of`). In a lane loop
``for l in range(L)`` element i of an array stands at ``i*L + l`` of a flat one, every inner loop is written out, and
every number has the kernel's precision. With offsets known to be constant LLVM sees that the elements are apart, and
turns the loop into vector instructions.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from snnrl.tasks import source_of

LANES = 16
"""L: agents side by side; one vector of float32 on machines with the widest registers."""
FUNCTIONS = {"exp": "exp", "sin": "sine", "cos": "cosine", "floor": "floor"}
"""Names in the kernel of the functions of ``math``."""


def inlined(
    function: Callable[..., Any],
    arguments: Mapping[str, str | int],
    result: str | None = None,
    prefix: str = "",
) -> list[str]:
    """Return the body of a function for the inside of a lane loop.

    Parameters
    ----------
    function
        A self-contained function without branches, with at most one ``return``, at its end.
    arguments
        For every parameter the kernel's text: the name of an array (its elements get the lane index), an expression
        in brackets or with an index, or a whole number, which is written in.
    result
        Kernel name that gets what the function returns.
    prefix
        Beginning of the kernel's names of the function's own variables.
    """
    definition = ast.parse(source_of(function)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    return _Inliner(arguments, result, prefix or f"{function.__name__}_").block(definition.body)


class _Inliner(ast.NodeTransformer):
    """Rewrites one function body."""

    def __init__(self, arguments: Mapping[str, str | int], result: str | None, prefix: str) -> None:
        self.arguments, self.result, self.prefix = dict(arguments), result, prefix

    def block(self, body: list[ast.stmt]) -> list[str]:
        lines: list[str] = []
        for statement in body:
            lines += self._statement(statement)
        return lines

    def _statement(self, node: ast.stmt) -> list[str]:
        if isinstance(node, ast.For):
            return self._unrolled(node)
        if isinstance(node, ast.Return):
            assert node.value is not None
            return [] if self.result is None else [f"{self.result} = {self._text(node.value)}"]
        if isinstance(node, ast.Assign):
            return [f"{self._text(node.targets[0])} = {self._text(node.value)}"]
        if isinstance(node, ast.Pass):
            return []
        raise TypeError(f"cannot put into lanes: {ast.unparse(node)}")

    def _unrolled(self, node: ast.For) -> list[str]:
        assert isinstance(node.target, ast.Name)
        times = ast.literal_eval(self._text(node.iter.args[0]))  # type: ignore[attr-defined]
        lines: list[str] = []
        for value in range(times):
            self.arguments[node.target.id] = value
            lines += self.block(node.body)
        return lines

    def _text(self, node: ast.expr) -> str:
        return ast.unparse(self.visit(_copy(node)))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in ("abs", "min", "max", "int", "float"):
            return node
        value = self.arguments.get(node.id, f"{self.prefix}{node.id}")
        return _expr(str(value))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _expr(f"real({node.value!r})") if isinstance(node.value, float) else node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        array, index = self.visit(node.value), self.visit(node.slice)
        return _expr(f"{ast.unparse(array)}[{ast.literal_eval(index) * LANES} + l]")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        arguments = [self.visit(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute):
            return ast.Call(_expr(FUNCTIONS[node.func.attr]), arguments, [])
        return ast.Call(self.visit(node.func), arguments, [])

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        test = self.visit(node.test)
        if isinstance(test, ast.Constant):
            return self.visit(node.body if test.value else node.orelse)
        return ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return _folded(ast.BinOp(self.visit(node.left), node.op, self.visit(node.right)))

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        return _folded(
            ast.Compare(self.visit(node.left), node.ops, [self.visit(c) for c in node.comparators])
        )

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return _folded(ast.BoolOp(node.op, [self.visit(value) for value in node.values]))


def _folded(node: ast.expr) -> ast.expr:
    """Work out an expression of whole numbers."""
    leaves = [n for n in ast.walk(node) if isinstance(n, ast.Name | ast.Call | ast.Subscript)]
    if leaves:
        return node
    # Ctrl-C inside eval of a string, though caught, would make Python end by the signal; inside eval of code it does not.
    code = compile(ast.unparse(node), "<lanes>", "eval")
    return ast.Constant(eval(code, {"__builtins__": {}}))


def _copy(node: ast.expr) -> ast.expr:
    return _expr(ast.unparse(node))


def _expr(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
