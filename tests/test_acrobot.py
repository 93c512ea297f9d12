"""Acrobot and mountain car: physics against Gymnasium, rewards by hand, periodic place cells, learning."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from numba import njit

from snnrl import networks, tasks
from snnrl.coding import PlaceCells
from snnrl.engines.registry import make_session
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError
from snnrl.model import TDError
from snnrl.networks.populations import resting_count
from snnrl.tasks import Acrobot, MountainCar, rewards
from snnrl.tasks.base import FloatArray, Task
from snnrl.training.config import TrainingConfig
from snnrl.training.result import AgentRecord, TrainingResult
from snnrl.training.summary import summary

IDS = {Acrobot: "Acrobot-v1", MountainCar: "MountainCar-v0"}
STRONG: dict[type[Task], dict[str, float]] = {
    Acrobot: {
        "torque": 2.5,
        "mass_1": 1.25,
        "mass_2": 0.75,
        "length_1": 0.5,
        "centre_1": 0.25,
        "inertia": 0.5,
    },
    MountainCar: {"force": 0.0013, "gravity": 0.002},
}
"""Other numbers, with squares that are exact, and a swing that often reaches the goal."""


@pytest.fixture(params=[Acrobot, MountainCar], ids=["acrobot", "mountain-car"])
def task(request: pytest.FixtureRequest) -> Task:
    made: Task = request.param()
    return made


def with_motion(task: Task, state: FloatArray, rng: np.random.Generator) -> int:
    """Push along with the motion: swings up, unlike a random action."""
    speed = state[3] if isinstance(task, Acrobot) else state[1]
    return 2 if speed > 0 else 0


def at_random(task: Task, state: FloatArray, rng: np.random.Generator) -> int:
    """Any action."""
    return int(rng.integers(task.n_actions))


# ---------------------------------------------------------------------- physics

compiled_once = functools.cache(njit)


def state_of(env: gymnasium.Env[Any, Any]) -> FloatArray:
    return np.array(env.unwrapped.state, dtype=np.float64)


def played(
    task: Task, step: Callable[..., bool], policy: Callable[..., int], seeds: range
) -> Iterator[tuple[Any, ...]]:
    """Play episodes beside Gymnasium, each from Gymnasium's own start; give what both made of every step."""
    kernel, env, rng = task.kernel(), task.make(), np.random.default_rng(5)
    assert kernel is not None
    for seed in seeds:
        env.reset(seed=seed)
        state = state_of(env)
        for t in range(task.max_steps):
            action = policy(task, state, rng)
            before = state.copy()
            terminated = step(state, action, kernel.parameters)
            _, reward, done, truncated, _ = env.step(action)
            ours = kernel.reward(before, state, terminated, t + 1, 0.0, kernel.parameters)
            yield state, state_of(env), bool(terminated), done, truncated, ours, reward, t, action
            if done or truncated:
                break
    env.close()


@pytest.mark.parametrize("compiled", [False, True], ids=["python", "compiled"])
@pytest.mark.parametrize("policy", [with_motion, at_random])
@pytest.mark.parametrize("varied", [False, True], ids=["gymnasium's numbers", "other numbers"])
def test_whole_episodes_equal_gymnasium_bit_for_bit(
    task: Task, policy: Callable[..., int], compiled: bool, varied: bool
) -> None:
    if varied:
        task = type(task)(**STRONG[type(task)])
    kernel = task.kernel()
    assert kernel is not None
    step = compiled_once(kernel.step) if compiled else kernel.step
    steps, actions, ends = 0, set(), set()
    for state, expected, ended, done, truncated, ours, reward, t, action in played(
        task, step, policy, range(12)
    ):
        assert np.array_equal(state, expected), (t, state - expected)
        assert (ended, ours) == (done, reward)
        assert truncated == (t + 1 == task.max_steps)
        steps, actions = steps + 1, actions | {action}
        ends |= {"goal"} if ended else {"limit"} if truncated else set()
    assert steps > 300
    assert "goal" in ends if policy is with_motion else varied or "limit" in ends
    assert actions == ({0, 2} if policy is with_motion else {0, 1, 2})


