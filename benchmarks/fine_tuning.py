"""A converted cart-pole agent under longer poles, and what fine-tuning gives back, on seeds that were never tuned on.

The dense actor-critic is converted at T = 8; then the pole becomes twice and four times as long. Each seed converts the
agent anew (calibration and episodes of its own) and lets it learn on by surrogate gradients (all weights) and by
reward-gated plasticity (output layer), both with their default numbers but for the budget.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine, report
from snnrl import tasks
from snnrl.conversion.convert import converted, model_config, play_out
from snnrl.conversion.measure import play
from snnrl.conversion.options import ConversionOptions
from snnrl.conversion.sources import load
from snnrl.conversion.tuned import RULES, TITLES, make_options, tune
from snnrl.model import AgentModel
from snnrl.networks.dense import DenseNetwork
from snnrl.tasks import Task
from snnrl.training.build import build_session
from snnrl.training.summary import bootstrap_interval

RESULTS = Path(__file__).resolve().parent / "results"
SEED = 7_600_000
"""First held-out seed; numbers were tuned on seeds below 100,000."""
JUDGED = 10_000_000
"""Added to a seed for the episodes that judge the tuned agent."""
STEPS = 8
BUDGET = 8_000
"""Environment steps of learning."""
LENGTHS = (1.0, 2.0, 4.0)
WORDS = {
    "surrogate": "Surrogate gradients change all weights of encoder and synapses (`snnrl finetune --rule surrogate`).",
    "policy-gradient": "Reward-gated plasticity changes only the synapses onto logits and value "
    "(`snnrl finetune --rule policy-gradient`).",
}
EXAMPLE = """
examples:
  python -m benchmarks.fine_tuning --network runs/my-dense-run          the table
  python -m benchmarks.fine_tuning --network runs/my-dense-run --save   the same, with page and figure in benchmarks/results

What is finished is kept in --folder, so an interrupted command goes on where it was.
"""


@dataclass(frozen=True)
class Study:
    """What is run.

    Parameters
    ----------
    network
        The dense network.
    episodes
        Of every return in the table.
    folder
        Where finished parts are kept.
    rules
        Ways of learning.
    """

    network: DenseNetwork
    episodes: int
    folder: Path
    rules: tuple[str, ...] = tuple(RULES)

    def part(self, length: float, seed: int, rule: str | None) -> dict[str, Any]:
        """Return one part: read if it is finished, made and kept if not; no rule: without learning."""
        path = self.folder / f"x{length:g}-{rule or 'before'}-{seed}.json"
        if not path.exists():
            print(path.stem, file=sys.stderr, flush=True)
            report.write_json(path, self._made(length, seed, rule))
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def _made(self, length: float, seed: int, rule: str | None) -> dict[str, Any]:
        model = converted(self.network, tasks.make("cartpole"), ConversionOptions(STEPS), seed).model
        task = tasks.make("cartpole", pole_length=length)
        if rule is None:
            dense = play(self.network, task, self.episodes, seed + JUDGED).returns.mean()
            return {"dense": float(dense), "converted": self._judged(model, task, seed)}
        tuned, curve = tune(model, task, make_options(rule, env_steps=BUDGET), seed)
        return {
            "tuned": self._judged(tuned, task, seed),
            "curve": [dataclasses.astuple(point) for point in curve],
        }

    def _judged(self, model: AgentModel, task: Task, seed: int) -> float:
        """Return the mean return of a spiking agent over episodes of its own."""
        session = build_session(model_config(model, task, self.episodes, seed + JUDGED))
        play_out(session, self.episodes)
        return float(session.state["rewards"].mean())


def measured(study: Study, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the numbers of all lengths."""
    for rule in reversed(study.rules):  # the quick way first
        for length in reversed(LENGTHS[1:]):
            for seed in seeds:
                study.part(length, seed, rule)
    return {f"{length:g}": _row(study, length, seeds) for length in LENGTHS}


def _row(study: Study, length: float, seeds: Sequence[int]) -> dict[str, Any]:
    """Return the numbers of one length."""
    plain = [study.part(length, seed, None) for seed in seeds]
    row: dict[str, Any] = {name: [part[name] for part in plain] for name in ("dense", "converted")}
    for rule in study.rules if length != LENGTHS[0] else ():
        parts = [study.part(length, seed, rule) for seed in seeds]
        row[rule] = [part["tuned"] for part in parts]
        row[f"{rule} curve"] = _curve([part["curve"] for part in parts])
    return row


