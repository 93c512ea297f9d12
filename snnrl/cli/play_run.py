"""What ``snnrl play`` does once its options are understood: scores, real time, a film, a page or a window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from snnrl.cli.text import print_table
from snnrl.errors import InvalidValueError, SimulationError
from snnrl.play.session import Played, play, range_share
from snnrl.play.show import Show

if TYPE_CHECKING:
    from snnrl.play.live import LiveGame
    from snnrl.play.players import Player
    from snnrl.play.students import Student
    from snnrl.tasks.atari import Protocol

HEAD = (
    "player",
    "games",
    "score",
    "standard deviation",
    "frames/s",
    "spikes per frame",
    "of teacher's range",
)


@dataclass(frozen=True)
class Setting:
    """What is played, by whom and how.

    Parameters
    ----------
    game, student, engine
        The game's name, and its student in one of `snnrl.play.players.ENGINES`.
    protocol, seed
        How, and which games.
    """

    game: str
    student: Student
    engine: str
    protocol: Protocol
    seed: int

    def player(self) -> Player:
        """Return the student, ready to play."""
        from snnrl.play.players import student_player

        with Console(stderr=True).status(f"preparing the {self.student.name}"):
            return student_player(self.student, self.engine)

    def show(self) -> Show:
        """Return a game in one lane."""
        return Show(self.game, self.player(), self.protocol, self.seed)

    def numbers(self) -> dict[str, Any]:
        """Return what is told beside every score."""
        return {
            "game": self.game,
            "student": self.student.source,
            "network": self.student.network.spec.name,
            "engine": self.engine,
            "bytes": self.student.size,
            "protocol": self.protocol.describe(),
            "seed": self.seed,
        }


# ---------------------------------------------------------------------- scores


def scores(setting: Setting, episodes: int, teacher: str | None, random: bool) -> dict[str, Any]:
    """Play for scores, print them and return the numbers; ``complete`` is false where Ctrl-C ended it."""
    print(f"protocol: {setting.protocol.describe()}; seed {setting.seed}")
    found: dict[str, Played] = {}
    rules: dict[str, str] = {}
    for role, player, protocol in _players(setting, teacher, random):
        rules[role] = protocol.describe()
        with _bar(f"{role} plays", episodes, "games") as told:
            found[role] = play(setting.game, player, protocol, episodes, setting.seed, told)
        if not found[role].complete:
            break
    return _told(setting, found, rules)


def _players(setting: Setting, teacher: str | None, random: bool) -> Iterator[tuple[str, Player, Protocol]]:
    """Give who plays, one after the other, and by which rules."""
    from snnrl.play.players import Chance

    opponent = None if teacher is None else _opponent(setting, teacher)
    yield "student", setting.player(), setting.protocol
    if opponent is not None:
        yield "teacher", *opponent
    if random or opponent is not None:
        yield "random", Chance(_n_actions(setting)), replace(setting.protocol, epsilon=1.0)


def _opponent(setting: Setting, name: str) -> tuple[Player, Protocol]:
    """Return a teacher as a player, under the student's rules but with the screens that it was trained on."""
    from snnrl.distillation.teachers import LaneTeacher, load_teacher
    from snnrl.play.players import TeacherPlayer

    teacher, n_actions = load_teacher(name, setting.game), _n_actions(setting)
    if teacher.n_actions != n_actions:
        raise InvalidValueError(
            "--teacher", f"{teacher.n_actions} actions", f"{n_actions}, as {setting.game} is played here"
        )
    if isinstance(teacher, LaneTeacher):
        return TeacherPlayer(teacher), setting.protocol
    import torch

    # More threads gain little on eight screens, and on a busy machine they wait for each other.
    torch.set_num_threads(1)
    if teacher.preprocessing != setting.protocol.preprocessing:
        print(f"teacher: as above, but preprocessing {teacher.preprocessing}")
    return TeacherPlayer(teacher), replace(setting.protocol, preprocessing=teacher.preprocessing)


def _n_actions(setting: Setting) -> int:
    from snnrl.tasks.atari import Atari

    with Atari(setting.game, 1, 0, setting.protocol) as env:
        return env.n_actions


