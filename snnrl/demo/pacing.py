"""`Pace`: simulated time against wall time, by deadlines that stand still; nothing is ever skipped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import numpy as np

from snnrl.demo.messages import Clock

HISTORY = 10.0
"""Wall seconds over which the ratio and the jitter are taken."""
LARGEST_HISTORY = 5000
"""Environment steps that the history holds at most."""
GIVE_UP = 1.0
"""Seconds behind at which the schedule begins anew, unless it is strict: a machine that slept does not hurry after."""
SPIN = 0.0005
"""The last part of a wait, seconds, is spent looking at the clock: the system wakes sleepers late."""


class Pace:
    """Says when each environment step is due, waits for it, and counts what came late.

    Step k is due k periods after the schedule began, however late the steps before it were: a slow step is made up for by
    beginning the next ones at once. A step has met its deadline if it was done one period after it was due.

    Parameters
    ----------
    env_step
        Simulated seconds per environment step.
    speed
        Simulated over wall time; 0: as fast as it can, without deadlines.
    strict
        Whether the schedule is kept however far behind it is.
    clock, sleep
        Wall time in seconds, and how to let it pass.

    Attributes
    ----------
    missed, steps
        Deadlines missed, and environment steps, since `clear`.
    """

    def __init__(self, env_step: float, speed: float = 1.0, strict: bool = False,
                 clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:  # fmt: skip
        self.env_step, self.strict, self.now, self.sleep = env_step, strict, clock, sleep
        self.late: deque[float] = deque(maxlen=LARGEST_HISTORY)
        self.done_at: deque[float] = deque(maxlen=LARGEST_HISTORY)
        self.clear()
        self.set_speed(speed)

    def clear(self) -> None:
        """Forget all counts."""
        self.missed = self.steps = 0
        self.simulated, self.spent = 0.0, 0.0
        self.late.clear()
        self.done_at.clear()
        self.resume()

    def set_speed(self, speed: float) -> None:
        """Change the speed from the next step on."""
        self.speed = speed
        self.period = self.env_step / speed if speed > 0 else 0.0
        self.resume()

    def resume(self) -> None:
        """Begin the schedule anew, now: after a pause, or when the speed changes."""
        self.due = self.last = self.now()

    @property
    def wait(self) -> float:
        """Seconds until the next step is due, 0 if it is."""
        return max(0.0, self.due - self.now()) if self.period else 0.0

    def wait_until_due(self) -> None:
        """Let time pass until the next step is due."""
        rest = self.wait - SPIN
        if rest > 0:
            self.sleep(rest)
        while self.wait > 0:
            pass

    def begin(self) -> None:
        """Note that a step begins."""
        self.late.append(max(0.0, self.now() - self.due) if self.period else 0.0)

    def done(self) -> None:
        """Note that the step is done, and set the next one's time."""
        now = self.now()
        self.steps += 1
        self.simulated += self.env_step
        self.spent += now - self.last
        self.last = now
        self.done_at.append(now)
        if not self.period:
            self.due = now
            return
        self.missed += now > self.due + self.period
        self.due += self.period
        if not self.strict and now - self.due > GIVE_UP:
            self.due = now

    def report(self) -> Clock:
        """Return where the clock stands."""
        late = np.fromiter(self.late, float) if self.late else np.zeros(1)
        p50, p99 = np.percentile(late[-self._recent() :], (50, 99))
        return Clock(
            simulated=self.simulated, wall=self.spent, ratio=self._ratio(), asked=self.speed,
            late_p50=float(p50), late_p99=float(p99), missed=int(self.missed), steps=self.steps, deadline=self.period,
        )  # fmt: skip

    def _recent(self) -> int:
        """Return the number of steps in the history, at least one."""
        while len(self.done_at) > 1 and self.done_at[-1] - self.done_at[0] > HISTORY:
            self.done_at.popleft()
        return max(1, len(self.done_at))

    def _ratio(self) -> float:
        """Return simulated over wall time in the history."""
        if len(self.done_at) < 2:
            return 0.0
        return (len(self.done_at) - 1) * self.env_step / max(self.done_at[-1] - self.done_at[0], 1e-9)
