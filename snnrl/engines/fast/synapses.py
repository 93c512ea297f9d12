"""Kernel source for synapses: events, the windowed form, and the third factor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from snnrl.engines.fast.layout import Layout
from snnrl.engines.fast.plans import Plan, frozen_plan, learning_plan
from snnrl.engines.fast.populations import Population, RandomSites, Streams
from snnrl.engines.fast.render import Constants, Scope, Source
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredSynapses
from snnrl.equations.rest import rests
from snnrl.equations.statements import Statement, calls_random
from snnrl.equations.structure import LinearFlow, Structure, analyse

_SIGNALS = {name: name for name in SHARED_SIGNALS} | {"t": "t"}
_OLD_SIGNALS = {name: f"old_{name}" for name in SHARED_SIGNALS} | {
    "exploration": "exploration", "success": "success", "t": "t"
}  # fmt: skip


@dataclass
class SynapseGroup:
    """Names of one group's arrays in the kernel, and its code."""

    lowered: LoweredSynapses
    source: Population
    target: Population
    layout: Layout
    constants: Constants
    streams: Streams
    single: bool
    windowed: bool = True

    def __post_init__(self) -> None:
        self.structure: Structure = analyse(self.lowered, self.windowed)
        if self.structure.flow is None:
            self.lowered = _clock_driven(self.lowered)
            self.structure = analyse(self.lowered, self.windowed)
        s, name = self.lowered, self.lowered.name
        self.learning = learning_plan(s, self.structure)
        self.frozen = frozen_plan(s, self.structure)
        self.array = {v: self.layout.add(f"{name}_{v}", self._shape(v), self._role(v)) for v in s.variables}
        self.sums: dict[tuple[str, str], str] = {}
        if self.learning.increments is not None:
            self._declare_sums()
        if s.sources is not None:
            self._declare_pairs()
        self.alive = ""
        if s.on_pre and rests(s, self.structure):
            self.alive = self.layout.add(f"{name}_alive", s.n_source, "episode", np.uint8)

    def _role(self, variable: str) -> str:
        return "learned" if variable in self.lowered.weights else "episode"

    def _shape(self, variable: str) -> tuple[int, ...]:
        if variable in self.structure.pre:
            return (self.lowered.n_source,)
        if variable in self.structure.post:
            return (self.lowered.n_target,)
        return self.lowered.shape

    def _declare_sums(self) -> None:
        """Cumulative sums of the windowed form, one row per dt; row visits are counted in dt too."""
        name, rows = self.lowered.name, self.constants.steps + 1
        self.visited = self.layout.add(f"{name}_visited", self.lowered.n_source, "scratch", np.int64)
        for increment in self.learning.increments or ():
            for affected in self._affected(increment.target):
                key = (affected, increment.trace)
                if key not in self.sums:
                    shape = (rows, self.lowered.n_target)
                    self.sums[key] = self.layout.add(f"{name}_{affected}_sum_{increment.trace}", shape, "scratch")

    def _affected(self, target: str) -> list[str]:
        """Variables whose window coordinate moves when ``target`` is incremented."""
        if target not in self.lowered.flow:
            return [target]
        return [u for u, row in self.learning.flow.coefficients.items() if target in row]

    def _declare_pairs(self) -> None:
        name, s = self.lowered.name, self.lowered
        n = s.shape[0]
        self.pointer = self.layout.add(f"{name}_pointer", s.n_source + 1, "common", np.int64)
        self.targets = self.layout.add(f"{name}_targets", n, "common", np.int32)
        self.sources = self.layout.add(f"{name}_sources", n, "common", np.int32)
        self.post_pointer = self.layout.add(f"{name}_post_pointer", s.n_target + 1, "common", np.int64)
        self.post_synapses = self.layout.add(f"{name}_post_synapses", n, "common", np.int64)

    def pair_arrays(self) -> dict[str, np.ndarray]:
        """Return the connectivity arrays by name (empty for all-to-all)."""
        s = self.lowered
        if s.sources is None or s.targets is None:
            return {}
        return {
            self.pointer: np.searchsorted(s.sources, np.arange(s.n_source + 1)),
            self.targets: s.targets.astype(np.int32),
            self.sources: s.sources.astype(np.int32),
            self.post_pointer: np.searchsorted(np.sort(s.targets, kind="stable"), np.arange(s.n_target + 1)),
            self.post_synapses: np.argsort(s.targets, kind="stable"),
        }

    # ------------------------------------------------------------------ names and scopes

    @property
    def _all(self) -> bool:
        return self.lowered.sources is None

    def _item(self, variable: str) -> str:
        """Element of a variable in the innermost loop."""
        if variable in self.structure.pre:
            return f"{self.array[variable]}[i]"
        if variable in self.structure.post:
            return f"{self.array[variable]}[j]"
        return f"{self.array[variable]}[i, j]" if self._all else f"{self.array[variable]}[k]"

    def _neuron_item(self, name: str) -> str:
        end = "_pre" if name.endswith("_pre") else "_post"
        population, index = (self.source, "i") if end == "_pre" else (self.target, "j")
        variable = name[: -len(end)]
        if variable in population.shared:
            return f"{population.shared[variable]}[0]"
        return f"{population.variable[variable]}[{index}]"

    def _names(self, locals_: dict[str, str], signals: dict[str, str]) -> dict[str, str]:
        ends = {}
        for end, population in (("_pre", self.source), ("_post", self.target)):
            for v in (*population.variable, *population.shared):
                ends[v + end] = self._neuron_item(v + end)
        return {**signals, **ends, **locals_}

    def _scope(self, locals_: dict[str, str], random: RandomSites | None, signals: dict[str, str] = _SIGNALS) -> Scope:
        return Scope(self.constants, self.lowered.name, self.lowered.constants, self._names(locals_, signals),
                     random, single=self.single)  # fmt: skip

    def _flow_scope(self, offset: str, sign: int, signals: dict[str, str]) -> Scope:
        scope = self._scope({}, None, signals)
        scope.offset, scope.sign = offset, sign
        return scope

    def _random(self, event: str, step: str) -> RandomSites:
        index = f"i * {self.lowered.n_target} + j" if self._all else "k"
        return RandomSites(self.streams, f"{self.lowered.name}/{event}", step, index)

    # ------------------------------------------------------------------ flow: to and from window coordinates

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
            factor if v == "" else (f"{factor} * {prefix}{v}" if factor else f"{prefix}{v}") for v, factor in row.items()
        ]
        return " + ".join(terms)

    # ------------------------------------------------------------------ loops

    @contextmanager
    def _over_targets(self, out: Source) -> Iterator[None]:
        if self._all:
            with out.block(f"for j in range({self.lowered.n_target}):"):
                yield
        else:
            with out.block(f"for k in range({self.pointer}[i], {self.pointer}[i + 1]):"):
                out.add(f"j = {self.targets}[k]")
                yield

    @contextmanager
    def _over_sources(self, out: Source) -> Iterator[None]:
        if self._all:
            with out.block(f"for i in range({self.lowered.n_source}):"):
                yield
        else:
            with out.block(f"for q in range({self.post_pointer}[j], {self.post_pointer}[j + 1]):"):
                out.add(f"k = {self.post_synapses}[q]", f"i = {self.sources}[k]")
                yield

    # ------------------------------------------------------------------ one visit

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
        """The body of the innermost loop: catch up, load, run statements, store."""
        s = self.lowered
        per_synapse = [v for v in s.variables if v not in self.structure.pre | self.structure.post]
        changed = {st.target for st, _ in each if st.target in per_synapse}
        reads = {n for st, _ in each for n in st.reads}
        stored = {u for u in per_synapse if u in changed or (u in stores and changed & set(stores[u]))}
        flowing = set(per_synapse) & set(plan.flow.coefficients)
        pending = {u for (u, _) in self.sums} if catch_up else set()
        if rebase:
            stored |= flowing
        now = (reads & set(per_synapse)) | {v for u in stored & flowing for v in stores[u] if v} | stored & flowing
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
            local.setdefault(st.target, f"s_{st.target}")
            names = {**local, **{v: f"{other_end}_{v}" for v in other}, **current}
            if st.target not in self.lowered.variables and st.target in current:
                del names[st.target]
            scope = self._scope(names, random)
            if st.target.endswith(("_pre", "_post")):
                self._emit_neuron_write(out, st, scope)
            else:
                out.add(f"s_{st.target} = {scope.render(st.expression)}")

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

    # ------------------------------------------------------------------ events

    def emit_clock(self, out: Source) -> None:
        """Clock-driven equations: every synapse, every dt."""
        if not self.lowered.clock_update:
            return
        for plan, mode in ((self.learning, "if learning:"), (self.frozen, "else:")):
            with out.block(mode):
                if plan.clock_update:
                    self._sites = self._random("clock", "step")
                    body = Source()
                    each = [(s, dict[str, str]()) for s in plan.clock_update]
                    with body.block(f"for i in range({self.lowered.n_source}):"), self._over_targets(body):
                        self._emit_each(body, _without_flow(plan), each, frozenset(), "", "clock", "step", "s",
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
        loads = self._coefficients(out, plan, [*plan.flow.coefficients], "s", 1, _SIGNALS)
        stores = self._coefficients(out, plan, [*plan.flow.coefficients], "s", -1, _SIGNALS)
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

    def _store_factored(self, body: Source, plan: Plan, final: dict[str, str], stores: dict[str, dict[str, str]]) -> None:
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
            loads = self._coefficients(out, plan, [*plan.flow.coefficients], "s", 1, _SIGNALS)
            stores = self._coefficients(out, plan, [*plan.flow.coefficients], "s", -1, _SIGNALS)
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
        """The third factor, and the move of all variables to the next window; ``end`` is the window's length."""
        for plan, mode in ((self.learning, "if learning:"), (self.frozen, "if not learning:")):
            if plan.on_reward or plan.flow.coefficients or plan.increments:
                out.add(f"# {self.lowered.name}: on_reward")
                with out.block(mode):
                    self._emit_reward(out, plan)

    def _emit_reward(self, out: Source, plan: Plan) -> None:
        pre = frozenset(v for v in self.structure.pre if v in plan.flow.coefficients or plan is self.learning)
        post = frozenset(v for v in self.structure.post if v in plan.flow.coefficients or plan is self.learning)
        loads = self._coefficients(out, plan, [*plan.flow.coefficients], "end", 1, _OLD_SIGNALS)
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


def _clock_driven(synapses: LoweredSynapses) -> LoweredSynapses:
    """Run event-driven equations every dt, for those whose coefficients differ from synapse to synapse."""
    new = [Statement(f"_{v}", expression) for v, expression in synapses.flow.items()]
    kept = [Statement(v, f"_{v}") for v in synapses.flow]
    return replace(synapses, flow={}, clock_update=(*synapses.clock_update, *new, *kept))


def _without_flow(plan: Plan) -> Plan:
    return replace(plan, flow=LinearFlow({}, {}), increments=None)


def _same(a: Plan, b: Plan) -> bool:
    return a.on_pre == b.on_pre and not a.flow.coefficients and a.increments is None