def test_acrobot_wraps_angles_and_cuts_velocities_as_gymnasium_does() -> None:
    kernel, env = Acrobot().kernel(), gymnasium.make("Acrobot-v1", disable_env_checker=True)
    env.reset(seed=0)
    rng = np.random.default_rng(1)
    seen = set()
    for start in rng.uniform(-1, 1, (3000, 4)) * [math.pi, math.pi, 4 * math.pi, 9 * math.pi]:
        env.unwrapped.state = start.copy()
        state, action = start.copy(), int(rng.integers(3))
        terminated = kernel.step(state, action, kernel.parameters)
        assert env.unwrapped.step(action)[2] == terminated
        assert np.array_equal(state, env.unwrapped.state)
        turned = state[:2] - start[:2]
        seen |= {name for name, found in (("wrapped", np.abs(turned).max() > math.pi), ("goal", terminated),
                                          ("cut 1", abs(state[2]) == 4 * math.pi), ("cut 2", abs(state[3]) == 9 * math.pi))
                 if found}  # fmt: skip
    assert seen == {"wrapped", "goal", "cut 1", "cut 2"}


def test_start_is_gymnasiums(task: Task) -> None:
    kernel, env = task.kernel(), task.make()
    assert kernel is not None
    for seed in range(300):
        env.reset(seed=seed)
        uniforms = np.random.Generator(np.random.PCG64(seed)).random(kernel.n_uniforms)
        state = np.full(kernel.state_size, 9.0)
        kernel.reset(state, uniforms, kernel.parameters)
        assert np.array_equal(state, state_of(env))
    env.close()


def test_limits_are_those_of_the_registry(task: Task) -> None:
    spec = gymnasium.spec(IDS[type(task)])
    assert (task.max_steps, task.n_actions) == (spec.max_episode_steps, 3)
    assert task.make().spec.max_episode_steps == task.max_steps
    assert task.solved_length is None  # a longer episode is not a better one
    assert task.solved_return == -110.0
    assert tasks.make(task.name) == task


@pytest.mark.parametrize(("made", "field", "value"), [
    (Acrobot, "torque", 0.0), (Acrobot, "mass_2", math.inf), (Acrobot, "steps", 2.5), (MountainCar, "force", -1.0),
    (MountainCar, "gravity", "strong"), (MountainCar, "steps", 0),
])  # fmt: skip
def test_bad_parameters_are_refused(made: type[Task], field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=rf"{made.__name__}\.{field}: got "):
        made(**{field: value})  # type: ignore[call-arg]


# ---------------------------------------------------------------------- what the network sees


def test_mountain_car_is_seen_from_the_middle_of_its_track() -> None:
    kernel, seen = MountainCar().kernel(), np.zeros(2)
    for position, code in ((-1.2, -1.0), (0.6, 1.0), (-0.3, 0.0), (0.15, 0.5)):
        kernel.observe(np.array([position, -0.035]), seen, kernel.parameters)
        scaled = seen / MountainCar().observation_scale
        np.testing.assert_allclose(scaled, [code, -0.5], atol=1e-15)


def test_acrobot_shows_its_state_and_both_angles_close_the_circle() -> None:
    task = Acrobot()
    kernel, seen = task.kernel(), np.zeros(4)
    kernel.observe(np.array([1.0, -2.0, 3.0, -4.0]), seen, kernel.parameters)
    assert seen.tolist() == [1.0, -2.0, 3.0, -4.0]
    encoder = networks.make("actor-critic").build(task).encoder
    assert isinstance(encoder, PlaceCells)
    assert encoder.periodic == task.observation_periodic == (True, True, False, False)
    for angles in ((math.pi, 0.5), (0.5, math.pi), (math.pi, math.pi)):
        high, low = [*angles, 1.0, -2.0], [*(a if a < 3 else -a for a in angles), 1.0, -2.0]
        np.testing.assert_allclose(encoder.encode(high), encoder.encode(low), rtol=1e-12)
    straight = [math.pi, 0.0, 0.0, 0.0]
    assert encoder.encode(straight).max() > 1.0  # a cell fires on either side of where the circle closes


