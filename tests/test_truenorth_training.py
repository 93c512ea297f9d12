"""`snnrl train cartpole --network truenorth`: students distilled from dense actors, run folders, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import snnrl
from snnrl import tasks
from snnrl.cli import main
from snnrl.engines.session import Stop
from snnrl.engines.world import physics_module
from snnrl.networks.truenorth import IntegerNetwork
from snnrl.networks.truenorth.cartpole import CARTPOLE, cartpole_frames
from snnrl.networks.truenorth.students import Student
from snnrl.tasks import rewards
from snnrl.training import dense_session, truenorth_distillation, truenorth_session
from snnrl.training import train as training
from snnrl.training.build import build_dense
from snnrl.training.config import TrainingConfig
from snnrl.training.dense_slots import Episodes, Stage, play
from snnrl.training.dense_vpg import VpgLearner
from snnrl.training.runfolder import RunFolder
from snnrl.training.truenorth_distillation import Round, StudentPolicy, best, distil
from snnrl.training.truenorth_session import TrueNorthSession

EVALUATED = 5


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Iterator[None]:
    """Cut short runs into pieces and make distillation short; leave out what has its own tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "CHUNK", 60)
        patch.setattr(dense_session, "SIDE_BY_SIDE", 2)
        patch.setattr(training._Run, "_baselines", lambda run: None)
        for name, value in {"EPISODES": 4, "STEPS": 12, "BATCH": 64, "ROUNDS": 2}.items():
            patch.setattr(truenorth_distillation, name, value)
        yield
    torch.set_num_threads(threads)


def config(**changes: Any) -> TrainingConfig:
    options: dict[str, Any] = {
        "network": "truenorth", "seeds": 2, "seed": 5, "episodes": 12, "evaluation_episodes": EVALUATED,
        "network_parameters": {"hidden": [8], "batch": 4},
    }  # fmt: skip
    return TrainingConfig(**(options | changes))


def stage(seed: int = 3, evaluating: bool = False) -> Stage:
    task = tasks.make("cartpole")
    reward = rewards.make("environment").bind(task)
    return Stage(task, reward, physics_module(task, reward), seed, evaluating)


class Linear:
    """A controller that balances the pole."""

    def logits(self, observations: np.ndarray) -> np.ndarray:
        """Return the logits ``[batch, 2]``."""
        push = 5 * observations @ np.array([0.1, 0.3, 4.0, 1.0])
        return np.stack((-push, push), axis=1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a run that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    training.train(config(), folder)
    return folder


def student(folder: Path, seed: int) -> IntegerNetwork:
    return IntegerNetwork.load(folder / ("student.tn" if seed == 5 else f"student-{seed}.tn"))


def replayed(folder: Path, seed: int) -> Episodes:
    """Play the evaluation again with the integers of the student."""
    network = student(folder, seed)
    return play(
        stage(seed, True), 0, EVALUATED, 0.0, lambda seen, step: network.actions(cartpole_frames(seen))
    )


# ---------------------------------------------------------------------- runs


def test_a_run_leaves_its_students_beside_the_usual_files(whole: Path) -> None:
    left = {str(path.relative_to(whole)) for path in whole.rglob("*") if path.is_file()}
    assert left == {
        "config.json", "agent.npz", "episodes.csv", "summary.json", "report.html",
        "figures/learning_curve.png", "student.tn", "student-6.tn",
    }  # fmt: skip
    for seed in (5, 6):
        network = student(whole, seed)
        assert network.spec == CARTPOLE
        assert all(set(np.unique(layer.weights)) <= {-1, 0, 1} for layer in network.layers)
        assert max(place.fan_in for place in network.spec.places()) <= 128


def test_the_evaluation_is_of_the_integer_network(whole: Path) -> None:
    _, records = RunFolder.open(whole).load_checkpoint()
    for record in records:
        played = replayed(whole, record.seed)
        assert played.lengths.tolist() == record.evaluation_lengths.tolist()
        assert len(record.episode_lengths) == 12  # the teacher's


def test_spikes_are_those_of_all_layers_in_every_decision(whole: Path) -> None:
    _, records = RunFolder.open(whole).load_checkpoint()
    for record in records:
        seen = cartpole_frames(replayed(whole, record.seed).observations)
        spikes = sum(layer.sum() for layer in student(whole, record.seed).activations(seen))
        assert record.spikes_per_step == pytest.approx(spikes / len(seen))


def test_commands_take_the_run(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers = tmp_path / "numbers.json"
    assert main(["map", str(whole), "--json", str(numbers)]) == 0
    cores = json.loads(numbers.read_text())
    assert (cores["cores"], cores["chips"], cores["splitters"]) == (2, 1, 0)
    assert main(["evaluate", str(whole), "--episodes", str(EVALUATED), "--json", str(numbers)]) == 0
    again, summary = json.loads(numbers.read_text()), json.loads((whole / "summary.json").read_text())
    assert again["evaluation_mean"] == summary["evaluation_mean"]
    assert again["spikes_per_step"] == summary["spikes_per_step"] > 0
    assert main(["info", str(whole / "student.tn"), "--json", str(numbers)]) == 0
    capsys.readouterr()
    assert main(["info", str(whole)]) == 0
    assert "--network truenorth" in capsys.readouterr().out
    assert main(["info", str(whole), "--kernel"]) == 2
    assert "which truenorth ones have not" in capsys.readouterr().err


def same(run: Path, expected: Path) -> None:
    for name in ("episodes.csv", "summary.json", "student.tn", "student-6.tn"):
        assert (run / name).read_bytes() == (expected / name).read_bytes(), name
    mine, theirs = (RunFolder.open(path).load_checkpoint()[0] for path in (run, expected))
    assert mine.keys() == theirs.keys()
    for name in theirs.keys() - {"wall_time"}:
        assert np.array_equal(mine[name], theirs[name]), name


@pytest.mark.parametrize(("place", "call"), [("update", 3), ("train_batch", 30), ("_look", 2)])
def test_an_interrupted_run_ends_with_the_same_numbers(
    place: str, call: int, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the teacher's third batch of episodes, in the distillation of the second agent, in the evaluation."""
    owner: Any = {
        "update": VpgLearner,
        "train_batch": truenorth_distillation,
        "_look": TrueNorthSession,
    }[place]
    work, calls = getattr(owner, place), []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        found = work(*arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(owner, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            training.train(config(), tmp_path / "run")
    assert not (tmp_path / "run/student.tn").exists()
    torch.rand(3)  # what happens in between does not matter
    snnrl.train(resume=tmp_path / "run")
    same(tmp_path / "run", whole)


def test_a_finished_student_is_not_distilled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    session = build_dense(config())
    while not session.finished[0]:
        session.run(60, Stop(12))
    state = session.save()
    begun: list[int] = []

    def counted(teacher: Any, stage: Stage, first: int) -> Iterator[Round]:
        begun.append(stage.seed)
        return distil(teacher, stage, first)

    monkeypatch.setattr(truenorth_session, "distil", counted)
    fresh = build_dense(config())
    fresh.restore(state)
    while not fresh.finished.all():
        fresh.run(60, Stop(12))
    assert 5 not in begun


def test_an_agent_is_the_same_whatever_the_others_do(whole: Path, tmp_path: Path) -> None:
    training.train(config(seeds=1, seed=6), tmp_path / "alone")
    alone = (tmp_path / "alone/student.tn").read_bytes()
    assert alone == (whole / "student-6.tn").read_bytes()
    assert alone != (whole / "student.tn").read_bytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"task": "acrobot"}, "cartpole with its whole state"),
        ({"task": "gym:CartPole-v1"}, "cartpole with its whole state"),
        ({"task_parameters": {"difficulty": "hardest"}}, "cartpole with its whole state"),
        ({"task_parameters": {"difficulty": "medium"}}, "cartpole with its whole state"),
        ({"plasticity": "td-ltp"}, "vpg, a2c, ppo, dqn"),
        ({"synapse": "memristive"}, "'ideal' with network 'truenorth'"),
        ({"engine": "torch"}, "'fast' with network 'truenorth'"),
    ],
)
def test_what_does_not_go_with_the_network_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(snnrl.errors.InvalidValueError, match=words):
        config(**changes)


# ---------------------------------------------------------------------- distillation


def test_a_student_learns_to_balance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truenorth_distillation, "STEPS", 150)
    rounds = list(distil(Linear(), stage(), 0))
    first, second = rounds
    assert np.mean(second.divergences[-20:]) < 0.3 * np.mean(first.divergences[:5])
    assert max(each.length for each in rounds) > 300
    seen = np.random.default_rng(0).normal(0, [0.5, 0.5, 0.05, 0.5], (300, 4))
    policy = StudentPolicy(best(rounds))
    assert np.array_equal(policy.logits(seen), best(rounds).logits(cartpole_frames(seen)))


