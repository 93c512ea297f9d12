"""How long a learning network with resolved pulses takes for a step of the environment, one agent on one thread."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from snnrl.training.config import TrainingConfig

WARM_UP = 50
"""Steps before the clock runs."""


def measure(options: Mapping[str, Any], steps: int) -> bytes:
    """Run one learning agent step by step, and return its timing as JSON.

    Parameters
    ----------
    options
        Of a `TrainingConfig` with one agent that never stops.
    steps
        Environment steps that are timed, each from Python's side: sense, simulate, learn, decide, move the cart.

    Returns
    -------
    bytes
        ``steps``; ``step``, seconds of the world per step; ``median, p99, most``: wall seconds of a step; ``ratio``: simulated over
        wall time; ``late``: share of steps that took longer than the world did; ``machine``.
    """
    from snnrl.engines.session import Stop
    from snnrl.training.build import build_session

    config = TrainingConfig.from_dict(options)
    session = build_session(config)
    stop = Stop(config.episodes)
    session.run(WARM_UP, stop)
    before, spent = int(session.env_steps.sum()), []
    for _ in range(steps):
        began = time.perf_counter()
        session.run(1, stop)
        spent.append(time.perf_counter() - began)
    taken, step = int(session.env_steps.sum()) - before, session.task.env_step
    wall = np.array(spent)
    found = {
        "steps": taken, "step": step, "median": float(np.median(wall)), "p99": float(np.quantile(wall, 0.99)),
        "most": float(wall.max()), "ratio": step * taken / float(wall.sum()), "late": float(np.mean(wall > step)),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip
    return json.dumps(found).encode()
