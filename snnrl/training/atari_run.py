"""A teacher of an Atari game is trained, and everything is kept in a run folder.

::

    config.json     everything needed to repeat the run, versions included; written first
    agent.npz       checkpoint: model, memory, games under way, games that ended, in one file
    teacher.zip     the model as Stable-Baselines3 saves it; written with every checkpoint
    games.csv       decisions so far, score and decisions of every game of the learner; written at the end, and so is
    summary.json    scores of the evaluation and their protocol
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl import random
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.tasks import atari
from snnrl.training.atari_options import make_options
from snnrl.training.checkpoint import pack, unpack
from snnrl.training.files import one_line, read_json, replace_file, unwritable, write_json
from snnrl.training.runfolder import CHECKPOINT, CONFIG, SUMMARY, refuse_taken, versions

if TYPE_CHECKING:
    from snnrl.training.atari_options import AtariOptions
    from snnrl.training.atari_sb3 import AtariLearner

KIND, FORMAT = "atari", 1
TEACHER, GAMES = "teacher.zip", "games.csv"
CHECKPOINT_SECONDS = 300.0
"""A memory of 100,000 decisions takes some seconds to write."""
RECENT = 20
EVALUATION = dataclasses.replace(atari.PROTOCOLS["no-op"], preprocessing="ddqn")
"""Rules of play of the evaluation."""
LANES = 8
_EVALUATION_STREAM = random.stream_id("atari/evaluation")


@dataclass(frozen=True)
class AtariConfig:
    """What a teacher is trained on and with.

    Parameters
    ----------
    game
        Name, see `snnrl.tasks.atari.GAMES`.
    algorithm
        One of `ALGORITHMS`.
    seed
        Of games, weights and exploration.
    evaluation_episodes
        Games of the evaluation at the end.
    device
        ``auto``, ``cpu`` or ``cuda``.
    parameters
        Fields of the algorithm's options that differ from their defaults.

    Raises
    ------
    InvalidValueError
        Something unknown, or a value outside its range.
    """

    game: str
    algorithm: str = "ddqn"
    seed: int = 0
    evaluation_episodes: int = 30
    device: str = "auto"
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        atari.game(self.game)
        if self.device not in ("auto", "cpu", "cuda"):
            raise InvalidValueError("device", self.device, "auto, cpu, cuda")
        make_options(self.algorithm, self.parameters)

    @property
    def options(self) -> AtariOptions:
        """The algorithm with its numbers."""
        return make_options(self.algorithm, self.parameters)


@dataclass(frozen=True)
class AtariProgress:
    """How far a run is.

    Parameters
    ----------
    phase
        ``learning`` or ``evaluation``.
    done, total
        Decisions, or games.
    games
        Games that ended.
    score
        Mean of the last `RECENT` of them, NaN without any.
    """

    phase: str
    done: int
    total: int
    games: int
    score: float


ProgressFunction = Callable[[AtariProgress], None]


def is_atari_run(path: Path) -> bool:
    """Say whether a folder is a run of this kind; whatever cannot be read is none."""
    try:
        return read_json(path / CONFIG).get("kind") == KIND
    except RunFolderError:
        return False


def read_config(path: Path) -> AtariConfig:
    """Return the options with which a run began.

    Raises
    ------
    RunFolderError
        The folder is damaged, or another version of snnrl began it.
    """
    content = read_json(path / CONFIG)
    began, here = dict(content.get("versions") or {}).get("snnrl"), versions()["snnrl"]
    if content.get("format") != FORMAT or began != here:
        raise RunFolderError(f"{path}: begun by snnrl {began}, to resume it needs the same, got {here}")
    try:
        return AtariConfig(**content["options"])
    except (KeyError, TypeError, InvalidValueError) as error:
        raise RunFolderError(f"{path / CONFIG}: damaged ({one_line(error)})") from error


def train_atari(
    config: AtariConfig,
    path: Path,
    resume: bool = False,
    progress: ProgressFunction = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train a teacher in a run folder and return the content of ``summary.json``.

    A resumed run goes on from its last checkpoint, bit for bit.

    Parameters
    ----------
    config
        What to train.
    path
        The run folder: a new one, or with ``resume`` one that exists.
    progress
        Called now and then.
    stopped
        Asked between two blocks whether to write a checkpoint and leave.

    Raises
    ------
    KeyboardInterrupt
        ``stopped()`` was true; the folder holds all that is needed to go on.
    RunFolderError
        The folder is taken, cannot be written, or its checkpoint is damaged.
    """
    from snnrl.training.atari_sb3 import AtariLearner

    if not resume:
        refuse_taken(path)
    learner = AtariLearner(config.game, config.options, config.seed, config.device)
    try:
        run = _Run(config, path, learner, progress, stopped)
        if resume:
            run.resume()
        else:
            run.create()
        return run.result()
    finally:
        learner.close()


