"""The study: exact identities of the model, and three tasks that it has to learn."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.model import AgentModel, to_json
from snnrl.networks.fremaux import RETRIEVED, SRM0ActorCritic, for_task
from snnrl.studies.paper import (
    Outcome,
    PaperStudy,
    Report,
    Row,
    mean_with_ends,
    median_with_ends,
    part_of,
)
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.work import Part
from snnrl.tasks import Acrobot, CartPole, LinearTrack, Task
from snnrl.training.checkpoint import pack, unpack
from snnrl.training.config import LEAST, TrainingConfig, known_name, whole_number
from snnrl.training.result import AgentRecord
from snnrl.training.summary import episodes_to_solve

STUDY = "fremaux2013"
IDENTITIES, TRACK, ACROBOT, CARTPOLE, RETRIEVED_SIZES = (
    "identities",
    "track",
    "acrobot",
    "cartpole",
    "retrieved",
)
PARTS = (IDENTITIES, TRACK, CARTPOLE, ACROBOT, RETRIEVED_SIZES)
RANDOM, TABLE = "random policy", "ASE/ACE, tabular"


@dataclass(frozen=True)
class Learning:
    """A task to be learned.

    Parameters
    ----------
    task
        The task.
    reward
        Name of the reward to learn from.
    seed
        First of the seeds that are reported.
    episodes
        Most learning episodes.
    reward_parameters
        Of the reward.
    network
        The network; None: that of `snnrl.networks.fremaux.for_task`.
    """

    task: Task
    reward: str
    seed: int
    episodes: int
    reward_parameters: Mapping[str, float] = dataclasses.field(default_factory=dict)
    network: SRM0ActorCritic | None = None

    def model(self) -> AgentModel:
        """Return the agent."""
        return (self.network or for_task(self.task)).build(self.task)


LEARNING: dict[str, Learning] = {
    TRACK: Learning(LinearTrack(), "environment", 7_000_100, 150),
    CARTPOLE: Learning(CartPole(), "survival", 7_000_000, 600),
    ACROBOT: Learning(Acrobot(), "acrobot-energy", 7_000_200, 300, {"gamma": 0.98}),
    RETRIEVED_SIZES: Learning(CartPole(), "survival", 7_000_000, 200, network=RETRIEVED["cartpole"]),
}


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    seeds
        Agents of each task.
    seed
        Seed of the first; None: each task's own, 7,000,000 and above. Seeds below 100,000 are for tuning.
    episodes
        Most learning episodes; None: each task's own. An agent stops earlier when it has solved the task.
    evaluation_episodes
        Episodes with plasticity off.
    parts
        Names out of `PARTS`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or a part is not known.
    """

    seeds: int = 20
    seed: int | None = None
    episodes: int | None = None
    evaluation_episodes: int = 100
    parts: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        for name, least in {**LEAST, "evaluation_episodes": 1}.items():
            if getattr(self, name, None) is not None:
                whole_number(f"--{name.replace('_', '-')}", getattr(self, name), least)
        if not self.parts:
            raise InvalidValueError("--part", "", f"one or more of {', '.join(PARTS)}")
        for part in self.parts:
            known_name("--part", part, PARTS)

    def to_dict(self) -> dict[str, Any]:
        """Return them as values for JSON, less the parts: a folder may be gone on with by another part."""
        values = dataclasses.asdict(self)
        del values["parts"]
        return {"study": STUDY, **values}

    def config(self, part: str) -> TrainingConfig:
        """Return the options of a task's training run."""
        learning = LEARNING[part]
        return TrainingConfig(
            task=learning.task.name, model=to_json(learning.model()), reward=learning.reward,
            reward_parameters=dict(learning.reward_parameters), seeds=self.seeds,
            seed=learning.seed if self.seed is None else self.seed, episodes=self.episodes or learning.episodes,
            evaluation_episodes=self.evaluation_episodes, threads=1,
        )  # fmt: skip


