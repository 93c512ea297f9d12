"""Weights of Stable-Baselines3 policies, by the names they have in a policy's state dict, as a `DenseNetwork`.

Names of version 2: ``mlp_extractor.policy_net.0.weight`` and so on. Only arrays come in; Stable-Baselines3 is not needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.dense import (
    NATURE_CONVOLUTIONS,
    Activation,
    Conv2d,
    DenseNetwork,
    Flatten,
    Layer,
    Linear,
    Shape,
)

Arrays = Mapping[str, NDArray[Any]]

TRUNK = "trunk"
"""Name of the hidden layers in a features extractor of `snnrl.training.dense_sb3`."""
_KNOWN = re.compile(
    r"(q_net(_target)?\.)?((pi_|vf_)?features_extractor\.(cnn\.\d+|linear\.0|trunk\.\d+)|q_net\.\d+"
    r"|mlp_extractor\.(policy|value)_net\.\d+|action_net|value_net)\.(weight|bias)"
)


def policy_network(
    arrays: Arrays, activation: str, observation_shape: Shape, observation_scale: ArrayLike | None = None
) -> DenseNetwork:
    """Return the network of an ``MlpPolicy`` or ``CnnPolicy`` of A2C, PPO or DQN.

    Parameters
    ----------
    arrays
        The policy's state dict.
    activation
        ``relu`` or ``tanh``, between the fully connected layers; the Nature CNN has ReLU everywhere.
    observation_shape
        Shape of one observation; images ``(channels, height, width)``.
    observation_scale
        What an observation is divided by.

    Raises
    ------
    InvalidValueError
        If the policy has parts that a `DenseNetwork` has not; the first is named.
    """
    for name in arrays:
        if not _KNOWN.fullmatch(name):
            allowed = "an MlpPolicy or CnnPolicy of A2C, PPO or DQN for discrete actions"
            raise InvalidValueError("parameter of a Stable-Baselines3 policy", name, allowed)
    build = _Builder(arrays, activation, len(observation_shape))
    if any(name.startswith("q_net.q_net.") for name in arrays):
        policy = (*build.features("q_net.features_extractor."), *build.chain("q_net.q_net.", last=False))
        return DenseNetwork(observation_shape, policy, (), _scale(observation_scale), q_values=True)
    trunks = {head: build.features(f"{head}_features_extractor.") for head in ("pi", "vf")}
    if all(_same(arrays, head) for head in ("pi", "vf")):
        trunks["pi"] = trunks["vf"] = build.features("features_extractor.")
    policy = (*trunks["pi"], *build.chain("mlp_extractor.policy_net."), build.linear("action_net"))
    value = (*trunks["vf"], *build.chain("mlp_extractor.value_net."), build.linear("value_net"))
    return DenseNetwork(observation_shape, policy, value, _scale(observation_scale))


def _scale(scale: ArrayLike | None) -> NDArray[np.float64] | None:
    return None if scale is None else np.asarray(scale, dtype=np.float64)


def _same(arrays: Arrays, head: str) -> bool:
    """Say whether a head's features extractor is the common one; a state dict lists all three."""
    prefix = f"{head}_features_extractor."
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    common = {
        name.partition(".")[2]: array
        for name, array in arrays.items()
        if name.startswith("features_extractor.")
    }
    return own.keys() <= common.keys() and all(np.array_equal(own[name], common[name]) for name in own)


class _Builder:
    """Layers out of named arrays."""

    def __init__(self, arrays: Arrays, activation: str, dimensions: int) -> None:
        self.arrays, self.activation, self.dimensions = arrays, activation, dimensions

    def linear(self, name: str) -> Linear:
        return Linear(self._get(f"{name}.weight"), self._get(f"{name}.bias"))

    def _get(self, name: str) -> NDArray[Any]:
        if name not in self.arrays:
            raise InvalidValueError(
                "parameters of a Stable-Baselines3 policy", f"none named {name}", "all of them"
            )
        return self.arrays[name]

    def _places(self, prefix: str) -> Sequence[int]:
        """Return the numbers of the layers under a prefix, ascending."""
        names = (name.removeprefix(prefix) for name in self.arrays if name.startswith(prefix))
        return sorted({int(name.partition(".")[0]) for name in names})

    def chain(self, prefix: str, last: bool = True) -> list[Layer]:
        """Return fully connected layers, each followed by the activation; the last one only if asked for."""
        layers: list[Layer] = []
        for place in self._places(prefix):
            layers += [self.linear(f"{prefix}{place}"), Activation(self.activation)]
        return layers if last else layers[:-1]

    def features(self, prefix: str) -> list[Layer]:
        """Return a features extractor: the Nature CNN, a trunk of our own, or flattening where there is need of it."""
        if any(name.startswith(f"{prefix}cnn.") for name in self.arrays):
            return self._nature(prefix)
        flat: list[Layer] = [Flatten()] if self.dimensions > 1 else []
        return flat + self.chain(f"{prefix}{TRUNK}.")

    def _nature(self, prefix: str) -> list[Layer]:
        layers: list[Layer] = []
        places = self._places(f"{prefix}cnn.")
        if len(places) != len(NATURE_CONVOLUTIONS):
            allowed = f"{len(NATURE_CONVOLUTIONS)}, those of the Nature CNN"
            raise InvalidValueError("convolutions of a Stable-Baselines3 policy", len(places), allowed)
        for place, (_, _, stride) in zip(places, NATURE_CONVOLUTIONS, strict=True):
            name = f"{prefix}cnn.{place}"
            layers += [
                Conv2d(self._get(f"{name}.weight"), self._get(f"{name}.bias"), stride),
                Activation("relu"),
            ]
        return [*layers, Flatten(), self.linear(f"{prefix}linear.0"), Activation("relu")]
