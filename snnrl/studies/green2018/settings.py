"""What is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from snnrl.errors import InvalidValueError
from snnrl.studies.green2018.acrobot_v1 import AcrobotV1
from snnrl.studies.green2018.methods import METHODS, UPDATES
from snnrl.tasks import CartPole, Task
from snnrl.training.config import known_name, whole_number

STUDY = "green2018"
WIDTHS = (16, 32, 64, 128, 256)
"""Hidden units: "from 256 down to 16" (section IV)."""


class Environment(NamedTuple):
    """A task of the study.

    Parameters
    ----------
    task
        What is played.
    title
        Its name in the paper.
    level
        Mean return of 100 episodes that counts as solved: 195 on CartPole-v0 (section IV). The paper has none for
        Acrobot-v1; -110 is that of `snnrl.tasks.Acrobot`.
    episodes
        Learning episodes.
    """

    task: Task
    title: str
    level: float
    episodes: int


ENVIRONMENTS = {
    "cartpole": Environment(CartPole(version="v0"), "CartPole-v0", 195.0, 3000),
    "acrobot": Environment(AcrobotV1(), "Acrobot-v1", -110.0, 2000),
}


class Kind(NamedTuple):
    """One kind of policy: names out of `ENVIRONMENTS`, `METHODS` and `UPDATES`, and its hidden units."""

    environment: str
    method: str
    update: str
    width: int

    @property
    def name(self) -> str:
        """Name of its parts."""
        return f"{self.environment}-{self.method}-{self.update}-{self.width}"


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    policies, seed
        Policies of each kind, and the seed of the first. Seeds below 100,000 are for tuning.
    environments, methods, updates, widths
        Kinds of policies.
    episodes
        Learning episodes; 0: the environment's own number.
    evaluation_episodes
        At the end, with the likeliest action.
    k
        Values that the weights of a layer share ("k was set to 8", section IV.B).
    percent
        Weights of a layer that are pruned ("50% of its parameters", section IV.C).

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or a name is not known.
    """

    policies: int = 10
    seed: int = 7_500_000
    environments: tuple[str, ...] = tuple(ENVIRONMENTS)
    methods: tuple[str, ...] = tuple(METHODS)
    updates: tuple[str, ...] = tuple(UPDATES)
    widths: tuple[int, ...] = WIDTHS
    episodes: int = 0
    evaluation_episodes: int = 100
    k: int = 8
    percent: float = 50.0

    def __post_init__(self) -> None:
        for name in ("policies", "seed", "evaluation_episodes", "k", "episodes"):
            least = 0 if name in ("seed", "episodes") else 1
            whole_number(f"--{name.replace('_', '-')}", getattr(self, name), least)
        if not 0.0 < self.percent < 100.0:
            raise InvalidValueError("--percent", self.percent, "above 0 and below 100")
        for option, names, known in (
            ("--tasks", self.environments, ENVIRONMENTS),
            ("--methods", self.methods, METHODS),
            ("--updates", self.updates, UPDATES),
        ):
            for name in names:
                known_name(option, name, known)
        for width in self.widths:
            whole_number("--widths", width, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return as values for JSON what every number depends on; what the kinds change is in the names of the parts."""
        values = dataclasses.asdict(self)
        for name in ("environments", "methods", "updates", "widths"):
            del values[name]
        return {"study": STUDY, **values}

    def kinds(self) -> Iterator[Kind]:
        """Give the kinds of policies."""
        for environment in self.environments:
            for update in self.updates:
                for method in self.methods:
                    for width in self.widths:
                        yield Kind(environment, method, update, width)

    def length(self, environment: str) -> int:
        """Return the learning episodes on an environment."""
        return self.episodes or ENVIRONMENTS[environment].episodes

    def options(self, kind: Kind, first: int, count: int) -> dict[str, Any]:
        """Return what `learner.train_policies` is told: ``count`` policies of a kind from the ``first`` on."""
        environment = ENVIRONMENTS[kind.environment]
        return {
            "environment": kind.environment, "level": environment.level, "method": kind.method,
            "update": kind.update,
            "hidden": kind.width, "seed": self.seed + first, "count": count,
            "episodes": self.length(kind.environment), "evaluation_episodes": self.evaluation_episodes,
            "k": self.k, "percent": self.percent,
        }  # fmt: skip
