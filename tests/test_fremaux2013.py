"""The model of Frémaux et al. 2013: exact identities, its rule, its actor, its tasks, and the study as a command."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from numpy.typing import NDArray

import snnrl
from snnrl import networks, tasks
from snnrl.cli import main
from snnrl.coding import PopulationValue
from snnrl.engines import world
from snnrl.engines.fast import simulator
from snnrl.engines.registry import make_session
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.model import Network, Neurons, Synapses, TDError, from_json, to_json
from snnrl.networks.fremaux import RETRIEVED, SRM0ActorCritic, for_task
from snnrl.networks.srm0 import SRM0, Ring, action_edges, kernel, motor_cells
from snnrl.plasticity import IdealWeights, devices, plastic_synapses
from snnrl.plasticity.fremaux import KernelTDLTP
from snnrl.studies import fremaux2013, paper
from snnrl.studies.fremaux2013 import figures, report, values
from snnrl.studies.fremaux2013.identities import closed_eligibility, spike_trains
from snnrl.tasks import LinearTrack, rewards
from snnrl.tasks.linear_track_gym import ENV_ID

DT = 0.001
TINY: dict[str, Any] = {"cells": (2,), "critic_size": 4, "actor_size": 5}

# ---------------------------------------------------------------------- identities


IDENTITIES = fremaux2013.Settings(parts=("identities",))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[paper.Outcome, Path]:
    """Check the identities once, as a study in a folder."""
    folder = tmp_path_factory.mktemp("study")
    return fremaux2013.reproduce(IDENTITIES, folder), folder


@pytest.fixture
def found(study: tuple[paper.Outcome, Path]) -> list[fremaux2013.Identity]:
    return [fremaux2013.Identity(**identity) for identity in study[0].extra["identities"]]


def test_every_identity_holds_to_a_millionth(found: list[fremaux2013.Identity]) -> None:
    assert len(found) == 15
    assert {i.name: i.deviation for i in found if not i.deviation < 1e-6} == {}


def test_identities_have_the_numbers_of_the_facts(found: list[fremaux2013.Identity]) -> None:
    numbers = {i.name: i.simulated for i in found}
    assert float(numbers["value kernel, integral"]) == pytest.approx(1.0, abs=2e-7)
    assert numbers["value kernel, time of the peak"].startswith("92.419")
    assert numbers["potential, time of the peak"].startswith("9.2419")
    assert numbers["potential, integral"] == "20 mV ms"
    assert next(n for name, n in numbers.items() if name.startswith("value of")) == "0, 80, 160"


# ---------------------------------------------------------------------- the neuron


@pytest.fixture
def as_python(interpreted_module: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the kernels of `snnrl.simulate` as Python: for small networks, each in no time."""
    monkeypatch.setattr(simulator, "load_module", interpreted_module)
    with np.errstate(over="ignore"):  # the counter-based numbers wrap around on purpose
        yield


def network_of(neuron: Neurons, weight: float, cells: int) -> Network:
    jump = SRM0().jump
    given = Synapses("input", "cells", neuron.name, on_pre="I_post += jump*w0", weights=(),
                     parameters={"jump": jump, "w0": weight})  # fmt: skip
    return Network((Neurons("cells", cells), neuron), (given,))


@pytest.mark.usefixtures("as_python")
def test_a_neuron_feels_only_input_since_its_last_spike() -> None:
    constants = SRM0()
    spikes = spike_trains(300, 20, 150.0, DT, 3)
    done = snnrl.simulate(network_of(constants.neurons("neuron", 30), 0.5, 20), "300*ms", inputs={"cells": spikes},
                          variables=("neuron.u",))  # fmt: skip
    ends = [np.flatnonzero(train) for train in done.spikes["neuron"].T]
    assert sum(len(train) for train in ends) > 30
    for u, train in zip(done.variables["neuron.u"], ends, strict=True):
        last = train[-1] if train.size else -1
        ages = DT * (299 - np.nonzero(spikes[last + 1 :])[0] - last - 1)
        expected = 0.5 * constants.epsilon_0 * kernel(ages, constants.tau_m, constants.tau_s).sum()
        if train.size:
            expected += constants.chi * math.exp(-DT * (299 - last) / constants.tau_m)
        assert u == pytest.approx(expected, abs=1e-12)


