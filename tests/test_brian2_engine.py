"""Brian2's runtime against the dense reference: same spikes step by step, same variables; what Brian2 declines."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest

from snnrl import networks, tasks
from snnrl.engines.brian2.simulator import Brian2Simulator, simulator
from snnrl.engines.reference.simulator import ReferenceSimulator
from snnrl.equations.lower import lower
from snnrl.errors import InvalidValueError, UnknownNameError, UnsupportedError
from snnrl.model import Network, Neurons, Pairs, Synapses
from snnrl.networks.populations import poisson_cells
from snnrl.plasticity import devices

ENV_STEP = "5*ms"
EVERYONE = np.ones(1, dtype=bool)
SMALL: dict[str, Any] = {"cells_per_variable": 2, "actor_size": 3}


@pytest.fixture(scope="module", autouse=True)
def private_cython_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile into a folder of the test's own, and without optimisation, which takes half as long."""
    codegen = brian2.prefs.codegen
    before = codegen.runtime.cython.cache_dir, codegen.cpp.extra_compile_args_gcc
    codegen.runtime.cython.cache_dir = str(tmp_path_factory.mktemp("cython"))
    codegen.cpp.extra_compile_args_gcc = ["-w", "-O0", "-std=c++11"]
    yield
    codegen.runtime.cython.cache_dir, codegen.cpp.extra_compile_args_gcc = before


def inputs(size: int = 4) -> Neurons:
    """Cells whose spikes are supplied."""
    return Neurons("inputs", size, "gain : 1", threshold="gain > 1", initial={"gain": "0.5 + 0.1*i"})


def cells(equations: str = "", size: int = 3, **fields: Any) -> Neurons:
    """Leaky cells with private noise; ``equations`` are added."""
    text = "du/dt = (1.1 - u)/tau + 0.2*sqrt(2/tau)*xi : 1 (unless refractory)\n" + equations
    options: dict[str, Any] = {"threshold": "u >= 1", "reset": "u = 0", "refractory": "2*ms"}
    options["initial"] = {"u": "rand()"}
    return Neurons("cells", size, text, parameters={"tau": "10*ms"}, **{**options, **fields})


def synapses(equations: str = "w : 1", **fields: Any) -> Synapses:
    """Synapses from the inputs to the cells."""
    options: dict[str, Any] = {"on_pre": "u_post += w", "initial": {"w": "0.5*rand()"}}
    return Synapses("synapses", "inputs", "cells", equations, **{**options, **fields})


def gadget(neurons: Neurons | None = None, *groups: Synapses) -> Network:
    return Network((inputs(), neurons or cells()), groups or (synapses(),))


class Pair:
    """An engine and the reference, given the same and compared."""

    def __init__(self, network: Network, env_step: str = ENV_STEP, clamped: tuple[str, ...] = ("inputs",),
                 target: str = "numpy", seed: int = 3) -> None:  # fmt: skip
        self.lowered = lower(network, env_step)
        self.engine = simulator(network, self.lowered, [seed], clamped=clamped, target=target)
        self.reference = ReferenceSimulator(self.lowered, [seed], clamped=clamped)
        self.clamped, self.rng, self.total = clamped, np.random.default_rng(seed), 0
        self.differences: list[str] = []

    @property
    def both(self) -> tuple[Brian2Simulator, ReferenceSimulator]:
        """The two."""
        return self.engine, self.reference

    def steps(self, n: int, learning: bool = True, act: Callable[[Any], None] | None = None,
              reset_every: int = 6) -> Iterator[Any]:  # fmt: skip
        """Advance both, environment step by environment step, and note what differs."""
        mask = np.array([learning])
        for k in range(n):
            place = k % reset_every if reset_every else None
            for s in self.both if place == 0 else ():
                s.begin_episode(EVERYONE)
            shape = (self.lowered.env_steps, 4)
            for name in self.clamped:
                spikes = self.rng.random(shape) < 0.15
                for s in self.both:
                    s.clamp(name, spikes)
            if act is not None:
                for s in self.both:
                    act(s)
            yield mask
            self.reference.advance(mask)
            self._compare(k)
            values = {name: self.rng.normal() for name in ("td_error", "reward", "reward_error")}
            for s in self.both:
                s.signals["success"][:] = 0.3
                for name, value in values.items():
                    s.signals[name][:] = value
                if learning:
                    s.learn(EVERYONE, 2 * s.decision)
                    if place == reset_every - 1:
                        s.learn(EVERYONE, 2 * s.decision + 1)

    def _compare(self, k: int) -> None:
        for population in self.lowered.neurons:
            found, expected = (s.spikes(population.name) for s in self.both)
            self.total += int(expected.sum())
            if not np.array_equal(found, expected):
                self.differences.append(f"{population.name} at {k}: {np.argwhere(found != expected)[0]}")

    def check(self, silent: bool = False) -> None:
        """Everything must be the same at the end."""
        assert self.differences == []
        assert self.total > 0 or silent
        parts: list[Any] = [*self.lowered.neurons, *self.lowered.synapses]
        for part in parts:
            for name in part.initial:
                found, expected = (s.variable(part.name, name) for s in self.both)
                close = 1e-9 * np.abs(expected).max(initial=0.0)
                np.testing.assert_allclose(
                    found, expected, rtol=1e-9, atol=close, err_msg=f"{part.name}.{name}"
                )

    def run(self, n: int = 20, **options: Any) -> Pair:
        """Run both and compare."""
        self.engine.drive(self.steps(n, **options))
        self.check()
        return self


