"""What there is to see of environment steps: as they come out of the kernel, and packed for a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.messages import Steps


@dataclass(frozen=True)
class Step:
    """What there is to see of one environment step; times count dt from its beginning.

    Parameters
    ----------
    end
        dt since the network began, at its end.
    dt_steps
        How many dt it took.
    state
        State variables after it.
    numbers
        Action, reward, value, TD error.
    ended
        Whether the episode ended with it.
    times, neurons
        Of every spike; neurons of all populations end to end.
    membranes
        ``[dt_steps, chosen]``.
    """

    end: int
    dt_steps: int
    state: NDArray[np.float32]
    numbers: tuple[float, float, float, float]
    ended: bool
    times: NDArray[np.int64]
    neurons: NDArray[np.int64]
    membranes: NDArray[np.float32]


def pack(steps: Sequence[Step], neurons: int, skipped: int = 0) -> Steps:
    """Return the environment steps of one frame, at least one."""
    offsets = np.cumsum([0, *(step.dt_steps for step in steps)])
    times = np.concatenate([s.times + offset for s, offset in zip(steps, offsets, strict=False)])
    packed = times * neurons + np.concatenate([s.neurons for s in steps])
    numbers = np.array([s.numbers for s in steps], dtype=np.float32).T
    return Steps(
        start=steps[0].end - steps[0].dt_steps,
        dt_steps=int(offsets[-1]),
        end=np.array([s.end for s in steps]),
        state=np.array([s.state for s in steps]),
        action=numbers[0].astype(np.int8),
        reward=numbers[1],
        value=numbers[2],
        td_error=numbers[3],
        ended=np.array([s.ended for s in steps], dtype=np.uint8),
        spikes=packed.astype(np.uint32),
        membranes=np.concatenate([s.membranes for s in steps]),
        skipped=skipped,
    )
