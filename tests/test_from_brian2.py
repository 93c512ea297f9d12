"""`snnrl.from_brian2`: what a Brian2 network does, the model taken from it does on the fast engine, spike by spike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import brian2 as b2
import numpy as np
import pytest

from snnrl import simulate
from snnrl.engines.brian2.takeover import from_brian2, input_spikes
from snnrl.engines.open_loop import Simulation
from snnrl.errors import InvalidValueError, ModelError, UnitError, UnsupportedError
from snnrl.model import Network, Pairs, from_json, to_json

LIF = """
dv/dt = (drive - v)/(10*ms) : 1
drive : 1
"""
DRIVES = [1.0, 1.3, 1.7, 2.2, 2.9]


@pytest.fixture(autouse=True)
def _numpy_target() -> Iterator[None]:
    before = b2.prefs.codegen.target
    b2.prefs.codegen.target = "numpy"
    b2.set_device("runtime")
    yield
    b2.prefs.codegen.target = before


def lif(size: int, name: str, **options: Any) -> b2.NeuronGroup:
    """Return a population that spikes by itself, each neuron at its own rate."""
    settings: dict[str, Any] = {"threshold": "v > 1", "reset": "v = 0", "method": "exact", **options}
    group = b2.NeuronGroup(size, settings.pop("model", LIF), name=name, **settings)
    group.drive = np.resize(DRIVES, size)
    return group


def run_both(
    objects: list[Any], milliseconds: float, namespace: dict[str, Any] | None = None
) -> tuple[Network, Simulation]:
    """Take a network over and run both; all spikes agree, and all variables at the end to 1e-9."""
    groups = [o for o in objects if not isinstance(o, b2.Synapses)]
    monitors = [b2.SpikeMonitor(group) for group in groups]
    network = b2.Network(objects, monitors)
    model = from_brian2(network, namespace or {})
    assert from_json(to_json(model)) == model
    called = dict(zip(sorted(g.name for g in groups), (n.name for n in model.neurons), strict=True))
    called |= {s.name: s.name for s in model.synapses}
    watched = {f"{called[o.name]}.{v}": (o, v) for o in objects if o.name in called for v in present(o)}
    duration = f"{milliseconds}*ms"
    result = simulate(model, duration, inputs=input_spikes(network, duration), variables=list(watched))
    network.run(milliseconds * b2.ms, namespace=namespace or {})
    for group, monitor in zip(groups, monitors, strict=True):
        neurons, times = result.spike_times(called[group.name])
        np.testing.assert_array_equal(neurons, np.asarray(monitor.i), err_msg=group.name)
        np.testing.assert_allclose(times, np.asarray(monitor.t), rtol=0, atol=1e-9, err_msg=group.name)
    for name, (part, variable) in watched.items():
        found, expected = result.variables[name].ravel(), in_order(part, variable)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15, err_msg=name)
    return model, result


def present(part: Any) -> list[str]:
    """Return the variables that hold their present value in Brian2: all but event-driven ones."""
    equations = getattr(part, "user_equations", getattr(part, "equations", None)) or {}
    shared = isinstance(part, b2.Synapses)
    return [
        v for v, e in equations.items() if e.type != "subexpression" and not (shared and "shared" in e.flags)
    ]


def in_order(part: Any, variable: str) -> Any:
    """Return a variable of Brian2 in the model's order of neurons or synapses."""
    values = np.asarray(part.variables[variable].get_value(), dtype=float)
    if not isinstance(part, b2.Synapses):
        return values.ravel()
    pre, post = (part.variables[v].get_value() for v in ("_synaptic_pre", "_synaptic_post"))
    return values[np.lexsort((post, pre))]


# ---------------------------------------------------------------------- networks that agree


