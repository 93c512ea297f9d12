"""Encoder and read-out of the peers that live on torch tensors."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray


def prepare(seed: int) -> None:
    """One thread, and noise that repeats."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)


class OnDevice:
    """Mixed into a runner that may live on a GPU; ``device`` is cpu or cuda."""

    device: str

    def synchronize(self) -> None:
        """Wait until the GPU has done everything that was asked for."""
        if self.device == "cuda":
            torch.cuda.synchronize()

    def device_bytes(self) -> int:
        """Return the most memory used on the GPU, 0 on the CPU."""
        return int(torch.cuda.max_memory_allocated()) if self.device == "cuda" else 0


class Encoder:
    """Bernoulli spikes of the Gaussian cells."""

    def __init__(self, size: wl.Size, device: str = "cpu") -> None:
        self._shape = (wl.STEPS, size.agents, size.n_inputs)
        self._device = device
        self._centres = torch.as_tensor(size.cell_centres(), dtype=torch.float32, device=device)
        widths = torch.as_tensor(wl.cell_widths(), dtype=torch.float32, device=device)
        self._scale = 1.0 / widths[:, None]
        self._peak = wl.PEAK_RATE * wl.DT * 1e-3

    def __call__(self, observation: wl.FloatArray) -> torch.Tensor:
        """Return the input spikes of one environment step, bool [STEPS, agents, n_inputs]."""
        seen = torch.from_numpy(observation.astype(np.float32)).to(self._device)
        z = (seen[:, :, None] - self._centres) * self._scale
        probability = (self._peak * torch.exp(-0.5 * z * z)).view(self._shape[1:])
        return torch.rand(self._shape, device=self._device) < probability


def group_counts(counts: torch.Tensor, size: wl.Size) -> IntArray:
    """Sum spike counts [agents, n_outputs] to those of left, right and critic, [agents, 3]."""
    quarters = (
        counts.view(size.agents, 4, size.action_group).sum(2).cpu().numpy()
    )  # the critic is two of them
    return np.stack([quarters[:, 0], quarters[:, 1], quarters[:, 2] + quarters[:, 3]], axis=1).astype(
        np.int64
    )


def start_weights(size: wl.Size, seed: int, device: str = "cpu") -> torch.Tensor:
    """Return float32 weights [agents, n_inputs, n_outputs]."""
    return torch.from_numpy(size.start_weights(seed, np.float32)).to(device)


def change(w: torch.Tensor, start: torch.Tensor, unit: float = 1.0) -> tuple[float, float]:
    """Return mean and greatest absolute change, in units of ``unit``."""
    moved = (w - start).abs_()
    return float(moved.mean()) / unit, float(moved.max()) / unit
