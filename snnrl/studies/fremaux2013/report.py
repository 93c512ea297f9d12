"""What the study says: the paper beside ours, the figures, and the page with the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from snnrl.studies.fremaux2013.reproduce import (
    ACROBOT,
    CARTPOLE,
    LEARNING,
    RANDOM,
    RETRIEVED_SIZES,
    STUDY,
    TRACK,
)
from snnrl.studies.paper import Claim, Outcome, Row
from snnrl.training.files import replace_file
from snnrl.training.result import AgentRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Agents = Mapping[str, list[AgentRecord]]
ABSTRACT, CODE, UNKNOWN = "abstract", "public re-implementations", "body of the paper: not available"
NOT_RUN = "not run"
_NUMBERS = "learning curves; their numbers could not be retrieved"


def claims(extra: Mapping[str, Any], rows: list[Row]) -> list[Claim]:
    """Return what the paper says beside what was measured."""
    found = {row["part"]: row for row in rows if row["row"].endswith(("SRM0 actor-critic", "retrieved"))}
    listed = [
        Claim(
            "value, TD error and eligibility are convolutions of spikes with given kernels",
            CODE,
            _deviations(extra),
        ),
        Claim("the critic learns the discounted value of a linear track", UNKNOWN, _value_words(extra)),
        Claim(f"linear track: {_NUMBERS}", UNKNOWN, _words(found.get(TRACK), RANDOM, rows)),
        Claim(f"cart-pole is learned: {_NUMBERS}", ABSTRACT, _words(found.get(CARTPOLE), RANDOM, rows)),
        Claim(f"acrobot is learned: {_NUMBERS}", ABSTRACT, _words(found.get(ACROBOT), RANDOM, rows)),
    ]
    if RETRIEVED_SIZES in found:
        claim = "sizes, rates and kernels of the cart-pole re-implementations, put in as they are"
        listed.append(Claim(claim, CODE, _words(found[RETRIEVED_SIZES], RANDOM, rows)))
    return listed


def _deviations(extra: Mapping[str, Any]) -> str:
    if "identities" not in extra:
        return NOT_RUN
    listed = extra["identities"]
    return f"{len(listed)} identities, largest deviation {max(i['deviation'] for i in listed):.1e}"


def value_numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Return how far the learned values of the track are from their closed form, over the places runs pass: root mean squares.

    Returns
    -------
    dict
        ``before, after``: median over seeds of the root mean square difference; ``correlation``: median over seeds of
        the correlation after learning.
    """
    closed, position = np.array(values["closed"]), np.array(values["position"])
    passed = position > position[0] / 2
    found: dict[str, float] = {}
    for name in ("before", "after"):
        table = np.array(values[name])[:, passed]
        found[name] = float(np.median(np.sqrt(np.mean((table - closed[passed]) ** 2, axis=1))))
    table = np.array(values["after"])[:, passed]
    found["correlation"] = float(np.median([np.corrcoef(row, closed[passed])[0, 1] for row in table]))
    return found


def _value_words(extra: Mapping[str, Any]) -> str:
    if "values" not in extra:
        return NOT_RUN
    n = value_numbers(extra["values"])
    return (
        f"rms distance from the closed form {n['before']:.3f} before, {n['after']:.3f} after learning, "
        f"correlation {n['correlation']:.3f}"
    )


def _words(row: Row | None, other: str, rows: list[Row]) -> str:
    if row is None:
        return NOT_RUN
    rest = [r for r in rows if r["part"] == row["part"] and r["row"].endswith(other)]
    beside = f"; {other} {rest[0]['evaluation']:.0f}" if rest else ""
    when = "" if row["episodes"] is None else f" after {row['episodes']:.0f} episodes (median)"
    return (
        f"{row['solved']:.0%} of {row['seeds']} seeds solved{when}; plasticity off: {row['evaluation']:.1f} steps"
        f" ({row['evaluation_low']:.1f} to {row['evaluation_high']:.1f}){beside}"
    )


def draw(folder: Path, extra: Mapping[str, Any], agents: Agents, compared: Mapping[str, Agents]) -> list[str]:
    """Draw the figures of the parts that were run, and return their files."""
    from snnrl.figures.style import write_png
    from snnrl.studies.fremaux2013 import figures

    drawn: dict[str, Callable[[], Figure]] = {}
    if "identities" in extra:
        drawn["kernels"] = figures.kernels_figure
    if "values" in extra:
        drawn["values"] = lambda: figures.value_figure(extra["values"])
    for part in compared:
        drawn[part] = _curves(part, agents[part], compared[part])
    for name, figure in drawn.items():
        write_png(figure, folder / f"{name}.png")
    return [str(folder / f"{name}.png") for name in drawn]


def _curves(part: str, agents: list[AgentRecord], compared: Agents) -> Callable[[], Figure]:
    from snnrl.studies.fremaux2013 import figures

    task = LEARNING[part].task
    solved = task.solved_length if task.solved_return is None else -task.solved_return
    random = float(np.mean([r.evaluation_lengths.mean() for r in compared[RANDOM]]))
    shown = {"SRM0 actor-critic": agents} | {
        who: records for who, records in compared.items() if who != RANDOM
    }
    return lambda: figures.learning_figure(f"{task.name}: learning", shown, solved, random)


def write(folder: Path, outcome: Outcome) -> None:
    """Write the page with the results, ``report.md``."""
    replace_file(folder / "report.md", markdown(outcome).encode())


_OF_IDENTITIES = ("identity", "closed form", "simulated", "largest relative deviation")
_OF_AGENTS = ("who", "seeds", "solved", "episodes to solve", "first 10 episodes", "last 100", "plasticity off",
              "worst seed", "spikes per decision")  # fmt: skip


def markdown(outcome: Outcome) -> str:
    """Return the results as a page."""
    parts = [
        "# fremaux2013: results",
        f"Written by `snnrl reproduce {STUDY} --out DIR`; what is behind the numbers: [fremaux2013.md](../fremaux2013.md).",
        "## The paper, and here",
        _table(("what", "source", "here"), [(c.claim, c.source, c.ours) for c in outcome.claims]),
    ]
    if "identities" in outcome.extra:
        listed = [
            (i["name"], i["expected"], i["simulated"], f"{i['deviation']:.1e}")
            for i in outcome.extra["identities"]
        ]
        parts += ["## Identities", _table(_OF_IDENTITIES, listed)]
    if outcome.rows:
        parts += ["## Learning", "Medians over seeds with 95 % bootstrap intervals; lengths in steps.",
                  _table(_OF_AGENTS, [_cells(row) for row in outcome.rows])]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row["row"], str(row["seeds"]), _with_ends(row, "solved", ".0%"), _with_ends(row, "episodes", ".0f"),
        _with_ends(row, "first", ".0f"), _with_ends(row, "last", ".1f"), _with_ends(row, "evaluation", ".1f"),
        f"{row['evaluation_worst']:.1f}", "" if row["spikes"] is None else f"{row['spikes']:.0f}",
    )  # fmt: skip


def _with_ends(row: Row, name: str, how: str) -> str:
    """Format a number with its interval; a median that half of the seeds never reach is none."""
    if row[name] is None:
        return "-"
    low, high = (
        ("∞" if row[f"{name}_{end}"] is None else format(row[f"{name}_{end}"], how))
        for end in ("low", "high")
    )
    return f"{row[name]:{how}} ({low} to {high})"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
