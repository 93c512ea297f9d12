"""The rotary pendulum as Gymnasium environments: ``snnrl/RotaryPendulum-v0``, single and compiled in vectors.

Importing this module registers the id, or in one line
``gymnasium.make("snnrl.tasks.rotary_pendulum_gym:snnrl/RotaryPendulum-v0")``. Both forms run the functions of the task's
kernel.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode

from snnrl.tasks.rotary_pendulum import TIME_STEP, RotaryPendulum
from snnrl.tasks.rotary_pendulum_draw import HEIGHT, WIDTH, draw

ENV_ID = "snnrl/RotaryPendulum-v0"
Observation = npt.NDArray[np.float32]
Step = tuple[Observation, float, bool, bool, dict[str, Any]]


def _observation_space() -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(-np.inf, np.inf, (4,), np.float32)


class RotaryPendulumEnv(gymnasium.Env):  # type: ignore[misc]
    """Balance a pendulum at the end of a motor-driven arm.

    Description: the plant of :class:`snnrl.tasks.RotaryPendulum`, 0.02 s per step.

    Action Space: ``Discrete(2)``; 0 clockwise, 1 counter-clockwise push. Not pushing is impossible.

    Observation Space: arm angle (rad), its rate (rad/s), pendulum angle (rad), its rate (rad/s), float32.

    Rewards: 0, and -1 at the step that fails.

    Starting State: pendulum angle uniform in +-``start_angle`` degrees, all else 0.

    Episode End: terminated where the pendulum (or, with ``arm_limit``, the arm) reaches its limit; truncated by the
    registration after 5000 steps.

    Parameters
    ----------
    render_mode
        None, "rgb_array", or "human", which needs pygame (``pip install gymnasium[classic-control]``).
    parameters
        Fields of :class:`snnrl.tasks.RotaryPendulum`.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["human", "rgb_array"],
        "render_fps": round(1 / TIME_STEP),
    }

    def __init__(self, render_mode: str | None = None, **parameters: Any) -> None:
        self.task = RotaryPendulum(**parameters)
        self._kernel = self.task.kernel()
        self.render_mode = render_mode
        self.observation_space = _observation_space()
        self.action_space = gymnasium.spaces.Discrete(2)
        self.state = np.zeros(4)
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a trial."""
        super().reset(seed=seed)
        self._kernel.reset(self.state, self.np_random.random(4), self._kernel.parameters)
        self._show()
        return self._observation(), {}

    def step(self, action: int) -> Step:
        """Push the arm for one time step."""
        before = self.state.copy()
        failed = bool(self._kernel.step(self.state, int(action), self._kernel.parameters))
        reward = self._kernel.reward(before, self.state, failed, 0, 0.0, self._kernel.parameters)
        self._show()
        return self._observation(), reward, failed, False, {}

    def render(self) -> Any:
        """Give the picture, shape ``[400, 600, 3]``, where the mode is "rgb_array"."""
        return self._picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if one is open."""
        if self._window is not None:
            self._pygame.display.quit()
            self._window = None

    def _observation(self) -> Observation:
        return self.state.astype(np.float32)

    def _picture(self) -> npt.NDArray[np.uint8]:
        return draw(self.state[0], self.state[2], self.task.arm_length, self.task.length)

    def _show(self) -> None:
        if self.render_mode != "human":
            return
        try:
            import pygame  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise gymnasium.error.DependencyNotInstalled(
                'render_mode="human" needs pygame: pip install "gymnasium[classic-control]"'
            ) from error
        if self._window is None:
            pygame.display.init()
            self._pygame = pygame
            self._window = pygame.display.set_mode((WIDTH, HEIGHT))
            self._clock = pygame.time.Clock()
        pygame.surfarray.blit_array(self._window, self._picture().swapaxes(0, 1))
        pygame.event.pump()
        self._clock.tick(self.metadata["render_fps"])
        pygame.display.flip()


class RotaryPendulumVectorEnv(gymnasium.vector.VectorEnv):  # type: ignore[misc]
    """Many rotary pendulums in one compiled call; agent i starts as the single environment of seed + i does.

    A pendulum whose trial has ended starts anew at its next step, whose action is ignored (Gymnasium's NEXT_STEP).

    Parameters
    ----------
    num_envs
        Number of pendulums.
    max_episode_steps
        Steps after which a trial is truncated.
    parameters
        Fields of :class:`snnrl.tasks.RotaryPendulum`.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(self, num_envs: int = 1, max_episode_steps: int | None = None, **parameters: Any) -> None:
        parameters.pop("render_mode", None)
        self.task = RotaryPendulum(**parameters)
        self.num_envs = num_envs
        self.single_observation_space = _observation_space()
        self.single_action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)
        self._limit = self.task.steps if max_episode_steps is None else max_episode_steps
        self._p = self.task.kernel().parameters
        self._step = _compiled_step()
        self.states = np.zeros((num_envs, 4))
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._ended = np.zeros(num_envs, dtype=np.bool_)
        self._failed = np.zeros(num_envs, dtype=np.bool_)
        self._generators: list[np.random.Generator] = []

    def reset(
        self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start all trials."""
        if seed is not None or not self._generators:
            first = int(np.random.default_rng().integers(2**31)) if seed is None else seed
            seeds = [first + i for i in range(self.num_envs)] if isinstance(first, int) else first
            self._generators = [gymnasium.utils.seeding.np_random(s)[0] for s in seeds]
        self._begin(np.arange(self.num_envs))
        return self.states.astype(np.float32), {}

    def step(
        self, actions: npt.NDArray[np.int64]
    ) -> tuple[
        Observation, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]
    ]:
        """Push every arm for one time step."""
        fresh = np.flatnonzero(self._ended)
        self._step(self.states, np.asarray(actions, dtype=np.int64), self._p, self._ended, self._failed)
        self._steps += 1
        self._begin(fresh)
        truncated = (self._steps >= self._limit) & ~self._failed
        self._ended = self._failed | truncated
        return (
            self.states.astype(np.float32),
            np.where(self._failed, -1.0, 0.0),
            self._failed.copy(),
            truncated,
            {},
        )

    def _begin(self, which: npt.NDArray[np.intp]) -> None:
        reset = self.task.kernel().reset
        for i in which:
            reset(self.states[i], self._generators[i].random(4), self._p)
        self._steps[which] = 0
        self._ended[which] = False


@functools.cache
def _compiled_step() -> Callable[..., None]:
    """Compile one step of all pendulums that have not ended."""
    from numba import njit

    step = njit(RotaryPendulum().kernel().step)

    def advance(states: Any, actions: Any, p: Any, ended: Any, failed: Any) -> None:
        for i in range(states.shape[0]):
            failed[i] = False if ended[i] else step(states[i], actions[i], p)

    compiled: Callable[..., None] = njit(advance)
    return compiled


def make_rotary_pendulum(task: RotaryPendulum, render_mode: str | None) -> gymnasium.Env[Any, Any]:
    """Give the registered environment with a task's parameters and step limit."""
    return gymnasium.make(ENV_ID, max_episode_steps=task.steps, render_mode=render_mode, **task.parameters())


gymnasium.register(
    ENV_ID,
    entry_point="snnrl.tasks.rotary_pendulum_gym:RotaryPendulumEnv",
    vector_entry_point="snnrl.tasks.rotary_pendulum_gym:RotaryPendulumVectorEnv",
    max_episode_steps=RotaryPendulum().steps,
)
