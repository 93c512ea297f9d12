"""Dense networks in training: the policy gradient, runs that go on where they were, refusals, and that they learn."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import snnrl
from snnrl import tasks
from snnrl.cli import main
from snnrl.conversion.sources import load
from snnrl.engines.session import Stop
from snnrl.engines.world import physics_module
from snnrl.errors import InvalidValueError, RunFolderError, SnnrlError
from snnrl.networks import DenseNetwork
from snnrl.networks.dense_options import A2c, Vpg, make_options
from snnrl.tasks import rewards
from snnrl.training import dense_sb3, dense_session
from snnrl.training import train as training
from snnrl.training.build import build_dense
from snnrl.training.config import TrainingConfig
from snnrl.training.dense_slots import Episodes, Slots, Stage, play
from snnrl.training.dense_vec_env import EpisodesVecEnv
from snnrl.training.dense_vpg import VpgLearner, advantages, discounted, gumbel_noise, normalised, policy_loss
from snnrl.training.runfolder import RunFolder

ALGORITHMS = ("vpg", "a2c", "ppo", "dqn")
SMALL: dict[str, dict[str, Any]] = {
    "vpg": {"hidden": [8], "batch": 4},
    "a2c": {"hidden": [8], "environments": 4},
    "ppo": {"hidden": [8], "environments": 4, "steps": 16, "batch": 32, "epochs": 2},
    "dqn": {"hidden": [8], "buffer": 300, "learning_starts": 60, "train_every": 32, "gradient_steps": 2},
}


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut short runs into many pieces, so that they have a middle; leave out what has its own tests."""
    monkeypatch.setattr(training, "CHUNK", 60)
    monkeypatch.setattr(dense_sb3, "BLOCK", 60)
    monkeypatch.setattr(dense_session, "SIDE_BY_SIDE", 2)
    monkeypatch.setattr(training._Run, "_baselines", lambda run: None)


def config(algorithm: str = "vpg", **changes: Any) -> TrainingConfig:
    options: dict[str, Any] = {"network": "dense", "plasticity": algorithm, "seeds": 2, "seed": 5, "episodes": 24,
                               "evaluation_episodes": 5, "network_parameters": SMALL[algorithm]}  # fmt: skip
    return TrainingConfig(**(options | changes))


def stage(name: str = "cartpole", seed: int = 3, evaluating: bool = False) -> Stage:
    task = tasks.make(name)
    reward = rewards.make("environment").bind(task)
    return Stage(task, reward, physics_module(task, reward), seed, evaluating)


# ---------------------------------------------------------------------- the policy gradient

PAYS = np.array([[0.3, 1.0], [-0.5, 2.0]])
"""Reward of each action in each of two states; the action is the next state, and two steps are an episode."""


def _episode(actions: tuple[int, ...]) -> Episodes:
    states = (0, *actions[:-1])
    gained = np.array([PAYS[state, action] for state, action in zip(states, actions, strict=True)])
    seen = np.eye(2)[list(states)]
    return Episodes(
        seen, np.array(actions), gained, np.array([len(actions)]), np.array([True]), np.eye(2)[[actions[-1]]]
    )


def _expected_return(theta: np.ndarray) -> float:
    pi = np.exp(theta) / np.exp(theta).sum(axis=1, keepdims=True)
    total = 0.0
    for actions in itertools.product((0, 1), repeat=2):
        states = (0, actions[0])
        chance = math.prod(pi[s, a] for s, a in zip(states, actions, strict=True))
        total += chance * sum(PAYS[s, a] for s, a in zip(states, actions, strict=True))
    return total