@contextmanager
def _bar(words: str, total: float, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is; the value takes the numbers of games, or of decisions, and of frames answered."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task, begun = bar.add_task(words, total=total, detail=""), time.perf_counter()

        def told(done: int, frames: int) -> None:
            pace = frames / max(time.perf_counter() - begun, 1e-9)
            bar.update(
                task,
                completed=done,
                detail=f"{done:,} of {total:,g} {unit}, {frames:,} frames, {pace:,.0f}/s",
            )

        yield told


def _told(setting: Setting, found: Mapping[str, Played], rules: Mapping[str, str]) -> dict[str, Any]:
    """Print the table, and return everything for the file."""
    means = {role: played.mean for role, played in found.items()}
    share = range_share(means.get("student"), means.get("random"), means.get("teacher"))
    rows = [_row(played, share if role == "student" else None) for role, played in found.items()]
    print_table(f"{setting.game}", HEAD, rows)
    complete = all(played.complete for played in found.values())
    if not complete:
        print("stopped early: games that take long are missing")
    others = {role: {"protocol": rules[role], **found[role].numbers()} for role in found if role != "student"}
    more = {} if share is None else {"percent_of_teacher_range": share}
    return {**setting.numbers(), **found["student"].numbers(), **others, **more, "complete": complete}


def _row(played: Played, share: float | None) -> tuple[str, ...]:
    def words(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    spikes = float(played.spikes_per_frame.sum()) if played.layers else None
    return (
        played.player,
        str(len(played.scores)),
        words(played.mean, ",.2f"),
        words(played.std, ",.2f"),
        words(played.frames_per_second, ",.0f"),
        words(spikes, ",.0f"),
        words(share, ".1f") + ("" if share is None else " %"),
    )


# ---------------------------------------------------------------------- real time, live, film


def paced(setting: Setting, fps: float, episodes: int | None, seconds: float | None) -> Played:
    """Play in real time without pictures; Ctrl-C ends it early."""
    from snnrl.play.live import LiveGame

    live = LiveGame(setting.show(), fps, episodes, seconds, strict=True)
    with _bar("in real time", seconds or 0.0, "s") as told:
        live.told = lambda: told(int(live.spent), live.show.tally.decided)
        try:
            live.run()
        except KeyboardInterrupt:
            live.finished = False
    return _ended(live)


def _ended(live: LiveGame) -> Played:
    try:
        complete = live.finished or (live.games is None and live.seconds is None and not live.failure)
        return live.show.played(live.spent, complete, live.timing)
    finally:
        live.show.close()


def film(setting: Setting, path: Path, fps: float, seconds: float) -> Played:
    """Make a film; Ctrl-C leaves none."""
    from snnrl.play.film import record

    show, begun = setting.show(), time.perf_counter()
    try:
        with _bar("filming", round(seconds * fps), "frames") as told:
            record(show, path, seconds, fps, lambda done: told(done, done))
        print(path)
        return show.played(time.perf_counter() - begun, complete=True)
    finally:
        show.close()


def on_page(setting: Setting, fps: float, episodes: int | None, seconds: float | None, strict: bool, port: int,
            browser: bool) -> Played:  # fmt: skip
    """Show a live page until Ctrl-C, or until all is played that was asked for."""
    import webbrowser

    from snnrl.demo.page import listen
    from snnrl.play.live import LiveGame
    from snnrl.play.page import run, serve

    host = "127.0.0.1"
    sockets = listen(port, host)  # before anything is begun
    live = LiveGame(setting.show(), fps, episodes, seconds, strict)
    server = serve(live, sockets, host)
    address = f"http://localhost:{server.port}/"

    def begun() -> None:
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(address)

    live.start()
    run(server, live, begun)
    return _stopped(live)


def in_window(
    setting: Setting, fps: float, episodes: int | None, seconds: float | None, strict: bool
) -> Played:
    """Show a window until it is closed, or until all is played that was asked for."""
    from contextlib import suppress

    from snnrl.play.live import LiveGame
    from snnrl.play.window import GameWindow

    live = LiveGame(setting.show(), fps, episodes, seconds, strict)
    window = GameWindow(live)
    live.start()
    with suppress(KeyboardInterrupt):
        window.run()
    return _stopped(live)


def _stopped(live: LiveGame) -> Played:
    live.stop()
    if live.failure:
        raise SimulationError(f"the game broke off: {live.failure}")
    return _ended(live)


def told_of_one(setting: Setting, played: Played, figure: Path | None = None) -> dict[str, Any]:
    """Print what a game in one lane has come to, draw its latencies if asked, and return the numbers."""
    print(f"protocol: {setting.protocol.describe()}; seed {setting.seed}")
    numbers = _told(setting, {"student": played}, {})
    if played.timing is not None and played.timing.steps:
        print(played.timing.text())
        if figure is not None:
            from snnrl.figures.style import write_png
            from snnrl.play.figure import latency_figure

            timing, title = played.timing, f"{setting.game}, {played.player}"
            write_png(lambda: latency_figure(timing, title), figure)
    return numbers
