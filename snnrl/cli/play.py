"""``snnrl play``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import INTERRUPTED, check_json_option, write_json_option
from snnrl.errors import InvalidValueError, UnknownNameError

if TYPE_CHECKING:
    from snnrl.cli.play_run import Setting
    from snnrl.play.students import Student
    from snnrl.tasks.atari import Protocol

EXAMPLE = (
    "Examples:  snnrl play pong   snnrl play pong --student student.tn --episodes 30 --json scores.json   "
    "snnrl play pong --realtime --seconds 600   snnrl play pong --record pong.mp4"
)
EPISODES, FILM_SECONDS, REAL_SECONDS = 10, 20.0, 60.0
PORT = 5007


def play(
    game: Annotated[str, typer.Argument(metavar="GAME", help="pong, breakout, ...", show_default=False)],
    student: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Packed student.", show_default="the one that comes with snnrl"),
    ] = None,
    chip: Annotated[
        bool, typer.Option("--chip", help="Play through the student's cores, simulated tick by tick.")
    ] = False,
    episodes: Annotated[
        int | None, typer.Option(help="Games.", show_default=f"{EPISODES} where scores are asked for")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            help="Seconds of play in real time, on a page or in a window, or of film.",
            show_default=f"{REAL_SECONDS:g} in real time, {FILM_SECONDS:g} of film",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the games.", show_default="7800000, kept for scores")
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Keep to --fps strictly, and measure latencies and deadlines.")
    ] = False,
    fps: Annotated[
        float, typer.Option(help="Decisions per second in real time, on a page, in a window and in a film.")
    ] = 30.0,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a film, .mp4 or .gif.", show_default=False)
    ] = None,
    page: Annotated[
        bool, typer.Option("--page", help="Show a live page; so it is where nothing else is asked for.")
    ] = False,
    window: Annotated[bool, typer.Option("--window", help="Show a window, by tkinter.")] = False,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Score a teacher and random actions beside the student.",
            show_default=False,
        ),
    ] = None,
    random: Annotated[
        bool, typer.Option("--random", help="Score random actions beside the student.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Rules: no-op, human-cap or sticky.",
            show_default="those that the student learned by",
        ),
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Probability of a random action.", show_default="as the protocol")
    ] = None,
    sticky: Annotated[
        float | None, typer.Option(help="Probability that an action sticks.", show_default="as the protocol")
    ] = None,
    noop_max: Annotated[
        int | None, typer.Option(help="Most frames before the first action.", show_default="as the protocol")
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(help="Game frames that a game may last.", show_default="as the protocol")
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes any that is free.")] = PORT,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    figure: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="With --realtime: draw the latencies.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the numbers to this file.", show_default=False)
    ] = None,
) -> None:
    """Let a distilled TrueNorth student play an Atari GAME: for scores, in real time, on film or live."""
    scored = teacher is not None or random
    mode = _mode(record, page, window, realtime, scored or episodes is not None or json_file is not None)
    _check(mode, scored, realtime, episodes, seconds, seed, fps, port)
    check_json_option(json_file)
    _check_files(record, figure, realtime)
    rules = {"epsilon": epsilon, "sticky": sticky, "noop_max": noop_max, "max_frames": max_frames}
    setting = _setting(game, student, chip, protocol, rules, seed)

    from snnrl.cli import play_run

    if mode == "scores":
        numbers = play_run.scores(setting, EPISODES if episodes is None else episodes, teacher, random)
    elif mode == "film":
        assert record is not None
        played = play_run.film(setting, record, fps, FILM_SECONDS if seconds is None else seconds)
        numbers = play_run.told_of_one(setting, played)
    else:
        if mode == "realtime":
            length = REAL_SECONDS if seconds is None and episodes is None else seconds
            played = play_run.paced(setting, fps, episodes, length)
        elif mode == "page":
            played = play_run.on_page(setting, fps, episodes, seconds, realtime, port, browser)
        else:
            played = play_run.in_window(setting, fps, episodes, seconds, realtime)
        numbers = play_run.told_of_one(setting, played, figure)
    write_json_option(json_file, numbers)
    if not numbers["complete"]:
        raise typer.Exit(INTERRUPTED)


def _mode(record: Path | None, page: bool, window: bool, realtime: bool, scored: bool) -> str:
    """Return what is asked for."""
    asked = [
        name for name, wanted in (("film", record is not None), ("page", page), ("window", window)) if wanted
    ]
    if len(asked) > 1:
        raise InvalidValueError("snnrl play", " and ".join(asked), "one of --record, --page and --window")
    if asked:
        return asked[0]
    return "realtime" if realtime else "scores" if scored else "page"


def _check(
    mode: str, scored: bool, realtime: bool, episodes: int | None, seconds: float | None, seed: int | None,
    fps: float, port: int,
) -> None:  # fmt: skip
    from snnrl.play.timing import LARGEST_FPS

    if scored and mode != "scores":
        raise InvalidValueError("--teacher, --random", mode, "only where games are played for scores")
    if realtime and mode == "film":
        raise InvalidValueError(
            "--realtime", "with --record", "a film without it: it is drawn slower than played"
        )
    if seconds is not None and mode == "scores":
        raise InvalidValueError("--seconds", seconds, "only with --realtime, --page, --window and --record")
    if episodes is not None and (episodes < 1 or mode == "film"):
        allowed = "--seconds for a film" if mode == "film" else "1 or more"
        raise InvalidValueError("--episodes", episodes, allowed)
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InvalidValueError("--seconds", seconds, "a number above 0")
    if not 0 < fps <= LARGEST_FPS:
        raise InvalidValueError("--fps", fps, f"a number above 0, at most {LARGEST_FPS:g}")
    if seed is not None and seed < 0:
        raise InvalidValueError("--seed", seed, "0 or more")
    if not 0 <= port <= 65535:
        raise InvalidValueError("--port", port, "0 to 65535")


def _check_files(record: Path | None, figure: Path | None, realtime: bool) -> None:
    if record is not None:
        from snnrl.demo.film import check_ending

        check_ending(record)
    if figure is not None and not realtime:
        raise InvalidValueError("--figure", str(figure), "only with --realtime")
    if figure is not None and (figure.is_dir() or not figure.absolute().parent.is_dir()):
        raise InvalidValueError("--figure", str(figure), "a file in a folder that exists")


def _setting(
    name: str, file: Path | None, chip: bool, protocol: str | None, rules: dict[str, Any], seed: int | None
) -> Setting:
    """Return what is played, after everything has been read and checked."""
    from snnrl.cli.play_run import Setting
    from snnrl.distillation.rollout import FINAL_SEED
    from snnrl.play.students import load
    from snnrl.tasks import atari

    game = atari.game(name).name
    student = load(file, game)
    chosen = _protocol(student, protocol, rules)
    with atari.Atari(game, 1, 0, chosen) as env:
        student.check_actions(env.action_names)
    return Setting(game, student, "chip" if chip else "packed", chosen, FINAL_SEED if seed is None else seed)


def _protocol(student: Student, name: str | None, rules: dict[str, Any]) -> Protocol:
    """Return the rules: those asked for, with the screens and actions that the student learned with."""
    from snnrl.tasks.atari import PROTOCOLS

    chosen = student.protocol
    if name is not None:
        if name not in PROTOCOLS:
            raise UnknownNameError("--protocol", name, PROTOCOLS)
        kept = {each: getattr(chosen, each) for each in ("frame_skip", "full_actions", "preprocessing")}
        chosen = replace(PROTOCOLS[name], **kept)
    asked = {each: value for each, value in rules.items() if value is not None}
    try:
        return replace(chosen, **asked)
    except InvalidValueError as error:
        option = f"--{error.name.removeprefix('Protocol.').replace('_', '-')}"
        raise InvalidValueError(option, error.got, error.allowed) from None
