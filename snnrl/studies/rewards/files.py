"""Python files that register rewards of one's own: read once, run in every process that does a part of the work."""

from __future__ import annotations

import hashlib
import linecache
from pathlib import Path

from snnrl.errors import InvalidValueError, SnnrlError
from snnrl.tasks import reward_registry

_loaded: dict[str, tuple[str, set[str]]] = {}
"""By file, the short name of the text that this process has run, and the rewards that it registered."""


def read(file: str) -> str:
    """Return the text of a file.

    Raises
    ------
    InvalidValueError
        If it cannot be read.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidValueError("--import", file, f"a Python file ({error})") from error


def digest(text: str) -> str:
    """Return a short name of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load(text: str, file: str) -> None:
    """Run the text of a file, unless this process has run it before; what an older text registered is forgotten.

    Parameters
    ----------
    text
        What is in the file; the machine that runs it need not have the file.
    file
        Its path, for errors.

    Raises
    ------
    InvalidValueError
        If it goes wrong.
    """
    name = digest(text)
    before, registered = _loaded.get(file, ("", set()))
    if name == before and registered <= set(reward_registry.names()):
        return
    reward_registry.forget(registered)
    known = f"<{file} {name}>"
    # Engines copy the text of a reward; `inspect` finds it here where there is no such file.
    linecache.cache[known] = (len(text), None, text.splitlines(keepends=True), known)
    others = set(reward_registry.names())
    try:
        exec(compile(text, known, "exec"), {"__name__": f"snnrl_rewards_{name}"})  # noqa: S102  the user's own
    except SnnrlError:
        raise
    except Exception as error:
        allowed = f"a file that registers rewards ({type(error).__name__}: {error})"
        raise InvalidValueError("--import", file, allowed) from error
    _loaded[file] = name, set(reward_registry.names()) - others
