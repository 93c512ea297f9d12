"""Reward functions by name: how they are registered, parametrised and built.

A reward function is plain Python that an engine can compile: it uses its arguments and ``math`` only. ::

    @rewards.register("fast-fall", formula="r = -abs(theta_dot), 0 at failure", source="this note",
                      range=(-math.inf, 0.0), defaults={"gain": 1.0}, variables=rewards.CART_POLE)
    def fast_fall(before, after, terminated, step, record, p):
        return 0.0 if terminated else -p[0] * abs(after[3])

    reward = rewards.make("fast-fall", gain=2.0)

Beside its own parameters every reward takes ``scale``, a factor on all of it: it puts rewards of different size on one
footing without a change of their shape.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import linecache
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks.base import FloatArray, RewardFunction, Task, source_of

Range = tuple[float, float]
RangeRule = Range | Callable[[Mapping[str, float]], Range]

SCALE = "scale"
"""Parameter that every reward takes: a positive factor on all of it, 1 where it is not given."""


@dataclasses.dataclass(frozen=True)
class Reward:
    """A reward function with its parameters.

    Parameters
    ----------
    name
        Name in the registry.
    parameters
        Parameters by name, in the order in which the function reads them; `SCALE`, if it was given, comes last.
    base
        The function as it was registered, without the scale:
        ``f(before, after, terminated, step, record, p) -> float``: state before and after the step, whether
        the task terminated, 1-based step of the episode, mean length of the last 20 finished episodes (0
        before any), and the parameter array.
    formula, source
        What it computes and where that comes from.
    range
        Smallest and largest value with these parameters.
    variables
        Names of the state variables that it reads by position; empty where it reads none.
    uses_environment
        True where the environment's own reward is meant (see :meth:`bind`).
    """

    name: str
    parameters: dict[str, float]
    base: RewardFunction
    formula: str
    source: str
    range: Range
    variables: tuple[str, ...] = ()
    uses_environment: bool = False

    @property
    def function(self) -> RewardFunction:
        """The function that engines copy: the registered one, times the scale if there is one."""
        return _scaled(self.base, len(self.parameters) - 1) if SCALE in self.parameters else self.base

    @property
    def p(self) -> FloatArray:
        """The parameters as the array handed to the function, shape ``[n]``."""
        return np.array(list(self.parameters.values()), dtype=np.float64)

    def __call__(
        self, before: FloatArray, after: FloatArray, terminated: bool, step: int, record: float = 0.0
    ) -> float:
        """Evaluate the function in Python."""
        return float(self.function(before, after, terminated, step, record, self.p))

    def bind(self, task: Task) -> Reward:
        """Check that the reward fits a task, and put a compiled task's own reward in for "environment".

        Raises
        ------
        InvalidValueError
            If the reward reads variables that the task does not have, or asks Gymnasium for a scaled reward.
        """
        if self.variables and self.variables != task.state_names:
            needed = f"a task whose state is ({', '.join(self.variables)})"
            raise InvalidValueError(f"task for reward {self.name}", task.state_names, needed)
        kernel = task.kernel()
        if not self.uses_environment:
            return self
        if kernel is None and SCALE in self.parameters:
            raise InvalidValueError(
                f"{self.name}.{SCALE}", self.parameters[SCALE], "none: Gymnasium gives the reward"
            )
        return (
            self if kernel is None else dataclasses.replace(self, base=kernel.reward, uses_environment=False)
        )


@dataclasses.dataclass(frozen=True)
class _Entry:
    function: RewardFunction
    formula: str
    source: str
    range: RangeRule
    defaults: dict[str, float]
    variables: tuple[str, ...]
    positive: tuple[str, ...]
    limits: dict[str, Range]
    uses_environment: bool


_REWARDS: dict[str, _Entry] = {}
_ARGUMENTS = 6


def register(
    name: str,
    *,
    formula: str,
    source: str,
    range: RangeRule,
    defaults: Mapping[str, float] | None = None,
    variables: Sequence[str] = (),
    positive: Sequence[str] = (),
    limits: Mapping[str, Range] | None = None,
    uses_environment: bool = False,
    replace: bool = False,
) -> Callable[[RewardFunction], RewardFunction]:
    """Make a reward function known under a name.

    Parameters
    ----------
    name
        Name for :func:`make` and for ``--reward``.
    formula, source
        One line each, shown to users.
    range
        Smallest and largest value, or a function that gives them from the parameters.
    defaults
        Parameters and their defaults, in the order of the array ``p``.
    variables
        State variables that the function reads by position; the task must have exactly these.
    positive
        Parameters that must be > 0.
    limits
        Smallest and largest value allowed of other parameters.
    uses_environment
        Reserved for the environment's own reward.
    replace
        Allow the name to be in use already (running a notebook cell twice).

    Raises
    ------
    InvalidValueError
        If the name is taken, a parameter is called "scale", or the function cannot be compiled by an engine.
    """

    def decorate(function: RewardFunction) -> RewardFunction:
        if name in _REWARDS and not replace:
            raise InvalidValueError("reward name", name, "a name not in use, or replace=True")
        _check_function(name, function)
        if SCALE in (defaults or {}):
            raise InvalidValueError(
                f"parameter of reward {name}", SCALE, "another name: every reward has a scale"
            )
        _REWARDS[name] = _Entry(
            function=function,
            formula=formula,
            source=source,
            range=range,
            defaults=dict(defaults or {}),
            variables=tuple(variables),
            positive=tuple(positive),
            limits=dict(limits or {}),
            uses_environment=uses_environment,
        )
        return function

    return decorate


def forget(known: Iterable[str]) -> None:
    """Take rewards out of the registry, so that a changed file can register them again."""
    for name in known:
        _REWARDS.pop(name, None)


def names() -> list[str]:
    """Names of all registered rewards."""
    return sorted(_REWARDS)


def make(name: str, **overrides: float) -> Reward:
    """Build a reward by name.

    Parameters
    ----------
    name
        A registered name.
    overrides
        Parameters that differ from their defaults; `SCALE` is a factor on the whole reward.

    Raises
    ------
    UnknownNameError
        If no reward, or no parameter of it, has that name.
    InvalidValueError
        If a parameter is out of its range.
    """
    if name not in _REWARDS:
        raise UnknownNameError("reward", name, names())
    entry = _REWARDS[name]
    parameters = dict(entry.defaults)
    for key, value in sorted(overrides.items(), key=lambda item: item[0] == SCALE):
        if key not in (*entry.defaults, SCALE):
            raise UnknownNameError(f"parameter of reward {name}", key, (*entry.defaults, SCALE))
        parameters[key] = _checked(name, key, value, entry)
    limits = entry.range(parameters) if callable(entry.range) else entry.range
    scale = parameters.get(SCALE, 1.0)
    return Reward(
        name=name,
        parameters=parameters,
        base=entry.function,
        formula=entry.formula + (f"; all of it times {scale:g}" if SCALE in parameters else ""),
        source=entry.source,
        range=(scale * float(limits[0]), scale * float(limits[1])),
        variables=entry.variables,
        uses_environment=entry.uses_environment,
    )


@functools.cache
def _scaled(function: RewardFunction, place: int) -> RewardFunction:
    """Return the same function with ``p[place]`` in front of what it returns, as text that engines can copy."""
    parameters = list(inspect.signature(function).parameters)[-1]
    tree = ast.fix_missing_locations(_Scaled(parameters, place).visit(ast.parse(source_of(function))))
    text, file = ast.unparse(tree) + "\n", f"<{function.__module__}.{function.__qualname__} times p[{place}]>"
    # `inspect.getsource` reads the text of a function that stands in no file from here.
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace = {"math": math, "__name__": __name__}
    exec(compile(text, file, "exec"), namespace)  # noqa: S102  the registered function's own text
    scaled: RewardFunction = namespace[function.__name__]  # type: ignore[assignment]
    scaled.__doc__ = function.__doc__
    return scaled


class _Scaled(ast.NodeTransformer):
    """Multiplies what a reward function returns by a parameter."""

    def __init__(self, parameters: str, place: int) -> None:
        self.parameters, self.place = parameters, place

    def visit_Return(self, node: ast.Return) -> ast.Return:
        """Multiply one returned value."""
        if node.value is None:
            return node
        factor = ast.Subscript(ast.Name(self.parameters, ast.Load()), ast.Constant(self.place), ast.Load())
        return ast.Return(ast.BinOp(factor, ast.Mult(), node.value))


def _check_function(name: str, function: RewardFunction) -> None:
    arguments = list(inspect.signature(function).parameters)
    if len(arguments) != _ARGUMENTS:
        wanted = "six: before, after, terminated, step, record, p"
        raise InvalidValueError(f"arguments of reward {name}", arguments, wanted)
    source_of(function)


def _checked(reward: str, key: str, value: object, entry: _Entry) -> float:
    name = f"{reward}.{key}"
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise InvalidValueError(name, value, "a number") from error
    if not math.isfinite(number):
        raise InvalidValueError(name, value, "a finite number")
    if key in (*entry.positive, SCALE) and number <= 0:
        raise InvalidValueError(name, value, "a number > 0")
    low, high = entry.limits.get(key, (-math.inf, math.inf))
    if not low <= number <= high:
        raise InvalidValueError(name, value, f"a number from {low:g} to {high:g}")
    return number
