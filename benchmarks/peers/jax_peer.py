"""JAX by hand: network, plasticity, TD error and cart-pole physics inside one jitted `lax.scan`."""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import workload as wl
from benchmarks.peers.interface import Measured, Regime

DECAY_MEMBRANE = math.exp(-wl.DT / wl.TAU_MEMBRANE)
DECAY_TRACE = math.exp(-wl.DT / wl.TAU_TRACE)
DECAY_ELIGIBILITY = math.exp(-wl.DT / wl.TAU_ELIGIBILITY)
DECAY_VALUE = math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
THETA_LIMIT = 12 * 2 * math.pi / 360
CENTRES = np.asarray(wl.cell_centres(), dtype=np.float32)
UNROLL = 1  # steps of dt per turn of the inner loop; on the CPU 4 cost 3 times and 20 cost 19 times as much
WIDTHS = np.asarray(wl.cell_widths(), dtype=np.float32)[:, None]


class Network(NamedTuple):
    """State that changes every dt; arrays [N_OUTPUTS] or [N_INPUTS], synapses [N_INPUTS, N_OUTPUTS]."""

    w: Array
    eligibility: Array
    v: Array
    refractory: Array
    pre_trace: Array
    post_trace: Array
    spikes: Array
    counts: Array


class Agent(NamedTuple):
    """State that changes every environment step."""

    network: Network
    cart: Array
    key: Array
    critic: Array
    value: Array
    td_error: Array
    step: Array
    length: Array


class Tally(NamedTuple):
    """What is counted for `Regime`, summed over a block."""

    input_spikes: Array
    output_spikes: Array
    episodes: Array


def _advance(network: Network, spikes: Array, rate: Array) -> Network:
    """One dt, in the order of BindsNET: decay, add the input of the step before, threshold, plasticity."""
    current = wl.GAIN * (network.spikes @ network.w)
    v = network.v * DECAY_MEMBRANE + jnp.where(network.refractory <= 0, current, 0.0)
    fired = v >= 1.0
    post = fired.astype(jnp.float32)
    pre_trace = network.pre_trace * DECAY_TRACE + spikes
    post_trace = network.post_trace * DECAY_TRACE + post
    eligibility = (
        network.eligibility * DECAY_ELIGIBILITY
        + pre_trace[:, None] * post[None, :]
        - spikes[:, None] * post_trace[None, :]
    )
    return Network(
        w=jnp.clip(network.w + rate * eligibility, wl.W_MIN, wl.W_MAX),
        eligibility=eligibility,
        v=jnp.where(fired, 0.0, v),
        refractory=jnp.where(fired, wl.REFRACTORY / wl.DT, network.refractory - 1.0),
        pre_trace=pre_trace,
        post_trace=post_trace,
        spikes=spikes,
        counts=network.counts + post,
    )


def _push(cart: Array, action: Array) -> Array:
    """Gymnasium's CartPole-v1, explicit Euler step of 20 ms; ``cart`` is [4]."""
    _, x_dot, theta, theta_dot = cart
    force = 20.0 * action - 10.0
    cos, sin = jnp.cos(theta), jnp.sin(theta)
    temp = (force + 0.05 * theta_dot**2 * sin) / 1.1
    theta_acc = (9.8 * sin - cos * temp) / (0.5 * (4.0 / 3.0 - 0.1 * cos**2 / 1.1))
    x_acc = temp - 0.05 * theta_acc * cos / 1.1
    return cart + 0.02 * jnp.stack([x_dot, x_acc, theta_dot, theta_acc])


