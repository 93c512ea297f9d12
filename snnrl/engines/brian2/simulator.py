"""`Brian2Simulator`: Brian2's runtime targets behind the contract that all engines share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from numpy.typing import ArrayLike, NDArray

from snnrl.engines.brian2.checks import refuse, signals_in_flow
from snnrl.engines.brian2.objects import Built, Objects, build
from snnrl.engines.brian2.queues import pending, set_pending
from snnrl.engines.brian2.schedule import Boundary, OnDemand, OnReward, Spikes
from snnrl.engines.brian2.stimulus import Supplied
from snnrl.engines.brian2.targets import code_object, preferences
from snnrl.engines.brian2.text import LEARNING, REWARD_STEP
from snnrl.engines.initial import initial_arrays, shape_of
from snnrl.engines.simulator import Mask, Simulator, State, check_clamp
from snnrl.equations.brian import brian2
from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import evaluate
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.model import Network

DTYPES = ("float64", "float32")
_LONG = 2**39
"""Steps of dt after which `Brian2Simulator.drive` would end by itself."""
_NEVER = -1e4
"""Brian2's time of the last spike of a neuron that has not spiked (s)."""


class _LoopEndError(Exception):
    """The agent loop has come to its end, at the start of an environment step."""


class Brian2Simulator(Simulator):
    """One agent in Brian2's runtime: real Brian2 objects, advanced by ``Network.run``.

    Parameters
    ----------
    model
        The network whose text Brian2 gets.
    network
        Its lowered form.
    seeds
        The agent's seed; one, because Brian2's objects hold one network.
    dtype
        Of the model's variables.
    clamped
        Populations that become ``SpikeGeneratorGroup`` objects.
    target
        ``"numpy"`` or ``"cython"``.

    Attributes
    ----------
    objects
        The Brian2 objects (`Objects`). Monitors may be added to ``objects.network`` and values changed between two
        calls of `drive` or `advance`; ``objects.network.run`` works as well, without an agent loop.

    Raises
    ------
    UnsupportedError
        For more than one seed, a part that Brian2 cannot run, a device other than Brian2's runtime, and the target
        cython without a C++ compiler.
    InvalidValueError
        For an unknown target or dtype.
    """

    engine = "brian2"

    def __init__(self, model: Network, network: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
                 clamped: Iterable[str] = (), target: str = "numpy") -> None:  # fmt: skip
        super().__init__(network, seeds, dtype, clamped)
        if dtype not in DTYPES:
            raise InvalidValueError("engine.dtype", dtype, " or ".join(DTYPES))
        if self.n_agents != 1:
            raise refuse(f"{self.n_agents} seeds", "Brian2's objects hold one agent",
                         "one simulator per seed, or the engines fast, torch and bindsnet")  # fmt: skip
        self.target = target
        codeobj_class = code_object(target)
        with preferences():
            self._built = build(model, self.network, int(self.seeds[0]), dtype, self.clamped, codeobj_class)
            self._add_schedule(self._built)
        self._start = {p.name: initial_arrays(p, int(self.seeds[0])) for p in self._lowered.values()}
        self._loop: Iterator[Mask] | None = None
        self._ready = False

    @property
    def objects(self) -> Objects:
        """The Brian2 objects."""
        return self._built.objects

    @property
    def _lowered(self) -> dict[str, LoweredNeurons | LoweredSynapses]:
        parts: list[LoweredNeurons | LoweredSynapses] = [*self.network.neurons, *self.network.synapses]
        return {p.name: p for p in parts}

    def _add_schedule(self, built: Built) -> None:
        """Add what runs at environment steps to the network."""
        objects, dt_steps = built.objects, self.network.env_steps
        self._on_step = [OnDemand(objects.neurons[name], code, f"{name}_on_step", NumpyCodeObject)
                         for name, code in built.on_step.items()]  # fmt: skip
        self._on_reward = [OnReward(objects.synapses[name], code, f"{name}_on_reward")
                           for name, code in built.on_reward.items()]  # fmt: skip
        self._up_to_date = [OnReward(objects.synapses[s.name], "", f"{s.name}_up_to_date")
                            for s in self.network.synapses if signals_in_flow(s)]  # fmt: skip
        self._boundary = Boundary(built.clock, dt_steps, self._begin_environment_step)
        self._recorder = Spikes(built.clock, objects.neurons, self._boundary)
        self._supplied = {name: Supplied(objects.neurons[name], dt_steps) for name in self.clamped}
        objects.network.add(self._boundary, self._recorder)

    # ------------------------------------------------------------------ running

    def drive(self, loop: Iterator[Mask]) -> None:
        """Run the agent loop in one ``Network.run``: it is asked to go on at the start of every environment step."""
        self._loop = iter(loop)
        self._boundary.left = 0
        network = self.objects.network
        try:
            with preferences():
                network.run(_LONG * self.network.dt * brian2.second, namespace={})
        except _LoopEndError:
            pass
        finally:
            self._loop, self._ready = None, True
            self._note_time()
            type(network)._globally_running = False
            network.after_run()

    def advance(self, learning: Mask) -> None:
        """Run one environment step; `drive` does the same with less to prepare."""
        self.drive(iter([learning]))

    def _begin_environment_step(self) -> None:
        """Let the agent loop act on what the network has done, then begin the next environment step."""
        self._note_time()
        learning = True
        if self._loop is not None:
            mask = next(self._loop, None)
            if mask is None:
                raise _LoopEndError
            learning = bool(mask[0])
        self.decision += 1
        self._recorder.clear()
        self._write_signals()
        for part in self.objects.synapses.values():
            if LEARNING in part.variables:
                part.variables[LEARNING].set_value(learning)
        for supplied in self._supplied.values():
            supplied.begin(self.step)
        for code in self._on_step:
            code.apply()

    def _note_time(self) -> None:
        self.step = int(self._built.clock.variables["timestep"].get_value()[0])

    def learn(self, agents: Mask, reward_step: int) -> None:
        """Run ``on_reward`` of all groups, in the order of the model."""
        if not agents[0]:
            return
        self._prepare()
        self._write_signals()
        for code in self._on_reward:
            if REWARD_STEP in code.group.variables:
                code.group.variables[REWARD_STEP].set_value(reward_step)
            code.apply()

    def _prepare(self) -> None:
        """Make the code if nothing has run yet."""
        if not self._ready and self._loop is None:
            with preferences():
                self.objects.network.run(0 * brian2.second, namespace={})
            self._ready = True

    def _write_signals(self) -> None:
        """Give the present signals to the groups whose text reads them."""
        if self._up_to_date:
            self._prepare()
            for code in self._up_to_date:
                code.apply()
        for part, names in self._built.signals.items():
            for name in names:
                self._built.parts[part].variables[name].set_value(self.signals[name][0])

    # ------------------------------------------------------------------ time

    def begin_phase(self, prefix: str) -> None:
        """Count steps from zero and draw from the streams of another phase; Brian2's clock starts anew as well."""
        super().begin_phase(prefix)
        self._built.streams.select(prefix)
        self._set_time(0)

    def set_clock(self, step: int, decision: int) -> None:
        """Count on from here."""
        super().set_clock(step, decision)
        self._set_time(step)

    def _set_time(self, step: int) -> None:
        """Move Brian2's clock; what a variable knows of the past moves with it."""
        clock, network = self._built.clock.variables, self.objects.network
        shift = step * self.network.dt - float(clock["t"].get_value()[0])
        clock["timestep"].set_value(step)
        clock["t"].set_value(step * self.network.dt)
        network.t_ = step * self.network.dt
        for name, part in self._built.parts.items():
            for variable in self._past(name):
                if variable != "not_refractory":
                    part.variables[variable].get_value()[:] += shift
        for supplied in self._supplied.values():
            supplied.time_has_moved()

    # ------------------------------------------------------------------ episodes and state

    def _begin_episode(self, agents: Mask) -> None:
        if not agents[0]:
            return
        now = self._built.clock.variables["t"].get_value()[0]
        for name, low in self._lowered.items():
            part = self._built.parts[name].variables
            kept = low.weights if isinstance(low, LoweredSynapses) else ()
            for variable, values in self._start[name].items():
                if variable not in kept:
                    part[variable].set_value(values.ravel())
            fresh = {"lastspike": _NEVER, "not_refractory": True, "lastupdate": now}
            for variable in self._past(name):
                part[variable].set_value(fresh[variable])
        for _, pathway, rows in self._pathways():
            set_pending(pathway, np.zeros((rows, len(pathway.synapses)), dtype=bool))

    def _past(self, part: str) -> list[str]:
        """Return what Brian2 remembers of a part's past: synapses have names for that of their neurons as well."""
        names = ("lastupdate",) if part in self.objects.synapses else ("lastspike", "not_refractory")
        return [name for name in names if name in self._built.parts[part].variables]

    def _pathways(self) -> Iterator[tuple[str, Any, int]]:
        """Give all pathways by name, with the number of dt, now included, in which their spikes may arrive."""
        for name, synapses in self.objects.synapses.items():
            for pathway in synapses._pathways:
                longest = float(np.max(pathway.variables["delay"].get_value(), initial=0.0))
                yield f"{name}.{pathway.objname}", pathway, round(longest / self.network.dt) + 1

    def save(self) -> State:
        """Return all variables, refractoriness, spikes under way, signals and counts."""
        state: State = {"step": np.array([self.step]), "decision": np.array([self.decision])}
        for name, low in self._lowered.items():
            part = self._built.parts[name].variables
            for variable in (*self._start[name], *self._past(name)):
                shape = shape_of(low, variable)
                state[f"{name}.{variable}"] = part[variable].get_value().reshape(1, *shape).copy()
        for name, pathway, rows in self._pathways():
            state[f"{name}/pending"] = pending(pathway, rows)[None]
        return state | {f"signals/{name}": values.copy() for name, values in self.signals.items()}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        self.set_clock(int(state["step"][0]), int(state["decision"][0]))
        for name, part in self._built.parts.items():
            for variable in (*self._start[name], *self._past(name)):
                part.variables[variable].set_value(state[f"{name}.{variable}"][0].ravel())
        for name, pathway, _ in self._pathways():
            set_pending(pathway, state[f"{name}/pending"][0])
        for name, values in self.signals.items():
            values[:] = state[f"signals/{name}"]

    # ------------------------------------------------------------------ reading and writing

    def write(self, population: str, variable: str, values: NDArray[np.float64]) -> None:
        """Set a variable of a population."""
        self._variable(population, variable).set_value(np.asarray(values[0]))

    def clamp(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population in the next environment step."""
        check_clamp(spikes, self.network.env_steps, self.part(population).size, population)
        self._supplied_for(population).next(spikes)

    def clamp_all(self, population: str, spikes: Mask) -> None:
        """Give the spikes of a clamped population from now on, ``[dt steps, neurons]``, as many as there will be."""
        check_clamp(spikes, len(spikes), self.part(population).size, population)
        self._supplied_for(population).all(spikes, self.step, self.network.dt)

    def _supplied_for(self, population: str) -> Supplied:
        if population not in self._supplied:
            raise UnknownNameError("population with supplied spikes", population, self._supplied)
        return self._supplied[population]

    def spikes(self, population: str) -> NDArray[np.bool_]:
        """Return the spikes of the last environment step."""
        self.part(population)
        return self._recorder.windows[population][None].copy()

    def variable(self, part: str, name: str) -> NDArray[np.float64]:
        """Return a variable at the present time, event-driven ones included."""
        low = self.part(part)
        values = np.asarray(self._variable(part, name).get_value(), np.float64).copy()
        if isinstance(low, LoweredSynapses) and name in low.flow:
            values = self._flowed(low)[name]
        return values.reshape(1, *shape_of(low, name))

    def assign(self, part: str, name: str, values: NDArray[np.float64]) -> None:
        """Set a variable; event-driven variables of the group are brought up to date first."""
        low, variable = self.part(part), self._variable(part, name)
        if isinstance(low, LoweredSynapses) and name in low.flow:
            variables = self._built.parts[part].variables
            for other, flowed in self._flowed(low).items():
                variables[other].set_value(flowed)
            variables["lastupdate"].set_value(self._built.clock.variables["t"].get_value()[0])
        variable.set_value(np.asarray(values[0], np.float64).ravel())

    def _flowed(self, low: LoweredSynapses) -> dict[str, NDArray[np.float64]]:
        """Return event-driven variables as they are now: Brian2 keeps them as of their last event."""
        part = self._built.parts[low.name].variables
        names: dict[str, Any] = {v: np.asarray(part[v].get_value(), np.float64) for v in low.variables}
        since = self._built.clock.variables["t"].get_value()[0] - part["lastupdate"].get_value()
        names |= {**low.constants, **{n: v[0] for n, v in self.signals.items()}, "dt": since}
        return {v: np.broadcast_to(evaluate(text, names), since.shape).copy() for v, text in low.flow.items()}

    def _variable(self, part: str, name: str) -> Any:
        low = self.part(part)
        if name not in low.initial:
            raise UnknownNameError(f"variable of {part!r}", name, low.initial)
        return self._built.parts[part].variables[name]


def simulator(network: Network, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
              clamped: Iterable[str] = (), target: str = "numpy") -> Brian2Simulator:  # fmt: skip
    """Return a network in Brian2's runtime; see `Brian2Simulator`."""
    return Brian2Simulator(network, lowered, seeds, dtype, clamped, target)
