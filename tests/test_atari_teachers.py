"""Teachers: networks from files of which nothing is executed, a script, looking ahead."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from snnrl.distillation.teachers import LookAhead, answers, load_teacher, teacher_from_module
from snnrl.distillation.teachers.look_ahead import roll
from snnrl.distillation.teachers.scripted import cross
from snnrl.errors import InvalidValueError, SnnrlError
from snnrl.tasks.atari import GAMES, Atari, Protocol

PLAIN = Protocol(noop_max=0, epsilon=0.0, preprocessing="ddqn")
FIRST, MIDDLE, SMALL = (32, 4, 8, 8), (64, 32, 4, 4), (16, 4, 8, 8)
A = {"c1": FIRST, "c2": MIDDLE, "c3": (32, 64, 3, 3), "fc": (512, 1568), "pi": (6, 512), "v": (1, 512)}
B = {"c1": SMALL, "c2": (32, 16, 4, 4), "fc": (256, 2592), "pi": (6, 256), "v": (1, 256)}
STRIDES = {"c1": 4, "c2": 2, "c3": 1}


def weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, shape in shapes.items():
        found[f"{name}.weight"] = torch.randn(shape, generator=generator) / np.sqrt(np.prod(shape[1:]))
        found[f"{name}.bias"] = torch.randn(shape[0], generator=generator) / 10
    return found


def stacks(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (n, 4, 84, 84), dtype=np.uint8)


def by_hand(w: dict[str, Tensor], screens: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the logits of architecture A or B, layer by layer."""
    x = torch.from_numpy(screens).float() / 255
    for name, stride in STRIDES.items():
        if f"{name}.weight" in w:
            x = functional.relu(functional.conv2d(x, w[f"{name}.weight"], w[f"{name}.bias"], stride))
    x = functional.relu(functional.linear(x.flatten(1), w["fc.weight"], w["fc.bias"]))
    return np.asarray(functional.linear(x, w["pi.weight"], w["pi.bias"]).numpy())


# ---------------------------------------------------------------------- networks


@pytest.mark.parametrize(("shapes", "preprocessing"), [(A, "teacher"), (B, "async-rl")])
def test_state_dict_is_the_network_that_was_trained(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], preprocessing: str
) -> None:
    torch.save(weights(shapes), tmp_path / "t.pt")
    teacher = load_teacher(tmp_path / "t.pt", "pong")
    assert (teacher.outputs, teacher.preprocessing, teacher.n_actions) == ("logits", preprocessing, 6)
    found, expected = teacher.outputs_of(stacks(5)), by_hand(weights(shapes), stacks(5))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=1).min() > 0.01
    assert teacher.act(found).tolist() == expected.argmax(axis=1).tolist()
    assert load_teacher(tmp_path / "t.pt", "pong", preprocessing="ddqn").preprocessing == "ddqn"


