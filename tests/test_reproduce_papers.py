"""``snnrl reproduce``: one command per paper."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import snnrl
from snnrl.cli import main, reproduce
from snnrl.coding import Boxes
from snnrl.errors import InvalidValueError
from snnrl.model import TDError, from_json, to_json
from snnrl.networks import boxes
from snnrl.networks.first_spike import FirstSpike, input_cells
from snnrl.networks.first_spike_synapses import DevicePairs, IdealPairs, PairRule, PairStorage
from snnrl.plasticity.nanocomposite import NANOCOMPOSITE
from snnrl.plasticity.parylene import PARYLENE
from snnrl.plasticity.vteam import VTEAM_SYNAPSE
from snnrl.studies import barto1983, baselines, kulagin2025, paper, vlasov2023
from snnrl.studies.barto1983.reproduce import row_of
from snnrl.studies.kulagin2025 import pulses
from snnrl.tasks import CartPole, make
from snnrl.training.result import AgentRecord

# ---------------------------------------------------------------------- the commands


def page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["reproduce", *words, "--help"]) == 0
    return capsys.readouterr().out


def test_help_lists_every_study_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    said = page(capsys)
    assert [command.name for command in reproduce.app.registered_commands] == list(reproduce.STUDIES)
    assert "snnrl reproduce wu2019" in said.partition("Example")[2]
    for name in reproduce.STUDIES:
        (line,) = (line for line in said.splitlines() if f"│ {name} " in line)
        assert len(line.strip("│ ").split()) > 4


@pytest.mark.parametrize("name", reproduce.STUDIES)
def test_every_study_has_help_with_an_example_of_its_own(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = page(capsys, name)
    assert f"snnrl reproduce {name} " in said.partition("Example")[2]
    for option in ("--seed", "--out", "--json"):
        assert f"{option} " in said
    assert importlib.import_module(f"snnrl.cli.reproduce.{name}").EXAMPLE.partition("--")[2]


@pytest.mark.parametrize(("words", "got"), [(("wu2020", "--all"), "'wu2020'"), ((), "None")])
def test_an_unknown_study_is_one_line_that_names_them(
    words: tuple[str, ...], got: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith(f"snnrl: STUDY: got {got}, allowed: {', '.join(reproduce.STUDIES)}")
    assert ("did you mean 'wu2019'" in line) == bool(words)


def test_the_commands_start_light() -> None:
    heavy = "torch brian2 bindsnet numba matplotlib scipy gymnasium sympy pandas"
    program = f"""
