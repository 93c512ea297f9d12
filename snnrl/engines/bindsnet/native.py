"""Which populations BindsNET's own nodes can be, decided from the lowered statements.

BindsNET's `LIFNodes` do, in each dt, ``v = decay*(v - rest) + rest``, then ``v += input`` unless refractory, then
compare ``v >= thresh`` and put ``v = reset``. A model adds what a spike brings right after that spike, *before* the
decay of the next dt, so an input here is the model's increment times ``decay``. The two agree where

* one variable, frozen while refractory, follows ``v = decay*v + constant`` with fixed numbers, 0 < decay < 1;
* the threshold is ``v >= number`` and the reset ``v = rest``, below the threshold: a refractory `LIFNodes` neuron
  goes on to decay and to compare, and only at rest does that change nothing;
* the refractory period is at least one dt: BindsNET adds after its reset what a model would have added before;
* synapses only ever add to ``v`` in ``on_pre``, and read it nowhere.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement, calls_random, evaluate, names_in, rename
from snnrl.equations.structure import NOT_ALGEBRA, linear_row

LIF, INPUT, EQUATIONS = "LIFNodes", "Input", "EquationNodes"


@dataclass(frozen=True)
class LIFParameters:
    """What `LIFNodes` are told: ``v -> decay*(v - rest) + rest``, reset to ``rest`` at ``thresh``."""

    variable: str
    decay: float
    rest: float
    thresh: float
    refractory_steps: int

    def time_constant(self, dt: float) -> float:
        """Return the time constant of the decay, in the unit of ``dt``."""
        return -dt / math.log(self.decay)


@dataclass(frozen=True)
class Choice:
    """Which BindsNET nodes a population became, and why.

    Attributes
    ----------
    nodes
        ``"LIFNodes"``, ``"Input"`` or ``"EquationNodes"``.
    reason
        What made `LIFNodes` impossible, or what made the others right.
    lif
        Their parameters, for `LIFNodes`.
    """

    nodes: str
    reason: str
    lif: LIFParameters | None = None


class _Not(Exception):  # noqa: N818  no error: the answer "no", with its reason
    """A condition that does not hold."""


def choose_nodes(network: LoweredNetwork, neurons: LoweredNeurons, clamped: bool) -> Choice:
    """Decide what nodes a population becomes."""
    if clamped:
        return Choice(INPUT, "its spikes are supplied")
    if _is_spike_source(network, neurons):
        return Choice(INPUT, "its spikes depend on nothing that happens in the network")
    try:
        return Choice(LIF, "its equations are those of BindsNET's LIFNodes", _lif(network, neurons))
    except _Not as reason:
        return Choice(EQUATIONS, str(reason))


def _is_spike_source(network: LoweredNetwork, neurons: LoweredNeurons) -> bool:
    """Whether the spikes of a whole environment step can be drawn before it begins."""
    happens = neurons.update or neurons.reset or neurons.on_step or neurons.refractory_steps
    if happens or not neurons.threshold:
        return False
    written = {(p, v) for s in network.synapses for p, v in _written(s)}
    return not any((neurons.name, v) in written for v in names_in(neurons.threshold))


def _written(synapses: LoweredSynapses) -> Iterator[tuple[str, str]]:
    """Give population and variable of everything the events of these synapses write on neurons."""
    for name in synapses.neuron_writes:
        for end, population in (("_pre", synapses.source), ("_post", synapses.target)):
            if name.endswith(end):
                yield population, name.removesuffix(end)


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise _Not(reason)


def _lif(network: LoweredNetwork, neurons: LoweredNeurons) -> LIFParameters:
    _require(len(neurons.variables) == 1 and not neurons.shared, "it has more than one variable")
    (v,) = neurons.variables
    _require(not neurons.on_step, "it has statements of its own at each environment step")
    _require(neurons.refractory_steps >= 1, "it has no refractory period of at least one dt")
    _require(v in neurons.conditional, f"{v!r} is not frozen while refractory")
    thresh = _threshold(neurons, v)
    decay, constant = _affine(network, neurons, v)
    reset = _reset(neurons, v)
    rest = constant / (1.0 - decay)
    _require(
        math.isclose(rest, reset, rel_tol=1e-12, abs_tol=1e-12 * abs(thresh - reset)),
        f"it is reset to {reset:g}, its rest is {rest:g}",
    )
    _require(reset < thresh, "it rests at or above its threshold")
    for synapses in network.synapses:
        _check_synapses(synapses, neurons.name, v)
    return LIFParameters(v, decay, reset, thresh, neurons.refractory_steps)


def _number(neurons: LoweredNeurons, expression: str) -> float | None:
    """Evaluate an expression of constants; ``None`` if it reads anything else."""
    if calls_random(expression) or not names_in(expression) <= set(neurons.constants):
        return None
    return float(evaluate(expression, neurons.constants))


def _threshold(neurons: LoweredNeurons, v: str) -> float:
    tree = ast.parse(neurons.threshold or "0", mode="eval").body
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.GtE):
        number = _number(neurons, ast.unparse(tree.comparators[0]))
        if ast.unparse(tree.left) == v and number is not None:
            return number
    raise _Not(f"its threshold is not '{v} >= number'")


def _affine(network: LoweredNetwork, neurons: LoweredNeurons, v: str) -> tuple[float, float]:
    """Read the state update as ``v = decay*v + constant``."""
    reason = f"its state update is not '{v} = decay*{v} + constant' with fixed numbers"
    text = _new_value(neurons.update, v)
    scalars = {*neurons.constants, "dt"}
    _require(names_in(text) <= {*scalars, v} and not calls_random(text), reason)
    try:
        row, constant = linear_row(text, {v})
    except NOT_ALGEBRA:
        raise _Not(reason) from None
    _require(v in row and names_in(row[v]) <= scalars, reason)
    known = {**neurons.constants, "dt": network.dt}
    decay = float(evaluate(row[v], known))
    _require(0.0 < decay < 1.0, f"{v!r} does not decay to a rest")
    return decay, float(evaluate(constant, known))


def _new_value(update: Iterable[Statement], v: str) -> str:
    """Put the statements of a state update together: the new value of ``v`` as one expression."""
    values: dict[str, str] = {}
    for statement in update:
        values[statement.target] = rename(statement.expression, values)
    return values.get(v, v)


def _reset(neurons: LoweredNeurons, v: str) -> float:
    if len(neurons.reset) == 1 and neurons.reset[0].target == v:
        number = _number(neurons, neurons.reset[0].expression)
        if number is not None:
            return number
    raise _Not(f"its reset is not '{v} = number'")


def _check_synapses(synapses: LoweredSynapses, population: str, v: str) -> None:
    """Refuse synapses that read ``v``, or write it otherwise than by ``v_post += ...`` in ``on_pre``."""
    ends = (("_pre", synapses.source), ("_post", synapses.target))
    names = {v + end for end, name in ends if name == population}
    where = f"Synapses({synapses.name})"
    events = (*synapses.on_pre, *synapses.on_post)
    reads = [
        *map(_read_text, (*synapses.clock_update, *events, *synapses.on_reward)),
        *synapses.flow.values(),
    ]
    _require(not any(names_in(text) & names for text in reads), f"{where} read {v!r}")
    for statement in synapses.on_pre:
        allowed = statement.target == v + "_post" and statement.increment
        _require(allowed or statement.target not in names, f"{where}.on_pre does more than add to {v!r}")
    _require(not any(s.target in names for s in synapses.on_post), f"{where}.on_post writes {v!r}")


def _read_text(statement: Statement) -> str:
    """Return what a statement reads: of an increment of a neuron's variable, what is added."""
    of_neuron = statement.target.endswith(("_pre", "_post"))
    return statement.increment if of_neuron and statement.increment else statement.expression
