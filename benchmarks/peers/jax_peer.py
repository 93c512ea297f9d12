"""JAX by hand: network, plasticity, TD error and cart-pole physics inside one jitted loop; agents by `vmap`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import workload as wl
from benchmarks.peers.closed_loop import Books
from benchmarks.peers.interface import Measured, Regime

DECAY_MEMBRANE = math.exp(-wl.DT / wl.TAU_MEMBRANE)
DECAY_TRACE = math.exp(-wl.DT / wl.TAU_TRACE)
DECAY_ELIGIBILITY = math.exp(-wl.DT / wl.TAU_ELIGIBILITY)
DECAY_VALUE = math.exp(-wl.STEPS * wl.DT / wl.TAU_VALUE)
THETA_LIMIT = 12 * 2 * math.pi / 360
UNROLL = 1  # steps of dt per turn of the inner loop; on the CPU 4 cost 3 times and 20 cost 19 times as much
WIDTHS = np.asarray(wl.cell_widths(), dtype=np.float32)[:, None]


class Network(NamedTuple):
    """State of one agent that changes every dt; arrays [n_outputs] or [n_inputs], synapses of both."""

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


def _advance(network: Network, spikes: Array, rate: Array, gain: float) -> Network:
    """One dt, in the order of BindsNET: decay, add the input of the step before, threshold, plasticity."""
    current = gain * (network.spikes @ network.w)
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


def _env_step(size: wl.Size, centres: Array, agent: Agent) -> tuple[Agent, Tally]:
    key, key_spikes, key_start = jax.random.split(agent.key, 3)
    z = (agent.cart[:, None] - centres) / WIDTHS
    probability = (wl.PEAK_RATE * wl.DT * 1e-3 * jnp.exp(-0.5 * z * z)).ravel()
    spikes = (jax.random.uniform(key_spikes, (wl.STEPS, size.n_inputs)) < probability).astype(jnp.float32)
    rate = wl.LEARNING_RATE * wl.DT * agent.td_error
    network, _ = lax.scan(
        lambda state, row: (_advance(state, row, rate, size.gain), None),
        agent.network._replace(counts=jnp.zeros(size.n_outputs)),
        spikes,
        unroll=UNROLL,
    )
    counts, group = network.counts, size.action_group
    left, right = counts[:group].sum(), counts[group : 2 * group].sum()
    action = jnp.where(left == right, agent.step & 1, (right > left).astype(jnp.int32))
    cart = _push(agent.cart, action)
    terminated = (jnp.abs(cart[0]) > 2.4) | (jnp.abs(cart[2]) > THETA_LIMIT)
    length = agent.length + 1
    over = terminated | (length >= wl.MAX_EPISODE_STEPS)
    critic = agent.critic * DECAY_VALUE + counts[2 * group :].sum() / size.n_critic
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


def _block(size: wl.Size) -> Callable[[Agent], tuple[Agent, Tally]]:
    """Return the compiled loop over one block of environment steps."""
    centres = jnp.asarray(size.cell_centres(), dtype=jnp.float32)

    def one(agent: Agent, _: None) -> tuple[Agent, Tally]:
        return _env_step(size, centres, agent)

    step = one if size.agents == 1 else jax.vmap(one, in_axes=(0, None))

    def block(agent: Agent) -> tuple[Agent, Tally]:
        agent, tally = lax.scan(step, agent, None, length=size.block)
        return agent, Tally(*(column.sum() for column in tally))

    # The state is given away: at 100x it is large, and nobody looks at the old one again.
    compiled: Callable[[Agent], tuple[Agent, Tally]] = jax.jit(block, donate_argnums=0)
    return compiled


class JaxRunner:
    """One or many agents on the CPU or on a GPU."""

    def __init__(self, size: wl.Size, seed: int, device: str) -> None:
        jax.config.update("jax_platforms", device)
        self.description = f"JAX {jax.__version__} by hand, float32"
        self._size = size
        self._books = Books(size)
        w = size.start_weights(seed, np.float32)
        self._w = jnp.asarray(w[0] if size.agents == 1 else w)
        self._key = jax.random.key(seed)
        self._block = _block(size)
        jax.block_until_ready(self._block(self._start()))

    def _start(self) -> Agent:
        self._key, key, key_cart = jax.random.split(self._key, 3)
        size, many = self._size, () if self._size.agents == 1 else (self._size.agents,)

        def inputs() -> Array:  # an array of its own each time: what is given away can be given only once
            return jnp.zeros((*many, size.n_inputs))

        def outputs() -> Array:
            return jnp.zeros((*many, size.n_outputs))

        network = Network(
            w=jnp.array(self._w),
            eligibility=jnp.zeros_like(self._w),
            v=outputs(),
            refractory=outputs(),
            pre_trace=inputs(),
            post_trace=outputs(),
            spikes=inputs(),
            counts=outputs(),
        )
        cart = jax.random.uniform(key_cart, (*many, 4), minval=-0.05, maxval=0.05)
        numbers = [jnp.zeros(many) for _ in range(3)]
        counts = [jnp.zeros(many, dtype=jnp.int32) for _ in range(2)]
        return Agent(network, cart, jax.random.split(key, many) if many else key, *numbers, *counts)

    def run(self, n_env_steps: int) -> Measured:
        """Advance every agent by ``n_env_steps``."""
        seconds = 0.0
        for _ in range(n_env_steps // self._size.block):
            agent = jax.block_until_ready(self._start())
            start = time.perf_counter()
            agent, tally = jax.block_until_ready(self._block(agent))
            seconds += time.perf_counter() - start
            change = jnp.abs(agent.network.w - self._w)
            spikes = float(tally.input_spikes), float(tally.output_spikes)
            self._books.block(*spikes, int(tally.episodes), (float(change.mean()), float(change.max())))
        return Measured(seconds, n_env_steps)

    def regime(self) -> Regime:
        """Return what happened in all runs since the build."""
        return self._books.regime()

    def device_bytes(self) -> int:
        """Return the most memory used on the GPU, 0 on the CPU."""
        statistics: dict[str, Any] = jax.devices()[0].memory_stats() or {}
        return int(statistics.get("peak_bytes_in_use", 0))


def build(seed: int, **options: str) -> JaxRunner:
    """Build and compile the workload in JAX (options: those of `workload.Size`; ``device`` is cpu or cuda)."""
    return JaxRunner(wl.Size.of(options), seed, options.get("device", "cpu"))
