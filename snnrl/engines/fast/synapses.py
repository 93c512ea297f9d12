"""Kernel source for synapses: events, the windowed form, and the third factor."""

from __future__ import annotations

from dataclasses import replace

from snnrl.engines.fast.plans import Plan
from snnrl.engines.fast.render import Source
from snnrl.engines.fast.synapse_arrays import OLD_SIGNALS, SIGNALS
from snnrl.engines.fast.synapse_visit import SynapseVisit
from snnrl.equations.statements import Statement
from snnrl.equations.structure import LinearFlow


class SynapseGroup(SynapseVisit):
    """One group of synapses: the code of its events."""

    def emit_clock(self, out: Source) -> None:
        """Clock-driven equations: every synapse, every dt, with the state update."""
        self._emit_every_dt(out, "clock", self.learning.clock_update, self.frozen.clock_update)

    def emit_late(self, out: Source) -> None:
        """Event-driven equations without a common flow: every synapse, to the end of the dt."""
        self._emit_every_dt(out, "late", self.late_update, self.late_frozen)

    def _emit_every_dt(
        self, out: Source, event: str, learning: tuple[Statement, ...], frozen: tuple[Statement, ...]
    ) -> None:
        for plan, statements, mode in (
            (self.learning, learning, "if learning:"),
            (self.frozen, frozen, "if not learning:"),
        ):
            if not statements:
                continue
            out.add(f"# {self.lowered.name}: every dt")
            with out.block(mode):
                self._sites = self._random(event, "step")
                body = Source()
                each = [(s, dict[str, str]()) for s in statements]
                with body.block(f"for i in range({self.lowered.n_source}):"), self._over_targets(body):
                    self._emit_each(body, _without_flow(plan), each, frozenset(), "", event, "step", "s",
                                    False, False, {}, {})  # fmt: skip
                out.add(*self._sites.keys(), *body.lines)

    def emit_on_pre(self, out: Source) -> None:
        """Presynaptic spikes that arrive in this dt."""
        if not self.lowered.on_pre and not self.sums:
            return
        out.add(f"# {self.lowered.name}: on_pre")
        spikes, count = self._arriving(out)
        with out.block(f"if {count} > 0:"):
            if _same(self.learning, self.frozen):
                self._emit_pre(out, self.frozen, spikes, count)
                return
            with out.block("if learning:"):
                self._emit_pre(out, self.learning, spikes, count)
            if self.frozen.on_pre:
                with out.block("else:"):
                    self._emit_pre(out, self.frozen, spikes, count)

    def _arriving(self, out: Source) -> tuple[str, str]:
        if not self.lowered.delay:
            return f"{self.source.spikes}[{{a}}]", self.source.n_spikes
        slot = f"(step - {self.lowered.delay}) % {self.source.max_delay + 1}"
        out.add(f"slot = {slot}", f"n_arriving = {self.source.ring_count}[slot]")
        return f"{self.source.ring}[slot, {{a}}]", "n_arriving"

    def _emit_pre(self, out: Source, plan: Plan, spikes: str, count: str) -> None:
        pre = frozenset(v for v in self.structure.pre if any(s.target == v for s in plan.on_pre))
        once, each, final = self._split(plan.on_pre, pre, "pre")
        loads = self._coefficients(out, plan, [*plan.flow.coefficients], "s", 1, SIGNALS)
        stores = self._coefficients(out, plan, [*plan.flow.coefficients], "s", -1, SIGNALS)
        windowed = plan.increments is not None
        self._sites = self._random("on_pre", "step")
        body = Source()
        with body.block(f"for a in range({count}):"):
            body.add("i = " + spikes.format(a="a"))
            if self.alive and plan is self.learning:
                body.add(f"{self.alive}[i] = 1")
            if windowed:
                self._emit_since(body, "s")
            body.add(*(f"pre_{v} = {self._combine_factored(v, loads)}" for v in sorted(pre)))
            body.add(*(f"{local} = {text}" for local, text in once))
            if each or windowed:
                with self._over_targets(body):
                    self._emit_each(body, plan, each, self.structure.post, "post", "on_pre", "step", "s", windowed,
                                    False, loads, stores)  # fmt: skip
            self._store_factored(body, plan, final, stores)
        out.add(*self._sites.keys(), *body.lines)

    def _emit_since(self, body: Source, offset: str) -> None:
        body.add(f"since = {self.visited}[i]", f"{self.visited}[i] = {offset}")
        for trace in sorted({t for _, t in self.sums}):
            body.add(f"trace_{trace} = {self.array[trace]}[i]")

    def _store_factored(
        self, body: Source, plan: Plan, final: dict[str, str], stores: dict[str, dict[str, str]]
    ) -> None:
        for v, local in sorted(final.items()):
            row = stores.get(v)
            if row is None:
                body.add(f"{self._item(v)} = {local}")
                continue
            terms = []
            for u, factor in row.items():
                now = final.get(u, "") if u else ""
                terms.append(factor if not u else (f"{factor} * {now}" if factor else now))
            body.add(f"{self._item(v)} = {' + '.join(terms)}")

    def emit_on_post(self, out: Source) -> None:
        """Postsynaptic spikes of this dt."""
        for plan, mode in ((self.learning, "if learning:"), (self.frozen, "if not learning:")):
            if plan.on_post:
                out.add(f"# {self.lowered.name}: on_post")
                with out.block(mode):
                    self._emit_post(out, plan)

    def _emit_post(self, out: Source, plan: Plan) -> None:
        post = frozenset(v for v in self.structure.post if any(s.target == v for s in plan.on_post))
        once, each, final = self._split(plan.on_post, post, "post")
        if plan.increments is not None:
            with out.block(f"for j in range({self.lowered.n_target}):"):
                out.add(*(f"{array}[s + 1, j] = {array}[s, j]" for array in self.sums.values()))
        with out.block(f"if {self.target.n_spikes} > 0:"):
            loads = self._coefficients(out, plan, [*plan.flow.coefficients], "s", 1, SIGNALS)
            stores = self._coefficients(out, plan, [*plan.flow.coefficients], "s", -1, SIGNALS)
            self._sites = self._random("on_post", "step")
            body = Source()
            with body.block(f"for a in range({self.target.n_spikes}):"):
                body.add(f"j = {self.target.spikes}[a]")
                body.add(*(f"post_{v} = {self._combine_factored(v, loads)}" for v in sorted(post)))
                body.add(*(f"{local} = {text}" for local, text in once))
                if plan.increments is not None:
                    self._emit_increments(body, each, loads, stores)
                elif each:
                    with self._over_sources(body):
                        self._emit_each(body, plan, each, self.structure.pre, "pre", "on_post", "step", "s", False,
                                        False, loads, stores)  # fmt: skip
                self._store_factored(body, plan, final, stores)
            out.add(*self._sites.keys(), *body.lines)

    def _emit_increments(self, body: Source, each: list[tuple[Statement, dict[str, str]]],
                         loads: dict[str, dict[str, str]], stores: dict[str, dict[str, str]]) -> None:  # fmt: skip
        """Add this spike's increments to the cumulative sums, in window coordinates."""
        for increment, (_, current) in zip(self.learning.increments or (), each, strict=True):
            coefficient = self._scope(current, None).render(increment.coefficient)
            trace = loads.get(increment.trace, {}).get(increment.trace, "")
            for u in self._affected(increment.target):
                store = stores.get(u, {}).get(increment.target, "")
                factors = [f for f in (store, trace) if f] + [f"({coefficient})"]
                body.add(f"{self.sums[u, increment.trace]}[s + 1, j] += {' * '.join(factors)}")

    def emit_reward(self, out: Source) -> None:
        """Emit the third factor, and the move of all variables to the next window; ``end`` is the window's length."""
        for plan, mode in ((self.learning, "if learning:"), (self.frozen, "if not learning:")):
            if plan.on_reward or plan.flow.coefficients or plan.increments:
                out.add(f"# {self.lowered.name}: on_reward")
                with out.block(mode):
                    self._emit_reward(out, plan)

    def _emit_reward(self, out: Source, plan: Plan) -> None:
        pre = frozenset(v for v in self.structure.pre if v in plan.flow.coefficients or plan is self.learning)
        post = frozenset(
            v for v in self.structure.post if v in plan.flow.coefficients or plan is self.learning
        )
        loads = self._coefficients(out, plan, [*plan.flow.coefficients], "end", 1, OLD_SIGNALS)
        stores = {u: {u: ""} for u in plan.flow.coefficients}
        windowed = plan.increments is not None
        self._sites = self._random("on_reward", "reward_step")
        each = [(s, {v: f"pre_{v}" for v in pre}) for s in plan.on_reward]
        moving = {v for v in plan.flow.coefficients if v not in self.structure.pre | self.structure.post}
        body = Source()
        with body.block(f"for i in range({self.lowered.n_source}):"):
            if self.alive and plan is self.learning:
                body.add(f"if {self.alive}[i] == 0 and counters[DECISION] > 1:", "    continue  # at rest")
            if windowed:
                self._emit_since(body, "0")
            body.add(*(f"pre_{v} = {self._combine_factored(v, loads)}" for v in sorted(pre)))
            if each or windowed or moving:
                with self._over_targets(body):
                    self._emit_each(body, plan, each, post, "post", "on_reward", "reward_step", "end", windowed, True,
                                    loads, stores)  # fmt: skip
            body.add(*(f"{self._item(v)} = pre_{v}" for v in sorted(pre & set(plan.flow.coefficients))))
        if post & set(plan.flow.coefficients):
            with body.block(f"for j in range({self.lowered.n_target}):"):
                for v in sorted(post & set(plan.flow.coefficients)):
                    body.add(f"post_{v} = {self._combine_factored(v, loads)}")
                body.add(*(f"{self._item(v)} = post_{v}" for v in sorted(post & set(plan.flow.coefficients))))
        out.add(*self._sites.keys(), *body.lines)


def _without_flow(plan: Plan) -> Plan:
    return replace(plan, flow=LinearFlow({}, {}), increments=None)


def _same(a: Plan, b: Plan) -> bool:
    return a.on_pre == b.on_pre and not a.flow.coefficients and a.increments is None
