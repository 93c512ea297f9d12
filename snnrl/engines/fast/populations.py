"""Kernel source for populations: state update, threshold, reset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from snnrl.coding import Readout
from snnrl.engines.fast.layout import Layout
from snnrl.engines.fast.render import Constants, Scope, Source
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNeurons
from snnrl.equations.statements import Statement, calls_random
from snnrl.random import stream_id


@dataclass
class Streams:
    """The random streams of a kernel, by name; an agent holds one 64-bit base for each."""

    names: list[str] = field(default_factory=list)

    def index(self, name: str) -> int:
        """Return the number of a stream, adding it if it is new."""
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)

    def ids(self) -> list[int]:
        """Return the 32-bit identifier of each stream."""
        return [stream_id(name) for name in self.names]


class RandomSites:
    """Numbers the ``rand()`` and ``randn()`` calls of one piece of code and emits their keys."""

    def __init__(self, streams: Streams, prefix: str, step: str, index: str) -> None:
        self.streams, self.prefix, self.step, self.index = streams, prefix, step, index
        self.sites: list[tuple[int, str]] = []

    def __call__(self, name: str) -> str:
        number = len(self.sites)
        stream = self.streams.index(f"{self.prefix}/{number}")
        local = f"key{stream}"
        self.sites.append((stream, local))
        function = "uniform" if name == "rand" else "normal"
        return f"{function}({local}_low, {local}_high, {self.index})"

    def keys(self) -> list[str]:
        """Return the statements that compute the keys, to be placed before the code."""
        lines = []
        for stream, local in self.sites:
            lines.append(f"{local}_low, {local}_high = step_key(streams[{stream}], {self.step})")
        return lines


@dataclass
class Population:
    """Names of one population's arrays in the kernel, and the code that advances it."""

    lowered: LoweredNeurons
    layout: Layout
    constants: Constants
    streams: Streams
    single: bool
    max_delay: int
    readouts: list[tuple[int, Readout]]

    def __post_init__(self) -> None:
        n, name = self.lowered, self.lowered.name
        self.variable = {v: self.layout.add(f"{name}_{v}", n.size, "episode") for v in n.variables}
        self.shared = {v: self.layout.add(f"{name}_{v}", 1, "episode") for v in n.shared}
        self.refractory = self.layout.add(f"{name}_refractory", n.size, "episode") if n.refractory_steps else ""
        self.active = self.layout.add(f"{name}_active", n.size, "scratch") if n.refractory_steps else ""
        self.spiked = self.layout.add(f"{name}_spiked", -(-n.size // 8) * 8, "scratch", np.uint8)
        # The list is written one place ahead, for padded flags too.
        self.spikes = self.layout.add(f"{name}_spikes", n.size + 8, "scratch", np.int32)
        self.record = self.layout.add(f"{name}_record", (0, n.size), "common", np.uint8)
        if self.max_delay:
            self.ring = self.layout.add(f"{name}_ring", (self.max_delay + 1, n.size), "episode", np.int32)
            self.ring_count = self.layout.add(f"{name}_ring_count", self.max_delay + 1, "episode", np.int64)

    @property
    def n_spikes(self) -> str:
        """Local that holds the number of spikes of the present dt."""
        return f"n_{self.spikes}"

    def scope(self, names: dict[str, str], random: RandomSites) -> Scope:
        """Return a scope with the population's constants and the shared names."""
        shared = {s: s for s in SHARED_SIGNALS} | {"t": "t"}
        return Scope(self.constants, self.lowered.name, self.lowered.constants, {**shared, **names}, random,
                     single=self.single)  # fmt: skip

    def masked(self, variable: str) -> bool:
        """Whether writes to ``variable`` are ignored while a neuron is refractory."""
        return bool(self.active) and variable in self.lowered.conditional

    def _locals(self, statements: Iterable[Statement], extra: str = "") -> dict[str, str]:
        names = {v: f"v_{v}" for v in self.lowered.variables}
        names |= {v: f"shared_{v}" for v in self.lowered.shared}
        names |= {s.target: f"v_{s.target}" for s in statements if s.target not in names}
        return names

    def emit_update(self, out: Source) -> None:
        """State update and threshold of all neurons, then the list of those that spiked."""
        n = self.lowered
        names = self._locals(n.update)
        update_random = RandomSites(self.streams, f"{n.name}/update", "step", "j")
        threshold_random = RandomSites(self.streams, f"{n.name}/threshold", "step", "j")
        update, threshold = self.scope(names, update_random), self.scope(names, threshold_random)
        body = [f"{names[s.target]} = {update.render(s.expression)}" for s in n.update if s.target not in n.variables]
        new = {s.target: update.render(s.expression) for s in n.update if s.target in n.variables}
        condition = threshold.render(n.threshold) if n.threshold else ""
        out.add(f"# {n.name}: state update and threshold", *update_random.keys(), *threshold_random.keys())
        for v, array in self.shared.items():
            out.add(f"shared_{v} = {array}[0]")
        if new or condition or self.refractory:
            with out.block(f"for j in range({n.size}):"):
                self._emit_neuron(out, names, body, new, condition)
        self._emit_spike_list(out)

    def _emit_neuron(
        self, out: Source, names: dict[str, str], body: list[str], new: dict[str, str], condition: str
    ) -> None:
        zero, one = self.scope({}, None).literal(0.0), self.scope({}, None).literal(1.0)  # type: ignore[arg-type]
        if self.refractory:
            out.add(f"remaining = {self.refractory}[j] - {one}")
            out.add(f"remaining = remaining if remaining > {zero} else {zero}")
            out.add(f"ready = remaining <= {zero}")
        for v, array in self.variable.items():
            out.add(f"{names[v]} = {array}[j]")
        out.add(*body)
        for v, expression in new.items():
            if self.masked(v):
                out.add(f"{names[v]} = {expression} if ready else {names[v]}")
            else:
                out.add(f"{names[v]} = {expression}")
        for v in new:
            out.add(f"{self.variable[v]}[j] = {names[v]}")
        if not condition:
            if self.refractory:
                out.add(f"{self.refractory}[j] = remaining")
            return
        fires = f"ready and ({condition})" if self.refractory else condition
        out.add(f"fires = {fires}", f"{self.spiked}[j] = 1 if fires else 0")
        if self.refractory:
            period = self.scope({}, None).literal(float(self.lowered.refractory_steps))  # type: ignore[arg-type]
            out.add(f"{self.refractory}[j] = {period} if fires else remaining")
            out.add(f"{self.active}[j] = {one} if ready and not fires else {zero}")

    def _emit_spike_list(self, out: Source) -> None:
        """List the neurons that spiked: whole words of flags at a time, without branches inside a word."""
        count = self.n_spikes
        out.add(f"{count} = 0")
        if not self.lowered.threshold:
            return
        with out.block(f"for word in range({-(-self.lowered.size // 8)}):"):
            with out.block(f"if {self.spiked}_words[word] != 0:"):
                with out.block("for j in range(8 * word, 8 * word + 8):"):
                    out.add(f"{self.spikes}[{count}] = j", f"{count} += np.int64({self.spiked}[j])")
        out.add(f"spike_total[POPULATION_{self.lowered.name}] += {count}")
        self._emit_readouts(out)
        with out.block(f"if recording and decision < {self.record}.shape[0] // {self.constants.steps}:"):
            with out.block(f"for a in range({count}):"):
                out.add(f"{self.record}[decision * {self.constants.steps} + s, {self.spikes}[a]] = 1")
        if self.max_delay:
            out.add(f"slot = step % {self.max_delay + 1}", f"{self.ring_count}[slot] = {count}")
            with out.block(f"for a in range({count}):"):
                out.add(f"{self.ring}[slot, a] = {self.spikes}[a]")

    def _emit_readouts(self, out: Source) -> None:
        """Count spikes, and note the first, for what the decoders look at."""
        count = self.n_spikes
        for number, readout in self.readouts:
            seen = count
            if readout.stop is not None:
                seen = f"seen_{number}"
                out.add(f"{seen} = 0")
                with out.block(f"for a in range({count}):"):
                    out.add(f"j = {self.spikes}[a]")
                    out.add(f"{seen} += 1 if j >= {readout.start} and j < {readout.stop} else 0")
            with out.block(f"if {seen} > 0:"):
                out.add(f"spike_count[{number}] += {seen}")
                out.add(f"if first_spike[{number}] < 0:", f"    first_spike[{number}] = s")

    def emit_reset(self, out: Source) -> None:
        """Reset statements of the neurons that spiked; refractoriness does not mask them."""
        n = self.lowered
        if not n.reset:
            return
        names = self._locals(n.reset)
        random = RandomSites(self.streams, f"{n.name}/reset", "step", "j")
        scope = self.scope(names, random)
        lines = [f"{names[s.target]} = {scope.render(s.expression)}" for s in n.reset]
        out.add(f"# {n.name}: reset", *random.keys())
        with out.block(f"for a in range({self.n_spikes}):"):
            out.add(f"j = {self.spikes}[a]")
            reads = {r for s in n.reset for r in s.reads}
            for v in n.variables:
                if v in reads:
                    out.add(f"{names[v]} = {self.variable[v]}[j]")
            out.add(*lines)
            for v in dict.fromkeys(s.target for s in n.reset if s.target in n.variables):
                out.add(f"{self.variable[v]}[j] = {names[v]}")

    def emit_on_step(self, out: Source) -> None:
        """Statements at the start of an environment step; shared variables once, others per neuron."""
        n = self.lowered
        if not n.on_step:
            return
        out.add(f"# {n.name}: start of the environment step")
        names = self._locals(n.on_step)
        read = {name for statement in n.on_step for name in statement.reads}
        for v in sorted(read & set(self.shared)):
            out.add(f"{names[v]} = {self.shared[v]}[0]")
        for number, statement in enumerate(n.on_step):
            per_neuron = statement.target in n.variables
            random = RandomSites(self.streams, f"{n.name}/on_step/{number}", "step", "j" if per_neuron else "0")
            text = self.scope(names, random).render(statement.expression)
            out.add(*random.keys())
            if not per_neuron:
                out.add(f"{names[statement.target]} = {text}")
                if statement.target in self.shared:
                    out.add(f"{self.shared[statement.target]}[0] = {names[statement.target]}")
                continue
            with out.block(f"for j in range({n.size}):"):
                for v in sorted(statement.reads & set(n.variables)):
                    out.add(f"{names[v]} = {self.variable[v]}[j]")
                out.add(f"{self.variable[statement.target]}[j] = {text}")

    def emit_finite_check(self, out: Source) -> None:
        """Report a value that is not finite, with the population's number."""
        checked = [self.variable[s.target] for s in self.lowered.update if s.target in self.lowered.variables]
        for array in checked:
            with out.block(f"for j in range({self.lowered.size}):"):
                out.add(f"bad |= 0 if abs({array}[j]) < 1e300 else 1")
        if checked:
            out.add("if bad != 0 and counters[ERROR] == 0:", f"    counters[ERROR] = POPULATION_{self.lowered.name} + 1")


def draws(statements: Iterable[Statement]) -> bool:
    """Whether any statement draws random numbers."""
    return any(calls_random(s.expression) for s in statements)
