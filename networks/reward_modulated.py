"""`RewardModulated`: no critic; reward minus its running mean gates the traces."""

from __future__ import annotations

from dataclasses import dataclass, field

from snnrl.model import AgentModel, Network, RewardBaseline
from snnrl.networks.base import ActorNetwork, env_step_text
from snnrl.networks.rules import ALONE_DECAY, actor_rule
from snnrl.plasticity import Rule
from snnrl.plasticity.device import Device
from snnrl.tasks import Task


@dataclass(frozen=True, kw_only=True)
class RewardModulated(ActorNetwork):
    """Actors alone, learning from the reward's deviation from its running mean.

    Parameters
    ----------
    time_constant
        Of the running mean, in environment steps.
    actor_rule
        Plasticity of the actors' synapses; its signal is ``reward_error``.

    Notes
    -----
    The success signal of Frémaux, Sprekeler and Gerstner 2010 (J. Neurosci. 30:13326). A reward that is the
    same in every step carries no signal here; the default reward, ``progress``, grades every push, which makes
    the problem easier than the one a critic solves.
    """

    time_constant: float = 50.0
    actor_rule: Rule = field(default_factory=lambda: actor_rule("td-ltp", "reward_error", ALONE_DECAY))

    def build(self, task: Task, storage: Device | None = None, **storage_options: object) -> AgentModel:
        """Return the agent for a task; parameters as in `ActorNetwork.build`."""
        encoder = self._encoder(task)
        actors = self._actors(task, self.actor_rule)
        weights = self._storage(storage, storage_options)
        synapses = [self._plastic(actor.name, self.actor_rule, weights) for actor in actors]
        return AgentModel(
            Network((self._input(encoder), *actors), (*synapses, *self._rivals(actors))),
            encoder,
            self._action(actors),
            None,
            RewardBaseline(self.time_constant),
            env_step_text(task),
        )
