"""What a study leaves for people: numbers, figures, a table for a page of documentation, and one HTML file with all of it."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from snnrl.report import BASELINES, STYLE, escaped, html_table, number_text, section
from snnrl.studies.rewards import results
from snnrl.studies.rewards.settings import REFERENCE, Settings
from snnrl.studies.rewards.study import Comparison, Outcome
from snnrl.studies.rewards.value_map import axes
from snnrl.tasks import rewards
from snnrl.training.files import replace_file, write_json
from snnrl.training.summary import RELIABLE_LENGTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS, TABLES, REPORT, FIGURES = "results.json", "tables.md", "report.html", "figures"

COLUMNS = {
    "solved_fraction": "solved",
    "median_episodes": "median episodes",
    "evaluation_mean": "evaluation (steps)",
    "evaluation_seeds_ge_475": f"seeds >= {RELIABLE_LENGTH:g}",
    "spikes_per_episode": "spikes per episode",
    "writes_per_episode": "writes per device and episode",
}
"""Numbers of the table, with their heads."""


def write(comparison: Comparison, folder: Path) -> Path:
    """Write ``results.json``, ``tables.md``, ``figures/*.png`` and ``report.html``, and return the last one's path."""
    from snnrl.figures.style import write_png

    write_json(folder / RESULTS, results.content(comparison))
    replace_file(folder / TABLES, markdown(comparison).encode())
    (folder / FIGURES).mkdir(exist_ok=True)
    for name, draw in pictures(comparison).items():
        write_png(draw, folder / FIGURES / f"{name}.png")
    replace_file(folder / REPORT, html_page(comparison, folder / FIGURES).encode())
    return folder / REPORT


def pictures(comparison: Comparison) -> dict[str, Callable[[], Figure]]:
    """Return the figures by name, each as a function that draws it."""
    from snnrl.figures import rewards_learning, rewards_maps

    settings, found = comparison.settings, results.groups(comparison)
    ranked = [outcome.combination.reward for outcome in next(iter(found.values()))]
    task = comparison.outcomes[0].result.config
    rows = [{**row, "group": outcome.combination.group}
            for row, outcome in zip(results.rows(comparison), comparison.outcomes, strict=True)]  # fmt: skip
    agents = {name: {o.combination.reward: o.agents for o in outcomes} for name, outcomes in found.items()}
    maps = {name: {o.combination.reward: o.value_maps.mean(axis=0) for o in sorted(outcomes, key=_place(ranked))}
            for name, outcomes in found.items()}  # fmt: skip
    pairs = {name: results.improvements(outcomes) for name, outcomes in found.items()}
    errors = [comparison.calibrations[reward].to_dict() for reward in ranked]
    random = comparison.baselines.get("random", {}).get("mean_length")
    threshold, longest = float(task.solve_threshold or 0.0), task.make_task().max_steps
    drawn: dict[str, Callable[[], Figure]] = {
        "overview": lambda: rewards_learning.overview_figure(rows, ranked, settings.episodes, longest),
        "learning": lambda: rewards_learning.curves_figure(agents, ranked, threshold, random),
        "td-error": lambda: rewards_learning.td_error_figure(errors),
    }
    if settings.map_points > 1:
        drawn["values"] = lambda: rewards_maps.value_figure(maps, *axes(settings.map_points))
    if len(ranked) > 1:
        drawn["improvement"] = lambda: rewards_maps.improvement_figure(pairs)
    return drawn


def _place(ranked: list[str]) -> Callable[[Outcome], int]:
    return lambda outcome: ranked.index(outcome.combination.reward)


CAPTIONS = {
    "overview": "Left to right: seeds that solved the task, episodes until then, mean episode length afterwards with "
    "plasticity off. Points are the numbers of the table, lines their 95 % bootstrap intervals over seeds.",
    "learning": "Length of the learning episodes, running mean of 20, median over seeds with its 95 % bootstrap interval. A "
    "seed that has solved the task stops and keeps its last value.",
    "improvement": "How often a seed of the row's reward did better than a seed of the column's: it solved the task after fewer "
    "episodes; seeds that did not solve it come last, in the order of their evaluation. 0.5 is a draw; bold where the 95 % "
    "bootstrap interval leaves 0.5 out.",
    "values": "Value of the trained critics over pole angle and angular velocity, mean over seeds, cart at rest in the middle. "
    "Each panel has its own range, written above it: rewards differ in unit.",
    "td-error": "Root mean square of the TD error, of the reward as it is and times its factor. Left, of the critic without "
    "noise that the factors are found with; right, of spiking agents in their first steps of learning, where the critic's own "
    "noise adds to it.",
}
TITLES = {
    "overview": "Every reward by the same measure",
    "learning": "Learning",
    "improvement": "Which reward does better",
    "values": "What the critics have learned",
    "td-error": "The size of the TD error",
}


def head_line(comparison: Comparison) -> str:
    """Return the outcome in a few sentences."""
    words = []
    for name, outcomes in results.groups(comparison).items():
        first = results.row_of(outcomes[0])
        words.append(
            f"{name}: best reward {first['reward']}, {100 * first['solved_fraction']:.3g} % of {first['seeds']} seeds solved the "
            f"task, {first['evaluation_mean']:.1f} steps with plasticity off."
        )
    return " ".join(words)


def table_rows(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the table of results, best reward of every kind of synapse first, baselines last."""
    rows = [
        (row["reward"], outcome.combination.group, *(cell(row, key) for key in COLUMNS))
        for outcomes in results.groups(comparison).values()
        for outcome in outcomes
        for row in [results.row_of(outcome)]
    ]
    for row in results.baseline_rows(comparison):
        name = str(BASELINES.get(row["baseline"], row["baseline"])).split(",")[0]
        rows.append((name, "–", *(cell(row, key) for key in COLUMNS)))
    return ("reward", "synapses", *COLUMNS.values()), rows


def cell(row: results.Row, key: str) -> str:
    """Return a number of a row, with its interval in brackets where it has one."""
    value = row.get(key)
    if value is None and key == "median_episodes":
        return "–" + _ends(row, key)
    return _number(key, value) + ("" if value is None else _ends(row, key))


def _ends(row: results.Row, key: str) -> str:
    short = results.INTERVALS.get(key)
    if short is None or row.get(f"{short}_low") is None:
        return ""
    low, high = row[f"{short}_low"], row[f"{short}_high"]
    return f" ({_number(key, low)} to {'∞' if high is None else _number(key, high)})"


def _number(key: str, value: float | None) -> str:
    if key in ("spikes_per_episode", "writes_per_episode") and value is not None:
        return f"{value:,.0f}"
    return number_text(key, value)


def td_error_rows(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the table of TD errors."""
    head = (
        "reward",
        "factor",
        "TD error without noise",
        "with the factor",
        "TD error of spiking agents",
        "with the factor",
    )
    found = comparison.calibrations.values()
    rows = [
        (
            c.reward,
            f"{c.factor:.3g}",
            *(f"{size:.4f}" for size in (c.raw_size, c.size, c.raw_spiking, c.spiking)),
        )
        for c in found
    ]
    noise = next(iter(found)).noise
    return head, [*rows, ("no reward", "–", "0", "0", f"{noise:.4f}", f"{noise:.4f}")]


def markdown(comparison: Comparison) -> str:
    """Return both tables as Markdown."""
    parts = []
    for head, rows in (table_rows(comparison), td_error_rows(comparison)):
        lines = [head, ("---",) * len(head), *rows]
        parts.append("".join("| " + " | ".join(line) + " |\n" for line in lines))
    return "\n".join(parts)


def html_page(comparison: Comparison, figures: Path) -> str:
    """Return the report as one self-contained page.

    Parameters
    ----------
    comparison
        The study.
    figures
        Folder of its figures.
    """
    settings = comparison.settings
    title = f"{settings.task}: {len(settings.rewards)} reward functions"
    sections = [
        section(
            "Result",
            html_table(*table_rows(comparison)) + f'<p class="note">{escaped(_criterion(settings))}</p>',
        ),
        *(_figure(name, figures / f"{name}.png") for name in pictures(comparison) if name != "td-error"),
        section(TITLES["td-error"], _note(_scale_note(settings)) + html_table(*td_error_rows(comparison))),
        _figure("td-error", figures / "td-error.png", ""),
        section(
            "The rewards", html_table(("reward", "formula", "parameters", "from"), _reward_rows(settings))
        ),
        section("Repeat it", f"<pre>{escaped(command(settings))}</pre>"),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>snnrl: {escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escaped(title)}</h1>\n<p class="lead">{escaped(head_line(comparison))}</p>\n'
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _figure(name: str, picture: Path, title: str | None = None) -> str:
    data = base64.b64encode(picture.read_bytes()).decode()
    body = (
        f'<figure><img alt="{escaped(TITLES[name])}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escaped(CAPTIONS[name])}</figcaption></figure>"
    )
    return body if title == "" else section(TITLES[name], body)


def _note(text: str) -> str:
    return f'<p class="note">{escaped(text)}</p>'


def _criterion(settings: Settings) -> str:
    return (
        f"{settings.seeds} seeds from {settings.seed:,} per row, the same for all. Solved: the first 100 consecutive episodes with a "
        f"mean length that counts as solved, within {settings.episodes} episodes; seeds that did not get there count as infinitely "
        f"many episodes. Evaluation: {settings.evaluation_episodes} fresh episodes per seed with plasticity off; spikes are those of "
        "the whole network there, writes those of a memristive device while learning. In brackets: 95 % bootstrap intervals over "
        "seeds, which have no width where all seeds are alike. The reward itself is no measure here."
    )


def _scale_note(settings: Settings) -> str:
    used = (
        f"Every reward was multiplied by its factor, which makes its TD error as large as that of {REFERENCE}."
        if settings.equalise
        else "In this study no factor was used: every reward was left as it is."
    )
    return (
        f"{used} Measured on {settings.calibration_seeds} seeds below 100,000, {settings.calibration_steps} transitions each: "
        "a table of 162 boxes learns the value of random pushes, the same for every reward."
    )


def _reward_rows(settings: Settings) -> Iterable[Sequence[str]]:
    for name in settings.rewards:
        reward = rewards.make(name, **settings.parameters_of(name))
        yield (
            name,
            reward.formula,
            ", ".join(f"{k} = {v:.4g}" for k, v in reward.parameters.items()),
            reward.source,
        )


def command(settings: Settings) -> str:
    """Return the command line that repeats a study."""
    words = ["snnrl", "compare-rewards", settings.task]
    standard = {field.name: field.default for field in fields(Settings)}
    for name in ("rewards", "plasticities", "synapses", "devices"):
        if getattr(settings, name) != standard[name]:
            words += [f"--{name}", ",".join(getattr(settings, name))]
    for name in ("spread", "seeds", "seed", "episodes", "evaluation_episodes", "td_error"):
        if getattr(settings, name) != standard[name]:
            words += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
    words += [] if settings.equalise else ["--no-equalise"]
    given = {**settings.reward_parameters, "network": settings.network_parameters}
    for part, parameters in given.items():
        words += [word for key, value in parameters.items() for word in ("--set", f"{part}.{key}={value!r}")]
    words += [word for file in settings.files for word in ("--import", file)]
    return shlex.join(words)