def test_periodic_place_cells_by_hand() -> None:
    """Four centres at -0.75, -0.25, 0.25, 0.75 of a circle of length 2; z = 0.9 is 0.35 from the first, round the back."""
    code = PlaceCells("in", "drive", (2.0,), (True,), 3.0, (4,), width=1.0, periodic=(True,))
    distance = np.array([0.35, 0.85, 0.65, 0.15])
    np.testing.assert_allclose(code.encode([1.8]), 3.0 * np.exp(-0.5 * (distance / 0.5) ** 2), rtol=1e-12)
    np.testing.assert_allclose(code.encode([2.0]), code.encode([-2.0]), rtol=1e-12)
    turned = code.encode([1.8 - 1.0])  # a quarter turn moves the code by one cell
    np.testing.assert_allclose(turned, np.roll(code.encode([1.8]), -1), rtol=1e-12)


def test_only_bounded_variables_are_periodic() -> None:
    with pytest.raises(InvalidValueError, match=r"PlaceCells\.periodic"):
        PlaceCells("in", "drive", (1.0,), (False,), periodic=(True,))


# ---------------------------------------------------------------------- rewards

REST, UP = np.zeros(4), np.array([math.pi, 0.0, 0.0, 0.0])
LEVEL = np.array([math.pi / 2, 0.0, 0.0, 0.0])
"""Both links horizontal: E = 0."""
SPIN = np.array([0.0, math.pi / 2, 2.0, 1.0])
"""E = 0.5 3.5 4 + 1.25 2 + 0.625 - 14.7 - 0 = 7 + 2.5 + 0.625 - 14.7 = -4.575 J."""
STRETCHED = np.array([0.0, 0.0, 2.0, 1.0])
"""E = 0.5 4.5 4 + 1.75 2 + 0.625 - 14.7 - 4.9 = 9 + 3.5 + 0.625 - 19.6 = -6.475 J."""
BOTTOM, RIM = np.array([-math.pi / 6, 0.0]), np.array([math.pi / 6, 0.0])
"""sin(3 x)/3 = -1/3 and 1/3."""


def shaped(
    before: float, after: float, cost: float = -1.0, gamma: float = 0.99, weight: float = 1.0
) -> float:
    return cost + weight * (gamma * after - before) / (1.0 - gamma)


@pytest.mark.parametrize(("name", "options", "before", "after", "terminated", "expected"), [
    ("acrobot-energy", {}, REST, REST, False, 0.0),  # phi = -1 stays: shaping pays what the step costs
    ("acrobot-energy", {"weight": 0.0}, REST, SPIN, False, -1.0),
    ("acrobot-energy", {"weight": 0.0}, SPIN, UP, True, 0.0),
    ("acrobot-energy", {}, REST, LEVEL, False, shaped(-1.0, -4.9 / 24.5)),
    ("acrobot-energy", {"goal_energy": 0.0}, REST, LEVEL, False, shaped(-1.0, 0.0)),
    ("acrobot-energy", {}, LEVEL, SPIN, False, shaped(-4.9 / 24.5, -9.475 / 24.5)),
    ("acrobot-energy", {}, LEVEL, STRETCHED, False, shaped(-4.9 / 24.5, -11.375 / 24.5)),
    ("acrobot-energy", {}, LEVEL, UP, True, shaped(-4.9 / 24.5, 0.0, cost=0.0)),
    ("acrobot-energy", {}, UP, UP, False, -1.0),  # more than enough energy: phi = 0
    ("acrobot-energy", {"gamma": 0.5, "weight": 3.0}, REST, LEVEL, False, shaped(-1.0, -0.2, -1.0, 0.5, 3.0)),
    ("car-energy", {"goal_energy": 1 / 3}, BOTTOM, BOTTOM, False, 0.0),
    ("car-energy", {"goal_energy": 1 / 3}, BOTTOM, RIM, False, shaped(-1.0, 0.0)),
    ("car-energy", {"goal_energy": 1 / 3}, BOTTOM, np.array([-math.pi / 6, 0.05]), False, shaped(-1.0, -0.25)),
    ("car-energy", {"goal_energy": 1 / 3}, BOTTOM, RIM, True, shaped(-1.0, 0.0)),
    ("car-energy", {"weight": 0.0}, BOTTOM, RIM, True, -1.0),
    ("environment", {}, REST, SPIN, False, -1.0),
    ("environment", {}, SPIN, UP, True, 0.0),
])  # fmt: skip
def test_rewards_by_hand(
    name: str,
    options: dict[str, float],
    before: FloatArray,
    after: FloatArray,
    terminated: bool,
    expected: float,
) -> None:
    reward = rewards.make(name, **options).bind(Acrobot() if len(before) == 4 else MountainCar())
    assert reward(before, after, terminated, 1) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("options", [{}, {"gamma": 0.9, "weight": 2.0}])
