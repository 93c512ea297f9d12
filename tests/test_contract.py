"""The contract of all engines: one model, the same spikes, the same weights, the same actions.

Every test runs on every engine through the fixture `engine`. What an engine cannot do, and where it may differ, is data
with a reason; what is listed as unsupported must raise `UnsupportedError`, so that an engine which learns to do it is
seen. An engine that cannot be imported or built fails: nothing is skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import snnrl
from snnrl import networks, tasks
from snnrl.engines.open_loop import Simulation
from snnrl.engines.registry import make_session
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError, UnitError, UnknownNameError, UnsupportedError
from snnrl.model import AgentModel, Network, Neurons, Pairs, Synapses
from snnrl.plasticity import devices
from snnrl.tasks import rewards


@dataclass(frozen=True)
class EngineCase:
    """An engine, and for Brian2 its target."""

    name: str
    target: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The engine's options."""
        return {} if self.target is None else {"target": self.target}

    def __str__(self) -> str:
        return self.name if self.target is None else f"{self.name}-{self.target}"


ENGINES = (
    EngineCase("fast"),
    EngineCase("torch"),
    EngineCase("bindsnet"),
    EngineCase("brian2", "numpy"),
    EngineCase("brian2", "cython"),
    EngineCase("brian2", "standalone"),
)
"""Every engine has to be here: one that cannot be imported makes its tests fail."""

_SINGULAR = "Brian2's own solver declines event-driven systems with a singular matrix"
_LAST_WINS = "the result depends on which of several spikes is served last, and all are served at once"

UNSUPPORTED: dict[tuple[str, str], str] = {
    ("brian2", "continuous"): _SINGULAR,
    ("torch", "assigned"): _LAST_WINS,
    ("bindsnet", "assigned"): _LAST_WINS,
}
"""(engine, name of a model) -> why the engine cannot run it; everything else it has to run."""

SLOW_TO_BUILD = {"brian2-cython": "C++ is compiled for every model", "brian2-standalone": "the same"}
"""Engines that run only the models of `CORE`, with the reason; their own test files cover more."""
CORE = ("td-ltp",)

WEIGHTS = 1e-9
"""Relative agreement of weights in float64: the order of sums differs between engines, the numbers do not."""
COUNTS_FLOAT32 = 0.01
"""Relative agreement of spike counts over 10 s in float32."""


@pytest.fixture(params=ENGINES, ids=str)
def engine(request: pytest.FixtureRequest) -> EngineCase:
    """Give every engine in turn."""
    case: EngineCase = request.param
    return case


# ---------------------------------------------------------------------- models

SMALL: dict[str, Any] = {"cells_per_variable": 2, "actor_size": 3, "critic_size": 4}


def agent(plasticity: str = "td-ltp", network: str = "actor-critic", memristive: bool = False) -> AgentModel:
    size = SMALL if network == "actor-critic" else {k: v for k, v in SMALL.items() if k != "critic_size"}
    device = devices.make("vteam", spread=0.3) if memristive else None
    return networks.make(network, plasticity, **size).build(tasks.CartPole(), device)


def adaptive() -> Network:
    """Two edits of the tutorial: an adaptive threshold, and an eligibility trace with two time constants."""
    cells = Neurons("cells", 12)
    output = Neurons(
        "output",
        5,
        """du/dt = (0.6 + I - u)/tau_m : 1 (unless refractory)
        dI/dt = -I/tau_s : 1
        dtheta/dt = -theta/tau_theta : 1""",
        threshold="u >= 1 + theta",
        reset="u = 0\ntheta += 0.3",
        refractory="2*ms",
        method="exact",
        parameters={"tau_m": "10*ms", "tau_s": "5*ms", "tau_theta": "80*ms"},
        initial={"u": "rand()"},
    )
    learned = Synapses(
        "learned",
        "cells",
        "output",
        """dapre/dt = -apre/(20*ms) : 1 (event-driven)
        dapost/dt = -apost/(20*ms) : 1 (event-driven)
        dquick/dt = -quick/(50*ms) : 1 (event-driven)
        dslow/dt = -slow/(500*ms) : 1 (event-driven)
        w : 1""",
        on_pre="I_post += w\napre += 1\nquick -= 0.5*apost\nslow -= 0.5*apost",
        on_post="apost += 1\nquick += apre\nslow += apre",
        on_reward="w = clip(w + 0.02*td_error*(0.7*quick + 0.3*slow), 0, 2)",
        initial={"w": "0.2 + 0.6*rand()"},
    )
    return Network((cells, output), (learned,))


