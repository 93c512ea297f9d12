"""Crossbar networks in training: the compiled loop against the plain one, run folders, refusals, wear and energy."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnrl
from snnrl.cli import main
from snnrl.engines.books import Counter
from snnrl.engines.session import Stop
from snnrl.errors import InvalidValueError, RunFolderError, SnnrlError, UnknownNameError
from snnrl.figures.writes import writes_figure
from snnrl.networks.crossbar import CrossbarActorCritic
from snnrl.networks.crossbar_energy import energy_per_decision
from snnrl.networks.crossbar_episodes import CrossbarPlayer
from snnrl.networks.crossbar_presets import CART_POLE, make_crossbar
from snnrl.plasticity import devices
from snnrl.plasticity.al2o3 import AL2O3, AL2O3_SYNAPSE
from snnrl.plasticity.wear import Reading, spike_energy
from snnrl.report import wear_rows
from snnrl.studies.wu2019 import spiking
from snnrl.tasks import CartPole, RotaryPendulum
from snnrl.training import crossbar_session
from snnrl.training import train as training
from snnrl.training.build import build_crossbars
from snnrl.training.config import TrainingConfig
from snnrl.training.result import Wear
from snnrl.training.runfolder import RunFolder
from snnrl.training.summary import wear_summary

CONFIG = TrainingConfig(network="crossbar", seeds=3, seed=5, episodes=40, evaluation_episodes=5, threads=1)
MEMRISTIVE: dict[str, Any] = {"synapse": "memristive", "spread": 0.3}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the clock every 40 steps, so that a short run has a middle; leave out what has its own tests."""
    monkeypatch.setattr(training, "CHUNK", 40)
    monkeypatch.setattr(training._Run, "_baselines", lambda run: None)


