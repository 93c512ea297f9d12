"""What a task is: the environment a network acts in, described once for every engine.

A task is pure data. It gives a real Gymnasium environment (:meth:`Task.make`) and, where its physics is
written as plain scalar functions, a :class:`TaskKernel` that an engine can compile into its own loop.
"""

from __future__ import annotations

import abc
import ast
import dataclasses
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    import gymnasium

FloatArray = npt.NDArray[np.float64]


class Vector(Protocol):
    """A one-dimensional array of floats, as kernel functions see it."""

    def __getitem__(self, index: int, /) -> float:
        """Give one element."""

    def __setitem__(self, index: int, value: float, /) -> None:
        """Set one element."""


StepFunction = Callable[[Vector, int, Vector], bool]
ResetFunction = Callable[[Vector, Vector, Vector], None]
ObserveFunction = Callable[[Vector, Vector, Vector], None]
RewardFunction = Callable[[Vector, Vector, bool, int, float, Vector], float]


@dataclasses.dataclass(frozen=True, eq=False)
class TaskKernel:
    """A task's physics as plain functions that an engine may call, compile, or copy as text.

    The functions use only ``math``, scalars and one-dimensional arrays (see :func:`source_of`).

    Parameters
    ----------
    step
        ``step(state, action, p) -> terminated``: advances ``state`` in place by one environment step.
    reset
        ``reset(state, uniforms, p)``: fills ``state`` from ``n_uniforms`` numbers in [0, 1).
    observe
        ``observe(state, observation, p)``: writes what the network sees.
    reward
        The environment's own reward, with the arguments of every reward function (:mod:`.rewards`).
    state_size
        Number of state variables.
    n_uniforms
        Random numbers that one reset uses.
    parameters
        The array ``p`` handed to the functions, shape ``[n]``.
    """

    step: StepFunction
    reset: ResetFunction
    observe: ObserveFunction
    reward: RewardFunction
    state_size: int
    n_uniforms: int
    parameters: FloatArray


