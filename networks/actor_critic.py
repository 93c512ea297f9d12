"""`ActorCritic`: a critic learns the value of what the place cells see, actors learn what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from snnrl.coding import PopulationValue
from snnrl.model import AgentModel, Network, TDError
from snnrl.networks.base import ActorNetwork, env_step_text
from snnrl.networks.populations import lif_neurons, resting_count
from snnrl.networks.rules import ACTOR_DECAY, GAMMA, actor_rule, critic_rule
from snnrl.plasticity import Rule
from snnrl.plasticity.device import Device
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
    value_smoothing
        Of the value read-out, see `PopulationValue`.
    critic_rule, actor_rule
        Plasticity of the critic's and the actors' synapses.

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
    critic_rule: Rule = field(default_factory=critic_rule)
    actor_rule: Rule = field(default_factory=lambda: actor_rule("td-ltp", "td_error", ACTOR_DECAY))

    def build(self, task: Task, storage: Device | None = None, **storage_options: object) -> AgentModel:
        """Return the agent for a task; parameters as in `ActorNetwork.build`."""
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
            PopulationValue(
                "critic", resting_count(self.critic_bias, task.env_step), smoothing=self.value_smoothing
            ),
            TDError(self.gamma),
            env_step_text(task),
        )
