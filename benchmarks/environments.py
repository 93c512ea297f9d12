"""Interpreters for the peers that snnrl does not depend on: found, given by the user, or made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.client import PeerError


def has_module(python: Path, module: str) -> bool:
    """Whether ``python`` is an interpreter that can import ``module``."""
    if not os.access(python, os.X_OK):
        return False
    command = [str(python), "-c", f"import {module}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def cache_folder() -> Path:
    """Return where environments are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "snnrl-benchmarks"


def jax_python(given: Path | None, install: bool) -> Path:
    """Return an interpreter with JAX.

    Parameters
    ----------
    given : Path or None
        The user's choice (``--jax-python``).
    install : bool
        Whether an environment may be made under `cache_folder` with ``pip install jax``.

    Raises
    ------
    PeerError
        When there is none; the message says how to get one.
    """
    if given is not None:
        return given
    here = Path(sys.executable)
    if has_module(here, "jax"):
        return here
    folder = cache_folder() / "jax"
    python = folder / "bin" / "python"
    if python.exists() and has_module(python, "jax"):
        return python
    if not install:
        raise PeerError("JAX is not installed here; pass --jax-python PATH, or leave out --no-install")
    _make(folder, python)
    return python


def _make(folder: Path, python: Path) -> None:
    print(f"making an environment with JAX in {folder} (once)", file=sys.stderr)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "jax", "numpy"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise PeerError(f"JAX could not be installed: {reason}")