def cuba(size: int, probability: float) -> tuple[list[Any], dict[str, Any]]:
    """Return Brian2's example CUBA (Vogels and Abbott 2005) with fewer neurons, on subgroups."""
    namespace = {
        "taum": 20 * b2.ms, "taue": 5 * b2.ms, "taui": 10 * b2.ms,
        "Vt": -50 * b2.mV, "Vr": -60 * b2.mV, "El": -49 * b2.mV, "we": 3 * b2.mV, "wi": -15 * b2.mV,
    }  # fmt: skip
    equations = """
    dv/dt  = (ge+gi-(v-El))/taum : volt (unless refractory)
    dge/dt = -ge/taue : volt
    dgi/dt = -gi/taui : volt
    """
    cells = b2.NeuronGroup(
        size, equations, threshold="v>Vt", reset="v = Vr", refractory=5 * b2.ms, method="exact", name="cells"
    )
    random = np.random.default_rng(4)
    cells.v = (-60 + 10 * random.random(size)) * b2.mV
    first = size * 4 // 5
    excite = b2.Synapses(cells[:first], cells, on_pre="ge += we", name="excite")
    inhibit = b2.Synapses(cells[first:], cells, on_pre="gi += wi", name="inhibit")
    for synapses, n in ((excite, first), (inhibit, size - first)):
        sources, targets = np.nonzero(random.random((n, size)) < probability)
        synapses.connect(i=sources, j=targets)
    return [cells, excite, inhibit], namespace


def test_cuba_spikes_when_brian2_does() -> None:
    objects, namespace = cuba(400, 0.1)
    model, result = run_both(objects, 50, namespace)
    assert result.spikes["cells"].sum() > 200
    assert (model.population("cells").refractory, model.dt) == ("0.005 * second", "0.0001 * second")
    assert model.population("cells").parameters["taum"] == "0.02 * second"
    inhibit = next(s for s in model.synapses if s.name == "inhibit")
    assert isinstance(inhibit.connectivity, Pairs)
    assert inhibit.connectivity.sources.values.min() >= 320


def test_hodgkin_huxley_with_conductances_and_exponential_euler() -> None:
    """Brian2's example COBAHH (Brette and others 2007), smaller."""
    area = 20000 * b2.umetre**2
    namespace = {
        "Cm": 1 * b2.ufarad * b2.cm**-2 * area, "gl": 5e-5 * b2.siemens * b2.cm**-2 * area, "El": -65 * b2.mV,
        "EK": -90 * b2.mV, "ENa": 50 * b2.mV, "g_na": 100 * b2.msiemens * b2.cm**-2 * area,
        "g_kd": 30 * b2.msiemens * b2.cm**-2 * area, "VT": -63 * b2.mV, "taue": 5 * b2.ms, "taui": 10 * b2.ms,
        "Ee": 0 * b2.mV, "Ei": -80 * b2.mV, "we": 6 * b2.nS, "wi": 67 * b2.nS,
    }  # fmt: skip
    equations = """
    dv/dt = (gl*(El-v)+ge*(Ee-v)+gi*(Ei-v)-g_na*(m*m*m)*h*(v-ENa)-g_kd*(n*n*n*n)*(v-EK))/Cm : volt
    dm/dt = alpha_m*(1-m)-beta_m*m : 1
    dn/dt = alpha_n*(1-n)-beta_n*n : 1
    dh/dt = alpha_h*(1-h)-beta_h*h : 1
    dge/dt = -ge*(1./taue) : siemens
    dgi/dt = -gi*(1./taui) : siemens
    alpha_m = 0.32*(mV**-1)*4*mV/exprel((13*mV-v+VT)/(4*mV))/ms : Hz
    beta_m = 0.28*(mV**-1)*5*mV/exprel((v-VT-40*mV)/(5*mV))/ms : Hz
    alpha_h = 0.128*exp((17*mV-v+VT)/(18*mV))/ms : Hz
    beta_h = 4./(1+exp((40*mV-v+VT)/(5*mV)))/ms : Hz
    alpha_n = 0.032*(mV**-1)*5*mV/exprel((15*mV-v+VT)/(5*mV))/ms : Hz
    beta_n = .5*exp((10*mV-v+VT)/(40*mV))/ms : Hz
    """
    cells = b2.NeuronGroup(
        40, equations, threshold="v>-20*mV", refractory=3 * b2.ms, method="exponential_euler", name="cells"
    )
    random = np.random.default_rng(2)
    cells.v = (-65 + 5 * random.random(40)) * b2.mV
    cells.ge = (4 + 1.5 * random.standard_normal(40)) * 10 * b2.nS
    cells.gi = (12 + 20 * random.random(40)) * b2.nS
    excite = b2.Synapses(cells[:32], cells, on_pre="ge += we", name="excite")
    excite.connect("(i + 3*j) % 4 == 0")
    inhibit = b2.Synapses(cells[32:], cells, on_pre="gi += wi", name="inhibit")
    inhibit.connect("(i + j) % 5 == 0")
    _, result = run_both([cells, excite, inhibit], 20, namespace)
    assert result.spikes["cells"].sum() > 40


