"""Record one evaluation episode of the first agent, spike by spike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from snnrl.training.result import EpisodeRecording

if TYPE_CHECKING:
    from snnrl.engines.session import Session


def record(session: Session, agent: int = 0, exploration: float = 0.0) -> EpisodeRecording:
    """Run one more episode of one agent with plasticity off and return everything that happened in it."""
    spikes, trace = session.record_episode(agent, learning=False, exploration=exploration)
    critic = session.model.value is not None
    task = session.task
    return EpisodeRecording(
        dt=session.network.dt,
        env_step=session.network.dt * session.network.env_steps,
        spikes=spikes,
        value=trace[:, 0] if critic else None,
        td_error=trace[:, 1] if critic else None,
        observation=trace[:, 4:],
        action=trace[:, 2].astype(np.int64),
        reward=trace[:, 3],
        observation_names=tuple(task.observation_labels),
        observation_limits=dict(task.observation_limits),
    )
