"""How an observation becomes spikes and spikes become values and actions.

Every encoder and decoder is a frozen dataclass with ``function``, a self-contained scalar Python function,
and ``packed()``, the numbers that function reads. The `fast` engine compiles the function's own text; every
other engine calls it. One equation, written once.
"""

from snnrl.coding.affine import AffineCode
from snnrl.coding.boxes import Boxes
from snnrl.coding.decoders import (
    ActionDecoder,
    FirstSpikeAction,
    PopulationValue,
    Readout,
    SoftmaxAction,
    SpikeCountAction,
)
from snnrl.coding.encoders import (
    Encoder,
    FirstSpikeLatency,
    GaussianPopulation,
    PlaceCells,
    SignedRate,
)

__all__ = [
    "ActionDecoder",
    "AffineCode",
    "Boxes",
    "Encoder",
    "FirstSpikeAction",
    "FirstSpikeLatency",
    "GaussianPopulation",
    "PlaceCells",
    "PopulationValue",
    "Readout",
    "SignedRate",
    "SoftmaxAction",
    "SpikeCountAction",
]
