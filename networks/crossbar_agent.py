"""One agent with crossbar networks, step by step in plain Python: what the compiled kernels must agree with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.networks.crossbar_equations import (
    digitised,
    hidden_layer,
    importance,
    layer_change,
    output_neuron,
    push_probability,
    reward_td_error,
    td_error,
)
from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.crossbar import Crossbar
from snnrl.plasticity.crossbar_random import HardwareRandom
from snnrl.random import stream_id, uniform
from snnrl.tasks import Task

if TYPE_CHECKING:
    from snnrl.networks.crossbar import CrossbarActorCritic, Places

FloatArray = NDArray[np.float64]
ACTION_STREAM, START_STREAM = "crossbar/action", "crossbar/start"
EVALUATION = "evaluation/"
"""Beginning of the names of the streams of trials that teach nothing."""
DISCOUNT_TRIALS, DISCOUNT_STEP = 50, 0.02
"""Adjusting gamma: how often (trials), and by how much (section III.A.1)."""


class Store(Protocol):
    """Where the weights are kept."""

    @property
    def weights(self) -> FloatArray:
        """All weights, flat."""

    def change(self, change: FloatArray, inputs: FloatArray) -> None:
        """Follow the rule with what equation 5 asks for, given the network's inputs."""


class PlainWeights:
    """Weights as numbers: what a crossbar of ideal devices must equal bit for bit.

    Parameters
    ----------
    network
        Gives rule, step and bounds; must have no device.
    weights
        Initial weights, flat.
    """

    def __init__(self, network: CrossbarActorCritic, weights: FloatArray) -> None:
        if network.device is not None:
            raise InvalidValueError("device of plain weights", network.device, "None")
        self.network, self.weights = network, weights.copy()

    def change(self, change: FloatArray, inputs: FloatArray) -> None:
        """Add the change, or a step in its direction, and clip."""
        network = self.network
        wanted = network.step * np.sign(change) if network.rule == "manhattan" else change
        self.weights = np.clip(self.weights + wanted, -network.w_max, network.w_max)


class CrossbarWeights:
    """Weights on one crossbar per layer: inputs to hidden neurons, hidden neurons to outputs.

    Parameters
    ----------
    network
        Gives layout, rule, step, bounds and device.
    n_inputs
        Inputs of the network, the constant included.
    weights
        Initial weights, flat; written ex situ.
    seed
        Seed of the devices' thresholds.
    """

    def __init__(self, network: CrossbarActorCritic, n_inputs: int, weights: FloatArray, seed: int) -> None:
        self.network, self._size = network, weights.size
        hidden = network.hidden
        place = network.places(n_inputs)
        layers = [(place.critic_hidden, n_inputs, hidden), (place.critic_output, hidden, 1)]
        if not network.shared:
            layers.append((place.actor_hidden, n_inputs, hidden))
        layers.append((place.actor_output, hidden, 1))
        thresholds = None if network.device is None else pair_thresholds(network.device, seed, weights.size)
        self.tiles = [self._tile(thresholds, *layer) for layer in layers]
        for first, tile in self.tiles:
            tile.program(self._matrix(weights, first, tile))
            tile.writes[:] = 0  # written ex situ: only learning counts

    def _tile(
        self, thresholds: FloatArray | None, first: int, rows: int, columns: int
    ) -> tuple[int, Crossbar]:
        if thresholds is not None:
            flat = thresholds[:, :, first : first + rows * columns]
            thresholds = flat.reshape(2, 2, columns, rows).swapaxes(2, 3)
        return first, Crossbar(rows, columns, self.network.device, self.network.w_max, thresholds)

    @staticmethod
    def _matrix(flat: FloatArray, first: int, tile: Crossbar) -> FloatArray:
        """Give the part of a flat array that belongs to a tile, shape ``[rows, columns]``."""
        return flat[first : first + tile.rows * tile.columns].reshape(tile.columns, tile.rows).T

    def _flat(self, parts: list[NDArray[np.generic]]) -> NDArray[np.generic]:
        return np.concatenate(
            [part.swapaxes(-1, -2).reshape(*part.shape[:-2], -1) for part in parts], axis=-1
        )

    @property
    def weights(self) -> FloatArray:
        """Weights read off the crossbars, flat."""
        return np.asarray(self._flat([tile.weights for _, tile in self.tiles]), dtype=float)

    @property
    def writes(self) -> NDArray[np.int64]:
        """Writes of the plus and of the minus device of every weight, shape ``[2, weights]``."""
        return np.asarray(self._flat([tile.writes for _, tile in self.tiles]), dtype=np.int64)

    def change(self, change: FloatArray, inputs: FloatArray) -> None:
        """Write all crossbars once."""
        for first, tile in self.tiles:
            part = self._matrix(change, first, tile)
            if self.network.rule == "exact":
                tile.add(part)
            elif self.network.rule == "variable-amplitude":
                tile.variable_amplitude(part)
            else:
                # Every layer's change is an outer product; hidden outputs, the rows of an output tile, are positive.
                rows = np.sign(inputs) if tile.columns > 1 or first == 0 else np.ones(tile.rows)
                tile.manhattan(rows, np.sign(rows @ part), self.network.step)


