"""What a decision of a policy costs: operations, parameter bits, energy and area.

Source: Green, Vineyard & Koc (2018), "Impacts of Mathematical Optimizations on Reinforcement Learning Policy
Performance": Table I (energy and area of operations, 45 nm, from Dally 2015) and Eq. 5 (compression rate).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from snnrl.errors import InvalidValueError
from snnrl.plasticity.validate import between, one_of, require

PICO, SQUARE_MICROMETRE = 1e-12, 1e-12
WORD = 32
"""Bits of a full-precision parameter, and of a memory read."""


@dataclass(frozen=True)
class Operation:
    """What one operation takes.

    Parameters
    ----------
    energy
        Joules.
    area
        Of the circuit that does it, square metres; 0 where Table I has none.
    """

    energy: float
    area: float


def _operation(picojoules: float, square_micrometres: float = 0.0) -> Operation:
    return Operation(PICO * picojoules, SQUARE_MICROMETRE * square_micrometres)


TABLE_I: Mapping[str, Operation] = MappingProxyType(
    {
        "8b add": _operation(0.03, 36),
        "16b add": _operation(0.05, 67),
        "32b add": _operation(0.1, 137),
        "16b float add": _operation(0.4, 1360),
        "32b float add": _operation(0.9, 4184),
        "8b multiply": _operation(0.2, 282),
        "32b multiply": _operation(3.1, 3495),
        "16b float multiply": _operation(1.1, 1640),
        "32b float multiply": _operation(3.7, 7700),
        "32b SRAM read": _operation(5),
        "32b DRAM read": _operation(640),
    }
)
"""Green et al. (2018), Table I."""
MEMORIES = {"SRAM": "32b SRAM read", "DRAM": "32b DRAM read"}


def compression_rate(n: int, k: int, bits: int = WORD) -> float:
    """Return by how much sharing values shrinks a layer: ``n b / (n log2(k) + k b)``, Eq. 5.

    Parameters
    ----------
    n
        Parameters of the layer.
    k
        Values that they share.
    bits
        Bits of a value, b.

    Raises
    ------
    InvalidValueError
        If a number is below 1.
    """
    for name, value in (("n", n), ("k", k), ("bits", bits)):
        if value < 1:
            raise InvalidValueError(f"compression_rate({name})", value, "a whole number >= 1")
    return n * bits / (n * math.log2(k) + k * bits)


@dataclass(frozen=True)
class LayerSize:
    """Numbers of a layer that its cost depends on.

    Parameters
    ----------
    weights
        Weights that are stored.
    outputs
        Units, each with a bias.
    uses
        How often each weight is used in a decision: 1 in a fully connected layer, the number of places in a
        convolution.
    kept
        Weights that are not zero; by default all.

    Raises
    ------
    InvalidValueError
        If more weights are kept than there are.
    """

    weights: int
    outputs: int
    uses: int = 1
    kept: int | None = None

    def __post_init__(self) -> None:
        require(self.kept is None or 0 <= self.kept <= self.weights, self, "kept", f"0 to {self.weights}")

    @property
    def active(self) -> int:
        """Weights that are not zero."""
        return self.weights if self.kept is None else self.kept


@dataclass(frozen=True)
class Precision:
    """How the numbers of a policy are stored and combined.

    Parameters
    ----------
    weight_bits
        Bits of a stored weight: 32, 1 for signs, 2 for ternary weights.
    ternary
        Whether weights are -1, 0 and +1: each adds, subtracts or is left out.
    shared
        Values that a layer's weights share, 0: each has its own.
    pruned
        Whether zeros are left out; where the others stand then takes one bit per weight.
    binary_inputs
        Whether the units of hidden layers are signs, so that their products are counts (BinaryNet).
    memory
        ``SRAM`` or ``DRAM``, where the parameters are.

    Raises
    ------
    InvalidValueError
        If a value is outside its range.
    """

    weight_bits: int = WORD
    ternary: bool = False
    shared: int = 0
    pruned: bool = False
    binary_inputs: bool = False
    memory: str = "SRAM"

    def __post_init__(self) -> None:
        between(self, "weight_bits", 1, WORD)
        require(not self.ternary or self.weight_bits == 2, self, "weight_bits", "2 for ternary weights")
        require(self.shared >= 0, self, "shared", "a whole number >= 0")
        one_of(self, "memory", MEMORIES)

    @property
    def sparse(self) -> bool:
        """Whether weights that are zero take no part."""
        return self.pruned or self.ternary

    @property
    def multiplies(self) -> bool:
        """Whether a weight times its input takes a multiplication; a sign only adds or subtracts.

        Weights of 2 to 16 bits are multiplied in full precision, as their inputs have it: they save memory alone.
        """
        return self.weight_bits > 1 and not self.ternary


@dataclass(frozen=True)
class Cost:
    """What one decision takes.

    Parameters
    ----------
    additions, multiplications
        Operations.
    parameter_bits
        Stored bits, codebooks and places of non-zero weights included.
    operation_energy, memory_energy
        Joules.
    area
        Of one adder and, where there is any, one multiplier of each kind, square metres.
    """

    additions: int = 0
    multiplications: int = 0
    parameter_bits: float = 0.0
    operation_energy: float = 0.0
    memory_energy: float = 0.0
    area: float = 0.0

    @property
    def energy(self) -> float:
        """Joules in all."""
        return self.operation_energy + self.memory_energy

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both; they share their circuits."""
        return Cost(
            self.additions + other.additions,
            self.multiplications + other.multiplications,
            self.parameter_bits + other.parameter_bits,
            self.operation_energy + other.operation_energy,
            self.memory_energy + other.memory_energy,
            max(self.area, other.area),
        )


