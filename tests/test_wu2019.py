"""The study of Wu et al.: compiled kernels against the plain agent, procedures, metrics, what is kept and refused."""

from __future__ import annotations

import dataclasses
import itertools
import json
import signal
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snnrl.cli.reproduce import wu2019 as command
from snnrl.errors import InvalidValueError, RunFolderError, SimulationError
from snnrl.networks.crossbar import SHARED, CrossbarActorCritic
from snnrl.networks.crossbar_agent import CrossbarAgent
from snnrl.networks.crossbar_equations import (
    hidden_layer,
    importance,
    layer_change,
    output_neuron,
    push_probability,
    td_error,
)
from snnrl.plasticity.al2o3 import AL2O3, Al2O3
from snnrl.random import bits, stream_id, uniform
from snnrl.studies import wu2019
from snnrl.studies.wu2019 import approaches as kinds
from snnrl.studies.wu2019 import converters, endurance, lanes, limited, runner, source, tables
from snnrl.studies.wu2019.lanes import inlined
from snnrl.studies.wu2019.paper import TABLE_1, TABLE_2
from snnrl.studies.wu2019.runner import Agents, Limits
from snnrl.studies.wu2019.settings import FloatArray, Settings
from snnrl.studies.wu2019.study import Study
from snnrl.tasks import RotaryPendulum
from snnrl.tasks.base import Vector

SHORT = RotaryPendulum(steps=25)
"""Trials so short that some succeed by chance."""
SEPARATE = CrossbarActorCritic()


def starts(n: int = 40) -> FloatArray:
    states = np.zeros((n, 4))
    states[:, 2] = np.linspace(-0.1, 0.1, n)
    return states


def start_of(seed: int, learner: int, trial: int, states: FloatArray, phase: str = "") -> FloatArray:
    """Draw the start of a trial: a function of seed, learner and trial."""
    drawn = int(bits(seed, stream_id(f"{phase}crossbar/start/{learner}"), trial, 1)[0])
    return states[(drawn * len(states)) >> 32].copy()


@pytest.fixture
def interpreted(
    monkeypatch: pytest.MonkeyPatch, interpreted_module: Callable[[str], types.ModuleType]
) -> Iterator[None]:
    """Run the text of the kernels as Python, with two lanes: many shapes in little time."""
    monkeypatch.setattr(runner, "load_module", interpreted_module)
    for module in (lanes, source, runner, limited):
        monkeypatch.setattr(module, "LANES", 2)
    with warnings.catch_warnings():  # numpy's own errstate ends at the thread
        # Counter-based numbers wrap around on purpose; in a lane without an agent anything may happen.
        warnings.filterwarnings("ignore", ".* encountered in (scalar|cast)")
        yield


def serial(
    agent: CrossbarAgent, task: RotaryPendulum, states: FloatArray, criterion: int, most: int
) -> list[int]:
    """Train one agent trial by trial, in the plainest way."""
    kernel, lengths = task.kernel(), []
    while agent.successes < criterion and len(lengths) < most:
        state, failed, t = start_of(agent.seed, 0, agent.trials, states), False, 0
        while not failed and t < task.steps:
            before, t = state.copy(), t + 1
            failed = bool(kernel.step(state, agent.act(before), kernel.parameters))
            agent.learn(before, state, failed)
        lengths.append(t)
        agent.end_trial(success=not failed)
    return lengths


KINDS = {
    "shared": SHARED,
    "separate": SEPARATE,
    "gated": CrossbarActorCritic(hidden=2, gate=0.6, gate_after=2, adc_bits=8, signed=False),
    "variable-amplitude": CrossbarActorCritic(
        hidden=2, rule="variable-amplitude", device=Al2O3(thresholds="30%", saturation=0.4)
    ),
    "manhattan": CrossbarActorCritic(
        hidden=2, rule="manhattan", step=1e-3, gate=0.3, variable_discount=True, discount_below=1.0, adc_bits=8,
        device=Al2O3(thresholds="full"),
    ),
}  # fmt: skip
"""What kernels can differ in; two hidden neurons make shorter text than six. Manhattan agents have hardware bytes."""


COMPILED = ("separate", "manhattan")


@pytest.mark.parametrize("kind", COMPILED)
def test_float64_kernel_equals_the_plain_agent_bit_for_bit(kind: str) -> None:
    agree_bit_for_bit(kind)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(COMPILED)))
def test_text_of_float64_kernels_equals_the_plain_agent_bit_for_bit(kind: str) -> None:
    agree_bit_for_bit(kind)


