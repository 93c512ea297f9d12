"""What the spiking actor-critic learns on Acrobot-v1 and MountainCar-v0, on seeds that were never tuned on.

Example:  python -m benchmarks.swing_up --save

Whatever reward an agent learned from, it is judged by the environment's own return. Every row is an ordinary
``snnrl train`` run kept in its own folder, so an interrupted command goes on where it was; rows found finished in
``--folder`` are read, not repeated.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchmarks.learning import MEMRISTIVE, RESULTS
from benchmarks.machine import describe
from benchmarks.report import table, write, write_json

if TYPE_CHECKING:
    from snnrl.tasks import Task
    from snnrl.training.result import AgentRecord

FIRST_SEED = 4_200_000
"""Held-out seeds start here; tuning used seeds below 100,000 only."""
LAST = 100
"""Learning episodes that are judged."""


@dataclass(frozen=True)
class Row:
    """One run: its name and title, the task, and the options that differ from the defaults."""

    name: str
    title: str
    task: str
    options: dict[str, Any] = field(default_factory=dict)


ACROBOT = {"reward": "acrobot-energy", "episodes": 400, "consolidation": 400}
CAR = {"reward": "car-energy", "episodes": 1000, "consolidation": 1000}
QUIET = {"critic_size": 128, "critic_bias": 2.0, "value_scale": 0.5}
ROWS = (
    Row("acrobot", "Acrobot-v1, ideal weights", "acrobot", ACROBOT),
    Row("acrobot-memristive", "Acrobot-v1, memristive pairs, 30 % spread", "acrobot", {**ACROBOT, **MEMRISTIVE}),
    Row("acrobot-plain", "Acrobot-v1, the environment's own reward", "acrobot",
        {"reward": "environment", "episodes": 500, "consolidation": 500,
         "network_parameters": {**QUIET, "value_at_rest": -0.7, "exploration": 0.4}}),
    Row("mountain-car", "MountainCar-v0, ideal weights", "mountain-car", CAR),
    Row("mountain-car-memristive", "MountainCar-v0, memristive pairs, 30 % spread", "mountain-car",
        {**CAR, **MEMRISTIVE}),
    Row("mountain-car-plain", "MountainCar-v0, the environment's own reward", "mountain-car",
        {**CAR, "reward": "environment"}),
)  # fmt: skip


def returns(task: Task, lengths: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the sum of the environment's rewards of episodes of these lengths; at full length the goal was missed."""
    kernel, steps = task.kernel(), np.asarray(lengths, dtype=np.float64)
    assert kernel is not None
    state = np.zeros(kernel.state_size)
    per_step, at_goal = (kernel.reward(state, state, end, 1, 0.0, kernel.parameters) for end in (False, True))
    sums: npt.NDArray[np.float64] = per_step * (steps - 1) + np.where(
        steps < task.max_steps, at_goal, per_step
    )
    return sums


def judged(task: Task, agents: list[AgentRecord]) -> dict[str, Any]:
    """Return the numbers of a row: the last learning episodes, and the evaluation with plasticity off."""
    learned = np.array([returns(task, a.episode_lengths[-LAST:]).mean() for a in agents])
    frozen = np.array([returns(task, a.evaluation_lengths).mean() for a in agents])
    solved = task.solved_return
    writes = [a.writes_per_device for a in agents if a.writes_per_device is not None]
    return {
        "seeds": len(agents),
        "episodes": max(len(a.episode_lengths) for a in agents),
        "solved_return": solved,
        "solved_fraction": float(np.mean(learned >= solved)),
        "learning_mean": float(learned.mean()),
        "learning_median": float(np.median(learned)),
        "learning_worst": float(learned.min()),
        "evaluation_mean": float(frozen.mean()),
        "evaluation_worst": float(frozen.min()),
        "evaluation_solved_fraction": float(np.mean(frozen >= solved)),
        "spikes_per_step": float(np.mean([a.spikes_per_step for a in agents])),
        "writes_per_device": float(np.mean(writes)) if writes else None,
        "per_seed": {str(a.seed): [round(float(x), 2), round(float(y), 2)] for a, x, y in zip(agents, learned, frozen, strict=True)},
    }  # fmt: skip


