"""`FastSession`: many agents of one model on one task, run by a generated kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Control, Counter
from snnrl.engines.fast.cache import load_module
from snnrl.engines.fast.generate import CompiledTask, Kernel, generate
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.session import Session, State, Stop, signal_parameters, value_parameters
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel

if TYPE_CHECKING:
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward


class FastSession(Session):
    """Agents that live in one kernel.

    Parameters
    ----------
    model
        The agent.
    task
        The task; with a compiled kernel it runs inside, else its Gymnasium environments are stepped outside.
    reward
        The reward function, bound to the task.
    seeds
        One agent per seed; a seed is an agent's whole identity.
    episodes
        Room for the books of this many episodes.
    dtype
        ``"float64"`` or ``"float32"``.
    windowed
        Whether rules of the trace family may use the windowed form (the general path gives the same numbers
        up to rounding).
    threads
        Agents run side by side on this many threads; changes no number.
    """

    def __init__(self, model: AgentModel, task: Task, reward: Reward, seeds: Iterable[int],
                 episodes: int, dtype: str = "float64", windowed: bool = True, threads: int = 1) -> None:  # fmt: skip
        super().__init__(model, lowered_agent(model), task, reward, seeds)
        self.threads = threads
        self.task_kernel = task.kernel()
        self.kernel = build_kernel(model, self.network, task, reward, dtype, windowed)
        self.module = load_module(self.kernel.source)
        self.trace = np.zeros((0, 0))
        self.common = self._common()
        self.state = self._fresh_state(episodes)

    @property
    def compiled(self) -> bool:
        """Whether the task's physics run inside the kernel."""
        return self.task_kernel is not None

    def _common(self) -> State:
        kernel, layout = self.kernel, self.kernel.layout
        common: State = {
            name: np.zeros(layout.arrays[name].shape, layout.arrays[name].dtype)
            for name in layout.names("common")
        }
        common |= {"p": kernel.scalars, "tables": kernel.tables, **kernel.common}
        common |= {"encoder_p": self.model.encoder.packed(), "action_p": self.model.action.packed()}
        common |= {
            "value_p": value_parameters(self.model),
            "signal_p": signal_parameters(self.model, self.task),
        }
        if self.task_kernel is not None:
            common |= {
                "task_p": np.asarray(self.task_kernel.parameters, np.float64),
                "reward_p": self.reward.p,
            }
        return common

    def _fresh_state(self, episodes: int) -> State:
        n = len(self.seeds)
        state = self.kernel.layout.zeros(n, "learned", "episode", "control")
        state["lengths"], state["rewards"] = np.zeros((n, episodes), np.int32), np.zeros((n, episodes))
        state["counters"][:, Counter.SOLVED_AT] = -1
        state["streams"] = self._stream_bases()
        self.kernel.fill_initial(state, self.seeds)
        return state

    def _change_streams(self) -> None:
        self.state["streams"] = self._stream_bases()

    def _stream_bases(self) -> NDArray[np.uint64]:
        ids = [random.stream_id(self.stream_name(name)) for name in self.kernel.streams.names]
        bases = [[random.stream_base(int(seed), stream) for stream in ids] for seed in self.seeds]
        return np.array(bases, dtype=np.uint64)

    # ------------------------------------------------------------------ running

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for at most ``budget`` environment steps, or until it has finished.

        Raises
        ------
        SimulationError
            If a value became NaN or infinite, or the reward did; names the population and when.
        """
        if not self.compiled:
            from snnrl.engines.fast.outside import run_outside

            run_outside(self, budget, stop, learning, exploration)
        else:
            arguments = (
                budget,
                self.task.max_steps,
                learning,
                float(exploration),
                self.time_constant,
                stop.packed(),
            )
            self.each_agent(lambda agent: self.call("run_agent", agent, *arguments))
        self.check_errors()

    def each_agent(self, work: Callable[[int], object]) -> None:
        """Run ``work`` for all unfinished agents on the session's threads; kernels release the GIL."""
        agents = [int(a) for a in np.flatnonzero(~self.finished)]
        if self.threads == 1 or len(agents) < 2:
            for agent in agents:
                work(agent)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(work, agents))

    def call(self, function: str, agent: int, *first: Any) -> Any:
        """Call a kernel function on one agent's slice of the state."""
        arrays = [
            self.state[n][agent] if n in self.state else self.common[n] for n in self.kernel.entries[function]
        ]
        return getattr(self.module, function)(*first, *arrays)

    # ------------------------------------------------------------------ results

    def variable(self, part: str, name: str) -> NDArray[Any]:
        """Return a variable of a population or synapse group, ``[agents, ...]``, as it is stored."""
        for owner, arrays in self.kernel.parts:
            if owner.name == part and name in arrays:
                return self.state[arrays[name]]
        raise InvalidValueError(
            "variable", f"{part}.{name}", "a population or synapse group and its variable"
        )

    def learned(self) -> State:
        """Return what was learned, ``[agents, ...]`` by array name."""
        return {name: self.state[name] for name in self.kernel.layout.names("learned")}

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        self.state.update({name: state[name] for name in self.learned()})

    # ------------------------------------------------------------------ recording one episode

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
        saved_state, saved_common = self.state, self.common
        self.state = {name: array[agent : agent + 1].copy() for name, array in saved_state.items()}
        saved_seeds, self.seeds = self.seeds, self.seeds[agent : agent + 1]
        try:
            return self._record(learning, exploration)
        finally:
            self.state, self.common, self.seeds = saved_state, saved_common, saved_seeds

    def _record(self, learning: bool, exploration: float) -> tuple[dict[str, Any], NDArray[Any]]:
        steps, window = self.task.max_steps, self.network.env_steps
        counters = self.state["counters"][0]
        counters[[Counter.EPISODE_STEP, Counter.FINISHED, Counter.ENV_STEPS, Counter.MODE]] = 0
        counters[Counter.RECORD_FROM] = counters[Counter.DECISION]
        episode = int(counters[Counter.EPISODE])
        for name in ("lengths", "rewards"):
            self.state[name] = np.concatenate(
                [self.state[name], np.zeros_like(self.state[name][:, :1])], axis=1
            )
        self.trace = np.zeros((steps, 4 + self.task.observation_size))
        records = {
            p.record: np.zeros((steps * window, p.lowered.size), np.uint8) for p in self.kernel.populations
        }
        self.common = {**self.common, **records, "trace": self.trace}
        self.run(steps + 1, Stop(episode + 1), learning, exploration)
        length = int(self.state["lengths"][0, episode])
        spikes = {p.lowered.name: records[p.record][: length * window] != 0 for p in self.kernel.populations}
        trace, self.trace = self.trace[:length], np.zeros((0, 0))
        return spikes, trace

    def record_step(self, agent: int, observation: NDArray[np.float64], action: int, gain: float) -> None:
        """Note one environment step taken outside the kernel, if an episode is being recorded."""
        row = int(
            self.state["counters"][agent, Counter.DECISION]
            - 1
            - self.state["counters"][agent, Counter.RECORD_FROM]
        )
        if row < len(self.trace):
            control = self.state["control"][agent]
            self.trace[row] = [control[Control.VALUE], control[Control.TD_ERROR], action, gain, *observation]


def build_kernel(
    model: AgentModel, network: Any, task: Task, reward: Reward, dtype: str, windowed: bool
) -> Kernel:
    """Generate the kernel of a model on a task (without compiling it)."""
    physics = task.kernel()
    compiled = None
    if physics is not None:
        compiled = CompiledTask(
            physics.step,
            physics.reset,
            physics.observe,
            reward.function,
            physics.state_size,
            physics.n_uniforms,
        )
    return generate(model, network, task.observation_size, compiled, dtype, windowed)
