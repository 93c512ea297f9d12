"""From layers of dense units and the range of their activations to an `AgentModel`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from snnrl.coding import AffineCode, PopulationValue, SpikeCountAction
from snnrl.conversion.layers import Affine, HiddenLayer, Layers, layers_of
from snnrl.conversion.options import CORRECTION_STEPS, ConversionOptions
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Network, Neurons, Pairs, RewardBaseline, Synapses, TDError
from snnrl.model.network import ALL_TO_ALL
from snnrl.networks.dense import DenseNetwork, FloatArray
from snnrl.networks.spiking_equivalent_neurons import (
    STEP,
    first_spike_neurons,
    integrators,
    plain_neurons,
    tracking_neurons,
)

LOGITS, VALUE = "logits", "value"
"""Populations that are read."""
MARGIN = 1.3
"""Tracking pairs of deeper layers reach this much beyond the range seen, to catch up with a layer below that is still speaking."""
_NARROWEST = 1e-3
"""Least range of a unit, as a share of the widest of its layer: units that were always silent may still speak."""


def spiking_equivalent(
    network: DenseNetwork, states: ArrayLike, options: ConversionOptions | None = None
) -> AgentModel:
    """Return a dense network as a spiking agent.

    Parameters
    ----------
    network
        Trained policy and value.
    states
        Observations that the network meets, ``[states, ...]``: the ranges of its activations are taken from them.
    options
        Number of steps, percentile, code and correction.

    Returns
    -------
    AgentModel
        Populations ``hidden_1``, ``hidden_2``, ... and the integrators ``logits`` and ``value``.

    Raises
    ------
    InvalidValueError
        If a layer has no spiking equivalent, or the steps are fewer than the layers.
    """
    options = ConversionOptions() if options is None else options
    layers = layers_of(network)
    if options.steps < len(layers.hidden):
        allowed = f"at least {len(layers.hidden)}, one for each hidden layer"
        raise InvalidValueError("steps", options.steps, allowed)
    flat = np.asarray(states, dtype=np.float64).reshape(len(np.asarray(states)), -1)
    if not np.isfinite(flat).all() or not len(flat):
        raise InvalidValueError("states", flat.shape, "observations to calibrate with, all finite")
    return _builder(layers, flat, options).agent()


def _builder(layers: Layers, states: FloatArray, options: ConversionOptions) -> _Builder:
    if options.code == "first-spike":
        return _FirstSpike(layers, states, options)
    return (_Tracking if options.correction else _SoftReset)(layers, states, options)


@dataclass(frozen=True)
class _Range:
    """Activations that the neurons of a layer can tell, ``[units]``."""

    low: FloatArray
    high: FloatArray


def _per_unit(activations: FloatArray, percentile: float) -> _Range:
    """Return the range of every unit, robust against rare states."""
    low, high = np.percentile(activations, [100.0 - percentile, percentile], axis=0)
    return _Range(low, np.maximum(high, low + _NARROWEST * max(float((high - low).max()), 1e-6)))


class _Builder:
    """What all codes share: encoder, readouts and the order of the layers."""

    copies, variable, spike = 1, "u", "w*q_pre"
    increment = "u_post"

    def __init__(self, layers: Layers, states: FloatArray, options: ConversionOptions) -> None:
        self.layers, self.options, self.depth = layers, options, len(layers.hidden)
        self.activations = layers.activations(states)
        self.ranges = [self.range(a) for a in self.activations]

    def range(self, activations: FloatArray) -> _Range:
        """Return what the neurons of a layer have to tell."""
        return _per_unit(activations, self.options.percentile)

    def agent(self) -> AgentModel:
        """Put everything together."""
        layers = self.layers
        hidden = [self.population(k, layer) for k, layer in enumerate(layers.hidden)]
        neurons, synapses = list(hidden), [self.between(k) for k in range(1, self.depth)]
        synapses += [s for k in range(self.depth) for s in self.within(k)]
        for name, readout in ((LOGITS, layers.policy), (VALUE, layers.value)):
            if readout is not None:
                source = readout.depth - 1
                neurons.append(integrators(name, self.base(readout.affine, source)))
                synapses.append(
                    self.connect(source, name, readout.affine, np.ones(len(readout.affine.bias)), "y_post")
                )
        n_actions = len(layers.policy.affine.bias)
        action = SpikeCountAction(tuple(f"{LOGITS}[{k}:{k + 1}]" for k in range(n_actions)), variable="y")
        value = PopulationValue(VALUE, variable="y") if layers.value is not None else None
        signal = RewardBaseline() if value is None else TDError(0.99)
        window = f"{self.options.steps}*({STEP})"
        return AgentModel(
            Network(tuple(neurons), tuple(synapses), STEP), self.encoder(), action, value, signal, window
        )

    def encoder(self) -> AffineCode:
        """Return the first layer: its current or its membrane, once per decision."""
        affine, gain = self.layers.hidden[0].affine, self.gain(0)
        weight, bias = affine.weight * gain[:, None], affine.bias * gain
        n = len(self.layers.scale)
        return AffineCode("hidden_1", self.variable, tuple(self.layers.scale), (False,) * n, 1.0,
                          tuple(map(tuple, weight)), tuple(bias), self.copies)  # fmt: skip

    def connect(self, source: int, target: str, affine: Affine, gain: FloatArray, write: str) -> Synapses:
        """Return the synapses from hidden layer ``source`` (from 0) to a population, weights times ``gain[target]``."""
        weight = np.tile(affine.weight * gain[:, None] * self.worth(source), (1, self.copies)).T
        connected = np.tile(affine.connected, (1, self.copies)).T
        if write == self.increment:
            weight, connected = np.tile(weight, (1, self.copies)), np.tile(connected, (1, self.copies))
        name = f"hidden_{source + 1}_{target}"
        whole = bool(connected.all())
        return Synapses(name, f"hidden_{source + 1}", target, "w : 1", f"{write} += {self.spike}",
                        initial={"w": weight if whole else weight[connected]},
                        connectivity=ALL_TO_ALL if whole else Pairs(*np.nonzero(connected)))  # fmt: skip

    def between(self, k: int) -> Synapses:
        """Return the synapses into hidden layer ``k`` (from 0)."""
        return self.connect(
            k - 1, f"hidden_{k + 1}", self.layers.hidden[k].affine, self.gain(k), self.increment
        )

    def within(self, k: int) -> list[Synapses]:
        """Return the synapses inside hidden layer ``k``."""
        return []

    def gain(self, k: int) -> FloatArray:
        """Return the unit of what hidden layer ``k`` integrates, per unit of the dense pre-activation."""
        return np.ones(self.layers.hidden[k].size)

    def worth(self, k: int) -> FloatArray:
        """Return what a spike of hidden layer ``k`` adds to the activation it tells, beside ``q``."""
        return np.ones(self.layers.hidden[k].size)

    def base(self, affine: Affine, source: int) -> FloatArray:
        """Return what a target of hidden layer ``source`` knows before the first spike."""
        return affine.bias + affine.weight @ self.silent(source)

    def silent(self, k: int) -> FloatArray:
        """Return the activations that hidden layer ``k`` tells without a spike."""
        return self.ranges[k].low

    def population(self, k: int, layer: HiddenLayer) -> Neurons:
        """Return the neurons of hidden layer ``k``."""
        raise NotImplementedError

    def start(self, k: int) -> FloatArray | None:
        """Return what hidden layer ``k`` integrates from; the encoder writes that of the first."""
        return None if k == 0 else self.base(self.layers.hidden[k].affine, k - 1)


class _Tracking(_Builder):
    """Rate code with residual membrane correction."""

    copies, spike = 2, "w*side_pre*q_pre"

    def silent(self, k: int) -> FloatArray:
        return 0.5 * (self.ranges[k].low + self.ranges[k].high)

    def population(self, k: int, layer: HiddenLayer) -> Neurons:
        active = self.options.steps - self.depth + 1  # a spike takes one dt to the next layer
        plateau = max(active - CORRECTION_STEPS, 0)
        # What the spikes of a neuron come to: half of the plateau suffices, so that the layer above hears the end of it.
        reach = 0.5 * plateau + 1.0 - 0.5 ** min(active, CORRECTION_STEPS)
        margin = 1.0 if k == 0 else MARGIN
        quantum = 0.5 * margin * (self.ranges[k].high - self.ranges[k].low) / reach
        return tracking_neurons(f"hidden_{k + 1}", layer.activation, self.start(k), self.silent(k), quantum, k,
                                k + active, plateau)  # fmt: skip

    def within(self, k: int) -> list[Synapses]:
        """Partners tell each other what they have said."""
        return [partners(f"hidden_{k + 1}", self.layers.hidden[k].size)]


class _FirstSpike(_Builder):
    """Time to first spike: the layers speak one after the other."""

    @property
    def window(self) -> int:
        """Length of a layer's window."""
        return self.options.steps // self.depth

    def population(self, k: int, layer: HiddenLayer) -> Neurons:
        quantum = (self.ranges[k].high - self.ranges[k].low) / self.window
        return first_spike_neurons(f"hidden_{k + 1}", layer.activation, self.start(k), self.ranges[k].low, quantum,
                                   k * self.window, self.window, 0.5 if self.options.correction else 0.0)  # fmt: skip


