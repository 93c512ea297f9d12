"""The study: rewards x trace rules x devices through `snnrl.studies.rewards`, pulses against delay, real time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from snnrl.studies.kulagin2025 import pulses, real_time
from snnrl.studies.paper import Claim, Outcome, PaperStudy, Report, Row, part_of
from snnrl.studies.rewards import Comparison, compare_rewards, results
from snnrl.studies.rewards import Settings as Compared
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.study import Progress
from snnrl.training.config import SPIKING_RULES, Json, TrainingConfig, whole_number

STUDY = "kulagin2025"
ABSTRACT = "abstract"
REWARDS = ("survival", "failure", "angle", "gaussian")
DEVICES = ("vteam", "parylene")
WAVEFORM_STEPS = 10
"""Euler steps for each phase of a programming pulse where pulses are resolved in time."""


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    seeds, seed
        Agents of each combination, and the seed of the first. Seeds below 100,000 are for tuning.
    episodes, evaluation_episodes
        Most learning episodes, and episodes with plasticity off.
    rewards, plasticities, devices
        What is combined, see `snnrl.studies.rewards.Settings`; synapses are memristive, with a spread of 30 %.
    timed_steps
        Environment steps in the measurement of real time.
    network_parameters
        Fields of the network that differ from its defaults, the same for all.
    calibration_seeds, calibration_steps
        Of the size of the TD errors, see `snnrl.studies.rewards.Settings`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or a name is not known.
    """

    seeds: int = 10
    seed: int = 7_000_000
    episodes: int = 300
    evaluation_episodes: int = 50
    rewards: tuple[str, ...] = REWARDS
    plasticities: tuple[str, ...] = SPIKING_RULES
    devices: tuple[str, ...] = DEVICES
    timed_steps: int = 3000
    network_parameters: Mapping[str, Json] = field(default_factory=dict)
    calibration_seeds: int = 16
    calibration_steps: int = 1500

    def __post_init__(self) -> None:
        for name, least in (
            ("seeds", 1),
            ("seed", 0),
            ("episodes", 1),
            ("evaluation_episodes", 1),
            ("timed_steps", 1),
        ):
            whole_number(f"--{name.replace('_', '-')}", getattr(self, name), least)
        self.compared()

    def compared(self) -> Compared:
        """Return the settings of the comparison of rewards."""
        return Compared(
            rewards=self.rewards, plasticities=self.plasticities, synapses=("memristive",), devices=self.devices,
            seeds=self.seeds, seed=self.seed, episodes=self.episodes,
            evaluation_episodes=self.evaluation_episodes, map_points=0, block=min(self.seeds, 10),
            network_parameters=self.network_parameters, calibration_seeds=self.calibration_seeds,
            calibration_steps=self.calibration_steps,
        )  # fmt: skip

    def timed(self, waveform_steps: int) -> TrainingConfig:
        """Return the options of the agent whose steps are timed."""
        return TrainingConfig(
            task="cartpole", synapse="memristive", synapse_parameters={"waveform_steps": waveform_steps}, seeds=1,
            seed=self.seed, episodes=self.timed_steps + real_time.WARM_UP, solve_threshold=1e9, threads=1,
            network_parameters=dict(self.network_parameters),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return them as values for JSON."""
        return {"study": STUDY, **dataclasses.asdict(self)}


def reproduce(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Measure pulses, real time and learning; parameters as in `vlasov2023.reproduce`."""
    chosen = settings or Settings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    timing = {
        name: part_of(
            f"real-time-{steps}",
            ".json",
            real_time.measure,
            (chosen.timed(steps).to_dict(), chosen.timed_steps),
        )
        for name, steps in (("resolved", WAVEFORM_STEPS), ("one step", 0))
    }
    timed = {name: json.loads(content) for name, content in study.make("real time", timing).items()}
    comparison = compare_rewards(
        chosen.compared(), None if folder is None else folder / "rewards", study.workers, 1, _told(study)
    )
    rows = [_named(row) for row in results.rows(comparison)]
    shapes = pulses.summary()
    pictures = [] if folder is None else _draw(comparison, chosen, folder)
    extra = {"real_time": timed, "pulses": shapes, "td_error": [c.to_dict() for c in comparison.calibrations.values()],
             "baselines": results.baseline_rows(comparison)}  # fmt: skip
    return study.finish(claims(rows, timed, shapes), rows, pictures, extra)


def _told(study: PaperStudy) -> Callable[[Progress], None]:
    return lambda now: study.say(f"{now.doing}: {now.done} of {now.all} parts")


def _named(row: Row) -> Row:
    """Return a row with a name, and its intervals under the names of their numbers."""
    ends = {
        f"{name}_{end}": row[f"{short}_{end}"]
        for name, short in results.INTERVALS.items()
        for end in ("low", "high")
    }
    return {"row": f"{row['reward']}, {row['plasticity']}, {row['device']}", **row, **ends}


def claims(rows: list[Row], timed: dict[str, Any], shapes: dict[str, Any]) -> list[Claim]:
    """Return what the abstract says beside what was measured."""
    resolved = timed["resolved"]
    alone = max(abs(shape["alone"]) for shape in shapes.values())
    outside = max(shape["outside"] or 0.0 for shape in shapes.values())
    return [
        Claim("such training holds the pole on a moving platform", ABSTRACT, _best(rows)),
        Claim("a comparison of various reward functions", ABSTRACT, _by(rows, "reward")),
        Claim("trace variables for weight changes", ABSTRACT, _by(rows, "plasticity")),
        Claim('"on a true time scale"', ABSTRACT,
              f"pulses resolved in time: {resolved['ratio']:.0f} times faster than the world, a step takes "
              f"{1e6 * resolved['median']:.0f} us (median), {1e6 * resolved['p99']:.0f} us (99 %)"),
        Claim("conductivity changes by superimposed pulses of pre- and postsynaptic signals", ABSTRACT,
              f"change by single pulses {alone:g}, by pulses that do not overlap {outside:g}, by overlapping ones up to "
              f"{max(shape['most'] for shape in shapes.values()):.2f} of the range"),
    ]  # fmt: skip


def _best(rows: list[Row]) -> str:
    best = max(rows, key=lambda row: (row["solved_fraction"], row["evaluation_mean"]))
    solving = sum(row["solved_fraction"] >= 0.5 for row in rows)
    return (
        f"{solving} of {len(rows)} combinations solve CartPole-v1 with at least half of the seeds; best: {best['row']}, "
        f"{best['solved_fraction']:.0%} of {best['seeds']} seeds, then {best['evaluation_mean']:.0f} steps with plasticity off"
    )


def _by(rows: list[Row], key: str) -> str:
    """Return the seeds that solved the task by reward or rule, best first."""
    values = dict.fromkeys(row[key] for row in rows)
    share = {v: [row["solved_fraction"] for row in rows if row[key] == v] for v in values}
    ranked = sorted(values, key=lambda v: -sum(share[v]))
    return "solved: " + ", ".join(f"{v} {sum(share[v]) / len(share[v]):.0%}" for v in ranked)


def _draw(comparison: Comparison, settings: Settings, folder: Path) -> list[str]:
    from snnrl.figures.rewards_learning import overview_figure
    from snnrl.figures.style import write_png
    from snnrl.studies.kulagin2025.figures import pulses_figure

    rows = [{**row, "group": f"{row['plasticity']}, {row['device']}"} for row in results.rows(comparison)]
    drawn = {
        "pulses": pulses_figure,
        "learning": lambda: overview_figure(rows, list(settings.rewards), settings.episodes, 500),
    }
    for name, draw in drawn.items():
        write_png(draw, folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in drawn]
