"""Teachers by file or by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from snnrl.distillation.teachers.base import Teacher
from snnrl.distillation.teachers.look_ahead import LookAhead
from snnrl.distillation.teachers.scripted import SCRIPTS, Scripted
from snnrl.errors import InvalidValueError
from snnrl.tasks import atari
from snnrl.training.atari_run import TEACHER

if TYPE_CHECKING:
    from torch import nn

    from snnrl.distillation.teachers.base import Outputs
    from snnrl.networks.dense import DenseNetwork

NAMES = (*(f"script:{game}" for game in SCRIPTS), "look-ahead")
"""Teachers that need no file."""
KINDS = f"a Stable-Baselines3 zip or a torch state dict of a convolutional policy, or {', '.join(NAMES)}"
LOOK_AHEAD = ("roll_outs", "depth", "hold", "seed")
"""Numbers of `LookAhead` that its name may give."""
STRIDES = {3: (4, 2, 1), 2: (4, 2)}
"""Of the convolutions, by their number: Mnih et al. 2015 and 2013; a state dict does not say."""
_SHAPE = (4, 84, 84)
_SCALE = 255.0


def load_teacher(
    source: str | Path, game: str, preprocessing: str | None = None, device: str = "cpu"
) -> Teacher:
    """Return a teacher of a game.

    Parameters
    ----------
    source
        One of `NAMES`, also ``look-ahead:depth=30,hold=5``, a file, or a run folder of ``snnrl train atari:GAME``; of a file only numbers are read, nothing in
        it is executed.
    game
        Name of the game, see `snnrl.tasks.atari.GAMES`.
    preprocessing
        Of the screens; None: ``ddqn`` for Stable-Baselines3's zip files, which `snnrl train` writes, scripts and
        looking ahead; for state dicts ``teacher``, and ``async-rl`` for those with two convolutions.
    device
        Where a network is computed.

    Raises
    ------
    InvalidValueError
        Unknown game or name, a file that is missing, damaged or of another kind, or one that does not fit the game.
    """
    found, name = atari.game(game), str(source)
    kind, _, words = name.partition(":")
    if kind == "script" and words:
        return _script(words, found, preprocessing or "ddqn")
    if kind == "look-ahead":
        return LookAhead(found, **_numbers(words), preprocessing=preprocessing or "ddqn")
    return _from_file(Path(source), found, preprocessing, device)


def teacher_from_module(
    module: nn.Module,
    game: str,
    outputs: Outputs = "logits",
    preprocessing: str = "ddqn",
    name: str = "module",
) -> Teacher:
    """Return a torch module as a teacher; see `snnrl.distillation.teachers.networks.NetworkTeacher`.

    Raises
    ------
    InvalidValueError
        Unknown game, or the module does not take stacks of screens or has another number of outputs.
    """
    from snnrl.distillation.teachers.networks import NetworkTeacher

    return _fitting(NetworkTeacher(name, preprocessing, outputs, module), atari.game(game))


def _script(name: str, game: atari.Game, preprocessing: str) -> Teacher:
    if name not in SCRIPTS or name != game.name:
        raise InvalidValueError("teacher", f"script:{name}", f"for {game.title}: {_names_for(game)}")
    return Scripted(SCRIPTS[name], preprocessing)


def _numbers(words: str) -> dict[str, int]:
    """Return the numbers in ``depth=30,hold=5``."""
    pairs = [word.partition("=") for word in words.split(",")] if words else []
    for name, _, number in pairs:
        if name not in LOOK_AHEAD or not number.isdecimal():
            allowed = f"look-ahead, or look-ahead:NAME=NUMBER,... with {', '.join(LOOK_AHEAD)}"
            raise InvalidValueError("teacher", f"look-ahead:{words}", allowed)
    return {name: int(number) for name, _, number in pairs}


def _names_for(game: atari.Game) -> str:
    return ", ".join(["a file", "look-ahead", *(f"script:{name}" for name in SCRIPTS if name == game.name)])


def _from_file(path: Path, game: atari.Game, preprocessing: str | None, device: str) -> Teacher:
    from snnrl.distillation.teachers.networks import NetworkTeacher

    path = path / TEACHER if path.is_dir() else path
    zipped = path.suffix.lower() == ".zip"
    network = _read(path, zipped)
    outputs: Outputs = "q-values" if network.q_values else "logits"
    screens = preprocessing or ("ddqn" if zipped else _preprocessing(network))
    return _fitting(NetworkTeacher(path.name, screens, outputs, _actor(network), device), game)


def _preprocessing(network: DenseNetwork) -> str:
    """Return what a state dict was trained on: those with two convolutions came from muupan/async-rl."""
    from snnrl.networks.dense import Conv2d

    convolutions = sum(isinstance(layer, Conv2d) for layer in network.policy)
    return "async-rl" if convolutions == 2 else "teacher"


def _actor(network: DenseNetwork) -> nn.Module:
    """Return the policy alone: its value would be computed for nothing."""
    from dataclasses import replace

    return replace(network, value=()).to_torch()


def _read(path: Path, zipped: bool) -> DenseNetwork:
    from snnrl.conversion.sources import Hints, load, read_bytes
    from snnrl.conversion.torch_file import from_bytes, load_weights

    if not path.is_file():
        raise InvalidValueError("teacher", str(path), f"{KINDS}; no such file")
    if zipped:
        return load(path)
    content = read_bytes(path)
    weights = load_weights(content, str(path))
    kernels = (
        [each for each in weights.values() if getattr(each, "ndim", 0) == 4]
        if isinstance(weights, dict)
        else []
    )
    return from_bytes(content, str(path), Hints("relu", _SHAPE, _SCALE, STRIDES.get(len(kernels))))


def _fitting(teacher: Teacher, game: atari.Game) -> Teacher:
    if teacher.n_actions != game.n_actions:
        allowed = f"{game.n_actions}, the actions of {game.title}"
        raise InvalidValueError(f"outputs of teacher {teacher.name}", teacher.n_actions, allowed)
    return teacher
