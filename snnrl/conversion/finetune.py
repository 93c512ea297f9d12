"""Fine-tuning of a spiking equivalent: its weights go on learning in the changed task, by surrogate gradients.

Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) on the spiking network itself: the logits and the
value are the membranes of its integrators, and `DifferentiableNetwork` carries the gradient through its spikes. A decision
begins with a fresh state, so a minibatch of decisions needs no history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from snnrl import random
from snnrl.coding import AffineCode
from snnrl.conversion.build import LOGITS, VALUE
from snnrl.conversion.episodes import Player
from snnrl.conversion.options import Point
from snnrl.engines.fast.prepare import lowered_agent
from snnrl.engines.torch import DifferentiableNetwork
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Array, Pairs
from snnrl.model.network import ALL_TO_ALL
from snnrl.networks.dense import FloatArray
from snnrl.tasks import Task


@dataclass(frozen=True)
class FineTuning:
    """Numbers of the fine-tuning.

    Parameters
    ----------
    env_steps
        Environment steps in all.
    environments, horizon
        Environments side by side, and steps of each between two updates.
    minibatch, epochs
        Decisions per gradient step, and passes over what was collected.
    learning_rate, gamma, trace, clip
        Of the optimiser; discount; lambda of the advantages; range of the probability ratio.
    evaluate_every, episodes
        Updates between two evaluations, and episodes of each.
    """

    env_steps: int = 40_000
    environments: int = 16
    horizon: int = 64
    minibatch: int = 256
    epochs: int = 3
    learning_rate: float = 1e-3
    gamma: float = 0.99
    trace: float = 0.9
    clip: float = 0.2
    evaluate_every: int = 2
    episodes: int = 5

    def __post_init__(self) -> None:
        for name in (
            "env_steps",
            "environments",
            "horizon",
            "minibatch",
            "epochs",
            "evaluate_every",
            "episodes",
        ):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidValueError(f"FineTuning.{name}", value, "a whole number of at least 1")
        if not 0.0 < self.learning_rate < 1.0:
            raise InvalidValueError("FineTuning.learning_rate", self.learning_rate, "above 0, below 1")


class SpikingPolicy(nn.Module):
    """Logits and values of a spiking equivalent as torch functions of the observation.

    Parameters
    ----------
    model
        With an `AffineCode` and a critic.
    value_scale
        What the value is multiplied by in the beginning.
    """

    def __init__(self, model: AgentModel, value_scale: float = 1.0) -> None:
        super().__init__()
        encoder = model.encoder
        if not isinstance(encoder, AffineCode) or model.value is None:
            raise InvalidValueError(
                "agent to fine-tune", type(encoder).__name__, "one of 'snnrl convert' with a critic"
            )
        self.model, self.encoder = model, encoder
        self.filled, masks = filled(model)
        self.lowered = lowered_agent(self.filled)
        self.weight = nn.Parameter(torch.tensor(encoder.weight, dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor(encoder.bias, dtype=torch.float64))
        self.scale = torch.tensor(encoder.scale, dtype=torch.float64)
        self.value_scale = nn.Parameter(torch.tensor(value_scale * model.value.scale, dtype=torch.float64))
        self.value_start = nn.Parameter(
            torch.tensor(-value_scale * model.value.scale * model.value.baseline, dtype=torch.float64)
        )
        self.network = DifferentiableNetwork(self.lowered, batch=1)
        self._others: dict[int, DifferentiableNetwork] = {1: self.network}
        for name, mask in masks.items():
            keep = partial(torch.mul, mask)
            self.network.weight(f"{name}.w").register_hook(keep)  # type: ignore[no-untyped-call]

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits ``[batch, actions]`` and values ``[batch]`` of ``[batch, variables]``."""
        code = observations / self.scale @ self.weight.T + self.bias
        network = self._sized(len(observations))
        network({}, {f"hidden_1.{self.encoder.variable}": code.repeat(1, self.encoder.copies)})
        value = self.value_start + self.value_scale * network.state(VALUE, "y")[:, 0]
        return network.state(LOGITS, "y"), value

    def _sized(self, batch: int) -> DifferentiableNetwork:
        """Return the network for a batch of this size; all sizes share the parameters."""
        if batch not in self._others:
            made = DifferentiableNetwork(self.lowered, batch=batch)
            for name, parameter in self.network.named_parameters():
                setattr(made, name, parameter)
            self._others[batch] = made
        return self._others[batch]

    def agent(self) -> AgentModel:
        """Return the agent with the weights as they are."""
        weight, bias = self.weight.detach().numpy(), self.bias.detach().numpy()
        encoder = replace(self.encoder, weight=tuple(map(tuple, weight)), bias=tuple(bias))
        groups = []
        for group in self.model.network.synapses:
            if group.weights:
                learned = self.network.weight(f"{group.name}.w").detach().numpy()
                if isinstance(group.connectivity, Pairs):
                    learned = learned[group.connectivity.sources.values, group.connectivity.targets.values]
                group = replace(group, initial={**group.initial, "w": learned})
            groups.append(group)
        network = replace(self.model.network, synapses=tuple(groups))
        assert self.model.value is not None
        scale = max(self.value_scale.item(), 1e-9)
        value = replace(self.model.value, baseline=-self.value_start.item() / scale, scale=scale)
        return replace(self.model, encoder=encoder, network=network, value=value)


