"""The bindsnet engine against the dense reference, and at home among BindsNET's own tools."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch

from snnrl import networks, tasks
from snnrl.coding import FirstSpikeLatency
from snnrl.engines.bindsnet import BindsnetSimulator, PipelineAgent
from snnrl.engines.bindsnet.native import choose_nodes
from snnrl.engines.bindsnet.nodes import EncodedNodes
from snnrl.engines.bindsnet.simulator import simulator as make_simulator
from snnrl.engines.reference import ReferenceAgent
from snnrl.engines.reference.simulator import ReferenceSimulator
from snnrl.engines.simulator import Simulator
from snnrl.equations.lower import lower
from snnrl.equations.lowered import LoweredNetwork
from snnrl.errors import InvalidValueError, SimulationError, UnknownNameError, UnsupportedError
from snnrl.model import AgentModel, Network, Neurons, RewardBaseline, Synapses
from snnrl.networks.populations import latency_cells, poisson_cells

matplotlib.use("Agg")

from bindsnet.analysis.plotting import plot_spikes, plot_voltages, plot_weights
from bindsnet.environment import GymEnvironment
from bindsnet.learning import PostPre
from bindsnet.network import Network as BindsnetNetwork
from bindsnet.network.monitors import Monitor, NetworkMonitor
from bindsnet.network.nodes import Input, LIFNodes
from bindsnet.network.topology import Connection
from bindsnet.pipeline import EnvironmentPipeline

SMALL: dict[str, Any] = {"cells_per_variable": 2, "critic_size": 4, "actor_size": 3}


@pytest.fixture(autouse=True)
def _one_thread_and_no_figures() -> Iterator[None]:
    import matplotlib.pyplot as plt

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    plt.close("all")


def agents(name: str) -> AgentModel:
    """Build the agents of tests/test_reference.py."""
    path = Path(__file__).with_name("test_reference.py")
    spec = importlib.util.spec_from_file_location("reference_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault(spec.name, importlib.util.module_from_spec(spec))
    if not hasattr(module, "build"):
        spec.loader.exec_module(module)
    model: AgentModel = module.build(name)
    return model


def actor_critic(**fields: Any) -> AgentModel:
    return networks.make("actor-critic", "td-ltp", **SMALL).build(tasks.CartPole(), **fields)


# ------------------------------------------------------------------ the same as the reference

Feed = Callable[[Simulator, int], None]


def both(
    lowered: LoweredNetwork, seed: int = 3, **options: Any
) -> tuple[BindsnetSimulator, ReferenceSimulator]:
    clamped = options.get("clamped", ())
    return BindsnetSimulator(lowered, [seed], **options), ReferenceSimulator(lowered, [seed], clamped=clamped)


def drive(simulator: Simulator, feed: Feed, k: int, learning: np.ndarray | None = None) -> None:
    """One environment step, with learning signals that jump about."""
    agents = np.ones(simulator.n_agents, dtype=bool) if learning is None else learning
    feed(simulator, k)
    simulator.advance(agents)
    for place, name in enumerate(("td_error", "reward", "reward_error", "success")):
        simulator.signals[name][:] = 1.5 * np.sin(k + place)
    simulator.learn(agents, 2 * simulator.decision)


def encode_into(model: AgentModel) -> Feed:
    def feed(simulator: Simulator, k: int) -> None:
        code = model.encoder.encode(np.sin(np.arange(4) + k) * [0.5, 0.5, 0.1, 0.5])
        codes = np.tile(code, (simulator.n_agents, 1))
        simulator.write(model.encoder.population, model.encoder.variable, codes)

    return feed


def nothing(simulator: Simulator, k: int) -> None:
    """Feed nothing."""


def supply(sizes: dict[str, int], rate: float = 0.15) -> Feed:
    def feed(simulator: Simulator, k: int) -> None:
        for place, (name, size) in enumerate(sizes.items()):
            numbers = np.random.default_rng([k, place]).random((simulator.network.env_steps, size))
            simulator.clamp(name, numbers < rate)

    return feed


def assert_same(ours: BindsnetSimulator, reference: ReferenceSimulator) -> dict[str, int]:
    """Compare spikes one by one and all variables; return the number of spikes by population."""
    counts = {}
    for population in reference.network.neurons:
        expected, found = reference.spikes(population.name), ours.spikes(population.name)
        different = np.argwhere(expected != found)
        assert not different.size, f"{population.name}: first different spike at {different[0]}"
        counts[population.name] = int(expected.sum())
    for part in (*reference.network.neurons, *reference.network.synapses):
        for name in (*part.variables, *getattr(part, "shared", ())):
            expected_values, values = reference.variable(part.name, name), ours.variable(part.name, name)
            assert values.shape == expected_values.shape
            scale = np.abs(expected_values).max(initial=0.0)
            np.testing.assert_allclose(
                values, expected_values, 1e-9, 1e-9 * scale, err_msg=f"{part.name}.{name}"
            )
    return counts


def assert_agreement(
    lowered: LoweredNetwork, feed: Feed, steps: int = 10, learning: bool = True, **options: Any
) -> None:
    """Run two episodes on both; all populations must spike."""
    ours, reference = both(lowered, **options)
    start = {(s.name, w): reference.variable(s.name, w) for s in lowered.synapses for w in s.weights}
    total = {n.name: 0 for n in lowered.neurons}
    for k in range(steps):
        for one in (ours, reference):
            if k in (0, steps - 3):
                one.begin_episode(np.ones(1, dtype=bool))
            drive(one, feed, k, np.array([learning]))
        for name, count in assert_same(ours, reference).items():
            total[name] += count
    silent = [name for name, count in total.items() if not count]
    assert not silent, f"silent populations test nothing: {silent}"
    changed = [name for name, values in start.items() if not np.array_equal(values, ours.variable(*name))]
    assert bool(changed) == learning or not start


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize(
    "name", ["td-ltp", "r-stdp", "policy-gradient", "reward-modulated", "memristive", "half-select", "zoo"]
)
def test_agrees_with_the_reference(name: str, learning: bool) -> None:
    model = agents(name)
    assert_agreement(lower(model.network, model.env_step), encode_into(model), learning=learning)


def test_every_event_of_all_synapses_comes_before_the_next_event() -> None:
    """Events of one group that read on the neurons what events of another group, and the resets, write."""
    cells = Neurons(
        "cells", 5, "du/dt = (1.3 - u)/(5*ms) : 1\na : 1", threshold="u > 1", reset="u = 0\na = 0.5*a + 0.1",
        initial={"u": "rand()", "a": "rand()"}, method="euler",
    )  # fmt: skip
    events: dict[str, dict[str, Any]] = {
        "first": {"on_pre": "a_post += 0.1*w", "on_post": "w += 0.01*a_post + 0.1*u_post"},
        "second": {"on_pre": "w += 0.02*a_post*x\nx += 1", "on_post": "a_post += 0.05"},
        "third": {"on_pre": "x += w", "on_post": "x += u_post\nw += 0.01*x"},
        "clock": {
            "equations": "dy/dt = (a_post - y)/(8*ms) : 1 (clock-driven)\nw : 1",
            "on_pre": "w += y\na_post += 0.03",
        },
    }
    equations = "dx/dt = -a_post*x/(10*ms) : 1 (event-driven)\nw : 1"
    groups = [Synapses(n, "cells", "cells", **{"equations": equations, **e}) for n, e in events.items()]
    assert_agreement(lower(Network((cells,), groups), "20*ms"), nothing, 5)


def test_supplied_spikes_and_the_streams_of_evaluation() -> None:
    model = agents("zoo")
    lowered, sizes = lower(model.network, model.env_step), {"place": 10, "background": 4, "action_0": 3}
    ours, reference = both(lowered, clamped=list(sizes))
    assert [type(ours.layers[name]) for name in sizes] == [Input] * 3
    for one in (ours, reference):
        one.begin_phase("evaluation/")
        one.begin_episode(np.ones(1, dtype=bool))
    raster = None
    for k in range(6):
        for one in (ours, reference):
            drive(one, supply(sizes), k)
        assert_same(ours, reference)
        raster = ours.spikes("place")
    assert raster is not None
    assert raster.any()
    drive(ours, nothing, 7)  # no spikes were supplied
    assert not ours.spikes("place").any()
    with pytest.raises(UnknownNameError, match="supplied"):
        ours.clamp("hidden", np.zeros((20, 5), dtype=bool))


def test_float32_spikes_as_often() -> None:
    model = actor_critic()
    lowered = lower(model.network, model.env_step)
    counts = []
    for dtype in ("float64", "float32"):
        simulator = BindsnetSimulator(lowered, [5], dtype)
        simulator.begin_episode(simulator.everyone)
        total = 0
        for k in range(50):
            drive(simulator, encode_into(model), k)
            total += sum(int(simulator.spikes(n.name).sum()) for n in lowered.neurons)
        counts.append(total)
        assert simulator.layers["critic"].v.dtype == getattr(torch, dtype)
    assert counts[0] > 500
    assert abs(counts[1] - counts[0]) <= 0.01 * counts[0]


# ------------------------------------------------------------------ which nodes


def lif(name: str = "cells", size: int = 6, equations: str = "dv/dt = (rest - v)/tau : 1 (unless refractory)",
        **fields: Any) -> Neurons:  # fmt: skip
    """Make a population that `LIFNodes` can be, with the fields given instead of its own."""
    usual: dict[str, Any] = {
        "threshold": "v >= 1", "reset": "v = rest", "refractory": "2*ms", "method": "exact",
        "parameters": {"tau": "10*ms", "rest": 0.25}, "initial": {"v": "rand()"},
    }  # fmt: skip
    return Neurons(name, size, equations, **{**usual, **fields})


STDP: dict[str, Any] = {
    "equations": "dx/dt = -x/tau_x : 1 (event-driven)\ndy/dt = -y/tau_x : 1 (event-driven)\nw : 1",
    "on_pre": "v_post += gain*w\nx += 1\nw = clip(w - 0.01*y, 0, 1)",
    "on_post": "y += 1\nw = clip(w + 0.01*x, 0, 1)",
    "on_reward": "w = clip(w + 0.01*td_error*x*y, 0, 1)",
    "parameters": {"tau_x": "20*ms", "gain": 0.3},
    "initial": {"w": "0.3 + 0.7*rand()"},
}


def chain(cells: Neurons, dt: str = "1*ms", **fields: Any) -> Network:
    """Poisson cells that drive a population, which inhibits itself."""
    noise = Neurons(
        "noise", 9, "rate : Hz", threshold="rand() < rate*dt", initial={"rate": "200*Hz + 20*Hz*i"}
    )
    return Network((noise, cells), (
        Synapses("feed", "noise", cells.name, **{**STDP, **fields}),
        Synapses("lateral", cells.name, cells.name, on_pre="v_post -= 0.1", weights=(), delay=2),
        Synapses("again", "noise", cells.name, on_pre="v_post += 0.05", weights=(), delay=1),
    ), dt)  # fmt: skip


VOLTS = lif(
    equations="dv/dt = (EL - v)/tau : volt (unless refractory)", threshold="v >= VT", reset="v = EL",
    parameters={"tau": "15*ms", "EL": "-65*mV", "VT": "-50*mV"}, initial={"v": "-65*mV + 10*mV*rand()"},
)  # fmt: skip

LIF_CHAINS: dict[str, Network] = {
    "usual": chain(lif()),
    "euler": chain(lif(method="euler")),
    "refractory for one dt": chain(lif(refractory="1*ms")),
    "volts": chain(VOLTS, on_pre=STDP["on_pre"].replace("gain*w", "gain*w*10*mV")),
    "dt that rounds": chain(lif(refractory="4.9*ms"), "0.7*ms"),
}
LIF_CHAINS["volts"] = Network(LIF_CHAINS["volts"].neurons, LIF_CHAINS["volts"].synapses[:1])


@pytest.mark.parametrize("name", LIF_CHAINS)
def test_lif_nodes_spike_as_the_reference(name: str) -> None:
    network = LIF_CHAINS[name]
    lowered = lower(network, "28*ms")
    assert_agreement(lowered, nothing, 8)
    ours = BindsnetSimulator(lowered, [3])
    assert type(ours.layers["cells"]) is LIFNodes
    assert type(ours.layers["noise"]) is Input
    found = ours.choices["cells"].lif
    assert found is not None
    assert ours.layers["cells"].thresh.item() == found.thresh
    assert ours.layers["cells"].tc_decay.item() == pytest.approx(
        15.0 if name == "volts" else 10.0, rel=0.06 if name == "euler" else 1e-6
    )


JUST_MISSES: dict[str, tuple[Neurons, dict[str, Any], str]] = {
    "threshold >": (lif(threshold="v > 1"), {}, "threshold is not 'v >= number'"),
    "threshold at random": (lif(threshold="v >= 1 + 0.01*rand()"), {}, "threshold is not"),
    "reset beside the rest": (lif(reset="v = 0.2"), {}, "reset to 0.2, its rest is 0.25"),
    "reset by subtraction": (lif(reset="v -= 1"), {}, "reset is not 'v = number'"),
    "no refractory period": (lif(refractory="0*ms"), {}, "no refractory period"),
    "moves while refractory": (lif(equations="dv/dt = (rest - v)/tau : 1"), {}, "is not frozen"),
    "rest above threshold": (lif(threshold="v >= 0.2"), {}, "rests at or above its threshold"),
    "noise": (
        lif(equations="dv/dt = (rest - v)/tau + 0.1*sqrt(2/tau)*xi : 1 (unless refractory)", method="euler"),
        {}, "state update is not",
    ),
    "not linear": (
        lif(equations="dv/dt = (rest - v)**3/tau : 1 (unless refractory)", method="euler"), {}, "state update is not",
    ),
    "follows a signal": (
        lif(equations="dv/dt = (rest + reward - v)/tau : 1 (unless refractory)"), {}, "state update is not",
    ),
    "grows": (lif(equations="dv/dt = (v - rest)/tau : 1 (unless refractory)"), {}, "does not decay"),
    "a second variable": (
        lif(equations="dv/dt = (rest - v)/tau : 1 (unless refractory)\nextra : 1"), {}, "more than one variable",
    ),
    "statements on_step": (lif(on_step="v = rest"), {}, "statements of its own"),
    "synapses read it": (lif(), {"on_post": "w = clip(w + 0.01*v_post, 0, 1)"}, r"Synapses\(feed\) read 'v'"),
    "reward reads it": (lif(), {"on_reward": "w = clip(w + 0.01*v_post, 0, 1)"}, r"Synapses\(feed\) read 'v'"),
    "written at its own spikes": (lif(), {"on_post": STDP["on_post"] + "\nv_post += 0.1"}, "on_post writes 'v'"),
}  # fmt: skip


@pytest.mark.parametrize("name", JUST_MISSES)
def test_what_just_misses_lif_nodes_runs_on_equations(name: str) -> None:
    cells, fields, reason = JUST_MISSES[name]
    lowered = lower(chain(cells, **fields), "20*ms")
    ours = BindsnetSimulator(lowered, [3])
    assert ours.choices["cells"].nodes == "EquationNodes"
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(ours.choices["cells"].reason)
    assert_agreement(lowered, nothing, 5)


@pytest.mark.parametrize(
    ("on_pre", "reason"),
    [
        ("v_post = w", "does more than add"),
        ("v_post *= 0.9", "read 'v'"),
        ("v_pre += 0.1", "does more than add"),
    ],
)
def test_synapses_that_do_more_than_add_to_it(on_pre: str, reason: str) -> None:
    two = (lif(), lif("others"))
    lowered = lower(Network(two, (Synapses("s", "cells", "others", "w : 1", on_pre),)), "20*ms")
    place = 0 if "v_pre" in on_pre else 1
    assert reason in choose_nodes(lowered, lowered.neurons[place], False).reason
    assert choose_nodes(lowered, lowered.neurons[1 - place], False).nodes == "LIFNodes"


@pytest.mark.parametrize(
    "cells",
    [
        poisson_cells("noise", 4),
        Neurons("noise", 4, "rate : Hz", threshold="rand() < rate*dt", refractory="2*ms"),
        Neurons("noise", 4, "rate : Hz", threshold="rand() < rate*dt", reset="rate = 0*Hz"),
        Neurons("noise", 4, "rate : Hz", threshold="rand() < rate*dt", on_step="rate = 10*Hz"),
        Neurons("noise", 4, "drate/dt = -rate/second : Hz", threshold="rand() < rate*dt"),
    ],
)
def test_only_spikes_that_depend_on_nothing_in_the_network_are_an_input(cells: Neurons) -> None:
    lowered = lower(Network((cells,)), "20*ms")
    pure = not (cells.reset or cells.on_step or "2*ms" in cells.refractory or "drate" in cells.equations)
    assert choose_nodes(lowered, lowered.neurons[0], False).nodes == ("Input" if pure else "EquationNodes")
    written = Network(
        (poisson_cells("noise", 4),),
        (Synapses("s", "noise", "noise", on_pre="rate_post += 1*Hz", weights=()),),
    )
    lowered = lower(written, "20*ms")
    assert choose_nodes(lowered, lowered.neurons[0], False).nodes == "EquationNodes"


# ------------------------------------------------------------------ batches and state


@pytest.mark.parametrize("name", ["zoo", "chain"])
def test_every_agent_of_a_batch_is_as_it_is_alone(name: str) -> None:
    lowered, feed = _model(name)
    seeds = [3, 1, 2]
    together = BindsnetSimulator(lowered, seeds)
    alone = [BindsnetSimulator(lowered, [seed]) for seed in seeds]
    for k in range(8):
        learning, begins = np.array([True, k % 2 == 0, False]), np.array([k == 0, k in (0, 5), k == 0])
        for simulator, rows in [
            (together, slice(None)),
            *((s, slice(i, i + 1)) for i, s in enumerate(alone)),
        ]:
            if begins[rows].any():
                simulator.begin_episode(begins[rows])
            drive(simulator, feed, k, learning[rows])
        for row, simulator in enumerate(alone):
            for n in lowered.neurons:
                assert np.array_equal(together.spikes(n.name)[row], simulator.spikes(n.name)[0])
    for part in (*lowered.neurons, *lowered.synapses):
        for variable in part.variables:
            values = together.variable(part.name, variable)
            assert np.array_equal(values, np.concatenate([s.variable(part.name, variable) for s in alone])), (
                variable
            )
    weights = together.variable(lowered.synapses[0].name, "w")
    assert len({w.tobytes() for w in weights}) == 3


def _model(name: str) -> tuple[LoweredNetwork, Feed]:
    if name == "chain":
        return lower(chain(lif()), "20*ms"), nothing
    model = agents(name)
    return lower(model.network, model.env_step), encode_into(model)


@pytest.mark.parametrize("name", ["zoo", "chain"])
def test_a_run_goes_on_from_what_was_saved(name: str) -> None:
    lowered, feed = _model(name)
    first = BindsnetSimulator(lowered, [3, 4])
    first.begin_episode(first.everyone)
    for k in range(4):
        drive(first, feed, k)
    saved = first.save()
    assert all(len(values) == 2 for values in saved.values())
    second = BindsnetSimulator(lowered, [3, 4])
    second.restore(saved)
    for k in range(4, 7):
        drive(first, feed, k)
        drive(second, feed, k)
        for n in lowered.neurons:
            assert np.array_equal(first.spikes(n.name), second.spikes(n.name))
    assert first.spikes(lowered.neurons[-1].name).any()
    for key, values in first.save().items():
        found = second.save()[key]
        if key.endswith("(refractory)"):  # below zero it only says how long ago
            values, found = np.maximum(values, 0), np.maximum(found, 0)
        assert np.array_equal(values, found), key


def test_the_membrane_of_lif_nodes_can_be_set() -> None:
    lowered = lower(chain(lif()), "20*ms")
    ours, reference = both(lowered)
    for one in (ours, reference):
        one.begin_episode(np.ones(1, dtype=bool))
        drive(one, nothing, 0)
        one.write("cells", "v", np.full((1, 6), 0.9))
        drive(one, nothing, 1)
    assert assert_same(ours, reference)["cells"]
    ours.layers["cells"].refrac_count.fill_(5.0)
    ours.begin_episode(ours.everyone)
    assert not ours.layers["cells"].refrac_count.any()


# ------------------------------------------------------------------ at home in BindsNET


def small_simulator(seeds: Any = (3,), **options: Any) -> tuple[BindsnetSimulator, AgentModel]:
    model = actor_critic()
    made = make_simulator(model.network, lower(model.network, model.env_step), list(seeds), **options)
    made.begin_episode(made.everyone)
    return made, model


def test_it_is_a_network_of_bindsnet_with_its_monitors() -> None:
    ours, model = small_simulator((3, 4))
    network = ours.bindsnet_network
    assert type(network) is BindsnetNetwork
    assert set(network.layers) == {"place", "critic", "action_0", "action_1"}
    connection = network.connections["place", "critic"]
    monitors = {name: Monitor(connection, [name]) for name in ("w", "x", "new_tag")}
    monitors["u"] = Monitor(network.layers["critic"], ["u"])
    for name, monitor in monitors.items():
        network.add_monitor(monitor, name)
    everything = NetworkMonitor(network, state_vars=("v", "s", "w"), time=20)
    network.add_monitor(everything, "everything")
    for k in range(3):
        drive(ours, encode_into(model), k)
    for name, monitor in monitors.items():
        record = monitor.get(name).numpy()
        part = "critic" if name == "u" else "place_critic"
        assert record.shape == (60, *ours.variable(part, name).shape)
        if name != "w":  # learned since
            assert np.array_equal(record[-1], ours.variable(part, name)) == (name != "new_tag")
        assert len(np.unique(record[:, 0].reshape(60, -1), axis=0)) > 1
    assert everything.get()["critic"]["s"].shape == (20, 2, 4)
    spikes = network.monitors["critic_raster"].get("s").numpy()
    assert np.array_equal(spikes.transpose(1, 0, 2), ours.spikes("critic"))


def test_connections_between_the_same_layers() -> None:
    ours = BindsnetSimulator(lower(chain(lif()), "20*ms"), [3])
    keys = list(ours.bindsnet_network.connections)
    assert keys == [("noise", "cells"), ("cells", "cells"), ("noise", "cells", "again")]


def with_foreign_input() -> tuple[BindsnetSimulator, dict[str, torch.Tensor]]:
    """Add a connection of BindsNET's own from five neurons that always spike to the critic."""
    ours, _ = small_simulator(dtype="float32")
    network, extra = ours.bindsnet_network, Input(n=5)
    network.add_layer(extra, "extra")
    network.add_connection(
        Connection(extra, network.layers["critic"], w=torch.full((5, 4), 3.0)), "extra", "critic"
    )
    return ours, {"extra": torch.ones(20, 1, 5, dtype=torch.bool)}


