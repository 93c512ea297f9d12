"""The compiled loop of crossbar networks: one agent at a time, in float64, for any task with two actions.

The kernel's text is that of the network's equations, of the crossbar's pulses, of the task and of the reward, copied as
they are; around them stands what :class:`snnrl.networks.crossbar_agent.CrossbarAgent` does, in the same order, so that the
numbers are the same to the last bit. (:mod:`snnrl.studies.wu2019.source` writes another kernel from the same text, for
thousands of agents of one kind in SIMD lanes.)
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.books import definitions
from snnrl.engines.fast.library import header
from snnrl.engines.fast.loop import END_EPISODE, copied_function
from snnrl.networks.crossbar_agent import DISCOUNT_STEP, DISCOUNT_TRIALS
from snnrl.networks.crossbar_equations import (
    digitised,
    hidden_layer,
    layer_change,
    output_neuron,
    push_probability,
    reward_td_error,
)
from snnrl.plasticity.crossbar import lowered, raised

if TYPE_CHECKING:
    from snnrl.networks.crossbar import CrossbarActorCritic
    from snnrl.tasks import TaskKernel
    from snnrl.tasks.rewards import Reward


class Number(IntEnum):
    """Where the real numbers of a network stand in the kernel's array ``numbers``."""

    SLOPE = 0
    BIAS = 1
    CRITIC_RATE = 2
    CRITIC_HIDDEN_RATE = 3
    ACTOR_RATE = 4
    ACTOR_HIDDEN_RATE = 5
    MANHATTAN = 6
    W_MAX = 7
    SATURATION = 8
    GATE = 9
    LEVELS = 10
    TOO_FEW = 11


class Size(IntEnum):
    """Where its whole numbers stand in ``sizes``; ``PULSES`` is 0 for exact changes, 1 for fixed, 2 for scaled pulses."""

    INPUTS = 0
    HIDDEN = 1
    SIGNED = 2
    PULSES = 3
    GATE_AFTER = 4
    CRITIC_HIDDEN = 5
    CRITIC_OUTPUT = 6
    ACTOR_HIDDEN = 7
    ACTOR_OUTPUT = 8


class Running(IntEnum):
    """What an agent carries along, in ``running``; the two sums of squares are over decisions, for the energy."""

    GAMMA = 0
    WINS = 1
    SUCCESSES = 2
    UPDATES = 3
    SURPRISE = 4
    INPUT_SQUARES = 5
    HIDDEN_SQUARES = 6


_COPIED: tuple[Callable[..., Any], ...] = (
    hidden_layer, output_neuron, push_probability, digitised, layer_change, reward_td_error, raised, lowered,
)  # fmt: skip


def packed_numbers(network: CrossbarActorCritic) -> NDArray[np.float64]:
    """Return the network's real numbers in the order of `Number`."""
    values = {
        Number.SLOPE: network.slope, Number.BIAS: network.bias, Number.CRITIC_RATE: network.critic_rate,
        Number.CRITIC_HIDDEN_RATE: network.critic_hidden_rate, Number.ACTOR_RATE: network.actor_rate,
        Number.ACTOR_HIDDEN_RATE: network.actor_hidden_rate, Number.MANHATTAN: network.step,
        Number.W_MAX: network.w_max, Number.GATE: network.gate,
        Number.SATURATION: 0.0 if network.device is None else network.device.saturation,
        Number.LEVELS: 2.0**network.adc_bits - 1.0,
        Number.TOO_FEW: network.discount_below if network.variable_discount else -1.0,
    }  # fmt: skip
    return np.array([values[number] for number in Number], dtype=np.float64)


def packed_sizes(network: CrossbarActorCritic, n_inputs: int) -> NDArray[np.int64]:
    """Return its whole numbers in the order of `Size`."""
    place = network.places(n_inputs)
    pulses = {"exact": 0, "manhattan": 1, "variable-amplitude": 2}[network.rule]
    values = (n_inputs, network.hidden, network.signed, pulses, network.gate_after, *place[:4])
    return np.array(values, dtype=np.int64)


