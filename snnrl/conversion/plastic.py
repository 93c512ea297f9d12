"""Fine-tuning of a spiking equivalent by reward-gated plasticity: the synapses onto logits and value learn on.

The two output groups become plastic synapses (`MembraneGradient`), the hidden layers stay as they were converted. The
logits get noise, scaled by the shared name ``exploration``, so that actions are tried; the TD error of the value is the
third factor. The agent is an ordinary one and learns in the ordinary session on the fast engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from snnrl.conversion.build import LOGITS, VALUE
from snnrl.conversion.convert import model_config, play_out
from snnrl.conversion.options import Point
from snnrl.engines.session import Session, Stop
from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Array, Neurons, Synapses, TDError
from snnrl.networks.dense import FloatArray
from snnrl.plasticity import IdealWeights, plastic_synapses
from snnrl.plasticity.membrane_gradient import MembraneGradient
from snnrl.tasks import Task
from snnrl.training.build import build_session
from snnrl.training.train import CHUNK

_BOUND = 4.0
"""Weights stay within this much of the largest converted one."""
_TRANSMIT = "y_post += w"


@dataclass(frozen=True)
class RewardGated:
    """Numbers of the reward-gated plasticity.

    Parameters
    ----------
    env_steps
        Environment steps in all.
    learning_rate, critic_rate
        Of the synapses onto the logits and onto the value.
    noise
        Standard deviation of the noise on the logits while learning.
    gamma, trace
        Discount, and lambda of the traces.
    evaluate_every
        Environment steps between two evaluations.
    episodes
        Of each evaluation.
    """

    env_steps: int = 8_000
    learning_rate: float = 0.5
    critic_rate: float = 0.01
    noise: float = 2.0
    gamma: float = 0.99
    trace: float = 0.9
    evaluate_every: int = 1_000
    episodes: int = 5

    def __post_init__(self) -> None:
        for name in ("env_steps", "evaluate_every", "episodes"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidValueError(f"RewardGated.{name}", value, "a whole number of at least 1")
        for name in ("learning_rate", "critic_rate", "noise"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise InvalidValueError(f"RewardGated.{name}", getattr(self, name), "a number above 0")


def plastic_readout(model: AgentModel, options: RewardGated | None = None) -> AgentModel:
    """Return a spiking equivalent whose synapses onto logits and value learn.

    Its decisions are those of ``model`` while learning and exploration are off; the value is a discounted mean.

    Parameters
    ----------
    model
        From `snnrl.conversion.build.spiking_equivalent`, or an agent of an earlier fine-tuning.
    options
        Numbers of the plasticity.

    Raises
    ------
    InvalidValueError
        If the agent has no critic, or no synapses onto integrators.
    """
    chosen = RewardGated() if options is None else options
    if model.value is None or not any(_reads(group) for group in model.network.synapses):
        raise InvalidValueError(
            "agent to fine-tune", "no such readout", "one of 'snnrl convert' with a critic"
        )
    decay = chosen.gamma * chosen.trace
    rules = {LOGITS: MembraneGradient(chosen.learning_rate, decay), VALUE: MembraneGradient(chosen.critic_rate, decay, chance="1")}  # fmt: skip
    groups = tuple(_plastic(g, rules[g.target]) if _reads(g) else g for g in model.network.synapses)
    neurons = tuple(_noisy(n, chosen.noise) if n.name == LOGITS else n for n in model.network.neurons)
    # The value of a conversion is a discounted sum, that of an earlier fine-tuning a discounted mean.
    scale = model.value.scale if model.value.scale != 1.0 else 1.0 - chosen.gamma
    network = replace(model.network, neurons=neurons, synapses=groups)
    return replace(
        model, network=network, value=replace(model.value, scale=scale), signal=TDError(chosen.gamma)
    )


def _reads(group: Synapses) -> bool:
    return group.target in (LOGITS, VALUE) and group.on_pre.startswith(_TRANSMIT)


def _plastic(group: Synapses, rule: MembraneGradient) -> Synapses:
    """Return a group of readout synapses with a rule; its spikes do what they did."""
    weight = _weights(group)
    bound = _BOUND * float(np.abs(weight).max())
    worth = group.on_pre.removeprefix(_TRANSMIT).removeprefix("*") or "1"
    return plastic_synapses(group.name, group.source, group.target, replace(rule, worth=worth),
                            IdealWeights(-bound, bound), group.on_pre, initial={"w": Array(weight)},
                            connectivity=group.connectivity)  # fmt: skip


def _weights(group: Synapses) -> FloatArray:
    stored = group.initial["w"]
    assert isinstance(stored, Array)
    return np.array(stored.values)


def _noisy(logits: Neurons, deviation: float) -> Neurons:
    """Return the integrators with noise; ``noise`` is over its variance, as the rule takes it."""
    return replace(
        logits,
        equations=f"{logits.equations}\nnoise : 1",
        on_step=f"noise = exploration*randn()/deviation\n{logits.on_step} + noise*deviation**2",
        parameters={**logits.parameters, "deviation": deviation},
    )


def settled(model: AgentModel, plastic: AgentModel, session: Session, agent: int = 0) -> AgentModel:
    """Return ``model`` with the readout weights that an agent of the session has learned, fixed again."""
    groups = []
    for group in model.network.synapses:
        if _reads(group):
            learned = np.asarray(session.variable(group.name, "w")[agent], dtype=np.float64)
            group = replace(group, initial={**group.initial, "w": learned.reshape(_weights(group).shape)})
        groups.append(group)
    network = replace(model.network, synapses=tuple(groups))
    return replace(model, network=network, value=plastic.value, signal=plastic.signal)


def reward_gated(model: AgentModel, task: Task, options: RewardGated | None = None, seed: int = 0,
                 progress: Callable[[Point], None] | None = None) -> tuple[AgentModel, list[Point]]:  # fmt: skip
    """Let the output layer of a spiking equivalent learn in a task by reward-gated plasticity.

    Parameters
    ----------
    model, task, seed, progress
        As for `snnrl.conversion.finetune.fine_tune`.
    options
        Numbers of the plasticity.

    Returns
    -------
    model
        The agent of the best evaluation, readout weights changed.
    curve
        Every evaluation, plasticity and exploration off; the first before learning.
    """
    chosen = RewardGated() if options is None else options
    plastic = plastic_readout(model, chosen)
    config = replace(model_config(plastic, task, chosen.episodes, seed), episodes=chosen.env_steps)
    session = build_session(config)
    held = (seed + 1) * 100_000  # episodes of the evaluations; none of them is learned from
    best, curve = (-np.inf, model), list[Point]()
    done, number = 0, 0
    while True:
        judge = build_session(replace(config, seed=held + 1000 * number))
        judge.take_learned(session.save())
        play_out(judge, chosen.episodes)
        curve.append(Point(done, float(judge.state["rewards"].mean())))
        if curve[-1].return_mean >= best[0]:
            best = (curve[-1].return_mean, settled(model, plastic, judge) if done else model)
        if progress is not None:
            progress(curve[-1])
        if done >= chosen.env_steps:
            return best[1], curve
        number += 1
        goal = min(done + chosen.evaluate_every, chosen.env_steps)
        while (done := int(session.env_steps[0])) < goal:
            session.run(min(CHUNK, goal - done), Stop(chosen.env_steps))