@pytest.mark.parametrize("advantage", ["return", "reward-to-go", "gae"])
def test_the_gradient_is_that_of_the_expected_return(advantage: str) -> None:
    """All trajectories of a task of two states, weighted by their chances, against finite differences."""
    options = Vpg(advantage=advantage, gamma=1.0, gae_lambda=1.0)
    theta = np.array([[0.2, -0.4], [0.7, 0.1]])
    parameters = torch.tensor(theta, requires_grad=True)
    worth = np.array([0.9, -1.3])  # a wrong value shifts no gradient
    total = torch.zeros((), dtype=torch.float64)
    for actions in itertools.product((0, 1), repeat=2):
        episode = _episode(actions)
        values = episode.observations @ worth
        advantage_of, _ = advantages(episode, values, episode.last @ worth, options)
        logits = torch.tensor(episode.observations) @ parameters
        chance = torch.log_softmax(logits.detach(), 1)[[0, 1], list(actions)].sum().exp()
        loss = policy_loss(logits, torch.tensor(episode.actions), torch.tensor(advantage_of))
        total = total + chance * loss * 2  # equation 4 is a mean over two steps
    total.backward()
    assert parameters.grad is not None
    numeric = np.zeros((2, 2))
    for place in itertools.product((0, 1), repeat=2):
        step = np.zeros((2, 2))
        step[place] = 1e-6
        numeric[place] = (_expected_return(theta + step) - _expected_return(theta - step)) / 2e-6
    assert np.abs(-parameters.grad.numpy() - numeric).max() < 1e-8
    assert np.abs(numeric).max() > 0.1


def test_the_entropy_is_paid_for() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    actions, nothing = torch.tensor([0, 1]), torch.zeros(2, dtype=torch.float64)
    p = 1 / (1 + math.exp(-3))
    entropies = [math.log(2), -p * math.log(p) - (1 - p) * math.log(1 - p)]
    assert float(policy_loss(logits, actions, nothing, 0.5)) == pytest.approx(-0.5 * np.mean(entropies))
    assert float(policy_loss(logits, actions, nothing)) == 0.0


def test_advantages_by_hand() -> None:
    """Two episodes, the first cut off by its step limit, so that it goes on in the value of what it ended in."""
    episodes = Episodes(np.zeros((3, 1)), np.zeros(3, np.int64), np.array([1.0, 2.0, 4.0]), np.array([2, 1]),
                        np.array([False, True]), np.zeros((2, 1)))  # fmt: skip
    values, last = np.array([10.0, 20.0, 30.0]), np.array([8.0, 99.0])
    errors = [1 + 0.5 * 20 - 10, 2 + 0.5 * 8 - 20, 4 - 30]
    gae, targets = advantages(episodes, values, last, Vpg(gamma=0.5, gae_lambda=0.1))
    assert gae.tolist() == pytest.approx([errors[0] + 0.05 * errors[1], errors[1], errors[2]])
    assert targets.tolist() == pytest.approx((gae + values).tolist())
    whole, _ = advantages(episodes, values, last, Vpg(gamma=0.5, advantage="return"))
    assert whole.tolist() == [3.0, 3.0, 4.0]
    ahead, _ = advantages(episodes, values, last, Vpg(gamma=0.5, advantage="reward-to-go"))
    assert ahead.tolist() == [2.0, 2.0, 4.0]
    assert discounted(np.array([1.0, 1.0, 1.0]), 0.5).tolist() == [1.75, 1.5, 1.0]
    assert normalised(np.array([1.0, 3.0])).tolist() == pytest.approx([-1.0, 1.0])
    assert [tuple(episode) for episode in episodes.finished()] == [(2, 3.0), (1, 4.0)]


def test_noise_draws_from_the_softmax() -> None:
    logits = np.array([1.0, 0.0, -1.0])
    noise = gumbel_noise(1, "test", 0, (20_000, 3))
    shares = np.bincount(np.argmax(logits + noise, axis=1), minlength=3) / 20_000
    assert shares == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=0.01)
    assert not np.array_equal(noise, gumbel_noise(1, "test", 1, (20_000, 3)))


@pytest.mark.parametrize("advantage", ["return", "reward-to-go", "gae"])
def test_one_update_descends_equation_4(advantage: str) -> None:
    """Adam's first step moves every parameter by its rate against the sign of the gradient."""
    options = Vpg(hidden=(6,), advantage=advantage, normalise=False, batch=3, learning_rate=0.01)
    learner = VpgLearner(stage(), options)
    episodes = play(learner.stage, 0, 3, 0.0, learner._chooser(0))
    before = {name: each.detach().clone() for name, each in learner.network.policy.named_parameters()}
    seen, last = (torch.tensor(x, dtype=torch.float32) for x in (episodes.observations, episodes.last))
    logits, values = learner.network(seen)
    worth, _ = advantages(episodes, values.detach().double().numpy(),
                          learner.network(last)[1].detach().double().numpy(), options)  # fmt: skip
    chosen = torch.log_softmax(logits, 1)[torch.arange(len(seen)), torch.tensor(episodes.actions)]
    (-(chosen * torch.tensor(worth, dtype=torch.float32)).sum() / len(seen)).backward()  # type: ignore[no-untyped-call]
    gradients = {
        name: each.grad.clone()
        for name, each in learner.network.policy.named_parameters()
        if each.grad is not None
    }
    learner.update(episodes)
    assert gradients.keys() == before.keys()
    for name, each in learner.network.policy.named_parameters():
        steep = gradients[name].abs() > 1e-5
        moved = (each.detach() - before[name])[steep]
        assert torch.allclose(moved, -0.01 * gradients[name][steep].sign(), rtol=0.01), name