@pytest.mark.parametrize(("name", "rest", "full"), [
    ("acrobot-energy", REST, UP), ("car-energy", BOTTOM, np.array([0.5, 0.0])),
])  # fmt: skip
def test_rewards_reach_the_ends_of_their_range_and_never_leave_it(
    name: str, rest: FloatArray, full: FloatArray, options: dict[str, float]
) -> None:
    reward, rng = rewards.make(name, **options), np.random.default_rng(2)
    assert reward(full, rest, False, 1) == pytest.approx(reward.range[0])
    assert reward(rest, full, True, 1) == pytest.approx(reward.range[1])
    wide, middle = ([math.pi, math.pi, 12.0, 28.0], 0.0) if len(rest) == 4 else ([0.9, 0.07], -0.3)
    for k in range(2000):
        scale = np.array(wide) * (1.0 if k % 2 else 0.05)
        before, after = rng.uniform(-1, 1, (2, len(wide))) * scale + np.where(
            np.array(wide) == 0.9, middle, 0.0
        )
        assert reward.range[0] - 1e-9 <= reward(before, after, k % 5 == 0, 1) <= reward.range[1] + 1e-9


def test_a_round_trip_pays_what_the_environment_pays() -> None:
    """Discounted, shaping adds up to -weight Phi(start): no policy gains by it (Ng, Harada & Russell 1999)."""
    task, kernel = Acrobot(), Acrobot().kernel()
    reward, gamma = rewards.make("acrobot-energy"), 0.99
    totals = []
    for policy in (with_motion, at_random):
        state, rng, total, plain = np.array([0.05, 0.0, 0.0, 0.0]), np.random.default_rng(3), 0.0, 0.0
        for t in range(3000):
            before = state.copy()
            terminated = kernel.step(state, policy(task, state, rng), kernel.parameters)
            total += gamma**t * reward(before, state, bool(terminated), t + 1)
            plain += gamma**t * kernel.reward(before, state, bool(terminated), t + 1, 0.0, kernel.parameters)
            if terminated:
                break
        totals.append((1 - gamma) * (total - plain))
    start = -14.7 * math.cos(0.05) - 4.9 * math.cos(0.05)
    np.testing.assert_allclose(totals, -(start - 4.9) / 24.5, rtol=1e-9)


def test_a_reward_of_the_other_task_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="task for reward car-energy"):
        rewards.make("car-energy").bind(Acrobot())


# ---------------------------------------------------------------------- networks


def test_presets_give_way_to_what_is_chosen_and_leave_other_tasks_alone() -> None:
    preset = networks.make("actor-critic").build(Acrobot())
    assert isinstance(preset.signal, TDError)
    assert (preset.signal.gamma, preset.encoder.size) == (0.99, 5**4)
    decays = {s.parameters["trace_decay"] for s in preset.network.synapses if s.weights}
    assert decays == {0.99 * 0.9, 0.99 * 0.8}
    assert {s.parameters["eta"] for s in preset.network.synapses if s.weights} == {0.04, 0.1}
    car = networks.make("actor-critic").build(MountainCar())
    assert {s.parameters["eta"] for s in car.network.synapses if s.weights} == {0.08, 0.1}
    chosen = networks.make("actor-critic", cells_per_variable=2).build(Acrobot())
    assert (chosen.signal, chosen.encoder.size) == (preset.signal, 2**4)
    plain = networks.ActorCritic()
    assert networks.make("actor-critic").build(tasks.CartPole()) == plain.build(tasks.CartPole())
    assert plain.build(Acrobot()).signal == TDError(0.95)  # a network put together by hand is left as it is


