"""What a teacher of an Atari game is trained with.

The defaults are those of the RL Baselines3 Zoo for Atari, except for a smaller budget, the shorter random play before
learning that goes with it, and 8 games side by side for both algorithms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.plasticity.validate import between, not_negative, positive, require


@dataclass(frozen=True, kw_only=True)
class AtariOptions:
    """What both algorithms share; the network is the Nature CNN.

    Parameters
    ----------
    steps
        Decisions to learn for, over all games side by side.
    environments
        Games side by side.
    gamma
        Discount rate per decision.
    learning_rate
        Step size of Adam.

    Raises
    ------
    InvalidValueError
        If a value is outside its range.
    """

    algorithm: ClassVar[str]

    steps: int = 1_000_000
    environments: int = 8
    gamma: float = 0.99
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if isinstance(field.default, int):
                value = getattr(self, field.name)
                require(type(value) is int and value >= 1, self, field.name, "a whole number >= 1")
        between(self, "gamma", 0.0, 1.0)
        positive(self, "learning_rate")


@dataclass(frozen=True, kw_only=True)
class Ddqn(AtariOptions):
    """Double deep Q-learning (van Hasselt, Guez and Silver 2016, AAAI) on Stable-Baselines3's DQN.

    Parameters
    ----------
    buffer
        Decisions remembered, 7 kB each.
    learning_starts
        Random decisions before learning.
    batch
        Decisions per gradient step.
    train_every
        Decisions per gradient step; one divides the other of this and ``environments``.
    target_every
        Decisions after which the target network becomes the present one.
    exploration_steps, exploration_final
        The probability of a random action falls from 1 to the second over the first.
    """

    algorithm: ClassVar[str] = "ddqn"

    buffer: int = 100_000
    learning_starts: int = 20_000
    batch: int = 32
    train_every: int = 4
    target_every: int = 1_000
    exploration_steps: int = 100_000
    exploration_final: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        between(self, "exploration_final", 0.0, 1.0)
        short, long = sorted((self.train_every, self.environments))
        require(
            long % short == 0,
            self,
            "train_every",
            f"a multiple or a divisor of environments={self.environments}",
        )
        least = self.environments * 16
        require(self.buffer >= least, self, "buffer", f"at least {least}, 16 decisions of every game")


@dataclass(frozen=True, kw_only=True)
class Ppo(AtariOptions):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) of Stable-Baselines3.

    The step size falls to 0 over ``steps``.

    Parameters
    ----------
    rollout
        Decisions of every game between two updates.
    batch
        Decisions per gradient step, at most ``environments * rollout``.
    epochs
        Passes over the decisions of an update.
    clip
        Largest relative change of a probability that still pays.
    gae_lambda
        Weight of later TD errors in the advantage.
    entropy, value_weight
        Weights of entropy and value error in the objective.
    """

    algorithm: ClassVar[str] = "ppo"

    learning_rate: float = 2.5e-4
    rollout: int = 128
    batch: int = 256
    epochs: int = 4
    clip: float = 0.1
    gae_lambda: float = 0.95
    entropy: float = 0.01
    value_weight: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        between(self, "gae_lambda", 0.0, 1.0)
        not_negative(self, "entropy", "value_weight")
        positive(self, "clip")
        most = self.environments * self.rollout
        require(2 <= self.batch <= most, self, "batch", f"2 to {most}, the decisions of an update")


ALGORITHMS: dict[str, type[AtariOptions]] = {kind.algorithm: kind for kind in (Ddqn, Ppo)}


def make_options(algorithm: str, parameters: Mapping[str, Any]) -> AtariOptions:
    """Return the options of an algorithm; fields that are not given have their defaults.

    Raises
    ------
    UnknownNameError
        The algorithm or a field is not known.
    InvalidValueError
        A value is of another kind than the field, or out of its range.
    """
    if algorithm not in ALGORITHMS:
        raise UnknownNameError("algorithm for an Atari game", algorithm, ALGORITHMS)
    kind = ALGORITHMS[algorithm]
    known = {field.name: field.default for field in dataclasses.fields(kind)}
    for name, value in parameters.items():
        if name not in known:
            raise UnknownNameError(f"parameter of {algorithm}", name, known)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise InvalidValueError(f"{kind.__name__}.{name}", value, "a number")
    return kind(**parameters)
