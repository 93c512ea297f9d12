"""Weights of few bits as torch parametrizations: the layer computes with few values, learning moves hidden ones.

Each parametrization stands between a hidden full-precision weight (the *shadow weight*) and the one that the layer uses.
The gradient reaches the shadow weight as it is (straight through). Sources: BinaryConnect, Courbariaux, Bengio & David
(2015), arXiv 1511.00363, Algorithm 1; Green et al. (2018), Algorithm 1 and Eq. 3; ternary: Li, Zhang & Liu (2016), arXiv
1605.04711, Eq. 6; k bits: Zhou et al. (2016), arXiv 1606.06160 (DoReFa), Eq. 5.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from snnrl.errors import InvalidValueError
from snnrl.plasticity.low_precision.stacked import StackedLinear, WeightLayer

LIMIT = 1.0
"""Shadow weights stay within plus or minus this."""
TERNARY_THRESHOLD = 0.7
"""Times the mean size of a layer's weights: below it a ternary weight is zero (Li et al. 2016, Eq. 6)."""
MOST_BITS = 16


class _Straight(torch.autograd.Function):
    """Takes one value forwards and hands the gradient to another unchanged."""

    @staticmethod
    def forward(context: Any, shadow: Tensor, used: Tensor) -> Tensor:
        return used.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class FewValues(nn.Module):
    """A parametrization whose `values` are used forwards and whose gradient goes straight through."""

    def values(self, shadow: Tensor) -> Tensor:
        """Return the weights that the layer uses."""
        raise NotImplementedError

    def forward(self, shadow: Tensor) -> Tensor:
        """Return the weights that the layer uses, with the shadow weights' gradient."""
        used: Tensor = _Straight.apply(shadow, self.values(shadow.detach()))
        return used

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return shadow weights to begin with: the weights themselves, within the limit."""
        return weight.clamp(-LIMIT, LIMIT)


class Binary(FewValues):
    """+1 for a shadow weight of at least 0, else -1 (Green et al. 2018, Eq. 3)."""

    def values(self, shadow: Tensor) -> Tensor:
        """Return the signs."""
        return signs(shadow)


class Ternary(FewValues):
    """-1, 0 or +1: zero where a shadow weight is smaller than `TERNARY_THRESHOLD` times the layer's mean size."""

    def values(self, shadow: Tensor) -> Tensor:
        """Return -1, 0 and +1."""
        size = shadow.abs()
        return torch.where(size > TERNARY_THRESHOLD * size.mean(), signs(shadow), torch.zeros_like(shadow))


class KBit(FewValues):
    """``2^bits`` equally spaced values from -1 to +1; one bit is `Binary`.

    Parameters
    ----------
    bits
        1 to 16.

    Raises
    ------
    InvalidValueError
        If it is none of those.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        if type(bits) is not int or not 1 <= bits <= MOST_BITS:
            raise InvalidValueError("bits", bits, f"a whole number from 1 to {MOST_BITS}")
        self.steps = 2**bits - 1

    def values(self, shadow: Tensor) -> Tensor:
        """Return the nearest of the values."""
        if self.steps == 1:
            return signs(shadow)
        share = (shadow.clamp(-LIMIT, LIMIT) + LIMIT) / (2.0 * LIMIT)
        used: Tensor = torch.round(share * self.steps) / self.steps * (2.0 * LIMIT) - LIMIT
        return used


class OfEach(FewValues):
    """Another parametrization for each of several networks side by side (`StackedLinear`).

    Parameters
    ----------
    single
        Applied to every network's weights on their own.
    """

    def __init__(self, single: FewValues) -> None:
        super().__init__()
        self.single = single

    def values(self, shadow: Tensor) -> Tensor:
        """Return the weights that the layers use."""
        used: Tensor = torch.vmap(self.single.values)(shadow)
        return used


def signs(x: Tensor) -> Tensor:
    """Return +1 where a number is at least 0, else -1."""
    return torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))


class _BinaryActivation(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return signs(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (x,) = context.saved_tensors
        passed: Tensor = gradients[0] * (x.abs() <= 1.0)
        return passed


class BinaryActivation(nn.Module):
    """The sign of a unit's input; the gradient is that of the hard tanh.

    Hubara et al. (2016), "Binarized Neural Networks", arXiv 1602.02830, Eq. 4: it stops where the input is beyond 1.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return +1 and -1."""
        y: Tensor = _BinaryActivation.apply(x)
        return y


def weighted_layers(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Give the layers that have a weight matrix or kernels, with their names."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d | WeightLayer):
            yield name, module


def parametrise(network: nn.Module, parametrization: FewValues) -> None:
    """Let every layer of a network compute with few values; biases stay as they are.

    Raises
    ------
    InvalidValueError
        If the network has no layer with weights, or one is parametrised already.
    """
    layers = list(weighted_layers(network))
    if not layers:
        raise InvalidValueError("network", type(network).__name__, "a network with Linear or Conv2d layers")
    for name, layer in layers:
        if parametrize.is_parametrized(layer, "weight"):
            raise InvalidValueError(f"layer {name or type(layer).__name__}", "parametrised", "a plain layer")
        own = copy.deepcopy(parametrization)
        own = OfEach(own) if isinstance(layer, StackedLinear) else own
        parametrize.register_parametrization(layer, "weight", own)


def shadow_weights(network: nn.Module) -> Iterator[nn.Parameter]:
    """Give the hidden full-precision weights of all parametrised layers."""
    for _, layer in weighted_layers(network):
        if parametrize.is_parametrized(layer, "weight"):
            held = layer.get_submodule("parametrizations.weight")
            if isinstance(held.get_submodule("0"), FewValues):
                yield held.get_parameter("original")


def keep_within_limit(network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Clip the shadow weights after every step of an optimiser (Green et al. 2018, Algorithm 1, step 3).

    Beyond the limit a shadow weight changes nothing that the layer computes, and would only take longer to come back.
    """

    def clip(*_: object) -> None:
        with torch.no_grad():
            for weight in shadow_weights(network):
                weight.clamp_(-LIMIT, LIMIT)

    optimiser.register_step_post_hook(clip)
