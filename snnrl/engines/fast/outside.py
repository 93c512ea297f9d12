"""The same loop for Gymnasium environments whose physics stay in Python: the network runs in the kernel.

An agent is only left between episodes, because an environment's inside cannot be saved; every episode is reset
with a seed drawn from (agent seed, episode), so an interrupted run goes on with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.engines.books import Control, Counter
from snnrl.errors import SimulationError

if TYPE_CHECKING:
    import gymnasium

    from snnrl.engines.fast.engine import FastSession
    from snnrl.engines.session import Stop


def run_outside(session: FastSession, budget: int, stop: Stop, learning: bool, exploration: float) -> None:
    """Run whole episodes of every unfinished agent until each has taken ``budget`` more environment steps."""
    session.each_agent(lambda agent: _run_agent(session, agent, budget, stop, learning, exploration))


def _run_agent(
    session: FastSession, agent: int, budget: int, stop: Stop, learning: bool, exploration: float
) -> None:
    counters = session.state["counters"][agent]
    until = counters[Counter.ENV_STEPS] + budget
    env = session.task.make()
    try:
        while (
            counters[Counter.FINISHED] == 0
            and counters[Counter.ERROR] == 0
            and counters[Counter.ENV_STEPS] < until
        ):
            with _whole_or_nothing(session, agent):
                _play_episode(session, agent, env, stop, learning, exploration)
    finally:
        env.close()


@contextmanager
def _whole_or_nothing(session: FastSession, agent: int) -> Iterator[None]:
    """Take an interrupted episode back as a whole: an environment's inside cannot be saved."""
    start = {name: array[agent].copy() for name, array in session.state.items()}
    try:
        yield
    except BaseException:
        for name, values in start.items():
            session.state[name][agent] = values
        raise


def _play_episode(
    session: FastSession,
    agent: int,
    env: gymnasium.Env[Any, Any],
    stop: Stop,
    learning: bool,
    exploration: float,
) -> None:
    state, module = session.state, session.module
    counters, control = state["counters"][agent], state["control"][agent]
    observation = state["observation"][agent]
    session.call("begin", agent)
    observed, _ = env.reset(seed=session.reset_seed(agent, int(counters[Counter.EPISODE])))
    observation[:] = np.ravel(observed)
    while counters[Counter.MODE] == 0:
        action = session.call("decide", agent, 0, learning, exploration)
        before = observation.copy()
        observed, gain, terminated, truncated, _ = env.step(action)
        observation[:] = np.ravel(observed)
        step = int(counters[Counter.EPISODE_STEP]) + 1
        if not session.reward.uses_environment:
            gain = session.reward(before, observation, terminated, step, float(control[Control.RECENT]))
        if not np.isfinite(gain):
            raise SimulationError(
                f"the reward {session.reward.name!r} returned {gain} (seed {session.seeds[agent]})"
            )
        session.record_step(agent, before, action, float(gain))
        truncated = (truncated or step >= session.task.max_steps) and not terminated
        module.take_reward(
            float(gain), terminated, truncated, learning, session.time_constant, counters, control
        )
    session.call("decide", agent, int(counters[Counter.MODE]), learning, exploration)
    module.end_episode(stop.packed(), counters, control, state["lengths"][agent], state["rewards"][agent])
