"""snnrl: spiking neural networks that learn by reward.

>>> import snnrl
>>> result = snnrl.train("cartpole", seeds=8)            # doctest: +SKIP
>>> snnrl.evaluate("runs/my-run", episodes=100)          # doctest: +SKIP

Everything is imported when it is first used, so ``import snnrl`` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snnrl.api import evaluate, train
    from snnrl.engines.brian2.takeover import from_brian2
    from snnrl.model import AgentModel, Network, Neurons, Pairs, Synapses
    from snnrl.simulation import simulate

__version__ = "0.1.0"

__all__ = [
    "AgentModel",
    "Network",
    "Neurons",
    "Pairs",
    "Synapses",
    "evaluate",
    "from_brian2",
    "simulate",
    "train",
]

_HOMES = {
    **dict.fromkeys(("AgentModel", "Network", "Neurons", "Pairs", "Synapses"), "snnrl.model"),
    **dict.fromkeys(("train", "evaluate"), "snnrl.api"),
    "simulate": "snnrl.simulation",
    "from_brian2": "snnrl.engines.brian2.takeover",
}
_SUBPACKAGES = (
    "coding",
    "engines",
    "equations",
    "model",
    "networks",
    "plasticity",
    "random",
    "studies",
    "tasks",
    "training",
)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"snnrl.{name}")
    raise AttributeError(f"module 'snnrl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES, "__version__"])
