"""Kernel modules of this folder, compiled code kept under the hash of all their text.

numba notices a change of the module that it compiles, but not of one whose operations went into the machine code.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from types import ModuleType

from snnrl.engines.fast.cache import load_module

FOLDER = Path(__file__).resolve().parent


@cache
def load(name: str) -> ModuleType:
    """Return the kernel module of this name, from the cache of kernels."""
    digest = hashlib.sha256((FOLDER / "vectors.py").read_bytes()).hexdigest()
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    return load_module(f"{text}\n# vectors.py: {digest}\n")
