"""Students at Atari games: who plays, the books, real time, and the files that are read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="the games are ale-py's")

from snnrl.demo.pacing import Pace
from snnrl.distillation.rollout import LANES, View, play_scores, student_policy
from snnrl.distillation.teachers import load_teacher
from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth import random_network
from snnrl.play import students
from snnrl.play.live import LiveGame
from snnrl.play.players import Chance, ChipPlayer, Decisions, PackedPlayer, TeacherPlayer, student_player
from snnrl.play.session import Played, play, range_share
from snnrl.play.show import Show
from snnrl.play.timing import LARGEST_FPS, Paced, Timing
from snnrl.play.waves import arrivals
from snnrl.tasks.atari import GAMES, Atari, Protocol

SHORT = Protocol(max_frames=400)
"""At most 100 decisions."""
StudentFile = Callable[..., Path]


def student(path: Path, game: str = "pong") -> students.Student:
    return students.load(path, game)


# ---------------------------------------------------------------------- players


def test_packed_and_chip_play_the_same_games(atari_student: StudentFile) -> None:
    loaded = student(atari_student())
    packed, chip = (
        play("pong", student_player(loaded, engine), SHORT, 3, 5) for engine in ("packed", "chip")
    )
    assert chip.scores == packed.scores
    assert chip.decisions == packed.decisions > 100
    assert chip.spikes_per_frame[-1] == packed.spikes_per_frame[-1] > 0  # the last layer has no copies


def test_packed_and_chip_answer_alike_frame_by_frame(atari_student: StudentFile) -> None:
    loaded = student(atari_student())
    shows = [Show("pong", student_player(loaded, engine), SHORT, 5) for engine in ("packed", "chip")]
    taken = set()
    for _ in range(60):
        packed, chip = (show.step() for show in shows)
        assert (packed.action, packed.score, packed.number) == (chip.action, chip.score, chip.number)
        assert np.array_equal(packed.outputs, chip.outputs)
        assert packed.share[-1] == chip.share[-1]
        taken.add(packed.action)
    assert len(taken) > 2


def test_spikes_of_a_frame_on_the_chip_do_not_depend_on_the_frames_beside_it(
    atari_student: StudentFile,
) -> None:
    player = student_player(student(atari_student()), "chip")
    assert isinstance(player, ChipPlayer)
    rng = np.random.default_rng(0)
    frames = rng.integers(-255, 256, (3, 4, 84, 84)).astype(np.int16)

    def waves(inputs: Any) -> Any:
        player.simulator.ticks.clear()
        player.on_chip.counts(inputs)
        return player.simulator.waves(len(inputs))

    together = waves(frames)
    assert len(np.unique(together, axis=0)) == 3
    assert np.array_equal(together, np.concatenate([waves(frame[None]) for frame in frames]))
    assert (together <= player.neurons).all()
    assert arrivals(player.simulator.chip).max() == player.simulator.chip.latency


def test_a_script_plays_through_the_emulator() -> None:
    teacher = TeacherPlayer(load_teacher("script:freeway", "freeway"))
    found = play("freeway", teacher, Protocol(max_frames=1600, epsilon=0.0), 2, 0)
    assert min(found.scores) >= 1
    assert found.layers == ()


def test_a_network_teacher_answers_stacks() -> None:
    torch = pytest.importorskip("torch")
    from snnrl.distillation.teachers import teacher_from_module

    class Fire(torch.nn.Module):  # type: ignore[misc,name-defined]
        def forward(self, stacks: Any) -> Any:
            return stacks.mean(dim=(1, 2, 3))[:, None] * torch.tensor([0.0, 1.0, 0, 0, 0, 0])

    show = Show("pong", TeacherPlayer(teacher_from_module(Fire(), "pong")), replace(SHORT, epsilon=0.0), 0)
    moment = show.step()
    assert moment.action == 1
    assert moment.outputs[1] == pytest.approx(moment.seen.mean() / 4, rel=1e-5)


# ---------------------------------------------------------------------- games and their books


def test_same_seed_same_scores(atari_student: StudentFile) -> None:
    player, rules = student_player(student(atari_student())), Protocol(max_frames=320)
    first, again, other = (play("pong", player, rules, 3, seed) for seed in (5, 5, 6))
    assert again.scores == first.scores
    assert np.array_equal(again.spikes_per_frame, first.spikes_per_frame)
    assert not np.array_equal(other.spikes_per_frame, first.spikes_per_frame)
    assert play("pong", player, rules, 2, 5).scores == first.scores[:2]


def test_scores_are_those_of_the_distillation(atari_student: StudentFile) -> None:
    loaded, episodes = student(atari_student()), LANES + 1
    rules = Protocol(max_frames=320, noop_max=4)
    policy = student_policy(loaded.network, loaded.game)
    found = play("pong", student_player(loaded), rules, episodes, 3)
    assert list(found.scores) == play_scores("pong", rules, policy, episodes, 3)
    assert len(set(found.scores)) > 1


def test_a_game_in_one_lane_is_the_first_of_many(atari_student: StudentFile) -> None:
    player = student_player(student(atari_student()))
    show, many = Show("pong", player, SHORT, 5), play("pong", player, SHORT, 1, 5)
    while not show.scores:
        last = show.step()
    assert show.scores == many.scores == (last.score,)
    assert (last.number, last.game) == (many.decisions, 1)
    found = show.played(2.0, complete=True)
    assert np.array_equal(found.spikes_per_frame, many.spikes_per_frame)
    assert found.frames_per_second == many.decisions / 2
    assert show.step().game == 2


def test_every_frame_of_every_lane_is_counted(
    atari_student: StudentFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[Decisions] = []
    decide = PackedPlayer.decide

    def noted(self: PackedPlayer, view: View) -> Decisions:
        answered.append(decide(self, view))
        return answered[-1]

    monkeypatch.setattr(PackedPlayer, "decide", noted)
    found = play("pong", student_player(student(atari_student())), replace(SHORT, max_frames=120), 3, 5)
    spikes = np.concatenate([decisions.spikes for decisions in answered])
    assert found.decisions == len(spikes)
    assert found.spikes_per_frame == pytest.approx(spikes.mean(axis=0))
    assert len({len(decisions.actions) for decisions in answered}) > 1  # lanes end at different times


def test_a_stack_never_mixes_two_games(atari_student: StudentFile) -> None:
    show = Show("pong", student_player(student(atari_student())), replace(SHORT, max_frames=60), 5)
    while not show.scores:
        show.step()
    assert not show.stack.screens[0, :3].any()
    assert show.stack.screens[0, 3].any()


def test_random_actions_are_the_protocols_alone() -> None:
    found = [
        play("breakout", Chance(4), replace(SHORT, max_frames=2000, epsilon=1.0), 2, seed) for seed in (1, 1)
    ]
    assert found[0].scores == found[1].scores
    assert sum(found[0].scores) > 0
    idle = play("breakout", Chance(4), replace(SHORT, max_frames=400, epsilon=0.0), 2, 1)
    assert idle.scores == (0.0, 0.0)


def test_ctrl_c_keeps_what_was_played(atari_student: StudentFile) -> None:
    player, asked = student_player(student(atari_student())), []

    def told(games: int, decisions: int) -> None:
        asked.append((games, decisions))
        if games and decisions > 10 * LANES + 20:
            raise KeyboardInterrupt

    found = play("pong", player, replace(SHORT, max_frames=60), 2 * LANES, 5, told)
    assert not found.complete
    assert len(found.scores) == LANES
    assert (LANES, found.decisions) == asked[-1]


def test_numbers_of_a_run() -> None:
    spikes = np.array([10.0, 2.5])
    numbers = Played("p", (1.0, 4.0), 50, 2.0, spikes, ("layer 1", "layer 2")).numbers()
    assert numbers["score_mean"] == 2.5
    assert numbers["score_std"] == pytest.approx(np.sqrt(4.5))
    assert (numbers["frames_per_second"], numbers["spikes_per_frame"]) == (25.0, 12.5)
    assert numbers["spikes_per_layer"] == {"layer 1": 10.0, "layer 2": 2.5}
    assert (numbers["deadlines"], numbers["deadline_misses"]) == (0, 0)
    nothing = Played("p", (), 0, 0.0, np.zeros(0), ()).numbers()
    assert (nothing["score_mean"], nothing["score_std"], nothing["frames_per_second"]) == (None, None, 0.0)


def test_share_of_the_teachers_range() -> None:
    assert range_share(15.0, -20.0, 20.0) == 87.5
    assert range_share(None, -20.0, 20.0) is None
    assert range_share(1.0, 2.0, 2.0) is None


# ---------------------------------------------------------------------- real time


class Wall:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass, a little longer than asked for, as systems do."""
        self.time += seconds + 0.0006