def delayed() -> Network:
    """Explicit pairs, delays of several dt, refractory targets, short-term plasticity."""
    cells = Neurons("cells", 12)
    middle = Neurons("middle", 4, "du/dt = (0.9 + 0*second*t/second/second - u)/(10*ms) : 1 (unless refractory)",
                     threshold="u > 1", reset="u = 0.2", refractory="3*ms", method="exact")  # fmt: skip
    last = Neurons(
        "last", 3, "dv/dt = (0.5 - v)/(20*ms) : 1", threshold="v > 0.8", reset="v = 0", method="exact"
    )
    sparse = Synapses("sparse", "cells", "middle", "w : 1", on_pre="u_post += w", delay=3, initial={"w": "0.3*rand()"},
                      connectivity=Pairs([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0], [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 3]))  # fmt: skip
    tired = Synapses(
        "tired",
        "middle",
        "last",
        "dx/dt = (1 - x)/(80*ms) : 1 (event-driven)\nw : 1",
        on_pre="v_post += w*x\nx -= 0.4*x",
        initial={"x": 1, "w": "0.3 + 0.2*rand()"},
        delay=1,
    )
    return Network((cells, middle, last), (sparse, tired))


def continuous() -> Network:
    """Let a weight change all the time, by an event-driven equation without a factor of its own."""
    cells = Neurons("cells", 12)
    output = Neurons(
        "output", 5, "du/dt = (0.9 - u)/(10*ms) : 1", threshold="u > 1", reset="u = 0", method="exact"
    )
    learned = Synapses(
        "learned",
        "cells",
        "output",
        """delig/dt = -elig/(100*ms) : 1 (event-driven)
        dw/dt = rate*td_error*elig : 1 (event-driven)""",
        on_pre="u_post += w\nelig += 1",
        on_post="elig -= 0.2",
        parameters={"rate": "0.1*Hz"},
        initial={"w": "0.1 + 0.2*rand()"},
    )
    return Network((cells, output), (learned,))


def assigned() -> Network:
    """Synapses that overwrite a variable of their target: the last spike of a dt wins."""
    cells = Neurons("cells", 12)
    output = Neurons("output", 3, "v : 1", threshold="v > 0.8", reset="v = 0")
    copies = Synapses("copies", "cells", "output", "w : 1", on_pre="v_post = w", initial={"w": "rand()"})
    return Network((cells, output), (copies,))


def shunting() -> Network:
    """Synapses that read what the same event writes: the order of the neurons counts."""
    cells = Neurons("cells", 12)
    output = Neurons("output", 2, "v : 1\nn : 1", threshold="v > 0.9", reset="v = 0")
    text = "v_post += w*(1 - v_post)\nn_post += 1"
    return Network((cells, output), (Synapses("shunts", "cells", "output", "w : 1", on_pre=text,
                                              initial={"w": "0.2 + 0.1*rand()"}),))  # fmt: skip


MODELS = {
    "td-ltp": lambda: agent(),
    "r-stdp": lambda: agent("r-stdp"),
    "policy-gradient": lambda: agent("policy-gradient", "reward-modulated"),
    "memristive": lambda: agent("td-ltp", "reward-modulated", memristive=True),
    "adaptive": adaptive,
    "delayed": delayed,
    "continuous": continuous,
    "assigned": assigned,
    "shunting": shunting,
}
SECONDS = {"td-ltp": 10}
"""Simulated seconds; two for models not listed."""
NOT_LEARNING = ("delayed", "assigned", "shunting")


