"""The plastic synapses of a running agent: as a map, redrawn with another spread, or with another learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.messages import WeightMap
from snnrl.engines.fast.engine import FastSession
from snnrl.engines.initial import initial_arrays
from snnrl.equations.lowered import LoweredNetwork, LoweredSynapses
from snnrl.equations.statements import evaluate

RATES = ("eta",)
"""Parameters that are learning rates."""


class PlasticSynapses:
    """The synapse groups that learn, of a session with one agent.

    Only all-to-all groups from one source population are shown, and those of networks with others are still changed.

    Parameters
    ----------
    session
        The session.

    Attributes
    ----------
    groups
        Groups on the map, in the order of its rows.
    """

    def __init__(self, session: FastSession) -> None:
        self.session = session
        learning = [g for g in session.network.synapses if "w" in g.weights]
        first = learning[0].source if learning else ""
        self.groups = [g for g in learning if g.source == first and g.sources is None]
        self.own = {
            (g.name, name): g.constants[name] for g in learning for name in RATES if name in g.constants
        }
        self.before = self._written()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map."""
        return sum(g.n_target for g in self.groups), self.groups[0].n_source if self.groups else 0

    @property
    def range(self) -> float:
        """Span of a device's conductance, siemens; 0 for weights that are plain numbers."""
        return float(self.groups[0].constants.get("g_range", 0.0)) if self.groups else 0.0

    @property
    def has_rate(self) -> bool:
        """Whether there is a learning rate to be changed."""
        return bool(self.own)

    def scale_rate(self, factor: float) -> None:
        """Let learning rates be this many times what they were at first."""
        for (group, name), value in self.own.items():
            self.session.set_parameter(group, name, factor * value)

    def writes(self) -> int:
        """Return the programming pulses of all devices so far, -1 where there are no devices."""
        return int(sum(each.sum() for each in self._written())) if self.range else -1

    def map(self) -> WeightMap:
        """Return the synapses now, and what was written since the last map."""
        rows = [self._variable(g, "w").T / self._largest(g) for g in self.groups]
        now = self._written()
        written = [
            np.minimum(new - old, 255.0).astype(np.uint8) for new, old in zip(now, self.before, strict=True)
        ]
        self.before = now
        empty = np.zeros((0, 0))
        weights = np.concatenate(rows) if rows else empty
        return WeightMap(
            weights.astype(np.float32), np.concatenate(written) if rows else empty.astype(np.uint8)
        )

    def _largest(self, group: LoweredSynapses) -> float:
        c = group.constants
        if "w_max" in c:
            return c["w_max"]
        return (
            c["w_scale"] * c["g_range"]
            if "w_scale" in c
            else float(np.abs(self._variable(group, "w")).max() or 1.0)
        )

    def _written(self) -> list[NDArray[np.float64]]:
        """Return the writes of every synapse, ``[targets, sources]`` by group."""
        found = []
        for group in self.groups:
            counts = [self._variable(group, v) for v in group.variables if v.startswith("writes")]
            found.append(np.sum(counts, axis=0).T if counts else np.zeros((group.n_target, group.n_source)))
        return found

    def _variable(self, group: LoweredSynapses, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self.session.variable(group.name, name)[0]
        return values

    def redraw(self, network: LoweredNetwork, seed: int) -> None:
        """Take the device constants from another lowering of the same agent, and keep the conductances.

        Parameters
        ----------
        network
            The same network with devices of another spread.
        seed
            Identity of the devices: the same draws, only wider or narrower.
        """
        for group in network.synapses:
            written = {s.target for s in group.on_reward}
            fresh = initial_arrays(group, seed)
            for name in group.weights:
                if name not in written:
                    self._variable(group, name)[:] = fresh[name]
            self._keep_inside(group, fresh)

    def _keep_inside(self, group: LoweredSynapses, fresh: dict[str, NDArray[np.float64]]) -> None:
        """Clip conductances to their new ranges, and read the weights out again by the group's own statement."""
        for name, lowest in fresh.items():
            if name.startswith("g_lo"):
                suffix = name.removeprefix("g_lo")
                conductance = self._variable(group, f"g{suffix}")
                np.clip(conductance, lowest, fresh[f"g_hi{suffix}"], out=conductance)
        readout = next((s for s in reversed(group.on_reward) if s.target == "w"), None)
        if readout is not None and self.range:
            values = {name: self._variable(group, name) for name in group.weights}
            self._variable(group, "w")[:] = evaluate(readout.expression, {**group.constants, **values})
