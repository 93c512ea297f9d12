"""What the comparison runs: rewards x plasticities x synapses, and the numbers that all of them share."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from snnrl.errors import InvalidValueError
from snnrl.networks.rules import GAMMA
from snnrl.studies.rewards import files
from snnrl.tasks import CartPole, rewards
from snnrl.training.config import (
    LEAST,
    SPIKING_RULES,
    SYNAPSES,
    Json,
    TrainingConfig,
    known_name,
    real_number,
    whole_number,
)

NINE = (
    "survival",
    "failure",
    "angle",
    "gaussian",
    "quadratic",
    "upright",
    "potential",
    "improvement",
    "record",
)
"""The rewards that are compared by default. Of those registered for the cart-pole, three stay out: ``environment`` is
``survival`` there, ``cosine`` differs from ``survival`` by at most 2.2 % inside the angle limit, and ``progress`` is for
networks without a critic."""

REFERENCE = "gaussian"
"""Reward whose TD error, with a factor of 1, all others are brought to: the default of ``snnrl train``."""

FITTED: dict[str, dict[str, float]] = {
    "improvement": {"penalty": 1.0 / (1.0 - GAMMA)},
    "potential": {"gamma": GAMMA, "penalty": 1.0 / (1.0 - GAMMA)},
    "quadratic": {"penalty": 5.0},
}
"""Parameters that differ from the registered ones. `potential` keeps the best policy only with the agents' gamma; the
penalties were chosen on seeds 61000 to 61007 (docs/reward_study.md). A penalty of 1/(1 - gamma) is a cost of 1 for ever."""


@dataclass(frozen=True)
class Combination:
    """One row of the comparison: who learns, from what, with which synapses.

    Parameters
    ----------
    reward, plasticity, synapse
        Names, see `snnrl.training.config.TrainingConfig`.
    device
        Memristive device; None for ideal synapses.
    """

    reward: str
    plasticity: str
    synapse: str
    device: str | None

    @property
    def group(self) -> str:
        """What it shares with the rewards that it is compared with, for people."""
        return f"{self.plasticity}, " + ("ideal" if self.device is None else f"memristive ({self.device})")

    @property
    def key(self) -> str:
        """Name of its files."""
        parts = (self.reward, self.plasticity, self.synapse, self.device or "")
        return re.sub(r"[^\w.-]+", "_", "-".join(part for part in parts if part))


@dataclass(frozen=True)
class Settings:
    """One study.

    Parameters
    ----------
    task
        Name of a task whose success is the length of its episodes.
    rewards, plasticities, synapses, devices
        What is combined; devices only with memristive synapses.
    spread
        Relative device-to-device spread of memristive synapses.
    seeds, seed
        Agents per combination, and the seed of the first. Seeds below 100,000 are for tuning.
    episodes
        Most learning episodes per agent. An agent that has not solved the task by then counts as unsolved; the limit
        keeps rewards that teach nothing from taking most of the time.
    evaluation_episodes
        Episodes per agent with plasticity off.
    equalise
        Whether every reward is scaled so that its TD error is as large as that of `REFERENCE`, see `td_error.size`.
    td_error
        Size that the TD errors are brought to, in units of that of `REFERENCE`.
    reward_parameters
        Parameters of single rewards that differ from their defaults, by reward.
    network_parameters
        Fields of the network that differ from its defaults, the same for all.
    map_points
        Angles, and angular velocities, at which the critics' values are read; 0 leaves that out.
    calibration_seeds, calibration_steps
        Seeds, and transitions of each, in a measurement of the TD error.
    block
        Seeds in one unit of work; changes no number.
    files
        Python files that register more rewards, loaded wherever work is done.

    Raises
    ------
    InvalidValueError
        If a value is out of its range, a list is empty or names something twice, or a combination does not fit the task.
    UnknownNameError
        If a name is in no registry.
    """

    task: str = "cartpole"
    rewards: tuple[str, ...] = NINE
    plasticities: tuple[str, ...] = ("td-ltp",)
    synapses: tuple[str, ...] = SYNAPSES
    devices: tuple[str, ...] = ("vteam",)
    spread: float = 0.3
    seeds: int = 40
    seed: int = 4_000_000
    episodes: int = 400
    evaluation_episodes: int = 100
    equalise: bool = True
    td_error: float = 1.0
    reward_parameters: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    network_parameters: Mapping[str, Json] = field(default_factory=dict)
    map_points: int = 25
    calibration_seeds: int = 16
    calibration_steps: int = 1500
    block: int = 10
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("rewards", "plasticities", "synapses", "devices"):
            _check_list(name, getattr(self, name))
        least = {name: LEAST[name] for name in ("seeds", "seed", "episodes")}
        least |= {
            "evaluation_episodes": 1,
            "calibration_seeds": 1,
            "calibration_steps": 2,
            "block": 1,
            "map_points": 0,
        }
        for name, smallest in least.items():
            object.__setattr__(self, name, whole_number(name, getattr(self, name), smallest))
        object.__setattr__(self, "td_error", real_number("--td-error", self.td_error, 1e-6))
        for file, text in self.texts:
            files.load(text, file)
        known = {"rewards": rewards.names(), "plasticities": SPIKING_RULES, "synapses": SYNAPSES}
        for option, names in known.items():
            for name in getattr(self, option):
                known_name(f"--{option}", name, names)
        for reward in self.reward_parameters:
            known_name("--set", reward, self.rewards)
        for combination in self.combinations():
            _check_task(self.config(combination))

    @cached_property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """Path and text of every file that registers rewards, as they were when the study began."""
        return tuple((file, files.read(file)) for file in self.files)

    def combinations(self) -> list[Combination]:
        """Return every combination, rewards of one kind of synapse side by side."""
        return [
            Combination(reward, plasticity, synapse, device)
            for plasticity in self.plasticities
            for synapse in self.synapses
            for device in ((None,) if synapse == "ideal" else self.devices)
            for reward in self.rewards
        ]

    def config(
        self, combination: Combination, scale: float = 1.0, seeds: range | None = None
    ) -> TrainingConfig:
        """Return the options of a combination's training run.

        Parameters
        ----------
        combination
            What to train.
        scale
            Factor on the reward.
        seeds
            Which agents, by default all.
        """
        chosen = range(self.seed, self.seed + self.seeds) if seeds is None else seeds
        return TrainingConfig(
            task=self.task,
            plasticity=combination.plasticity,
            synapse=combination.synapse,
            device=combination.device,
            spread=None if combination.device is None else self.spread,
            reward=combination.reward,
            reward_parameters={**self.parameters_of(combination.reward), "scale": scale},
            network_parameters=dict(self.network_parameters),
            seeds=len(chosen),
            seed=chosen.start,
            episodes=self.episodes,
            evaluation_episodes=self.evaluation_episodes,
            threads=1,
        )

    def parameters_of(self, reward: str) -> dict[str, float]:
        """Return the parameters of a reward: those of `FITTED`, and those chosen here."""
        return {**FITTED.get(reward, {}), **self.reward_parameters.get(reward, {})}

    def blocks(self) -> Iterator[range]:
        """Give the seeds of every unit of work."""
        end = self.seed + self.seeds
        for first in range(self.seed, end, self.block):
            yield range(first, min(first + self.block, end))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that a number can depend on, as values for JSON."""
        values = dataclasses.asdict(self)
        values["reward_parameters"] = {reward: self.parameters_of(reward) for reward in self.rewards}
        values["files"] = [files.digest(text) for _, text in self.texts]
        return values


def _check_task(config: TrainingConfig) -> None:
    task = config.make_task()
    if not isinstance(task, CartPole) or task.observation_size != 4 or task.n_actions != 2:
        raise InvalidValueError(
            "task", config.task, "a cart-pole that shows all four variables and has two actions"
        )


def _check_list(name: str, got: tuple[str, ...]) -> None:
    if not got or len(set(got)) != len(got):
        raise InvalidValueError(
            f"--{name}", ",".join(got), "one or more different names, separated by commas"
        )
