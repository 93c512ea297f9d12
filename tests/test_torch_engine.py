"""The torch engine against the reference: spikes one by one, weights to 1e-9, on every path it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from snnrl import networks, random, tasks
from snnrl.engines.reference.simulator import ReferenceSimulator
from snnrl.engines.simulator import Simulator
from snnrl.engines.tensors import random as tensor_random
from snnrl.engines.tensors.expressions import Draw, Expression, torch_functions
from snnrl.engines.torch.differentiable import DifferentiableNetwork
from snnrl.engines.torch.graphs import WindowGraphs
from snnrl.engines.torch.simulator import TorchSimulator, simulator
from snnrl.engines.torch.surrogate import SURROGATES, Surrogate
from snnrl.equations.lower import lower
from snnrl.equations.lowered import LoweredNetwork
from snnrl.equations.statements import evaluate
from snnrl.errors import InvalidValueError, UnknownNameError, UnsupportedError
from snnrl.model import Network, Neurons, Pairs, Synapses
from snnrl.networks.populations import lif_neurons
from snnrl.plasticity import devices

SMALL: dict[str, Any] = {"cells_per_variable": 2, "actor_size": 3}
PATHS: dict[str, dict[str, Any]] = {
    "in place, windowed": {},
    "in place, general": {"windowed": False},
    "masked, windowed": {"in_place": False},
    "masked, general": {"in_place": False, "windowed": False},
    "surrogate": {"surrogate": Surrogate("triangle")},
}


# ---------------------------------------------------------------------- models


def menagerie() -> Network:
    """Build what the built-in networks lack: pairs, delays, clock-driven and coupled variables, random transmission."""
    cells = Neurons("cells", 9)
    poisson = Neurons("poisson", 4, "rate : Hz", threshold="not (rand() >= rate*dt)", refractory="2*ms",
                      initial={"rate": [20.0, 40.0, 60.0, 80.0]})  # fmt: skip
    hidden = lif_neurons("hidden", 5, 0.8, 0.1, exploration=0.3)
    output = lif_neurons("output", 3, 1.3, 0.1, counts_inhibition=True)
    multiplicative = Synapses(
        "multiplicative", "cells", "hidden",
        """dapre/dt = -apre/(20*ms) : 1 (event-driven)
        dapost/dt = -apost/(30*ms) : 1 (event-driven)
        w : 1""",
        on_pre="I_post += 2*w\napre += 1\nw = clip(w - 0.05*w*apost, 0, 1)",
        on_post="apost += 1\nw = clip(w + 0.05*(1 - w)*apre, 0, 1)",
        on_reward="w = clip(w + 0.01*td_error*apre*apost, 0, 1)",
        initial={"w": "0.3 + 0.4*rand()"},
        connectivity=Pairs([0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 1], [0, 3, 1, 2, 4, 0, 1, 2, 3, 4, 0, 4]),
        delay=3,
    )  # fmt: skip
    clocked = Synapses(
        "clocked", "hidden", "output", "delig/dt = -elig/(50*ms) : 1 (clock-driven)\nw : 1",
        on_pre="I_post += w\nelig += 1", on_post="elig += 0.1*w",
        on_reward="w = clip(w + 0.05*td_error*elig + 0.01*randn(), -2, 2)", initial={"w": "0.5*randn()"}, delay=1,
    )  # fmt: skip
    tired = Synapses(
        "tired", "hidden", "output",
        "dx/dt = (1 - x)/(80*ms) : 1 (event-driven)\ndy/dt = (0.3 - y)/(150*ms) : 1 (event-driven)\nw : 1",
        on_pre="y += 0.3*(1 - y)\nI_post += w*x*y\nx -= x*y",
        on_reward="w = clip(w + 0.1*reward_error*y, 0, 4)", initial={"x": 1, "y": 0.3, "w": 2},
    )  # fmt: skip
    coupled = Synapses(
        "coupled", "cells", "output",
        """dapre/dt = -apre/(20*ms) : 1 (event-driven)
        dapost/dt = -apost/(25*ms) : 1 (event-driven)
        dtag/dt = -tag/(30*ms) : 1 (event-driven)
        delig/dt = (tag - elig)/(90*ms) : 1 (event-driven)
        w : 1""",
        on_pre="I_post += 0.4*w/2\napre += 1\ntag -= 0.2*apost", on_post="apost += 1\ntag += apre*(1 + apost)",
        on_reward="w = clip(w + 0.5*td_error*elig, -3, 3)", initial={"w": "randn()"},
    )  # fmt: skip
    releases = Synapses("releases", "poisson", "hidden", "w : 1", weights=("w",),
                        on_pre="I_post += w*int(rand() < 0.7)\nu_post += 0.02", initial={"w": "0.4 + 0.1*rand()"})  # fmt: skip
    rivals = Synapses("rivals", "output", "output", on_pre="u_post -= 0.1\nh_post += 1", weights=())
    jump = Synapses("jump", "poisson", "output", on_pre="h_post = 0", on_post="rate_pre = 50*Hz", weights=())
    return Network(
        (cells, poisson, hidden, output), (multiplicative, clocked, tired, coupled, releases, rivals, jump)
    )


def built_in(network: str, plasticity: str, device: str = "") -> Network:
    options = SMALL if network != "actor-critic" else {**SMALL, "critic_size": 4}
    made = networks.make(network, plasticity, **options)
    return made.build(tasks.CartPole(), devices.make(device, spread=0.3) if device else None).network


MODELS = {
    "menagerie": menagerie,
    "td-ltp": lambda: built_in("actor-critic", "td-ltp"),
    "r-stdp": lambda: built_in("actor-critic", "r-stdp"),
    "memristive": lambda: built_in("reward-modulated", "td-ltp", "vteam"),
}
_LOWERED: dict[str, LoweredNetwork] = {}


def lowered(name: str) -> LoweredNetwork:
    """Lower a model once per session."""
    if name not in _LOWERED:
        _LOWERED[name] = lower(MODELS[name](), "20*ms")
    return _LOWERED[name]


# ---------------------------------------------------------------------- a closed script of inputs and rewards


def stimulate(
    made: Simulator, seeds: Sequence[int], windows: int, learning: Any = True, first: int = 0
) -> list[dict[str, Any]]:
    """Run environment steps on inputs that depend on step and seed; returns spikes by population for each."""
    found, mask = [], np.broadcast_to(np.asarray(learning), (len(seeds),))
    for window in range(first, first + windows):
        if window == 0:
            made.begin_episode(np.ones(len(seeds), bool))
        if window == 4:  # a new episode for some
            again = np.array([seed % 2 == 0 for seed in seeds])
            if again.any():
                made.begin_episode(again)
        if "cells" in made.clamped:
            made.clamp("cells", np.random.default_rng(window).random((20, 9)) < 0.08)
        else:
            drives = [np.random.default_rng([window, seed]).uniform(0.5, 4.0, 16) for seed in seeds]
            made.write("place", "drive", np.stack(drives))
        made.advance(mask)
        draws = np.stack([np.random.default_rng([window, seed, 7]).normal(size=3) for seed in seeds], axis=1)
        for name, values in zip(("reward", "td_error", "reward_error"), draws, strict=True):
            made.signals[name][:] = values
        if mask.any():
            made.learn(mask, 2 * made.decision)
        found.append({n.name: made.spikes(n.name) for n in made.network.neurons})
    return found


def clamped(name: str) -> tuple[str, ...]:
    return ("cells",) if name == "menagerie" else ()


def state_of(made: Simulator, row: int = 0) -> dict[str, np.ndarray]:
    parts = {(p.name, v) for p in (*made.network.neurons, *made.network.synapses) for v in p.initial}
    return {f"{part}.{v}": made.variable(part, v)[row] for part, v in parts}


_REFERENCES: dict[Any, tuple[list[dict[str, Any]], dict[str, np.ndarray]]] = {}


def reference(
    name: str, seed: int, windows: int, learning: bool = True
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Run the reference once per session for each question."""
    key = (name, seed, windows, learning)
    if key not in _REFERENCES:
        made = ReferenceSimulator(lowered(name), [seed], clamped=clamped(name))
        _REFERENCES[key] = (stimulate(made, [seed], windows, learning), state_of(made))
    return _REFERENCES[key]