def test_bindsnets_own_connections_reach_equation_nodes_by_a_named_variable() -> None:
    ours, codes = with_foreign_input()
    with pytest.raises(UnsupportedError, match=r"engine 'bindsnet', input to layer 'critic'.*input_variable"):
        ours.bindsnet_network.run(codes, time=20)
    quiet, _ = small_simulator(dtype="float32")
    drive(quiet, nothing, 0)
    for variable in ("I", "u"):
        ours, codes = with_foreign_input()
        layer = ours.bindsnet_network.layers["critic"]
        layer.input_variable = variable
        ours.bindsnet_network.add_monitor(Monitor(layer, ["u"], time=20), "u")
        ours.bindsnet_network.run(codes, time=20)
        spikes = ours.spikes("critic")[0]
        assert spikes.sum() > quiet.spikes("critic").sum() + 4
        after = ours.bindsnet_network.monitors["u"].get("u")[1:, 0].numpy()[spikes[:-1]]
        assert not after.any()  # nothing is added to what is frozen while refractory
        assert np.array_equal(ours.spikes("action_0"), quiet.spikes("action_0"))


def test_learning_masks_and_clamps_of_network_run() -> None:
    ours, model = small_simulator()
    network, feed = ours.bindsnet_network, encode_into(model)
    mask = torch.zeros(16, 3, dtype=torch.bool)
    mask[3] = True
    ours.assign("place_action_0", "w", np.ones((1, 16, 3)))
    feed(ours, 0)
    network.run({}, time=20, masks={("place", "action_0"): mask}, clamp={"critic": torch.tensor([True, False, False, True])},
                unclamp={"action_0": torch.ones(3, dtype=torch.bool)}, reward=0.5)  # fmt: skip
    weights = ours.variable("place_action_0", "w")
    assert not weights[0, 3].any()
    assert weights[0, 2].all()
    assert ours.spikes("critic")[0][:, [0, 3]].all()
    assert (
        ours.variable("place_critic", "tag")[0, :, 0].max()
        > ours.variable("place_critic", "tag")[0, :, 1].max()
    )
    assert not ours.spikes("action_0").any()
    assert ours.signals["reward"].tolist() == [0.5]
    with pytest.raises(InvalidValueError, match="mask of Synapses"):
        network.run({}, time=20, masks={("place", "action_0"): mask[:2]})


