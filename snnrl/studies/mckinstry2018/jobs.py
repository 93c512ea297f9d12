"""The distillations of the study: which ones there are, and what each is for. One that serves several tables is run once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from snnrl.distillation.recipe import TEMPERATURES, Recipe
from snnrl.studies.mckinstry2018 import published
from snnrl.studies.mckinstry2018.settings import Settings
from snnrl.studies.mckinstry2018.teachers import Found

GAME_TEMPERATURES = {"breakout": 0.5}
"""Of policies' logits, where another than 0.2 was found better (with ``mini``, on tuning seeds)."""
TOGETHER_LOSS = "nll"
"""Students of several games learned the teachers' best actions, one-hot (paper, "Experiments")."""
DAGGER_ROUNDS = 4
LOOK_EVERY = 100
"""Fewest batches between two points of a curve."""


@dataclass(frozen=True)
class Job:
    """One distillation.

    Parameters
    ----------
    games
        What the student learns.
    recipe
        How.
    """

    games: tuple[str, ...]
    recipe: Recipe

    @property
    def name(self) -> str:
        """In words that can name a folder."""
        recipe = self.recipe
        words = [*self.games, recipe.student, recipe.loss]
        words += [] if recipe.temperature is None else [f"t{recipe.temperature:g}"]
        words += [] if recipe.inputs == "differences" else [recipe.inputs]
        return "-".join(words + (["dagger"] if recipe.dagger else []))

    def folder(self, teachers: Mapping[str, Found], protocol: str) -> str:
        """Return the name of its run folder: the same for the same job with the same teachers and protocol only."""
        asked = [self.recipe.to_dict(), self.games, [teachers[game].key for game in self.games], protocol]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.name}-{digest}"


@dataclass
class Jobs:
    """All distillations, by what they are for.

    Parameters
    ----------
    sizes
        By game, student and loss: table 3 and figure 3.
    temperatures
        By game and temperature: table 2.
    together
        By games and student: figure 4.
    alone
        By game and student: what figure 4 is normalised by.
    methods
        By game and what is different: the table at equal budget.
    """

    sizes: dict[tuple[str, str, str], Job] = field(default_factory=dict)
    temperatures: dict[tuple[str, float], Job] = field(default_factory=dict)
    together: dict[tuple[tuple[str, ...], str], Job] = field(default_factory=dict)
    alone: dict[tuple[str, str], Job] = field(default_factory=dict)
    methods: dict[tuple[str, str], Job] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Job]:
        """Give each once, those of one game before those of several, game by game: frames are then soon needless."""
        parts: tuple[dict[Any, Job], ...] = (
            self.sizes, self.temperatures, self.methods, self.alone, self.together,
        )  # fmt: skip
        once = dict.fromkeys(job for part in parts for job in part.values())
        first = list(dict.fromkeys(job.games for job in once))
        return iter(sorted(once, key=lambda job: (len(job.games), first.index(job.games))))


def temperature_of(game: str, outputs: str) -> float:
    """Return the temperature of a game's teacher wherever it is not what is compared."""
    return (
        GAME_TEMPERATURES.get(game, TEMPERATURES[outputs]) if outputs == "logits" else TEMPERATURES[outputs]
    )


def grid_of(outputs: str, settings: Settings) -> tuple[float, ...]:
    """Return the temperatures that are compared: the paper's for action values, ours for logits, none for bare actions."""
    grids = {"q-values": published.TEMPERATURES, "logits": settings.numbers.logit_temperatures}
    return grids.get(outputs, ())


def jobs_of(settings: Settings, teachers: Mapping[str, Found]) -> Jobs:
    """Return all distillations for which there are teachers."""
    jobs, scale = Jobs(), settings.numbers
    outputs = {game: found.teacher.outputs for game, found in teachers.items()}

    def single(game: str, student: str, loss: str = "kl", **changes: Any) -> Job:
        warm = {"temperature": temperature_of(game, outputs[game])} if loss == "kl" else {}
        return Job((game,), _recipe(settings, student, loss, **{**warm, **changes}))

    if "sizes" in settings.parts:
        jobs.sizes = {
            (game, student, loss): single(game, student, loss)
            for game in scale.games if game in teachers
            for student in scale.students
            for loss in scale.losses
        }  # fmt: skip
    if "temperatures" in settings.parts:
        jobs.temperatures = {
            (game, tau): single(game, scale.temperature_student, temperature=tau)
            for game in scale.temperature_games if game in teachers
            for tau in grid_of(outputs[game], settings)
        }  # fmt: skip
    if "together" in settings.parts:
        groups = [group for group in scale.together if set(group) <= set(teachers)]
        for student in scale.together_students:
            for group in groups:
                jobs.together[group, student] = Job(group, _recipe(settings, student, TOGETHER_LOSS))
                jobs.alone |= {(game, student): single(game, student, TOGETHER_LOSS) for game in group}
    if "methods" in settings.parts:
        for game in (game for game in scale.method_games if game in teachers):
            student = scale.method_student
            found = {
                "KL": single(game, student),
                "NLL": single(game, student, "nll"),
                "MSE": single(game, student, "mse"),
                "KL, four screens as input": single(game, student, inputs="stack"),
                "KL, half of the frames by DAgger": single(game, student, **_dagger(settings)),
            }
            found |= {
                f"KL, temperature {tau:g}": single(game, student, temperature=tau)
                for tau in grid_of(outputs[game], settings)
            }
            jobs.methods |= {(game, label): job for label, job in found.items()}
    return jobs


def _recipe(settings: Settings, student: str, loss: str, **changes: Any) -> Recipe:
    scale = settings.numbers
    usual: dict[str, Any] = {
        "student": student, "loss": loss, "seed": settings.seed, "batches": scale.batches, "frames": scale.frames,
        "held_out": scale.held_out, "evaluate_every": max(scale.batches // 20, LOOK_EVERY), "score_episodes": 0,
        "final_episodes": scale.episodes,
    }  # fmt: skip
    return Recipe.from_dict({**usual, **changes})


def _dagger(settings: Settings) -> dict[str, Any]:
    """Return what makes the student play half of the frames; teacher and student play as many as otherwise the teacher."""
    scale = settings.numbers
    every = -(-scale.batches // (DAGGER_ROUNDS + 1))
    rounds = (scale.batches - 1) // every
    each = scale.frames // 2 // max(rounds, 1)
    frames = scale.frames - rounds * each
    return {"dagger": 1.0, "dagger_every": every, "dagger_frames": max(each, 1), "frames": frames}
