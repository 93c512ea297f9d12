"""Interpreters for the peers that snnrl does not depend on: found, given by the user, or made once."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmarks.client import PeerError


@dataclass(frozen=True)
class Recipe:
    """How an environment is made.

    Parameters
    ----------
    modules : tuple of str
        What it must be able to import.
    packages : tuple of str
        What pip installs.
    alone : tuple of str
        Packages that are installed without what they depend on.
    sees_main : bool
        Whether it also sees the packages of the interpreter that runs this: torch is several GB, and once is enough.
    """

    modules: tuple[str, ...]
    packages: tuple[str, ...]
    alone: tuple[str, ...] = ()
    sees_main: bool = False


RECIPES = {
    "jax": Recipe(("jax",), ("jax", "numpy")),
    "jax-cuda": Recipe(("jax_cuda13_plugin", "jax"), ("jax[cuda13]", "numpy")),
    "nest": Recipe(("nest",), ("nest-simulator>=3.10,<3.11", "numpy", "gymnasium")),
    # The binary of aihwkit 1.1.0 loads beside torch 2.10 only (docs/crossbar.md).
    "aihwkit": Recipe(("aihwkit.simulator.tiles",), ("aihwkit==1.1.0", "torch==2.10.0")),
    # SpikingJelly asks for torchaudio and more that its neurons and learners do not need.
    "torch-libraries": Recipe(
        ("norse.torch", "snntorch", "spikingjelly.activation_based.learning"),
        ("norse", "snntorch", "h5py", "loguru", "tensorboard"),
        ("spikingjelly>=2,<3",),
        sees_main=True,
    ),
    # The converter of SpikingJelly, and the readers of NIR of Norse and snnTorch.
    "conversion": Recipe(
        ("norse.torch", "snntorch", "nirtorch", "spikingjelly.activation_based.ann2snn"),
        ("norse", "snntorch", "nir", "nirtorch", "h5py", "loguru", "tensorboard", "requests", "tqdm"),
        ("spikingjelly>=2,<3",),
        sees_main=True,
    ),
}


def has_module(python: Path, *modules: str) -> bool:
    """Whether ``python`` is an interpreter that can import all ``modules``."""
    if not os.access(python, os.X_OK):
        return False
    command = [str(python), "-c", "import " + ", ".join(modules)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def cache_folder() -> Path:
    """Return where environments and unfinished results are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "snnrl-benchmarks"


@cache
def peer_python(name: str, given: Path | None = None, install: bool = True) -> Path:
    """Return an interpreter for the peers of an environment.

    Parameters
    ----------
    name : str
        Key of `RECIPES`, or nothing for the running interpreter.
    given : Path or None
        The user's choice.
    install : bool
        Whether an environment may be made under `cache_folder` with pip.

    Raises
    ------
    PeerError
        When there is none; the message says how to get one.
    """
    here = Path(sys.executable)
    if not name:
        return here
    if given is not None:
        return given
    recipe = RECIPES[name]
    python = cache_folder() / name / "bin" / "python"
    for candidate in (here, python):
        if has_module(candidate, *recipe.modules):
            return candidate
    if not install:
        wanted = " ".join(recipe.packages + recipe.alone)
        raise PeerError(
            f"environment {name} ({wanted}) is not there; leave out --no-install, or name its Python"
        )
    _make(name, recipe, python)
    return python


def jax_python(given: Path | None, install: bool) -> Path:
    """Return an interpreter with JAX: ``given`` (``--jax-python``), or one found or made; see `peer_python`."""
    return peer_python("jax", given, install)


def _make(name: str, recipe: Recipe, python: Path) -> None:
    folder = python.parent.parent
    print(f"making the environment {name} in {folder} (once)", file=sys.stderr)
    _call(name, [sys.executable, "-m", "venv", "--clear", str(folder)])
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    packages = list(recipe.packages)
    if recipe.sees_main:
        places = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        (Path(places) / "main_environment.pth").write_text(sysconfig.get_path("purelib") + "\n")
        packages.append(f"torch=={version('torch')}")  # pip sees it there and must not look for another
    _call(name, [*pip, *packages])
    if recipe.alone:
        _call(name, [*pip, "--no-deps", *recipe.alone])
    if not has_module(python, *recipe.modules):
        raise PeerError(
            f"environment {name} was made in {folder}, but {', '.join(recipe.modules)} do not import"
        )


def _call(name: str, command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise PeerError(f"environment {name} could not be made: {reason}")