# ---------------------------------------------------------------------- episodes


def test_episodes_are_those_of_the_environment() -> None:
    """The compiled cart-pole side by side against Gymnasium's, one after the other, with the same actions."""
    compiled = stage(seed=4)
    episodes = play(compiled, 7, 5, 0.0, lambda seen, step: (seen[:, 2] > 0).astype(np.int64))
    env, start = compiled.task.make().unwrapped, 0
    for number, length in enumerate(episodes.lengths):
        seen = episodes.observations[start : start + length]
        env.reset()
        env.state = seen[0].copy()  # type: ignore[attr-defined]
        for step, action in enumerate(episodes.actions[start : start + length]):
            after, reward, terminated, _, _ = env.step(int(action))
            following = seen[step + 1] if step + 1 < length else episodes.last[number]
            assert after == pytest.approx(following, abs=1e-6)
            assert reward == episodes.rewards[start + step] == 1.0
            assert terminated == (step + 1 == length)
        start += length
    assert start == len(episodes.actions)
    assert episodes.terminated.all()
    assert len(set(episodes.lengths.tolist())) > 1


@pytest.mark.parametrize("task", ["cartpole", "gym:CartPole-v1"])
def test_an_episode_does_not_depend_on_its_neighbours(task: str) -> None:
    def lean(seen: np.ndarray, step: int) -> np.ndarray:
        return (seen[:, 2] > 0).astype(np.int64)

    together = play(stage(task), 0, 4, 0.0, lean)
    alone = [play(stage(task), number, 1, 0.0, lean) for number in range(4)]
    assert together.lengths.tolist() == [int(each.lengths[0]) for each in alone]
    assert np.array_equal(together.observations, np.concatenate([each.observations for each in alone]))
    apart = play(stage(task, evaluating=True), 0, 4, 0.0, lean)
    assert not np.array_equal(apart.observations[0], together.observations[0])
    first = Slots(stage(task), 1)
    first.begin(np.ones(1, dtype=bool), np.array([2]))
    assert np.array_equal(first.observation[0], alone[2].observations[0])
    first.close()


def test_a_time_limit_is_no_failure() -> None:
    task = tasks.make("acrobot", steps=9)
    reward = rewards.make("environment").bind(task)
    episodes = play(Stage(task, reward, physics_module(task, reward), 1), 0, 3, 0.0,
                    lambda seen, step: np.ones(len(seen), np.int64))  # fmt: skip
    assert episodes.lengths.tolist() == [9, 9, 9]
    assert not episodes.terminated.any()


def test_stable_baselines_are_told_failures_from_time_limits() -> None:
    task = tasks.make("acrobot", steps=9)
    reward = rewards.make("environment").bind(task)
    limited = EpisodesVecEnv(Stage(task, reward, physics_module(task, reward), 1), 2)
    limited.reset()
    for _ in range(9):
        seen, gained, done, infos = limited.step(np.array([0, 2]))
    assert done.all()
    assert gained.tolist() == [-1.0, -1.0]
    assert all(info["TimeLimit.truncated"] for info in infos)
    assert [tuple(each) for each in limited.take_finished()] == [(9, -9.0), (9, -9.0)]
    assert limited.take_finished() == []
    assert not np.array_equal(infos[0]["terminal_observation"], seen[0])
    failing = EpisodesVecEnv(stage(), 1)
    assert np.abs(failing.reset()[0] * failing.scale - failing.slots.observation[0]).max() < 1e-6
    done = np.array([False])
    while not done[0]:
        _, _, done, infos = failing.step(np.array([1]))
    assert not infos[0]["TimeLimit.truncated"]
    assert abs(infos[0]["terminal_observation"][2]) > 1.0  # the angle beyond its limit, which is the scale


