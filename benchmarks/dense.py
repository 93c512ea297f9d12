"""What dense actor-critics learn on CartPole-v1 and Acrobot-v1, on seeds that were never tuned on.

Example:  python -m benchmarks.dense --save

Every row is an ordinary ``snnrl train`` run kept in its own folder, so an interrupted command goes on where it was; rows
found finished in ``--folder`` are read, not repeated. Seconds are of one core (CPU time of learning), so that other work on
the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.report import table, write, write_json
from benchmarks.swing_up import returns

FIRST_SEED = 7_300_200
"""Held-out seeds start here; tuning used seeds below 100,000 only, and earlier sets of numbers 7,300,000 to 7,300,109."""
RESULTS = Path(__file__).parent / "results"
TASKS = {"cartpole": "CartPole-v1", "acrobot": "Acrobot-v1"}
ALGORITHMS = ("vpg", "a2c", "ppo")


@dataclass
class Clock:
    """Progress function that notes how long learning took and how many steps; it goes on from its file.

    Parameters
    ----------
    path
        The file; one run has one.
    """

    path: Path

    def __post_init__(self) -> None:
        before = json.loads(self.path.read_text()) if self.path.exists() else {"seconds": 0.0, "steps": 0}
        self.seconds, self.steps = before["seconds"], before["steps"]
        self.began = time.process_time() - self.seconds

    def __call__(self, progress: Any) -> None:
        """Note the time and the steps while agents learn."""
        if progress.phase == "learning":
            self.seconds, self.steps = time.process_time() - self.began, progress.env_steps

    def save(self) -> None:
        """Write the file, if the run has come that far."""
        if self.path.parent.is_dir():
            write_json(self.path, {"seconds": self.seconds, "steps": self.steps})


def run_row(task: str, algorithm: str, seeds: int, folder: Path) -> dict[str, Any]:
    """Return the numbers of a row: read if its run is finished, gone on with or begun if not."""
    from snnrl.training.config import TrainingConfig
    from snnrl.training.runfolder import RunFolder
    from snnrl.training.train import train

    path = folder / f"{task}-{algorithm}"
    if not (path / "summary.json").exists():
        print(f"training {path.name} ({seeds} seeds)", file=sys.stderr, flush=True)
        clock = Clock(path / "clock.json")
        try:
            if (path / "config.json").exists():
                train(RunFolder.open_to_resume(path).config, None, path, clock)
            else:
                config = TrainingConfig(
                    task=task, network="dense", plasticity=algorithm, seeds=seeds, seed=FIRST_SEED
                )
                train(config, path, None, clock)
        finally:
            clock.save()
    return judged(path)


def judged(path: Path) -> dict[str, Any]:
    """Return the numbers of a finished run."""
    from snnrl.training.runfolder import RunFolder
    from snnrl.training.summary import bootstrap_interval

    run = RunFolder.open(path)
    task, agents = run.config.make_task(), run.load_checkpoint()[1]
    means = np.array([returns(task, agent.evaluation_lengths).mean() for agent in agents])
    low, high = bootstrap_interval(means, np.mean)
    clock = json.loads((path / "clock.json").read_text())
    return {
        "seeds": len(agents),
        "return": float(means.mean()),
        "low": float(low),
        "high": float(high),
        "worst": float(means.min()),
        "solved_fraction": float(np.mean([agent.solved for agent in agents])),
        "median_episodes": run.read_summary()["median_episodes"],
        **{name: clock[name] / len(agents) for name in ("seconds", "steps")},
        "per_seed": {
            str(agent.seed): round(float(mean), 2) for agent, mean in zip(agents, means, strict=True)
        },
    }


def text_of(found: dict[str, dict[str, Any]]) -> str:
    """Return the table."""
    head = ("task", "algorithm", "return", "95 % interval", "worst seed", "solved", "median episodes to solve",
            "steps learned", "seconds")  # fmt: skip
    rows = []
    for name, row in found.items():
        task, _, algorithm = name.rpartition("-")
        rows.append((
            TASKS[task], algorithm.upper(), f"{row['return']:.1f}", f"{row['low']:.1f} to {row['high']:.1f}",
            f"{row['worst']:.1f}", f"{100 * row['solved_fraction']:.0f} %", _number(row["median_episodes"]),
            _number(row["steps"]), _number(row["seconds"]),
        ))  # fmt: skip
    return table(head, rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=ALGORITHMS, default=ALGORITHMS, help="only these algorithms"
    )
    parser.add_argument("--seeds", type=int, default=10, help="held-out seeds per row (default 10)")
    parser.add_argument("--folder", type=Path, default=Path("runs/dense"), help="where the runs are kept")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/dense.md and .json")
    options = parser.parse_args(arguments)
    if options.seeds < 2:
        parser.error(f"--seeds: got {options.seeds}, allowed: 2 or more")
    found: dict[str, dict[str, Any]] = {}
    for algorithm in options.only:
        for task in TASKS:
            found[f"{task}-{algorithm}"] = run_row(task, algorithm, options.seeds, options.folder)
            if options.save:  # row by row: the last ones take long
                _save(found, text_of(found), options.seeds)
    print(text_of(found))
    return 0


def _save(found: dict[str, dict[str, Any]], text: str, seeds: int) -> None:
    write_json(RESULTS / "dense.json", {"first_seed": FIRST_SEED, "rows": found})
    head = (
        "# Dense actor-critics\n\n"
        f"Made by `python -m benchmarks.dense --save`: {seeds} held-out seeds from {FIRST_SEED:,} on per row, the defaults of "
        "`snnrl train TASK --network dense --algo NAME`, at most 1000 episodes. VPG is snnrl's own, A2C and PPO are "
        "Stable-Baselines3's.\n"
        "*Return*: the environment's own, mean of 100 fresh episodes per seed with the likeliest action taken; the interval "
        "is a bootstrap over seeds. *Solved*: 100 consecutive learning episodes with a mean of at least 475 steps, on "
        "Acrobot of at most 110; with VPG learning then goes on for 300 episodes. *Seconds*: CPU time of learning, one core, per "
        "seed.\n\n"
    )
    machine = "\n".join(f"- {key}: {value}" for key, value in describe().items())
    write(RESULTS / "dense.md", head + text + "\n\n## Machine\n\n" + machine + "\n")


if __name__ == "__main__":
    sys.exit(main())
