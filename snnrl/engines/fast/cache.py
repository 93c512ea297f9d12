"""Kernels on disk: generated modules and numba's compiled code beside them.

The folder is ``$SNNRL_CACHE``, else ``~/.cache/snnrl``; it can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

NOALIAS = "noalias=True, "
NO_COUNTING = "_nrt=False, "
"""numba's option for functions that allocate nothing: no reference counting of the arrays they are given, which
otherwise costs two atomic operations for each array at each call, a quarter of the whole kernel."""


def cache_folder() -> Path:
    """Return the folder of cached kernels, made if need be."""
    given = os.environ.get("SNNRL_CACHE")
    folder = Path(given) if given else Path.home() / ".cache" / "snnrl"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that another process sees all of it or nothing."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False) as part:
        part.write(text)
    os.replace(part.name, path)


def allow_noalias() -> bool:
    """Let kernels promise numba that their arrays do not overlap; return whether this numba can take it.

    numba marks array arguments so for its own parallel loops but has no public option for it. Without the
    promise LLVM leaves loops over many arrays unvectorised; with it kernels are about a quarter faster.
    """
    try:
        from numba.core.cpu import CPUTargetOptions
        from numba.core.options import TargetOptions

        CPUTargetOptions.noalias = TargetOptions.Mapping("noalias")
    except (ImportError, AttributeError):
        return False
    return True


def load_module(source: str) -> ModuleType:
    """Import a generated kernel from the cache; the text alone decides its name.

    numba keys its compiled code by the module's file, so an unchanged kernel is never compiled twice.
    """
    digest = hashlib.sha256(source.encode()).hexdigest()[:20]
    name = f"snnrl_kernel_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        write_atomically(path, source)
    if NOALIAS in source:
        allow_noalias()
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
