"""Fill README.md's marked blocks: what the main command prints, and the tables of docs/results and benchmarks/results.

Example:  python docs/make_readme_numbers.py

Trains the README's eight agents once (a few seconds after the first compile); everything else is read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MAIN = "snnrl train cartpole --seeds 8"
ROWS = {
    "ideal": "actor-critic, ideal weights",
    "memristive": "memristive pairs, 30 % spread",
    "waveform": "the same, pulses resolved in time",
    "half-select": "the same, half-selected devices disturbed",
    "reward-modulated": "no critic (solved: 195 steps; dense reward)",
    "ase-ace": "tabular ASE/ACE, 162 boxes (1983)",
    "random": "random policy",
}


def printed_by_main() -> str:
    """Run the main command away from the checkout and return its table."""
    with tempfile.TemporaryDirectory() as away:
        command = [sys.executable, "-m", "snnrl", *MAIN.split()[1:], "--out", "cartpole-8"]
        environment = {**os.environ, "COLUMNS": "104"}
        done = subprocess.run(command, cwd=away, env=environment, capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in done.stdout.rstrip().splitlines()]
    return (
        "```text\n"
        + "\n".join(line for line in lines[1:] if not line.startswith("cartpole-8")).rstrip()
        + "\n```"
    )


def learning_table() -> str:
    """Return the main rows of docs/results/learning.json."""
    content = json.loads((ROOT / "docs/results/learning.json").read_text())
    found: dict[str, dict[str, Any]] = content["rows"] | content["baselines"]
    lines = [
        f"On {content['seeds']} seeds that were never tuned on (`python -m benchmarks.learning --save`, all rows in",
        "[docs/results/learning.md](docs/results/learning.md)); evaluation is 100 episodes per seed, plasticity off:",
        "",
        "| | solved | median episodes | 90th percentile | evaluation | worst seed |",
        "|---|---|---|---|---|---|",
    ]
    for name, title in ROWS.items():
        row = found[name]
        episodes = ["–" if row[k] is None else f"{row[k]:.1f}" for k in ("median_episodes", "q90_episodes")]
        scores = [f"{row[k]:.1f}" for k in ("evaluation_mean", "evaluation_worst")]
        cells = [title, f"{100 * row['solved_fraction']:.3g} %", *episodes, *scores]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_table() -> str:
    """Return the ratios of benchmarks/results/speed.json."""
    content = json.loads((ROOT / "benchmarks/results/speed.json").read_text())
    lines = [
        "One agent, one thread, the same workload in one run (`python -m benchmarks.speed --save`,",
        "[benchmarks/results/speed.md](benchmarks/results/speed.md)):",
        "",
        "| | ratio of times |",
        "|---|---|",
    ]
    for ratio in content["ratios"]:
        lines.append(f"| {ratio['title']} | {ratio['ratio']:.3g} |")
    return "\n".join(lines)


def fill(text: str, opening: str, body: str) -> str:
    """Put ``body`` between ``opening`` and the next end mark."""
    pattern = re.compile(re.escape(opening) + r"\n.*?<!-- end -->", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"README.md: no block {opening}")
    return pattern.sub(lambda _: f"{opening}\n{body}\n<!-- end -->", text)


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    path = ROOT / "README.md"
    text = fill(path.read_text(), f"<!-- printed by: {MAIN} -->", printed_by_main())
    text = fill(
        text, "<!-- results: filled in from docs/results -->", learning_table() + "\n\n" + speed_table()
    )
    path.write_text(text)


if __name__ == "__main__":
    main()
