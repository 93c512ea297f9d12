"""The fast engine: what may not change a number, what must be noticed, and tasks whose physics stay in Python."""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium
import numpy as np
import pytest

from snnrl import random, tasks
from snnrl.coding import SignedRate, SpikeCountAction
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError, SimulationError, SnnrlError
from snnrl.model import AgentModel, Network, Neurons, RewardBaseline, Synapses
from snnrl.networks.populations import current_driven_cells
from snnrl.tasks import rewards

EPISODES = 4
"""Per agent; the task is truncated after 12 steps, so both kinds of episode end occur."""


def results(session: FastSession) -> dict[str, np.ndarray]:
    """Everything a session knows, without scratch space."""
    return {name: array.copy() for name, array in session.state.items()}


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name, array in a.items():
        np.testing.assert_array_equal(array, b[name], err_msg=name)


def trained(session: FastSession, budget: int = 10**6) -> FastSession:
    while not session.finished.all():
        session.run(budget, Stop(EPISODES))
    return session


@pytest.fixture(scope="module")
def alone(actor_critic: AgentModel, session_of: Any) -> dict[str, np.ndarray]:
    """Agent 3 by itself, one thread, no chunks."""
    session = trained(session_of(actor_critic, seeds=[3]))
    lengths = session.state["lengths"][0, :EPISODES]
    assert lengths.min() < 12 or lengths.max() == 12
    assert len(np.unique(session.variable("place_critic", "w"))) > 1
    return results(session)


# ---------------------------------------------------------------------- what may not change a number


@pytest.mark.parametrize(
    ("seeds", "threads", "budget"),
    [([3], 1, 7), (range(40), 1, 1000), (range(40), 2, 1000), (range(40), 2, 7), ([9, 3, 2], 2, 1)],
)
def test_threads_batch_and_chunks_change_no_number(
    seeds: Any, threads: int, budget: int, alone: Any, actor_critic: AgentModel, session_of: Any
) -> None:
    session = trained(session_of(actor_critic, seeds=seeds, threads=threads), budget)
    row = list(seeds).index(3)
    assert_same({name: array[row : row + 1] for name, array in results(session).items()}, alone)


def test_spikes_of_an_agent_do_not_depend_on_its_neighbours(
    actor_critic: AgentModel, session_of: Any, next_episode: Any
) -> None:
    one, many = (session_of(actor_critic, seeds=seeds) for seeds in ([8], [5, 8, 6]))
    for session in (one, many):
        session.run(9, Stop(EPISODES))
    for population, spikes in one.record_episode(0, True, 1.0)[0].items():
        np.testing.assert_array_equal(spikes, many.record_episode(1, True, 1.0)[0][population])


def test_different_seeds_differ(actor_critic: AgentModel, session_of: Any) -> None:
    session = trained(session_of(actor_critic, seeds=[1, 2]))
    weights = session.variable("place_critic", "w")
    assert not np.array_equal(weights[0], weights[1])


def test_recording_leaves_the_session_as_it_was(actor_critic: AgentModel, session_of: Any) -> None:
    session = session_of(actor_critic, seeds=[4, 5])
    session.run(17, Stop(EPISODES))
    before = results(session)
    spikes, trace = session.record_episode(1, False, 0.0)
    assert_same(results(session), before)
    assert spikes["place"].shape == (20 * len(trace), 16)
    assert spikes["place"].any()


def test_float32_runs_and_agrees_on_spike_counts(actor_critic: AgentModel, session_of: Any) -> None:
    """Stated agreement: in the first 10 environment steps at most 1 % of an agent's spikes more or fewer."""
    totals = {}
    for dtype in ("float64", "float32"):
        session = session_of(actor_critic, seeds=range(8), dtype=dtype)
        session.run(10, Stop(EPISODES))
        assert session.variable("place_critic", "w").dtype == dtype
        totals[dtype] = session.state["spike_total"].sum(axis=1)
    assert totals["float64"].min() > 300
    np.testing.assert_allclose(totals["float32"], totals["float64"], rtol=0.01)


