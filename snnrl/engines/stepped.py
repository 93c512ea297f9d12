"""`SteppedSession`: the agent loop around a `Simulator`, for every engine that only simulates the network.

It is the loop of `snnrl.engines.fast.loop`, agent by agent the same numbers, for a batch that senses together:

* an agent whose episode was terminated learns from that at once and begins anew in the next round;
* one whose episode was truncated senses its last observation in the next round, beside the others, to bootstrap
  from it, and acts again in the round after.

So all agents of a simulator have always taken the same number of environment steps of network time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.coding import Readout
from snnrl.engines.books import Control, Counter, State
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.registry import engine as engine_named
from snnrl.engines.registry import make_simulator
from snnrl.engines.session import Session, Stop, signal_parameters, value_parameters
from snnrl.engines.simulator import Mask, Simulator
from snnrl.engines.world import World, coding_module, end_episodes
from snnrl.model import AgentModel, TDError

if TYPE_CHECKING:
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward


class SteppedSession(Session):
    """Agents around simulators: one simulator for all, or one each where the engine or the task wants it so.

    Parameters
    ----------
    engine
        Name of the engine.
    model, task, reward, seeds
        See `Session`.
    episodes
        Room for the books of this many episodes.
    dtype
        ``"float64"`` or ``"float32"``.
    options
        Of the engine.

    Attributes
    ----------
    simulators
        In the order of the agents.
    """

    def __init__(self, engine: str, model: AgentModel, task: Task, reward: Reward, seeds: Iterable[int],
                 episodes: int, dtype: str = "float64", **options: Any) -> None:  # fmt: skip
        super().__init__(model, lowered_agent(model), task, reward, seeds)
        self.engine, self.dtype, self.options = engine, dtype, options
        together = engine_named(engine).batch and task.kernel() is not None
        batches = [self.seeds] if together else [self.seeds[k : k + 1] for k in range(len(self.seeds))]
        self.simulators = [self._simulator(seeds) for seeds in batches]
        self.module = coding_module(self)
        self.world = World.of(self, self.module)
        self.state = self.fresh_books(episodes) | self.world.fresh_state()
        self.recorder: _Recorder | None = None

    def _simulator(self, seeds: NDArray[np.int64]) -> Simulator:
        return make_simulator(
            self.engine, self.model.network, self.network, seeds, self.dtype, (), **self.options
        )

    def _rows(self) -> Iterator[tuple[Simulator, slice]]:
        """Give each simulator with the rows of its agents."""
        start = 0
        for simulator in self.simulators:
            yield simulator, slice(start, start + simulator.n_agents)
            start += simulator.n_agents

    # ------------------------------------------------------------------ running

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for ``budget`` rounds, or until it has finished; see `Session.run`.

        Gymnasium environments are only left between episodes, because their inside cannot be saved.
        """
        for simulator, rows in self._rows():
            if not self.finished[rows].all():
                simulator.signals["exploration"][:] = exploration
                simulator.drive(AgentLoop(self, simulator, rows, stop, learning).rounds(budget))
        self._check_finite()
        self.check_errors()

    def _check_finite(self) -> None:
        """Note populations whose variables are no numbers any more."""
        for place, neurons in enumerate(self.network.neurons):
            for statement in neurons.update:
                if statement.target in neurons.variables:
                    bad = ~np.isfinite(self.variable(neurons.name, statement.target)).all(axis=1)
                    error = self.state["counters"][:, Counter.ERROR]
                    error[bad & (error == 0)] = place + 1

    def _change_streams(self) -> None:
        for simulator in self.simulators:
            simulator.begin_phase("evaluation/" if self.evaluating else "")

    # ------------------------------------------------------------------ state

    def save(self) -> State:
        """Return everything a run needs to go on, agents first."""
        saved = [simulator.save() for simulator in self.simulators]
        networks = {f"network/{name}": np.concatenate([s[name] for s in saved]) for name in saved[0]}
        return {**super().save(), **networks}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        super().restore(
            {name: array.copy() for name, array in state.items() if not name.startswith("network/")}
        )
        self._change_streams()
        for simulator, rows in self._rows():
            simulator.restore(
                {
                    name.removeprefix("network/"): array[rows]
                    for name, array in state.items()
                    if name.startswith("network/")
                }
            )

    def learned(self) -> State:
        """Return the weights of all agents by ``group.variable``."""
        names = [(group.name, weight) for group in self.network.synapses for weight in group.weights]
        return {f"{group}.{weight}": self.variable(group, weight) for group, weight in names}

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        fresh = self.fresh_books(self.state["lengths"].shape[1]) | self.world.fresh_state()
        self.restore({**state, **fresh, "evaluating": np.zeros(len(self.seeds), dtype=bool)})

    def variable(self, part: str, name: str) -> NDArray[Any]:
        """Return a variable of a population or synapse group, ``[agents, ...]``."""
        return np.concatenate([simulator.variable(part, name) for simulator in self.simulators])

    # ------------------------------------------------------------------ recording

    def trace_episodes(
        self, episodes: int, learning: bool = True, exploration: float = 1.0
    ) -> list[NDArray[Any]]:
        """Run the next episodes of a session with one agent and return the trace of each."""
        first, self.recorder = int(self.episodes[0]), _Recorder([])
        self.state["counters"][:, Counter.FINISHED] = 0
        most = episodes * (self.task.max_steps + 2)
        self.run(most, Stop(first + episodes), learning, exploration)
        (_, trace), self.recorder = self.recorder.result(), None
        ends = np.cumsum(self.state["lengths"][0, first : first + episodes])
        return np.split(trace, ends[:-1])

    def record_episode(
        self, agent: int, learning: bool, exploration: float
    ) -> tuple[dict[str, Any], NDArray[Any]]:
        """Run one more episode of one agent in a session of its own; see `Session.record_episode`."""
        alone = SteppedSession(self.engine, self.model, self.task, self.reward, self.seeds[agent : agent + 1],
                               1, self.dtype, **self.options)  # fmt: skip
        alone.restore({name: array[agent : agent + 1] for name, array in self.save().items()})
        counters = alone.state["counters"][0]
        alone.simulators[0].set_clock(int(counters[Counter.STEP]), int(counters[Counter.DECISION]))
        counters[[Counter.EPISODE_STEP, Counter.FINISHED, Counter.ENV_STEPS, Counter.MODE]] = 0
        for name in ("lengths", "rewards"):
            room = np.zeros_like(alone.state[name][:, :1])
            alone.state[name] = np.concatenate([alone.state[name], room], axis=1)
        alone.recorder = _Recorder([n.name for n in self.network.neurons])
        alone.run(self.task.max_steps + 2, Stop(int(counters[Counter.EPISODE]) + 1), learning, exploration)
        alone.world.close()
        return alone.recorder.result()


