"""What an engine may exploit in a group of synapses, found in its text.

* A variable that only presynaptic events change, by rules that look at nothing postsynaptic, is the same for
  all synapses of one source neuron: it is *factored* and stored once per neuron. Likewise postsynaptic ones.
* Event-driven equations have a linear flow. Their coefficients over a time dt are scalars, so a variable can
  be kept in *window coordinates* (its value carried back to the start of the environment step) in which it
  does not change between events.
* If every postsynaptic event only adds a multiple of a presynaptic trace (the trace family), the increments
  between two visits of a row are that trace times a difference of cumulative sums kept per target neuron: the
  synapse is visited at presynaptic spikes and once per environment step. This is the *windowed form*.

Text that does not have such a structure runs all the same, on the general path.
"""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.equations.lowered import SHARED_SIGNALS, LoweredSynapses
from snnrl.equations.statements import Statement, calls_random, names_in, parse_expression
from snnrl.errors import ModelError


@dataclass(frozen=True)
class LinearFlow:
    """``new[u] = sum(coefficient[u][v] * v) + constant[u]`` after a time dt, all coefficients scalar text."""

    coefficients: dict[str, dict[str, str]]
    constants: dict[str, str]


@dataclass(frozen=True)
class PostIncrement:
    """``target += coefficient * trace`` at a postsynaptic spike; ``coefficient`` is postsynaptic or scalar."""

    target: str
    trace: str
    coefficient: str


@dataclass(frozen=True)
class Structure:
    """Result of the analysis of one group of synapses.

    Attributes
    ----------
    pre, post
        Factored variables, kept once per source and once per target neuron.
    flow
        Linear flow of the event-driven variables, or ``None`` if a coefficient differs from synapse to synapse or
        within an environment step.
    increments
        The postsynaptic increments of the windowed form, or ``None`` if the general path is needed.
    """

    pre: frozenset[str]
    post: frozenset[str]
    flow: LinearFlow | None
    increments: tuple[PostIncrement, ...] | None


def analyse(synapses: LoweredSynapses, windowed: bool = True) -> Structure:
    """Find the structure of ``synapses``; ``windowed=False`` forces the general path."""
    pre = _factored(synapses, "pre")
    post = _factored(synapses, "post") - pre
    flow = _linear_flow(synapses)
    increments = _increments(synapses, pre, post, flow) if windowed and flow is not None else None
    return Structure(pre, post, flow, increments)


def _factored(synapses: LoweredSynapses, end: str) -> frozenset[str]:
    """Variables that only events at ``end`` change, from scalars, other such variables and ``*_<end>``."""
    own = synapses.on_pre if end == "pre" else synapses.on_post
    other = synapses.on_post if end == "pre" else synapses.on_pre
    elsewhere = {s.target for s in (*other, *synapses.on_reward, *synapses.clock_update)}
    candidates = {
        v for v in synapses.variables
        if v not in elsewhere and v not in synapses.weights and isinstance(synapses.initial[v], float)
        and any(s.target == v for s in own)
    }  # fmt: skip
    scalars = {*synapses.constants, "dt", "t", *SHARED_SIGNALS}
    while True:
        rejected = {v for v in candidates if not _depends_only(v, own, synapses, candidates, scalars, end)}
        if not rejected:
            return frozenset(candidates)
        candidates -= rejected


def _depends_only(
    variable: str,
    own: tuple[Statement, ...],
    synapses: LoweredSynapses,
    same: set[str],
    scalars: set[str],
    end: str,
) -> bool:
    allowed = same | scalars
    if not names_in(synapses.flow.get(variable, "0")) <= allowed:
        return False
    local: set[str] = set()
    for statement in own:
        clean = not calls_random(statement.expression) and all(
            n in allowed or n in local or n.endswith(f"_{end}") for n in statement.reads
        )
        if clean and statement.target not in synapses.variables:
            local.add(statement.target)
        elif not clean:
            local.discard(statement.target)
        if statement.target == variable and not clean:
            return False
    return True


#: What sympy raises for functions it does not know (`sympy.SympifyError` is a ``ValueError``), and `_text`.
NOT_ALGEBRA = (ValueError, TypeError, AttributeError, ModelError)


def _symbols(expression: str) -> dict[str, object]:
    import sympy

    return {name: sympy.Symbol(name, real=True) for name in names_in(expression)}


def _sympify(expression: str) -> object:
    import sympy

    return sympy.sympify(expression, locals=_symbols(expression))


def _text(expression: object) -> str:
    """Sympy to text; `ModelError` if it is not an expression of our language."""
    text = str(expression)
    parse_expression(text, "flow")
    return text


def _linear_flow(synapses: LoweredSynapses) -> LinearFlow | None:
    """Read the flow as coefficients; ``None`` if one reads more than constants, learning signals and ``dt``.

    Neuron variables (``tau_post``), variables of the synapse and the time differ between synapses or within the
    window, so such equations have to be advanced in every dt.
    """
    scalars = {*synapses.constants, *SHARED_SIGNALS, "dt"}
    coefficients: dict[str, dict[str, str]] = {}
    constants: dict[str, str] = {}
    for target, expression in synapses.flow.items():
        try:
            row, constant = linear_row(expression, set(synapses.variables))
        except NOT_ALGEBRA:
            return None
        if any(not names_in(text) <= scalars for text in (*row.values(), constant)):
            return None
        coefficients[target], constants[target] = row, constant
    return LinearFlow(coefficients, constants)


def linear_row(expression: str, variables: set[str]) -> tuple[dict[str, str], str]:
    """Return the derivative with respect to each variable, and what is left without any of them."""
    import sympy

    rest = sympy.expand(_sympify(expression))
    row: dict[str, str] = {}
    for name in sorted(variables & names_in(expression)):
        symbol = sympy.Symbol(name, real=True)
        row[name] = _text(sympy.factor_terms(sympy.diff(rest, symbol)))
        rest = rest.subs(symbol, 0)
    return row, _text(sympy.factor_terms(rest))


def _increments(
    synapses: LoweredSynapses, pre: frozenset[str], post: frozenset[str], flow: LinearFlow
) -> tuple[PostIncrement, ...] | None:
    """Read ``on_post`` as increments by presynaptic traces; ``None`` if it is anything else."""
    if synapses.clock_update or not synapses.on_post:
        return None
    per_synapse = set(synapses.variables) - pre - post
    found = []
    for statement in synapses.on_post:
        if statement.target in post:
            continue
        increment = _increment(statement, pre, per_synapse)
        if increment is None or statement.target not in per_synapse:
            return None
        if flow.constants.get(increment.trace, "0") != "0":
            return None
        if set(flow.coefficients.get(increment.trace, {})) - {increment.trace}:
            return None
        found.append(increment)
    return tuple(found) or None


def _increment(statement: Statement, pre: frozenset[str], per_synapse: set[str]) -> PostIncrement | None:
    import sympy

    if not statement.increment or calls_random(statement.increment):
        return None
    reads = names_in(statement.increment)
    traces = reads & pre
    if len(traces) != 1 or reads & per_synapse or any(n.endswith("_pre") for n in reads):
        return None
    (trace,) = traces
    try:
        expression = _sympify(statement.increment)
    except NOT_ALGEBRA:
        return None
    symbol = sympy.Symbol(trace, real=True)
    coefficient = sympy.diff(expression, symbol)
    if symbol in coefficient.free_symbols or sympy.simplify(expression - coefficient * symbol) != 0:
        return None
    return PostIncrement(statement.target, trace, _text(coefficient))
