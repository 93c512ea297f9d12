"""`EpisodesVecEnv`: episodes side by side, as Stable-Baselines3 wants them; `BareVecEnv`: what such have in common."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from snnrl.engines.books import Counter, State
from snnrl.training.dense_slots import Finished, Slots, Stage


class BareVecEnv(VecEnv):
    """A vectorised environment without single environments inside that could be asked for anything."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return None for the render mode, which is all that is ever asked for."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: there are no environments to set anything on."""
        raise AttributeError(attr_name)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: there are no environments to call."""
        raise AttributeError(method_name)

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return that no wrapper is there."""
        return [False] * self.num_envs


class EpisodesVecEnv(BareVecEnv):
    """`Slots` as a vectorised environment of Stable-Baselines3; observations are divided by the task's scale.

    An episode under way is saved as its number and the actions so far, and taken up again by taking them again.

    Parameters
    ----------
    stage
        The world.
    size
        Number of environments.

    Attributes
    ----------
    recent
        Mean length of the last 20 finished episodes, which some rewards read.
    """

    def __init__(self, stage: Stage, size: int) -> None:
        self.slots = Slots(stage, size)
        self.scale = np.asarray(stage.task.observation_scale)
        self.recent, self.following = 0.0, 0
        self.done: list[Finished] = []
        self.taken: list[list[int]] = [[] for _ in range(size)]
        self._actions = np.zeros(size, np.int64)
        shape = (stage.task.observation_size,)
        box = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        super().__init__(size, box, gymnasium.spaces.Discrete(stage.task.n_actions))

    def _seen(self) -> NDArray[np.float32]:
        return np.asarray(self.slots.observation / self.scale, dtype=np.float32)

    def _begin(self, slots: NDArray[np.bool_]) -> None:
        numbers = np.zeros(self.num_envs, np.int64)
        for slot in np.flatnonzero(slots):
            numbers[slot], self.following = self.following, self.following + 1
            self.taken[slot] = []
        self.slots.begin(slots, numbers)

    def reset(self) -> NDArray[np.float32]:
        """Begin an episode everywhere."""
        self._begin(np.ones(self.num_envs, dtype=bool))
        return self._seen()

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember what to do."""
        self._actions = np.asarray(actions, np.int64)

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Take a step everywhere; where an episode ends, the next begins."""
        for slot, action in enumerate(self._actions):
            self.taken[slot].append(int(action))
        step = self.slots.step(self._actions, np.ones(self.num_envs, dtype=bool))
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        last = self._seen()
        for slot in np.flatnonzero(step.over):
            cut = not bool(step.terminated[slot])
            infos[slot] = {"terminal_observation": last[slot], "TimeLimit.truncated": cut}
            self.done.append(self.slots.finished(int(slot)))
        if step.over.any():
            self.slots.set_recent(self.recent)
            self._begin(step.over)
        return self._seen(), step.reward.astype(np.float32), step.over, infos

    def take_finished(self) -> list[Finished]:
        """Return the episodes that ended since the last call."""
        done, self.done = self.done, []
        return done

    def save(self) -> State:
        """Return the episodes under way."""
        taken = np.full((self.num_envs, max(map(len, self.taken))), -1, np.int64)
        for slot, actions in enumerate(self.taken):
            taken[slot, : len(actions)] = actions
        books = {name: self.slots.state[name].copy() for name in ("counters", "control")}
        return {"taken": taken, "following": np.array(self.following), **books}

    def restore(self, state: State) -> None:
        """Take up the episodes that `save` returned."""
        everywhere = np.ones(self.num_envs, dtype=bool)
        self.slots.begin(everywhere, state["counters"][:, Counter.EPISODE])
        for actions in state["taken"].T:
            self.slots.step(actions, actions >= 0)
        self.taken = [[int(action) for action in row if action >= 0] for row in state["taken"]]
        self.slots.state |= {name: state[name].copy() for name in ("counters", "control")}
        self.following, self.done = int(state["following"]), []

    def close(self) -> None:
        """Close the environments."""
        self.slots.close()