class _Run:
    """One run: its folder, its learner, the time it has taken."""

    def __init__(self, config: AtariConfig, path: Path, learner: AtariLearner, progress: ProgressFunction,
                 stopped: Callable[[], bool]) -> None:  # fmt: skip
        self.config, self.path, self.learner = config, path, learner
        self.progress, self.stopped = progress, stopped
        self.began = self.saved = time.monotonic()
        self.spent = 0.0

    def create(self) -> None:
        """Make the folder."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        content = {
            "kind": KIND,
            "format": FORMAT,
            "versions": versions(),
            "options": dataclasses.asdict(self.config),
        }
        write_json(self.path / CONFIG, content)

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        path = self.path / CHECKPOINT
        if not path.exists():
            return
        try:
            state, _ = unpack(path.read_bytes())
            self.spent = float(state.pop("seconds"))
            self.learner.restore(state)
        except (ValueError, KeyError, RuntimeError, OSError) as error:
            raise RunFolderError(f"{path}: damaged or not a checkpoint ({one_line(error)})") from error

    def result(self) -> dict[str, Any]:
        """Do what is left to do."""
        self._learn()
        self._save()
        scores = evaluate(self.learner, self.config, self.progress, self.stopped)
        self._write_games()
        summary = self._summary(scores)
        write_json(self.path / SUMMARY, summary)
        return summary

    def _learn(self) -> None:
        total = self.config.options.steps
        while self.learner.steps < total:
            self.learner.block()
            games = self.learner.environments.games
            recent = [score for _, score, _ in games[-RECENT:]]
            mean = float(np.mean(recent)) if recent else float("nan")
            self.progress(AtariProgress("learning", self.learner.steps, total, len(games), mean))
            stopped = self.stopped()
            if stopped or time.monotonic() - self.saved > CHECKPOINT_SECONDS:
                self._save()
            if stopped:
                raise KeyboardInterrupt

    def _seconds(self) -> float:
        return self.spent + time.monotonic() - self.began

    def _save(self) -> None:
        state = self.learner.save()
        replace_file(self.path / CHECKPOINT, pack(state | {"seconds": np.array(self._seconds())}, []))
        replace_file(self.path / TEACHER, state["model"].tobytes())
        self.saved = time.monotonic()

    def _write_games(self) -> None:
        lines = ["steps,score,decisions"]
        lines += [
            f"{steps},{score:g},{decisions}" for steps, score, decisions in self.learner.environments.games
        ]
        replace_file(self.path / GAMES, ("\n".join(lines) + "\n").encode())

    def _summary(self, scores: list[float]) -> dict[str, Any]:
        config = self.config
        return {
            "game": config.game,
            "algorithm": config.algorithm,
            "options": dataclasses.asdict(config.options),
            "steps": self.learner.steps,
            "games": len(self.learner.environments.games),
            "scores": scores,
            "score_mean": float(np.mean(scores)) if scores else None,
            "score_std": float(np.std(scores)) if scores else None,
            "protocol": EVALUATION.describe(),
            "wall_time": self._seconds(),
        }


def evaluate(
    learner: AtariLearner, config: AtariConfig, progress: ProgressFunction, stopped: Callable[[], bool]
) -> list[float]:
    """Return the scores of some games played by the best actions, under `EVALUATION`.

    Raises
    ------
    KeyboardInterrupt
        ``stopped()`` was true.
    """
    games = config.evaluation_episodes
    if games == 0:
        return []
    seed = random.stream_base(config.seed, _EVALUATION_STREAM)
    lanes = min(LANES, games)
    left = np.full(lanes, games // lanes) + (np.arange(lanes) < games % lanes)
    with atari.Atari(config.game, lanes, seed, EVALUATION) as played:
        stack = atari.Stack(lanes)
        stacks = stack.push(played.reset(), np.ones(lanes, dtype=bool))
        while (moving := left > 0).any():
            step = played.step(played.explore(learner.act(stacks)), moving)
            stacks = stack.push(step.screens, step.fresh, moving)
            left -= step.ended
            scores = [score for _, score, _ in played.finished]
            mean = float(np.mean(scores)) if scores else float("nan")
            progress(AtariProgress("evaluation", len(scores), games, len(scores), mean))
            if stopped():
                raise KeyboardInterrupt
    return scores
