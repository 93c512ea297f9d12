"""The trainable parts of a student, in torch: steps, ternary weights, grouped convolutions, read-out.

Source: Esser et al., *Convolutional networks for fast, energy-efficient neuromorphic computing*, PNAS
113:11441 (2016) [EEDN], as McKinstry et al. use it ("Low Precision Networks for Energy Efficient Hardware").
Import this module where torch is wanted; the package itself does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.folding import fold_thresholds
from snnrl.networks.truenorth.integer import interleaved
from snnrl.networks.truenorth.specs import MAX_FAN_IN, Place

HYSTERESIS = 0.1
"""Half width of the band around +-0.5 in which a weight keeps its value (EEDN)."""
EPS = 1e-4
MOMENTUM = 0.1


class _Step(torch.autograd.Function):
    """``r >= 0`` with the slope ``max(0, 1 - |r|)``."""

    @staticmethod
    def forward(context: Any, response: Tensor) -> Tensor:
        context.save_for_backward(response)
        return (response >= 0).to(response.dtype)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (response,) = context.saved_tensors
        slope: Tensor = response.abs().neg_().add_(1).clamp_(min=0)  # in place: memory traffic is the cost
        return slope.mul_(gradients[0])


def binary_step(response: Tensor) -> Tensor:
    """Return 1 where the filter response is at least 0, else 0; backwards a triangle of width 1 (EEDN).

    The paper's text has lost the rest of ``dy/dr = max(0, 1 - |r|)``.
    """
    return _Step.apply(response)  # type: ignore[no-any-return]


def ternary(shadow: Tensor, before: Tensor, hysteresis: float = HYSTERESIS) -> Tensor:
    """Return weights in {-1, 0, 1} for shadow weights in [-1, 1].

    ::

        -1  if shadow <= -0.5 - h;   0 if |shadow| <= 0.5 - h;   1 if shadow >= 0.5 + h;   else as before
    """
    size = shadow.abs()
    settled = torch.where(size >= 0.5 + hysteresis, shadow.sign(), torch.zeros_like(shadow))
    return torch.where((size > 0.5 - hysteresis) & (size < 0.5 + hysteresis), before, settled)


class TernaryConv2d(nn.Module):
    """Grouped convolution with ternary weights; gradients go to shadow weights (EEDN).

    Parameters
    ----------
    place
        Shape of the layer and of what it reads.
    hysteresis
        Half width of the band in which a weight keeps its value.

    Raises
    ------
    InvalidValueError
        A neuron of a layer on the chip would have more than 128 inputs.
    """

    weight: Tensor

    def __init__(self, place: Place, hysteresis: float = HYSTERESIS) -> None:
        super().__init__()
        if place.index > 1 and place.fan_in > MAX_FAN_IN:
            raise InvalidValueError(f"fan-in of layer {place.index}", place.fan_in, f"at most {MAX_FAN_IN}")
        layer = place.layer
        shape = (layer.features, place.channels_per_group, layer.kernel, layer.kernel)
        self.place, self.hysteresis = place, hysteresis
        self.shadow = nn.Parameter(torch.empty(shape).uniform_(-1, 1))
        self.register_buffer("weight", self.shadow.detach().round())

    @torch.no_grad()
    def settle(self) -> None:
        """Clip the shadow weights to [-1, 1] and switch the weights that have left their band."""
        self.shadow.clamp_(-1, 1)
        self.weight.copy_(ternary(self.shadow, self.weight, self.hysteresis))

    def forward(self, x: Tensor) -> Tensor:
        """Return the sums; gradients are taken at the ternary weights and given to the shadow weights.

        Under `torch.autocast` the layers on the chip use its type, and their sums stay exact: at most 128 in
        size, and bfloat16 holds whole numbers up to 256. Layer 1 has larger sums and stays in float32.
        """
        if self.training:
            self.settle()
        weight = self.weight + (self.shadow - self.shadow.detach()) if self.training else self.weight
        layer, device = self.place.layer, x.device.type
        low = torch.is_autocast_enabled(device) and self.place.index > 1
        with torch.autocast(device, torch.get_autocast_dtype(device), enabled=low):
            sums = functional.conv2d(x, weight, None, layer.stride, layer.padding, groups=layer.groups)
        return sums.float()


class StepNorm(nn.Module):
    """Batch normalisation without a scale, a bias per feature, and the binary step (EEDN).

    Parameters
    ----------
    features
        Channels.
    eps
        Added to the variance under the root; without it a dead feature has no finite gradient.
    momentum
        Weight of a batch in the running mean and variance.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, features: int, eps: float = EPS, momentum: float = MOMENTUM) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))

    def forward(self, sums: Tensor) -> Tensor:
        """Return spikes, 0 or 1, for sums ``[batch, features, side, side]``."""
        if self.training:
            return binary_step(self._normalise_batch(sums))
        # Operation by operation as `folding.fires`: a fused expression would round differently.
        centred = sums - self.mean[:, None, None]
        scaled = centred / (self.variance + self.eps).sqrt()[:, None, None]
        return binary_step(scaled + self.bias[:, None, None])

    def _normalise_batch(self, sums: Tensor) -> Tensor:
        """Return the response with the batch's own statistics, by the fused operation, and remember them."""
        unit = torch.ones_like(self.bias)
        response, mean, inverse = torch.native_batch_norm(
            sums, unit, self.bias, None, None, True, 0.0, self.eps
        )
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.variance.lerp_(inverse.pow(-2).sub_(self.eps).clamp_(min=0), self.momentum)
        return response

    @torch.no_grad()
    def settle(self, sums: Iterable[Tensor]) -> None:
        """Replace mean and variance by those of all these sums, each ``[batch, features, side, side]``."""
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for part in sums:
            each = part.double()
            count += each.numel() // each.shape[1]
            total, squares = total + each.sum((0, 2, 3)), squares + each.square().sum((0, 2, 3))
        mean = total / count
        self.mean.copy_(mean)
        self.variance.copy_((squares / count - mean.square()).clamp(min=0))

    def thresholds(self, largest: int) -> NDArray[np.int32]:
        """Return the whole threshold of every feature; see `fold_thresholds`."""
        mean, variance, bias = (
            t.detach().cpu().numpy().astype(np.float32) for t in (self.mean, self.variance, self.bias)
        )
        return fold_thresholds(mean, variance, bias, self.eps, largest)


