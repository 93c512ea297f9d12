"""The study: ASE/ACE and ASE alone, each as a table and as a spiking network, for as many trials as asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.model import AgentModel, to_json
from snnrl.networks.boxes import GAMMA, BoxActor, BoxActorCritic
from snnrl.studies.baselines import AseAce
from snnrl.studies.paper import (
    Claim,
    Outcome,
    PaperStudy,
    Report,
    Row,
    first_run,
    mean_with_ends,
    median_with_ends,
    part_of,
)
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.work import Part
from snnrl.tasks import CartPole, make
from snnrl.training.checkpoint import pack, unpack
from snnrl.training.config import TrainingConfig, known_name, whole_number
from snnrl.training.result import AgentRecord, IntArray

STUDY = "barto1983"
MEMORY = "figures of the paper, from memory"
PUBLISHED_TRIALS = 100
"""Trials of a run in the paper's figures (from memory): it ends with the hundredth failure."""
NEVER = 1e9
"""Mean length that no agent reaches: all go on learning through all trials."""


@dataclass(frozen=True)
class Agent:
    """One kind of agent.

    Parameters
    ----------
    title
        For people.
    network
        Makes the spiking network; None for a table.
    critic
        Whether there is an ACE.
    """

    title: str
    network: Callable[[], BoxActorCritic | BoxActor] | None
    critic: bool


AGENTS = {
    "ase-ace": Agent("ASE/ACE, tabular", None, critic=True),
    "ase-ace-spiking": Agent("ASE/ACE, spiking", BoxActorCritic, critic=True),
    "ase": Agent("ASE alone, tabular", None, critic=False),
    "ase-spiking": Agent("ASE alone, spiking", BoxActor, critic=False),
}


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    seeds, seed
        Agents of each kind, and the seed of the first. Seeds below 100,000 are for tuning.
    trials
        Learning trials of every agent; a trial ends with a failure or after 500 steps.
    evaluation_episodes
        Trials with learning off at the end.
    agents
        Names out of `AGENTS`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or an agent is not known.
    """

    seeds: int = 20
    seed: int = 7_210_000
    trials: int = 300
    evaluation_episodes: int = 100
    agents: tuple[str, ...] = tuple(AGENTS)

    def __post_init__(self) -> None:
        for name in ("seeds", "seed", "trials", "evaluation_episodes"):
            whole_number(f"--{name.replace('_', '-')}", getattr(self, name), 0 if name == "seed" else 1)
        for agent in self.agents:
            known_name("--only", agent, AGENTS)

    def to_dict(self) -> dict[str, Any]:
        """Return them as values for JSON, less the agents: what those change is in the names of the parts."""
        values = dataclasses.asdict(self)
        del values["agents"]
        return {"study": STUDY, **values}

    def config(self, agent: str) -> TrainingConfig:
        """Return the options of a spiking agent's training run: the reward is -1 at a failure, in units of the value."""
        return TrainingConfig(
            task="cartpole", model=to_json(model(agent)), reward="failure",
            reward_parameters={"penalty": 1.0 / (1.0 - GAMMA) if AGENTS[agent].critic else 1.0},
            seeds=self.seeds, seed=self.seed, episodes=self.trials, evaluation_episodes=self.evaluation_episodes,
            solve_threshold=NEVER, threads=1,
        )  # fmt: skip


def model(agent: str) -> AgentModel:
    """Return the model of a spiking agent out of `AGENTS`."""
    network = AGENTS[agent].network
    assert network is not None
    return network().build(make("cartpole"))


