"""BindsNET connections of a model's synapses, and the learning rule that runs their statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from bindsnet.learning.learning import LearningRule
from bindsnet.network.nodes import Nodes
from bindsnet.network.topology import AbstractConnection
from torch import Tensor

from snnrl.engines.bindsnet.native import LIFParameters
from snnrl.engines.tensors.scope import Learning
from snnrl.engines.tensors.synapses import TensorSynapses
from snnrl.errors import InvalidValueError, UnsupportedError

if TYPE_CHECKING:
    from snnrl.engines.bindsnet.schedule import Schedule


class StatementRule(LearningRule):  # type: ignore[misc]  # bindsnet has no type hints
    """The learning rule of an `EquationConnection`: the statements of its synapses.

    BindsNET calls `update` once per dt; the events are then run by the `Schedule`, in the order of the model.
    """

    connection: EquationConnection

    def __init__(self, connection: EquationConnection, **kwargs: Any) -> None:
        super().__init__(connection=connection, **kwargs)
        self.learning = True

    def update(self, **kwargs: Any) -> None:
        """Take note of whether the network learns, and of the reward."""
        self.learning = bool(kwargs.get("learning", True))
        if kwargs.get("reward") is not None:
            self.connection.schedule.reward = kwargs["reward"]

    @property
    def agents(self) -> Learning:
        """The agents that learn."""
        return self.connection.schedule.simulator.learning if self.learning else False

    def clock_update(self) -> None:
        """Run clock-driven equations."""
        self.connection.group.clock_update(self.agents)

    def on_pre(self) -> None:
        """Run ``on_pre`` for the spikes that arrive."""
        self.connection.group.on_pre(self.agents)
        self.connection.collect()

    def on_post(self) -> None:
        """Run ``on_post`` for the spikes of the target."""
        self.connection.group.on_post(self.agents)

    def flow(self) -> None:
        """Let event-driven variables flow to the end of the dt."""
        self.connection.group.flow(self.agents)
        self.connection.apply_mask()


class EquationConnection(AbstractConnection):  # type: ignore[misc]
    """Synapses with statements of their own, in a batch each agent with weights of its own.

    Every variable of the synapses is an attribute, ``[agents, source, target]`` (``[agents, synapses]`` with explicit
    pairs), for BindsNET's monitors; ``w`` is the variable of that name or else the first of ``weights``.

    Parameters
    ----------
    source, target
        The layers.
    group
        Statements and state.
    schedule
        The dt that it is part of.
    lif
        Parameters of the target, if that is BindsNET's `LIFNodes`: its input is what this connection computes.
        Other layers get what ``on_pre`` brings directly.
    """

    def __init__(self, source: Nodes, target: Nodes, group: TensorSynapses, schedule: Schedule,
                 lif: LIFParameters | None) -> None:  # fmt: skip
        # nu, BindsNET's learning rate, has no meaning here, but 0 would mean "learning disabled".
        super().__init__(source, target, nu=1.0, update_rule=StatementRule)
        self.group, self.schedule, self.lif = group, schedule, lif
        self.mask: Tensor | None = None
        self._nothing = torch.zeros((), dtype=schedule.clock.dtype, device=schedule.clock.device)
        self.arriving = schedule.clock.full(0.0, target.n)

    def __getattr__(self, name: str) -> Any:
        group = self.__dict__.get("group")
        if group is not None and name in group.values:
            return group.present(name)
        if group is not None and name == "w" and group.lowered.weights:
            return group.present(group.lowered.weights[0])
        return super().__getattr__(name)

    def compute(self, s: Tensor) -> Tensor:
        """Return the input of the target layer: for `LIFNodes` what arrived, as it is after one decay."""
        self.schedule.begin_dt()
        if self.lif is None:
            return self._nothing
        if self.arriving.dtype != torch.get_default_dtype():
            raise UnsupportedError(
                "bindsnet", f"input of LIFNodes {self.group.lowered.target!r}",
                f"BindsNET sums it in torch's default precision, {torch.get_default_dtype()}",
                "torch.set_default_dtype(torch.float64), or dtype='float32'",
            )  # fmt: skip
        return self.arriving * self.lif.decay

    def collect(self) -> None:
        """Keep what ``on_pre`` added to `LIFNodes`: BindsNET adds it to them after the decay of the next dt."""
        if self.lif is not None:
            values = self.group.target.values
            self.arriving = values[self.lif.variable]
            values[self.lif.variable] = torch.zeros_like(self.arriving)

    def update(self, **kwargs: Any) -> None:
        """Tell the learning rule; ``mask`` marks weights to be set to zero, ``[source, target]``."""
        self.update_rule.update(**kwargs)
        self.mask = kwargs.get("mask")

    def apply_mask(self) -> None:
        """Set the masked weights to zero."""
        if self.mask is None:
            return
        for name in self.group.lowered.weights:
            old = self.group.present(name)
            if self.mask.shape != old.shape[1:]:
                raise InvalidValueError(
                    f"mask of Synapses({self.group.lowered.name})",
                    tuple(self.mask.shape),
                    f"shape {tuple(old.shape[1:])}",
                )
            self.group.assign(name, old.masked_fill(self.mask, 0.0))

    def begin_episode(self, agents: Tensor) -> None:
        """Put everything but what was learned back to its start; ``agents`` is a mask ``[agents]``."""
        self.group.begin_episode(agents)
        self.arriving = self.arriving.masked_fill(agents.unsqueeze(-1), 0.0)

    def normalize(self) -> None:
        """Do nothing: what happens to weights is in the statements."""

    def reset_state_variables(self) -> None:
        """Do nothing: the `Schedule` begins the episode for all parts."""

    def matrix(self, variable: str = "w", agent: int = 0) -> Tensor:
        """Return a variable of one agent as ``[source, target]``, NaN where there is no synapse: for plots."""
        values: Tensor = getattr(self, variable)[agent]
        if self.group.ends is None:
            return values
        full = torch.full((self.source.n, self.target.n), torch.nan, dtype=values.dtype, device=values.device)
        full[self.group.ends.pre, self.group.ends.post] = values
        return full
