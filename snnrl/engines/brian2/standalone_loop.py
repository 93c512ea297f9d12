"""The agent loop as C++ that runs between the Brian2 objects of a compiled program: sense, learn, choose, act.

The order is that of docs/architecture.md ("Order of things"). Neurons, synapses, the learning rule and the physics
are Brian2's own code objects; here they are called at the right moment. What an agent counts and remembers are the
books of every engine (`snnrl.engines.books`), and the functions that keep them are translated from the fast engine's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from snnrl.engines.books import Control, Counter
from snnrl.engines.brian2.cpp import Argument, Array, array_literal, definition_to_cpp, to_cpp
from snnrl.engines.brian2.standalone_places import Places, assign_all, body, common
from snnrl.engines.brian2.standalone_text import CLOSED, OPEN
from snnrl.engines.brian2.standalone_world import World
from snnrl.engines.fast.loop import END_EPISODE
from snnrl.engines.session import signal_parameters, value_parameters
from snnrl.model import AgentModel, TDError
from snnrl.tasks import Task
from snnrl.tasks.rewards import Reward

_SIGNALS = ("td_error", "reward", "reward_error", "success")


def closed_loop(model: AgentModel, task: Task, reward: Reward, world: World, places: Places) -> str:
    """Return the C++ of the closed loop of one agent."""
    readouts = [
        (number, r.population, r.start, r.start + r.size(places.sizes[r.population]))
        for number, r in enumerate(model.readouts)
    ]
    return "\n".join([
        common(places, world.operations, readouts),
        _coding(model, task, reward),
        _book_functions(),
        world.cpp(lambda name: places.array(world.group, name), places.function),
        _signals(model, task, places),
        _sense(model, task, places),
        CLOSED,
    ])  # fmt: skip


def _coding(model: AgentModel, task: Task, reward: Reward) -> str:
    """Return encoder, decoder and reward in C++, with the numbers they read."""
    encoder, action, n_actions = model.encoder, model.action, len(model.action.populations)
    packed = {"encoder_p": encoder.packed(), "action_p": action.packed(), "reward_p": reward.p,
              "value_p": value_parameters(model), "signal_p": signal_parameters(model, task)}  # fmt: skip
    p = {name: Array(len(values)) for name, values in packed.items()}
    state, seen = Array(len(task.state_names)), Array(task.observation_size)
    code = (seen, Array(encoder.size), Array(encoder.scratch_size), p["encoder_p"])
    counts = (Array(n_actions), Array(n_actions, "int64_t"), "double", "double", p["action_p"])
    gain = (state, state, "bool", "int64_t", "double", p["reward_p"])
    return "\n".join([
        *(array_literal(name, values) for name, values in packed.items()),
        to_cpp(type(encoder).function, "encode", code, "void", f"encoder {type(encoder).__name__}"),
        to_cpp(type(action).function, "decode", counts, "int64_t", f"action decoder {type(action).__name__}"),
        to_cpp(reward.function, "task_reward", gain, "double", f"reward {reward.name!r}"),
    ])  # fmt: skip


class _Numbers(ast.NodeTransformer):
    """Put numbers in for the names of the books, which the kernel defines beside its functions."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        for books in (Counter, Control):
            if node.id in books.__members__:
                return ast.Constant(int(books[node.id]))
        return node


def _book_functions() -> str:
    """Translate the fast engine's functions that book a reward and an episode."""
    kinds: dict[str, Argument] = {
        "stop": Array(4), "counters": Array(len(Counter), "int64_t"), "control": Array(len(Control)),
        "lengths": Array(1, "int64_t"), "rewards": Array(1), "gain": "double", "terminated": "bool",
        "truncated": "bool", "learning": "bool", "time_constant": "double",
    }  # fmt: skip
    found = []
    for node in ast.parse(END_EPISODE).body:
        assert isinstance(node, ast.FunctionDef)
        definition = ast.fix_missing_locations(_Numbers().visit(node))
        definition.body = definition.body[1:]  # the docstring
        arguments = tuple(kinds[argument.arg] for argument in definition.args.args)
        found.append(definition_to_cpp(definition, definition.name, arguments, "void"))
    return "\n".join(found)


def _read_actions(model: AgentModel, places: Places) -> list[str]:
    """Return the C++ that puts the sum of a variable in the place of each action's spike count."""
    action, lines = model.action, list[str]()
    for k, seen in enumerate(model.readouts[: len(action.populations)] if action.variable else ()):
        array = places.variable(seen.population, action.variable)
        stop = seen.start + seen.size(places.sizes[seen.population])
        lines.append(f"spike_count[{k}] = 0.0;")
        lines.append(f"for (int j = {seen.start}; j < {stop}; j++) spike_count[{k}] += {array}[j];")
    return lines