class Bomb:
    """An object that leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["t.pt", "t.zip"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, name: str) -> None:
    torch.save({"pi.weight": Bomb(tmp_path / "executed")}, tmp_path / name)
    with pytest.raises(InvalidValueError):
        load_teacher(tmp_path / name, "pong")
    assert not (tmp_path / "executed").exists()
    torch.load(tmp_path / name, weights_only=False)  # the bomb is one
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"no weights", "conv", "list"])
@pytest.mark.parametrize("name", ["t.pt", "t.zip"])
def test_file_that_is_no_teacher_is_one_line(tmp_path: Path, name: str, content: bytes | str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save({"c1.weight": torch.zeros(FIRST)} if content == "conv" else [1], path)
    with pytest.raises(SnnrlError) as caught:
        load_teacher(path, "pong")
    assert "\n" not in str(caught.value)


def test_teacher_that_does_not_fit_the_game(tmp_path: Path) -> None:
    torch.save(weights(A), tmp_path / "t.pt")
    with pytest.raises(InvalidValueError, match=r"outputs of teacher t\.pt: got 6, allowed: 18, .*Seaquest"):
        load_teacher(tmp_path / "t.pt", "seaquest")
    with pytest.raises(InvalidValueError, match="no such file"):
        load_teacher(tmp_path / "missing.pt", "pong")
    with pytest.raises(InvalidValueError, match=r"teacher: got 'script:freeway', allowed: for Pong: a file"):
        load_teacher("script:freeway", "pong")
    with pytest.raises(InvalidValueError, match="game: got 'pnog'"):
        load_teacher("look-ahead", "pnog")


def test_module_is_a_teacher() -> None:
    class Actor(nn.Module):
        """Logits and a value: the mean of each screen, and two more."""

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            """Return both."""
            means = x.mean(dim=(2, 3))
            return torch.cat([means, -means[:, :2]], dim=1), means

    teacher = teacher_from_module(Actor(), "pong", outputs="q-values", preprocessing="ddqn")
    assert teacher.outputs == "q-values"
    np.testing.assert_allclose(teacher.outputs_of(stacks(3))[:, :4], stacks(3).mean(axis=(2, 3)), rtol=1e-5)
    with pytest.raises(InvalidValueError, match=r"a network that takes float32\[batch, 4, 84, 84\]"):
        teacher_from_module(nn.Linear(3, 6), "pong")
    with pytest.raises(InvalidValueError, match=r"outputs of teacher module: got \(1, 4, 84, 84\)"):
        teacher_from_module(nn.ReLU(), "pong")


def test_answers_refuses_lanes_with_other_actions() -> None:
    teacher = load_teacher("script:freeway", "freeway")
    with (
        Atari("freeway", protocol=dataclasses.replace(PLAIN, full_actions=True)) as games,
        pytest.raises(InvalidValueError, match=r"actions of teacher script:freeway: got 3, allowed: 18"),
    ):
        answers(teacher, games, stacks(1))
    with pytest.raises(InvalidValueError, match="only the screens are known"):
        teacher.outputs_of(stacks(1))


# ---------------------------------------------------------------------- script


def test_script_waits_for_a_car_in_the_next_lane_only() -> None:
    ram = np.zeros(128, np.uint8)
    ram[14] = 8 + 16 * 3 + 5  # in front of lane 3
    assert cross(ram) == "UP"
    ram[108 + 4] = 44
    assert cross(ram) == "UP"
    for x, action in ((35, "UP"), (36, "NOOP"), (56, "NOOP"), (57, "UP")):
        ram[108 + 3] = x
        assert cross(ram) == action
    ram[14] = 255  # beyond the road
    assert cross(ram) == "UP"


def test_script_crosses_the_road_more_often_than_going_straight_on() -> None:
    teacher = load_teacher("script:freeway", "freeway")
    with Atari("freeway", 2, seed=1, protocol=dataclasses.replace(PLAIN, noop_max=30)) as games:
        games.reset()
        for _ in range(420):
            wise = int(answers(teacher, games, stacks(2))[0].argmax())
            games.step(np.array([wise, 1]))
        assert games.scores[0] > games.scores[1] > 0


# ---------------------------------------------------------------------- looking ahead


def test_looking_ahead_leaves_the_lanes_as_they_were() -> None:
    teacher = LookAhead(GAMES["ms-pacman"], roll_outs=1, depth=3)
    with Atari("ms-pacman", 2, protocol=PLAIN) as games, Atari("ms-pacman", 2, protocol=PLAIN) as free:
        games.reset()
        free.reset()
        for action in range(8):
            before, shown = games.clone_state(1), games.rgb(1)
            ratings = answers(teacher, games, stacks(2))
            assert ratings.shape == (2, 9)
            assert np.array_equal(ratings, answers(teacher, games, stacks(2)))
            assert np.array_equal(games.rgb(1), shown)
            after = games.clone_state(1)
            assert after.emulator.serialize() == before.emulator.serialize()
            assert after.books == before.books
            moved, expected = games.step(np.array([action] * 2)), free.step(np.array([action] * 2))
            assert all(np.array_equal(one, two) for one, two in zip(moved, expected, strict=True))


class Counted:
    """An emulator in which every frame brings a point, and a life is lost in the seventh."""

    def __init__(self) -> None:
        self.frames = 0

    def act(self, code: int) -> int:
        """Count a frame."""
        self.frames += 1
        return code

    def lives(self) -> int:
        """Return the lives."""
        return 3 if self.frames < 7 else 2

    def game_over(self, with_truncation: bool = True) -> bool:
        """Return that the game goes on."""
        return False


def test_roll_out_counts_points_until_a_life_is_lost() -> None:
    assert roll(Counted(), [1], 4) == (4, False)
    assert roll(Counted(), [1, 2, 5], 4) == (12, True)


def test_looking_ahead_scores_more_than_chance() -> None:
    teacher = LookAhead(GAMES["ms-pacman"], roll_outs=1, depth=6)
    with Atari("ms-pacman", seed=3, protocol=PLAIN) as games:
        games.reset()
        for action in np.random.default_rng(0).integers(0, 9, 100):
            games.step(np.array([action]))
        chance = games.scores[0]
        games.reset()
        for _ in range(100):
            games.step(teacher.act(answers(teacher, games, stacks(1))))
        assert games.scores[0] > 1.5 * chance > 0


def test_looking_ahead_after_the_end_rates_nothing() -> None:
    with Atari("breakout", protocol=PLAIN) as games:
        games.reset()
        while not games.step(np.array([1])).ended[0]:
            pass
        assert not answers(LookAhead(GAMES["breakout"], depth=2), games, stacks(1)).any()


def test_looking_ahead_by_name() -> None:
    found = load_teacher("look-ahead:depth=30,hold=5", "enduro")
    assert isinstance(found, LookAhead)
    assert (found.depth, found.hold, found.roll_outs) == (30, 5, 3)
    for name in ("look-ahead:dept=3", "look-ahead:depth", "look-ahead:depth=x"):
        with pytest.raises(InvalidValueError, match=r"NAME=NUMBER,\.\.\. with roll_outs, depth, hold, seed"):
            load_teacher(name, "enduro")


def test_actions_are_held() -> None:
    plans = LookAhead(GAMES["enduro"], roll_outs=2, depth=11, hold=5)._plans(np.uint32(1), 9)
    assert plans.shape == (9, 2, 11)
    assert plans[:, 0, 0].tolist() == list(range(9))
    assert (plans[..., :5] == plans[..., :1]).all()
    assert (plans[..., 5:10] == plans[..., 5:6]).all()
    assert len(np.unique(plans[..., 5])) > 4


def test_looking_ahead_refuses_numbers_below_one() -> None:
    with pytest.raises(InvalidValueError, match=r"LookAhead\.depth: got 0"):
        LookAhead(GAMES["pong"], depth=0)
