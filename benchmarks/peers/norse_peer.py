"""Norse: its `LIFRefracCell`, forward only."""

from __future__ import annotations

import math
from importlib.metadata import version
from typing import Any

import torch
from norse.torch import LIFParameters, LIFRefracCell, LIFRefracParameters

from benchmarks import workload as wl
from benchmarks.peers.forward_only import ForwardRunner

DT = wl.DT * 1e-3  # s
# Norse takes one Euler step; this membrane rate (per s) makes it the exact decay over a dt.
RATE = (1.0 - math.exp(-wl.DT / wl.TAU_MEMBRANE)) / DT


def _cell() -> LIFRefracCell:
    lif = LIFParameters(
        tau_syn_inv=torch.as_tensor(1.0 / DT),  # the current lasts one dt: instant synapses
        tau_mem_inv=torch.as_tensor(RATE),
        v_leak=torch.as_tensor(0.0),
        v_th=torch.as_tensor(1.0),
        v_reset=torch.as_tensor(0.0),
    )
    return LIFRefracCell(LIFRefracParameters(lif, rho_reset=torch.as_tensor(wl.REFRACTORY / wl.DT)), dt=DT)


def build(seed: int, **options: str) -> ForwardRunner:
    """Build the workload without plasticity (options: those of `workload.Size`)."""
    cell = _cell()
    state: list[Any] = [None]
    jump = 1.0 / (RATE * DT)  # Norse weighs a current by the membrane rate, too

    def neurons(current: torch.Tensor) -> torch.Tensor:
        spikes: torch.Tensor
        spikes, state[0] = cell(current.mul_(jump), state[0])
        return spikes

    def reset() -> None:
        state[0] = None

    return ForwardRunner(wl.Size.of(options), seed, f"Norse {version('norse')}", neurons, reset)
