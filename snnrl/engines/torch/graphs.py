"""CUDA graphs: an environment step recorded once and replayed, without a launch per operation.

A recorded graph reads and writes fixed memory. So the state lives in fixed tensors: what changed elsewhere (encoder,
third factor, new episodes) is copied into them before a replay, and the end of the recorded step copies the new state
back. Random numbers follow the clock's tensor of steps, which is fixed memory too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from snnrl.engines.tensors.scope import Learning

if TYPE_CHECKING:
    from snnrl.engines.torch.simulator import TorchSimulator

Recorder = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes what is to be done, without doing it, and returns what does it again and again."""

_WARM_UP = 3
"""Runs before recording, in which libraries set themselves up; the number of torch's documentation."""


def cuda_recorder(body: Callable[[], None]) -> Callable[[], None]:
    """Record the CUDA work of ``body``."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            body()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        body()
    replay: Callable[[], None] = graph.replay
    return replay


class WindowGraphs:
    """The environment step of a simulator as graphs: one per phase and per way of learning.

    Parameters
    ----------
    simulator
        Whose state and statements.
    recorder
        How to record.
    """

    def __init__(self, simulator: TorchSimulator, recorder: Recorder = cuda_recorder) -> None:
        self.simulator, self.recorder = simulator, recorder
        self.fixed: dict[str, dict[str, Tensor]] = {}
        self.supplied: dict[str, Tensor] = {}
        self.mask = torch.zeros(simulator.n_agents, dtype=torch.bool, device=simulator.device)
        self._replays: dict[tuple[str, str], Callable[[], None]] = {}

    def advance(self, learning: Learning, supplied: Mapping[str, Tensor]) -> None:
        """Run an environment step."""
        if not self.fixed:
            self._fix()
        for name, buffer in self.supplied.items():
            buffer.copy_(supplied[name]) if name in supplied else buffer.zero_()
        if isinstance(learning, Tensor):
            self.mask.copy_(learning)
        self._enter()
        kind = "some" if isinstance(learning, Tensor) else str(learning)
        key = (self.simulator.prefix, kind)
        if key not in self._replays:
            self._replays[key] = self._recorded(self.mask if kind == "some" else learning)
        self._replays[key]()
        self.simulator.clock.offset = self.simulator.network.env_steps
        self._load()

    def _fix(self) -> None:
        """Set fixed memory aside."""
        simulator = self.simulator
        for population in simulator.populations.values():
            full = population.history + simulator.network.env_steps
            empty = torch.zeros_like(population.active)
            population.record = [empty] * (full - len(population.record)) + population.record
        self.fixed = {
            part: {name: x.clone(memory_format=torch.contiguous_format) for name, x in owner.state().items()}
            for part, owner in simulator.parts.items()
        }
        for name in simulator.clamped:
            shape = (simulator.network.env_steps, simulator.part(name).size)
            self.supplied[name] = torch.zeros(shape, dtype=torch.bool, device=simulator.device)

    def _enter(self) -> None:
        """Copy what changed since the last environment step into fixed memory."""
        for part, owner in self.simulator.parts.items():
            for name, x in owner.state().items():
                if x is not self.fixed[part][name]:
                    self.fixed[part][name].copy_(x)
        self._load()

    def _load(self) -> None:
        for part, owner in self.simulator.parts.items():
            owner.load(self.fixed[part])

    def _recorded(self, learning: Learning) -> Callable[[], None]:
        """Record an environment step; warming up changes the state, which is put back."""
        before = {part: {n: x.clone() for n, x in state.items()} for part, state in self.fixed.items()}

        def body() -> None:
            self._load()
            self.simulator.clock.offset = 0
            self.simulator.advance_parts(learning, self.supplied)
            for part, owner in self.simulator.parts.items():
                for name, x in owner.state().items():
                    self.fixed[part][name].copy_(x)

        replay = self.recorder(body)
        for part, state in before.items():
            for name, x in state.items():
                self.fixed[part][name].copy_(x)
        return replay
