"""Atari games: pictures as others make them, games that depend on seed, lane and episode alone, protocols."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import ale_py
import cv2
import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing
from numpy.typing import NDArray
from PIL import Image

from snnrl.errors import InvalidValueError
from snnrl.tasks import atari
from snnrl.tasks.atari import GAMES, PROTOCOLS, Atari, LaneState, Protocol, Stack

PLAIN = Protocol(noop_max=0, epsilon=0.0, preprocessing="ddqn")
"""No random number anywhere."""


def random_actions(n: int, actions: int, seed: int = 0) -> list[int]:
    return [int(action) for action in np.random.default_rng(seed).integers(0, actions, n)]


def play(games: Atari, actions: list[int]) -> NDArray[np.uint8]:
    """Start new games, take the same actions in all lanes, and return all screens ``[decisions + 1, n, 84, 84]``."""
    screens = [games.reset()]
    screens += [games.step(np.full(games.n, action)).screens for action in actions]
    return np.stack(screens)


def raw_emulator(game: str, **options: Any) -> Any:
    """Return Gymnasium's environment, one frame per step, without sticky actions."""
    gymnasium.register_envs(ale_py)
    return gymnasium.make(
        f"ALE/{GAMES[game].ale_id}-v5", frameskip=1, repeat_action_probability=0.0, **options
    )


# ---------------------------------------------------------------------- pictures


@pytest.mark.parametrize("game", ["breakout", "space-invaders"])
def test_ddqn_pictures_are_gymnasiums(game: str) -> None:
    frames = 350  # no multiple of 4: the last decision is cut short
    wrapped = AtariPreprocessing(
        raw_emulator(game, max_num_frames_per_episode=frames), noop_max=0, screen_size=84
    )
    with Atari(game, protocol=dataclasses.replace(PLAIN, max_frames=frames)) as games:
        for seed in range(2):  # the second game after the first was cut off
            assert np.array_equal(wrapped.reset(seed=0)[0], games.reset()[0])
            over = False
            for action in random_actions(200, games.n_actions, seed):
                theirs, reward, terminated, truncated, info = wrapped.step(action)
                ours = games.step(np.array([action]))
                assert np.array_equal(theirs, ours.screens[0])
                assert (reward, info["lives"]) == (ours.rewards[0], ours.lives[0])
                assert (terminated or truncated) == ours.ended[0]
                assert truncated == games.truncated(0)
                over = terminated or truncated
                if over:
                    break
            assert over


