"""Engine ``torch``: statements on tensors ``[agents, ...]``, CPU or CUDA, and gradients through the same network."""

from __future__ import annotations

from snnrl.engines.torch.differentiable import DifferentiableNetwork
from snnrl.engines.torch.simulator import TorchSimulator
from snnrl.engines.torch.surrogate import Surrogate

__all__ = ["DifferentiableNetwork", "Surrogate", "TorchSimulator"]