def cost(layers: Iterable[LayerSize], precision: Precision) -> Cost:
    """Return what one decision of a policy takes.

    Every stored parameter is read once a decision, in words of 32 bits. Biases are full precision.

    Parameters
    ----------
    layers
        From the observation on.
    precision
        How their numbers are stored and combined.
    """
    total = Cost()
    for index, layer in enumerate(layers):
        total = total + _layer_cost(layer, precision, real_inputs=index == 0 or not precision.binary_inputs)
    return total


def _layer_cost(layer: LayerSize, precision: Precision, real_inputs: bool) -> Cost:
    products = layer.active * layer.uses
    additions = products + layer.outputs * layer.uses  # the bias is one more
    multiplications = products if precision.multiplies else 0
    # Sums of signs are whole numbers: at most the fan-in, which 16 bits hold.
    add = TABLE_I["32b float add" if real_inputs or precision.multiplies else "16b add"]
    multiply = TABLE_I["32b float multiply"]
    bits = _parameter_bits(layer, precision)
    return Cost(
        additions,
        multiplications,
        bits,
        additions * add.energy + multiplications * multiply.energy,
        bits / WORD * TABLE_I[MEMORIES[precision.memory]].energy,
        add.area + (multiply.area if multiplications else 0.0),
    )


def _parameter_bits(layer: LayerSize, precision: Precision) -> float:
    """Return the stored bits of a layer; for shared values the denominator of Eq. 5, and the biases."""
    biases = layer.outputs * WORD
    if precision.shared:
        return layer.weights * math.log2(precision.shared) + precision.shared * WORD + biases
    if precision.pruned:
        return layer.active * precision.weight_bits + layer.weights + biases
    return layer.weights * precision.weight_bits + biases


def scale_cost(outputs: int, memory: str = "SRAM") -> Cost:
    """Return what it takes to multiply outputs with one number of full precision."""
    multiply = TABLE_I["32b float multiply"]
    read = TABLE_I[MEMORIES[memory]].energy
    return Cost(0, outputs, WORD, outputs * multiply.energy, read, multiply.area)


@dataclass(frozen=True)
class SpikingSize:
    """Numbers of a spiking policy that its cost depends on.

    Parameters
    ----------
    weights, kept
        Weights that are stored, and those that are not zero.
    events
        Input spikes of a decision times the neurons that each leads to: weights that are used.
    updates
        Membranes that are brought forward by one time step in a decision.
    """

    weights: int
    kept: float
    events: float
    updates: float


def spiking_cost(size: SpikingSize, precision: Precision) -> Cost:
    """Return what one decision of a spiking policy takes, by the same Table I.

    An input spike adds a weight to a membrane, no product is needed; a weight of zero adds nothing. It reads the weight from
    memory each time. Sums of whole numbers fit 16 bits. A membrane's decay is one multiplication and one addition. What
    makes the input spikes is not counted, as what makes an observation is not.

    Parameters
    ----------
    size
        Of the policy.
    precision
        How its weights are stored.
    """
    events = size.events * size.kept / size.weights if precision.sparse else size.events
    whole = precision.weight_bits < WORD and not precision.shared
    add, membrane = TABLE_I["16b add" if whole else "32b float add"], TABLE_I["32b float add"]
    multiply = TABLE_I["32b float multiply"]
    word = math.log2(precision.shared) if precision.shared else precision.weight_bits
    bits = _parameter_bits(LayerSize(size.weights, 0, kept=round(size.kept)), precision)
    return Cost(
        round(events + size.updates),
        round(size.updates),
        bits,
        events * add.energy + size.updates * (membrane.energy + multiply.energy),
        events * word / WORD * TABLE_I[MEMORIES[precision.memory]].energy,
        membrane.area + multiply.area,
    )