class AgentLoop:
    """One environment step after the other, for the agents of one simulator.

    Parameters
    ----------
    session
        Whose books are kept.
    simulator
        The network.
    rows
        The simulator's agents within the session.
    stop
        When an agent has finished.
    learning
        Whether plasticity is on.
    """

    def __init__(
        self, session: SteppedSession, simulator: Simulator, rows: slice, stop: Stop, learning: bool
    ) -> None:
        self.session, self.simulator, self.rows, self.stop, self.learning = (
            session,
            simulator,
            rows,
            stop,
            learning,
        )
        model, n = session.model, simulator.n_agents
        self.signal_p, self.value_p = signal_parameters(model, session.task), value_parameters(model)
        self.codes, self.scratch = np.zeros((n, model.encoder.size)), np.zeros(model.encoder.scratch_size)
        self.actions = np.zeros(n, dtype=np.int64)
        self.encoder_p, self.action_p = model.encoder.packed(), model.action.packed()
        stream = random.stream_id(session.stream_name("action"))
        bases = [random.stream_base(int(seed), stream) for seed in simulator.seeds]
        self.action_streams = np.array(bases, dtype=np.uint64)

    @property
    def counters(self) -> NDArray[np.int64]:
        """The counters of the simulator's agents, a view."""
        view: NDArray[np.int64] = self.session.state["counters"][self.rows]
        return view

    @property
    def control(self) -> NDArray[np.float64]:
        """The control numbers of the simulator's agents, a view."""
        view: NDArray[np.float64] = self.session.state["control"][self.rows]
        return view

    def rounds(self, budget: int) -> Iterator[Mask]:
        """Go through the rounds; yields the agents that learn where the network has to advance."""
        whole_episodes = self.session.task.kernel() is None
        done = 0
        while done < budget or (whole_episodes and self.counters[:, Counter.EPISODE_STEP].any()):
            active = (self.counters[:, Counter.FINISHED] == 0) & (self.counters[:, Counter.ERROR] == 0)
            if not active.any():
                return
            self._begin(active & (self.counters[:, Counter.EPISODE_STEP] == 0))
            self.encode(active)
            yield active & self.learning
            self.note_advance(active)
            self.learn(active, self.value(), terminal=False)
            bootstrapped = active & (self.counters[:, Counter.MODE] == 2)
            self.end(bootstrapped)
            self._act(active & ~bootstrapped)
            done += 1

    def _begin(self, agents: Mask) -> None:
        if not agents.any():
            return
        self.simulator.begin_episode(agents)
        self.session.world.reset(self._all(agents))
        books = (Control.VALUE, Control.TD_ERROR, Control.REWARD, Control.REWARD_ERROR, Control.LAST_REWARD,
                 Control.LAST_REWARD_ERROR)  # fmt: skip
        for place in books:
            self.control[agents, place] = 0.0

    def _all(self, agents: Mask) -> Mask:
        """Return a mask over the session's agents."""
        mask = np.zeros(len(self.session.seeds), dtype=bool)
        mask[self.rows] = agents
        return mask

    def encode(self, agents: Mask) -> None:
        """Hand what these agents see to the network."""
        session, encoder = self.session, self.session.model.encoder
        observations = session.state["observation"][self.rows]
        session.module.encode_all(agents, observations, self.codes, self.scratch, self.encoder_p)
        self.simulator.write(encoder.population, encoder.variable, self.codes)

    def note_advance(self, agents: Mask) -> None:
        """Count the step and its spikes."""
        self.counters[agents, Counter.DECISION] += 1
        self.counters[agents, Counter.STEP] += self.session.network.env_steps
        totals = self.session.state["spike_total"][self.rows]
        for place, population in enumerate(self.session.network.neurons):
            if population.threshold:
                counts = self.simulator.spikes(population.name).sum(axis=(1, 2))
                totals[agents, place] += counts[agents]

    def _read_out(self, readout: Readout) -> NDArray[np.bool_]:
        """Return the spikes a decoder looks at, ``[agents, dt steps, neurons]``."""
        return self.simulator.spikes(readout.population)[:, :, readout.start : readout.stop]

    def _shown(self, readout: Readout, variable: str) -> NDArray[np.float64]:
        """Return the values of a variable that a decoder looks at, ``[agents, neurons]``."""
        return self.simulator.variable(readout.population, variable)[:, readout.start : readout.stop]

    def value(self) -> NDArray[np.float64]:
        """Return the value the critic gives, ``[agents]``."""
        model = self.session.model
        if model.value is None:
            return np.zeros(self.simulator.n_agents)
        critic = model.readouts[-1]
        if model.value.variable:
            read = self._shown(critic, model.value.variable).mean(axis=1)
        else:
            spikes = self._read_out(critic)
            read = spikes.sum(axis=(1, 2)) / float(spikes.shape[2])
        instant = self.value_p[1] * (read - self.value_p[0])
        before = self.control[:, Control.VALUE]
        smoothed = before + self.value_p[2] * (instant - before)
        return np.where(self.counters[:, Counter.EPISODE_STEP] == 0, instant, smoothed)

    def learn(self, agents: Mask, value: NDArray[np.float64], terminal: bool) -> None:
        """Form the learning signals of the last transition and run ``on_reward``."""
        if not agents.any():
            return
        control = self.control
        control[agents, Control.SUCCESS] = np.minimum(1.0, control[:, Control.RECENT] * self.signal_p[2])[
            agents
        ]
        first = self.counters[:, Counter.EPISODE_STEP] == 0
        signals = {
            Control.TD_ERROR: self._td_error(value),
            Control.REWARD: control[:, Control.LAST_REWARD],
            Control.REWARD_ERROR: control[:, Control.LAST_REWARD_ERROR],
        }
        for place, values in signals.items():
            control[agents, place] = np.where(first, 0.0, values)[agents]
        for place in (*signals, Control.SUCCESS):
            self.simulator.signals[place.name.lower()][agents] = control[agents, place]
        if self.learning:
            self.simulator.learn(agents, 2 * self.simulator.decision + int(terminal))
        control[agents, Control.VALUE] = value[agents]

    def _td_error(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        if not isinstance(self.session.model.signal, TDError):
            return np.zeros_like(value)
        gamma, clip = self.signal_p[0], self.signal_p[1]
        control = self.control
        error = (1.0 - gamma) * control[:, Control.LAST_REWARD] + gamma * value - control[:, Control.VALUE]
        return np.asarray(np.minimum(np.maximum(error, -clip), clip))

    def end(self, agents: Mask) -> None:
        """Book the end of these agents' episodes."""
        if agents.any():
            end_episodes(self.session.module, self._all(agents), self.stop, self.session.state)

    def _act(self, agents: Mask) -> None:
        """Choose, step the task, and learn from an end."""
        if not agents.any():
            return
        session, state = self.session, self.session.state
        self.decode(agents)
        seen = state["observation"][self.rows].copy()
        everyone, actions = self._all(agents), np.zeros(len(session.seeds), dtype=np.int64)
        actions[self.rows] = self.actions
        gains, terminated, truncated = session.world.step(everyone, actions)
        if session.recorder is not None:
            session.recorder.note(self.simulator, self.control[0], int(self.actions[0]), gains[0], seen[0])
        everyone &= state["counters"][:, Counter.ERROR] == 0
        session.module.take_all(everyone, gains, terminated, truncated, self.learning, session.time_constant,
                                state["counters"], state["control"])  # fmt: skip
        over = agents & (self.counters[:, Counter.MODE] == 1)
        self.learn(over, np.zeros(self.simulator.n_agents), terminal=True)
        self.end(over)

    def decode(self, agents: Mask) -> None:
        """Choose these agents' ``actions`` from the spikes of the last environment step."""
        model = self.session.model
        windows = [self._read_out(r).sum(axis=2) for r in model.readouts[: len(model.action.populations)]]
        counts = np.stack([w.sum(axis=1) for w in windows], axis=1).astype(np.float64)
        if model.action.variable:
            shown = [self._shown(r, model.action.variable) for r in model.readouts[: len(windows)]]
            counts = np.stack([values.sum(axis=1) for values in shown], axis=1)
        fired = np.stack([w > 0 for w in windows], axis=1)
        first = np.where(fired.any(axis=2), fired.argmax(axis=2), -1)
        chances = random.first_uniforms(self.action_streams, self.counters[:, Counter.DECISION])
        window = float(self.session.network.env_steps)
        self.session.module.decode_all(agents, counts, first, chances, window, self.action_p, self.actions)


class _Recorder:
    """Notes one agent's episode spike by spike."""

    def __init__(self, populations: Iterable[str]) -> None:
        self.spikes: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in populations}
        self.rows: list[list[float]] = []

    def note(self, simulator: Simulator, control: NDArray[np.float64], action: int, gain: float,
             observation: NDArray[np.float64]) -> None:  # fmt: skip
        """Note one environment step."""
        for name, windows in self.spikes.items():
            windows.append(simulator.spikes(name)[0])
        value, error = float(control[Control.VALUE]), float(control[Control.TD_ERROR])
        self.rows.append([value, error, action, gain, *observation])

    def result(self) -> tuple[dict[str, Any], NDArray[Any]]:
        """Return spikes by population, and the trace."""
        return {name: np.concatenate(windows) for name, windows in self.spikes.items()}, np.array(self.rows)