@pytest.mark.usefixtures("as_python")
def test_escape_noise_has_its_rate() -> None:
    cells = dataclasses.replace(SRM0(), theta=1.0, chi=-500.0).neurons("neuron", 5_000)
    count = snnrl.simulate(Network((cells,)), "10*ms", seed=5).spikes["neuron"].sum(axis=0)
    rate = 60.0 * math.exp(-1.0 / 2.0)
    fired = 1.0 - math.exp(-rate * 10 * DT)  # the after-potential keeps every neuron from a second spike
    assert count.max() == 1
    assert abs(count.mean() - fired) < 5 * math.sqrt(fired * (1 - fired) / 5_000)


# ---------------------------------------------------------------------- the rule


def dense_weights(
    w: NDArray[np.float64],
    pre: NDArray[np.bool_],
    post: NDArray[np.bool_],
    errors: NDArray[np.float64],
    eta: float,
    step: int,
) -> NDArray[np.float64]:
    """Run the rule without any trace: the eligibility from all pairs of spikes, once per environment step."""
    for k, error in enumerate(errors, start=1):
        w = np.clip(
            w + eta * error * closed_eligibility(pre[: k * step], post[: k * step], DT, KERNELS), 0.0, 3.0
        )
    return w


KERNELS = SRM0ActorCritic()


@pytest.mark.usefixtures("as_python")
def test_the_rule_agrees_with_a_dense_loop() -> None:
    eta, step, steps = 0.02, 20, 30
    pre, post = spike_trains(step * steps, 6, 80.0, DT, 4), spike_trains(step * steps, 4, 40.0, DT, 5)
    errors = np.random.default_rng(6).normal(-0.2, 0.3, steps)
    w = np.random.default_rng(7).uniform(0.0, 0.6, (6, 4))
    synapses = plastic_synapses(
        "s", "pre", "post", KERNELS.rule(eta), IdealWeights(0.0, 3.0), "I_post += w", initial={"w": w}
    )
    network = Network((Neurons("pre", 6), Neurons("post", 4, "I : 1")), (synapses,))
    done = snnrl.simulate(network, f"{step * steps}*ms", inputs={"pre": pre, "post": post}, env_step=f"{step}*ms",
                          signals={"td_error": errors})  # fmt: skip
    expected = dense_weights(w, pre, post, errors, eta, step)
    np.testing.assert_allclose(done.variables["s.w"], expected, rtol=0, atol=1e-12)
    assert np.any(expected == 0.0)
    assert np.abs(expected - w).max() > 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KernelTDLTP(tau_m=0.005), "KernelTDLTP.tau_m: got 0.005, allowed: above tau_s"),
        (lambda: KernelTDLTP(nu_kappa=0.2), "KernelTDLTP.tau_kappa: got 0.2, allowed: above nu_kappa"),
        (lambda: KernelTDLTP(signal="dopamine"), "KernelTDLTP.signal"),
        (lambda: SRM0(tau_s=0.02), "SRM0.tau_m"),
        (lambda: Ring(size=2), "Ring.size"),
        (lambda: SRM0ActorCritic(actor_weight=4.0), "SRM0ActorCritic.actor_weight: got 4.0, allowed: 0 to 3"),
        (lambda: SRM0ActorCritic(nu_gamma=0.5), "SRM0ActorCritic.tau_gamma"),
        (lambda: SRM0ActorCritic(cells=(9,)).build(tasks.CartPole()), "SRM0ActorCritic.cells"),
        (lambda: SRM0ActorCritic(tau_r=0.05).build(LinearTrack()), "SRM0ActorCritic.tau_r: got 0.05, allowed: above 0.1 s"),
        (lambda: SRM0ActorCritic().build(LinearTrack(), devices.make("vteam")), "got 'memristive', allowed: ideal"),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidValueError) as error:
        make()
    assert message in str(error.value)


