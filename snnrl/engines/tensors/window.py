"""Event-driven variables of synapses in window coordinates, see docs/architecture.md.

Within an environment step the variables of a synapse flow as ``y(s) = Phi(s) y(0) + c(s)`` with scalar coefficients.
What is stored is the value carried back to the start of the environment step, so nothing decays between events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor

from snnrl.equations.lowered import LoweredSynapses
from snnrl.equations.statements import evaluate, names_in
from snnrl.equations.structure import LinearFlow, Structure

HUGE = 1e15
"""A flow that shrinks by more than this within an environment step is not carried back."""


@dataclass(frozen=True)
class Row:
    """One variable after a time: ``sum(coefficient * variable) + constant``."""

    coefficients: dict[str, float]
    constant: float

    def apply(self, read: Callable[[str], Tensor]) -> Tensor:
        """Evaluate; a coefficient of 1 and a constant of 0 cost nothing."""
        terms = [read(v) if c == 1.0 else read(v) * c for v, c in self.coefficients.items()]
        total = sum(terms[1:], start=terms[0])
        return total if self.constant == 0.0 else total + self.constant


class Window:
    """The flow of the variables that are kept in window coordinates.

    Attributes
    ----------
    variables
        Their names.
    """

    def __init__(self, synapses: LoweredSynapses, structure: Structure, dt: float, env_steps: int,
                 windowed: bool = True) -> None:  # fmt: skip
        self.constants, self.dt = synapses.constants, dt
        self.flow = structure.flow or LinearFlow({}, {})
        self.variables = _lazy(synapses, structure) if windowed else frozenset()
        self._rows: dict[int, dict[str, Row]] = {}
        while not all(self._bounded(v, env_steps) for v in self.variables):
            self.variables = _closed(
                {v for v in self.variables if self._bounded(v, env_steps)}, synapses, self.flow
            )

    def _bounded(self, variable: str, env_steps: int) -> bool:
        row = self.rows(-env_steps)[variable]
        return all(abs(c) < HUGE for c in (*row.coefficients.values(), row.constant))

    def rows(self, steps: int) -> dict[str, Row]:
        """Return the flow over this many dt, which may be negative."""
        if steps not in self._rows:
            names = {**self.constants, "dt": steps * self.dt}
            self._rows[steps] = {v: self._row(v, names) for v in sorted(self.variables)}
        return self._rows[steps]

    def _row(self, variable: str, names: dict[str, float]) -> Row:
        row = {u: _number(text, names) for u, text in self.flow.coefficients[variable].items()}
        constant = _number(self.flow.constants[variable], names)
        return Row({u: c for u, c in row.items() if c != 0.0} or {variable: 0.0}, constant)

    def affected(self, changed: Iterable[str]) -> list[str]:
        """Return the variables whose stored value depends on the present value of one that changed."""
        chosen = set(changed)
        return sorted(v for v in self.variables if chosen & set(self.flow.coefficients[v]))


def _number(text: str, names: dict[str, float]) -> float:
    try:
        return float(evaluate(text, names))
    except OverflowError:
        return math.inf


def _lazy(synapses: LoweredSynapses, structure: Structure) -> frozenset[str]:
    """Variables that flow with coefficients known beforehand, and that nothing reads in every dt."""
    if structure.flow is None:
        return frozenset()
    flow, known = structure.flow, {*synapses.constants, "dt"}
    excluded = structure.pre | structure.post | set(synapses.weights)
    always = {n for s in synapses.clock_update for n in (*s.reads, s.target)}
    candidates = {
        v for v in flow.coefficients
        if v not in excluded | always
        and all(names_in(text) <= known for text in (*flow.coefficients[v].values(), flow.constants[v]))
    }  # fmt: skip
    return _closed(candidates, synapses, flow)


def _closed(candidates: set[str], synapses: LoweredSynapses, flow: LinearFlow) -> frozenset[str]:
    """Drop what depends on, or is read by, a flow that is advanced in every dt."""
    while True:
        eager = set(flow.coefficients) - candidates
        dropped = {v for v in candidates if set(flow.coefficients[v]) - candidates}
        dropped |= {v for v in candidates for e in eager if v in flow.coefficients[e]}
        if not dropped:
            return frozenset(candidates)
        candidates = candidates - dropped