def test_stdp_with_supplied_spikes_and_event_driven_traces() -> None:
    """Brian2's example STDP (Song, Miller and Abbott 2000); its Poisson inputs are supplied spikes here."""
    random = np.random.default_rng(3)
    steps, sources = np.nonzero(random.random((2000, 30)) < 0.004)
    inputs = b2.SpikeGeneratorGroup(30, sources, steps * 0.1 * b2.ms, name="inputs")
    namespace = {"taupre": 20 * b2.ms, "taupost": 30 * b2.ms, "gmax": 0.5, "dApre": 0.02, "dApost": -0.021}
    cells = lif(5, "cells", refractory="t_ref", namespace={"t_ref": 2 * b2.ms})
    plastic = b2.Synapses(
        inputs,
        cells,
        """w : 1
        dApre/dt = -Apre/taupre : 1 (event-driven)
        dApost/dt = -Apost/taupost : 1 (event-driven)""",
        on_pre="""v_post += w
        Apre += dApre
        w = clip(w + Apost, 0, gmax)  # depression""",
        on_post="Apost += dApost; w = clip(w + Apre, 0, gmax)",
        name="plastic",
    )
    plastic.connect()
    plastic.w = 0.5 * random.random(150)
    start = np.asarray(plastic.w).copy()
    model, result = run_both([inputs, cells, plastic], 200, namespace)
    (taken,) = model.synapses
    assert (taken.weights, taken.connectivity, result.spikes["inputs"].sum()) == (
        ("w",),
        "all-to-all",
        steps.size,
    )
    assert np.abs(result.variables["plastic.w"].ravel() - start).max() > 0.01
    traces = simulate(
        model, "200*ms", inputs={"inputs": result.spikes["inputs"]}, variables=["plastic.Apre"]
    ).variables["plastic.Apre"]
    # Brian2 keeps an event-driven variable as it was at the synapse's last event.
    past = 0.2 - np.asarray(plastic.variables["lastupdate"].get_value())
    expected = np.asarray(plastic.variables["Apre"].get_value()) * np.exp(-past / 0.02)
    np.testing.assert_allclose(traces.ravel(), expected, rtol=1e-9, atol=1e-15)


def test_delays_own_values_and_several_synapses_of_a_pair() -> None:
    equations = """
    dv/dt = (drive + pull - v)/tau : 1 (unless refractory)
    dpull/dt = -pull/(5*ms) : 1
    drive : 1
    tau : second (constant)
    """
    cells = lif(8, "cells", model=equations, refractory=1.25 * b2.ms)
    cells.tau = np.linspace(6, 12, 8) * b2.ms
    cells.v = np.linspace(0, 0.9, 8)
    back = b2.Synapses(
        cells[2:6], cells[1:7], "w : 1\nk : 1 (constant)\nboth : 1 (constant, shared)",
        on_pre="pull += both*k*w; w *= 0.99", delay=1.26 * b2.ms, multisynaptic_index="copy", name="back",
    )  # fmt: skip
    back.connect(i=[3, 0, 0, 2, 3, 1, 0], j=[5, 1, 4, 2, 0, 5, 1])
    back.connect(i=[3, 1], j=[0, 0], n=2)
    back.w = np.arange(1.0, 12.0) / 5
    back.k = "1 + i + 10*j + copy"
    back.both = -0.01
    model, result = run_both([cells, back], 80, {})
    (taken,) = model.synapses
    assert isinstance(taken.connectivity, Pairs)
    assert (taken.delay, len(taken.connectivity)) == (13, 11)
    assert taken.connectivity.sources.values.tolist() == sorted([5, 2, 2, 4, 5, 3, 2, 5, 5, 3, 3])
    assert result.spikes["cells"].sum() > 40