def kernel_source(task: TaskKernel | None, reward: Reward) -> str:
    """Return the module of a task's kernel; without a compiled task it holds what a loop outside calls.

    Parameters
    ----------
    task
        The task's plain functions.
    reward
        The reward, bound to the task.
    """
    books = [
        f"# real and whole numbers of a network, and what an agent carries along\n{definitions(Number)}",
        definitions(Size),
        definitions(Running),
    ]
    parts = [header("float64"), *books, END_EPISODE]
    parts += [copied_function(function, function.__name__) for function in _COPIED]
    parts.append(_AGENT)
    if task is not None:
        for function, name in ((task.step, "task_step"), (task.reset, "task_reset"),
                               (task.observe, "task_observe"), (reward.function, "task_reward")):  # fmt: skip
            parts.append(copied_function(function, name))
        parts.append(_LOOP)
    return "\n\n".join(parts)


_AGENT = f'''
@njit(nogil=True, error_model='numpy')
def decide(observation, exploration, counters, bases, w, x, y, inverse, running, numbers, sizes):
    """Scale the observation, draw an action, and keep q - p."""
    n_inputs, n_hidden = sizes[INPUTS], sizes[HIDDEN]
    for j in range(n_inputs - 1):
        x[j] = observation[j] * inverse[j]
    x[n_inputs - 1] = numbers[BIAS]
    hidden_layer(w, x, y, sizes[ACTOR_HIDDEN], n_inputs, n_hidden)
    chance = push_probability(output_neuron(w, y, sizes[ACTOR_OUTPUT], n_hidden), numbers[SLOPE])
    low, high = step_key(bases[0], counters[EPISODE])
    draw = 0.5 + exploration * (uniform(low, high, counters[EPISODE_STEP]) - 0.5)
    if numbers[LEVELS] > 0.0:
        chance = digitised(chance, numbers[LEVELS])
        draw = math.floor(draw * (numbers[LEVELS] + 1.0)) / numbers[LEVELS]
    action = 1 if draw < chance else 0
    running[SURPRISE] = action - chance
    for j in range(n_inputs):
        running[INPUT_SQUARES] += x[j] * x[j]
    for i in range(n_hidden):
        running[HIDDEN_SQUARES] += y[i] * y[i]
    return action


@njit(nogil=True, error_model='numpy')
def critic_value(observation, w, x, y, inverse, numbers, sizes):
    """Give the value of an observation."""
    n_inputs, n_hidden = sizes[INPUTS], sizes[HIDDEN]
    for j in range(n_inputs - 1):
        x[j] = observation[j] * inverse[j]
    x[n_inputs - 1] = numbers[BIAS]
    hidden_layer(w, x, y, sizes[CRITIC_HIDDEN], n_inputs, n_hidden)
    return output_neuron(w, y, sizes[CRITIC_OUTPUT], n_hidden)


@njit(nogil=True, error_model='numpy')
def write(w, pairs, speed, writes, change, numbers, sizes):
    """Change the weights by the rule: set one device of a pair, reset the other; forget the wanted change."""
    w_max = numbers[W_MAX]
    half, saturation = w_max / 2, numbers[SATURATION]
    for i in range(w.shape[0]):
        wanted = change[i]
        change[i] = 0.0
        if wanted == 0.0:
            continue
        writes[i] += 1
        if sizes[PULSES] == 0:
            w[i] = min(max(w[i] + wanted, -w_max), w_max)
            continue
        size = (numbers[MANHATTAN] if sizes[PULSES] == 1 else abs(wanted)) / 2
        up, down = (0, 1) if wanted > 0.0 else (1, 0)
        pairs[up, i] = raised(pairs[up, i], size * speed[0, up, i], saturation, half)
        pairs[down, i] = lowered(pairs[down, i], size * speed[1, down, i], saturation, half)
        w[i] = pairs[0, i] - pairs[1, i]


@njit(nogil=True, error_model='numpy')
def learn(observation, following, reward, failed, w, pairs, speed, writes, change, x, y, inverse, running, numbers, sizes):
    """Learn from the last action by equation 5, unless the gate is closed."""
    gate = numbers[GATE] if running[SUCCESSES] >= sizes[GATE_AFTER] else 0.0
    if gate > 0.0 and not abs(running[SURPRISE]) > gate:
        return
    later = critic_value(following, w, x, y, inverse, numbers, sizes)
    value = critic_value(observation, w, x, y, inverse, numbers, sizes)  # leaves its inputs and hidden outputs
    error = reward_td_error(reward, failed, running[GAMMA], value, later)
    signed, n_inputs, n_hidden = sizes[SIGNED], sizes[INPUTS], sizes[HIDDEN]
    layer_change(w, x, y, change, sizes[CRITIC_HIDDEN], sizes[CRITIC_OUTPUT], error,
                 numbers[CRITIC_RATE], numbers[CRITIC_HIDDEN_RATE], signed, n_inputs, n_hidden)
    hidden_layer(w, x, y, sizes[ACTOR_HIDDEN], n_inputs, n_hidden)
    layer_change(w, x, y, change, sizes[ACTOR_HIDDEN], sizes[ACTOR_OUTPUT], error * running[SURPRISE],
                 numbers[ACTOR_RATE], numbers[ACTOR_HIDDEN_RATE], signed, n_inputs, n_hidden)
    write(w, pairs, speed, writes, change, numbers, sizes)
    running[UPDATES] += 1


@njit(nogil=True)
def end_trial(success, counters, running, numbers):
    """Count a success, and lower gamma after {DISCOUNT_TRIALS} trials with too few of them."""
    running[SUCCESSES] += success
    if numbers[TOO_FEW] < 0.0:
        return
    running[WINS] += success
    if counters[EPISODE] % {DISCOUNT_TRIALS} == 0:
        if running[WINS] / {float(DISCOUNT_TRIALS)} < numbers[TOO_FEW]:
            running[GAMMA] = max(running[GAMMA] - {DISCOUNT_STEP}, 0.0)
        running[WINS] = 0.0


@njit(nogil=True)
def close(stop, learning, counters, control, lengths, rewards, running, numbers):
    """Book an episode that has ended."""
    success = 0 if counters[MODE] == 1 else 1
    end_episode(stop, counters, control, lengths, rewards)
    if learning:
        end_trial(success, counters, running, numbers)
'''

