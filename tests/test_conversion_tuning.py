"""Fine-tuning of converted agents: surrogate gradients, and reward-gated plasticity of the output layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from snnrl import cli, tasks
from snnrl.conversion.build import spiking_equivalent
from snnrl.conversion.convert import convert
from snnrl.conversion.finetune import FineTuning, SpikingPolicy, _updates, fine_tune
from snnrl.conversion.measure import decide
from snnrl.conversion.options import ConversionOptions
from snnrl.conversion.plastic import RewardGated, plastic_readout, reward_gated
from snnrl.engines.books import Control
from snnrl.engines.registry import make_session
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel
from snnrl.networks.dense import Activation, DenseNetwork, Linear
from snnrl.plasticity import IdealWeights, MembraneGradient

STEPS = 6
TASK = tasks.make("cartpole")


def dense() -> DenseNetwork:
    """Hidden units that see one variable each, either sign; a policy that looks at the angle alone and fails."""
    scale = np.array([2.4, 2.0, 0.2, 2.0])
    trunk = (
        Linear(np.concatenate([np.diag(1.0 / scale), np.diag(-1.0 / scale)]), np.zeros(8)),
        Activation("relu"),
    )
    angle = np.array([0.0, 0.01, 1.0, 0.01, 0.0, -0.01, -1.0, -0.01])
    return DenseNetwork((4,), (*trunk, Linear(np.stack([-angle, angle]), np.zeros(2))),
                        (*trunk, Linear(np.full((1, 8), -1.0), np.full(1, 30.0))))  # fmt: skip


def states(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, (1.0, 1.0, 0.1, 1.0), (n, 4))


def spiking(code: str = "rate", correction: bool = True) -> AgentModel:
    options = ConversionOptions(STEPS, code=code, correction=correction)
    return spiking_equivalent(dense(), states(300, 1), options)


def weights(model: AgentModel) -> dict[str, np.ndarray]:
    return {group.name: group.initial["w"].values for group in model.network.synapses if group.weights}


def test_fine_tuning_changes_the_weights_and_keeps_the_pattern() -> None:
    model = spiking()
    policy, met = SpikingPolicy(model), states(5, 2)
    logits, values = policy(torch.as_tensor(met))
    found = decide(model, met, "torch")
    np.testing.assert_allclose(logits.detach().numpy(), found.logits, atol=1e-9)
    np.testing.assert_allclose(values.detach().numpy(), found.values, atol=1e-9)
    options = FineTuning(16, 2, 8, 16, 1, 0.05, evaluate_every=1, episodes=2)
    tuned, curve = fine_tune(model, TASK, options, seed=3)
    assert [point.env_steps for point in curve] == [0, 16]
    assert next(_updates(policy, TASK, options, 3)) == 16
    learned = policy.agent()
    assert [g.connectivity for g in learned.network.synapses] == [
        g.connectivity for g in model.network.synapses
    ]
    assert tuned.network.neurons == model.network.neurons
    for name, before in weights(model).items():
        assert np.abs(weights(learned)[name] - before).max() > 1e-3, name
    assert policy.encoder == model.encoder


# ---------------------------------------------------------------------- reward-gated plasticity


def test_the_tag_is_input_times_chance_and_judged_a_step_later() -> None:
    text = MembraneGradient(eta=0.5, trace_decay=0.25, worth="worth").text()
    on_reward = IdealWeights(-1.0, 1.0).text(text)["on_reward"]
    s: dict[str, Any] = {"x": 0.0, "tag": 0.2, "w": 0.1, "worth": 0.3, "noise_post": -2.0, "td_error": 0.4, "w_min": -1.0,
                         "w_max": 1.0, **text.parameters}  # fmt: skip
    clip = {"clip": lambda x, low, high: min(max(x, low), high)}
    for statements in (text.on_pre, text.on_pre, on_reward):
        exec(statements, clip, s)  # noqa: S102  statements of the package
    assert s["w"] == pytest.approx(0.1 + 0.5 * 0.4 * 0.2)
    assert s["tag"] == pytest.approx(0.25 * 0.2 - 2.0 * 0.6)
    assert s["x"] == 0.0
    s["td_error"] = 100.0
    exec(on_reward, clip, s)  # noqa: S102
    assert s["w"] == -1.0


@pytest.mark.parametrize(("code", "correction"), [("rate", True), ("rate", False), ("first-spike", True)])
def test_a_plastic_readout_decides_as_before(code: str, correction: bool) -> None:
    """Without learning and exploration every spike, action and observation is the same; the value is a mean."""
    model = spiking(code, correction)
    reward = tasks.rewards.make("environment").bind(TASK)
    found = []
    for agent in (model, plastic_readout(model)):
        session = make_session("torch", agent, TASK, reward, [7], 1)
        session.begin_evaluation(1)
        found.append(session.record_episode(0, learning=False, exploration=0.0))
    (spikes, trace), (plastic_spikes, plastic_trace) = found
    for name, train in spikes.items():
        np.testing.assert_array_equal(plastic_spikes[name], train, err_msg=name)
    assert spikes["hidden_1"].any()
    np.testing.assert_array_equal(plastic_trace[:, 2:], trace[:, 2:])
    np.testing.assert_allclose(plastic_trace[:, 0], 0.01 * trace[:, 0], rtol=1e-12)


def test_one_decision_changes_the_weights_by_the_gradient() -> None:
    """Two steps by hand: the change is eta times TD error times noise over variance times what the spikes were worth."""
    options = RewardGated(learning_rate=0.1, noise=0.5)
    plastic = plastic_readout(spiking(), options)
    reward = tasks.rewards.make("environment").bind(TASK)
    session = make_session("torch", plastic, TASK, reward, [7], 50)
    group = next(g for g in plastic.network.synapses if g.target == "logits")
    first = session.variable(group.name, "w")[0].copy()
    session.run(1, Stop(50))
    tag, noise = session.variable(group.name, "tag")[0], session.variable("logits", "noise")[0]
    assert np.abs(noise).min() > 0.0
    np.testing.assert_array_equal(session.variable(group.name, "w")[0], first)  # nothing to judge yet
    hidden = {v: session.variable("hidden_1", v)[0] for v in ("told", "middle")}
    units = len(hidden["told"]) // 2
    told = (tag[:units] + tag[units:]) / noise  # on- and off-neuron together say what the pair has told
    expected = np.repeat((hidden["told"] - hidden["middle"])[:units, None], 2, axis=1)
    np.testing.assert_allclose(told, expected, atol=1e-9)
    before = tag.copy()
    session.run(1, Stop(50))
    error = session.state["control"][0, Control.TD_ERROR]
    assert abs(error) > 1e-3
    np.testing.assert_allclose(session.variable(group.name, "w")[0] - first, 0.1 * error * before, atol=1e-12)


@pytest.fixture(scope="module")
def tuned() -> Any:
    return reward_gated(spiking(), TASK, RewardGated(3000, learning_rate=0.5, evaluate_every=1500), seed=3)


def test_reward_gated_plasticity_raises_the_return(tuned: Any) -> None:
    _, curve = tuned
    assert [point.env_steps for point in curve] == [0, 1500, 3000]
    assert curve[0].return_mean < 60.0
    assert max(point.return_mean for point in curve) > 120.0


def test_only_the_readout_has_changed_and_is_fixed_again(tuned: Any) -> None:
    model, _ = tuned
    before, after = weights(spiking()), weights(model)
    assert set(before) == set(after) == {"hidden_1_logits", "hidden_1_value"}
    assert all(np.abs(after[name] - before[name]).max() > 1e-3 for name in before)
    assert all(not group.on_reward for group in model.network.synapses)
    assert model.network.neurons == spiking().network.neurons
    assert model.encoder == spiking().encoder


def test_the_command_learns_by_reward(tmp_path: Path, capsys: Any) -> None:
    run, out, told = tmp_path / "run", tmp_path / "tuned", tmp_path / "told.json"
    convert(dense(), run, TASK, ConversionOptions(STEPS), episodes=1, engine="torch")
    words = [
        "finetune",
        str(run),
        "--rule",
        "policy-gradient",
        "--set",
        "task.pole_length=2",
        "--env-steps",
        "100",
    ]
    assert cli.main([*words, "--episodes", "1", "--out", str(out), "--json", str(told)]) == 0
    written = json.loads(told.read_text())
    assert written["rule"] == "policy-gradient"
    assert [steps for steps, _ in written["curve"]] == [0, 100]
    assert json.loads((out / "config.json").read_text())["options"]["task_parameters"]["pole_length"] == 2
    assert (out / "figures" / "fine_tuning.png").exists()
    capsys.readouterr()
    wrong = ((["--rule", "hebb"], "--rule: got 'hebb'"), (["--learning-rate", "0"], "--learning-rate: got 0"),
             (["--learning-rate", "fast"], "--learning-rate: got 'fast'"), (["--env-steps", "0"], "--env-steps: got 0"))  # fmt: skip
    for more, named in wrong:
        assert cli.main(["finetune", str(run), "--out", str(tmp_path / "no"), *more]) == 2
        error = capsys.readouterr().err.strip()
        assert named in error.replace("unknown --rule", "--rule: got")
        assert "\n" not in error


def test_agents_without_a_readout_are_refused() -> None:
    random = np.random.default_rng(4)
    layers = (
        Linear(random.normal(size=(6, 4)), np.zeros(6)),
        Activation("relu"),
        Linear(random.normal(size=(2, 6)), np.zeros(2)),
    )
    model = spiking_equivalent(DenseNetwork((4,), layers, (), q_values=True), states(50, 1))
    with pytest.raises(InvalidValueError, match="agent to fine-tune"):
        plastic_readout(model)
    with pytest.raises(InvalidValueError, match=r"RewardGated\.noise"):
        RewardGated(noise=0.0)
