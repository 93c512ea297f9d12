"""Layers that torch has not: of several networks side by side, and for inputs of which few are not zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn


class WeightLayer(nn.Module):
    """A layer with a weight matrix of full precision and with biases, whatever else."""

    weight: nn.Parameter
    bias: nn.Parameter


class StackedLinear(WeightLayer):
    """The fully connected layers of several networks: one step of all costs little more than that of one.

    Parameters
    ----------
    layers
        One of each network, all of one shape.

    Attributes
    ----------
    weight, bias
        ``[networks, outputs, inputs]`` and ``[networks, outputs]``.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[networks, rows, outputs]`` for ``[networks, rows, inputs]``."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


def stack(networks: Sequence[nn.Sequential]) -> nn.Sequential:
    """Return networks of one shape side by side; layers without weights are those of the first network."""
    layers: list[nn.Module] = []
    for same in zip(*networks, strict=True):
        linear = isinstance(same[0], nn.Linear)
        layers.append(StackedLinear(cast(Any, same)) if linear else same[0])
    return nn.Sequential(*layers)


class SparseLinear(WeightLayer):
    """A fully connected layer for inputs of which few are not zero, given as their places.

    Parameters
    ----------
    inputs, outputs
        Sizes.
    generator
        Source of the initial weights, uniform, such that a sum over ``active`` of them has a variance of 1.
    active
        Inputs that are usually not zero.

    Attributes
    ----------
    weight, bias
        ``[inputs, outputs]`` and ``[outputs]``.
    """

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, active: int) -> None:
        super().__init__()
        drawn = torch.rand(inputs, outputs, generator=generator)
        self.weight = nn.Parameter((2.0 * drawn - 1.0) * (3.0 / active) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, places: Tensor, offsets: Tensor, values: Tensor) -> Tensor:
        """Return ``[rows, outputs]``.

        Parameters
        ----------
        places, values
            Inputs that are not zero, row after row: which, and what they are.
        offsets
            Where each row begins, ``[rows]``.
        """
        summed: Tensor = nn.functional.embedding_bag(
            places, self.weight, offsets, mode="sum", per_sample_weights=values
        )
        return summed + self.bias
