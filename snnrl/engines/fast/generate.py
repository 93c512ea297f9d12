"""Put a kernel together: from a lowered agent to the text of one Python module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from snnrl.coding import Readout
from snnrl.engines.books import Control, Counter
from snnrl.engines.fast import loop
from snnrl.engines.fast.cache import allow_noalias
from snnrl.engines.fast.functions import Functions
from snnrl.engines.fast.layout import Layout, Role
from snnrl.engines.fast.library import header
from snnrl.engines.fast.populations import Population, Streams
from snnrl.engines.fast.render import Constants, Source
from snnrl.engines.fast.synapses import SynapseGroup
from snnrl.engines.initial import initial_values
from snnrl.equations.lowered import LoweredNetwork
from snnrl.model import AgentModel

_NOTHING: Mapping[str, str] = {}

REWARD_PARAMETERS = ["end", "reward_step", "learning", "exploration_", "td_error", "reward", "reward_error",
                     "old_td_error", "old_reward", "old_reward_error"]  # fmt: skip
"""What the third factor is called with: the step in the window, signals now, and those of the steps before."""


@dataclass(frozen=True)
class CompiledTask:
    """What the kernel needs of a task whose physics run inside.

    ``step(state, action, p) -> terminated``, ``reset(state, uniforms, p)``, ``observe(state, observation, p)``
    and ``reward(before, after, terminated, step, recent, p) -> float`` are self-contained functions; the reward
    sees states.
    """

    step: Callable[..., Any]
    reset: Callable[..., Any]
    observe: Callable[..., Any]
    reward: Callable[..., Any]
    state_size: int
    n_uniforms: int


@dataclass
class Kernel:
    """A generated kernel: its text, its arrays and the numbers it is given.

    Attributes
    ----------
    source
        Text of the Python module.
    layout
        All arrays by name.
    constants
        What the scalars and tables were computed from.
    scalars, tables
        Numbers computed on the host.
    common
        Arrays shared by all agents.
    streams
        Names of the random streams.
    initial_arrays
        By the name of an episode variable, the array that holds its initial values.
    entries
        The functions called from Python, with the arrays each takes.
    """

    source: str
    layout: Layout
    constants: Constants
    scalars: NDArray[Any]
    tables: NDArray[Any]
    common: dict[str, NDArray[Any]]
    streams: Streams
    groups: list[SynapseGroup]
    populations: list[Population]
    initial_arrays: dict[str, str]
    entries: dict[str, list[str]]

    @property
    def parts(self) -> list[tuple[Any, dict[str, str]]]:
        """Populations and groups, lowered, each with the array of every variable."""
        parts: list[tuple[Any, dict[str, str]]] = [
            (p.lowered, p.variable | p.shared) for p in self.populations
        ]
        return parts + [(g.lowered, g.array) for g in self.groups]

    def fill_initial(self, state: dict[str, NDArray[Any]], seeds: NDArray[np.int64]) -> None:
        """Evaluate initial values per agent, in the order of the model's entries, into the arrays of ``state``."""
        for part, arrays in self.parts:
            for row, seed in enumerate(seeds):
                for variable, value in initial_values(part, int(seed)).items():
                    name = arrays[variable]
                    state[self.initial_arrays.get(name, name)][row] = value
                    state[name][row] = value


def generate(
    model: AgentModel,
    network: LoweredNetwork,
    n_observation: int,
    task: CompiledTask | None,
    real: str,
    windowed: bool,
    watched: Mapping[str, str],
) -> Kernel:
    """Generate the kernel of an agent.

    Parameters
    ----------
    model, network
        The agent and its lowered network.
    n_observation
        Number of observation variables.
    task
        The task's functions if its physics run inside the kernel, else ``None``.
    real
        ``"float64"`` (the reference) or ``"float32"``.
    windowed
        Whether rules of the trace family may use the windowed form.
    watched
        By population, a variable that can be recorded in every dt.
    """
    return _AgentGenerator(model, network, n_observation, task, real, windowed, watched).kernel()


