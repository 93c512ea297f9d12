"""Students that obey a TrueNorth chip: binary spikes, ternary weights, at most 128 inputs per neuron.

`specs` and `cores` know shapes and core counts, `integer` is a student of whole numbers, `student_file` its
packed file, `mapping` places it on cores, `core_file` keeps them, `checker` looks at such a file on its own.
All that is numpy. `layers` and `students` train in torch and are imported where they are wanted. Simulators
are `snnrl.engines.truenorth`.
"""

from __future__ import annotations

from snnrl.networks.truenorth.cores import CorePlan, plan_cores
from snnrl.networks.truenorth.integer import IntegerLayer, IntegerNetwork, random_network
from snnrl.networks.truenorth.specs import STUDENTS, LayerSpec, StudentSpec, student_spec

__all__ = [
    "STUDENTS",
    "CorePlan",
    "IntegerLayer",
    "IntegerNetwork",
    "LayerSpec",
    "StudentSpec",
    "plan_cores",
    "random_network",
    "student_spec",
]
