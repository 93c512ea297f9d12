"""`snnrl.simulate`: a network on given inputs, on any engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, Network

if TYPE_CHECKING:
    from snnrl.engines.open_loop import Simulation
    from snnrl.equations.lowered import LoweredNetwork

_LONGEST_WINDOW = 200
"""Without an environment step of its own a network advances in windows of at most this many dt."""


def simulate(model: Network | AgentModel, duration: str, engine: str = "fast", *, seed: int = 0,
             inputs: Mapping[str, NDArray[np.bool_]] | None = None,
             signals: Mapping[str, ArrayLike] | None = None, learning: bool = True, env_step: str | None = None,
             variables: Sequence[str] = (), dtype: str = "float64", **options: Any) -> Simulation:  # fmt: skip
    """Simulate a network without a task.

    Parameters
    ----------
    model
        A network, or an agent, whose network is taken.
    duration
        Simulated time, such as ``"10*second"``; a whole number of environment steps.
    engine
        ``"fast"``, ``"torch"``, ``"bindsnet"`` or ``"brian2"``.
    seed
        Seed of the random numbers.
    inputs
        Spikes by population, bool ``[dt steps, neurons]``; these populations are not simulated.
    signals
        Learning signals by name, one value for each environment step; without any they are zero.
    learning
        Whether plasticity is on.
    env_step
        Duration of an environment step (of an agent: its own). Needed where the text has ``on_step`` or
        ``on_reward``.
    variables
        ``"part.variable"`` names whose last values are returned beside the weights.
    dtype
        ``"float64"`` or ``"float32"``.
    options
        Of the engine: see `snnrl.engines.registry.ENGINES`.

    Returns
    -------
    Simulation
        Spikes of all populations, and the variables asked for.

    Raises
    ------
    InvalidValueError, UnknownNameError
        For inputs that do not fit.
    UnsupportedError
        If the engine cannot run the network.

    Examples
    --------
    >>> import snnrl
    >>> cells = snnrl.Neurons("cells", 3, "du/dt = (1.5 - u)/(10*ms) : 1", "u > 1", "u = 0", method="exact")
    >>> snnrl.simulate(snnrl.Network((cells,)), "50*ms").spikes["cells"].sum(axis=0)
    array([4, 4, 4])
    """
    from snnrl.engines.open_loop import Stimulus
    from snnrl.engines.registry import simulate_on

    network = model.network if isinstance(model, AgentModel) else model
    lowered, env_steps = _lowered(
        network, model.env_step if isinstance(model, AgentModel) else env_step, duration
    )
    given = {name: np.asarray(spikes, dtype=bool) for name, spikes in (inputs or {}).items()}
    values = {name: np.asarray(v, dtype=np.float64) for name, v in (signals or {}).items()}
    stimulus = Stimulus(env_steps, given, values, learning)
    stimulus.check(lowered)
    return simulate_on(engine, network, lowered, seed, stimulus, variables, dtype, **options)


def _lowered(network: Network, env_step: str | None, duration: str) -> tuple[LoweredNetwork, int]:
    """Return the lowered network and the number of its environment steps in ``duration``."""
    from snnrl.equations import brian
    from snnrl.equations.lower import lower

    dt = brian.seconds("Network.dt", network.dt)
    steps = brian.whole_steps("duration", duration, dt)
    if env_step is None:
        if any(n.on_step for n in network.neurons) or any(s.on_reward for s in network.synapses):
            raise InvalidValueError("env_step", None, "a time: the network has on_step or on_reward")
        window = max(n for n in range(1, _LONGEST_WINDOW + 1) if steps % n == 0)
        env_step = f"{window}*({network.dt})"
    lowered = lower(network, env_step)
    if steps < 1 or steps % lowered.env_steps:
        raise InvalidValueError("duration", duration, f"a whole number of environment steps of {env_step}")
    return lowered, steps // lowered.env_steps