_LOOP = '''
@njit(nogil=True, cache=True, error_model='numpy')
def run_agent(budget, max_steps, learning, exploration, stop, counters, control, lengths, rewards, w, pairs, speed,
              writes, change, world, observation, bases, x, y, inverse, running, numbers, sizes, n_uniforms, task_p,
              reward_p):
    """Run one agent for at most budget environment steps, or until it has finished."""
    before, following = np.zeros(world.shape[0]), np.zeros(observation.shape[0])
    uniforms = np.zeros(n_uniforms)
    steps = 0
    while counters[FINISHED] == 0 and counters[ERROR] == 0 and steps < budget:
        if counters[EPISODE_STEP] == 0:
            low, high = step_key(bases[1], counters[EPISODE])
            for k in range(n_uniforms):
                uniforms[k] = uniform(low, high, k)
            task_reset(world, uniforms, task_p)
            task_observe(world, observation, task_p)
        action = decide(observation, exploration, counters, bases, w, x, y, inverse, running, numbers, sizes)
        for k in range(world.shape[0]):
            before[k] = world[k]
        terminated = task_step(world, action, task_p)
        task_observe(world, following, task_p)
        step = counters[EPISODE_STEP] + 1
        gain = task_reward(before, world, terminated, step, control[RECENT], reward_p)
        if not (abs(gain) < 1e300):
            counters[ERROR] = -1
            break
        if learning:
            learn(observation, following, gain, terminated, w, pairs, speed, writes, change, x, y, inverse, running,
                  numbers, sizes)
        take_reward(gain, terminated, step >= max_steps and not terminated, learning, 0.0, counters, control)
        for k in range(observation.shape[0]):
            observation[k] = following[k]
        steps += 1
        if counters[MODE] != 0:
            close(stop, learning, counters, control, lengths, rewards, running, numbers)
'''
