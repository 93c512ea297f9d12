"""What the package learns, on seeds that were never tuned on: one table, the asked figures beside the measured.

Example:  python -m benchmarks.learning --save

Every row is an ordinary ``snnrl train`` run kept in its own folder, so an interrupted command goes on where it was.
Rows found finished in ``--folder`` are read, not repeated: give a new folder after a change of the code.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.report import table, write, write_json

FIRST_SEED = 2_000_000
"""Held-out seeds start here; tuning used seeds below 100,000 only."""
RESULTS = Path(__file__).parent.parent / "docs" / "results"

MEMRISTIVE = {"synapse": "memristive", "device": "vteam", "spread": 0.3}


@dataclass(frozen=True)
class Asked:
    """A figure asked of one number of a row's summary: at least ``figure``, or at most."""

    key: str
    figure: float
    at_most: bool = False

    def met(self, summary: dict[str, Any]) -> bool:
        """Whether the summary reaches the figure; a missing number never does."""
        value = summary[self.key]
        if value is None:
            return False
        return bool(value <= self.figure if self.at_most else value >= self.figure)


@dataclass(frozen=True)
class Row:
    """One run: its name, the options that differ from the defaults, and what is asked of it."""

    name: str
    title: str
    options: dict[str, Any] = field(default_factory=dict)
    asked: tuple[Asked, ...] = ()


ROWS = (
    Row("ideal", "actor-critic, ideal weights (the default)", {}, (
        Asked("solved_fraction", 1.0), Asked("median_episodes", 140, True), Asked("q90_episodes", 160, True),
        Asked("evaluation_mean", 498), Asked("evaluation_worst", 475),
    )),
    Row("memristive", "memristive pairs, 30 % spread", MEMRISTIVE, (
        Asked("solved_fraction", 0.975), Asked("median_episodes", 140, True), Asked("evaluation_mean", 488),
        Asked("evaluation_fraction_ge_475", 0.95),
    )),
    Row("waveform", "the same, pulses resolved as waveforms (4 steps a phase)",
        {**MEMRISTIVE, "synapse_parameters": {"waveform_steps": 4}}),
    Row("half-select", "the same, half-selected devices see their real voltage",
        {**MEMRISTIVE, "synapse_parameters": {"half_select": True}}),
    Row("no-spread", "memristive pairs without spread", {**MEMRISTIVE, "spread": 0.0}),
    Row("parylene", "parylene (PPX) pairs, 30 % spread, at most 300 episodes",
        {**MEMRISTIVE, "device": "parylene", "episodes": 300}),
    Row("nanocomposite", "nanocomposite pairs, 30 % spread, at most 300 episodes",
        {**MEMRISTIVE, "device": "nanocomposite", "episodes": 300}),
    Row("r-stdp", "actor-critic, R-STDP actors", {"plasticity": "r-stdp"}),
    Row("policy-gradient", "actor-critic, policy-gradient actors", {"plasticity": "policy-gradient"}),
    Row("reward-modulated", "no critic: reward minus its running mean",
        {"network": "reward-modulated", "solve_threshold": 195.0}, (Asked("solved_fraction", 0.75),)),
)  # fmt: skip

COLUMNS = {
    "solved_fraction": "solved",
    "median_episodes": "median",
    "q90_episodes": "q90",
    "evaluation_mean": "evaluation",
    "evaluation_worst": "worst seed",
    "evaluation_fraction_ge_475": ">= 475",
    "spikes_per_step": "spikes/step",
    "writes_per_device": "writes/device",
}


