"""Films, the live page and the command `snnrl play`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ale_py", reason="the games are ale-py's")

from bokeh.document import Document
from PIL import Image

from snnrl.cli import main
from snnrl.errors import InvalidValueError
from snnrl.figures.style import write_png
from snnrl.play import film, students
from snnrl.play.figure import latency_figure
from snnrl.play.live import LiveGame
from snnrl.play.page import GameViewer, message, trouble
from snnrl.play.picture import GamePicture, bar_lengths
from snnrl.play.players import PackedPlayer, student_player
from snnrl.play.show import HISTORY, Show
from snnrl.play.timing import Timing
from snnrl.play.window import open_window, portable_pixmap
from snnrl.tasks.atari import Protocol

StudentFile = Callable[..., Path]
NUMBERS = {"score_mean", "score_std", "scores", "frames_per_second", "deadline_misses", "spikes_per_frame", "protocol",
           "decisions", "student", "seed", "complete"}  # fmt: skip
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120_000


@pytest.fixture
def show(atari_student: StudentFile) -> Iterator[Show]:
    made = Show("pong", student_player(students.load(atari_student(), "pong")), Protocol(max_frames=400), 5)
    yield made
    made.close()


# ---------------------------------------------------------------------- pictures and films


def test_picture_shows_screen_layers_and_action(show: Show) -> None:
    page = GamePicture(show, 30.0, 640, 360)
    for _ in range(12):
        moment = show.step()
        picture = page.draw(moment, show.history)
    assert picture.shape == (360, 640, 3)
    left, bottom, width, height = page.screen.axes.get_position().bounds
    shown = picture[int((1 - bottom - height / 2) * 360), int((left + width / 2) * 640)]
    assert shown.tolist() == moment.screen[105, 80].tolist()
    assert [text.get_text() for text in page.parts] == [f"{100 * part:.1f} %" for part in moment.share]
    orange = [number for number, bar in enumerate(page.bars) if bar.get_facecolor()[2] == 0]
    assert orange == [moment.action]
    held = np.asarray(page.layers.get_array())
    assert not held[:, : HISTORY - 12].any()
    assert (held[:, HISTORY - 1].reshape(len(page.parts), -1)[:, 0] > 0).all()


def test_chance_is_told(show: Show) -> None:
    page = GamePicture(show, 30.0, 320, 180)
    notes = {}
    while len(notes) < 2:
        moment = show.step()
        page.draw(moment, show.history)
        notes[moment.explored] = page.note.get_text()
    assert notes == {False: "", True: "chosen by chance"}


def test_bars_begin_below_the_smallest() -> None:
    assert bar_lengths(np.array([10.0, 20.0, 15.0])) == pytest.approx([0.15 / 1.15, 1.0, 0.65 / 1.15])
    assert bar_lengths(np.array([3.0, 3.0])).tolist() == [0.5, 0.5]


def test_film_is_the_same_for_the_same_seed(atari_student: StudentFile, tmp_path: Path) -> None:
    player = student_player(students.load(atari_student(), "pong"))

    def filmed(name: str, seed: int) -> bytes:
        film.record(Show("pong", player, Protocol(), seed), tmp_path / name, 0.2, 20.0)
        return (tmp_path / name).read_bytes()

    first = filmed("a.mp4", 1)
    assert first[4:8] == b"ftyp"
    assert filmed("b.mp4", 1) == first
    assert filmed("c.mp4", 2) != first


def test_a_gif_leaves_decisions_out(show: Show, tmp_path: Path) -> None:
    film.record(show, tmp_path / "game.gif", 0.4, 30.0)
    with Image.open(tmp_path / "game.gif") as found:
        assert found.size == (800, 450)
        assert getattr(found, "n_frames") == 6  # noqa: B009
    assert show.tally.decided == 12


def test_latencies_are_drawn(tmp_path: Path) -> None:
    timing = Timing(0.03, 1, [0.001, 0.002, 0.0021, 0.05])
    write_png(lambda: latency_figure(timing, "pong"), tmp_path / "latency.png")
    axes = latency_figure(timing, "pong").axes[0]
    assert axes.get_title() == "pong: 1 of 4 deadlines missed"
    assert np.asarray(axes.lines[0].get_xdata()) == pytest.approx(30.0)
    with Image.open(tmp_path / "latency.png") as found:
        assert found.size[0] > 900


def test_window_needs_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform != "linux":
        pytest.skip("only X11 asks for DISPLAY")
    with pytest.raises(InvalidValueError, match="--window: got 'no display name"):
        open_window("Pong")


def test_pixmap_is_read_as_the_same_picture(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    (tmp_path / "picture.ppm").write_bytes(portable_pixmap(picture))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "picture.ppm")), picture)


# ---------------------------------------------------------------------- the page


def test_message_holds_what_the_page_draws(show: Show) -> None:
    live = LiveGame(show, 2000.0, games=1)
    live.run()
    assert live.newest is not None
    sent = message(live, live.newest)
    moment = live.newest.moment
    assert np.array_equal(sent["screen"].reshape(210, 160, 3), moment.screen)
    assert np.array_equal(sent["seen"].reshape(84, 84), moment.seen)
    assert sent["history"].reshape(-1, 4)[-1].tolist() == pytest.approx(moment.share.tolist(), rel=1e-6)
    assert (sent["score"], sent["action"], sent["frames"]) == (moment.score, moment.action, moment.number)
    assert sent["scores"] == [show.scores[0]]
    assert json.dumps({name: value for name, value in sent.items() if not isinstance(value, np.ndarray)})
    assert trouble(live) == "All is played that was asked for."


def test_viewer_sends_what_is_new_until_the_browser_is_behind(show: Show) -> None:
    live = LiveGame(show, 2000.0)
    document = Document()
    viewer = GameViewer(document, live)
    assert document.title == "A TrueNorth student plays Pong"
    assert viewer.link.setup["actions"] == list(show.env.action_names)
    viewer.look()
    assert viewer.link.frame == {}
    sent = []
    for _ in range(6):
        live._play_one()
        viewer.look()
        viewer.look()
        sent.append(viewer.link.frame["frames"])
    assert sent == [1, 2, 3, 3, 3, 3]
    viewer.acknowledge(3)
    viewer.look()
    assert viewer.link.frame["frames"] == 6


def test_page_hands_commands_on(show: Show) -> None:
    live = LiveGame(show, 50.0)
    viewer = GameViewer(Document(), live)
    viewer.obey({"name": "fps", "value": 20})
    live._obey()
    assert live.asked == 20
    for wrong in ({"name": "fps", "value": 1e9}, {"name": "explode"}, "fps"):
        viewer.obey(wrong)
        viewer.look()
        assert "allowed" in viewer.link.status
    viewer.obey({"name": "pause", "value": True})
    viewer.look()
    assert viewer.link.status == ""


def test_a_game_that_breaks_off_is_told(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, view: Any) -> None:
        raise ValueError("no more")

    monkeypatch.setattr(PackedPlayer, "decide", broken)
    live = LiveGame(show, 2000.0)
    live.start()
    live.stop()
    assert trouble(live) == "The game has broken off: ValueError: no more"


class Page:
    """`snnrl play pong` with its page, in a process of its own."""

    def __init__(self, student: Path, folder: Path) -> None:
        with socket.socket() as each:
            each.bind(("127.0.0.1", 0))
            self.port = int(each.getsockname()[1])
        self.json = folder / "page.json"
        words = [
            "play",
            "pong",
            "--student",
            str(student),
            "--no-browser",
            "--port",
            str(self.port),
            "--page",
        ]
        command = [sys.executable, "-m", "snnrl", *words, "--max-frames", "120", "--json", str(self.json)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = f"http://localhost:{self.port}/"

    def interrupt(self) -> str:
        """Press Ctrl-C; return what it printed after its first line."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert err == ""
        return out

    def close(self) -> None:
        """End it, however it stands."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=60)


def _look(url: str) -> None:
    """Open the page in Chromium, pause it, take one frame, go on."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page, wrong = browser.new_page(viewport={"width": 1440, "height": 900}), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.wait_for_function("window.demo && demo.drawn > 5")
        page.keyboard.press(" ")
        page.wait_for_function("demo.books.paused")
        frames = page.evaluate("demo.books.frames")
        page.keyboard.press("n")
        page.wait_for_function(f"demo.books.frames == {frames + 1}")
        for canvas in ("screen", "layers", "actions", "seen"):
            colours = page.evaluate(
                """id => { const c = document.getElementById(id), g = c.getContext("2d");
                return new Set(new Uint32Array(g.getImageData(0, 0, c.width, c.height).data.buffer)).size; }""",
                canvas,
            )
            assert colours >= 3, canvas
        assert page.inner_text("#action-names").lower().split() == [
            "noop", "fire", "right", "left", "rightfire", "leftfire"
        ]  # fmt: skip
        page.keyboard.press(" ")
        page.wait_for_function(f"demo.books.frames > {frames + 5}")
        assert wrong == []
        browser.close()


