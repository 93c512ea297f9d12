"""The bindsnet engine against the dense reference, and at home among BindsNET's own tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from snnrl.equations.lower import lower
from snnrl.model import Network, Neurons, Synapses
from snnrl.networks.populations import poisson_cells

