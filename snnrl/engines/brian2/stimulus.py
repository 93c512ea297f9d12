"""Spikes supplied from outside, through a ``SpikeGeneratorGroup``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.equations.brian import brian2
from snnrl.errors import InvalidValueError

_NO_SPIKE = np.iinfo(np.int32).max


class Supplied:
    """The spikes of one clamped population, by environment step or for a whole run.

    Brian2's code holds on to the arrays of the group. Spikes given by environment step are therefore written in
    place, into room for every neuron to spike in every dt; what is not used stands at the end of time.

    Parameters
    ----------
    group
        The ``SpikeGeneratorGroup``.
    steps
        Steps of dt in an environment step.
    """

    def __init__(self, group: Any, steps: int) -> None:
        self.group, self.steps, self.whole = group, steps, False
        self._resize(steps * len(group))
        self.bins[:] = _NO_SPIKE
        self.given: NDArray[np.bool_] | None = None

    def _resize(self, size: int) -> None:
        variables = self.group.variables
        for name in ("neuron_index", "spike_time", "spike_number", "_timebins"):
            variables[name].resize(size)
        variables["spike_number"].set_value(np.arange(size))
        self.group._spikes_changed, self.group._previous_dt = False, self.group.dt_[:]

    @property
    def bins(self) -> NDArray[np.int32]:
        """Step of dt of each spike."""
        found: NDArray[np.int32] = self.group.variables["_timebins"].get_value()
        return found

    def next(self, spikes: NDArray[np.bool_]) -> None:
        """Give the spikes of the next environment step, ``[steps, neurons]``."""
        if self.whole:
            raise InvalidValueError(f"clamp({self.group.name!r})", "spikes of one environment step",
                                    "nothing more after clamp_all")  # fmt: skip
        self.given = np.array(spikes, dtype=bool)

    def begin(self, step: int) -> None:
        """Write the spikes of the environment step that begins at ``step``."""
        if self.whole:
            return
        variables, bins = self.group.variables, self.bins
        given = np.zeros((0, 2), np.int64) if self.given is None else np.argwhere(self.given)
        bins[:] = _NO_SPIKE
        bins[: len(given)] = step + given[:, 0]
        variables["neuron_index"].get_value()[: len(given)] = given[:, 1]
        variables["spike_time"].get_value()[:] = bins * self.group.dt_[:]
        variables["_lastindex"].set_value(0)
        self.given = None

    def all(self, spikes: NDArray[np.bool_], step: int, dt: float) -> None:
        """Give all spikes from ``step`` on, ``[steps, neurons]``; not while the network runs."""
        steps, neurons = np.nonzero(spikes)
        self.whole = True
        self.group.set_spikes(neurons, (step + steps) * dt * brian2.second, sorted=True)

    def time_has_moved(self) -> None:
        """Let Brian2 look for its place in the list of spikes."""
        if self.whole:
            self.group._spikes_changed = True