def filled(model: AgentModel) -> tuple[AgentModel, dict[str, Tensor]]:
    """Return the agent with full matrices in place of pairs of neurons, and where they have synapses, by group.

    A product of matrices is many times faster than gathering and scattering; what is no synapse stays 0.
    """
    groups, masks = [], dict[str, Tensor]()
    sizes = {n.name: n.size for n in model.network.neurons}
    for group in model.network.synapses:
        if group.weights and isinstance(group.connectivity, Pairs):
            place = (group.connectivity.sources.values, group.connectivity.targets.values)
            weight = np.zeros((sizes[group.source], sizes[group.target]))
            mask = np.zeros_like(weight)
            values = group.initial["w"]
            assert isinstance(values, Array)
            weight[place], mask[place] = values.values, 1.0
            masks[group.name] = torch.as_tensor(mask)
            group = replace(group, connectivity=ALL_TO_ALL, initial={**group.initial, "w": weight})
        groups.append(group)
    return replace(model, network=replace(model.network, synapses=tuple(groups))), masks


class _Environments:
    """Environments side by side; one that has ended begins anew."""

    def __init__(self, task: Task, count: int, seed: int) -> None:
        self.made = [Player(task) for _ in range(count)]
        self.next_seed = seed
        self.seen = np.stack([self._reset(player) for player in self.made])

    def _reset(self, player: Player) -> FloatArray:
        self.next_seed += 1
        return player.reset(self.next_seed)

    def step(self, actions: NDArray[np.int64]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return rewards, who terminated, who was truncated, and the observations before a new beginning."""
        n = len(self.made)
        rewards, terminated, truncated, last = np.zeros(n), np.zeros(n), np.zeros(n), self.seen.copy()
        for k, player in enumerate(self.made):
            last[k], rewards[k], terminated[k], truncated[k] = player.step(int(actions[k]))
            self.seen[k] = self._reset(player) if terminated[k] or truncated[k] else last[k]
        return rewards, terminated, truncated, last


def play_policy(policy: SpikingPolicy, task: Task, episodes: int, seed: int) -> float:
    """Return the mean return of the likeliest actions; the episodes run side by side."""
    made = [Player(task) for _ in range(episodes)]
    seen = np.stack([player.reset(seed + k) for k, player in enumerate(made)])
    returns, going = np.zeros(episodes), np.ones(episodes, dtype=bool)
    while going.any():
        with torch.no_grad():
            actions = policy(torch.as_tensor(seen))[0].argmax(dim=1).numpy()
        for k in np.flatnonzero(going):
            seen[k], reward, terminated, truncated = made[k].step(int(actions[k]))
            going[k] = not (terminated or truncated)
            returns[k] += reward
    return float(returns.mean())


def fine_tune(model: AgentModel, task: Task, options: FineTuning | None = None, seed: int = 0,
              progress: Callable[[Point], None] | None = None) -> tuple[AgentModel, list[Point]]:  # fmt: skip
    """Let a spiking equivalent go on learning in a task.

    Parameters
    ----------
    model
        From `snnrl.conversion.build.spiking_equivalent`, or an agent of an earlier fine-tuning.
    task
        What it has to do now.
    options
        Numbers of the algorithm.
    seed
        Of the exploration and of the episodes.
    progress
        Called with every evaluation.

    Returns
    -------
    model
        The agent of the best evaluation, weights of encoder and synapses changed.
    curve
        Every evaluation; the first before learning.
    """
    chosen = FineTuning() if options is None else options
    torch.manual_seed(seed)
    assert model.value is not None
    # The value of a conversion is a discounted sum, that of an earlier fine-tuning a discounted mean.
    policy = SpikingPolicy(model, 1.0 if model.value.scale != 1.0 else 1.0 - chosen.gamma)
    held = (seed + 1) * 100_000  # episodes of the evaluations; none of them is learned from
    curve = [Point(0, play_policy(policy, task, chosen.episodes, held))]
    best = (curve[0].return_mean, model)
    if progress is not None:
        progress(curve[0])
    for number, done in enumerate(_updates(policy, task, chosen, seed), start=1):
        last = done >= chosen.env_steps
        if number % chosen.evaluate_every == 0 or last:
            curve.append(Point(done, play_policy(policy, task, chosen.episodes, held + 1000 * number)))
            if curve[-1].return_mean >= best[0]:
                best = (curve[-1].return_mean, policy.agent())
            if progress is not None:
                progress(curve[-1])
        if last:
            break
    return best[1], curve


def _updates(policy: SpikingPolicy, task: Task, options: FineTuning, seed: int) -> Iterator[int]:
    """Learn without end; yields the environment steps taken after every update."""
    optimiser = torch.optim.Adam(policy.parameters(), lr=options.learning_rate)
    worlds = _Environments(
        task, options.environments, seed * 1_000_000 + random.stream_id("conversion/fine-tuning") % 10**6
    )
    done = 0
    while True:
        batch = _collect(policy, worlds, options)
        size = len(batch["actions"])
        for _ in range(options.epochs):
            for rows in torch.split(torch.randperm(size), options.minibatch):
                if len(rows) == options.minibatch or size < options.minibatch:
                    _step(policy, optimiser, {name: values[rows] for name, values in batch.items()}, options)
        done += size
        yield done


def _collect(policy: SpikingPolicy, worlds: _Environments, options: FineTuning) -> dict[str, Tensor]:
    """Act for the horizon; advantages by generalised estimation (Schulman et al. 2016, arXiv 1506.02438)."""
    noted: dict[str, list[Any]] = {
        n: [] for n in ("states", "actions", "chances", "values", "rewards", "ends", "ahead")
    }
    for _ in range(options.horizon):
        states = torch.as_tensor(worlds.seen.copy())
        with torch.no_grad():
            logits, values = policy(states)
            chances = torch.log_softmax(logits, dim=1)
            actions = torch.multinomial(chances.exp(), 1)[:, 0]
            rewards, terminated, truncated, last = worlds.step(actions.numpy())
            ahead = torch.zeros(len(states), dtype=torch.float64)
            if truncated.any():
                ahead = policy(torch.as_tensor(last))[1] * torch.as_tensor(truncated)
        found = (states, actions, chances.gather(1, actions[:, None])[:, 0], values,
                 torch.as_tensor((1.0 - options.gamma) * rewards),
                 torch.as_tensor(np.maximum(terminated, truncated)), ahead)  # fmt: skip
        for name, value in zip(noted, found, strict=True):
            noted[name].append(value)
    with torch.no_grad():
        following = policy(torch.as_tensor(worlds.seen.copy()))[1]
    advantages, advantage = list[Tensor](), torch.zeros(len(worlds.made), dtype=torch.float64)
    for t in reversed(range(options.horizon)):
        goes_on = 1.0 - noted["ends"][t]
        future = noted["ahead"][t] + goes_on * following
        error = noted["rewards"][t] + options.gamma * future - noted["values"][t]
        advantage = error + options.gamma * options.trace * goes_on * advantage
        advantages.insert(0, advantage)
        following = noted["values"][t]
    stacked = {name: torch.cat(noted[name]) for name in ("states", "actions", "chances", "values")}
    return {**stacked, "advantages": torch.cat(advantages)}


def _step(
    policy: SpikingPolicy, optimiser: torch.optim.Optimizer, batch: dict[str, Tensor], options: FineTuning
) -> None:
    """One gradient step."""
    logits, values = policy(batch["states"])
    chances = torch.log_softmax(logits, dim=1).gather(1, batch["actions"][:, None])[:, 0]
    ratio = (chances - batch["chances"]).exp()
    advantages = batch["advantages"]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1.0 - options.clip, 1.0 + options.clip)
    loss = -torch.minimum(ratio * advantages, clipped * advantages).mean()
    loss = loss + 0.5 * (values - batch["values"] - batch["advantages"]).square().mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
    optimiser.step()