def test_names_indices_and_constants() -> None:
    """Names that Brian2 takes and the model does not; `i`, `j`, `N`, `pi`; a learning signal's name as a constant."""
    equations = """
    dv/dt = (drive + 0.1*sin(2*pi*i/N) + 0.01*success - reward*v)/(10*ms) : 1
    drive : 1
    gain : 1 (shared)
    success : 1
    """
    group = lif(6, "class", model=equations, reset="v = 0.01*i; success += gain")
    group.gain = 0.25
    other = lif(4, "_others_")
    synapses = b2.Synapses(
        group,
        other,
        "td_error : 1",
        on_pre="v_post += 0.1*td_error*(1 + i)/(N_post + j) + 0.01*success_pre",
        on_post="td_error = 0.9*td_error",
        name="lambda",
    )
    synapses.connect("i != j")
    synapses.td_error = "0.5 + 0.1*i"
    network = b2.Network(group, other, synapses, b2.SpikeMonitor(group))
    spikes = b2.SpikeMonitor(other)
    network.add(spikes)
    model = from_brian2(network, {"reward": 0.8})
    assert [n.name for n in model.neurons] == ["others", "group_class"]  # Brian2 orders by name
    assert [s.name for s in model.synapses] == ["group_lambda"]
    assert dict(model.population("group_class").parameters)["reward_1"] == 0.8
    result = simulate(model, "60*ms", variables=["group_class.success_1", "group_lambda.td_error_1"])
    network.run(60 * b2.ms, namespace={"reward": 0.8})
    np.testing.assert_array_equal(result.spike_times("others")[0], np.asarray(spikes.i))
    assert spikes.num_spikes > 20
    np.testing.assert_allclose(result.variables["group_class.success_1"], group.success[:], rtol=1e-9)
    assert group.success[5] > 0
    found = result.variables["group_lambda.td_error_1"]
    np.testing.assert_allclose(found, in_order(synapses, "td_error"), rtol=1e-9)


def test_clock_driven_equations_bare_names_and_pathways() -> None:
    """A bare name in synapses means the target's variable; pathways of one delay follow one another."""
    source, target = lif(4, "a_source"), lif(3, "b_target")
    synapses = b2.Synapses(
        source,
        target,
        """dg/dt = (0.1*v - g)/tau : 1
        tau = (2 + half)*ms : second
        half : 1 (constant)""",
        on_pre={"jump": "g += 0.2", "pass_on": "v += g"},
        method="euler",
        name="later",
    )
    synapses.connect()
    synapses.half = "0.5*i"
    model, result = run_both([source, target, synapses], 60)
    assert "(clock-driven)" in model.synapses[0].equations
    assert set(model.synapses[0].parameters) == {"half"}  # units stay units
    assert model.synapses[0].on_pre.splitlines() == ["g += 0.2", "v_post += g"]
    assert result.spikes["b_target"].sum() > 10


def test_a_refractory_period_of_zero_still_shuts_out_synapses_in_the_step_of_the_spike() -> None:
    equations = "dv/dt = (drive - v)/(10*ms) : 1 (unless refractory)\ndrive : 1"
    cells = lif(5, "cells", model=equations, refractory=0 * b2.ms, reset="v -= 1")
    kick = b2.Synapses(cells, cells, on_pre="v_post += 0.3", name="kick")
    kick.connect(condition="i == j")  # arrives exactly in the step of the spike
    run_both([cells, kick], 60)
    open_cells = lif(5, "cells", model=equations, reset="v -= 1")
    open_kick = b2.Synapses(open_cells, open_cells, on_pre="v_post += 0.3", name="kick")
    open_kick.connect(condition="i == j")
    run_both([open_cells, open_kick], 60)


def test_synapses_run_in_the_order_that_brian2_gives_them() -> None:
    """By name, or as a pathway's `order` says; adding and halving do not commute."""
    for order, names in ((-1, ["add", "halve"]), (-2, ["halve", "add"])):
        cells = lif(5, "cells")
        add = b2.Synapses(cells, cells, on_pre="v_post += 0.2", name="add")
        halve = b2.Synapses(cells, cells, on_pre="v_post *= 0.5", name="halve")
        for synapses in (add, halve):
            synapses.connect("i != j")
        halve.pre.order = order
        model, result = run_both([cells, add, halve], 40)
        assert [s.name for s in model.synapses] == names
        assert result.spikes["cells"].sum() > 10


