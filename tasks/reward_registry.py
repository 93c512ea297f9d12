"""Reward functions by name: how they are registered, parametrised and built.

A reward function is plain Python that an engine can compile: it uses its arguments and ``math`` only. ::

    @rewards.register("fast-fall", formula="r = -abs(theta_dot), 0 at failure", source="this note",
                      range=(-math.inf, 0.0), defaults={"gain": 1.0}, variables=rewards.CART_POLE)
    def fast_fall(before, after, terminated, step, record, p):
        return 0.0 if terminated else -p[0] * abs(after[3])

    reward = rewards.make("fast-fall", gain=2.0)
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks.base import FloatArray, RewardFunction, Task, source_of

Range = tuple[float, float]
RangeRule = Range | Callable[[Mapping[str, float]], Range]


@dataclasses.dataclass(frozen=True)
class Reward:
    """A reward function with its parameters.

    Parameters
    ----------
    name
        Name in the registry.
    parameters
        Parameters by name, in the order in which the function reads them.
    function
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
    function: RewardFunction
    formula: str
    source: str
    range: Range
    variables: tuple[str, ...] = ()
    uses_environment: bool = False

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
            If the reward reads variables that the task does not have.
        """
        if self.variables and self.variables != task.state_names:
            needed = f"a task whose state is ({', '.join(self.variables)})"
            raise InvalidValueError(f"task for reward {self.name}", task.state_names, needed)
        kernel = task.kernel()
        if not self.uses_environment or kernel is None:
            return self
        return dataclasses.replace(self, function=kernel.reward, uses_environment=False)


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
        If the name is taken, or the function cannot be compiled by an engine.
    """

    def decorate(function: RewardFunction) -> RewardFunction:
        if name in _REWARDS and not replace:
            raise InvalidValueError("reward name", name, "a name not in use, or replace=True")
        _check_function(name, function)
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
        Parameters that differ from their defaults.

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
    for key, value in overrides.items():
        if key not in parameters:
            raise UnknownNameError(f"parameter of reward {name}", key, parameters)
        parameters[key] = _checked(name, key, value, entry)
    limits = entry.range(parameters) if callable(entry.range) else entry.range
    return Reward(
        name=name,
        parameters=parameters,
        function=entry.function,
        formula=entry.formula,
        source=entry.source,
        range=(float(limits[0]), float(limits[1])),
        variables=entry.variables,
        uses_environment=entry.uses_environment,
    )


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
    if key in entry.positive and number <= 0:
        raise InvalidValueError(name, value, "a number > 0")
    low, high = entry.limits.get(key, (-math.inf, math.inf))
    if not low <= number <= high:
        raise InvalidValueError(name, value, f"a number from {low:g} to {high:g}")
    return number