def run_paced(durations: list[float], fps: float = 20.0) -> Timing:
    wall = Wall()
    paced = Paced(fps, pace=Pace(1 / fps, strict=True, clock=wall, sleep=wall.sleep))

    def take(seconds: float) -> None:
        wall.time += seconds

    paced.resume()
    for seconds in durations:
        paced.step(lambda seconds=seconds: take(seconds))  # type: ignore[misc]
    return paced.timing


def test_latency_goes_from_due_to_done() -> None:
    timing = run_paced([0.010, 0.020, 0.030])
    assert timing.seconds == pytest.approx([0.010, 0.0201, 0.0301])
    assert (timing.missed, timing.steps) == (0, 3)


def test_a_late_decision_makes_the_next_ones_late_until_they_catch_up() -> None:
    timing = run_paced([0.01, 0.12, 0.01, 0.01, 0.01])
    assert timing.seconds == pytest.approx([0.01, 0.1201, 0.0801, 0.0401, 0.0101], abs=2e-4)
    assert timing.missed == sum(seconds > timing.period for seconds in timing.seconds) == 2


def test_histogram_counts_every_decision_and_marks_the_late() -> None:
    timing = run_paced([0.0002, 0.003, 0.003, 0.2])
    edges, counts = timing.histogram()
    assert edges[-1] == pytest.approx(50.0)
    assert counts.sum() == 4
    assert counts[-1] == timing.missed == 1
    assert counts[edges.index(2.0)] == 2
    numbers = timing.numbers()
    assert numbers["max_ms"] == pytest.approx(200.1, abs=0.2)
    assert numbers["p50_ms"] == pytest.approx(3.1, abs=0.2)
    assert "missed deadlines: 1 of 4" in timing.text()
    assert "late        1" in timing.text()


