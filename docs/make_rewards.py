"""Write docs/results/rewards.md from two studies of ``snnrl compare-rewards``.

Example::

    snnrl compare-rewards cartpole --out runs/rewards
    snnrl compare-rewards cartpole --synapses ideal --no-equalise --out runs/rewards-as-they-are
    python docs/make_rewards.py runs/rewards runs/rewards-as-they-are
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from snnrl.figures.rewards_learning import overview_figure
from snnrl.figures.style import write_png
from snnrl.studies.rewards.report import CAPTIONS, FIGURES, RESULTS, TABLES, TITLES, cell

PAGE = Path(__file__).parent / "results" / "rewards.md"
PICTURES = Path(__file__).parent / "pictures"
Content = dict[str, Any]

WITHOUT = "Without equalising"
EQUAL, AS_THEY_ARE = "TD errors equalised", "rewards as they are"


def load(study: Path) -> Content:
    """Read the numbers of a study."""
    found: Content = json.loads((study / RESULTS).read_text(encoding="utf-8"))
    return found


def beside(equal: Content, plain: Content) -> list[dict[str, Any]]:
    """Return the rows of ideal synapses of both studies, each with the study's name as its group."""
    return [
        {**row, "group": name}
        for name, content in ((EQUAL, equal), (AS_THEY_ARE, plain))
        for row in content["rows"]
        if row["synapse"] == "ideal"
    ]


def beside_table(rows: list[dict[str, Any]]) -> str:
    """Return solved seeds and evaluation of both studies as Markdown."""
    keys = ("solved_fraction", "median_episodes", "evaluation_mean")
    lines = [
        "| reward | factor | solved | median episodes | evaluation | solved as it is | median | evaluation |",
        "|---" * 8 + "|",
    ]
    plain = {row["reward"]: row for row in rows if row["group"] == AS_THEY_ARE}
    for row in rows:
        if row["group"] == EQUAL:
            cells = [cell(each, key) for each in (row, plain[row["reward"]]) for key in keys]
            lines.append(f"| {row['reward']} | {row['factor']:.3g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def picture(name: str, caption: str) -> str:
    """Return a figure with its caption as Markdown."""
    return f"![{TITLES.get(name, WITHOUT)}](../pictures/rewards_{name}.png)\n\n{caption}\n"


def page(study: Path, equal: Content, plain: Content) -> str:
    """Return the page."""
    settings, (results, errors) = (
        equal["settings"],
        (study / TABLES).read_text(encoding="utf-8").split("\n\n"),
    )
    figures = [
        f"## {TITLES[name]}\n\n{picture(name, CAPTIONS[name])}" for name in TITLES if name != "td-error"
    ]
    rows = beside(equal, plain)
    head = (
        f"Made by `python docs/make_rewards.py` from `snnrl compare-rewards cartpole`: {settings['seeds']} held-out seeds from "
        f"{settings['seed']:,}, at most {settings['episodes']} learning episodes, {settings['evaluation_episodes']} episodes with "
        "plasticity off. What is compared, and how, stands in [reward_study.md](../reward_study.md). In brackets: 95 % "
        "bootstrap intervals over seeds.\n"
    )
    without = "The same ideal agents and seeds, each reward multiplied by its factor and as it is.\n"
    parts = [
        "# Nine reward functions\n",
        head,
        results + "\n",
        *figures,
        f"## {TITLES['td-error']}\n",
        errors,
    ]
    parts += [
        picture("td-error", CAPTIONS["td-error"]),
        f"## {WITHOUT}\n",
        without,
        beside_table(rows),
    ]
    return "\n".join(
        [*parts, picture("without", "The table above, with 95 % bootstrap intervals over seeds.")]
    )


def main() -> None:
    """Write the page and its pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path, help="folder of the study with equal TD errors")
    parser.add_argument("plain", type=Path, help="folder of the study with --no-equalise")
    options = parser.parse_args()
    equal, plain = load(options.study), load(options.plain)
    for name in TITLES:
        shutil.copyfile(options.study / FIGURES / f"{name}.png", PICTURES / f"rewards_{name}.png")
    rows = beside(equal, plain)
    rewards = list(dict.fromkeys(row["reward"] for row in rows))
    episodes = equal["settings"]["episodes"]
    write_png(lambda: overview_figure(rows, rewards, episodes, 500), PICTURES / "rewards_without.png")
    PAGE.write_text(page(options.study, equal, plain), encoding="utf-8")


if __name__ == "__main__":
    main()
