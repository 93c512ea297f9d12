"""The tables: what was measured, the paper's numbers beside it, and rows for what has no teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from snnrl.studies.mckinstry2018 import published
from snnrl.studies.mckinstry2018.jobs import Job, Jobs, grid_of
from snnrl.studies.mckinstry2018.running import Baseline
from snnrl.studies.mckinstry2018.settings import Settings
from snnrl.studies.mckinstry2018.teachers import Found
from snnrl.studies.paper import Row
from snnrl.tasks import atari

TEACHERS, FIGURE_3, TABLE_2, TABLE_3, FIGURE_4, METHODS = (
    "teachers", "figure-3", "table-2", "table-3", "figure-4", "methods",
)  # fmt: skip
NO_TEACHER = "no teacher"


@dataclass(frozen=True)
class Measured:
    """Everything that was measured.

    Parameters
    ----------
    settings, teachers, jobs
        What was asked and run.
    baselines
        By game.
    summaries
        By job, see `snnrl.distillation.report.summary`.
    """

    settings: Settings
    teachers: Mapping[str, Found]
    jobs: Jobs
    baselines: Mapping[str, Baseline]
    summaries: Mapping[Job, dict[str, Any]]

    def rows(self) -> list[Row]:
        """Return the rows of all tables; ``table`` says of which."""
        made = {
            "sizes": (self._table_3, self._figure_3),
            "temperatures": (self._table_2,),
            "together": (self._figure_4,),
            "methods": (self._methods,),
        }
        chosen = [row for part in self.settings.parts for table in made[part] for row in table()]
        return [*self._teachers(), *chosen]

    def scored(self, job: Job, game: str) -> Row:
        """Return a student's numbers in a game.

        Returns
        -------
        dict
            ``score, deviation, episodes``; ``of_teacher``: score over the teacher's, as the paper counts, None for a
            teacher without points; ``of_range``: the part of the way from random play to the teacher; ``agreement`` with the
            teacher on held-out frames, of all games of a student; ``teacher_score, random_score, protocol``.
        """
        baseline, summary = self.baselines[game], self.summaries[job]
        found = summary["games"][game]
        score, teacher, anything = (
            found["score"]["mean"],
            float(np.mean(baseline.teacher)),
            float(np.mean(baseline.random)),
        )
        return {
            "score": score,
            "deviation": found["score"]["std"],
            "episodes": len(found["score"]["scores"]),
            "of_teacher": score / teacher if teacher > 0 else None,
            "of_range": (score - anything) / (teacher - anything) if teacher > anything else None,
            "agreement": summary["agreement_end"],
            "teacher_score": teacher,
            "random_score": anything,
            "protocol": baseline.protocol,
        }

    def _teachers(self) -> list[Row]:
        rows = []
        for game in self.settings.chosen_games:
            if game not in self.teachers:
                rows.append(self._missing(TEACHERS, game))
                continue
            found, baseline = self.teachers[game].teacher, self.baselines[game]
            rows.append({
                "table": TEACHERS, "row": title(game), "teacher": found.name, "outputs": found.outputs,
                "teacher_score": float(np.mean(baseline.teacher)), "random_score": float(np.mean(baseline.random)),
                "episodes": len(baseline.teacher), "protocol": baseline.protocol,
            })  # fmt: skip
        return rows

    def _figure_3(self) -> list[Row]:
        scale, rows = self.settings.numbers, []
        for game in scale.games:
            if game not in self.teachers:
                rows.append(self._missing(FIGURE_3, game))
                continue
            for student in scale.students:
                for loss in scale.losses:
                    kind = {"game": game, "student": student, "loss": loss}
                    words = f"{title(game)}, {student}, {loss.upper()}"
                    numbers = self.scored(self.jobs.sizes[game, student, loss], game)
                    rows.append({"table": FIGURE_3, "row": words, **kind, **numbers})
        return rows

    def _table_3(self) -> list[Row]:
        scale, rows = self.settings.numbers, []
        games = [game for game in scale.games if game in self.teachers]
        for student in scale.students:
            for loss in scale.losses if games else ():
                found = [self.scored(self.jobs.sizes[game, student, loss], game) for game in games]
                counted = sum(row["of_teacher"] is not None for row in found)
                kind = {"student": student, "loss": loss, "games": counted}
                means = {name: mean_of(row[name] for row in found) for name in ("of_teacher", "of_range")}
                paper = published.TABLE_3.get((student, loss))
                words = f"{student}, {loss.upper()}"
                rows.append({"table": TABLE_3, "row": words, **kind, **means, "paper": paper})
        return rows

    def _table_2(self) -> list[Row]:
        scale, rows = self.settings.numbers, []
        for game in scale.temperature_games:
            if game not in self.teachers:
                rows.append(self._missing(TABLE_2, game))
                continue
            outputs = self.teachers[game].teacher.outputs
            if not (grid := grid_of(outputs, self.settings)):
                words = f"{title(game)}: its teacher tells actions alone, which have no temperature"
                rows.append({"table": TABLE_2, "row": words, "game": game})
            for tau in grid:
                kind = {
                    "game": game,
                    "temperature": tau,
                    "outputs": outputs,
                    "student": scale.temperature_student,
                }
                numbers = self.scored(self.jobs.temperatures[game, tau], game)
                paper = published.table_2(game, tau) if outputs == "q-values" else None
                rows.append({"table": TABLE_2, "row": title(game), **kind, **numbers, "paper": paper})
        return rows

    def _figure_4(self) -> list[Row]:
        scale, rows = self.settings.numbers, []
        for group in scale.together:
            names = ", ".join(title(game) for game in group)
            missing = [title(game) for game in group if game not in self.teachers]
            if missing:
                words = f"{names}: {NO_TEACHER} of {', '.join(missing)}"
                rows.append({"table": FIGURE_4, "row": words, "games": len(group)})
                continue
            for student in scale.together_students:
                rows.append(self._together(group, student, f"{names}, {student}"))
        return rows

    def _together(self, group: tuple[str, ...], student: str, words: str) -> Row:
        together = [self.scored(self.jobs.together[group, student], game) for game in group]
        alone = [self.scored(self.jobs.alone[game, student], game) for game in group]
        return {
            "table": FIGURE_4, "row": words, "games": len(group), "student": student, "group": list(group),
            "of_alone": mean_of(relative(mine["score"], own["score"])
                                for mine, own in zip(together, alone, strict=True)),
            "of_range_alone": mean_of(relative(mine["of_range"], own["of_range"])
                                      for mine, own in zip(together, alone, strict=True)),
            "of_teacher": mean_of(row["of_teacher"] for row in together),
            "of_range": mean_of(row["of_range"] for row in together),
            "agreement": together[0]["agreement"],
            "scores": {game: row["score"] for game, row in zip(group, together, strict=True)},
            "scores_alone": {game: row["score"] for game, row in zip(group, alone, strict=True)},
        }  # fmt: skip

    def _methods(self) -> list[Row]:
        scale = self.settings.numbers
        rows = [self._missing(METHODS, game) for game in scale.method_games if game not in self.teachers]
        for (game, label), job in self.jobs.methods.items():
            recipe, summary = job.recipe, self.summaries[job]
            kind = {
                "game": game, "student": scale.method_student, "loss": recipe.loss, "temperature": recipe.temperature,
                "inputs": recipe.inputs, "batches": summary["batches"], "frames": summary["frames"][game],
            }  # fmt: skip
            words = f"{title(game)}: {label}"
            rows.append({"table": METHODS, "row": words, **kind, **self.scored(job, game)})
        return rows

    def _missing(self, table: str, game: str) -> Row:
        return {"table": table, "row": f"{title(game)}: {NO_TEACHER}", "game": game, "teacher": NO_TEACHER}


def title(game: str) -> str:
    """Return a game's name as it is printed."""
    return atari.game(game).title


def relative(score: float | None, other: float | None) -> float | None:
    """Return one over the other; None where that means nothing, as the other is not above 0."""
    return score / other if score is not None and other is not None and other > 0 else None


def mean_of(values: Any) -> float | None:
    """Return the mean of those that are not None, None if there are none."""
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else None


def rows_of(rows: Sequence[Row], table: str) -> list[Row]:
    """Return the rows of one table."""
    return [row for row in rows if row["table"] == table]