# ---------------------------------------------------------------------- agreement


def build(name: str) -> Any:
    """Return one of the agents of tests/test_reference.py."""
    spec = importlib.util.spec_from_file_location("_zoo", Path(__file__).parent / "test_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build(name)


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("name", ["td-ltp", "memristive", "zoo"])
def test_agents_agree_with_the_reference(name: str, learning: bool) -> None:
    model = build(name)
    pair = Pair(model.network, model.env_step, clamped=())
    encoder = model.encoder

    def sense(s: Any) -> None:
        observation = np.random.default_rng(s.decision).uniform(-0.2, 0.2, len(encoder.scale))
        s.write(encoder.population, encoder.variable, encoder.encode(observation)[None])

    before = {s.name: pair.engine.variable(s.name, "w") for s in pair.lowered.synapses if s.weights}
    pair.run(18, learning=learning, act=sense)
    changed = any(not np.array_equal(pair.engine.variable(n, "w"), v) for n, v in before.items())
    assert changed == learning


def half_select() -> Network:
    task = tasks.CartPole()
    made = networks.make("actor-critic", "td-ltp", **SMALL, critic_size=4)
    device = devices.make("vteam", spread=0.3)
    return made.build(task, device, half_select=True, waveform_steps=2).network


TRACES = "dx/dt = -x/tau_x : 1 (event-driven)\nw : 1"
GADGETS: dict[str, Callable[[], Network]] = {
    "plain": gadget,
    "weights in events": lambda: gadget(None, synapses(
        TRACES, on_pre="u_post += w\nx += 1\nw = clip(w - 0.1*x, 0, 1)", on_post="w += 0.05*x",
        parameters={"tau_x": "15*ms"}, initial={"w": 0.5})),
    "random numbers everywhere": lambda: gadget(
        cells("noise : 1 (shared)\nkick : 1", on_step="noise = randn()\nlocal = rand()\nkick = local + randn()",
              threshold="u >= 1 + 0.1*rand()", reset="u = 0.1*rand() - 0.1*randn()"),
        synapses("dz/dt = (noise_post - z)/tau_z + xi/sqrt(second) : 1 (clock-driven)\nw : 1",
                 on_pre="u_post += w*int(rand() < 0.5)*randn()", on_post="w += 0.01*randn()", method="euler",
                 on_reward="w = w + 0.01*randn() + 0.01*td_error*z", parameters={"tau_z": "7*ms"})),
    "shared": lambda: gadget(cells(
        "a : 1 (shared)\nb : 1\ndc/dt = (a - c)/tau : 1 (shared)", reset="u = 0.1*b",
        on_step="a = a + randn()\nonce = rand()\nb = once - a + 0.1*td_error*randn()")),
    "signals at both ends": lambda: Network(
        (poisson_cells("inputs", 4), cells("k : 1", on_step="k = td_error + success"),
         Neurons("others", 2, "v : 1", "rand() < 0.2*reward", "v = reward")),
        (synapses(on_reward="w = w + 0.01*td_error*k_post + 0.01*reward"),
         Synapses("from_others", "others", "inputs", "w : 1", on_pre="w += 0.1*reward + td_error",
                  on_post="w *= 0.9"))),
    "refractory variable seen by another": lambda: gadget(
        Neurons("cells", 3, "du/dt = (1.3 - u)/tau : 1 (unless refractory)\ndq/dt = (u - q)/(3*tau) : 1",
                "u >= 1", "u = 0\nq += 0.1", "3*ms", "rk4", {"tau": "6*ms"}, {"u": "rand()"}),
        synapses(on_pre="u_post += w\nq_post += 0.1*w")),
    "no refractory period": lambda: gadget(
        Neurons("cells", 3, "du/dt = (1.3 - u)/tau : 1 (unless refractory)", "u >= 1", "u -= 0.5", method="exact",
                parameters={"tau": "6*ms"})),
    "oscillator": lambda: gadget(  # Brian2's exact declines complex eigenvalues; the propagator of the model does not
        Neurons("cells", 3, "du/dt = omega*v : 1\ndv/dt = -omega*u : 1", "u > 0.9", "u = -0.5", "2*ms", "exact",
                {"omega": "300*Hz"}, {"u": "rand()", "v": 1.0})),
    "time": lambda: gadget(cells("dc/dt = t/second**2 : 1", on_step="c = t/second"), synapses(
        TRACES, on_pre="u_post += w\nx += 1", on_reward="w = w + 0.01*x + t/second", parameters={"tau_x": "9*ms"})),
    "signals between events": lambda: gadget(None, synapses(
        "dx/dt = (td_error - x)/tau_x : 1 (event-driven)\nw : 1", on_pre="u_post += w\nx += 1",
        on_reward="w = clip(w + 0.1*x, 0, 1)", parameters={"tau_x": "9*ms"})),
    "conductance": lambda: gadget(None, synapses(on_pre="u_post += 0.2*w*(2 - u_post)", delay=3)),
    "overwriting": lambda: gadget(cells("g : 1"), synapses(on_pre="g_post = w\nu_post += 0.1\nu_post -= 0.01*w")),
    "pairs": lambda: gadget(None, synapses(
        TRACES, on_pre="u_post += w\nx += 1", on_post="x *= 0.5", on_reward="w += 0.01*x*reward_error",
        connectivity=Pairs([0, 0, 2, 3, 3], [1, 2, 0, 0, 2]), delay=7, parameters={"tau_x": "9*ms"})),
    "no synapses": lambda: gadget(None, synapses(connectivity=Pairs([], []), initial={})),
    "clock-driven weights": lambda: gadget(None, synapses(
        "dw/dt = (u_post - w)/tau_w : 1 (clock-driven)", method="exponential_euler",
        parameters={"tau_w": "30*ms"})),
    "clock-driven before its neurons in the alphabet": lambda: gadget(None, Synapses(
        "average", "inputs", "cells", "dw/dt = (u_post - w)/tau_w : 1 (clock-driven)", on_pre="u_post += w",
        parameters={"tau_w": "30*ms"}, method="euler")),
    "recurrent": lambda: gadget(None, synapses(), Synapses(
        "loop", "cells", "cells", "w : 1", on_pre="u_post -= 0.05*w\nw += 0.01", on_post="w -= 0.01*u_pre",
        initial={"w": 1.0})),
    "several groups": lambda: gadget(cells("m : 1"), synapses(on_pre="u_post += w\nm_post += 1"), Synapses(
        "a_later_one", "inputs", "cells", "last : 1", on_pre="last = m_post", weights=())),
    "no spikes": lambda: Network(
        (inputs(), Neurons("cells", 3, "v : 1", initial={"v": "0.1*i"})),
        (Synapses("back", "cells", "inputs", "w : 1", on_pre="gain_post += 1", on_post="w += v_pre"),)),
    "half-select": half_select,
}  # fmt: skip


@pytest.mark.parametrize("name", GADGETS)
def test_texts_agree_with_the_reference(name: str) -> None:
    network = GADGETS[name]()
    clamped = tuple(n.name for n in network.neurons if n == inputs())
    pair = Pair(network, clamped=clamped)
    pair.engine.drive(pair.steps(16))
    pair.check(silent=not clamped)


@pytest.mark.parametrize("name", ["weights in events", "random numbers everywhere", "clock-driven weights"])
def test_weights_stay_while_plasticity_is_off(name: str) -> None:
    pair = Pair(GADGETS[name]())
    before = pair.engine.variable("synapses", "w")
    pair.run(8, learning=False)
    np.testing.assert_array_equal(pair.engine.variable("synapses", "w"), before)
    pair.run(8, learning=True)
    assert not np.array_equal(pair.engine.variable("synapses", "w"), before)


# ---------------------------------------------------------------------- running


def everything() -> Network:
    """Delays, traces, random numbers in every kind of code, weights in events: small, for the compiled target."""
    return gadget(
        cells("noise : 1 (shared)", on_step="noise = exploration*randn()", threshold="u >= 1 + 0.1*rand()"),
        synapses(TRACES, on_pre="u_post += w*int(rand() < 0.8)\nx += 1", on_post="w = clip(w + 0.05*x, 0, 1)",
                 on_reward="w = clip(w + 0.01*td_error*x + 0.01*randn(), 0, 1)", delay=2,
                 parameters={"tau_x": "15*ms"}),
    )  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> Pair:
    """Return a pair on the target cython; its code is compiled once for this module."""
    pair = Pair(everything(), target="cython")
    pair.run(12)
    return pair


def test_cython_agrees_with_the_reference(compiled: Pair) -> None:
    compiled.run(12)
    compiled.run(6, learning=False)


def test_cython_finds_its_code_again(compiled: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    from brian2.codegen.runtime.cython_rt import extension_manager

    def compile_again(*_: Any, **__: Any) -> None:
        raise AssertionError("compiled again")

    monkeypatch.setattr(extension_manager.Cython_Build, "cythonize", compile_again)
    Pair(everything(), target="cython", seed=8).run(12)
    assert compiled.total > 0


def records(pair: Pair, n: int, first: int = 0) -> list[Any]:
    """Run the engine alone and return all spikes and weights; an episode begins at every fifth step."""
    found = []

    def loop() -> Iterator[Any]:
        for k in range(first, first + n):
            if k % 5 == 0:
                pair.engine.begin_episode(EVERYONE)
            pair.engine.clamp("inputs", np.random.default_rng(k).random((pair.lowered.env_steps, 4)) < 0.3)
            yield EVERYONE
            found.append(pair.engine.spikes("cells"))
            pair.engine.signals["td_error"][:] = np.sin(k)
            pair.engine.learn(EVERYONE, 2 * pair.engine.decision)

    pair.engine.drive(loop())
    return [*found, pair.engine.variable("synapses", "w")]


def test_drive_in_pieces_is_drive_in_one() -> None:
    whole, pieces = (Pair(everything()) for _ in range(2))
    whole.run(12)
    loop = pieces.steps(12)
    for n in (1, 4, 3):
        pieces.engine.drive(next(loop) for _ in range(n))
        assert pieces.engine.step == pieces.engine.decision * pieces.lowered.env_steps
    for mask in loop:
        pieces.engine.advance(mask)
    pieces.check()
    found, expected = (p.engine.variable("synapses", "w") for p in (pieces, whole))
    np.testing.assert_array_equal(found, expected)


def test_ctrl_c_reaches_the_caller() -> None:
    """Brian2 by itself would end the run quietly, and the training would go on."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(getattr(handler, "previous_handler", handler)):
        pytest.skip("started in the background, where Ctrl-C is ignored")
    pair = Pair(gadget())

    def loop() -> Iterator[Any]:
        yield np.ones(1, dtype=bool)
        signal.raise_signal(signal.SIGINT)
        yield np.ones(1, dtype=bool)

    with pytest.raises(KeyboardInterrupt):
        pair.engine.drive(loop())
    before = pair.engine.step
    pair.engine.advance(np.ones(1, dtype=bool))
    assert pair.engine.step == before + pair.lowered.env_steps


def test_evaluation_draws_from_streams_of_its_own_from_step_zero() -> None:
    pair = Pair(everything()).run(7)
    for s in pair.both:
        s.begin_phase("evaluation/")
    assert pair.engine.objects.neurons["cells"].t / brian2.second == 0
    pair.run(7, learning=False)
    assert pair.engine.decision == 7


@pytest.mark.parametrize("name", ["refractory variable seen by another", "pairs"])
def test_phase_may_begin_within_an_episode(name: str) -> None:
    """Refractoriness, traces and spikes under way stay when the clock is set back."""
    pair = Pair(GADGETS[name]()).run(7)
    for s in pair.both:
        s.begin_phase("evaluation/")
    for population in pair.reference.populations.values():
        population.spikes = {step - 35: spikes for step, spikes in population.spikes.items()}
    pair.engine.drive(pair.steps(3, reset_every=0))
    pair.check()


def test_saved_state_goes_on_as_if_never_interrupted() -> None:
    one, other = Pair(everything()), Pair(everything())
    records(one, 8)
    saved = one.engine.save()
    assert all(len(array) == 1 for array in saved.values())
    assert saved["synapses.pre/pending"].any(), "no spike under way tests nothing"
    other.engine.restore(saved)
    for n, first in ((2, 8), (5, 10)):  # to the end of the episode, then beyond
        rest = [records(pair, n, first) for pair in (one, other)]
        for expected, found in zip(*rest, strict=True):
            np.testing.assert_array_equal(found, expected)
        state = other.engine.save()
        for name, expected in one.engine.save().items():
            np.testing.assert_array_equal(state[name], expected, err_msg=name)


def test_spikes_for_a_whole_run_are_those_given_step_by_step() -> None:
    one, other = Pair(everything()), Pair(everything())
    spikes = np.random.default_rng(1).random((40, 4)) < 0.2
    other.engine.clamp_all("inputs", spikes)
    found: dict[int, list[Any]] = {0: [], 1: []}

    def loop(k: int, s: Brian2Simulator) -> Iterator[Any]:
        for step in range(8):
            if k == 0:
                s.clamp("inputs", spikes[5 * step : 5 * step + 5])
            yield EVERYONE
            found[k] += [s.spikes("inputs"), s.spikes("cells")]

    for k, each in enumerate((one, other)):
        each.engine.drive(loop(k, each.engine))
    np.testing.assert_array_equal(np.concatenate(found[0][::2], axis=1)[0], spikes)
    for a, b in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InvalidValueError, match="clamp_all"):
        other.engine.clamp("inputs", spikes[:5])


def test_populations_without_given_spikes_are_silent() -> None:
    pair = Pair(everything())
    pair.engine.clamp("inputs", np.ones((5, 4), dtype=bool))
    pair.engine.advance(EVERYONE)
    assert pair.engine.spikes("inputs").all()
    pair.engine.advance(EVERYONE)
    assert not pair.engine.spikes("inputs").any()


def test_assigned_values_count_from_now_on() -> None:
    group = synapses("dx/dt = -x/tau_x : 1 (event-driven)\ndy/dt = (x - y)/(3*tau_x) : 1 (event-driven)\nw : 1",
                     on_pre="u_post += w + 0.1*y\nx += 1", parameters={"tau_x": "15*ms"})  # fmt: skip
    pair = Pair(gadget(None, group)).run(4, learning=False)
    for s in pair.both:
        s.assign("synapses", "x", np.full((1, 4, 3), 2.0))
        s.assign("cells", "u", np.full((1, 3), 0.5))
    assert (pair.engine.variable("synapses", "x") == 2.0).all()
    assert (pair.engine.variable("synapses", "y") > 0.0).any()
    pair.engine.drive(pair.steps(3, reset_every=0))
    pair.check()


def test_learning_before_the_first_step() -> None:
    pair = Pair(GADGETS["signals at both ends"](), clamped=())
    before = pair.engine.variable("synapses", "w")
    for s in pair.both:
        s.signals["reward"][:] = 1.0
        s.learn(EVERYONE, 0)
        s.learn(~EVERYONE, 0)
    pair.check(silent=True)
    assert (pair.engine.variable("synapses", "w") > before).all()


# ---------------------------------------------------------------------- the objects


def test_objects_are_what_a_brian2_user_would_have_written() -> None:
    engine = Pair(everything()).engine
    group, connection = engine.objects.neurons["cells"], engine.objects.synapses["synapses"]
    assert isinstance(group, brian2.NeuronGroup)
    assert isinstance(engine.objects.neurons["inputs"], brian2.SpikeGeneratorGroup)
    assert isinstance(connection, brian2.Synapses)
    assert isinstance(engine.objects.network, brian2.Network)
    assert str(group.user_equations["u"].expr).replace(" ", "") == "(1.1-u)/tau+0.2*sqrt(2/tau)*xi"
    assert group.namespace["tau"] == 10 * brian2.ms
    assert connection.pre.code.splitlines()[1] == "x += 1"
    assert connection.delay == 2 * brian2.ms
    assert connection.i[5] == 1
    assert connection.j[5] == 2


def test_monitors_of_the_user_record_the_same_spikes() -> None:
    pair = Pair(everything())
    monitor = brian2.SpikeMonitor(pair.engine.objects.neurons["cells"])
    voltage = brian2.StateMonitor(pair.engine.objects.neurons["cells"], "u", record=True)
    pair.engine.objects.network.add(monitor, voltage)
    raster = np.concatenate(records(pair, 10)[:-1], axis=1)[0]
    steps = np.round(monitor.t / brian2.ms).astype(int)
    assert raster.sum() > 5
    np.testing.assert_array_equal(np.argwhere(raster), np.stack([steps, np.array(monitor.i)], axis=1))
    assert voltage.u.shape == (3, 50)


def test_changes_of_the_user_have_effect() -> None:
    slower, weaker, unchanged = (Pair(everything()) for _ in range(3))
    weaker.engine.objects.synapses["synapses"].w = 0
    assert not weaker.engine.variable("synapses", "w").any()
    slower.engine.objects.synapses["synapses"].w = 0
    slower.engine.objects.neurons["cells"].namespace["tau"] = 30 * brian2.ms
    counts = [sum(int(s.sum()) for s in records(p, 6)[:-1]) for p in (slower, weaker, unchanged)]
    assert 1.5 * counts[0] < counts[1]
    assert 1.5 * counts[1] < counts[2]


def test_network_runs_without_an_agent() -> None:
    pair = Pair(everything())
    pair.engine.objects.network.run(12 * brian2.ms, namespace={})
    assert pair.engine.decision == 3  # environment steps of 5 ms have begun
    pair.engine.advance(EVERYONE)
    assert pair.engine.step == 17


def test_preferences_of_the_user_stay() -> None:
    brian2.prefs.codegen.target = "auto"
    seen = []

    def loop() -> Iterator[Any]:
        yield EVERYONE
        seen.append(str(brian2.prefs.codegen.target))

    pair = Pair(everything())
    pair.engine.drive(loop())
    assert brian2.prefs.codegen.target == "auto"
    assert seen == ["numpy"]


def test_float32_holds_the_variables_of_the_model() -> None:
    network = everything()
    lowered = lower(network, ENV_STEP)
    made = [simulator(network, lowered, [1], dtype, ("inputs",)) for dtype in ("float32", "float64")]
    assert made[0].objects.synapses["synapses"].w[:].dtype == np.float32
    assert made[0].objects.neurons["cells"].variables["lastspike"].dtype == np.float64
    spikes = np.random.default_rng(1).random((5000, 4)) < 0.1
    counts = []
    for engine in made:
        total = 0
        engine.clamp_all("inputs", spikes)

        def loop(engine: Brian2Simulator = engine) -> Iterator[Any]:
            nonlocal total
            for _ in range(1000):
                yield EVERYONE
                total += int(engine.spikes("cells").sum())

        engine.drive(loop())
        counts.append(total)
    assert abs(counts[0] - counts[1]) <= 0.01 * counts[1]


# ---------------------------------------------------------------------- refusals

REFUSED: dict[str, tuple[Callable[[], Network], str]] = {
    "singular": (lambda: gadget(None, synapses(
        "delig/dt = -elig/tau_e : 1 (event-driven)\ndw/dt = 3*Hz*elig : 1 (event-driven)", weights=(),
        parameters={"tau_e": "20*ms"})), r"Synapses\(synapses\): equations of elig, w.*clock-driven"),
    "neuron in between": (lambda: gadget(cells("v : 1"), synapses(
        "dx/dt = (v_post - x)/tau_x : 1 (event-driven)\nw : 1", parameters={"tau_x": "9*ms"})), "v_post"),
    "time in between": (lambda: gadget(None, synapses(
        "dx/dt = (t/second - x)/tau_x : 1 (event-driven)\nw : 1", parameters={"tau_x": "9*ms"})), "'t' changes"),
    "weights between events": (lambda: gadget(None, synapses(
        "dw/dt = -w/tau_x : 1 (event-driven)", parameters={"tau_x": "9*ms"})), "'w'.*plasticity is off"),
    "order of synapses": (lambda: gadget(cells("m : 1"), synapses(
        on_pre="m_post += w\nw += m_post")), r"Synapses\(synapses\)\.on_pre.*'m_post'"),
    "sum that is read": (lambda: gadget(None, synapses(on_post="gain_pre += w\nw += gain_pre")), r"on_post.*gain_pre"),
    "own end": (lambda: gadget(None, synapses(on_pre="gain_pre += 0.1*gain_pre*w")), "gain_pre"),
    "two synapses of a pair": (lambda: gadget(None, synapses(
        on_pre="u_post = 0.9*u_post + w", connectivity=Pairs([0, 0, 1], [1, 1, 2]))), "u_post"),
    "overwritten twice": (lambda: gadget(cells("m : 1"), synapses(on_pre="m_post = w\nm_post += 1")), "m_post"),
    "shared variable of neurons": (lambda: gadget(cells("m : 1 (shared)"), synapses(on_pre="m_post += w")), "m_post"),
    "constant over dt": (lambda: gadget(cells("r = u : 1 (constant over dt)")), "constant over dt"),
    "random subexpression": (lambda: gadget(cells("r = rand() : 1")), "'r'"),
    "reserved name": (lambda: gadget(cells("learning : 1")), "'learning' is taken"),
    "name of Brian2's own": (lambda: gadget(None, synapses(on_pre="u_post += N*w", parameters={"N": 3})), "'N'"),
    "name of a neuron's variable": (lambda: gadget(cells("m : 1"), synapses("w : 1\nm : 1")), "'m'"),
    "parameter with the name of a target's variable": (lambda: gadget(cells("m : 1"), synapses(
        on_pre="u_post += m*w", parameters={"m": 3})), "'m'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_brian2_cannot_do_is_refused_by_name(name: str) -> None:
    make, words = REFUSED[name]
    network = make()
    lowered = lower(network, ENV_STEP)
    with pytest.raises(UnsupportedError, match=words) as caught:
        simulator(network, lowered, [0], clamped=("inputs",))
    assert caught.value.engine == "brian2"
    assert caught.value.alternatives


def test_bad_options_are_refused() -> None:
    network = everything()
    lowered = lower(network, ENV_STEP)
    for options, words in [({"target": "weave"}, "engine.target"), ({"dtype": "float16"}, "engine.dtype")]:
        with pytest.raises(InvalidValueError, match=words):
            simulator(network, lowered, [0], clamped=("inputs",), **options)
    with pytest.raises(UnsupportedError, match=r"2 seeds.*one simulator per seed"):
        simulator(network, lowered, [0, 1])
    with pytest.raises(UnsupportedError, match="standalone"):
        simulator(network, lowered, [0], target="standalone")
    engine = simulator(network, lowered, [0], clamped=("inputs",))
    for ask in (lambda: engine.variable("cells", "w"), lambda: engine.clamp("cells", np.zeros((5, 3), bool)),
                lambda: engine.spikes("nobody"), lambda: engine.write("cells", "nothing", np.zeros((1, 3)))):  # fmt: skip
        with pytest.raises(UnknownNameError):
            ask()
    with pytest.raises(InvalidValueError, match="shape"):
        engine.clamp("inputs", np.zeros((4, 4), bool))


def test_no_compiler_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from brian2.codegen.runtime.cython_rt import CythonCodeObject

    monkeypatch.setattr(CythonCodeObject, "is_available", lambda: False)
    network = everything()
    with pytest.raises(UnsupportedError, match=r"target='cython'.*compiler.*numpy"):
        simulator(network, lower(network, ENV_STEP), [0], clamped=("inputs",), target="cython")


def test_another_device_is_refused() -> None:
    network = everything()
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        with pytest.raises(UnsupportedError, match="set_device"):
            simulator(network, lower(network, ENV_STEP), [0], clamped=("inputs",))
    finally:
        brian2.device.reinit()
        brian2.set_device("runtime")