def test_network_learning_off_keeps_the_weights() -> None:
    lowered = lower(chain(lif()), "20*ms")
    weights = []
    for learning in (True, False):
        ours = BindsnetSimulator(lowered, [3])
        ours.begin_episode(ours.everyone)
        before = ours.variable("feed", "w")
        ours.bindsnet_network.train(learning)
        ours.signals["td_error"][:] = 1.0
        drive(ours, nothing, 0, np.array([learning]))
        with_reward = ours.inputs()
        torch.set_default_dtype(torch.float64)
        try:
            ours.bindsnet_network.run(with_reward, time=20, reward=1.0)
        finally:
            torch.set_default_dtype(torch.float32)
        weights.append(np.array_equal(before, ours.variable("feed", "w")))
        assert ours.spikes("cells").any()
    assert weights == [False, True]


def test_reset_of_the_network_begins_an_episode() -> None:
    ours, model = small_simulator()
    feed = encode_into(model)
    drive(ours, feed, 0)
    learned = ours.variable("place_critic", "w")
    ours.bindsnet_network.run({}, time=7)  # in the middle of an environment step
    ours.bindsnet_network.reset_state_variables()
    assert ours.step == 27
    again = BindsnetSimulator(ours.network, [3])
    for name in ("u", "I"):
        assert np.array_equal(ours.variable("critic", name), again.variable("critic", name))
    assert not ours.variable("place_critic", "x").any()
    assert np.array_equal(ours.variable("place_critic", "w"), learned)
    assert not ours.spikes("critic").any()
    drive(ours, feed, 1)
    assert ours.step == 47


