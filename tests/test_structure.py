"""What the fast engine exploits in a text, and that exploiting it changes no number."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snnrl import tasks
from snnrl.coding import SignedRate, SpikeCountAction
from snnrl.equations.lower import lower
from snnrl.equations.structure import Structure, analyse
from snnrl.model import AgentModel, Network, Neurons, Pairs, RewardBaseline, Synapses
from snnrl.plasticity import RSTDP, TDLTP, IdealWeights, plastic_synapses


def extra(**fields: Any) -> Synapses:
    return Synapses("extra", **{"source": "place", "target": "action_0", **fields})


def structure_of(synapses: Synapses, windowed: bool = True) -> Structure:
    ends = [Neurons(name, 3, "I : 1\nu : 1") for name in ("place", "action_0")]
    return analyse(lower(Network(tuple(ends), (synapses,))).synapses[0], windowed)


# ---------------------------------------------------------------------- what is found


def test_trace_rules_are_windowed_and_their_traces_factored() -> None:
    found = structure_of(
        plastic_synapses("extra", "place", "action_0", RSTDP(), IdealWeights(), "I_post += w")
    )
    assert (found.pre, found.post) == ({"apre"}, {"apost"})
    assert found.increments is not None
    assert [(i.target, i.trace, i.coefficient) for i in found.increments] == [("elig", "apre", "1")]


def test_windowed_false_takes_the_general_path() -> None:
    rule = plastic_synapses("extra", "place", "action_0", TDLTP(), IdealWeights(), "I_post += w")
    assert structure_of(rule).increments is not None
    assert structure_of(rule, windowed=False).increments is None


TRACE = "dx/dt = -x/(10*ms) : 1 (event-driven)\nw : 1"


@pytest.mark.parametrize(
    ("why", "fields"),
    {
        "weight in the increment": {"on_pre": "x += 1", "on_post": "w += x*w"},
        "a random increment": {"on_pre": "x += 1", "on_post": "w += x*rand()"},
        "an assignment, not an increment": {"on_pre": "x += 1", "on_post": "w = x"},
        "square of the trace": {"on_pre": "x += 1", "on_post": "w += x*x"},
        "presynaptic variable": {"on_pre": "x += 1", "on_post": "w += x*u_pre"},
        "trace moved at postsynaptic spikes too": {"on_pre": "x += 1", "on_post": "w += x\nx = 0"},
        "trace moved by the reward": {"on_pre": "x += 1", "on_post": "w += x", "on_reward": "x = 0"},
        "trace that depends on the target": {"on_pre": "x += u_post", "on_post": "w += x"},
        "random trace": {"on_pre": "x += rand()", "on_post": "w += x"},
        "a local name": {"on_pre": "x += 1", "on_post": "a = 2\nw += a*x"},
    }.items(),
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
def test_other_texts_take_the_general_path(why: str, fields: dict[str, str]) -> None:
    assert structure_of(extra(equations=TRACE, **fields)).increments is None, why


def test_coefficients_that_differ_between_synapses_have_no_linear_flow_in_scalars() -> None:
    found = structure_of(
        extra(equations="dx/dt = -x/(tau*ms) : 1 (event-driven)\ntau : 1\nw : 1", on_pre="x += 1")
    )
    assert found.flow is None


def test_flow_of_an_event_driven_variable_is_its_closed_form() -> None:
    found = structure_of(extra(equations=TRACE, on_pre="x += 1"))
    assert found.flow is not None
    assert set(found.flow.coefficients) == {"x"}
    assert eval(found.flow.coefficients["x"]["x"], {"exp": np.exp, "dt": 0.005}) == pytest.approx(
        np.exp(-0.5), rel=1e-12
    )


# ---------------------------------------------------------------------- texts on the fast path against the reference

COUPLED = "dy/dt = (x - y)/(20*ms) : 1 (event-driven)\ndx/dt = -x/(10*ms) : 1 (event-driven)\nw : 1"
TEXTS: dict[str, dict[str, Any]] = {
    "multiplicative": {"equations": TRACE, "on_pre": "I_post += 0.2*w\nx += 1", "on_post": "w += 0.2*x*(1 - w)"},
    "assignment": {"equations": TRACE, "on_pre": "I_post += 0.1\nx += 1", "on_post": "w = w + x\nw *= 0.9"},
    "nearest neighbour": {"equations": TRACE, "on_pre": "x = 1\nI_post += 0.1*w", "on_post": "w += x",
                          "on_reward": "w = clip(w, 0, 3)"},
    "initial trace": {"equations": TRACE, "on_pre": "x += 1\nI_post += 0.1*w", "on_post": "w += x",
                      "on_reward": "w *= 0.5", "initial": {"x": 2.0}},
    "trace changed by reward": {"equations": TRACE, "on_pre": "x += 1\nI_post += 0.1", "on_post": "w += x",
                                "on_reward": "x *= 0.5"},
    "trace of the target": {"equations": TRACE, "on_pre": "x += u_post\nI_post += 0.1", "on_post": "w += 0.1*x"},
    "random trace": {"equations": TRACE, "on_pre": "x += rand()\nI_post += 0.1", "on_post": "w += 0.1*x"},
    "random release": {"equations": "w : 1", "on_pre": "I_post += 0.3*int(rand() < 0.5)", "on_reward": "w += 0.1*randn()"},
    "weight that decays": {"equations": "dx/dt = -x/(10*ms) : 1 (event-driven)\ndw/dt = -w/(200*ms) : 1 (event-driven)",
                           "on_pre": "I_post += 0.3*w\nw *= 0.9\nx += 1", "on_post": "w += x"},
    "three factors in cascade": {
        "equations": "dw/dt = reward*tag/second : 1 (event-driven)\ndtag/dt = -tag/(20*ms) : 1 (event-driven)\n"
                     "dx/dt = -x/(10*ms) : 1 (event-driven)",
        "on_pre": "I_post += 0.2*w\nx += 1", "on_post": "tag += x", "on_reward": "w = clip(w, -3, 3)"},
    "weight written, then read": {"equations": "w : 1", "on_pre": "w = clip(w + 0.1, 0, 1)\nI_post += 0.3*w"},
    "recovers": {"equations": "dx/dt = (1 - x)/(30*ms) : 1 (event-driven)\nw : 1", "on_pre": "I_post += 0.2*x\nx *= 0.5",
                 "on_post": "w += x\nx *= 0.9", "initial": {"x": 1}},
    "postsynaptic trace": {
        "equations": "dy/dt = -y/(20*ms) : 1 (event-driven)\ndx/dt = -x/(10*ms) : 1 (event-driven)\ntag : 1\nw : 1",
        "on_pre": "I_post += 0.2\nx += 1\ntag += y", "on_post": "tag += x*(1 + y)\ny += u_post",
        "on_reward": "w += tag*0.1\ntag *= 0.5"},
    "two increments": {
        "equations": "dx/dt = -x/(10*ms) : 1 (event-driven)\ndz/dt = -z/(30*ms) : 1 (event-driven)\nw : 1\ntag : 1",
        "on_pre": "z += x\nx += 1\nI_post += 0.05*w", "on_post": "w += 0.1*z\nw -= 0.01*x\ntag += x",
        "on_reward": "w = clip(w + 0.1*tag, -3, 3)\ntag *= 0.5"},
    "repeated pairs": {"equations": TRACE, "on_pre": "I_post += 0.2\nx += 1", "on_post": "w += x*w + x",
                       "connectivity": Pairs([0, 0, 3, 3, 5], [1, 1, 2, 2, 0])},
    "no pairs": {"equations": "w : 1", "on_pre": "I_post += 1", "connectivity": Pairs([], [])},
    "recurrent, delayed beyond a window": {"source": "action_0", "equations": TRACE, "delay": 25,
                                           "on_pre": "I_post -= 0.2\nx += 1", "on_post": "w += x"},
    "clock-driven": {"equations": "dx/dt = (1 - x + y)/(30*ms) : 1 (clock-driven)\ndy/dt = -y/(3*ms) : 1 (clock-driven)\nw : 1",
                     "on_pre": "I_post += 0.2*x*w\ny += 1", "on_post": "w += x\nx *= 0.9", "initial": {"w": 0.5}},
    "time": {"equations": "w : 1", "on_pre": "I_post += 0.2*int(t > 50*ms)", "on_reward": "w += t/second"},
    "signals in events": {"equations": "w : 1\ntag : 1", "on_pre": "I_post += 0.1*exploration\nw += reward\ntag += reward_error",
                          "on_post": "w += 0.1*reward_error", "on_reward": "w += tag"},
    "units": {"equations": "w : volt", "on_pre": "I_post += w/(0.5*volt)", "initial": {"w": "20*mV"},
              "on_reward": "w = clip(w + 3*mV*reward, 0*volt, 50*mV)"},
    "bare name of the target": {"equations": "w : 1", "on_pre": "I += 0.3*(1 - u)", "on_reward": "w += I_post"},
    "functions": {"equations": "w : 1", "on_pre": "I_post += 0.1*exp(-w*w)",
                  "on_reward": "w = floor(3*sin(I_post)) + sqrt(abs(w)) + log10(2) + sign(reward_error) + tanh(reward) + "
                               "arctan(w) + exprel(-abs(w)) + ceil(0.5) + (w + 7)%2 + abs(w)**1.5 - clip(w, 0, 1)**2"},
    "logic": {"equations": "w : 1", "on_pre": "I_post += 0.1",
              "on_reward": "w += int(I_post > 0.2 and not (w > 3)) + int(reward > 0.5 or w < 1)"},
    "success": {"equations": "w : 1", "on_pre": "I_post += 0.1*(1 + success)", "on_reward": "w += success"},
    "truncation": {"equations": "w : 1", "on_pre": "I_post += 0.1", "on_reward": "w += 0.3*int(-2.5*I_post) + int(7*reward) + 0.1"},
    "saturating input": {"equations": "w : 1", "on_pre": "I_post = clip(I_post + 0.3, 0, 0.5)"},
    "writes to the source, read again": {"equations": "w : 1", "on_pre": "u_pre += 0.02\nI_post += 0.01",
                                         "on_post": "u_pre += 0.02\nw += u_pre"},
    "coupled traces": {"equations": COUPLED, "on_pre": "I_post += 0.2\nx += 1", "on_post": "y += x",
                       "on_reward": "w += y*0.1\ny *= 0.5"},
    "own time constants": {"equations": "dx/dt = -x/(tau*ms) : 1 (event-driven)\ntau : 1 (constant)\nw : 1",
                           "parameters": {"tau": np.linspace(5, 40, 24).reshape(8, 3)},
                           "on_pre": "x += 1\nI_post += 0.1*w", "on_reward": "w = clip(w + 0.1*x, -2, 2)"},
    "time constant of the target": {"equations": "dx/dt = -x/(10*ms*(1 + h_post)) : 1 (event-driven)\nw : 1", "target": "third",
                                    "on_pre": "x += 1", "on_reward": "w += 0.1*x"},
    "random twice": {"equations": "w : 1", "on_pre": "w += 0.1*rand()\nI_post += 0.2*int(rand() < 0.5)"},
}  # fmt: skip
THIRD = Neurons("third", 3, "du/dt = (1.5 - u)/(10*ms) : 1\nh : 1", threshold="u > 1", reset="u = 0", method="exact",
                initial={"h": [0.0, 1.0, 2.0]})  # fmt: skip


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("learning", [True, False], ids=["learning", "frozen"])
@pytest.mark.parametrize("name", TEXTS)
def test_texts_agree_with_the_reference(
    name: str, learning: bool, gadget: Any, session_of: Any, assert_agreement: Any
) -> None:
    model = gadget([THIRD], [extra(**TEXTS[name])])
    assert_agreement(session_of(model, seeds=[5], limit=5, force=60.0, reward="angle"), 2, learning)


# ---------------------------------------------------------------------- random rules and spike trains

RATES = "rate : Hz"


def random_trains() -> AgentModel:
    """Two trace rules between Poisson cells; nothing in it but spikes, delays and traces."""
    task = tasks.CartPole()
    cells = [Neurons(name, size, RATES, threshold="rand() < rate*dt", parameters={}, initial={"rate": 100.0})
             for name, size in (("input", 8), ("sender", 4), ("action_0", 3), ("action_1", 3))]  # fmt: skip
    stored = IdealWeights(-1e6, 1e6)
    rules = [
        plastic_synapses("pairs", "sender", "action_0", RSTDP(signal="reward"), stored, "", delay=3),
        plastic_synapses("tags", "sender", "action_1", TDLTP(signal="reward"), stored, "",
                         connectivity=Pairs([0, 0, 1, 2, 3, 3], [0, 2, 1, 1, 0, 2])),
    ]  # fmt: skip
    drive = SignedRate("input", "rate", task.observation_scale, task.observation_bounded, 500.0)
    return AgentModel(Network(tuple(cells), tuple(rules)), drive, SpikeCountAction(("action_0", "action_1")), None,
                      RewardBaseline(3.0))  # fmt: skip


MODEL = random_trains()
NETWORK = lower(MODEL.network, MODEL.env_step)
times = st.floats(0.001, 1.0)
amplitudes = st.floats(-2.0, 2.0).filter(lambda a: abs(a) > 1e-3)
rates = st.floats(50.0, 400.0)


@st.composite
def networks(draw: Any) -> Any:
    """Draw the lowered network with other time constants, amplitudes and rates."""
    pairs = {"tau_plus": draw(times), "tau_minus": draw(times), "tau_e": draw(times), "A_plus": draw(amplitudes),
             "A_minus": draw(amplitudes), "eta": draw(amplitudes)}  # fmt: skip
    tags = {
        "tau_pre": draw(times),
        "jump": draw(amplitudes),
        "trace_decay": draw(st.floats(0.0, 1.0)),
        "eta": draw(amplitudes),
    }
    synapses = tuple(
        dataclasses.replace(s, constants={**s.constants, **new})
        for s, new in zip(NETWORK.synapses, (pairs, tags), strict=True)
    )
    neurons = tuple(dataclasses.replace(n, initial={"rate": draw(rates)}) for n in NETWORK.neurons)
    return dataclasses.replace(NETWORK, synapses=synapses, neurons=neurons)


@settings(
    max_examples=20, deadline=None, phases=[Phase.reuse, Phase.generate]
)  # shrinking would take minutes
@given(network=networks(), seed=st.integers(0, 10**6))
def test_lazy_windowed_and_dense_agree(
    network: Any, seed: int, session_of: Any, assert_agreement: Any, interpreted_module: Any
) -> None:
    """The windowed form, the general lazy form and dense decay in every dt: the same weights to 1e-9."""
    from snnrl.engines.fast import engine

    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(engine, "load_module", interpreted_module)
        patch.setattr(engine, "lowered_agent", lambda model: network)
        weights = []
        for windowed in (True, False):
            session = session_of(MODEL, seeds=[seed], limit=5, force=60.0, reward="angle", windowed=windowed)
            assert (session.kernel.groups[0].learning.increments is not None) == windowed
            assert_agreement(session, 2, certain=False)
            assert all(session.variable(name, "w")[0].any() for name in ("pairs", "tags"))
            weights.append(np.concatenate([session.variable(n, "w")[0].ravel() for n in ("pairs", "tags")]))
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-9, atol=1e-9 * np.abs(weights[1]).max())
