"""PyTorch by hand: the whole dt written as tensor operations, eager or through `torch.compile`.

Every agent has its own weights. The cart-pole stays outside, in NumPy or Gymnasium.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray, LoopRunner
from benchmarks.peers.torch_tools import Encoder, OnDevice, change, group_counts, prepare, start_weights

DECAY_MEMBRANE = math.exp(-wl.DT / wl.TAU_MEMBRANE)
DECAY_TRACE = math.exp(-wl.DT / wl.TAU_TRACE)
DECAY_ELIGIBILITY = math.exp(-wl.DT / wl.TAU_ELIGIBILITY)


class State(NamedTuple):
    """Tensors that change in place: synapses [agents, n_inputs, n_outputs], neurons [agents, neurons]."""

    w: torch.Tensor
    eligibility: torch.Tensor
    v: torch.Tensor
    refractory: torch.Tensor
    pre: torch.Tensor
    post: torch.Tensor
    last: torch.Tensor
    counts: torch.Tensor


def step(state: State, spikes: torch.Tensor, rate: torch.Tensor, gain: float) -> None:
    """One dt, in the order of BindsNET; ``spikes`` [agents, n_inputs], ``rate`` [agents, 1, 1]."""
    w, eligibility, v, refractory, pre, post, last, counts = state
    current = torch.bmm(last[:, None, :], w)[:, 0].mul_(gain)
    v.mul_(DECAY_MEMBRANE).add_(current.masked_fill_(refractory > 0.0, 0.0))
    fired = v >= 1.0
    out = fired.to(v.dtype)
    v.masked_fill_(fired, 0.0)
    refractory.sub_(1.0).masked_fill_(fired, wl.REFRACTORY / wl.DT)
    pre.mul_(DECAY_TRACE).add_(spikes)
    post.mul_(DECAY_TRACE).add_(out)
    eligibility.mul_(DECAY_ELIGIBILITY)
    eligibility.addcmul_(pre[:, :, None], out[:, None, :])
    eligibility.addcmul_(spikes[:, :, None], post[:, None, :], value=-1.0)
    w.addcmul_(eligibility, rate).clamp_(wl.W_MIN, wl.W_MAX)
    last.copy_(spikes)
    counts.add_(out)


class TorchRunner(OnDevice, LoopRunner):
    """Own state tensors and a Python loop over dt."""

    def __init__(self, size: wl.Size, seed: int, compiled: bool, device: str) -> None:
        super().__init__(size, seed)
        prepare(seed)
        style = "compiled" if compiled else "eager"
        self.description = f"PyTorch {torch.__version__.split('+')[0]} by hand ({style}), float32"
        self.device = device
        self._encode = Encoder(size, device)
        self._start = start_weights(size, seed, device)
        neurons = [
            size.n_outputs,
            size.n_outputs,
            size.n_inputs,
            size.n_outputs,
            size.n_inputs,
            size.n_outputs,
        ]
        self._state = State(
            self._start.clone(),
            torch.zeros_like(self._start),
            *(torch.zeros(size.agents, n, device=device) for n in neurons),
        )
        self._step: Callable[..., None] = torch.compile(step, dynamic=False) if compiled else step
        self.advance()  # compiles

    def restore(self) -> None:
        """Put weights, traces and membranes back to the start."""
        self._state.w.copy_(self._start)
        for tensor in self._state[1:]:
            tensor.zero_()

    @torch.inference_mode()
    def advance(self) -> tuple[IntArray, torch.Tensor]:
        """Run `step` for every dt of an environment step."""
        spikes = self._encode(self.loop.observation)
        td_error = torch.as_tensor(self.loop.td_error, dtype=torch.float32).to(self.device)
        rate = (wl.LEARNING_RATE * wl.DT * td_error)[:, None, None]
        self._state.counts.zero_()
        for row in spikes.to(torch.float32):
            self._step(self._state, row, rate, self.size.gain)
        return group_counts(self._state.counts, self.size), spikes.sum()

    def change(self) -> tuple[float, float]:
        """Return the weight change."""
        return change(self._state.w, self._start)


def build(seed: int, **options: str) -> TorchRunner:
    """Build the workload in PyTorch.

    Options: those of `workload.Size`; ``style`` is eager or compiled, ``device`` cpu or cuda.
    """
    compiled = options.get("style") == "compiled"
    return TorchRunner(wl.Size.of(options), seed, compiled, options.get("device", "cpu"))