# ------------------------------------------------------------------ pipelines and plots


class _Diary(GymEnvironment):  # type: ignore[misc]
    """BindsNET's own Gymnasium environment, noting what it was asked and what it answered."""

    def __init__(self) -> None:
        super().__init__("CartPole-v1")
        self.episodes: list[list[tuple[int, np.ndarray, float, bool]]] = []

    def reset(self, seed: int | None = None) -> torch.Tensor:
        self.episodes.append([])
        observation: torch.Tensor = super().reset(seed=100 + len(self.episodes))
        return observation

    def step(self, a: Any) -> Any:
        observation, reward, done, info = super().step(a)
        self.episodes[-1].append((int(a), observation[0].numpy().copy(), float(reward), done))
        return observation, reward, done, info


@pytest.mark.parametrize("kind", ["actor-critic", "reward-modulated"])
def test_environment_pipeline_learns_as_the_reference(kind: str) -> None:
    """BindsNET's pipeline on BindsNET's environment: actions and weights of the reference on the same observations."""
    sizes = SMALL if kind == "actor-critic" else {"cells_per_variable": 2, "actor_size": 3}
    model = networks.make(kind, "td-ltp", **sizes).build(tasks.CartPole())
    agent, diary = PipelineAgent(model, tasks.CartPole(), seed=3, episodes=3), _Diary()
    pipeline = agent.pipeline(diary, output="action_0", plot_config={"data_step": None})
    assert type(pipeline) is EnvironmentPipeline
    pipeline.train()
    assert len(pipeline.reward_list) == 3
    reference = ReferenceAgent(model, 3, success_scale=1 / 500)
    for episode in diary.episodes:
        reference.begin_episode()
        observations = [o for _, o, _, _ in episode]
        for k in range(1, len(episode)):
            action, _, reward, done = episode[k]
            assert reference.decide(observations[k - 1]) == action
            reference.feedback(reward, False, done, observations[k])
    for name, group in reference.groups.items():
        for weight in group.lowered.weights:
            ours = agent.simulator.variable(name, weight).ravel()
            np.testing.assert_allclose(ours, group.values[weight], 1e-9, 1e-9)
            assert not np.array_equal(ours, group.start[weight])
    assert agent.session.state["lengths"][0, :2].tolist() == [len(e) - 1 for e in diary.episodes[:2]]
    learning = {c.update_rule.learning for c in agent.simulator.connections.values()}
    assert learning == {True}


