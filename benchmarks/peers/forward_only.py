"""Shared by the libraries for training by gradients: neurons only, no reward-modulated plasticity.

They leave the synapses to PyTorch: here one weight matrix per agent, as the workload has it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray, LoopRunner
from benchmarks.peers.torch_tools import Encoder, group_counts, prepare, start_weights

Advance = Callable[[torch.Tensor], torch.Tensor]
"""Maps currents [agents, n_outputs] to spikes of the same shape, one dt later."""


class ForwardRunner(LoopRunner):
    """A layer of a library's neurons behind fixed weights.

    Parameters
    ----------
    neurons : callable
        The library's neurons, one dt per call.
    reset : callable
        Puts them back to their start.
    """

    def __init__(
        self, size: wl.Size, seed: int, description: str, neurons: Advance, reset: Callable[[], None]
    ) -> None:
        super().__init__(size, seed)
        prepare(seed)
        self.description = f"{description} forward, float32"
        self._encode = Encoder(size)
        self._weights = start_weights(size, seed).mul_(size.gain)
        self._neurons, self._reset = neurons, reset
        self._last = torch.zeros(size.agents, 1, size.n_inputs)

    def restore(self) -> None:
        """Put the membranes back to the start."""
        self._reset()
        self._last = torch.zeros_like(self._last)

    @torch.inference_mode()
    def advance(self) -> tuple[IntArray, torch.Tensor]:
        """One environment step; a spike acts in the dt after it."""
        spikes = self._encode(self.loop.observation)
        counts = torch.zeros(self.size.agents, self.size.n_outputs)
        for row in spikes.to(torch.float32)[:, :, None, :]:
            counts += self._neurons(torch.bmm(self._last, self._weights)[:, 0])
            self._last = row
        return group_counts(counts, self.size), spikes.sum()

    def change(self) -> tuple[float, float]:
        """Nothing learns."""
        return 0.0, 0.0


class Refractory:
    """Adds the workload's refractory period to neurons that have none: it keeps their current away."""

    def __init__(self, neurons: Advance) -> None:
        self._neurons = neurons
        self._left: torch.Tensor | None = None

    def reset(self) -> None:
        """Forget all spikes."""
        self._left = None

    def __call__(self, current: torch.Tensor) -> torch.Tensor:
        """Advance by one dt."""
        if self._left is None:
            self._left = torch.zeros_like(current)
        spikes = self._neurons(current.masked_fill_(self._left > 0.0, 0.0))
        self._left.sub_(1.0).masked_fill_(spikes > 0.0, wl.REFRACTORY / wl.DT)
        return spikes
