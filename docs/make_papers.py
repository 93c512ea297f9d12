"""Write docs/results/{barto1983,green2018*,kulagin2025,mckinstry2018,vlasov2023}.md from studies of ``snnrl reproduce``.

Example::

    snnrl reproduce vlasov2023 --out runs/vlasov2023
    python docs/make_papers.py runs/vlasov2023
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
from pathlib import Path
from typing import Any

from snnrl.studies.paper import RESULTS

HERE = Path(__file__).parent
TITLES = {
    "barto1983": "ASE and ACE, tabular and spiking (Barto, Sutton & Anderson 1983)",
    "green2018": "Low precision on CartPole-v0 and Acrobot-v1 (Green, Vineyard & Koc 2018)",
    "green2018-precisions": "One table over dense, crossbar and spiking policies",
    "green2018-pong": "Pong with shared weights (Green, Vineyard & Koc 2018)",
    "kulagin2025": "Trace variables and memristive plasticity (Kulagin et al. 2025)",
    "mckinstry2018": "ATARI teachers distilled into students for a TrueNorth chip (McKinstry et al. 2018)",
    "vlasov2023": "First-spike coding on memristors (Vlasov et al. 2023)",
}
GREEN_CURVES = (
    "Running mean of the return over 100 learning episodes, mean over policies and one standard deviation to both sides, for "
    "the smallest, a middle and the largest network."
)
CAPTIONS = {
    **{
        ("green2018", f"figure-{n}"): f"The paper's figure {n} ({method}). {GREEN_CURVES}"
        for n, method in ((3, "BinaryConnect"), (4, "BinaryNet"), (5, "Compression"), (6, "Pruning"))
    },
    (
        "green2018",
        "energy",
    ): "Mean return of the evaluation against the energy of a decision, one marker a width, repaired update.",
    (
        "green2018-pong",
        "pong",
    ): "Score of the games that ended in the last twentieth of all decisions, mean over policies and one "
    "standard deviation to both sides.",
    (
        "barto1983",
        "learning",
    ): "Length of the learning trials, running mean of 5, median over seeds with its 95 % bootstrap "
    "interval. All agents go on learning through all trials.",
    (
        "kulagin2025",
        "learning",
    ): "Left to right: seeds that solved CartPole-v1, episodes until then, mean episode length "
    "afterwards with plasticity off. Lines are 95 % bootstrap intervals over seeds.",
    (
        "kulagin2025",
        "pulses",
    ): "Left: the voltage of two rectangular pulses and their difference across the device; only where "
    "they overlap does it pass the threshold (red). Middle: change of the conductance by one pair, from half of its range, "
    "against the delay, by integrating the device over the superposed pulses. Right: the function published for parylene.",
    (
        "mckinstry2018",
        "figure-3",
    ): "The paper's figure 3: mean score of students of one game over their teacher's, by size and loss; negative scores are "
    "drawn as they are.",
    (
        "mckinstry2018",
        "figure-4",
    ): "The paper's figure 4: score of students of several games over that of the same student of one game, mean over games "
    "and over combinations of as many games.",
    (
        "vlasov2023",
        "learning",
    ): "Length of the learning episodes, exploration included, running mean of 20, median over seeds "
    "with its 95 % bootstrap interval. Agents that have solved CartPole-v1 stop and keep their last mean.",
    (
        "vlasov2023",
        "code",
    ): "Left: the input spikes of one state, one spike per active cell. Right: the published STDP functions "
    "at three conductances; the spikes of a state lie in the grey window before they are stretched.",
}
Content = dict[str, Any]


def ends(row: Content, key: str, how: str) -> str:
    """Return a number of a row with its interval in brackets where it has one."""
    value = row.get(key)
    if f"{key}_low" not in row:
        return "–" if value is None else format(value, how) if how else str(value)
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    if low is None and high is None:
        return "∞"
    shown = "∞" if value is None else format(value, how)
    return f"{shown} ({'∞' if low is None else format(low, how)} to {'∞' if high is None else format(high, how)})"


def columns_of(study: str) -> dict[str, tuple[str, str]]:
    """Return the columns that a study's command prints; ``green2018-pong`` is a part of the command green2018."""
    name, _, part = study.partition("-")
    module = importlib.import_module(f"snnrl.cli.reproduce.{name}")
    columns: dict[str, tuple[str, str]] = getattr(module, f"{part.upper()}_COLUMNS" if part else "COLUMNS")
    return columns