# ---------------------------------------------------------------------- the actor


def test_weights_of_the_ring() -> None:
    ring = Ring(12, -24.0, 6.0, 1.5)
    w = ring.weights()
    assert np.all(np.diag(w) == 0.0)
    np.testing.assert_allclose(w, w.T)
    np.testing.assert_allclose(w.sum(axis=0), -24.0 * 11 / 12 + 6.0)
    near, far = math.exp(-((1 / 1.5) ** 2)), math.exp(-((6 / 1.5) ** 2))
    assert (w[0, 1] + 2.0) / (w[0, 6] + 2.0) == pytest.approx(near / far)
    assert w[0, 11] == pytest.approx(w[0, 1])  # it closes
    assert ring.directions()[0] == pytest.approx(math.cos(math.pi / 12))


@pytest.mark.usefixtures("as_python")
@pytest.mark.parametrize(("actions", "threshold"), [(2, 0.3), (3, 0.3), (4, 0.3)])
def test_motor_cells_read_the_population_vector(actions: int, threshold: float) -> None:
    """Action by action against the sum over all spikes of the definition."""
    size, step, steps, slow, fast = 6, 20, 40, 0.05, 0.02
    directions, edges = Ring(size).directions(), action_edges(actions, threshold)
    actor = Neurons("actor", size, "direction : 1 (constant)", parameters={"direction": directions})
    told = Synapses(
        "vector", "actor", "motor", on_pre="total_in_post += 1\nvector_in_post += direction_pre", weights=()
    )
    network = Network((actor, motor_cells("motor", edges, 0.02, DT, slow, fast)), (told,))
    spikes = spike_trains(step * steps, size, 8.0, DT, 8)
    spikes[: 2 * step] = False
    done = snnrl.simulate(network, f"{step * steps}*ms", inputs={"actor": spikes}, env_step=f"{step}*ms")
    seen = set()
    for k in range(steps):
        window = done.spikes["motor"][k * step : (k + 1) * step]
        assert not window[:-1].any()
        last = (k + 1) * step - 1
        when, who = np.nonzero(spikes[:last])
        weights = kernel(DT * (last - when), slow, fast)
        if not weights.sum() > 0.0:
            assert not window.any()
            continue
        vector = (weights * directions[who]).sum() / weights.sum()
        expected = int(np.searchsorted(edges, vector, side="right")) - 1
        assert np.flatnonzero(window[-1]).tolist() == [expected]
        seen.add(expected)
    assert len(seen) >= min(actions, 3)


def test_edges_of_actions() -> None:
    assert action_edges(2, 0.3) == (-2.0, 0.0, 2.0)
    assert action_edges(3, 0.3) == (-2.0, -0.3, 0.3, 2.0)
    assert action_edges(4, 0.3) == (-2.0, -0.5, 0.0, 0.5, 2.0)


# ---------------------------------------------------------------------- the network


def test_the_agent_of_a_task() -> None:
    task = LinearTrack()
    network = for_task(task)
    model = network.build(task)
    assert [n.name for n in model.network.neurons] == ["place", "critic", "actor", "motor"]
    assert model.signal == TDError(1.0 - 0.1 / network.tau_r)
    assert model.value == PopulationValue("critic", network.zero_rate, network.value_scale, variable="rate")
    assert from_json(to_json(model)) == model
    assert RETRIEVED["cartpole"].build(tasks.CartPole()).encoder.size == 5 * 7 * 7 * 7
    made = networks.make("srm0-actor-critic", critic_size=7)
    assert made.build(task).network.population("critic").size == 7
    assert made.build(task).encoder == model.encoder
    with pytest.raises(InvalidValueError, match=r"plasticity: got 'r-stdp', allowed: td-ltp"):
        networks.make("srm0-actor-critic", "r-stdp")


