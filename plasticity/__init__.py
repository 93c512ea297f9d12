"""Reward-driven plasticity: learning rules, memristive devices, programming pulses, synapse storage.

``rules`` says what change a synapse wants, ``devices`` what a memristor does under a pulse, ``pulses`` what
pulse a spike makes, and ``plastic_synapses`` joins a rule and a storage into a :class:`snnrl.model.Synapses`.
"""

from snnrl.plasticity import devices, pulses, rules
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.crossbar import Crossbar
from snnrl.plasticity.device import Device
from snnrl.plasticity.membrane_gradient import MembraneGradient
from snnrl.plasticity.memristive import (
    IdealWeights,
    MemristiveOffset,
    MemristivePair,
    Storage,
    plastic_synapses,
)
from snnrl.plasticity.nanocomposite import Nanocomposite
from snnrl.plasticity.parylene import Parylene
from snnrl.plasticity.pulses import Exponential, Rectangular, Triangular
from snnrl.plasticity.rules import RSTDP, TDLTP, PolicyGradient, Rule, RuleText
from snnrl.plasticity.vteam import VTEAM

__all__ = [
    "RSTDP",
    "TDLTP",
    "VTEAM",
    "Al2O3",
    "Crossbar",
    "Device",
    "Exponential",
    "IdealWeights",
    "MembraneGradient",
    "MemristiveOffset",
    "MemristivePair",
    "Nanocomposite",
    "Parylene",
    "PolicyGradient",
    "Rectangular",
    "Rule",
    "RuleText",
    "Storage",
    "Triangular",
    "devices",
    "plastic_synapses",
    "pulses",
    "rules",
]
