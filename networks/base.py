"""What all acting networks share: place cells in, one population per action out, rivals inhibiting each other."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields

from snnrl.coding import Encoder, GaussianPopulation, PlaceCells, SpikeCountAction
from snnrl.errors import UnknownNameError
from snnrl.model import AgentModel, Neurons, Synapses
from snnrl.networks.populations import current_driven_cells, lif_neurons
from snnrl.plasticity import (
    IdealWeights,
    MemristiveOffset,
    MemristivePair,
    PolicyGradient,
    Rule,
    Storage,
    plastic_synapses,
)
from snnrl.plasticity.device import Device
from snnrl.plasticity.validate import require
from snnrl.tasks import Task

INPUT = "place"
_LAYOUTS = {"pair": MemristivePair, "offset": MemristiveOffset}
LARGEST_GRID = 5000


@dataclass(frozen=True, kw_only=True)
class ActorNetwork(ABC):
    """Base of acting networks.

    Parameters
    ----------
    actor_size
        Neurons per action.
    actor_bias, actor_noise
        Constant current and private noise of the actor neurons, see `lif_neurons`.
    exploration
        Standard deviation of the current that the neurons of one action share in each environment step.
    rivalry
        Drop of the membrane of every rival when a whole action population spikes once.
    w_max
        Largest magnitude of a plastic weight.
    gain
        Synaptic current per presynaptic spike and unit of weight.
    cells_per_variable, reach, width
        Place cells: centres per variable, outermost centre (in the task's scaled variables) and standard
        deviation in units of the spacing. Tasks with too many variables for a full grid (over 5000 cells) get
        a Gaussian population code per variable.
    peak
        Largest current into a place cell; above 1 it spikes.
    """

    actor_size: int = 8
    actor_bias: float = 2.0
    actor_noise: float = 0.1
    exploration: float = 0.5
    rivalry: float = 0.5
    w_max: float = 6.0
    gain: float = 0.4
    cells_per_variable: int = 4
    reach: float = 0.8
    width: float = 0.7
    peak: float = 4.0

    def __post_init__(self) -> None:
        for name in ("actor_size", "cells_per_variable"):
            value = getattr(self, name)
            require(isinstance(value, int) and value >= 1, self, name, "an integer of at least 1")
        for name in ("w_max", "gain", "reach", "width", "peak"):
            require(getattr(self, name) > 0.0, self, name, "a positive number")
        for name in ("exploration", "rivalry", "actor_noise"):
            require(getattr(self, name) >= 0.0, self, name, "0 or more")

    @abstractmethod
    def build(self, task: Task, storage: Device | None = None, **storage_options: object) -> AgentModel:
        """Return the agent for a task.

        Parameters
        ----------
        task
            Gives the number of actions and the scale of the observation.
        storage
            A memristive device to hold the weights; ``None`` for ideal weights.
        storage_options
            ``layout``: ``"pair"`` (differential, the default) or ``"offset"`` (one device with an offset); and
            fields of `MemristivePair` or `MemristiveOffset`, such as ``waveform_steps``.
        """

    def _encoder(self, task: Task) -> Encoder:
        scale, bounded = tuple(task.observation_scale), tuple(task.observation_bounded)
        code = (
            INPUT,
            "drive",
            scale,
            bounded,
            self.peak,
            (self.cells_per_variable,),
            (self.reach,),
            self.width,
        )
        if self.cells_per_variable ** len(scale) > LARGEST_GRID:
            return GaussianPopulation(*code)
        return PlaceCells(*code, tuple(task.observation_periodic))

    def _input(self, encoder: Encoder) -> Neurons:
        return current_driven_cells(INPUT, encoder.size)

    def _actors(self, task: Task, rule: Rule) -> list[Neurons]:
        expects = 1.0 if isinstance(rule, PolicyGradient) else 0.0
        return [
            lif_neurons(f"action_{k}", self.actor_size, self.actor_bias, self.actor_noise, self.exploration,
                        counts_inhibition=True, expects_spikes=expects, window=task.env_step)
            for k in range(task.n_actions)
        ]  # fmt: skip

    def _storage(self, device: Device | None, options: dict[str, object]) -> Storage:
        if device is None:
            return IdealWeights(-self.w_max, self.w_max)
        layout = options.get("layout", "pair")
        if layout not in _LAYOUTS:
            raise UnknownNameError("layout of memristive synapses", layout, _LAYOUTS)
        storage = _LAYOUTS[str(layout)]
        known = [f.name for f in fields(storage) if f.name not in ("device", "w_max")]
        given = {name: value for name, value in options.items() if name != "layout"}
        for name in given:
            if name not in known:
                raise UnknownNameError("parameter of memristive synapses", name, ["layout", *known])
        return storage(device, w_max=self.w_max, **given)  # type: ignore[arg-type]

    def _plastic(self, target: str, rule: Rule, storage: Storage) -> Synapses:
        return plastic_synapses(
            f"{INPUT}_{target}",
            INPUT,
            target,
            rule,
            storage,
            "I_post += synaptic_gain*w",
            parameters={"synaptic_gain": self.gain},
        )

    def _rivals(self, actors: list[Neurons]) -> list[Synapses]:
        """Every action inhibits every other; the receivers count the events."""
        return [
            Synapses(
                f"{a.name}_inhibits_{b.name}",
                a.name,
                b.name,
                on_pre="u_post -= rivalry/n\nh_post += 1/n",
                weights=(),
                parameters={"rivalry": self.rivalry, "n": float(self.actor_size)},
            )
            for a in actors
            for b in actors
            if a.name != b.name
        ]

    @staticmethod
    def _action(actors: list[Neurons]) -> SpikeCountAction:
        return SpikeCountAction(tuple(a.name for a in actors))


def env_step_text(task: Task) -> str:
    """Return the task's environment step as quantity text."""
    return f"{round(task.env_step * 1e6)!r}*us" if not math.isclose(task.env_step, 0.02) else "20*ms"
