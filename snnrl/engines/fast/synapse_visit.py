"""Kernel source for one visit of a synapse: catch up, load, run statements, store.

Event-driven variables are stored in window coordinates, carried back to the start of the environment step by
their exact linear flow: *load* carries them to the present dt, *store* back.
"""

from __future__ import annotations

from collections.abc import Sequence

from snnrl.engines.fast.plans import Plan
from snnrl.engines.fast.populations import RandomSites
from snnrl.engines.fast.render import Scope, Source
from snnrl.engines.fast.synapse_arrays import SynapseArrays
from snnrl.equations.lowered import SHARED_SIGNALS
from snnrl.equations.statements import Statement, calls_random


class SynapseVisit(SynapseArrays):
    """The code of the innermost loops."""

    _sites: RandomSites

    def _coefficients(self, out: Source, plan: Plan, variables: Sequence[str], offset: str, sign: int,
                      signals: dict[str, str]) -> dict[str, dict[str, str]]:  # fmt: skip
        """Emit the scalars of the flow at one time; return local names by row and column ("" means one)."""
        scope = self._flow_scope(offset, sign, signals)
        word = "load" if sign > 0 else "store"
        result: dict[str, dict[str, str]] = {}
        for u in variables:
            result[u] = {}
            for v, text in plan.flow.coefficients[u].items():
                local = "" if text == "1" else f"{word}_{u}_{v}"
                if local:
                    out.add(f"{local} = {scope.render(text)}")
                result[u][v] = local
            constant = plan.flow.constants[u]
            if constant != "0":
                out.add(f"{word}_{u} = {scope.render(constant)}")
                result[u][""] = f"{word}_{u}"
        return result

    @staticmethod
    def _combine(row: dict[str, str], prefix: str) -> str:
        terms = [
            factor if v == "" else (f"{factor} * {prefix}{v}" if factor else f"{prefix}{v}")
            for v, factor in row.items()
        ]
        return " + ".join(terms)

    def _split(self, statements: Sequence[Statement], own: frozenset[str], end: str) -> tuple[
        list[tuple[str, str]], list[tuple[Statement, dict[str, str]]], dict[str, str]
    ]:  # fmt: skip
        """Split into statements run once per spike and those run per synapse.

        Returns the former as (local, expression with user names replaced later), the latter with the locals
        that were current at their place, and the final locals of the factored variables.
        """
        current = {v: f"{end}_{v}" for v in own}
        once: list[tuple[str, str]] = []
        each: list[tuple[Statement, dict[str, str]]] = []
        scalars = {*self.lowered.constants, "dt", "t", *SHARED_SIGNALS}
        for number, s in enumerate(statements):
            is_variable = s.target in self.lowered.variables or s.target.endswith(("_pre", "_post"))
            readable = all(n in current or n in scalars or n.endswith(f"_{end}") for n in s.reads)
            if s.target in own or (not is_variable and readable and not calls_random(s.expression)):
                local = f"{end}_{s.target}_{number}"
                once.append((local, self._scope(dict(current), None).render(s.expression)))
                current[s.target] = local
            else:
                each.append((s, dict(current)))
                current.pop(s.target, None)
        return once, each, {v: current[v] for v in own}

    def _emit_each(self, out: Source, plan: Plan, each: list[tuple[Statement, dict[str, str]]], other: frozenset[str],
                   other_end: str, event: str, step: str, offset: str, catch_up: bool, rebase: bool,
                   loads: dict[str, dict[str, str]], stores: dict[str, dict[str, str]]) -> None:  # fmt: skip
        """Emit the body of the innermost loop: catch up, load, run statements, store."""
        s = self.lowered
        per_synapse = [v for v in s.variables if v not in self.structure.pre | self.structure.post]
        changed = {st.target for st, _ in each if st.target in per_synapse}
        reads = {n for st, _ in each for n in st.reads}
        stored = {u for u in per_synapse if u in changed or (u in stores and changed & set(stores[u]))}
        flowing = set(per_synapse) & set(plan.flow.coefficients)
        pending = {u for (u, _) in self.sums} if catch_up else set()
        if rebase:
            stored |= flowing
        now = (
            (reads & set(per_synapse))
            | {v for u in stored & flowing for v in stores[u] if v}
            | stored & flowing
        )
        now |= {u for u in stored if u not in flowing and u in reads}
        hats = {v for u in now & flowing for v in loads[u] if v} | (now - flowing) | pending
        for v in [x for x in per_synapse if x in hats]:
            local = f"h_{v}" if v in flowing else f"s_{v}"
            out.add(f"{local} = {self._item(v)}{self._pending(v, offset) if v in pending else ''}")
        for v in [x for x in per_synapse if x in now & flowing]:
            out.add(f"s_{v} = {self._combine(loads[v], 'h_')}")
        for v in sorted(other & reads):
            out.add(f"{other_end}_{v} = {self._combine_factored(v, loads)}")
        self._emit_statements(out, each, other, other_end, event, step)
        for u in [x for x in per_synapse if x in stored | pending]:
            if u in flowing and u in stored and not rebase:
                out.add(f"{self._item(u)} = {self._combine(stores[u], 's_')}")
            elif u in flowing and u not in stored:
                out.add(f"{self._item(u)} = h_{u}")
            else:
                out.add(f"{self._item(u)} = s_{u}")

    def _combine_factored(self, variable: str, loads: dict[str, dict[str, str]]) -> str:
        row = loads.get(variable)
        if row is None:
            return self._item(variable)
        terms = []
        for v, factor in row.items():
            item = self._item(v) if v else ""
            terms.append(factor if not v else (f"{factor} * {item}" if factor else item))
        return " + ".join(terms)

    def _pending(self, variable: str, offset: str) -> str:
        """Increments since the row was last visited: trace times a difference of cumulative sums."""
        return "".join(
            f" + trace_{trace} * ({array}[{offset}, j] - {array}[since, j])"
            for (u, trace), array in self.sums.items()
            if u == variable
        )

    def _emit_statements(self, out: Source, each: list[tuple[Statement, dict[str, str]]], other: frozenset[str],
                         other_end: str, event: str, step: str) -> None:  # fmt: skip
        random = self._sites
        local = {v: f"s_{v}" for v in self.lowered.variables}
        for st, current in each:
            if not st.target.endswith(("_pre", "_post")):
                local.setdefault(st.target, f"s_{st.target}")
            random.place(self._text(event), st)
            names = {**local, **{v: f"{other_end}_{v}" for v in other}, **current}
            if st.target not in self.lowered.variables and st.target in current:
                del names[st.target]
            scope = self._scope(names, random)
            if st.target.endswith(("_pre", "_post")):
                self._emit_neuron_write(out, st, scope)
            else:
                out.add(f"s_{st.target} = {scope.render(st.expression)}")

    def _text(self, event: str) -> tuple[Statement, ...]:
        """Return the whole text of an event, which numbers its random numbers."""
        texts = {"clock": self.lowered.clock_update, "late": self.late_update}
        return texts[event] if event in texts else getattr(self.lowered, event)

    def _emit_neuron_write(self, out: Source, statement: Statement, scope: Scope) -> None:
        item = self._neuron_item(statement.target)
        end = "_pre" if statement.target.endswith("_pre") else "_post"
        population, index = (self.source, "i") if end == "_pre" else (self.target, "j")
        masked = population.masked(statement.target[: -len(end)])
        mask = f" if {population.active}[{index}] != 0.0 else "
        if statement.increment:
            value = scope.render(statement.increment)
            out.add(f"{item} += {value}{mask + scope.literal(0.0) if masked else ''}")
        else:
            value = scope.render(statement.expression)
            out.add(f"{item} = {value}{mask + item if masked else ''}")
