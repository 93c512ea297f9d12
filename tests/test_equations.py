"""From text to plain statements: what is understood, what it becomes, and what is refused with which words."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from snnrl.equations.lower import lower
from snnrl.equations.lowered import LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import evaluate, keep_effects, names_in, parse, rename
from snnrl.errors import InvalidValueError, ModelError, UnitError, UnknownNameError
from snnrl.model import Network, Neurons, Synapses


def neurons(equations: str = "u : 1", name: str = "a", **fields: Any) -> LoweredNeurons:
    return lower(Network((Neurons(name, 2, equations, **fields),))).neurons[0]


def synapses(equations: str = "w : 1", **fields: Any) -> LoweredSynapses:
    ends = Neurons("a", 2, "I : 1\nv : volt\nm : 1 (shared)"), Neurons("b", 3, "I : 1\nv : volt")
    return lower(Network(ends, (Synapses("s", "a", "b", equations, **fields),))).synapses[0]


def run(statements: Any, **values: Any) -> dict[str, Any]:
    for statement in statements:
        values[statement.target] = evaluate(statement.expression, values)
    return values


# ---------------------------------------------------------------------- statements


def test_parse_writes_augmented_assignments_out() -> None:
    code = "x = 1 # one\ny += 2*x; z -= y\n\nx *= 3\nx /= y + 1\nx **= 2"
    found = parse(code, "here")
    assert [s.target for s in found] == ["x", "y", "z", "x", "x", "x"]
    assert [s.increment for s in found] == ["", "2 * x", "-y", "", "", ""]
    values = run(found, y=1.0, z=10.0)
    assert values == {"x": (3 / 4) ** 2, "y": 3.0, "z": 7.0}


def test_a_subtracted_sum_is_subtracted_whole() -> None:
    (statement,) = parse("x -= a + b", "here")
    assert evaluate(statement.expression, {"x": 10.0, "a": 1.0, "b": 2.0}) == 7.0
    assert evaluate(statement.increment, {"a": 1.0, "b": 2.0}) == -3.0


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = = 3", "here: 'x = = 3' is not a statement"),
        ("if x: y = 1", "must be an assignment"),
        ("x[0] = 1", "must be an assignment"),
        ("x = y = 1", "must be an assignment"),
        ("x = y[0]", "Subscript is not allowed"),
        ("x = __import__('os')", "unknown function"),
        ("x = y.z", "Attribute is not allowed"),
        ("x = lambda: 1", "Lambda is not allowed"),
        ("x = logg(3)", "unknown function in 'logg.3.'; known: exp, log"),
        ("x = clip(1, lo=2)", "unknown function"),
        ("x = 1 if y else 2", "IfExp is not allowed"),
    ],
)
def test_other_code_is_refused(code: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        parse(code, "here")


def test_names_and_renaming() -> None:
    assert names_in("exp(-x/tau) + clip(y, 0, x)") == {"x", "tau", "y"}
    assert rename("x + exp(x)*exp", {"x": "(a + b)", "exp": "q"}) == "a + b + exp(a + b) * q"


def test_keep_effects_is_dead_code_elimination() -> None:
    found = parse("a = 1\nb = a\nc = 2\nout = b\nd = out", "here")
    assert [s.target for s in keep_effects(found, lambda name: name == "out")] == ["a", "b", "out"]


def test_evaluate_on_arrays() -> None:
    x = np.array([-1.0, 0.5, 2.0])
    for text, expected in {
        "int(x > 0 and not x > 1)": [0.0, 1.0, 0.0],
        "int(x < 0 or x > 1 or x == 0.5)": [1.0, 1.0, 1.0],
        "int(0 < x < 1)": [0.0, 1.0, 0.0],
        "clip(x, 0, 1)": [0.0, 0.5, 1.0],
        "sign(x)*floor(abs(x))": [-1.0, 0.0, 2.0],
        "x**2 % 1.5": [1.0, 0.25, 1.0],
        "int(1.7*x)": [-1.0, 0.0, 3.0],
        "(x > 0) + (x > 1)": [0.0, 1.0, 2.0],
        "exprel(0*x)": [1.0, 1.0, 1.0],
    }.items():
        assert np.broadcast_to(evaluate(text, {"x": x}), 3).tolist() == expected, text


def test_evaluate_has_no_builtins() -> None:
    with pytest.raises(NameError):
        evaluate("open", {})


# ---------------------------------------------------------------------- lowering


def test_quantities_become_si_numbers() -> None:
    found = neurons("dv/dt = (E - v)/tau : volt", method="euler", threshold="v > -50*mV", reset="v = -65*mV",
                    parameters={"tau": "10*ms", "E": "-70*mV"}, initial={"v": "-60*mV"}, refractory="2*ms")  # fmt: skip
    assert found.constants == {"tau": 0.01, "E": -0.07}
    assert found.refractory_steps == 2
    assert found.initial == {"v": -0.06} or evaluate(str(found.initial["v"]), {}) == pytest.approx(-0.06)
    assert bool(evaluate(found.threshold, {"v": -0.049}))
    assert not evaluate(found.threshold, {"v": -0.051})
    assert run(found.reset)["v"] == pytest.approx(-0.065)
    assert run(found.update, v=-0.06, dt=1e-3, **found.constants)["v"] == pytest.approx(-0.06 - 0.01 * 0.1)


def test_subexpressions_are_put_in() -> None:
    found = neurons("drive = gain*(u + 1) : 1\ngain = 2*k : 1\ndu/dt = (drive - u)/(10*ms) : 1", parameters={"k": 3.0},
                    threshold="drive > 1", on_step="u = drive")  # fmt: skip
    assert found.variables == ("u",)
    assert names_in(found.threshold) == {"u", "k"}
    assert run(found.on_step, u=1.0, k=3.0)["u"] == 12.0


def test_shared_and_conditional_variables_are_told_apart() -> None:
    found = neurons("du/dt = (m - u)/(10*ms) : 1 (unless refractory)\nm : 1 (shared)\nx : 1")
    assert found.variables == ("u", "x")
    assert found.shared == ("m",)
    assert found.conditional == {"u"}


def test_noise_is_drawn_once_per_neuron_and_dt() -> None:
    found = neurons("du/dt = -u/(10*ms) + xi*(2/second)**0.5 : 1", method="euler")
    draws = [s for s in found.update if "randn()" in s.expression]
    assert len(draws) == 1
    names = {"u": 0.0, "dt": 0.01, "randn": lambda: 3.0}
    for statement in found.update:
        names[statement.target] = evaluate(statement.expression, names)
    assert names["u"] == pytest.approx(3.0 * np.sqrt(0.01 * 2.0))


def test_event_driven_flow_is_exact() -> None:
    found = synapses(
        "dx/dt = -x/tau : 1 (event-driven)\ndy/dt = (x - y)/(2*tau) : 1 (event-driven)\nw : 1",
        parameters={"tau": "10*ms"},
    )
    values = {"x": 1.0, "y": 0.5, "tau": 0.01, "dt": 0.02}
    assert evaluate(found.flow["x"], values) == pytest.approx(np.exp(-2.0))
    # y' = (x - y)/2 in units of tau, x = exp(-t): y = (y0 + 1) exp(-t/2) - exp(-t)
    assert evaluate(found.flow["y"], values) == pytest.approx(1.5 * np.exp(-1.0) - np.exp(-2.0))
    assert found.clock_update == ()


def test_clock_driven_equations_are_updates() -> None:
    found = synapses("dx/dt = -x/(10*ms) : 1 (clock-driven)\nw : 1")
    assert found.flow == {}
    assert run(found.clock_update, x=1.0, dt=0.01, w=0.0)["x"] == pytest.approx(np.exp(-1.0))


def test_bare_names_mean_the_target_neuron() -> None:
    found = synapses(on_pre="I += w*m_pre", on_post="I = 0")
    assert [s.target for s in (*found.on_pre, *found.on_post)] == ["I_post", "I_post"]
    assert found.neuron_writes == {"I_post"}
    assert found.on_pre[0].increment == "w * m_pre"


def test_all_to_all_and_pairs_shapes() -> None:
    from snnrl.model import Pairs

    assert synapses().shape == (2, 3)
    assert synapses(connectivity=Pairs([0, 1, 1], [0, 0, 2])).shape == (3,)


def test_initial_values_of_each_kind() -> None:
    found = synapses("w : 1\nv : volt", initial={"w": np.ones((2, 3)), "v": "20*mV + 5*mV*rand()"})
    assert found.initial["w"].shape == (2, 3)
    assert evaluate(found.initial["v"], {"rand": lambda: 1.0}) == pytest.approx(0.025)
    assert synapses("w : 1\nz : 1").initial == {"w": 0.0, "z": 0.0}


def test_arrays_of_quantities_can_be_given() -> None:
    """Per-neuron parameters need units too: the SI numbers of an array are taken as those of its declaration."""
    found = neurons(
        "tau : second (constant)\ndu/dt = -u/tau : 1", method="exact", parameters={"tau": [0.01, 0.02]}
    )
    assert found.initial["tau"].tolist() == [0.01, 0.02]


def test_dt_and_env_step() -> None:
    network = Network((Neurons("a", 1, "u : 1"),), dt="0.1*ms")
    assert lower(network, "20*ms").env_steps == 200
    assert lower(network, "20*ms").dt == pytest.approx(1e-4)


# ---------------------------------------------------------------------- refused

LEAK = "du/dt = -u/tau : 1"
TAU = {"tau": "10*ms"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        # times
        (lambda: lower(Network((Neurons("a", 1, "u : 1"),), dt="3*ms"), "20*ms"), InvalidValueError,
         r"AgentModel\.env_step: got '20\*ms', allowed: a whole number of dt = 3 ms"),
        (lambda: lower(Network((Neurons("a", 1, "u : 1"),), dt="3*mV")), UnitError, r"Network\.dt: '3\*mV' is not a time"),
        (lambda: lower(Network((Neurons("a", 1, "u : 1"),), dt="-1*ms")), InvalidValueError, r"Network\.dt: got '-1\*ms', allowed: a positive"),
        (lambda: lower(Network((Neurons("a", 1, "u : 1"),), dt="3 msec")), ModelError, r"Network\.dt: '3 msec' is not a quantity"),
        (lambda: lower(Network((Neurons("a", 1, "u : 1"),)), "0*ms"), InvalidValueError, r"env_step: got '0\*ms', allowed: at least one dt"),
        (lambda: neurons(refractory="2.5*ms"), InvalidValueError, r"Neurons\(a\)\.refractory: got '2\.5\*ms'.*whole number of dt"),
        (lambda: neurons(refractory="-2*ms"), InvalidValueError, r"Neurons\(a\)\.refractory: got '-2\*ms'"),
        # units
        (lambda: neurons("du/dt = -u : 1"), UnitError, r"Neurons\(a\): equation of 'u': '-u' has units .*, expected"),
        (lambda: neurons("du/dt = (u - 3*mV)/tau : 1", parameters=TAU), UnitError, r"Neurons\(a\): equation of 'u'.*"),
        (lambda: neurons("u : volt", threshold="u > 1"), UnitError, r"Neurons\(a\)\.threshold"),
        (lambda: neurons("u : volt", threshold="u > 1*mV", reset="u = 0.5"), UnitError, r"Neurons\(a\)\.reset"),
        (lambda: neurons("u : volt", initial={"u": "3*ms"}), UnitError, r"Neurons\(a\)\.initial"),
        (lambda: neurons("b : volt (constant)\nu : 1", parameters={"b": "3*ms"}), UnitError, r"Neurons\(a\)\.b: value has units s, expected V"),
        (lambda: synapses(on_pre="I_post += 3*mV"), UnitError, r"Synapses\(s\)\.on_pre"),
        (lambda: synapses(on_reward="w += reward*ms"), UnitError, r"Synapses\(s\)\.on_reward"),
        (lambda: synapses("w : volt", on_pre="v_post += w*w"), UnitError, r"Synapses\(s\)\.on_pre"),
        # names
        (lambda: neurons("du/dt = (E - u)/tau : 1", parameters=TAU), UnknownNameError, r"Neurons\(a\): equation of 'u': got 'E'"),
        (lambda: neurons(threshold="uu > 1"), UnknownNameError, r"Neurons\(a\)\.threshold.*uu"),
        (lambda: neurons(reset="u = uu"), ModelError, r"Neurons\(a\)\.reset.*uu"),
        (lambda: neurons(initial={"uu": 1}), UnknownNameError, r"Neurons\(a\)\.initial: got 'uu', allowed: u"),
        (lambda: neurons(LEAK, method="eular", parameters=TAU), UnknownNameError, r"method: got 'eular'.*did you mean 'euler'"),
        (lambda: synapses(on_pre="J_post += w"), ModelError, r"Synapses\(s\)\.on_pre.*J_post"),
        (lambda: synapses(on_pre="I_post += ww"), ModelError, r"Synapses\(s\)\.on_pre.*ww"),
        (lambda: synapses(on_reward="w += td_eror"), ModelError, r"Synapses\(s\)\.on_reward.*td_eror"),
        (lambda: synapses(weights=("w", "g")), UnknownNameError, r"Synapses\(s\)\.weights: got 'g', allowed: w"),
        (lambda: synapses(on_reward="I_post += w"), ModelError, r"Synapses\(s\)\.on_reward: 'I_post' cannot be assigned here"),
        (lambda: synapses(on_pre="tau = 3", parameters={"tau": 1.0}), ModelError, r"'tau' cannot be assigned here"),
        (lambda: neurons(parameters={"b": [1, 2]}), ModelError, r"an array needs a declaration in the equations"),
        (lambda: neurons("x : 1\ny : 1", initial={"x": "y", "y": "1"}), UnknownNameError, r"Neurons\(a\)\.initial\['x'\]: got 'y'"),
        # shared variables
        (lambda: neurons("dm/dt = (u - m)/(10*ms) : 1 (shared)\nu : 1"), ModelError, r"'m' is \(shared\) and cannot depend on 'u'"),
        (lambda: neurons("dm/dt = -m/(10*ms) + xi/(10*ms)**0.5 : 1 (shared)", method="euler"), ModelError, r"'m': noise .* cannot be \(shared\)"),
        (lambda: neurons("dm/dt = -m/(10*ms) : 1 (shared)", on_step="m = randn()"), ModelError, r"'m' cannot be assigned here"),
        (lambda: neurons("dm/dt = -m/(10*ms) : 1 (shared)", initial={"m": "rand()"}), ModelError, r"initial\['m'\].*not at random"),
        (lambda: neurons("m : 1 (shared)\nu : 1", on_step="m = u"), ModelError, r"Neurons\(a\)\.on_step: 'm' is \(shared\)"),
        (lambda: neurons("m : 1 (shared)\nu : 1", parameters={"m": [1, 2]}), InvalidValueError, r"Neurons\(a\)\.m: got \(2,\)"),
        # exact solutions
        (lambda: neurons("dx/dt = (y - x)/a : 1\ndy/dt = -y/b : 1", method="exact", parameters={"a": "5*ms", "b": "5*ms"}), ModelError,
         r"Neurons\(a\): method 'exact' has no solution in real numbers for 'x'"),
        # functions and grammar
        (lambda: neurons(reset="u = logg(2)"), ModelError, r"Neurons\(a\)\.reset.*logg"),
        (lambda: neurons("du/dt = foo(u)/tau : 1", parameters=TAU), UnknownNameError, r"Neurons\(a\).*'foo'"),
        (lambda: neurons(reset="u = 'text'"), ModelError, r"Neurons\(a\)\.reset.*text"),
        (lambda: neurons("du/dt -u/tau : 1"), ModelError, r"Neurons\(a\)"),
        (lambda: neurons(threshold="u + 1"), ModelError, r"Neurons\(a\)\.threshold: 'u \+ 1' is not a condition"),
        (lambda: neurons("du/dt = (1 - u**2)/tau : 1", method="exact", parameters=TAU), ModelError, r"Neurons\(a\).*"),
        (lambda: neurons("b : 1 (constant)\nu : 1", parameters={"b": [1, 2, 3]}), InvalidValueError, r"Neurons\(a\)\.b: got \(3,\)"),
        (lambda: synapses(initial={"w": np.ones(6)}), InvalidValueError, r"Synapses\(s\)\.w: got \(6,\).*\(2, 3\)"),
        # flags
        (lambda: synapses("dx/dt = -x/(10*ms) : 1\nw : 1"), ModelError,
         r"Synapses\(s\): say whether 'x' is \(event-driven\) or \(clock-driven\)"),
        (lambda: synapses("dx/dt = -x*x/(10*ms) : 1 (event-driven)\nw : 1"), ModelError, r"Synapses\(s\)"),
        (lambda: synapses("I_post = w : 1 (summed)\nw : 1"), ModelError, r"Synapses\(s\).*summed"),
    ],
)  # fmt: skip
def test_bad_texts_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_brian2_does_not_take_over_the_interpreter() -> None:
    """Importing brian2 replaces sys.excepthook, which would print its bug-report text over our one-line errors."""
    code = "import sys; hook = sys.excepthook; import snnrl.equations.lower; assert sys.excepthook is hook"
    subprocess.run([sys.executable, "-c", code], check=True)
