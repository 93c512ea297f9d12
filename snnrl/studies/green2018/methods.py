"""What is done to a policy, and how it is updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snnrl.plasticity.low_precision import Precision
from snnrl.plasticity.low_precision.cost import WORD


@dataclass(frozen=True)
class Method:
    """What is done to a policy.

    Parameters
    ----------
    title
        The paper's name.
    figure
        Of the paper; 0: in all of them, or in none.
    bits
        Of a weight from the beginning: 32, or 1 to 16 for as many equally spaced values from -1 to +1.
    ternary
        Weights are -1, 0 and +1 from the beginning.
    binary_units
        Outputs of the hidden units are -1 and +1.
    shared, pruned
        After half of the episodes: the weights of a layer share a few values; its smallest weights go.
    """

    title: str
    figure: int = 0
    bits: int = WORD
    ternary: bool = False
    binary_units: bool = False
    shared: bool = False
    pruned: bool = False

    @property
    def few(self) -> bool:
        """Whether weights have few values from the beginning."""
        return self.ternary or self.bits < WORD

    def precision(self, k: int) -> Precision:
        """Return how such a policy is stored and computed, for its cost.

        Parameters
        ----------
        k
            Values that the weights of a layer share.
        """
        return Precision(
            weight_bits=2 if self.ternary else self.bits,
            ternary=self.ternary,
            shared=k if self.shared else 0,
            pruned=self.pruned,
            binary_inputs=self.binary_units,
        )


METHODS: Mapping[str, Method] = {
    "full": Method("FP+VPG"),
    "binary-connect": Method("BinaryConnect+VPG", 3, bits=1),
    "binary-net": Method("BinaryNet+VPG", 4, bits=1, binary_units=True),
    "compressed": Method("Compression+VPG", 5, shared=True),
    "pruned": Method("Pruning+VPG", 6, pruned=True),
    "ternary": Method("Ternary+VPG", ternary=True),
    "2-bit": Method("2 bits+VPG", bits=2),
    "4-bit": Method("4 bits+VPG", bits=4),
    "8-bit": Method("8 bits+VPG", bits=8),
}
"""The paper's own have a figure; ternary weights and those of 2 to 8 bits are not in it."""


@dataclass(frozen=True)
class Update:
    """How a policy learns: fields of `snnrl.networks.dense_options.Vpg`.

    Parameters
    ----------
    title
        For people.
    options
        By name.
    falling
        Whether step size and weight of the entropy fall linearly, to 0 at the last episode.
    scaled
        Whether the logits of policies with few values from the beginning have a learned scale of full precision, which begins
        at 1 over the root of the hidden units: sums of signs are as large as that, and a softmax of them explores nothing.
    """

    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    falling: bool = False
    scaled: bool = False


UPDATES: Mapping[str, Update] = {
    "plain": Update(
        "after every episode",
        {"batch": 1, "advantage": "reward-to-go", "normalise": True, "value_steps": 1},
    ),
    "repaired": Update(
        "after 16 episodes, with a critic, falling steps",
        {"batch": 16, "advantage": "gae", "normalise": True, "entropy": 0.01},
        falling=True,
        scaled=True,
    ),
}
"""``plain``: one update "at episode end" (Algorithm 2) without a critic, as VPG has it. What the paper leaves open is in the
docs. ``repaired``: less noisy advantages; steps that end, because a step of a hidden weight near 0 turns the sign that the
policy computes with, however small the gradient; entropy, without which some policies stop exploring Acrobot-v1 before they
have reached its goal once. Found on seeds below 100,000."""
