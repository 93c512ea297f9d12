"""What runs besides Brian2's own objects: code on demand, environment steps, and the spikes of the last one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from brian2.core.base import BrianObject
from brian2.groups.group import CodeRunner
from brian2.synapses.synapses import SynapticPathway
from numpy.typing import NDArray

FIRST, LAST = -(2**30), 2**30


class OnDemand(CodeRunner):  # type: ignore[misc]  # brian2 has no types
    """Code of a group that runs when it is told to, at the start of a dt, not in every dt."""

    def __init__(self, group: Any, code: str, name: str, codeobj_class: Any = None) -> None:
        super().__init__(group, "stateupdate", code=code, clock=group.clock, when="start", name=name,
                         codeobj_class=codeobj_class)  # fmt: skip
        group.contained_objects.append(self)

    def run(self) -> None:
        """Do nothing: this is called in every dt."""

    def apply(self) -> None:
        """Run the code now."""
        super().run()


class OnReward(OnDemand):
    """Statements for every synapse, after Brian2 has brought event-driven variables up to date, as in a pathway."""

    def __init__(self, synapses: Any, code: str, name: str) -> None:
        super().__init__(synapses, code, name)
        self.synapses, self.code = self.group, code

    def update_abstract_code(self, run_namespace: Any = None) -> None:
        """Write what Brian2 writes for a pathway with this code."""
        SynapticPathway.update_abstract_code(self, run_namespace)


class Boundary(BrianObject):  # type: ignore[misc]
    """Calls a function at the start of every environment step, before anything else.

    Attributes
    ----------
    left
        Steps of dt before the next environment step begins.
    """

    def __init__(self, clock: Any, steps: int, begin: Callable[[], None]) -> None:
        super().__init__(clock=clock, when="before_start", order=FIRST, name="environment_step")
        self.steps, self.begin, self.left = steps, begin, 0

    def run(self) -> None:
        """Begin an environment step if it is time to."""
        if self.left == 0:
            self.begin()
            self.left = self.steps
        self.left -= 1


class Spikes(BrianObject):  # type: ignore[misc]
    """Notes the spikes of the present environment step.

    Attributes
    ----------
    windows
        By population, bool ``[dt steps, neurons]``.
    """

    def __init__(self, clock: Any, groups: dict[str, Any], boundary: Boundary) -> None:
        super().__init__(clock=clock, when="after_end", order=LAST, name="environment_step_spikes")
        self.boundary = boundary
        self.windows: dict[str, NDArray[np.bool_]] = {
            name: np.zeros((boundary.steps, len(group)), dtype=bool) for name, group in groups.items()
        }
        self.spaces = [
            (group.variables["_spikespace"].get_value(), self.windows[name])
            for name, group in groups.items()
            if "_spikespace" in group.variables
        ]

    def clear(self) -> None:
        """Forget the spikes."""
        for window in self.windows.values():
            window[:] = False

    def run(self) -> None:
        """Note the spikes of this dt."""
        row = self.boundary.steps - 1 - self.boundary.left
        for space, window in self.spaces:
            count = space[-1]
            if count:
                window[row, space[:count]] = True