def test_a_task_as_environment_tells_a_failure_from_a_time_limit(session_of: Any) -> None:
    model, task = actor_critic(), type(session_of(actor_critic(), seeds=[0]).task)(limit=500)
    agent = PipelineAgent(model, task, seed=5, episodes=4, reward="failure")
    pipeline = agent.pipeline(num_episodes=2)
    values: list[tuple[float, float]] = []
    judge = agent.judge

    def noting(reward: Any) -> None:
        before = float(agent.session.state["control"][0, 0])
        judge(reward)
        values.append((before, float(agent.simulator.signals["td_error"][0])))

    agent.judge = noting  # type: ignore[method-assign]
    begun, reset = [], agent.environment.reset
    agent.environment.reset = lambda seed=None: begun.append(reset(seed))  # type: ignore[method-assign]
    pipeline.train()
    assert len(begun) == 2
    assert not torch.equal(*begun)
    agent.environment.reset = reset  # type: ignore[method-assign]
    lengths = agent.session.state["lengths"][0]
    assert 1 < lengths[0] < 499
    before, error = values[int(lengths[0])]
    assert error == pytest.approx(0.05 * -1.0 - before)
    assert pipeline.reward_list[0] == -1.0
    starts = [agent.environment.reset().numpy() for _ in range(2)]
    assert np.array_equal(*starts)  # no episode was begun in between
    agent.environment.step(0)


