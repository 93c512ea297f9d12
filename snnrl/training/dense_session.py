"""`DenseSession`: dense actor-critics on one task, with the books and the manners of a spiking session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from snnrl.engines.books import Books, Control, Counter, State
from snnrl.engines.world import physics_module
from snnrl.networks.dense import DenseNetwork
from snnrl.networks.dense_file import from_arrays, to_arrays
from snnrl.networks.dense_options import DenseOptions, Vpg
from snnrl.training.dense_slots import Choose, Episodes, Finished, FloatArray, IntArray, Stage, play
from snnrl.training.dense_vpg import VpgLearner, gumbel_noise

if TYPE_CHECKING:
    from snnrl.engines.session import Stop
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward

EVALUATION_ACTIONS = "evaluation/dense/action"
SIDE_BY_SIDE = 50
"""Episodes of an evaluation that are played at once; a whole number of them lies between two looks at the clock."""


class Learner(Protocol):
    """An agent that learns in blocks; between two of them it can be saved."""

    def block(self, first: int, most: int, recent: float) -> tuple[list[Finished], int]:
        """Play and learn; see `VpgLearner.block`."""

    def to_network(self) -> DenseNetwork:
        """Return what was learned so far."""

    def save(self) -> State:
        """Return everything the next block depends on."""

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""


class Policy(Protocol):
    """What answers observations with logits."""

    def logits(self, observations: FloatArray) -> FloatArray:
        """Return logits ``[batch, actions]`` for observations ``[batch, variables]``."""


class DenseSession(Books):
    """Agents with dense networks, one after the other on one core, each the same whatever the others do.

    The arrays that `save` returns hold, beside the books, ``agent/ROW/learner/...`` with what learning needs to go on
    and ``agent/ROW/dense/...`` with the network (`snnrl.networks.dense_file`).

    Parameters
    ----------
    options
        Layers and algorithm.
    task
        The task.
    reward
        The reward function, bound to the task.
    seeds
        One agent per seed; a seed is an agent's whole identity.
    episodes
        Room for the books of this many episodes.

    Attributes
    ----------
    networks
        What was learned, one per agent; None before the evaluation.
    """

    def __init__(self, options: DenseOptions, task: Task, reward: Reward, seeds: Iterable[int],
                 episodes: int) -> None:  # fmt: skip
        self.options, self.task, self.reward = options, task, reward
        self.seeds = np.asarray(list(seeds), dtype=np.int64)
        self.evaluating = False
        self.module = physics_module(task, reward)
        self.state = self._fresh_books(episodes)
        self.networks: list[DenseNetwork] | None = None
        with _one_thread():
            self.learners = [make_learner(self._stage(row), options) for row in range(len(self.seeds))]

    def _stage(self, row: int, evaluating: bool = False) -> Stage:
        return Stage(self.task, self.reward, self.module, int(self.seeds[row]), evaluating)

    def _fresh_books(self, episodes: int) -> State:
        n = len(self.seeds)
        counters = np.zeros((n, len(Counter)), np.int64)
        counters[:, Counter.SOLVED_AT] = -1
        return {"counters": counters, "control": np.zeros((n, len(Control))),
                "lengths": np.zeros((n, episodes), np.int32), "rewards": np.zeros((n, episodes))}  # fmt: skip

    # ------------------------------------------------------------------ running

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for at least ``budget`` environment steps, or until it has finished.

        An interruption takes the agent back to its last whole block.

        Raises
        ------
        SimulationError
            If the reward became NaN or infinite.
        """
        with _one_thread():
            for row in np.flatnonzero(~self.finished):
                until = self.env_steps[row] + budget
                while not self.finished[row] and self.env_steps[row] < until:
                    if learning:
                        self._learn(int(row), stop)
                    else:
                        self._evaluate(int(row), stop, exploration)

    def _learn(self, row: int, stop: Stop) -> None:
        learner, before = self.learners[row], self.learners[row].save()
        first = int(self.episodes[row])
        try:
            with self._books_kept(row):
                finished, steps = learner.block(first, stop.episodes - first, self._recent(row))
                self._book(row, finished, steps, stop)
        except BaseException:
            learner.restore(before)
            raise

    @contextmanager
    def _books_kept(self, row: int) -> Iterator[None]:
        """Put an agent's books back if the block is interrupted."""
        books = {name: array[row].copy() for name, array in self.state.items()}
        try:
            yield
        except BaseException:
            for name, values in books.items():
                self.state[name][row] = values
            raise

    def _evaluate(self, row: int, stop: Stop, exploration: float) -> None:
        first = int(self.episodes[row])
        count = min(SIDE_BY_SIDE, stop.episodes - first)
        choose = self._chooser(row, first, exploration)
        episodes = play(self._stage(row, True), first, count, self._recent(row), choose)
        with self._books_kept(row):
            self._look(row, episodes)
            self._book(row, episodes.finished(), int(episodes.lengths.sum()), stop)

    def _chooser(self, row: int, first: int, exploration: float) -> Choose:
        """Return how actions are chosen: 0 takes the likeliest, others draw from ``softmax(logits / exploration)``."""
        policy, seed, longest = self._policy(row), int(self.seeds[row]), self.task.max_steps

        def choose(observations: FloatArray, step: int) -> IntArray:
            logits = policy.logits(observations)
            if exploration > 0.0:
                noise = gumbel_noise(seed, EVALUATION_ACTIONS, first * longest + step, logits.shape)
                logits = logits + exploration * noise
            return np.asarray(np.argmax(logits, axis=1), dtype=np.int64)

        return choose

    def _policy(self, row: int) -> Policy:
        """Return what is evaluated."""
        assert self.networks is not None
        return self.networks[row]

    def _look(self, row: int, episodes: Episodes) -> None:
        """Look at what an evaluation has played."""

    def _recent(self, row: int) -> float:
        return float(self.state["control"][row, Control.RECENT])

    def _book(self, row: int, finished: Iterable[Finished], steps: int, stop: Stop) -> None:
        """Write episodes into the books, as far as there is room."""
        counters, control = self.state["counters"][row], self.state["control"][row]
        counters[Counter.ENV_STEPS] += steps
        for episode in finished:
            if counters[Counter.EPISODE] >= self.state["lengths"].shape[1]:
                break
            counters[Counter.EPISODE_STEP] = episode.length
            control[Control.EPISODE_REWARD] = episode.reward
            self.module.end_episode(
                stop.packed(), counters, control, self.state["lengths"][row], self.state["rewards"][row]
            )

    def check_silence(self, after: int) -> None:
        """Do nothing: these networks have no spikes to miss."""

    # ------------------------------------------------------------------ state

    def begin_evaluation(self, episodes: int) -> None:
        """Forget episodes and counts, keep what was learned, and draw from the random streams of evaluation."""
        if self.networks is None:
            self.networks = [learner.to_network() for learner in self.learners]
        self.evaluating = True
        self.state = self._fresh_books(episodes)

    def save(self) -> State:
        """Return everything a run needs to go on; books agents first, the rest by agent."""
        state = super().save()
        for row, learner in enumerate(self.learners):
            network = learner.to_network() if self.networks is None else self.networks[row]
            state |= {f"agent/{row}/{name}": array for name, array in to_arrays(network).items()}
            state |= {f"agent/{row}/learner/{name}": array for name, array in learner.save().items()}
        return state

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        super().restore({name: array for name, array in state.items() if not name.startswith("agent/")})
        for row, learner in enumerate(self.learners):
            own = f"agent/{row}/learner/"
            learner.restore({k.removeprefix(own): v for k, v in state.items() if k.startswith(own)})
        self.networks = None
        if self.evaluating:
            self.take_learned(state)

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        self.networks = [from_arrays(state, f"agent/{row}/") for row in range(len(self.seeds))]

    # ------------------------------------------------------------------ books

    @property
    def spikes_per_step(self) -> FloatArray:
        """NaN, ``[agents]``: these networks do not spike."""
        return np.full(len(self.seeds), np.nan)

    def writes_per_device(self) -> NDArray[np.float64] | None:
        """None: there are no devices."""
        return None


def make_learner(stage: Stage, options: DenseOptions) -> Learner:
    """Return a fresh agent that learns by the algorithm of the options."""
    if isinstance(options, Vpg):
        return VpgLearner(stage, options)
    from snnrl.training.dense_sb3 import Sb3Learner

    return Sb3Learner(stage, options)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread, as small networks want it and as equal sums need it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
