"""From agent records to the few numbers of ``summary.json`` and their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from snnrl.plasticity.wear import ENDURANCE, Reading, lifetime
from snnrl.training.result import AgentRecord, FloatArray, TrainingResult, Wear

RELIABLE_LENGTH = 475.0
"""Mean evaluation length (steps) that ``evaluation_seeds_ge_475`` asks of a seed."""

CONFIDENCE = 0.95
RESAMPLES = 2000

Number = int | float | None


def summary(result: TrainingResult) -> dict[str, Number]:
    """Return the numbers of ``summary.json``.

    Lengths are steps; unsolved seeds count as infinitely many episodes. A number that is infinite, or that
    does not apply, is None. ``evaluation_seeds_ge_475`` is the number of seeds whose mean evaluation length
    reaches `RELIABLE_LENGTH`; ``solved_fraction`` is between 0 and 1.
    """
    agents = result.agents
    means = evaluation_means(agents)
    task = result.config.make_task()
    reliable = means.size > 0 and task.solved_length is not None and task.max_steps >= RELIABLE_LENGTH
    # Without a criterion nothing can be solved, and "0 solved" would say something else.
    episodes = episodes_to_solve(agents) if result.config.solve_threshold is not None else np.zeros(0)
    writes = [agent.writes_per_device for agent in agents if agent.writes_per_device is not None]
    return {
        "seeds": len(agents),
        "solved_fraction": _mean(np.isfinite(episodes)),
        "median_episodes": finite(quantile(episodes, 0.5)),
        "q90_episodes": finite(quantile(episodes, 0.9)),
        "evaluation_mean": _mean(means),
        "evaluation_worst": finite((min if task.solved_return is None else max)(means, default=math.nan)),
        "evaluation_seeds_ge_475": int(np.sum(means >= RELIABLE_LENGTH)) if reliable else None,
        "spikes_per_step": _mean([agent.spikes_per_step for agent in agents]),
        "writes_per_device": _mean(writes),
    }


def summary_intervals(result: TrainingResult) -> dict[str, tuple[Number, Number]]:
    """Return bootstrap intervals over seeds, by the keys of `summary` that have one.

    An end is None where it is infinite: too few seeds solved the task to bound it.
    """
    agents = result.agents
    samples: dict[str, tuple[ArrayLike, Callable[..., FloatArray]]] = {
        "evaluation_mean": (evaluation_means(agents), np.mean),
    }
    if not any(math.isnan(agent.spikes_per_step) for agent in agents):
        samples["spikes_per_step"] = [agent.spikes_per_step for agent in agents], np.mean
    if result.config.solve_threshold is not None:
        samples["solved_fraction"] = [agent.solved for agent in agents], np.mean
        samples["median_episodes"] = episodes_to_solve(agents), np.median
    intervals: dict[str, tuple[Number, Number]] = {}
    for key, (sample, statistic) in samples.items():
        values = np.asarray(sample, dtype=float)
        if values.size >= 2:
            low, high = bootstrap_interval(values, statistic)
            intervals[key] = (finite(float(low)), finite(float(high)))
    return intervals


def wear_summary(wear: Wear, endurance: float = ENDURANCE) -> dict[str, Number]:
    """Return the numbers of ``wear.json``.

    ``mean``, ``median``, ``p99`` and ``most`` writes of a device; ``trainings_median`` and ``trainings_first``: how often
    a training can be repeated until the median and until the first device has had ``endurance`` writes, None for ever;
    ``energy``: joule per decision, mean over agents, of arrays read with ``read_voltage`` (V) for ``read_time`` (s).
    """
    reading = Reading()
    numbers = {name: finite(value) for name, value in lifetime(wear.writes, endurance).items()}
    energy = {"energy": finite(float(np.mean(wear.energy)))}
    how = {"endurance": endurance, "read_voltage": reading.voltage, "read_time": reading.time}
    return {**numbers, **energy, **how}


def episodes_to_solve(agents: Sequence[AgentRecord]) -> FloatArray:
    """Return the learning episodes each agent needed, ``[agents]``; infinite for the unsolved."""
    return np.array([agent.solved_at if agent.solved else math.inf for agent in agents], dtype=float)


def evaluation_means(agents: Sequence[AgentRecord]) -> FloatArray:
    """Return the mean evaluation length (steps) of every agent that was evaluated."""
    lengths = [agent.evaluation_lengths for agent in agents]
    return np.array([np.mean(each) for each in lengths if len(each)], dtype=float)


def quantile(values: FloatArray, q: float) -> float:
    """Return a quantile with linear interpolation; infinite values are allowed, none at all gives NaN."""
    if values.size == 0:
        return math.nan
    ordered = np.sort(values)
    position = q * (ordered.size - 1)
    below, above = ordered[math.floor(position)], ordered[math.ceil(position)]
    if math.isinf(above):
        return float(above if position > math.floor(position) else below)
    return float(below + (above - below) * (position - math.floor(position)))


def bootstrap_interval(
    values: FloatArray, statistic: Callable[..., FloatArray], axis: int = 0, confidence: float = CONFIDENCE
) -> tuple[FloatArray, FloatArray]:
    """Return the percentile bootstrap interval of a statistic over the seeds along `axis`.

    The resampling is seeded, so the same result always prints the same interval. Infinite values take part
    as "larger than every finite one", which keeps the median right.

    Parameters
    ----------
    values
        At least two seeds along `axis`, no NaN.
    statistic
        ``np.median`` or ``np.mean`` (takes ``axis``).
    """
    from scipy.stats import bootstrap

    infinite = np.isinf(values)
    top = np.max(values, initial=0.0, where=~infinite)
    stand_in = 2.0 * top + 1.0
    interval = bootstrap(
        (np.where(infinite, stand_in, values),),
        statistic,
        axis=axis,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    low, high = np.asarray(interval.low), np.asarray(interval.high)
    return np.where(low > top, math.inf, low), np.where(high > top, math.inf, high)


def finite(value: float) -> float | None:
    """Return the value, or None where JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def _mean(values: ArrayLike) -> float | None:
    array = np.asarray(values, dtype=float)
    return finite(float(array.mean())) if array.size else None