def test_nothing_played_has_no_latency() -> None:
    assert "missed deadlines: 0 of 0" in Timing(0.1).text()


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 2 * LARGEST_FPS])
def test_a_pace_that_makes_no_sense_is_refused(fps: float) -> None:
    with pytest.raises(InvalidValueError, match="--fps"):
        Paced(fps)


# ---------------------------------------------------------------------- files


def test_a_student_says_what_it_is(atari_student: StudentFile) -> None:
    path = atari_student(protocol={"frame_skip": 3, "preprocessing": "ddqn"})
    loaded = student(path)
    assert loaded.name == "small student"
    assert loaded.size == path.stat().st_size
    assert loaded.protocol == Protocol(frame_skip=3, preprocessing="ddqn")
    assert student(atari_student()).protocol == Protocol()


def test_actions_that_share_a_population(atari_student: StudentFile) -> None:
    loaded = student(atari_student(n_actions=3, outputs=[0, 0, 1, 2, 1, 2]))
    loaded.check_actions(["a"] * 6)
    actions, votes = loaded.choose(np.array([[1, 5, 3], [4, 2, 4]]))
    assert actions.tolist() == [2, 0]
    assert votes.tolist() == [[1, 1, 5, 3, 5, 3], [4, 4, 2, 4, 2, 4]]


def test_a_student_of_whole_screens_needs_no_game_in_its_file(
    tmp_path: Path, atari_student: StudentFile
) -> None:
    spec = student(atari_student()).network.spec
    path = tmp_path / "old.tn"
    random_network(spec, 6, 0).save(path)
    loaded = student(path)
    assert loaded.vision.kind == "stack"
    assert Show("pong", student_player(loaded), SHORT, 0).step().number == 1