def test_a_value_can_be_read_from_a_variable_only() -> None:
    model = SRM0ActorCritic(**TINY).build(tasks.CartPole())
    with pytest.raises(UnknownNameError, match=r"value\.variable: got 'rats'"):
        dataclasses.replace(model, value=PopulationValue("critic", variable="rats"))


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("learning", [True, False])
def test_same_spikes_values_and_weights_as_the_reference(
    learning: bool, session_of: Any, assert_agreement: Any
) -> None:
    network = SRM0ActorCritic(
        **TINY, critic_eta=0.05, actor_eta=0.05, actor_weight=0.9, w_minus=-10.0, start_rate=20.0
    )
    session = session_of(network.build(tasks.CartPole()), seeds=[3], limit=10, force=60.0, reward="survival")
    assert_agreement(session, 2, learning, most=8)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("engine", ["torch", "brian2"])
def test_other_engines_read_the_same_value(
    engine: str, short_cartpole: Any, interpreted_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "load_module", interpreted_module)
    task = short_cartpole(limit=5)
    reward = rewards.make("survival").bind(task)
    model = SRM0ActorCritic(**TINY, critic_weight=2.5, start_rate=0.0).build(task)
    model = dataclasses.replace(model, value=dataclasses.replace(model.value, population="critic[1:3]"))
    traces = [
        make_session(name, model, task, reward, [2], 2, "float64").trace_episodes(1)[0]
        for name in ("fast", engine)
    ]
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-9, atol=1e-9)
    assert np.any(np.diff(traces[0][:, 0]) > 0.0)  # the critic spiked


# ---------------------------------------------------------------------- the track


def test_the_track_in_gymnasium_is_that_of_the_kernel() -> None:
    task = LinearTrack(length=1.0, speed=1.0)
    env, p = task.make(), task.kernel()
    check_env(env.unwrapped, skip_render_check=True)
    seen, _ = env.reset(seed=3)
    state = np.array([float(env.unwrapped.state[0])])
    assert -0.5 <= state[0] <= 0.0
    rng = np.random.default_rng(0)
    for _ in range(300):
        action = int(rng.integers(2))
        seen, gain, arrived, truncated, _ = env.step(action)
        assert arrived == bool(p.step(state, action, p.parameters))
        assert seen[0] == np.float32(state[0])
        assert gain == (0.0 if arrived else -1.0)
        if arrived or truncated:
            break
    assert arrived or truncated
    assert env.spec is not None
    assert env.spec.max_episode_steps == task.max_steps
    assert ENV_ID in gymnasium.registry


def test_a_straight_run_takes_the_steps_that_the_track_says() -> None:
    task = LinearTrack()
    kernel_of = task.kernel()
    state, steps = np.array([-task.length / 2]), 1
    while not kernel_of.step(state, 1, kernel_of.parameters):
        steps += 1
    assert steps == task.longest_run == -task.solved_return == 40
    assert not kernel_of.step(np.array([-1.0]), 0, kernel_of.parameters)
    carried = LinearTrack(carried=True).kernel()
    state = np.array([0.0])
    carried.step(state, 0, carried.parameters)
    assert state[0] == pytest.approx(task.stride)


@pytest.mark.parametrize(
    ("fields", "name"),
    [({"length": 0.0}, "length"), ({"speed": math.inf}, "speed"), ({"steps": 2.5}, "steps"), ({"carried": 1}, "carried"),
     ({"speed": 50.0}, "speed")],
)  # fmt: skip
def test_a_track_out_of_range_is_refused(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"LinearTrack\.{name}: got"):
        LinearTrack(**fields)


@pytest.fixture(scope="module")
def learned() -> Any:
    """Three agents that have learned the track, on seeds that are not reported."""
    task = LinearTrack()
    reward = rewards.make("environment").bind(task)
    session = make_session(
        "fast", for_task(task).build(task), task, reward, [21, 22, 23], 45, "float64", threads=1
    )
    while not session.finished.all():
        session.run(10_000, Stop(45))
    return session


def test_agents_learn_the_track(learned: Any) -> None:
    lengths = learned.state["lengths"][:, :45]
    assert np.median(lengths[:, :10].mean(axis=1)) > 80
    assert np.median(lengths[:, -10:].mean(axis=1)) < 45


