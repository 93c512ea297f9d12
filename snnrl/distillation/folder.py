"""The folder of a distillation: what it was asked to do, its checkpoint, its results.

::

    config.json        recipe, games, teachers, protocol, versions; written first
    frames/GAME/       a `FrameBuffer` to train on      held-out/GAME/  one for the curve
    checkpoint.pt      learner and books
    student.tn         the packed student, newest score inside
    figures/*.png, report.html
    summary.json       written last: marks the run as finished

Every file but the frames appears whole or not at all.
"""

from __future__ import annotations

import io
import pickle
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from snnrl.distillation.recipe import Recipe
from snnrl.errors import InvalidValueError, RunFolderError
from snnrl.training.files import one_line, read_json, replace_file, unwritable, write_json
from snnrl.training.runfolder import refuse_taken, versions

FORMAT = 1
CONFIG, CHECKPOINT, SUMMARY, REPORT = "config.json", "checkpoint.pt", "summary.json", "report.html"
FRAMES, HELD_OUT = "frames", "held-out"


@dataclass(frozen=True)
class Plan:
    """What a run was asked to do.

    Parameters
    ----------
    recipe
        All constants.
    games
        Names of the games.
    teachers
        A file or name for each game.
    protocol
        Name of the protocol (`snnrl.tasks.atari.PROTOCOLS`).
    """

    recipe: Recipe
    games: tuple[str, ...]
    teachers: tuple[str, ...]
    protocol: str

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "recipe": self.recipe.to_dict(),
            "games": list(self.games),
            "teachers": list(self.teachers),
            "protocol": self.protocol,
        }


def create(path: Path, plan: Plan) -> None:
    """Make a run folder.

    Raises
    ------
    RunFolderError
        The path is taken or cannot be written.
    """
    refuse_taken(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    found = versions() | {"torch": metadata.version("torch")}
    write_json(path / CONFIG, {"format": FORMAT, "versions": found, "distillation": plan.to_dict()})


def open_plan(path: Path) -> Plan:
    """Return what the run in a folder was asked to do, to go on with it.

    Raises
    ------
    RunFolderError
        The folder is missing, damaged, no distillation, or was begun by another version.
    """
    if not path.is_dir():
        raise RunFolderError(f"{path}: no such run folder, allowed: a folder written by 'snnrl distill'")
    content = read_json(path / CONFIG)
    began = content["versions"].get("snnrl") if isinstance(content.get("versions"), dict) else None
    if content.get("format") != FORMAT or "distillation" not in content:
        raise RunFolderError(
            f"{path}: no distillation of format {FORMAT}, allowed: a folder of 'snnrl distill'"
        )
    if began != metadata.version("snnrl"):
        raise RunFolderError(
            f"{path}: begun by snnrl {began}, to resume it needs the same, got {metadata.version('snnrl')}"
        )
    asked = content["distillation"]
    try:
        recipe = Recipe.from_dict(asked["recipe"])
        return Plan(recipe, tuple(asked["games"]), tuple(asked["teachers"]), str(asked["protocol"]))
    except (KeyError, TypeError, InvalidValueError) as error:
        raise RunFolderError(f"{path / CONFIG}: damaged ({one_line(error)})") from error


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint of a run folder in one step."""
    content = io.BytesIO()
    torch.save(dict(state), content)
    replace_file(path / CHECKPOINT, content.getvalue())


def load_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any] | None:
    """Return the checkpoint of a run folder on a device, None where there is none; nothing in it is executed.

    Raises
    ------
    RunFolderError
        The file is damaged.
    """
    file = path / CHECKPOINT
    if not file.exists():
        return None
    try:
        state = torch.load(file, weights_only=True, map_location=device)
    except (OSError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise RunFolderError(f"{file}: damaged or not a checkpoint ({one_line(error)[:120]})") from error
    if not isinstance(state, dict):
        raise RunFolderError(f"{file}: damaged or not a checkpoint")
    return state


def drop_frames(path: Path) -> None:
    """Delete the frames of a finished run."""
    for name in (FRAMES, HELD_OUT):
        shutil.rmtree(path / name, ignore_errors=True)


def default_path(plan: Plan, now: datetime) -> Path:
    """Return ``runs/distill-<games>-<student>-<loss>-<timestamp>``."""
    parts = ("distill", *plan.games, plan.recipe.student, plan.recipe.loss, now.strftime("%Y%m%d-%H%M%S"))
    return Path("runs") / re.sub(r"[^\w.-]+", "_", "-".join(parts))
