"""Which synapses a piece of code runs on, and how it reads and writes tensors there.

The variables of a group lie in tensors ``[agents, source, target]``, or ``[agents, synapse]`` with explicit pairs;
variables of neurons in ``[agents, neurons]``, or ``[agents, 1]`` where a population shares one value. A selection
turns each kind into tensors that broadcast against each other, and puts results back:

`Lines`    all synapses of the neurons that spiked at one end, gathered: ``[events, neurons at the other end]``;
`Entries`  the same with explicit pairs: ``[events]``;
`Grid`     all synapses of all or some agents, with a mask: ``[agents, source, target]``;
`Flat`     the same with explicit pairs: ``[agents, synapses]``.

The first two touch only what spikes ask for; the others have no shape that depends on the data, which is what
compilers, CUDA graphs and gradients need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

End = Literal["pre", "post"]


@dataclass(frozen=True)
class Spiking:
    """Neurons that spike in one dt, in ascending order of agent and neuron.

    Attributes
    ----------
    agents, neurons, flat
        Agent, neuron, and position in ``[agents, neurons]``, int64 ``[events]`` each.
    """

    agents: Tensor
    neurons: Tensor
    flat: Tensor

    @classmethod
    def of(cls, spikes: Tensor) -> Spiking:
        """List the spikes of a mask ``[agents, neurons]``."""
        size = spikes.shape[1]
        if spikes.shape[0] == 1:
            neurons = spikes[0].nonzero().squeeze(1)
            return cls(torch.zeros_like(neurons), neurons, neurons)
        flat = spikes.reshape(-1).nonzero().squeeze(1)
        agents = flat.div(size, rounding_mode="floor")
        return cls(agents, flat - agents * size, flat)

    def __len__(self) -> int:
        return int(self.flat.shape[0])

    def one_by_one(self) -> Iterator[Spiking]:
        """Give each agent's first neuron, then each agent's second one, and so on."""
        earlier = torch.searchsorted(self.agents, self.agents)  # the agent's place in the list
        rank = torch.arange(len(self), device=self.flat.device) - earlier
        for number in range(int(rank.max()) + 1 if len(self) else 0):
            chosen = rank == number
            yield Spiking(self.agents[chosen], self.neurons[chosen], self.flat[chosen])


class Selection(ABC):
    """The synapses that a piece of code runs on.

    Attributes
    ----------
    where
        What is written, as a mask or as spikes that carry a gradient, which broadcasts; ``None`` for everything.
    """

    where: Tensor | None = None

    @abstractmethod
    def synapse(self, x: Tensor) -> Tensor:
        """Read a variable of every synapse."""

    @abstractmethod
    def neuron(self, x: Tensor, end: End) -> Tensor:
        """Read a variable of the neurons at one end."""

    @abstractmethod
    def agent(self, x: Tensor) -> Tensor:
        """Read what an agent has one of, ``[agents]``."""

    @abstractmethod
    def index(self) -> Tensor:
        """Return the number of each synapse in the group, int32."""

    @abstractmethod
    def store_synapse(self, x: Tensor, value: Tensor) -> Tensor:
        """Put values of the synapses back; returns the tensor that now holds the variable."""

    def store_factored(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Put back values that are the same for all synapses of a neuron, likewise; not with explicit pairs."""
        raise NotImplementedError

    @abstractmethod
    def add_neuron(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Return ``x`` with every chosen synapse's value added to its neuron."""


class Lines(Selection):
    """All synapses of the neurons that spiked at ``own`` end.

    Sums are formed in the order of the list, spike by spike, so an agent's sums do not depend on its batch.
    """

    def __init__(self, spiking: Spiking, own: End, n_source: int, n_target: int) -> None:
        self.spiking, self.own, self.n_source, self.n_target = spiking, own, n_source, n_target
        self.shape = (len(spiking), n_target if own == "pre" else n_source)

    def synapse(self, x: Tensor) -> Tensor:
        """Read a variable of every chosen synapse."""
        if self.own == "pre":
            return x.view(-1, self.n_target).index_select(0, self.spiking.flat)
        return x[self.spiking.agents, :, self.spiking.neurons]

    def neuron(self, x: Tensor, end: End) -> Tensor:
        """Read a variable of the neurons at one end, for every chosen synapse."""
        if end != self.own or x.shape[1] == 1:
            return x.index_select(0, self.spiking.agents)
        return x.reshape(-1).index_select(0, self.spiking.flat).unsqueeze(1)

    def agent(self, x: Tensor) -> Tensor:
        """Read what an agent has one of, for every chosen synapse."""
        return x.index_select(0, self.spiking.agents).unsqueeze(1)

    def index(self) -> Tensor:
        """Return the number of each chosen synapse."""
        own = self.spiking.neurons.unsqueeze(1)
        if self.own == "pre":
            other = torch.arange(self.n_target, device=own.device)
            return (own * self.n_target + other).to(torch.int32)
        other = torch.arange(self.n_source, device=own.device)
        return (other * self.n_target + own).to(torch.int32)

    def store_synapse(self, x: Tensor, value: Tensor) -> Tensor:
        """Put values of the chosen synapses back."""
        if self.own == "pre":
            x.view(-1, self.n_target).index_copy_(0, self.spiking.flat, value.expand(self.shape))
        else:
            x[self.spiking.agents, :, self.spiking.neurons] = value
        return x

    def store_factored(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Put values that neurons have one of back."""
        assert end == self.own  # a factored variable changes at spikes of its own end only
        x.view(-1).index_copy_(0, self.spiking.flat, value.reshape(-1).expand(len(self.spiking)))
        return x

    def add_neuron(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Add the values to the neurons."""
        value = value.expand(self.shape)
        if x.shape[1] == 1 or end == self.own:
            value = value.sum(1, keepdim=True)
        if end != self.own or x.shape[1] == 1:
            return x.index_add(0, self.spiking.agents, value)
        return x.reshape(-1).index_add(0, self.spiking.flat, value.squeeze(1)).view(x.shape)


@dataclass(frozen=True)
class Ends:
    """Source and target neuron of every pair, int64 ``[synapses]``."""

    pre: Tensor
    post: Tensor

    def of(self, end: End) -> Tensor:
        """Return the neurons at one end."""
        return self.pre if end == "pre" else self.post


class Entries(Selection):
    """The pairs whose neuron at ``own`` end spiked."""

    def __init__(self, spiking: Spiking, shape: torch.Size, own: End, ends: Ends) -> None:
        spikes = torch.zeros(shape, dtype=torch.bool, device=spiking.flat.device)
        spikes.view(-1)[spiking.flat] = True
        active = Spiking.of(spikes[:, ends.of(own)])
        self.agents, self.pairs, self.flat = active.agents, active.neurons, active.flat
        self.neurons = {"pre": ends.pre[self.pairs], "post": ends.post[self.pairs]}

    def __len__(self) -> int:
        return int(self.flat.shape[0])

    def _flat(self, x: Tensor, end: End) -> Tensor:
        return self.agents if x.shape[1] == 1 else self.agents * x.shape[1] + self.neurons[end]

    def synapse(self, x: Tensor) -> Tensor:
        """Read a variable of every chosen synapse."""
        return x.view(-1).index_select(0, self.flat)

    def neuron(self, x: Tensor, end: End) -> Tensor:
        """Read a variable of the neurons at one end, for every chosen synapse."""
        return x.reshape(-1).index_select(0, self._flat(x, end))

    def agent(self, x: Tensor) -> Tensor:
        """Read what an agent has one of, for every chosen synapse."""
        return x.index_select(0, self.agents)

    def index(self) -> Tensor:
        """Return the number of each chosen synapse."""
        return self.pairs.to(torch.int32)

    def store_synapse(self, x: Tensor, value: Tensor) -> Tensor:
        """Put values of the chosen synapses back."""
        x.view(-1).index_copy_(0, self.flat, value.expand(len(self)))
        return x

    def add_neuron(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Add the values to the neurons."""
        return x.reshape(-1).index_add(0, self._flat(x, end), value.expand(len(self))).view(x.shape)


Agents = slice | Tensor | None
"""Some agents, whose values are then changed in place; ``None`` for all of them, whose tensors are replaced."""


class Grid(Selection):
    """All synapses of some agents."""

    def __init__(self, numbers: Tensor, where: Tensor | None = None, agents: Agents = None) -> None:
        self.numbers, self.where, self.agents = numbers, where, agents

    def synapse(self, x: Tensor) -> Tensor:
        """Read a variable of every chosen synapse."""
        return _of(x, self.agents)

    def neuron(self, x: Tensor, end: End) -> Tensor:
        """Read a variable of the neurons at one end, for every chosen synapse."""
        return _of(x, self.agents).unsqueeze(2 if end == "pre" else 1)

    def agent(self, x: Tensor) -> Tensor:
        """Read what an agent has one of, for every chosen synapse."""
        return _of(x, self.agents).view(-1, 1, 1)

    def index(self) -> Tensor:
        """Return the number of each chosen synapse."""
        return self.numbers

    def store_synapse(self, x: Tensor, value: Tensor) -> Tensor:
        """Put values of the chosen synapses back."""
        return _put(x, self.agents, value)

    def store_factored(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Put values that neurons have one of back."""
        return _put(x, self.agents, value.squeeze(2 if end == "pre" else 1) if value.dim() == 3 else value)

    def add_neuron(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Add the values to the neurons."""
        value = (value if self.where is None else value * self.where).expand(x.shape[0], *self.numbers.shape)
        if x.shape[1] == 1:
            return x + value.sum((1, 2)).unsqueeze(1)
        return x + value.sum(2 if end == "pre" else 1)


class Flat(Selection):
    """All pairs of some agents."""

    def __init__(self, ends: Ends, where: Tensor | None = None, agents: Agents = None) -> None:
        self.ends, self.where, self.agents = ends, where, agents

    def synapse(self, x: Tensor) -> Tensor:
        """Read a variable of every chosen synapse."""
        return _of(x, self.agents)

    def neuron(self, x: Tensor, end: End) -> Tensor:
        """Read a variable of the neurons at one end, for every chosen synapse."""
        chosen = _of(x, self.agents)
        return chosen if x.shape[1] == 1 else chosen[:, self.ends.of(end)]

    def agent(self, x: Tensor) -> Tensor:
        """Read what an agent has one of, for every chosen synapse."""
        return _of(x, self.agents).view(-1, 1)

    def index(self) -> Tensor:
        """Return the number of each chosen synapse."""
        return torch.arange(len(self.ends.pre), dtype=torch.int32, device=self.ends.pre.device)

    def store_synapse(self, x: Tensor, value: Tensor) -> Tensor:
        """Put values of the chosen synapses back."""
        return _put(x, self.agents, value)

    def add_neuron(self, x: Tensor, value: Tensor, end: End) -> Tensor:
        """Add the values to the neurons."""
        neurons = torch.zeros_like(self.ends.pre) if x.shape[1] == 1 else self.ends.of(end)
        value = value if self.where is None else value * self.where
        return x.index_add(1, neurons, value.expand(x.shape[0], len(neurons)))


def _of(x: Tensor, agents: Agents) -> Tensor:
    return x if agents is None else x[agents]


def _put(x: Tensor, agents: Agents, value: Tensor) -> Tensor:
    if agents is None:
        return value.expand(x.shape)
    x[agents] = value
    return x
