"""Students as torch modules of any shape; trained, then folded to integers.

Import this module where torch is wanted; the package itself does not.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from snnrl.networks.truenorth.integer import MAX_PIXEL, IntegerLayer, IntegerNetwork
from snnrl.networks.truenorth.layers import HYSTERESIS, Interleave, OutputPopulations, StepNorm, TernaryConv2d
from snnrl.networks.truenorth.specs import Place, StudentSpec, student_spec

LOGIT_SCALE = 16.0
SPARSITY = 1e-4
"""Weight of the spike-sparsity penalty (McKinstry et al., eta)."""


class Student(nn.Module):
    """A network under the chip's constraints, trainable by gradients.

    Parameters
    ----------
    spec
        Its shapes, or the name of a student.
    n_actions
        Actions that share the last layer's features.
    logit_scale
        Logit of a population that spikes everywhere.
    signed_input
        Whether inputs are differences, -255 to 255; else pixels, 0 to 255.
    hysteresis
        Half width of the band in which a weight keeps its value.

    Notes
    -----
    ----- Inputs are the whole numbers themselves, not scaled: the batch normalisation of layer 1 takes their
    scale out, and sums stay whole numbers below 2**24, which float32 holds exactly. Outside `train()` mode
    its spikes are those of the integer network of `to_integer`.
    """

    def __init__(
        self,
        spec: StudentSpec | str,
        n_actions: int,
        logit_scale: float = LOGIT_SCALE,
        signed_input: bool = False,
        hysteresis: float = HYSTERESIS,
    ) -> None:
        super().__init__()
        self.spec = student_spec(spec) if isinstance(spec, str) else spec
        self.signed_input = signed_input
        self.blocks = nn.ModuleList(Block(place, hysteresis) for place in self.spec.places())
        self.readout = OutputPopulations(self.spec.output_features, n_actions, logit_scale)
        self.rates: list[Tensor] = []

    @property
    def layer_blocks(self) -> list[Block]:
        """The layers, in order."""
        return [block for block in self.blocks if isinstance(block, Block)]

    def spikes(self, frames: Tensor) -> list[Tensor]:
        """Return the spikes of every layer, interleaved, for frames ``[batch, channels, side, side]``."""
        x, found = frames.float(), []
        for block in self.layer_blocks:
            x = block(x)
            found.append(x)
        return found

    def forward(self, frames: Tensor) -> Tensor:
        """Return the logits ``[batch, actions]``."""
        found = self.spikes(frames)
        self.rates = [spikes.mean(dim=(0, 2, 3)) for spikes in found] if self.training else []
        return self.readout(found[-1])  # type: ignore[no-any-return]

    def sparsity_penalty(self, eta: float = SPARSITY) -> Tensor:
        """Return ``eta/2`` times the sum over features of their squared mean activation in the last batch.

        McKinstry et al., "Experiments". Zero before a first batch in `train()` mode.
        """
        return 0.5 * eta * sum((rate.square().sum() for rate in self.rates), torch.zeros(()))

    def to_integer(self) -> IntegerNetwork:
        """Return the student as integers, with batch normalisation folded into whole thresholds."""
        layers = tuple(block.to_integer() for block in self.layer_blocks)
        readout = self.readout
        return IntegerNetwork(self.spec, layers, readout.n_actions, self.signed_input, readout.scale)


class Block(nn.Module):
    """One layer: convolution, step, interleaving."""

    def __init__(self, place: Place, hysteresis: float) -> None:
        super().__init__()
        layer = place.layer
        self.conv = TernaryConv2d(place, hysteresis)
        self.step = StepNorm(layer.features)
        self.interleave = Interleave(layer.features, layer.groups)

    def forward(self, x: Tensor) -> Tensor:
        """Return the spikes, interleaved."""
        return self.interleave(self.step(self.conv(x)))  # type: ignore[no-any-return]

    def to_integer(self) -> IntegerLayer:
        """Return ternary weights, and batch normalisation and step folded into whole thresholds."""
        self.conv.settle()
        place = self.conv.place
        weights = self.conv.weight.detach().cpu().numpy().astype(np.int8)
        return IntegerLayer(
            weights, self.step.thresholds(place.fan_in * (MAX_PIXEL if place.index == 1 else 1))
        )