# ---------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[TrainingConfig], Path]:
    """Give the folder of a run that was not interrupted; the same run is made once."""
    made: dict[str, Path] = {}

    def run(options: TrainingConfig) -> Path:
        key = json.dumps(options.to_dict())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("whole") / "run"
            training.train(options, made[key])
        return made[key]

    return run


Whole = Callable[[TrainingConfig], Path]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_run_leaves_everything(algorithm: str, whole: Whole) -> None:
    folder = whole(config(algorithm))
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == {
        "config.json",
        "agent.npz",
        "episodes.csv",
        "summary.json",
        "report.html",
        "figures/learning_curve.png",
    }
    rows = list(csv.DictReader((folder / "episodes.csv").read_text().splitlines()))
    assert len(rows) == 2 * (24 + 5)
    assert all(float(row["reward"]) == float(row["length"]) for row in rows)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["spikes_per_step"] is None
    assert summary["evaluation_mean"] > 5
    assert f"cartpole: dense, {algorithm}" in (folder / "report.html").read_text()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_evaluation_is_of_the_network_that_is_kept(algorithm: str, whole: Whole) -> None:
    """The episodes of the evaluation, played again with the network that the run folder gives."""
    folder = whole(config(algorithm))
    _, records = RunFolder.open(folder).load_checkpoint()
    for record in records:
        network = load(folder, seed=record.seed)
        played = play(
            stage(seed=record.seed, evaluating=True), 0, 5, 0.0, lambda seen, step, n=network: n.actions(seen)
        )
        assert played.lengths.tolist() == record.evaluation_lengths.tolist()
    first, second = (load(folder, seed=seed) for seed in (5, 6))
    x = np.random.default_rng(0).normal(size=(9, 4))
    assert np.array_equal(load(folder).logits(x), first.logits(x))
    assert not np.array_equal(first.logits(x), second.logits(x))
    assert first.q_values == (algorithm == "dqn")
    assert first.policy[0].weight.shape == (8, 4)  # type: ignore[union-attr]


class Interrupt:
    """Progress function that raises at its n-th call in a phase."""

    def __init__(self, phase: str, call: int) -> None:
        self.phase, self.left = phase, call

    def __call__(self, progress: Any) -> None:
        """Count, and raise."""
        self.left -= progress.phase == self.phase
        if self.left == 0:
            raise KeyboardInterrupt


CASES = [(algorithm, "cartpole", phase, call) for algorithm in ALGORITHMS
         for phase, call in (("learning", 1), ("learning", 3), ("evaluation", 1))]  # fmt: skip
CASES += [("vpg", "gym:CartPole-v1", "learning", 2), ("ppo", "gym:CartPole-v1", "learning", 2)]


