"""`Session`: a distillation from the first frame to the packed student, in a folder, able to go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from snnrl.distillation.buffer import FrameBuffer
from snnrl.distillation.collect import Collector
from snnrl.distillation.folder import FRAMES, HELD_OUT, Plan, load_checkpoint, save_checkpoint
from snnrl.distillation.learner import Learner
from snnrl.distillation.lesson import Lesson, moves_of
from snnrl.distillation.packing import Scores, score_of, student_games, write_packed
from snnrl.distillation.rollout import (
    FINAL_SEED,
    Interrupted,
    Policy,
    game_seed,
    play_scores,
    student_policy,
    teacher_policy,
)
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.networks.truenorth.integer import IntegerNetwork
from snnrl.networks.truenorth.packed_student import StudentGame
from snnrl.networks.truenorth.specs import student_spec
from snnrl.networks.truenorth.vision import Vision, background_of
from snnrl.tasks import atari

if TYPE_CHECKING:
    from snnrl.distillation.teachers import Teacher

BACKGROUND_FRAMES = 1001
SIDE = 84


class Progress(NamedTuple):
    """How far a run is.

    Parameters
    ----------
    phase
        What it does, in words.
    done, total
        Frames, batches or games.
    detail
        The newest numbers, in words.
    """

    phase: str
    done: int
    total: int
    detail: str


class Session:
    """A run of `snnrl distill`.

    Parameters
    ----------
    folder
        A run folder with its plan, see `snnrl.distillation.folder`.
    plan
        What is asked.
    teachers
        One for each game.
    told
        Called with the progress.
    stopped
        Asked between batches and between decisions.
    device
        Where the student is trained, ``"cpu"`` or ``"cuda"``.

    Attributes
    ----------
    learner
        The student in training; None until there are frames.
    scores
        Live scores so far: ``{"batches": n, game: [scores]}``.

    Raises
    ------
    InvalidValueError
        A teacher does not fit its game.
    RunFolderError
        The folder is damaged.
    """

    def __init__(
        self, folder: Path, plan: Plan, teachers: Sequence[Teacher],
        told: Callable[[Progress], object] = lambda progress: None,
        stopped: Callable[[], bool] = lambda: False, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.folder, self.plan, self.recipe, self.device = folder, plan, plan.recipe, device
        self.teachers, self._told, self._stopped = list(teachers), told, stopped
        base = atari.PROTOCOLS[plan.protocol]
        self.protocols = [replace(base, preprocessing=teacher.preprocessing) for teacher in self.teachers]
        names = [self._actions(number) for number in range(len(plan.games))]
        self.moves, self.populations = moves_of(names)
        self.visible = student_spec(self.recipe.student).visible
        self.collectors = [self._collector(k, FRAMES) for k in range(len(plan.games))]
        self.held_out = [self._collector(k, HELD_OUT) for k in range(len(plan.games))]
        self.learner: Learner | None = None
        self.scores: list[dict[str, Any]] = []
        self._rounds = 0

    def run(self) -> None:
        """Play, train and measure to the end.

        Raises
        ------
        Interrupted
            ``stopped()`` became true; the folder holds all that is needed to go on.
        RunFolderError
            There is no room left on the disk.
        """
        self._play_first_frames()
        self.learner = learner = self._make_learner()
        self._restore(learner)
        try:
            self._train(learner)
        except Interrupted:
            self._save(learner)
            raise
        self._save(learner)

    def final_scores(self) -> tuple[Scores, Scores]:
        """Play the student's last games, and its teachers', and write the student with them.

        Returns
        -------
        Scores by game, of the student and of its teachers.
        """
        assert self.learner is not None
        network, episodes = self.learner.network(), self.recipe.final_episodes
        mine = self._score(network, episodes, FINAL_SEED, "the student plays its last games")
        self._say("the teacher plays the same games", 0, 1, self._words(self.learner))
        theirs = {
            game: self._games(game, self.protocols[k], teacher_policy(self.teachers[k]), episodes, FINAL_SEED)
            for k, game in enumerate(self.plan.games)
        }
        self._write_student(network, mine, theirs)
        return mine, theirs

    def _actions(self, number: int) -> tuple[str, ...]:
        game, teacher = self.plan.games[number], self.teachers[number]
        with atari.Atari(game, 1, 0, self.protocols[number]) as env:
            names = env.action_names
        if len(names) != teacher.n_actions:
            allowed = f"{len(names)} for {game}: {', '.join(names)}"
            raise InvalidValueError(f"actions of teacher {teacher.name}", teacher.n_actions, allowed)
        return names

    def _collector(self, number: int, use: str) -> Collector:
        game, teacher = self.plan.games[number], self.teachers[number]
        protocol = replace(self.protocols[number], epsilon=self.recipe.epsilon)
        about = {
            "game": game,
            "teacher": teacher.name,
            "protocol": asdict(protocol),
            "visible": self.visible,
            "seed": self.recipe.seed,
        }
        buffer = FrameBuffer(self.folder / use / game, SIDE, teacher.n_actions, about)
        placed = Vision("stack", None, self.visible).placed
        return Collector(buffer, game, protocol, teacher, placed, use, self.recipe.seed)

    def _play_first_frames(self) -> None:
        for collectors, most, words in (
            (self.collectors, self.recipe.frames, "playing"),
            (self.held_out, self.recipe.held_out, "playing held-out"),
        ):
            for collector in collectors:
                phase = f"{words} {collector.game}"
                collector.fill(most, told=self._frames_told(phase, 0, most), stopped=self._stopped)

    def _frames_told(self, phase: str, first: int, total: int) -> Callable[[int], None]:
        return lambda done: self._say(phase, done - first, total, "frames") if done % 64 < 8 else None

    def _make_learner(self) -> Learner:
        lessons = []
        parts = zip(self.collectors, self.held_out, self.moves, self.teachers, strict=True)
        for collector, held_out, moves, teacher in parts:
            background = None
            if self.recipe.inputs == "differences":
                rows = np.linspace(
                    0, self.recipe.frames - 1, min(BACKGROUND_FRAMES, self.recipe.frames)
                ).astype(np.int64)
                background = background_of(collector.buffer.screens(rows))
            vision = Vision(self.recipe.inputs, background, self.visible)
            temperature = self.recipe.temperature_for(teacher.outputs)
            lessons.append(
                Lesson(collector.game, collector.buffer, held_out.buffer, vision, moves, temperature)
            )
        return Learner(self.recipe, lessons, len(self.populations), device=self.device)

    def _restore(self, learner: Learner) -> None:
        state = load_checkpoint(self.folder, self.device)
        if state is not None:
            learner.restore(state["learner"])
            self.scores, self._rounds = state["scores"], state["rounds"]
        for collector in self.collectors:
            collector.rewind(self._frames_due())
            if len(collector.buffer) != self._frames_due():
                raise RunFolderError(
                    f"{collector.buffer.folder}: {len(collector.buffer):,} frames, "
                    f"allowed: the {self._frames_due():,} that the checkpoint was trained on"
                )

    def _frames_due(self) -> int:
        return self.recipe.frames + self._rounds * self.recipe.dagger_frames

    def _save(self, learner: Learner) -> None:
        state = {"learner": learner.state(), "scores": self.scores, "rounds": self._rounds}
        save_checkpoint(self.folder, state)

    def _train(self, learner: Learner) -> None:
        recipe = self.recipe
        if not learner.curve:
            learner.look()
        while True:
            self._score_if_due(learner)
            if learner.done == recipe.batches:
                return
            if self._rounds < recipe.rounds(learner.done):
                self._dagger(learner)
            learner.step()
            last = learner.done == recipe.batches
            if learner.done % recipe.evaluate_every == 0 or last:
                learner.look()
            if learner.done % recipe.checkpoint_every == 0 or last:
                self._save(learner)
            self._say("training", learner.done, recipe.batches, self._words(learner))
            if self._stopped() and not last:
                raise Interrupted

    def _dagger(self, learner: Learner) -> None:
        """Let the student play a round of every game, and the teacher label it."""
        network, before = learner.network(), self._frames_due()
        for collector, game in zip(self.collectors, self._games_of(learner, {}), strict=True):
            told = self._frames_told(f"the student plays {game.name}", before, self.recipe.dagger_frames)
            collector.fill(
                before + self.recipe.dagger_frames,
                self.recipe.dagger,
                student_policy(network, game),
                told,
                self._stopped,
            )
        self._rounds += 1

    def _score_if_due(self, learner: Learner) -> None:
        """Play some games with the student as it is, unless that was done before an interruption."""
        recipe, done = self.recipe, learner.done
        due = 0 < done < recipe.batches and done % recipe.score_every == 0 and recipe.score_episodes > 0
        if not due or (self.scores and self.scores[-1]["batches"] == done):
            return
        network = learner.network()
        found = self._score(network, recipe.score_episodes, game_seed("live", recipe.seed, 0), "playing")
        self.scores.append({"batches": done, **found})
        self._write_student(network, found, {})

    def _score(self, network: IntegerNetwork, episodes: int, seed: int, words: str) -> Scores:
        """Return the student's scores in every game."""
        assert self.learner is not None
        self._say(words, 0, 1, self._words(self.learner))
        return {
            game.name: self._games(game.name, protocol, student_policy(network, game), episodes, seed)
            for game, protocol in zip(self._games_of(self.learner, {}), self.protocols, strict=True)
        }

    def _games(
        self, game: str, protocol: atari.Protocol, policy: Policy, episodes: int, seed: int
    ) -> list[float]:
        return play_scores(game, protocol, policy, episodes, seed, self._stopped)

    def _write_student(self, network: IntegerNetwork, mine: Scores, theirs: Scores) -> None:
        assert self.learner is not None
        scores = {
            game: {"score": score_of(found), "teacher_score": score_of(theirs.get(game, []))}
            for game, found in mine.items()
        }
        write_packed(self.folder, network, self._games_of(self.learner, scores))

    def _games_of(self, learner: Learner, more: dict[str, dict[str, Any]]) -> list[StudentGame]:
        return student_games(learner, self.protocols, self.teachers, more)

    def _words(self, learner: Learner) -> str:
        point = learner.curve[-1]
        words = f"agreement {point.agreement:.3f}, divergence {point.held_out:.3f}"
        if self.scores:
            newest = self.scores[-1]
            games = [f"{game} {np.mean(newest[game]):.1f}" for game in self.plan.games]
            words += f", score {', '.join(games)}"
        return words

    def _say(self, phase: str, done: int, total: int, detail: str) -> None:
        self._told(Progress(phase, done, total, detail))
