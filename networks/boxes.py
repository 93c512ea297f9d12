"""The boxes of Barto, Sutton & Anderson 1983 as spiking networks: with the adaptive critic (ASE/ACE), and without (ASE)."""

from __future__ import annotations

from dataclasses import dataclass, field

from snnrl.coding import Boxes, Encoder
from snnrl.errors import InvalidValueError
from snnrl.networks.actor_critic import ActorCritic
from snnrl.networks.base import INPUT
from snnrl.networks.reward_modulated import RewardModulated
from snnrl.networks.rules import ANNEAL
from snnrl.plasticity import TDLTP, Rule
from snnrl.tasks import CartPole, Task

DEGREE = 0.017453292519943295
EDGES = (
    (-0.8, 0.8),
    (-0.5, 0.5),
    (-6 * DEGREE, -1 * DEGREE, 0.0, 1 * DEGREE, 6 * DEGREE),
    (-50 * DEGREE, 50 * DEGREE),
)
"""Edges of the 162 boxes: x (m), x_dot (m/s), theta (rad), theta_dot (rad/s) (1983, section V; Sutton's ``pole.c``)."""
GAMMA = 0.95
ASE_DECAY, ACE_DECAY = 0.9, 0.8
"""Decay of the eligibility of an action and of a box per step: the paper's delta and lambda."""


def box_encoder(task: Task, peak: float) -> Encoder:
    """Return the code of the 162 boxes: a current of ``peak`` into the cell of the box that the cart-pole is in.

    Raises
    ------
    InvalidValueError
        If the task is not a cart-pole that shows its whole state.
    """
    if not isinstance(task, CartPole) or task.observation_size != len(EDGES):
        raise InvalidValueError(
            "task of a network of boxes", task.name, "a cart-pole that shows all four variables"
        )
    return Boxes(INPUT, "drive", (1.0,) * 4, (False,) * 4, peak, EDGES)


@dataclass(frozen=True, kw_only=True)
class BoxActorCritic(ActorCritic):
    """ASE and ACE of spiking neurons: one input cell per box, a critic population, one population per push.

    What the paper's elements become: a box's line is an input cell that fires while the state is in the box; the ACE's
    prediction p is the critic's rate, 0 at rest and lower where failure is near; the ASE's noisy choice is the race of two
    populations that inhibit each other. Eligibility of box and action, and the product with the internal reinforcement
    r + gamma p' - p, are the synapses' traces and their third factor (`TDLTP`), with the paper's decay constants.
    Parameters are those of `ActorCritic`; the numbers were found on seeds below 100,000.
    """

    gamma: float = GAMMA
    critic_size: int = 128
    actor_noise: float = 0.05
    critic_noise: float = 0.05
    exploration: float = 0.5
    rivalry: float = 1.1
    gain: float = 0.4
    value_smoothing: float = 1.0
    critic_rule: Rule = field(default_factory=lambda: TDLTP(eta=0.06, trace_decay=ACE_DECAY, anneal=ANNEAL))
    actor_rule: Rule = field(
        default_factory=lambda: TDLTP(eta=0.2, trace_decay=ASE_DECAY, inhibition=1.4, anneal=ANNEAL)
    )

    def _encoder(self, task: Task) -> Encoder:
        return box_encoder(task, self.peak)


@dataclass(frozen=True, kw_only=True)
class BoxActor(RewardModulated):
    """The ASE alone: the reward itself, -1 at failure, gates the traces. Parameters are those of `RewardModulated`."""

    actor_noise: float = 0.05
    rivalry: float = 1.1
    gain: float = 0.46
    w_max: float = 4.7
    actor_rule: Rule = field(
        default_factory=lambda: TDLTP(eta=0.06, trace_decay=ASE_DECAY, inhibition=1.0, signal="reward")
    )

    def _encoder(self, task: Task) -> Encoder:
        return box_encoder(task, self.peak)
