"""What a group of synapses does while learning, and what is left of it when plasticity is off."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.equations.lowered import LoweredSynapses
from snnrl.equations.statements import Statement, keep_effects, names_in
from snnrl.equations.structure import LinearFlow, PostIncrement, Structure


@dataclass(frozen=True)
class Plan:
    """Statements and flow of one mode; ``increments`` is ``None`` on the general path."""

    clock_update: tuple[Statement, ...]
    on_pre: tuple[Statement, ...]
    on_post: tuple[Statement, ...]
    on_reward: tuple[Statement, ...]
    flow: LinearFlow
    increments: tuple[PostIncrement, ...] | None

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement of the plan."""
        return (*self.clock_update, *self.on_pre, *self.on_post, *self.on_reward)


def learning_plan(synapses: LoweredSynapses, structure: Structure) -> Plan:
    """Everything the text says."""
    flow = structure.flow or LinearFlow({}, {})
    return Plan(
        synapses.clock_update,
        synapses.on_pre,
        synapses.on_post,
        synapses.on_reward,
        flow,
        structure.increments,
    )


def frozen_plan(synapses: LoweredSynapses, structure: Structure) -> Plan:
    """Only what transmission needs: weights stay as they are, learning traces are not kept up."""
    dynamic = _dynamic(synapses)
    flow = structure.flow or LinearFlow({}, {})
    kept = {v: row for v, row in flow.coefficients.items() if v in dynamic}
    return Plan(
        frozen_statements(synapses, synapses.clock_update),
        frozen_statements(synapses, synapses.on_pre),
        frozen_statements(synapses, synapses.on_post),
        (),
        LinearFlow(kept, {v: flow.constants[v] for v in kept}),
        None,
    )


def frozen_statements(synapses: LoweredSynapses, statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Return the statements that transmission needs, the very objects, in order."""
    dynamic = _dynamic(synapses)
    unfrozen = [s for s in statements if s.target not in synapses.weights]
    return tuple(keep_effects(unfrozen, lambda name: name.endswith(("_pre", "_post")) or name in dynamic))


def _dynamic(synapses: LoweredSynapses) -> frozenset[str]:
    """Variables, other than weights, that what is transmitted depends on (short-term plasticity)."""
    variables = set(synapses.variables) - set(synapses.weights)
    events = (*synapses.clock_update, *synapses.on_pre, *synapses.on_post)
    needed = {r for s in events if s.target.endswith(("_pre", "_post")) for r in s.reads}
    while True:
        more = {r for s in events if s.target in needed for r in s.reads}
        more |= {r for v in needed & variables for r in names_in(synapses.flow.get(v, "0"))}
        if more <= needed:
            return frozenset(needed & variables)
        needed |= more
