"""Brian2's C++ standalone target: translated functions, a compiled closed loop, a compiled run on supplied spikes."""

from __future__ import annotations

import ctypes
import dataclasses
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnrl import tasks
from snnrl.coding import decoders, encoders
from snnrl.engines.brian2.abstract import to_abstract
from snnrl.engines.brian2.cpp import HELPERS, Argument, Array, to_cpp
from snnrl.engines.brian2.cpp_expressions import UntranslatableError
from snnrl.engines.brian2.standalone import StandaloneSession, simulate_standalone
from snnrl.engines.brian2.standalone_program import EXACT, standalone_device
from snnrl.engines.open_loop import Stimulus
from snnrl.engines.registry import simulate_on
from snnrl.engines.session import Stop
from snnrl.equations.lower import lower
from snnrl.errors import InvalidValueError, SimulationError, UnsupportedError
from snnrl.model import AgentModel, Pairs, Synapses
from snnrl.tasks import rewards

RELATIVE = 1e-9
FORCE = 25.0
"""A push (N) with which some episodes end by a fall within the step limit and others do not."""
Vector = Any

# ---------------------------------------------------------------------- functions translated to C++


def tricky(x: Vector, n: int, p: Vector) -> float:
    """Python where it differs from C++."""
    total, new = 0.0, 1
    first, second = x[0], x[1]
    first, second = second, first
    for k in range(n, -n, -2):
        k = k + 1  # does not disturb the loop
        if k % 3 == 0:
            continue
        total += k // 2 + (-k) % 3 + k / 2
        if total > 1e6:
            break
    while new < n and not total > p[-1]:
        new = new * 2
        total -= abs(new) + math.floor(first) + int(second)
    inside = -1.0 < first <= 1.0
    total += (first if inside else 2 * second) ** 2 - min(first, second, p[0]) + max(1, new)
    return total + len(p) + x.shape[0]


def bound(state: Vector, action: int, p: Vector) -> bool:
    """Branches within branches, a known loop, numbers that change, and a condition as a value."""
    speed, gain = state[0], state[1]
    share = p[0] / 3.0
    third = 1.0 / 3.0
    if action == 1:
        speed += share
        share = 0.25
    else:
        speed = min(speed, p[1])
        if speed < 0.0:
            state[0] = -speed
            speed = 0.5
        elif gain > 1.0:
            gain = third
    if state[0] > 0.0:  # both sides look at the state before
        state[0] = -state[0]
    else:
        state[2] = gain
    for k in range(3):
        state[k] = state[k] + speed * (k + 1) * share + third
        if k == 1:
            state[0] -= speed
    return state[0] > p[2] and not state[1] > 2.0 * p[2]