def generate_network(
    network: LoweredNetwork, real: str, windowed: bool, clamped: Collection[str] = ()
) -> Kernel:
    """Generate the kernel of a network without an agent around it.

    Its entries are ``network_advance``, ``network_learn`` and ``network_begin``. Populations named in ``clamped``
    spike as the array ``given`` of their `Population` says.
    """
    return _NetworkGenerator(network, (), real, windowed, clamped, _NOTHING).kernel()


def _written_by_synapses(network: LoweredNetwork, population: str) -> frozenset[str]:
    """Return the variables of a population that the events of synapses write."""
    return frozenset(
        name.removesuffix(end)
        for s in network.synapses
        for end, neurons in (("_pre", s.source), ("_post", s.target))
        for name in s.neuron_writes
        if neurons == population and name.endswith(end)
    )


class _Generator(ABC):
    """What both kinds of kernel share: the network, its third factor, and its start."""

    window: ClassVar[Role]

    def __init__(
        self,
        network: LoweredNetwork,
        readouts: Sequence[Readout],
        real: str,
        windowed: bool,
        clamped: Collection[str],
        watched: Mapping[str, str],
    ) -> None:
        self.network, self.real = network, real
        self.layout, self.streams = Layout(np.dtype(real), self.window), Streams()
        self.constants = Constants(network.dt, network.env_steps)
        single = real == "float32"
        delays = {
            n.name: max([s.delay for s in network.synapses if s.source == n.name], default=0)
            for n in network.neurons
        }
        self._declare_books(len(readouts))
        self._declare()
        self.populations = {
            n.name: Population(
                n,
                self.layout,
                self.constants,
                self.streams,
                single,
                delays[n.name],
                [(k, r) for k, r in enumerate(readouts) if r.population == n.name],
                n.name in clamped,
                _written_by_synapses(network, n.name),
                watched.get(n.name, ""),
            )
            for n in network.neurons
        }
        self.groups = [
            SynapseGroup(s, self.populations[s.source], self.populations[s.target], self.layout, self.constants,
                         self.streams, single, windowed)
            for s in network.synapses
        ]  # fmt: skip
        self.initial_arrays = {name: self._declare_initial(name) for name in self._expression_initials()}
        self.entries: dict[str, list[str]] = {}

    def _declare_initial(self, name: str) -> str:
        return self.layout.add(f"{name}_initial", self.layout.arrays[name].shape, "control")

    def _declare_books(self, n_readouts: int) -> None:
        add, double = self.layout.add, np.float64
        add("counters", len(Counter), "control", np.int64)
        add("control", len(Control), "control", double)
        add("streams", 0, "control", np.uint64)
        add("spike_total", len(self.network.neurons), "control", double)
        for name in ("p", "tables"):
            add(name, 0 if name == "p" else (0, 0), "common")
        add("spike_count", n_readouts, "scratch", double)
        add("first_spike", n_readouts, "scratch", np.int64)

    @abstractmethod
    def _declare(self) -> None:
        """Declare the arrays of what is around the network."""

    @abstractmethod
    def _emit_copied(self, out: Source) -> None:
        """Emit functions of the task, the encoder and the decoder."""

    @abstractmethod
    def _emit_entries(self, functions: Functions, out: Source) -> None:
        """Emit what is around the network and the functions that Python calls."""

    def kernel(self) -> Kernel:
        """Return the kernel."""
        body = self._body()
        scalars, tables = self.constants.pack(self.real)
        common = {k: v for g in self.groups for k, v in g.pair_arrays().items()}
        return Kernel(body, self.layout, self.constants, scalars, tables, common, self.streams, self.groups,
                      list(self.populations.values()), self.initial_arrays, self.entries)  # fmt: skip

    def _body(self) -> str:
        out = Source()
        out.add('"""Kernel generated by snnrl for one network, task and precision; safe to delete."""', "")
        out.lines += header(self.real).splitlines()
        out.add("")
        for index, name in enumerate(self.populations):
            out.add(f"POPULATION_{name} = {index}")
        self._emit_copied(out)
        functions = Functions(self.layout, out, allow_noalias())
        self._emit_advance(functions)
        self._emit_apply_reward(functions)
        self._emit_begin_episode(functions)
        self._emit_entries(functions, out)
        return out.text()

    def _emit_advance(self, functions: Functions) -> None:
        body = Source()
        for population in self.populations.values():
            population.emit_on_step(body)
        with body.block(f"for s in range({self.network.env_steps}):"):
            body.add(f"t = real(step * {self.network.dt!r})")
            for population in self.populations.values():
                population.emit_update(body)
                population.emit_curve(body)
            for phase in ("emit_clock", "emit_on_pre", "emit_on_post"):
                for group in self.groups:
                    getattr(group, phase)(body)
            for population in self.populations.values():
                population.emit_reset(body)
            for group in self.groups:
                group.emit_late(body)
            body.add("step += 1")
        body.add("bad = 0")
        for population in self.populations.values():
            population.emit_finite_check(body)
        body.add("counters[STEP] = step")
        head = Source()
        head.add(
            "exploration = real(exploration_)",
            "td_error, reward = real(control[TD_ERROR]), real(control[REWARD])",
        )
        head.add("reward_error, success = real(control[REWARD_ERROR]), real(control[SUCCESS])")
        head.add("step = counters[STEP]", "decision = counters[DECISION] - 1 - counters[RECORD_FROM]")
        first = next(iter(self.populations.values()))
        head.add(f"recording = {first.record}.shape[0] > 0")
        for population in self.populations.values():
            head.add(f"{population.spiked}_words = {population.spiked}.view(np.uint64)")
        self.constants.prologue(head)
        functions.define("advance", ["learning", "exploration_"], body.lines,
                         f"Advance the network by {self.network.env_steps} steps of dt.", head.lines)  # fmt: skip

    def _emit_apply_reward(self, functions: Functions) -> None:
        body, head = Source(), Source()
        for group in self.groups:
            group.emit_reward(body)
        head.add(
            "exploration = real(exploration_)",
            "success = real(control[SUCCESS])",
            f"t = real(counters[STEP] * {self.network.dt!r})",
        )
        self.constants.prologue(head)
        functions.define("apply_reward", REWARD_PARAMETERS, body.lines,
                         "The third factor; also moves event-driven variables to the next window.", head.lines)  # fmt: skip

    def _emit_begin_episode(self, functions: Functions) -> None:
        out = Source()
        for name, value in self._constant_initials().items():
            self._emit_fill(out, name, repr(value))
        for name, start in self.initial_arrays.items():
            index = "k" if len(self.layout.arrays[name].shape) == 1 else "k, m"
            self._emit_fill(out, name, f"{start}[{index}]")
        for name in ("VALUE", "TD_ERROR", "REWARD", "REWARD_ERROR", "LAST_REWARD", "LAST_REWARD_ERROR"):
            out.add(f"control[{name}] = 0.0")
        functions.define(
            "begin_episode", [], out.lines, "Put everything but what was learned back to its start."
        )

    def _emit_fill(self, out: Source, name: str, value: str) -> None:
        dimensions = len(self.layout.arrays[name].shape)
        if dimensions == 1:
            with out.block(f"for k in range({name}.shape[0]):"):
                out.add(f"{name}[k] = {value}")
        else:
            with (
                out.block(f"for k in range({name}.shape[0]):"),
                out.block(f"for m in range({name}.shape[1]):"),
            ):
                out.add(f"{name}[k, m] = {value}")

    def _variables(self) -> dict[str, Any]:
        """Return the initial value by array name, for all variables of the model that restart with an episode."""
        found: dict[str, Any] = {}
        for population in self.populations.values():
            arrays = population.variable | population.shared
            found |= {array: population.lowered.initial[v] for v, array in arrays.items()}
        for group in self.groups:
            found |= {
                a: group.lowered.initial[v] for v, a in group.array.items() if v not in group.lowered.weights
            }
        return found

    def _constant_initials(self) -> dict[str, float]:
        variables = self._variables()
        others = {n: 0.0 for n in self.layout.names("episode") if n not in variables}
        return {n: v for n, v in variables.items() if isinstance(v, float)} | {
            n: 0 if self.layout.arrays[n].dtype.kind in "iu" else v for n, v in others.items()
        }

    def _expression_initials(self) -> list[str]:
        return [n for n, v in self._variables().items() if not isinstance(v, float)]