def two_frames(game: str, actions: list[int]) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Return the last two RGB frames of each decision of the emulator itself."""
    environment = raw_emulator(game).unwrapped
    environment.reset(seed=0)
    ale, codes, found = environment.ale, environment.ale.getMinimalActionSet(), []
    for action in actions:
        for _ in range(3):
            ale.act(codes[action])
        before = ale.getScreenRGB()
        ale.act(codes[action])
        found.append((before, ale.getScreenRGB()))
    return found


@pytest.mark.parametrize("game", ["seaquest", "pong"])
def test_teacher_pictures_are_pillows_bilinear_of_float_grey(game: str) -> None:
    actions = random_actions(60, GAMES[game].n_actions)
    with Atari(game, protocol=dataclasses.replace(PLAIN, preprocessing="teacher")) as games:
        screens = play(games, actions)[1:, 0]
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    for screen, frames in zip(screens, two_frames(game, actions), strict=True):
        grey = np.dot(np.maximum(*frames).astype(np.float32), weights)
        resized = Image.fromarray(grey).resize((84, 84), Image.Resampling.BILINEAR)
        assert np.array_equal(screen, np.asarray(resized).astype(np.uint8))


def test_async_rl_pictures_are_opencvs_linear_of_whole_grey() -> None:
    actions = random_actions(60, 4)
    with Atari("breakout", protocol=dataclasses.replace(PLAIN, preprocessing="async-rl")) as games:
        screens = play(games, actions)[1:, 0]
    for screen, frames in zip(screens, two_frames("breakout", actions), strict=True):
        red, green, blue = np.moveaxis(np.maximum(*frames).astype(np.float64), 2, 0)
        grey = (0.2126 * red + 0.0722 * green + 0.7152 * blue).astype(np.uint8)
        expected = cv2.resize(grey, (84, 84), interpolation=cv2.INTER_LINEAR)
        # a grey level at a whole number may fall to either side in single precision
        assert np.abs(screen.astype(int) - expected).max() <= 1


# ---------------------------------------------------------------------- seeds, lanes, episodes


def test_lane_does_not_depend_on_the_others() -> None:
    actions = random_actions(40, 6)
    protocol = Protocol(sticky=0.25, preprocessing="ddqn")
    with (
        Atari("pong", 3, seed=7, protocol=protocol) as three,
        Atari("pong", 2, seed=7, protocol=protocol) as two,
    ):
        together, apart = play(three, actions), play(two, actions)
        assert np.array_equal(together[:, :2], apart)
        assert not np.array_equal(together[:, 0], together[:, 1])
    with Atari("pong", 1, seed=8, protocol=protocol) as other:
        assert not np.array_equal(play(other, actions)[:, 0], apart[:, 0])


def test_lane_that_stands_still_is_as_if_nothing_happened() -> None:
    with Atari("breakout", 2, seed=1) as games, Atari("breakout", 2, seed=1) as free:
        expected = play(free, [2] * 10)
        first = games.reset()
        for _ in range(5):
            step = games.step(np.array([2, 2]), np.array([True, False]))
            assert np.array_equal(step.screens[1], first[1])
            assert (step.ended[1], step.fresh[1], step.rewards[1]) == (False, False, 0.0)
        later = [games.step(np.array([2, 2]), np.array([False, True])).screens[1] for _ in range(10)]
        assert np.array_equal(np.stack(later), expected[1:, 1])
        assert games.decisions.tolist() == [5, 10]


@pytest.mark.parametrize("game", ["beam-rider", "enduro"])
def test_game_does_not_depend_on_the_game_before(game: str) -> None:
    actions = random_actions(60, GAMES[game].n_actions, seed=1)
    with Atari(game, seed=3, protocol=Protocol(preprocessing="ddqn")) as games:
        play(games, random_actions(150, games.n_actions))
        after_another = play(games, actions)
    with Atari(game, seed=3, protocol=Protocol(preprocessing="ddqn")) as games:
        games.reset()
        assert np.array_equal(after_another, play(games, actions))


def test_every_game_begins_as_when_the_rom_was_loaded() -> None:
    loaded = raw_emulator("beam-rider").unwrapped
    loaded.reset(seed=0)
    with Atari("beam-rider", protocol=PLAIN) as games:
        for _ in range(2):
            games.reset()
            assert np.array_equal(games.ram(0), loaded.ale.getRAM())
            games.step(np.array([1]))


def test_state_comes_back_from_memory_and_from_arrays() -> None:
    with Atari("breakout", seed=2, protocol=Protocol(sticky=0.25)) as games:
        play(games, random_actions(60, 4))
        state, shown, score = games.clone_state(0), games.rgb(0), games.scores[0]
        onwards = [games.step(np.array([a])) for a in random_actions(40, 4, seed=1)]
        for kept in (state, LaneState.from_arrays(state.to_arrays())):
            games.restore_state(0, kept)
            assert np.array_equal(games.rgb(0), shown)
            assert games.scores[0] == score
            again = [games.step(np.array([a])) for a in random_actions(40, 4, seed=1)]
            for one, two in zip(onwards, again, strict=True):
                assert all(np.array_equal(x, y) for x, y in zip(one, two, strict=True))


# ---------------------------------------------------------------------- protocols


def frames_played(games: Atari) -> int:
    return int(games.emulator(0)[0].getEpisodeFrameNumber())


def test_no_ops_are_one_to_thirty() -> None:
    with Atari("pong", seed=5) as games:
        counts = []
        for _ in range(60):
            games.reset()
            counts.append(frames_played(games))
    assert min(counts) >= 1
    assert max(counts) <= 30
    assert len(set(counts)) > 15
    with Atari("pong", protocol=PLAIN) as games:
        games.reset()
        assert frames_played(games) == 0


def test_fire_is_pressed_where_nothing_moves_without() -> None:
    for preprocessing, frames in (("teacher", 4), ("ddqn", 0), ("async-rl", 0)):
        with Atari("breakout", protocol=dataclasses.replace(PLAIN, preprocessing=preprocessing)) as games:
            games.reset()
            assert frames_played(games) == frames
            lives = [int(games.step(np.array([0])).lives[0]) for _ in range(100)]
        assert (min(lives) < 5) == (preprocessing == "teacher")


class Recorder:
    """An emulator that notes what it is told."""

    def __init__(self, ale: Any) -> None:
        self.ale, self.acted = ale, [0]

    def act(self, code: int) -> int:
        """Note the action and take it."""
        self.acted.append(code)
        return int(self.ale.act(code))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ale, name)


def test_sticky_actions_repeat_the_action_of_the_frame_before() -> None:
    protocol = dataclasses.replace(PLAIN, sticky=0.25, frame_skip=1)
    with Atari("pong", protocol=protocol) as games:
        games.reset()
        recorder = Recorder(games._lanes[0].ale)
        games._lanes[0].ale = recorder
        right, left = 2, 3  # numbers of actions; the emulator's are 3 and 4
        for _ in range(2000):
            games.step(np.array([left if recorder.acted[-1] == 3 else right]))
    acted = np.array(recorder.acted)
    repeated = float(np.mean(acted[1:] == acted[:-1]))
    assert abs(repeated - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


def test_cap_cuts_a_game_off() -> None:
    with Atari("pong", protocol=dataclasses.replace(PLAIN, max_frames=42)) as games:
        games.reset()
        ended = [bool(games.step(np.array([0])).ended[0]) for _ in range(11)]
        assert ended == [False] * 10 + [True]
        assert games.truncated(0)
        assert games.finished == [(0, 0.0, 11)]
        step = games.step(np.array([0]))
        assert step.fresh[0]
        assert not step.ended[0]
        assert frames_played(games) == 0


def lost_lives(protocol: Protocol) -> tuple[list[bool], list[bool], list[int], int]:
    """Let a game of Breakout run out, always with fire; return ended, fresh, lives of each decision, and games."""
    ended, fresh, lives = [], [], []
    with Atari("breakout", protocol=protocol) as games:
        games.reset()
        while not games.finished:
            step = games.step(np.array([1]))
            ended.append(bool(step.ended[0]))
            fresh.append(bool(step.fresh[0]))
            lives.append(int(step.lives[0]))
        return ended, fresh, lives, len(games.finished)


def drops(lives: list[int]) -> list[bool]:
    return [now < before for before, now in zip([5, *lives], lives, strict=False)]


def test_lost_life_starts_a_stack_for_teachers_only() -> None:
    ended, fresh, lives, _ = lost_lives(dataclasses.replace(PLAIN, preprocessing="teacher"))
    assert sum(ended) == 1
    assert fresh[:-1] == drops(lives)[:-1]
    assert sum(fresh) == 4
    ended, fresh, lives, _ = lost_lives(PLAIN)
    assert sum(ended) == 1
    assert sum(drops(lives)) == 5
    assert not any(fresh)


def test_lost_life_ends_a_learners_episode_and_the_game_goes_on() -> None:
    ended, fresh, lives, games = lost_lives(dataclasses.replace(PLAIN, life_ends_episode=True))
    assert games == 1
    assert ended == drops(lives)
    assert fresh[1:] == ended[:-1]


def test_exploration_replaces_actions_with_probability_epsilon() -> None:
    protocol = dataclasses.replace(PLAIN, epsilon=0.25)
    with Atari("pong", 2, protocol=protocol) as games:
        games.reset()
        chosen = []
        for _ in range(500):
            actions = games.explore(np.array([5, 5]))
            assert np.array_equal(actions, games.explore(np.array([5, 5])))
            chosen += actions.tolist()
            games.step(np.array([0, 0]))
    share = np.bincount(chosen, minlength=6) / len(chosen)
    assert abs(share[5] - (0.75 + 0.25 / 6)) < 0.05
    assert share[:5].min() > 0.02
    with Atari("pong", protocol=PLAIN) as games:
        games.reset()
        assert games.explore(np.array([5])).tolist() == [5]


def test_protocol_tells_everything_in_one_line() -> None:
    said = PROTOCOLS["sticky"].describe()
    assert "\n" not in said
    changed = {
        "noop_max": 7, "frame_skip": 2, "sticky": 0.5, "max_frames": 36_000, "epsilon": 0.125, "full_actions": True,
        "life_ends_episode": True, "preprocessing": "ddqn",
    }  # fmt: skip
    assert set(changed) == {field.name for field in dataclasses.fields(Protocol)}
    lines = {dataclasses.replace(Protocol(), **{name: value}).describe() for name, value in changed.items()}  # type: ignore[arg-type]
    assert len(lines | {Protocol().describe()}) == len(changed) + 1
    assert "36,000 frames (10 min)" in Protocol(max_frames=36_000).describe()


def test_full_action_set() -> None:
    with Atari("pong", protocol=dataclasses.replace(PLAIN, full_actions=True)) as games:
        assert games.n_actions == 18
        assert games.action_names[0] == "NOOP"


@pytest.mark.parametrize("name", sorted(GAMES))
def test_what_is_known_of_a_game_is_what_the_emulator_says(name: str) -> None:
    game = GAMES[name]
    with Atari(name, protocol=PLAIN) as games:
        assert games.n_actions == len(games.action_names) == game.n_actions
        games.reset()
        assert games.step(np.array([0])).lives[0] == game.lives
        assert games.rgb(0).shape == (210, 160, 3)


def test_fire_changes_the_ball_of_pong() -> None:
    """Right, and right with fire, are not the same action; students that took them for one played badly."""
    without = {0: 0, 1: 0, 2: 2, 3: 3, 4: 2, 5: 3}
    drawn = np.random.default_rng(0).integers(0, 6, 300)
    with Atari("pong", protocol=PLAIN) as games, Atari("pong", protocol=PLAIN) as quiet:
        games.reset()
        quiet.reset()
        for action in drawn:
            games.step(np.array([action]))
            quiet.step(np.array([without[int(action)]]))
        assert not np.array_equal(games.rgb(0), quiet.rgb(0))


# ---------------------------------------------------------------------- stacks


def test_stack_never_mixes_episodes() -> None:
    rng, n = np.random.default_rng(0), 3
    stack = Stack(n)
    held: list[list[NDArray[np.uint8]]] = [[] for _ in range(n)]
    black = np.zeros((84, 84), np.uint8)
    for _ in range(60):
        screens = rng.integers(1, 255, (n, 84, 84), dtype=np.uint8)
        fresh, moved = rng.random(n) < 0.3, rng.random(n) < 0.8
        stacks = stack.push(screens, fresh, moved)
        for lane in np.flatnonzero(moved):
            held[lane] = [*([] if fresh[lane] else held[lane]), screens[lane]]
        for lane in range(n):
            expected = [black] * 4 + held[lane]
            assert np.array_equal(stacks[lane], np.stack(expected[-4:]))


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Atari("pnog"), "game: got 'pnog', allowed: .*did you mean 'pong'"),
        (lambda: Atari("pong", 0), "Atari.n: got 0"),
        (lambda: Protocol(sticky=1.5), "Protocol.sticky: got 1.5, allowed: 0 to 1"),
        (lambda: Protocol(epsilon=-1.0), "Protocol.epsilon"),
        (lambda: Protocol(noop_max=-1), "Protocol.noop_max"),
        (lambda: Protocol(frame_skip=0), "Protocol.frame_skip"),
        (lambda: Protocol(preprocessing="pil"), "Protocol.preprocessing: got 'pil'"),
    ],
)
def test_bad_input_is_one_line(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_rom_that_is_missing_or_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALE_ROMS_DIR", str(tmp_path))
    with pytest.raises(InvalidValueError, match=r"ROM of Pong: .*pong\.bin.*ALE_ROMS_DIR"):
        Atari("pong")
    (tmp_path / "pong.bin").write_bytes(b"no ROM")
    with pytest.raises(InvalidValueError, match=r"ROM of Pong: .*hash") as caught:
        Atari("pong")
    assert "\n" not in str(caught.value)
    with pytest.raises(InvalidValueError, match="ROM of Breakout"):
        atari.check_rom(GAMES["breakout"])
    assert capsys.readouterr().out == ""


def test_import_is_light() -> None:
    heavy = {"ale_py", "gymnasium", "cv2", "PIL", "torch", "numba", "scipy"}
    program = "import snnrl.tasks.atari, snnrl.distillation.teachers, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} & heavy == set()
