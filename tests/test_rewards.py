"""Reward functions: hand-computed points, stated ranges, compilation, registration."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks import CartPole, GymTask, reward_registry, rewards, source_of
from snnrl.tasks.base import FloatArray, RewardFunction, Vector

THETA_MAX = 0.20943951023931953
X_MAX = 2.4
ALL = (
    "angle",
    "cosine",
    "environment",
    "failure",
    "gaussian",
    "improvement",
    "potential",
    "quadratic",
    "record",
    "survival",
    "upright",
)
COMPUTED = [name for name in ALL if name != "environment"]


def state(x: float = 0.0, x_dot: float = 0.0, theta: float = 0.0, theta_dot: float = 0.0) -> FloatArray:
    return np.array([x, x_dot, theta, theta_dot])


UPRIGHT, HALF = state(), state(x=1.2, theta=THETA_MAX / 2)
FALLEN = state(x=0.3, theta=1.2 * THETA_MAX, theta_dot=1.0)

# name, parameters, before, after, terminated, step, record, expected value computed by hand
POINTS = [
    ("survival", {}, UPRIGHT, HALF, False, 1, 0.0, 1.0),
    ("survival", {}, UPRIGHT, FALLEN, True, 9, 0.0, 1.0),
    ("survival", {"alive": 0.5, "failure": -5.0}, UPRIGHT, HALF, False, 1, 0.0, 0.5),
    ("survival", {"alive": 0.5, "failure": -5.0}, UPRIGHT, FALLEN, True, 9, 0.0, -5.0),
    ("failure", {}, UPRIGHT, HALF, False, 1, 0.0, 0.0),
    ("failure", {}, UPRIGHT, FALLEN, True, 1, 0.0, -1.0),
    ("failure", {"penalty": 3.0}, UPRIGHT, FALLEN, True, 1, 0.0, -3.0),
    ("angle", {}, HALF, UPRIGHT, False, 1, 0.0, 1.0),
    ("angle", {}, UPRIGHT, HALF, False, 1, 0.0, 0.5),
    ("angle", {}, UPRIGHT, state(theta=-THETA_MAX / 4), False, 1, 0.0, 0.75),
    ("angle", {"theta_max": THETA_MAX / 4}, UPRIGHT, HALF, False, 1, 0.0, 0.0),
    ("angle", {}, UPRIGHT, FALLEN, True, 1, 0.0, 0.0),
    ("angle", {"failure": -1.0}, UPRIGHT, FALLEN, True, 1, 0.0, -1.0),
    ("cosine", {}, UPRIGHT, state(theta=math.pi / 3), False, 1, 0.0, 0.5),
    ("cosine", {}, UPRIGHT, state(theta=math.pi), False, 1, 0.0, -1.0),
    ("cosine", {}, UPRIGHT, FALLEN, True, 1, 0.0, 0.0),
    ("gaussian", {}, HALF, UPRIGHT, False, 1, 0.0, 1.0),
    # theta/theta_max = 0.3 is one width: exp(-1/2); x/x_max = 0.5 is one width as well.
    ("gaussian", {}, UPRIGHT, state(theta=0.3 * THETA_MAX), False, 1, 0.0, 0.6065306597126334),
    ("gaussian", {}, UPRIGHT, state(x=1.2, theta=-0.3 * THETA_MAX), False, 1, 0.0, 0.36787944117144233),
    (
        "gaussian",
        {"angle_width": 0.6},
        UPRIGHT,
        state(theta=0.6 * THETA_MAX),
        False,
        1,
        0.0,
        0.6065306597126334,
    ),
    ("gaussian", {}, UPRIGHT, FALLEN, True, 1, 0.0, 0.0),
    ("quadratic", {}, HALF, UPRIGHT, False, 1, 0.0, 0.0),
    ("quadratic", {}, UPRIGHT, HALF, False, 1, 0.0, -0.25),
    ("quadratic", {"angle_weight": 2.0}, UPRIGHT, HALF, False, 1, 0.0, -0.625),
    ("quadratic", {"angle_weight": 0.0, "position_weight": 4.0}, UPRIGHT, HALF, False, 1, 0.0, -1.0),
    ("quadratic", {"angle_weight": 2.0}, UPRIGHT, state(x=1.2), False, 1, 0.0, -0.125),
    ("quadratic", {}, UPRIGHT, state(x=9.0, theta=9.0), False, 1, 0.0, -1.0),
    ("quadratic", {}, UPRIGHT, FALLEN, True, 1, 0.0, -1 / 0.03),
    ("upright", {}, HALF, UPRIGHT, False, 1, 0.0, 1.0),
    # at one margin the tolerance is 0.1, so the factor is 0.55
    ("upright", {}, UPRIGHT, state(x=-2.0), False, 1, 0.0, 0.55),
    ("upright", {}, UPRIGHT, state(theta_dot=5.0), False, 1, 0.0, 0.55),
    ("upright", {}, UPRIGHT, state(theta=math.pi / 3), False, 1, 0.0, 0.75),
    ("upright", {}, UPRIGHT, state(2.0, 0.0, math.pi / 3, -5.0), False, 1, 0.0, 0.75 * 0.55 * 0.55),
    ("upright", {}, UPRIGHT, FALLEN, True, 1, 0.0, 0.0),
    # Phi(half) = -(0.25 + 0.5 * 0.25) = -0.375
    ("potential", {}, UPRIGHT, HALF, False, 1, 0.0, -0.97 * 0.375),
    ("potential", {}, HALF, UPRIGHT, False, 1, 0.0, 0.375),
    ("potential", {}, HALF, HALF, False, 1, 0.0, 0.03 * 0.375),
    ("potential", {}, HALF, FALLEN, True, 1, 0.0, -1.0 + 0.375),
    ("potential", {"gamma": 0.5, "penalty": 2.0}, HALF, FALLEN, True, 1, 0.0, -2.0 + 0.375),
    ("potential", {"gamma": 0.5, "angle_weight": 0.0}, UPRIGHT, HALF, False, 1, 0.0, -0.5 * 0.125),
    ("improvement", {}, state(theta=0.05), state(theta=-0.02), False, 1, 0.0, 3.0),
    ("improvement", {"gain": 10.0}, state(theta=0.02), state(theta=0.05), False, 1, 0.0, -0.3),
    ("improvement", {}, UPRIGHT, FALLEN, True, 1, 0.0, -1.0),
    ("record", {}, UPRIGHT, HALF, False, 30, 30.0, 0.0),
    ("record", {}, UPRIGHT, HALF, False, 31, 30.0, 0.1),
    ("record", {}, UPRIGHT, HALF, False, 1, 0.0, 0.1),
    ("record", {"bonus": 0.4, "penalty": 2.0}, UPRIGHT, FALLEN, True, 31, 30.0, -2.0),
]


@pytest.fixture(scope="module")
def compiled() -> dict[str, RewardFunction]:
    return {name: njit(rewards.make(name).function) for name in ALL}


@pytest.fixture
def own_rewards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what a test registers."""
    monkeypatch.setattr(reward_registry, "_REWARDS", dict(reward_registry._REWARDS))


