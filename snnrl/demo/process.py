"""`Simulation`: the agent in a process of its own, so that nothing that draws can slow it down."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

from snnrl.demo.channel import Ring
from snnrl.demo.messages import Clock, Command, Frame, Setup, Steps
from snnrl.demo.pacing import Pace
from snnrl.demo.preparation import Preparation
from snnrl.demo.scenes import SPEED, SPREAD
from snnrl.errors import SimulationError, SnnrlError

if TYPE_CHECKING:
    from snnrl.demo.live import LiveAgent, Start

FRAMES = 50.0
"""Frames per wall second at most; slower than that there is one per environment step."""
SHOWN = 16
"""Environment steps of a frame that are shown spike by spike."""
MAP_PERIOD = 0.2
"""Wall seconds between two maps of the weights."""
IDLE = 0.02
"""Seconds between two looks at the commands while paused."""
NICE = -10
"""Nice value asked for with ``--realtime``."""
PATIENCE = 5.0
"""Seconds that a process is given to end by itself."""


class Runner:
    """The loop of the simulating process.

    Parameters
    ----------
    agent
        The agent.
    pace
        Its clock.
    put
        Where frames go; never waits.
    """

    def __init__(self, agent: LiveAgent, pace: Pace, put: Callable[[Frame], object]) -> None:
        self.agent, self.pace, self.put = agent, pace, put
        self.paused = False
        self.number, self.map_at, self.frame_at = 0, 0.0, 0.0
        self.steps: list[Any] = []
        self.skipped, self.since = 0, 0
        self.spikes_before = self._spikes()

    def obey(self, command: Command) -> None:
        """Do what a command says; the clock's and the pause are done here, the rest by the agent."""
        if command.name == "pause":
            self.paused = bool(command.value)
            self.pace.resume()
        elif command.name == "clear":
            self.pace.clear()
        else:
            self.agent.apply(command)
            if (command.name, command.target) == ("set", SPEED) and not self.pace.strict:
                self.pace.set_speed(self.agent.sliders[SPEED])

    def tick(self) -> None:
        """Wait for the next environment step and take it; hand over a frame when one is due."""
        if self.paused:
            self.pace.sleep(IDLE)
            self._show()
            return
        self.pace.wait_until_due()
        self.pace.begin()
        step = self.agent.step(show=len(self.steps) < SHOWN)
        self.pace.done()
        self.since += 1
        if step is None:
            self.skipped += 1
        else:
            self.steps.append(step)
        if self.pace.now() >= self.frame_at:
            self._show()

    def _show(self) -> None:
        from snnrl.demo.steps import pack

        now, agent = self.pace.now(), self.agent
        neurons = sum(p.size for p in agent.session.network.neurons)
        weights = None
        if now >= self.map_at:
            weights, self.map_at = agent.synapses.map(), now + MAP_PERIOD
        total = self._spikes()
        rate = (total - self.spikes_before) / max(self.since, 1)
        self.number += 1
        steps = pack(self.steps, neurons, self.skipped) if self.steps else None
        self.put(Frame(self.number, steps, agent.books(rate, self.paused), self.pace.report(), weights, now))
        # Half a step early: at real time every environment step has a frame of its own.
        self.frame_at = now + 1.0 / FRAMES - 0.5 * min(self.pace.period, 1.0 / FRAMES)
        self.steps, self.skipped, self.since, self.spikes_before = [], 0, 0, total

    def _spikes(self) -> float:
        return float(self.agent.session.state["spike_total"][0].sum())