import sys
from snnrl.cli import main
main(['reproduce', '--help'])
found = set('{heavy}'.split()) & {{name.partition('.')[0] for name in sys.modules}}
sys.exit(f'imported: {{found}}' if found else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------- boxes


def test_boxes_are_those_of_the_table() -> None:
    draw = np.random.default_rng(3)
    states = draw.uniform(-1, 1, (4000, 4)) * (2.4, 1.5, 0.21, 2.0)
    edge = [(0.8, 0.5, 6 * boxes.DEGREE, 50 * boxes.DEGREE), (-0.8, -0.5, 0.0, 0.1)]
    encoder = boxes.box_encoder(CartPole(), 4.0)
    cells = {}
    for state in [*states, *np.array(edge)]:
        code = encoder.encode(state)
        assert np.count_nonzero(code) == 1
        assert code.max() == 4.0
        cells.setdefault(baselines.box(*state), set()).add(int(code.argmax()))
    assert encoder.size == baselines.BOXES == len(cells)
    assert sorted(cell for (cell,) in cells.values()) == list(range(162))


@pytest.mark.parametrize("edges", [((1.0, 0.0), ()), ((0.0,),), ((0.0, math.nan), ())])
def test_edges_that_are_none_are_refused(edges: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"Boxes\.edges: got .*, allowed: 2 rows"):
        Boxes("a", "b", (1.0, 1.0), (True, True), edges=edges)


def test_boxes_need_a_cart_pole_that_shows_everything() -> None:
    with pytest.raises(InvalidValueError, match="allowed: a cart-pole that shows all four variables"):
        boxes.BoxActorCritic().build(make("cartpole-hard"))


def test_a_model_of_boxes_goes_through_json() -> None:
    model = boxes.BoxActorCritic().build(CartPole())
    assert from_json(to_json(model)) == model


# ---------------------------------------------------------------------- pairs of spikes

DEVICES = {"parylene": PARYLENE, "nanocomposite": NANOCOMPOSITE}
NAMES = {"exp": math.exp, "tanh": math.tanh, "abs": abs, "second": 1.0}


@pytest.mark.parametrize("name", DEVICES)
def test_text_of_a_device_is_its_published_function(name: str) -> None:
    device = DEVICES[name]
    for lag in (-0.03, -0.004, 0.001, 0.02, 0.045):
        up = lag > 0
        for w in (0.0, 0.3, 1.0):
            state = eval(device.state_text("u", up), {"u": w, **NAMES})
            timing = eval(device.timing_text("lag", up), {"lag": lag, **NAMES})
            found = state * timing * (1.0 if up else -1.0)
            assert found == pytest.approx(float(device.stdp(lag, w)), rel=1e-12, abs=1e-15)


@pytest.fixture
def plain(interpreted: None, interpreted_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run networks without a task as Python, too."""
    from snnrl.engines.fast import simulator

    monkeypatch.setattr(simulator, "load_module", interpreted_module)


LATENCIES = np.array([0.002, 0.007, 0.012, 0.019, 0.5])
"""Of five input cells; the last does not spike."""


def one_pair(storage: PairStorage, td_errors: list[float], **fields: Any) -> Any:
    """Show one output neuron per action the same spikes in every step; the first is the faster."""
    network = FirstSpike(
        cells_per_variable=2, noise=0.0, exploration=0.0, critic_size=1, storage=storage, **fields
    )
    model = network.build(CartPole())
    inputs, critic, first, second = model.network.neurons
    kept = dataclasses.replace(input_cells(5), initial={"latency": LATENCIES})
    slow = dataclasses.replace(second, parameters={**second.parameters, "bias": 1.2})
    changed = dataclasses.replace(model.network, neurons=(kept, critic, first, slow))
    assert inputs.equations == kept.equations
    count = len(td_errors)
    signals = {"td_error": np.array(td_errors), "success": np.zeros(count)}
    return snnrl.simulate(changed, f"{20 * count}*ms", env_step="20*ms", signals=signals)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.usefixtures("plain")
def test_a_pair_of_spikes_changes_a_device_by_its_published_step(name: str, sign: float) -> None:
    device, level = DEVICES[name], 0.4
    storage = DevicePairs(device, stretch=2.0, level=level, trim_std=0.0)
    rule = PairRule(rate=1.0, decay=0.0)
    found = one_pair(storage, [0.0, sign], actor_rule=rule, critic_rule=rule, rivalry=0.5)
    (winner,) = np.flatnonzero(found.spikes["action_0"][:40, 0])
    assert not found.spikes["action_1"].any()
    inputs = found.spikes["state"][:40]
    span = device.g_max - device.g_min
    for cell in range(5):
        spiked = np.flatnonzero(inputs[:, cell])
        lag = 2.0 * 0.0005 * (winner - spiked[0]) if spiked.size else 0.0
        step = float(device.stdp(lag, level)) if spiked.size else 0.0
        assert (step == 0.0) == (cell == 4)
        for action, credit in (("action_0", 1.0), ("action_1", -0.5)):
            wanted = sign * credit * step
            for end, direction in (("plus", 1.0), ("minus", -1.0)):
                g = found.variables[f"state_{action}.g_{end}"].ravel()[cell]
                assert (g - device.g_min) / span == pytest.approx(
                    np.clip(level + direction * wanted, 0, 1), abs=1e-12
                )
                assert found.variables[f"state_{action}.writes_{end}"].ravel()[cell] == (cell < 4)


@pytest.mark.usefixtures("plain")
def test_traces_decay_and_ideal_weights_add_up() -> None:
    storage = IdealPairs(w_max=9.0, tau=0.01, acausal=0.5)
    rule = PairRule(rate=0.3, decay=0.6)
    found = one_pair(storage, [0.0, 0.0, 2.0], actor_rule=rule, critic_rule=rule)
    (winner, *_) = np.flatnonzero(found.spikes["action_0"][:40, 0])
    for cell in range(4):
        lag = 0.0005 * (winner - np.flatnonzero(found.spikes["state"][:40, cell])[0])
        pair = math.exp(-abs(lag) / 0.01) * (1.0 if lag > 0 else -0.5)
        weight = found.variables["state_action_0.w"].ravel()[cell]
        assert weight == pytest.approx(0.3 * 2.0 * (1.0 + 0.6) * pair, rel=1e-12)


@pytest.mark.usefixtures("plain")
def test_the_first_spike_silences_the_others_and_the_critic_counts_what_is_left() -> None:
    rule = PairRule(rate=0.0, decay=0.0)
    found = one_pair(IdealPairs(), [0.0], actor_rule=rule, critic_rule=rule)
    assert found.spikes["action_0"].sum() == 1
    assert found.spikes["action_1"].sum() == 0
    critic = found.spikes["critic"][:, 0]
    first = int(critic.argmax())
    bias = FirstSpike().critic_bias
    expected = (
        0.01 * math.log(bias / (bias - 1.0)) / 0.0005
    )  # of the membrane: Euler steps come a little earlier
    assert abs(first + 1 - expected) <= 1.0
    assert critic[first:].all()
    value = FirstSpike().build(CartPole()).value
    assert value is not None
    assert value.scale * (40 - expected - value.baseline) == pytest.approx(FirstSpike().value_at_rest)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: DevicePairs(VTEAM_SYNAPSE), "allowed: Parylene or Nanocomposite"),  # type: ignore[arg-type]
        (lambda: DevicePairs(dataclasses.replace(PARYLENE, rate_dtod=0.1)), "device.rate_dtod: got 0.1"),
        (lambda: FirstSpike(actor_bias=0.9), r"FirstSpike.actor_bias: got 0.9, allowed: above the threshold"),
        (lambda: PairRule(0.1, 1.0), r"PairRule.decay: got 1.0, allowed: below 1"),
        (lambda: vlasov2023.Settings(seeds=0), r"--seeds: got 0, allowed: a whole number of at least 1"),
        (lambda: vlasov2023.Settings(agents=("ppx",)), r"--only: got 'ppx', allowed: ideal"),
        (lambda: barto1983.Settings(trials=0), r"--trials: got 0, allowed: a whole number of at least 1"),
        (lambda: kulagin2025.Settings(rewards=("gausian",)), "did you mean 'gaussian'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(made: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as raised:
        made()
    assert "\n" not in str(raised.value)


# ---------------------------------------------------------------------- numbers over seeds


def test_when_a_mean_is_first_reached() -> None:
    lengths = np.array([10] * 50 + [500] * 100 + [10] * 10)
    assert paper.first_run(lengths, 475.0) == 145  # 5 of 10 and 95 of 500 steps: a mean of 475.5
    assert (
        paper.first_run(lengths, 195.0, longest=200.0) == 148
    )  # 2 of 10 and 98 of 200 steps: 196.2, before it 194.3
    assert paper.first_run(lengths[:99], 1.0) == math.inf
    assert paper.first_run(lengths, 501.0) == math.inf
    assert paper.first_run(np.array([3, 5, 7]), 6.0, window=2) == 3


def agent(seed: int, lengths: list[int], evaluation: list[int]) -> AgentRecord:
    learning = np.array(lengths)
    return AgentRecord(seed, learning, learning * 1.0, -1, np.array(evaluation), 3.0)


def test_row_of_agents_that_learned() -> None:
    agents = [
        agent(0, [10] * 99 + [500] * 200, [500, 490]),
        agent(1, [30] * 299, [200, 180]),
        agent(2, [9] * 299, [9, 9]),
    ]
    row = paper.learned(agents, 299)
    assert (row["solved_195"], row["solved_475"]) == (1 / 3, 1 / 3)
    assert row["episodes_475"] is None  # the median of one number and two infinities
    assert row["episodes_475_low"] == paper.first_run(agents[0].episode_lengths, 475.0)
    assert row["episodes_195_low"] == 99 + 98  # 98 of 200 steps and 2 of 10: a mean of 196.2
    assert row["evaluation"] == pytest.approx((495 + 190 + 9) / 3)
    assert (row["evaluation_median"], row["evaluation_worst"]) == (190.0, 9.0)
    assert (row["evaluation_195"], row["evaluation_475"]) == (1 / 3, 1 / 3)
    assert row["evaluation_low"] == 9.0
    assert row["evaluation_high"] == 495.0


# ---------------------------------------------------------------------- the studies, small


def tabular(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    told = ["reproduce", "barto1983", "--only", "ase-ace,ase", "--trials", "12", "--workers", "1"]
    assert main([*told, *map(str, words)]) == code
    return capsys.readouterr().err if code else capsys.readouterr().out


def test_a_command_interrupted_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study, rows = ("--seeds", "3", "--seed", "9", "--out", tmp_path / "study"), tmp_path / "rows.json"
    spoken = paper.PaperStudy.say

    def ctrl_c(self: paper.PaperStudy, words: str) -> None:
        spoken(self, words)
        if words == "tables: 1 of 2 parts":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(paper.PaperStudy, "say", ctrl_c)
        said = tabular(capsys, *study, code=130)
    assert f"snnrl: interrupted, finished parts are kept; go on with --out {tmp_path / 'study'}" in said
    (part,) = (tmp_path / "study" / "parts").iterdir()
    made = part.stat().st_mtime_ns
    printed = tabular(capsys, *study, "--json", rows)
    assert part.stat().st_mtime_ns == made
    for words in (
        "ASE/ACE, tabular",
        "ASE alone, tabular",
        "from memory",
        str(tmp_path / "study" / "learning.png"),
    ):
        assert words in printed
    found = json.loads(rows.read_text())
    assert found == json.loads((tmp_path / "study" / "results.json").read_text())
    assert [row["agent"] for row in found["rows"]] == ["ase-ace", "ase"]
    for name, rate in (("ase-ace", 0.5), ("ase", 0.0)):
        learner = baselines.AseAce(critic_rate=rate)
        alone = baselines.ase_ace_agents(CartPole(), range(9, 12), 12, 1, learner, go_on=True)
        wanted = np.mean([agent.episode_lengths for agent in alone], axis=0)
        np.testing.assert_allclose(found["extra"]["curves"][name], wanted, atol=0.006)
    said = tabular(capsys, "--seeds", "4", "--seed", "9", "--out", tmp_path / "study", code=2)
    assert "a study with seeds = 3, got 4" in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("barto1983", "--seeds", "none"), "--seeds: got 'none', allowed: a whole number of at least 1"),
        (("barto1983", "--only", "ace"), "--only: got 'ace', allowed: ase, ase-ace"),
        (("vlasov2023", "--episodes", "0"), "--episodes: got 0, allowed: a whole number of at least 1"),
        (("kulagin2025", "--devices", "vtea"), "did you mean 'vteam'"),
        (("kulagin2025", "--workers", "0"), "--workers: got 0, allowed: a whole number of at least 1"),
        (("vlasov2023", "--json", "no/such/folder.json"), "--json: got 'no/such/folder.json'"),
    ],
)
def test_bad_input_of_a_study_is_one_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reproduce", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.strip().splitlines()
    assert message in line


def test_the_table_learns_on_and_alone_learns_from_failures_only() -> None:
    together, alone = (
        baselines.ase_ace_agents(CartPole(), range(3), 150, 2, baselines.AseAce(critic_rate=rate), go_on=True)
        for rate in (0.5, 0.0)
    )
    assert {len(agent.episode_lengths) for agent in (*together, *alone)} == {150}
    row, other = (row_of(name, agents, barto1983.Settings(trials=150))
                  for name, agents in (("ase-ace", together), ("ase", alone)))  # fmt: skip
    assert row["failures"] < other["failures"]
    assert row["last_20"] > other["last_20"]
    for agents, numbers in ((together, row), (alone, other)):
        assert numbers["failures"] == np.mean([np.sum(agent.episode_lengths < 500) for agent in agents])


@pytest.mark.usefixtures("interpreted")
def test_spiking_agents_of_both_studies_run(tmp_path: Path) -> None:
    small = barto1983.Settings(
        seeds=1, seed=4, trials=2, evaluation_episodes=1, agents=("ase-ace-spiking", "ase-spiking")
    )
    rows = barto1983.reproduce(small).rows
    assert [row["failures"] for row in rows] == [2.0, 2.0]
    few = vlasov2023.Settings(seeds=1, seed=4, episodes=2, evaluation_episodes=1, agents=("parylene",))
    outcome = vlasov2023.reproduce(few, tmp_path / "study")
    assert [row["agent"] for row in outcome.rows] == ["parylene", "random", "ase-ace"]
    row = outcome.rows[0]
    assert row["writes"] > 0
    assert 4 < row["spikes_per_step"] < 4 * 12 + 2 + 8 * 40
    for picture in outcome.pictures:
        assert Path(picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    json.dumps(outcome.to_dict(), allow_nan=False)
    assert len(outcome.claims) == 4


def test_agents_of_full_steps_learn_from_the_sign() -> None:
    for name in ("parylene", "nanocomposite"):
        usual, full = vlasov2023.build(name), vlasov2023.build(f"{name}-full-steps")
        assert isinstance(full.signal, TDError)
        group = next(s for s in full.network.synapses if s.name == "state_action_0")
        assert group.parameters["rate"] * full.signal.clip == 1.0
        assert group.parameters["decay"] == 0.0
        assert (
            group.on_reward == next(s for s in usual.network.synapses if s.name == "state_action_0").on_reward
        )


# ---------------------------------------------------------------------- pulses and real time


def test_conductance_changes_only_where_pulses_overlap() -> None:
    changes, found = pulses.measured(), pulses.summary()
    for name, pulse in pulses.PULSES.items():
        assert found[name]["alone"] == 0.0
        apart = np.abs(pulses.DELAYS) > pulses.touch(pulse) + 1e-9
        assert apart.any()
        assert np.abs(changes[name][apart]).max() == found[name]["outside"] == 0.0
        assert found[name]["most"] > 0.05
        assert found[name]["most_at"] > 0 > found[name]["least_at"]
        assert found[name]["least"] < -0.05
    rectangle = changes["rectangular"]
    assert pulses.DELAYS[rectangle.argmax()] == pytest.approx(pulses.PULSES["rectangular"].breaks[1])
    np.testing.assert_array_equal(changes["parylene"], PARYLENE.stdp(pulses.DELAYS, pulses.START))


@pytest.mark.usefixtures("interpreted")
def test_rewards_rules_and_real_time_of_kulagin(tmp_path: Path) -> None:
    small = kulagin2025.Settings(
        seeds=2, seed=5, episodes=2, evaluation_episodes=1, rewards=("gaussian",), plasticities=("td-ltp",),
        devices=("vteam",), timed_steps=3, calibration_seeds=1, calibration_steps=5,
        network_parameters={"cells_per_variable": 2, "critic_size": 4, "actor_size": 3},
    )  # fmt: skip
    outcome = kulagin2025.reproduce(small, tmp_path / "study")
    (row,) = outcome.rows
    assert row["row"] == "gaussian, td-ltp, vteam"
    assert (row["seeds"], row["solved_fraction"]) == (2, 0.0)
    assert (row["evaluation_mean_low"], row["writes_per_episode_high"]) == (
        row["evaluation_low"],
        row["writes_high"],
    )
    timed = outcome.extra["real_time"]["resolved"]
    assert timed["steps"] >= 3
    assert timed["median"] <= timed["p99"] <= timed["most"]
    assert timed["ratio"] == pytest.approx(0.02 * timed["steps"] / (3 * timed["median"]), rel=9)
    for picture in outcome.pictures:
        assert Path(picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert "0 of 1 combinations" in outcome.claims[0].ours
    json.dumps(outcome.to_dict(), allow_nan=False)
