"""Tasks: the cart-pole against Gymnasium, its variations, any Gymnasium environment, the registry."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
from collections.abc import Callable, Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numba import njit

from snnrl import tasks
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks import CartPole, GymTask
from snnrl.tasks.base import FloatArray, TaskKernel

ANGLE_LIMIT = 0.20943951023931953  # 12 degrees
VARIED = {"force": 7.3, "pole_length": 1.7, "pole_mass": 0.23, "cart_mass": 0.8, "gravity": 3.7}


def balance(state: FloatArray) -> int:
    """Hold the pole for the whole of an episode."""
    return int(state[2] + state[3] + 0.05 * state[0] + 0.1 * state[1] > 0)


@pytest.fixture(scope="module", params=["python", "compiled"])
def build(request: pytest.FixtureRequest) -> Callable[[CartPole], TaskKernel]:
    """Give kernels as plain Python and as numba compiles them."""
    if request.param == "python":
        return CartPole.kernel
    compiled: dict[object, object] = {}

    def compile_once(function: object) -> object:
        return compiled.setdefault(function, njit(function))

    def compile_kernel(task: CartPole) -> TaskKernel:
        kernel = task.kernel()
        parts = {name: compile_once(getattr(kernel, name)) for name in ("step", "reset", "observe", "reward")}
        return TaskKernel(**parts, state_size=4, n_uniforms=4, parameters=kernel.parameters)

    return compile_kernel


@pytest.fixture
def reference() -> Iterator[gymnasium.Env]:
    env = gymnasium.make("CartPole-v1", disable_env_checker=True)
    env.reset(seed=0)
    yield env
    env.close()


def random_states(n: int) -> FloatArray:
    """States inside, at and outside the limits."""
    rng = np.random.default_rng(7)
    states = rng.uniform(-1, 1, (n, 4)) * [2.6, 4.0, 0.3, 4.0]
    near = rng.uniform(-1, 1, (n, 4)) * [0.05, 0.05, 0.05, 0.05]
    edges = np.array([[2.4, 0, 0, 0], [-2.4, 0, 0, 0], [0, 0, ANGLE_LIMIT, 0], [0, 0, -ANGLE_LIMIT, 0]])
    return np.concatenate([states, near, edges])


def reference_step(env: gymnasium.Env, state: FloatArray, action: int) -> tuple[FloatArray, bool]:
    env.unwrapped.state = state.copy()
    env.unwrapped.steps_beyond_terminated = None
    terminated = env.unwrapped.step(action)[2]
    return env.unwrapped.state, terminated


def test_one_step_equals_gymnasium_bit_for_bit(
    build: Callable[[CartPole], TaskKernel], reference: gymnasium.Env
) -> None:
    kernel = build(CartPole())
    outcomes = set()
    for i, start in enumerate(random_states(1500)):
        state = start.copy()
        terminated = kernel.step(state, i % 2, kernel.parameters)
        expected, expected_terminated = reference_step(reference, start, i % 2)
        assert np.array_equal(state, expected), (start, i % 2)
        assert terminated == expected_terminated
        outcomes.add(bool(terminated))
    assert outcomes == {True, False}


def test_a_state_exactly_at_a_limit_has_not_failed(build: Callable[[CartPole], TaskKernel]) -> None:
    kernel = build(CartPole())
    for limit, index in ((2.4, 0), (ANGLE_LIMIT, 2)):
        for sign in (-1, 1):
            state = np.zeros(4)
            state[index] = sign * limit
            assert not kernel.step(state, 1, kernel.parameters)
            state = np.zeros(4)
            state[index] = sign * np.nextafter(limit, 9.0)
            assert kernel.step(state, 1, kernel.parameters)


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("policy", ["balance", "random"])
def test_whole_episodes_equal_gymnasium(
    build: Callable[[CartPole], TaskKernel], version: str, policy: str
) -> None:
    task = CartPole(version=version)
    kernel = build(task)
    with (
        pytest.warns(DeprecationWarning, match="out of date") if version == "v0" else contextlib.nullcontext()
    ):
        env = gymnasium.make(f"CartPole-{version}")
    rng = np.random.default_rng(3)
    for seed in range(4 if policy == "balance" else 30):
        env.reset(seed=seed)
        state = env.unwrapped.state.copy()
        for t in range(task.max_steps):
            action = balance(state) if policy == "balance" else int(rng.integers(2))
            done = kernel.step(state, action, kernel.parameters)
            observation, reward, terminated, truncated, _ = env.step(action)
            assert np.array_equal(state, env.unwrapped.state)
            assert np.array_equal(state.astype(np.float32), observation)
            assert kernel.reward(state, state, done, t + 1, 0.0, kernel.parameters) == reward
            assert done == terminated
            assert truncated == (t + 1 == task.max_steps)
            if terminated:
                break
        assert (t + 1 == task.max_steps) == (policy == "balance")
    env.close()


@pytest.mark.parametrize(("version", "steps", "solved"), [("v0", 200, 195.0), ("v1", 500, 475.0)])
def test_limits_are_those_of_the_registry(version: str, steps: int, solved: float) -> None:
    task = CartPole(version=version)
    spec = gymnasium.spec(f"CartPole-{version}")
    assert (task.max_steps, task.solved_length) == (steps, solved)
    assert (spec.max_episode_steps, spec.reward_threshold) == (steps, solved)
    env = task.make()
    assert env.spec.max_episode_steps == steps


def test_reset_draws_what_gymnasium_draws(
    build: Callable[[CartPole], TaskKernel], reference: gymnasium.Env
) -> None:
    kernel = build(CartPole())
    for seed in range(50):
        observation, _ = reference.reset(seed=seed)
        uniforms = np.random.Generator(np.random.PCG64(seed)).random(4)
        state = np.empty(4)
        kernel.reset(state, uniforms, kernel.parameters)
        assert np.array_equal(state, reference.unwrapped.state)
        assert np.array_equal(state.astype(np.float32), observation)


@pytest.mark.parametrize("name", VARIED)
def test_each_variation_equals_gymnasium_with_that_attribute(
    build: Callable[[CartPole], TaskKernel], reference: gymnasium.Env, name: str
) -> None:
    task = CartPole(**{name: VARIED[name]})
    kernel, made = build(task), task.make()
    physics = reference.unwrapped
    physics.force_mag, physics.gravity = task.force, task.gravity
    physics.length, physics.masspole, physics.masscart = task.pole_length / 2, task.pole_mass, task.cart_mass
    physics.total_mass = physics.masspole + physics.masscart
    physics.polemass_length = physics.masspole * physics.length
    made.reset(seed=0)
    plain = CartPole().kernel()
    changed = 0
    for i, start in enumerate(random_states(100)):
        state, standard = start.copy(), start.copy()
        kernel.step(state, i % 2, kernel.parameters)
        plain.step(standard, i % 2, plain.parameters)
        assert np.array_equal(state, reference_step(reference, start, i % 2)[0])
        assert np.array_equal(state, reference_step(made, start, i % 2)[0])
        changed += not np.array_equal(state, standard)
    assert changed > 150  # the parameter does something


def test_the_angle_of_an_unpushed_pole_grows_at_the_rate_of_the_linearised_equations() -> None:
    # theta_dd = g theta / (l (4/3 - m/(M+m))) for small angles and no force: one step of Euler.
    kernel = CartPole(difficulty="medium").kernel()
    state = np.array([0.0, 0.0, 1e-6, 0.0])
    kernel.step(state, 0, kernel.parameters)
    assert state[3] == pytest.approx(0.02 * 9.8 * 1e-6 / (0.5 * (4 / 3 - 0.1 / 1.1)), rel=1e-9)


@pytest.mark.filterwarnings("ignore:.*different from the unwrapped version:UserWarning")
@pytest.mark.filterwarnings("ignore:.*Box observation space m.* value is -?infinity:UserWarning")
@pytest.mark.parametrize(
    ("difficulty", "n_actions", "observed"),
    [
        ("easy", 2, ("x", "x_dot", "theta", "theta_dot")),
        ("medium", 3, ("x", "x_dot", "theta", "theta_dot")),
        ("hard", 3, ("x", "theta")),
        ("hardest", 2, ("x", "theta")),
    ],
)
def test_difficulty_settings(difficulty: str, n_actions: int, observed: tuple[str, ...]) -> None:
    task = CartPole(difficulty=difficulty)
    assert (task.n_actions, task.observation_names, task.max_steps) == (n_actions, observed, 15_000)
    assert len(task.observation_scale) == len(task.observation_bounded) == len(task.observation_labels)
    assert tasks.make(f"cartpole-{difficulty}") == task
    env = task.make()
    assert (env.action_space.n, env.observation_space.shape) == (n_actions, (len(observed),))
    check_env(env, skip_render_check=True)


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard", "hardest"])
def test_difficulty_environment_and_kernel_agree(
    build: Callable[[CartPole], TaskKernel], difficulty: str
) -> None:
    task = CartPole(difficulty=difficulty)
    kernel, env = build(task), task.make()
    rng = np.random.default_rng(5)
    for seed in range(20):
        first, _ = env.reset(seed=seed)
        state, observation = env.unwrapped.state.copy(), np.empty(task.observation_size)
        kernel.observe(state, observation, kernel.parameters)
        assert np.array_equal(observation.astype(np.float32), first)
        terminated = False
        while not terminated:
            action = int(rng.integers(task.n_actions))
            done = kernel.step(state, action, kernel.parameters)
            kernel.observe(state, observation, kernel.parameters)
            seen, _, terminated, _, _ = env.step(action)
            assert np.array_equal(state, env.unwrapped.state)
            assert np.array_equal(observation.astype(np.float32), seen)
            assert done == terminated


def test_difficulty_starts_fill_their_ranges(build: Callable[[CartPole], TaskKernel]) -> None:
    task = CartPole(difficulty="hard")
    kernel, env = build(task), task.make()
    widths = np.array([1.2, 0.05, 0.10475, 0.05])
    low, high = np.empty(4), np.empty(4)
    kernel.reset(low, np.zeros(4), kernel.parameters)
    kernel.reset(high, np.full(4, np.nextafter(1.0, 0.0)), kernel.parameters)
    assert np.array_equal(low, -widths)
    assert np.allclose(high, widths, rtol=1e-12)
    starts = np.array([(env.reset(seed=s), env.unwrapped.state)[1] for s in range(300)])
    assert np.all(np.abs(starts) <= widths)
    assert np.all(np.abs(starts).max(axis=0) > 0.95 * widths)  # missed with probability 0.95^300 = 2e-7


def test_idle_action_leaves_a_resting_cart_at_rest_and_the_others_push(
    build: Callable[[CartPole], TaskKernel],
) -> None:
    kernel = build(CartPole(difficulty="medium"))
    velocities = []
    for action in range(3):
        state = np.zeros(4)
        kernel.step(state, action, kernel.parameters)
        velocities.append(state[1])
    assert velocities[0] == 0.0
    assert velocities[1] == -velocities[2] < 0.0


def test_fitness_asks_medium_networks_to_be_idle() -> None:
    medium, easy = tasks.DIFFICULTIES["medium"], tasks.DIFFICULTIES["easy"]
    assert easy.fitness(100, 0) == 100.0
    assert medium.fitness(100, 80) == 100.0
    assert medium.fitness(100, 75) == 100.0
    assert medium.fitness(100, 30) == pytest.approx(40.0)


@pytest.mark.parametrize("field", ["force", "pole_length", "pole_mass", "cart_mass", "gravity"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, "10", None, True])
def test_cartpole_refuses_numbers_that_are_not_positive(field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=f"CartPole.{field}: got .*allowed: a finite number > 0"):
        CartPole(**{field: value})


@pytest.mark.parametrize(("field", "value"), [("version", "v2"), ("version", ["v1"]), ("difficulty", "Easy")])
def test_cartpole_refuses_unknown_names(field: str, value: object) -> None:
    with pytest.raises(UnknownNameError, match=f"CartPole.{field}"):
        CartPole(**{field: value})


def test_gym_task_reads_its_spaces() -> None:
    task = GymTask("Acrobot-v1")
    assert (task.observation_size, task.n_actions, task.max_steps) == (6, 3, 500)
    assert task.observation_bounded == (True,) * 6
    assert task.observation_scale == pytest.approx((1, 1, 1, 1, 4 * math.pi, 9 * math.pi))
    assert task.observation_names[4] == "theta1_dot"
    assert task.kernel() is None
    assert task.solved_length is None
    assert task.env_step == 0.02
    check_env(task.make().unwrapped, skip_render_check=True)


def test_gym_task_of_the_cartpole() -> None:
    task = GymTask("CartPole-v1")
    assert task.observation_bounded == (True, False, True, False)
    assert task.observation_scale == pytest.approx((4.8, 1.0, 2 * ANGLE_LIMIT, 1.0))
    assert task.state_names == CartPole().state_names
    assert task.solved_length == 475.0


def test_gym_task_parameters() -> None:
    task = GymTask("CartPole-v1", scale=[2.4, 1.5, 0.2, 1.5], steps=50, decision_time=0.01)
    assert task.observation_scale == (2.4, 1.5, 0.2, 1.5)
    assert (task.max_steps, task.env_step) == (50, 0.01)
    env = task.make()
    env.reset(seed=0)
    for _ in range(50):
        truncated = env.step(balance(env.unwrapped.state))[3]
    assert truncated


class _Plain(gymnasium.Env):
    """An environment without a step limit whose Box uses the largest float for infinity."""

    def __init__(self, space: gymnasium.Space, action_space: gymnasium.Space, **_: object) -> None:
        self.observation_space, self.action_space = space, action_space


def _register(name: str, space: gymnasium.Space, actions: gymnasium.Space, steps: int | None = None) -> str:
    gymnasium.register(
        id=name,
        entry_point=lambda **options: _Plain(space, actions, **options),
        max_episode_steps=steps,
        disable_env_checker=True,
    )
    return name


@pytest.fixture
def own_environments() -> Iterator[None]:
    before = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


@pytest.mark.usefixtures("own_environments")
def test_gym_task_takes_the_largest_float_for_unbounded_and_needs_a_limit() -> None:
    largest = np.finfo(np.float32).max
    box = gymnasium.spaces.Box(np.array([-largest, -2, 0], np.float32), np.array([largest, 1, 0], np.float32))
    name = _register("Own-v0", box, gymnasium.spaces.Discrete(4))
    with pytest.raises(InvalidValueError, match=r"GymTask.steps of Own-v0"):
        GymTask(name)
    task = GymTask(name, steps=7)
    assert task.observation_bounded == (False, True, True)
    assert task.observation_scale == (1.0, 2.0, 1.0)
    assert task.observation_names == ("observation[0]", "observation[1]", "observation[2]")


@pytest.mark.usefixtures("own_environments")
@pytest.mark.parametrize(
    ("space", "actions", "message"),
    [
        (
            gymnasium.spaces.Box(0, 1, (2, 2)),
            gymnasium.spaces.Discrete(2),
            "observation space of Odd-v0: got Box",
        ),
        (
            gymnasium.spaces.Discrete(3),
            gymnasium.spaces.Discrete(2),
            "observation space.*a Box of one dimension",
        ),
        (
            gymnasium.spaces.Box(0, 1, (2,)),
            gymnasium.spaces.Box(0, 1, (1,)),
            "action space of Odd-v0: got Box",
        ),
        (
            gymnasium.spaces.Box(0, 1, (2,)),
            gymnasium.spaces.Discrete(2, start=1),
            "action space.*counted from 0",
        ),
        (gymnasium.spaces.Box(0, 1, (2,)), gymnasium.spaces.Discrete(1), "action space.*n >= 2"),
    ],
)
def test_gym_task_refuses_spaces_that_do_not_fit(
    space: gymnasium.Space, actions: gymnasium.Space, message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        GymTask(_register("Odd-v0", space, actions, steps=10))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"env_id": "CartPol-v1"}, "GymTask.env_id: got 'CartPol-v1'.*did you mean 'CartPole-v"),
        ({"env_id": 3}, "GymTask.env_id: got 3"),
        ({"env_id": "CartPole-v1", "scale": (1.0, 1.0)}, "GymTask.scale: .*4 finite numbers > 0"),
        ({"env_id": "CartPole-v1", "scale": (1.0, 1.0, 0.0, 1.0)}, "GymTask.scale"),
        ({"env_id": "CartPole-v1", "steps": 0}, "GymTask.steps: got 0, allowed: a whole number >= 1"),
        ({"env_id": "CartPole-v1", "steps": 2.5}, "GymTask.steps"),
        ({"env_id": "CartPole-v1", "decision_time": 0.0}, "GymTask.decision_time"),
        ({"env_id": "CartPole-v1", "decision_time": math.nan}, "GymTask.decision_time"),
        ({"env_id": "CartPole-v1", "decision_time": "20*ms"}, "GymTask.decision_time"),
        ({"env_id": "CartPole-v1", "scale": ("a", 1.0, 1.0, 1.0)}, "GymTask.scale"),
    ],
)
def test_gym_task_refuses_bad_parameters(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        GymTask(**parameters)


def test_names_can_all_be_made_and_round_trip_through_json() -> None:
    assert {"cartpole", "cartpole-v0", "cartpole-hardest"} <= set(tasks.names())
    assert "gym" not in tasks.names()  # it needs an environment
    made = [tasks.make(name) for name in tasks.names()]
    for task in [*made, CartPole(**VARIED), GymTask("CartPole-v1", scale=(1.0, 2.0, 3.0, 4.0))]:
        again = tasks.make(task.name, **json.loads(json.dumps(task.parameters())))
        assert again == task
        assert pickle.loads(pickle.dumps(task)) == task


def test_make_takes_parameters_and_gymnasium_ids() -> None:
    assert tasks.make("cartpole", force=8.0) == CartPole(force=8.0)
    assert tasks.make("cartpole-v0", force=8.0) == CartPole(version="v0", force=8.0)
    assert tasks.make("gym:Acrobot-v1", steps=9) == GymTask("Acrobot-v1", steps=9)


def test_make_names_what_is_wrong() -> None:
    with pytest.raises(UnknownNameError, match=r"task: got 'cartpol'.*gym:ENV_ID.*did you mean 'cartpole'"):
        tasks.make("cartpol")
    with pytest.raises(
        UnknownNameError, match=r"parameter of task cartpole: got 'forc'.*did you mean 'force'"
    ):
        tasks.make("cartpole", forc=8.0)
    with pytest.raises(InvalidValueError, match=r"GymTask.env_id: got None, allowed: a value"):
        tasks.make("gym")


@pytest.mark.parametrize("name", ["step", "reset", "observe", "reward"])
def test_kernel_functions_are_self_contained_text(name: str) -> None:
    text = tasks.source_of(getattr(CartPole(difficulty="hard").kernel(), name))
    namespace: dict[str, object] = {"math": math}
    exec(text, namespace)  # noqa: S102
    assert text.startswith("def cartpole_")
    assert '"""' not in text
    assert ":" not in text.splitlines()[0].removesuffix(":")  # no annotations


