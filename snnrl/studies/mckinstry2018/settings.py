"""What is run: the scales, and what the command may change."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snnrl.distillation.recipe import LARGEST_SEED
from snnrl.errors import InvalidValueError
from snnrl.tasks import atari
from snnrl.training.config import known_name, whole_number

STUDY = "mckinstry2018"
PARTS = ("sizes", "temperatures", "together", "methods")
"""Table 3 and figure 3; table 2; figure 4; the table at equal budget."""
FOUR = ("breakout", "pong", "qbert", "seaquest")
TWO_OR_THREE = (
    ("pong", "qbert"),
    ("pong", "space-invaders"),
    ("pong", "qbert", "space-invaders"),
    ("pong", "qbert", "freeway"),
)
"""The paper's combinations of two and of three games (caption of figure 4)."""


@dataclass(frozen=True)
class Scale:
    """How much is run.

    Parameters
    ----------
    games
        Of table 3 and figure 3.
    students
        Their sizes, smallest first.
    temperature_games, temperature_student
        Of table 2.
    together, together_students
        Combinations of games that one student learns, and their sizes, for figure 4.
    method_games, method_student
        Of the table at equal budget.
    batches, frames, held_out
        Of every distillation: batches of 32, frames of each game that the teacher plays, and held-out ones.
    episodes
        In which student, teacher and the random player are scored.
    look_ahead
        Whether games without a teacher's file get one that looks ahead in the emulator, 5 to 10 decisions a second.
    losses
        Of table 3.
    logit_temperatures
        In place of the paper's where the teacher's outputs are logits of a policy.
    """

    games: tuple[str, ...]
    students: tuple[str, ...]
    temperature_games: tuple[str, ...]
    temperature_student: str
    together: tuple[tuple[str, ...], ...]
    together_students: tuple[str, ...]
    method_games: tuple[str, ...]
    method_student: str
    batches: int
    frames: int
    held_out: int
    episodes: int
    look_ahead: bool = False
    losses: tuple[str, ...] = ("kl", "nll")
    logit_temperatures: tuple[float, ...] = (0.1, 0.2, 0.5, 1.0)


ALL = tuple(atari.GAMES)
SCALES = {
    "quick": Scale(
        games=("pong", "breakout"), students=("mini",),
        temperature_games=("pong", "breakout"), temperature_student="mini",
        together=(("pong", "breakout"),), together_students=("mini",),
        method_games=("pong",), method_student="mini",
        batches=2_000, frames=12_000, held_out=2_000, episodes=3,
    ),
    "cpu": Scale(
        games=FOUR, students=("mini", "1-chip"),
        temperature_games=("breakout", "qbert", "pong", "seaquest"), temperature_student="mini",
        together=(("pong", "qbert"), ("pong", "breakout"), ("pong", "qbert", "breakout"), FOUR),
        together_students=("mini", "1-chip"),
        method_games=("pong", "breakout"), method_student="mini",
        batches=30_000, frames=120_000, held_out=10_000, episodes=10,
    ),
    "gpu": Scale(
        games=ALL, students=("1-chip", "2-chip", "4-chip"),
        temperature_games=("breakout", "beam-rider", "qbert", "space-invaders"), temperature_student="1-chip",
        together=(*TWO_OR_THREE, FOUR), together_students=("1-chip", "2-chip", "4-chip"),
        method_games=("pong", "breakout"), method_student="1-chip",
        batches=200_000, frames=300_000, held_out=20_000, episodes=30, look_ahead=True,
    ),
    "paper": Scale(
        games=ALL, students=("1-chip", "2-chip", "4-chip"),
        temperature_games=("breakout", "beam-rider", "qbert", "space-invaders"), temperature_student="1-chip",
        together=(*TWO_OR_THREE, ALL), together_students=("1-chip", "2-chip", "4-chip", "8-chip"),
        method_games=("pong", "breakout"), method_student="1-chip",
        batches=1_500_000, frames=1_000_000, held_out=20_000, episodes=100, look_ahead=True,
    ),
}  # fmt: skip
"""By name. ``paper``: 1.5 million batches of 32, a buffer of 1 million frames, 100 episodes (its "Experiments")."""


@dataclass(frozen=True)
class Settings:
    """What is run.

    Parameters
    ----------
    scale
        One of `SCALES`.
    teachers
        A folder with files named after games, see `snnrl.studies.mckinstry2018.teachers`; None: only those that
        need no file.
    seed
        Of frames, weights and batches.
    protocol
        One of `snnrl.tasks.atari.PROTOCOLS`, of every score.
    device
        Where students are trained, ``"cpu"`` or ``"cuda"``.
    games
        Only these of the scale's; empty: all.
    parts
        Some of `PARTS`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        A name that is not known, a game that is not the scale's, or a seed out of range.
    """

    scale: str = "quick"
    teachers: Path | None = None
    seed: int = 0
    protocol: str = "no-op"
    device: str = "cpu"
    games: tuple[str, ...] = ()
    parts: tuple[str, ...] = PARTS

    def __post_init__(self) -> None:
        known_name("--scale", self.scale, SCALES)
        known_name("--protocol", self.protocol, atari.PROTOCOLS)
        known_name("--device", self.device, ("cpu", "cuda"))
        for name in self.parts:
            known_name("--parts", name, PARTS)
        for name in self.games:
            known_name("--games", name, self.every_game)
        whole_number("--seed", self.seed, 0)
        if self.seed > LARGEST_SEED:
            raise InvalidValueError("--seed", self.seed, f"a whole number, 0 to {LARGEST_SEED}")

    @property
    def numbers(self) -> Scale:
        """The scale, with the games that are left of it."""
        scale = SCALES[self.scale]
        if not self.games:
            return scale
        left = {
            name: tuple(game for game in getattr(scale, name) if game in self.games)
            for name in ("games", "temperature_games", "method_games")
        }
        together = tuple(group for group in scale.together if set(group) <= set(self.games))
        return dataclasses.replace(scale, **left, together=together)  # type: ignore[arg-type]

    @property
    def every_game(self) -> tuple[str, ...]:
        """Games of the scale, each once."""
        scale = SCALES[self.scale]
        groups = (scale.games, scale.temperature_games, scale.method_games, *scale.together)
        return tuple(dict.fromkeys(game for group in groups for game in group))

    @property
    def chosen_games(self) -> tuple[str, ...]:
        """Games of the scale that are run."""
        return tuple(game for game in self.every_game if not self.games or game in self.games)

    def to_dict(self) -> dict[str, Any]:
        """Return as values for JSON what numbers depend on; what games, parts and teachers change is in folders' names."""
        kept = ("scale", "seed", "protocol", "device")
        scale = SCALES[self.scale]
        sizes = {name: getattr(scale, name) for name in ("batches", "frames", "held_out", "episodes")}
        return {"study": STUDY, **{name: getattr(self, name) for name in kept}, **sizes}