class Task(abc.ABC):
    """Base of all tasks; subclasses are frozen dataclasses whose fields are plain JSON values."""

    name: ClassVar[str]

    @property
    @abc.abstractmethod
    def state_names(self) -> tuple[str, ...]:
        """Names of the variables that rewards read (for Gymnasium tasks, the observation)."""

    @property
    @abc.abstractmethod
    def observation_names(self) -> tuple[str, ...]:
        """Names of the variables that the network sees."""

    @property
    @abc.abstractmethod
    def observation_scale(self) -> tuple[float, ...]:
        """Scale of each observed variable, in that variable's unit."""

    @property
    @abc.abstractmethod
    def observation_bounded(self) -> tuple[bool, ...]:
        """True: encode x/scale, clipped to [-1, 1]. False: encode tanh(x/scale)."""

    @property
    @abc.abstractmethod
    def n_actions(self) -> int:
        """Number of discrete actions."""

    @property
    @abc.abstractmethod
    def max_steps(self) -> int:
        """Environment steps after which an episode is truncated."""

    @property
    @abc.abstractmethod
    def env_step(self) -> float:
        """Network time simulated per decision, in seconds."""

    @property
    @abc.abstractmethod
    def solved_length(self) -> float | None:
        """Mean episode length over 100 episodes that counts as solved; None where length is no measure."""

    @abc.abstractmethod
    def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
        """Give a new Gymnasium environment with the parameters of this task."""

    @abc.abstractmethod
    def kernel(self) -> TaskKernel | None:
        """Give the physics as plain functions, or None where only the environment exists."""

    @property
    def observation_size(self) -> int:
        """Number of variables that the network sees."""
        return len(self.observation_names)

    @property
    def observation_periodic(self) -> tuple[bool, ...]:
        """True: -scale and scale are the same place, as for an angle; only for bounded variables."""
        return (False,) * self.observation_size

    @property
    def solved_return(self) -> float | None:
        """Mean sum of the environment's own rewards over 100 episodes that counts as solved; None: see its length."""
        return None

    @property
    def default_reward(self) -> str | None:
        """Name of the reward to learn from unless another is asked for; None: the network's usual one."""
        return None

    @property
    def observation_labels(self) -> tuple[str, ...]:
        """What the network sees, in words and with units, for figures."""
        return self.observation_names

    @property
    def observation_limits(self) -> dict[str, float]:
        """Magnitudes at which the task has failed, by label; variables without a limit are left out."""
        return {}

    def parameters(self) -> dict[str, Any]:
        """Give the fields as JSON values: ``make(task.name, **task.parameters()) == task``."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}


_TASKS: dict[str, tuple[type[Task], dict[str, Any]]] = {}
_TaskT = TypeVar("_TaskT", bound=Task)


def register(name: str, **preset: Any) -> Callable[[type[_TaskT]], type[_TaskT]]:
    """Class decorator: make a task known under a name, with these fields preset."""

    def decorate(task: type[_TaskT]) -> type[_TaskT]:
        _TASKS[name] = (task, preset)
        return task

    return decorate


def names() -> list[str]:
    """Names that need no parameters; :func:`make` also knows ``gym:ENV_ID`` for Gymnasium environments."""
    return sorted(name for name, (task, preset) in _TASKS.items() if not _missing(task, preset))


def make(name: str, **parameters: Any) -> Task:
    """Build a task by name.

    Parameters
    ----------
    name
        A registered name, or ``gym:ENV_ID`` (for example ``gym:Acrobot-v1``).
    parameters
        Fields of the task.

    Raises
    ------
    UnknownNameError
        If no task, or no field of the task, has that name.
    InvalidValueError
        If a field that has no default is missing.
    """
    if name.startswith("gym:"):
        return make("gym", env_id=name.removeprefix("gym:"), **parameters)
    if name not in _TASKS:
        raise UnknownNameError("task", name, [*names(), "gym:ENV_ID"])
    task, preset = _TASKS[name]
    chosen = {**preset, **parameters}
    known = [field.name for field in _fields(task)]
    for key in chosen:
        if key not in known:
            raise UnknownNameError(f"parameter of task {name}", key, known)
    for key in _missing(task, chosen):
        raise InvalidValueError(f"{task.__name__}.{key}", None, "a value: it has no default")
    return task(**chosen)


def _fields(task: type[Task]) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(task)  # type: ignore[arg-type]


def _missing(task: type[Task], given: Mapping[str, Any]) -> list[str]:
    """Give the names of the fields that have no default and are not given."""
    needed = [field.name for field in _fields(task) if field.default is dataclasses.MISSING]
    return [name for name in needed if name not in given]


def check_positive(name: str, value: object) -> None:
    """Raise `InvalidValueError` unless the value is a finite number > 0."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not (math.isfinite(float(value)) and float(value) > 0):  # type: ignore[arg-type]
        raise InvalidValueError(name, value, "a finite number > 0")


def source_of(function: Callable[..., Any]) -> str:
    """Give the text of a self-contained function, ready to be copied into a generated kernel.

    Decorators, annotations and the docstring are removed; the text calls nothing but ``math`` and builtins.

    Raises
    ------
    InvalidValueError
        If the function uses other names from outside, or if its text cannot be read.
    """
    closure = inspect.getclosurevars(function)
    outside = sorted((set(closure.globals) - {"math"}) | set(closure.nonlocals))
    if outside:
        raise InvalidValueError(f"names used by {function.__name__}", outside, "only its arguments and math")
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError) as error:
        raise InvalidValueError(
            "source of a function", function, "a function defined with def in a file or a notebook cell"
        ) from error
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise InvalidValueError("source of a function", function, "a function defined with def, not a lambda")
    return _bare(definition)


def _bare(definition: ast.FunctionDef) -> str:
    """Give the text of a definition without decorators, annotations and docstring."""
    definition.decorator_list, definition.returns = [], None
    for argument in definition.args.args:
        argument.annotation = None
    if ast.get_docstring(definition) is not None:
        definition.body = definition.body[1:] or [ast.Pass()]
    return ast.unparse(definition)