def test_copied_text_computes_the_same() -> None:
    kernel = CartPole().kernel()
    namespace: dict[str, Callable[..., object]] = {"math": math}  # type: ignore[dict-item]
    exec(tasks.source_of(kernel.step), namespace)  # noqa: S102
    for start in random_states(50):
        first, second = start.copy(), start.copy()
        assert kernel.step(first, 1, kernel.parameters) == namespace["cartpole_step"](
            second, 1, kernel.parameters
        )
        assert np.array_equal(first, second)


def test_source_of_refuses_what_cannot_be_copied() -> None:
    local = 3.0

    def uses_global(state: FloatArray) -> float:
        return float(np.sum(state))

    def uses_local(state: FloatArray) -> float:
        return local

    with pytest.raises(InvalidValueError, match=r"names used by uses_global: got \['np'\]"):
        tasks.source_of(uses_global)
    with pytest.raises(InvalidValueError, match=r"names used by uses_local: got \['local'\]"):
        tasks.source_of(uses_local)
    namespace: dict[str, Callable[..., object]] = {}
    exec("def typed_in(state):\n    return 1.0\n", namespace)  # noqa: S102
    with pytest.raises(InvalidValueError, match="source of a function"):
        tasks.source_of(namespace["typed_in"])
    double = lambda state: 2.0 * state
    with pytest.raises(InvalidValueError, match="not a lambda"):
        tasks.source_of(double)
