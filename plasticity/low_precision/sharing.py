"""Weights that share a few values, and weights that are pruned.

Sharing: Han, Mao & Dally (2016), "Deep Compression", arXiv 1510.00149; Green et al. (2018), Algorithm 2. Pruning: torch's own
``torch.nn.utils.prune``; Green et al. (2018), Algorithm 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from snnrl.errors import InvalidValueError
from snnrl.plasticity.low_precision.stacked import StackedLinear
from snnrl.plasticity.low_precision.weights import weighted_layers


class SharedValues(nn.Module):
    """A parametrization that draws a layer's weights from a list of k learned values.

    Every weight keeps the value that it was given when it was clustered. The gradient of a value is the sum of those of its
    weights, which is what autograd makes of an index.

    Parameters
    ----------
    place
        Which value each weight has, of the shape of the weights.
    k
        Number of values.
    """

    place: Tensor

    def __init__(self, place: Tensor, k: int) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("place", place)

    def forward(self, values: Tensor) -> Tensor:
        """Return the weights for the values ``[k]``."""
        return values[self.place]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Return the mean of the weights that share each value, ``[k]``."""
        total = torch.zeros(self.k, dtype=weight.dtype).index_add_(0, self.place.flatten(), weight.flatten())
        count = torch.bincount(self.place.flatten(), minlength=self.k).to(weight.dtype)
        return total / count.clamp(min=1)


def share(network: nn.Module, k: int, seed: int = 0) -> None:
    """Cluster the weights of every layer into k values with k-means, and let each cluster learn as one.

    Biases stay as they are. Make a new optimiser afterwards: the values are new parameters. Networks side by side
    (`StackedLinear`) have k values each.

    Parameters
    ----------
    network
        Changed in place.
    k
        Values per layer.
    seed
        Of the first guess of k-means (k-means++), of networks side by side that of the first; the next have the next.

    Raises
    ------
    InvalidValueError
        If k is below 1, or a layer has fewer different weights.
    """
    if type(k) is not int or k < 1:
        raise InvalidValueError("k", k, "a whole number >= 1")
    for name, layer in list(weighted_layers(network)):
        each = _matrices(layer)
        different = min(len(torch.unique(weight)) for weight in each)
        if different < k:
            raise InvalidValueError("k", k, f"at most {different}, the different weights of layer {name}")
        places = [
            torch.tensor(clusters(weight.double().numpy(), k, seed + index) + index * k)
            for index, weight in enumerate(each)
        ]
        place = torch.stack(places).reshape(layer.get_parameter("weight").shape)
        parametrize.register_parametrization(layer, "weight", SharedValues(place, k * len(each)))


def _matrices(layer: nn.Module) -> list[Tensor]:
    """Return the weights of a layer, one matrix for each network side by side."""
    weight = layer.get_parameter("weight").detach()
    return list(weight) if isinstance(layer, StackedLinear) else [weight]


def clusters(weights: NDArray[np.float64], k: int, seed: int = 0) -> NDArray[np.int64]:
    """Return which of k clusters each number belongs to, flat, by k-means."""
    _, place = kmeans2(weights.reshape(-1, 1), k, iter=100, minit="++", rng=seed, missing="raise")
    return np.asarray(place, dtype=np.int64)


def prune_smallest(network: nn.Module, percent: float) -> None:
    """Set the smallest weights of every layer to zero for good; biases stay as they are.

    Parameters
    ----------
    network
        Changed in place; the rest can be fine-tuned, the zeros stay.
    percent
        Percentile p of a layer's absolute weights below which they go, 0 to 100.

    Raises
    ------
    InvalidValueError
        If it is outside that.
    """
    if not 0.0 <= percent < 100.0:
        raise InvalidValueError("percent", percent, "0 to 100, 100 not included")
    method: Any = prune.L1Unstructured(amount=percent / 100.0)
    for _, layer in weighted_layers(network):
        each = _matrices(layer)
        masks = [method.compute_mask(weight, torch.ones_like(weight)) for weight in each]
        mask = torch.stack(masks).reshape(layer.get_parameter("weight").shape)
        prune.custom_from_mask(layer, "weight", mask)  # type: ignore[no-untyped-call]