def _env_step(agent: Agent, _: None) -> tuple[Agent, Tally]:
    key, key_spikes, key_start = jax.random.split(agent.key, 3)
    z = (agent.cart[:, None] - CENTRES) / WIDTHS
    probability = (wl.PEAK_RATE * wl.DT * 1e-3 * jnp.exp(-0.5 * z * z)).ravel()
    spikes = (jax.random.uniform(key_spikes, (wl.STEPS, wl.N_INPUTS)) < probability).astype(jnp.float32)
    rate = wl.LEARNING_RATE * wl.DT * agent.td_error
    network, _ = lax.scan(
        lambda state, row: (_advance(state, row, rate), None),
        agent.network._replace(counts=jnp.zeros(wl.N_OUTPUTS)),
        spikes,
        unroll=UNROLL,
    )
    counts = network.counts
    left, right = counts[: wl.ACTION_GROUP].sum(), counts[wl.ACTION_GROUP : 2 * wl.ACTION_GROUP].sum()
    action = jnp.where(left == right, agent.step & 1, (right > left).astype(jnp.int32))
    cart = _push(agent.cart, action)
    terminated = (jnp.abs(cart[0]) > 2.4) | (jnp.abs(cart[2]) > THETA_LIMIT)
    length = agent.length + 1
    over = terminated | (length >= wl.MAX_EPISODE_STEPS)
    critic = agent.critic * DECAY_VALUE + counts[wl.N_OUTPUTS - wl.N_CRITIC :].sum() / wl.N_CRITIC
    value = jnp.where(terminated, 0.0, wl.VALUE_SCALE * critic)
    reward = jnp.where(terminated, wl.FAILURE_REWARD, 0.0)
    start = jax.random.uniform(key_start, (4,), minval=-0.05, maxval=0.05)
    after = Agent(
        network=network,
        cart=jnp.where(over, start, cart),
        key=key,
        critic=critic,
        value=value,
        td_error=reward + wl.DISCOUNT * value - agent.value,
        step=agent.step + 1,
        length=jnp.where(over, 0, length),
    )
    return after, Tally(spikes.sum(), counts.sum(), over)


def _block(agent: Agent) -> tuple[Agent, Tally]:
    """Run `workload.RESTORE_EVERY` environment steps."""
    agent, tally = lax.scan(_env_step, agent, None, length=wl.RESTORE_EVERY)
    return agent, Tally(*(column.sum() for column in tally))


_compiled_block = jax.jit(_block)


class JaxRunner:
    """One agent on the CPU."""

    def __init__(self, seed: int) -> None:
        jax.config.update("jax_platforms", "cpu")
        self.description = f"JAX {jax.__version__} by hand, float32"
        self._w = jnp.asarray(wl.start_weights(seed), dtype=jnp.float32)
        self._key = jax.random.key(seed)
        self._blocks = self._episodes = 0
        self._input_spikes = self._output_spikes = self._moved = self._moved_most = 0.0
        jax.block_until_ready(_compiled_block(self._start()))

    def _start(self) -> Agent:
        self._key, key, key_cart = jax.random.split(self._key, 3)
        inputs, outputs, zero = jnp.zeros(wl.N_INPUTS), jnp.zeros(wl.N_OUTPUTS), jnp.zeros(())
        network = Network(
            self._w, jnp.zeros_like(self._w), outputs, outputs, inputs, outputs, inputs, outputs
        )
        cart = jax.random.uniform(key_cart, (4,), minval=-0.05, maxval=0.05)
        count = jnp.zeros((), dtype=jnp.int32)
        return Agent(network, cart, key, zero, zero, zero, count, count)

    def run(self, n_env_steps: int) -> Measured:
        """Advance by ``n_env_steps``."""
        seconds = 0.0
        blocks = n_env_steps // wl.RESTORE_EVERY
        for _ in range(blocks):
            agent = jax.block_until_ready(self._start())
            start = time.perf_counter()
            agent, tally = jax.block_until_ready(_compiled_block(agent))
            seconds += time.perf_counter() - start
            self._count(agent, tally)
        return Measured(seconds, n_env_steps)

    def _count(self, agent: Agent, tally: Tally) -> None:
        self._blocks += 1
        self._input_spikes += float(tally.input_spikes)
        self._output_spikes += float(tally.output_spikes)
        self._episodes += int(tally.episodes)
        change = jnp.abs(agent.network.w - self._w)
        self._moved += float(change.mean())
        self._moved_most = float(change.max())

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        env_steps = self._blocks * wl.RESTORE_EVERY
        seconds = env_steps * wl.STEPS * wl.DT * 1e-3
        return Regime(
            env_steps=env_steps,
            episodes=self._episodes,
            input_hz=self._input_spikes / (seconds * wl.N_INPUTS),
            output_hz=self._output_spikes / (seconds * wl.N_OUTPUTS),
            weight_change_mean=self._moved / self._blocks,
            weight_change_max=self._moved_most,
        )


def build(seed: int, **options: str) -> JaxRunner:
    """Build and compile the workload in JAX (it takes no options)."""
    return JaxRunner(seed)