def test_a_time_limit_ends_an_episode(session_of: Any) -> None:
    short = session_of(actor_critic(), seeds=[0], limit=4).task
    agent = PipelineAgent(actor_critic(), short, episodes=2)
    agent.pipeline().train()
    assert agent.session.state["lengths"][0, 0] == 3
    agent.environment.close()
    with pytest.raises(InvalidValueError, match=r"PipelineAgent\.episodes"):
        agent.pipeline(num_episodes=2).train()


def test_poisson_input_and_background_in_a_pipeline(gadget: Any) -> None:
    """Two layers of BindsNET's `Input`; the pipeline asks for both without saying for which."""
    task = tasks.CartPole()
    base = gadget()
    encoder = type(base.encoder)("place", "rate", task.observation_scale, task.observation_bounded, 400.0)
    background = poisson_cells("background", 5)
    neurons = (background, poisson_cells("place", 8), *base.network.neurons[1:])
    noisy = Synapses("noise", "background", "action_0", on_pre="I_post += 0.1", weights=())
    model = AgentModel(
        Network(neurons, (*base.network.synapses, noisy)), encoder, base.action, None, RewardBaseline(10.0)
    )
    agent = PipelineAgent(model, task, episodes=2)
    assert [type(agent.network.layers[n]) for n in ("background", "place")] == [Input, Input]
    agent.simulator.write("background", "rate", np.full((1, 5), 300.0))
    observation = torch.tensor([[0.0, 2.0, 0.1, -1.0]])
    given = [agent.encode(observation, 20) for _ in range(2)]
    assert [g.shape for g in given] == [(20, 1, 5), (20, 1, 8)]
    agent.network.run(dict(zip(("background", "place"), given, strict=True)), time=20, reward=1.0)
    reference = ReferenceSimulator(agent.simulator.network, [0])
    reference.begin_episode(np.ones(1, dtype=bool))
    reference.write("background", "rate", np.full((1, 5), 300.0))
    reference.write("place", "rate", encoder.encode(observation[0])[None])
    reference.advance(np.ones(1, dtype=bool))
    for name in ("background", "place", "action_0"):
        assert np.array_equal(agent.simulator.spikes(name), reference.spikes(name))
    assert reference.spikes("place").any()


