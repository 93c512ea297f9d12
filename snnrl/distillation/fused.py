"""A student that trains faster on a CPU: everything between two convolutions in two loops over memory.

What `TernaryConv2d`, `StepNorm`, `Interleave` and the sparsity penalty do in some twenty passes over all
activations is done in two forward and two backward; spikes go to the next convolution as bfloat16, which
holds them and the sums exactly. Spikes, losses and gradients are those of `Student` up to rounding; outside
`train()` mode it is `Student` itself.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from snnrl.engines.fast.cache import load_module
from snnrl.networks.truenorth.layers import StepNorm, TernaryConv2d
from snnrl.networks.truenorth.students import Block, Student


class FusedStudent(Student):
    """`Student` with a faster `train()` mode; for one or two threads."""

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits ``[batch, actions]``."""
        if not self.training:
            return super().forward(frames)
        with torch.autocast("cpu", enabled=False):
            x, self.rates = frames.float(), []
            for block in self.layer_blocks:
                x, rate = _run_block(block, x)
                self.rates.append(rate)
            return self.readout(x.float())  # type: ignore[no-any-return]


def _run_block(block: Block, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the spikes of a block, interleaved, and how often each feature fired."""
    conv, layer = block.conv, block.conv.place.layer
    _settle(conv)
    weight = _Straight.apply(conv.shadow, conv.weight, x.dtype)
    sums = functional.conv2d(x, weight, None, layer.stride, layer.padding, groups=layer.groups)
    sums = sums.contiguous(memory_format=torch.channels_last)
    spikes, rate = _Fire.apply(sums, block.step.bias, block.step, layer.groups)
    return spikes, rate


@torch.no_grad()
def _settle(conv: TernaryConv2d) -> None:
    assert conv.shadow.stride() == conv.weight.stride()
    h = conv.hysteresis
    _kernel().settle(_flat(conv.shadow), _flat(conv.weight), 0.5 - h, 0.5 + h)


class _Straight(torch.autograd.Function):
    """The weights, whose gradient goes to the hidden ones as it is."""

    @staticmethod
    def forward(context: Any, shadow: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
        return weight.to(dtype, copy=True)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0].float(), None, None


class _Fire(torch.autograd.Function):
    """Normalisation by the batch, step, interleaving, and the rate of every feature."""

    @staticmethod
    def forward(
        context: Any, sums: Tensor, bias: Tensor, step: StepNorm, groups: int
    ) -> tuple[Tensor, Tensor]:
        kernel, places = _kernel(), _places(sums)
        low, features = sums.dtype == torch.bfloat16, sums.shape[1]
        words = np.empty(features, np.uint32)
        mean, variance = np.empty(features), np.empty(features)
        kernel.statistics(places, low, words, words.view(np.float32), mean, variance)
        inverse = (1 / np.sqrt(variance + step.eps)).astype(np.float32)
        _remember(step, mean, variance)
        centre, offset = mean.astype(np.float32), bias.detach().numpy()
        spikes = torch.empty_like(sums, dtype=torch.bfloat16)
        counts, row = np.empty(features, np.float32), np.empty(features, np.uint16)
        kernel.fire(
            places, low, words, words.view(np.float32), inverse, offset - centre * inverse, groups, row,
            _places(spikes), counts,
        )  # fmt: skip
        context.save_for_backward(sums, bias)
        context.rest = (centre, inverse, groups)
        rate = torch.from_numpy(_interleaved(counts / np.float32(len(places)), groups))
        return spikes, rate

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        sums, bias = context.saved_tensors
        centre, inverse, groups = context.rest
        places, features = _places(sums), sums.shape[1]
        low = sums.dtype == torch.bfloat16
        spikes = gradients[0].contiguous(memory_format=torch.channels_last)
        extra = gradients[1].numpy().reshape(-1, groups).T.ravel() / np.float32(len(places))
        words, wide = np.empty(features, np.uint32), np.empty(features, np.float32)
        total, product = np.empty(features, np.float32), np.empty(features, np.float32)
        out = torch.empty_like(sums)
        _kernel().backward(
            places, low, _places(spikes), extra, groups, centre, inverse, bias.detach().numpy(), words,
            words.view(np.float32), wide, total, product, _places(out),
        )  # fmt: skip
        return out, torch.from_numpy(total), None, None


@torch.no_grad()
def _remember(step: StepNorm, mean: NDArray[np.float64], variance: NDArray[np.float64]) -> None:
    step.mean.lerp_(torch.from_numpy(mean.astype(np.float32)), step.momentum)
    step.variance.lerp_(torch.from_numpy(variance.astype(np.float32)), step.momentum)


def _interleaved(values: NDArray[np.float32], groups: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(values.reshape(groups, -1).T.ravel())


def _flat(tensor: Tensor) -> NDArray[np.float32]:
    """Return the memory of a dense tensor in whatever order it stands."""
    return np.asarray(torch.as_strided(tensor.detach(), (tensor.numel(),), (1,)).numpy())


def _places(maps: Tensor) -> NDArray[np.unsignedinteger[Any]]:
    """Return the memory of maps ``[batch, features, side, side]``, channels last, as bits ``[places, features]``."""
    assert maps.is_contiguous(memory_format=torch.channels_last)
    rows = maps.detach().permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    bits = torch.int16 if maps.dtype == torch.bfloat16 else torch.int32
    unsigned = np.uint16 if maps.dtype == torch.bfloat16 else np.uint32
    return rows.view(bits).numpy().view(unsigned)


@cache
def _kernel() -> ModuleType:
    return load_module((Path(__file__).parent / "fused_kernel.py").read_text(encoding="utf-8"))
