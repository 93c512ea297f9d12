"""What a spiking equivalent does beside the dense network it came from: decisions, spikes, operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl import random
from snnrl.conversion.build import LOGITS, VALUE
from snnrl.conversion.episodes import Player
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.registry import engine as engine_named
from snnrl.engines.registry import make_simulator
from snnrl.engines.simulator import Mask, Simulator
from snnrl.model import AgentModel
from snnrl.networks.dense import DenseNetwork, FloatArray
from snnrl.tasks import Task

BATCH = 64
"""States that are decided side by side."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a spiking agent makes of given states.

    Parameters
    ----------
    logits
        ``[states, actions]``.
    values
        ``[states]``; ``None`` without a critic.
    spikes
        Of the whole network per decision, ``[states]``.
    operations
        Synaptic operations per decision, ``[states]``: a spike costs one for each of its synapses, the analog input one
        for each weight of the encoder.
    """

    logits: FloatArray
    values: FloatArray | None
    spikes: FloatArray
    operations: FloatArray

    @property
    def actions(self) -> NDArray[np.int64]:
        """The action with the largest logit, ``[states]``."""
        return np.asarray(np.argmax(self.logits, axis=1))


def decide(model: AgentModel, states: ArrayLike, engine: str = "fast", dtype: str = "float64") -> Decisions:
    """Let a spiking equivalent decide on states, each by itself.

    Parameters
    ----------
    model
        From `snnrl.conversion.build.spiking_equivalent`.
    states
        Observations, ``[states, variables]``.
    engine, dtype
        What runs it.
    """
    lowered = lowered_agent(model)
    flat = np.asarray(states, dtype=np.float64).reshape(len(np.asarray(states)), -1)
    codes = np.stack([model.encoder.encode(row) for row in flat])
    size = min(BATCH, len(codes)) if engine_named(engine).batch else 1
    simulator = make_simulator(engine, model.network, lowered, range(size), dtype, ())
    run = _Decider(model, simulator)
    simulator.begin_episode(np.ones(size, dtype=bool))
    padded = np.concatenate([codes, np.repeat(codes[-1:], -len(codes) % size, axis=0)])
    simulator.drive(run.steps(padded))
    n = len(codes)
    values = np.concatenate(run.values)[:n] if run.values else None
    return Decisions(np.concatenate(run.logits)[:n], values, np.concatenate(run.spikes)[:n],
                     np.concatenate(run.operations)[:n])  # fmt: skip


class _Decider:
    """Writes the codes, lets the network advance, and reads it."""

    def __init__(self, model: AgentModel, simulator: Simulator) -> None:
        self.model, self.simulator = model, simulator
        self.has_value = model.value is not None
        self.logits: list[FloatArray] = []
        self.values: list[FloatArray] = []
        self.spikes: list[FloatArray] = []
        self.operations: list[FloatArray] = []
        self.fan_out = fan_out(model)
        self.encoding = float(sum(np.count_nonzero(row) for row in getattr(model.encoder, "weight", ())))

    def steps(self, codes: FloatArray) -> Iterator[Mask]:
        """Yield where the network has to advance."""
        simulator, encoder = self.simulator, self.model.encoder
        nobody = np.zeros(simulator.n_agents, dtype=bool)
        for rows in np.split(codes, len(codes) // simulator.n_agents):
            simulator.write(encoder.population, encoder.variable, rows)
            yield nobody
            self._note()

    def _note(self) -> None:
        simulator = self.simulator
        self.logits.append(simulator.variable(LOGITS, "y").copy())
        if self.has_value:
            self.values.append(simulator.variable(VALUE, "y")[:, 0].copy())
        counts = {name: simulator.spikes(name).sum(axis=1) for name in self.fan_out}
        self.spikes.append(np.sum([c.sum(axis=1) for c in counts.values()], axis=0).astype(np.float64))
        spent = [c @ self.fan_out[name] for name, c in counts.items()]
        self.operations.append(np.sum(spent, axis=0) + self.encoding)


def fan_out(model: AgentModel) -> dict[str, FloatArray]:
    """Return the number of synapses of every neuron, by population that spikes."""
    sizes = {n.name: n.size for n in model.network.neurons}
    found = {n.name: np.zeros(n.size) for n in model.network.neurons if n.threshold}
    for group in model.network.synapses:
        if isinstance(group.connectivity, str):
            found[group.source] += sizes[group.target]
        else:
            found[group.source] += np.bincount(
                group.connectivity.sources.values, minlength=sizes[group.source]
            )
    return found


@dataclass(frozen=True, eq=False)
class Episodes:
    """What a dense network met.

    Parameters
    ----------
    states
        Observations in which it acted, ``[steps, variables]``.
    returns
        Sum of the environment's rewards of every episode, ``[episodes]``.
    """

    states: FloatArray
    returns: FloatArray


_STRAY = random.stream_id("conversion/stray")


def play(network: DenseNetwork, task: Task, episodes: int, seed: int, stray: float = 0.0) -> Episodes:
    """Let a dense network play, likeliest action first.

    Parameters
    ----------
    network, task
        Who plays what.
    episodes
        How many.
    seed
        They begin where the evaluation of an agent of this seed begins.
    stray
        Share of the actions that are random: shows states beside the network's own path.
    """
    player, states, returns = Player(task), list[FloatArray](), np.zeros(episodes)
    for k in range(episodes):
        seen, over = player.reset(seed, k), False
        chances = iter(random.uniform(seed + k, _STRAY, 0, 2 * task.max_steps + 2).reshape(-1, 2))
        while not over:
            states.append(seen)
            chance, choice = next(chances)
            action = int(network.actions(seen.reshape(1, *network.observation_shape))[0])
            if chance < stray:
                action = int(choice * task.n_actions)
            seen, reward, terminated, truncated = player.step(action)
            returns[k] += reward
            over = terminated or truncated
    player.close()
    return Episodes(np.array(states), returns)


def value_error(network: DenseNetwork, states: ArrayLike, decisions: Decisions) -> float | None:
    """Return the root mean square difference of the values; ``None`` where either has none."""
    if not network.has_value or decisions.values is None:
        return None
    return float(np.sqrt(np.mean((network.values(states) - decisions.values) ** 2)))


def action_agreement(network: DenseNetwork, states: ArrayLike, decisions: Decisions) -> float:
    """Return the share of states in which both take the same action."""
    return float(np.mean(network.actions(states) == decisions.actions))