def test_names_are_the_documented_ones() -> None:
    assert set(ALL) <= set(rewards.names())
    assert {point[0] for point in POINTS} == set(COMPUTED)
    for name in ALL:
        reward = rewards.make(name)
        assert reward.formula.startswith("r = ")
        assert len(reward.source) > 5
        assert reward.function.__doc__


@pytest.mark.parametrize(
    ("name", "parameters", "before", "after", "terminated", "step", "record", "expected"), POINTS
)
def test_hand_computed_points(
    compiled: dict[str, RewardFunction],
    name: str,
    parameters: dict[str, float],
    before: FloatArray,
    after: FloatArray,
    terminated: bool,
    step: int,
    record: float,
    expected: float,
) -> None:
    reward = rewards.make(name, **parameters)
    assert reward(before, after, terminated, step, record) == pytest.approx(expected, rel=1e-13, abs=1e-15)
    assert compiled[name](before, after, terminated, step, record, reward.p) == pytest.approx(
        expected, rel=1e-13, abs=1e-15
    )


STATES = st.tuples(
    st.floats(-1.5 * X_MAX, 1.5 * X_MAX),
    st.floats(-1e3, 1e3),
    st.floats(-math.pi, math.pi),
    st.floats(-1e3, 1e3),
).map(np.array)


