"""What a training run gives back: the record of every agent, one recorded episode, and progress on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from snnrl.training.config import TrainingConfig

__all__ = ["AgentRecord", "EpisodeRecording", "Progress", "TrainingConfig", "TrainingResult"]

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NEVER = -1
"""`AgentRecord.solved_at` of an agent that has not solved the task."""


def _no_rewards() -> FloatArray:
    return np.zeros(0)


@dataclass
class AgentRecord:
    """What one agent did.

    Parameters
    ----------
    seed
        Seed of the agent.
    episode_lengths
        Steps in each learning episode, ``[episodes]``.
    episode_rewards
        Sum of the rewards of each learning episode, ``[episodes]``.
    solved_at
        Learning episodes done when the task was solved, `NEVER` if it was not.
    evaluation_lengths
        Steps in each episode with plasticity off, ``[evaluation episodes]``, may be empty.
    spikes_per_step
        Spikes of the whole network per environment step, mean over the evaluation (over learning if there
        is none); NaN for a network that does not spike.
    writes_per_device
        Programming pulses per memristive device over learning, None for ideal synapses; crossbar networks count
        the changes of ideal pairs too.
    evaluation_rewards
        Sum of the rewards of each evaluation episode; empty if not recorded.
    """

    seed: int
    episode_lengths: IntArray
    episode_rewards: FloatArray
    solved_at: int
    evaluation_lengths: IntArray
    spikes_per_step: float
    writes_per_device: float | None = None
    evaluation_rewards: FloatArray = field(default_factory=_no_rewards)

    @property
    def solved(self) -> bool:
        """Whether the agent has solved the task."""
        return self.solved_at != NEVER


@dataclass
class EpisodeRecording:
    """One episode, spike by spike.

    Parameters
    ----------
    dt
        Time step of the network (s).
    env_step
        Network time per environment step (s).
    spikes
        Population name to spikes, ``[time steps, neurons]``, in the order they are drawn; the first is the
        input, one whose name holds "critic" is the critic, the others choose the actions in order.
    value, td_error
        Critic's value and TD error at each environment step, ``[steps]``; None without a critic.
    observation
        Observation at each environment step, ``[steps, variables]``.
    action, reward
        Action taken and reward received at each environment step, ``[steps]``.
    observation_names
        Each observation variable in words and with its unit, see `snnrl.tasks.Task.observation_labels`.
    observation_limits
        Magnitude at which the episode ends in failure, by label, see `snnrl.tasks.Task.observation_limits`;
        variables without a limit are left out.
    """

    dt: float
    env_step: float
    spikes: dict[str, BoolArray]
    value: FloatArray | None
    td_error: FloatArray | None
    observation: FloatArray
    action: IntArray
    reward: FloatArray
    observation_names: tuple[str, ...]
    observation_limits: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Wear:
    """What a run has cost its memristors.

    Parameters
    ----------
    writes
        Write pulses that each device has received over learning, ``[agents, devices]``.
    energy
        Energy that the arrays of the actors turn into heat for one decision of the evaluation, joule, ``[agents]``;
        NaN where there was none.
    """

    writes: IntArray
    energy: FloatArray


@dataclass
class TrainingResult:
    """Everything a training run found.

    Parameters
    ----------
    config
        What was asked.
    agents
        One record per seed.
    recording
        One evaluation episode of the first agent, None if not recorded.
    baselines
        ``"random"`` and ``"ase-ace"``, as far as they fit the task, to what `snnrl.studies.baselines` gives;
        None if not run.
    wall_time
        Seconds spent, over all interrupted parts.
    versions
        Versions of what computed it, see `snnrl.training.runfolder.versions`.
    wear
        What the devices went through; None without devices.
    """

    config: TrainingConfig
    agents: list[AgentRecord]
    recording: EpisodeRecording | None = None
    baselines: Mapping[str, Mapping[str, Any]] | None = None
    wall_time: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    wear: Wear | None = None


@dataclass(frozen=True)
class Progress:
    """Where a run stands, handed to the caller's ``progress`` function now and then.

    Parameters
    ----------
    phase
        What is going on.
    seeds_done
        Agents that have finished this phase.
    episodes
        Episodes done in this phase, ``[agents]``.
    recent_length
        Mean length (steps) of the agents' latest finished episodes.
    env_steps
        Environment steps so far, summed over the agents.
    """

    phase: Literal["learning", "evaluation"]
    seeds_done: int
    episodes: IntArray
    recent_length: float
    env_steps: int
