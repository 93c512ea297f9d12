"""What the study runs: numbers of the paper, and numbers that the paper leaves open, chosen and named here.

Chosen: voltage, start region, normalisation of the speeds (in :class:`snnrl.tasks.RotaryPendulum`), bounds and start of
the weights, the Manhattan step, and the constants of the device. They were fitted to Table I on other seeds than those
that are reported; docs/crossbar.md says how and how much they matter.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.random import stream_id, uniform
from snnrl.tasks import RotaryPendulum
from snnrl.tasks.rotary_pendulum import pendulums

FloatArray = NDArray[np.float64]

PENDULUMS = 25
PRE_TRAINING_SEED, SAMPLE_SEED = 1_000_000, 2_000_000
"""Seeds of pre-training and of stored samples, counted from that of the study, apart from those of the agents."""


@dataclass(frozen=True)
class Settings:
    """One study.

    Parameters
    ----------
    agents
        Agents per row: weight sets times 25 pendulums (2500 in the paper).
    seed
        Seed of everything; seeds below 6000 were used to fit and are not for reporting.
    pendulum
        The standard pendulum.
    network
        The separate networks as in pre-training, which is Baseline learning.
    device
        Device of Table II with ideal thresholds.
    amplitude_device
        Device of figure 14, where every step writes. No one device that was tried gives both the paper's losses by
        threshold spread: under Manhattan pulses 20 to 30 %, under variable amplitude almost none.
    pre_training_states, re_training_states, test_states
        Sizes of the sets of initial states (section III.A.2).
    pre_training_trials, re_training_trials
        Most trials (section III.A.2).
    pre_training_criterion
        Successful trials that end pre-training. Not in the paper.
    test_trials
        Trials per agent in a test, each from a state drawn from the test set. Not in the paper.
    threads
        Most threads; changes no number.
    """

    agents: int = 2500
    seed: int = 6000
    pendulum: RotaryPendulum = field(default_factory=RotaryPendulum)
    network: CrossbarActorCritic = field(default_factory=CrossbarActorCritic)
    device: Al2O3 = field(default_factory=lambda: Al2O3(saturation=0.1, slope=0.15))
    amplitude_device: Al2O3 = field(default_factory=lambda: Al2O3(saturation=0.0, slope=0.03))
    pre_training_states: int = 7000
    re_training_states: int = 2000
    test_states: int = 500
    pre_training_trials: int = 7000
    re_training_trials: int = 2000
    pre_training_criterion: int = 50
    test_trials: int = 100
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("agents", "pre_training_states", "re_training_states", "test_states", "test_trials",
                     "pre_training_trials", "re_training_trials", "pre_training_criterion"):  # fmt: skip
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidValueError(f"--{name.replace('_', '-')}", value, "a whole number >= 1")

    @property
    def sets(self) -> int:
        """Weight sets: each meets every pendulum once, as far as there are agents."""
        return -(-self.agents // PENDULUMS)

    def agent_tasks(self) -> list[RotaryPendulum]:
        """Give the pendulum of every agent, in the order of `set_of_agent`: all pendulums of a weight set, then the next."""
        varied = pendulums(self.pendulum)
        return [varied[a % PENDULUMS] for a in range(self.agents)]

    def set_of_agent(self) -> NDArray[np.int64]:
        """Give the weight set of every agent, shape ``[agents]``."""
        return np.arange(self.agents) // PENDULUMS

    def agent_seeds(self) -> range:
        """Give the seed of every agent."""
        return range(self.seed, self.seed + self.agents)

    def set_seeds(self) -> range:
        """Give the seed of every weight set's pre-training."""
        return range(self.seed + PRE_TRAINING_SEED, self.seed + PRE_TRAINING_SEED + self.sets)

    def states(self, phase: str, size: int) -> FloatArray:
        """Give the initial states of a phase, shape ``[size, 4]``.

        The pendulum angle is uniform over the upright region, one state in each of ``size`` equal parts, so that two
        sets differ little; all else is zero.
        """
        draws = uniform(self.seed, stream_id(f"wu2019/states/{phase}"), 0, size)
        states = np.zeros((size, 4))
        states[:, 2] = np.radians(self.pendulum.start_angle) * (2.0 * (np.arange(size) + draws) / size - 1.0)
        return states

    def to_dict(self) -> dict[str, object]:
        """Give everything that a number can depend on, as values for JSON."""
        values = dataclasses.asdict(self)
        del values["threads"]
        return values
