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
    from snnrl.model import AgentModel, Network, Neurons, Pairs, Synapses

__version__ = "0.1.0"

__all__ = ["AgentModel", "Network", "Neurons", "Pairs", "Synapses", "evaluate", "train"]

_MODEL = ("AgentModel", "Network", "Neurons", "Pairs", "Synapses")
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
    if name in _MODEL:
        return getattr(importlib.import_module("snnrl.model"), name)
    if name in ("train", "evaluate"):
        return getattr(importlib.import_module("snnrl.api"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"snnrl.{name}")
    raise AttributeError(f"module 'snnrl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES, "__version__"])
