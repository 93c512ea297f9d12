"""Frames for a student: a teacher plays, or the student itself, and the teacher labels what is seen.

Frames are played in segments: fresh games side by side, one episode in each lane. A segment depends on the
run's seed and its own number alone, and of the student's segments on the student, so that an interrupted
collection goes on from its last whole segment and ends as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.distillation.buffer import FrameBuffer
from snnrl.distillation.rollout import LANES, IntArray, Policy, View, game_seed, play_out, ratings
from snnrl.training.files import read_json, write_json

if TYPE_CHECKING:
    from snnrl.distillation.teachers import Teacher
    from snnrl.tasks.atari import Protocol

SEGMENTS = "segments.json"
_WHO = random.stream_id("distillation/who")
Placed = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


class Collector:
    """Fills a buffer with frames of one game.

    Parameters
    ----------
    buffer
        The frames.
    game, protocol, teacher
        What is played, how, and who labels.
    placed
        Whole screens as the student sees them (`Vision.placed`).
    use, seed
        Of `game_seed`.
    """

    def __init__(
        self, buffer: FrameBuffer, game: str, protocol: Protocol, teacher: Teacher, placed: Placed, use: str,
        seed: int,
    ) -> None:  # fmt: skip
        self.buffer, self.game, self.protocol, self.teacher = buffer, game, protocol, teacher
        self.placed, self.use, self.seed = placed, use, seed
        self._path = buffer.folder / SEGMENTS
        self._ends: list[int] = read_json(self._path)["ends"] if self._path.exists() else []
        self.rewind(len(buffer))

    def rewind(self, n: int) -> None:
        """Forget all segments that end behind the first ``n`` frames."""
        self._ends = [end for end in self._ends if end <= n]
        self.buffer.truncate(self._ends[-1] if self._ends else 0)

    def fill(
        self, most: int, share: float = 0.0, student: Policy | None = None,
        told: Callable[[int], object] = lambda frames: None, stopped: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """Play until there are ``most`` frames.

        Parameters
        ----------
        most
            Frames in the buffer at the end.
        share, student
            Share of the episodes that the student plays.
        told
            Called with the number of frames now and then.
        stopped
            Asked before every decision.

        Raises
        ------
        Interrupted
            ``stopped()`` is true; whole segments are kept.
        RunFolderError
            There is no room left on the disk.
        """
        while len(self.buffer) < most:
            self._play_segment(most - len(self.buffer), share, student, told, stopped)
            self.buffer.sync()
            self._ends.append(len(self.buffer))
            write_json(self._path, {"ends": self._ends})

    def _play_segment(
        self, room: int, share: float, student: Policy | None, told: Callable[[int], object],
        stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        from snnrl.tasks.atari import Atari

        seed = game_seed(self.use, self.seed, len(self._ends))
        # Few frames are taken from few lanes, so that they do not all come from the starts of games.
        longest = self.protocol.max_frames // self.protocol.frame_skip
        n = int(np.clip(room // longest, 1, LANES))
        theirs = random.uniform(seed, _WHO, 0, n) < share
        recorder = _Recorder(self, self.buffer.appended + room, np.full(n, -1), told)
        with Atari(self.game, n, seed, self.protocol) as env:
            play_out(env, lambda view: recorder.record(view, theirs, student), stopped)


class _Recorder:
    """Writes down what is seen in a segment, and answers as the teacher or as the student."""

    def __init__(
        self, collector: Collector, end: int, newest: IntArray, told: Callable[[int], object]
    ) -> None:
        self.buffer, self.placed, self.teacher = collector.buffer, collector.placed, collector.teacher
        self.end, self.newest, self.told = end, newest, told

    def record(self, view: View, theirs: NDArray[np.bool_], student: Policy | None) -> IntArray | None:
        """Keep what is seen and the teacher's answers; return the actions, None when the buffer is full."""
        if (room := self.end - self.buffer.appended) <= 0:
            return None
        outputs = ratings(self.teacher, view)
        actions = self.teacher.act(outputs)
        self._keep(view, outputs, room)
        mine = theirs[view.lanes]
        if student is not None and mine.any():
            part = View(view.env, view.lanes[mine], view.stacks[mine], view.fresh[mine])
            actions[mine] = student(part)
        return actions

    def _keep(self, view: View, outputs: NDArray[np.float32], room: int) -> None:
        lanes = view.lanes[:room]
        rows = self.buffer.appended + np.arange(len(lanes))
        back = np.where(view.fresh[:room], 0, rows - self.newest[lanes])
        self.buffer.append(self.placed(view.stacks[:room, -1]), outputs[:room], back)
        self.newest[lanes] = rows
        self.told(self.buffer.appended)
