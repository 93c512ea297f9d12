"""What Brian2 cannot do, or would do differently: refused before a network is built, with the part's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from brian2.stateupdaters.base import UnsupportedEquationsException
from brian2.stateupdaters.exact import linear

from snnrl.engines.brian2.text import (
    ENGINE,
    LEARNING,
    OTHER_ENGINES,
    REWARD_STEP,
    STEP,
    draws,
    writes,
)
from snnrl.equations import brian
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork, LoweredSynapses
from snnrl.equations.statements import Statement, names_in
from snnrl.errors import UnsupportedError
from snnrl.model import Network, Neurons, Synapses

RESERVED = (LEARNING, REWARD_STEP, STEP, "choose", "lastupdate", "lastspike", "not_refractory",
            "counter_rand", "counter_randn", "shared_rand", "shared_randn")  # fmt: skip
"""Names that Brian2 or this engine puts beside those of the model."""


def refuse(part: str, reason: str, alternatives: str = OTHER_ENGINES) -> UnsupportedError:
    """Return the error for a part of the model."""
    return UnsupportedError(ENGINE, part, reason, alternatives)


def check_network(network: Network, lowered: LoweredNetwork) -> None:
    """Refuse what Brian2 would not run, or would run with another meaning.

    Raises
    ------
    UnsupportedError
        For reserved names, ``(constant over dt)``, random subexpressions, event-driven variables that depend on
        neurons or carry what is learned, and events whose result depends on the order of the synapses.
    """
    parts: list[Neurons | Synapses] = [*network.neurons, *network.synapses]
    for part in parts:
        _check_text(part)
    for model, group in zip(network.synapses, lowered.synapses, strict=True):
        _check_flow(model, group)
        _check_shared(group, lowered)
        for event in ("on_pre", "on_post"):
            _check_order(group, event, getattr(group, event))


def _where(part: Neurons | Synapses) -> str:
    return f"{type(part).__name__}({part.name})"


def _check_text(part: Neurons | Synapses) -> None:
    equations = brian.parse_equations(part.equations, _where(part))
    for name in (*equations, *part.parameters):
        if name in RESERVED:
            raise refuse(_where(part), f"the name {name!r} is taken", f"another name, or {OTHER_ENGINES}")
    for name, equation in equations.items():
        where = f"{_where(part)}: equation of {name!r}"
        if "constant over dt" in equation.flags:
            raise refuse(where, "(constant over dt) means nothing to the other engines", "leave the flag out")
        if equation.type == "subexpression" and draws(str(equation.expr)):
            raise refuse(where, "Brian2 takes no random number in a subexpression",
                         f"put rand() or randn() where it is used, or {OTHER_ENGINES}")  # fmt: skip


def _check_flow(model: Synapses, group: LoweredSynapses) -> None:
    for variable, text in group.flow.items():
        where = f"Synapses({group.name}): equation of {variable!r}"
        outside = sorted(n for n in names_in(text) if n == "t" or _place(group, n)[0])
        if outside:
            raise refuse(where, f"Brian2 integrates from event to event, and {outside[0]!r} changes in between",
                         f"(clock-driven) in place of (event-driven), or {OTHER_ENGINES}")  # fmt: skip
        if variable in group.weights:
            raise refuse(where, "Brian2 cannot hold an event-driven variable still while plasticity is off",
                         f"(clock-driven) in place of (event-driven), or {OTHER_ENGINES}")  # fmt: skip


def _check_shared(group: LoweredSynapses, network: LoweredNetwork) -> None:
    for event in ("on_pre", "on_post"):
        for statement in getattr(group, event):
            population, variable = _place(group, statement.target)
            if population and variable in network.population(population).shared:
                raise refuse(f"Synapses({group.name}).{event}",
                             f"Brian2 does not let synapses write {statement.target!r}, which is (shared)",
                             f"one value per neuron, or {OTHER_ENGINES}")  # fmt: skip


def _place(group: LoweredSynapses, name: str) -> tuple[str, str]:
    """Return population and variable of ``<variable>_pre`` or ``<variable>_post``; empty for a synapse's own."""
    if name in group.variables or name in group.constants:
        return "", name
    for end, population in (("_pre", group.source), ("_post", group.target)):
        if name.endswith(end):
            return population, name.removesuffix(end)
    return "", name