@pytest.mark.parametrize(("algorithm", "task", "phase", "call"), CASES)
def test_an_interrupted_run_ends_with_the_same_numbers(
    algorithm: str, task: str, phase: str, call: int, whole: Whole, tmp_path: Path
) -> None:
    options, run = config(algorithm, task=task), tmp_path / "run"
    expected = whole(options)
    with pytest.raises(KeyboardInterrupt):
        training.train(options, run, None, Interrupt(phase, call))
    assert RunFolder.open(run).has_checkpoint
    torch.rand(3)  # what happens in between does not matter
    np.random.rand(3)
    snnrl.train(resume=run)
    for name in ("episodes.csv", "summary.json"):
        assert (run / name).read_bytes() == (expected / name).read_bytes(), name
    mine, theirs = (RunFolder.open(path).load_checkpoint()[0] for path in (run, expected))
    assert mine.keys() == theirs.keys()
    for name in theirs.keys() - {"wall_time"}:
        assert np.array_equal(mine[name], theirs[name]), name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_interruption_in_the_middle_of_a_block_loses_only_the_block(
    algorithm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, broken = (build_dense(config(algorithm, seeds=1)) for _ in range(2))
    for session in (straight, broken):
        session.run(1, Stop(24))
    before = broken.save()
    with monkeypatch.context() as patch:
        stepped, step = [], Slots.step

        def interrupted(*arguments: Any) -> Any:
            stepped.append(1)
            if len(stepped) == 12:
                raise KeyboardInterrupt
            return step(*arguments)

        patch.setattr(Slots, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            broken.run(10**6, Stop(24))
    after = broken.save()
    for name, array in before.items():
        assert np.array_equal(array, after[name]), name
    for session in (straight, broken):
        session.run(10**6, Stop(24))
    for name, array in straight.save().items():
        assert np.array_equal(array, broken.save()[name]), name


def test_an_interruption_while_episodes_are_booked_loses_only_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    straight, broken = (build_dense(config(seeds=1)) for _ in range(2))
    with monkeypatch.context() as patch:
        book = dense_session.DenseSession._book

        def interrupted(*arguments: Any) -> None:
            book(*arguments)
            raise KeyboardInterrupt

        patch.setattr(dense_session.DenseSession, "_book", interrupted)
        with pytest.raises(KeyboardInterrupt):
            broken.run(1, Stop(24))
    assert broken.episodes.tolist() == [0]
    for session in (straight, broken):
        session.run(1, Stop(24))
    for name, array in straight.save().items():
        assert np.array_equal(array, broken.save()[name]), name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_agent_is_the_same_whatever_the_others_do(algorithm: str, whole: Whole) -> None:
    together = RunFolder.open(whole(config(algorithm))).load_checkpoint()[1]
    torch.rand(3)
    alone = training.train(config(algorithm, seeds=1, seed=6)).agents[0]
    assert alone.episode_lengths.tolist() == together[1].episode_lengths.tolist()
    assert alone.evaluation_lengths.tolist() == together[1].evaluation_lengths.tolist()
    assert together[0].episode_lengths.tolist() != together[1].episode_lengths.tolist()


def test_global_random_numbers_are_put_back() -> None:
    torch.manual_seed(9)
    np.random.seed(9)
    expected = torch.rand(1), np.random.rand()
    torch.manual_seed(9)
    np.random.seed(9)
    build_dense(config("ppo", seeds=1)).run(200, Stop(24))
    assert (torch.rand(1), np.random.rand()) == expected


@pytest.mark.parametrize("algorithm", ["vpg", "a2c", "ppo"])
def test_hidden_layers_may_be_shared(algorithm: str) -> None:
    parameters = {**SMALL[algorithm], "shared": True, "activation": "tanh", "hidden": "8,6"}
    session = build_dense(config(algorithm, seeds=1, network_parameters=parameters))
    session.run(100, Stop(24))
    network = session.learners[0].to_network()
    assert network.shared == 4
    x = np.random.default_rng(1).normal(size=(5, 4))
    scaled = torch.tensor(x / tasks.make("cartpole").observation_scale, dtype=torch.float32)
    if algorithm == "vpg":
        return
    policy: Any = session.learners[0].model.policy  # type: ignore[attr-defined]
    with torch.no_grad():
        assert np.abs(policy.predict_values(scaled)[:, 0].numpy() - network.values(x)).max() < 1e-5
        assert (
            policy.get_distribution(scaled).distribution.probs.argmax(1).tolist()
            == network.actions(x).tolist()
        )


def test_exploration_in_the_evaluation_draws_from_the_policy(whole: Whole) -> None:
    folder = whole(config())
    greedy, drawn, again = (
        snnrl.evaluate(folder, 20, exploration)["evaluation_mean"] for exploration in (0, 1.0, 1.0)
    )
    assert drawn == again
    assert drawn != greedy


def test_rewards_other_than_the_task_s_are_learned_from() -> None:
    result = training.train(config(reward="failure", seeds=1, episodes=8))
    assert set(result.agents[0].episode_rewards.tolist()) <= {0.0, -1.0}
    acrobot = TrainingConfig(task="acrobot", network="dense")
    assert acrobot.reward == "acrobot-energy"
    assert config().reward == "environment"
    assert [each.consolidation for each in (config(), config("a2c"), TrainingConfig())] == [300, 0, 0]


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "cartpole", "--network", "dense", "--algo", "a2c", "--seeds", "1", "--episodes", "5",
             "--evaluation-episodes", "2", "--set", "network.hidden=7,6", "--set", "network.activation=tanh"]  # fmt: skip
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    made = RunFolder.open(tmp_path / "run").config
    assert isinstance(made.make_dense(), A2c)
    assert (made.make_dense().hidden, made.make_dense().activation) == ((7, 6), "tanh")
    assert "--plasticity a2c" in made.command()
    assert "--set network.hidden=7,6" in made.command()
    assert (
        main(["evaluate", str(tmp_path / "run"), "--episodes", "2", "--json", str(tmp_path / "e.json")]) == 0
    )
    own = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert json.loads((tmp_path / "e.json").read_text()) == own
    capsys.readouterr()
    assert main(["info", str(tmp_path / "run"), "--kernel"]) == 2
    assert "--kernel: got" in capsys.readouterr().err


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"plasticity": "td-ltp"},
            "plasticity: got 'td-ltp', allowed: vpg, a2c, ppo, dqn with network 'dense'",
        ),
        ({"network": "actor-critic"}, "plasticity: got 'vpg', allowed: td-ltp, r-stdp, policy-gradient with"),
        ({"synapse": "memristive"}, "synapse: got 'memristive', allowed: 'ideal' with network 'dense'"),
        ({"engine": "torch"}, "engine: got 'torch', allowed: 'fast' with network 'dense'"),
        ({"dtype": "float32"}, "dtype: got 'float32', allowed: 'float64' with network 'dense'"),
        ({"network_parameters": {"hidden": "a"}}, "network.hidden: got 'a', allowed: sizes"),
        ({"network_parameters": {"clip": 0.1}}, "parameter of network dense with vpg: got 'clip', allowed: "),
    ],
)
def test_what_does_not_fit_is_one_clear_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SnnrlError, match=f"^{message}") as caught:
        config(**changes)
    assert "\n" not in str(caught.value)