def run_row(row: Row, seeds: int, folder: Path) -> dict[str, Any]:
    """Return the summary of a row: read if its run is finished, gone on with or begun if not."""
    import snnrl
    from snnrl.training.runfolder import RunFolder

    path = folder / row.name
    if not (path / "summary.json").exists():
        _say(f"training {row.name} ({seeds} seeds)")
        if (path / "config.json").exists():
            snnrl.train(resume=path)
        else:
            snnrl.train("cartpole", out=path, seeds=seeds, seed=FIRST_SEED, **row.options)
    else:
        _say(f"reading {row.name} from {path}, finished before")
    run = RunFolder.open(path)
    summary = run.read_summary()
    count = summary["evaluation_seeds_ge_475"]
    return {**summary, "evaluation_fraction_ge_475": None if count is None else count / summary["seeds"]}


def baseline_rows(seeds: int) -> dict[str, dict[str, Any]]:
    """Return the random policy and tabular ASE/ACE on the same seeds."""
    from snnrl.studies.baselines import baselines
    from snnrl.tasks import CartPole

    _say("baselines")
    found = baselines(CartPole(), range(FIRST_SEED, FIRST_SEED + seeds), 1000, 100)
    for summary in found.values():
        summary.pop("per_seed", None)
        summary["evaluation_fraction_ge_475"] = summary["evaluation_seeds_ge_475"] / summary["seeds"]
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _number(value: float | None, key: str) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if "fraction" in key else f"{value:.1f}"


def tables_of(found: dict[str, dict[str, Any]], baselines: dict[str, dict[str, Any]]) -> str:
    """Return the table of rows and the table of asked figures as text."""
    titles = {row.name: row.title for row in ROWS}
    names = {"random": "random policy", "ase-ace": "tabular ASE/ACE, 162 boxes (Barto et al. 1983)"}
    everything = [(titles[n], s) for n, s in found.items()] + [(names[n], s) for n, s in baselines.items()]
    rows = [[title, *(_number(s.get(key), key) for key in COLUMNS)] for title, s in everything]
    asked = [
        [row.title, COLUMNS[a.key], ("<= " if a.at_most else ">= ") + _number(a.figure, a.key),
         _number(found[row.name][a.key], a.key), "yes" if a.met(found[row.name]) else "NO"]
        for row in ROWS if row.name in found for a in row.asked
    ]  # fmt: skip
    return (
        table(["", *COLUMNS.values()], rows)
        + "\n\n"
        + table(["row", "figure", "asked", "measured", "met"], asked)
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=40, help="held-out seeds per row (default 40)")
    parser.add_argument("--only", nargs="+", choices=[r.name for r in ROWS], help="only these rows")
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"), help="where the runs are kept")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--save", action="store_true", help="write docs/results/learning.md and .json")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds: got {options.seeds}, allowed: 1 or more")
    chosen = [r for r in ROWS if options.only is None or r.name in options.only]
    found = {row.name: run_row(row, options.seeds, options.folder) for row in chosen}
    baselines = baseline_rows(options.seeds)
    text = tables_of(found, baselines)
    print(text)
    content = {"first_seed": FIRST_SEED, "seeds": options.seeds, "rows": found, "baselines": baselines}
    if options.json is not None:
        write_json(options.json, content)
    if options.save:
        _save(content, text, options.seeds)
    return 0


def _save(content: dict[str, Any], text: str, seeds: int) -> None:
    write_json(RESULTS / "learning.json", content)
    head = (
        "# What the package learns\n\n"
        f"Made by `python -m benchmarks.learning --save`: {seeds} held-out seeds from {FIRST_SEED:,} per row, "
        "CartPole-v1, at most 1000 episodes.\n"
        "*Solved*: first 100 consecutive episodes with a mean of at least 475 steps (195 in the row without a "
        "critic); *median* and *q90* count episodes until then.\n"
        "*Evaluation*: 100 fresh episodes per seed with plasticity and exploration current off, the neurons' "
        "private noise on.\n\n"
    )
    machine = "\n".join(f"- {key}: {value}" for key, value in describe().items())
    write(RESULTS / "learning.md", head + text + "\n\n## Machine\n\n" + machine + "\n")


if __name__ == "__main__":
    sys.exit(main())
