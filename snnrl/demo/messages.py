"""What the simulation and its spectators tell each other: commands one way, frames the other way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Value = str | float | bool | None
REMEMBERED = 60
"""Episodes whose lengths a frame tells."""


@dataclass(frozen=True)
class Command:
    """Something to do between two environment steps.

    Parameters
    ----------
    name
        ``nudge`` (add to a state variable), ``set`` (move a slider), ``learning`` and ``pause`` (switches), ``reward``
        (a name), ``reset`` (begin an episode), ``forget`` (all weights), ``restore`` (the weights at first), ``clear``
        (the clock's counts), ``stop``.
    value
        The number, name or switch.
    target
        The state variable or the slider.
    """

    name: str
    value: Value = None
    target: str = ""


@dataclass(frozen=True)
class Clock:
    """How simulated time goes with wall time.

    Parameters
    ----------
    simulated, wall
        Seconds since the clock was cleared; time spent paused counts in neither.
    ratio
        Simulated seconds per wall second over the last seconds.
    asked
        The same as asked for; 0: as fast as it can.
    late_p50, late_p99
        Step jitter: how much later than due the last environment steps began, seconds.
    missed, steps
        Environment steps whose action came after their deadline, and all steps, since the clock was cleared.
    deadline
        Wall seconds from one environment step to the next, 0 where there is none.
    """

    simulated: float = 0.0
    wall: float = 0.0
    ratio: float = 0.0
    asked: float = 1.0
    late_p50: float = 0.0
    late_p99: float = 0.0
    missed: int = 0
    steps: int = 0
    deadline: float = 0.02


@dataclass(frozen=True)
class Books:
    """What the agent has done, and how it is set.

    Parameters
    ----------
    episode, episode_step
        Finished episodes, and steps of the present one.
    last_length, best_length, recent_length
        Steps of the last finished episode, of the longest one, and the mean of the last 20.
    solved_at
        Episodes after which the task was solved, -1: not yet.
    spikes
        Spikes of the whole network per environment step, over the steps of the frame.
    writes
        Programming pulses of all devices so far, -1 for synapses without devices.
    learning, paused
        Switches.
    reward
        Name of the reward function.
    sliders
        Value of every slider by name.
    kicks
        Nudges so far.
    lengths
        Steps of the last finished episodes, at most `REMEMBERED`, int32.
    """

    episode: int
    episode_step: int
    last_length: int
    best_length: int
    recent_length: float
    solved_at: int
    spikes: float
    writes: int
    learning: bool
    paused: bool
    reward: str
    sliders: dict[str, float]
    kicks: int
    lengths: NDArray[np.int32]


@dataclass(frozen=True)
class Steps:
    """The environment steps of a frame, k of them; spikes are packed.

    Parameters
    ----------
    start, dt_steps
        First dt of the frame since the network began, and how many dt it covers.
    end
        Last dt of each environment step since the network began, ``[k]``.
    state
        The task's state variables after each step, ``[k, variables]``.
    action, reward, value, td_error
        ``[k]``; value and TD error are NaN without a critic.
    ended
        1 where the episode ended with the step, ``[k]``.
    spikes
        ``dt * neurons + neuron`` of every spike, dt from ``start`` on, neurons of all populations end to end, uint32.
    membranes
        The chosen membranes in every dt, ``[dt_steps, chosen]``.
    skipped
        Environment steps before these that no frame shows.
    """

    start: int
    dt_steps: int
    end: NDArray[np.int64]
    state: FloatArray
    action: NDArray[np.int8]
    reward: FloatArray
    value: FloatArray
    td_error: FloatArray
    ended: NDArray[np.uint8]
    spikes: NDArray[np.uint32]
    membranes: FloatArray
    skipped: int = 0


@dataclass(frozen=True)
class WeightMap:
    """All plastic synapses at one moment.

    Parameters
    ----------
    weights
        ``[target neurons, source neurons]``, in units of the largest weight, -1 to 1.
    written
        Programming pulses of each synapse since the last map, ``[target neurons, source neurons]``, at most 255.
    """

    weights: FloatArray
    written: NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """What a spectator sees at once.

    Parameters
    ----------
    number
        Frames are numbered from 1 on without gaps.
    steps
        Environment steps since the frame before; none while paused.
    books, clock
        Where the agent and its clock stand.
    weights
        Now and then, the synapses.
    wall
        When the frame was made, seconds of `time.monotonic`.
    """

    number: int
    steps: Steps | None
    books: Books
    clock: Clock
    weights: WeightMap | None
    wall: float


@dataclass(frozen=True)
class Population:
    """One band of the raster: in words, its neurons, and its kind: ``input``, ``critic``, ``action 0``, ``other``."""

    label: str
    size: int
    kind: str


@dataclass(frozen=True)
class Setup:
    """What does not change while a demo runs; sent once, before the first frame.

    Parameters
    ----------
    task, title, caption, lasting
        Name of the task, the page's title, the words under the drawing, and those before the time of an episode.
    view
        What is seen of the drawing: left, right, bottom, top.
    dt, env_step
        Seconds.
    populations
        In the order of the spikes' neurons.
    membranes
        Place of the population of each recorded membrane.
    targets
        Place of the population, and neurons, of each band of rows of the weight map, from the first row on.
    sources
        Columns of the weight map.
    devices
        Span of a device's conductance in siemens; 0: weights are plain numbers.
    critic
        Whether there are value and TD error.
    max_steps
        Steps of a full episode.
    rewards
        Formula of every reward function there is to choose from, by name.
    sliders, buttons
        What can be moved and pressed: the fields of `snnrl.demo.scenes.Slider` and `Button`.
    realtime
        Whether the speed is bound to wall time.
    """

    task: str
    title: str
    caption: str
    lasting: str
    view: tuple[float, float, float, float]
    dt: float
    env_step: float
    populations: tuple[Population, ...]
    membranes: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]
    sources: int
    devices: float
    critic: bool
    max_steps: int
    rewards: dict[str, str]
    sliders: tuple[dict[str, Any], ...]
    buttons: tuple[dict[str, Any], ...]
    realtime: bool = False