def test_run_folders_of_other_networks_are_no_source(whole: Whole, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "spiking", TrainingConfig())
    with pytest.raises(RunFolderError, match="spiking: network 'actor-critic', allowed: 'dense'"):
        load(tmp_path / "spiking")
    with pytest.raises(InvalidValueError, match=r"^seed: got 7, allowed: 5 to 6, the agents of"):
        load(whole(config()), seed=7)
    RunFolder.create(tmp_path / "begun", config())
    with pytest.raises(RunFolderError, match=r"begun/agent.npz: missing"):
        load(tmp_path / "begun")


# ---------------------------------------------------------------------- learning


def _trained(task: str, seed: int) -> tuple[DenseNetwork, Any]:
    options = TrainingConfig(
        task=task, network="dense", seeds=1, seed=seed, episodes=600, evaluation_episodes=20, consolidation=0
    )
    session = build_dense(options)
    session.run(10**9, Stop(600, 100, float(options.solve_threshold or 0), 0))
    return session.learners[0].to_network(), session


@pytest.mark.parametrize(("task", "length"), [("cartpole", 475), ("acrobot", 110)])
def test_the_plain_policy_gradient_solves_the_task(task: str, length: int) -> None:
    network, session = _trained(task, 0)
    assert session.solved_at[0] > 0
    made = tasks.make(task)
    reward = rewards.make("environment").bind(made)
    played = play(
        Stage(made, reward, session.module, 0, True), 0, 20, 0.0, lambda seen, step: network.actions(seen)
    )
    assert played.lengths.mean() >= length if task == "cartpole" else played.lengths.mean() <= length


def test_options_reach_stable_baselines() -> None:
    task = tasks.make("cartpole")
    given = {"learning_rate": 2e-3, "gamma": 0.9, "steps": 16, "environments": 2, "batch": 8, "epochs": 3, "clip": 0.3,
             "gae_lambda": 0.7, "entropy": 0.01, "value_weight": 0.4}  # fmt: skip
    learner = dense_sb3.Sb3Learner(stage(), make_options("ppo", task, given))
    model: Any = learner.model
    got = {"learning_rate": model.learning_rate, "gamma": model.gamma, "steps": model.n_steps, "environments": model.n_envs,
           "batch": model.batch_size, "epochs": model.n_epochs, "clip": model.clip_range(1.0), "gae_lambda": model.gae_lambda,
           "entropy": model.ent_coef, "value_weight": model.vf_coef}  # fmt: skip
    assert got == given
    dqn: Any = dense_sb3.Sb3Learner(stage(), make_options("dqn", task, {"exploration_steps": 100})).model
    assert dqn.exploration_schedule(1.0) == 1.0
    dqn.num_timesteps = 50
    assert dqn.exploration_schedule(1.0) == pytest.approx(0.52)
    dqn.num_timesteps = 5000
    assert dqn.exploration_schedule(1.0) == pytest.approx(0.04)
    assert dataclasses.asdict(make_options("dqn", task))["buffer"] == dqn.replay_buffer.buffer_size