def agree_bit_for_bit(kind: str) -> None:
    """Train two agents both ways."""
    network, task = KINDS[kind], dataclasses.replace(SHORT, mass=0.13)
    weights = np.array([network.initial_weights(5, seed) for seed in (3, 4)])
    agents = Agents(
        network, [task] * 2, [3, 4], dtype="float64", threads=1, hardware_random=kind == "manhattan"
    )
    trained = runner.train(agents, weights, starts(), Limits((2, 6), 60), record_lengths=200)
    for a in (0, 1):
        generator = agents.generator(a) if agents.hardware_random else None
        agent = CrossbarAgent(network, task, seed=3 + a, weights=weights[a], generator=generator)
        lengths = serial(agent, task, starts(), 6, 60)
        assert trained.lengths[a, : len(lengths)].tolist() == lengths
        assert np.array_equal(trained.weights[a, -1], agent.store.weights)
        assert (trained.updates[a, -1], trained.trials[a, -1]) == (agent.updates, agent.trials)
        assert trained.successes[a, -1] == agent.successes
        assert trained.steps[a, -1] == sum(lengths)
        assert np.abs(agent.store.weights - weights[a]).max() > 1e-3
        if network.rule != "exact":
            assert np.array_equal(trained.writes[a, -1], agent.store.writes[0])  # type: ignore[attr-defined]
        if network.variable_discount:
            assert agent.gamma != network.gamma


def test_every_test_trial_has_the_generator_of_its_own_seed() -> None:
    network = KINDS["manhattan"]
    weights = np.array([network.initial_weights(5, seed) for seed in (3, 4)])
    agents = Agents(network, [SHORT] * 2, [3, 4], dtype="float64", threads=1, hardware_random=True)
    found, kernel = runner.trial_lengths(agents, weights, starts(), 5), SHORT.kernel()
    for a, trial in itertools.product(range(2), range(5)):
        agent = CrossbarAgent(
            network, SHORT, weights=weights[a], generator=agents.generator(a, test_trial=trial)
        )
        state, failed, t = start_of(3 + a, 0, trial, starts(), "test/"), False, 0
        while not failed and t < SHORT.steps:
            failed, t = bool(kernel.step(state, agent.act(state), kernel.parameters)), t + 1
        assert found[a, trial] == t
    assert len(set(found.ravel().tolist())) > 1


def test_generators_of_agents_learners_and_test_trials_are_their_own() -> None:
    agents = Agents(KINDS["manhattan"], [SHORT] * 2, [3, 4], hardware_random=True)
    made = [
        agents.generator(a, learner, trial)
        for a, learner, trial in itertools.product((0, 1), (0, 1), (None, 0, 1))
    ]
    assert len({generator.lfsr for generator in made}) == len({generator.casr for generator in made}) == 12
    assert {generator.lfsr for generator in made}.isdisjoint({0, 1})


def test_float32_kernel_agrees_in_what_can_be_counted() -> None:
    n = 64
    weights = np.array([SEPARATE.initial_weights(5, s) for s in range(n)])
    mean: dict[str, tuple[float, float, float]] = {}
    for dtype in ("float32", "float64"):
        agents = Agents(SEPARATE, [SHORT] * n, range(n), dtype=dtype, threads=1)
        trained = runner.train(agents, weights, starts(), Limits((3,), 400))
        lengths = runner.trial_lengths(agents, trained.weights[:, -1], starts(), 10)
        mean[dtype] = trained.updates.mean(), trained.trials.mean(), lengths.mean()
    # A trial of 25 steps rarely hangs on the seventh digit.
    assert mean["float32"] == pytest.approx(mean["float64"], rel=0.02)
    assert mean["float64"][1] > 10


def test_first_steps_in_float32_are_those_of_float64() -> None:
    weights = np.array([SEPARATE.initial_weights(5, s) for s in range(16)])
    task, found = dataclasses.replace(SHORT, steps=6), {}
    for dtype in ("float32", "float64"):
        agents = Agents(SEPARATE, [task] * 16, range(16), dtype=dtype, threads=1)
        found[dtype] = runner.train(agents, weights, starts() / 3, Limits((1,), 1)).weights[:, 0]
    assert found["float32"] == pytest.approx(found["float64"], abs=2e-6)
    assert np.abs(found["float64"] - weights).max() > 1e-3


