"""What a group of synapses is in a kernel: its arrays, the names of its variables, loops over its synapses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from snnrl.engines.fast.layout import Layout, Role
from snnrl.engines.fast.plans import frozen_plan, frozen_statements, learning_plan
from snnrl.engines.fast.populations import Population, RandomSites, Streams
from snnrl.engines.fast.render import Constants, Scope, Source
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredSynapses
from snnrl.equations.rest import rests
from snnrl.equations.statements import Statement
from snnrl.equations.structure import Structure, analyse

SIGNALS = {name: name for name in SHARED_SIGNALS} | {"t": "t"}
"""Shared names in the kernel while a window runs."""
OLD_SIGNALS = {name: f"old_{name}" for name in SHARED_SIGNALS} | {
    "exploration": "exploration", "success": "success", "t": "t"
}  # fmt: skip
"""The same at the end of a window, when the new signals are already known: the flow still obeys the old ones."""


@dataclass
class SynapseArrays:
    """Names of one group's arrays in the kernel, and how its elements are reached."""

    lowered: LoweredSynapses
    source: Population
    target: Population
    layout: Layout
    constants: Constants
    streams: Streams
    single: bool
    windowed: bool = True

    def __post_init__(self) -> None:
        self.late_update: tuple[Statement, ...] = ()
        if analyse(self.lowered, self.windowed).flow is None:
            self.late_update = _every_dt(self.lowered)
            self.lowered = replace(
                self.lowered, flow={}, clock_update=(*self.lowered.clock_update, *self.late_update)
            )
        self.structure: Structure = _uncoupled(analyse(self.lowered, self.windowed))
        if self.late_update:
            own = len(self.lowered.clock_update) - len(self.late_update)
            self.lowered = replace(self.lowered, clock_update=self.lowered.clock_update[:own])
        s, name = self.lowered, self.lowered.name
        self.learning = learning_plan(s, self.structure)
        self.frozen = frozen_plan(s, self.structure)
        self.late_frozen = frozen_statements(s, self.late_update)
        self.array = {v: self.layout.add(f"S_{name}_{v}", self._shape(v), self._role(v)) for v in s.variables}
        self.sums: dict[tuple[str, str], str] = {}
        if self.learning.increments is not None:
            self._declare_sums()
        if s.sources is not None:
            self._declare_pairs()
        self.alive = ""
        if s.on_pre and not self.late_update and rests(s, self.structure):
            self.alive = self.layout.add(f"S_{name}_alive", s.n_source, "episode", np.uint8)

    def _role(self, variable: str) -> Role:
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
        window = self.layout.window
        self.visited = self.layout.add(f"S_{name}_visited", self.lowered.n_source, window, np.int64)
        for increment in self.learning.increments or ():
            for affected in self._affected(increment.target):
                key = (affected, increment.trace)
                if key not in self.sums:
                    shape = (rows, self.lowered.n_target)
                    self.sums[key] = self.layout.add(
                        f"S_{name}_{affected}_sum_{increment.trace}", shape, window
                    )

    def _affected(self, target: str) -> list[str]:
        """Variables whose window coordinate moves when ``target`` is incremented."""
        if target not in self.lowered.flow:
            return [target]
        return [u for u, row in self.learning.flow.coefficients.items() if target in row]

    def _declare_pairs(self) -> None:
        name, s = self.lowered.name, self.lowered
        n = s.shape[0]
        self.pointer = self.layout.add(f"S_{name}_pointer", s.n_source + 1, "common", np.int64)
        self.targets = self.layout.add(f"S_{name}_targets", n, "common", np.int32)
        self.sources = self.layout.add(f"S_{name}_sources", n, "common", np.int32)
        if s.on_post:
            self.post_pointer = self.layout.add(f"S_{name}_post_pointer", s.n_target + 1, "common", np.int64)
            self.post_synapses = self.layout.add(f"S_{name}_post_synapses", n, "common", np.int64)

    def pair_arrays(self) -> dict[str, np.ndarray]:
        """Return the connectivity arrays by name (empty for all-to-all)."""
        s = self.lowered
        if s.sources is None or s.targets is None:
            return {}
        found: dict[str, np.ndarray] = {
            self.pointer: np.searchsorted(s.sources, np.arange(s.n_source + 1)),
            self.targets: s.targets.astype(np.int32),
            self.sources: s.sources.astype(np.int32),
        }
        if s.on_post:
            order = np.argsort(s.targets, kind="stable")
            found[self.post_pointer] = np.searchsorted(s.targets[order], np.arange(s.n_target + 1))
            found[self.post_synapses] = order
        return found

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

    def _scope(
        self, locals_: dict[str, str], random: RandomSites | None, signals: dict[str, str] = SIGNALS
    ) -> Scope:
        return Scope(self.constants, self.lowered.name, self.lowered.constants, self._names(locals_, signals),
                     random, single=self.single)  # fmt: skip

    def _flow_scope(self, offset: str, sign: int, signals: dict[str, str]) -> Scope:
        scope = self._scope({}, None, signals)
        scope.offset, scope.sign = offset, sign
        return scope

    def _random(self, event: str, step: str) -> RandomSites:
        index = f"i * {self.lowered.n_target} + j" if self._all else "k"
        return RandomSites(self.streams, f"{self.lowered.name}/{event}", step, index)

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


def _every_dt(synapses: LoweredSynapses) -> tuple[Statement, ...]:
    """Event-driven equations as statements of every dt, for those whose coefficients differ from synapse to synapse."""
    new = [Statement(f"_{v}", expression) for v, expression in synapses.flow.items()]
    return (*new, *(Statement(v, f"_{v}") for v in synapses.flow))


def _uncoupled(structure: Structure) -> Structure:
    """Keep a variable per synapse if the flow of another per-synapse variable reads it."""
    if structure.flow is None:
        return structure
    factored = structure.pre | structure.post
    while True:
        rows = structure.flow.coefficients.items()
        read = {v for u, row in rows if u not in factored for v in row if v in factored}
        if not read:
            break
        factored -= read
    if factored == structure.pre | structure.post:
        return structure
    increments = structure.increments
    if increments and any(i.trace not in factored for i in increments):
        increments = None
    return Structure(structure.pre & factored, structure.post & factored, structure.flow, increments)