def test_first_spike_code_and_reward_in_a_pipeline(gadget: Any) -> None:
    """Cells with statements of their own at each environment step, which come after the code."""
    task, base = tasks.CartPole(), gadget()
    encoder = FirstSpikeLatency(
        "place", "latency", task.observation_scale, task.observation_bounded, 0.02, (2,)
    )
    network = Network((latency_cells("place", 8), *base.network.neurons[1:]), base.network.synapses)
    agent = PipelineAgent(
        AgentModel(network, encoder, base.action, None, RewardBaseline(10.0)), task, episodes=2
    )
    assert isinstance(agent.network.layers["place"], EncodedNodes)
    reference = ReferenceSimulator(agent.simulator.network, [0])
    reference.begin_episode(np.ones(1, dtype=bool))
    observation = torch.tensor([[0.5, 2.0, 0.1, -1.0]])
    reference.write("place", "latency", encoder.encode(observation[0])[None])
    changes = []
    for learns in (True, False, True):
        agent.network.train(learns)
        before = agent.simulator.variable("base_0", "w")
        codes = agent.encode(observation, 20)
        if len(changes) == 2:  # codes of somebody else
            codes = torch.full_like(codes, 0.004)
            reference.write("place", "latency", codes[0].numpy())
        agent.network.run({"place": codes}, time=20, reward=3.0)
        changes.append(agent.simulator.variable("base_0", "w") - before)
        reference.advance(np.zeros(1, dtype=bool))
        assert np.array_equal(agent.simulator.spikes("place"), reference.spikes("place"))
        assert reference.spikes("place").any()
    np.testing.assert_allclose(
        changes, [np.zeros((1, 8, 3)), np.zeros((1, 8, 3)), np.full((1, 8, 3), 0.03)], atol=1e-12
    )