def test_threads_and_neighbours_change_no_number() -> None:
    weights = np.array([SEPARATE.initial_weights(5, s) for s in range(40)])
    tasks = [dataclasses.replace(SHORT, mass=0.12 + 0.001 * (s % 5)) for s in range(40)]

    def run(chosen: range, threads: int) -> tuple[FloatArray, Any]:
        agents = Agents(SEPARATE, [tasks[s] for s in chosen], list(chosen), threads=threads)
        trained = runner.train(agents, weights[list(chosen)], starts(), Limits((1, 2), 60))
        return trained.weights, runner.trial_lengths(agents, trained.weights[:, -1], starts(), 3)

    one, many, few = run(range(40), 1), run(range(40), 2), run(range(7, 9), 1)
    for a, b, c in zip(one, many, few, strict=True):
        assert np.array_equal(a, b)
        assert np.array_equal(a[7:9], c)


# ---------------------------------------------------------------------- synchronous actor-learners


def synchronous(
    network: CrossbarActorCritic, w: FloatArray, seed: int, learners: int, steps: int
) -> FloatArray:
    """Algorithm 1 in plain Python: all act, all gradients from the same weights, one update."""
    place, kernel, w = network.places(5), SHORT.kernel(), w.copy()
    sizes = (int(network.signed), 5, network.hidden)
    inverse = 1.0 / np.array(SHORT.observation_scale)
    trial, clock = [0] * learners, [0] * learners
    state = [start_of(seed, k, 0, starts()) for k in range(learners)]

    def forward(x: Vector) -> tuple[FloatArray, float, float]:
        y = np.zeros(network.hidden)
        hidden_layer(w, x, y, 0, *sizes[1:])
        total = output_neuron(w, y, place.actor_output, network.hidden)
        return (
            y,
            output_neuron(w, y, place.critic_output, network.hidden),
            push_probability(total, network.slope),
        )

    for _ in range(steps):
        change = np.zeros(w.size)
        for k in range(learners):
            x = np.append(state[k] * inverse, 1.0)
            y, value, p = forward(x)
            draw = bits(seed, stream_id(f"crossbar/action/{k}"), trial[k], clock[k] + 1)[clock[k]] * 2.0**-32
            failed = bool(kernel.step(state[k], int(draw < p), kernel.parameters))
            error = td_error(failed, network.gamma, value, forward(np.append(state[k] * inverse, 1.0))[1])
            layer_change(w, x, y, change, 0, place.critic_output, error, network.critic_rate,
                         network.critic_hidden_rate, *sizes)  # fmt: skip
            layer_change(w, x, y, change, 0, place.actor_output, error * (int(draw < p) - p), network.actor_rate,
                         network.actor_hidden_rate, *sizes)  # fmt: skip
            clock[k] += 1
            if failed or clock[k] == SHORT.steps:
                trial[k], clock[k] = trial[k] + 1, 0
                state[k] = start_of(seed, k, trial[k], starts())
        w = np.clip(w + change, -network.w_max, network.w_max)
    return w


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("learners", [1, 2, 8])
def test_synchronous_learners_add_up_their_gradients(learners: int) -> None:
    w = np.array([SHARED.initial_weights(5, seed) for seed in (4, 5)])
    agents = Agents(SHARED, [SHORT] * 2, [4, 5], dtype="float64", threads=1)
    marks = Limits((20, 70), 10**6, by_steps=True, learners=learners)
    trained = runner.train(agents, w, starts(), marks)
    for a, at in itertools.product((0, 1), (0, 1)):
        assert np.array_equal(
            trained.weights[a, at], synchronous(SHARED, w[a], 4 + a, learners, (20, 70)[at])
        )
    assert trained.steps[0].tolist() == trained.updates[0].tolist() == [20, 70]


def test_one_synchronous_learner_is_the_serial_loop() -> None:
    w = SEPARATE.initial_weights(5, 4)
    agents = Agents(SEPARATE, [SHORT], [4], dtype="float64", threads=1)
    by_trials = runner.train(agents, w[None], starts(), Limits((1000,), 12))
    steps = int(by_trials.steps[0, 0])
    by_steps = runner.train(agents, w[None], starts(), Limits((steps,), 10**6, by_steps=True, learners=1))
    assert np.array_equal(by_steps.weights, by_trials.weights)


# ---------------------------------------------------------------------- off-policy pre-training


def test_importance_by_hand() -> None:
    assert importance(0.8, 1, 0.5) == pytest.approx(1.6)
    assert importance(0.8, 0, 0.5) == pytest.approx(0.4)
    assert importance(0.8, 0, 0.25) == pytest.approx(0.8)


def test_importance_weights_have_mean_one_under_the_behaviour_policy() -> None:
    for p in (0.1, 0.5, 0.97):
        assert 0.3 * importance(p, 1, 0.3) + 0.7 * importance(p, 0, 0.7) == pytest.approx(1.0)


