"""One distillation of the study in its folder: trained, scored, its numbers kept; and what it is held against."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from snnrl.distillation import folder as run_folder
from snnrl.distillation.folder import FRAMES, HELD_OUT, SUMMARY, Plan
from snnrl.distillation.packing import Scores, score_of, student_games, write_packed
from snnrl.distillation.report import write_results
from snnrl.distillation.rollout import FINAL_SEED, Policy, play_scores, student_policy, teacher_policy
from snnrl.distillation.session import Progress, Session
from snnrl.networks.truenorth.specs import student_spec
from snnrl.studies.mckinstry2018.jobs import Job
from snnrl.studies.mckinstry2018.settings import Settings
from snnrl.studies.mckinstry2018.teachers import Found
from snnrl.studies.paper import part_of
from snnrl.studies.rewards.folder import StudyFolder
from snnrl.tasks import atari
from snnrl.training.files import read_json

RUNS, SHARED = "runs", "frames"
Told = Callable[[Progress], object]
Stopped = Callable[[], bool]


class Baseline(NamedTuple):
    """What students of a game are held against.

    Parameters
    ----------
    teacher, random
        Scores of the teacher and of a player that does anything.
    protocol
        Of both, and of the students, in words.
    """

    teacher: list[float]
    random: list[float]
    protocol: str


class Runner:
    """Makes what the study needs, or finds it in its folder.

    Parameters
    ----------
    path
        The study's folder.
    kept
        Where baselines are kept in it.
    settings, teachers
        Of the study.
    told, stopped
        As `snnrl.distillation.session.Session` takes them.
    """

    def __init__(
        self, path: Path, kept: StudyFolder, settings: Settings, teachers: Mapping[str, Found], told: Told,
        stopped: Stopped,
    ) -> None:  # fmt: skip
        self.path, self.kept, self.settings, self.teachers = path, kept, settings, teachers
        self.told, self.stopped = told, stopped

    def baseline(self, game: str) -> Baseline:
        """Return the scores of a game's teacher and of random play, under the protocol of its students."""
        found = self.teachers[game]
        episodes = self.settings.numbers.episodes
        protocol = self._protocol(game)
        words = protocol.describe()
        file = part_of(f"baseline-{game}", ".json", bytes, (found.key, words, episodes, FINAL_SEED)).file
        content = self.kept.found(file)
        if content is None:
            teacher = self._play(game, protocol, teacher_policy(found.teacher), "the teacher plays")
            anything = self._play(game, replace(protocol, epsilon=1.0), _nothing, "random play of")
            content = json.dumps({"teacher": teacher, "random": anything, "protocol": words}).encode()
            self.kept.keep(file, content)
        return Baseline(**json.loads(content))

    def make(self, job: Job, baselines: Mapping[str, Baseline]) -> dict[str, Any]:
        """Return the summary of a distillation, run to its end if it is not finished.

        Raises
        ------
        Interrupted
            ``stopped()`` became true; all is kept.
        RunFolderError
            Its folder is damaged, or there is no room left on the disk.
        """
        folder = self._folder(job)
        if (folder / SUMMARY).exists():
            return read_json(folder / SUMMARY)
        began = time.monotonic()
        session = self._session(job, folder)
        session.run()
        assert session.learner is not None
        network = session.learner.network()
        plain = student_games(session.learner, session.protocols, session.teachers, {})
        mine = {
            game.name: self._play(game.name, protocol, student_policy(network, game), "the student plays")
            for game, protocol in zip(plain, session.protocols, strict=True)
        }
        theirs = {game: baselines[game].teacher for game in job.games}
        scores = {
            game: {"score": score_of(mine[game]), "teacher_score": score_of(theirs[game])}
            for game in job.games
        }
        games = student_games(session.learner, session.protocols, session.teachers, scores)
        write_packed(folder, network, games)
        return _finished(session, mine, theirs, time.monotonic() - began)

    def drop_frames(self, needed: Iterable[Job]) -> None:
        """Delete shared frames that none of these jobs will learn from."""
        kept = {store for job in needed if not self._is_done(job) for store in self._stores(job).values()}
        for store in (self.path / SHARED).glob("*"):
            if store not in kept:
                shutil.rmtree(store, ignore_errors=True)

    def _session(self, job: Job, folder: Path) -> Session:
        if (folder / run_folder.CONFIG).exists():
            plan = run_folder.open_plan(folder)
        else:
            sources = tuple(self.teachers[game].source for game in job.games)
            plan = Plan(job.recipe, job.games, sources, self.settings.protocol)
            run_folder.create(folder, plan)
        self._share_frames(job, folder)
        teachers = [self.teachers[game].teacher for game in job.games]
        return Session(folder, plan, teachers, self.told, self.stopped, self.settings.device)

    def _share_frames(self, job: Job, folder: Path) -> None:
        """Let a run's frames stand where all runs that learn from the same ones find them; rounds of DAgger add own ones."""
        if job.recipe.dagger:
            return
        for game, store in self._stores(job).items():
            for use in (FRAMES, HELD_OUT):
                link = folder / use / game
                (store / use).mkdir(parents=True, exist_ok=True)
                link.parent.mkdir(exist_ok=True)
                if not link.is_symlink():
                    link.symlink_to(os.path.relpath(store / use, link.parent), target_is_directory=True)

    def _stores(self, job: Job) -> dict[str, Path]:
        """Return where the frames of each game are shared: frames depend on the teacher, and on what students see of them."""
        recipe = job.recipe
        sees = student_spec(recipe.student).visible
        found = {}
        for game in job.games:
            asked = (
                self.teachers[game].key,
                self._protocol(game).describe(),
                sees,
                recipe.seed,
                recipe.frames,
            )
            found[game] = self.path / SHARED / part_of(game, "", bytes, (*asked, recipe.held_out)).file
        return found

    def _folder(self, job: Job) -> Path:
        return self.path / RUNS / job.folder(self.teachers, self.settings.protocol)

    def _is_done(self, job: Job) -> bool:
        return (self._folder(job) / SUMMARY).exists()

    def _protocol(self, game: str) -> atari.Protocol:
        base = atari.PROTOCOLS[self.settings.protocol]
        return replace(base, preprocessing=self.teachers[game].teacher.preprocessing)

    def _play(self, game: str, protocol: atari.Protocol, policy: Policy, words: str) -> list[float]:
        episodes = self.settings.numbers.episodes
        self.told(Progress(f"{words} {game}", 0, 1, f"{episodes} games"))
        return play_scores(game, protocol, policy, episodes, FINAL_SEED, self.stopped)


def _nothing(view: Any) -> Any:
    """Answer with action 0, which the protocol's epsilon of 1 replaces by any."""
    return np.zeros(len(view.lanes), np.int64)


def _finished(session: Session, mine: Scores, theirs: Scores, seconds: float) -> dict[str, Any]:
    """Write the run's results and forget its frames; shared ones are only unlinked."""
    numbers = write_results(session, mine, theirs, seconds)
    run_folder.drop_frames(session.folder)
    return numbers
