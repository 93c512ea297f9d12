"""`FirstSpike`: states are times of single input spikes, the action is the first output spike."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from snnrl.coding import FirstSpikeAction, FirstSpikeLatency, PopulationValue
from snnrl.model import AgentModel, Network, Neurons, Synapses, TDError
from snnrl.networks.first_spike_synapses import IdealPairs, PairRule, PairStorage
from snnrl.plasticity.validate import between, not_negative, positive, require
from snnrl.tasks import Task

INPUT, CRITIC = "state", "critic"
ACTOR_DECAY, CRITIC_DECAY = 0.95 * 0.9, 0.95 * 0.8
"""Decay of the traces per environment step, gamma times lambda."""
ANNEAL = 0.8


@dataclass(frozen=True, kw_only=True)
class FirstSpike:
    """Actor-critic in which every neuron spikes at most once per environment step.

    An input cell with activation g spikes at ``window*(1 - g)`` (`FirstSpikeLatency`). There is one output neuron per action;
    the first to spike is the action, and it silences the others at once (winner takes all). Critic neurons share the
    inputs; the earlier they spike, the higher the value. All membranes begin anew with every environment step.

    Parameters
    ----------
    cells_per_variable, width
        Gaussian receptive fields per variable, from end to end of its range, and their standard deviation in units of their
        spacing. The default is the group's (facts: sigma = 2/3 range/(n - 2)).
    cutoff
        Activation below which a cell stays silent.
    window
        Duration of an environment step (s).
    dt
        Time step (s): the grain of spike times.
    tau_m, tau_s
        Membrane and synaptic time constant (s).
    actor_bias, critic_bias
        Constant currents; the threshold is at 1, so that a neuron without input spikes at ``tau_m ln(b/(b - 1))``.
    noise
        Standard deviation of the membrane that private white noise alone would cause.
    exploration
        Standard deviation of a current into each output neuron, drawn anew in every environment step.
    settles
        By how much of itself the exploration falls as the shared ``success`` reaches 1.
    gain
        Current per input spike and unit of weight.
    gamma
        Discount per environment step.
    critic_size
        Critic neurons.
    value_span, value_at_rest, value_smoothing
        Value of a critic that spikes a whole window earlier; value without input; smoothing of the value per step.
    rivalry
        A silenced neuron's pairs with the winner's spike count as many pairs of its own with opposite sign.
    actor_rule, critic_rule
        Rates and traces.
    storage
        Where the weights live.

    References
    ----------
    Vlasov et al. 2023, Neural Networks 166:512 (first spike, winner takes all, weights changed after each state); Vlasov et
    al. 2025, Moscow Univ. Phys. Bull. 79:S944 (the critic's value as a spike time), both known from their abstracts.
    """

    cells_per_variable: int = 12
    width: float = 11 / 15
    cutoff: float = 0.09
    window: float = 0.02
    dt: float = 0.0005
    tau_m: float = 0.01
    tau_s: float = 0.005
    actor_bias: float = 1.3
    critic_bias: float = 1.33
    noise: float = 0.02
    exploration: float = 0.56
    settles: float = 1.0
    gain: float = 0.43
    gamma: float = 0.95
    critic_size: int = 8
    value_span: float = 2.44
    value_at_rest: float = 0.6
    value_smoothing: float = 0.5
    rivalry: float = 0.5
    actor_rule: PairRule = field(default_factory=lambda: PairRule(0.14, ACTOR_DECAY, ANNEAL))
    critic_rule: PairRule = field(default_factory=lambda: PairRule(0.035, CRITIC_DECAY, ANNEAL))
    storage: PairStorage = field(default_factory=IdealPairs)

    def __post_init__(self) -> None:
        for name in ("cells_per_variable", "critic_size"):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= 1, self, name, "an integer of at least 1")
        positive(self, "width", "window", "dt", "tau_m", "tau_s", "gain", "value_span", "value_smoothing")
        not_negative(self, "noise", "exploration", "rivalry")
        between(self, "settles", 0.0, 1.0)
        for name in ("actor_bias", "critic_bias"):
            require(
                getattr(self, name) > 1, self, name, "above the threshold of 1: every neuron spikes in time"
            )

    def build(self, task: Task) -> AgentModel:
        """Return the agent for a task, whose number of actions and observation it takes."""
        encoder = FirstSpikeLatency(
            INPUT, "latency", tuple(task.observation_scale), tuple(task.observation_bounded), self.window,
            (self.cells_per_variable,), (1.0,), self.width, self.cutoff,
        )  # fmt: skip
        actions = [self._actor(k) for k in range(task.n_actions)]
        synapses = [self._plastic(CRITIC, self.critic_rule)]
        synapses += [self._plastic(action.name, self.actor_rule) for action in actions]
        neurons = (input_cells(encoder.size), self._critic(), *actions)
        return AgentModel(
            Network(neurons, (*synapses, *self._rivals(actions)), _microseconds(self.dt)),
            encoder,
            FirstSpikeAction(tuple(action.name for action in actions)),
            self._value(),
            TDError(self.gamma),
            _microseconds(self.window),
        )

    def _plastic(self, target: str, rule: PairRule) -> Synapses:
        return self.storage.synapses(f"{INPUT}_{target}", INPUT, target, rule, self.gain)

    def _parameters(self, bias: float) -> dict[str, float | str]:
        return {
            "bias": bias,
            "sigma": self.noise,
            "tau_m": f"{self.tau_m!r}*second",
            "tau_s": f"{self.tau_s!r}*second",
        }

    def _actor(self, action: int) -> Neurons:
        """Return the output neuron of an action: it may spike while it is ``open``."""
        return Neurons(
            f"action_{action}",
            1,
            _MEMBRANE.format(current=" + explore") + "explore : 1 (shared)\nopen : 1",
            threshold="u >= 1 and open > 0.5",
            reset="open = 0\ncredit = 1\nspike_time = clock",
            parameters={
                **self._parameters(self.actor_bias),
                "explore_std": self.exploration,
                "settles": self.settles,
            },
            on_step=f"explore = exploration*explore_std*(1 - settles*success)*randn()\n{_ANEW}\nopen = 1",
        )

    def _critic(self) -> Neurons:
        """Return the critic: after its spike a neuron spikes in every dt, so that the spikes count the time that was left."""
        return Neurons(
            CRITIC,
            self.critic_size,
            _MEMBRANE.format(current=""),
            threshold="u >= 1 or credit > 0.5",
            reset="spike_time += (1 - credit)*(clock - spike_time)\ncredit = 1",
            parameters=self._parameters(self.critic_bias),
            on_step=_ANEW,
        )

    def _rivals(self, actions: list[Neurons]) -> list[Synapses]:
        """Return the winner's inhibition: the others are closed, and learn the time that they were too slow for."""
        return [
            Synapses(
                f"{a.name}_silences_{b.name}",
                a.name,
                b.name,
                on_pre="open_post = 0\ncredit_post = -rivalry\nspike_time_post = clock_post",
                weights=(),
                parameters={"rivalry": self.rivalry},
            )
            for a in actions
            for b in actions
            if a is not b
        ]

    def _value(self) -> PopulationValue:
        """Return the read-out of the critic's spike time: one more dt before the end of the window, one more spike."""
        steps = self.window / self.dt
        left = steps + self.tau_m * math.log(1.0 - 1.0 / self.critic_bias) / self.dt
        scale = self.value_span / steps
        return PopulationValue(CRITIC, left - self.value_at_rest / scale, scale, self.value_smoothing)


_MEMBRANE = """
du/dt = (bias{current} + I - u)/tau_m + sigma*sqrt(2/tau_m)*xi : 1
dI/dt = -I/tau_s : 1
dclock/dt = 1 : second
credit : 1
spike_time : second
"""
_ANEW = "clock = 0*second\nu = 0\nI = 0\ncredit = 0"


def input_cells(size: int) -> Neurons:
    """Return cells that spike once per environment step, ``latency`` (s) after it begins, and remember when they did."""
    return Neurons(
        INPUT,
        size,
        "dclock/dt = 1 : second\nlatency : second\narmed : 1\nspike_time : second",
        threshold="armed > 0.5 and clock > latency",
        reset="armed = 0\nspike_time = clock",
        on_step="clock = 0*second\narmed = 1",
    )


def _microseconds(seconds: float) -> str:
    return f"{round(seconds * 1e6)!r}*us"
