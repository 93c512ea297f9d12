"""Initial values of a part for all agents of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from snnrl.engines.initial import initial_arrays
from snnrl.engines.tensors.clock import TensorClock
from snnrl.equations.lowered import LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import calls_random


def initial_tensors(part: LoweredNeurons | LoweredSynapses, clock: TensorClock) -> dict[str, Tensor]:
    """Return the initial values by variable, ``[agents, ...]``.

    Where nothing is random all agents begin alike: the tensors are views of one agent's values.
    """
    random = any(isinstance(text, str) and calls_random(text) for text in part.initial.values())
    seeds = clock.seeds if random else clock.seeds[:1]
    agents = [initial_arrays(part, int(seed)) for seed in seeds]
    result = {}
    for variable in agents[0]:
        stacked = torch.stack([torch.from_numpy(agent[variable]) for agent in agents])
        stacked = stacked.to(clock.device, clock.dtype)
        result[variable] = stacked.expand(clock.n_agents, *stacked.shape[1:])
    return result