def test_page_is_served_and_ctrl_c_prints_what_was_played(atari_student: StudentFile, tmp_path: Path) -> None:
    page = Page(atari_student(), tmp_path)
    try:
        assert page.line.startswith(page.url)
        with urllib.request.urlopen(page.url, timeout=60) as answer:
            html = answer.read().decode()
        assert "A TrueNorth student plays Pong" in html
        assert "class PicturePainter" in html
        assert "https://" not in html.split("<body")[0]
        words = ["play", "pong", "--student", str(tmp_path / "pong-1.tn"), "--page", "--port", str(page.port)]
        command = [sys.executable, "-m", "snnrl", *words]  # tornado forgets the socket that it could not bind
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"snnrl: --port: got {page.port}, allowed: a port that is free, or 0 for any\n"
        if CHROMIUM is not None:
            _look(page.url)
        out = page.interrupt()
        assert page.process.returncode == 0
        numbers = json.loads(page.json.read_text())
        assert numbers.keys() >= NUMBERS
        assert f"missed deadlines: {numbers['deadline_misses']} of {numbers['deadlines']}" in out
        assert numbers["decisions"] == numbers["deadlines"] > 0
    finally:
        page.close()


# ---------------------------------------------------------------------- the command


def run(*words: str | Path) -> int:
    return main(["play", *map(str, words)])


