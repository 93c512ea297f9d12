"""Low precision for dense policies: fewer bits, shared values or fewer weights, and what they cost.

`cost` is plain arithmetic. Everything else needs torch and is imported when it is asked for:
``from snnrl.plasticity.low_precision.weights import binarise``.
"""

from snnrl.plasticity.low_precision.cost import (
    TABLE_I,
    Cost,
    LayerSize,
    Precision,
    SpikingSize,
    compression_rate,
    cost,
    scale_cost,
    spiking_cost,
)

__all__ = [
    "TABLE_I",
    "Cost",
    "LayerSize",
    "Precision",
    "SpikingSize",
    "compression_rate",
    "cost",
    "scale_cost",
    "spiking_cost",
]