def test_later_rounds_see_where_the_student_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[int] = []
    teacher = Linear()

    class Counting:
        def logits(self, observations: np.ndarray) -> np.ndarray:
            if len(observations) > 4:  # not one step of the episodes
                taught.append(len(observations))
            return teacher.logits(observations)

    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    rounds = list(distil(Counting(), stage(), 0))
    assert torch.rand(1) == expected  # the global numbers are left alone
    assert len(rounds) == len(taught) == 2
    assert taught[1] > taught[0]


def test_actions_are_random_as_often_as_asked() -> None:
    choose = truenorth_distillation._chooser(Linear(), stage(), 0, 0.4)
    other = truenorth_distillation._chooser(Linear(), stage(), 7, 0.4)
    states = np.tile([0.0, 0.0, 0.1, 0.0], (50, 1))  # 1 is best
    actions = np.array([choose(states, step) for step in range(40)])
    assert np.mean(actions == 0) == pytest.approx(0.2, abs=0.04)
    assert not np.array_equal(actions[0], other(states, 0))
    never = truenorth_distillation._chooser(Linear(), stage(), 0, 0.0)
    assert never(states, 0).tolist() == [1] * 50


def test_the_best_round_is_the_last_of_the_longest() -> None:
    networks = [Student(CARTPOLE, 2).to_integer() for _ in range(3)]
    rounds = [Round(n, [], length) for n, length in zip(networks, (400.0, 400.0, 90.0), strict=True)]
    assert best(rounds) is networks[1]


def test_sums_are_exact_in_bfloat16() -> None:
    """Layers on the chip; the first one, whose sums are larger, stays in float32."""
    torch.manual_seed(1)
    net = Student(CARTPOLE, 2)
    for block in net.layer_blocks:
        block.conv.weight.fill_(1)
    x = torch.randint(0, 256, (64, 12, 1, 1))
    net.eval()
    for block in net.layer_blocks[1:]:
        block.step.mean.fill_(63.5)
    expected = net.spikes(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = net.spikes(x)
        big = net.layer_blocks[0].conv(x.float())
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert torch.equal(big, x.float().sum(dim=1, keepdim=True).expand_as(big))
    ones = torch.ones(3, 128, 1, 1)
    with torch.autocast("cpu", torch.bfloat16):
        sums = net.layer_blocks[1].conv(ones)
    assert sums.dtype == torch.float32
    assert bool((sums == 128).all())
