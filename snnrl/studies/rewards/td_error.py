"""How large the TD error of a reward is, and the factor that makes it as large as that of another.

A step of learning is as large as its TD error, so of two rewards of the same shape the larger one learns faster, up to
where it breaks. To compare shapes, every reward is multiplied by a factor. The agents learn the discounted mean of the
reward: reward, value and TD error grow together, while the rate at which the critic nears its goal does not depend on the
factor. A factor on the learning rates would do the same for the actors, but would change that rate, and it would leave a
small reward's values below the noise of the critic and a large one's beyond what its rates can express.

A spiking critic's TD error is mostly its own noise, which no factor changes. The size of a reward is therefore read from
a critic without noise: the adaptive critic of Barto, Sutton & Anderson (1983), a table of 162 boxes, that learns the
value of random pushes from zero. Pushes and starts are the same for every reward, and its TD error is proportional to
the reward, so the factor is a quotient and needs no search. What the spiking agents' TD error is then, noise included,
is measured as well (`spiking_size`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import SimulationError
from snnrl.model import TDError
from snnrl.random import stream_id, uniform
from snnrl.studies.baselines import BOXES, RESET_STREAM, AseAce, box
from snnrl.tasks import CartPole
from snnrl.tasks.rewards import Reward
from snnrl.training.build import build_model, build_session
from snnrl.training.config import TrainingConfig

PUSH_STREAM = "td-error/push"
RECENT = 20
"""Episodes in the mean length that rewards are told."""


@dataclass(frozen=True)
class Calibration:
    """What was measured for one reward; sizes are root mean squares over seeds and transitions.

    Parameters
    ----------
    reward
        Its name.
    factor
        What the study multiplies it by.
    raw_size, size
        TD error of the critic without noise, with a factor of 1 and with the study's.
    raw_spiking, spiking
        TD error of the spiking agents in their first steps of learning, likewise.
    noise
        TD error of the spiking agents without a reward.
    """

    reward: str
    factor: float
    raw_size: float
    size: float
    raw_spiking: float
    spiking: float
    noise: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return asdict(self)


def size(config: TrainingConfig, steps: int) -> float:
    """Return the root mean square of the TD error of a critic without noise, over the seeds of the config.

    Parameters
    ----------
    config
        A cart-pole that shows its whole state, and a reward, on seeds that nothing is reported of.
    steps
        Transitions of each seed, from the first on.

    Raises
    ------
    SimulationError
        If the reward is not a finite number, or zero all the time.
    """
    task, reward = config.make_task(), config.make_reward()
    signal = build_model(config).signal
    assert isinstance(task, CartPole)
    assert isinstance(signal, TDError)  # the settings have checked both
    found = _root_mean_square(
        table_errors(task, reward, seed, steps, signal.gamma) for seed in config.agent_seeds
    )
    if not 0.0 < found < math.inf:
        got = "was 0 all the time, so that it has no size" if found == 0.0 else "returned NaN or infinity"
        raise SimulationError(f"the reward {reward.name!r} {got}")
    return found


def table_errors(task: CartPole, reward: Reward, seed: int, steps: int, gamma: float) -> NDArray[np.float64]:
    """Return the first TD errors of a table of 162 boxes that learns the value of random pushes, shape ``[steps]``.

    Values begin at zero; learning rate and trace are those of `AseAce`. With reward r and values v of the boxes before and
    after, ``(1 - gamma) r + gamma v' - v``; after a failure v' is 0.
    """
    values, errors, lengths = np.zeros(BOXES), list[float](), list[int]()
    while len(errors) < steps:
        recent = float(np.mean(lengths[-RECENT:])) if lengths else 0.0
        episode = _table_episode(task, reward, seed, len(lengths), recent, gamma, values)
        errors += episode
        lengths.append(len(episode))
    return np.array(errors[:steps])


def _table_episode(task: CartPole, reward: Reward, seed: int, episode: int, recent: float, gamma: float,
                   values: NDArray[np.float64]) -> list[float]:  # fmt: skip
    """Play an episode of random pushes, learn ``values`` in place, and return the TD errors."""
    kernel, constants = task.kernel(), AseAce()
    state, trace, errors = np.empty(4), np.zeros(BOXES), []
    kernel.reset(state, uniform(seed, stream_id(RESET_STREAM), episode, 4), kernel.parameters)
    here = box(*state)
    for step, push in enumerate(uniform(seed, stream_id(PUSH_STREAM), episode, task.max_steps)):
        trace[here] += 1.0 - constants.critic_decay
        before, value = state.copy(), values[here]
        failed = kernel.step(state, int(2.0 * push), kernel.parameters)
        here = here if failed else box(*state)
        error = (1.0 - gamma) * _value_of(reward, before, state, failed, step + 1, recent) - value
        error += 0.0 if failed else gamma * values[here]
        values += constants.critic_rate * error * trace
        trace *= constants.critic_decay
        errors.append(float(error))
        if failed:
            break
    return errors


def _value_of(reward: Reward, *transition: Any) -> float:
    """Return a reward as kernels do, where what Python refuses to compute is not a number."""
    try:
        return reward(*transition)
    except (ArithmeticError, ValueError):
        return math.nan


def spiking_size(config: TrainingConfig, steps: int) -> float:
    """Return the root mean square of the spiking agents' TD error in their first ``steps`` transitions of learning."""
    return _root_mean_square(spiking_errors(config, seed, steps) for seed in config.agent_seeds)


def spiking_errors(config: TrainingConfig, seed: int, steps: int) -> NDArray[np.float64]:
    """Return the first TD errors of one learning agent, failures included, shape ``[steps]``."""
    options = config.to_dict() | {"seeds": 1, "seed": seed, "episodes": steps}
    session = build_session(TrainingConfig.from_dict(options))
    signal = session.model.signal
    assert isinstance(signal, TDError)
    found: list[float] = []
    while len(found) < steps:
        (trace,) = session.trace_episodes(1)
        found += trace[1:, 1].tolist()
        # A failure is learned from after the last step that a trace holds.
        if len(trace) < session.task.max_steps:
            found.append((1.0 - signal.gamma) * trace[-1, 3] - trace[-1, 0])
    return np.array(found[:steps])


def _root_mean_square(rows: Iterable[NDArray[np.float64]]) -> float:
    return math.sqrt(float(np.mean([np.mean(row**2) for row in rows])))