def compiled(folder: Path, texts: list[str]) -> ctypes.CDLL:
    """Compile functions with the flags of the programs."""
    head = "#include <cmath>\n#include <cstdint>\n#include <cstdlib>\n" + HELPERS
    source = folder / "functions.cpp"
    exported = [text.replace("static ", 'extern "C" ', 1) for text in texts]
    source.write_text("\n".join([head, *exported]))
    library = folder / "functions.so"
    subprocess.run(["g++", *EXACT, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


C_TYPES = {"double": ctypes.c_double, "int64_t": ctypes.c_int64, "bool": ctypes.c_bool, "void": None}


def call(function: Any, arguments: tuple[Argument, ...], result: str, *values: Any) -> Any:
    """Call a compiled function on numpy arrays and numbers."""
    function.restype = C_TYPES[result]
    passed = [v.ctypes.data_as(ctypes.c_void_p) if isinstance(a, Array) else C_TYPES[a](v)  # type: ignore[index]
              for a, v in zip(arguments, values, strict=True)]  # fmt: skip
    return function(*passed)


REWARD_NAMES = [name for name in rewards.names() if name != "environment"]
PENDULUM = [tasks.CartPole(), tasks.make("cartpole-medium"), tasks.make("rotary-pendulum")]
N_CELLS = 3
ENCODERS = [kind("place", "drive", (2.4, 1.5, 0.2), (True, False, True), 4.0, *more) for kind, more in (
    (encoders.SignedRate, ()), (encoders.GaussianPopulation, ((2, 3, 4),)), (encoders.PlaceCells, ((2, 3, 4),)),
    (encoders.FirstSpikeLatency, ((2, 3, 4),)))]  # fmt: skip
DECODERS = [decoders.spike_count_action, decoders.softmax_action, decoders.first_spike_action]
DECODER = (Array(3), Array(3, "int64_t"), "double", "double", Array(1))
TRICKY = (Array(2), "int64_t", Array(2))


def reward_types(reward: rewards.Reward) -> tuple[Argument, ...]:
    return (Array(4), Array(4), "bool", "int64_t", "double", Array(max(len(reward.p), 1)))


def encoder_types(encoder: encoders.Encoder) -> tuple[Argument, ...]:
    return (Array(3), Array(encoder.size), Array(encoder.scratch_size), Array(len(encoder.packed())))


def step_types(task: tasks.Task) -> tuple[Argument, ...]:
    return (Array(4), "int64_t", Array(len(task.kernel().parameters)))  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    made = [rewards.make(name) for name in REWARD_NAMES]
    texts = [
        to_cpp(r.function, f"reward_{k}", reward_types(r), "double", "reward") for k, r in enumerate(made)
    ]
    texts += [
        to_cpp(type(e).function, f"encode_{k}", encoder_types(e), "void", "encoder")
        for k, e in enumerate(ENCODERS)
    ]
    texts += [to_cpp(d, f"decode_{k}", DECODER, "int64_t", "decoder") for k, d in enumerate(DECODERS)]
    texts += [
        to_cpp(t.kernel().step, f"step_{k}", step_types(t), "bool", "task") for k, t in enumerate(PENDULUM)
    ]  # type: ignore[union-attr]
    texts.append(to_cpp(tricky, "tricky", TRICKY, "double", "test"))
    return compiled(tmp_path_factory.mktemp("functions"), texts)


number = st.floats(-3.0, 3.0, allow_nan=False)
states = st.lists(number, min_size=4, max_size=4).map(np.array)


@given(
    before=states, after=states, over=st.booleans(), step=st.integers(1, 500), record=st.floats(0.0, 500.0)
)
def test_rewards_in_cpp(library: ctypes.CDLL, before: Vector, after: Vector, over: bool, step: int, record: float) -> None:  # fmt: skip
    for k, name in enumerate(REWARD_NAMES):
        reward = rewards.make(name)
        p = np.append(reward.p, 0.0)
        found = call(
            getattr(library, f"reward_{k}"),
            reward_types(reward),
            "double",
            before,
            after,
            over,
            step,
            record,
            p,
        )
        assert found == reward(before, after, over, step, record), name


@given(state=states, action=st.integers(0, 1))
def test_physics_in_cpp(library: ctypes.CDLL, state: Vector, action: int) -> None:
    for k, task in enumerate(PENDULUM):
        kernel = task.kernel()
        assert kernel is not None
        mine, expected = state.copy(), state.copy()
        p = np.asarray(kernel.parameters, float)
        over = call(getattr(library, f"step_{k}"), step_types(task), "bool", mine, action, p)
        assert over == kernel.step(expected, action, p)
        assert mine.tolist() == expected.tolist()


@given(seen=st.lists(st.floats(-4, 4), min_size=3, max_size=3).map(np.array))
def test_encoders_in_cpp(library: ctypes.CDLL, seen: Vector) -> None:
    for k, encoder in enumerate(ENCODERS):
        code, scratch = np.zeros(encoder.size), np.zeros(encoder.scratch_size)
        call(
            getattr(library, f"encode_{k}"),
            encoder_types(encoder),
            "void",
            seen,
            code,
            scratch,
            encoder.packed(),
        )
        assert code.tolist() == encoder.encode(seen).tolist()


@given(counts=st.lists(st.integers(0, 4), min_size=3, max_size=3), first=st.lists(st.integers(-1, 4), min_size=3, max_size=3),
       chance=st.floats(0.0, 1.0, exclude_max=True))  # fmt: skip
def test_decoders_in_cpp(library: ctypes.CDLL, counts: list[int], first: list[int], chance: float) -> None:
    spikes, steps, p = np.array(counts, float), np.array(first, np.int64), np.array([0.7])
    for k, decoder in enumerate(DECODERS):
        found = call(getattr(library, f"decode_{k}"), DECODER, "int64_t", spikes, steps, chance, 20.0, p)
        assert found == decoder(spikes, steps, chance, 20.0, p)


@given(x=st.lists(number, min_size=2, max_size=2).map(np.array), n=st.integers(-3, 20), limit=number)
def test_python_semantics_in_cpp(library: ctypes.CDLL, x: Vector, n: int, limit: float) -> None:
    p = np.array([0.5, limit])
    assert call(library.tricky, TRICKY, "double", x, n, p) == tricky(x, n, p)


def summed(x: Vector, n: int, p: Vector) -> float:
    return sum(x)


def written(x: Vector, n: int, p: Vector) -> float:
    return float(f"{n}")


def unknown(x: Vector, n: int, p: Vector) -> float:
    return math.gamma(x[0])


def outside(x: Vector, n: int, p: Vector) -> float:
    return x[0] + RELATIVE


def beyond(x: Vector, n: int, p: Vector) -> float:
    return x[2]


def unindexed(x: Vector, n: int, p: Vector) -> float:
    return x[p[0]]


def either(x: Vector, n: int, p: Vector) -> float:
    return x[0] or x[1]


def listless(x: Vector, n: int, p: Vector) -> float:
    for v in x:
        n = n + v
    return n


@pytest.mark.parametrize(
    ("function", "quoted"),
    [(summed, "sum"), (written, "JoinedStr"), (unknown, "math.gamma"), (outside, "RELATIVE"), (beyond, "x[2]"),
     (unindexed, "p[0]"), (either, "x[0] or x[1]"), (listless, "for v in x")],
)  # fmt: skip
def test_what_has_no_translation_is_named(function: Callable[..., float], quoted: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        to_cpp(function, "f", TRICKY, "double", "reward 'mine'")
    assert caught.value.part == "reward 'mine'"
    assert quoted in caught.value.reason
    assert function.__name__ in caught.value.reason
    assert "cython" in caught.value.alternatives


# ---------------------------------------------------------------------- physics as abstract code


def run_abstract(code: str, values: dict[str, Vector], booleans: tuple[str, ...] = ()) -> dict[str, Vector]:
    """Run abstract code on a group of many neurons with Brian2's numpy target."""
    n = len(next(iter(values.values())))
    equations = [f"{name} : {'boolean' if name in booleans else '1'}" for name in values]
    group = brian2.NeuronGroup(n, "\n".join(equations))
    for name, array in values.items():
        setattr(group, name, array)
    runner = group.run_regularly(code)
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    try:
        brian2.Network(group, runner).run(brian2.defaultclock.dt, namespace={})
    finally:
        brian2.prefs.codegen.target = before
    return {name: np.array(getattr(group, name)[:]) for name in values}


def abstract_step(names: tuple[str, ...], step: Any, p: Vector, draw: Vector) -> None:
    """Compare a step function with its abstract code, run by Python and by Brian2, on many states, both actions."""
    code = to_abstract(step, {"state": names, "p": [float(v) for v in p]}, {"action": "action"}, "over")
    actions = np.arange(draw.shape[1]) % 2.0
    values = {
        **dict(zip(names, draw, strict=True)),
        "action": actions,
        "over": np.zeros(draw.shape[1], dtype=bool),
    }
    found = run_abstract(code, values, ("over",))
    for k in range(draw.shape[1]):
        state = draw[:, k].copy()
        assert found["over"][k] == step(state, int(actions[k]), p)
        np.testing.assert_allclose([found[name][k] for name in names], state, rtol=1e-13, atol=1e-13)
        same = {name: values[name][k] for name in values} | vars(math) | {"int": int, "abs": abs}
        exec(code, same)  # noqa: S102  abstract code is Python as well
        assert [same[name] for name in names] == state.tolist()
    assert set(found["over"]) == {True, False}


@pytest.mark.parametrize(
    "task", [tasks.CartPole(), tasks.make("rotary-pendulum")], ids=lambda task: task.name
)
def test_physics_as_equations(task: tasks.Task) -> None:
    kernel = task.kernel()
    assert kernel is not None
    scale = np.array(task.observation_scale)[:, None] * 1.3
    draw = np.random.default_rng(1).uniform(-scale, scale, (4, 100))
    abstract_step(task.state_names, kernel.step, np.asarray(kernel.parameters, float), draw)


def test_branches_as_masks() -> None:
    draw = np.random.default_rng(2).uniform(-2, 2, (3, 100))
    abstract_step(("a", "b", "c"), bound, np.array([0.5, 0.2, 0.3]), draw)


def early(state: Vector, action: int, p: Vector) -> bool:
    if action == 1:
        return True
    return state[0] > p[0]


def risky(state: Vector, action: int, p: Vector) -> bool:
    if state[0] > 0.0:
        state[1] = math.log(state[0])
    return False


def endless(state: Vector, action: int, p: Vector) -> bool:
    while state[0] < p[0]:
        state[0] += 1.0
    return False


@pytest.mark.parametrize(
    ("function", "quoted"), [(early, "return"), (risky, "math.log(state[0])"), (endless, "While")]
)
def test_physics_with_control_flow_are_no_equations(function: Any, quoted: str) -> None:
    with pytest.raises(UntranslatableError, match=re.escape(quoted)):
        to_abstract(function, {"state": ("a", "b"), "p": [1.0]}, {"action": "action"}, "over")


# ---------------------------------------------------------------------- compiled programs


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep compiled programs of this module out of the user's cache."""
    folder = tmp_path_factory.mktemp("standalone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNRL_CACHE", str(folder))
        yield folder


def programs(cache: Path) -> set[str]:
    return {path.name for path in cache.glob("snnrl_standalone_*")}


@pytest.fixture(scope="module")
def model(actor_critic: AgentModel) -> AgentModel:
    """Add to the small actor-critic what it lacks: a delay, weights that spikes change, random numbers of all kinds."""
    late = Synapses(
        "late", "place", "critic", "dapre/dt = -apre/tau : 1 (event-driven)\nw : 1",
        on_pre="I_post += 0.2*w + 0.3*apre\napre += 1\nw = clip(w + 0.02*randn(), 0, 1)", on_post="w = clip(w - 0.01*apre, 0, 1)",
        on_reward="w = clip(w + 0.05*td_error*apre + 0.01*randn(), 0, 1)", parameters={"tau": "20*ms"},
        initial={"w": "rand()", "apre": 0.4}, connectivity=Pairs([0, 1, 2, 5, 9, 9, 12], [0, 3, 1, 2, 0, 1, 3]), delay=12,
    )  # fmt: skip
    network = dataclasses.replace(actor_critic.network, synapses=(*actor_critic.network.synapses, late))
    return dataclasses.replace(actor_critic, network=network)


@pytest.fixture(scope="module")
def sessions(model: AgentModel, session_of: Any, cache: Path) -> Callable[..., tuple[StandaloneSession, Any]]:
    """Make a compiled session and a fast one of the same agents; all share one program."""

    def make(episodes: int = 8) -> tuple[StandaloneSession, Any]:
        fast = session_of(model, [3, 8], episodes, force=FORCE)
        return StandaloneSession(model, fast.task, fast.reward, fast.seeds, episodes), fast

    return make


def assert_same(session: StandaloneSession, fast: Any) -> None:
    """Compare the books exactly and what was learned to rounding."""
    for name in ("counters", "lengths", "spike_total"):
        np.testing.assert_array_equal(session.state[name], fast.state[name], err_msg=name)
    for name in ("rewards", "control"):
        np.testing.assert_allclose(
            session.state[name], fast.state[name], rtol=RELATIVE, atol=RELATIVE, err_msg=name
        )
    for name, weights in session.learned().items():
        expected = fast.variable(*name.split(".")).reshape(weights.shape)
        np.testing.assert_allclose(weights, expected, rtol=RELATIVE, atol=RELATIVE, err_msg=name)


def test_closed_loop_is_that_of_the_fast_engine(sessions: Any) -> None:
    session, fast = sessions()
    start = {name: weights.copy() for name, weights in session.learned().items()}
    for each in (session, fast):
        each.run(10**6, Stop(8))
    assert_same(session, fast)
    lengths = session.state["lengths"]
    assert lengths.max() == session.task.max_steps > lengths.min(), "one kind of end only"
    assert (lengths[0] != lengths[1]).any()
    assert (session.state["spike_total"] > 0).all()
    assert all(not np.array_equal(weights, start[name]) for name, weights in session.learned().items())
    assert session.finished.all()


def test_evaluation_and_recording(sessions: Any, cache: Path) -> None:
    session, fast = sessions()
    before = programs(cache)
    for each in (session, fast):
        each.run(10**6, Stop(4))
        each.begin_evaluation(3)
    learned = {name: weights.copy() for name, weights in session.learned().items()}
    for each in (session, fast):
        each.run(10**6, Stop(3), learning=False, exploration=0.3)
    assert_same(session, fast)
    assert all(np.array_equal(weights, learned[name]) for name, weights in session.learned().items())
    state = {name: array.copy() for name, array in session.state.items()}
    spikes, trace = session.record_episode(1, learning=False, exploration=0.3)
    expected_spikes, expected = fast.record_episode(1, False, 0.3)
    np.testing.assert_allclose(trace, expected, rtol=RELATIVE, atol=RELATIVE)
    for name, raster in expected_spikes.items():
        assert raster.any()
        np.testing.assert_array_equal(spikes[name], raster, err_msg=name)
    assert all(np.array_equal(array, state[name]) for name, array in session.state.items())
    assert programs(cache) == before, "compiled anew"


def test_interrupted_run_goes_on(sessions: Any, cache: Path) -> None:
    whole, _ = sessions()
    known = programs(cache)
    whole.run(10**6, Stop(6))
    parts, _ = sessions()
    parts.run(20, Stop(6))
    assert 0 < parts.episodes.min() <= parts.episodes.max() < 6
    saved = {name: array.copy() for name, array in parts.save().items()}
    again, _ = sessions()
    again.restore(saved)
    while not again.finished.all():
        again.run(15, Stop(6))
    for name, array in whole.state.items():
        np.testing.assert_array_equal(again.state[name], array, err_msg=name)
    fresh, _ = sessions()
    fresh.take_learned(whole.save())
    assert all(np.array_equal(w, whole.state[name]) for name, w in fresh.learned().items())
    assert programs(cache) == known, "sessions side by side are one program"


def test_stop_rule(sessions: Any) -> None:
    stop = Stop(8, window=2, threshold=1.0, consolidation=1)
    session, fast = sessions()
    for each in (session, fast):
        each.run(10**6, stop)
    assert session.solved_at.tolist() == [2, 2]
    assert session.episodes.tolist() == [3, 3]
    assert_same(session, fast)


def test_variables_after_a_run(sessions: Any, model: AgentModel) -> None:
    session, fast = sessions()
    np.testing.assert_array_equal(session.variable("late", "w"), fast.variable("late", "w").reshape(2, -1))
    assert (session.variable("late", "apre") == 0.4).all()
    session.run(10**6, Stop(1))
    assert session.variable("critic", "u").shape == (2, model.network.population("critic").size)
    assert len(np.unique(session.variable("late", "apre"))) > 2
    with pytest.raises(InvalidValueError, match=r"late\.nothing"):
        session.variable("late", "nothing")


def test_numbers_out_of_all_bounds_are_reported(sessions: Any) -> None:
    session, _ = sessions()
    session.state["place_critic.w"][:] = 1e301
    with pytest.raises(SimulationError, match="'critic' reached NaN or infinity"):
        session.run(10**6, Stop(2))


def test_world_is_a_group_of_equations(sessions: Any) -> None:
    session, _ = sessions()
    world = session.objects.world
    assert set(session.task.state_names) <= set(world.variables)
    code = {operation.name: operation.abstract_code for operation in world.contained_objects}
    assert "theta = old_theta + (0.02 * old_theta_dot)" in code["world_step"].splitlines()
    assert f"{FORCE}" in code["world_step"]


def test_brian2_is_left_as_it_was(sessions: Any) -> None:
    brian2.defaultclock.dt = 0.5 * brian2.ms
    preferences = str(brian2.prefs.as_file)
    try:
        sessions()
        assert str(brian2.prefs.as_file) == preferences
        assert type(brian2.get_device()).__name__ == "RuntimeDevice"
        assert float(brian2.defaultclock.dt) == 0.5e-3
        assert run_abstract("x = x + 1", {"x": np.zeros(2)})["x"].tolist() == [1.0, 1.0]
    finally:
        brian2.defaultclock.dt = 0.1 * brian2.ms


# ---------------------------------------------------------------------- supplied spikes


@pytest.fixture(scope="module")
def stimulus(actor_critic: AgentModel) -> Stimulus:
    """Give the place cells random spikes, and signals at random."""
    draw = np.random.default_rng(5)
    steps, size = 40, actor_critic.network.population("place").size
    return Stimulus(steps, {"place": draw.random((steps * 20, size)) < 0.06},
                    {"td_error": draw.normal(size=steps), "exploration": draw.random(steps)})  # fmt: skip


@pytest.mark.parametrize("learning", [True, False])
def test_supplied_spikes_as_in_the_reference(
    actor_critic: AgentModel, stimulus: Stimulus, learning: bool, cache: Path
) -> None:
    network = actor_critic.network
    lowered, given_to = (
        lower(network, actor_critic.env_step),
        dataclasses.replace(stimulus, learning=learning),
    )
    variables = [f"place_critic.{name}" for name in ("x", "tag")] + ["critic.u"]
    known = programs(cache)
    found = simulate_standalone(network, lowered, 4, given_to, variables)
    assert learning or programs(cache) == known, "another seed, or no learning, is no other program"
    expected = simulate_on("reference", network, lowered, 4, given_to, variables)
    for name, raster in expected.spikes.items():
        assert raster.any(), name
        different = np.argwhere(raster != found.spikes[name])
        assert different.size == 0, f"{name}: first different spike at (dt, neuron) {different[0]}"
    assert set(found.variables) == set(expected.variables)
    for name, values in expected.variables.items():
        np.testing.assert_allclose(found.variables[name], values, rtol=RELATIVE, atol=1e-12, err_msg=name)


def test_another_length_and_seed_need_no_compiler(
    actor_critic: AgentModel, stimulus: Stimulus, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, lowered = actor_critic.network, lower(actor_critic.network, actor_critic.env_step)
    simulate_standalone(network, lowered, 4, stimulus)
    from snnrl.engines.brian2 import standalone_program

    monkeypatch.setattr(standalone_program, "_compile", lambda folder: pytest.fail("compiled anew"))
    short = Stimulus(
        3, {"place": stimulus.inputs["place"][:60]}, {n: v[:3] for n, v in stimulus.signals.items()}
    )
    found = simulate_standalone(network, lowered, 9, short)
    expected = simulate_on("reference", network, lowered, 9, short)
    for name, raster in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], raster, err_msg=name)


# ---------------------------------------------------------------------- what is refused


def unusual(before: Vector, after: Vector, terminated: bool, step: int, record: float, p: Vector) -> float:
    return math.gamma(step)


@pytest.mark.usefixtures("cache")
def test_reward_without_translation(actor_critic: AgentModel) -> None:
    reward = dataclasses.replace(rewards.make("survival"), name="unusual", base=unusual)
    with pytest.raises(
        UnsupportedError, match=r"reward 'unusual': unusual\(\) cannot be translated to C\+\+.*math.gamma"
    ):
        StandaloneSession(actor_critic, tasks.CartPole(), reward, [0], 1)
    assert type(brian2.get_device()).__name__ == "RuntimeDevice"


@pytest.mark.usefixtures("cache")
def test_task_without_physics(actor_critic: AgentModel) -> None:
    class Opaque(tasks.CartPole):
        def kernel(self) -> None:  # type: ignore[override]
            return None

    with pytest.raises(UnsupportedError, match=r"task cartpole: its physics are not known.*numpy"):
        StandaloneSession(actor_critic, Opaque(), rewards.make("gaussian"), [0], 1)


@pytest.mark.usefixtures("cache")
def test_no_compiler(actor_critic: AgentModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UnsupportedError, match=r"no C\+\+ compiler: 'no-such-compiler'.*numpy") as caught:
        StandaloneSession(actor_critic, tasks.CartPole(), rewards.make("gaussian"), [0], 1)
    assert "brian2" in caught.value.engine


@pytest.mark.usefixtures("cache")
def test_compiler_that_fails(
    actor_critic: AgentModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'fatal error: no header' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(UnsupportedError, match="did not compile: fatal error: no header"):
        StandaloneSession(
            actor_critic, tasks.CartPole(), rewards.make("gaussian").bind(tasks.CartPole()), [0], 1
        )


@pytest.mark.usefixtures("cache")
def test_precision_that_brian2_lacks(actor_critic: AgentModel) -> None:
    with pytest.raises(InvalidValueError, match="float16"):
        StandaloneSession(actor_critic, tasks.CartPole(), rewards.make("gaussian"), [0], 1, dtype="float16")


def test_one_standalone_project_at_a_time() -> None:
    with (
        standalone_device(),
        pytest.raises(UnsupportedError, match="another standalone project"),
        standalone_device(),
    ):
        pass
    assert type(brian2.get_device()).__name__ == "RuntimeDevice"