def test_stored_samples_are_one_step_from_all_over_the_state_space() -> None:
    settings = Settings(seed=1)
    samples, scale = limited.store_samples(settings, 4000), np.array(settings.pendulum.observation_scale)
    assert np.all(np.abs(samples.states) <= scale)
    assert np.abs(samples.states / scale).max(axis=0) == pytest.approx(np.ones(4), abs=5e-3)
    assert samples.states.mean(axis=0) / scale == pytest.approx(np.zeros(4), abs=5 / np.sqrt(3 * 4000))
    assert samples.actions.mean() == pytest.approx(0.5, abs=2.5 / np.sqrt(4000))
    kernel = settings.pendulum.kernel()
    for i in range(0, 4000, 97):
        state = samples.states[i].copy()
        failed = kernel.step(state, int(samples.actions[i]), kernel.parameters)
        assert np.array_equal(state, samples.followers[i])
        assert failed == bool(samples.failures[i])
    assert 0.0 < samples.failures.mean() < 0.5


def test_off_policy_kernel_equals_the_plain_agent_bit_for_bit() -> None:
    settings, seed, count = Settings(seed=1), 11, 60
    network = dataclasses.replace(SHARED, hidden=2)
    samples = limited.store_samples(settings, 200)
    weights = np.array([network.initial_weights(5, s) for s in (10, seed)])
    agents = Agents(network, [settings.pendulum] * 2, [10, seed], dtype="float64", threads=1)
    found = limited.pre_train_off_policy(agents, weights, samples, count)
    agent = network.agent(settings.pendulum, seed=seed, weights=weights[1])
    for step in range(count):
        i = (int(bits(seed, stream_id(limited.SAMPLE_STREAM), step, 1)[0]) * 200) >> 32
        agent.learn_off_policy(
            samples.states[i], int(samples.actions[i]), samples.followers[i], bool(samples.failures[i])
        )
    assert np.array_equal(found[1], agent.store.weights)
    assert not np.array_equal(found[0], found[1])


# ---------------------------------------------------------------------- settings, limits, agents


def test_agents_are_weight_sets_times_pendulums() -> None:
    settings = Settings(agents=60)
    tasks_ = settings.agent_tasks()
    assert settings.sets == 3
    assert len({(t.mass, t.length) for t in tasks_[:25]}) == 25
    assert tasks_[25] == tasks_[0]
    assert np.bincount(settings.set_of_agent()).tolist() == [25, 25, 10]
    assert Settings().sets == 100
    seeds = {*settings.agent_seeds()}
    assert seeds.isdisjoint(settings.set_seeds())


def test_states_are_spread_evenly_and_differ_between_phases() -> None:
    settings = Settings(seed=5)
    test, training = settings.states("test", 500), settings.states("re-training", 500)
    assert np.all(test[:, [0, 1, 3]] == 0)
    degrees = np.degrees(test[:, 2])
    assert np.array_equal(np.floor((degrees + 10) / 20 * 500), np.arange(500))
    assert not np.array_equal(test, training)


@pytest.mark.parametrize("marks", [(), (0,), (50, 50), (100, 50)])
def test_a_criterion_out_of_range_is_one_line(marks: tuple[int, ...]) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^criterion C: got .*, allowed: growing whole numbers >= 1$"
    ):
        Limits(marks, 10)


def test_what_agents_refuse() -> None:
    with pytest.raises(InvalidValueError, match=r"one pendulum for every seed"):
        Agents(SEPARATE, [SHORT], [1, 2])
    with pytest.raises(
        InvalidValueError, match=r"angle_limit: got 30.0, allowed: up to 20 degrees in float32"
    ):
        Agents(SEPARATE, [RotaryPendulum(angle_limit=30.0)], [1])
    with pytest.raises(InvalidValueError, match=r"weight sets: got 2, allowed: 1"):
        runner.train(Agents(SEPARATE, [SHORT], [1]), np.zeros((2, 72)), starts(), Limits((1,), 1))
    with pytest.raises(InvalidValueError, match="shape of a weight set"):
        runner.train(Agents(SEPARATE, [SHORT], [1]), np.zeros((1, 42)), starts(), Limits((1,), 1))
    with pytest.raises(InvalidValueError, match=r"adc_bits: got 0, allowed: 8 for random bytes"):
        Agents(SEPARATE, [SHORT], [1], hardware_random=True)
    with pytest.raises(InvalidValueError, match="--agents"):
        Settings(agents=0)
    with pytest.raises(InvalidValueError, match="learners"):
        limited.Limited(learners=())


# ---------------------------------------------------------------------- the study