def test_kernel_text_does_not_depend_on_numbers(actor_critic: AgentModel, session_of: Any) -> None:
    """Another learning rate, delay of the reward or seed compiles nothing."""
    signal = dataclasses.replace(actor_critic.signal, gamma=0.5)  # type: ignore[type-var]
    network = actor_critic.network
    changed = tuple(
        dataclasses.replace(s, parameters={**s.parameters, "gain": 0.123, "eta": 0.5})
        for s in network.synapses[:1]
    )
    other = dataclasses.replace(
        actor_critic,
        signal=signal,
        network=dataclasses.replace(network, synapses=changed + network.synapses[1:]),
    )
    first, second = session_of(actor_critic), session_of(other, seeds=[1, 2], limit=3)
    assert first.kernel.source == second.kernel.source
    assert first.module is second.module
    assert not np.array_equal(first.kernel.scalars, second.kernel.scalars)


def test_kernel_can_be_read(actor_critic: AgentModel, session_of: Any) -> None:
    source = session_of(actor_critic).kernel.source
    compile(source, "<kernel>", "exec")
    for text in (
        "# place: state update and threshold",
        "# place_critic: on_pre",
        "# critic: reset",
        "def run_agent(",
    ):
        assert text in source


# ---------------------------------------------------------------------- episodes


def test_stop_after_solving_and_consolidation(actor_critic: AgentModel, session_of: Any) -> None:
    """Solved when the mean of the last 3 episodes reaches 2 steps, at episode 3, then 2 episodes more."""
    session = session_of(actor_critic, seeds=[0, 1])
    session.run(10**6, Stop(8, window=3, threshold=2.0, consolidation=2))
    assert session.solved_at.tolist() == [3, 3]
    assert session.episodes.tolist() == [5, 5]
    assert session.finished.all()


def test_never_solved_is_minus_one(actor_critic: AgentModel, session_of: Any) -> None:
    session = session_of(actor_critic, seeds=[0])
    session.run(10**6, Stop(3, window=2, threshold=13.0))
    assert session.solved_at.tolist() == [-1]


def test_evaluation_keeps_weights_and_draws_its_own_numbers(
    actor_critic: AgentModel, session_of: Any
) -> None:
    session = trained(session_of(actor_critic, seeds=[0, 1]))
    learned = {name: array.copy() for name, array in session.learned().items()}
    lengths = session.state["lengths"].copy()
    streams = session.state["streams"].copy()
    session.begin_evaluation(EPISODES)
    assert session.episodes.tolist() == [0, 0]
    session.run(10**6, Stop(EPISODES), learning=False, exploration=0.0)
    assert_same({**session.learned()}, learned)
    assert not np.isin(session.state["streams"], streams).any()
    assert session.state["lengths"].shape == (2, EPISODES)
    assert not np.array_equal(session.state["lengths"], lengths[:, :EPISODES])


def test_checkpoint_of_the_state_in_mid_episode(
    actor_critic: AgentModel, session_of: Any, alone: Any
) -> None:
    session = session_of(actor_critic, seeds=[3])
    session.run(5, Stop(EPISODES))
    assert 0 < session.state["counters"][0, 3] < 12 or session.episodes[0] > 0
    resumed = session_of(actor_critic, seeds=[3])
    resumed.state = results(session)
    assert_same(results(trained(resumed)), alone)


# ---------------------------------------------------------------------- what must be noticed


@pytest.mark.usefixtures("interpreted")
def test_nan_is_reported_with_population_time_and_seed(gadget: Any, session_of: Any) -> None:
    diverges = Neurons(
        "runaway", 2, "du/dt = u*u/ms : 1", threshold="u > 1e30", method="euler", initial={"u": 1.0}
    )
    session = session_of(gadget([diverges]), seeds=[17])
    with (
        np.errstate(all="ignore"),
        pytest.raises(SimulationError, match=r"'runaway'.* at 0\.020 s \(seed 17\)"),
    ):
        session.run(10, Stop(2))


