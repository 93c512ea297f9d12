"""What all parts share: agents, precision, device, the step, the learning signals and random numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from snnrl.engines.tensors import random
from snnrl.engines.tensors.expressions import Draw
from snnrl.equations.lowered import SHARED_SIGNALS

BLOCK = 2**20
"""Random numbers of a population are made for as many dt at once as keep below this many."""


class TensorClock:
    """Time and everything that is the same for all parts of a network, for a batch of agents.

    Attributes
    ----------
    steps
        Step of each dt of the environment step, int64 ``[dt steps]``.
    offset
        Number of the present dt within the environment step.
    prefix
        Put before the names of the random streams, see `snnrl.engines.simulator.Simulator.begin_phase`.
    signals, columns
        The shared names, ``[agents]`` each, and the same memory as ``[agents, 1]``.
    counts
        The numbers 0 to ``env_steps`` as tensors without dimensions, int32.
    """

    def __init__(self, seeds: Sequence[int], dt: float, env_steps: int, dtype: torch.dtype,
                 device: torch.device) -> None:  # fmt: skip
        self.seeds, self.dt, self.env_steps, self.dtype, self.device = seeds, dt, env_steps, dtype, device
        self.steps = torch.arange(env_steps, device=device)
        self.offset, self.prefix = 0, ""
        self.signals = {name: self.full(0.0) for name in SHARED_SIGNALS}
        self.signals["exploration"] = self.full(1.0)
        self.columns = {name: x.unsqueeze(-1) for name, x in self.signals.items()}
        self.counts = torch.arange(env_steps + 1, dtype=torch.int32, device=device).unbind()
        self._bases: dict[str, Tensor] = {}

    @property
    def n_agents(self) -> int:
        """Number of agents."""
        return len(self.seeds)

    def full(self, value: float, *shape: int) -> Tensor:
        """Return a tensor ``[agents, *shape]``."""
        return torch.full((self.n_agents, *shape), value, dtype=self.dtype, device=self.device)

    def begin_window(self, step: int) -> None:
        """Begin an environment step, whose first dt has this number."""
        self.steps.copy_(torch.arange(step, step + self.env_steps, device=self.device))
        self.offset = 0

    def advance(self) -> None:
        """End the present dt."""
        self.offset += 1

    def set_signals(self, values: dict[str, NDArray[np.float64]]) -> None:
        """Copy the learning signals, ``[agents]`` each, to the device."""
        for name, value in values.items():
            self.signals[name].copy_(torch.from_numpy(value))

    @property
    def t(self) -> Tensor:
        """Time at the start of the present dt, in seconds; a tensor without dimensions."""
        return ((self.steps[0] + self.offset).to(torch.float64) * self.dt).to(self.dtype)

    def bases(self, name: str) -> Tensor:
        """Return the bases of a stream of the present phase, int64 ``[agents]``."""
        name = self.prefix + name
        if name not in self._bases:
            self._bases[name] = random.stream_bases(self.seeds, name, self.device)
        return self._bases[name]

    def keys(self, name: str, steps: Tensor) -> Tensor:
        """Return the keys of a stream at these steps, int64 ``[*steps.shape, agents]``."""
        return random.step_keys(self.bases(name), steps)

    def numbers(self, draw: Draw, keys: Tensor, index: Tensor) -> Tensor:
        """Return the random numbers of a call; ``keys`` and ``index`` broadcast."""
        generate = random.normal if draw.normal else random.uniform
        return generate(keys, index, self.dtype)


class RandomBlock:
    """The random numbers of one call for one population, made for several dt at once.

    They depend on the step and the neuron alone, so it does not matter when they are made.
    """

    def __init__(self, clock: TensorClock, stream: str, draw: Draw, size: int) -> None:
        self.clock, self.draw, self.stream = clock, draw, f"{stream}/{draw.call}"
        self.index = torch.arange(size, dtype=torch.int32, device=clock.device)
        self.length = max(1, min(clock.env_steps, BLOCK // max(1, clock.n_agents * size)))
        self.first, self.values = -1, torch.empty(0)

    def forget(self) -> None:
        """Begin an environment step."""
        self.first = -1

    def now(self) -> Tensor:
        """Return the numbers of the present dt, ``[agents, neurons]``."""
        offset = self.clock.offset
        if self.first < 0 or offset >= self.first + self.length:
            self.first = offset
            steps = self.clock.steps[offset : offset + self.length]
            keys = self.clock.keys(self.stream, steps).unsqueeze(-1)
            self.values = self.clock.numbers(self.draw, keys, self.index)
        return self.values[offset - self.first]
