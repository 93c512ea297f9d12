"""`DenseActorCritic`: a policy and a value as a torch module, to be trained and then taken as plain data.

Only this module of `snnrl.networks` needs torch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.networks.dense import (
    ACTIVATIONS,
    IMAGE_SCALE,
    NATURE_CONVOLUTIONS,
    NATURE_HIDDEN,
    NATURE_SHAPE,
    Activation,
    Conv2d,
    DenseNetwork,
    Flatten,
    FloatArray,
    Layer,
    Linear,
    Shape,
)

_MODULES = {"relu": nn.ReLU, "tanh": nn.Tanh}


class DenseActorCritic(nn.Module):
    """Logits and value of an observation; ``trunk``, ``policy`` and ``value`` are chains of torch layers.

    `mlp` and `nature_cnn` give the usual ones.

    Parameters
    ----------
    observation_shape
        Shape of one observation; images are ``(channels, height, width)``.
    trunk
        Layers under both heads, may be empty.
    policy
        Layers from the trunk to the logits.
    value
        Layers from the trunk to the value; None for a network without a critic.
    observation_scale
        What an observation is divided by; None: as it comes.
    q_values
        The policy's outputs are action values, and the value is the largest of them.
    """

    def __init__(self, observation_shape: Shape, trunk: Iterable[nn.Module], policy: Iterable[nn.Module],
                 value: Iterable[nn.Module] | None, observation_scale: ArrayLike | None = None,
                 q_values: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.observation_shape, self.q_values = tuple(observation_shape), q_values
        self.trunk, self.policy = nn.Sequential(*trunk), nn.Sequential(*policy)
        self.value = None if value is None else nn.Sequential(*value)
        scale = None if observation_scale is None else torch.tensor(np.asarray(observation_scale, np.float32))
        self.register_buffer("observation_scale", scale)

    @classmethod
    def mlp(cls, n_inputs: int, n_actions: int, hidden: Sequence[int] = (64, 64), activation: str = "relu",
            shared: bool = False, observation_scale: ArrayLike | None = None,
            generator: torch.Generator | None = None) -> DenseActorCritic:  # fmt: skip
        """Return a network of fully connected layers with orthogonal initial weights.

        Parameters
        ----------
        n_inputs, n_actions
            Sizes of observation and output.
        hidden
            Sizes of the hidden layers of either head.
        activation
            ``relu`` or ``tanh``.
        shared
            Whether the hidden layers are a trunk under both heads.
        observation_scale
            What an observation is divided by.
        generator
            Source of the initial weights; None: torch's own.

        Raises
        ------
        UnknownNameError
            If the activation is not known.
        """
        if activation not in ACTIVATIONS:
            raise UnknownNameError("activation", activation, ACTIVATIONS)
        sizes = (n_inputs, *hidden)
        trunk, policy, value = (
            _hidden(sizes, activation) if used else [] for used in (shared, not shared, not shared)
        )
        network = cls((n_inputs,), trunk, [*policy, nn.Linear(sizes[-1], n_actions)],
                      [*value, nn.Linear(sizes[-1], 1)], observation_scale)  # fmt: skip
        return network.initialise(activation, generator)

    @classmethod
    def nature_cnn(cls, n_actions: int, observation_shape: Shape = NATURE_SHAPE,
                   generator: torch.Generator | None = None) -> DenseActorCritic:  # fmt: skip
        """Return the network of Mnih et al. (2015) for images of 0 to 255, with a policy and a value on its 512 units.

        Parameters
        ----------
        n_actions
            Number of actions.
        observation_shape
            ``(channels, height, width)``, at least 36 pixels on a side.
        generator
            Source of the initial weights; None: torch's own.

        Raises
        ------
        InvalidValueError
            If the images are too small.
        """
        if len(observation_shape) != 3 or min(observation_shape[1:]) < 36:
            allowed = "(channels, height, width) with at least 36 pixels on a side"
            raise InvalidValueError("observation shape of the Nature CNN", observation_shape, allowed)
        channels, *sides = observation_shape
        trunk: list[nn.Module] = []
        for filters, kernel, stride in NATURE_CONVOLUTIONS:
            trunk += [nn.Conv2d(channels, filters, kernel, stride), nn.ReLU()]
            channels, sides = filters, [(side - kernel) // stride + 1 for side in sides]
        trunk += [nn.Flatten(), nn.Linear(channels * math.prod(sides), NATURE_HIDDEN), nn.ReLU()]
        network = cls(observation_shape, trunk, [nn.Linear(NATURE_HIDDEN, n_actions)],
                      [nn.Linear(NATURE_HIDDEN, 1)], IMAGE_SCALE)  # fmt: skip
        return network.initialise("relu", generator)

    @classmethod
    def from_network(cls, network: DenseNetwork) -> DenseActorCritic:
        """Return the module of a network given as data, in float32."""
        shared = network.shared
        value = [_module(layer) for layer in network.value[shared:]] if network.value else None
        trunk, policy = network.policy[:shared], network.policy[shared:]
        return cls(network.observation_shape, map(_module, trunk), map(_module, policy), value,
                   network.observation_scale, network.q_values)  # fmt: skip

    def initialise(self, activation: str, generator: torch.Generator | None = None) -> DenseActorCritic:
        """Draw orthogonal weights: the activation's gain in hidden layers, 0.01 at the logits, 1 at the value.

        Saxe et al. (2014), arXiv 1312.6120; the small last layer makes the first policy nearly uniform.
        """
        last = {self.policy[-1]: 0.01} | ({} if self.value is None else {self.value[-1]: 1.0})
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                gain = last.get(module, nn.init.calculate_gain(activation))  # type: ignore[arg-type]
                nn.init.orthogonal_(module.weight, gain, generator)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        return self

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[batch, actions]`` and values ``[batch]``; without a critic the largest output."""
        features = self.features(observations)
        logits: Tensor = self.policy(features)
        if self.value is None:
            return logits, logits.max(dim=1).values
        return logits, self.value(features)[:, 0]

    def logits(self, observations: Tensor) -> Tensor:
        """Return the logits ``[batch, actions]`` alone."""
        logits: Tensor = self.policy(self.features(observations))
        return logits

    def features(self, observations: Tensor) -> Tensor:
        """Return what both heads see."""
        scale = self.observation_scale
        scaled = observations if scale is None else observations / scale  # type: ignore[operator]
        features: Tensor = self.trunk(scaled)
        return features

    def to_network(self) -> DenseNetwork:
        """Return the network as data.

        Raises
        ------
        InvalidValueError
            If a layer has no counterpart there.
        """
        trunk = [as_layer(module) for module in self.trunk]
        policy = [as_layer(module) for module in self.policy]
        value = () if self.value is None else (*trunk, *(as_layer(module) for module in self.value))
        scale: Any = self.observation_scale
        scale = None if scale is None else scale.detach().cpu().numpy()
        return DenseNetwork(self.observation_shape, (*trunk, *policy), value, scale, self.q_values)

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the parameters do not say, so that a saved state dict describes the whole network."""
        chains = {name: [_described(module) for module in chain or ()]
                  for name, chain in (("trunk", self.trunk), ("policy", self.policy), ("value", self.value))}  # fmt: skip
        return {"observation_shape": list(self.observation_shape), "q_values": self.q_values, **chains}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Refuse the state of a network with other layers.

        Raises
        ------
        InvalidValueError
            If it is one.
        """
        own = self.get_extra_state()
        if state != own:
            raise InvalidValueError("layers of the state dict", state, str(own))