@pytest.mark.usefixtures("interpreted")
def test_silence_is_reported_with_population_and_seed(gadget: Any, session_of: Any) -> None:
    silent = Neurons("asleep", 2, "du/dt = -u/(10*ms) : 1", threshold="u > 1")
    session = session_of(gadget([silent]), seeds=[17], limit=6)
    session.run(4, Stop(3))
    session.check_silence(after=5)  # too early to judge
    with pytest.raises(SimulationError, match=r"'asleep' has been silent for 0\.1 s \(seed 17\)"):
        session.check_silence(after=4)


@pytest.mark.usefixtures("interpreted")
def test_a_population_that_spikes_or_cannot_is_not_silent(gadget: Any, session_of: Any) -> None:
    passive = Neurons("membrane", 2, "du/dt = -u/(10*ms) : 1")
    session = session_of(gadget([passive]), seeds=[17])
    session.run(10, Stop(3))
    session.check_silence(after=1)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_reward_that_is_not_finite_is_reported(value: float, gadget: Any, session_of: Any) -> None:
    def broken(before: Any, after: Any, terminated: bool, step: int, record: float, p: Any) -> float:
        return p[0] if step > 2 else 0.0

    task = tasks.CartPole()
    reward = dataclasses.replace(
        rewards.make("survival").bind(task), name="broken", base=broken, parameters={"a": value}
    )
    session = FastSession(gadget(), task, reward, [23], 3)
    with pytest.raises(SimulationError, match=r"reward 'broken' returned NaN or infinity \(seed 23\)"):
        session.run(10, Stop(2))


def test_a_task_with_other_actions_is_refused(actor_critic: AgentModel, session_of: Any) -> None:
    with pytest.raises(InvalidValueError, match="3 actions"):
        session_of(actor_critic, task=three_actions())


def three_actions() -> tasks.CartPole:
    return next(
        task
        for name in tasks.cartpole.DIFFICULTIES
        if (task := tasks.CartPole(difficulty=name)).n_actions == 3
    )


@pytest.mark.parametrize("variable", ["current", "m", "z"])
def test_an_encoder_must_write_a_variable_that_exists(variable: str, gadget: Any) -> None:
    """The model itself refuses, before any engine: a variable unknown, shared, or computed from others."""
    model = gadget(
        [Neurons("q", 8, "shared_drive : 1\nm : 1 (constant, shared)\nz = m + 1 : 1\ndu/dt = -u/(10*ms) : 1")]
    )
    for known in ("shared_drive", "u"):
        dataclasses.replace(model, encoder=dataclasses.replace(model.encoder, population="q", variable=known))
    lost = dataclasses.replace(model.encoder, population="q", variable=variable)
    with pytest.raises(SnnrlError, match=rf"'{variable}', allowed: shared_drive, u"):
        dataclasses.replace(model, encoder=lost)


@pytest.mark.usefixtures("interpreted")
def test_observation_and_encoder_must_fit(gadget: Any, session_of: Any) -> None:
    """An encoder of five variables reads beyond an observation of four."""
    model = gadget()
    wide = dataclasses.replace(model.encoder, scale=(1.0,) * 5, bounded=(True,) * 5)
    place = dataclasses.replace(model.network.neurons[0], size=10)
    network = dataclasses.replace(model.network, neurons=(place, *model.network.neurons[1:]))
    with pytest.raises(SnnrlError, match=r"5.*4|4.*5"):
        session_of(dataclasses.replace(model, network=network, encoder=wide))


def test_unknown_variable_is_refused(actor_critic: AgentModel, session_of: Any) -> None:
    with pytest.raises(InvalidValueError, match=r"place_critic\.nothing"):
        session_of(actor_critic).variable("place_critic", "nothing")


# ---------------------------------------------------------------------- populations the built-in networks do not use

