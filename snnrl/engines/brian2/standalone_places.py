"""Where a compiled Brian2 program keeps things, and the C++ that every such program shares."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any

from snnrl.engines.books import Control, Counter
from snnrl.engines.brian2.checks import signals_in_flow
from snnrl.engines.brian2.cpp import HELPERS
from snnrl.engines.brian2.functions import RANDOM_CPP
from snnrl.engines.brian2.objects import Built
from snnrl.engines.brian2.schedule import OnDemand, OnReward
from snnrl.engines.brian2.standalone_text import COMMON
from snnrl.engines.brian2.text import LEARNING, REWARD_STEP
from snnrl.equations.brian import brian2
from snnrl.equations.lowered import LoweredNetwork

GIVEN, WRITTEN = "snnrl_given", "snnrl_written"
"""Files of the program: what it is told, and what it tells."""
_DRAWS = ("counter_rand", "counter_randn", "shared_rand", "shared_randn")

Readouts = Sequence[tuple[int, str, int, int]]
"""What decoders look at: number, population, first neuron, and the one after the last."""


class Places:
    """C++ names of what a network holds, and the operations that a program calls.

    Parameters
    ----------
    built
        The Brian2 objects, before Brian2 generates code for them.
    lowered
        The lowered network.

    Attributes
    ----------
    on_step, on_reward
        What runs at the start of an environment step, and the third factor, in the order of the model.
    up_to_date
        What brings event-driven variables up to date before a learning signal that they depend on changes.
    """

    def __init__(self, built: Built, lowered: LoweredNetwork) -> None:
        self.built, self.lowered = built, lowered
        objects = built.objects
        self.on_step = [OnDemand(objects.neurons[name], code, f"{name}_on_step")
                        for name, code in built.on_step.items()]  # fmt: skip
        self.on_reward = [OnReward(objects.synapses[name], code, f"{name}_on_reward")
                          for name, code in built.on_reward.items()]  # fmt: skip
        self.up_to_date = [OnReward(objects.synapses[s.name], "", f"{s.name}_up_to_date")
                           for s in lowered.synapses if signals_in_flow(s)]  # fmt: skip
        self.device = brian2.device
        self.sizes = {n.name: n.size for n in lowered.neurons}
        self.spikes = {
            name: self.array(group, "_spikespace")
            for name, group in objects.neurons.items()
            if "_spikespace" in group.variables
        }

    def array(self, group: Any, variable: str) -> str:
        """Return the name of a group's array, or of the vector that a synapse's variable is."""
        return f"brian::{self.device.get_array_name(group.variables[variable], access_data=False)}"

    def variable(self, part: str, name: str) -> str:
        """Return the name of the array of a variable of the model."""
        return self.array(self.built.parts[part], name)

    def size(self, group: Any, variable: str) -> str:
        """Return the number of elements of an array or vector."""
        if isinstance(group, brian2.Synapses) and not group.variables[variable].scalar:
            return f"{self.array(group, variable)}.size()"
        return f"brian::_num_{self.device.get_array_name(group.variables[variable], access_data=False)}"

    def function(self, operation: Any) -> str:
        """Return the name of the function of an operation."""
        return f"_run_{self.code_object(operation)}"

    def code_object(self, operation: Any) -> str:
        """Return the name of the code object of an operation."""
        return str(operation.codeobj.name)

    def signals(self, name: str) -> list[str]:
        """Return the arrays of a learning signal, one for each part that reads it."""
        return [self.variable(part, name) for part, names in self.built.signals.items() if name in names]

    def shared(self, name: str) -> list[str]:
        """Return the arrays of a variable that this engine has added to parts of the model."""
        return [self.variable(part, name) for part, group in self.built.objects.synapses.items()
                if name in group.variables]  # fmt: skip

    @property
    def streams(self) -> list[str]:
        """Names of the arrays of random streams in the program."""
        used = {name for code in self.device.code_objects.values() for name in code.variables}
        return [f"brian::{name}_streams" for name in _DRAWS if name in used]

    @property
    def generators(self) -> list[Any]:
        """Generators of supplied spikes: the program supplies them itself."""
        return [g for g in self.built.objects.neurons.values() if isinstance(g, brian2.SpikeGeneratorGroup)]

    @property
    def restarting(self) -> list[tuple[Any, str]]:
        """Group and name of every variable that begins each episode anew."""
        found = []
        for neurons in self.lowered.neurons:
            group = self.built.objects.neurons[neurons.name]
            names = [*neurons.variables, *neurons.shared, "lastspike", "not_refractory"]
            found += [(group, name) for name in names if name in group.variables]
        for synapses in self.lowered.synapses:
            group = self.built.objects.synapses[synapses.name]
            found += [(group, name) for name in synapses.variables if name not in synapses.weights]
        return found

    @property
    def updated(self) -> list[str]:
        """Vectors with the times at which synapses were brought up to date."""
        groups = self.built.objects.synapses.values()
        return [self.array(group, "lastupdate") for group in groups if "lastupdate" in group.variables]

    @property
    def delayed(self) -> list[str]:
        """Pathways on which spikes can be under way when an episode ends."""
        return [f"brian::{pathway.name}" for synapses in self.lowered.synapses if synapses.delay
                for pathway in self.built.objects.synapses[synapses.name]._pathways]  # fmt: skip


def assign_all(places: Iterable[str], value: str) -> list[str]:
    """Return the lines that give one value to several arrays of one number."""
    return [f"{place}[0] = {value};" for place in places]


def body(head: str, lines: Iterable[str]) -> str:
    """Return a C++ function."""
    return "\n".join([f"{head} {{", *(f"    {line}" for line in lines), "}"])


def common(places: Places, operations: Sequence[Any], readouts: Readouts) -> str:
    """Return what every program shares; ``operations`` are those that it calls beside those of the network."""
    operations = [*places.on_step, *places.on_reward, *places.up_to_date, *operations]
    called = [*map(places.function, operations)]
    generated = [codeobj.name for group in places.generators for codeobj in group._code_objects]
    names = [*map(places.code_object, operations), *generated]
    constants = [
        f"const int64_t WINDOW = {places.lowered.env_steps};",
        f"const double DT = {places.lowered.dt!r};",
        f"const int N_POPULATIONS = {len(places.sizes)}, N_READOUTS = {len(readouts)};",
    ]
    surrounded = COMMON.replace("@CALLED@", ", ".join([*called, *(f"_run_{n}" for n in generated), "NULL"]))
    surrounded = surrounded.replace("@NETWORK@", places.built.objects.network.name)
    surrounded = surrounded.replace("@CLOCK@", places.built.clock.name)
    return "\n".join([
        *_INCLUDES, *(f'#include "code_objects/{name}.h"' for name in names), "\nnamespace {\n",
        _enum(Counter), _enum(Control), *constants, HELPERS, RANDOM_CPP,
        surrounded.replace("@GIVEN@", GIVEN).replace("@WRITTEN@", WRITTEN),
        _settings(places), _events(places), _restart(places), _end_of_dt(places, readouts),
    ])  # fmt: skip


_INCLUDES = (
    '#include "objects.h"',
    *(f"#include <{name}>" for name in ("algorithm", "cmath", "cstdint", "fstream", "vector")),
)


def _enum(books: type[IntEnum]) -> str:
    places = [f"{name} = {int(place)}" for name, place in books.__members__.items()]
    return f"enum {books.__name__} {{ {', '.join(places)}, N_{books.__name__.upper()} }};"


def _settings(places: Places) -> str:
    """Return the functions for what stays the same in a run: streams, plasticity, exploration."""
    n = len(places.built.streams.bases)
    streams = [f"int64_t bases[{n}];", f"get(bases, {n});",
               *(f"std::copy(bases, bases + {n}, {array});" for array in places.streams)]  # fmt: skip
    return "\n".join([
        body("void get_streams()", streams),
        body("void set_learning()", assign_all(places.shared(LEARNING), "learning")),
        body("void set_exploration(double value)", assign_all(places.signals("exploration"), "value")),
    ])  # fmt: skip


def _events(places: Places) -> str:
    """Return the functions for the start of an environment step and for the third factor."""
    reward = assign_all(places.shared(REWARD_STEP), "step")
    return "\n".join([
        body("void bring_up_to_date()", [f"{places.function(o)}();" for o in places.up_to_date]),
        body("void on_step()", [f"{places.function(o)}();" for o in places.on_step]),
        body("void apply_reward(int64_t step)", reward + [f"{places.function(o)}();" for o in places.on_reward]),
    ])  # fmt: skip


def _restart(places: Places) -> str:
    """Return the function that notes the start values once and puts them back at an episode's start."""
    remember = [
        f"remember(&{places.array(group, name)}[0], {places.size(group, name)});"
        for group, name in places.restarting
    ]
    lines = ["if (restarts.empty()) remember_start();",
             "for (auto& one : restarts) std::copy(one.start.begin(), one.start.end(), one.place);",
             *(f"for (auto& time : {vector}) time = now();" for vector in places.updated),
             *(f"for (auto* queue : {pathway}.queue) for (auto& late : queue->queue) late.clear();"
               for pathway in places.delayed)]  # fmt: skip
    return "\n".join([body("void remember_start()", remember), body("void restart()", lines)])


