"""`TrueNorthSession`: dense actors that learn, and students of theirs that obey a TrueNorth chip and are evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snnrl.engines.books import State
from snnrl.networks.truenorth import student_file
from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.training.dense_session import DenseSession
from snnrl.training.dense_slots import Episodes, FloatArray
from snnrl.training.files import replace_file
from snnrl.training.truenorth_distillation import StudentPolicy, best, distil

if TYPE_CHECKING:
    from snnrl.engines.session import Stop

FIRST_EPISODE = 10_000_000
"""Number of the first episode of a distillation, far behind those of learning."""


class TrueNorthSession(DenseSession):
    """Agents whose teacher is a dense actor; when it has learned, its student is distilled.

    The books of learning are the teacher's, those of the evaluation the student's, which plays from bit-packed
    spikes. The arrays that `save` returns hold, beside those of `DenseSession`, ``agent/ROW/student``, a packed
    student file, as soon as there is one.

    Attributes
    ----------
    students
        One per agent, None where the teacher is not ready.
    """

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.students: list[IntegerNetwork | None] = [None] * len(self.seeds)
        self._policies: dict[int, StudentPolicy] = {}

    @property
    def finished(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Which agents have finished, ``[agents]``; learning ends with the student."""
        over = super().finished
        return over if self.evaluating else over & np.array([s is not None for s in self.students])

    def _learn(self, row: int, stop: Stop) -> None:
        """Let the teacher learn, or, when it has learned, distil its student; an interruption begins that again."""
        if not super().finished[row]:
            super()._learn(row, stop)
        else:
            teacher = self.learners[row].to_network()
            self.students[row] = best(list(distil(teacher, self._stage(row), FIRST_EPISODE)))

    def _policy(self, row: int) -> StudentPolicy:
        if row not in self._policies:
            student = self.students[row]
            assert student is not None
            self._policies[row] = StudentPolicy(student)
        return self._policies[row]

    def _fresh_books(self, episodes: int) -> State:
        return {**super()._fresh_books(episodes), "spikes": np.zeros(len(self.seeds), np.int64)}

    def _look(self, row: int, episodes: Episodes) -> None:
        """Count the spikes of an evaluation's decisions."""
        self.state["spikes"][row] += self._policy(row).spikes(episodes.observations)

    def save(self) -> State:
        """Return everything a run needs to go on."""
        packed = {
            f"agent/{row}/student": np.frombuffer(student_file.to_bytes(student), np.uint8)
            for row, student in enumerate(self.students)
            if student is not None
        }
        return {**super().save(), **packed}

    def restore(self, state: State) -> None:
        """Put back what `save` returned."""
        super().restore(state)
        self._take_students(state)

    def take_learned(self, state: State) -> None:
        """Take what was learned out of what `save` returned."""
        super().take_learned(state)
        self._take_students(state)

    def _take_students(self, state: State) -> None:
        self._policies = {}
        for row in range(len(self.seeds)):
            content = state.get(f"agent/{row}/student")
            self.students[row] = None if content is None else student_file.from_bytes(content.tobytes())

    @property
    def spikes_per_step(self) -> FloatArray:
        """Spikes of all layers per decision of the evaluation, ``[agents]``; NaN while agents learn."""
        if not self.evaluating:
            return super().spikes_per_step
        return np.asarray(self.state["spikes"] / np.maximum(self.env_steps, 1))

    def write_students(self, folder: Path) -> None:
        """Write the packed students: of the first agent as ``student.tn``, of the others with their seeds."""
        for row, student in enumerate(self.students):
            assert student is not None
            path = Path(student_file.STUDENT_FILE)
            name = path.name if row == 0 else f"{path.stem}-{self.seeds[row]}{path.suffix}"
            replace_file(folder / name, student_file.to_bytes(student))
