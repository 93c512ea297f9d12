"""`AtariVecEnv`: games side by side, as Stable-Baselines3 wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from snnrl.tasks.atari import Atari, LaneState, Stack
from snnrl.training.dense_vec_env import BareVecEnv

State = dict[str, NDArray[Any]]


class AtariVecEnv(BareVecEnv):
    """Lanes of a game with stacks of four screens and rewards clipped to -1, 0 and 1 (Mnih et al. 2015, Methods).

    Parameters
    ----------
    atari
        The lanes.

    Attributes
    ----------
    games
        (decisions of all lanes so far, score, decisions) of every game that ended.
    """

    def __init__(self, atari: Atari) -> None:
        self.atari, self.stack = atari, Stack(atari.n)
        self.games: list[tuple[int, float, int]] = []
        self.steps = 0
        self._actions = np.zeros(atari.n, np.int64)
        screens = spaces.Box(0, 255, self.stack.screens.shape[1:], np.uint8)
        super().__init__(atari.n, screens, spaces.Discrete(atari.n_actions))

    def reset(self) -> NDArray[np.uint8]:
        """Begin a game everywhere."""
        return self.stack.push(self.atari.reset(), np.ones(self.num_envs, dtype=bool))

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember what to do."""
        self._actions = np.asarray(actions, np.int64)

    def step_wait(self) -> tuple[Any, Any, Any, list[dict[str, Any]]]:
        """Take a decision everywhere; where an episode ends, the next begins."""
        step = self.atari.step(self._actions)
        stacks, waiting = self.stack.push(step.screens, step.fresh), step.ended
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for lane in np.flatnonzero(step.ended):
            truncated = self.atari.truncated(int(lane))
            infos[lane] = {"terminal_observation": stacks[lane], "TimeLimit.truncated": truncated}
        while waiting.any():  # again where a game ends before its next life has begun
            begun = self.atari.step(self._actions, waiting)
            stacks, waiting = self.stack.push(begun.screens, begun.fresh, waiting), begun.ended
        self.steps += self.num_envs
        self.games += [(self.steps, score, decisions) for _, score, decisions in self.atari.finished]
        self.atari.finished.clear()
        return stacks, np.sign(step.rewards).astype(np.float32), step.ended, infos

    def save(self) -> State:
        """Return the games under way and the list of those that ended."""
        games = np.array(self.games, np.float64).reshape(-1, 3)
        state: State = {"stack": self.stack.screens.copy(), "games": games, "steps": np.array(self.steps)}
        for lane in range(self.num_envs):
            arrays = self.atari.clone_state(lane).to_arrays()
            state |= {f"{lane}/{name}": array for name, array in arrays.items()}
        return state

    def restore(self, state: State) -> None:
        """Take up the games that `save` returned."""
        self.stack.screens[:] = state["stack"]
        self.steps = int(state["steps"])
        self.games = [
            (int(steps), score, int(decisions)) for steps, score, decisions in state["games"].tolist()
        ]
        for lane in range(self.num_envs):
            own = {
                name.partition("/")[2]: array for name, array in state.items() if name.startswith(f"{lane}/")
            }
            self.atari.restore_state(lane, LaneState.from_arrays(own))

    def close(self) -> None:
        """Close the emulators."""
        self.atari.close()
