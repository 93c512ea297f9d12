"""Tables and result files of the measurements."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up, so that it also reads well in a terminal."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines
    )


def number(value: float | None, digits: int = 3) -> str:
    """Return ``value`` with that many significant digits and no exponent, or a dash."""
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def verdict(value: float | None, asked: float | None, at_most: bool) -> str:
    """Return yes, NO, or a dash where nothing was asked or measured."""
    if value is None or asked is None:
        return "-"
    return "yes" if (value <= asked if at_most else value >= asked) else "NO"


def write(path: Path, text: str) -> None:
    """Write a file at once: a reader or an interruption never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write ``data`` as readable JSON."""
    write(path, json.dumps(data, indent=1) + "\n")
