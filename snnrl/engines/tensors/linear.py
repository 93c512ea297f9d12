"""Transmission as a matrix product: an increment to the neurons at the other end that is linear in one variable.

``I_post += gain*w`` under a mask is ``spikes @ w * gain``: one pass over the synapses, and none to hold what each adds.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from snnrl.engines.tensors.expressions import Expression, Value
from snnrl.engines.tensors.selection import End
from snnrl.equations.lowered import SHARED_SIGNALS
from snnrl.equations.statements import Statement, calls_random, names_in

if TYPE_CHECKING:
    from snnrl.engines.tensors.synapses import TensorSynapses


@dataclass(frozen=True)
class Transmission:
    """``sum over spikes of own * variable``, times ``other``; both are functions of one end's neurons, or 1."""

    variable: str
    own: Expression
    other: Expression

    def total(self, read: Callable[[str], Value], spikes: Tensor, end: End) -> Tensor:
        """Return the sums at the neurons of the other end, ``[agents, neurons]``.

        Parameters
        ----------
        read
            Gives the value of a name, of shape ``[agents, source, target]`` with 1 where it is the same for all.
        spikes
            Of the neurons at the end ``end``, ``[agents, neurons]``.
        end
            Whose event it is.
        """
        own, other = (2, 1) if end == "pre" else (1, 2)
        values = read(self.variable)
        left = spikes.to(values.dtype) * self.own(lambda n: _without(read(n), own), _no_draw)
        product = torch.matmul(left.unsqueeze(1), values if end == "pre" else values.mT).squeeze(1)
        factor: Value = self.other(lambda n: _without(read(n), other), _no_draw)
        return torch.mul(product, factor)


def _without(x: Value, dimension: int) -> Value:
    return x.squeeze(dimension) if isinstance(x, Tensor) and x.dim() == 3 else x


def transmission(statement: Statement, group: TensorSynapses, own: End, constants: Mapping[str, float],
                 functions: Mapping[str, Any]) -> Transmission | None:  # fmt: skip
    """Read an increment as a `Transmission`, or ``None`` if it has another form."""
    lowered = group.lowered
    if (
        group.ends is not None
        or calls_random(statement.increment)
        or group.names.end(statement.target) in (own, None)
    ):
        return None
    scalars = {*lowered.constants, *SHARED_SIGNALS, "dt", "t"}
    sides: dict[str, list[str]] = {"own": [], "other": []}
    variables = []
    for factor in _factors(ast.parse(statement.increment, mode="eval").body):
        names = names_in(factor)
        ends = {group.end_of(n) for n in names - scalars}
        if factor in lowered.variables and factor not in group.factored:
            variables.append(factor)
        elif None in ends or len(ends) > 1:
            return None
        else:
            sides["own" if ends == {own} else "other"].append(f"({factor})")
    if len(variables) != 1:
        return None
    texts = {side: "*".join(factors) or "1" for side, factors in sides.items()}
    own_text, other_text = (Expression(texts[side], constants, functions) for side in ("own", "other"))
    return Transmission(variables[0], own_text, other_text)


def _factors(node: ast.expr) -> list[str]:
    """Write an expression as a product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _factors(node.left) + _factors(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*_factors(node.left), f"1/({ast.unparse(node.right)})"]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return ["-1", *_factors(node.operand)]
    return [ast.unparse(node)]


def _no_draw(draw: Any) -> Tensor:
    raise AssertionError(f"a transmission draws no random numbers: {draw}")
