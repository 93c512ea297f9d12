"""Where trained dense networks come from; whatever the source, nothing in a file is ever executed."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from snnrl.errors import InvalidValueError, RunFolderError, UnknownNameError
from snnrl.networks.dense import ACTIVATIONS, DenseNetwork
from snnrl.networks.dense_file import from_arrays

KINDS = (
    "a run folder of 'snnrl train --network dense', a file of DenseNetwork.save (.npz), a Stable-Baselines3 zip, "
    "a torch state dict or an ONNX file"
)
LARGEST = 2**30
"""Most bytes that are read out of one file."""


@dataclass(frozen=True)
class Hints:
    """What a file may leave open.

    Parameters
    ----------
    activation
        ``relu`` or ``tanh`` between the layers of a state dict; None: as the file says.
    observation_shape
        Shape of one observation, images ``(channels, height, width)``; None: as the file says.
    observation_scale
        What an observation is divided by; None: as the file says.
    strides
        Strides of the convolutions of a state dict; None: those of the Nature CNN where the kernels are its.

    Raises
    ------
    UnknownNameError
        If the activation is not known.
    InvalidValueError
        If a shape or a stride is not a whole number above 0.
    """

    activation: str | None = None
    observation_shape: tuple[int, ...] | None = None
    observation_scale: ArrayLike | None = None
    strides: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.activation is not None and self.activation not in ACTIVATIONS:
            raise UnknownNameError("activation", self.activation, ACTIVATIONS)
        for name in ("observation_shape", "strides"):
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, tuple(given))
                if not all(type(size) is int and size >= 1 for size in given):
                    raise InvalidValueError(name, given, "whole numbers of at least 1")


def load(source: Any, *, seed: int | None = None, activation: str | None = None,
         observation_shape: Sequence[int] | None = None, observation_scale: ArrayLike | None = None,
         strides: Sequence[int] | None = None) -> DenseNetwork:  # fmt: skip
    """Return the dense network of a trained agent.

    Parameters
    ----------
    source
        A `DenseNetwork`, a torch module, or the path of a run folder, a Stable-Baselines3 zip, a torch file with a state
        dict, an ONNX file or a file of `DenseNetwork.save`.
    seed
        Which agent of a run folder; None: the first.
    activation, observation_shape, observation_scale, strides
        What the source leaves open, see `Hints`; where the source says, it is right.

    Raises
    ------
    InvalidValueError
        One line that names what cannot be read, or the layer that has no counterpart.
    RunFolderError
        If a run folder is damaged, or not of a dense network.
    """
    shape = None if observation_shape is None else tuple(observation_shape)
    hints = Hints(activation, shape, observation_scale, None if strides is None else tuple(strides))
    if isinstance(source, DenseNetwork):
        return source
    if not isinstance(source, str | Path):
        from snnrl.conversion.torch_file import from_module

        return from_module(source, hints)
    path = Path(source)
    if seed is not None and not path.is_dir():
        raise InvalidValueError("seed", seed, "nothing beside a file: only a run folder holds several agents")
    return from_run(path, seed) if path.is_dir() else _from_file(path, hints)


def from_run(path: Path, seed: int | None = None) -> DenseNetwork:
    """Return one agent of a run folder.

    Raises
    ------
    RunFolderError
        If the folder is damaged, or not of a dense network.
    InvalidValueError
        If no agent has the seed.
    """
    from snnrl.training.runfolder import RunFolder

    folder = RunFolder.open(path)
    if not folder.config.dense:
        raise RunFolderError(f"{path}: network {folder.config.network!r}, allowed: 'dense'")
    seeds = folder.config.agent_seeds
    if seed is not None and seed not in seeds:
        raise InvalidValueError("seed", seed, f"{seeds[0]} to {seeds[-1]}, the agents of {path}")
    state, _ = folder.load_checkpoint()
    return from_arrays(state, f"agent/{0 if seed is None else seeds.index(seed)}/")


def _from_file(path: Path, hints: Hints) -> DenseNetwork:
    content = read_bytes(path)
    if path.suffix.lower() == ".onnx":
        from snnrl.conversion.onnx_file import from_onnx

        return from_onnx(content, str(path), hints)
    names = _members(path)
    if any(name.endswith(".npy") for name in names):
        return DenseNetwork.load(path)
    if "policy.pth" in names:
        from snnrl.conversion.sb3 import from_zip

        return from_zip(content, str(path), hints)
    from snnrl.conversion.torch_file import from_bytes

    return from_bytes(content, str(path), hints)


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises
    ------
    InvalidValueError
        If it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InvalidValueError("source", str(path), f"a file of at most {LARGEST // 2**20} MiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise InvalidValueError("source", str(path), f"{KINDS} that exists") from None
    except OSError as error:
        raise InvalidValueError("source", str(path), f"a file that can be read ({error.strerror})") from error


def _members(path: Path) -> list[str]:
    """Return the names in a zip file; none where it is no zip, or a damaged one."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []
