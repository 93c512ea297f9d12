"""Networks that act: populations, synapses, encoder and decoders put together for a task.

A network is a frozen dataclass of numbers with ``build(task) -> AgentModel``; nothing here knows an engine.
Dense networks do not spike: `DenseNetwork` is data, `DenseActorCritic` the torch module, imported when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snnrl.networks.actor_critic import ActorCritic
from snnrl.networks.base import ActorNetwork
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.dense import DenseNetwork
from snnrl.networks.fremaux import SRM0ActorCritic
from snnrl.networks.registry import make, names
from snnrl.networks.reward_modulated import RewardModulated

if TYPE_CHECKING:
    from snnrl.networks.dense_torch import DenseActorCritic

__all__ = [
    "ActorCritic",
    "ActorNetwork",
    "CrossbarActorCritic",
    "DenseActorCritic",
    "DenseNetwork",
    "RewardModulated",
    "SRM0ActorCritic",
    "make",
    "names",
]


def __getattr__(name: str) -> Any:
    if name == "DenseActorCritic":
        from snnrl.networks.dense_torch import DenseActorCritic

        return DenseActorCritic
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