def test_bindsnets_plots(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    agent = PipelineAgent(actor_critic(), tasks.CartPole(), seed=3, episodes=2)
    pipeline = agent.pipeline(GymEnvironment("CartPole-v1"), num_episodes=1, plot_interval=4,
                              plot_config={"data_step": 4, "data_length": 60, "reward_eps": 1, "volts_type": "line"})  # fmt: skip
    pipeline.train()
    assert len(plt.get_fignums()) >= 2
    spikes = pipeline.get_spike_data()
    assert spikes["place"].shape == (60, 1, 16)
    _, axes = plot_spikes(spikes)
    drawn = len(axes[0].collections[0].get_offsets())
    assert drawn == int(spikes["place"].sum()) > 0
    voltages, thresholds = pipeline.get_voltage_data()
    assert {name: float(t) for name, t in thresholds.items()} == dict.fromkeys(agent.network.layers, 1.0)
    plot_voltages(voltages, thresholds=thresholds, plot_type="line")
    plot_voltages(voltages)
    image = plot_weights(agent.network.connections["place", "critic"].matrix("w"), wmin=-6, wmax=6)
    assert image.get_array().shape == (16, 4)
    plt.savefig(tmp_path / "weights.png")


def test_matrix_of_explicit_pairs_has_gaps() -> None:
    model = agents("zoo")
    ours = BindsnetSimulator(lower(model.network, model.env_step), [3, 4])
    connection = ours.connections["free_text"]
    matrix = connection.matrix("w", 1).numpy()
    assert matrix.shape == (10, 5)
    assert np.isnan(matrix).sum() == 50 - 13
    assert np.array_equal(matrix[~np.isnan(matrix)], ours.variable("free_text", "w")[1])
    assert np.isnan(matrix[0, 1])
    assert not np.isnan(matrix[0, 3])


# ------------------------------------------------------------------ what cannot be


def test_no_such_device_or_precision() -> None:
    with pytest.raises(InvalidValueError, match=r"engine\.device"):
        small_simulator(device="tpu")
    with pytest.raises(InvalidValueError, match=r"engine\.dtype"):
        small_simulator(dtype="float16")
    if not torch.cuda.is_available():
        with pytest.raises(UnsupportedError, match=r"engine 'bindsnet', device 'cuda'.*instead") as found:
            small_simulator(device="cuda")
        assert found.value.engine == "bindsnet"


def test_events_that_depend_on_the_order_of_neurons() -> None:
    cells = Neurons("cells", 3, "a : 1\nb : 1", threshold="rand() < 0.5", initial={"b": 0.1})
    served = Synapses("s", "cells", "cells", on_pre="a_post += b_post*0.1\nb_post += 0.01*a_post", weights=())
    assert_agreement(lower(Network((cells,), (served,)), "20*ms"), nothing, 4)
    last = Synapses("s", "cells", "cells", "w : 1", on_pre="a_post = w", weights=())
    with pytest.raises(UnsupportedError, match=r"engine 'bindsnet', Synapses\(s\)\.on_pre.*instead"):
        BindsnetSimulator(lower(Network((cells,), (last,)), "20*ms"), [0])


def test_a_batch_that_is_not_the_agents() -> None:
    ours = BindsnetSimulator(lower(chain(lif()), "20*ms"), [0, 1], "float32")
    with pytest.raises(
        InvalidValueError, match="engine bindsnet, batch: got 3, allowed: 2, the number of seeds"
    ):
        ours.bindsnet_network.run({"noise": torch.ones(20, 3, 9, dtype=torch.bool)}, time=20)


@pytest.mark.parametrize(("seeds", "rule"), [((0, 1), PostPre), ((0, 1), None), ((0,), PostPre)])
def test_a_learning_rule_of_bindsnets_own_in_a_batch(seeds: tuple[int, ...], rule: Any) -> None:
    ours, _ = small_simulator(seeds, dtype="float32")
    network = ours.bindsnet_network
    for name in ("here", "there"):
        network.add_layer(Input(n=2, traces=True), name)
    connection = Connection(network.layers["here"], network.layers["there"], update_rule=rule, nu=0.1)
    network.add_connection(connection, "here", "there")
    if rule is None or len(seeds) == 1:
        ours.advance(ours.everyone)
        return
    with pytest.raises(
        UnsupportedError, match=r"connection \('here', 'there'\): BindsNET shares its weights.*one agent"
    ):
        ours.advance(ours.everyone)


def test_lif_nodes_in_double_precision_need_torch_in_it() -> None:
    ours = BindsnetSimulator(lower(chain(lif()), "20*ms"), [0])
    with pytest.raises(UnsupportedError, match=r"LIFNodes 'cells'.*set_default_dtype"):
        ours.bindsnet_network.run(ours.inputs(), time=20)
    drive(ours, nothing, 0)
    assert torch.get_default_dtype() == torch.float32


def test_names_that_bindsnet_uses_itself() -> None:
    with pytest.raises(UnsupportedError, match=r"Neurons\(monitors\).*another name"):
        BindsnetSimulator(lower(Network((lif("monitors"),)), "20*ms"), [0])


def test_a_network_that_lost_its_schedule() -> None:
    ours, _ = small_simulator()
    del ours.bindsnet_network.monitors[ours.schedule.NAME]
    with pytest.raises(SimulationError, match="run twice in one dt"):
        ours.advance(ours.everyone)


def test_pipelines_want_milliseconds_and_whole_environment_steps() -> None:
    model = actor_critic()
    fine = AgentModel(
        Network(model.network.neurons, model.network.synapses, "0.5*ms"),
        model.encoder,
        model.action,
        model.value,
    )
    with pytest.raises(
        UnsupportedError, match=r"Network\.dt = 0\.5 ms in an EnvironmentPipeline.*snnrl\.train"
    ):
        PipelineAgent(fine, tasks.CartPole())
    agent = PipelineAgent(model, tasks.CartPole())
    with pytest.raises(InvalidValueError, match=r"EnvironmentPipeline\.time: got 30, allowed: 20"):
        agent.pipeline(GymEnvironment("CartPole-v1"), time=30, num_episodes=1).train()


def test_unknown_parts_and_variables() -> None:
    ours, _ = small_simulator()
    with pytest.raises(UnknownNameError, match="critc"):
        ours.variable("critc", "u")
    with pytest.raises(UnknownNameError, match="variable of 'critic'"):
        ours.variable("critic", "nothing")
    with pytest.raises(AttributeError):
        _ = ours.connections["place_critic"].nothing
    with pytest.raises(AttributeError):
        _ = ours.layers["critic"].nothing