@st.composite
def parametrised(draw: st.DrawFn) -> rewards.Reward:
    """Give any reward with some parameters changed inside their ranges."""
    name = draw(st.sampled_from(COMPUTED))
    entry = reward_registry._REWARDS[name]
    overrides = {}
    for key in draw(st.sets(st.sampled_from(sorted(entry.defaults)))):
        low, high = entry.limits.get(key, (-50.0, 50.0))
        low = 1e-2 if key in entry.positive else low
        overrides[key] = draw(st.floats(low, min(high, 50.0)))
    return rewards.make(name, **overrides)


@settings(max_examples=600, deadline=None)
@given(parametrised(), STATES, STATES, st.booleans(), st.integers(1, 500), st.floats(0, 500))
def test_values_stay_inside_the_stated_range(
    reward: rewards.Reward, before: FloatArray, after: FloatArray, terminated: bool, step: int, record: float
) -> None:
    low, high = reward.range
    slack = 1e-12 * (1 + abs(low) + abs(high))  # rounding of the sums
    assert low - slack <= reward(before, after, terminated, step, record) <= high + slack


# States that reach the ends of the default ranges, so that a range that is too wide is noticed.
EXTREMES = [
    (UPRIGHT, UPRIGHT, False, 1, 0.0),
    (UPRIGHT, state(theta=math.pi), False, 1, 0.0),
    (state(x=X_MAX, theta=THETA_MAX), UPRIGHT, False, 1, 0.0),
    (UPRIGHT, state(x=X_MAX, theta=THETA_MAX), False, 1, 0.0),
    (UPRIGHT, state(x=1e3, theta=THETA_MAX, theta_dot=1e3), False, 1, 0.0),
    (UPRIGHT, FALLEN, True, 1, 0.0),
]