def _end_of_dt(places: Places, readouts: Readouts) -> str:
    """Return the end of a dt: count spikes, note those that are recorded, look for numbers out of all bounds."""
    lines = []
    for place, (population, size) in enumerate(places.sizes.items()):
        if population not in places.spikes:
            continue
        spikes = places.spikes[population]
        lines += [
            f"{{   // {population}",
            f"    const int32_t* spikes = {spikes};",
            f"    const int32_t n = spikes[{size}];",
            f"    spike_total[{place}] += n;",
            f"    record_spikes({place}, spikes, n);",
        ]
        for number, name, first, last in readouts:
            if name == population:
                seen = f"if (spikes[k] >= {first} && spikes[k] < {last}) see({number});"
                lines.append(f"    for (int32_t k = 0; k < n; k++) {seen}")
        lines.append("}")
    lines += ["counters[STEP]++;", "recorded_steps++;", "if (counters[STEP] % WINDOW == 0) check_finite();"]
    check = []
    for place, neurons in enumerate(places.lowered.neurons):
        group = places.built.objects.neurons[neurons.name]
        for name in dict.fromkeys(s.target for s in neurons.update if s.target in neurons.variables):
            array = places.array(group, name)
            check.append(f"if (wild({array}, {places.size(group, name)})) counters[ERROR] = {place + 1};")
    return "\n".join([body("void check_finite()", check), body("void end_of_dt()", lines)])
