"""The report of a run: one HTML file with its figures inside, and everything else a finished run leaves."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.training.config import TrainingConfig
from snnrl.training.files import replace_file
from snnrl.training.result import AgentRecord, EpisodeRecording, TrainingResult
from snnrl.training.runfolder import REPORT, RunFolder
from snnrl.training.summary import Number, summary, summary_intervals, wear_summary

LEARNING_CURVE, RASTER, WRITES = "learning_curve.png", "raster.png", "writes.png"

LABELS = {
    "seeds": "seeds",
    "solved_fraction": "solved",
    "median_episodes": "median episodes to solve",
    "q90_episodes": "90th percentile of episodes to solve",
    "evaluation_mean": "evaluation, mean length (steps)",
    "evaluation_worst": "evaluation, worst seed (steps)",
    "evaluation_seeds_ge_475": "evaluation, seeds with a mean of at least 475 steps",
    "spikes_per_step": "spikes per environment step",
    "writes_per_device": "writes per device",
}
"""Names of the numbers of ``summary.json`` for people, in the order they are shown."""

BASELINES = {"random": "random policy", "ase-ace": "ASE/ACE, a table of 162 boxes"}
"""Names for people of the baselines in `TrainingResult.baselines`."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1e; --soft: #5b5b63; --paper: #ffffff; --line: #d9d9de;
  --shade: #f4f4f6; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf0; --soft: #a3a3ad; --paper: #18181b;
  --line: #3a3a41; --shade: #232327; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.2rem 4rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p.lead { font-size: 1.1rem; } p.note, figcaption { color: var(--soft); font-size: .92rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
div.wide { overflow-x: auto; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); }
figure { margin: 0; } img { width: 100%; height: auto; background: #fff; border: 1px solid var(--line);
  border-radius: 6px; }