def test_the_closed_value_of_the_track() -> None:
    task = LinearTrack()
    model = for_task(task).build(task)
    gamma = model.signal.gamma
    near, three = task.length / 2 - task.stride, task.length / 2 - 3 * task.stride
    closed = values.closed_value(task, model, np.array([near, three, -1.0]))
    np.testing.assert_allclose(closed, [0.0, gamma**2 - 1.0, gamma**39 - 1.0], atol=1e-12)
    assert sum(-(gamma**k) * (1 - gamma) for k in range(39)) == pytest.approx(closed[2])


def test_a_walk_holds_every_place() -> None:
    task = values.TrackWalk()
    p = task.kernel()
    state = np.zeros(2)
    p.reset(state, np.zeros(1), p.parameters)
    seen = [state[0]]
    for _ in range(task.max_steps - 1):
        assert p.step(state, 0, p.parameters) is False
        seen.append(state[0])
    table = np.reshape(seen, (values.PLACES, values.HELD))
    np.testing.assert_allclose(table, values.places(task)[:, None] * np.ones(values.HELD), atol=1e-12)


# ---------------------------------------------------------------------- the study


def test_a_study_is_gone_on_with_and_says_the_same(study: tuple[paper.Outcome, Path]) -> None:
    first, folder = study
    (part,) = (folder / "parts").iterdir()
    made = part.stat().st_mtime_ns
    second = fremaux2013.reproduce(IDENTITIES, folder)
    assert part.stat().st_mtime_ns == made
    assert first.extra == second.extra
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "| population vector kernel, time of the peak | 30.54302 ms | 30.54302 ms |" in text
    assert "15 identities, largest deviation" in text
    assert json.loads((folder / "results.json").read_text(encoding="utf-8"))["study"] == "fremaux2013"
    assert (folder / "kernels.png").stat().st_size > 10_000


def test_reported_seeds_are_those_that_were_set_aside() -> None:
    settings = fremaux2013.Settings()
    seeds = {part: settings.config(part).agent_seeds for part in fremaux2013.PARTS[1:]}
    assert seeds["cartpole"] == range(7_000_000, 7_000_020)
    assert seeds["track"] == range(7_000_100, 7_000_120)
    assert seeds["acrobot"] == range(7_000_200, 7_000_220)
    assert all(model.signal.gamma == pytest.approx(reward["gamma"]) for model, reward in shaped())


def shaped() -> list[tuple[Any, Any]]:
    from snnrl.studies.fremaux2013.reproduce import LEARNING

    return [(part.model(), part.reward_parameters) for part in LEARNING.values() if part.reward_parameters]


def test_numbers_of_a_value_that_fits() -> None:
    position = np.linspace(-1.0, 1.0, 41)
    closed = 0.9 ** (20 * (1 - position)) - 1.0
    table = {
        "position": position,
        "closed": closed,
        "before": np.zeros((2, 41)),
        "after": np.array([closed, closed + 0.1]),
    }
    numbers = report.value_numbers({name: np.asarray(v).tolist() for name, v in table.items()})
    assert numbers["after"] == pytest.approx(0.05)
    assert numbers["before"] == pytest.approx(float(np.sqrt(np.mean(closed[position > -0.5] ** 2))))
    assert numbers["correlation"] == pytest.approx(1.0)
    assert figures.value_figure({name: np.asarray(v).tolist() for name, v in table.items()}).axes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--part", "maze"), "--part: got 'maze', allowed: acrobot, cartpole, identities, retrieved, track"),
        (("--seeds", "0"), "--seeds: got 0, allowed"),
        (("--seed", "x"), "--seed: got 'x', allowed"),
        (("--part", ""), "--part: got ''"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "fremaux2013", *words]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert said in line
    assert printed.out == ""


def test_a_study_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"--part: got '', allowed: one or more of identities"):
        fremaux2013.Settings(parts=())


def test_a_folder_of_other_settings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.json").write_text(json.dumps({"version": "0", "study": "other"}), encoding="utf-8")
    assert main(["reproduce", "fremaux2013", "--part", "identities", "--out", str(tmp_path)]) == 2
    assert "a study with" in capsys.readouterr().err