def test_the_state_updater_that_brian2_chooses() -> None:
    """Linear: exact. Not linear: euler, the next of Brian2's list that can."""
    default = ("exact", "euler", "heun")
    linear = lif(3, "linear", method=default)
    bent = lif(3, "bent", model="dv/dt = (drive - v**2)/(10*ms) : 1\ndrive : 1", method=default)
    rk4 = lif(3, "rk4", model="dv/dt = (drive - v**2)/(10*ms) : 1\ndrive : 1", method=b2.rk4)
    model, _ = run_both([linear, bent, rk4], 20)
    assert {n.name: n.method for n in model.neurons} == {"linear": "exact", "bent": "euler", "rk4": "rk4"}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pyparsing; `pytest.warns` lets them pass
def test_poisson_groups_spike_at_their_rates_with_other_random_numbers() -> None:
    plain = b2.PoissonGroup(400, np.linspace(20, 180, 400) * b2.Hz, name="plain")
    waves = b2.PoissonGroup(400, rates="(1 + sin(2*pi*10*Hz*t))*rate", name="waves")
    with pytest.warns(UserWarning, match=r"plain, waves: the model draws random numbers of its own"):
        model = from_brian2(b2.Network(plain, waves), {"rate": 50 * b2.Hz})
    spikes = simulate(model, "1000*ms").spikes
    counts = spikes["plain"].sum(axis=0)
    assert abs(counts.sum() - 40_000) < 5 * 200
    assert abs(counts[:100].sum() - 100 * 40) < 5 * 64
    waves_in_time = spikes["waves"].reshape(20, 500, 400).sum(axis=(1, 2)).reshape(10, 2).sum(axis=0)
    assert abs(waves_in_time.sum() - 20_000) < 5 * 142
    assert waves_in_time[0] / waves_in_time.sum() == pytest.approx(0.5 + 1 / np.pi, abs=0.02)


def test_periodic_supplied_spikes_and_no_generator_at_all() -> None:
    inputs = b2.SpikeGeneratorGroup(3, [0, 2, 1], [0, 1, 4.9] * b2.ms, period=5 * b2.ms, name="inputs")
    _, result = run_both([inputs], 12)
    assert np.argwhere(result.spikes["inputs"]).tolist() == [[0, 0], [10, 2], [49, 1], [50, 0], [60, 2], [99, 1],
                                                             [100, 0], [110, 2]]  # fmt: skip
    assert input_spikes(b2.Network(lif(2, "cells")), "10*ms") == {}


def test_constants_come_from_the_group_then_from_the_caller() -> None:
    leak = 3.0
    tau = 8 * b2.ms
    group = b2.NeuronGroup(2, "dv/dt = (leak - v)/tau : 1", method="exact", namespace={"tau": 5 * b2.ms})
    network = b2.Network(group, b2.StateMonitor(group, "v", record=True))
    parameters = from_brian2(network).neurons[0].parameters
    assert dict(parameters) == {"leak": leak, "tau": "0.005 * second"}
    assert tau == 8 * b2.ms
    given = from_brian2(network, {"leak": 2}).neurons[0].parameters
    assert given["leak"] == 2
    with pytest.raises(ModelError, match=r"Neurons\(neurongroup.*leak.*namespace="):
        from_brian2(network, {})
    with pytest.raises(UnitError, match="inconsistent units"):
        from_brian2(network, {"leak": 2 * b2.mV})


# ---------------------------------------------------------------------- what cannot be taken


def with_synapses(model: str = "w : 1", connect: bool = True, cells: Any = None, **options: Any) -> list[Any]:
    """Return cells that kick each other, with these options for their synapses."""
    cells = lif(3, "cells") if cells is None else cells
    synapses = b2.Synapses(cells, cells, model, **{"on_pre": "v_post += 0.1", "name": "kick", **options})
    if connect:
        synapses.connect()
    return [cells, synapses]


