"""The one workload that every peer runs: R-STDP with a TD error on CartPole-v1.

80 Bernoulli inputs (20 Gaussian cells per state variable) drive 80 leaky integrate-and-fire neurons
through 6400 plastic synapses. Two groups of 20 outputs are the actions, the other 40 the critic. Post
spikes add the pre trace to a synapse's eligibility, pre spikes subtract the post trace, and the weight
moves by ``LEARNING_RATE * td_error * eligibility`` in every millisecond.

In every peer a spike acts on its targets in the step after it. Peers differ in the order inside a step:
BindsNET and JAX decay the membrane and then add the input, Brian2 and snnrl add the input and decay it once
before the next threshold test. `GAIN_BEFORE_DECAY` is the gain that makes both see a jump of ``GAIN * w`` at
the threshold, so that all of them fire alike.

`Size` says how many agents there are, each with weights of its own, and how many times more neurons: a
hundred times the neurons are ten thousand times the synapses, and a hundredth of the gain keeps the rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

CELLS_PER_VARIABLE = 20
N_INPUTS = 4 * CELLS_PER_VARIABLE
N_OUTPUTS = 80
N_CRITIC = 40
ACTION_GROUP = 20  # outputs 0-19 vote for the push to the left, 20-39 for the one to the right

DT = 1.0  # ms
STEPS = 20  # steps of DT per environment step
TAU_MEMBRANE = 20.0  # ms
TAU_TRACE = 20.0  # ms
TAU_ELIGIBILITY = 200.0  # ms
TAU_VALUE = 50.0  # ms
REFRACTORY = 2.0  # ms
PEAK_RATE = 100.0  # Hz
GAIN = 0.15  # membrane jump per unit weight
GAIN_BEFORE_DECAY = GAIN * float(np.exp(DT / TAU_MEMBRANE))
LEARNING_RATE = 1e-4  # weight per ms, per unit of TD error and eligibility
DISCOUNT = 0.98
VALUE_SCALE = 0.2
FAILURE_REWARD = -1.0
W_MIN, W_MAX = 0.0, 1.0
W_START = (0.3, 0.7)  # uniform
STATE_LIMITS = (2.4, 3.0, 0.21, 3.0)  # m, m/s, rad, rad/s: the outermost Gaussian cells
MAX_EPISODE_STEPS = 500

RESTORE_EVERY = 500
"""Environment steps after which every peer goes back to its start: without it the firing rates drift."""


def cell_widths() -> FloatArray:
    """Return the standard deviation of the Gaussian cells of each variable, shape [4]: their spacing at 1x.

    More cells do not make them narrower.
    """
    return 2.0 * np.array(STATE_LIMITS) / (CELLS_PER_VARIABLE - 1)


@dataclass(frozen=True)
class Size:
    """How much is simulated at once.

    Parameters
    ----------
    agents : int
        Simulations with weights, noise and a cart-pole of their own, that share the time.
    scale : int
        Factor on the number of neurons in both layers.
    block : int
        Environment steps after which everything goes back to its start.
    """

    agents: int = 1
    scale: int = 1
    block: int = RESTORE_EVERY

    @classmethod
    def of(cls, options: Mapping[str, str]) -> Self:
        """Return the size that a peer's options name; the defaults are one agent at 1x."""
        return cls(**{name: int(options[name]) for name in ("agents", "scale", "block") if name in options})

    @property
    def n_inputs(self) -> int:
        """Input neurons of one agent."""
        return N_INPUTS * self.scale

    @property
    def n_outputs(self) -> int:
        """Output neurons of one agent."""
        return N_OUTPUTS * self.scale

    @property
    def n_critic(self) -> int:
        """Output neurons of one agent that are its critic: the last ones."""
        return N_CRITIC * self.scale

    @property
    def action_group(self) -> int:
        """Output neurons that vote for one action."""
        return ACTION_GROUP * self.scale

    @property
    def gain(self) -> float:
        """Membrane jump per unit weight: the same mean drive at every scale."""
        return GAIN / self.scale

    @property
    def gain_before_decay(self) -> float:
        """`gain` for simulators that decay the membrane after the input."""
        return GAIN_BEFORE_DECAY / self.scale

    @property
    def neuron_ms(self) -> float:
        """Milliseconds of one environment step, times agents: what rates are counted over."""
        return self.agents * STEPS * DT

    def cell_centres(self) -> FloatArray:
        """Return the preferred values of the Gaussian cells, shape [4, cells per variable]."""
        cells = CELLS_PER_VARIABLE * self.scale
        return np.stack([np.linspace(-limit, limit, cells) for limit in STATE_LIMITS])

    def start_weights(self, seed: int, dtype: npt.DTypeLike = np.float64) -> npt.NDArray[np.floating]:
        """Return the weights at the start, shape [agents, n_inputs, n_outputs]."""
        shape = (self.n_inputs, self.n_outputs)
        weights = np.empty((self.agents, *shape), dtype=dtype)
        for agent in range(self.agents):
            weights[agent] = np.random.default_rng(seed + agent).uniform(*W_START, shape)
        return weights