def assert_agrees(
    made: Simulator, spikes: list[dict[str, Any]], name: str, learning: Sequence[bool], rtol: float = 1e-9
) -> None:
    for row, (seed, learns) in enumerate(zip(made.seeds, learning, strict=True)):
        expected, state = reference(name, int(seed), len(spikes), learns)
        for window, (got, want) in enumerate(zip(spikes, expected, strict=True)):
            for population, raster in want.items():
                different = np.argwhere(got[population][row] != raster[0])
                assert different.size == 0, (
                    f"{population}, environment step {window}: (dt, neuron) {different[0]}"
                )
        for variable, values in state_of(made, row).items():
            scale = np.abs(state[variable]).max(initial=0.0)
            np.testing.assert_allclose(
                values, state[variable], rtol=rtol, atol=rtol * scale, err_msg=variable
            )


# ---------------------------------------------------------------------- agreement


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_the_reference(name: str, path: str) -> None:
    """Three agents, one of which does not learn: every spike, every variable."""
    seeds, learning = [2, 5, 8], [True, False, True]
    made = TorchSimulator(lowered(name), seeds, clamped=clamped(name), **PATHS[path])
    spikes = stimulate(made, seeds, 8, learning)
    assert_agrees(made, spikes, name, learning)
    silent = [p for p in spikes[0] if not any(window[p].any() for window in spikes)]
    assert not silent, f"silent populations test nothing: {silent}"
    start = TorchSimulator(lowered(name), seeds, clamped=clamped(name))
    for group in made.network.synapses:
        for weight in group.weights:
            changed = (
                (made.variable(group.name, weight) != start.variable(group.name, weight))
                .reshape(3, -1)
                .any(1)
            )
            assert not changed[1], f"{group.name}.{weight} of the agent that does not learn"
    assert not np.array_equal(made.variable(*_plastic(name))[0], start.variable(*_plastic(name))[0])