def stimulus(model: AgentModel | Network, seconds: float) -> dict[str, Any]:
    """Return supplied spikes and learning signals."""
    network = model.network if isinstance(model, AgentModel) else model
    first, rng = network.neurons[0], np.random.default_rng(7)
    steps, env_steps = round(seconds * 1000), round(seconds * 50)
    names = ("td_error", "reward", "reward_error")
    return {
        "inputs": {first.name: rng.random((steps, first.size)) < 0.04},
        "signals": {name: rng.normal(size=env_steps) for name in names},
        "env_step": "20*ms",
    }


def simulate(name: str, engine: str, seconds: int | None = None, **options: Any) -> Simulation:
    model, seconds = MODELS[name](), SECONDS.get(name, 2) if seconds is None else seconds
    given = stimulus(model, seconds) | options
    return snnrl.simulate(model, f"{seconds}*second", engine, seed=11, **given)


@functools.cache
def expected(name: str, learning: bool = True, seconds: int | None = None) -> Simulation:
    return simulate(name, "reference", seconds, learning=learning)


def supports(engine: EngineCase, what: str, run: Callable[[], object]) -> bool:
    """Say whether the engine can do it; what is listed as unsupported has to be refused, naming the engine."""
    if (engine.name, what) not in UNSUPPORTED:
        return True
    with pytest.raises(UnsupportedError, match=engine.name) as refusal:
        run()
    assert refusal.value.alternatives
    return False


def runs(engine: EngineCase, name: str) -> bool:
    """Say whether the engine runs a model here."""
    if str(engine) in SLOW_TO_BUILD and name not in CORE:
        return False
    return supports(engine, name, lambda: simulate(name, engine.name, **engine.options))


def assert_same(found: Simulation, wanted: Simulation, changes: bool = True) -> None:
    for population, spikes in wanted.spikes.items():
        assert spikes.any(), f"{population} is silent: it tests nothing"
        different = np.argwhere(spikes != found.spikes[population])
        assert different.size == 0, f"{population}: first different spike at (dt, neuron) {different[0]}"
    for variable, values in wanted.variables.items():
        scale = np.abs(values).max(initial=0.0)
        np.testing.assert_allclose(
            found.variables[variable], values, rtol=WEIGHTS, atol=WEIGHTS * scale, err_msg=variable
        )


# ---------------------------------------------------------------------- open loop


@pytest.mark.parametrize("name", MODELS)
def test_same_spikes_and_weights(engine: EngineCase, name: str) -> None:
    """Supplied input spikes and learning signals; the actor-critic for ten seconds."""
    if runs(engine, name):
        assert_same(simulate(name, engine.name, **engine.options), expected(name))


def test_learning_changes_weights() -> None:
    """What the comparison above compares is not constant."""
    for name in set(MODELS) - set(NOT_LEARNING):
        frozen, learned = expected(name, learning=False, seconds=2), expected(name, seconds=2)
        assert any(not np.array_equal(frozen.variables[w], v) for w, v in learned.variables.items()), name


def test_plasticity_off(engine: EngineCase) -> None:
    """Weights stay as they are, spikes are those of the frozen reference."""
    found = simulate("td-ltp", engine.name, 2, learning=False, **engine.options)
    assert_same(found, expected("td-ltp", learning=False, seconds=2))


def test_float32_keeps_the_counts(engine: EngineCase) -> None:
    if not supports(
        engine, "float32", lambda: simulate("td-ltp", engine.name, dtype="float32", **engine.options)
    ):
        return
    wanted, found = expected("td-ltp"), simulate("td-ltp", engine.name, dtype="float32", **engine.options)
    for population, spikes in wanted.spikes.items():
        count = int(spikes.sum())
        assert abs(int(found.spikes[population].sum()) - count) <= COUNTS_FLOAT32 * count, population


# ---------------------------------------------------------------------- closed loop

EPISODES = 20


