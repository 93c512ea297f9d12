"""`FrameReplay`: a memory of single screens, of which stacks are put together when they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

Rows = NDArray[np.int64]
KEPT = ("frames", "actions", "rewards", "dones", "cut")


class FrameReplay(BaseBuffer):
    """A ring of decisions: the newest screen of each, 7 kB instead of 56 with the stacks before and after.

    Stable-Baselines3 takes it as ``replay_buffer_class``. A decision whose game was cut off by the clock is never
    drawn: the screen after it is not kept.

    Parameters
    ----------
    buffer_size
        Decisions kept of all environments together.
    observation_space
        Stacks, ``uint8[depth, height, width]``.
    action_space
        Discrete.
    device
        Where samples go.
    n_envs
        Environments side by side.
    optimize_memory_usage
        Of Stable-Baselines3's own memory; has no meaning here.
    """

    def __init__(self, buffer_size: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any],
                 device: Any = "auto", n_envs: int = 1, optimize_memory_usage: bool = False) -> None:  # fmt: skip
        super().__init__(max(buffer_size // n_envs, 1), observation_space, action_space, device, n_envs)
        self.optimize_memory_usage = optimize_memory_usage
        assert observation_space.shape is not None
        self.depth = observation_space.shape[0]
        size = (self.buffer_size, n_envs)
        self.frames = np.zeros((*size, *observation_space.shape[1:]), np.uint8)
        self.actions, self.rewards = np.zeros(size, np.int64), np.zeros(size, np.float32)
        self.dones, self.cut = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool)

    def add(self, *args: Any, **kwargs: Any) -> None:
        """Keep a decision in every environment: stacks before and after, actions, rewards, ends, infos."""
        obs, _, action, reward, done, infos = args
        here = self.pos
        self.frames[here], self.actions[here] = obs[:, -1], np.reshape(action, self.n_envs)
        self.rewards[here], self.dones[here] = reward, done
        self.cut[here] = [bool(info.get("TimeLimit.truncated", False)) for info in infos]
        self.pos = (here + 1) % self.buffer_size
        self.full = self.full or self.pos == 0

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Return decisions drawn at random, each with the stacks before and after it."""
        rows, lanes = self._draw(batch_size)
        while (wrong := self.cut[rows, lanes]).any():
            rows[wrong], lanes[wrong] = self._draw(int(wrong.sum()))
        return self._get_samples(rows, lanes)

    def _draw(self, n: int) -> tuple[Rows, Rows]:
        """Return rows that have ``depth - 1`` rows before them in the ring, or the start of all, and one after."""
        oldest, known = (self.pos, self.buffer_size) if self.full else (0, self.pos)
        first = self.depth - 1 if self.full else 0
        rows = (oldest + np.random.randint(first, known - 1, size=n)) % self.buffer_size
        return rows.astype(np.int64), np.random.randint(0, self.n_envs, size=n).astype(np.int64)

    def _get_samples(self, batch_inds: Any, env: Any = None) -> ReplayBufferSamples:
        """Return the decisions of some rows; the second argument is the environment of each."""
        rows, lanes = batch_inds, env
        after = (rows + 1) % self.buffer_size
        column = (len(rows), 1)
        data = (
            self.stacks(rows, lanes),
            self.actions[rows, lanes].reshape(column),
            self.stacks(after, lanes),
            self.dones[rows, lanes].astype(np.float32).reshape(column),
            self.rewards[rows, lanes].reshape(column),
        )
        return ReplayBufferSamples(*map(self.to_torch, data))

    def stacks(self, rows: Rows, lanes: Rows) -> NDArray[np.uint8]:
        """Return the stacks that end at some rows, ``uint8[n, depth, height, width]``; black before an episode's start."""
        stacks = np.zeros((len(rows), self.depth, *self.frames.shape[2:]), np.uint8)
        same = np.ones(len(rows), dtype=bool)
        for back in range(self.depth):
            place = (rows - back) % self.buffer_size
            if back:
                begun = self.full | (rows >= back)
                same &= begun & ~self.dones[place, lanes]
            stacks[same, self.depth - 1 - back] = self.frames[place[same], lanes[same]]
        return stacks

    def save(self) -> dict[str, NDArray[Any]]:
        """Return what `restore` takes; no copies, a memory is large: to be written before the next decision."""
        filled = self.buffer_size if self.full else self.pos
        kept: dict[str, NDArray[Any]] = {name: getattr(self, name)[:filled] for name in KEPT}
        return kept | {"place": np.array([self.pos, int(self.full)])}

    def restore(self, kept: dict[str, NDArray[Any]]) -> None:
        """Put back what `save` returned."""
        for name in KEPT:
            getattr(self, name)[: len(kept[name])] = kept[name]
        self.pos, self.full = int(kept["place"][0]), bool(kept["place"][1])
