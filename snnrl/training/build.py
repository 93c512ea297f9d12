"""From a `TrainingConfig` to the agent, the task and the session that runs them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from snnrl.training.config import TrainingConfig

if TYPE_CHECKING:
    from snnrl.engines.session import Session, Stop
    from snnrl.model import AgentModel
    from snnrl.training.crossbar_session import CrossbarSession
    from snnrl.training.dense_session import DenseSession
    from snnrl.training.learners import Learners


def build_model(config: TrainingConfig) -> AgentModel:
    """Return the agent that ``config`` describes."""
    from snnrl import networks
    from snnrl.model import AgentModel, from_json

    if config.model is not None:
        model = from_json(config.model)
        assert isinstance(model, AgentModel)  # the config has checked it
        return model

    network = networks.make(config.network, str(config.plasticity), **dict(config.network_parameters))
    return network.build(config.make_task(), config.make_device(), **dict(config.synapse_parameters))


def build_learners(config: TrainingConfig) -> Learners:
    """Return fresh agents, one per seed.

    Raises
    ------
    UnsupportedError
        If the engine cannot run the model.
    """
    if config.dense or config.truenorth:
        return build_dense(config)
    return build_crossbars(config) if config.crossbar else build_session(config)


def build_session(config: TrainingConfig) -> Session:
    """Return a fresh session of a spiking network with one agent per seed.

    Raises
    ------
    UnsupportedError
        If the engine cannot run the model.
    """
    from snnrl.engines.registry import make_session

    options: dict[str, Any] = dict(config.engine_parameters)
    return make_session(
        config.engine, build_model(config), config.make_task(), config.make_reward(), config.agent_seeds,
        config.episodes, config.dtype, threads=_threads(config), **options,
    )  # fmt: skip


def build_crossbars(config: TrainingConfig) -> CrossbarSession:
    """Return fresh agents with crossbar networks, one per seed."""
    from snnrl.training.crossbar_session import CrossbarSession

    return CrossbarSession(
        config.make_crossbar(), config.make_task(), config.make_reward(), config.agent_seeds, config.episodes,
        _threads(config),
    )  # fmt: skip


def build_dense(config: TrainingConfig) -> DenseSession:
    """Return fresh agents with dense networks, one per seed, with students for a TrueNorth chip if asked for."""
    from snnrl.training.dense_session import DenseSession
    from snnrl.training.truenorth_session import TrueNorthSession

    kind = TrueNorthSession if config.truenorth else DenseSession
    return kind(
        config.make_dense(), config.make_task(), config.make_reward(), config.agent_seeds, config.episodes
    )


def _threads(config: TrainingConfig) -> int:
    return config.threads or os.cpu_count() or 1


def stop_rule(config: TrainingConfig) -> Stop:
    """Return when an agent has learned enough."""
    from snnrl.engines.session import Stop

    threshold = float("inf") if config.solve_threshold is None else config.solve_threshold
    return Stop(config.episodes, config.solve_window, threshold, config.consolidation or 0)
