"""Kernel source for populations: state update, threshold, reset."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from snnrl.coding import Readout
from snnrl.engines.fast.layout import Layout
from snnrl.engines.fast.render import Constants, Scope, Source
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNeurons
from snnrl.equations.statements import RANDOM, Statement
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
    """Numbers the ``rand()`` and ``randn()`` calls of one piece of code and emits their keys.

    Called with the function's name it returns the kernel text of one random number.
    """

    def __init__(self, streams: Streams, prefix: str, step: str, index: str) -> None:
        self.streams, self.prefix, self.step, self.index = streams, prefix, step, index
        self.sites: list[tuple[int, str]] = []
        self.number = 0

    def place(self, statements: Sequence[Statement], statement: Statement) -> None:
        """Let the next calls count as those of ``statement`` within its whole text.

        So a random number does not change when an engine leaves out statements it does not need.
        """
        self.number = 0
        for s in statements:
            if s is statement:
                return
            self.number += _draws(s.expression)

    def __call__(self, name: str) -> str:
        """Return the kernel text of one call of ``rand`` or ``randn``."""
        stream = self.streams.index(f"{self.prefix}/{self.number}")
        self.number += 1
        local = f"key{stream}"
        if (stream, local) not in self.sites:
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
    clamped: bool = False
    written: frozenset[str] = frozenset()
    """Variables that synapses write."""
    watched: str = ""
    """A variable to be recorded in every dt, as the threshold sees it."""

    def __post_init__(self) -> None:
        n, name = self.lowered, self.lowered.name
        self.variable = {v: self.layout.add(f"N_{name}_{v}", n.size, "episode") for v in n.variables}
        self.shared = {v: self.layout.add(f"N_{name}_{v}", 1, "episode") for v in n.shared}
        self.refractory = (
            self.layout.add(f"N_{name}_refractory", n.size, "episode") if n.refractory_steps else ""
        )
        guarded = n.refractory_steps and self.written & n.conditional
        self.active = self.layout.add(f"N_{name}_active", n.size, "scratch") if guarded else ""
        self.spiked = self.layout.add(f"N_{name}_spiked", -(-n.size // 8) * 8, "scratch", np.uint8)
        # The list is written one place ahead, for padded flags too.
        self.spikes = self.layout.add(f"N_{name}_spikes", n.size + 8, "scratch", np.int32)
        self.record = self.layout.add(f"N_{name}_record", (0, n.size), "common", np.uint8)
        self.curve = self.layout.add(f"N_{name}_curve", (0, n.size), "common") if self.watched else ""
        if self.clamped:
            self.given = self.layout.add(
                f"N_{name}_given", (self.constants.steps, n.size), "control", np.uint8
            )
        if self.max_delay:
            self.ring = self.layout.add(f"N_{name}_ring", (self.max_delay + 1, n.size), "episode", np.int32)
            self.ring_count = self.layout.add(f"N_{name}_ring_count", self.max_delay + 1, "episode", np.int64)

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
        return bool(self.lowered.refractory_steps) and variable in self.lowered.conditional

    def _locals(self, statements: Iterable[Statement]) -> dict[str, str]:
        names = {v: f"v_{v}" for v in self.lowered.variables}
        names |= {v: f"shared_{v}" for v in self.lowered.shared}
        names |= {s.target: f"v_{s.target}" for s in statements if s.target not in names}
        return names

    def emit_update(self, out: Source) -> None:
        """State update and threshold of all neurons, then the list of those that spiked."""
        n = self.lowered
        if self.clamped:
            out.add(f"# {n.name}: spikes supplied from outside")
            with out.block(f"for j in range({n.size}):"):
                out.add(f"{self.spiked}[j] = {self.given}[s, j]")
            self._emit_spike_list(out)
            return
        names = self._locals(n.update)
        update_random = RandomSites(self.streams, f"{n.name}/update", "step", "j")
        threshold_random = RandomSites(self.streams, f"{n.name}/threshold", "step", "j")
        update, threshold = self.scope(names, update_random), self.scope(names, threshold_random)
        body: list[str] = []
        new: dict[str, str] = {}
        for s in n.update:
            if s.target in n.variables:
                new[s.target] = update.render(s.expression)
            else:
                body.append(f"{names[s.target]} = {update.render(s.expression)}")
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
        if self.active:
            out.add(f"{self.active}[j] = {one} if ready and not fires else {zero}")

    def _emit_spike_list(self, out: Source) -> None:
        """List the neurons that spiked: whole words of flags at a time, without branches inside a word."""
        count = self.n_spikes
        out.add(f"{count} = 0")
        if not self.lowered.threshold and not self.clamped:
            return
        words, flagged = (
            f"for word in range({-(-self.lowered.size // 8)}):",
            f"if {self.spiked}_words[word] != 0:",
        )
        with out.block(words), out.block(flagged), out.block("for j in range(8 * word, 8 * word + 8):"):
            out.add(f"{self.spikes}[{count}] = j", f"{count} += np.int64({self.spiked}[j])")
        out.add(f"spike_total[POPULATION_{self.lowered.name}] += {count}")
        self._emit_readouts(out)
        recording = f"if recording and decision < {self.record}.shape[0] // {self.constants.steps}:"
        with out.block(recording), out.block(f"for a in range({count}):"):
            out.add(f"{self.record}[decision * {self.constants.steps} + s, {self.spikes}[a]] = 1")
        if self.max_delay:
            out.add(f"slot = step % {self.max_delay + 1}", f"{self.ring_count}[slot] = {count}")
            with out.block(f"for a in range({count}):"):
                out.add(f"{self.ring}[slot, a] = {self.spikes}[a]")

    def emit_curve(self, out: Source) -> None:
        """Record the watched variable, if there is one, after the threshold and before the reset."""
        if not self.watched:
            return
        room = f"if recording and decision < {self.curve}.shape[0] // {self.constants.steps}:"
        with out.block(room), out.block(f"for j in range({self.lowered.size}):"):
            place = f"decision * {self.constants.steps} + s"
            out.add(f"{self.curve}[{place}, j] = {self.variable[self.watched]}[j]")

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
        """Statements at the start of an environment step: what is shared once, the rest for every neuron."""
        n = self.lowered
        if not n.on_step:
            return
        out.add(f"# {n.name}: start of the environment step")
        names = {v: f"v_{v}" for v in n.variables}
        names |= {v: f"{array}[0]" for v, array in self.shared.items()}
        scalar = {*n.shared, *n.constants, *SHARED_SIGNALS, "dt", "t"}
        body, keys = Source(), list[str]()
        for number, s in enumerate(n.on_step):
            is_scalar = s.target not in n.variables and (s.target in n.shared or s.reads <= scalar)
            random = RandomSites(
                self.streams, f"{n.name}/on_step/{number}", "step", "0" if is_scalar else "j"
            )
            text = self.scope(dict(names), random).render(s.expression)
            names[s.target] = f"once_{s.target}_{number}" if is_scalar else f"v_{s.target}"
            if is_scalar:
                scalar.add(s.target)
            if is_scalar:
                out.add(*random.keys())
            else:
                keys += random.keys()
            (out if is_scalar else body).add(f"{names[s.target]} = {text}")
        written = [s.target for s in n.on_step]
        if body.lines:
            out.add(*keys)
            with out.block(f"for j in range({n.size}):"):
                reads = {r for s in n.on_step for r in s.reads}
                out.add(*(f"v_{v} = {self.variable[v]}[j]" for v in n.variables if v in reads))
                out.add(*body.lines)
                out.add(*(f"{self.variable[v]}[j] = v_{v}" for v in n.variables if v in written))
        out.add(*(f"{self.shared[v]}[0] = {names[v]}" for v in n.shared if v in written))

    def emit_finite_check(self, out: Source) -> None:
        """Report a value that is not finite, with the population's number."""
        checked = [self.variable[s.target] for s in self.lowered.update if s.target in self.lowered.variables]
        for array in checked:
            with out.block(f"for j in range({self.lowered.size}):"):
                out.add(f"bad |= 0 if abs({array}[j]) < 1e300 else 1")
        if checked:
            out.add(
                "if bad != 0 and counters[ERROR] == 0:",
                f"    counters[ERROR] = POPULATION_{self.lowered.name} + 1",
            )


def _draws(expression: str) -> int:
    """Return how many random numbers an expression draws."""
    calls = [n.func for n in ast.walk(ast.parse(expression)) if isinstance(n, ast.Call)]
    return sum(isinstance(f, ast.Name) and f.id in RANDOM for f in calls)