LEAKY = {"threshold": "u > 1", "reset": "u = 0", "method": "exact"}
POPULATIONS: dict[str, tuple[Neurons, ...]] = {
    "array parameter and subexpression": (
        Neurons("q", 3, "b : 1 (constant)\nz = b + 0.5 : 1\ndu/dt = (z - u)/(10*ms) : 1",
                **{**LEAKY, "reset": "u = 0.1*rand()"}, parameters={"b": [0.6, 0.8, 1.5]}, on_step="u += 0.1*randn()"),),
    "two noises and a random threshold": (
        Neurons("q", 3, "du/dt = (1.5 - u)/(10*ms) + 0.3*xi_1/(10*ms)**0.5 + 0.1*xi_2/ms**0.5 : 1", "u > 1 + 0.1*rand()",
                "u = 0.2*rand()", "3*ms"),),
    "multiplicative noise": (
        Neurons("q", 3, "du/dt = (1.5 - u)/(10*ms) + 0.3*u*xi/(10*ms)**0.5 : 1", "u > 1", "u = 0", method="heun",
                initial={"u": 0.5}),),
    "rk4": (Neurons("q", 3, "du/dt = (1.5 - u*u)/(10*ms) : 1\nds/dt = (u - s)/(5*ms) : 1", **{**LEAKY, "method": "rk4"}),),
    "exponential euler": (
        Neurons("q", 3, "du/dt = (1.5 - u*s)/(10*ms) : 1\nds/dt = (u - s)/(5*ms) : 1",
                **{**LEAKY, "method": "exponential_euler"}, initial={"s": 0.5}),),
    "shared variable that is drawn": (
        Neurons("q", 3, "m : 1 (shared)\ndu/dt = (m - u)/(10*ms) : 1", **LEAKY, on_step="m = 1.5 + 0.2*randn()"),),
    "shared variable with a random start": (
        Neurons("q", 3, "m : 1 (shared)\ndu/dt = (m - u)/(10*ms) : 1", **LEAKY, initial={"m": "1.2 + rand()"}),),
    "shared differential equation": (
        Neurons("q", 3, "dm/dt = (2 - m)/(30*ms) : 1 (shared)\ndu/dt = (m - u)/(10*ms) : 1", **{**LEAKY, "method": "euler"}),),
    "local name at the start of a step": (
        Neurons("q", 3, "du/dt = (1.5 - u)/(10*ms) : 1", **LEAKY, on_step="a = 0.5*u\nu = a"),),
    "names that meet when joined": (
        Neurons("q", 3, "du/dt = (1.5 - u)/r_tau : 1", **{**LEAKY, "method": "euler"}, parameters={"r_tau": "30*ms"}),
        Neurons("q_r", 3, "du/dt = (1.5 - u)/tau : 1", **{**LEAKY, "method": "euler"}, parameters={"tau": "10*ms"})),
    "names the kernel uses itself": tuple(
        Neurons(name, 3, "x : 1\np : 1\nstep : 1\ndu/dt = (1.5 - u)/(10*ms) : 1", **{**LEAKY, "reset": "u = 0\nx += 1"})
        for name in ("pre", "post", "v", "h", "s", "t", "task", "shared")),
}  # fmt: skip


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", POPULATIONS)
def test_populations_agree_with_the_reference(
    name: str, gadget: Any, session_of: Any, assert_agreement: Any
) -> None:
    assert_agreement(session_of(gadget(POPULATIONS[name]), seeds=[5], limit=4), 2)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", ["s", "h", "pre", "post"])
def test_synapses_may_have_any_name(name: str, gadget: Any, session_of: Any, assert_agreement: Any) -> None:
    synapses = Synapses(name, "place", "action_0", "dx/dt = -x/(10*ms) : 1 (event-driven)\nw : 1",
                        on_pre="I_post += w\nx += 1", on_reward="w += 0.1*reward*x")  # fmt: skip
    assert_agreement(session_of(gadget((), [synapses]), seeds=[5], limit=4), 2)


@pytest.mark.usefixtures("interpreted")
def test_without_a_threshold_nothing_is_refractory(gadget: Any, session_of: Any) -> None:
    passive = Neurons("q", 3, "u : 1 (unless refractory)", refractory="2*ms")
    counts = Synapses("counts", "place", "q", on_pre="u_post += 1", weights=())
    session = session_of(gadget([passive], [counts]), seeds=[5])
    session.run(1, Stop(2))
    spikes = session.state["spike_total"][0, 0]
    assert spikes > 0
    assert session.variable("q", "u").tolist() == [[spikes] * 3]


