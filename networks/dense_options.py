"""What a dense actor-critic is trained with: its layers, and the numbers of the algorithm.

Fields that a task has numbers of its own for are in `PRESETS`; they were found on seeds below 100,000.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.dense import ACTIVATIONS
from snnrl.plasticity.validate import between, not_negative, one_of, positive, require

if TYPE_CHECKING:
    from snnrl.tasks import Task

ADVANTAGES = ("return", "reward-to-go", "gae")


@dataclass(frozen=True, kw_only=True)
class DenseOptions:
    """What all algorithms share.

    Parameters
    ----------
    hidden
        Sizes of the hidden layers: whole numbers, or text such as "64,64".
    activation
        ``relu`` or ``tanh``.
    shared
        Whether policy and value share the hidden layers.
    gamma
        Discount rate per step.
    learning_rate
        Step size of the optimiser.

    Raises
    ------
    InvalidValueError
        If a value is outside its range.
    """

    algorithm: ClassVar[str]

    hidden: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    shared: bool = False
    gamma: float = 0.99
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", _sizes(self.hidden))
        one_of(self, "activation", ACTIVATIONS)
        require(type(self.shared) is bool, self, "shared", "true or false")
        between(self, "gamma", 0.0, 1.0)
        positive(self, "learning_rate")

    def _whole(self, *names: str) -> None:
        for name in names:
            value = getattr(self, name)
            require(type(value) is int and value >= 1, self, name, "a whole number >= 1")


@dataclass(frozen=True, kw_only=True)
class Vpg(DenseOptions):
    """The plain ("vanilla") policy gradient over whole episodes, with Adam.

    Green, Vineyard & Koc (2018), section III.A: every update descends equation 4, ``C = -mean(log pi(a|s) A)``. Theirs is
    ``batch=1, advantage="return", normalise=False``: A is the sum of the rewards of the trajectory. The paper does not
    name optimiser, step size or batch. The value is learned by regression on the returns, and takes part in A only as
    ``gae`` (Schulman et al. 2016, arXiv 1506.02438, equation 16).

    Parameters
    ----------
    batch
        Episodes per update, played side by side.
    advantage
        ``return``: sum of the rewards of the episode; ``reward-to-go``: discounted sum of those that follow;
        ``gae``: exponentially weighted TD errors of the value.
    gae_lambda
        Weight of later TD errors in ``gae``.
    normalise
        Whether advantages are shifted and scaled to mean 0 and deviation 1 in each batch.
    entropy
        Weight of the mean entropy of the policy in the objective.
    value_rate
        Step size of the value's optimiser.
    value_steps
        Steps of it per update.
    """

    algorithm: ClassVar[str] = "vpg"

    learning_rate: float = 5e-3
    batch: int = 8
    advantage: str = "gae"
    gae_lambda: float = 0.97
    normalise: bool = True
    entropy: float = 0.0
    value_rate: float = 5e-3
    value_steps: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("batch", "value_steps")
        one_of(self, "advantage", ADVANTAGES)
        between(self, "gae_lambda", 0.0, 1.0)
        require(type(self.normalise) is bool, self, "normalise", "true or false")
        not_negative(self, "entropy")
        positive(self, "value_rate")


@dataclass(frozen=True, kw_only=True)
class A2c(DenseOptions):
    """Advantage actor-critic of Stable-Baselines3 (Mnih et al. 2016, arXiv 1602.01783), with RMSprop.

    Parameters
    ----------
    environments
        Environments side by side.
    steps
        Steps of each between two updates.
    gae_lambda
        Weight of later TD errors in the advantage; 1: n-step returns.
    entropy, value_weight
        Weights of entropy and value error in the objective.
    """

    algorithm: ClassVar[str] = "a2c"

    learning_rate: float = 2e-3
    environments: int = 8
    steps: int = 16
    gae_lambda: float = 0.95
    entropy: float = 0.0
    value_weight: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("environments", "steps")
        between(self, "gae_lambda", 0.0, 1.0)
        not_negative(self, "entropy", "value_weight")


@dataclass(frozen=True, kw_only=True)
class Ppo(A2c):
    """Proximal policy optimisation of Stable-Baselines3 (Schulman et al. 2017, arXiv 1707.06347), with Adam.

    Parameters
    ----------
    batch
        Samples per gradient step, at most ``environments * steps``.
    epochs
        Passes over the samples of an update.
    clip
        Largest relative change of a probability that still pays.
    """

    algorithm: ClassVar[str] = "ppo"

    learning_rate: float = 1e-3
    steps: int = 32
    gae_lambda: float = 0.8
    gamma: float = 0.98
    batch: int = 256
    epochs: int = 20
    clip: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("batch", "epochs")
        most = self.environments * self.steps
        fits = 2 <= self.batch <= most
        require(fits, self, "batch", f"2 to {most}, the samples of an update (environments * steps)")
        positive(self, "clip")


@dataclass(frozen=True, kw_only=True)
class Dqn(DenseOptions):
    """Deep Q-learning of Stable-Baselines3 (Mnih et al. 2015, Nature 518:529), with Adam.

    Parameters
    ----------
    buffer
        Transitions remembered.
    learning_starts
        Random steps before learning.
    batch
        Transitions per gradient step.
    train_every, gradient_steps
        Steps between two updates, and gradient steps of each.
    target_every
        Steps after which the target network becomes the present one.
    exploration_steps, exploration_final
        The probability of a random action falls from 1 to the second over the first.
    """

    algorithm: ClassVar[str] = "dqn"

    hidden: tuple[int, ...] = (256, 256)
    learning_rate: float = 2.3e-3
    buffer: int = 50_000
    learning_starts: int = 1000
    batch: int = 64
    train_every: int = 256
    gradient_steps: int = 128
    target_every: int = 256
    exploration_steps: int = 8000
    exploration_final: float = 0.04

    def __post_init__(self) -> None:
        super().__post_init__()
        self._whole("buffer", "learning_starts", "batch", "train_every", "gradient_steps", "target_every",
                    "exploration_steps")  # fmt: skip
        between(self, "exploration_final", 0.0, 1.0)
        require(not self.shared, self, "shared", "false: the value is the largest action value")


ALGORITHMS: dict[str, type[DenseOptions]] = {kind.algorithm: kind for kind in (Vpg, A2c, Ppo, Dqn)}
PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("vpg", "acrobot"): {
        "batch": 16,
        "learning_rate": 3e-3,
        "entropy": 0.02,
    },  # without: stuck in some starts
    ("a2c", "acrobot"): {"environments": 16},
    ("ppo", "acrobot"): {"environments": 16, "steps": 64, "epochs": 4, "gae_lambda": 0.94, "gamma": 0.99},
    ("vpg", "Acrobot"): {"batch": 16, "activation": "tanh", "entropy": 0.01},  # from the bare reward
}
"""By algorithm and task: fields in which the options differ from the defaults."""


def make_options(algorithm: str, task: Task, parameters: Mapping[str, Any] | None = None) -> DenseOptions:
    """Return the options of an algorithm for a task.

    Parameters
    ----------
    algorithm
        One of `ALGORITHMS`.
    task
        Gives the preset.
    parameters
        Fields that differ from it.

    Raises
    ------
    UnknownNameError
        If the algorithm or a field is not known.
    InvalidValueError
        If a value is of another kind than the field, or out of its range.
    """
    if algorithm not in ALGORITHMS:
        raise UnknownNameError("algorithm", algorithm, ALGORITHMS)
    kind = ALGORITHMS[algorithm]
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    given = dict(parameters or {})
    for name, value in given.items():
        if name not in known:
            raise UnknownNameError(f"parameter of network dense with {algorithm}", name, known)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(known[name], float) and not number:
            raise InvalidValueError(f"{kind.__name__}.{name}", value, "a number")
    return kind(**(PRESETS.get((algorithm, _name(task)), {}) | given))


def _name(task: Task) -> str:
    """Return a task's name; a Gymnasium environment goes by its id, without the version."""
    identity = getattr(task, "env_id", None)
    return task.name if identity is None else str(identity).rpartition("-v")[0]


def _sizes(hidden: object) -> tuple[int, ...]:
    """Return layer sizes from a number, numbers, or text with commas between them."""
    parts: Any = hidden.split(",") if isinstance(hidden, str) else hidden
    parts = [parts] if isinstance(parts, int) else parts
    try:
        sizes = tuple(int(part) if isinstance(part, str) else part for part in parts)
        fits = len(sizes) >= 1 and all(type(size) is int and size >= 1 for size in sizes)
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise InvalidValueError("network.hidden", hidden, "sizes of at least 1, such as 64,64")
    return sizes
