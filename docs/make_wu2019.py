"""Write docs/results/wu2019.md from what ``snnrl reproduce wu2019`` has computed.

Example::

    snnrl reproduce wu2019 --all --out runs/wu2019 --json docs/results/wu2019.json
    snnrl reproduce wu2019 --figure 13 --curve-agents 500 --json docs/results/wu2019_figure_13.json
    snnrl reproduce wu2019 --figure 14 --curve-agents 500 --json docs/results/wu2019_figure_14.json
    snnrl reproduce wu2019 --extra converters --agents 250 --json docs/results/wu2019_converters.json
    snnrl reproduce wu2019 --extra sensitivity --agents 250 --json docs/results/wu2019_sensitivity.json
    python docs/make_wu2019.py runs/wu2019

The folder gives the pictures; without one they stay as they are.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS, PICTURES = HERE / "results", HERE / "pictures"
FIGURES = (10, 11, 12, 13, 14)
Row = dict[str, Any]


def number(value: float | None, how: str = ".0f") -> str:
    """Format a number; nothing where there is none."""
    return "" if value is None else format(value, how)


def interval(row: Row, name: str, how: str = ".1f") -> str:
    """Format a ratio with its interval."""
    if not row.get(name):  # 0: the other curve alone gets there
        return "not reached"
    ends = [number(row[f"{name}_{end}"], how) or "∞" for end in ("low", "high")]
    return f"{row[name]:{how}} ({ends[0]} to {ends[1]})"


def with_error(row: Row, name: str, how: str = ".0f") -> str:
    """Format a mean with its standard error."""
    error = row.get(f"{name}_se")
    return number(row[name], how) + ("" if error is None else f" ± {error:{how}}")


def table(rows: Iterable[Row], columns: dict[str, Callable[[Row], str]]) -> str:
    """Return rows as a Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(make(row) for make in columns.values())} |" for row in rows]
    return "\n".join(lines) + "\n"


def load(name: str) -> dict[str, Any]:
    """Read one of the committed results."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def tables(found: dict[str, Any]) -> str:
    """Return Tables I and II with the time they took."""
    one = [row for row in found["rows"] if row.get("table") == 1]
    two = [row for row in found["rows"] if row.get("table") == 2]
    worst = max(abs(row["t2f_difference"]) for row in one)
    factors = [row["updates_factor"] for row in one if row["updates_factor"]]
    furthest = max(max(factor, 1 / factor) for factor in factors)
    better = sum(v["efficiency"] > f["efficiency"] for v, f in zip(two[:9], two[9:], strict=True))
    seconds = sum(v for name, v in found["seconds"].items() if not is_of_a_figure(name))
    first = table(one, {
        "Table I": lambda r: r["row"], "t2f": lambda r: with_error(r, "t2f"), "paper": lambda r: number(r["paper_t2f"]),
        "difference": lambda r: f"{r['t2f_difference']:+.1%}", "updates per weight": lambda r: number(r["updates"], ",.0f"),
        "the paper's": lambda r: number(r["paper_updates"], ",.0f"), "factor": lambda r: number(r["updates_factor"], ".2f"),
        "lost": lambda r: f"{r['lost']:.1%}",
    })  # fmt: skip
    second = table(two, {
        "Table II": lambda r: r["row"], "gain per update": lambda r: number(r["efficiency"], ".4f"),
        "paper": lambda r: number(r["paper_efficiency"], ".4f"), "gain": lambda r: with_error(r, "gain"),
        "updates": lambda r: number(r["updates"], ",.0f"),
    })  # fmt: skip
    return f"""## Tables I and II

{found["settings"]["agents"]} agents a row, as in the paper, seed {found["settings"]["seed"]}, {found["settings"]["test_trials"]} test trials each;
computed in {seconds / 60:.1f} minutes. Largest difference of a t2f: {worst:.1%}; of updates per weight: a factor of {furthest:.2f}.
Baseline against Manhattan PQ: {found["reduction"]:.0f} times fewer updates (paper: {found["paper_reduction"]:.0f}). The variable discount rate gains more
per update in {better} of 9 cells. *Lost* agents keep the pendulum up for less than 1000 steps; ± is the standard error over
weight sets.

{first}
{second}"""


def is_of_a_figure(name: str) -> bool:
    """Whether a result is needed by figures only."""
    return name.startswith(("figure", "zero-", "pre-1", "pre-2", "pre-4", "pre-8", "off-policy"))


def learners(found: dict[str, Any]) -> str:
    """Return the numbers of figures 13 and 14, with the paper's number of agents and with more."""
    more = load("wu2019_figure_13")["rows"] + load("wu2019_figure_14")["rows"]
    quickest = sorted(load("wu2019_sensitivity")["rows"], key=lambda r: r["zero_4_fewer_than_zero_1"] or 0.0)[
        -2:
    ]
    named = " and ".join(f"{r['row']} ({r['zero_4_fewer_than_zero_1']:.1f})" for r in reversed(quickest))
    return f"""## Figures 13 and 14

Speed-up: how many times fewer updates per weight than one actor-learner until the mean t2f has grown to a level, with 95 %
bootstrap intervals over agents. The paper: linear or super-linear. First 100 agents a curve, as in the paper, then 500:

{_figure_13(found["rows"])}
{_figure_13(more)}
The paper: pre-4 needs 30 to 40 times fewer updates than zero-1 and 3 to 4 times fewer than zero-4 to reach a "comparable
t2f". Both at one level ask for a zero-4 that learns ten times as fast as zero-1, more than twice the linear speed-up. Ours is
linear, so that the two numbers belong to two levels: the higher the level, the less pre-training saves. None of the changes
in the sensitivity table below brings zero-4 near ten; {named} go furthest. Again 100 agents a curve,
then 500:

{_figure_14(found["rows"])}
{_figure_14(more)}"""