def two_delays() -> list[Any]:
    objects = with_synapses(method="exact")
    objects[1].delay = "(1 + i)*ms"
    return objects


def linked() -> list[Any]:
    cells = lif(3, "cells")
    follower = b2.NeuronGroup(3, "u : 1 (linked)", name="follower")
    follower.u = b2.linked_var(cells, "v")
    return [cells, follower]


def run_regularly() -> list[Any]:
    cells = lif(3, "cells")
    cells.run_regularly("v *= 0.5", dt=1 * b2.ms)
    return [cells]


def network_operation() -> list[Any]:
    return [lif(3, "cells"), b2.NetworkOperation(lambda: None, name="operation")]


def timed_array() -> list[Any]:
    stimulus = b2.TimedArray([0.0, 1.0], dt=1 * b2.ms, name="stimulus")
    return [b2.NeuronGroup(2, "dv/dt = (current(t) - v)/ms : 1", method="euler", name="cells",
                           namespace={"current": stimulus})]  # fmt: skip


def two_clocks() -> list[Any]:
    return [lif(3, "cells"), lif(3, "slow", dt=1 * b2.ms)]


def other_event() -> list[Any]:
    return [lif(3, "cells", events={"high": "v > 0.5"})]


def own_function() -> list[Any]:
    half = b2.Function(lambda x: x / 2, arg_units=[1], return_unit=1)
    return [lif(3, "cells", threshold="half(v) > 0.5", namespace={"half": half})]


def post_delay() -> list[Any]:
    return with_synapses(on_post="w += 1", delay={"post": 1 * b2.ms})


def poisson_input() -> list[Any]:
    cells = lif(3, "cells")
    return [cells, b2.PoissonInput(cells, "v", 10, 10 * b2.Hz, 0.1)]


def resting() -> list[Any]:
    cells = lif(3, "cells")
    cells.active = False
    return [cells]


def early_reset() -> list[Any]:
    cells = lif(3, "cells")
    cells.resetter["spike"].when = "before_synapses"
    return [cells]


def post_first() -> list[Any]:
    objects = with_synapses(on_post="w += 1")
    objects[1].post.order = -2
    return objects


def frozen_partner() -> list[Any]:
    model = "dv/dt = (2 - v)/(10*ms) : 1 (unless refractory)\ndu/dt = (v - u)/(5*ms) : 1"
    return [
        b2.NeuronGroup(
            3, model, threshold="v > 1", reset="v = 0", refractory=2 * b2.ms, method="exact", name="cells"
        )
    ]


def advanced_before() -> list[Any]:
    cells = lif(3, "z_cells")
    return with_synapses("dg/dt = (v_pre - g)/ms : 1 (clock-driven)", cells=cells, method="euler")


def still_refractory() -> list[Any]:
    cells = lif(3, "cells", refractory=5 * b2.ms)
    cells.lastspike = -1 * b2.ms
    return [cells]


def stranger() -> list[Any]:
    cells = lif(3, "cells")
    return [with_synapses(cells=cells)[1], lif(3, "others")]