TINY = Settings(
    agents=4, seed=7, pendulum=dataclasses.replace(SHORT, steps=30, start_angle=2.0),
    network=CrossbarActorCritic(w_init=1.5), pre_training_trials=40,
    re_training_trials=25, pre_training_criterion=2, test_states=20, test_trials=3, threads=1,
)  # fmt: skip
FEW = limited.Limited(agents=3, samples=50, consumed=40, total=60, checkpoints=3, learners=(1, 2, 4))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a TINY study that several tests go on with."""
    return tmp_path_factory.mktemp("study")


def test_table_1_stands_beside_the_papers(kept: Path) -> None:
    result = wu2019.reproduce(table=1, folder=kept, settings=TINY)
    rows = result["rows"]
    assert [row["row"] for row in rows][:3] == [
        "Baseline, C = 50",
        "Baseline PQ, C = 50",
        "Inference on pre-trained agent",
    ]
    assert [(row["paper_t2f"], row["paper_updates"]) for row in rows] == [(p.t2f, p.updates) for p in TABLE_1]
    for row in rows:
        assert 1 <= row["t2f"] <= 30
        assert row["agents"] == 4
        assert row["t2f_difference"] == pytest.approx(row["t2f"] / row["paper_t2f"] - 1)
    assert {row["row"] for row in result["endurance"]} == {
        "baseline", "baseline-pq", "exact", "exact-pq", "manhattan-pq-variable-ideal",
    }  # fmt: skip
    assert rows[2]["updates"] == 0
    assert rows[3]["updates"] == rows[3]["steps"] > 0  # Exact learns at every step
    json.dumps(result, allow_nan=False)


def test_efficiency_is_gain_per_update(tmp_path: Path) -> None:
    settings = dataclasses.replace(TINY, network=CrossbarActorCritic(w_init=1.5, step=0.05))
    study, known = Study(settings, tmp_path), kinds.approaches(settings)
    rows = tables.table_two(study)
    assert [row["paper_efficiency"] for row in rows] == [
        value for cells in TABLE_2.values() for value in cells
    ]
    assert [row["row"] for row in rows[-3:]] == [f"Fixed DR, Full range PV, C = {c}" for c in (50, 100, 150)]
    before = study.outcome(known["inference"]).t2f[:, 0].mean()
    after = study.outcome(known["manhattan-pq-fixed-full"])
    for at, row in enumerate(rows[-3:]):
        gain = after.t2f[:, at].mean() - before
        assert gain != 0.0
        assert row["gain"] == pytest.approx(gain)
        assert row["efficiency"] == pytest.approx(gain / after.updates[:, at].mean())
    assert after.writes.shape == (4, 72)
    assert after.writes.max() <= after.updates[:, 2].max()


def test_weight_sets_that_failed_pre_training_are_replaced() -> None:
    settings = dataclasses.replace(
        TINY, agents=75, pre_training_trials=80
    )  # three sets; about one in seven passes
    found, first = kinds.pre_train(settings), settings.set_seeds().start
    seeds = range(first, first + 60)
    agents = Agents(settings.network, [settings.pendulum] * 60, seeds, threads=1)
    states = settings.states("pre-training", settings.pre_training_states)
    trained = runner.train(agents, kinds.initial_weights(settings, seeds), states, Limits((2,), 80))
    able = trained.successes[:, 0] >= 2
    assert not able[:3].all()
    assert np.array_equal(found, trained.weights[able, 0][:3])


def test_pre_training_that_nobody_passes_is_one_line() -> None:
    with pytest.raises(
        SimulationError, match=r"^pre-training: 0 of 1 weight sets reached C = 3 in 20 rounds of 2 trials$"
    ):
        kinds.pre_train(dataclasses.replace(TINY, pre_training_trials=2, pre_training_criterion=3))


def test_approaches_are_the_papers() -> None:
    known = kinds.approaches(Settings())
    gates = {
        name: (a.network.gamma, a.network.gate, a.pre_trained, a.network.rule) for name, a in known.items()
    }
    assert gates["baseline"] == (0.85, 0.0, False, "exact")
    assert gates["baseline-pq"] == (0.85, 0.9, False, "exact")
    assert gates["exact"] == (0.9, 0.0, True, "exact")
    assert gates["exact-pq"] == (0.9, 0.9, True, "exact")
    assert gates["manhattan-pq-variable-30"] == (0.75, 0.95, True, "manhattan")
    network = known["baseline"].network
    rates = network.actor_rate, network.actor_hidden_rate, network.critic_rate, network.critic_hidden_rate
    assert rates == (0.25, 0.2, 0.2, 0.1)  # rho, rho_h, beta, beta_h
    assert network.slope == 8.0
    assert (SHARED.critic_rate, SHARED.critic_hidden_rate, SHARED.actor_rate, SHARED.actor_hidden_rate) == (
        0.25, 0.2, 0.2, 0.1,
    )  # fmt: skip
    assert {name for name, a in known.items() if a.network.variable_discount} == {
        f"manhattan-pq-variable-{case}" for case in ("ideal", "30", "full")
    }


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Study(TINY, tmp_path)
    weights = first.pre_trained
    made = first.made("some", lambda report: {"a": np.arange(3)})
    again = Study(TINY, tmp_path)

    def never(report: runner.Progress) -> dict[str, Any]:
        raise AssertionError("made twice")

    assert np.array_equal(again.made("some", never)["a"], made["a"])
    assert np.array_equal(again.made("pre-training", never)["weights"], weights)
    assert not list(tmp_path.glob("*.tmp"))
    other_threads = dataclasses.replace(TINY, threads=2)
    assert np.array_equal(Study(other_threads, tmp_path).made("some", never)["a"], made["a"])


def test_an_interrupted_result_leaves_nothing_half_written(tmp_path: Path) -> None:
    study = Study(TINY, tmp_path)

    def interrupted(report: runner.Progress) -> dict[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.made("some", interrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from snnrl.studies.wu2019 import Settings, Study

study = Study(Settings(seed=7), Path(sys.argv[1]))
os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)  # written, but not yet under its name
study.made("some", lambda report: {"a": np.arange(3)})
"""


