"""The linear track as a Gymnasium environment, ``snnrl/LinearTrack-v0``; importing this module registers the id."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt

from snnrl.tasks.linear_track import LinearTrack

ENV_ID = "snnrl/LinearTrack-v0"
Observation = npt.NDArray[np.float32]


class LinearTrackEnv(gymnasium.Env):  # type: ignore[misc]
    """Run to the right end of a straight track.

    Description: the track of :class:`snnrl.tasks.LinearTrack`, 0.1 s per step.

    Action Space: ``Discrete(2)``; 0 left, 1 right.

    Observation Space: position from the middle of the track (m), float32.

    Rewards: -1 per step, 0 for the step that reaches the goal.

    Starting State: uniform in the left half of the track.

    Episode End: terminated at the right end; truncated after ``steps`` steps.

    Parameters
    ----------
    parameters
        Fields of :class:`snnrl.tasks.LinearTrack`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, render_mode: str | None = None, **parameters: Any) -> None:
        self.task = LinearTrack(**parameters)
        self._kernel = self.task.kernel()
        self.render_mode = render_mode
        half = np.float32(self.task.length / 2)
        self.observation_space = gymnasium.spaces.Box(-half, half, (1,), np.float32)
        self.action_space = gymnasium.spaces.Discrete(2)
        self.state = np.zeros(1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a run."""
        super().reset(seed=seed)
        self._kernel.reset(self.state, self.np_random.random(1), self._kernel.parameters)
        return self.state.astype(np.float32), {}

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Run one step."""
        before = self.state.copy()
        arrived = bool(self._kernel.step(self.state, int(action), self._kernel.parameters))
        reward = self._kernel.reward(before, self.state, arrived, 0, 0.0, self._kernel.parameters)
        return self.state.astype(np.float32), reward, arrived, False, {}


def make_linear_track(task: LinearTrack, render_mode: str | None) -> gymnasium.Env[Any, Any]:
    """Build the environment of a task."""
    return gymnasium.make(ENV_ID, max_episode_steps=task.steps, render_mode=render_mode, **task.parameters())


gymnasium.register(id=ENV_ID, entry_point=LinearTrackEnv, max_episode_steps=200)