def _load(path: Path | None, game: str, names: tuple[str, ...]) -> Protocol:
    loaded = students.load(path, game)
    loaded.check_actions(names)
    return loaded.protocol


def _refused(path: Path | None, game: str = "pong", names: tuple[str, ...] = ()) -> str:
    with pytest.raises(InvalidValueError) as caught:
        _load(path, game, names)
    return " ".join(str(caught.value).split())


def test_students_that_do_not_fit_are_refused(atari_student: StudentFile, tmp_path: Path) -> None:
    path, six = atari_student(), ("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE")
    student(path).check_actions(six)
    assert "a student of pong" in _refused(path, "breakout")
    assert "6 actions', allowed: 4: a, b, c, d" in _refused(path, names=("a", "b", "c", "d"))
    other = atari_student(seed=2, actions=["NOOP", "UP"])
    assert "actions NOOP, UP', allowed: those of pong" in _refused(other, names=six)
    assert "rules of play" in _refused(atari_student(seed=3, protocol={"gravity": 1}), names=six)
    spec = student(path).network.spec
    random_network(spec, 6, 0, signed_input=True).save(tmp_path / "old.tn")
    assert "differences without a background" in _refused(tmp_path / "old.tn")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "bad.tn").write_bytes(content)
    assert "damaged bytes" in _refused(tmp_path / "bad.tn")
    assert "No such file" in _refused(tmp_path / "none.tn")


def test_students_that_come_with_the_package_fit_their_games() -> None:
    missing = sorted(set(GAMES) - set(students.shipped()))
    assert "students that come with snnrl" in _refused(None, missing[0])
    for game in students.shipped():
        loaded = students.load(None, game)
        with Atari(game, 1, 0, loaded.protocol) as env:
            loaded.check_actions(env.action_names)
        assert loaded.size < 1_000_000


# ---------------------------------------------------------------------- by itself, at a pace


def test_a_paced_game_ends_after_its_games(atari_student: StudentFile) -> None:
    player = student_player(student(atari_student()))
    live = LiveGame(Show("pong", player, replace(SHORT, max_frames=80), 5), 5000.0, games=2, strict=True)
    live.run()
    assert live.finished
    assert len(live.show.scores) == 2
    assert live.timing.steps == live.show.tally.decided
    assert live.newest is not None
    assert live.newest.moment.number == len(live.newest.history) == live.show.tally.decided


def test_a_paced_game_ends_after_its_seconds(atari_student: StudentFile) -> None:
    live = LiveGame(Show("pong", student_player(student(atari_student())), SHORT, 5), 100.0, seconds=0.2)
    live.run()
    assert live.finished
    assert live.spent >= 0.2
    assert live.timing.steps >= 1


def test_a_paced_game_obeys(atari_student: StudentFile) -> None:
    live = LiveGame(Show("pong", student_player(student(atari_student())), SHORT, 5), 50.0, games=99)
    moments: list[int] = []
    while_paused: list[int] = []

    def told() -> None:
        moments.append(live.show.tally.decided)
        if live.paused:
            while_paused.append(moments[-1])
        if len(moments) == 5:
            live.send("pause", True)
            live.send("step")
            live.send("fps", 40)
            live.send("pause", False)
        if len(moments) == 10:
            live.send("clear")
        if len(moments) == 12:
            live.stop()

    live.told = told
    live.run()
    assert moments == list(range(1, 13))
    assert while_paused == [6]
    assert not live.finished
    assert (live.asked, live.paced.pace.period) == (40.0, 1 / 40)
    assert live.timing.steps <= 3
    for name, value in (("jump", None), ("fps", 1000), ("fps", "fast")):
        with pytest.raises(InvalidValueError):
            live.send(name, value)


def test_importing_what_plays_loads_nothing_heavy() -> None:
    program = "import snnrl.play, snnrl.play.students, snnrl.cli.play; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in done.stdout.split()}
    assert names.isdisjoint(
        {"torch", "numba", "matplotlib", "ale_py", "bokeh", "PIL", "gymnasium", "tkinter"}
    )
