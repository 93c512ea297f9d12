"""What changes in a model's text before Brian2 gets it: random calls are numbered, writes to weights are guarded.

All other lines stay as they are. Lines are split as in `snnrl.equations.statements.parse`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import count

from snnrl.engines.brian2.functions import RANDOM_CALL
from snnrl.equations.lowered import LoweredNeurons
from snnrl.equations.statements import parse

ENGINE = "brian2"
OTHER_ENGINES = "the engines fast, torch and bindsnet"
STEP = "t_in_timesteps"
REWARD_STEP = "reward_step"
LEARNING = "learning"

_WORD = re.compile(r"[A-Za-z_]\w*")


def words(*texts: str) -> set[str]:
    """Return all identifiers in texts, comments left out."""
    lines = [line.split("#")[0] for text in texts for line in text.splitlines()]
    return {word for line in lines for word in _WORD.findall(line)}


def lines_of(code: str) -> list[str]:
    """Return the statements of a code, one per element, without comments."""
    pieces = [part.strip() for line in code.splitlines() for part in line.split("#")[0].split(";")]
    return [piece for piece in pieces if piece]


def numbered(text: str, sites: Iterator[int], step: str = STEP, owner: str = "counter") -> str:
    """Replace every random call by one that knows its call site; ``sites`` gives their numbers."""
    return RANDOM_CALL.sub(lambda call: f"{owner}_{call[1]}({next(sites)}, {step})", text)


def draws(text: str) -> bool:
    """Whether a text draws random numbers."""
    return RANDOM_CALL.search("\n".join(lines_of(text))) is not None


def writes(code: str, weights: Collection[str]) -> bool:
    """Whether a code assigns one of these variables."""
    return any(s.target in weights for s in parse(code, ENGINE))


def event_code(code: str, first: int, weights: Collection[str] = (), step: str = STEP) -> str:
    """Return the code of an event: random calls numbered from ``first``, weights written only while learning."""
    if not draws(code) and not writes(code, weights):
        return code
    sites = count(first)
    return "\n".join(numbered(_guarded(line, weights), sites, step) for line in lines_of(code))


def _guarded(line: str, weights: Collection[str]) -> str:
    statement = parse(line, ENGINE)[0]
    if statement.target not in weights:
        return line
    return f"{statement.target} = choose({LEARNING}, {statement.expression}, {statement.target})"


def on_step_code(code: str, lowered: LoweredNeurons, first: dict[str, int]) -> str:
    """Return what runs at the start of an environment step; what is the same for all neurons is drawn once."""
    different, lines = set(lowered.variables), []
    for number, (line, statement) in enumerate(zip(lines_of(code), lowered.on_step, strict=True)):
        if statement.reads & different:
            different.add(statement.target)
        owner = "counter" if statement.target in different else "shared"
        lines.append(numbered(line, count(first[f"{lowered.name}/on_step/{number}"]), owner=owner))
    return "\n".join(lines)