def _plastic(name: str) -> tuple[str, str]:
    return ("coupled", "w") if name == "menagerie" else ("place_action_0", "w")


@pytest.mark.parametrize("name", MODELS)
def test_general_path_is_the_reference_bit_by_bit(name: str) -> None:
    """Gathered events are served in the reference's order: not even the last bit differs."""
    made = TorchSimulator(lowered(name), [2], clamped=clamped(name), windowed=False)
    stimulate(made, [2], 8)
    for variable, values in reference(name, 2, 8)[1].items():
        part, _, v = variable.partition(".")
        if name != "memristive":  # powers are rounded otherwise by some builds of torch
            np.testing.assert_array_equal(made.variable(part, v)[0], values, err_msg=variable)


@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_every_agent_alone(name: str, windowed: bool) -> None:
    seeds = [3, 4, 20]
    batch = TorchSimulator(lowered(name), seeds, clamped=clamped(name), windowed=windowed)
    together = stimulate(batch, seeds, 6)
    for row, seed in enumerate(seeds):
        alone = TorchSimulator(lowered(name), [seed], clamped=clamped(name), windowed=windowed)
        for got, want in zip(stimulate(alone, [seed], 6), together, strict=True):
            assert all(np.array_equal(got[p][0], want[p][row]) for p in got)
        for variable, values in state_of(alone).items():
            np.testing.assert_array_equal(values, state_of(batch, row)[variable], err_msg=variable)


@pytest.mark.parametrize("path", ["in place, windowed", "masked, windowed"])
def test_learning_of_few_agents_leaves_the_others_alone(path: str) -> None:
    """A termination teaches one agent of the batch; its random numbers are those of that reward step."""
    name, seeds = "menagerie", [2, 4]
    made = TorchSimulator(lowered(name), seeds, clamped=clamped(name), **PATHS[path])
    single = ReferenceSimulator(lowered(name), [4], clamped=clamped(name))
    for one, chosen in ((made, seeds), (single, [4])):
        stimulate(one, chosen, 2)
        one.signals["td_error"][:] = 0.7
    before = made.variable("clocked", "w")
    made.learn(np.array([False, True]), 2 * made.decision + 1)
    single.learn(np.array([True]), 2 * single.decision + 1)
    assert np.array_equal(made.variable("clocked", "w")[0], before[0])
    np.testing.assert_allclose(
        made.variable("clocked", "w")[1], single.variable("clocked", "w")[0], rtol=1e-12
    )
    assert not np.array_equal(made.variable("clocked", "w")[1], before[1])