def _curve(curves: Sequence[Any]) -> dict[str, list[float]]:
    """Return median and interval over seeds of the evaluations on the way."""
    returns = np.array([[value for _, value in curve] for curve in curves])
    low, high = bootstrap_interval(returns, np.median)
    return {"steps": [steps for steps, _ in curves[0]], "median": np.median(returns, axis=0).tolist(),
            "low": low.tolist(), "high": high.tolist()}  # fmt: skip


def _rules(found: dict[str, Any]) -> list[str]:
    """Return the ways of learning that were run."""
    return [rule for rule in RULES if rule in found["2"]]


def table_of(found: dict[str, Any]) -> str:
    """Return the returns, median and range over seeds."""
    rules = _rules(found)
    head = ["pole length", "dense", "converted", *(f"after {TITLES[rule]}" for rule in rules)]
    rows = [
        [f"x {length}", *(_spread(row.get(name)) for name in ("dense", "converted", *rules))]
        for length, row in found.items()
    ]
    return report.table(head, rows)


def _spread(values: Sequence[float] | None) -> str:
    if values is None:
        return "-"
    return f"{np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def recovered(found: dict[str, Any]) -> bool:
    """Whether every tuned agent of the doubled pole returns 475 or more."""
    return all(min(found["2"][rule]) >= 475.0 for rule in _rules(found))


def page(data: dict[str, Any]) -> str:
    """Return the page of results."""
    found, seeds = data["lengths"], data["seeds"]
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in data["machine"].items())
    return f"""# Fine-tuning after conversion

Made by `{data["command"]}`: the dense ReLU actor-critic for CartPole-v1 is converted (T = {STEPS}), then the
pole becomes longer. {len(seeds)} seeds, {seeds[0]:,} to {seeds[-1]:,}, on which nothing was tuned; learning for {BUDGET:,} environment steps.
Every return is of {data["episodes"]} fresh episodes with plasticity and exploration off; median over seeds, and the range. The tuned
agent is that of the best evaluation on the way (5 episodes each, none of them among the {data["episodes"]}).

{table_of(found)}

![Return while the agents learn](fine_tuning.png)

The figure has the agents as they learn; some lose what they had when they learn on, and the table has the best of each.

Twice the length, after fine-tuning at least 475 with every seed and way: {"yes" if recovered(found) else "no"}. The converted agent does not
lose anything at twice the length, so there is nothing to recover from; the fall and the recovery are seen at four times.

{chr(10).join(WORDS[rule] for rule in _rules(found))}

The machine:

{listed}
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the study, print the table, write what was asked for; 1 if a doubled pole is not mastered."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fine_tuning", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--network", metavar="SOURCE", default="runs/dense-cartpole", help="the trained dense network"
    )
    parser.add_argument("--seeds", type=int, default=5, help="held-out seeds (5)")
    parser.add_argument("--episodes", type=int, default=20, help="episodes of every return in the table (20)")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/fine-tuning"), help="where finished parts are kept"
    )
    parser.add_argument(
        "--save", action="store_true", help=f"write fine_tuning.json, .md and .png to {RESULTS}"
    )
    parser.add_argument(
        "--rules", nargs="+", choices=list(RULES), default=list(RULES), help="only these ways of learning"
    )
    words = sys.argv[1:] if argv is None else argv
    arguments = parser.parse_args(words)
    seeds = list(range(SEED, SEED + arguments.seeds))
    try:
        found = measured(
            Study(load(arguments.network), arguments.episodes, arguments.folder, tuple(arguments.rules)),
            seeds,
        )
    except KeyboardInterrupt:
        print("fine_tuning: interrupted, the same command goes on", file=sys.stderr)
        return 130
    print(table_of(found))
    if arguments.save:
        from snnrl.figures.conversion import recovery

        command = " ".join(["python -m benchmarks.fine_tuning", *words])
        data = {"command": command, "machine": machine.describe(), "seeds": seeds, "episodes": arguments.episodes,
                "env_steps": BUDGET, "steps": STEPS, "lengths": found}  # fmt: skip
        recovery(data, RESULTS / "fine_tuning.png")
        report.write_json(RESULTS / "fine_tuning.json", data)
        report.write(RESULTS / "fine_tuning.md", page(data))
    return 0 if recovered(found) else 1


if __name__ == "__main__":
    sys.exit(main())
