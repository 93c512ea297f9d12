"""Measure distilled students by ``snnrl play`` and write docs/results/students.md.

Example::

    snnrl distill pong --teacher pong.pt --out runs/pong
    python docs/make_students.py runs/pong runs/breakout

Scores that a run folder has already (``play-0.05.json``, ``play-0.01.json``) are not played again. What
``snnrl play GAME --realtime --seconds 600 --json FOLDER/realtime.json --figure FOLDER/realtime.png`` has
written is put on the page as well.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PICTURES = Path(__file__).parent / "pictures"
EPSILONS = (0.05, 0.01)
SCORE_HEAD = ("epsilon", "student", "teacher", "random", "of the teacher's range", "spikes per decision")
Numbers = dict[str, Any]


def read(path: Path) -> Numbers:
    """Return the numbers in a JSON file."""
    found: Numbers = json.loads(path.read_text(encoding="utf-8"))
    return found


def measured(run: Path, game: str, teacher: str, episodes: int, epsilon: float) -> Numbers:
    """Return the scores of a run's student beside its teacher's; played if the folder does not have them."""
    path = run / f"play-{epsilon:g}.json"
    if not path.exists():
        words = ["play", game, "--student", str(run / "student.tn"), "--teacher", teacher, "--episodes", str(episodes),
                 "--epsilon", f"{epsilon:g}", "--json", str(path)]  # fmt: skip
        print("snnrl", *words, flush=True)
        subprocess.run([sys.executable, "-m", "snnrl", *words], check=True)
    return read(path)


def load(run: Path, episodes: int) -> Numbers:
    """Return what is told of one run: its plan and summary, scores, and real time where it was measured."""
    plan = read(run / "config.json")["distillation"]
    (game,), (teacher,) = plan["games"], plan["teachers"]
    realtime = run / "realtime.json"
    return {
        "game": game,
        "teacher": Path(teacher).name,
        "recipe": plan["recipe"],
        "summary": read(run / "summary.json"),
        "scores": [measured(run, game, teacher, episodes, epsilon) for epsilon in EPSILONS],
        "realtime": read(realtime) if realtime.exists() else None,
    }


def row(epsilon: float, found: Numbers) -> str:
    """Return a row of the table of scores."""
    cells = [
        f"{epsilon:g}",
        *(f"{each['score_mean']:,.1f} ± {each['score_std']:,.1f}" for each in _players(found)),
        f"{found['percent_of_teacher_range']:.1f} %",
        f"{found['spikes_per_frame']:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _players(found: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    return found, found["teacher"], found["random"]


def section(student: Numbers) -> str:
    """Return what is told of one student."""
    summary, recipe, game = student["summary"], student["recipe"], student["game"]
    first, games = student["scores"][0], len(student["scores"][0]["scores"])
    rows = [row(e, found) for e, found in zip(EPSILONS, student["scores"], strict=True)]
    made = (
        f"`{recipe['student']}`, {summary['parameters']:,} ternary weights, {summary['bytes']:,} bytes. Teacher: {student['teacher']}, "
        f"temperature {recipe['temperature']:g}. {summary['batches']:,} batches of {recipe['batch_size']}, {recipe['frames']:,} frames, "
        f"loss {recipe['loss']}, input {recipe['inputs']}, seed {recipe['seed']}."
    )
    learned = (
        f"Held-out divergence {summary['held_out_start']:.3f} at the start and {summary['held_out_end']:.3f} at the end, a "
        f"ratio of {summary['held_out_end'] / summary['held_out_start']:.2f}; agreement with the teacher's best action "
        f"{summary['agreement_start']:.3f} and {summary['agreement_end']:.3f}."
    )
    parts = [
        f"## {game.replace('-', ' ').title()}",
        made,
        learned,
        f"{games} games each, seeds from {first['seed']:,}; mean and standard deviation. Rules: {_rules(first['protocol'])}.",
        "\n".join([f"| {' | '.join(SCORE_HEAD)} |", "|---" * len(SCORE_HEAD) + "|", *rows]),
        f"![Learning curve and live scores](../pictures/student_{game}.png)",
        f"Live scores on the way, two games each: {_live(summary, game)}.",
    ]
    if student["realtime"]:
        parts.append(_realtime(student["realtime"], game))
    return "\n\n".join(parts) + "\n"


def _rules(protocol: str) -> str:
    """Return the protocol without its epsilon, which the table has."""
    return ", ".join(part for part in protocol.split(", ") if not part.startswith("epsilon"))


def _live(summary: Numbers, game: str) -> str:
    return "; ".join(
        f"{point['batches']:,} batches: {', '.join(f'{score:g}' for score in point[game])}"
        for point in summary["live_scores"]
    )


def _realtime(found: Numbers, game: str) -> str:
    latency = found["latency"]
    return (
        f"In real time, {1000 / latency['period_ms']:.0f} decisions a second for {found['seconds']:.0f} s: "
        f"{found['deadline_misses']} of {found['deadlines']:,} deadlines missed; latency p50 {latency['p50_ms']:.1f}, "
        f"p99 {latency['p99_ms']:.1f}, at most {latency['max_ms']:.1f} ms.\n\n"
        f"![Latencies](../pictures/student_{game}_realtime.png)"
    )


def page(students: list[Numbers]) -> str:
    """Return the page."""
    head = (
        "# Students that come with snnrl\n\n"
        "Made by `snnrl distill` (options as below) and `python docs/make_students.py`, which runs `snnrl play` on the packed "
        "file: bits, never torch. Of the teacher's range: (score - random) / (teacher - random), all three by the same rules.\n"
    )
    return "\n".join([head, *(section(student) for student in students)])


def main() -> None:
    """Play what is missing, write the page, its numbers and pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs", type=Path, nargs="+", help="run folders of snnrl distill, each of one game and finished"
    )
    parser.add_argument("--episodes", type=int, default=30, help="games of each player")
    options = parser.parse_args()
    students = [load(run, options.episodes) for run in options.runs]
    for run, student in zip(options.runs, students, strict=True):
        name = f"student_{student['game']}"
        shutil.copyfile(run / "figures" / "learning_curve.png", PICTURES / f"{name}.png")
        if student["realtime"]:
            shutil.copyfile(run / "realtime.png", PICTURES / f"{name}_realtime.png")
    (RESULTS / "students.json").write_text(json.dumps(students, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "students.md").write_text(page(students), encoding="utf-8")


if __name__ == "__main__":
    main()
