"""Decoders: from the spikes of one environment step to a value and an action."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

Vector = NDArray[np.float64]
ActionFunction = Callable[[Vector, NDArray[np.int64], float, float, Vector], int]


def spike_count_action(
    counts: Vector, first: NDArray[np.int64], uniform: float, window: float, p: Vector
) -> int:
    """Return the group with most spikes; ties are broken evenly by ``uniform``."""
    best = counts[0]
    n_best = 0
    for k in range(counts.shape[0]):
        if counts[k] > best:
            best = counts[k]
            n_best = 1
        elif counts[k] == best:
            n_best += 1
    chosen = int(uniform * n_best)
    for k in range(counts.shape[0]):
        if counts[k] == best:
            if chosen == 0:
                return k
            chosen -= 1
    return 0


def softmax_action(counts: Vector, first: NDArray[np.int64], uniform: float, window: float, p: Vector) -> int:
    """Draw a group with probability proportional to ``exp(count / temperature)``."""
    highest = counts[0]
    for k in range(counts.shape[0]):
        highest = max(highest, counts[k])
    total = 0.0
    for k in range(counts.shape[0]):
        total += math.exp((counts[k] - highest) / p[0])
    remaining = uniform * total
    for k in range(counts.shape[0]):
        remaining -= math.exp((counts[k] - highest) / p[0])
        if remaining < 0.0:
            return k
    return int(counts.shape[0] - 1)


def first_spike_action(
    counts: Vector, first: NDArray[np.int64], uniform: float, window: float, p: Vector
) -> int:
    """Return the group that spiked first; ties and silence are broken evenly by ``uniform``.

    ``first[k]`` is the step of group k's first spike and -1 when it had none.
    """
    best = -1
    n_best = 0
    for k in range(first.shape[0]):
        if first[k] >= 0 and (best < 0 or first[k] < best):
            best = first[k]
            n_best = 1
        elif first[k] >= 0 and first[k] == best:
            n_best += 1
    if best < 0:  # nobody spiked: every group is a candidate
        return int(uniform * first.shape[0])
    chosen = int(uniform * n_best)
    for k in range(first.shape[0]):
        if first[k] == best:
            if chosen == 0:
                return k
            chosen -= 1
    return 0


@dataclass(frozen=True)
class Readout:
    """The neurons a decoder looks at: a population, or a part of it written ``name[start:stop]`` as in Brian2."""

    population: str
    start: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, text: str) -> Readout:
        """Read ``"critic"`` or ``"output[40:80]"``; `InvalidValueError` for anything else."""
        match = re.fullmatch(r"([A-Za-z]\w*)(?:\[(\d+):(\d+)\])?", text)
        if match is None or (match[2] and int(match[2]) >= int(match[3])):
            raise InvalidValueError(
                "decoder population", text, "'name' or 'name[start:stop]' with start < stop"
            )
        if match[2] is None:
            return cls(text)
        return cls(match[1], int(match[2]), int(match[3]))

    def size(self, population_size: int) -> int:
        """Return the number of neurons looked at; `InvalidValueError` if it goes beyond the population."""
        stop = population_size if self.stop is None else self.stop
        if stop > population_size:
            raise InvalidValueError(
                "decoder population",
                f"{self.population}[{self.start}:{stop}]",
                f"at most {population_size} neurons",
            )
        return stop - self.start


@dataclass(frozen=True)
class ActionDecoder:
    """Base of action decoders.

    Parameters
    ----------
    populations
        One population per action, in the order of the actions; ``"name[start:stop]"`` is a part of one.
    variable
        A variable of the populations whose sum over the neurons, at the end of the environment step, takes the place
        of the spike count, such as the membrane of neurons without a threshold. Empty: spikes.
    """

    populations: tuple[str, ...]
    variable: str = field(default="", kw_only=True)

    function: ClassVar[staticmethod[[Vector, NDArray[np.int64], float, float, Vector], int]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "populations", tuple(self.populations))
        if len(self.populations) < 2:
            raise InvalidValueError(
                f"{type(self).__name__}.populations",
                self.populations,
                "two or more populations, one per action",
            )
        for name in self.populations:
            Readout.parse(name)

    def packed(self) -> Vector:
        """Return the numbers ``function`` reads."""
        return np.zeros(1)


@dataclass(frozen=True)
class SpikeCountAction(ActionDecoder):
    """The action whose population spikes most; ties at random, evenly."""

    function = staticmethod(spike_count_action)


@dataclass(frozen=True)
class SoftmaxAction(ActionDecoder):
    """An action drawn with probability proportional to ``exp(spike count / temperature)``."""

    temperature: float = 1.0

    function = staticmethod(softmax_action)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0.0:
            raise InvalidValueError(
                "SoftmaxAction.temperature", self.temperature, "a positive number (spikes)"
            )

    def packed(self) -> Vector:
        """Return ``[temperature]``."""
        return np.array([self.temperature])


@dataclass(frozen=True)
class FirstSpikeAction(ActionDecoder):
    """The action whose population spikes first (Vlasov et al. 2023); ties and silence at random, evenly."""

    function = staticmethod(first_spike_action)


@dataclass(frozen=True)
class PopulationValue:
    """Value from the rate of a population: ``scale * (spikes per neuron and step - baseline)``, smoothed.

    ``V(t) = V(t-1) + smoothing * (V_instant - V(t-1))`` within an episode. The readout is uniform and
    positive (Frémaux et al. 2013, Eq. 13).

    Parameters
    ----------
    population
        The critic; ``"name[start:stop]"`` is a part of a population.
    baseline
        Spikes per neuron and environment step that mean value 0.
    scale
        Value of one more spike per neuron.
    smoothing
        In (0, 1]; 1 is no smoothing.
    variable
        A variable of the population whose mean over the neurons, at the end of the environment step, takes the place
        of the spikes per neuron, such as a filtered rate; baseline and scale then count in its SI unit. Empty: spikes.
    """

    population: str
    baseline: float = 0.0
    scale: float = 1.0
    smoothing: float = 1.0
    variable: str = ""

    def __post_init__(self) -> None:
        Readout.parse(self.population)
        if not 0.0 < self.smoothing <= 1.0:
            raise InvalidValueError("PopulationValue.smoothing", self.smoothing, "0 < smoothing <= 1")
        if not self.scale > 0.0:
            raise InvalidValueError("PopulationValue.scale", self.scale, "a positive number")
