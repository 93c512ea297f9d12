"""The Brian2 objects of the workload, for one agent or many; `brian2_equations` has their text."""

from __future__ import annotations

from typing import Any

import brian2 as b2
import numpy as np
import numpy.typing as npt

from benchmarks import workload as wl
from benchmarks.peers import brian2_equations as eq

ENV_STEP = wl.STEPS * wl.DT * b2.ms
CART_VARIABLES = ("x", "x_dot", "theta", "theta_dot")


def namespace(size: wl.Size) -> dict[str, Any]:
    """Return the constants of the equations."""
    return {
        "tau_membrane": wl.TAU_MEMBRANE * b2.ms,
        "tau_trace": wl.TAU_TRACE * b2.ms,
        "tau_eligibility": wl.TAU_ELIGIBILITY * b2.ms,
        "eligibility_decay": np.exp(-wl.DT / wl.TAU_ELIGIBILITY),
        "value_decay": np.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE),
        "peak": wl.PEAK_RATE * wl.DT * 1e-3,
        "gain": size.gain_before_decay,
        "learning_rate": wl.LEARNING_RATE * wl.DT,
        "discount": wl.DISCOUNT,
        "value_scale": wl.VALUE_SCALE,
        "failure_reward": wl.FAILURE_REWARD,
        "n_critic": size.n_critic,
        "max_steps": wl.MAX_EPISODE_STEPS,
        "w_min": wl.W_MIN,
        "w_max": wl.W_MAX,
    }


def block_length(size: wl.Size) -> b2.Quantity:
    """Return the time between two restores."""
    return size.block * ENV_STEP


def cart(size: wl.Size) -> b2.NeuronGroup:
    """Return the cart-poles, one "neuron" per agent."""
    group = b2.NeuronGroup(size.agents, eq.CART_EQUATIONS, name="cart")
    group.run_regularly(eq.ENVIRONMENT_STEP, dt=ENV_STEP, when="start", order=0)
    group.run_regularly(eq.RESTORE_CART, dt=block_length(size), when="start", order=1)
    return group


def _agent_of(size: wl.Size, neurons: int) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(size.agents), neurons)


def inputs(
    size: wl.Size, style: eq.Style, carts: b2.NeuronGroup | None, restore: b2.Quantity | None
) -> b2.NeuronGroup:
    """Return the Bernoulli neurons; without carts somebody else writes their ``probability``."""
    group = b2.NeuronGroup(
        size.agents * size.n_inputs,
        (eq.INPUT_EQUATIONS if carts else eq.INPUT_RATES) + style.neuron_trace,
        threshold="rand() < probability",
        reset="spike_count += 1" + style.neuron_reset,
        method="exact",
        name="inputs",
    )
    if carts:
        _encode(size, group, carts)
    if restore is not None and style.neuron_restore:
        group.run_regularly(style.neuron_restore, dt=restore, when="start", order=1)
    return group


def _encode(size: wl.Size, group: b2.NeuronGroup, carts: b2.NeuronGroup) -> None:
    """Let the group see its agent's cart."""
    cells = size.n_inputs // len(CART_VARIABLES)
    agent = None if size.agents == 1 else _agent_of(size, size.n_inputs)
    group.centre = np.tile(size.cell_centres().ravel(), size.agents)
    group.width = np.tile(np.repeat(wl.cell_widths(), cells), size.agents)
    for index, name in enumerate(CART_VARIABLES):
        setattr(group, name, b2.linked_var(carts, name, index=agent))
        seen = np.repeat(np.arange(len(CART_VARIABLES)) == index, cells).astype(float)
        setattr(group, f"of_{name}", np.tile(seen, size.agents))
    group.run_regularly(eq.ENCODE, dt=ENV_STEP, when="start", order=2)


def outputs(
    size: wl.Size, style: eq.Style, carts: b2.NeuronGroup | None, restore: b2.Quantity | None
) -> b2.NeuronGroup:
    """Return the LIF neurons; with many agents each has a copy of its agent's TD error for its synapses."""
    many = size.agents > 1
    signal = (eq.NEURON_SIGNAL if many else "") + (eq.CART_SIGNAL if many and carts else "")
    group = b2.NeuronGroup(
        size.agents * size.n_outputs,
        eq.OUTPUT_EQUATIONS + style.neuron_trace + signal,
        threshold="v >= 1",
        reset="v = 0; spike_count += 1" + style.neuron_reset,
        refractory=wl.REFRACTORY * b2.ms,
        method="exact",
        name="outputs",
    )
    index = np.tile(np.arange(size.n_outputs), size.agents)
    group.is_left = (index < size.action_group).astype(float)
    group.is_right = ((index >= size.action_group) & (index < 2 * size.action_group)).astype(float)
    group.is_critic = (index >= size.n_outputs - size.n_critic).astype(float)
    if many and carts:
        group.cart_signal = b2.linked_var(carts, "td_error", index=_agent_of(size, size.n_outputs))
        group.run_regularly("signal = cart_signal", dt=ENV_STEP, when="start", order=2)
    if restore is not None:
        group.run_regularly("v = 0" + style.neuron_restore, dt=restore, when="start", order=1)
    return group


def plastic(
    size: wl.Size,
    style: eq.Style,
    source: b2.NeuronGroup,
    target: b2.NeuronGroup,
    carts: b2.NeuronGroup | None,
    seed: int,
    restore: b2.Quantity | None,
) -> b2.Synapses:
    """Return the plastic synapses, all-to-all within each agent; ``source`` holds all inputs, agent by agent."""
    alone = size.agents == 1
    signal = (eq.LINKED_SIGNAL if carts else eq.SHARED_SIGNAL) if alone else eq.TARGET_SIGNAL
    synapses = b2.Synapses(
        source,
        target,
        style.equations + eq.SYNAPSE_EXTRAS + signal,
        on_pre=style.on_pre,
        on_post=style.on_post,
        method="euler",
        name="plastic",
    )
    if alone:
        synapses.connect()
    else:
        first = f"(i // {size.n_inputs})*{size.n_outputs}"
        synapses.connect(j=f"{first} + k for k in range({size.n_outputs})")
    if alone and carts:
        synapses.td_error = b2.linked_var(carts, "td_error")
    synapses.w_start = size.start_weights(seed).ravel()
    synapses.run_regularly(style.every_dt, when="end")
    synapses.w = "w_start"
    if restore is not None:
        text = f"{style.restore}; moved += abs(w - w_start); w = w_start"
        synapses.run_regularly(text, dt=restore, when="start", order=1)
    return synapses


def counter(size: wl.Size, source: b2.NeuronGroup, carts: b2.NeuronGroup) -> b2.Synapses:
    """Return synapses that count votes in the carts."""
    synapses = b2.Synapses(
        source,
        carts,
        on_pre="left_post += is_left_pre; right_post += is_right_pre; critic_spikes_post += is_critic_pre",
        name="counter",
    )
    synapses.connect(j=f"i // {size.n_outputs}")
    return synapses
