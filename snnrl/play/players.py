"""Who plays: a student in packed form, a student on its cores, or a teacher.

None of the students' ways needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError

if TYPE_CHECKING:
    from snnrl.distillation.rollout import View
    from snnrl.distillation.teachers import Teacher
    from snnrl.play.students import Student

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
ENGINES = ("packed", "chip")


@dataclass(frozen=True)
class Decisions:
    """What a player answers to some stacks of screens.

    Parameters
    ----------
    actions
        The best action of each, ``[n]``.
    outputs
        What they were chosen by, ``[n, actions]``: spike counts of a student, logits or values of a teacher.
    spikes
        Spikes of each layer, ``[n, layers]``; no layers for a player that does not spike.
    """

    actions: IntArray
    outputs: FloatArray
    spikes: FloatArray


class Player(Protocol):
    """Answers screens.

    Attributes
    ----------
    name
        For tables.
    layers
        Names of the layers whose spikes are counted.
    neurons
        Their sizes, ``[layers]``.
    """

    name: str
    layers: tuple[str, ...]
    neurons: IntArray

    def decide(self, view: View) -> Decisions:
        """Return a decision for each of the playing lanes of a view, at least one."""


class PackedPlayer:
    """A student by `PackedNetwork`: bit-packed, exact, on one core of this machine.

    Parameters
    ----------
    student
        From `snnrl.play.students.load`.
    """

    def __init__(self, student: Student) -> None:
        from snnrl.engines.truenorth.packed import PackedNetwork

        self.student, self.network = student, PackedNetwork(student.network)
        places = list(student.network.spec.places())
        self.name = f"{student.name}, packed"
        self.layers = tuple(f"layer {place.index}" for place in places)
        self.neurons = np.array([place.neurons for place in places])
        self.network.counts(_blank(student))

    def decide(self, view: View) -> Decisions:
        """See `Player.decide`; spikes are those of the student's neurons, layer 1 included."""
        counts, spikes = self.network.counts_and_spikes(self.student.vision.inputs(view.stacks))
        return Decisions(*self.student.choose(counts), spikes.astype(np.float64))


class ChipPlayer:
    """A student on its TrueNorth cores, simulated tick by tick.

    Parameters
    ----------
    student
        From `snnrl.play.students.load`.
    """

    def __init__(self, student: Student) -> None:
        from snnrl.engines.truenorth.on_chip import ChipStudent
        from snnrl.networks.truenorth.mapping import map_network
        from snnrl.play.waves import WatchedSimulator

        chip = map_network(student.network)
        self.student, self.simulator = student, WatchedSimulator(chip)
        self.on_chip = ChipStudent(student.network, chip, self.simulator)
        self.name = f"{student.name}, {chip.n_cores:,} cores"
        self.layers = tuple(f"layer {number}" for number in self.simulator.layers)
        self.neurons = self.simulator.neurons
        self.on_chip.counts(_blank(student))

    def decide(self, view: View) -> Decisions:
        """See `Player.decide`.

        Frames enter the chip one per tick. Spikes are those of the neurons on the chip, copies and splitters
        included, without layer 1, which is not on it.
        """
        self.simulator.ticks.clear()
        counts = self.on_chip.counts(self.student.vision.inputs(view.stacks))
        return Decisions(*self.student.choose(counts), self.simulator.waves(len(view.lanes)))


def _blank(student: Student) -> NDArray[np.int16]:
    """Return one frame for a first run, before any clock: kernels are compiled then."""
    spec = student.network.spec
    return np.zeros((1, spec.channels, spec.side, spec.side), np.int16)


def student_player(student: Student, engine: str = "packed") -> PackedPlayer | ChipPlayer:
    """Return the player of a student.

    Raises
    ------
    InvalidValueError
        The engine is none of `ENGINES`.
    """
    if engine not in ENGINES:
        raise InvalidValueError("engine", engine, ", ".join(ENGINES))
    return PackedPlayer(student) if engine == "packed" else ChipPlayer(student)


class Chance:
    """Asks nobody: under a protocol whose epsilon is 1 every action is random.

    Parameters
    ----------
    n_actions
        Actions of the game.
    """

    def __init__(self, n_actions: int) -> None:
        self.name, self.n_actions = "random actions", n_actions
        self.layers: tuple[str, ...] = ()
        self.neurons: IntArray = np.zeros(0, np.int64)

    def decide(self, view: View) -> Decisions:
        """See `Player.decide`; every action is as good as any other."""
        n = len(view.lanes)
        return Decisions(np.zeros(n, np.int64), np.zeros((n, self.n_actions)), np.zeros((n, 0)))


class TeacherPlayer:
    """A teacher of any kind.

    Parameters
    ----------
    teacher
        From `snnrl.distillation.teachers.load_teacher`.
    """

    def __init__(self, teacher: Teacher) -> None:
        self.teacher, self.name = teacher, f"teacher {teacher.name}"
        self.layers: tuple[str, ...] = ()
        self.neurons: IntArray = np.zeros(0, np.int64)

    def decide(self, view: View) -> Decisions:
        """See `Player.decide`."""
        from snnrl.distillation.teachers import LaneTeacher

        if isinstance(self.teacher, LaneTeacher):
            outputs = self.teacher.outputs_in(view.env)[view.lanes]
        else:
            outputs = self.teacher.outputs_of(view.stacks)
        return Decisions(
            self.teacher.act(outputs), outputs.astype(np.float64), np.zeros((len(view.lanes), 0))
        )