class _SoftReset(_Builder):
    """Plain integrate-and-fire neurons, from 0 to the largest activation of their unit (Rueckauer et al. 2017)."""

    variable, spike, increment = "current", "w", "arriving_post"

    def __init__(self, layers: Layers, states: FloatArray, options: ConversionOptions) -> None:
        super().__init__(layers, states, options)
        for k, layer in enumerate(layers.hidden):
            if layer.activation != "relu":
                allowed = "relu without correction: a plain neuron has no negative rate"
                raise InvalidValueError(f"hidden layer {k + 1}", layer.activation, allowed)

    def range(self, activations: FloatArray) -> _Range:
        found = _per_unit(activations, self.options.percentile)
        return _Range(np.zeros_like(found.low), found.high)

    def useful(self, k: int) -> int:
        """Return the number of dt in which spikes of hidden layer ``k`` still reach the readout."""
        return self.options.steps - (self.depth - 1 - k)

    def gain(self, k: int) -> FloatArray:
        return 1.0 / self.ranges[k].high

    def worth(self, k: int) -> FloatArray:
        return self.ranges[k].high / self.useful(k)

    def between(self, k: int) -> Synapses:
        affine = self.layers.hidden[k].affine
        gain = self.gain(k) * self.useful(k)
        return self.connect(k - 1, f"hidden_{k + 1}", affine, gain, self.increment)

    def population(self, k: int, layer: HiddenLayer) -> Neurons:
        current = None if k == 0 else layer.affine.bias * self.gain(k)
        return plain_neurons(f"hidden_{k + 1}", layer.size, current, k, self.options.reset)


def partners(population: str, units: int) -> Synapses:
    """Return the synapses by which the two neurons of each tracking pair share what they have told."""
    partner = (np.arange(2 * units) + units) % (2 * units)
    return Synapses(f"{population}_partners", population, population, on_pre="told_post += side_pre*q_pre", weights=(),
                    connectivity=Pairs(np.arange(2 * units), partner))  # fmt: skip
