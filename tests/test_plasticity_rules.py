"""Learning rules: their text against hand-worked cases, and run by Brian2 itself."""

from __future__ import annotations

import math
from typing import Any

import pytest

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.plasticity import RSTDP, TDLTP, IdealWeights, PolicyGradient, plastic_synapses, rules
from snnrl.plasticity.rules import MSTDPET, Rule, RuleText


def run(statements: str, state: dict[str, Any]) -> None:
    """Execute statements of a rule on scalars."""
    exec(statements, {"clip": lambda x, lo, hi: min(max(x, lo), hi)}, state)  # noqa: S102  statements of the package


def learner(rule: Rule, **state: float) -> tuple[RuleText, dict[str, Any], str]:
    """Text, initial state and on_reward of `rule` on an ideal weight."""
    text = rule.text()
    stored = IdealWeights(-1.0, 1.0).text(text)
    numbers = {k: v for k, v in stored["parameters"].items() if not isinstance(v, str)}
    return text, {**numbers, "w": 0.0, **state}, stored["on_reward"]


def test_td_ltp_uses_the_tag_of_the_previous_action() -> None:
    text, s, on_reward = learner(
        TDLTP(eta=0.5, jump=0.1, trace_decay=0.5), x=0.0, new_tag=0.0, tag=0.2, td_error=0.4
    )
    run(text.on_pre, s)
    run(text.on_pre, s)
    run(text.on_post, s)
    assert s["new_tag"] == pytest.approx(0.2)
    run(on_reward, s)
    assert s["w"] == pytest.approx(0.5 * 0.4 * 0.2)
    assert s["tag"] == pytest.approx(0.5 * 0.2 + 0.2)
    assert s["new_tag"] == 0.0


def test_td_ltp_inhibition_unlearns_active_inputs() -> None:
    rule = TDLTP(jump=0.1, trace_decay=0.0, inhibition=0.5, inhibitory_events="h_post")
    _, s, on_reward = learner(rule, x=2.0, new_tag=0.3, tag=0.0, h_post=3.0, td_error=0.0)
    run(on_reward, s)
    assert s["tag"] == pytest.approx(0.3 - 0.1 * 0.5 * 2.0 * 3.0)
    assert "h_post" not in TDLTP(inhibition=0.0).text().after


def test_ideal_weights_stop_at_their_bounds() -> None:
    _, s, on_reward = learner(TDLTP(eta=1.0), x=0.0, new_tag=0.0, tag=30.0, td_error=1.0)
    run(on_reward, s)
    assert s["w"] == 1.0
    s |= {"tag": 30.0, "td_error": -1.0}
    run(on_reward, s)
    assert s["w"] == -1.0


def test_mstdp_forgets_its_pairs_after_the_step() -> None:
    rule = RSTDP(eta=0.1, tau_e=None)
    text, s, on_reward = learner(rule, apre=0.7, apost=0.0, elig=0.0, td_error=1.0)
    run(text.on_post, s)
    run(on_reward, s)
    assert s["w"] == pytest.approx(0.1 * 0.7)
    assert s["elig"] == 0.0
    assert MSTDPET.text().after == ""


def test_policy_gradient_vanishes_at_the_expected_count() -> None:
    rule = PolicyGradient(jump=0.1, trace_decay=0.9)
    text, s, on_reward = learner(rule, x=1.5, new_tag=0.0, tag=0.0, rho_post=2.0, td_error=0.0)
    for _ in range(2):
        run(text.on_post, s)
    run(on_reward, s)
    assert s["tag"] == pytest.approx(0.0, abs=1e-15)
    for _ in range(3):
        run(text.on_post, s)
    run(on_reward, s)
    assert s["tag"] == pytest.approx(0.1 * 1.5 * (3 - 2))


@pytest.mark.parametrize("signal", ["td_error", "reward_error", "reward"])
@pytest.mark.parametrize("name", ["td-ltp", "r-stdp", "policy-gradient"])
def test_signal_gates_the_change(name: str, signal: str) -> None:
    text = rules.make(name, signal=signal).text()
    assert signal in text.change.split("*")
    assert text.signal == signal


def test_registry_and_fields_refuse_what_they_do_not_know() -> None:
    assert rules.names() == ["policy-gradient", "r-stdp", "td-ltp"]
    assert rules.make("td-ltp", eta=0.3) == TDLTP(eta=0.3)
    with pytest.raises(UnknownNameError, match="td-ltp"):
        rules.make("td-lpt")
    with pytest.raises(UnknownNameError, match="tau_pre"):
        rules.make("td-ltp", tau_pree=1.0)
    with pytest.raises(InvalidValueError, match=r"TDLTP.tau_pre"):
        TDLTP(tau_pre=0.0)
    with pytest.raises(InvalidValueError, match=r"RSTDP.tau_e"):
        RSTDP(tau_e=-1.0)
    with pytest.raises(InvalidValueError, match=r"PolicyGradient.signal"):
        PolicyGradient(signal="dopamine")


def test_transmission_comes_before_the_rule() -> None:
    synapses = plastic_synapses(
        "s", "a", "b", TDLTP(), IdealWeights(), "I_post += w", on_post="n += 1", equations="n : 1", delay=2
    )
    assert synapses.on_pre.splitlines() == ["I_post += w", "x += 1"]
    assert synapses.on_post.splitlines() == ["new_tag += jump*x", "n += 1"]
    assert synapses.weights == ("w",)
    assert synapses.delay == 2
    assert "n : 1" in synapses.equations


@pytest.mark.parametrize("delta_t", [5, -5, 12, -12])
def test_r_stdp_window_in_brian2(delta_t: int) -> None:
    """A single pair leaves A_plus*exp(-dt/tau_plus) or A_minus*exp(dt/tau_minus) in the eligibility trace."""
    import brian2 as b2

    rule = RSTDP(tau_plus=0.02, tau_minus=0.03, a_plus=1.0, a_minus=-0.5, tau_e=0.1)
    text = rule.text()
    units = {"second": b2.second}
    namespace = {k: eval(v, units) if isinstance(v, str) else v for k, v in text.parameters.items()}
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    pre_time, post_time = (20, 20 + delta_t)
    pre = b2.SpikeGeneratorGroup(1, [0], [pre_time] * b2.ms, dt=1 * b2.ms)
    post = b2.SpikeGeneratorGroup(1, [0], [post_time] * b2.ms, dt=1 * b2.ms)
    synapses = b2.Synapses(
        pre, post, text.equations, on_pre=text.on_pre, on_post=text.on_post, namespace=namespace, dt=1 * b2.ms
    )
    synapses.connect()
    b2.Network(pre, post, synapses).run((max(pre_time, post_time) + 1) * b2.ms)
    distance = abs(delta_t) * 1e-3
    expected = math.exp(-distance / 0.02) if delta_t > 0 else -0.5 * math.exp(-distance / 0.03)
    assert float(synapses.elig[0]) == pytest.approx(expected, rel=1e-12)
