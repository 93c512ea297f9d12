"""What a peer must offer to be measured."""

from __future__ import annotations

import importlib
from dataclasses import asdict, dataclass
from typing import Protocol, cast


@dataclass(frozen=True)
class Measured:
    """Time of one run.

    Parameters
    ----------
    seconds : float
        Wall time of the simulation, without the restoring of the start state.
    env_steps : int
        Environment steps done by each agent: at least what was asked for.
    """

    seconds: float
    env_steps: int


@dataclass(frozen=True)
class Regime:
    """What the network did: proof that a peer simulates the workload and not something easier.

    Parameters
    ----------
    env_steps, episodes : int
        Environment steps and finished episodes, summed over agents.
    input_hz, output_hz : float
        Mean firing rates (Hz).
    weight_change_mean, weight_change_max : float
        Of the absolute difference from the start weights after a block of environment steps; the mean is
        over synapses and blocks, the maximum that of the last block.
    """

    env_steps: int
    episodes: int
    input_hz: float
    output_hz: float
    weight_change_mean: float
    weight_change_max: float

    def as_dict(self) -> dict[str, float]:
        """Return the fields for JSON."""
        return asdict(self)


class Runner(Protocol):
    """A built simulation that can be advanced and asked what it did."""

    description: str
    """Simulator, version and number format, for the table."""

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by at least ``n_env_steps``, a multiple of the block of its `workload.Size`."""
        ...

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        ...


class Peer(Protocol):
    """The module of one simulator."""

    def build(self, seed: int, **options: str) -> Runner:
        """Build the workload, compiled and ready."""
        ...


NAMES = (
    "bindsnet",
    "brian2",
    "brian2_cython",
    "jax",
    "nest",
    "norse",
    "snnrl",
    "snntorch",
    "spikingjelly",
    "torch",
)


def load(name: str) -> Peer:
    """Import the peer ``name``; raises ImportError when its simulator is not installed."""
    return cast(Peer, importlib.import_module(f"benchmarks.peers.{name}_peer"))
