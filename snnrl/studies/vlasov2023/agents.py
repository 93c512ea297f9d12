"""The agents of the study; their numbers were found on seeds below 100,000 (docs/paper_studies.md)."""

from __future__ import annotations

import dataclasses

from snnrl.model import AgentModel, TDError
from snnrl.networks.first_spike import ACTOR_DECAY, ANNEAL, CRITIC_DECAY, FirstSpike
from snnrl.networks.first_spike_synapses import DevicePairs, PairRule
from snnrl.plasticity.nanocomposite import NANOCOMPOSITE
from snnrl.plasticity.parylene import PARYLENE
from snnrl.tasks import make

REWARD = "gaussian"
IDEAL = FirstSpike()
NC = FirstSpike(
    actor_rule=PairRule(0.6, ACTOR_DECAY, ANNEAL),
    critic_rule=PairRule(0.15, CRITIC_DECAY, ANNEAL),
    storage=DevicePairs(NANOCOMPOSITE, level=0.4),
)
PPX = FirstSpike(
    actor_bias=1.37,
    critic_bias=1.466,
    noise=0.013,
    exploration=0.59,
    gain=0.45,
    value_at_rest=0.66,
    rivalry=0.1,
    actor_rule=PairRule(0.185, ACTOR_DECAY, ANNEAL),
    critic_rule=PairRule(0.11, 0.7, ANNEAL),
    storage=DevicePairs(PARYLENE, stretch=5.0, level=0.3),
)


def _full_steps(network: FirstSpike) -> FirstSpike:
    """Return the network with every pair at the published step, only its sign given by the TD error; no traces."""
    rule = PairRule(rate=1.0 / SIGN_CLIP, decay=0.0)
    return dataclasses.replace(network, actor_rule=rule, critic_rule=rule)


SIGN_CLIP = 1e-6
"""Largest TD error of agents that learn from its sign: all but tiny errors are cut to it, and their rate undoes the cut."""
AGENTS: dict[str, FirstSpike] = {
    "ideal": IDEAL,
    "parylene": PPX,
    "nanocomposite": NC,
    "parylene-full-steps": _full_steps(PPX),
    "nanocomposite-full-steps": _full_steps(NC),
}
RANDOM, TABLE = "random", "ase-ace"
TITLES = {
    "ideal": "ideal weights",
    "parylene": "parylene (PPX)",
    "nanocomposite": "nanocomposite (CoFeB-LiNbO3)",
    "parylene-full-steps": "parylene, every pair its full step",
    "nanocomposite-full-steps": "nanocomposite, every pair its full step",
    RANDOM: "random policy",
    TABLE: "ASE/ACE, tabular",
}
DEFAULT = tuple(AGENTS)


def build(agent: str) -> AgentModel:
    """Return the model of an agent out of `AGENTS` for the cart-pole."""
    model = AGENTS[agent].build(make("cartpole"))
    if not agent.endswith("full-steps"):
        return model
    assert isinstance(model.signal, TDError)
    return dataclasses.replace(model, signal=dataclasses.replace(model.signal, clip=SIGN_CLIP))
