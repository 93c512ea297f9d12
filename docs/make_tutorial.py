"""Run the code of docs/equation_experiment.md, draw its figure and fill in what it prints.

Example:  python docs/make_tutorial.py

Takes about a minute: four engines simulate one second, then sixteen agents learn the cart-pole.
"""

from __future__ import annotations

import argparse
import re
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import snnrl
from snnrl import networks, tasks
from snnrl.engines.open_loop import Simulation
from snnrl.figures.style import BLUE, GREEN, GREY, VERMILLION, write_png

PAGE = Path(__file__).parent / "equation_experiment.md"
PICTURE = Path(__file__).parent / "pictures" / "four_engines.png"
COLOURS = {"place": GREY, "critic": GREEN, "action_0": BLUE, "action_1": VERMILLION}
WORDS = {"place": "place cells", "critic": "critic", "action_0": "push left", "action_1": "push right"}
BANDS = {"place": 2.0, "critic": 1.2, "action_0": 0.8, "action_1": 0.8}
FIRST_SEED, SEEDS, EPISODES = 3_000_000, 8, 400


def experiment() -> dict[str, Any]:
    """Run the page's code and return its variables."""
    code = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert code is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "experiment.py"
        path.write_text(code[1], encoding="utf-8")
        return runpy.run_path(str(path))


def figure(runs: dict[str, Simulation]) -> Figure:
    """Draw one raster per engine on a common time axis."""
    drawn = Figure(figsize=(9, 8), layout="constrained")
    axes = drawn.subplots(len(runs), 1, sharex=True, sharey=True)
    for axis, (engine, run) in zip(axes, runs.items(), strict=True):
        _raster(axis, run)
        total = sum(int(s.sum()) for s in run.spikes.values())
        axis.set_title(f"{engine}: {total} spikes")
    axes[-1].set_xlabel("time (s)")
    return drawn


def _raster(axis: Any, run: Simulation) -> None:
    """Draw every population in a band of its own, as high as `BANDS` says, however many neurons it has."""
    top, ticks = 0.0, {}
    for name, height in BANDS.items():
        neurons, times = run.spike_times(name)
        rows = top + height * (neurons + 0.5) / run.spikes[name].shape[1]
        axis.plot(times, rows, ".", ms=2.5, color=COLOURS[name], rasterized=True)
        ticks[top + height / 2] = WORDS[name]
        top += height
        axis.axhline(top, color=GREY, lw=0.4)
    axis.set_yticks(list(ticks), list(ticks.values()))
    axis.set_ylim(top, 0)
    axis.set_xlim(0, 1)


def agreement(runs: dict[str, Simulation]) -> list[str]:
    """Return a table of every engine's agreement with `fast`."""
    wanted = runs["fast"]
    lines = [
        "| engine | spikes of critic and actors | different spikes | largest relative weight difference |",
        "|---|---|---|---|",
    ]
    for engine, run in runs.items():
        total = sum(int(s.sum()) for name, s in run.spikes.items() if name != "place")
        different = sum(int((s != run.spikes[name]).sum()) for name, s in wanted.spikes.items())
        weights = max(
            float(np.abs(run.variables[n] - w).max() / np.abs(w).max()) for n, w in wanted.variables.items()
        )
        lines.append(f"| {engine} | {total} | {different} | {weights:.1e} |")
    return lines


def learning(edited: Any) -> list[str]:
    """Train the edited and the original agent on the same seeds and return a table."""
    original = networks.ActorCritic().build(tasks.make("cartpole"))
    lines = ["| agent | solved | median episodes | evaluation, mean length |", "|---|---|---|---|"]
    for name, model in (("original", original), ("edited", edited)):
        result = snnrl.train("cartpole", model=model, seeds=SEEDS, seed=FIRST_SEED, episodes=EPISODES)
        solved = [a.solved_at for a in result.agents if a.solved_at >= 0]
        median = f"{np.median(solved):g}" if 2 * len(solved) > SEEDS else "–"
        length = np.mean([a.evaluation_lengths.mean() for a in result.agents])
        lines.append(f"| {name} | {len(solved)} of {SEEDS} | {median} | {length:.1f} |")
    return lines


def main() -> None:
    """Run everything; write the picture and the page."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    found = experiment()
    write_png(lambda: figure(found["runs"]), PICTURE)
    printed = "\n".join([*agreement(found["runs"]), "", *learning(found["model"])])
    print(printed)
    page = PAGE.read_text(encoding="utf-8")
    mark = "<!-- printed by: python docs/make_tutorial.py -->\n"
    start = page.index(mark) + len(mark)
    PAGE.write_text(
        page[:start] + printed + "\n" + page[page.index("<!-- end -->", start) :], encoding="utf-8"
    )


if __name__ == "__main__":
    main()
