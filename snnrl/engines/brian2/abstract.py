"""From a task's physics, written as Python functions, to Brian2's abstract code.

The equations of a task stand once, in `snnrl.tasks`. Here they become statements that a Brian2 group runs and that a
user can read there: an element of the state is a variable with the state's name, a parameter is its number, a loop
over a known range is written out, ``a if c else b`` is ``int(c)*a + (1 - int(c))*b``. The operations and their order
stay the same.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from snnrl.engines.brian2.abstract_expressions import (
    AbstractExpressions,
    as_number,
    is_condition,
    parenthesised,
)
from snnrl.engines.brian2.cpp import definition_of
from snnrl.engines.brian2.cpp_expressions import UntranslatableError
from snnrl.equations.statements import names_in

_MOST_LINES = 400
"""A function that grows longer than this when its loops are written out is no equation to read."""


def to_abstract(
    function: Callable[..., Any], arrays: Mapping[str, Sequence[str | float]], scalars: Mapping[str, str],
    result: str = "", length: int = _MOST_LINES,
) -> str:  # fmt: skip
    """Translate a self-contained function to abstract code.

    Parameters
    ----------
    function
        The Python function.
    arrays
        For each array argument its elements: names of variables, or numbers.
    scalars
        For each scalar argument its name or text.
    result
        Variable that takes what the function returns, if it returns something.
    length
        Most statements.

    Raises
    ------
    UntranslatableError
        If it cannot be written without control flow; says why.
    """
    definition = definition_of(function)
    if [argument.arg for argument in definition.args.args] != [*arrays, *scalars] and {
        argument.arg for argument in definition.args.args
    } != {*arrays, *scalars}:
        raise UntranslatableError(f"its arguments are not {', '.join([*arrays, *scalars])}")
    flat = _Flat(arrays, scalars, result, length)
    flat.block(definition.body)
    return "\n".join(flat.lines)


class _Flat(AbstractExpressions):
    """Straight-line code: what has been written, the names of local variables, the present condition."""

    def __init__(
        self,
        arrays: Mapping[str, Sequence[str | float]],
        scalars: Mapping[str, str],
        result: str,
        length: int,
    ) -> None:
        super().__init__(arrays, scalars)
        self.result, self.length = result, length
        self.taken = {e for elements in arrays.values() for e in elements if isinstance(e, str)}
        self.taken |= {*scalars.values(), result}
        self.given = frozenset(self.taken)
        self.loops: list[str] = []
        self.mask = ""
        self.lines: list[str] = []
        self.returned = False

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Write statements; nothing may follow ``return``."""
        for statement in statements:
            if self.returned:
                raise UntranslatableError("a return before the end")
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)
            elif isinstance(statement, ast.AugAssign):
                target = ast.parse(ast.unparse(statement.target), mode="eval").body
                self._assign(statement.target, ast.BinOp(target, statement.op, statement.value))
            elif isinstance(statement, ast.If):
                self._if(statement)
            elif isinstance(statement, ast.For):
                self._for(statement)
            elif isinstance(statement, ast.Return):
                self._return(statement)
            elif not isinstance(statement, ast.Pass):
                raise UntranslatableError(f"{type(statement).__name__} in {ast.unparse(statement)!r}")

    def _write(self, line: str) -> None:
        self.lines.append(line)
        if len(self.lines) > self.length:
            raise UntranslatableError(f"more than {self.length} statements when its loops are written out")

    # ------------------------------------------------------------------ statements

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            if not isinstance(value, ast.Tuple) or len(value.elts) != len(target.elts):
                raise UntranslatableError(f"{ast.unparse(target)} = {ast.unparse(value)}")
            fresh = [self._fresh("value") for _ in value.elts]
            for name, element in zip(fresh, value.elts, strict=True):
                self._write(f"{name} = {self.text(element)}")
            for name, place in zip(fresh, target.elts, strict=True):
                self._store(place, name)
            return
        number = self.value(value)
        if isinstance(target, ast.Name) and number is not None and not self.mask:
            self._check_local(target)
            self.known[target.id] = number  # no statement: Brian2 wants scalar statements before all others
            return
        if self.mask:
            self.check_harmless(value)
        self._store(target, self.text(value))

    def _store(self, target: ast.expr, text: str) -> None:
        """Write an assignment, never one that reads what it writes, and never twice to one local variable.

        Brian2 would turn ``x = x + y`` into ``x += y`` by way of sympy, which rounds numbers to 15 digits.
        """
        if isinstance(target, ast.Name):
            self._check_local(target)
            text = self._masked(text, self.local.get(target.id) or self._known_text(target.id))
            self.known.pop(target.id, None)
            self.local[target.id] = self._fresh(target.id)
            self._write(f"{self.local[target.id]} = {text}")
            return
        state = self._state(target)
        text = self._masked(text, state)
        if state in names_in(text):
            name = self._fresh(f"new_{state}")
            self._write(f"{name} = {text}")
            text = name
        self._write(f"{state} = {text}")

    def _masked(self, text: str, old: str) -> str:
        """Let an assignment under a condition keep the old value where it does not hold."""
        if not self.mask:
            return text
        kept = f" + (1.0 - {self.mask})*{old}" if old else ""
        return f"{self.mask}*{parenthesised(text)}{kept}"

    def _known_text(self, name: str) -> str:
        return self.text(ast.Constant(self.known[name])) if name in self.known else ""

    def _state(self, target: ast.expr) -> str:
        element = self.element(target) if isinstance(target, ast.Subscript) else None
        if not isinstance(element, str):
            raise UntranslatableError(f"the assignment to {ast.unparse(target)!r}")
        return element

    def _check_local(self, target: ast.Name) -> None:
        if target.id in (*self.arrays, *self.scalars, *self.loops):
            raise UntranslatableError(f"the assignment to {target.id!r}")

    def _fresh(self, name: str) -> str:
        """Return a name that is not taken: a local ``x`` beside a state variable ``x`` is ``old_x``, then ``old_x_2``."""
        stem = f"old_{name}" if name in self.given or name in ("t", "dt", "i", "N") else name
        chosen, number = stem, 1
        while chosen in self.taken:
            number += 1
            chosen = f"{stem}_{number}"
        self.taken.add(chosen)
        return chosen

    def _if(self, node: ast.If) -> None:
        before, known = self.mask, self.value(node.test)
        if known is not None:
            self.block(node.body if known else node.orelse)
            return
        test = self._fresh("test")  # once: the body may change what it reads
        self._write(f"{test} = {as_number(self.condition(node.test))}")
        for side, body in ((">", node.body), ("<", node.orelse)):
            if not body:
                continue
            self.mask = self._fresh("condition")
            both = f"({before} > 0.5 and {test} {side} 0.5)" if before else f"({test} {side} 0.5)"
            self._write(f"{self.mask} = {as_number(both)}")
            self.block(body)
        self.mask = before

    def _for(self, node: ast.For) -> None:
        try:
            assert isinstance(node.target, ast.Name)
            assert isinstance(node.iter, ast.Call)
            assert ast.unparse(node.iter.func) == "range"
            assert not node.orelse
            values = range(*(self.whole(argument) for argument in node.iter.args))
        except AssertionError as error:
            raise UntranslatableError(f"{ast.unparse(node).splitlines()[0]!r}") from error
        self.loops.append(node.target.id)
        for value in values:
            self.known[node.target.id] = value
            self.block(node.body)
        self.loops.pop()

    def _return(self, node: ast.Return) -> None:
        if self.mask:
            raise UntranslatableError("a return under a condition")
        self.returned = True
        if node.value is None or not self.result:
            return
        text = self.condition(node.value) if is_condition(node.value) else self.text(node.value)
        self._write(f"{self.result} = {text}")