def table(content: Content) -> str:
    """Return the rows under the columns that the command prints, in several tables where the command has several."""
    study, rows = content["study"], content["rows"]
    if study not in TABLED:
        return rows_table(rows, columns_of(study))
    tables = importlib.import_module(f"snnrl.cli.reproduce.{study}").TABLES
    parts = []
    for name, (heading, columns) in tables.items():
        if mine := [row for row in rows if row["table"] == name]:
            parts.append(f"### {heading[0].upper()}{heading[1:]}\n\n{rows_table(mine, columns)}")
    return "\n\n".join(parts)


def rows_table(rows: list[Content], columns: dict[str, tuple[str, str]]) -> str:
    """Return rows under those columns that have a number in any of them."""
    shown = {key: how for key, how in columns.items() if any(row.get(key) is not None for row in rows)}
    lines = [f"| | {' | '.join(label for label, _ in shown.values())} |", "|---" * (len(shown) + 1) + "|"]
    lines += [
        f"| {row['row']} | {' | '.join(ends(row, key, how) for key, (_, how) in shown.items())} |"
        for row in rows
    ]
    return "\n".join(lines)


def claims(content: Content) -> str:
    """Return the paper's claims beside ours."""
    lines = ["| the paper | known from | here |", "|---|---|---|"]
    lines += [f"| {c['claim']} | {c['source']} | {c['ours']} |" for c in content["claims"]]
    return "\n".join(lines)


TABLED = ("mckinstry2018",)
"""Studies whose rows belong to several tables."""
SETTINGS = {
    "green2018": "Settings",
    "green2018-precisions": "PrecisionSettings",
    "green2018-pong": "PongSettings",
}
"""Classes of settings of the parts of a command."""


def command(content: Content) -> str:
    """Return the command that made a study, with the options that differ from the defaults."""
    study, settings = content["study"], content["settings"]
    if study in TABLED:
        return distillations_command(content)
    name, _, part = study.partition("-")
    kind = getattr(importlib.import_module(f"snnrl.studies.{name}"), SETTINGS.get(study, "Settings"))
    usual = json.loads(json.dumps(kind().to_dict()))
    words = [f"snnrl reproduce {name}", *([f"--part {part}"] if part else [])]
    for key in (
        "policies",
        "seeds",
        "seed",
        "episodes",
        "decisions",
        "trials",
        "rewards",
        "plasticities",
        "devices",
    ):
        if key in settings and settings[key] != usual[key]:
            value = settings[key]
            words.append(f"--{key} {','.join(value) if isinstance(value, list) else value}")
    return " ".join([*words, f"--out runs/{study}"])


def distillations_command(content: Content) -> str:
    """Return the command that made a study of distillations, whose numbers are those of its scale."""
    settings, chosen = content["settings"], content["extra"]
    words = [f"snnrl reproduce {content['study']} --scale {settings['scale']}"]
    words += [f"--{key} {','.join(chosen[key])}" for key in ("games", "parts") if chosen[key]]
    usual = {"seed": 0, "protocol": "no-op", "device": "cpu"}
    words += [f"--{key} {settings[key]}" for key, value in usual.items() if settings[key] != value]
    return " ".join([*words, f"--teachers FOLDER --out runs/{content['study']}"])