def test_windowed_form_is_used_where_the_text_allows_it() -> None:
    made = TorchSimulator(lowered("r-stdp"), [1])
    group = made.groups["place_critic"]
    assert group.deferred is not None
    assert group.factored
    made = TorchSimulator(lowered("menagerie"), [1], clamped=("cells",))
    assert made.groups["coupled"].window.variables == {"tag", "elig"}
    assert made.groups["coupled"].deferred is not None
    assert made.groups["clocked"].deferred is None
    assert made.groups["tired"].factored == {"x": "pre", "y": "pre"}


def test_a_flow_too_steep_to_be_carried_back_is_advanced_in_every_dt() -> None:
    cells, output = Neurons("cells", 9), lif_neurons("output", 2, 1.3, 0.0)
    steep = Synapses("steep", "cells", "output", "dy/dt = -y/(0.4*ms) : 1 (event-driven)\nw : 1",
                     on_pre="y += 1", on_post="w += y", initial={"w": 0}, weights=("w",))  # fmt: skip
    network = lower(Network((cells, output), (steep,)), "20*ms")
    made = TorchSimulator(network, [2], clamped=("cells",))
    wanted = ReferenceSimulator(network, [2], clamped=("cells",))
    assert not made.groups["steep"].window.variables
    for one in (made, wanted):
        stimulate(one, [2], 4)
    assert wanted.variable("steep", "w").any()
    np.testing.assert_allclose(made.variable("steep", "w"), wanted.variable("steep", "w"), rtol=1e-9)


def test_evaluation_has_its_own_random_numbers() -> None:
    made = TorchSimulator(lowered("menagerie"), [2], clamped=("cells",))
    wanted = ReferenceSimulator(lowered("menagerie"), [2], clamped=("cells",))
    spikes = []
    for one in (made, wanted):
        stimulate(one, [2], 3)
        one.begin_phase("evaluation/")
        one.begin_episode(np.array([True]))
        spikes.append(stimulate(one, [2], 3, learning=False, first=1))
    learned = stimulate(TorchSimulator(lowered("menagerie"), [2], clamped=("cells",)), [2], 3)
    for got, want in zip(*spikes, strict=True):
        assert all(np.array_equal(got[p], want[p]) for p in got)
    assert any(
        not np.array_equal(a["poisson"], b["poisson"]) for a, b in zip(spikes[0], learned, strict=True)
    )


@pytest.mark.parametrize("path", ["in place, windowed", "masked, windowed"])
def test_restored_run_goes_on_as_if_never_interrupted(path: str) -> None:
    name, seeds = "menagerie", [2, 5]

    def make() -> TorchSimulator:
        return TorchSimulator(lowered(name), seeds, clamped=clamped(name), **PATHS[path])

    whole, interrupted, resumed = make(), make(), make()
    together = stimulate(whole, seeds, 6)
    stimulate(interrupted, seeds, 3)
    state = interrupted.save()
    assert all(len(values) == len(seeds) for values in state.values())
    stimulate(interrupted, seeds, 1, first=3)  # what was saved is a copy
    resumed.restore(state)
    for got, want in zip(stimulate(resumed, seeds, 3, first=3), together[3:], strict=True):
        assert all(np.array_equal(got[p], want[p]) for p in got)
    for key, values in whole.save().items():
        np.testing.assert_array_equal(resumed.save()[key], values, err_msg=key)


@pytest.mark.parametrize("name", ["menagerie", "td-ltp"])
def test_float32_counts(name: str) -> None:
    """Within 1 % over 10 s of simulated time, in every population."""
    counts, seeds = {}, range(20)
    for dtype in ("float64", "float32"):
        made = TorchSimulator(lowered(name), seeds, dtype, clamped(name))
        spikes = stimulate(made, seeds, 25)
        counts[dtype] = {p: sum(int(window[p].sum()) for window in spikes) for p in spikes[0]}
        assert all(
            x.dtype == getattr(torch, dtype) for group in made.groups.values() for x in group.values.values()
        )
    for population, count in counts["float64"].items():
        assert counts["float32"][population] == pytest.approx(count, rel=0.01), population


