"""`ActorCritic`: a critic learns the value of what the place cells see, actors learn what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from snnrl.coding import PopulationValue
from snnrl.model import AgentModel, Network, TDError
from snnrl.networks.base import ActorNetwork, env_step_text
from snnrl.networks.populations import lif_neurons, resting_count
from snnrl.networks.presets import Preset
from snnrl.networks.rules import ACTOR_DECAY, GAMMA, actor_rule, critic_rule
from snnrl.plasticity import Rule
from snnrl.plasticity.device import Device
from snnrl.plasticity.validate import require
from snnrl.tasks import Task


@dataclass(frozen=True, kw_only=True)
class ActorCritic(ActorNetwork):
    """Spiking actor-critic: the TD error of the critic's rate gates both its own synapses and the actors'.

    Parameters
    ----------
    gamma
        Discount per environment step.
    critic_size, critic_bias, critic_noise
        The critic population, see `lif_neurons`.
    value_smoothing, value_scale
        Of the value read-out, see `PopulationValue`. A smaller scale takes more spikes for the same value, hence less
        noise, and needs a critic with a bias that lets it fire that much less or more.
    value_at_rest
        Value that the critic reads before it has learned anything. Below the mean reward of the task it makes a first
        success stand out; above it everything tried disappoints, which is a drive to explore.
    critic_rule, actor_rule
        Plasticity of the critic's and the actors' synapses.
    presets
        By the name of a task, what changes for it.

    Notes
    -----
    After Frémaux, Sprekeler and Gerstner 2013 (PLoS Comput. Biol. 9:e1003024): place cells, a critic whose
    population rate is the value, TD-LTP in both. Where it departs: deterministic place cells, discrete
    environment steps, one population per action instead of a ring, and an anti-Hebbian term at the inhibition
    received from rival actions.
    """

    gamma: float = GAMMA
    critic_size: int = 32
    critic_bias: float = 1.4
    critic_noise: float = 0.1
    value_smoothing: float = 0.5
    value_scale: float = 1.0
    value_at_rest: float = 0.0
    critic_rule: Rule = field(default_factory=critic_rule)
    actor_rule: Rule = field(default_factory=lambda: actor_rule("td-ltp", "td_error", ACTOR_DECAY))
    presets: Mapping[str, Preset] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.value_scale > 0.0, self, "value_scale", "a positive number")

    def settled(self, task: Task) -> ActorCritic:
        """Return the network with the preset of a task put in; itself where there is none."""
        preset = self.presets.get(task.name)
        if preset is None:
            return self
        critic, actor = preset.critic(self.critic_rule), preset.actor(self.actor_rule)
        rules = {"critic_rule": critic, "actor_rule": actor}
        return replace(self, presets={}, **rules, **preset.fields)  # type: ignore[arg-type]

    def build(self, task: Task, storage: Device | None = None, **storage_options: object) -> AgentModel:
        """Return the agent for a task; parameters as in `ActorNetwork.build`."""
        return self.settled(task)._built(task, storage, storage_options)

    def _built(self, task: Task, storage: Device | None, storage_options: dict[str, object]) -> AgentModel:
        encoder = self._encoder(task)
        critic = lif_neurons("critic", self.critic_size, self.critic_bias, self.critic_noise)
        actors = self._actors(task, self.actor_rule)
        weights = self._storage(storage, storage_options)
        synapses = [self._plastic("critic", self.critic_rule, weights)]
        synapses += [self._plastic(actor.name, self.actor_rule, weights) for actor in actors]
        return AgentModel(
            Network((self._input(encoder), critic, *actors), (*synapses, *self._rivals(actors))),
            encoder,
            self._action(actors),
            self._value(task),
            TDError(self.gamma),
            env_step_text(task),
        )

    def _value(self, task: Task) -> PopulationValue:
        rest = resting_count(self.critic_bias, task.env_step)
        baseline = rest - self.value_at_rest / self.value_scale
        return PopulationValue("critic", baseline, self.value_scale, self.value_smoothing)
