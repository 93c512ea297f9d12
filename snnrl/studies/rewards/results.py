"""From the outcomes to the numbers: one row per combination, and who improves on whom."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.studies.rewards.study import Comparison, Outcome
from snnrl.training.summary import (
    CONFIDENCE,
    RESAMPLES,
    bootstrap_interval,
    episodes_to_solve,
    evaluation_means,
    summary,
    summary_intervals,
)

INTERVALS = {"solved_fraction": "solved", "median_episodes": "median", "evaluation_mean": "evaluation",
             "spikes_per_episode": "spikes", "writes_per_episode": "writes"}  # fmt: skip
"""Numbers of a row that have an interval, and how the names of its ends begin."""

Row = dict[str, Any]


def rows(comparison: Comparison) -> list[Row]:
    """Return one row per combination.

    Returns
    -------
    list of dict
        ``reward, plasticity, synapse, device, factor``; the numbers of ``summary.json``; ``spikes_per_episode``, of the
        whole network in the evaluation; ``writes_per_episode``, of one device in a learning episode, None for ideal
        synapses; and the ends of their 95 % bootstrap intervals over seeds: ``solved_low, solved_high, median_low, ...``.
        None stands for infinite (too few seeds solved the task) or for what does not apply.
    """
    return [row_of(outcome) for outcome in comparison.outcomes]


def row_of(outcome: Outcome) -> Row:
    """Return the row of one combination, see `rows`."""
    combination, config = outcome.combination, outcome.result.config
    row: Row = {
        "reward": combination.reward,
        "plasticity": combination.plasticity,
        "synapse": combination.synapse,
        "device": combination.device,
        "factor": config.reward_parameters["scale"],
        **summary(outcome.result),
    }
    intervals = dict(summary_intervals(outcome.result))
    for name, values in per_episode(outcome).items():
        row[name] = None if values is None else float(values.mean())
        if values is not None and values.size > 1:
            low, high = bootstrap_interval(values, np.mean)
            intervals[name] = float(low), float(high)
    for name, short in INTERVALS.items():
        row[f"{short}_low"], row[f"{short}_high"] = intervals.get(name, (None, None))
    return row


def per_episode(outcome: Outcome) -> dict[str, NDArray[np.float64] | None]:
    """Return spikes in an evaluation episode, and writes of one device in a learning episode, of every agent."""
    agents = outcome.agents
    spikes = np.array([agent.spikes_per_step for agent in agents]) * evaluation_means(agents)
    writes = None
    if outcome.combination.device is not None:
        writes = np.array(
            [float(agent.writes_per_device or 0.0) / len(agent.episode_lengths) for agent in agents]
        )
    return {"spikes_per_episode": spikes, "writes_per_episode": writes}


def baseline_rows(comparison: Comparison) -> list[Row]:
    """Return the baselines on the same seeds, with the keys that rows and baselines share."""
    return [
        {"baseline": name, **{key: value for key, value in numbers.items() if key != "per_seed"}}
        for name, numbers in comparison.baselines.items()
    ]


def groups(comparison: Comparison) -> dict[str, list[Outcome]]:
    """Return the outcomes whose rewards are compared with each other, by what they share, best reward first.

    Best is the reward that more seeds solved the task with, among equals the one whose median seed took fewer episodes, then
    the one with the longer evaluation.
    """
    found: dict[str, list[Outcome]] = {}
    for outcome in comparison.outcomes:
        found.setdefault(outcome.combination.group, []).append(outcome)
    return {name: sorted(outcomes, key=_rank) for name, outcomes in found.items()}


def _rank(outcome: Outcome) -> tuple[float, float, float]:
    episodes = episodes_to_solve(outcome.agents)
    return (
        -float(np.mean(np.isfinite(episodes))),
        float(np.median(episodes)),
        -float(evaluation_means(outcome.agents).mean()),
    )


def scores(outcome: Outcome) -> NDArray[np.float64]:
    """Return how well each seed did, larger is better, shape ``[seeds]``.

    Minus the episodes until the task was solved; seeds that did not solve it come after all that did, in the order of
    their evaluation.
    """
    config = outcome.result.config
    episodes = episodes_to_solve(outcome.agents)
    share = evaluation_means(outcome.agents) / config.make_task().max_steps
    return np.where(np.isfinite(episodes), -episodes, -config.episodes - 2.0 + share)


def improvement(better: NDArray[np.float64], worse: NDArray[np.float64]) -> float:
    """Return the probability that a seed of one score is above a seed of another, ties counting half.

    Agarwal et al. 2021 (NeurIPS), section 4.2 and their library rliable: Mann-Whitney's U over the number of pairs.
    """
    from rliable.metrics import probability_of_improvement  # type: ignore[import-untyped]

    return float(probability_of_improvement(better[:, None], worse[:, None]))


def improvement_interval(better: NDArray[np.float64], worse: NDArray[np.float64]) -> tuple[float, float]:
    """Return the percentile bootstrap interval of `improvement`; seeds of both are resampled, independently.

    rliable's own function does this by one call of the metric per resample; counting how often each seed was drawn gives
    the same numbers from one table of who is above whom.
    """
    above = (better[:, None] > worse) + 0.5 * (better[:, None] == worse)
    draw = np.random.default_rng(0)
    drawn = (
        draw.multinomial(len(s), np.full(len(s), 1.0 / len(s)), RESAMPLES) / len(s) for s in (better, worse)
    )
    resampled = np.einsum("ri,ij,rj->r", next(drawn), above, next(drawn), optimize=True)
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(resampled, (tail, 100.0 - tail))
    return float(low), float(high)


def improvements(outcomes: list[Outcome]) -> list[Row]:
    """Return, for every two rewards of a group, the probability that the first does better, with its interval."""
    measured = {outcome.combination.reward: scores(outcome) for outcome in outcomes}
    found = []
    for reward, mine in measured.items():
        for other, theirs in measured.items():
            if reward != other:
                low, high = improvement_interval(mine, theirs)
                found.append({"reward": reward, "than": other, "probability": improvement(mine, theirs),
                              "low": low, "high": high})  # fmt: skip
    return found


def content(comparison: Comparison) -> dict[str, Any]:
    """Return everything that the study found, for JSON."""
    return {
        "rows": rows(comparison),
        "baselines": baseline_rows(comparison),
        "td_error": [calibration.to_dict() for calibration in comparison.calibrations.values()],
        "improvement": {name: improvements(outcomes) for name, outcomes in groups(comparison).items()},
        "settings": comparison.settings.to_dict(),
    }