def introduction(content: Content) -> str:
    """Return the first lines of a page."""
    study, settings = content["study"], content["settings"]
    if study in TABLED:
        return (
            f"Made by `python docs/make_papers.py runs/{study}` from `{command(content)}`: {settings['batches']:,} batches of 32 in "
            f"every distillation, {settings['frames']:,} frames of each game, {settings['episodes']} episodes in every score, on seeds "
            f"from 7,800,000. Each student was trained once. What is run, what the paper leaves open and what was chosen stands in "
            f"[paper_studies.md](../paper_studies.md#{study}).\n"
        )
    numbers = ", ".join(
        f"{settings[key]:,} {words}"
        for key, words in (("seeds", "held-out seeds of each kind of agent"), ("policies", "policies of each kind"),
                           ("episodes", "learning episodes at most"), ("decisions", "decisions while learning"),
                           ("trials", "learning trials"), ("evaluation_episodes", "episodes with plasticity off"),
                           ("games", "games with learning off"))
        if settings.get(key)
    )  # fmt: skip
    return (
        f"Made by `python docs/make_papers.py runs/{study}` from `{command(content)}`: {numbers}; seeds from "
        f"{settings['seed']:,}. What is run, what the paper leaves open and what was chosen stands in "
        "[paper_studies.md](../paper_studies.md). In brackets: 95 % bootstrap intervals over seeds; ∞ as a median: half of the seeds "
        "or more never got there.\n"
    )


def page(content: Content) -> str:
    """Return the page of a study."""
    study = content["study"]
    pictures = [
        f"![{name}](../pictures/{study}_{name}.png)\n\n{CAPTIONS[study, name]}\n"
        for name in (Path(picture).stem for picture in content["pictures"])
    ]
    parts = [
        f"# {TITLES[study]}\n",
        introduction(content),
        "## The paper and what is measured here\n",
        claims(content) + "\n",
    ]
    parts += ["## Numbers\n", table(content) + "\n", *more(content)]
    parts += ["## Figures\n", *pictures] if pictures else []
    return "\n".join(parts)


def more(content: Content) -> list[str]:
    """Return the tables that only one study has."""
    if content["study"] != "kulagin2025":
        return []
    timed, shapes = content["extra"]["real_time"], content["extra"]["pulses"]
    lines = [
        "| pulses | median of a step (us) | 99 % (us) | most (us) | simulated over wall time | late steps |",
        "|---" * 6 + "|",
    ]
    lines += [
        f"| {name} | {1e6 * t['median']:.0f} | {1e6 * t['p99']:.0f} | {1e6 * t['most']:,.0f} | {t['ratio']:.0f} | {t['late']:.2%} |"
        for name, t in timed.items()
    ]
    machine = next(iter(timed.values()))
    real = (
        f"One learning agent with memristive synapses, {machine['steps']:,} environment steps of 20 ms, one thread, {machine['machine']}, "
        "other work running beside it.\n"
    )
    changed = ["| pulse | alone | without overlap | most | at (ms) | least | at (ms) |", "|---" * 7 + "|"]
    changed += [
        f"| {name} | {s['alone']:g} | {s['outside']:g} | {s['most']:+.3f} | {1e3 * s['most_at']:.0f} | {s['least']:+.3f} | "
        f"{1e3 * s['least_at']:.0f} |"
        for name, s in shapes.items()
    ]
    return ["## Real time\n", real, "\n".join(lines) + "\n", "## Change of conductance by a pair of pulses\n",
            "\n".join(changed) + "\n"]  # fmt: skip


def main() -> None:
    """Write the pages and their pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", type=Path, nargs="+", help="folders of finished studies")
    for folder in parser.parse_args().studies:
        content: Content = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        for picture in (Path(p) for p in content["pictures"]):
            shutil.copyfile(folder / picture.name, HERE / "pictures" / f"{content['study']}_{picture.name}")
        (HERE / "results" / f"{content['study']}.md").write_text(page(content), encoding="utf-8")


if __name__ == "__main__":
    main()