class _NetworkGenerator(_Generator):
    """A network alone."""

    window = "control"

    def _declare(self) -> None:
        pass

    def _emit_copied(self, out: Source) -> None:
        pass

    def _emit_entries(self, functions: Functions, out: Source) -> None:
        for name, inner, parameters in (
            ("network_advance", "advance", ["learning", "exploration_"]),
            ("network_learn", "apply_reward", REWARD_PARAMETERS),
            ("network_begin", "begin_episode", []),
        ):
            self.entries[name] = functions.entry(name, inner, parameters)


class _AgentGenerator(_Generator):
    """An agent: a network with encoder, decoders and learning signal, and maybe its task."""

    window = "scratch"

    def __init__(self, model: AgentModel, network: LoweredNetwork, n_observation: int, task: CompiledTask | None,
                 real: str, windowed: bool, watched: Mapping[str, str]) -> None:  # fmt: skip
        self.model, self.task, self.n_observation = model, task, n_observation
        super().__init__(network, model.readouts, real, windowed, (), watched)

    def _declare(self) -> None:
        add, double = self.layout.add, np.float64
        n_actions = len(self.model.action.populations)
        add("lengths", 0, "control", np.int32)
        add("rewards", 0, "control", double)
        add("observation", self.n_observation, "control", double)
        if self.task is not None:
            add("world", self.task.state_size, "control", double)
            add("before", self.task.state_size, "scratch", double)
            add("uniforms", self.task.n_uniforms, "scratch", double)
            add("task_p", 0, "common", double)
            add("reward_p", 0, "common", double)
            add("trace", (0, 4 + self.n_observation), "common", double)
        for name in ("encoder_p", "action_p", "value_p", "signal_p"):
            add(name, 0, "common", double)
        add("code", self.model.encoder.size, "scratch", double)
        add("encoder_scratch", self.model.encoder.scratch_size, "scratch", double)
        add("group_count", n_actions, "scratch", double)
        add("group_first", n_actions, "scratch", np.int64)

    def _emit_copied(self, out: Source) -> None:
        functions: dict[str, Callable[..., Any]] = {
            "encode": type(self.model.encoder).function,
            "decode": type(self.model.action).function,
        }
        if self.task is not None:
            functions |= {"task_step": self.task.step, "task_reset": self.task.reset,
                          "task_observe": self.task.observe, "task_reward": self.task.reward}  # fmt: skip
        for name, function in functions.items():
            out.add("", "")
            out.lines += loop.copied_function(function, name).splitlines()

    def _action_arrays(self) -> list[str]:
        """Return, for every action, the array that is read in place of spikes; none where spikes are read."""
        action = self.model.action
        if not action.variable:
            return []
        readouts = self.model.readouts[: len(action.populations)]
        return [self.populations[r.population].variable[action.variable] for r in readouts]

    def _emit_entries(self, functions: Functions, out: Source) -> None:
        out.lines += loop.END_EPISODE.splitlines()
        encoder = self.model.encoder
        drive = self.populations[encoder.population].variable[encoder.variable]
        value = self.model.value
        shown = (
            self.populations[self.model.readouts[-1].population].variable[value.variable]
            if value is not None and value.variable
            else ""
        )
        loop.emit_step(
            functions, self.model, drive, self.network.env_steps, self.streams.index("action"), shown,
            self._action_arrays(),
        )  # fmt: skip
        reset_stream = self.streams.index("task/reset")
        if self.task is not None:
            loop.emit_run(functions, reset_stream, self.n_observation)
            parameters = ["budget", "max_steps", "learning", "exploration", "time_constant", "stop"]
            self.entries["run_agent"] = functions.entry("run_agent", "run_loop", parameters)
        else:
            self.entries["begin"] = functions.entry("begin", "begin_episode", [])
            self.entries["decide"] = functions.entry(
                "decide", "step_agent", ["mode", "learning", "exploration"]
            )
