"""The value that a critic gives to the places of the linear track."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.registry import make_session
from snnrl.engines.session import Session
from snnrl.model import AgentModel, TDError
from snnrl.tasks import LinearTrack, TaskKernel, rewards
from snnrl.tasks.base import Vector

FloatArray = NDArray[np.float64]
PLACES = 41
"""Places at which the value is read."""
HELD, SETTLING = 30, 10
"""Steps at each place, and those of them that the filters are given to settle."""


def walk_reset(state: Vector, uniforms: Vector, p: Vector) -> None:
    """Begin at the left end; the second variable counts steps."""
    state[0] = -p[0]
    state[1] = 0.0


def walk_step(state: Vector, action: int, p: Vector) -> bool:
    """Stay at a place for ``p[2]`` steps, then go on to the next of ``p[1]``."""
    state[1] += 1.0
    state[0] = -p[0] + 2.0 * p[0] * min(math.floor(state[1] / p[2]), p[1] - 1.0) / (p[1] - 1.0)
    return False


@dataclass(frozen=True)
class TrackWalk(LinearTrack):
    """A walk over the track that no action changes: it waits at each place until the critic has settled."""

    name: ClassVar[str] = "linear-track-walk"

    @property
    def max_steps(self) -> int:
        """Every place, held."""
        return PLACES * HELD

    def kernel(self) -> TaskKernel:
        """Give the walk as plain functions."""
        numbers = np.array([self.length / 2, PLACES, HELD])
        kernel = super().kernel()
        return dataclasses.replace(kernel, step=walk_step, reset=walk_reset, state_size=2, parameters=numbers)


def places(task: LinearTrack) -> FloatArray:
    """Return the places at which the value is read, metres from the middle, shape ``[PLACES]``."""
    return np.linspace(-task.length / 2, task.length / 2, PLACES)


def values(model: AgentModel, seeds: list[int], learned: Session | None = None) -> FloatArray:
    """Return the value of every place with plasticity off, ``[agents, PLACES]``.

    Parameters
    ----------
    model, seeds
        The agents.
    learned
        Where what they have learned comes from; None: agents that have not learned anything.
    """
    task = TrackWalk()
    walk = make_session("fast", model, task, rewards.make("environment").bind(task), seeds, 1, "float64")
    if learned is not None:
        walk.take_learned(learned.save())
    walk.begin_evaluation(1)
    read = []
    for agent in range(len(seeds)):
        _, trace = walk.record_episode(agent, learning=False, exploration=0.0)
        read.append(trace[:, 0].reshape(PLACES, HELD)[:, SETTLING:].mean(axis=1))
    return np.array(read)


def closed_value(task: LinearTrack, model: AgentModel, position: FloatArray) -> FloatArray:
    """Return the value of running straight to the goal: ``gamma**(d - 1) - 1``, d steps away from it."""
    assert isinstance(model.signal, TDError)
    steps = np.maximum((task.length / 2 - position) / task.stride, 1.0)
    return np.asarray(model.signal.gamma ** (steps - 1.0) - 1.0)
