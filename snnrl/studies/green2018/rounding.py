"""Spiking and crossbar networks that have learned, with the weights of their actors put into few values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl.plasticity.al2o3 import Al2O3
from snnrl.plasticity.low_precision.cost import WORD
from snnrl.plasticity.low_precision.rounding import to_levels, to_shared, to_ternary, without_smallest
from snnrl.plasticity.wear import write_energy
from snnrl.studies.green2018.methods import METHODS

if TYPE_CHECKING:
    from snnrl.training.config import TrainingConfig
    from snnrl.training.learners import Learners

FloatArray = NDArray[np.float64]
Parts = list[NDArray[Any]]
"""Views of the weights of one layer, ``[agents, ...]`` each."""


def rounded(weights: FloatArray, method: str, k: int, percent: float, seed: int) -> FloatArray:
    """Return the weights of a layer as a method stores them, flat.

    Parameters
    ----------
    weights
        Flat.
    method
        One of `METHODS`.
    k, percent
        Values that they share, at most as many as there are weights; weights that go.
    seed
        Of the clusters.
    """
    how = METHODS[method]
    if how.ternary:
        return to_ternary(weights)
    if how.shared:
        return to_shared(weights, min(k, len(np.unique(weights))), seed)
    if how.pruned:
        return without_smallest(weights, percent)
    return to_levels(weights, how.bits) if how.bits < WORD else weights.copy()


def actor_layers(session: Learners) -> list[Parts]:
    """Return the layers that choose the actions: of a crossbar network two, of a spiking one all synapses onto its actors."""
    from snnrl.engines.session import Session
    from snnrl.training.crossbar_session import CrossbarSession

    if isinstance(session, CrossbarSession):
        place, hidden = session.network.places(session.n_inputs), session.network.hidden
        w = session.state["w"]
        first = w[:, place.actor_hidden : place.actor_hidden + hidden * session.n_inputs]
        return [[first], [w[:, place.actor_output : place.actor_output + hidden]]]
    assert isinstance(session, Session)
    actors = session.model.action.populations
    return [
        [
            session.variable(group.name, "w")
            for group in session.network.synapses
            if group.target in actors and "w" in group.variables
        ]
    ]


def round_actors(session: Learners, method: str, k: int, percent: float) -> NDArray[np.int64]:
    """Put the actors' weights of every agent into few values, in place; return how many are not zero, ``[agents, layers]``."""
    layers = actor_layers(session)
    kept = np.zeros((len(session.seeds), len(layers)), np.int64)
    for agent, seed in enumerate(session.seeds):
        for layer, parts in enumerate(layers):
            flat = np.concatenate([part[agent].ravel() for part in parts]).astype(np.float64)
            new = rounded(flat, method, k, percent, int(seed))
            kept[agent, layer] = np.count_nonzero(new)
            ends = np.cumsum([part[agent].size for part in parts])
            for part, values in zip(parts, np.split(new, ends[:-1]), strict=True):
                part[agent] = values.reshape(part[agent].shape)
    return kept


def learn_and_round(options: dict[str, Any]) -> bytes:
    """Train agents, then evaluate them with the weights of their actors in the values of every method.

    Parameters
    ----------
    options
        ``config`` (of a `TrainingConfig`), ``methods, k, percent``.

    Returns
    -------
    bytes
        JSON: ``weights`` of every layer; ``columns`` and ``updates`` (neurons that choose the action, and membranes
        brought forward in a decision; 0 without spikes); ``devices``; by agent ``writes`` of all its devices and their
        ``write_energy`` (joules); and by method ``returns``, ``kept`` (``[agents, layers]``), ``spikes``, ``events`` and
        ``array_energy`` of a decision.
    """
    from snnrl.engines.session import Session
    from snnrl.training.build import build_learners, stop_rule
    from snnrl.training.config import TrainingConfig
    from snnrl.training.train import CHUNK
    from snnrl.training.wear import measure_wear

    config = TrainingConfig.from_dict({**options["config"], "threads": 1})
    session = build_learners(config)
    while not session.finished.all():
        session.run(CHUNK, stop_rule(config))
    learned = {name: array.copy() for name, array in session.save().items()}
    wear, device = measure_wear(config, session), config.make_device()
    assert wear is not None
    assert isinstance(device, Al2O3)
    columns, steps = 0, 0
    if isinstance(session, Session):
        actors = session.model.action.populations
        columns = sum(n.size for n in session.network.neurons if n.name in actors)
        steps = round(config.make_task().env_step / session.network.dt)
    found = {
        "weights": [sum(part[0].size for part in parts) for parts in actor_layers(session)],
        "columns": columns, "updates": columns * steps,
        "devices": wear.writes.shape[1], "writes": wear.writes.sum(axis=1).tolist(),
        "write_energy": [write_energy(device, int(n)) for n in wear.writes.sum(axis=1)],
        "methods": {},
    }  # fmt: skip
    for method in options["methods"]:
        session.restore({name: array.copy() for name, array in learned.items()})
        kept = round_actors(session, method, options["k"], options["percent"])
        found["methods"][method] = {"kept": kept.tolist(), **_evaluated(config, session, columns)}
    return json.dumps(found).encode()


def _evaluated(config: TrainingConfig, session: Learners, columns: int) -> dict[str, list[float]]:
    """Play the episodes of the evaluation; the return of the cart-pole is its length."""
    from snnrl.engines.session import Session, Stop
    from snnrl.training.train import CHUNK
    from snnrl.training.wear import measure_wear

    session.begin_evaluation(config.evaluation_episodes)
    while not session.finished.all():
        session.run(CHUNK, Stop(config.evaluation_episodes), learning=False, exploration=0.0)
    wear = measure_wear(config, session)
    assert wear is not None
    spikes = events = np.zeros(len(session.seeds))
    if isinstance(session, Session):
        total = session.state["spike_total"] / session.env_steps[:, None]
        spikes, events = total.sum(axis=1), total[:, 0] * columns
    return {
        "returns": session.state["lengths"].mean(axis=1).tolist(), "spikes": spikes.tolist(),
        "events": events.tolist(), "array_energy": wear.energy.tolist(),
    }  # fmt: skip