def pair_thresholds(device: Al2O3, seed: int, size: int) -> FloatArray:
    """Thresholds of an agent's devices in the order of its flat weights, volt, shape ``[2, 2, size]``: set, plus."""
    return device.draw_thresholds(seed, 2 * size).reshape(2, 2, size)


class CrossbarAgent:
    """Acts and learns; see :class:`~snnrl.networks.CrossbarActorCritic`.

    Parameters
    ----------
    network
        What kind of agent.
    task
        Gives scale and number of the observations.
    seed
        Seed of weights, thresholds and actions.
    weights
        Initial weights; None: random ones.
    store
        Where to keep them; None: crossbars.
    generator
        The hardware's random bytes in place of those of the seed; needs ``adc_bits=8``.
    """

    def __init__(
        self,
        network: CrossbarActorCritic,
        task: Task,
        seed: int = 0,
        weights: ArrayLike | None = None,
        store: Store | None = None,
        generator: HardwareRandom | None = None,
    ) -> None:
        if generator is not None and network.adc_bits != 8:
            raise InvalidValueError("CrossbarActorCritic.adc_bits", network.adc_bits, "8 for random bytes")
        self.network, self.seed, self._generator = network, seed, generator
        self.n_inputs = network.inputs(task)
        self._inverse = 1.0 / np.array(task.observation_scale)
        if weights is None:
            weights = network.initial_weights(self.n_inputs, seed)
        initial = network.checked_weights(weights, self.n_inputs)
        self.store = store or CrossbarWeights(network, self.n_inputs, initial, seed)
        self.place: Places = network.places(self.n_inputs)
        self.gamma, self.successes, self.trials, self.updates = network.gamma, 0, 0, 0
        self._discount = DiscountRule(network.gamma, network.discount_below)
        self.begin_trial()

    def begin_trial(self, evaluation: int | None = None) -> None:
        """Forget the last transition; the random numbers of a trial depend on its number alone.

        Parameters
        ----------
        evaluation
            Number of a trial that teaches nothing; it has random numbers of its own.
        """
        self._step, self._last = 0, (np.zeros(self.n_inputs), 0.0)
        self._draws = np.zeros(0)
        phase, self._trial = ("", self.trials) if evaluation is None else (EVALUATION, evaluation)
        self._stream = stream_id(f"{phase}{ACTION_STREAM}/0")

    def inputs(self, observation: ArrayLike) -> FloatArray:
        """Give the network's inputs: the scaled observation and the constant, shape ``[n_inputs]``."""
        return np.append(np.asarray(observation, dtype=float) * self._inverse, self.network.bias)

    def probability(self, observation: ArrayLike) -> float:
        """Probability of action 1 as the output neuron gives it, before any rounding."""
        total = self._output(observation, self.place.actor_hidden, self.place.actor_output)
        return push_probability(total, self.network.slope)

    def value(self, observation: ArrayLike) -> float:
        """Critic's value."""
        return self._output(observation, self.place.critic_hidden, self.place.critic_output)

    def _output(self, observation: ArrayLike, hidden: int, output: int) -> float:
        # Lists: plain Python reads them several times as fast as arrays.
        x, w, size = self.inputs(observation).tolist(), self.store.weights.tolist(), self.network.hidden
        y = [0.0] * size
        hidden_layer(w, x, y, hidden, self.n_inputs, size)
        return output_neuron(w, y, output, size)

    def act(self, observation: ArrayLike, exploration: float = 1.0) -> int:
        """Draw an action for the present step of the trial.

        Parameters
        ----------
        exploration
            Scale of the random number around 1/2: with 0 the likelier action is taken.
        """
        chance, draw = self.probability(observation), 0.5 + exploration * (self._draw() - 0.5)
        if self.network.adc_bits:
            levels = 2.0**self.network.adc_bits - 1.0
            chance, draw = digitised(chance, levels), float(np.floor(draw * (levels + 1.0))) / levels
        action = int(draw < chance)
        self._last = self.inputs(observation), action - chance
        return action

    def _draw(self) -> float:
        """Give the random number of the present step, in [0, 1)."""
        if self._generator is not None:
            return self._generator.byte() / 256.0
        if self._step >= self._draws.size:
            # A number depends on its place alone: a longer draw begins with the same ones.
            self._draws = uniform(self.seed, self._stream, self._trial, 2 * self._step + 64)
        return float(self._draws[self._step])

    @property
    def gate(self) -> float:
        """Threshold of abs(p - q) in the present trial."""
        return self.network.gate if self.successes >= self.network.gate_after else 0.0

    def wanted(self, inputs: FloatArray, surprise: float, error: float) -> FloatArray:
        """Equation 5 for all weights, flat; ``surprise`` is q - p and ``error`` the TD error."""
        network, place, w, x = self.network, self.place, self.store.weights.tolist(), inputs.tolist()
        y, change = [0.0] * network.hidden, [0.0] * len(w)
        sizes = (int(network.signed), self.n_inputs, network.hidden)
        hidden_layer(w, x, y, place.critic_hidden, *sizes[1:])
        layer_change(w, x, y, change, place.critic_hidden, place.critic_output, error,
                     network.critic_rate, network.critic_hidden_rate, *sizes)  # fmt: skip
        hidden_layer(w, x, y, place.actor_hidden, *sizes[1:])
        layer_change(w, x, y, change, place.actor_hidden, place.actor_output, error * surprise,
                     network.actor_rate, network.actor_hidden_rate, *sizes)  # fmt: skip
        return np.array(change)

    def learn(
        self, observation: ArrayLike, following: ArrayLike, failed: bool, reward: float | None = None
    ) -> bool:
        """Learn from the last action, which led from one observation to the following; return whether it did.

        Parameters
        ----------
        reward
            Of the last action; None: that of equation 1.
        """
        inputs, surprise = self._last
        self._step += 1
        if not abs(surprise) > self.gate and self.gate > 0.0:
            return False
        gained = (-1.0 if failed else 0.0) if reward is None else reward
        error = reward_td_error(gained, failed, self.gamma, self.value(observation), self.value(following))
        self.store.change(self.wanted(inputs, surprise, error), inputs)
        self.updates += 1
        return True

    def learn_off_policy(
        self, observation: ArrayLike, action: int, following: ArrayLike, failed: bool, behaviour: float = 0.5
    ) -> None:
        """Learn from a stored transition, weighted by its importance (equations 7 and 8).

        Parameters
        ----------
        behaviour
            Probability with which the action was taken.
        """
        chance, inputs = self.probability(observation), self.inputs(observation)
        error = td_error(failed, self.gamma, self.value(observation), self.value(following))
        error = error * importance(chance, action, behaviour)
        self.store.change(self.wanted(inputs, action - chance, error), inputs)
        self.updates += 1

    def pass_step(self) -> None:
        """Go to the next step without learning."""
        self._step += 1

    def end_trial(self, success: bool) -> None:
        """Count a trial, adjust the discount rate if that is asked for, and begin the next.

        Parameters
        ----------
        success
            Whether it reached the step limit.
        """
        self.trials += 1
        self.successes += success
        if self.network.variable_discount:
            self.gamma = self._discount.after_trial(self.trials, success)
        self.begin_trial()


class DiscountRule:
    """The variable discount rate of section III.A.1: after 50 trials with too few successes gamma moves by 0.02.

    The paper moves it "in the direction determined based on the observed performance". Under the Manhattan rule agents
    perform the better the smaller gamma is (docs/crossbar.md), so here it always moves downwards.

    Parameters
    ----------
    gamma
        Rate to begin with.
    below
        Rate of successes that is too few.
    """

    def __init__(self, gamma: float, below: float) -> None:
        self.gamma, self._below, self._wins = gamma, below, 0

    def after_trial(self, trials: int, success: bool) -> float:
        """Return the discount rate after this many trials."""
        self._wins += success
        if trials % DISCOUNT_TRIALS == 0:
            if self._wins / DISCOUNT_TRIALS < self._below:
                self.gamma = max(self.gamma - DISCOUNT_STEP, 0.0)
            self._wins = 0
        return self.gamma