def test_scores_and_their_file(
    atari_student: StudentFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "scores.json"
    words = (
        "pong",
        "--student",
        atari_student(),
        "--episodes",
        "2",
        "--seed",
        "5",
        "--max-frames",
        "200",
        "--json",
    )
    assert run(*words, path) == 0
    numbers, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert numbers.keys() >= NUMBERS
    assert len(numbers["scores"]) == 2
    assert numbers["score_mean"] == pytest.approx(np.mean(numbers["scores"]))
    assert (numbers["deadline_misses"], numbers["engine"], numbers["complete"]) == (0, "packed", True)
    assert numbers["spikes_per_frame"] == pytest.approx(sum(numbers["spikes_per_layer"].values()))
    assert numbers["spikes_per_frame"] > 0
    assert f"protocol: {numbers['protocol']}" in printed
    assert "cap 200 frames" in numbers["protocol"]
    assert run(*words, tmp_path / "chip.json", "--chip") == 0
    chip = json.loads((tmp_path / "chip.json").read_text())
    assert (chip["engine"], chip["scores"], chip["decisions"]) == (
        "chip",
        numbers["scores"],
        numbers["decisions"],
    )


def test_teacher_and_random_beside_the_student(
    atari_student: StudentFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "range.json"
    file = atari_student("freeway", 3)
    words = (
        "--episodes",
        "1",
        "--max-frames",
        "1200",
        "--epsilon",
        "0",
        "--teacher",
        "script:freeway",
        "--json",
        path,
    )
    assert run("freeway", "--student", file, *words) == 0
    numbers, printed = json.loads(path.read_text()), capsys.readouterr().out
    own, teacher, chance = (each["score_mean"] for each in (numbers, numbers["teacher"], numbers["random"]))
    assert teacher > chance
    assert numbers["percent_of_teacher_range"] == 100 * (own - chance) / (teacher - chance)
    assert "epsilon 1, " in numbers["random"]["protocol"]
    assert "epsilon 0, " in numbers["teacher"]["protocol"]
    assert "teacher script:freeway" in printed
    assert "random actions" in printed


def test_protocol_is_the_students_unless_asked(atari_student: StudentFile, tmp_path: Path) -> None:
    file = atari_student(protocol={"preprocessing": "ddqn", "max_frames": 40, "epsilon": 0.1})

    def told(*words: str) -> str:
        path = tmp_path / "told.json"
        assert run("pong", "--student", file, "--episodes", "1", "--json", path, *words) == 0
        return str(json.loads(path.read_text())["protocol"])

    own = told()
    assert "cap 40 frames" in own
    assert "epsilon 0.1" in own
    named = told("--protocol", "sticky", "--max-frames", "30")
    assert "sticky actions 0.25, cap 30 frames" in named
    assert "epsilon 0.01" in named
    assert "preprocessing ddqn" in named


def test_ctrl_c_writes_the_file(
    atari_student: StudentFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decide, asked = PackedPlayer.decide, []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as a shell starts a command

    def interrupted(self: PackedPlayer, view: Any) -> Any:
        asked.append(view)
        if len(asked) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return decide(self, view)

    monkeypatch.setattr(PackedPlayer, "decide", interrupted)
    for mode in (("--episodes", "2", "--random"), ("--realtime", "--fps", "500")):
        asked.clear()
        path = tmp_path / "stopped.json"
        assert run("pong", "--student", atari_student(), "--json", path, *mode) == 130
        numbers = json.loads(path.read_text())
        assert not numbers["complete"]
        assert numbers["score_mean"] is None
        assert 0 < numbers["decisions"] <= 14
        assert "random" not in numbers
        assert "stopped early" in capsys.readouterr().out
    signal.signal(signal.SIGINT, before)


def test_real_time_is_measured(
    atari_student: StudentFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--realtime", "--fps", "200", "--episodes", "1", "--max-frames", "80")
    figure, path = tmp_path / "latency.png", tmp_path / "real.json"
    assert run("pong", "--student", atari_student(), *words, "--figure", figure, "--json", path) == 0
    numbers = json.loads(path.read_text())
    assert numbers["deadlines"] == numbers["decisions"] == sum(numbers["latency"]["histogram"]["count"])
    assert numbers["latency"]["period_ms"] == 5.0
    assert numbers["latency"]["p50_ms"] <= numbers["latency"]["p99_ms"] <= numbers["latency"]["max_ms"]
    assert figure.stat().st_size > 5000
    assert (
        f"missed deadlines: {numbers['deadline_misses']} of {numbers['deadlines']}" in capsys.readouterr().out
    )


def test_film_by_command(
    atari_student: StudentFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.gif"
    assert run("pong", "--student", atari_student(), "--record", path, "--seconds", "0.2", "--fps", "10") == 0
    assert path.read_bytes()[:6] == b"GIF89a"
    assert str(path) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tennis"], "game: got 'tennis', allowed: beam-rider, breakout"),
        (["pong", "--student", "none.tn"], "student file: got 'none.tn', allowed: a file that can be read"),
        (["breakout", "--student", "STUDENT"], "got 'a student of pong', allowed: one of breakout"),
        (["pong", "--fps", "0"], "--fps: got 0.0, allowed: a number above 0, at most 10000"),
        (["pong", "--seconds", "0", "--realtime"], "--seconds: got 0.0, allowed: a number above 0"),
        (["pong", "--seconds", "5", "--episodes", "1"], "--seconds: got 5.0, allowed: only with --realtime, --page"),
        (["pong", "--episodes", "0"], "--episodes: got 0, allowed: 1 or more"),
        (["pong", "--episodes", "2", "--record", "a.gif"], "--episodes: got 2, allowed: --seconds for a film"),
        (["pong", "--record", "film.avi"], "--record: got 'film.avi', allowed: a file that ends in .mp4 or .gif"),
        (["pong", "--record", "a.gif", "--page"], "snnrl play: got 'film and page', allowed: one of --record, --page"),
        (["pong", "--record", "a.gif", "--realtime"], "--realtime: got 'with --record', allowed: a film without it"),
        (["pong", "--page", "--random"], "--teacher, --random: got 'page', allowed: only where games are played"),
        (["pong", "--seed", "-1"], "--seed: got -1, allowed: 0 or more"),
        (["pong", "--port", "70000"], "--port: got 70000, allowed: 0 to 65535"),
        (["pong", "--figure", "a.png"], "--figure: got 'a.png', allowed: only with --realtime"),
        (["pong", "--figure", "no/a.png", "--realtime"], "--figure: got 'no/a.png', allowed: a file in a folder"),
        (["pong", "--json", "no/a.json"], "--json: got 'no/a.json', allowed: a file in a folder that exists"),
        (["pong", "--student", "STUDENT", "--epsilon", "2"], "--epsilon: got 2.0, allowed: 0 to 1"),
        (["pong", "--student", "STUDENT", "--protocol", "rules"], "--protocol: got 'rules', allowed: human-cap, no-op, sticky"),
        (["pong", "--student", "STUDENT", "--teacher", "none.pt", "--episodes", "1"], "teacher: got 'none.pt', allowed:"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(
    words: list[str], line: str, atari_student: StudentFile, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    file = str(atari_student())
    assert run(*(file if word == "STUDENT" else word for word in words)) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("snnrl: ")
    assert line in said[0]


def test_a_missing_rom_is_one_line(
    atari_student: StudentFile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ale_py import roms

    def missing(name: str) -> Path:
        raise OSError(f"no ROM {name}")

    monkeypatch.setattr(roms, "get_rom_path", missing)
    assert run("pong", "--student", atari_student(), "--episodes", "1") == 2
    assert capsys.readouterr().err.startswith("snnrl: ROM of Pong: got 'no ROM pong'")