def _signals(model: AgentModel, task: Task, places: Places) -> str:
    """Return the functions for the value, for the learning signals, and for ``on_reward``."""
    error = "0.0"
    if isinstance(model.signal, TDError):
        error = "(1.0 - signal_p[0]) * control[LAST_REWARD] + signal_p[0] * value - control[VALUE]"
        error = f"py_min(py_max({error}, -signal_p[1]), signal_p[1])"
    value = ["return 0.0;"]
    if model.value is not None:
        critic = model.readouts[-1]
        size = float(critic.size(places.sizes[critic.population]))
        read, value = "spike_count[N_READOUTS - 1]", list[str]()
        if model.value.variable:
            read, array = "shown", places.variable(critic.population, model.value.variable)
            end = critic.start + int(size)
            value = [
                "double shown = 0.0;",
                f"for (int j = {critic.start}; j < {end}; j++) shown += {array}[j];",
            ]
        value += [
            f"const double now = value_p[1] * ({read} / {size!r} - value_p[0]);",
            "return counters[EPISODE_STEP] == 0 ? now : control[VALUE] + value_p[2] * (now - control[VALUE]);",
        ]
    write = ["bring_up_to_date();"]
    write += [
        line for name in _SIGNALS for line in assign_all(places.signals(name), f"control[{name.upper()}]")
    ]
    learn = [
        "const bool first = counters[EPISODE_STEP] == 0;",
        "control[SUCCESS] = py_min(1.0, control[RECENT] * signal_p[2]);",
        f"control[TD_ERROR] = first ? 0.0 : {error};",
        "control[REWARD] = first ? 0.0 : control[LAST_REWARD];",
        "control[REWARD_ERROR] = first ? 0.0 : control[LAST_REWARD_ERROR];",
        "control[VALUE] = value;",
        "write_signals();",
        "if (learning) apply_reward(2 * counters[DECISION] + (terminated ? 1 : 0));",
    ]
    return "\n".join([
        body("double read_value()", value), body("void write_signals()", write),
        body("void read_actions()", _read_actions(model, places)),
        body("void learn(double value, bool terminated)", learn),
    ])  # fmt: skip


def _sense(model: AgentModel, task: Task, places: Places) -> str:
    """Return the function with which an environment step of the network begins."""
    encoder = model.encoder
    target = places.variable(encoder.population, encoder.variable)
    constants = [
        f"const int N_OBSERVATION = {task.observation_size}, N_CODE = {encoder.size};",
        f"double observation[N_OBSERVATION], code[N_CODE], scratch[{encoder.scratch_size}];",
    ]
    lines = [
        "counters[DECISION]++;",
        "double state[N_STATE];",
        "read_state(state);",
        "task_observe(state, observation, (double*)task_p);",
        "encode(observation, code, scratch, (double*)encoder_p);",
        f"for (int k = 0; k < N_CODE; k++) {target}[k] = code[k];",
        "forget_spikes();",
        "on_step();",
    ]
    return "\n".join([*constants, body("void sense()", lines)])


def open_loop(places: Places, inputs: Iterable[str], signals: Iterable[str]) -> str:
    """Return the C++ of a run on supplied spikes and signals: no encoder, no decoder, no task."""
    names = list(inputs)
    supply = []
    for name in names:
        spikes, size = places.spikes[name], places.sizes[name]
        supply += [
            f"{{   // {name}",
            "    int32_t n = 0;",
            f"    for (int32_t k = 0; k < {size}; k++) if (raster_{name}[counters[STEP] * {size} + k]) {spikes}[n++] = k;",
            f"    {spikes}[{size}] = n;",
            "}",
        ]
    listed = list(signals)
    write = ["bring_up_to_date();"]
    write += [
        line
        for place, name in enumerate(listed)
        for line in assign_all(places.signals(name), f"signals[k * {len(listed)} + {place}]")
    ]
    declared = [f"std::vector<char> raster_{name};" for name in names]
    read = [f"raster_{name}.resize(n * WINDOW * {places.sizes[name]});" for name in names]
    read += [f"get(raster_{name}.data(), raster_{name}.size());" for name in names]
    return "\n".join([
        common(places, [], []), *declared, "int64_t n_env_steps;", "std::vector<double> signals;",
        body("void supply()", supply), body("void write_signals(int64_t k)", write),
        body("void read_stimulus(int64_t n)", [*read, f"signals.resize(n * {len(listed)});",
                                                "get(signals.data(), signals.size());"]), OPEN,
    ])  # fmt: skip