def test_assigned_values_are_read_back() -> None:
    made = TorchSimulator(lowered("menagerie"), [2, 5], clamped=("cells",))
    for part, variable in (
        ("hidden", "u"),
        ("hidden", "explore"),
        ("coupled", "w"),
        ("tired", "x"),
        ("multiplicative", "apre"),
    ):
        values = np.broadcast_to(np.array([0.25, 0.5]).reshape(2, *[1] * (made.variable(part, variable).ndim - 1)),
                                 made.variable(part, variable).shape)  # fmt: skip
        made.assign(part, variable, values)
        np.testing.assert_array_equal(made.variable(part, variable), values)
    assert made.variable("hidden", "explore").shape == (2, 1)
    assert made.variable("tired", "x").shape == (2, 5, 3)


# ---------------------------------------------------------------------- order of events


def shunting(on_pre: str) -> LoweredNetwork:
    target = Neurons("target", 2, "v : 1\nn : 1", threshold="v > 0.9", reset="v = 0")
    group = Synapses("shunting", "cells", "target", "w : 1", on_pre=on_pre, initial={"w": "0.2 + 0.1*rand()"})
    sparse = Synapses("sparse", "cells", "target", "w : 1", on_pre=on_pre, initial={"w": "0.2*rand()"},
                      connectivity=Pairs([0, 0, 3, 5, 8], [0, 1, 1, 0, 1]))  # fmt: skip
    return lower(Network((Neurons("cells", 9), target), (group, sparse)), "20*ms")


@pytest.mark.parametrize("on_pre", ["v_post += w*(1 - v_post)\nn_post += 1", "v_post += w\nv_post *= 0.99"])
def test_neurons_are_served_one_by_one_where_their_order_matters(on_pre: str) -> None:
    if "*=" in on_pre:  # the last of several assignments would win
        with pytest.raises(UnsupportedError, match=r"torch.*Synapses\(shunting\).on_pre.*'fast'"):
            TorchSimulator(shunting(on_pre), [1])
        return
    made = TorchSimulator(shunting(on_pre), [1, 2], clamped=("cells",))
    spikes = stimulate(made, [1, 2], 6)
    for row, seed in enumerate((1, 2)):
        wanted = ReferenceSimulator(shunting(on_pre), [seed], clamped=("cells",))
        expected = stimulate(wanted, [seed], 6)
        assert any(window["target"].any() for window in expected)
        assert all(
            np.array_equal(a["target"][row], b["target"][0]) for a, b in zip(spikes, expected, strict=True)
        )
        np.testing.assert_array_equal(made.variable("target", "v")[row], wanted.variable("target", "v")[0])


def test_masked_path_refuses_what_depends_on_the_order() -> None:
    with pytest.raises(UnsupportedError, match=r"Synapses\(shunting\).on_pre.*reads 'v_post'.*device='cpu'"):
        TorchSimulator(shunting("v_post += w*(1 - v_post)"), [1], in_place=False)


# ---------------------------------------------------------------------- random numbers and expressions


def test_random_numbers_are_those_of_numpy_bit_by_bit() -> None:
    seeds, steps = [0, 5, -3, 2**40 + 7], [0, 1, 77, 10**9]
    index = torch.arange(1000, dtype=torch.int32)
    for stream in ("critic/update/0", "evaluation/a/on_pre/3"):
        bases = tensor_random.stream_bases(seeds, stream, torch.device("cpu"))
        keys = tensor_random.step_keys(bases, torch.tensor(steps)).unsqueeze(-1)
        uniform = tensor_random.uniform(keys, index, torch.float64).numpy()
        normal = tensor_random.normal(keys, index, torch.float64).numpy()
        for k, step in enumerate(steps):
            for a, seed in enumerate(seeds):
                where = (seed, random.stream_id(stream), step, 1000)
                np.testing.assert_array_equal(uniform[k, a], random.uniform(*where))
                np.testing.assert_array_equal(normal[k, a], random.normal(*where))