@pytest.mark.parametrize("plasticity", ["td-ltp", "r-stdp", "policy-gradient"])
@pytest.mark.parametrize("task_type", [Acrobot, MountainCar])
def test_every_rule_takes_the_preset(plasticity: str, task_type: type[Task]) -> None:
    model = networks.make("actor-critic", plasticity).build(task_type())
    actor = next(s for s in model.network.synapses if s.name == "place_action_2")
    assert actor.parameters["trace_decay"] == 0.99 * 0.8
    usual = networks.make("actor-critic", plasticity).build(tasks.CartPole())
    assert actor.parameters["eta"] == next(
        s.parameters["eta"] for s in usual.network.synapses if s.name == "place_action_1"
    )


def test_value_at_rest_and_its_scale() -> None:
    """A critic at its resting rate reads the value at rest; one spike more per neuron adds the scale."""
    made = networks.ActorCritic(value_at_rest=-0.7, value_scale=0.5, critic_bias=2.0).build(Acrobot()).value
    assert made is not None
    rest = resting_count(2.0, 0.02)
    assert made.scale * (rest - made.baseline) == pytest.approx(-0.7)
    assert made.scale * (rest + 1 - made.baseline) == pytest.approx(-0.2)
    with pytest.raises(InvalidValueError, match=r"ActorCritic\.value_scale: got 0"):
        networks.ActorCritic(value_scale=0.0)


def test_acrobot_is_learned() -> None:
    """Four agents: at first none gets to the goal within 200 steps, after 40 episodes all do, in less than 140 on average."""
    task = Acrobot(steps=200)
    model = networks.make("actor-critic", cells_per_variable=4, critic_size=16).build(task)
    reward = rewards.make("acrobot-energy").bind(task)
    session = make_session("fast", model, task, reward, range(4), 60, "float64", threads=1)
    session.run(10**6, Stop(60))
    lengths = session.state["lengths"]
    assert lengths[:, :5].mean() > 170
    assert np.all(lengths[:, -20:].mean(axis=1) < 140)


@pytest.mark.parametrize(("threshold", "solved_at"), [(-500.0, 2), (-0.5, -1)])
def test_a_negative_threshold_is_met_by_short_episodes(threshold: float, solved_at: int) -> None:
    stop = Stop(episodes=3, window=2, threshold=threshold, consolidation=0)
    session = make_session(
        "fast",
        networks.make("actor-critic", cells_per_variable=4, critic_size=16).build(Acrobot(steps=30)),
        Acrobot(steps=30),
        rewards.make("acrobot-energy").bind(Acrobot()),
        [1],
        episodes=3,
        dtype="float64",
        threads=1,
    )
    while not session.finished.all():
        session.run(1000, stop)
    assert session.solved_at.tolist() == [solved_at]
    assert session.episodes.tolist() == [2 if solved_at == 2 else 3]


def test_training_options_of_a_task_where_shorter_is_better() -> None:
    config = TrainingConfig(task="acrobot", seeds=2)
    assert config.reward == "acrobot-energy"
    assert config.solve_threshold == -110.0
    assert TrainingConfig(task="cartpole").solve_threshold == 475.0
    agents = [
        AgentRecord(seed, np.array([90]), np.array([-90.0]), 1, np.array([length, length + 2]), 1.0)
        for seed, length in ((0, 80), (1, 120))
    ]
    numbers = summary(TrainingResult(config, agents))
    assert numbers["evaluation_worst"] == 121.0
    assert numbers["evaluation_seeds_ge_475"] is None