def test_a_study_killed_while_it_writes_is_gone_on_with(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len([path for path in tmp_path.iterdir() if path.name != "study.json"]) == 1  # the half
    for wanted in (5, 5):
        made = Study(Settings(seed=7), tmp_path).made("some", lambda report: {"a": np.arange(5)})
        assert made["a"].size == wanted


def test_ctrl_c_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snnrl", "reproduce", "wu2019", "--table", "1", "--agents", "1", "--seed", "1",
               "--threads", "1", "--out", str(tmp_path / "study"), "--json", str(tmp_path / "table.json")]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (tmp_path / "study" / "pre-training.npz").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    # Where Python was inside eval of a string it ends by the signal itself, which shells show as 130 too.
    assert process.returncode in (130, -signal.SIGINT)
    assert f"snnrl: interrupted, finished parts are kept; go on with --out {tmp_path / 'study'}" in said
    assert "Traceback" not in said
    assert not (tmp_path / "table.json").exists()
    kept = (tmp_path / "study" / "pre-training.npz").stat()
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.count("4325") == 1
    assert (tmp_path / "study" / "pre-training.npz").stat().st_mtime_ns == kept.st_mtime_ns
    found = json.loads((tmp_path / "table.json").read_text())
    whole = wu2019.reproduce(table=1, settings=Settings(agents=1, seed=1, threads=1))
    for key in ("rows", "reduction", "endurance"):
        assert found[key] == json.loads(json.dumps(whole[key]))
    for row, printed in zip(found["rows"], TABLE_1, strict=True):
        assert {"row", "t2f", "updates"} <= set(row)
        assert (row["paper_t2f"], row["paper_updates"]) == (printed.t2f, printed.updates)
    assert found["rows"][2]["paper_updates"] is None


def test_what_a_study_refuses(tmp_path: Path) -> None:
    Study(TINY, tmp_path / "a").made("some", lambda report: {"a": np.arange(3)})
    with pytest.raises(RunFolderError, match=r"a study with seed = 7, allowed: the same \(8 asked\)"):
        Study(dataclasses.replace(TINY, seed=8), tmp_path / "a")
    file = tmp_path / "a" / "some.npz"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        RunFolderError, match=r"some\.npz: damaged \(.*\), allowed: a result written by snnrl"
    ) as raised:
        Study(TINY, tmp_path / "a").made("some", lambda report: {})
    assert "\n" not in str(raised.value)
    (tmp_path / "a" / "study.json").write_text('{"seed": 7')
    with pytest.raises(RunFolderError, match=r"study\.json: damaged"):
        Study(TINY, tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "letter.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds files but no study\.json"):
        Study(TINY, tmp_path / "b")


def test_progress_names_the_result_and_counts_steps(tmp_path: Path) -> None:
    seen: list[wu2019.Stage] = []
    study = Study(TINY, progress=seen.append)
    outcome = study.outcome(kinds.approaches(TINY)["exact"])
    assert {stage.name for stage in seen} == {"pre-training", "exact"}
    # Training, and three test trials for each of two criteria.
    most = outcome.steps[:, -1].sum() + 4 * 2 * 3 * 30
    assert outcome.steps[:, -1].sum() < max(stage.steps for stage in seen if stage.name == "exact") <= most