EXPRESSIONS = (
    "a + b*c - a/c", "-a**2", "a**3 % 0.7", "b // 0.3", "clip(a, 0, b)", "clip(0.5, a, b)", "clip(a, b, 0.9)",
    "exp(a) + log(c) + log10(c) + sqrt(c)", "sin(a)*cos(b)*tan(c)", "sinh(a) + cosh(b) + tanh(c) + arctan(a)",
    "abs(a) + sign(b) + floor(a) + ceil(b)", "int(3*a) + int(a > b)", "exprel(a) + exprel(0*a)", "0.1*int(a < b < c)",
    "(a > 0) + (b > 0)", "not a > b or a > 0 and c > 0.5", "a == b or a != c", "2*tau/(1 - exp(-tau)) + 0*a",
)  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expressions_mean_what_they_mean_in_numpy(text: str) -> None:
    generator = np.random.default_rng(0)
    values = {"a": generator.normal(size=50), "b": generator.normal(size=50), "c": generator.random(50) + 0.1}
    expression = Expression(text, {"tau": 0.3}, torch_functions(torch.float64))
    got = expression(lambda n: torch.from_numpy(values[n]), lambda draw: torch.empty(0))
    wanted = np.asarray(evaluate(text, {**values, "tau": 0.3}))
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-13, atol=1e-14)
    assert got.numpy().dtype == wanted.dtype


def test_constants_are_folded_and_random_calls_numbered() -> None:
    expression = Expression("exp(-dt/tau)*x + randn()*sqrt(dt) + (rand() < p)", {"dt": 0.001, "tau": 0.01, "p": 0.5},
                            torch_functions(torch.float64), first_call=2)  # fmt: skip
    assert expression.names == ("x",)
    assert expression.draws == (Draw(True, 2), Draw(False, 3))


# ---------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"device": "tpu"}, InvalidValueError, "engine.device.*'tpu'.*'cpu'"),
        ({"device": "mps"}, InvalidValueError, "engine.device.*'mps'.*'cuda'"),
        ({"graphs": True}, UnsupportedError, "torch.*graphs=True.*cuda"),
        ({"surrogate": "step"}, UnknownNameError, "engine.surrogate.*'step'.*fast-sigmoid"),
        ({"surrogate": Surrogate(), "compile": True}, UnsupportedError, "torch.*surrogate.*compile"),
        ({"dtype": "float16"}, InvalidValueError, "engine.dtype.*'float16'.*float32"),
    ],
)
def test_bad_options(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        simulator(Network((Neurons("cells", 9),)), lowered("td-ltp"), [0], **options)


def test_cuda_asked_for_and_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        UnsupportedError, match=r"engine 'torch', device 'cuda': .*no CUDA device.*'cpu'.*'fast'"
    ):
        TorchSimulator(lowered("td-ltp"), [0], device="cuda")


def test_unknown_names() -> None:
    made = TorchSimulator(lowered("menagerie"), [0], clamped=("cells",))
    for call in (
        lambda: made.variable("coupled", "speed"),
        lambda: made.variable("nobody", "w"),
        lambda: made.write("hidden", "drive", np.zeros((1, 5))),
        lambda: made.write("nobody", "u", np.zeros((1, 5))),
        lambda: made.clamp("hidden", np.zeros((20, 5), bool)),
        lambda: made.spikes("nobody"),
    ):
        with pytest.raises(UnknownNameError):
            call()
    with pytest.raises(InvalidValueError, match="cells"):
        made.clamp("cells", np.zeros((3, 9), bool))


def test_compiled_update_is_the_same() -> None:
    """Fused kernels keep the order of the operations: spikes agree, numbers up to rounding."""
    network = lower(Network((lif_neurons("output", 6, 1.3, 0.1),)), "20*ms")
    made, wanted = (simulator(Network(()), network, [2, 5], compile=chosen) for chosen in (True, False))
    assert made.populations["output"].advance is not made.populations["output"]._advance
    for _ in range(3):
        for one in (made, wanted):
            one.advance(np.ones(2, bool))
        assert np.array_equal(made.spikes("output"), wanted.spikes("output"))
        assert wanted.spikes("output").any()
    np.testing.assert_allclose(
        made.variable("output", "u"), wanted.variable("output", "u"), rtol=1e-12, atol=1e-15
    )


