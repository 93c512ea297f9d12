"""Numbers of `SRM0ActorCritic` by task: those that learn, found on seeds below 100,000, and those that were retrieved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PAPER_KERNELS: dict[str, float] = {"tau_kappa": 0.2, "nu_kappa": 0.05, "tau_gamma": 0.05, "nu_gamma": 0.02}
"""Kernels of value and action, as four re-implementations agree on them."""
PAPER_RING: dict[str, float] = {"w_minus": -60.0, "w_plus": 30.0, "zeta": 2.0}

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "linear-track": {
        "cells": (15,),
        "reach": (1.15,),
        "width": 1.0,
        "input_rate": 1000.0,
        "zero_rate": 60.0,
        "value_scale": 0.02,
        "start_rate": 10.0,
        "tau_r": 1.0,
        "critic_eta": 1e-3,
        "actor_eta": 3e-2,
        "critic_weight": 0.95,
        "actor_weight": 0.85,
        "weight_std": 0.1,
        "w_minus": -60.0,
        "zeta": 4.0,
        **PAPER_KERNELS,
    },
    "acrobot": {
        "cells": (5,),
        "reach": (0.9,),
        "value_scale": 0.0218,
        "zero_rate": 20.0,
        "start_rate": 30.0,
        "tau_kappa": 0.055,
        "nu_kappa": 0.01375,
        "critic_eta": 8.8e-4,
        "actor_eta": 1.4e-3,
        "critic_weight": 0.4,
        "actor_weight": 0.454,
        "weight_std": 0.0187,
        "w_minus": -28.0,
        "rest_threshold": 0.1,
    },
}
"""What differs from the defaults, which are those of the cart-pole."""

RETRIEVED: Mapping[str, Mapping[str, Any]] = {
    "cartpole": {
        "cells": (5, 7, 7, 7),
        "scale": (2.5, 1.25, 0.45, 1.98),
        "reach": (1.0,),
        "width": 1.0,
        "input_rate": 70.0 * (2.5066282746310002**4),
        "critic_size": 50,
        "actor_size": 60,
        "zero_rate": 20.0,
        "start_rate": 20.0,
        "tau_r": 1.0,
        "critic_eta": 1e-3,
        "actor_eta": 5e-4,
        "critic_weight": 0.5,
        "actor_weight": 0.5,
        "weight_std": 0.1,
        **PAPER_KERNELS,
        **PAPER_RING,
    },
}
"""Sizes, rates, weights and kernels of public re-implementations (facts, sections 1.1 to 1.5); the reward's scale is ours."""
