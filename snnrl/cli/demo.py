"""``snnrl demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from snnrl.demo.scenes import LOOPBACK, SPEEDS, names, scene
from snnrl.errors import InvalidValueError, RunFolderError, SimulationError

if TYPE_CHECKING:
    from snnrl.demo.live import Start
    from snnrl.demo.messages import Clock

EXAMPLE = "Examples:  snnrl demo cartpole   snnrl demo cartpole --headless --record demo.mp4 --seconds 20"
PORT = 5006
FAREWELL = 3.0
"""Seconds for which pages still say that the simulation has ended before the server ends too."""


def demo(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help=f"One of: {', '.join(names())}.", show_default=False)
    ],
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes any that is free.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in: anybody who reaches --host.")
    ] = False,
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime", help="Keep to wall time strictly, and report missed deadlines at the end."
        ),
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(help="Simulated over wall time at first, 0.1 to 20.", show_default="1; 0.2 for acrobot"),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Show the first agent of this run folder.", show_default=False),
    ] = None,
    from_zero: Annotated[
        bool, typer.Option("--from-zero", help="Begin with an agent that has learned nothing, learning on.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Seed of noise and starts; with --from-zero of the agent too.")
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    headless: Annotated[
        bool, typer.Option("--headless", help="No page: a film, or only the clock's report.")
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --headless: film, .mp4 or .gif.", show_default=False),
    ] = None,
    seconds: Annotated[float, typer.Option(help="With --headless: simulated seconds.")] = 20.0,
) -> None:
    """Watch a trained spiking agent at TASK live on a local page, push it, and teach it."""
    if speed is None:
        speed = 1.0 if realtime else scene(task).speed
    _check(task, port, host, allow_remote, speed, realtime, seed, seconds)
    if record is not None:
        from snnrl.demo.film import check_ending

        check_ending(record)
        if not headless:
            raise InvalidValueError("--record", str(record), "only with --headless")
    start = _start(task, run, from_zero, seed)
    if record is not None:
        _film(start, record, seconds)
    elif headless:
        _only_clock(start, realtime, speed, seconds)
    else:
        _page(start, task, port, host, realtime, speed, browser)


def _check(
    task: str,
    port: int,
    host: str,
    allow_remote: bool,
    speed: float,
    realtime: bool,
    seed: int,
    seconds: float,
) -> None:
    scene(task)
    if not 0 <= port <= 65535:
        raise InvalidValueError("--port", port, "0 to 65535")
    if host not in LOOPBACK and not allow_remote:
        allowed = (
            f"{' or '.join(LOOPBACK)}; with --allow-remote any, and then anybody there can push and switch"
        )
        raise InvalidValueError("--host", host, allowed)
    if not SPEEDS[0] <= speed <= SPEEDS[1]:
        raise InvalidValueError("--speed", speed, f"{SPEEDS[0]:g} to {SPEEDS[1]:g}")
    if realtime and speed != 1.0:
        raise InvalidValueError("--speed", speed, "1 with --realtime")
    if seed < 0:
        raise InvalidValueError("--seed", seed, "0 or more")
    if not 0 < seconds < float("inf"):
        raise InvalidValueError("--seconds", seconds, "a number above 0")


def _start(task: str, run: Path | None, from_zero: bool, seed: int) -> Start:
    from snnrl.demo import agents

    if run is not None and from_zero:
        raise InvalidValueError("--run", str(run), "nothing beside --from-zero")
    if run is None:
        return (agents.fresh if from_zero else agents.pretrained)(task, seed)
    from snnrl.demo.live import LiveAgent

    start = agents.from_run(task, run, seed)
    try:
        LiveAgent(start)
    except InvalidValueError as error:
        raise RunFolderError(f"{run}: does not fit this version ({error})") from error
    return start


def _film(start: Start, path: Path, seconds: float) -> None:
    from snnrl.demo.film import record

    record(start, path, seconds)
    print(path)


def _only_clock(start: Start, realtime: bool, speed: float, seconds: float) -> None:
    """Simulate without a page and say how the time went."""
    import time

    from snnrl.demo.process import Simulation

    with Simulation(start, realtime, speed) as simulation:
        simulation.wait_until_ready()
        seen = 0
        while simulation.last_clock.simulated < seconds:
            simulation.listen()
            if simulation.failure:
                raise SimulationError(simulation.failure)
            seen = max((number for number, _ in simulation.frames(seen)), default=seen)
            time.sleep(0.05)
        print(report(simulation.last_clock))


def _page(start: Start, task: str, port: int, host: str, realtime: bool, speed: float, browser: bool) -> None:
    import webbrowser

    from snnrl.demo.page import listen, run, serve
    from snnrl.demo.process import Simulation

    sockets = listen(port, host)  # before anything is begun
    with Simulation(start, realtime, speed) as simulation:
        server = serve(simulation, task, sockets, host)
        address = f"http://{'localhost' if host in LOOPBACK else host}:{server.port}/"

        def begun() -> None:
            print(f"{address}  (Ctrl-C ends it)", flush=True)
            if browser:
                webbrowser.open(address)

        run(server, simulation, FAREWELL, begun)
        if simulation.failure:
            print(f"snnrl: {simulation.failure}", file=sys.stderr)
            raise typer.Exit(1)
        print(report(simulation.last_clock))


def report(clock: Clock) -> str:
    """Return how simulated time went with wall time, in words."""
    late = f"{1000 * clock.late_p50:.2g} / {1000 * clock.late_p99:.2g} ms"
    return (
        f"{clock.simulated:.1f} s simulated in {clock.wall:.1f} s; step jitter p50 / p99: {late}; "
        f"missed deadlines: {clock.missed} of {clock.steps}"
    )
