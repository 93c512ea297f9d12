"""Networks that act: populations, synapses, encoder and decoders put together for a task.

A network is a frozen dataclass of numbers with ``build(task) -> AgentModel``; nothing here knows an engine.
"""

from snnrl.networks.actor_critic import ActorCritic
from snnrl.networks.base import ActorNetwork
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.registry import make, names
from snnrl.networks.reward_modulated import RewardModulated

__all__ = ["ActorCritic", "ActorNetwork", "CrossbarActorCritic", "RewardModulated", "make", "names"]