def serve(start: Start, realtime: bool, speed: float, ring: Ring, commands: Connection) -> None:
    """Simulate until told to stop, or until nobody is there to tell; the body of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it tells us to stop
    try:
        runner = _begin(start, realtime, speed, ring, commands)
        while True:
            while commands.poll():
                command = commands.recv()
                if command.name == "stop":
                    return
                _obey(runner, command, commands)
            runner.tick()
    except (EOFError, OSError):
        return  # the parent is gone
    except SnnrlError as error:
        _tell(commands, ("failed", str(error)))


def _begin(start: Start, realtime: bool, speed: float, ring: Ring, commands: Connection) -> Runner:
    from snnrl.demo.live import LiveAgent
    from snnrl.demo.setup import setup

    agent = LiveAgent(start)
    agent.step()  # compiles the kernel if need be, or loads it
    agent.set(SPEED, 1.0 if realtime else speed)
    gc.collect()
    gc.freeze()  # what the compiler left behind is large: no step should wait for a look through it
    if realtime:
        _take_precedence()
    commands.send(("ready", replace(setup(agent), realtime=realtime)))
    return Runner(agent, Pace(agent.env_step, agent.sliders[SPEED], strict=realtime), ring.put)


def _take_precedence() -> None:
    """Go before other processes, as far as the system allows it: by a real-time schedule, or else by a better nice value."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def _obey(runner: Runner, command: Command, commands: Connection) -> None:
    """Do what a command says; a command that makes no sense is answered and changes nothing."""
    try:
        runner.obey(command)
    except SnnrlError as error:
        _tell(commands, ("refused", str(error)))


def _tell(commands: Connection, message: tuple[str, object]) -> None:
    try:
        commands.send(message)
    except OSError:
        return  # nobody listens any more


class Simulation:
    """A simulation in another process; use it as a context manager, or call `stop`.

    Parameters
    ----------
    start
        What to begin with.
    realtime
        Keep to wall time strictly: the speed is 1 and the schedule is never given up.
    speed
        Simulated over wall time at first.

    Attributes
    ----------
    setup
        What the simulation shows; ``None`` until it has begun.
    refused
        Text of the last command that was refused.
    last_clock, last_steps
        Of the frames read so far, the newest clock and the newest steps: while paused, frames have none.
    """

    def __init__(self, start: Start, realtime: bool = False, speed: float = 1.0) -> None:
        context = multiprocessing.get_context("spawn")
        self.start_options, self.refused = start, ""
        self.setup: Setup | None = None
        self.failure = ""
        self.ring = Ring(context)
        self.commands, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(start, realtime, speed, self.ring, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.sending = threading.Lock()
        self.preparation = Preparation(start.config)
        self.last_clock = Clock()
        self.last_steps: Steps | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def listen(self) -> None:
        """Take in what the process has to say."""
        try:
            while self.commands.poll():
                kind, content = self.commands.recv()
                if kind == "ready":
                    self.setup = content
                else:
                    setattr(self, "failure" if kind == "failed" else "refused", content)
        except (EOFError, OSError):
            pass
        if not self.process.is_alive() and not self.failure:
            self.failure = f"the simulation ended without a word (exit code {self.process.exitcode})"

    def wait_until_ready(self, patience: float = 300.0) -> Setup:
        """Return the setup as soon as the simulation runs.

        Raises
        ------
        SimulationError
            If it failed, or did not begin in time (s).
        """
        until = time.monotonic() + patience
        while True:
            self.listen()
            if self.setup is not None:
                return self.setup
            if self.failure or time.monotonic() > until:
                raise SimulationError(self.failure or f"the simulation did not begin within {patience:g} s")
            time.sleep(0.01)

    def send(self, command: Command) -> None:
        """Tell the simulation to do something; what takes long is prepared here, so that the simulation need not wait."""
        if (command.name, command.target) == ("set", SPREAD) and isinstance(command.value, float | int):
            self.preparation.ask(float(command.value), lambda wrong: self._prepared(command, wrong))
        else:
            self._send(command)

    def _prepared(self, command: Command, wrong: str) -> None:
        if wrong:
            self.refused = wrong
        else:
            self._send(command)

    def _send(self, command: Command) -> None:
        with self.sending:
            try:
                self.commands.send(command)
            except OSError:
                self.listen()  # the process is gone, and this notes why

    def frames(self, after: int) -> list[tuple[int, Frame]]:
        """Return the frames with a number above ``after`` that are still there, oldest first."""
        found = list(self.ring.read(after))
        if found:
            self.last_clock = found[-1][1].clock
        for _, frame in found:
            self.last_steps = frame.steps or self.last_steps
        return found

    @property
    def latest(self) -> int:
        """Number of the newest frame."""
        return int(self.ring.latest_number.value)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    def stop(self) -> None:
        """End the process, by force if it does not listen."""
        self.preparation.close()
        if self.process.is_alive():
            self._send(Command("stop"))
            self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(PATIENCE)
        self.commands.close()