@pytest.fixture
def interpret(
    interpreted_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """Let kernels be run by Python from now on: no compilation for every task and reward."""
    with np.errstate(over="ignore"):  # the counter-based numbers wrap around on purpose
        yield lambda: monkeypatch.setattr(
            crossbar_session, "load_module", lambda source: _Plain(interpreted_module(source))
        )


def cli(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


# ---------------------------------------------------------------------- compiled against plain

GATED = {"gate": 0.3, "gate_after": 2, "step": 0.01, "adc_bits": 8, "variable_discount": True}


@pytest.mark.parametrize(
    ("changes", "parameters"),
    [
        ({}, {}),
        (MEMRISTIVE, {}),
        ({**MEMRISTIVE, "plasticity": "manhattan", "device_parameters": {"saturation": 0.4}}, GATED),
        ({}, {"shared": True, "signed": False, "hidden": 3, "gate": 0.2}),
        ({"task": "gym:CartPole-v1", "episodes": 8}, {}),
    ],
)
def test_the_compiled_loop_is_the_plain_one_bit_for_bit(
    changes: dict[str, Any], parameters: dict[str, Any], interpret: Callable[[], None]
) -> None:
    if "task" in changes:
        interpret()  # one compiled kernel is enough
    config = dataclasses.replace(CONFIG, seeds=2, spread=None, plasticity=None, network_parameters=parameters)
    config = TrainingConfig(**config.to_dict() | {"plasticity": None} | changes)
    session = build_crossbars(config)
    while not session.finished.all():
        session.run(37, Stop(config.episodes))
    learned = {name: session.state[name].copy() for name in ("w", "writes", "lengths", "rewards", "running")}
    session.begin_evaluation(3)
    while not session.finished.all():
        session.run(37, Stop(3), learning=False, exploration=0.5)
    for row, seed in enumerate(config.agent_seeds):
        player = CrossbarPlayer(config.make_crossbar(), config.make_task(), seed, config.make_reward())
        played = [player.episode() for _ in range(config.episodes)]
        assert [episode.length for episode in played] == learned["lengths"][row].tolist()
        assert [-1.0 * episode.failed for episode in played] == learned["rewards"][row].tolist()
        assert np.array_equal(player.agent.store.weights, learned["w"][row])
        assert np.array_equal(player.agent.store.writes[0], learned["writes"][row])  # type: ignore[attr-defined]
        assert player.agent.gamma == learned["running"][row, 0]
        evaluated = [player.episode(learning=False, exploration=0.5).length for _ in range(3)]
        assert evaluated == session.state["lengths"][row].tolist()
        assert np.array_equal(player.agent.store.weights, session.state["w"][row])
        player.close()
    assert len({tuple(row) for row in learned["w"].tolist()}) == 2


@pytest.mark.parametrize("reward", ["gaussian", "record"])
def test_any_reward_may_be_learnt_from(reward: str, interpret: Callable[[], None]) -> None:
    interpret()
    config = dataclasses.replace(CONFIG, reward=reward, seeds=1, episodes=25)
    session = build_crossbars(config)
    session.run(10**6, Stop(25))
    player = CrossbarPlayer(config.make_crossbar(), config.make_task(), 5, config.make_reward())
    assert [player.episode().length for _ in range(25)] == session.state["lengths"][0].tolist()
    assert np.array_equal(player.agent.store.weights, session.state["w"][0])
    plain = CrossbarPlayer(config.make_crossbar(), config.make_task(), 5)
    for _ in range(25):
        plain.episode()
    assert not np.array_equal(plain.agent.store.weights, player.agent.store.weights)


class _Plain:
    """A module whose functions look compiled."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._module, name)
        function.py_func = function
        return function


def test_without_exploration_the_likelier_action_is_taken() -> None:
    agent = make_crossbar(CartPole(), "exact").agent(CartPole(), seed=1)
    rng = np.random.default_rng(0)
    for _ in range(50):
        observation = rng.uniform(-1, 1, 4) * CartPole().observation_scale
        assert agent.act(observation, exploration=0.0) == (agent.probability(observation) > 0.5)
        agent.pass_step()


# ---------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Leave a run on memristors that was not interrupted."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CHUNK", 40)
        patch.setattr(training._Run, "_baselines", lambda run: None)
        training.train(_memristive(), path)
    return path


def _memristive() -> TrainingConfig:
    options = CONFIG.to_dict() | MEMRISTIVE | {"plasticity": None}
    return TrainingConfig(**options)


def test_a_run_leaves_everything(whole: Path) -> None:
    left = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert left == {"config.json", "agent.npz", "episodes.csv", "summary.json", "wear.json", "report.html",
                    "figures/learning_curve.png", "figures/writes.png"}  # fmt: skip
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["spikes_per_step"] is None
    assert summary["writes_per_device"] > 100
    rows = list(csv.DictReader((whole / "episodes.csv").read_text().splitlines()))
    assert len(rows) == 3 * (40 + 5)
    report = (whole / "report.html").read_text()
    assert "<tr><td>spikes per environment step</td><td>–</td>" in report
    assert "Wear and energy" in report
    assert "One episode, spike by spike" not in report
    assert report.count("data:image/png;base64,") == 2


class Interrupt:
    """Progress function that raises at its n-th call in a phase."""

    def __init__(self, phase: str, call: int) -> None:
        self.phase, self.left = phase, call

    def __call__(self, progress: Any) -> None:
        """Count, and raise."""
        self.left -= progress.phase == self.phase
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize(("phase", "call"), [("learning", 1), ("learning", 4), ("evaluation", 1)])
def test_an_interrupted_run_ends_with_the_same_numbers(
    whole: Path, tmp_path: Path, phase: str, call: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        training.train(_memristive(), tmp_path / "run", None, Interrupt(phase, call))
    assert RunFolder.open(tmp_path / "run").has_checkpoint
    snnrl.train(resume=tmp_path / "run")
    for name in ("episodes.csv", "summary.json", "wear.json"):
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes(), name
    mine, expected = (RunFolder.open(path).load_checkpoint()[0] for path in (tmp_path / "run", whole))
    for name in expected.keys() - {"wall_time"}:
        assert np.array_equal(mine[name], expected[name]), name


def test_an_interrupted_episode_of_an_environment_is_played_again(
    monkeypatch: pytest.MonkeyPatch, interpret: Callable[[], None]
) -> None:
    interpret()
    config = TrainingConfig(**CONFIG.to_dict() | {"task": "gym:CartPole-v1", "seeds": 1, "reward": None})
    straight, broken = build_crossbars(config), build_crossbars(config)
    straight.run(10**6, Stop(4))
    with monkeypatch.context() as patch:
        played, play = [], crossbar_session.CrossbarSession._play

        def interrupted(*arguments: Any) -> None:
            played.append(1)
            play(*arguments)
            if len(played) == 3:
                raise KeyboardInterrupt

        patch.setattr(crossbar_session.CrossbarSession, "_play", interrupted)
        with pytest.raises(KeyboardInterrupt):
            broken.run(10**6, Stop(4))
    assert broken.episodes.tolist() == [2]
    broken.run(10**6, Stop(4))
    for name, array in straight.state.items():
        assert np.array_equal(array, broken.state[name]), name


def test_threads_change_no_number() -> None:
    sessions = [build_crossbars(dataclasses.replace(CONFIG, threads=threads)) for threads in (1, 3)]
    for session in sessions:
        session.run(10**6, Stop(40))
    for name, array in sessions[0].state.items():
        assert np.array_equal(array, sessions[1].state[name]), name


def test_evaluation_of_a_run_repeats_its_own(
    whole: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = cli("evaluate", whole, "--episodes", 5, "--json", tmp_path / "e.json", capsys=capsys)
    assert code == 0
    assert "–" in next(line for line in out.splitlines() if line.startswith("spikes per"))
    own = json.loads((whole / "summary.json").read_text())
    assert json.loads((tmp_path / "e.json").read_text()) == own


def test_info_shows_a_run_and_its_kernel(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = cli("info", whole, capsys=capsys)
    assert code == 0
    assert "energy of a decision" in out
    assert "--network crossbar --plasticity variable-amplitude --synapse memristive --device al2o3" in out
    code, out, _ = cli("info", whole, "--kernel", capsys=capsys)
    assert code == 0
    assert "def hidden_layer(" in out


def test_train_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--network", "crossbar", "--seeds", 2, "--episodes", 5, "--evaluation-episodes", 1, "--threads", 1,
             "--synapse", "memristive", "--set", "device.thresholds=full", "--set", "network.gate=0.5")  # fmt: skip
    code, out, _ = cli("train", "cartpole", *words, "--out", tmp_path / "run", capsys=capsys)
    assert code == 0
    assert "writes per device" in out
    config = RunFolder.open(tmp_path / "run").config
    assert (config.plasticity, config.device, config.spread) == ("variable-amplitude", "al2o3", 0.0)
    network = config.make_crossbar()
    assert network.device == dataclasses.replace(AL2O3_SYNAPSE, thresholds="full")
    assert (network.gate, network.gamma) == (0.5, CART_POLE["gamma"])
    for word in ("--set device.thresholds=full", "--set network.gate=0.5"):
        assert word in config.command()


# ---------------------------------------------------------------------- refusals

CROSSBAR = {"network": "crossbar"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "cartpole-medium"}, "actions of cartpole for crossbar networks: got 3, allowed: a task with two"),
        ({"task": "gym:Acrobot-v1"}, "actions of gym for crossbar networks: got 3, allowed: a task with two"),
        ({"plasticity": "td-ltp"}, "plasticity: got 'td-ltp', allowed: exact, manhattan, variable-amplitude with network"),
        ({"plasticity": "exact", "synapse": "memristive"}, "CrossbarActorCritic.rule: got 'exact', allowed: manhattan or"),
        ({"synapse": "memristive", "device": "vteam"}, "device: got 'vteam', allowed: al2o3 with network 'crossbar'"),
        ({"device": "al2o3"}, "device: got 'al2o3', allowed: only with synapse 'memristive'"),
        ({"device_parameters": {"slope": 0.1}}, "device_parameters: got .*, allowed: only with synapse 'memristive'"),
        ({**MEMRISTIVE, "device_parameters": {"thresholds": "full"}}, "spread: got 0.3, allowed: 0 beside thresholds=full"),
        ({**MEMRISTIVE, "device_parameters": {"slop": 1}}, "al2o3 parameter: got 'slop', allowed: "),
        ({**MEMRISTIVE, "device_parameters": {"slope": "x"}}, "Al2O3.slope: got 'x', allowed: a finite number"),
        ({**MEMRISTIVE, "device_parameters": {"threshold_spread": "x"}}, "parameters of device al2o3: got .*, allowed: numb"),
        ({**MEMRISTIVE, "device_parameters": {"update_std": 0.1}}, "CrossbarActorCritic.device: got .*, allowed: a device"),
        ({**MEMRISTIVE, "synapse_parameters": {"layout": "pair"}}, "synapse_parameters: got .*, allowed: nothing with"),
        ({"engine": "torch"}, "engine: got 'torch', allowed: 'fast' with network 'crossbar'"),
        ({"dtype": "float32"}, "dtype: got 'float32', allowed: 'float64' with network 'crossbar'"),
        ({"network_parameters": {"rule": "exact"}}, "network.rule: got 'exact', allowed: the option plasticity"),
        ({"network_parameters": {"hiden": 3}}, "parameter of network crossbar: got 'hiden', allowed: .* .did you mean 'hidden'"),
        ({"network_parameters": {"gamma": 1.0}}, "CrossbarActorCritic.gamma: got 1.0, allowed: below 1"),
        ({"network_parameters": {"gamma": "a"}}, "CrossbarActorCritic.gamma: got 'a', allowed: a number"),
        ({"network_parameters": {"shared": 1}}, "CrossbarActorCritic.shared: got 1, allowed: true or false"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_clear_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SnnrlError, match=f"^{message}") as caught:
        TrainingConfig(**{**CROSSBAR, **options})
    assert "\n" not in str(caught.value)


def test_crossbar_rules_are_no_rules_of_spiking_networks() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^plasticity: got 'exact', allowed: td-ltp, r-stdp, policy-gradient with"
    ):
        TrainingConfig(plasticity="exact")


def test_a_refusal_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("train", "cartpole-medium", "--network", "crossbar", "--out", tmp_path / "run")
    code, out, err = cli(*words, capsys=capsys)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_the_pendulum_keeps_the_paper_s_numbers() -> None:
    assert make_crossbar(RotaryPendulum(), "exact") == CrossbarActorCritic()
    assert make_crossbar(CartPole(), "exact").critic_hidden_rate == CART_POLE["critic_hidden_rate"]


# ---------------------------------------------------------------------- al2o3 in spiking synapses


def test_spread_of_al2o3_is_that_of_its_thresholds() -> None:
    assert devices.make("al2o3", 0) == AL2O3_SYNAPSE
    spread = devices.make("al2o3", 0.2)
    assert isinstance(spread, type(AL2O3))
    drawn = spread.draw_thresholds(0, 4000)
    assert 0.8 * 2.25 <= drawn.min() < 0.81 * 2.25
    assert 1.19 * 2.25 < drawn.max() <= 1.2 * 2.25
    assert np.array_equal(devices.make("al2o3", 0.3).draw_thresholds(1, 9),  # type: ignore[attr-defined]
                          dataclasses.replace(AL2O3, thresholds="30%").draw_thresholds(1, 9))  # fmt: skip


@pytest.mark.parametrize("case", ["30%", "full"])
def test_text_of_thresholds_and_gains_is_that_of_the_functions(case: str) -> None:
    device = dataclasses.replace(AL2O3, thresholds=case)
    draws = np.linspace(0, 1, 11)
    volts = eval(device.threshold_text(), {"volt": 1.0, "rand": lambda: draws})
    assert volts[[0, -1]] == pytest.approx({"30%": [1.575, 2.925], "full": [1.0, 5.5]}[case])
    gain = eval(device.gain_text("v", 3.2, 3.2), {"v": volts, "volt": 1.0, "exp": np.exp})
    assert gain == pytest.approx(device.speed(volts))
    assert eval(device.gain_text("v", 3.0, 3.2), {"v": volts, "volt": 1.0, "exp": np.exp}) == pytest.approx(
        device.speed(volts) * device.nominal_gain(3.0, 3.2)
    )


# ---------------------------------------------------------------------- wear and energy


def test_energy_by_hand() -> None:
    """0.2 V for 1 us; inputs 1 and 0.5 on 6 pairs each, hidden outputs 0.5 and 1 on one; a pair has 110 uS."""
    reading = Reading(voltage=0.2, time=1e-6)
    network = CrossbarActorCritic(hidden=6)
    by_hand = 1e-6 * 0.04 * (1.25 * 6 + 1.25 * 1) * 110e-6
    assert energy_per_decision(network, [1.0, 0.5], [0.5, 1.0], AL2O3, reading) == pytest.approx(by_hand)
    assert spike_energy(3, 16, AL2O3, reading) == pytest.approx(3 * 1e-6 * 0.04 * 16 * 110e-6)


def test_energy_of_a_run_is_the_mean_over_its_decisions(whole: Path) -> None:
    config = _memristive()
    energies = []
    for seed in config.agent_seeds:
        player = CrossbarPlayer(config.make_crossbar(), config.make_task(), seed)
        for _ in range(config.episodes):
            player.episode()
        energies.append(_evaluation_energy(player))
    assert RunFolder.open(whole).read_wear()["energy"] == pytest.approx(np.mean(energies), rel=1e-12)


def _evaluation_energy(player: CrossbarPlayer) -> float:
    """Mean energy of the decisions of five evaluation episodes, one decision after the other."""
    agent, spent = player.agent, []
    act, network = agent.act, player.agent.network

    def watched(observation: Any, exploration: float = 1.0) -> int:
        x, first = agent.inputs(observation), agent.place.actor_hidden
        w = agent.store.weights[first : first + network.hidden * agent.n_inputs].reshape(network.hidden, -1)
        spent.append(energy_per_decision(network, x, 1 / (1 + np.exp(-w @ x)), AL2O3_SYNAPSE))
        return act(observation, exploration)

    agent.act = watched  # type: ignore[method-assign]
    for _ in range(5):
        player.episode(learning=False, exploration=0.0)
    return float(np.mean(spent))


WEAR = Wear(np.array([[0, 10, 20, 30], [40, 50, 60, 400]]), np.array([2e-12, 4e-12]))


def test_lifetime_by_hand() -> None:
    numbers = wear_summary(WEAR, endurance=1000)
    assert (numbers["mean"], numbers["median"], numbers["most"]) == (76.25, 35.0, 400.0)
    assert numbers["trainings_median"] == pytest.approx(1000 / 35)
    assert numbers["trainings_first"] == 2.5
    assert numbers["energy"] == pytest.approx(3e-12)
    shown = dict(wear_rows(numbers))
    assert shown["energy of a decision in the actors' arrays, read at 0.1 V for 1 µs"] == "3 pJ"
    assert shown["trainings until the median and the first device has had 1000 writes"] == "29, 2"


def test_devices_never_written_last_for_ever() -> None:
    numbers = wear_summary(Wear(np.zeros((2, 3), np.int64), np.full(2, np.nan)))
    assert numbers["trainings_first"] is None
    assert numbers["energy"] is None
    rows = wear_rows(numbers)
    assert len(rows) == 2
    assert rows[1][1] == "for ever, for ever"


def test_figure_of_the_writes_shows_every_device() -> None:
    figure = writes_figure(WEAR)
    top, bottom = figure.axes
    shares = [patch.get_height() for patch in top.patches]
    assert sum(shares) == pytest.approx(7 / 8)  # on a logarithmic axis those never written are left out
    assert "of 8 devices of 2 seeds; 1 never" in top.get_title(loc="left") + top.get_title()
    assert bottom.get_xscale() == "log"
    even = writes_figure(Wear(np.array([[5, 6, 7]]), np.array([1e-12])))
    assert sum(patch.get_height() for patch in even.axes[0].patches) == pytest.approx(1.0)


@pytest.mark.usefixtures("interpreted")
def test_wear_of_a_spiking_run_counts_every_device(tmp_path: Path) -> None:
    small = {"cells_per_variable": 2, "critic_size": 4, "actor_size": 3}
    config = TrainingConfig(seeds=2, episodes=2, evaluation_episodes=1, threads=1, device="al2o3",
                            network_parameters=small, **MEMRISTIVE)  # fmt: skip
    result = training.train(config, tmp_path / "run")
    wear = result.wear
    assert wear is not None
    assert wear.writes.shape == (2, 2 * 16 * (4 + 3 + 3))
    assert wear.writes.mean(axis=1) == pytest.approx([agent.writes_per_device for agent in result.agents])
    assert result.recording is not None
    state, _ = RunFolder.open(tmp_path / "run").load_checkpoint()
    per_step = state["spike_total"][:, 0] / state["counters"][:, Counter.ENV_STEPS]
    # A spike of a place cell reads its row of pairs to 2 x 3 actor neurons: 0.1 V for 1 us on 110 uS each.
    assert wear.energy == pytest.approx(per_step * 6 * 0.01 * 1e-6 * 110e-6)
    assert np.all(wear.energy > 0)
    assert training.train(dataclasses.replace(config, synapse="ideal", device=None, spread=None)).wear is None


# ---------------------------------------------------------------------- crossbars beside spiking networks


def test_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    name, small = (
        "crossbar, 30 %",
        {"episodes": 30, "evaluation_episodes": 2, "solve_window": 5, "solve_threshold": 9.0},
    )
    with pytest.raises(KeyboardInterrupt):
        spiking.compare(tmp_path, [name], 2, progress=_interrupt(3), **small)
    seen: list[str] = []
    (row,) = spiking.compare(tmp_path, [name], 2, progress=lambda row, state: seen.append(row), **small)
    assert set(seen) == {name}
    fresh = spiking.compare(tmp_path / "fresh", [name], 2, endurance=500.0, **small)
    assert {**fresh[0], "endurance": 1e6, "trainings_first": None, "trainings_median": None} == {
        **row, "trainings_first": None, "trainings_median": None}  # fmt: skip
    assert fresh[0]["trainings_first"] == 500 / row["writes_most"]
    assert (row["first_seed"], row["seeds"], row["network"]) == (4_000_000, 2, "crossbar")
    assert row["solved"] == 1.0
    assert row["median_low"] <= row["median_episodes"] <= row["median_high"]
    seen.clear()
    report = tmp_path / "crossbar-30-percent" / "report.html"
    written = report.stat().st_mtime_ns
    assert spiking.compare(tmp_path, [name], 2, progress=lambda row, state: seen.append(row), **small) == [
        row
    ]
    assert seen == []
    assert report.stat().st_mtime_ns == written  # it was finished, and is read
    assert f"| {name} | 100% |" in spiking.table([row])
    with pytest.raises(RunFolderError, match="a run with seeds = 2, allowed: 3, or a new folder"):
        spiking.compare(tmp_path, [name], 3, **small)
    with pytest.raises(UnknownNameError, match=r"^row: got 'crosbar'"):
        spiking.compare(None, ["crosbar"])


def _interrupt(call: int) -> Callable[[str, Any], None]:
    inner = Interrupt("learning", call)
    return lambda row, state: inner(state)


def test_every_row_is_a_run_of_its_own_on_fresh_seeds() -> None:
    rows = spiking.rows()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        config = TrainingConfig(**{"task": "cartpole", "seeds": spiking.SEEDS, **row.options})
        first = 4_000_000 if config.crossbar else 4_100_000
        assert (config.seed, config.seeds) == (first, 20)