def test_graphs_keep_state_in_fixed_memory() -> None:
    """Stands in for CUDA: what is recorded is run again by Python, on the same fixed tensors."""

    def recorder(body: Any) -> Any:
        body()  # a recording warms up first, which must leave no trace
        return body

    name, seeds, learning = "menagerie", [2, 5, 8], [True, False, True]
    made = TorchSimulator(lowered(name), seeds, clamped=clamped(name), in_place=False)
    made.graphs = WindowGraphs(made, recorder)
    fixed = None
    spikes = []
    for window in range(8):
        spikes += stimulate(made, seeds, 1, learning, first=window)
        pointer = made.populations["hidden"].values["u"].data_ptr()
        assert fixed in (None, pointer)
        fixed = pointer
    assert_agrees(made, spikes, name, learning)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("options", [{}, {"graphs": True}, {"compile": True}])
@pytest.mark.parametrize("name", MODELS)
def test_cuda_agrees_with_the_reference(name: str, options: dict[str, Any]) -> None:
    seeds, learning = [2, 5, 8], [True, False, True]
    made = TorchSimulator(lowered(name), seeds, clamped=clamped(name), device="cuda", **options)
    assert_agrees(made, stimulate(made, seeds, 8, learning), name, learning)


# ---------------------------------------------------------------------- gradients


def layer(size: int = 3, bias: float = 0.5) -> LoweredNetwork:
    feed = Synapses(
        "feed", "cells", "output", "w : 1", on_pre="I_post += w", initial={"w": "0.4*rand()"}, weights=("w",)
    )
    return lower(Network((Neurons("cells", 9), lif_neurons("output", size, bias, 0.0)), (feed,)), "50*ms")


def inputs(batch: int, steps: int = 50) -> torch.Tensor:
    return torch.from_numpy((np.random.default_rng(3).random((batch, steps, 9)) < 0.2).astype(float))


@pytest.mark.parametrize("name", SURROGATES)
def test_gradient_descent_learns_spike_counts(name: str) -> None:
    """Every output neuron shall spike a given number of times per sample."""
    network, spikes, wanted = (
        DifferentiableNetwork(layer(), 4, name, clamped=["cells"]),
        inputs(4),
        torch.tensor([2.0, 5.0, 8.0]),
    )
    optimiser = torch.optim.Adam(network.parameters(), lr=0.03)
    losses = []
    for _ in range(25):
        loss = (network({"cells": spikes})["output"].sum(1) - wanted).square().mean()
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert losses[0] > 5.0
    assert min(losses[-5:]) < 0.15 * losses[0]


def test_forward_pass_has_the_spikes_of_the_engine_without_gradients() -> None:
    network = DifferentiableNetwork(layer(), 4, clamped=["cells"])
    spikes = inputs(4)
    found = network({"cells": spikes})["output"]
    assert found.requires_grad
    assert found.shape == (4, 50, 3)
    for sample in range(4):
        plain = TorchSimulator(layer(), [sample], clamped=("cells",), in_place=False)
        plain.assign("feed", "w", network.weight("feed.w").detach().numpy()[None])
        plain.begin_episode(np.array([True]))
        plain.clamp("cells", spikes[sample].numpy() > 0)
        plain.advance(np.array([False]))
        assert plain.spikes("output").any()
        np.testing.assert_array_equal(found[sample].detach().numpy() != 0, plain.spikes("output")[0])


