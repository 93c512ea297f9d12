"""SpikingJelly: `LIFNode` neurons, with its own MSTDPETLearner or forward only.

MSTDPETLearner knows one `nn.Linear` without a batch and a scalar reward: one agent. Its eligibility comes one dt
later than the workload's. `LIFNode` has no refractory period, so one is added.
"""

from __future__ import annotations

import math
from importlib.metadata import version

import torch
from spikingjelly.activation_based import functional, learning, neuron
from torch import nn

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import IntArray, LoopRunner
from benchmarks.peers.forward_only import ForwardRunner, Refractory
from benchmarks.peers.torch_tools import Encoder, change, group_counts, prepare, start_weights

# LIFNode takes one Euler step of length 1 / tau; this tau makes it the exact decay over a dt.
EULER_TAU = 1.0 / (1.0 - math.exp(-wl.DT / wl.TAU_MEMBRANE))


def _neurons() -> neuron.LIFNode:
    return neuron.LIFNode(tau=EULER_TAU, decay_input=False, v_threshold=1.0, v_reset=0.0)


def _name() -> str:
    return f"SpikingJelly {version('spikingjelly')}"


class SpikingjellyRunner(LoopRunner):
    """One agent that learns."""

    def __init__(self, size: wl.Size, seed: int) -> None:
        super().__init__(size, seed)
        prepare(seed)
        self.description = f"{_name()} MSTDPETLearner, float32"
        self._encode = Encoder(size)
        # The weights of the layer are gain * w; a Linear has them [n_outputs, n_inputs].
        self._start = start_weights(size, seed)[0].T.mul(size.gain).contiguous()
        self._synapses = nn.Linear(size.n_inputs, size.n_outputs, bias=False).requires_grad_(False)
        self._nodes = _neurons()
        self._refractory = Refractory(self._nodes)
        one = torch.ones(())
        self._learner = learning.MSTDPETLearner(
            "s",
            self._synapses,
            self._nodes,
            tau_pre=wl.TAU_TRACE,
            tau_post=wl.TAU_TRACE,
            tau_trace=wl.TAU_ELIGIBILITY,
            f_pre=lambda w: one,  # the default makes every change proportional to the weight
            f_post=lambda w: one,
        )
        # The learner divides the eligibility by its time constant.
        self._rate = size.gain * wl.LEARNING_RATE * wl.DT * wl.TAU_ELIGIBILITY
        self._current = torch.zeros(size.n_outputs)

    def restore(self) -> None:
        """Put weights, traces and membranes back to the start."""
        self._synapses.weight.copy_(self._start)
        self._learner.reset()
        self._refractory.reset()
        functional.reset_net(self._nodes)
        self._current = torch.zeros_like(self._current)

    @torch.inference_mode()
    def advance(self) -> tuple[IntArray, torch.Tensor]:
        """One environment step; a current acts one dt after its spikes, which the learner sees at once."""
        spikes = self._encode(self.loop.observation)
        weight, reward = self._synapses.weight, float(self.loop.td_error[0])
        bounds = self.size.gain * wl.W_MIN, self.size.gain * wl.W_MAX
        counts = torch.zeros(self.size.n_outputs)
        for row in spikes.to(torch.float32)[:, 0]:
            counts += self._refractory(self._current)
            self._current = self._synapses(row)
            weight += self._learner.step(reward, on_grad=False, scale=self._rate)
            weight.clamp_(*bounds)
        return group_counts(counts[None], self.size), spikes.sum()

    def change(self) -> tuple[float, float]:
        """Return the weight change in units of w."""
        return change(self._synapses.weight, self._start, self.size.gain)


def _forward(size: wl.Size, seed: int) -> ForwardRunner:
    nodes = _neurons()
    refractory = Refractory(nodes)

    def reset() -> None:
        refractory.reset()
        functional.reset_net(nodes)

    return ForwardRunner(size, seed, _name(), refractory, reset)


def build(seed: int, **options: str) -> LoopRunner:
    """Build the workload in SpikingJelly (options: those of `workload.Size`; ``rule`` none: forward only)."""
    size = wl.Size.of(options)
    return _forward(size, seed) if options.get("rule") == "none" else SpikingjellyRunner(size, seed)