pre { background: var(--shade); padding: .8rem 1rem; border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
"""


def write_run(folder: RunFolder, result: TrainingResult) -> None:
    """Write everything that a finished run leaves besides its checkpoint.

    ``summary.json`` comes last: where it is, everything else is.
    """
    from snnrl import figures

    folder.write_episodes(result.agents)
    figures.learning_curve(result, folder.figures / LEARNING_CURVE)
    if result.recording is not None:
        figures.raster(result.recording, folder.figures / RASTER)
    if result.wear is not None:
        figures.writes(result.wear, folder.figures / WRITES)
        folder.write_wear(wear_summary(result.wear))
    write_report(folder, result)
    folder.write_summary(summary(result))


def write_report(folder: RunFolder, result: TrainingResult) -> Path:
    """Write ``report.html`` from the result and the figures in the run folder, and return its path."""
    pictures = {path.name: path.read_bytes() for path in sorted(folder.figures.glob("*.png"))}
    replace_file(folder.path / REPORT, report_html(result, pictures).encode())
    return folder.path / REPORT


def report_html(result: TrainingResult, pictures: Mapping[str, bytes]) -> str:
    """Return the report as one self-contained page.

    Parameters
    ----------
    result
        The run.
    pictures
        PNG files by name: `LEARNING_CURVE` and, as far as there are, `RASTER` and `WRITES`.
    """
    config = result.config
    title = f"{config.task}: {config.network}, {config.plasticity}, {config.synapse} synapses"
    sections = [
        _summary_section(result),
        _baseline_section(result),
        _picture_section("Learning", pictures.get(LEARNING_CURVE), CURVE_CAPTION),
        _picture_section(
            "One episode, spike by spike", pictures.get(RASTER), _raster_caption(result.recording)
        ),
        _wear_section(result, pictures.get(WRITES)),
        section("Every seed", html_table(("seed", *SEED_COLUMNS), _seed_rows(result.agents))),
        section("What was run", html_table(("option", "value"), _option_rows(config))),
        _source_section(config),
        section("Repeat it", f"<pre>{escaped(config.command())}</pre>" + _version_table(result)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>snnrl: {escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escaped(title)}</h1>\n<p class="lead">{escaped(headline(result))}</p>\n'
        + "\n".join(part for part in sections if part)
        + "\n</body>\n</html>\n"
    )


def headline(result: TrainingResult) -> str:
    """Return the outcome in one or two sentences."""
    numbers, config = summary(result), result.config
    solved = sum(agent.solved for agent in result.agents)
    many = f"{count} agents" if (count := len(result.agents)) > 1 else "1 agent"
    words = f"{many} learned by reward, for at most {config.episodes} episodes each."
    if config.solve_threshold is not None:
        words = f"{solved} of {len(result.agents)} seeds solved the task within {config.episodes} episodes"
        median = numbers["median_episodes"]
        words += f", the median seed after {median:g} episodes." if median is not None else "."
    if numbers["evaluation_mean"] is not None:
        words += (
            f" With plasticity off, an episode lasted {numbers['evaluation_mean']:.1f} steps on average over "
            f"the seeds, {numbers['evaluation_worst']:.1f} for the worst seed."
        )
    return words


def summary_rows(result: TrainingResult) -> list[tuple[str, str, str]]:
    """Return label, value and bootstrap interval of every number of the summary, as text."""
    intervals = summary_intervals(result)
    return [
        (LABELS[key], number_text(key, value), _interval_text(key, intervals.get(key)))
        for key, value in summary(result).items()
    ]


def table_beside_baselines(result: TrainingResult) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return head and rows of the summary with one more column for each baseline on the same seeds."""
    baselines = result.baselines or {}
    rows: list[tuple[str, ...]] = []
    for key, row in zip(summary(result), summary_rows(result), strict=True):
        rows.append((*row, *(number_text(key, numbers.get(key)) for numbers in baselines.values())))
    return ("", "value", "95 % interval", *(BASELINES.get(n, n).split(",")[0] for n in baselines)), rows


def number_text(key: str, value: Number) -> str:
    """Return one number of the summary as people read it; None, which does not apply, is a dash."""
    if value is None:
        return "–"
    if key == "solved_fraction":
        return f"{100 * value:.3g} %"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _interval_text(key: str, interval: tuple[Number, Number] | None) -> str:
    if interval is None:
        return ""
    low, high = (("unbounded" if end is None else number_text(key, end)) for end in interval)
    return f"{low} to {high}"


def _summary_section(result: TrainingResult) -> str:
    table = html_table(("", "value", "95 % bootstrap interval over seeds"), summary_rows(result))
    return section("Result", table + f'<p class="note">{escaped(_criterion(result.config))}</p>')


def _criterion(config: TrainingConfig) -> str:
    evaluation = f"Evaluation: {config.evaluation_episodes} fresh episodes per seed with plasticity off."
    if config.solve_threshold is None:
        return f"This task has no criterion for solved. {evaluation}"
    bound = "least" if config.solve_threshold >= 0 else "most"
    return (
        f"Solved: the first {config.solve_window} consecutive episodes with a mean length of at {bound} "
        f"{abs(config.solve_threshold):g} steps; seeds that did not get there count as infinitely many episodes. "
        f"{evaluation}"
    )


def _baseline_section(result: TrainingResult) -> str:
    """Put this run and the baselines into one table: a column for each number that any of them has."""
    if not result.baselines:
        return ""
    rows: dict[str, Mapping[str, Any]] = {"this run": summary(result), **result.baselines}
    compared = [key for key in LABELS if key != "seeds"]
    keys = [key for key in compared if any(row.get(key) is not None for row in result.baselines.values())]
    body = [
        (BASELINES.get(name, name), *(number_text(key, row.get(key)) for key in keys))
        for name, row in rows.items()
    ]
    return section("Beside the baselines, same seeds", html_table(("", *(LABELS[key] for key in keys)), body))


CURVE_CAPTION = (
    "Above: length of each learning episode. The line is the median of the seeds that are still learning, the "
    "band its 95 % bootstrap interval; the second line is the mean that decides whether the task is solved, "
    "where seeds that have solved it keep their last value. Below: share of the seeds that have solved the task."
)


def _raster_caption(recording: EpisodeRecording | None) -> str:
    critic = recording is not None and recording.value is not None
    return (
        "One episode of the first seed with plasticity off; the rows share the time axis. Left, the whole "
        "episode: the darker, the more spikes in an environment step. Right, a close-up: each dot is one spike, "
        "the background the action taken. From above: the input neurons, which encode the observation; "
        + ("the critic, whose firing is the value; " if critic else "")
        + "the actor groups, whose spikes choose the action; "
        + ("the value; the TD error; " if critic else "")
        + "the pole's angle or the task's first variable."
    )


def _wear_section(result: TrainingResult, picture: bytes | None) -> str:
    """Say what learning cost the devices and how long they would last."""
    if result.wear is None:
        return ""
    table = html_table(("", ""), wear_rows(wear_summary(result.wear)))
    return section("Wear and energy", table) + _picture_section(
        "Writes of the devices", picture, WRITES_CAPTION
    )


def wear_rows(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return label and value of the numbers of ``wear.json``, as text."""
    counts = ("mean", "median", "p99", "most")
    written = ", ".join(f"{numbers[key]:,.1f}" for key in counts)
    ends = [numbers[key] for key in ("trainings_median", "trainings_first")]
    last = ", ".join("for ever" if end is None else f"{end:,.0f}" for end in ends)
    rows = [
        ("writes of a device in a training: mean, median, 99 %, most", written),
        (f"trainings until the median and the first device has had {numbers['endurance']:g} writes", last),
    ]
    if numbers["energy"] is not None:
        how = f"read at {numbers['read_voltage']:g} V for {1e6 * numbers['read_time']:g} µs"
        rows.append(
            (f"energy of a decision in the actors' arrays, {how}", f"{1e12 * numbers['energy']:.3g} pJ")
        )
    return rows


WRITES_CAPTION = (
    "Above: how the writes of learning are spread over the devices of all seeds. Below: the share of the devices with at "
    "least so many. The endurance is an assumption. The energy is Joule's law for the arrays that choose the action; "
    "converters, neurons and drivers are not counted."
)


SEED_COLUMNS = (
    "solved after",
    "learning episodes",
    "evaluation mean",
    "evaluation worst",
    "spikes per step",
    "writes",
)


def _seed_rows(agents: Sequence[AgentRecord]) -> Iterable[tuple[str, ...]]:
    for agent in agents:
        lengths = agent.evaluation_lengths
        yield (
            str(agent.seed),
            str(agent.solved_at) if agent.solved else "not solved",
            str(len(agent.episode_lengths)),
            f"{np.mean(lengths):.1f}" if len(lengths) else "–",
            str(int(np.min(lengths))) if len(lengths) else "–",
            "–" if math.isnan(agent.spikes_per_step) else f"{agent.spikes_per_step:.1f}",
            "–" if agent.writes_per_device is None else f"{agent.writes_per_device:.1f}",
        )


def _option_rows(config: TrainingConfig) -> Iterable[tuple[str, str]]:
    for option, value in config.to_dict().items():
        if option != "threads" and value is not None and value != {}:
            yield option.replace("_", " "), str(value)


def _source_section(config: TrainingConfig) -> str:
    """Say where the parts come from: the reward's formula and source, the device's citation."""
    reward, device = config.make_reward(), config.make_device()
    rows = [("reward", reward.formula), ("reward from", reward.source)]
    if device is not None:
        rows.append(("device from", device.citation))
    return section("Where it comes from", html_table(("", ""), rows))


def _version_table(result: TrainingResult) -> str:
    rows = [*result.versions.items(), ("wall time", f"{result.wall_time:.1f} s")]
    return html_table(("", ""), rows)


def _picture_section(title: str, picture: bytes | None, caption: str) -> str:
    if picture is None:
        return ""
    data = base64.b64encode(picture).decode()
    return section(
        title,
        f'<figure><img alt="{escaped(title)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escaped(caption)}</figcaption></figure>",
    )


def section(title: str, body: str) -> str:
    """Return a section of a page; the body is HTML."""
    return f"<h2>{escaped(title)}</h2>\n{body}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are plain text."""
    lines = [_row("td", row) for row in rows]
    top = _row("th", head) if any(head) else ""
    return f'<div class="wide"><table>{top}{"".join(lines)}</table></div>'


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escaped(cell)}</{tag}>" for cell in cells) + "</tr>\n"


def escaped(value: object) -> str:
    """Return plain text as HTML."""
    return html.escape(str(value))