def _levels(row: Row) -> list[int]:
    return sorted(int(key.rpartition("_")[2]) for key in row if key.startswith("updates_to_"))


def _figure_13(rows: list[Row]) -> str:
    chosen = [row for row in rows if row.get("figure") == 13]
    columns: dict[str, Callable[[Row], str]] = {"Figure 13": lambda r: r["row"]}
    columns |= {f"speed-up to {level}": _ratio(f"speed_up_to_{level}") for level in _levels(chosen[0])}
    columns["samples to 3500"] = lambda r: number(r["samples_to_3500"], ",.0f")
    return table(chosen, columns)


def _figure_14(rows: list[Row]) -> str:
    chosen = [row for row in rows if row.get("figure") == 14 and row["row"] not in ("zero-1", "pre-4")]
    columns: dict[str, Callable[[Row], str]] = {"Figure 14": lambda r: r["row"]}
    for k in (1, 4):
        columns |= {
            f"fewer than zero-{k} to {level}": _ratio(f"fewer_than_zero_{k}_to_{level}")
            for level in _levels(chosen[0])
        }
    return table(chosen, columns)


def _ratio(name: str) -> Callable[[Row], str]:
    return lambda row: interval(row, name)


def converters() -> str:
    """Return the 8-bit rows."""
    found = load("wu2019_converters")
    return f"""## Eight bits

Section IV.A: 8 bits for the converter and for the random numbers give "comparable performance".
{found["settings"]["agents"]} agents a row; *change* is against the same agents without rounding. Probabilities below 1/512 round to 0.

{table(found["rows"], {
    "row": lambda r: r["row"], "t2f": lambda r: with_error(r, "t2f"), "change": lambda r: with_error(r, "t2f_change"),
    "updates per weight": lambda r: number(r["updates"], ",.0f"), "lost": lambda r: f"{r['lost']:.1%}",
})}"""  # fmt: skip


def sensitivity() -> str:
    """Return what each open choice does."""
    found = load("wu2019_sensitivity")
    columns: dict[str, Callable[[Row], str]] = {"one change": lambda r: r["row"]}
    for name in ("baseline", "inference", "exact", "manhattan"):
        columns[f"{name} t2f"] = _plain(f"{name}_t2f", ".0f")
        if name != "inference":
            columns[f"{name} updates"] = _plain(f"{name}_updates", ",.0f")
    columns["zero-4 fewer than zero-1"] = _plain("zero_4_fewer_than_zero_1", ".1f")
    columns["pre-4 fewer than zero-1"] = _plain("pre_4_fewer_than_zero_1", ".1f")
    return f"""## What the numbers left open do

One change at a time, {found["settings"]["agents"]} agents (100 for the ratios, to a t2f of 3500), the same seeds in every row, C = 50. Empty: the level
is not reached.

{table(found["rows"], columns)}"""


def _plain(name: str, how: str) -> Callable[[Row], str]:
    return lambda row: number(row[name] or None, how)


def endurance(found: dict[str, Any]) -> str:
    """Return writes and lifetime."""
    return f"""## Endurance

Writes per device of one training, at the last criterion C that was run, and how often the training can be repeated before
the first device, or the median device, has seen {found["endurance"][0]["endurance"]:.0e} cycles (an assumption).

{table(found["endurance"], {
    "approach": lambda r: r["row"], "C": lambda r: str(r["criterion"]), "mean": lambda r: number(r["mean"], ",.0f"),
    "median": lambda r: number(r["median"], ",.0f"), "99 %": lambda r: number(r["p99"], ",.0f"),
    "most": lambda r: number(r["most"], ",.0f"), "trainings, first": lambda r: number(r["trainings_first"], ",.1f"),
    "median device": lambda r: number(r["trainings_median"], ",.1f"),
})}"""  # fmt: skip


def page() -> str:
    """Return the whole page."""
    found = load("wu2019")
    pictures = "\n".join(
        f"![Figure {figure}](../pictures/wu2019-figure-{figure}.png)\n" for figure in FIGURES
    )
    return f"""# Wu et al. (2020) reproduced

Written by `python docs/make_wu2019.py` from the JSON files beside it; the commands stand at its head. What the paper leaves open
and what was chosen: [crossbar.md](../crossbar.md).

{tables(found)}
{learners(found)}
{converters()}
{sensitivity()}
{endurance(found)}
## Figures 10 to 14

{pictures}"""


def main() -> None:
    """Copy the pictures of a study, if one is given, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="the study's --out folder")
    folder = parser.parse_args().folder
    for figure in FIGURES if folder is not None else ():
        shutil.copyfile(folder / f"figure-{figure}.png", PICTURES / f"wu2019-figure-{figure}.png")
    (RESULTS / "wu2019.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
