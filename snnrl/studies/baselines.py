"""What the spiking agents are compared with: a random policy, and ASE/ACE on 162 boxes.

Both run on the same seeds as the agents: every start and every choice is a counter-based random number of
:mod:`snnrl.random`, a function of the seed and of the episode. The numbers have the names of
``summary.json``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.random import stream_id, uniform
from snnrl.tasks import CartPole, Task, TaskKernel
from snnrl.tasks.base import FloatArray, Vector
from snnrl.training.result import NEVER, AgentRecord, IntArray
from snnrl.training.summary import RELIABLE_LENGTH, episodes_to_solve, evaluation_means, finite, quantile

RESET_STREAM = "task/reset"
EVALUATION_RESET_STREAM = "task/evaluation-reset"
_ACTION_STREAM = "baseline/action"
_EVALUATION_ACTION_STREAM = "baseline/evaluation-action"

BOXES = 162
SOLVED_WINDOW = 100


@dataclass(frozen=True)
class AseAce:
    """Constants of the adaptive critic (Barto, Sutton & Anderson 1983; values of Sutton's ``pole.c``).

    Parameters
    ----------
    actor_rate, critic_rate
        Learning rates alpha and beta.
    gamma
        Discount per step.
    actor_decay, critic_decay
        Decay of the eligibility per step, lambda_w and lambda_v.
    """

    actor_rate: float = 1000.0
    critic_rate: float = 0.5
    gamma: float = 0.95
    actor_decay: float = 0.9
    critic_decay: float = 0.8

    def __post_init__(self) -> None:
        for name in ("actor_rate", "critic_rate"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise InvalidValueError(f"AseAce.{name}", getattr(self, name), "a finite number >= 0")
        for name in ("gamma", "actor_decay", "critic_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InvalidValueError(f"AseAce.{name}", getattr(self, name), "0 <= value < 1")


def random_policy(task: Task, seeds: Iterable[int], episodes: int = SOLVED_WINDOW) -> dict[str, Any]:
    """Play random actions, all equally likely.

    Parameters
    ----------
    task
        Any task; tasks without a kernel run in their Gymnasium environment.
    seeds
        Seeds of the agents to compare with.
    episodes
        Episodes per seed.

    Returns
    -------
    dict
        As :func:`ase_ace` gives it. Nothing is learned: the same episodes count as learning and evaluation.
    """
    return _summary(task, random_agents(task, seeds, episodes))


def random_agents(task: Task, seeds: Iterable[int], episodes: int = SOLVED_WINDOW) -> list[AgentRecord]:
    """Play random actions as :func:`random_policy` does, and return the records."""
    _check_episodes(episodes)
    kernel = task.kernel()
    records = []
    for seed in seeds:
        if kernel is None:
            played = _random_in_gymnasium(task, seed, episodes)
        else:
            played = [_random_in_kernel(task, kernel, seed, episode) for episode in range(episodes)]
        lengths = np.array(played, dtype=np.int64)
        records.append(_record(task, seed, lengths, lengths))
    return records


def ase_ace(
    task: CartPole,
    seeds: Iterable[int],
    episodes: int = 1000,
    evaluation_episodes: int = 100,
    constants: AseAce | None = None,
) -> dict[str, Any]:
    """Train the tabular actor-critic ASE/ACE, one weight and one value for each of 162 boxes.

    A seed stops learning when it has solved the task or after ``episodes``, and is then evaluated with its
    weights fixed. A truncated episode is not a failure: its last step bootstraps from the box it ends in.

    Parameters
    ----------
    task
        A cart-pole that shows its whole state and has no idle action.
    seeds
        Seeds of the agents to compare with.
    episodes
        Most learning episodes per seed.
    evaluation_episodes
        Episodes per seed with learning off.
    constants
        Learning rates and decays; the published ones by default.

    Returns
    -------
    dict
        The keys of ``summary.json``; ``mean_length`` over all learning episodes; ``first_full_median``, the
        median over seeds of the first episode of full length (None if infinite); ``per_seed``, a list of
        ``seed, solved_at, first_full_episode, evaluation_mean`` with None for "never".
    """
    return _summary(task, ase_ace_agents(task, seeds, episodes, evaluation_episodes, constants))


def ase_ace_agents(
    task: CartPole,
    seeds: Iterable[int],
    episodes: int = 1000,
    evaluation_episodes: int = 100,
    constants: AseAce | None = None,
    go_on: bool = False,
) -> list[AgentRecord]:
    """Train ASE/ACE as :func:`ase_ace` does, and return the records of its agents.

    Parameters
    ----------
    task, seeds, episodes, evaluation_episodes, constants
        As there; with a ``critic_rate`` of 0 the ASE learns alone, from the failures.
    go_on
        Whether a seed that has solved the task learns on until ``episodes``.
    """
    _check_episodes(episodes)
    if not isinstance(task, CartPole) or task.n_actions != 2 or task.observation_size != 4:
        raise InvalidValueError(
            "task for ASE/ACE", task, "a CartPole with all four variables and two actions"
        )
    learner = constants or AseAce()
    return [_train_ase_ace(task, s, episodes, evaluation_episodes, learner, go_on) for s in seeds]


def _train_ase_ace(
    task: CartPole, seed: int, episodes: int, evaluation_episodes: int, constants: AseAce, go_on: bool
) -> AgentRecord:
    weights, values = np.zeros(BOXES), np.zeros(BOXES)
    c = constants
    rates = np.array([c.actor_rate, c.critic_rate, c.gamma, c.actor_decay, c.critic_decay])
    p = task.kernel().parameters
    run = _compiled_episode()

    def play(episode: int, reset_stream: str, action_stream: str, learning: FloatArray) -> int:
        start = uniform(seed, stream_id(reset_stream), episode, 4)
        choices = uniform(seed, stream_id(action_stream), episode, task.max_steps)
        return int(run(start, choices, p, weights, values, learning))

    lengths: list[int] = []
    while len(lengths) < episodes and (go_on or _solved_at(lengths, task.solved_length) == NEVER):
        lengths.append(play(len(lengths), RESET_STREAM, _ACTION_STREAM, rates))
    frozen = np.array([0.0, 0.0, *rates[2:]])
    evaluation = [
        play(episode, EVALUATION_RESET_STREAM, _EVALUATION_ACTION_STREAM, frozen)
        for episode in range(evaluation_episodes)
    ]
    return _record(task, seed, np.array(lengths, dtype=np.int64), np.array(evaluation, dtype=np.int64))


def box(x: float, x_dot: float, theta: float, theta_dot: float) -> int:
    """Give the box of a state, 0 to 161: 3 by 3 by 6 by 3 (Barto, Sutton & Anderson 1983, section V).

    Edges: x at +-0.8 m, x_dot at +-0.5 m/s, theta at 0, +-1 and +-6 degrees, theta_dot at +-50 degrees/s.
    """
    degree = 0.017453292519943295
    index = 0 if x < -0.8 else (1 if x < 0.8 else 2)
    index += 0 if x_dot < -0.5 else (3 if x_dot < 0.5 else 6)
    index += 0 if theta_dot < -50.0 * degree else (9 if theta_dot < 50.0 * degree else 18)
    if theta < -6.0 * degree:
        return index
    if theta < -1.0 * degree:
        return index + 27
    if theta < 0.0:
        return index + 54
    if theta < 1.0 * degree:
        return index + 81
    return index + (108 if theta < 6.0 * degree else 135)


@functools.cache
def _compiled_episode() -> Callable[..., int]:
    """Compile one episode of ASE/ACE; learning rates of zero leave weights and values as they are."""
    from numba import njit

    kernel = CartPole().kernel()
    step, reset, box_of = njit(kernel.step), njit(kernel.reset), njit(box)

    def episode(
        start: FloatArray,
        choices: FloatArray,
        p: FloatArray,
        weights: FloatArray,
        values: FloatArray,
        rates: FloatArray,
    ) -> int:
        state = np.empty(4)
        reset(state, start, p)
        actor_trace, critic_trace = np.zeros(weights.size), np.zeros(weights.size)
        here = box_of(state[0], state[1], state[2], state[3])
        for t in range(choices.size):
            drive = min(max(weights[here], -50.0), 50.0)
            action = 1 if choices[t] < 1.0 / (1.0 + math.exp(-drive)) else 0
            actor_trace[here] += (1.0 - rates[3]) * (action - 0.5)
            critic_trace[here] += 1.0 - rates[4]
            before = values[here]
            failed = step(state, action, p)
            if not failed:
                here = box_of(state[0], state[1], state[2], state[3])
            target = -1.0 if failed else rates[2] * values[here]
            error = target - before
            for b in range(weights.size):
                weights[b] += rates[0] * error * actor_trace[b]
                values[b] += rates[1] * error * critic_trace[b]
                actor_trace[b] *= rates[3]
                critic_trace[b] *= rates[4]
            if failed:
                return t + 1
        return choices.size

    compiled: Callable[..., int] = njit(episode)
    return compiled


def _random_in_kernel(task: Task, kernel: TaskKernel, seed: int, episode: int) -> int:
    """Play one episode with the plain kernel functions."""
    state: Vector = np.empty(kernel.state_size)
    kernel.reset(state, uniform(seed, stream_id(RESET_STREAM), episode, kernel.n_uniforms), kernel.parameters)
    for t, action in enumerate(_random_actions(task, seed, episode)):
        if kernel.step(state, action, kernel.parameters):
            return t + 1
    return task.max_steps


def _random_in_gymnasium(task: Task, seed: int, episodes: int) -> list[int]:
    """Play episodes in the task's environment."""
    env = task.make()
    lengths = []
    for episode in range(episodes):
        env.reset(seed=int(uniform(seed, stream_id(RESET_STREAM), episode, 1)[0] * 2**31))
        for t, action in enumerate(_random_actions(task, seed, episode)):
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                lengths.append(t + 1)
                break
    env.close()
    return lengths


def _random_actions(task: Task, seed: int, episode: int) -> list[int]:
    draws = uniform(seed, stream_id(_ACTION_STREAM), episode, task.max_steps)
    actions: list[int] = (draws * task.n_actions).astype(np.int64).tolist()
    return actions


def _solved_at(lengths: list[int], threshold: float | None) -> int:
    """Give the number of episodes when the last 100 of them first reached the threshold, else NEVER."""
    if threshold is None or len(lengths) < SOLVED_WINDOW:
        return NEVER
    return len(lengths) if sum(lengths[-SOLVED_WINDOW:]) >= threshold * SOLVED_WINDOW else NEVER


def _record(task: Task, seed: int, lengths: IntArray, evaluation: IntArray) -> AgentRecord:
    counts = lengths.tolist()
    solved = (_solved_at(counts[:n], task.solved_length) for n in range(SOLVED_WINDOW, len(counts) + 1))
    return AgentRecord(
        seed=seed,
        episode_lengths=lengths,
        episode_rewards=lengths.astype(np.float64),
        solved_at=next((n for n in solved if n != NEVER), NEVER),
        evaluation_lengths=evaluation,
        spikes_per_step=math.nan,
    )


def _summary(task: Task, records: list[AgentRecord]) -> dict[str, Any]:
    if not records:
        raise InvalidValueError("seeds", [], "at least one seed")
    means, episodes = evaluation_means(records), episodes_to_solve(records)
    full = [_first_full(record, task.max_steps) for record in records]
    longer = task.solved_length is not None
    return {
        "seeds": len(records),
        "solved_fraction": float(np.mean(np.isfinite(episodes))),
        "median_episodes": finite(quantile(episodes, 0.5)),
        "q90_episodes": finite(quantile(episodes, 0.9)),
        "evaluation_mean": float(means.mean()) if means.size else None,
        "evaluation_worst": float((np.min if task.solved_return is None else np.max)(means))
        if means.size
        else None,
        "evaluation_seeds_ge_475": int(np.sum(means >= RELIABLE_LENGTH)) if means.size and longer else None,
        "spikes_per_step": None,
        "writes_per_device": None,
        "mean_length": float(np.mean(np.concatenate([record.episode_lengths for record in records]))),
        "first_full_median": finite(quantile(np.array(full), 0.5)),
        "per_seed": [
            {
                "seed": record.seed,
                "solved_at": record.solved_at if record.solved else None,
                "first_full_episode": None if math.isinf(first) else int(first),
                "evaluation_mean": float(record.evaluation_lengths.mean())
                if record.evaluation_lengths.size
                else None,
            }
            for record, first in zip(records, full, strict=True)
        ],
    }


def _first_full(record: AgentRecord, max_steps: int) -> float:
    """Give the 1-based number of the first episode that lasted to the step limit, infinite if none did."""
    reached = np.flatnonzero(record.episode_lengths == max_steps)
    return float(reached[0] + 1) if reached.size else math.inf


def _check_episodes(episodes: int) -> None:
    if episodes < 1:
        raise InvalidValueError("episodes", episodes, "a whole number >= 1")


def baselines(
    task: Task, seeds: Iterable[int], episodes: int, evaluation_episodes: int
) -> dict[str, dict[str, Any]]:
    """Run the baselines that fit a task, on the same seeds as the agents they stand beside.

    Returns
    -------
    dict
        ``"random"`` and, for a cart-pole whose 162 boxes can be told apart, ``"ase-ace"``.
    """
    chosen = list(seeds)
    found = {"random": random_policy(task, chosen, SOLVED_WINDOW if task.kernel() is not None else 10)}
    if isinstance(task, CartPole) and task.n_actions == 2 and task.observation_size == 4:
        found["ase-ace"] = ase_ace(task, chosen, episodes, max(evaluation_episodes, 1))
    return found