def _check_order(group: LoweredSynapses, event: str, statements: Iterable[Statement]) -> None:
    """Refuse events in which it matters that Brian2 serves synapse after synapse, not neuron after neuron.

    Increments of a neuron's variable that nothing in the event reads add up in any order. One that reads what it
    writes is served in the right order as long as all synapses of a spike end at different neurons.
    """
    listed = list(statements)
    texts = [s.increment if _place(group, s.target)[0] and s.increment else s.expression for s in listed]
    targets = [_place(group, s.target) for s in listed]
    number = Counter(place for place in targets if place[0])
    far = "_post" if event == "on_pre" else "_pre"
    for k, (statement, place) in enumerate(zip(listed, targets, strict=True)):
        if not place[0]:
            continue
        for other, text in enumerate(texts):
            aliases = {n for n in names_in(text) if _place(group, n) == place}
            if not aliases:
                continue
            own = other == k and aliases == {statement.target} and number[place] == 1
            if not (own and statement.target.endswith(far) and not _repeated(group)):
                raise _ordered(group, event, statement.target)
        if number[place] > 1 and not statement.increment:
            raise _ordered(group, event, statement.target)


def _ordered(group: LoweredSynapses, event: str, name: str) -> UnsupportedError:
    return refuse(f"Synapses({group.name}).{event}",
                  f"it reads {name!r}, which it also writes: the result depends on the order of the synapses",
                  "increments (+=) of what the event does not read, or the engine fast")  # fmt: skip


def _repeated(group: LoweredSynapses) -> bool:
    """Whether two synapses join the same two neurons."""
    if group.sources is None or group.targets is None:
        return False
    pairs = list(zip(group.sources.tolist(), group.targets.tolist(), strict=True))
    return len(set(pairs)) < len(pairs)


def check_constants(where: str, constants: Iterable[str], variables: Mapping[str, Any]) -> None:
    """Refuse parameters whose names Brian2 gives another meaning to in this group."""
    for name in constants:
        if name in variables:
            raise refuse(where, f"the name {name!r} has a meaning of its own in Brian2",
                         f"another name, or {OTHER_ENGINES}")  # fmt: skip


def signals_in_flow(group: LoweredSynapses) -> bool:
    """Whether event-driven variables depend on learning signals, which change between environment steps."""
    return any(names_in(text) & set(SHARED_SIGNALS) for text in group.flow.values())


def writes_weights(model: Synapses, group: LoweredSynapses) -> bool:
    """Whether an event or an equation, not only ``on_reward``, changes what is learned."""
    return any(s.target in group.weights for s in group.clock_update) or any(
        writes(text, group.weights) for text in (model.on_pre, model.on_post)
    )


def made(where: str, kind: Any, *arguments: Any, **fields: Any) -> Any:
    """Make a Brian2 object; what Brian2 refuses is not supported."""
    try:
        return kind(*arguments, **fields)
    except Exception as error:
        raise refuse(where, " ".join(str(error).split()), f"another text, or {OTHER_ENGINES}") from error


def check_event_driven(where: str, group: Any) -> None:
    """Let Brian2 solve the event-driven equations once, as it will at every event."""
    if group.event_driven is None:
        return
    try:
        linear(group.event_driven, group.variables)
    except (UnsupportedEquationsException, ValueError, NotImplementedError) as error:
        names = ", ".join(sorted(group.event_driven.diff_eq_names))
        raise refuse(f"{where}: equations of {names}", "Brian2 has no event-driven solution of them",
                     f"(clock-driven) in place of (event-driven), or {OTHER_ENGINES}") from error  # fmt: skip