@pytest.mark.usefixtures("interpreted")
def test_i_in_an_initial_value_is_the_source_neuron(gadget: Any, session_of: Any) -> None:
    """As in Brian2, where ``i`` is the index of the presynaptic neuron."""
    synapses = Synapses("extra", "place", "action_0", "w : 1", initial={"w": "i"})
    weights = session_of(gadget((), [synapses]), seeds=[5]).variable("extra", "w")[0]
    np.testing.assert_array_equal(weights, np.repeat(np.arange(8.0), 3).reshape(8, 3))


# ---------------------------------------------------------------------- delays and writes, counted by hand


def relay(delay: int, **fields: Any) -> AgentModel:
    """One clock cell that spikes at 5 ms, one synapse, one relay that spikes as soon as it is told to."""
    task = tasks.CartPole()
    clock = Neurons("clock", 1, "dc/dt = 1/ms : 1", threshold="c > 5.5", reset="c = -1000", method="exact")
    told = [Neurons(f"relay_{k}", 1, "u : 1", threshold="u > 0.5", reset="u = 0") for k in range(2)]
    synapse = Synapses("tell", "clock", "relay_0", on_pre="u_post += 1", weights=(), delay=delay)
    return AgentModel(
        Network((current_driven_cells("place", 8), clock, *told), (synapse,)),
        SignedRate("place", "drive", task.observation_scale, task.observation_bounded),
        SpikeCountAction(("relay_0", "relay_1")), None, RewardBaseline(),
    )  # fmt: skip


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("delay", [0, 1, 4, 30])
def test_a_spike_acts_in_the_step_after_its_delay(delay: int, session_of: Any) -> None:
    """``c`` passes 5.5 in the sixth dt, index 5; the relay follows ``1 + delay`` steps later."""
    spikes, _ = session_of(relay(delay)).record_episode(0, True, 1.0)
    assert np.flatnonzero(spikes["clock"][:, 0]).tolist() == [5]
    assert np.flatnonzero(spikes["relay_0"][:, 0]).tolist() == [5 + 1 + delay]


@pytest.mark.usefixtures("interpreted")
def test_writes_of_a_memristive_pair_counted_by_hand(gadget: Any, session_of: Any) -> None:
    """Two synapses of which one is asked for a change: twice up, once down, then it is left alone.

    Every request moves one device of the pair up and the other down, so each is written three times; the
    synapse that asks for nothing is never written.
    """
    from snnrl.plasticity import MemristivePair, devices
    from snnrl.plasticity.rules import RuleText

    @dataclasses.dataclass(frozen=True)
    class Asks:
        def text(self) -> RuleText:
            requests = "0.05*wanted*(int(seen < 1.5) - int(seen > 1.5)*int(seen < 2.5))"
            return RuleText("seen : 1\nwanted : 1 (constant)", "", "", change=requests, after="seen += 1", pre_trace="seen",
                            signal="reward", parameters={"wanted": np.array([[1.0], [0.0]])})  # type: ignore[dict-item]  # fmt: skip

    from snnrl.plasticity import plastic_synapses

    two = [Neurons("two", 2, "u : 1"), Neurons("one", 1, "u : 1")]
    storage = MemristivePair(devices.make("vteam", spread=0.0), trim_std=0.0)
    pair = plastic_synapses("pair", "two", "one", Asks(), storage, "u_post += w")
    session = session_of(gadget(two, [pair]), seeds=[1], limit=9)
    session.run(6, Stop(1))
    assert session.variable("pair", "writes_plus")[0].ravel().tolist() == [3.0, 0.0]
    assert session.variable("pair", "writes_minus")[0].ravel().tolist() == [3.0, 0.0]
    assert session.writes_per_device().tolist() == [1.5]
    assert session.variable("pair", "w")[0, 1, 0] == 0.0
    assert 0.0 < session.variable("pair", "w")[0, 0, 0] < 0.1


# ---------------------------------------------------------------------- physics outside the kernel