UNSUPPORTED: list[tuple[Callable[[], list[Any]], str]] = [
    (two_delays, r"Synapses\(kick\).on_pre: delays from 10 to 30 dt"),
    (linked, r"Neurons\(follower\).equations\['u'\]: a linked variable"),
    (run_regularly, r"NeuronGroup\(cells\): run_regularly"),
    (network_operation, r"NetworkOperation\(operation\): a network_operation"),
    (timed_array, r"Neurons\(cells\).equations\['v'\]: reads the TimedArray 'current'"),
    (two_clocks, r"NeuronGroup\(slow\).*time step of 1. ms, others one of 0.1 ms"),
    (other_event, r"Neurons\(cells\).events\['high'\]"),
    (own_function, r"Neurons\(cells\).threshold: calls 'half'"),
    (post_delay, r"Synapses\(kick\).on_post: a delay"),
    (poisson_input, r"PoissonInput\(poissoninput.*\): a PoissonInput"),
    (resting, r"NeuronGroup\(cells\): 'cells' is not active"),
    (early_reset, r"NeuronGroup\(cells\): 'cells_spike_resetter' runs in the slot 'before_synapses'"),
    (post_first, r"Synapses.order"),
    (frozen_partner, r"Neurons\(cells\).equations\['u'\]: follows 'v', which is '\(unless refractory\)'"),
    (advanced_before, r"Synapses\(kick\).equations: is advanced before 'z_cells'"),
    (still_refractory, r"Neurons\(cells\).refractory: neurons are refractory at the start"),
    (stranger, r"Synapses\(kick\): an end of it, 'cells', is no population of the network"),
    (lambda: [lif(3, "cells", refractory="(1 + i)*ms")], r"Neurons\(cells\).refractory: '\(1 \+ i\)\*ms'"),
    (lambda: [lif(3, "cells", method="gsl_rkf45")], r"Neurons\(cells\).method"),
    (lambda: [lif(3, "cells", model=LIF + "on : boolean")], r"Neurons\(cells\).equations\['on'\]: a boolean"),
    (lambda: [lif(3, "cells", model=LIF + "u = v : 1 (constant over dt)")], r"'\(constant over dt\)'"),
    (lambda: [lif(3, "cells", reset="v = 0*int(t - lastspike > 1*ms)", refractory=1 * b2.ms)], "reads 'lastspike'"),
    (lambda: with_synapses("w : 1\ndrive_post = w : 1 (summed)"), r"Synapses\(kick\): a summed variable"),
    (lambda: with_synapses("w : 1 (shared)", on_pre="w += 1"), r"Synapses\(kick\).on_pre: writes the shared 'w'"),
    (lambda: with_synapses("dg/dt = (v_post - g)/ms : 1 (event-driven)"), r"event-driven, and reads 'v_post'"),
    (lambda: with_synapses(on_pre={"a": "v_post += 0.1", "b": "w += v_post"}), r"'v_post' is written by one pathway"),
    (lambda: with_synapses(on_pre="v_post += 0.1*N_incoming"), "reads 'N_incoming'"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "message"), UNSUPPORTED)
def test_what_the_model_lacks_is_named(build: Callable[[], list[Any]], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message) as caught:
        from_brian2(b2.Network(build()), {})
    assert caught.value.alternatives


def test_all_problems_come_in_one_error() -> None:
    objects = [
        *run_regularly(),
        b2.NetworkOperation(lambda: None),
        b2.PoissonInput(lif(2, "other"), "v", 1, b2.Hz, 1),
    ]
    with pytest.raises(UnsupportedError) as caught:
        from_brian2(b2.Network(objects), {})
    for named in ("run_regularly", "network_operation", "PoissonInput", "on_step", "a task"):
        assert named in str(caught.value)


def test_a_network_that_has_run_or_is_none() -> None:
    cells = lif(3, "cells")
    network = b2.Network(cells)
    network.store()
    network.run(0.1 * b2.ms, namespace={})
    with pytest.raises(UnsupportedError, match="has run for 100"):
        from_brian2(network, {})
    network.restore()
    assert from_brian2(network, {}).neurons[0].size == 3
    network.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]
    with pytest.raises(UnsupportedError, match=r"Network\.schedule"):
        from_brian2(network, {})
    for other in (cells, b2.Network(), None):
        with pytest.raises(InvalidValueError, match="from_brian2"):
            from_brian2(other, {})


def test_a_network_of_the_standalone_device() -> None:
    b2.set_device("cpp_standalone", build_on_run=False)
    try:
        with pytest.raises(UnsupportedError, match=r"Network: its values .* set_device\('runtime'\)"):
            from_brian2(b2.Network(lif(3, "cells")), {})
    finally:
        b2.device.reinit()
        b2.set_device("runtime")


def test_synapses_without_a_synapse_and_monitors_are_left_out() -> None:
    cells, kick = with_synapses(connect=False)
    monitors = [
        b2.SpikeMonitor(cells),
        b2.StateMonitor(cells, "v", record=True),
        b2.PopulationRateMonitor(cells),
    ]
    model = from_brian2(b2.Network(cells, kick, monitors), {})
    assert ([n.name for n in model.neurons], model.synapses) == (["cells"], ())