@pytest.mark.parametrize("name", COMPUTED)
def test_the_ends_of_the_range_are_reached(name: str) -> None:
    reward = rewards.make(name)
    values = [reward(*case) for case in EXTREMES]
    assert min(values) == pytest.approx(reward.range[0], abs=1e-9)
    assert max(values) == pytest.approx(reward.range[1], abs=1e-9)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_compiled_functions_give_the_same_numbers(
    compiled: dict[str, RewardFunction], data: st.DataObject
) -> None:
    reward = data.draw(parametrised())
    before, after = data.draw(STATES), data.draw(STATES)
    for terminated in (False, True):
        arguments = (before, after, terminated, 7, 6.5)
        assert compiled[reward.name](*arguments, reward.p) == pytest.approx(reward(*arguments), rel=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_functions_are_self_contained_text(name: str) -> None:
    text = source_of(rewards.make(name).function)
    namespace: dict[str, RewardFunction] = {"math": math}  # type: ignore[dict-item]
    exec(text, namespace)  # noqa: S102
    assert text.startswith(f"def {name}(before, after, terminated, step, record, p):")
    reward = rewards.make(name)
    value = namespace[name](UPRIGHT, HALF, False, 3, 2.0, reward.p)
    assert value == reward(UPRIGHT, HALF, False, 3, 2.0) or name == "environment"


def test_shaping_telescopes_along_an_episode() -> None:
    # The discounted sum of the shaping is -Phi(start) once the terminal potential is 0 (Ng et al. 1999).
    reward = rewards.make("potential", penalty=0.0)
    rng = np.random.default_rng(2)
    path = rng.uniform(-1, 1, (40, 4)) * [X_MAX, 1.0, THETA_MAX, 1.0]
    total = sum(
        0.97**t * reward(path[t], path[t + 1], t == len(path) - 2, t + 1) for t in range(len(path) - 1)
    )
    phi = -((path[0, 2] / THETA_MAX) ** 2 + 0.5 * (path[0, 0] / X_MAX) ** 2)
    assert total == pytest.approx(-phi, rel=1e-12)


def test_parameters_come_in_the_order_of_the_defaults() -> None:
    reward = rewards.make("gaussian", position_width=0.7, angle_width=0.2)
    assert list(reward.parameters) == ["angle_width", "position_width", "theta_max", "x_max", "failure"]
    assert reward.p.dtype == np.float64
    assert reward.p.tolist() == [0.2, 0.7, THETA_MAX, X_MAX, 0.0]
    assert rewards.make("gaussian").parameters["angle_width"] == 0.3  # the defaults are untouched
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert rewards.make(reward.name, **reward.parameters) == reward


def test_environment_reward_is_bound_to_the_task() -> None:
    reward = rewards.make("environment")
    assert reward.uses_environment
    assert math.isnan(reward(UPRIGHT, HALF, False, 1))
    bound = reward.bind(CartPole())
    assert not bound.uses_environment
    assert bound(UPRIGHT, HALF, False, 1) == bound(UPRIGHT, FALLEN, True, 2) == 1.0
    outside = reward.bind(GymTask("Acrobot-v1"))
    assert outside.uses_environment


def test_bind_refuses_a_task_with_other_variables() -> None:
    gaussian = rewards.make("gaussian")
    assert gaussian.bind(CartPole(difficulty="hard")) is gaussian  # hidden velocities are still in the state
    assert gaussian.bind(GymTask("CartPole-v1")) is gaussian
    with pytest.raises(
        InvalidValueError, match=r"task for reward gaussian: got \('cos_theta1'.*x, x_dot, theta"
    ):
        gaussian.bind(GymTask("Acrobot-v1"))
    survival = rewards.make("survival")
    assert survival.bind(GymTask("Acrobot-v1")) is survival


@pytest.mark.usefixtures("own_rewards")
def test_users_register_their_own() -> None:
    @rewards.register(
        "slow",
        formula="r = -gain theta_dot^2",
        source="this test",
        range=(-math.inf, 0.0),
        defaults={"gain": 2.0},
        variables=rewards.CART_POLE,
    )
    def slow(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
        return -p[0] * after[3] * after[3]

    reward = rewards.make("slow", gain=3.0)
    assert "slow" in rewards.names()
    assert reward.function is slow
    assert reward(UPRIGHT, state(theta_dot=2.0), False, 1) == -12.0
    assert reward.range == (-math.inf, 0.0)
    namespace: dict[str, RewardFunction] = {"math": math}  # type: ignore[dict-item]
    exec(source_of(slow), namespace)  # noqa: S102
    assert njit(namespace["slow"])(UPRIGHT, state(theta_dot=2.0), False, 1, 0.0, reward.p) == -12.0

    again = rewards.register("slow", formula="r = 0", source="this test", range=(0, 0))
    with pytest.raises(InvalidValueError, match="reward name: got 'slow', allowed: a name not in use"):
        again(slow)
    rewards.register("slow", formula="r = 0", source="this test", range=(0, 0), replace=True)(slow)
    assert rewards.make("slow").formula == "r = 0"


@pytest.mark.usefixtures("own_rewards")
def test_registration_refuses_what_cannot_be_compiled() -> None:
    gain = 2.0

    def outside(
        before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector
    ) -> float:
        return gain * after[0]

    def short(before: Vector, after: Vector) -> float:
        return after[0]

    register = rewards.register("own", formula="r = ?", source="this test", range=(0, 1))
    with pytest.raises(InvalidValueError, match=r"names used by outside: got \['gain'\].*math"):
        register(outside)
    with pytest.raises(InvalidValueError, match=r"arguments of reward own: .*six: before, after"):
        register(short)  # type: ignore[arg-type]
    assert "own" not in rewards.names()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("gausian", {}, "reward: got 'gausian'.*did you mean 'gaussian'"),
        ("gaussian", {"width": 1.0}, "parameter of reward gaussian: got 'width'"),
        ("gaussian", {"angle_width": 0.0}, "gaussian.angle_width: got 0.0, allowed: a number > 0"),
        ("gaussian", {"angle_width": "wide"}, "gaussian.angle_width: got 'wide', allowed: a number"),
        ("gaussian", {"failure": math.nan}, "gaussian.failure: got nan, allowed: a finite number"),
        ("potential", {"gamma": 1.1}, "potential.gamma: got 1.1, allowed: a number from 0 to 1"),
        ("quadratic", {"angle_weight": -1.0}, "quadratic.angle_weight: got -1.0, .*from 0 to inf"),
    ],
)
def test_make_names_what_is_wrong(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        rewards.make(name, **parameters)
    assert isinstance(caught.value, UnknownNameError) == (
        "did you mean" in message or "got 'width'" in message
    )
