"""Surrogate gradients: a spike is a step function forward and has the derivative of a smooth one backward.

The comparisons in a threshold become numbers, 1 or 0, with a gradient with respect to the distance from where they
change; ``and``, ``or`` and ``not`` become arithmetic. Forward, the comparison itself decides, so the spikes are the
same. See Neftci, Mostafa and Zenke 2019 (IEEE Signal Processing Magazine 36:51, doi:10.1109/MSP.2019.2931595).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from snnrl.engines.tensors.expressions import GREATER, GREATER_EQUAL, Value, torch_functions
from snnrl.errors import InvalidValueError, UnknownNameError


def triangle(x: Tensor) -> Tensor:
    """``max(0, 1 - |x|)``: Bellec et al. 2018 (NeurIPS 31, section 2), without their damping factor."""
    return (1.0 - x.abs()).clamp(min=0.0)


def fast_sigmoid(x: Tensor) -> Tensor:
    """``1/(1 + |x|)**2``: SuperSpike, Zenke and Ganguli 2018 (Neural Computation 30:1514, section 3.1)."""
    return (1.0 + x.abs()).pow(-2)


def arctan(x: Tensor) -> Tensor:
    """``1/(1 + (pi x/2)**2)``: Fang et al. 2021 (ICCV, section 4.3), scaled to 1 at the threshold."""
    return 1.0 / (1.0 + (0.5 * math.pi * x).square())


SURROGATES: dict[str, Callable[[Tensor], Tensor]] = {
    "arctan": arctan,
    "fast-sigmoid": fast_sigmoid,
    "triangle": triangle,
}


@dataclass(frozen=True)
class Surrogate:
    """The derivative that stands in for that of a spike.

    Parameters
    ----------
    name
        ``"triangle"``, ``"fast-sigmoid"`` or ``"arctan"``.
    slope
        How steep, per unit of what the threshold compares: the derivative is ``g(slope * (u - threshold))``, 1 at the
        threshold.
    detach_reset
        Whether gradients pass by the reset, as Zenke and Vogels 2021 (Neural Computation 33:899) advise.
    """

    name: str = "fast-sigmoid"
    slope: float = 5.0
    detach_reset: bool = True

    def __post_init__(self) -> None:
        if self.name not in SURROGATES:
            raise UnknownNameError("engine.surrogate", self.name, SURROGATES)
        if not (self.slope > 0.0 and math.isfinite(self.slope)):
            raise InvalidValueError("Surrogate.slope", self.slope, "a positive number")

    def functions(self, dtype: torch.dtype) -> dict[str, Any]:
        """Return what functions and comparisons mean in a threshold."""

        def compared(condition: Callable[[Value, Value], Tensor]) -> Callable[[Value, Value], Tensor]:
            def spike(a: Value, b: Value) -> Tensor:
                return _as_tensor(_Spike.apply(a - b, condition(a, b), SURROGATES[self.name], self.slope))

            return spike

        def number(x: Value) -> Value:
            return x.to(dtype) if isinstance(x, Tensor) else float(x)

        return torch_functions(dtype) | {
            GREATER: compared(lambda a, b: a > b),
            GREATER_EQUAL: compared(lambda a, b: a >= b),
            "_and": lambda a, b: number(a) * number(b),
            "_or": lambda a, b: number(a) + number(b) - number(a) * number(b),
            "_not": lambda x: 1.0 - number(x),
        }

    def reset_gate(self, spikes: Tensor, new: Value, old: Tensor) -> Tensor:
        """Write ``new`` where a neuron spikes: what a reset does."""
        return gate(spikes.detach() if self.detach_reset else spikes, new, old)


def gate(spikes: Tensor, new: Value, old: Tensor) -> Tensor:
    """Return ``new`` where a neuron spikes, else ``old``, with gradients to all three."""
    if not isinstance(new, Tensor):
        new = torch.full((), new, dtype=old.dtype, device=old.device)
    shape = torch.broadcast_shapes(spikes.shape, new.shape, old.shape)  # type: ignore[no-untyped-call]
    return _as_tensor(_Gate.apply(*(x.to(old.dtype).expand(shape) for x in (spikes, new, old))))


class _Spike(torch.autograd.Function):
    """The condition as 1 or 0; backward, ``g(slope * distance)``."""

    @staticmethod
    def forward(
        ctx: Any, distance: Tensor, condition: Tensor, derivative: Callable[[Tensor], Tensor], slope: float
    ) -> Tensor:
        ctx.save_for_backward(distance)
        ctx.derivative, ctx.slope = derivative, slope
        return condition.to(distance.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (distance,) = ctx.saved_tensors
        return gradients[0] * ctx.derivative(ctx.slope * distance), None, None, None


class _Gate(torch.autograd.Function):
    """``spikes*new + (1 - spikes)*old`` without its rounding: forward, one of the two."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor, new: Tensor, old: Tensor) -> Tensor:
        chosen = spikes != 0.0
        ctx.save_for_backward(chosen, new - old)
        return torch.where(chosen, new, old)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        chosen, difference = ctx.saved_tensors
        (gradient,) = gradients
        return gradient * difference, torch.where(chosen, gradient, 0.0), torch.where(chosen, 0.0, gradient)


def _as_tensor(x: object) -> Tensor:
    assert isinstance(x, Tensor)
    return x
