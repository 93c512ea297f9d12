"""The rotary pendulum: its linearisation, its energy and power balance, the order of RK4, its environments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numba import njit
from scipy.linalg import expm

from snnrl import tasks
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.tasks import RotaryPendulum
from snnrl.tasks.base import FloatArray, source_of
from snnrl.tasks.rotary_pendulum import pendulums, varied
from snnrl.tasks.rotary_pendulum_draw import draw
from snnrl.tasks.rotary_pendulum_gym import ENV_ID, RotaryPendulumEnv, RotaryPendulumVectorEnv

FREE = RotaryPendulum(
    voltage=1e-12, arm_damping=0.0, pendulum_damping=0.0, motor_constant=1e-9, angle_limit=89.0
)
"""No friction, no push, no back-EMF worth speaking of."""
INFINITE_BOX = "ignore:.*Box observation space m.* value is -?infinity:UserWarning"
UNWRAPPED = "ignore:.*different from the unwrapped version:UserWarning"


def advance(task: RotaryPendulum, state: FloatArray, action: int, time_step: float = 0.02) -> FloatArray:
    kernel = task.kernel()
    p = kernel.parameters.copy()
    p[8] = time_step
    after = state.copy()
    kernel.step(after, action, p)
    return after


def energy(task: RotaryPendulum, state: FloatArray) -> float:
    """Kinetic and potential energy from the positions of the masses (not from the equations of motion).

    The pendulum's middle is at Lr e_r + (Lp/2) (-sin(alpha) e_t + cos(alpha) e_z); its rod turns about the
    tangential axis of the arm, and with the arm about the vertical.
    """
    _, theta_dot, alpha, alpha_dot = state
    m, half, reach = task.mass, task.length / 2, task.arm_length
    along = reach * theta_dot - half * math.cos(alpha) * alpha_dot  # tangential
    outward = half * math.sin(alpha) * theta_dot  # radial
    upward = -half * math.sin(alpha) * alpha_dot
    rod = m * task.length**2 / 12
    arm = task.arm_mass * reach**2 / 12
    # The ROTPEN equations leave out the rod's own turning about the vertical, rod sin(alpha)^2 theta'^2 / 2.
    kinetic = (
        0.5 * m * (along**2 + outward**2 + upward**2) + 0.5 * rod * alpha_dot**2 + 0.5 * arm * theta_dot**2
    )
    return kinetic + m * task.gravity * half * math.cos(alpha)


def linear_system(task: RotaryPendulum) -> tuple[FloatArray, FloatArray]:
    """State matrix and input (per volt) about upright, from the closed form with determinant Jt.

    Jt = Jp Mp Lr^2 + Jr Jp + Jr Mp Lp^2 / 4 (Quanser's ROTPEN workbook).
    """
    m, length, reach, g = task.mass, task.length, task.arm_length, task.gravity
    jp, jr = m * length**2 / 12, task.arm_mass * reach**2 / 12
    jt = jp * m * reach**2 + jr * jp + 0.25 * jr * m * length**2
    stall = task.efficiency * task.gear * task.motor_constant / task.resistance
    drag = task.arm_damping + stall * task.gear * task.motor_constant
    pendulum = jp + 0.25 * m * length**2
    base = jr + m * reach**2
    cross = 0.5 * m * length * reach
    fall = 0.5 * m * length * g
    a = np.zeros((4, 4))
    a[0, 1] = a[2, 3] = 1.0
    a[1, 1:] = [-pendulum * drag / jt, cross * fall / jt, -cross * task.pendulum_damping / jt]
    a[3, 1:] = [-cross * drag / jt, base * fall / jt, -base * task.pendulum_damping / jt]
    return a, np.array([0.0, pendulum * stall / jt, 0.0, cross * stall / jt])


@pytest.mark.parametrize(
    "task", [RotaryPendulum(voltage=0.1), varied(RotaryPendulum(voltage=0.2), 0.1, -0.05)]
)
@pytest.mark.parametrize("action", [0, 1])
def test_small_motions_follow_the_linearised_equations(task: RotaryPendulum, action: int) -> None:
    a, b = linear_system(task)
    # Exact solution over one step: exponential of the system with its constant input as a fifth state.
    whole = np.zeros((5, 5))
    whole[:4, :4], whole[:4, 4] = a, b * task.voltage * (1 if action == 1 else -1)
    state = np.array([0.3, 1e-4, 1e-4, 1e-4])
    for time_step, tolerance in ((0.02, 1e-2), (0.002, 1e-5)):
        change = advance(task, state, action, time_step) - state
        exact = expm(whole * time_step) @ np.append(state, 1.0)
        assert change == pytest.approx(exact[:4] - state, rel=tolerance)
        # RK4 of a linear system is the exponential series up to the fourth power.
        series = sum(np.linalg.matrix_power(whole * time_step, k) / math.factorial(k) for k in range(5))
        assert change == pytest.approx((series @ np.append(state, 1.0))[:4] - state, rel=1e-5)


def test_published_constants_of_the_linear_system() -> None:
    """Facts 1.2: 1 V is 0.1284 N m at stall and 50 rad/s^2 of the pendulum; without friction a pole near 11 1/s."""
    p = RotaryPendulum(voltage=1.0).kernel().parameters
    assert p[5] == pytest.approx(0.1284, abs=5e-5)
    assert p[6] == pytest.approx(0.069 + 0.0024, abs=5e-4)
    a, b = linear_system(RotaryPendulum())
    assert b[3] == pytest.approx(50.0, abs=0.5)
    assert math.sqrt(a[3, 2]) == pytest.approx(11.0, abs=0.1)
    assert a[1, 1] == pytest.approx(-28.8, abs=0.5)


@pytest.mark.parametrize("start", [(0.0, 1.0, 0.2, -0.5), (1.0, -2.0, -0.6, 1.0)])
def test_energy_is_conserved_without_friction_to_the_order_of_rk4(start: tuple[float, ...]) -> None:
    drift = []
    for time_step in (0.02, 0.01):
        state = np.array(start)
        before = energy(FREE, state)
        for _ in range(round(0.2 / time_step)):
            state = advance(FREE, state, 1, time_step)
        drift.append(abs(energy(FREE, state) - before))
        assert abs(state[3] - start[3]) > 0.3  # it did move
    assert drift[1] < 1e-5
    assert (
        3.5 < math.log2(drift[0] / drift[1]) < 6.5
    )  # energy errors of RK4 fall with the 4th power or faster


@pytest.mark.parametrize("action", [0, 1])
def test_energy_changes_by_motor_power_minus_friction(action: int) -> None:
    task = RotaryPendulum(arm_damping=0.01, pendulum_damping=0.004, voltage=1.7)
    stall = task.efficiency * task.gear * task.motor_constant / task.resistance
    state, small = np.array([0.1, 1.5, 0.15, -1.2]), 1e-5
    after = advance(task, state, action, small)
    volts = task.voltage if action == 1 else -task.voltage
    torque = stall * (volts - task.gear * task.motor_constant * state[1])
    power = torque * state[1] - task.arm_damping * state[1] ** 2 - task.pendulum_damping * state[3] ** 2
    assert (energy(task, after) - energy(task, state)) / small == pytest.approx(power, rel=1e-3)


def test_error_of_a_step_falls_with_the_fifth_power_of_its_length() -> None:
    task = RotaryPendulum(angle_limit=60.0)
    start = np.array([0.0, 1.0, 0.3, 1.0])
    errors = []
    for time_step in (0.04, 0.02):
        exact = start
        for _ in range(64):
            exact = advance(task, exact, 1, time_step / 64)
        errors.append(np.abs(advance(task, start, 1, time_step) - exact).max())
    assert 4.5 < math.log2(errors[0] / errors[1]) < 5.6


def test_mirrored_pushes_give_mirrored_motion_and_the_arm_angle_does_not_matter() -> None:
    task, state = RotaryPendulum(), np.array([0.4, -1.0, 0.1, 0.7])
    assert advance(task, -state, 0) == pytest.approx(-advance(task, state, 1), rel=1e-15)
    shifted = advance(task, state + np.array([2.0, 0, 0, 0]), 1) - advance(task, state, 1)
    assert shifted == pytest.approx([2.0, 0, 0, 0], abs=1e-12)
    assert advance(task, np.zeros(4), 1)[2] > 0  # alpha grows when the arm is driven counter-clockwise


def test_failure_is_at_the_limit_and_not_before() -> None:
    task = RotaryPendulum(arm_limit=90.0, start_angle=5.0)
    kernel = task.kernel()
    p = kernel.parameters.copy()
    p[8] = 0.0  # no time passes
    for index, limit in ((2, math.radians(10)), (0, math.radians(90))):
        for sign in (-1, 1):
            at, inside = np.zeros(4), np.zeros(4)
            at[index], inside[index] = sign * limit, sign * np.nextafter(limit, 0.0)
            assert kernel.step(at, 0, p)
            assert not kernel.step(inside, 0, p)
    assert not RotaryPendulum().kernel().step(np.array([50.0, 0, 0, 0]), 0, p) or p[10] < 50
    assert math.isinf(RotaryPendulum().kernel().parameters[10])
    assert kernel.reward(at, at, True, 1, 0.0, p) == -1.0
    assert kernel.reward(at, at, False, 1, 0.0, p) == 0.0


def test_starts_fill_the_upright_region() -> None:
    kernel = RotaryPendulum(start_angle=8.0).kernel()
    low, high = np.empty(4), np.empty(4)
    kernel.reset(low, np.zeros(4), kernel.parameters)
    kernel.reset(high, np.full(4, np.nextafter(1.0, 0.0)), kernel.parameters)
    edge = math.radians(8.0)
    assert low == pytest.approx([0, 0, -edge, 0])
    assert high == pytest.approx([0, 0, edge, 0])


def test_kernel_functions_can_be_copied_into_generated_kernels() -> None:
    kernel = RotaryPendulum().kernel()
    for function in (kernel.step, kernel.reset, kernel.observe, kernel.reward):
        assert source_of(function).startswith("def ")
    state, compiled = np.array([0.1, 1.0, 0.05, -0.4]), np.array([0.1, 1.0, 0.05, -0.4])
    kernel.step(state, 1, kernel.parameters)
    njit(kernel.step)(compiled, 1, kernel.parameters)
    assert compiled == pytest.approx(state, rel=1e-14)


def test_the_25_pendulums() -> None:
    tasks_ = pendulums(RotaryPendulum(voltage=1.1))
    assert len(set(tasks_)) == 25
    assert {round(t.mass / 0.127, 9) for t in tasks_} == {0.9, 0.95, 1.0, 1.05, 1.1}
    assert {round(t.length / 0.3365, 9) for t in tasks_} == {0.9, 0.95, 1.0, 1.05, 1.1}
    assert tasks_[12] == RotaryPendulum(voltage=1.1)
    assert all(t.voltage == 1.1 for t in tasks_)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mass", 0.0), ("length", -0.1), ("voltage", math.nan), ("angle_limit", 90.0), ("angle_limit", 0), ("steps", 0),
     ("start_angle", 10.5), ("efficiency", 1.2), ("arm_damping", -1e-3), ("arm_limit", 0.0), ("gravity", True),
     ("steps", 10.0), ("resistance", "2.6"), ("arm_mass", math.inf)],
)  # fmt: skip
def test_a_field_out_of_range_is_one_line(field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=rf"^RotaryPendulum\.{field}: got .*, allowed: .*$") as raised:
        RotaryPendulum(**{field: value})
    assert "\n" not in str(raised.value)


def test_registry_knows_the_task_and_its_fields() -> None:
    task = tasks.make("rotary-pendulum", voltage=1.2, arm_limit=120.0)
    assert task == RotaryPendulum(voltage=1.2, arm_limit=120.0)
    assert tasks.make(task.name, **task.parameters()) == task
    assert task.n_actions == 2
    assert task.observation_size == len(task.observation_scale) == len(task.observation_bounded) == 4
    with pytest.raises(UnknownNameError, match="did you mean 'voltage'"):
        tasks.make("rotary-pendulum", voltag=1.0)


# ---------------------------------------------------------------------- environments


@pytest.fixture
def env() -> Iterator[gymnasium.Env]:
    made = gymnasium.make(ENV_ID, max_episode_steps=300, voltage=1.3)
    yield made
    made.close()


@pytest.mark.filterwarnings(UNWRAPPED)
@pytest.mark.filterwarnings(INFINITE_BOX)
def test_gymnasium_finds_nothing_wrong(env: gymnasium.Env) -> None:
    check_env(env, skip_render_check=True)


def test_environment_runs_the_kernel(env: gymnasium.Env) -> None:
    kernel, rng = RotaryPendulum(voltage=1.3).kernel(), np.random.default_rng(2)
    failures = 0
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        state = env.unwrapped.state.copy()
        assert np.array_equal(observation, state.astype(np.float32))
        terminated = False
        while not terminated:
            action = int(rng.integers(2))
            failed = kernel.step(state, action, kernel.parameters)
            observation, reward, terminated, truncated, _ = env.step(action)
            assert np.array_equal(observation, state.astype(np.float32))
            assert (reward, terminated) == (-1.0 if failed else 0.0, failed)
            assert not truncated
        failures += 1
    assert failures == 5


def test_same_seed_same_trial_and_the_limit_truncates() -> None:
    task = RotaryPendulum(steps=3, start_angle=0.5)
    first, second = task.make(), task.make()
    for seed in (1, 2):
        a, _ = first.reset(seed=seed)
        b, _ = second.reset(seed=seed)
        assert np.array_equal(a, b)
    ends = [first.step(t % 2)[2:4] for t in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_vector_form_equals_single_environments() -> None:
    many = gymnasium.make_vec(ENV_ID, num_envs=4, vectorization_mode="vector_entry_point", voltage=1.1)
    assert isinstance(many.unwrapped, RotaryPendulumVectorEnv)
    single = [RotaryPendulumEnv(voltage=1.1) for _ in range(4)]
    seen, _ = many.reset(seed=5)
    assert np.array_equal(seen, [e.reset(seed=5 + i)[0] for i, e in enumerate(single)])
    rng, ended, restarts = np.random.default_rng(1), np.zeros(4, bool), 0
    for _ in range(60):
        actions = rng.integers(2, size=4)
        seen, rewards, terminated, truncated, _ = many.step(actions)
        for i, env in enumerate(single):
            if ended[i]:  # a trial that has ended starts anew, whatever the action
                expected = (env.reset()[0], 0.0, False)
                restarts += 1
            else:
                expected = env.step(int(actions[i]))[:3]
            assert np.array_equal(seen[i], expected[0])
            assert (rewards[i], terminated[i]) == expected[1:]
        assert not truncated.any()
        ended = terminated.copy()
    assert restarts > 4


def test_vector_form_truncates_at_its_limit() -> None:
    many = RotaryPendulumVectorEnv(2, max_episode_steps=2, start_angle=0.1)
    many.reset(seed=0)
    ends = [many.step(np.array([t % 2, (t + 1) % 2]))[3].tolist() for t in range(4)]
    assert ends == [[False, False], [True, True], [False, False], [False, False]]


def test_picture_moves_with_both_angles() -> None:
    base = draw(0.0, 0.0, 0.2159, 0.3365)
    assert base.shape == (400, 600, 3)
    assert base.dtype == np.uint8
    for other in (draw(0.5, 0.0, 0.2159, 0.3365), draw(0.0, 0.17, 0.2159, 0.3365)):
        assert 500 < int((other != base).any(axis=2).sum()) < 60_000
    # Seen from the front, a pendulum at alpha > 0 leans to the left of the upright one (against the arm's motion).
    brown = np.array([202, 152, 101])
    columns = [
        np.nonzero((draw(0.0, a, 0.2159, 0.3365)[:200] == brown).all(axis=2))[1].mean() for a in (0.0, 0.17)
    ]
    assert columns[1] < columns[0] - 5


def test_render_modes() -> None:
    env = RotaryPendulum().make(render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (400, 600, 3)
    env.close()
    plain = RotaryPendulumEnv()
    plain.reset(seed=0)
    assert plain.render() is None
    plain.close()


def test_window_without_pygame_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pygame", None)
    env = RotaryPendulumEnv(render_mode="human")
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match="classic-control"):
        env.reset(seed=0)


def test_fields_reach_the_environment() -> None:
    task = dataclasses.replace(RotaryPendulum(), mass=0.1, arm_limit=45.0, steps=7)
    env = task.make()
    assert env.unwrapped.task == task
    assert env.spec.max_episode_steps == 7
