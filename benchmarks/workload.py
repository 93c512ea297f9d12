"""The one workload that every peer runs: R-STDP with a TD error on CartPole-v1.

80 Bernoulli inputs (20 Gaussian cells per state variable) drive 80 leaky integrate-and-fire neurons
through 6400 plastic synapses. Two groups of 20 outputs are the actions, the other 40 the critic. Post
spikes add the pre trace to a synapse's eligibility, pre spikes subtract the post trace, and the weight
moves by ``LEARNING_RATE * td_error * eligibility`` in every millisecond.

In every peer a spike acts on its targets in the step after it. Peers differ in the order inside a step:
BindsNET and JAX decay the membrane and then add the input, Brian2 and snnrl add the input and decay it once
before the next threshold test. `GAIN_BEFORE_DECAY` is the gain that makes both see a jump of ``GAIN * w`` at
the threshold, so that all of them fire alike.
"""

from __future__ import annotations

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


def cell_centres() -> FloatArray:
    """Return the preferred values of the Gaussian cells, shape [4, CELLS_PER_VARIABLE]."""
    return np.stack([np.linspace(-limit, limit, CELLS_PER_VARIABLE) for limit in STATE_LIMITS])


def cell_widths() -> FloatArray:
    """Return the standard deviation of the Gaussian cells of each variable (their spacing), shape [4]."""
    return 2.0 * np.array(STATE_LIMITS) / (CELLS_PER_VARIABLE - 1)


def start_weights(seed: int) -> FloatArray:
    """Return the weights at the start, shape [N_INPUTS, N_OUTPUTS]."""
    return np.random.default_rng(seed).uniform(*W_START, (N_INPUTS, N_OUTPUTS))
