"""Which synapses the third factor cannot change: those whose traces and tags are all zero.

Most rows of a plastic network are at rest in most environment steps: their source neuron has not spiked in
this episode, so trace and tag are zero and ``on_reward`` would give every variable the value it has. An engine may
then skip the row, if the text proves it. The proof follows each statement with four kinds of values:

``ZERO``      the number 0;
``Same(v)``   what variable v holds (a clip of it counts: after one pass it changes nothing);
``Stable(V)`` a function of constants and of the variables V: the same in every pass if V does not change;
``ANY``       anything else, such as reward signals and random numbers.

0 times anything is 0: all variables are finite (engines check that). The first pass over all rows is never
skipped, so a start outside the bounds is clipped at once.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from snnrl.equations.lowered import LoweredSynapses
from snnrl.equations.structure import Structure


@dataclass(frozen=True)
class Same:
    """The value of a variable, unchanged."""

    variable: str


@dataclass(frozen=True)
class Stable:
    """A function of constants and of these variables."""

    variables: frozenset[str] = frozenset()


ZERO, ANY = "zero", "any"
Kind = str | Same | Stable
_ODD = ("abs", "sqrt", "sin", "tan", "sinh", "tanh", "arctan", "sign", "floor", "ceil", "int")


def rests(synapses: LoweredSynapses, structure: Structure) -> bool:
    """Whether rows without a presynaptic spike in this episode may be skipped."""
    per_synapse = set(synapses.variables) - structure.pre - structure.post
    tags = (per_synapse | structure.pre) - set(synapses.weights)
    if synapses.clock_update or any(not _starts_at_zero(synapses.initial[v]) for v in tags):
        return False
    if structure.increments is None and any(s.target not in structure.post for s in synapses.on_post):
        return False
    return _flow_rests(synapses, structure, tags) and _reward_rests(synapses, tags)


def _starts_at_zero(value: object) -> bool:
    return isinstance(value, float) and value == 0.0


def _flow_rests(synapses: LoweredSynapses, structure: Structure, tags: set[str]) -> bool:
    if structure.flow is None:
        return False
    for target, row in structure.flow.coefficients.items():
        if target in structure.post:
            continue
        others = set(row) - tags - ({target} if row.get(target) == "1" else set())
        if others or structure.flow.constants[target] != "0":
            return False
    return True


def _reward_rests(synapses: LoweredSynapses, tags: set[str]) -> bool:
    values: dict[str, Kind] = dict.fromkeys(synapses.constants, Stable())
    values |= dict.fromkeys(tags, ZERO)
    values |= {v: Same(v) for v in synapses.weights}
    for statement in synapses.on_reward:
        tree = ast.parse(statement.expression, mode="eval").body
        values[statement.target] = _kind(tree, values, synapses.constants)
    if any(values[v] != ZERO for v in tags):
        return False
    derived = {w for w in synapses.weights if values[w] != Same(w)}
    return all(isinstance(kind := values[w], Stable) and not kind.variables & derived for w in derived)


def _kind(node: ast.expr, values: dict[str, Kind], constants: dict[str, float]) -> Kind:
    if isinstance(node, ast.Constant):
        return ZERO if node.value == 0 else Stable()
    if isinstance(node, ast.Name):
        if constants.get(node.id) == 0.0:
            return ZERO
        return values.get(node.id, ANY)
    if isinstance(node, ast.UnaryOp):
        inner = _kind(node.operand, values, constants)
        return inner if inner in (ZERO, ANY) and not isinstance(node.op, ast.Not) else _joined(inner)
    if isinstance(node, ast.BinOp):
        left, right = (_kind(side, values, constants) for side in (node.left, node.right))
        return _binary(node.op, left, right)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _comparison(node, values, constants)
    if isinstance(node, ast.Call):
        return _call(node, values, constants)
    return ANY


def _joined(*kinds: Kind) -> Kind:
    if ANY in kinds:
        return ANY
    same = {k.variable for k in kinds if isinstance(k, Same)}
    return Stable(frozenset(same.union(*(k.variables for k in kinds if isinstance(k, Stable)))))


def _binary(operator: ast.operator, left: Kind, right: Kind) -> Kind:
    if isinstance(operator, ast.Mult) and ZERO in (left, right):
        return ZERO
    if isinstance(operator, ast.Div) and left == ZERO:
        return ZERO
    if isinstance(operator, ast.Add | ast.Sub) and right == ZERO:
        return left
    if isinstance(operator, ast.Add) and left == ZERO:
        return right
    return _joined(left, right)


def _comparison(node: ast.Compare, values: dict[str, Kind], constants: dict[str, float]) -> Kind:
    """Return ``ZERO`` for a comparison that is certainly false."""
    operator, right_node = node.ops[0], node.comparators[0]
    left, right = _kind(node.left, values, constants), _kind(right_node, values, constants)
    if isinstance(left, Same) and left == right and isinstance(operator, ast.NotEq | ast.Lt | ast.Gt):
        return ZERO
    bound = _number(right_node, constants)
    if left == ZERO and bound is not None:
        if (isinstance(operator, ast.Gt) and bound >= 0.0) or (isinstance(operator, ast.Lt) and bound <= 0.0):
            return ZERO
        if isinstance(operator, ast.NotEq) and bound == 0.0:
            return ZERO
    return _joined(left, right)


def _number(node: ast.expr, constants: dict[str, float]) -> float | None:
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    return (
        float(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, int | float) else None
    )


def _call(node: ast.Call, values: dict[str, Kind], constants: dict[str, float]) -> Kind:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    arguments = [_kind(a, values, constants) for a in node.args]
    if name in ("rand", "randn"):
        return ANY
    if name in _ODD and arguments == [ZERO]:
        return ZERO
    if name == "clip" and isinstance(arguments[0], Same) and ANY not in arguments:
        return arguments[0]
    if name == "clip" and arguments[0] == ZERO:
        low, high = (_number(a, constants) for a in node.args[1:])
        if low is not None and high is not None and low <= 0.0 <= high:
            return ZERO
    return _joined(*arguments)
