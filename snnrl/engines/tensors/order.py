"""Which events may be served for all spiking neurons at once.

The neurons that spike in one dt are served in ascending order, each seeing what the ones before it wrote. To serve
them together is the same where no statement reads what others of them write.
"""

from __future__ import annotations

from snnrl.engines.tensors.selection import End
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement, calls_random, names_in
from snnrl.errors import UnsupportedError

_IF_SEEN = (
    "device='cpu' without a surrogate gradient or CUDA graphs, where neurons are served one by one; the engine 'fast'; or "
    "increments ('x_post += ...') that do not read what the event writes"
)
_IF_ASSIGNED = "the engine 'fast', or an increment ('x_post += ...')"


def check_order(network: LoweredNetwork, engine: str, one_by_one: bool) -> None:
    """Raise `UnsupportedError` if the engine cannot keep to the order of the neurons in an event.

    With ``one_by_one`` it serves the neurons after each other where it has to; then only assignments of which the last
    would win are refused.
    """
    for synapses in network.synapses:
        ends = network.population(synapses.source), network.population(synapses.target)
        for name in ("on_pre", "on_post"):
            event, part = _Event(synapses, *ends, name), f"Synapses({synapses.name}).{name}"
            if reason := event.assigned():
                raise UnsupportedError(engine, part, reason, _IF_ASSIGNED)
            if not one_by_one and (reason := event.seen()):
                raise UnsupportedError(engine, part, reason, _IF_SEEN)


def order_matters(
    synapses: LoweredSynapses, source: LoweredNeurons, target: LoweredNeurons, event: str
) -> bool:
    """Whether a spiking neuron may see what another one wrote in the same event."""
    return _Event(synapses, source, target, event).seen() != ""


class NeuronNames:
    """The names by which statements of a group of synapses mean variables of neurons."""

    def __init__(self, synapses: LoweredSynapses, source: LoweredNeurons, target: LoweredNeurons) -> None:
        ends: tuple[tuple[End, LoweredNeurons], ...] = (("pre", source), ("post", target))
        self._ends: dict[str, End] = {
            f"{v}_{end}": end for end, neurons in ends for v in (*neurons.variables, *neurons.shared)
        }
        for own in synapses.variables:
            self._ends.pop(own, None)

    def end(self, name: str) -> End | None:
        """Return the end at which the neuron is, ``None`` for any other name."""
        return self._ends.get(name)

    def adds(self, statement: Statement) -> bool:
        """Whether a statement adds to a variable of a neuron."""
        return bool(statement.increment) and statement.target in self._ends


class _Event:
    """The statements of one event, and the neuron variables they write as (population, variable)."""

    def __init__(
        self, synapses: LoweredSynapses, source: LoweredNeurons, target: LoweredNeurons, event: str
    ) -> None:
        self.synapses, self.neurons = synapses, {"pre": source, "post": target}
        self.names = NeuronNames(synapses, source, target)
        self.own = event.removeprefix("on_")
        self.statements: tuple[Statement, ...] = getattr(synapses, event)
        self.written = [self._variable(s.target) for s in self.statements if self.names.end(s.target)]

    def _variable(self, name: str) -> tuple[str, str]:
        end = self.names.end(name) or "post"
        return self.neurons[end].name, name.removesuffix(f"_{end}")

    def _shared(self, name: str) -> bool:
        end = self.names.end(name) or "post"
        return name.removesuffix(f"_{end}") in self.neurons[end].shared

    def seen(self) -> str:
        """Return what reads a variable that the same event writes at several neurons, ``""`` if nothing does."""
        for s in self.statements:
            read = names_in(s.increment) if self.names.adds(s) else s.reads
            for name in sorted(read):
                if self._seen_by_others(name):
                    return f"{str(s)!r} reads {name!r}, which the same event writes at several neurons"
        return ""

    def assigned(self) -> str:
        """Return which assignment to neurons may differ between their synapses, ``""`` if none does."""
        for s in self.statements:
            if self.names.end(s.target) and not self.names.adds(s) and not self._same_from_all(s):
                return f"{str(s)!r} assigns what may differ between synapses: the last one would win"
        return ""

    def _seen_by_others(self, name: str) -> bool:
        """Whether a spiking neuron may find there what another one wrote in this event."""
        if not self.names.end(name) or self._variable(name) not in self.written:
            return False
        private = self.names.end(name) == self.own and not self._shared(name)
        return not private or self.synapses.source == self.synapses.target

    def _same_from_all(self, statement: Statement) -> bool:
        """Whether an assignment gives a neuron the same value whichever synapse gives it, and is the only one."""
        end = self.names.end(statement.target)
        scalars = {*self.synapses.constants, *SHARED_SIGNALS, "dt", "t"}
        different = statement.reads - scalars
        alone = self.written.count(self._variable(statement.target)) == 1
        alike = all(self.names.end(n) == end for n in different) and not calls_random(statement.expression)
        return alone and alike and not (different and self._shared(statement.target))
