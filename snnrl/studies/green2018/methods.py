"""What is done to a policy, and how it is updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from snnrl.plasticity.low_precision import Precision


@dataclass(frozen=True)
class Method:
    """What is done to a policy.

    Parameters
    ----------
    title
        The paper's name.
    figure
        Of the paper; 0: in all of them.
    binary_weights, binary_units
        From the beginning: weights, and outputs of the hidden units, are -1 and +1.
    shared, pruned
        After half of the episodes: the weights of a layer share a few values; its smallest weights go.
    """

    title: str
    figure: int = 0
    binary_weights: bool = False
    binary_units: bool = False
    shared: bool = False
    pruned: bool = False

    def precision(self, k: int) -> Precision:
        """Return how such a policy is stored and computed, for its cost.

        Parameters
        ----------
        k
            Values that the weights of a layer share.
        """
        return Precision(
            weight_bits=1 if self.binary_weights else 32,
            shared=k if self.shared else 0,
            pruned=self.pruned,
            binary_inputs=self.binary_units,
        )


METHODS: Mapping[str, Method] = {
    "full": Method("FP+VPG"),
    "binary-connect": Method("BinaryConnect+VPG", 3, binary_weights=True),
    "binary-net": Method("BinaryNet+VPG", 4, binary_weights=True, binary_units=True),
    "compressed": Method("Compression+VPG", 5, shared=True),
    "pruned": Method("Pruning+VPG", 6, pruned=True),
}


@dataclass(frozen=True)
class Update:
    """How a policy learns: fields of `snnrl.networks.dense_options.Vpg`.

    Parameters
    ----------
    title
        For people.
    options
        By name.
    """

    title: str
    options: Mapping[str, Any] = field(default_factory=dict)


UPDATES: Mapping[str, Update] = {
    "plain": Update(
        "after every episode",
        {"batch": 1, "advantage": "reward-to-go", "normalise": True, "value_steps": 1},
    ),
    "repaired": Update(
        "after 16 episodes, advantages from a critic",
        {"batch": 16, "advantage": "gae", "normalise": True},
    ),
}
"""``plain``: one update "at episode end" (Algorithm 2) without a critic, as VPG has it. What the paper leaves open is in the
docs. ``repaired``: the same step size on less noisy advantages. Found on seeds below 100,000."""
