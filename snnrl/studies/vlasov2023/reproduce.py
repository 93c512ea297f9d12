"""The study: first-spike networks with ideal weights and with both devices, beside a random policy and ASE/ACE."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.model import to_json
from snnrl.studies.paper import Claim, Outcome, PaperStudy, Report, Row, learned, part_of
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.work import Part
from snnrl.studies.vlasov2023 import agents as known
from snnrl.tasks import CartPole, make
from snnrl.training.checkpoint import pack, unpack
from snnrl.training.config import LEAST, TrainingConfig, known_name, whole_number
from snnrl.training.result import AgentRecord

STUDY = "vlasov2023"
ABSTRACT = "abstract"


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    seeds, seed
        Agents of each kind, and the seed of the first. Seeds below 100,000 are for tuning.
    episodes
        Most learning episodes; an agent stops earlier when 100 of them have a mean of 475 steps.
    evaluation_episodes
        Episodes with plasticity and exploration off.
    agents
        Names out of `agents.AGENTS`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or an agent is not known.
    """

    seeds: int = 20
    seed: int = 7_100_000
    episodes: int = 600
    evaluation_episodes: int = 100
    agents: tuple[str, ...] = known.DEFAULT

    def __post_init__(self) -> None:
        for name, least in {**LEAST, "evaluation_episodes": 1}.items():
            if hasattr(self, name):
                whole_number(f"--{name.replace('_', '-')}", getattr(self, name), least)
        if not self.agents:
            raise InvalidValueError("--only", "", "one or more agents")
        for agent in self.agents:
            known_name("--only", agent, known.AGENTS)

    def to_dict(self) -> dict[str, Any]:
        """Return them as values for JSON, less the agents: what those change is in the names of the parts."""
        values = dataclasses.asdict(self)
        del values["agents"]
        return {"study": STUDY, **values}

    def config(self, agent: str) -> TrainingConfig:
        """Return the options of an agent's training run."""
        return TrainingConfig(
            task="cartpole", model=to_json(known.build(agent)), reward=known.REWARD, seeds=self.seeds, seed=self.seed,
            episodes=self.episodes, evaluation_episodes=self.evaluation_episodes, threads=1,
        )  # fmt: skip


def reproduce(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Train and evaluate every kind of agent on the same seeds.

    Parameters
    ----------
    settings
        What to run.
    folder
        Where parts, results and figures are kept, and from where an interrupted study goes on; None keeps nothing.
    workers
        Who does the work, see `snnrl.studies.rewards.execute`; by default this process.
    report
        Is told in words what is being done.

    Raises
    ------
    RunFolderError
        If the folder holds another study, or cannot be written.
    """
    chosen = settings or Settings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    compared = study.make("baselines", {"baselines": _baselines(chosen)})["baselines"]
    found = study.agents({agent: chosen.config(agent) for agent in chosen.agents})
    found |= _split(unpack(compared)[1])
    rows = [row_of(agent, records, chosen) for agent, records in found.items()]
    pictures = [] if folder is None else _draw(found, folder)
    return study.finish(claims(rows), rows, pictures)


def _baselines(settings: Settings) -> Part:
    arguments = (settings.seeds, settings.seed, settings.episodes, settings.evaluation_episodes)
    return part_of("baselines", ".npz", play_baselines, arguments)


def play_baselines(seeds: int, seed: int, episodes: int, evaluation_episodes: int) -> bytes:
    """Return the records of random players, then of as many ASE/ACE tables, on these seeds."""
    from snnrl.studies.baselines import ase_ace_agents, random_agents

    task, chosen = CartPole(), range(seed, seed + seeds)
    tables = ase_ace_agents(task, chosen, episodes, evaluation_episodes)
    return pack({}, [*random_agents(task, chosen), *tables])


def _split(records: list[AgentRecord]) -> dict[str, list[AgentRecord]]:
    half = len(records) // 2
    return {known.RANDOM: records[:half], known.TABLE: records[half:]}


def row_of(agent: str, records: list[AgentRecord], settings: Settings) -> Row:
    """Return the numbers of one kind of agent, see `learned`; ``writes``: of one device in learning, mean."""
    writes = [r.writes_per_device for r in records if r.writes_per_device is not None]
    row: Row = {"row": known.TITLES.get(agent, agent), "agent": agent} | learned(records, settings.episodes)
    if agent in known.AGENTS:
        row["spikes_per_step"] = float(np.mean([r.spikes_per_step for r in records]))
    return row | {"writes": float(np.mean(writes)) if writes else None}


def claims(rows: list[Row]) -> list[Claim]:
    """Return what the abstract says beside what was measured."""
    found = {row["agent"]: row for row in rows}
    solved = [
        f"{row['row']}: {row['solved_195']:.0%} of {row['seeds']} seeds at 195 (CartPole-v0), {row['solved_475']:.0%} at 475 (v1)"
        for agent, row in found.items()
        if agent in known.DEFAULT[:3]
    ]
    spikes = [
        f"{row['spikes_per_step']:.1f} ({row['row']})" for a, row in found.items() if a in known.DEFAULT[:3]
    ]
    return [
        Claim("the network solves the Cart-Pole benchmark", ABSTRACT, "; ".join(solved) or "not run"),
        Claim("with the plasticity of PPX and of nanocomposite (CoFeB-LiNbO3) memristors", ABSTRACT,
              "their published functions unchanged, with scaled steps, traces and differential pairs"),
        Claim("states are given by the times of input spikes, the action by the first output spike", ABSTRACT,
              "the same; spikes per state, those included with which the critic counts the time left: "
              + (", ".join(spikes) or "not run")),
        Claim("weights change after each state of the environment", ABSTRACT, "the same: once per step of 20 ms"),
    ]  # fmt: skip


def _draw(found: dict[str, list[AgentRecord]], folder: Path) -> list[str]:
    from snnrl.figures.papers import curves_figure
    from snnrl.figures.style import write_png
    from snnrl.studies.vlasov2023.figures import code_figure

    curves = {
        known.TITLES.get(name, name): records for name, records in found.items() if name != known.RANDOM
    }
    random = float(np.mean(np.concatenate([r.episode_lengths for r in found[known.RANDOM]])))
    drawn = {"learning": lambda: curves_figure(curves, random), "code": lambda: code_figure(make("cartpole"))}
    for name, draw in drawn.items():
        write_png(draw, folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in drawn]
