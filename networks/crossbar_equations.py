"""Equation 5 and what surrounds it, as plain scalar functions: the one text that every form of the network runs.

Wu et al. (2020), arXiv 2001.06930, section III. Like a task's kernel, the functions use ``math``, scalars and
one-dimensional arrays only, so that they can be called, compiled, or copied into a kernel.
"""

from __future__ import annotations

import math

from snnrl.tasks.base import Vector


def hidden_layer(w: Vector, x: Vector, y: Vector, first: int, n_inputs: int, n_hidden: int) -> None:
    """Write the hidden neurons' outputs into ``y``: logistic functions of slope 1.

    Parameters
    ----------
    w
        All weights; those of hidden neuron i and input j stand at ``first + i*n_inputs + j``.
    x, y
        Inputs ``[n_inputs]``, outputs ``[n_hidden]``.
    """
    for i in range(n_hidden):
        total = 0.0
        for j in range(n_inputs):
            total = total + w[first + i * n_inputs + j] * x[j]
        y[i] = 1.0 / (1.0 + math.exp(-total))


def output_neuron(w: Vector, y: Vector, first: int, n_hidden: int) -> float:
    """Return the weighted sum of the hidden neurons; for the critic this is the value."""
    total = 0.0
    for i in range(n_hidden):
        total = total + w[first + i] * y[i]
    return total


def push_probability(total: float, slope: float) -> float:
    """Return the probability of action 1: a logistic function, ``slope`` times steeper than a hidden neuron's."""
    return 1.0 / (1.0 + math.exp(-slope * total))


def digitised(value: float, levels: float) -> float:
    """Round a number in [0, 1] as an analog-to-digital converter of ``levels`` + 1 codes does."""
    return math.floor(value * levels + 0.5) / levels


def layer_change(
    w: Vector,
    x: Vector,
    y: Vector,
    change: Vector,
    hidden: int,
    output: int,
    error: float,
    rate: float,
    hidden_rate: float,
    signed: int,
    n_inputs: int,
    n_hidden: int,
) -> None:
    """Add what equation 5 asks of one output neuron's weights and of the hidden weights below it.

    The critic's error is delta, the actor's delta*(q - p). In place of the output weight, through which the
    gradient would flow back to the hidden layer, equation 5 has its sign.

    Parameters
    ----------
    w, x, y
        Weights, inputs, hidden outputs.
    change
        Where the changes are added, same shape as ``w``.
    hidden, output
        Places of the first hidden and the first output weight.
    signed
        1: the sign of the output weight, as printed; 0: the weight itself, the gradient.
    """
    for i in range(n_hidden):
        weight = w[output + i]
        back = (1.0 if weight >= 0.0 else -1.0) if signed == 1 else weight
        fan = hidden_rate * error * y[i] * (1.0 - y[i]) * back
        change[output + i] = change[output + i] + rate * error * y[i]
        for j in range(n_inputs):
            change[hidden + i * n_inputs + j] = change[hidden + i * n_inputs + j] + fan * x[j]


def td_error(failed: bool, gamma: float, value: float, next_value: float) -> float:
    """Equation 2 with the reward of equation 1; algorithm 1, lines 8 to 12: nothing follows a failure."""
    return -1.0 - value if failed else gamma * next_value - value


def reward_td_error(reward: float, failed: bool, gamma: float, value: float, next_value: float) -> float:
    """Equation 2 with any reward; with that of equation 1 it is :func:`td_error` to the last bit."""
    return reward - value if failed else reward + gamma * next_value - value


def importance(chance: float, action: int, behaviour: float) -> float:
    """Equation 6: how much likelier the policy takes the action than the policy that gathered the sample."""
    return (chance if action == 1 else 1.0 - chance) / behaviour
