"""`FastSession`: many agents of one model on one task, run by a generated kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Control, Counter, State
from snnrl.engines.fast.cache import load_module
from snnrl.engines.fast.generate import CompiledTask, Kernel, generate
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.session import Session, Stop, signal_parameters, value_parameters
from snnrl.equations.statements import evaluate, names_in
from snnrl.errors import InvalidValueError, UnknownNameError
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
    watched
        By population, a variable that `watch` records in every dt.

    Attributes
    ----------
    max_steps
        Environment steps after which an episode is truncated: the task's own, unless it is set.
    """

    def __init__(self, model: AgentModel, task: Task, reward: Reward, seeds: Iterable[int],
                 episodes: int, dtype: str = "float64", windowed: bool = True, threads: int = 1,
                 watched: Mapping[str, str] | None = None) -> None:  # fmt: skip
        super().__init__(model, lowered_agent(model), task, reward, seeds)
        self.threads, self.max_steps = threads, task.max_steps
        self.task_kernel = task.kernel()
        self.kernel = build_kernel(model, self.network, task, reward, dtype, windowed, watched or {})
        self.module = load_module(self.kernel.source)
        self.trace = np.zeros((0, 0))
        self.common = self._common()
        self.state = self._fresh_state(episodes)
        self.parameters = {part.name: dict(part.constants) for part, _ in self.kernel.parts}

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
                self.max_steps,
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

    # ------------------------------------------------------------------ changes while running

    def set_parameter(self, part: str, name: str, value: float) -> None:
        """Give a parameter of a population or synapse group another value, for all agents, from the next step on.

        Initial values that were computed from the parameter stay as they are.

        Raises
        ------
        UnknownNameError
            If the part, or its parameter, is not known.
        """
        if name not in self.parameters.get(part, {}):
            known = (
                f"{owner}.{parameter}" for owner, found in self.parameters.items() for parameter in found
            )
            raise UnknownNameError("parameter", f"{part}.{name}", known)
        self.parameters[part][name] = float(value)
        constants, dt = self.kernel.constants, self.network.dt
        values = self.parameters[part]
        for place, (group, expression) in enumerate(constants.scalars):
            if group == part and name in names_in(expression):
                self.common["p"][place] = evaluate(expression, {**values, "dt": dt})
        for place, (group, expression, sign) in enumerate(constants.tables):
            if group == part and name in names_in(expression):
                offsets = sign * dt * np.arange(constants.steps + 1)
                self.common["tables"][place] = evaluate(expression, {**values, "dt": offsets})

    def reseed(self, seeds: Iterable[int]) -> None:
        """Let the agents draw from the random streams of other seeds from now on; they keep what they are."""
        self.seeds = np.asarray(list(seeds), dtype=np.int64)
        self._change_streams()

    def restart_traces(self) -> None:
        """Put the traces that only learning keeps up back to their start, for learning that begins in mid-episode."""
        for group in self.kernel.groups:
            used = {name for s in group.frozen.statements for name in (s.target, *s.reads)}
            for variable, array in group.array.items():
                if variable not in used and variable not in group.lowered.weights:
                    start = self.kernel.initial_arrays.get(array)
                    value = group.lowered.initial[variable] if start is None else self.state[start]
                    self.state[array][:] = value

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
        steps, window = self.max_steps, self.network.env_steps
        counters = self.state["counters"][0]
        counters[[Counter.EPISODE_STEP, Counter.FINISHED, Counter.ENV_STEPS, Counter.MODE]] = 0
        counters[Counter.RECORD_FROM] = counters[Counter.DECISION]
        episode = int(counters[Counter.EPISODE])
        self.make_room(1)
        records = self.watch(steps)
        self.run(steps + 1, Stop(episode + 1), learning, exploration)
        length = int(self.state["lengths"][0, episode])
        spikes = {p.lowered.name: records[p.record][: length * window] != 0 for p in self.kernel.populations}
        trace, self.trace = self.trace[:length], np.zeros((0, 0))
        return spikes, trace

    def make_room(self, episodes: int) -> None:
        """Make room for the books of that many more episodes."""
        for name in ("lengths", "rewards"):
            room = np.zeros_like(self.state[name], shape=(len(self.seeds), episodes))
            self.state[name] = np.concatenate([self.state[name], room], axis=1)

    def watch(self, steps: int) -> State:
        """Record the first agent from now on, for this many environment steps after its ``RECORD_FROM``.

        Returns
        -------
        dict
            By array name of the kernel, what will be filled in: spikes ``[dt steps, neurons]`` of every population, the
            watched variables likewise, and ``trace`` (see `record_episode`).
        """
        rows, layout = steps * self.network.env_steps, self.kernel.layout.arrays
        names = [name for p in self.kernel.populations for name in (p.record, p.curve) if name]
        records = {name: np.zeros((rows, layout[name].shape[1]), layout[name].dtype) for name in names}
        self.trace = np.zeros((steps, 4 + self.task.observation_size))
        self.common = {**self.common, **records, "trace": self.trace}
        return {**records, "trace": self.trace}

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
    model: AgentModel,
    network: Any,
    task: Task,
    reward: Reward,
    dtype: str,
    windowed: bool,
    watched: Mapping[str, str] | None = None,
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
    return generate(model, network, task.observation_size, compiled, dtype, windowed, watched or {})
