"""snnTorch: its `Leaky` neurons, forward only; a refractory period is added, it has none."""

from __future__ import annotations

import math
from importlib.metadata import version

import snntorch
import torch

from benchmarks import workload as wl
from benchmarks.peers.forward_only import ForwardRunner, Refractory


def build(seed: int, **options: str) -> ForwardRunner:
    """Build the workload without plasticity (options: those of `workload.Size`)."""
    leaky = snntorch.Leaky(beta=math.exp(-wl.DT / wl.TAU_MEMBRANE), threshold=1.0, reset_mechanism="zero")

    def neurons(current: torch.Tensor) -> torch.Tensor:
        spikes: torch.Tensor = leaky(current)[0]
        return spikes

    refractory = Refractory(neurons)

    def reset() -> None:
        refractory.reset()
        leaky.reset_mem()

    name = f"snnTorch {version('snntorch')}"
    return ForwardRunner(wl.Size.of(options), seed, name, refractory, reset)
