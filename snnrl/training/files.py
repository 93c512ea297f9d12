"""Files that appear whole or not at all, and errors that name the file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snnrl.errors import RunFolderError


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    RunFolderError
        The file cannot be written; what was there before is still there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; NaN and infinity are refused, because JSON has neither."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    RunFolderError
        The file is missing or damaged.
    """
    try:
        content = json.loads(read_text(path))
    except ValueError as error:
        raise RunFolderError(
            f"{path}: damaged ({one_line(error)}), allowed: a file written by snnrl"
        ) from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path}: holds no JSON object, allowed: a file written by snnrl")
    return content


def read_text(path: Path) -> str:
    """Return the text of a file of a run folder.

    Raises
    ------
    RunFolderError
        The file is missing or cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RunFolderError(
            f"{path}: missing, the run folder is half written or no run folder, allowed: a finished run"
        ) from None
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read ({error.strerror})") from error


def unwritable(path: Path, error: OSError) -> RunFolderError:
    """Return the error for a place that cannot be written."""
    return RunFolderError(f"{path}: cannot be written ({error.strerror}), allowed: a folder you can write to")


def one_line(error: Exception) -> str:
    """Return an exception's message as one line."""
    return " ".join(str(error).split()) or type(error).__name__
