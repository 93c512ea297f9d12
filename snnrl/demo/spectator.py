"""`Spectator`: what one browser is sent, out of the frames of the simulation, as fast as it can take them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from snnrl.demo.messages import Command, Frame, Setup, Steps
from snnrl.demo.process import Simulation
from snnrl.demo.scenes import Scene, Shape
from snnrl.errors import InvalidValueError
from snnrl.tasks import Task, make

ALLOWED = ("nudge", "set", "learning", "pause", "reward", "reset", "forget", "restore", "clear")
"""Commands that a page may send."""
UNDERWAY = 3
"""Messages sent and not yet drawn, above which a browser gets no more: it drops frames and never falls behind."""
AHEAD = 25
"""Frames after which one that was not acknowledged counts as lost, so that a browser that comes back is served."""


class Spectator:
    """One browser's view of a simulation.

    Parameters
    ----------
    simulation
        Whose frames are shown.
    scene
        How the task is drawn.

    Attributes
    ----------
    sent, dropped
        Number of the last frame sent, and frames that were overwritten before they could be sent.
    """

    def __init__(self, simulation: Simulation, scene: Scene) -> None:
        self.simulation, self.scene = simulation, scene
        self.task = simulation.start_options.config.make_task()
        self.sent = self.dropped = 0
        self.underway: list[int] = []

    def acknowledge(self, number: int) -> None:
        """Note that the browser has drawn everything up to a frame."""
        self.underway = [sent for sent in self.underway if sent > number]

    def message(self) -> dict[str, Any] | None:
        """Return what is new, or ``None`` if nothing is or the browser is busy."""
        if len(self.underway) >= UNDERWAY and self.simulation.latest < self.underway[-1] + AHEAD:
            return None
        frames = [frame for _, frame in self.simulation.frames(self.sent)]
        if not frames:
            return None
        if self.sent:
            self.dropped += frames[-1].number - self.sent - len(frames)
        self.sent = frames[-1].number
        self.underway = [*self.underway[-UNDERWAY + 1 :], self.sent]
        return self._message(frames)

    def _message(self, frames: Sequence[Frame]) -> dict[str, Any]:
        last = frames[-1]
        steps = [frame.steps for frame in frames if frame.steps is not None]
        shown = self.simulation.last_steps
        found: dict[str, Any] = {
            "number": last.number,
            "clock": dataclasses.asdict(last.clock),
            "books": _without(last.books, "lengths"),
            "lengths": last.books.lengths,
            "shapes": self._shapes(shown, last.books.sliders) if shown else [],
            "chunks": [_chunk(each) for each in steps],
            "weights": None,
        }
        maps = [frame.weights for frame in frames if frame.weights is not None]
        if maps:
            found["weights"] = maps[-1].weights.ravel()
            found["written"] = np.max([each.written for each in maps], axis=0).ravel()
        return found

    def _shapes(self, steps: Steps, sliders: Mapping[str, float]) -> list[list[Any]]:
        moved = {name: value for name, value in sliders.items() if name in self.task.parameters()}
        task = make(self.task.name, **{**self.task.parameters(), **moved})
        return shapes(self.scene, steps, task)

    def command(self, given: object) -> None:
        """Hand a command of the page to the simulation.

        Raises
        ------
        InvalidValueError
            If it is none that a page may send.
        """
        if not isinstance(given, dict) or given.get("name") not in ALLOWED:
            raise InvalidValueError("command of a page", given, ", ".join(ALLOWED))
        value, target = given.get("value"), given.get("target", "")
        if not isinstance(value, str | int | float | None) or not isinstance(target, str):
            raise InvalidValueError("command of a page", given, "a name, a number or text, and a target")
        self.simulation.send(Command(given["name"], value, target))


def shapes(scene: Scene, steps: Steps, task: Task) -> list[list[Any]]:
    """Return the drawing after the last of some steps: colour, width and flat points of each shape."""
    drawn = scene.draw(steps.state[-1].tolist(), int(steps.action[-1]), task)
    return [[shape.colour, shape.width, _flat(shape)] for shape in drawn]


def _flat(shape: Shape) -> list[float]:
    return [round(number, 4) for point in shape.points for number in point]


def _chunk(steps: Steps) -> dict[str, Any]:
    """Return the steps of a frame with arrays that a browser has types for."""
    return {
        "start": steps.start,
        "dt_steps": steps.dt_steps,
        "end": steps.end.astype(np.float64),
        "action": steps.action,
        "value": steps.value,
        "td_error": steps.td_error,
        "ended": steps.ended,
        "spikes": steps.spikes,
        "membranes": steps.membranes.ravel(),
        "state": steps.state[-1].astype(np.float64),
    }


def _without(record: Any, *left_out: str) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in dataclasses.fields(record) if f.name not in left_out}


def told(setup: Setup) -> dict[str, Any]:
    """Return a setup as plain values for a browser."""
    return dataclasses.asdict(setup)


def trouble(simulation: Simulation) -> str:
    """Return what a page has to say about the simulation, in words; empty if all is well."""
    simulation.listen()
    if simulation.failure:
        return f"The simulation has ended: {simulation.failure}"
    if simulation.setup is None:
        return "Preparing the network; the first start compiles it, which takes about half a minute."
    return simulation.refused