def as_layer(module: nn.Module) -> Layer:
    """Return a torch layer as data.

    Raises
    ------
    InvalidValueError
        If it has no counterpart: only fully connected layers, convolutions, ReLU, tanh and flattening have.
    """
    if isinstance(module, nn.Linear):
        return Linear(_numbers(module.weight), _bias(module))
    if isinstance(module, nn.Conv2d):
        return _convolution(module)
    if isinstance(module, nn.Flatten) and module.start_dim == 1 and module.end_dim == -1:
        return Flatten()
    for kind, torch_class in _MODULES.items():
        if isinstance(module, torch_class):
            return Activation(kind)
    allowed = "Linear, Conv2d, ReLU, Tanh or Flatten(): nothing else has a spiking equivalent"
    raise InvalidValueError("layer", str(module), allowed)


def _convolution(module: nn.Conv2d) -> Conv2d:
    geometry = {"kernel_size": module.kernel_size, "stride": module.stride, "padding": module.padding}
    for name, pair in geometry.items():
        if isinstance(pair, str) or len(set(pair)) != 1:
            raise InvalidValueError(f"{name} of {module}", pair, "the same whole number in both directions")
    for name, got, plain in (
        ("dilation", module.dilation, (1, 1)),
        ("groups", module.groups, 1),
        ("padding_mode", module.padding_mode, "zeros"),
    ):
        if got != plain:
            raise InvalidValueError(f"{name} of {module}", got, repr(plain))
    return Conv2d(_numbers(module.weight), _bias(module), module.stride[0], int(module.padding[0]))


def _numbers(tensor: Tensor) -> FloatArray:
    return tensor.detach().cpu().double().numpy()


def _bias(module: nn.Linear | nn.Conv2d) -> FloatArray:
    return np.zeros(len(module.weight)) if module.bias is None else _numbers(module.bias)


def _module(layer: Layer) -> nn.Module:
    if isinstance(layer, Activation):
        return nn.ReLU() if layer.kind == "relu" else nn.Tanh()
    if isinstance(layer, Flatten):
        return nn.Flatten()
    out, inputs, *kernel = layer.weight.shape
    module: nn.Linear | nn.Conv2d = (
        nn.Conv2d(inputs, out, kernel[0], layer.stride, layer.padding)
        if isinstance(layer, Conv2d)
        else nn.Linear(inputs, out)
    )
    module.weight = nn.Parameter(torch.tensor(layer.weight, dtype=torch.float32))
    module.bias = nn.Parameter(torch.tensor(layer.bias, dtype=torch.float32))
    return module


def _described(module: nn.Module) -> list[Any]:
    """Return kind and geometry of a layer as texts and whole numbers."""
    layer = as_layer(module)
    if isinstance(layer, Activation):
        return [layer.kind]
    geometry = [layer.stride, layer.padding] if isinstance(layer, Conv2d) else []
    return [type(layer).__name__.lower(), *geometry]


def _hidden(sizes: Sequence[int], activation: str) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), _MODULES[activation]()]
    return layers
