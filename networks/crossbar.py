"""Actor and critic as small perceptrons on memristor crossbars, for any task with two actions.

Wu, Vincent, Strukov & Xie (2020), "Memristor Hardware-Friendly Reinforcement Learning", arXiv 2001.06930. Not a spiking
network: it has no :class:`~snnrl.model.AgentModel`; :meth:`CrossbarActorCritic.agent` gives one that acts and learns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.validate import between, finite, not_negative, one_of, positive, require
from snnrl.random import stream_id, uniform
from snnrl.tasks import Task

if TYPE_CHECKING:
    from snnrl.networks.crossbar_agent import CrossbarAgent

FloatArray = NDArray[np.float64]
RULES = ("exact", "manhattan", "variable-amplitude")


class Places(NamedTuple):
    """Where the weights of each layer begin in the flat array of all weights."""

    critic_hidden: int
    critic_output: int
    actor_hidden: int
    actor_output: int
    size: int


@dataclass(frozen=True, kw_only=True)
class CrossbarActorCritic:
    """The paper's networks: an action neuron and a value neuron, each over logistic hidden neurons.

    The observation is divided by the task's scale and a constant input is added. The action neuron's output is the
    probability p of action 1; an action q is drawn, and weights follow equation 5 with delta and delta*(q - p).

    Parameters
    ----------
    hidden
        Hidden neurons of each network.
    shared
        False: two separate networks (figure 4). True: one hidden layer under both outputs (figure 6).
    rule
        "exact": weights change by equation 5; "manhattan": every weight changes by ``step`` in the direction of
        equation 5; "variable-amplitude": pulses scaled to equation 5 (equations 10 to 12).
    gate
        PQ: weights change only where abs(p - q) is larger; 0: always (section III.A.1: 0.9, Manhattan 0.95).
    gate_after
        Successful trials before the gate closes for the first time. Not in the paper, see docs/crossbar.md.
    gamma
        Discount rate.
    variable_discount
        Whether gamma moves by 0.02 after 50 trials with too few successes (section III.A.1), see
        :class:`~snnrl.networks.crossbar_agent.DiscountRule`.
    discount_below
        Rate of successes that is too few.
    critic_rate, critic_hidden_rate, actor_rate, actor_hidden_rate
        beta, beta_h, rho, rho_h.
    slope
        Slope of the action neuron in units of a hidden neuron's.
    signed
        Whether equation 5's sign of the output weight stands in the hidden update (else the weight, the gradient).
    step
        Weight change of a Manhattan pulse. Not in the paper.
    w_max
        Largest magnitude of a weight: the conductance range. Not in the paper.
    w_init
        Half-width of the uniform initial weights. Not in the paper.
    bias
        The constant input.
    adc_bits
        Bits of p and of the random number it is compared with; 0: no rounding.
    device
        The memristors; None: ideal ones.

    Raises
    ------
    InvalidValueError
        If a number is outside its range, or a device is asked to change exactly.
    """

    hidden: int = 6
    shared: bool = False
    rule: str = "exact"
    gate: float = 0.0
    gate_after: int = 0
    gamma: float = 0.85
    variable_discount: bool = False
    discount_below: float = 0.35
    critic_rate: float = 0.2
    critic_hidden_rate: float = 0.1
    actor_rate: float = 0.25
    actor_hidden_rate: float = 0.2
    slope: float = 8.0
    signed: bool = True
    step: float = 2.5e-5
    w_max: float = 1.7
    w_init: float = 0.1
    bias: float = 1.0
    adc_bits: int = 0
    device: Al2O3 | None = None

    def __post_init__(self) -> None:
        one_of(self, "rule", RULES)
        require(type(self.hidden) is int and self.hidden >= 1, self, "hidden", "a whole number >= 1")
        require(
            type(self.gate_after) is int and self.gate_after >= 0, self, "gate_after", "a whole number >= 0"
        )
        whole = type(self.adc_bits) is int and 0 <= self.adc_bits <= 16
        require(whole, self, "adc_bits", "a whole number, 0 to 16")
        between(self, "gate", 0.0, 1.0)
        between(self, "discount_below", 0.0, 1.0)
        between(self, "gamma", 0.0, 1.0)
        require(self.gamma < 1.0, self, "gamma", "below 1")
        positive(self, "slope", "w_max", "step")
        not_negative(self, "critic_rate", "critic_hidden_rate", "actor_rate", "actor_hidden_rate")
        between(self, "w_init", 0.0, self.w_max)
        finite(self, "bias")
        exact = "manhattan or variable-amplitude where a device is given: its pulses are not exact"
        require(self.device is None or self.rule != "exact", self, "rule", exact)
        noise = "a device with a spread of thresholds only (rate_dtod, range_dtod and update_std 0)"
        plain = self.device is None or self.device.only_thresholds
        require(plain, self, "device", noise)

    def inputs(self, task: Task) -> int:
        """Return the inputs of a network for a task: what is observed, and the constant.

        Raises
        ------
        InvalidValueError
            If the task has more or less than two actions.
        """
        if task.n_actions != 2:
            allowed = "a task with two actions: the action neuron chooses between 0 and 1"
            raise InvalidValueError(f"actions of {task.name} for crossbar networks", task.n_actions, allowed)
        return task.observation_size + 1

    def places(self, n_inputs: int) -> Places:
        """Layout of the flat weights: 5-6-1 twice is a, c, d, f of figure 4; 5-6-2 is figure 6."""
        hidden, layer = self.hidden, self.hidden * n_inputs
        if self.shared:
            return Places(0, layer, 0, layer + hidden, layer + 2 * hidden)
        return Places(0, layer, layer + hidden, 2 * layer + hidden, 2 * (layer + hidden))

    def initial_weights(self, n_inputs: int, seed: int) -> FloatArray:
        """Random initial weights of the agent with this seed, shape ``[places.size]``."""
        draws = uniform(seed, stream_id("crossbar/initial"), 0, self.places(n_inputs).size)
        return self.w_init * (2.0 * draws - 1.0)

    def checked_weights(self, weights: ArrayLike, n_inputs: int) -> FloatArray:
        """Return a weight set as an array of float64.

        Raises
        ------
        InvalidValueError
            If its shape is another, or a weight is not within ``w_max``.
        """
        w = np.asarray(weights, dtype=float)
        size = self.places(n_inputs).size
        if w.shape != (size,):
            kind = "5-6-2" if self.shared else "two 5-6-1"
            allowed = f"({size},) for {n_inputs} inputs and {self.hidden} hidden neurons, as {kind} networks"
            raise InvalidValueError("shape of a weight set", w.shape, allowed)
        if not np.all(np.abs(w) <= self.w_max):
            worst = float(w[np.argmax(np.where(np.isfinite(w), np.abs(w), np.inf))])
            raise InvalidValueError("a weight of a weight set", worst, f"-{self.w_max:g} to {self.w_max:g}")
        return w

    def agent(self, task: Task, seed: int = 0, weights: ArrayLike | None = None) -> CrossbarAgent:
        """Return an agent for a task, from random or from given weights.

        Parameters
        ----------
        task
            Any task with two actions.
        seed
            Seed of the initial weights, the device thresholds and the actions.
        weights
            A weight set to begin with, shape ``[places.size]``.
        """
        from snnrl.networks.crossbar_agent import CrossbarAgent

        return CrossbarAgent(self, task, seed, weights)


SHARED = CrossbarActorCritic(
    shared=True,
    gamma=0.9,
    critic_rate=0.25,
    critic_hidden_rate=0.2,
    actor_rate=0.2,
    actor_hidden_rate=0.1,
)
"""The one network of the paper's second scenario with its learning rates (section III.B.3)."""
