"""The generated kernel against the dense reference, in closed loop: same spikes, same actions, same weights."""

from __future__ import annotations

from typing import Any

import pytest

from snnrl import networks, tasks
from snnrl.coding import GaussianPopulation, PopulationValue, SpikeCountAction
from snnrl.model import AgentModel, Network, Neurons, Pairs, Synapses, TDError
from snnrl.networks.populations import current_driven_cells, lif_neurons
from snnrl.plasticity import RSTDP, TDLTP, IdealWeights, devices, plastic_synapses

SMALL: dict[str, Any] = {"cells_per_variable": 2, "actor_size": 3}


def zoo() -> AgentModel:
    """Everything a model may hold that the built-in networks do not: see the texts."""
    hidden = lif_neurons("hidden", 5, 0.8, 0.1, exploration=0.3)
    actors = [lif_neurons(f"action_{k}", 3, 1.6, 0.1, counts_inhibition=True) for k in range(2)]
    background = Neurons("background", 4, "rate : Hz", threshold="rand() < rate*dt",
                         initial={"rate": [20.0, 40.0, 60.0, 80.0]}, refractory="2*ms")  # fmt: skip
    multiplicative = Synapses(
        "free_text", "place", "hidden",
        """dapre/dt = -apre/tau_plus : 1 (event-driven)
        dapost/dt = -apost/tau_minus : 1 (event-driven)
        w : 1""",
        on_pre="I_post += 2*w\napre += 1\nw = clip(w - eta*w*apost, 0, 1)",
        on_post="apost += 1\nw = clip(w + eta*(1 - w)*apre, 0, 1)",
        on_reward="w = clip(w + 0.01*td_error*apre*apost, 0, 1)",
        parameters={"tau_plus": "20*ms", "tau_minus": "30*ms", "eta": 0.05},
        initial={"w": "0.3 + 0.4*rand()"},
        connectivity=Pairs([0, 0, 1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 1], [0, 3, 1, 2, 4, 0, 1, 2, 3, 4, 0, 1, 4]),
        delay=3,
    )  # fmt: skip
    clocked = Synapses(
        "clocked", "hidden", "action_0",
        "delig/dt = -elig/tau_e : 1 (clock-driven)\nw : 1",
        on_pre="I_post += w\nelig += 1",
        on_post="elig += 0.1*w",
        on_reward="w = clip(w + 0.05*td_error*elig + 0.01*randn(), -2, 2)",
        parameters={"tau_e": "50*ms"},
        initial={"w": "0.5*randn()"},
        delay=1,
    )  # fmt: skip
    short_term = Synapses(
        "short_term", "hidden", "action_1",
        """dx/dt = (1 - x)/tau_rec : 1 (event-driven)
        dy/dt = (U - y)/tau_facil : 1 (event-driven)
        w : 1""",
        on_pre="y += U*(1 - y)\nI_post += w*x*y\nx -= x*y",
        on_reward="w = clip(w + 0.1*reward_error*y, 0, 4)",
        parameters={"tau_rec": "80*ms", "tau_facil": "150*ms", "U": 0.3},
        initial={"x": 1, "y": 0.3, "w": 2},
    )  # fmt: skip
    releases = Synapses("releases", "background", "hidden", "w : 1", weights=("w",),
                        on_pre="I_post += w*int(rand() < 0.7)\nu_post += 0.02", initial={"w": "0.4 + 0.1*rand()"})  # fmt: skip
    tagged = plastic_synapses("tagged", "place", "action_0", TDLTP(inhibition=0.5, eta=0.3), IdealWeights(-6, 6),
                              "I_post += 0.4*w", delay=2)  # fmt: skip
    rstdp = plastic_synapses("rewarded", "place", "action_1", RSTDP(eta=0.1), IdealWeights(-6, 6, "randn()"), "I_post += 0.4*w",
                             connectivity=Pairs([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]))  # fmt: skip
    rivals = Synapses("rivals", "action_0", "action_1", on_pre="u_post -= 0.3\nh_post += 1", weights=())
    task = tasks.CartPole()
    encoder = GaussianPopulation(
        "place", "drive", task.observation_scale, task.observation_bounded, 4.0, (2, 2, 3, 3)
    )
    return AgentModel(
        Network((current_driven_cells("place", 10), background, hidden, *actors),
                (multiplicative, clocked, short_term, releases, tagged, rstdp, rivals)),
        encoder, SpikeCountAction(("action_0", "action_1")), PopulationValue("hidden[1:4]", 0.1, 1.0, 0.6), TDError(0.9),
    )  # fmt: skip


ROUGH = {"limit": 6, "force": 60.0}
"""A push (N) with which half of the episodes end by a fall, the others are truncated."""


def build(name: str) -> AgentModel:
    task = tasks.CartPole()
    if name == "zoo":
        return zoo()
    network, plasticity, memristive = {
        "td-ltp": ("actor-critic", "td-ltp", False),
        "r-stdp": ("actor-critic", "r-stdp", False),
        "policy-gradient": ("actor-critic", "policy-gradient", False),
        "reward-modulated": ("reward-modulated", "policy-gradient", False),
        "memristive": ("reward-modulated", "td-ltp", True),
        "half-select": ("actor-critic", "td-ltp", True),
    }[name]
    size = {**SMALL, "critic_size": 4} if network == "actor-critic" else SMALL
    options = {"half_select": True, "waveform_steps": 2} if name == "half-select" else {}
    device = devices.make("vteam", spread=0.3) if memristive else None
    return networks.make(network, plasticity, **size).build(task, device, **options)


@pytest.mark.parametrize("learning", [True, False])
@pytest.mark.parametrize("name", ["td-ltp", "memristive", "zoo"])
def test_compiled_kernel_agrees_with_the_reference(
    name: str, learning: bool, session_of: Any, assert_agreement: Any
) -> None:
    assert_agreement(session_of(build(name), seeds=[3], **ROUGH), 2, learning, most=8)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize(
    "name", ["td-ltp", "r-stdp", "policy-gradient", "reward-modulated", "half-select", "zoo"]
)
def test_kernel_text_agrees_with_the_reference(
    name: str, windowed: bool, session_of: Any, assert_agreement: Any
) -> None:
    """The same comparison with the kernel's text run as Python, on both paths."""
    assert_agreement(session_of(build(name), seeds=[4], **ROUGH, windowed=windowed), 2, most=8)
