"""`Session`: agents of one model on one task, whatever engine runs them; what training asks of an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Books, Control, Counter, State
from snnrl.equations.lowered import LoweredNetwork
from snnrl.errors import InvalidValueError, SimulationError
from snnrl.model import AgentModel, RewardBaseline, TDError

if TYPE_CHECKING:
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward


@dataclass(frozen=True)
class Stop:
    """When an agent has finished.

    Parameters
    ----------
    episodes
        Most episodes.
    window, threshold
        Solved when the mean length of the last ``window`` episodes reaches ``threshold``; minus that length where the
        threshold is negative, for tasks where the shorter episode is the better one.
    consolidation
        Episodes an agent goes on for after it has solved the task.
    """

    episodes: int
    window: int = 100
    threshold: float = float("inf")
    consolidation: int = 0

    def packed(self) -> NDArray[np.float64]:
        """Return the numbers the loop reads."""
        return np.array([self.episodes, self.window, self.threshold, self.consolidation], dtype=np.float64)


class Session(Books, ABC):
    """Agents and their books.

    Parameters
    ----------
    model
        The agent.
    network
        Its lowered network.
    task
        The task.
    reward
        The reward function, bound to the task.
    seeds
        One agent per seed; a seed is an agent's whole identity.

    Attributes
    ----------
    state
        Arrays by name, agents first: ``counters`` and ``control`` (see `snnrl.engines.books`), ``lengths`` and
        ``rewards`` of the episodes ``[agents, episodes]``, ``spike_total`` ``[agents, populations]``, and what an
        engine adds.
    evaluating
        Whether learning is over; an evaluation draws from random streams of its own.

    Raises
    ------
    InvalidValueError
        If the model does not fit the task.
    """

    def __init__(self, model: AgentModel, network: LoweredNetwork, task: Task, reward: Reward,
                 seeds: Iterable[int]) -> None:  # fmt: skip
        if task.n_actions != len(model.action.populations):
            raise InvalidValueError(
                f"task {task.name}",
                f"{task.n_actions} actions",
                f"{len(model.action.populations)}, like the network",
            )
        if len(model.encoder.scale) != task.observation_size:
            raise InvalidValueError(
                f"task {task.name}", f"{task.observation_size} observed variables",
                f"{len(model.encoder.scale)}, like the encoder",
            )  # fmt: skip
        self.model, self.network, self.task, self.reward = model, network, task, reward
        self.seeds = np.asarray(list(seeds), dtype=np.int64)
        self.evaluating = False

    def fresh_books(self, episodes: int) -> State:
        """Return the books of agents that have done nothing yet, with room for this many episodes."""
        n = len(self.seeds)
        state: State = {
            "counters": np.zeros((n, len(Counter)), np.int64),
            "control": np.zeros((n, len(Control))),
            "lengths": np.zeros((n, episodes), np.int32),
            "rewards": np.zeros((n, episodes)),
            "spike_total": np.zeros((n, len(self.network.neurons))),
        }
        state["counters"][:, Counter.SOLVED_AT] = -1
        return state

    # ------------------------------------------------------------------ running

    @abstractmethod
    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for about ``budget`` environment steps, or until it has finished.

        Raises
        ------
        SimulationError
            If a value became NaN or infinite, or the reward did; names the population and when.
        """

    @abstractmethod
    def record_episode(
        self, agent: int, learning: bool, exploration: float
    ) -> tuple[dict[str, Any], NDArray[Any]]:
        """Run one more episode of one agent, spike by spike; the session itself is left as it was.

        Returns
        -------
        spikes
            By population, ``[dt steps, neurons]`` bool.
        trace
            ``[environment steps, 4 + observation]``: value, TD error, action, reward, observation.
        """

    def trace_episodes(
        self, episodes: int, learning: bool = True, exploration: float = 1.0
    ) -> list[NDArray[Any]]:
        """Run the next episodes of a session with one agent and return the trace of each, see `record_episode`."""
        traces = []
        for _ in range(episodes):
            traces.append(self.record_episode(0, learning, exploration)[1])
            self.state["counters"][:, Counter.FINISHED] = 0
            self.run(self.task.max_steps + 2, Stop(int(self.episodes[0]) + 1), learning, exploration)
        return traces

    @abstractmethod
    def _change_streams(self) -> None:
        """Draw from the random streams of the present phase from now on."""

    def begin_evaluation(self, episodes: int) -> None:
        """Forget episodes and counts, keep what was learned, and draw from the random streams of evaluation."""
        self.evaluating = True
        n, counters = len(self.seeds), self.state["counters"]
        counters[:] = 0
        counters[:, Counter.SOLVED_AT] = -1
        self.state["lengths"] = np.zeros((n, episodes), np.int32)
        self.state["rewards"] = np.zeros((n, episodes))
        self.state["spike_total"][:] = 0.0
        self.state["control"][:, [Control.RECENT, Control.EPISODE_REWARD]] = 0.0
        self._change_streams()

    # ------------------------------------------------------------------ state

    @abstractmethod
    def learned(self) -> State:
        """Return what was learned, ``[agents, ...]``, a part of what `save` returns."""

    @abstractmethod
    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""

    @abstractmethod
    def variable(self, part: str, name: str) -> NDArray[Any]:
        """Return a variable of a population or synapse group, ``[agents, ...]``.

        Raises
        ------
        InvalidValueError
            If there is none of that name.
        """

    # ------------------------------------------------------------------ books

    @property
    def spikes_per_step(self) -> NDArray[np.float64]:
        """Spikes of the whole network per environment step, ``[agents]``."""
        total = self.state["spike_total"].sum(axis=1)
        return np.asarray(total / np.maximum(self.env_steps, 1), dtype=np.float64)

    @property
    def time_constant(self) -> float:
        """Time constant of the reward's running mean in environment steps; 0 where there is none."""
        return self.model.signal.time_constant if isinstance(self.model.signal, RewardBaseline) else 0.0

    def writes_per_device(self) -> NDArray[np.float64] | None:
        """Return the mean number of writes of an agent's memristive devices, ``[agents]``; ``None`` without any."""
        counts = [
            self.variable(group.name, name).reshape(len(self.seeds), -1)
            for group in self.network.synapses
            for name in group.variables
            if name == "writes" or name.startswith("writes_")
        ]
        return np.concatenate(counts, axis=1).mean(axis=1) if counts else None

    def stream_name(self, name: str) -> str:
        """Return the name of a random stream in the present phase; evaluation draws from its own."""
        if not self.evaluating:
            return name
        return "task/evaluation-reset" if name == "task/reset" else f"evaluation/{name}"

    def reset_seed(self, agent: int, episode: int) -> int:
        """Return the seed with which an episode of a Gymnasium environment begins."""
        stream = random.stream_id(self.stream_name("task/reset"))
        return int(random.bits(int(self.seeds[agent]), stream, episode, 1)[0]) & 0x7FFFFFFF

    def check_silence(self, after: int) -> None:
        """Raise `SimulationError` if a population has not spiked in the first ``after`` environment steps."""
        for row, counters in enumerate(self.state["counters"]):
            if counters[Counter.ENV_STEPS] < after:
                continue
            for neurons, total in zip(self.network.neurons, self.state["spike_total"][row], strict=True):
                if total == 0 and neurons.threshold:
                    seconds = counters[Counter.STEP] * self.network.dt
                    raise SimulationError(
                        f"population {neurons.name!r} has been silent for {seconds:.1f} s (seed {self.seeds[row]}): "
                        "its input never reaches the threshold"
                    )

    def check_errors(self) -> None:
        """Raise `SimulationError` for what went wrong in the last run."""
        counters = self.state["counters"]
        for row in np.flatnonzero(counters[:, Counter.ERROR]):
            code, seconds = int(counters[row, Counter.ERROR]), counters[row, Counter.STEP] * self.network.dt
            if code < 0:
                raise SimulationError(
                    f"the reward {self.reward.name!r} returned NaN or infinity (seed {self.seeds[row]})"
                )
            name = self.network.neurons[code - 1].name
            raise SimulationError(
                f"population {name!r} reached NaN or infinity at {seconds:.3f} s (seed {self.seeds[row]}): "
                "check its equations and the size of its inputs"
            )


def success_scale(task: Task) -> float:
    """Return the success of one step of mean episode length; 0 where length is no merit."""
    return 0.0 if task.solved_length is None else 1.0 / task.max_steps


def value_parameters(model: AgentModel) -> NDArray[np.float64]:
    """Return ``[baseline, scale, smoothing]`` of the value decoder."""
    if model.value is None:
        return np.zeros(3)
    return np.array([model.value.baseline, model.value.scale, model.value.smoothing])


def signal_parameters(model: AgentModel, task: Task) -> NDArray[np.float64]:
    """Return the numbers of the learning signal, and the success of one step of mean episode length."""
    if isinstance(model.signal, TDError):
        return np.array([model.signal.gamma, model.signal.clip, success_scale(task)])
    assert isinstance(model.signal, RewardBaseline)
    return np.array([model.signal.time_constant, 0.0, success_scale(task)])