class Interleave(nn.Module):
    """The order of features between layers: each group of the next reads from as many groups as it can."""

    order: Tensor

    def __init__(self, features: int, groups: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.from_numpy(interleaved(features, groups)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[batch, features, side, side]`` in the order in which the next layer reads."""
        return x[:, self.order]


class OutputPopulations(nn.Module):
    """Logits from spikes: ``scale`` times the mean over an action's share of the channels, all places.

    A mean between 0 and 1 cannot make a sharp softmax, hence the scale.

    Parameters
    ----------
    features
        Channels; what cannot be shared out evenly is not read.
    n_actions
        Actions.
    scale
        Logit of a population that spikes everywhere.

    Raises
    ------
    InvalidValueError
        There are more actions than features.
    """

    def __init__(self, features: int, n_actions: int, scale: float) -> None:
        super().__init__()
        if not 1 <= n_actions <= features:
            raise InvalidValueError(
                "n_actions", n_actions, f"1 to {features}, the features of the last layer"
            )
        self.n_actions, self.size, self.scale = n_actions, features // n_actions, scale

    def forward(self, spikes: Tensor) -> Tensor:
        """Return the logits ``[batch, actions]`` for spikes ``[batch, features, side, side]``."""
        read = spikes[:, : self.n_actions * self.size]
        return self.scale * read.reshape(len(read), self.n_actions, -1).mean(dim=2)
