"""Brian2's C++ standalone target: a whole training run, or a run on supplied spikes, as one compiled program.

The objects are those of the runtime targets (`snnrl.engines.brian2.objects`), the task is a Brian2 group as well
(`standalone_world`), and the agent loop is C++ between them (`standalone_loop`). A model is compiled once; seeds,
evaluation, recording and the budget are inputs of the program.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.engines.books import Control, Counter, State
from snnrl.engines.brian2.objects import Objects, build
from snnrl.engines.brian2.standalone_compiled import Arrays, Compiled, Reader, checked_dtype, rasters
from snnrl.engines.brian2.standalone_loop import closed_loop
from snnrl.engines.brian2.standalone_open_loop import simulate_standalone
from snnrl.engines.brian2.standalone_places import Places
from snnrl.engines.brian2.standalone_program import build_program, standalone_device
from snnrl.engines.brian2.standalone_world import make_world
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.session import Session, Stop
from snnrl.equations.lowered import SHARED_SIGNALS, LoweredNetwork
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel

if TYPE_CHECKING:
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward

__all__ = ["StandaloneObjects", "StandaloneSession", "simulate_standalone"]

EVALUATION = "evaluation/"


@dataclass
class StandaloneObjects(Objects):
    """The Brian2 objects of a compiled program, to read their equations; values come from the session.

    Attributes
    ----------
    world
        The task as a ``NeuronGroup`` of size 1; its physics are the ``run_regularly`` operations among
        ``world.contained_objects``.
    """

    world: Any


def compile_agent(model: AgentModel, network: LoweredNetwork, task: Task, reward: Reward,
                  dtype: str) -> tuple[Compiled, StandaloneObjects]:  # fmt: skip
    """Compile the closed loop of an agent.

    Raises
    ------
    UnsupportedError
        If Brian2 cannot run a part, or encoder, decoder, reward or physics have no translation to C++.
    """
    with standalone_device() as folder:
        built = build(model.network, network, 0, checked_dtype(dtype))
        world = make_world(task, built.clock, built.parts)
        built.objects.network.add(world.group)
        places = Places(built, network)
        program = build_program(built.objects.network, folder,
                                lambda: closed_loop(model, task, reward, world, places), network.dt)  # fmt: skip
    return Compiled(network, program), StandaloneObjects(**vars(built.objects), world=world.group)


class StandaloneSession(Session):
    """Agents of one compiled program, each run of which is one agent.

    ``run`` ends between episodes: everything but what was learned begins anew there, so that the program can go on
    from the books and the weights alone.

    Parameters
    ----------
    model, task, reward, seeds
        See `Session`.
    episodes
        Room for the books of this many episodes.
    dtype
        ``"float64"`` or ``"float32"``.
    threads
        Programs that run side by side; changes no number.

    Attributes
    ----------
    objects
        The Brian2 objects, to read; ``objects.world`` is the task.
    """

    def __init__(self, model: AgentModel, task: Task, reward: Reward, seeds: Iterable[int], episodes: int,
                 dtype: str = "float64", threads: int | None = None) -> None:  # fmt: skip
        super().__init__(model, lowered_agent(model), task, reward, seeds)
        self.threads = threads or os.cpu_count() or 1
        self.compiled, self.objects = compile_agent(model, self.network, task, reward, dtype)
        self._start = [self.compiled.start(int(seed)) for seed in self.seeds]
        self._found: list[Arrays | None] = [None for _ in self.seeds]
        self.state = self._fresh_state(episodes)

    def _fresh_state(self, episodes: int) -> State:
        books = self.fresh_books(episodes)
        return books | {name: np.stack([start[name] for start in self._start]) for name in self._weights}

    @property
    def _weights(self) -> list[str]:
        return [f"{group.name}.{weight}" for group in self.network.synapses for weight in group.weights]

    # ------------------------------------------------------------------ running

    def run(self, budget: int, stop: Stop, learning: bool = True, exploration: float = 1.0) -> None:
        """Run every agent for at least ``budget`` environment steps, to the end of an episode; see `Session.run`."""
        agents = [int(agent) for agent in np.flatnonzero(~self.finished)]
        with ThreadPoolExecutor(min(self.threads, max(len(agents), 1))) as pool:
            list(pool.map(lambda agent: self._run(agent, budget, stop, learning, exploration), agents))
        self.check_errors()

    def _run(self, agent: int, budget: int, stop: Stop, learning: bool, exploration: float) -> None:
        state = {name: array[agent] for name, array in self.state.items()}
        after, _, _ = self._play(agent, state, budget, stop, learning, exploration, recording=False)
        for name, values in after.items():
            self.state[name][agent] = values

    def _play(self, agent: int, state: State, budget: int, stop: Stop, learning: bool, exploration: float,
              recording: bool) -> tuple[State, NDArray[np.float64], NDArray[np.int32]]:  # fmt: skip
        """Run the program for one agent; return its state after that, the trace and the recorded spikes."""
        given = self._given(agent, state, budget, stop, learning, exploration, recording)
        weights = {name: state[name] for name in self._weights}
        found, written = self.compiled.run({**self._start[agent], **weights}, given)
        if not recording:
            self._found[agent] = found
        books = Reader(written)
        after = {
            "counters": books.take(np.int64, len(Counter)),
            "control": books.take(np.float64, len(Control)),
            "spike_total": books.take(np.float64, len(self.network.neurons)),
            "lengths": books.take(np.int64, len(state["lengths"])),
            "rewards": books.take(np.float64, len(state["rewards"])),
            **{name: self.compiled.shaped(name, found[name]) for name in self._weights},
        }
        trace = books.take(np.float64).reshape(-1, 4 + self.task.observation_size)
        return after, trace, books.take(np.int32).reshape(-1, 3)

    def _given(self, agent: int, state: State, budget: int, stop: Stop, learning: bool, exploration: float,
               recording: bool) -> list[NDArray[Any]]:  # fmt: skip
        """Return what the program is told, in the order in which it reads."""
        seed, episodes = int(self.seeds[agent]), len(state["lengths"])
        own = [
            random.stream_base(seed, random.stream_id(self.stream_name(n))) for n in ("action", "task/reset")
        ]
        return [
            np.array([budget, self.task.max_steps, episodes, learning, recording], np.int64),
            np.array([exploration, self.time_constant, *stop.packed()], np.float64),
            np.array(own, np.uint64),
            self.compiled.streams(seed, EVALUATION if self.evaluating else ""),
            state["counters"].astype(np.int64),
            state["control"].astype(np.float64),
            state["spike_total"].astype(np.float64),
            state["lengths"].astype(np.int64),
            state["rewards"].astype(np.float64),
        ]

    def _change_streams(self) -> None:
        """Do nothing: the program is told its streams in every run."""

    def record_episode(
        self, agent: int, learning: bool, exploration: float
    ) -> tuple[dict[str, Any], NDArray[Any]]:
        """Run one more episode of one agent, spike by spike; see `Session.record_episode`."""
        state = {name: array[agent].copy() for name, array in self.state.items()}
        state["counters"][[Counter.EPISODE_STEP, Counter.FINISHED, Counter.ENV_STEPS, Counter.MODE]] = 0
        for name in ("lengths", "rewards"):
            state[name] = np.append(state[name], 0)
        stop = Stop(int(state["counters"][Counter.EPISODE]) + 1)
        _, trace, events = self._play(
            agent, state, self.task.max_steps + 2, stop, learning, exploration, True
        )
        steps = len(trace) * self.network.env_steps
        return rasters(self.network, events, steps), trace

    # ------------------------------------------------------------------ state

    def restore(self, state: State) -> None:
        """Put back what `save` returned; what was not learned is known again after the next run."""
        super().restore({name: array.copy() for name, array in state.items()})
        self._found = [None for _ in self.seeds]

    def learned(self) -> State:
        """Return the weights of all agents by ``group.variable``."""
        return {name: self.state[name] for name in self._weights}

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        self.state |= {name: state[name].copy() for name in self._weights}

    def variable(self, part: str, name: str) -> NDArray[Any]:
        """Return a variable of a population or synapse group at the end of the last run, ``[agents, ...]``."""
        full = f"{part}.{name}"
        if full not in self.compiled.names:
            raise InvalidValueError("variable", full, "a population or synapse group and its variable")
        if full in self._weights:
            return self.state[full]
        return np.stack([self._present(agent, full) for agent in range(len(self.seeds))])

    def _present(self, agent: int, name: str) -> NDArray[np.float64]:
        found = self._found[agent]
        if found is None:
            return self._start[agent][name]
        counters, control = self.state["counters"][agent], self.state["control"][agent]
        signals = {s: float(control[Control[s.upper()]]) for s in SHARED_SIGNALS if s != "exploration"}
        return self.compiled.present(
            found, name, int(counters[Counter.STEP]), {**signals, "exploration": 1.0}
        )