def reproduce(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Let every kind of agent learn for all trials on the same seeds; parameters as in `vlasov2023.reproduce`."""
    chosen = settings or Settings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    tables = {name: _table(name, chosen) for name in chosen.agents if AGENTS[name].network is None}
    found = {name: unpack(content)[1] for name, content in study.make("tables", tables).items()}
    found |= study.agents({n: chosen.config(n) for n in chosen.agents if AGENTS[n].network is not None})
    found = {name: found[name] for name in chosen.agents}
    rows = [row_of(name, agents, chosen) for name, agents in found.items()]
    pictures = [] if folder is None else _draw(found, folder)
    return study.finish(claims(rows, chosen), rows, pictures, {"curves": curves(found)})


def _table(agent: str, settings: Settings) -> Part:
    arguments = (
        AGENTS[agent].critic,
        settings.seeds,
        settings.seed,
        settings.trials,
        settings.evaluation_episodes,
    )
    return part_of(agent, ".npz", play_table, arguments)


def play_table(critic: bool, seeds: int, seed: int, trials: int, evaluation_episodes: int) -> bytes:
    """Return the records of tabular agents, with the ACE or without."""
    from snnrl.studies.baselines import ase_ace_agents

    constants = AseAce() if critic else AseAce(critic_rate=0.0)
    chosen = range(seed, seed + seeds)
    return pack({}, ase_ace_agents(CartPole(), chosen, trials, evaluation_episodes, constants, go_on=True))


def first_full(lengths: IntArray, longest: int) -> float:
    """Return the number of the first trial that lasted to the step limit, infinity if none did."""
    full = np.flatnonzero(lengths >= longest)
    return float(full[0] + 1) if full.size else np.inf


def row_of(name: str, agents: list[AgentRecord], settings: Settings) -> Row:
    """Return the numbers of one kind of agent.

    Returns
    -------
    dict
        ``trials_to_balance``, the first trial of 500 steps; ``trials_to_475``, when 100 trials first had that mean; ``failures``,
        of all trials; ``failures_before``, until the first trial of 500 steps; ``last_20``, mean length of the last 20 trials;
        ``evaluation``, with learning off. Medians over seeds where infinite values are possible, else means; with intervals.
    """
    longest = CartPole().max_steps
    lengths = [agent.episode_lengths for agent in agents]
    first = [first_full(each, longest) for each in lengths]
    row: Row = {"row": AGENTS[name].title, "agent": name, "seeds": len(agents), "trials": settings.trials}
    row |= mean_with_ends("balanced", np.isfinite(first)) | median_with_ends("trials_to_balance", first)
    row |= median_with_ends("trials_to_475", [first_run(each, 475.0) for each in lengths])
    row |= mean_with_ends("failures", [np.sum(each < longest) for each in lengths])
    row |= median_with_ends("failures_before", np.array(first) - 1.0)
    row |= mean_with_ends("last_20", [each[-20:].mean() for each in lengths])
    return row | mean_with_ends("evaluation", [agent.evaluation_lengths.mean() for agent in agents])


def claims(rows: list[Row], settings: Settings) -> list[Claim]:
    """Return what the paper shows beside what was measured."""
    found = {row["agent"]: row for row in rows}
    return [
        Claim("with the ACE the ASE learns to balance within about 75 to 100 trials", MEMORY,
              _trials(found, ("ase-ace", "ase-ace-spiking"))),
        Claim("without it the ASE learns far more slowly, and is not done after 100 trials", MEMORY,
              _trials(found, ("ase", "ase-spiking"))),
    ]  # fmt: skip


def _trials(found: dict[str, Row], names: tuple[str, ...]) -> str:
    words = []
    for name in names:
        if name in found:
            row = found[name]
            median = row["trials_to_balance"]
            when = f"none of {row['trials']} trials" if median is None else f"trial {median:.0f}"
            words.append(
                f"{row['row']}: first 500 steps in {when} (median), {row['balanced']:.0%} of the seeds"
            )
    return "; ".join(words) or "not run"


def curves(found: dict[str, list[AgentRecord]]) -> dict[str, list[float]]:
    """Return the mean length over seeds of every trial, by agent."""
    return {
        name: np.mean([agent.episode_lengths for agent in agents], axis=0).round(2).tolist()
        for name, agents in found.items()
    }


def _draw(found: dict[str, list[AgentRecord]], folder: Path) -> list[str]:
    from snnrl.figures.papers import curves_figure
    from snnrl.figures.style import write_png

    labelled = {AGENTS[name].title: agents for name, agents in found.items()}
    write_png(lambda: curves_figure(labelled, None, (475.0,), window=5), folder / "learning.png")
    return [str(folder / "learning.png")]