def test_gradients_of_the_smooth_parts_are_those_of_finite_differences() -> None:
    """Without a spike of the output, the membrane is a smooth function of weights and of numbers of input spikes."""
    network, spikes = (
        DifferentiableNetwork(layer(2, bias=0.1), 2, clamped=["cells"]),
        inputs(2).requires_grad_(),
    )
    network({"cells": spikes})

    def membrane(weight: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        output = torch.func.functional_call(network, {"feed__w": weight}, ({"cells": given},))["output"]
        assert not output.any()
        return network.state("output", "u")

    weight = (0.1 * network.weight("feed.w").detach()).requires_grad_()
    few = inputs(2, 50)[:, :, :].requires_grad_()
    assert torch.autograd.gradcheck(lambda w: membrane(w, few.detach()), (weight,), atol=1e-8)
    membrane(weight, few).sum().backward()  # type: ignore[no-untyped-call]
    assert few.grad is not None
    assert few.grad.abs().sum() > 0.0


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogate_derivatives(name: str) -> None:
    """One at the threshold, symmetric, falling; reached through the comparison of the threshold, whichever way round."""
    g = SURROGATES[name]
    x = torch.linspace(-2.0, 2.0, 41, dtype=torch.float64)
    assert g(torch.zeros(1)).item() == 1.0
    torch.testing.assert_close(g(x), g(-x))
    assert (g(x[20:]).diff() <= 0.0).all()
    functions = Surrogate(name, slope=2.0).functions(torch.float64)
    for text, sign in (
        ("u >= 0.5", 1.0),
        ("u < 0.5", -1.0),
        ("not u < 0.5", 1.0),
        ("u > 0.5 and 1 > 0", 1.0),
    ):
        u = x.clone().requires_grad_()
        spikes = Expression(text, {}, functions)(lambda n, u=u: u, lambda draw: torch.empty(0))  # type: ignore[misc]
        assert torch.equal(spikes != 0, torch.from_numpy(np.asarray(evaluate(text, {"u": x.numpy()}), bool)))
        spikes.sum().backward()
        torch.testing.assert_close(u.grad, sign * g(2.0 * (x - 0.5)))


def test_reset_carries_a_gradient_if_asked() -> None:
    """With ``detach_reset=False`` an earlier spike has an effect on the membrane after its reset."""
    gradients = []
    for detach in (True, False):
        network = DifferentiableNetwork(layer(bias=1.5), 1, Surrogate(detach_reset=detach), clamped=["cells"])
        assert network({"cells": inputs(1)})["output"].any()
        network.state("output", "u").sum().backward()  # type: ignore[no-untyped-call]
        gradients.append(network.weight("feed.w").grad)
    assert gradients[0] is not None
    assert not torch.equal(*gradients)


def test_codes_and_several_environment_steps() -> None:
    """A whole agent's network: codes in, spikes of a later population out, gradients to its weights."""
    network = DifferentiableNetwork(lowered("td-ltp"), 2, seed=2)
    with torch.no_grad():
        network.weight("place_critic.w").normal_()  # at their start, zero, they pass no gradient on
    code = torch.from_numpy(np.random.default_rng(1).uniform(1.0, 4.0, (2, 16))).requires_grad_()
    spikes = network(codes={"place.drive": code}, env_steps=3)
    plain = TorchSimulator(lowered("td-ltp"), [2, 3], in_place=False)
    plain.assign("place_critic", "w", np.stack([network.weight("place_critic.w").detach().numpy()] * 2))
    plain.begin_episode(np.ones(2, bool))
    rasters = []
    for _ in range(3):
        plain.write("place", "drive", code.detach().numpy())
        plain.advance(np.zeros(2, bool))
        rasters.append(plain.spikes("critic"))
    np.testing.assert_array_equal(spikes["critic"].detach().numpy() != 0, np.concatenate(rasters, axis=1))
    spikes["critic"].sum().backward()
    assert code.grad is not None
    assert code.grad.any()
    assert network.weight("place_critic.w").grad is not None
    assert {name for name, _ in network.named_parameters()} == {
        f"place_{p}__w" for p in ("critic", "action_0", "action_1")
    }


def test_differentiable_network_refuses_bad_input() -> None:
    network = DifferentiableNetwork(layer(), 2, clamped=["cells"])
    for error, call in (
        (UnknownNameError, lambda: DifferentiableNetwork(layer(), trained=["feed.v"])),
        (InvalidValueError, lambda: DifferentiableNetwork(layer(), 0)),
        (InvalidValueError, lambda: Surrogate(slope=0.0)),
        (InvalidValueError, lambda: network({"cells": torch.zeros(2, 7, 9)})),
        (UnknownNameError, lambda: network({"output": torch.zeros(2, 50, 3)})),
        (UnknownNameError, lambda: network(codes={"output.v": torch.zeros(2, 3)})),
        (InvalidValueError, lambda: network(codes={"output.u": torch.zeros(2, 5)})),
        (UnknownNameError, lambda: network.weight("feed.v")),
    ):
        with pytest.raises(error):
            call()