@pytest.mark.parametrize("figure", wu2019.FIGURES)
def test_figures_are_drawn_with_their_rows(
    figure: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if figure >= 12:  # the shared network: kernels that no other test compiles
        request.getfixturevalue("interpreted")
    result = wu2019.reproduce(figure=figure, folder=tmp_path, settings=TINY, limited=FEW)
    picture = tmp_path / f"figure-{figure}.png"
    assert result["pictures"] == [str(picture)]
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert {"row", "t2f", "updates", "paper_t2f", "paper_updates"} <= set(result["rows"][0])
    assert {row["figure"] for row in result["rows"]} == {figure}
    json.dumps(result, allow_nan=False)


def test_nothing_else_can_be_reproduced() -> None:
    with pytest.raises(InvalidValueError, match=r"^--table: got 3, allowed: 1 or 2$"):
        wu2019.reproduce(table=3)
    with pytest.raises(InvalidValueError, match=r"^--figure: got 9, allowed: 10 to 14$"):
        wu2019.reproduce(figure=9)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"agents": "0"},
            InvalidValueError,
            r"got \[\], allowed: one of --table, --figure, .* and --all",
        ),
        (
            {"table": "1", "everything": True, "agents": "0"},
            InvalidValueError,
            r"got \['--table', '--all'\]",
        ),
        (
            {"table": "1", "figure": "10", "agents": "0"},
            InvalidValueError,
            r"got \['--table', '--figure'\]",
        ),
        (
            {"figure": "10", "everything": True, "agents": "0"},
            InvalidValueError,
            r"got \['--figure', '--all'\]",
        ),
        ({"table": "1", "agents": "0"}, InvalidValueError, "--agents: got 0"),
        ({"table": "one"}, InvalidValueError, "--table: got 'one'"),
        ({"table": "7"}, InvalidValueError, "--table: got 7, allowed: 1 or 2"),
    ],
)
def test_command_refuses_in_one_line(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        command.wu2019(**arguments)
    assert "\n" not in str(raised.value)


def test_command_prints_the_columns_that_have_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    row = {
        "row": "Exact, C = 50",
        "t2f": 4351.2,
        "paper_t2f": 4325.3,
        "updates": 250517.0,
        "paper_updates": None,
    }
    command._print({"settings": {"agents": 9}, "rows": [row], "reduction": 188.7, "paper_reduction": 195.0,
                    "seconds": {"exact": 2.0}, "pictures": ["a.png"]})  # fmt: skip
    printed = capsys.readouterr().out
    assert "wu2019: 9 agents a row" in printed
    assert printed.splitlines()[2].split() == ["Exact,", "C", "=", "50", "4351", "4325", "250,517"]
    assert "gain/update" not in printed
    assert "189 times fewer updates (paper: 195)" in printed
    assert printed.rstrip().endswith("a.png")


# ---------------------------------------------------------------------- converters


class Canned(Study):
    """A study whose outcomes are made up."""

    def outcome(self, approach: kinds.Approach) -> kinds.Outcome:
        """Give 100 steps for every bit, one more for hardware bytes, and one more at every further criterion."""
        value = 100.0 * approach.network.adc_bits + approach.hardware_random
        shape = (4, max(1, len(approach.marks)))
        t2f = np.full(shape, value) + np.arange(shape[1])
        whole = np.full(shape, 5)
        return kinds.Outcome(t2f, whole, whole, whole, whole, whole[:0], np.zeros((0, 0), np.int32))


def test_rows_of_converters_compare_with_the_same_agents_unrounded() -> None:
    rows = converters.rows(Canned(TINY))
    assert [row["row"] for row in rows[:4]] == [
        "Inference on pre-trained agent: no rounding",
        "Inference on pre-trained agent: 8 bits",
        "Inference on pre-trained agent: 8 bits, LFSR xor CASR",
        "Exact PQ, C = 100: no rounding",
    ]
    assert [row["t2f"] for row in rows] == [0.0, 800.0, 801.0] * 3
    assert [row["t2f_change"] for row in rows] == [0.0, 800.0, 801.0] * 3
    assert [row["paper_t2f"] for row in rows] == [4106.1, None, None, 4210.9, None, None, 4200.3, None, None]
    assert [row["paper_updates"] for row in rows[3:5]] == [8929.0, None]
    text = converters.table(rows).splitlines()
    assert text[3] == "| Inference on pre-trained agent: 8 bits | 800 | 800 | 5 | 100.0% |"
    assert len(text) == 11


@pytest.mark.usefixtures("interpreted")
def test_converters_are_kept_apart_and_agents_get_their_random_numbers(tmp_path: Path) -> None:
    cases = [
        converters.approach_of(TINY, "inference", None, converter) for converter in converters.CONVERTERS
    ]
    assert len({case.name for case in cases}) == 3
    assert cases[0] == kinds.approaches(TINY)["inference"]
    assert [(case.network.adc_bits, case.hardware_random) for case in cases] == [
        (0, False),
        (8, False),
        (8, True),
    ]
    study = Study(TINY, tmp_path)
    study.made("pre-training", lambda report: {"weights": kinds.initial_weights(TINY)})
    agents = Agents(cases[2].network, TINY.agent_tasks(), TINY.agent_seeds(), threads=1, hardware_random=True)
    lengths = runner.trial_lengths(
        agents,
        study.pre_trained[TINY.set_of_agent()],
        TINY.states("test", TINY.test_states),
        TINY.test_trials,
    )
    assert np.array_equal(study.outcome(cases[2]).t2f[:, 0], lengths.mean(axis=1))
    assert (tmp_path / f"{cases[2].name}.npz").exists()


# ---------------------------------------------------------------------- endurance and energy


def test_lifetime_by_hand() -> None:
    found = endurance.lifetime(np.array([[0, 10], [20, 40]]), endurance=1000)
    assert (found["mean"], found["median"], found["most"]) == (17.5, 15.0, 40.0)
    assert found["trainings_first"] == 25.0
    assert found["trainings_median"] == pytest.approx(1000 / 15)
    with pytest.raises(InvalidValueError, match="endurance"):
        endurance.lifetime([1], endurance=0)


def test_endurance_report_counts_the_writes_of_every_approach(kept: Path) -> None:
    study = Study(TINY, kept)
    rows = {row["row"]: row for row in endurance.endurance_report(study, 1e5)}
    exact = study.outcome(kinds.approaches(TINY)["exact"])
    assert rows["exact"]["most"] == exact.updates[:, -1].max()
    assert rows["exact"]["trainings_first"] == pytest.approx(1e5 / exact.updates[:, -1].max())
    assert "inference" not in rows


def test_energy_of_a_decision_by_hand() -> None:
    reading = endurance.Reading(voltage=0.2, time=1e-6)
    x, z = [1.0, 0.0, -0.5, 0.0, 1.0], [1.0, 0.5, 0.0, 0.0, 0.0, 0.0]
    # Rows: sum V^2 = 0.04*2.25; six columns of pairs with 110 uS. Then 0.04*1.25 and one column.
    expected = 1e-6 * 110e-6 * (0.04 * 2.25 * 6 + 0.04 * 1.25)
    assert endurance.energy_per_decision(SEPARATE, x, z, AL2O3, reading) == pytest.approx(expected)
    assert endurance.write_energy(AL2O3, 3) == pytest.approx(3 * 9.0 * 55e-6 * 5e-4)


# ---------------------------------------------------------------------- text in lanes


def scaled(state: Vector, p: Vector, n: int) -> float:
    """Add up n products."""
    total = 0.0
    for i in range(n):
        total = total + (2.0 if i == 1 else 1.0) * state[n - 1 - i] * p[0]
    return total / 3.0


def test_loops_are_written_out_and_numbers_have_the_kernels_precision() -> None:
    lines = inlined(scaled, {"state": "s", "p": "q", "n": 2}, result="out")
    assert lines == [
        "scaled_total = real(0.0)",
        "scaled_total = scaled_total + real(1.0) * s[16 + l] * q[0 + l]",
        "scaled_total = scaled_total + real(2.0) * s[0 + l] * q[0 + l]",
        "out = scaled_total / real(3.0)",
    ]


def branching(state: Vector) -> None:
    """Do what no lane loop can."""
    while state[0] > 0.0:
        state[0] = 0.0


def test_branches_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot put into lanes: while"):
        inlined(branching, {"state": "s"})


def test_random_starts_are_those_of_the_stream() -> None:
    agents = Agents(SEPARATE, [dataclasses.replace(SHORT, steps=1)], [9], dtype="float64", threads=1)
    states = np.zeros((3, 4))
    states[:, 2] = [0.17, 0.1, 0.0]  # the first one falls in one step, the others do not
    drawn = runner.train(agents, np.zeros((1, 72)), states, Limits((10**6,), 300))
    first = (uniform(9, stream_id("crossbar/start/0"), 0, 1) * 3).astype(int)
    share = np.mean([int(bits(9, stream_id("crossbar/start/0"), k, 1)[0]) * 3 >> 32 > 0 for k in range(300)])
    assert first[0] in (0, 1, 2)
    assert drawn.trials[0, 0] == 300
    assert 0 < drawn.successes[0, 0] <= 300
    assert share == pytest.approx(2 / 3, abs=0.15)