def reproduce(
    settings: Settings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Check the identities, train agents on the tasks, and evaluate them with plasticity off.

    Parameters
    ----------
    settings
        What to run.
    folder
        Where parts, results, report and figures are kept, and from where an interrupted study goes on; None: nothing is.
    workers
        Who does the work, see `snnrl.studies.rewards.execute`; by default this process.
    report
        Is told in words what is being done.

    Raises
    ------
    RunFolderError
        If the folder holds another study, or cannot be written.
    """
    from snnrl.studies.fremaux2013 import report as text

    chosen = settings or Settings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    extra = _made(study, chosen)
    tasks = [part for part in chosen.parts if part in LEARNING]
    agents = study.agents({part: chosen.config(part) for part in tasks}) if tasks else {}
    compared = {part: _compared(study, chosen, part) for part in tasks if part != RETRIEVED_SIZES}
    rows = [row for part in tasks for row in _rows(part, {STUDY: agents[part], **compared.get(part, {})})]
    pictures = [] if folder is None else text.draw(folder, extra, agents, compared)
    outcome = study.finish(text.claims(extra, rows), rows, pictures, extra)
    if folder is not None:
        text.write(folder, outcome)
    return outcome


def _made(study: PaperStudy, settings: Settings) -> dict[str, Any]:
    """Return what is no training run: the identities, and the values of the track."""
    parts: dict[str, Part] = {}
    if IDENTITIES in settings.parts:
        parts["identities"] = part_of("identities", ".json", check_identities, ())
    if TRACK in settings.parts:
        config = settings.config(TRACK).to_dict()
        options = config | {"task_parameters": {"carried": True}, "seeds": min(settings.seeds, 10)}
        parts["values"] = part_of("values", ".json", track_values, (options,))
    return {name: json.loads(content) for name, content in study.make("identities and values", parts).items()}


def check_identities() -> bytes:
    """Return the identities as JSON."""
    from snnrl.studies.fremaux2013.identities import identities

    return json.dumps([dataclasses.asdict(identity) for identity in identities()], indent=2).encode()


def track_values(options: Mapping[str, Any]) -> bytes:
    """Return the value of every place before and after agents were carried along the track, and its closed form, as JSON."""
    from snnrl.studies.fremaux2013 import values
    from snnrl.training.build import build_session, stop_rule
    from snnrl.training.train import CHUNK

    config = TrainingConfig.from_dict(dict(options))
    session = build_session(config)
    task, seeds = LinearTrack(), [int(seed) for seed in session.seeds]
    before = values.values(session.model, seeds)
    while not session.finished.all():
        session.run(CHUNK, dataclasses.replace(stop_rule(config), threshold=float("inf")))
    position = values.places(task)
    found = {
        "position": position,
        "closed": values.closed_value(task, session.model, position),
        "before": before,
        "after": values.values(session.model, seeds, session),
    }
    return json.dumps({name: numbers.tolist() for name, numbers in found.items()}).encode()


def _compared(study: PaperStudy, settings: Settings, part: str) -> dict[str, list[AgentRecord]]:
    """Return the records of the players that the agents are compared with, on the same seeds."""
    config = settings.config(part)
    numbers = (part, config.seeds, config.seed, config.episodes, config.evaluation_episodes)
    name = f"{part}-baselines"
    made = study.make("baselines", {name: part_of(name, ".npz", play_baselines, numbers)})[name]
    records = unpack(made)[1]
    found = {RANDOM: records[: config.seeds]}
    return found | ({TABLE: records[config.seeds :]} if len(records) > config.seeds else {})


def play_baselines(part: str, seeds: int, seed: int, episodes: int, evaluation_episodes: int) -> bytes:
    """Return the records of random players and, for the cart-pole, of as many ASE/ACE tables, on these seeds."""
    from snnrl.studies.baselines import ase_ace_agents, random_agents

    task, chosen = LEARNING[part].task, range(seed, seed + seeds)
    tables = ase_ace_agents(task, chosen, episodes, evaluation_episodes) if isinstance(task, CartPole) else []
    return pack({}, [*random_agents(task, chosen), *tables])


def _rows(part: str, found: Mapping[str, list[AgentRecord]]) -> list[Row]:
    return [row_of(part, who, records) for who, records in found.items()]


def row_of(part: str, who: str, records: list[AgentRecord]) -> Row:
    """Return the numbers of one kind of agent on one task.

    Returns
    -------
    dict
        ``seeds``; ``solved``: fraction of seeds that solved the task by its criterion; ``episodes``: median learning episodes
        until then; ``first, last``: medians of the mean length of the first 10 and of the last 100 learning episodes;
        ``evaluation``: median over seeds of the mean length with plasticity off, and ``evaluation_worst``, the worst seed's;
        ``spikes``: of the whole network per decision. Those with an interval have it as ``name_low, name_high``.
    """
    task, agents = LEARNING[part].task, who == STUDY
    evaluation = np.array([r.evaluation_lengths.mean() for r in records])
    solved = episodes_to_solve(records)
    worst = evaluation.min() if task.solved_length is not None else evaluation.max()
    title = "sizes and kernels as retrieved" if part == RETRIEVED_SIZES else "SRM0 actor-critic"
    return (
        {"row": f"{task.name}: {title if agents else who}", "part": part, "seeds": len(records)}
        | mean_with_ends("solved", np.isfinite(solved))
        | median_with_ends("episodes", solved)
        | median_with_ends("first", [r.episode_lengths[:10].mean() for r in records])
        | median_with_ends("last", [r.episode_lengths[-100:].mean() for r in records])
        | median_with_ends("evaluation", evaluation)
        | {"evaluation_worst": float(worst)}
        | {"spikes": float(np.mean([r.spikes_per_step for r in records])) if agents else None}
    )
