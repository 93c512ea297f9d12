"""`SRM0ActorCritic`: the network of Frémaux, Sprekeler and Gerstner 2013, in the paper's own neurons and kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from snnrl.coding import PlaceCells, PopulationValue, SpikeCountAction
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Network, Neurons, Synapses, TDError
from snnrl.networks.base import INPUT, LARGEST_GRID
from snnrl.networks.fremaux_presets import PRESETS
from snnrl.networks.fremaux_presets import RETRIEVED as RETRIEVED_FIELDS
from snnrl.networks.populations import poisson_cells
from snnrl.networks.srm0 import SRM0, Ring, action_edges, motor_cells
from snnrl.plasticity import IdealWeights, plastic_synapses
from snnrl.plasticity.device import Device
from snnrl.plasticity.fremaux import KernelTDLTP
from snnrl.plasticity.validate import between, not_negative, positive, require
from snnrl.tasks import Task

DT = 0.001
"""Time step in seconds."""
W_MAX = 3.0
"""Weights lie in [0, 3]."""

Fields = Mapping[str, float | tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class SRM0ActorCritic:
    """Poisson place cells, a critic whose filtered rate is the value, and a ring of actors; TD-LTP in both.

    The defaults are those that learn the cart-pole (docs/fremaux2013.md says which are the paper's).

    Parameters
    ----------
    cells, reach, width
        Place cells on a full grid: centres per variable, outermost centre in the task's scaled variables, and standard
        deviation in units of the spacing. One number stands for all variables.
    input_rate, place_rate
        Rate of all place cells together where the grid is far from its border, and most that one of them may fire at
        its centre, hertz. The overlap of the cells gives the second from the first.
    critic_size
        Neurons of the critic.
    value_scale, zero_rate
        Value per hertz of the critic's mean rate, and the rate that means a value of 0: the paper's nu/tau_r and -V0/nu.
    start_rate
        Filtered rate with which an episode starts, hertz. Without it the value of each episode would have to rise
        from that of a silent critic.
    tau_kappa, nu_kappa
        Time constants of the kernel of value and eligibility, seconds.
    tau_r
        Time constant of the discount, seconds.
    critic_eta, actor_eta, anneal
        Learning rates, see `KernelTDLTP`.
    critic_weight, actor_weight, weight_std
        Means of the initial weights and their standard deviation; they are cut at 0 and 3.
    actor_size, w_minus, w_plus, zeta
        The ring, see `Ring`.
    tau_gamma, nu_gamma
        Time constants of the kernel of the population vector, seconds.
    rest_threshold
        Of three actions the middle one is taken while the population vector is within +- this.
    neuron
        Constants of the neurons.
    presets
        By the name of a task, fields that differ for it.

    Raises
    ------
    InvalidValueError
        If a field is outside its range.

    References
    ----------
    Frémaux, Sprekeler, Gerstner 2013, PLoS Comput. Biol. 9:e1003024.
    """

    cells: tuple[float, ...] = (4,)
    reach: tuple[float, ...] = (0.95,)
    width: float = 0.6
    scale: tuple[float, ...] = ()
    input_rate: float = 5000.0
    place_rate: float = 400.0
    critic_size: int = 50
    value_scale: float = 1.0 / 30.0
    zero_rate: float = 5.0
    start_rate: float = 32.0
    tau_kappa: float = 0.07
    nu_kappa: float = 0.0175
    tau_r: float = 1.0
    critic_eta: float = 2e-3
    actor_eta: float = 1.81e-3
    anneal: float = 0.98
    critic_weight: float = 0.415
    actor_weight: float = 0.464
    weight_std: float = 0.018
    actor_size: int = 40
    w_minus: float = -42.0
    w_plus: float = 30.0
    zeta: float = 2.0
    tau_gamma: float = 0.02
    nu_gamma: float = 0.01
    rest_threshold: float = 0.3
    neuron: SRM0 = field(default_factory=SRM0)
    presets: Mapping[str, Fields] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("cells", "reach", "scale"):
            value = getattr(self, name)
            object.__setattr__(self, name, tuple(value) if isinstance(value, tuple | list) else (value,))
        positive(self, "width", "input_rate", "place_rate", "value_scale", "tau_r", "tau_gamma", "nu_gamma")
        not_negative(self, "zero_rate", "start_rate", "weight_std")
        require(
            isinstance(self.critic_size, int) and self.critic_size >= 1,
            self,
            "critic_size",
            "an integer >= 1",
        )
        for name in ("critic_weight", "actor_weight"):
            between(self, name, 0.0, W_MAX)
        between(self, "rest_threshold", 0.0, 1.0)
        require(self.tau_gamma > self.nu_gamma, self, "tau_gamma", f"above nu_gamma = {self.nu_gamma:g}")
        self.rule(self.critic_eta)  # checks what the rule reads
        self._ring()

    def settled(self, task: Task) -> SRM0ActorCritic:
        """Return the network with the preset of a task put in; itself where there is none."""
        if task.name not in self.presets:
            return self
        return replace(self, presets={}, **self.presets[task.name])  # type: ignore[arg-type]

    def build(self, task: Task, storage: Device | None = None, **storage_options: object) -> AgentModel:
        """Return the agent for a task.

        Parameters
        ----------
        task
            Gives the actions, the time per decision and the scale of the observation.
        storage, storage_options
            None: the weights, bounded on one side by 0, are ideal numbers.

        Raises
        ------
        InvalidValueError
            If the grid of place cells is too large, tau_r is no longer than a decision, or a device is given.
        """
        if storage is not None or storage_options:
            raise InvalidValueError(f"synapse of {type(self).__name__}", "memristive", "ideal")
        return self.settled(task)._built(task)

    def _built(self, task: Task) -> AgentModel:
        step = task.env_step
        require(self.tau_r > step, self, "tau_r", f"above {step:g} s, the time of a decision")
        encoder, ring = self._encoder(task), self._ring()
        direction = {"direction": ring.directions()}
        neurons = (
            poisson_cells(INPUT, encoder.size),
            self.critic(),
            self.neuron.neurons("actor", self.actor_size, "direction : 1 (constant)", parameters=direction),
            motor_cells("motor", action_edges(task.n_actions, self.rest_threshold), step, DT, self.tau_gamma,
                        self.nu_gamma),
        )  # fmt: skip
        told = "total_in_post += 1\nvector_in_post += direction_pre"
        synapses = (
            self._plastic("critic", self.critic_eta, self.critic_weight),
            self._plastic("actor", self.actor_eta, self.actor_weight),
            ring.synapses("lateral", "actor", self.neuron),
            Synapses("vector", "actor", "motor", on_pre=told, weights=()),
        )
        return AgentModel(
            Network(neurons, synapses, f"{1e3 * DT:g}*ms"),
            encoder,
            SpikeCountAction(tuple(f"motor[{k}:{k + 1}]" for k in range(task.n_actions))),
            PopulationValue("critic", self.zero_rate, self.value_scale, variable="rate"),
            TDError(1.0 - step / self.tau_r),
            f"{round(step * 1e6)}*us",
        )

    def critic(self) -> Neurons:
        """Return the critic; ``rate`` is the filtered rate of a neuron, ``kappa`` convolved with its spikes."""
        filters = "drate/dt = (rate_in - rate)/tau_kappa : Hz\ndrate_in/dt = -rate_in/nu_kappa : Hz"
        constants = {name: f"{getattr(self, name)!r}*second" for name in ("tau_kappa", "nu_kappa")}
        critic = self.neuron.neurons("critic", self.critic_size, filters, "rate_in += 1/nu_kappa", constants)
        start = f"{self.start_rate!r}*Hz"
        return replace(critic, initial={"rate": start, "rate_in": start})

    def rule(self, eta: float) -> KernelTDLTP:
        """Return the plasticity rule with a learning rate."""
        n = self.neuron
        return KernelTDLTP(
            eta, n.epsilon_0, n.tau_m, n.tau_s, self.tau_kappa, self.nu_kappa, anneal=self.anneal
        )

    def _encoder(self, task: Task) -> PlaceCells:
        overlap = (math.sqrt(2.0 * math.pi) * self.width) ** task.observation_size
        peak = min(self.input_rate / overlap, self.place_rate)
        counts = tuple(int(count) for count in self.cells)
        scale = self.scale or tuple(task.observation_scale)
        bounded = (True,) * len(scale) if self.scale else tuple(task.observation_bounded)
        encoder = PlaceCells(INPUT, "rate", scale, bounded, peak, counts, self.reach, self.width,
                             tuple(task.observation_periodic))  # fmt: skip
        require(encoder.size <= LARGEST_GRID, self, "cells", f"at most {LARGEST_GRID} place cells in all")
        return encoder

    def _ring(self) -> Ring:
        return Ring(self.actor_size, self.w_minus, self.w_plus, self.zeta)

    def _plastic(self, target: str, eta: float, weight: float) -> Synapses:
        start = f"clip({weight!r} + {self.weight_std!r}*randn(), 0, {W_MAX!r})"
        return plastic_synapses(f"{INPUT}_{target}", INPUT, target, self.rule(eta), IdealWeights(0.0, W_MAX, start),
                                "I_post += jump*w", parameters={"jump": self.neuron.jump})  # fmt: skip


def for_task(task: Task) -> SRM0ActorCritic:
    """Return the network that learns a task, with its preset put in."""
    return SRM0ActorCritic(presets=PRESETS).settled(task)


RETRIEVED: dict[str, SRM0ActorCritic] = {
    task: SRM0ActorCritic(**fields) for task, fields in RETRIEVED_FIELDS.items()
}
"""By task, the network with the sizes and kernels that were retrieved."""
