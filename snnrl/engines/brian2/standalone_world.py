"""A task as a Brian2 group: its physics as abstract code that the compiled program runs once per environment step."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from snnrl.engines.brian2.abstract import to_abstract
from snnrl.engines.brian2.cpp import ALTERNATIVES, ENGINE, Array, array_literal, to_cpp
from snnrl.engines.brian2.cpp_expressions import UntranslatableError
from snnrl.equations.brian import brian2
from snnrl.errors import UnsupportedError
from snnrl.tasks import Task
from snnrl.tasks.base import TaskKernel


@dataclass
class World:
    """A task as a group of one "neuron".

    Attributes
    ----------
    task, kernel
        The task and its functions.
    group
        A ``NeuronGroup`` of size 1: the task's state, ``action``, ``terminated``, and the random numbers ``chance_k``
        of a start.
    step, reset
        The ``run_regularly`` operations that advance the task and that begin an episode; ``None`` where the physics
        could not be written without control flow and are C++ functions of the agent loop.
    """

    task: Task
    kernel: TaskKernel
    group: Any
    step: Any = None
    reset: Any = None

    @property
    def operations(self) -> list[Any]:
        """The operations that the agent loop calls."""
        return [operation for operation in (self.step, self.reset) if operation is not None]

    @property
    def chances(self) -> list[str]:
        """Names of the random numbers of a start."""
        return [f"chance_{k}" for k in range(self.kernel.n_uniforms)]

    def cpp(self, array: Callable[[str], str], function: Callable[[Any], str]) -> str:
        """Return ``read_state``, ``observe``, ``step_world`` and ``reset_world`` of the agent loop.

        Parameters
        ----------
        array
            Gives the C++ name of the array of a variable of the group.
        function
            Gives the C++ name of the function of an operation.
        """
        names, part = self.task.state_names, f"task {self.task.name}"
        n, p = len(names), self.kernel.parameters
        places = [f"{array(name)}[0]" for name in names]
        lines = [array_literal("task_p", p), f"const int N_STATE = {n}, N_UNIFORMS = {self.kernel.n_uniforms};",
                 to_cpp(self.kernel.observe, "task_observe", (Array(n), Array(self.task.observation_size), Array(len(p))),
                        "void", part),
                 "void read_state(double* state) {",
                 *(f"    state[{k}] = {place};" for k, place in enumerate(places)), "}",
                 "void write_state(const double* state) {",
                 *(f"    {place} = state[{k}];" for k, place in enumerate(places)), "}"]  # fmt: skip
        lines += self._step(array, function, part)
        lines += self._reset(array, function, part)
        return "\n".join(lines)

    def _step(self, array: Callable[[str], str], function: Callable[[Any], str], part: str) -> list[str]:
        if self.step is not None:
            return ["bool step_world(int64_t action) {", f"    {array('action')}[0] = (double)action;",
                    f"    {function(self.step)}();", f"    return {array('terminated')}[0] != 0;", "}"]  # fmt: skip
        n, p = len(self.task.state_names), len(self.kernel.parameters)
        return [to_cpp(self.kernel.step, "task_step", (Array(n), "int64_t", Array(p)), "bool", part),
                "bool step_world(int64_t action) {", "    double state[N_STATE];", "    read_state(state);",
                "    const bool terminated = task_step(state, action, (double*)task_p);", "    write_state(state);",
                "    return terminated;", "}"]  # fmt: skip

    def _reset(self, array: Callable[[str], str], function: Callable[[Any], str], part: str) -> list[str]:
        lines = ["void reset_world(double* chances) {"]
        if self.reset is not None:
            lines += [f"    {array(name)}[0] = chances[{k}];" for k, name in enumerate(self.chances)]
            return [*lines, f"    {function(self.reset)}();", "}"]
        n, p = len(self.task.state_names), len(self.kernel.parameters)
        arguments = (Array(n), Array(self.kernel.n_uniforms), Array(p))
        return [to_cpp(self.kernel.reset, "task_reset", arguments, "void", part), *lines,
                "    double state[N_STATE];", "    task_reset(state, chances, (double*)task_p);",
                "    write_state(state);", "}"]  # fmt: skip


def make_world(task: Task, clock: Any, taken: Collection[str]) -> World:
    """Make the group of a task.

    Parameters
    ----------
    task
        With physics as plain functions.
    clock
        Of the network.
    taken
        Names of the network's parts.

    Raises
    ------
    UnsupportedError
        If only a Gymnasium environment of the task exists.
    """
    kernel = task.kernel()
    if kernel is None:
        raise UnsupportedError(
            f"{ENGINE} (standalone)",
            f"task {task.name}",
            "its physics are not known, only its Gymnasium environment",
            ALTERNATIVES,
        )
    world = World(task, kernel, None)
    variables = [*task.state_names, "action", *world.chances]
    equations = "\n".join([*(f"{name} : 1" for name in variables), "terminated : boolean"])
    name = "world" if "world" not in taken else "task_world"
    world.group = brian2.NeuronGroup(1, equations, name=name, clock=clock)
    state = {
        "state": task.state_names,
        "p": [float(v) for v in kernel.parameters],
    }
    world.step = _operation(world, "step", kernel.step, state, {"action": "action"}, "terminated")
    world.reset = _operation(world, "reset", kernel.reset, {**state, "uniforms": world.chances}, {}, "")
    return world


def _operation(world: World, name: str, function: Callable[..., Any], arrays: dict[str, Any],
               scalars: dict[str, str], result: str) -> Any:  # fmt: skip
    """Return a ``run_regularly`` operation, or ``None`` if the function needs control flow."""
    try:
        code = to_abstract(function, arrays, scalars, result)
    except UntranslatableError:
        return None
    return world.group.run_regularly(code, when="start", name=f"{world.group.name}_{name}")
