"""One episode of a spiking agent as a Neo block: spike trains and membranes, for Elephant and its like.

The file is a MATLAB file of Neo's own layout (`neo.io.NeoMatlabIO`): it needs nothing but SciPy, and holds no pickle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.training.build import build_model
from snnrl.training.runfolder import RunFolder

if TYPE_CHECKING:
    import neo

MEMBRANES = ("v", "u", "y")
"""Names of membranes; of each population the first that it has is recorded."""


def write_neo(run: Path, path: Path, steps: int | None = None) -> dict[str, int]:
    """Write an evaluation episode of the first agent of a run.

    Parameters
    ----------
    run
        A run folder of a spiking agent.
    path
        New file, ``.mat``.
    steps
        Environment steps at most; None: the whole episode.

    Returns
    -------
    dict
        Environment steps, neurons and spikes written.

    Raises
    ------
    InvalidValueError
        If the file cannot be written.
    """
    from neo.io import NeoMatlabIO

    block = episode(run, steps)
    try:
        NeoMatlabIO(filename=str(path)).write_block(block)
    except OSError as error:
        raise InvalidValueError("--out", str(path), f"a file that can be written ({error})") from error
    segment = block.segments[0]
    counts = {
        "environment_steps": int(block.annotations["environment_steps"]),
        "neurons": len(segment.spiketrains),
    }
    return {**counts, "spikes": sum(len(train) for train in segment.spiketrains)}


def episode(run: Path, steps: int | None = None) -> neo.Block:
    """Play an evaluation episode on the engine ``fast`` and return it as a block with one segment."""
    import neo
    import quantities as pq

    spikes, membranes, dt, length = _recorded(RunFolder.open(run), steps)
    segment = neo.Segment(name="evaluation episode")
    stop = max(len(found) for found in spikes.values()) * dt * pq.s
    for name, found in spikes.items():
        for neuron in range(found.shape[1]):
            # A spike in step k belongs to the end of that step.
            times = (np.flatnonzero(found[:, neuron]) + 1) * dt
            train = neo.SpikeTrain(
                times * pq.s, t_stop=stop, name=f"{name}[{neuron}]", population=name, neuron=neuron
            )
            segment.spiketrains.append(train)
    for name, (variable, values) in membranes.items():
        signal = neo.AnalogSignal(values, units="dimensionless", sampling_period=dt * pq.s, name=f"{name}.{variable}",
                                  t_start=dt * pq.s, population=name)  # fmt: skip
        segment.analogsignals.append(signal)
    block = neo.Block(name=run.name, environment_steps=length)
    block.segments.append(segment)
    return block


def _recorded(folder: RunFolder, steps: int | None) -> tuple[dict[str, Any], dict[str, Any], float, int]:
    """Return spikes and membranes by population, dt, and the number of environment steps."""
    from snnrl.engines.books import Counter
    from snnrl.engines.fast.engine import FastSession
    from snnrl.engines.session import Stop

    config, model = folder.config, build_model(folder.config)
    watched = {
        n.name: next(v for v in MEMBRANES if v in n.writable)
        for n in model.network.neurons
        if any(v in n.writable for v in MEMBRANES)
    }
    session = FastSession(
        model, config.make_task(), config.make_reward(), config.agent_seeds, 1, watched=watched
    )
    if config.engine == "fast":  # other engines keep their weights under other names
        session.take_learned(folder.load_checkpoint()[0])
    session.begin_evaluation(1)
    most = session.max_steps = min(session.max_steps, steps or session.max_steps)
    records = session.watch(most)
    session.state["counters"][1:, Counter.FINISHED] = 1  # the first agent only
    session.run(most + 1, Stop(1), learning=False, exploration=config.evaluation_exploration)
    length = int(session.state["lengths"][0, 0])
    rows = length * session.network.env_steps
    parts = {p.lowered.name: p for p in session.kernel.populations}
    spikes = {n: records[p.record][:rows] != 0 for n, p in parts.items() if p.lowered.threshold}
    membranes = {
        n: (v, np.asarray(records[parts[n].curve][:rows], dtype=np.float64)) for n, v in watched.items()
    }
    return spikes, membranes, session.network.dt, length