@functools.cache
def closed_loop(engine: EngineCase) -> tuple[list[list[int]], list[int], dict[str, Any]]:
    task = tasks.CartPole()
    session = make_session(engine.name, agent(), task, rewards.make("gaussian").bind(task), [21], EPISODES,
                           **engine.options)  # fmt: skip
    traces = session.trace_episodes(5) + session.trace_episodes(EPISODES - 5)
    lengths = session.state["lengths"][0, :EPISODES].tolist()
    return [trace[:, 2].astype(int).tolist() for trace in traces], lengths, session.learned()


def test_same_actions_and_episodes(engine: EngineCase) -> None:
    """The cart-pole in closed loop, learning: same actions in episodes of the same lengths."""
    actions, lengths, _ = closed_loop(engine)
    wanted_actions, wanted_lengths, _ = closed_loop(EngineCase("fast"))
    assert lengths == wanted_lengths
    assert actions == wanted_actions
    assert [len(a) for a in actions] == lengths
    assert len(set(lengths)) > 3
    assert {a for episode in actions for a in episode} == {0, 1}


def test_evaluation_after_learning(engine: EngineCase) -> None:
    """Plasticity off, other random streams, the weights that were learned."""
    lengths = {}
    for case in (EngineCase("fast"), engine):
        task = tasks.CartPole()
        session = make_session(
            case.name, agent(), task, rewards.make("gaussian").bind(task), [22], 3, **case.options
        )
        session.run(10_000, Stop(3))
        session.begin_evaluation(4)
        before = {name: values.copy() for name, values in session.learned().items()}
        session.run(10_000, Stop(4), learning=False, exploration=0.0)
        assert all(np.array_equal(before[name], values) for name, values in session.learned().items())
        lengths[str(case)] = session.state["lengths"][0].tolist()
    assert lengths[str(engine)] == lengths["fast"]


@pytest.mark.parametrize("case", [c for c in ENGINES if c.target in (None, "numpy")], ids=str)
def test_a_batch_is_its_agents(case: EngineCase) -> None:
    """The same seed gives the same episodes alone, in a batch, in chunks, and after save and restore."""
    task = tasks.CartPole()

    def session(seeds: list[int]) -> Any:
        reward = rewards.make("gaussian").bind(task)
        return make_session(case.name, agent(), task, reward, seeds, 4, **case.options)

    batch, interrupted = session([31, 32]), session([31, 32])
    batch.run(10_000, Stop(4))
    interrupted.run(17, Stop(4))
    resumed = session([31, 32])
    resumed.restore({name: array.copy() for name, array in interrupted.save().items()})
    for _ in range(100):
        if resumed.finished.all():
            break
        resumed.run(13, Stop(4))
    alone = session([32])
    alone.run(10_000, Stop(4))
    assert batch.state["lengths"].tolist() == resumed.state["lengths"].tolist()
    assert batch.state["lengths"][1].tolist() == alone.state["lengths"][0].tolist()
    for name, values in batch.learned().items():
        assert np.array_equal(values, resumed.learned()[name]), name
        # Sums over a batch may be taken in another order.
        np.testing.assert_allclose(values[1], alone.learned()[name][0], rtol=1e-12, atol=1e-14)


# ---------------------------------------------------------------------- bad input


def test_unit_error(engine: EngineCase) -> None:
    bad = Network((Neurons("cells", 2, "du/dt = -u : 1", "u > 1", "u = 0"),))
    with pytest.raises(UnitError, match="cells"):
        snnrl.simulate(bad, "20*ms", engine.name, **engine.options)


def test_unknown_names(engine: EngineCase) -> None:
    with pytest.raises(UnknownNameError, match="speed"):
        simulate("delayed", engine.name, speed=3, **engine.options)
    with pytest.raises(UnknownNameError, match="nobody"):
        simulate("delayed", engine.name, inputs={"nobody": np.zeros((2000, 3), bool)}, **engine.options)
    with pytest.raises(InvalidValueError, match="cells"):
        simulate("delayed", engine.name, inputs={"cells": np.zeros((2000, 3), bool)}, **engine.options)
