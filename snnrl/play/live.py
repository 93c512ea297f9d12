"""`LiveGame`: a game at a pace, by itself or in a thread for a page or a window to look at.

A thread is enough: the student's kernels and the emulator let the others run while they compute.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from snnrl.errors import InvalidValueError
from snnrl.play.timing import Paced

if TYPE_CHECKING:
    from snnrl.play.players import FloatArray
    from snnrl.play.show import Moment, Show
    from snnrl.play.timing import Timing

REST = 0.25
"""Seconds between two words of a paused game to whoever looks."""
RECENT = 300
"""Decisions over which the latencies on a page are taken."""
SPEEDS = (1.0, 60.0)
"""Decisions per second that a page may ask for."""


@dataclass(frozen=True)
class Shown:
    """What the newest decision has to show.

    Parameters
    ----------
    number
        Goes up with everything that is new, a pause included.
    moment
        The decision.
    history
        Parts of the layers that spiked in the last decisions, the newest last.
    fps
        Decisions per second in the last ones.
    p50, p99
        Latencies in seconds.
    missed, steps
        Deadlines missed, and deadlines.
    """

    number: int
    moment: Moment
    history: tuple[FloatArray, ...]
    fps: float
    p50: float
    p99: float
    missed: int
    steps: int


class LiveGame:
    """Plays at a pace until it is told to stop.

    Parameters
    ----------
    show
        The game; nobody else may step it.
    fps
        Decisions per second.
    games, seconds
        Ends after so many finished games, or so many seconds of play; None: does not end by itself.
    strict
        Whether the schedule is kept however far behind it is, see `Paced`.

    Attributes
    ----------
    newest
        What is to be seen; None before the first decision.
    asked, paused
        Decisions per second asked for, and whether the game stands still.
    told
        Called after every decision.
    finished
        Whether all games or seconds asked for have been played.
    refused
        The last command that made no sense, in words.
    failure
        Why the game broke off, in words; empty if it did not.
    """

    def __init__(
        self,
        show: Show,
        fps: float,
        games: int | None = None,
        seconds: float | None = None,
        strict: bool = False,
    ) -> None:
        self.show, self.games, self.seconds = show, games, seconds
        self.newest: Shown | None = None
        self.paused, self.finished, self.refused, self.failure = False, False, "", ""
        self.told: Callable[[], object] = lambda: None
        self._commands: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._halted, self._number = False, 0
        self._moment: Moment | None = None
        self._earlier = 0.0
        self.asked, self.strict = fps, strict
        self.paced = Paced(fps, strict)

    @property
    def timing(self) -> Timing:
        """Latencies since the pace was set."""
        return self.paced.timing

    def send(self, name: str, value: object = None) -> None:
        """Ask for something: ``pause`` (whether), ``step``, ``fps`` (how many) or ``clear``.

        Raises
        ------
        InvalidValueError
            Another command, or a value outside what is allowed.
        """
        if name not in ("pause", "step", "fps", "clear"):
            raise InvalidValueError("command", name, "pause, step, fps, clear")
        if name == "fps" and not (isinstance(value, int | float) and SPEEDS[0] <= value <= SPEEDS[1]):
            raise InvalidValueError("frames a second", value, f"{SPEEDS[0]:g} to {SPEEDS[1]:g}")
        self._commands.put((name, value))

    def start(self) -> None:
        """Play in a thread."""
        self._thread = threading.Thread(target=self._run_in_thread, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the game, and wait for its thread."""
        self._commands.put(("halt", None))
        if self._thread is not None:
            self._thread.join()

    def _run_in_thread(self) -> None:
        try:
            self.run()
        except Exception as error:  # noqa: BLE001  told on the page, where somebody looks
            self.failure = f"{type(error).__name__}: {' '.join(str(error).split())}"

    def run(self) -> None:
        """Play until all is played that was asked for, or `stop`."""
        self.paced.resume()
        while not self._halted and not self.finished:
            self._obey()
            if self.paused:
                self._publish()
            elif not self._halted:
                self._play_one()
            self.finished = self._enough()

    @property
    def spent(self) -> float:
        """Seconds of play, pauses left out."""
        return self._earlier + self.paced.pace.spent

    def _enough(self) -> bool:
        games = self.games is not None and len(self.show.env.finished) >= self.games
        return games or (self.seconds is not None and self.spent >= self.seconds)

    def _play_one(self) -> None:
        moments: list[Moment] = []
        self.paced.step(lambda: moments.append(self.show.step()))
        self._moment = moments[0]
        self._publish()
        self.told()

    def _publish(self) -> None:
        if self._moment is None:
            return
        self._number += 1
        timing, pace = self.timing, self.paced.pace
        p50, p99 = timing.percentiles((50, 99), RECENT)
        fps, history = pace.report().ratio / pace.env_step, tuple(self.show.history)
        self.newest = Shown(self._number, self._moment, history, fps, p50, p99, timing.missed, timing.steps)

    def _obey(self) -> None:
        """Do what was asked for; while the game is paused, wait a little for it."""
        try:
            name, value = self._commands.get(block=self.paused, timeout=REST)
        except queue.Empty:
            return
        if name == "halt":
            self._halted = True
        elif name == "pause":
            self.paused = bool(value)
        elif name == "step":
            self._play_one()
        else:
            self._earlier = self.spent
            self.asked = float(value) if isinstance(value, int | float) else self.asked
            self.paced = Paced(self.asked, self.strict)
        self.paced.resume()
