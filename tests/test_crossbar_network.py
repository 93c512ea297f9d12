"""Crossbar networks: equation 5 against autograd, crossbars against plain numbers, what is refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar import SHARED, CrossbarActorCritic
from snnrl.networks.crossbar_agent import CrossbarAgent, CrossbarWeights, DiscountRule, PlainWeights
from snnrl.networks.crossbar_episodes import CrossbarPlayer
from snnrl.networks.crossbar_equations import digitised, td_error
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.crossbar_random import HardwareRandom
from snnrl.tasks import CartPole, GymTask, RotaryPendulum
from snnrl.tasks.base import FloatArray

TASK = RotaryPendulum()
SEPARATE = CrossbarActorCritic()
OBSERVATION = np.array([0.7, -1.9, 0.11, 1.3])


def wide(network: CrossbarActorCritic, seed: int = 0) -> FloatArray:
    """Weights of either sign and order one."""
    return np.random.default_rng(seed).uniform(-1.6, 1.6, network.places(5).size)


def autograd(network: CrossbarActorCritic, w: FloatArray, action: int) -> tuple[FloatArray, FloatArray]:
    """Gradients of the value and of log pi(action) with respect to all weights."""
    place = network.places(5)

    def output(weights: torch.Tensor, hidden: int, first: int) -> torch.Tensor:
        x = torch.tensor(np.append(OBSERVATION / TASK.observation_scale, 1.0))
        y = torch.sigmoid(weights[hidden : hidden + 30].reshape(6, 5) @ x)
        return weights[first : first + 6] @ y

    gradients = []
    for which in ("value", "policy"):
        weights = torch.tensor(w, requires_grad=True)
        if which == "value":
            goal = output(weights, place.critic_hidden, place.critic_output)
        else:
            total = network.slope * output(weights, place.actor_hidden, place.actor_output)
            goal = torch.nn.functional.logsigmoid(total if action == 1 else -total)
        goal.backward()
        gradients.append(weights.grad.numpy())
    return gradients[0], gradients[1]


def rates(network: CrossbarActorCritic) -> tuple[FloatArray, FloatArray]:
    """Learning rate of every weight in the critic's and in the actor's update."""
    place = network.places(5)
    critic, actor = np.zeros(place.size), np.zeros(place.size)
    critic[place.critic_hidden : place.critic_hidden + 30] = network.critic_hidden_rate
    critic[place.critic_output : place.critic_output + 6] = network.critic_rate
    actor[place.actor_hidden : place.actor_hidden + 30] = network.actor_hidden_rate
    actor[place.actor_output : place.actor_output + 6] = network.actor_rate
    return critic, actor


@pytest.mark.parametrize("network", [SEPARATE, SHARED])
@pytest.mark.parametrize("action", [0, 1])
def test_unsigned_equation_5_is_the_gradient_over_the_slope(
    network: CrossbarActorCritic, action: int
) -> None:
    network = dataclasses.replace(network, signed=False)
    w, error = wide(network), 0.37
    agent = network.agent(TASK, weights=w)
    surprise = action - agent.probability(OBSERVATION)
    wanted = agent.wanted(agent.inputs(OBSERVATION), surprise, error)
    value, policy = autograd(network, w, action)
    critic, actor = rates(network)
    # d log pi / d total = slope*(q - p); equation 5 leaves the factor of the slope out.
    assert wanted == pytest.approx(error * (critic * value + actor * policy / network.slope), rel=1e-10)


@pytest.mark.parametrize("action", [0, 1])
def test_printed_equation_5_has_the_sign_of_the_output_weight_in_place_of_the_weight(action: int) -> None:
    w, error = wide(SEPARATE), -0.8
    agent = SEPARATE.agent(TASK, weights=w)
    wanted = agent.wanted(agent.inputs(OBSERVATION), action - agent.probability(OBSERVATION), error)
    value, policy = autograd(SEPARATE, w, action)
    critic, actor = rates(SEPARATE)
    gradient = error * (critic * value + actor * policy / SEPARATE.slope)
    outputs = np.r_[30:36, 66:72]
    assert wanted[outputs] == pytest.approx(gradient[outputs], rel=1e-10)
    for hidden, output in ((0, 30), (36, 66)):
        ratio = (wanted[hidden : hidden + 30] / gradient[hidden : hidden + 30]).reshape(6, 5)
        assert ratio == pytest.approx(
            np.repeat(1 / np.abs(w[output : output + 6, None]), 5, axis=1), rel=1e-10
        )


def test_td_error_by_hand() -> None:
    assert td_error(False, 0.9, -0.5, -0.3) == pytest.approx(-0.27 + 0.5)
    assert td_error(True, 0.9, -0.5, -0.3) == pytest.approx(-0.5)


def test_layout_of_the_weights() -> None:
    assert SEPARATE.places(5) == (0, 30, 36, 66, 72)
    assert SHARED.places(5) == (0, 30, 0, 36, 42)
    assert CrossbarActorCritic(hidden=3).places(3) == (0, 9, 12, 21, 24)


def run(agent: CrossbarAgent, steps: int, seed: int = 0) -> FloatArray:
    """Let an agent act on and learn from made-up transitions, with a failure now and then."""
    rng = np.random.default_rng(seed)
    before = rng.uniform(-1, 1, 4) * TASK.observation_scale
    for t in range(steps):
        agent.act(before)
        after = rng.uniform(-1, 1, 4) * TASK.observation_scale
        agent.learn(before, after, failed=t % 9 == 8)
        if t % 9 == 8:
            agent.end_trial(success=False)
        before = after
    return agent.store.weights


@pytest.mark.parametrize(
    "network", [SEPARATE, SHARED, dataclasses.replace(SEPARATE, rule="manhattan", step=0.05)]
)
def test_ideal_crossbars_equal_plain_numbers_bit_for_bit(network: CrossbarActorCritic) -> None:
    w = wide(network)
    crossbars = CrossbarAgent(network, TASK, 5, w)
    plain = CrossbarAgent(network, TASK, 5, w, store=PlainWeights(network, w))
    assert isinstance(crossbars.store, CrossbarWeights)
    assert np.array_equal(crossbars.store.weights, w)
    result = run(crossbars, 120)
    assert np.array_equal(result, run(plain, 120))
    assert np.abs(result - w).max() > 0.1
    assert np.abs(result).max() <= network.w_max


def test_layers_are_crossbars_with_inputs_as_rows() -> None:
    w = wide(SEPARATE)
    store = CrossbarWeights(SEPARATE, 5, w, seed=0)
    assert [(first, t.rows, t.columns) for first, t in store.tiles] == [
        (0, 5, 6),
        (30, 6, 1),
        (36, 5, 6),
        (66, 6, 1),
    ]
    x = np.append(OBSERVATION / TASK.observation_scale, 1.0)
    agent = SEPARATE.agent(TASK, weights=w)
    hidden = 1 / (1 + np.exp(-(x @ store.tiles[0][1].weights)))
    assert agent.value(OBSERVATION) == pytest.approx(
        float(hidden @ store.tiles[1][1].weights[:, 0]), rel=1e-12
    )
    hidden = 1 / (1 + np.exp(-(x @ store.tiles[2][1].weights)))
    total = 8 * float(hidden @ store.tiles[3][1].weights[:, 0])
    assert agent.probability(OBSERVATION) == pytest.approx(1 / (1 + math.exp(-total)), rel=1e-12)


def test_manhattan_follows_the_signs_of_equation_5_in_every_layer() -> None:
    network = dataclasses.replace(SEPARATE, rule="manhattan", step=1e-3)
    w = wide(network)
    agent = network.agent(TASK, weights=w)
    wanted = agent.wanted(agent.inputs(OBSERVATION), 0.6, -0.5)
    agent.store.change(wanted, agent.inputs(OBSERVATION))
    assert agent.store.weights - w == pytest.approx(1e-3 * np.sign(wanted), rel=1e-9)
    assert isinstance(agent.store, CrossbarWeights)
    assert np.all(agent.store.writes == 1)


def test_zero_inputs_are_not_pulsed() -> None:
    network = dataclasses.replace(SEPARATE, rule="manhattan", step=1e-3)
    agent = network.agent(TASK, weights=wide(network))
    x = np.array([0.0, 0.0, 0.5, 0.0, 1.0])
    agent.store.change(agent.wanted(x, 0.6, -0.5), x)
    assert isinstance(agent.store, CrossbarWeights)
    written = agent.store.writes[0, :30].reshape(6, 5)
    assert written.tolist() == [[0, 0, 1, 0, 1]] * 6


def test_gate_lets_only_surprising_actions_teach() -> None:
    network = dataclasses.replace(SEPARATE, gate=0.5, gate_after=1)
    w = wide(network)
    w[66:] *= 0.1  # an undecided actor
    agent = network.agent(TASK, weights=w)
    before, learnt = OBSERVATION, []
    for trial in range(2):
        for _ in range(40):
            agent.act(before)
            surprise = abs(agent._last[1])
            learnt.append((trial, surprise > 0.5, agent.learn(before, before, failed=False)))
        agent.end_trial(success=True)
    assert all(did for trial, _, did in learnt if trial == 0)  # no gate before the first success
    assert all(did == big for trial, big, did in learnt if trial == 1)
    assert {big for trial, big, _ in learnt if trial == 1} == {True, False}
    assert agent.updates == sum(did for *_, did in learnt)


def test_actions_have_the_probability_of_the_network() -> None:
    for bits in (0, 8):
        network = dataclasses.replace(SEPARATE, adc_bits=bits)
        w = wide(network, 3)
        w[66:] *= 0.1  # an undecided actor
        agent = network.agent(TASK, seed=8, weights=w)
        p, n = agent.probability(OBSERVATION), 3000
        ones = 0
        for _ in range(n):
            ones += agent.act(OBSERVATION)
            agent._step += 1
        assert 0.1 < p < 0.9
        # 8 bits: a code more or less, and 256 random codes against 255.
        assert ones / n == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n) + (0.006 if bits else 0.0))


def test_hardware_random_bytes_are_compared_with_the_code_of_p() -> None:
    network = dataclasses.replace(SEPARATE, adc_bits=8)
    w = wide(network, 3)
    w[66:] *= 0.1
    agent = CrossbarAgent(network, TASK, 0, w, generator=HardwareRandom(77, 99))
    code, same = round(agent.probability(OBSERVATION) * 255), HardwareRandom(77, 99)
    actions = [agent.act(OBSERVATION) for _ in range(200)]
    assert actions == [int(same.byte() < code) for _ in range(200)]
    assert 0 < sum(actions) < 200
    with pytest.raises(InvalidValueError, match=r"adc_bits: got 0, allowed: 8 for random bytes"):
        CrossbarAgent(SEPARATE, TASK, generator=HardwareRandom())


def test_converter_rounds_to_its_codes() -> None:
    codes = {round(digitised(p, 255.0) * 255, 9) for p in np.linspace(0, 1, 5001)}
    assert codes == set(range(256))
    assert digitised(1 / 512 - 1e-9, 255.0) == 0.0


def test_discount_rate_falls_after_50_trials_with_too_few_successes() -> None:
    rule, trials = DiscountRule(0.75, below=0.35), 0
    seen = []
    for wins in (40, 10, 17, 18, 0):  # of 50; 17 is 34 %, 18 is enough
        for k in range(50):
            trials += 1
            gamma = rule.after_trial(trials, k < wins)
            seen.append(round(gamma, 10))
    assert seen[49::50] == [0.75, 0.73, 0.71, 0.71, 0.69]
    assert seen[98] == 0.75  # not before all 50
    assert DiscountRule(0.01, below=0.35).after_trial(50, False) == 0.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rule": "delta"}, "rule"),
        ({"gate": 1.2}, "gate"),
        ({"gamma": 1.0}, "gamma"),
        ({"hidden": 0}, "hidden"),
        ({"w_init": 2.0}, "w_init"),
        ({"adc_bits": 2.5}, "adc_bits"),
        ({"device": Al2O3()}, "pulses are not exact"),
        ({"step": -1e-3}, "step"),
    ],
)
def test_a_network_out_of_range_is_one_line(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as raised:
        CrossbarActorCritic(**fields)
    assert "\n" not in str(raised.value)


def test_weight_sets_are_checked() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^shape of a weight set: got \(42,\), allowed: \(72,\) for 5 inputs"
    ):
        SEPARATE.agent(TASK, weights=np.zeros(42))
    with pytest.raises(
        InvalidValueError, match=r"a weight of a weight set: got 1\.9, allowed: -1\.7 to 1\.7"
    ):
        SEPARATE.agent(TASK, weights=np.r_[np.zeros(71), 1.9])
    with pytest.raises(InvalidValueError, match="got nan"):
        SEPARATE.agent(TASK, weights=np.r_[np.zeros(71), np.nan])


def test_any_task_with_two_actions_will_do_and_no_other() -> None:
    for task in (CartPole(), GymTask("CartPole-v1")):
        agent = SEPARATE.agent(task, seed=1)
        assert agent.act(np.zeros(4)) in (0, 1)
    hidden = SEPARATE.agent(CartPole(difficulty="hardest"))
    assert hidden.store.weights.size == SEPARATE.places(3).size
    with pytest.raises(
        InvalidValueError, match=r"^actions of gym for crossbar networks: got 3, allowed: a task with two"
    ):
        SEPARATE.agent(GymTask("Acrobot-v1"))


def test_initial_weights_fill_their_range_and_depend_on_the_seed() -> None:
    drawn = np.array([SEPARATE.initial_weights(5, seed) for seed in range(200)])
    assert np.abs(drawn).max() <= 0.1
    assert np.abs(drawn).max() > 0.099
    assert drawn.mean() == pytest.approx(0.0, abs=5 * 0.1 / math.sqrt(3 * drawn.size))
    assert np.array_equal(drawn[7], SEPARATE.initial_weights(5, 7))
    assert len({tuple(row) for row in drawn.tolist()}) == 200


# ---------------------------------------------------------------------- episodes


def test_kernel_and_environment_play_the_same_episodes() -> None:
    task = RotaryPendulum(steps=40, start_angle=3.0)
    inside = CrossbarPlayer(SEPARATE, task, seed=2)
    for learning in (True, False, True):
        first = inside.episode(learning)
        assert 1 <= first.length <= 40
        assert first.reward == (-1.0 if first.failed else 0.0)
        assert first.failed == (first.length < 40)
        assert first.length > 3  # three degrees are not lost at once
    assert inside.agent.trials == 2  # an evaluation is no trial of its life
    assert inside.agent.updates > 0


def test_learning_depends_on_the_seed_and_not_on_evaluation() -> None:
    task = RotaryPendulum(steps=2, start_angle=1.0)  # nobody fails

    def learnt(seed: int, evaluations: int) -> FloatArray:
        player = CrossbarPlayer(SEPARATE, task, seed)
        for _ in range(5):
            player.episode()
        before = player.agent.store.weights
        counted = player.agent.successes
        for _ in range(evaluations):
            assert not player.episode(learning=False).failed
        assert np.array_equal(player.agent.store.weights, before)
        assert player.agent.successes == counted
        return before

    assert np.array_equal(learnt(1, 0), learnt(1, 2))
    assert not np.array_equal(learnt(1, 0), learnt(2, 0))


def test_gymnasium_environments_are_played_too() -> None:
    player = CrossbarPlayer(SEPARATE, GymTask("CartPole-v1"), seed=0)
    episode = player.episode()
    assert episode.reward == episode.length  # Gymnasium pays 1 for every step
    assert episode.failed
    player.close()


def test_an_episode_teaches_at_every_step() -> None:
    player = CrossbarPlayer(SEPARATE, CartPole(), seed=1)
    before = player.agent.store.weights
    lengths = [player.episode().length for _ in range(3)]
    assert player.agent.updates == sum(lengths)
    assert np.abs(player.agent.store.weights - before).max() > 0.05
