"""The engines by name, with what each can be told; an engine is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from snnrl.engines.open_loop import Simulation, Stimulus, run_open_loop
from snnrl.engines.simulator import Simulator
from snnrl.equations.lowered import LoweredNetwork
from snnrl.errors import UnknownNameError
from snnrl.model import AgentModel, Network

if TYPE_CHECKING:
    from snnrl.engines.session import Session
    from snnrl.tasks import Task
    from snnrl.tasks.rewards import Reward


@dataclass(frozen=True)
class Engine:
    """One engine.

    Attributes
    ----------
    summary
        What it is, in a line.
    module
        Where its factory ``simulator(network, lowered, seeds, dtype, clamped, **options)`` is.
    options
        What it can be told, with the values it takes by default.
    batch
        Whether one simulator holds many agents.
    """

    summary: str
    module: str
    options: Mapping[str, Any]
    batch: bool = True


ENGINES = {
    "fast": Engine(
        "statements fused into one compiled loop, agents on threads", "snnrl.engines.fast.simulator",
        {"windowed": True},
    ),
    "torch": Engine(
        "statements on torch tensors, CPU or CUDA, all agents in one batch", "snnrl.engines.torch.simulator",
        {"device": "cpu", "compile": False, "graphs": False, "surrogate": None},
    ),
    "bindsnet": Engine(
        "a bindsnet.network.Network with its nodes, connections, monitors", "snnrl.engines.bindsnet.simulator",
        {"device": "cpu"},
    ),
    "brian2": Engine(
        "NeuronGroup and Synapses objects; target numpy, cython or standalone", "snnrl.engines.brian2.simulator",
        {"target": "numpy"}, batch=False,
    ),
    "reference": Engine(
        "plain dense NumPy, the meaning of a model; for comparisons, not for training",
        "snnrl.engines.reference.simulator", {}, batch=False,
    ),
}  # fmt: skip

STANDALONE = "standalone"
"""Target of Brian2 that is one compiled program: nothing can be asked of it while it runs."""


def engine(name: str) -> Engine:
    """Return an engine by name; `UnknownNameError` lists those there are."""
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    return ENGINES[name]


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return an engine's options with defaults filled in; `UnknownNameError` for one it does not have."""
    known = engine(name).options
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of engine {name}", option, known)
    return {**known, **options}


def make_simulator(name: str, network: Network, lowered: LoweredNetwork, seeds: ArrayLike, dtype: str = "float64",
                   clamped: Iterable[str] = (), **options: Any) -> Simulator:  # fmt: skip
    """Return a network on an engine.

    Parameters
    ----------
    name
        ``"fast"``, ``"torch"``, ``"bindsnet"`` or ``"brian2"``.
    network, lowered
        The model and its lowered form.
    seeds, dtype, clamped
        See `Simulator`.
    options
        Of the engine, see `Engine.options`.

    Raises
    ------
    UnknownNameError
        For an unknown engine or option.
    UnsupportedError
        If the engine cannot run the network.
    """
    chosen = check_options(name, options)
    factory = importlib.import_module(engine(name).module).simulator
    made: Simulator = factory(network, lowered, seeds, dtype, clamped, **chosen)
    return made


def make_session(name: str, model: AgentModel, task: Task, reward: Reward, seeds: Iterable[int], episodes: int,
                 dtype: str = "float64", threads: int = 1, **options: Any) -> Session:  # fmt: skip
    """Return agents of one model on one task.

    Parameters
    ----------
    name
        ``"fast"``, ``"torch"``, ``"bindsnet"`` or ``"brian2"``.
    model, task, reward, seeds
        See `Session`.
    episodes
        Room for the books of this many episodes.
    dtype
        ``"float64"`` or ``"float32"``.
    threads
        Of the fast engine and of standalone programs; changes no number.
    options
        Of the engine, see `Engine.options`.

    Raises
    ------
    UnknownNameError
        For an unknown engine or option.
    UnsupportedError
        If the engine cannot run the model.
    """
    chosen = check_options(name, options)
    if name == "fast":
        from snnrl.engines.fast.engine import FastSession

        return FastSession(model, task, reward, seeds, episodes, dtype, threads=threads, **chosen)
    if chosen.get("target") == STANDALONE:
        from snnrl.engines.brian2.standalone import StandaloneSession

        return StandaloneSession(model, task, reward, seeds, episodes, dtype, threads)
    from snnrl.engines.stepped import SteppedSession

    return SteppedSession(name, model, task, reward, seeds, episodes, dtype, **chosen)


def simulate_on(name: str, network: Network, lowered: LoweredNetwork, seed: int, stimulus: Stimulus,
                variables: Sequence[str] = (), dtype: str = "float64", **options: Any) -> Simulation:  # fmt: skip
    """Run a network on a stimulus; see `snnrl.simulate`."""
    chosen = check_options(name, options)
    if chosen.get("target") == STANDALONE:
        from snnrl.engines.brian2.standalone_open_loop import simulate_standalone

        return simulate_standalone(network, lowered, seed, stimulus, variables, dtype)
    made = make_simulator(name, network, lowered, [seed], dtype, stimulus.inputs, **chosen)
    return run_open_loop(made, stimulus, variables)
