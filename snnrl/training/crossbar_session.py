"""`CrossbarSession`: agents with crossbar networks on one task, with the books and the manners of a spiking session."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Books, Control, Counter, State
from snnrl.engines.fast.cache import load_module
from snnrl.errors import SimulationError
from snnrl.networks.crossbar_agent import ACTION_STREAM, EVALUATION, pair_thresholds
from snnrl.networks.crossbar_episodes import EVALUATION_RESET, LEARNING_RESET, flat, reset_seed
from snnrl.training.crossbar_kernel import Running, kernel_source, packed_numbers, packed_sizes

if TYPE_CHECKING:
    from snnrl.engines.session import Stop
    from snnrl.networks.crossbar import CrossbarActorCritic
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward

LEARNED = ("w", "pairs", "speed", "writes")


class CrossbarSession(Books):
    """Agents that act and learn in one compiled kernel, to the last bit as `CrossbarPlayer` would have them.

    Parameters
    ----------
    network
        What kind of agent.
    task
        The task; with a compiled kernel it runs inside, else its Gymnasium environments are stepped outside.
    reward
        The reward function, bound to the task.
    seeds
        One agent per seed; a seed is an agent's whole identity.
    episodes
        Room for the books of this many episodes.
    threads
        Agents run side by side on this many threads; changes no number.

    Attributes
    ----------
    state
        Arrays by name, agents first.
    evaluating
        Whether learning is over; an evaluation draws from random streams of its own.
    """

    def __init__(self, network: CrossbarActorCritic, task: Task, reward: Reward, seeds: Iterable[int],
                 episodes: int, threads: int = 1) -> None:  # fmt: skip
        self.network, self.task, self.reward, self.threads = network, task, reward, threads
        self.seeds = np.asarray(list(seeds), dtype=np.int64)
        self.evaluating = False
        self.n_inputs = network.inputs(task)
        self.kernel = task.kernel()
        self.source = kernel_source(self.kernel, reward)
        self.module = load_module(self.source)
        self._common: State = {
            "numbers": packed_numbers(network), "sizes": packed_sizes(network, self.n_inputs),
            "inverse": 1.0 / np.array(task.observation_scale), "reward_p": reward.p,
            "task_p": np.zeros(0) if self.kernel is None else np.asarray(self.kernel.parameters, np.float64),
        }  # fmt: skip
        self.state = self._fresh_state(episodes)

    def _fresh_state(self, episodes: int) -> State:
        n, size, seeds = len(self.seeds), self.network.places(self.n_inputs).size, self.seeds.tolist()
        w = np.array([self.network.initial_weights(self.n_inputs, seed) for seed in seeds])
        device = self.network.device
        speed = np.ones((n, 2, 2, size))
        if device is not None:
            speed = np.array([device.speed(pair_thresholds(device, seed, size)) for seed in seeds])
        running = np.zeros((n, len(Running)))
        running[:, Running.GAMMA] = self.network.gamma
        return {
            "counters": self._fresh_counters(), "control": np.zeros((n, len(Control))),
            "running": running, "w": w, "pairs": np.stack([w / 2, -w / 2], axis=1), "speed": speed,
            "writes": np.zeros((n, size), np.int64), "observation": np.zeros((n, self.task.observation_size)),
            "world": np.zeros((n, 0 if self.kernel is None else self.kernel.state_size)),
            **self._fresh_books(episodes),
        }  # fmt: skip

    def _fresh_counters(self) -> NDArray[np.int64]:
        counters = np.zeros((len(self.seeds), len(Counter)), np.int64)
        counters[:, Counter.SOLVED_AT] = -1
        return counters

    def _fresh_books(self, episodes: int) -> State:
        n = len(self.seeds)
        return {"lengths": np.zeros((n, episodes), np.int32), "rewards": np.zeros((n, episodes))}

    # ------------------------------------------------------------------ running

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for about ``budget`` environment steps, or until it has finished.

        Raises
        ------
        SimulationError
            If the reward became NaN or infinite.
        """
        work = self._run_inside if self.kernel is not None else self._run_outside
        agents = [int(a) for a in np.flatnonzero(~self.finished)]
        jobs = [(agent, budget, stop, learning, float(exploration)) for agent in agents]
        if self.threads == 1 or len(agents) < 2:
            for job in jobs:
                work(*job)
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                list(pool.map(lambda job: work(*job), jobs))
        for row in np.flatnonzero(self.state["counters"][:, Counter.ERROR]):
            raise self._reward_error("NaN or infinity", int(row))

    def _reward_error(self, got: object, row: int) -> SimulationError:
        return SimulationError(f"the reward {self.reward.name!r} returned {got} (seed {self.seeds[row]})")

    def _arrays(self, agent: int) -> State:
        """Give the arrays of one agent and those that all share, by the names of the kernel's parameters."""
        seed, phase = int(self.seeds[agent]), EVALUATION if self.evaluating else ""
        streams = (f"{phase}{ACTION_STREAM}/0", EVALUATION_RESET if self.evaluating else LEARNING_RESET)
        bases = [random.stream_base(seed, random.stream_id(name)) for name in streams]
        scratch = {
            "x": np.zeros(self.n_inputs), "y": np.zeros(self.network.hidden), "bases": np.array(bases, np.uint64),
            "change": np.zeros(self.state["w"].shape[1]),
        }  # fmt: skip
        return {**{name: array[agent] for name, array in self.state.items()}, **self._common, **scratch}

    def _run_inside(self, agent: int, budget: int, stop: Stop, learning: bool, exploration: float) -> None:
        assert self.kernel is not None
        values: dict[str, Any] = {
            "budget": budget, "max_steps": self.task.max_steps, "learning": learning, "exploration": exploration,
            "stop": stop.packed(), "n_uniforms": self.kernel.n_uniforms, **self._arrays(agent),
        }  # fmt: skip
        _call(self.module.run_agent, values)

    def _run_outside(self, agent: int, budget: int, stop: Stop, learning: bool, exploration: float) -> None:
        """Play whole episodes in the task's environment, whose inside cannot be saved."""
        counters = self.state["counters"][agent]
        until = counters[Counter.ENV_STEPS] + budget
        env = self.task.make()
        try:
            while counters[Counter.FINISHED] == 0 and counters[Counter.ENV_STEPS] < until:
                start = {name: array[agent].copy() for name, array in self.state.items()}
                try:
                    self._play(env, agent, stop, learning, exploration)
                except BaseException:
                    for name, values in start.items():
                        self.state[name][agent] = values
                    raise
        finally:
            env.close()

    def _play(self, env: Any, agent: int, stop: Stop, learning: bool, exploration: float) -> None:
        values: dict[str, Any] = {**self._arrays(agent), "learning": learning, "exploration": exploration,
                                  "stop": stop.packed(), "time_constant": 0.0}  # fmt: skip
        counters, control, observation = values["counters"], values["control"], values["observation"]
        stream = EVALUATION_RESET if self.evaluating else LEARNING_RESET
        seed = reset_seed(int(self.seeds[agent]), stream, int(counters[Counter.EPISODE]))
        observation[:] = flat(env.reset(seed=seed)[0])
        while counters[Counter.MODE] == 0:
            action = int(_call(self.module.decide, values))
            observed, own, terminated, truncated, _ = env.step(action)
            following, step = flat(observed), int(counters[Counter.EPISODE_STEP]) + 1
            gain = float(own)
            if not self.reward.uses_environment:
                gain = self.reward(observation, following, terminated, step, float(control[Control.RECENT]))
            if not np.isfinite(gain):
                raise self._reward_error(gain, agent)
            terminated = bool(terminated)
            values |= {"following": following, "reward": gain, "gain": gain, "failed": terminated,
                       "terminated": terminated,
                       "truncated": (bool(truncated) or step >= self.task.max_steps) and not terminated}  # fmt: skip
            if learning:
                _call(self.module.learn, values)
            _call(self.module.take_reward, values)
            observation[:] = following
        _call(self.module.close, values)

    def check_silence(self, after: int) -> None:
        """Do nothing: these networks have no spikes to miss."""

    # ------------------------------------------------------------------ state

    def begin_evaluation(self, episodes: int) -> None:
        """Forget episodes and counts, keep what was learned, and draw from the random streams of evaluation."""
        self.evaluating = True
        self.state["counters"] = self._fresh_counters()
        self.state["control"][:] = 0.0
        self.state["running"][:, [Running.INPUT_SQUARES, Running.HIDDEN_SQUARES]] = 0.0
        self.state |= self._fresh_books(episodes)

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        self.state |= {name: state[name] for name in LEARNED}

    # ------------------------------------------------------------------ books

    @property
    def spikes_per_step(self) -> NDArray[np.float64]:
        """NaN, ``[agents]``: these networks do not spike."""
        return np.full(len(self.seeds), np.nan)

    def writes_per_device(self) -> NDArray[np.float64]:
        """Return the mean number of writes of an agent's devices, ``[agents]``; both of a pair are written together."""
        return np.asarray(self.state["writes"].mean(axis=1))


def _call(function: Any, values: dict[str, Any]) -> Any:
    """Call a compiled function with the values its parameters name."""
    code = function.py_func.__code__
    return function(*(values[name] for name in code.co_varnames[: code.co_argcount]))