def run_row(row: Row, seeds: int, folder: Path) -> dict[str, Any]:
    """Return the numbers of a row: read if its run is finished, gone on with or begun if not."""
    import snnrl
    from snnrl.training.runfolder import RunFolder

    path = folder / row.name
    if not (path / "summary.json").exists():
        print(f"training {row.name} ({seeds} seeds)", file=sys.stderr, flush=True)
        if (path / "config.json").exists():
            snnrl.train(resume=path)
        else:
            snnrl.train(row.task, out=path, seeds=seeds, seed=FIRST_SEED, threads=1, **row.options)
    run = RunFolder.open(path)
    return judged(run.config.make_task(), run.load_checkpoint()[1])


def reference_rows(episodes: int = 200) -> dict[str, float]:
    """Return the mean return of policies that learn nothing: at random, and always pushing along with the motion."""
    from snnrl import tasks

    found = {}
    for title, name, speed in (("Acrobot-v1", "acrobot", 3), ("MountainCar-v0", "mountain-car", 1)):
        task, rng = tasks.make(name), np.random.default_rng(FIRST_SEED)
        for policy in ("at random", "push along with the motion"):
            lengths = [_played(task, speed, policy == "at random", rng) for _ in range(episodes)]
            found[f"{title}, {policy}"] = float(returns(task, lengths).mean())
    return found


def _played(task: Task, speed: int, at_random: bool, rng: np.random.Generator) -> int:
    """Return the length of an episode; ``speed`` is the place of the velocity that the action drives."""
    kernel = task.kernel()
    assert kernel is not None
    state = np.zeros(kernel.state_size)
    kernel.reset(state, rng.random(kernel.n_uniforms), kernel.parameters)
    for t in range(task.max_steps):
        action = int(rng.integers(3)) if at_random else 2 * int(state[speed] >= 0)
        if kernel.step(state, action, kernel.parameters):
            return t + 1
    return task.max_steps


COLUMNS = {
    "seeds": "seeds",
    "episodes": "learning episodes",
    "learning_mean": "last 100 episodes",
    "learning_worst": "worst seed",
    "solved_fraction": "seeds >= -110",
    "evaluation_mean": "evaluation",
    "evaluation_worst": "worst seed",
    "evaluation_solved_fraction": "seeds >= -110",
}


def text_of(found: dict[str, dict[str, Any]], references: dict[str, float]) -> str:
    """Return the table of rows and that of the policies that learn nothing."""
    rows = [
        [row.title, *(f"{100 * v:.0f} %" if "fraction" in key else str(v) if isinstance(v, int) else f"{v:.1f}"
                      for key in COLUMNS for v in [found[row.name][key]])]
        for row in ROWS if row.name in found
    ]  # fmt: skip
    learned = table(["", *COLUMNS.values()], rows)
    return f"{learned}\n\n" + table(
        ["no learning", "return"], [[n, f"{v:.1f}"] for n, v in references.items()]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="held-out seeds per row (default 20)")
    parser.add_argument("--only", nargs="+", choices=[r.name for r in ROWS], help="only these rows")
    parser.add_argument("--folder", type=Path, default=Path("runs/swing_up"), help="where the runs are kept")
    parser.add_argument("--save", action="store_true", help="write docs/results/swing_up.md and .json")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds: got {options.seeds}, allowed: 1 or more")
    chosen = [r for r in ROWS if options.only is None or r.name in options.only]
    found = {row.name: run_row(row, options.seeds, options.folder) for row in chosen}
    references = reference_rows()
    text = text_of(found, references)
    print(text)
    if options.save:
        _save(found, references, text)
    return 0


def _save(found: dict[str, dict[str, Any]], references: dict[str, float], text: str) -> None:
    write_json(RESULTS / "swing_up.json", {"first_seed": FIRST_SEED, "rows": found, "references": references})
    head = (
        "# Acrobot and mountain car\n\n"
        f"Made by `python -m benchmarks.swing_up --save` on held-out seeds from {FIRST_SEED:,} on.\n"
        "All numbers are returns of the environment's own reward, whatever the agents learned from: `acrobot-energy` "
        "and `car-energy` where not said otherwise.\n"
        f"*Last 100 episodes*: the mean of a seed's last {LAST} learning episodes, exploration on. *Evaluation*: 100 fresh "
        "episodes per seed with plasticity and exploration current off, the neurons' private noise on.\n\n"
    )
    machine = "\n".join(f"- {key}: {value}" for key, value in describe().items())
    write(RESULTS / "swing_up.md", head + text + "\n\n## Machine\n\n" + machine + "\n")


if __name__ == "__main__":
    sys.exit(main())