class Mirror(gymnasium.Env[np.ndarray, int]):
    """Gymnasium's interface on the compiled task's own functions, reset from the same numbers."""

    def __init__(self, task: tasks.CartPole, seed: int) -> None:
        self.physics, self.seed, self.episode = task.kernel(), seed, -1
        self.state = np.zeros(4)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Start as the compiled task does."""
        self.episode += 1
        uniforms = random.uniform(self.seed, random.stream_id("task/reset"), self.episode, 4)
        self.physics.reset(self.state, uniforms, self.physics.parameters)
        return self.state.copy(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one step of the physics."""
        done = bool(self.physics.step(self.state, action, self.physics.parameters))
        return self.state.copy(), 0.0, done, False, {}


@pytest.fixture(scope="module")
def outside_task(short_cartpole: Any) -> Any:
    class Outside(short_cartpole):  # type: ignore[misc]
        """The cart-pole as a task that has no compiled physics."""

        def kernel(self) -> None:
            return None

        def make(self, render_mode: str | None = None) -> gymnasium.Env[Any, Any]:
            return Mirror(tasks.CartPole(), 3)

    return Outside(limit=12)


def test_outside_and_inside_give_the_same_numbers(
    actor_critic: AgentModel, session_of: Any, outside_task: Any, alone: Any
) -> None:
    session = session_of(actor_critic, seeds=[3], task=outside_task)
    assert not session.compiled
    session.run(10**6, Stop(EPISODES))
    found = results(session)
    assert_same(
        {n: a for n, a in found.items() if n != "streams"}, {n: alone[n] for n in found if n != "streams"}
    )


def outside(
    env_id: str, session_of: Any, actor_critic: AgentModel, seeds: Any = (0, 1), threads: int = 1
) -> FastSession:
    task = tasks.GymTask(env_id, steps=20)
    from snnrl import networks

    model = (
        actor_critic
        if env_id.startswith("CartPole")
        else networks.ActorCritic(cells_per_variable=2).build(task)
    )
    return session_of(model, seeds=seeds, task=task, reward="environment", threads=threads)  # type: ignore[no-any-return]


def test_gymnasium_cartpole_learns_from_outside(session_of: Any, actor_critic: AgentModel) -> None:
    session = outside("CartPole-v1", session_of, actor_critic)
    session.run(10**6, Stop(EPISODES))
    lengths = session.state["lengths"][:, :EPISODES]
    assert session.finished.all()
    assert lengths.min() >= 5  # no cart-pole falls faster
    assert lengths.max() <= 20
    np.testing.assert_array_equal(session.state["rewards"][:, :EPISODES], lengths)
    weights = session.variable("place_critic", "w")
    assert np.abs(weights).max() > 0.01
    assert np.abs(weights).max() <= 6.0
    assert not np.array_equal(weights[0], weights[1])


def test_gymnasium_task_goes_on_where_it_was_left(session_of: Any, actor_critic: AgentModel) -> None:
    """Agents are left between episodes; the rest is the same with one thread or two, in one go or resumed."""
    whole = outside("CartPole-v1", session_of, actor_critic)
    whole.run(10**6, Stop(EPISODES))
    part = outside("CartPole-v1", session_of, actor_critic, threads=2)
    part.run(15, Stop(EPISODES))
    assert (part.episodes > 0).all()
    assert not part.finished.any()
    resumed = outside("CartPole-v1", session_of, actor_critic)
    resumed.state = results(part)
    resumed.run(10**6, Stop(EPISODES))
    assert_same(results(resumed), results(whole))


@pytest.mark.usefixtures("interpreted")
def test_other_gymnasium_environments_run(session_of: Any, actor_critic: AgentModel) -> None:
    session = outside("Acrobot-v1", session_of, actor_critic, seeds=[0])
    session.run(10**6, Stop(1))
    assert session.state["lengths"][0, 0] == 20
    assert session.state["rewards"][0, 0] == -20.0
    spikes, trace = session.record_episode(0, True, 1.0)
    assert trace.shape == (20, 4 + 6)
    assert {name for name, raster in spikes.items() if raster.any()} == set(spikes)
    assert set(trace[:, 2]) <= {0.0, 1.0, 2.0}
