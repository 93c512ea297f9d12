"""What teachers of Atari games score, and how fast games and their pictures are made.

Teachers are files named by game, or names such as script:freeway; each plays under the no-op protocol with the
preprocessing that it was trained on. Speed is one lane with random actions on one core: emulation, picture and
stack, by preprocessing.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine, report
from snnrl.distillation.rollout import play_scores, teacher_policy
from snnrl.distillation.teachers import load_teacher
from snnrl.errors import InvalidValueError
from snnrl.tasks.atari import PREPROCESSINGS, PROTOCOLS, Atari, Protocol, Stack

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.atari_teachers                                         speed alone, seconds
  python -m benchmarks.atari_teachers --teacher pong=/path/to/iko_acktr_Pong.sd.pt --teacher freeway=script:freeway
"""
SEED = 7_900_000
"""Of the games; nothing is tuned on them."""
SPEED_GAME, SPEED_DECISIONS = "breakout", 1500


def score(game: str, source: str, episodes: int, epsilon: float) -> dict[str, Any]:
    """Return the scores of a teacher, and how they were made."""
    teacher = load_teacher(source, game)
    protocol = dataclasses.replace(PROTOCOLS["no-op"], preprocessing=teacher.preprocessing, epsilon=epsilon)
    scores = play_scores(game, protocol, teacher_policy(teacher), episodes, SEED)
    return {
        "game": game,
        "teacher": teacher.name,
        "epsilon": epsilon,
        "score_mean": float(np.mean(scores)),
        "score_std": float(np.std(scores)),
        "scores": scores,
        "protocol": protocol.describe(),
    }


def speed(preprocessing: str) -> dict[str, Any]:
    """Return decisions per second, by the clock and of this process's own time."""
    rng, stack = np.random.default_rng(0), Stack(1)
    with Atari(SPEED_GAME, 1, SEED, Protocol(preprocessing=preprocessing)) as games:
        stack.push(games.reset(), np.ones(1, dtype=bool))
        wall, own = time.perf_counter(), time.process_time()
        for action in rng.integers(0, games.n_actions, SPEED_DECISIONS):
            step = games.step(np.array([action]))
            stack.push(step.screens, step.fresh)
        wall, own = time.perf_counter() - wall, time.process_time() - own
    return {
        "preprocessing": preprocessing,
        "decisions_per_second": SPEED_DECISIONS / wall,
        "decisions_per_cpu_second": SPEED_DECISIONS / own,
    }


def score_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of scores."""
    head = ["game", "teacher", "epsilon", "games", "score", "standard deviation"]
    cells = [
        [row["game"], row["teacher"], f"{row['epsilon']:g}", str(len(row["scores"])), f"{row['score_mean']:,.1f}",
         f"{row['score_std']:,.1f}"]
        for row in rows
    ]  # fmt: skip
    return report.table(head, cells)


def speed_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table of speeds."""
    head = ["preprocessing", "decisions/s", "decisions per CPU second"]
    names = ("decisions_per_second", "decisions_per_cpu_second")
    return report.table(
        head, [[row["preprocessing"], *(f"{row[name]:,.0f}" for name in names)] for row in rows]
    )


def _page(scores: Sequence[dict[str, Any]], speeds: Sequence[dict[str, Any]]) -> str:
    protocols = "\n".join(dict.fromkeys(f"* {row['protocol']}" for row in scores))
    return f"""# Teachers of Atari games

Made by `python -m benchmarks.atari_teachers --teacher GAME=FILE ... --save`. The files are no part of the package.

{score_table(scores)}

Protocols:

{protocols}

One lane of {SPEED_GAME}, random actions; the machine and its load are in the JSON file beside this page.

{speed_table(speeds)}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.atari_teachers", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--teacher", action="append", default=[], metavar="GAME=FILE", help="may be repeated")
    parser.add_argument("--episodes", type=int, default=16, help="games of each teacher")
    parser.add_argument("--epsilon", type=float, nargs="+", default=[0.01, 0.05])
    parser.add_argument("--save", action="store_true", help="keep page and numbers in benchmarks/results")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    about = machine.describe()
    speeds = [speed(preprocessing) for preprocessing in PREPROCESSINGS]
    print(speed_table(speeds), flush=True)
    scores = []
    for named in options.teacher:
        game, equals, source = named.partition("=")
        if not equals:
            raise InvalidValueError("--teacher", named, "GAME=FILE")
        scores += [score(game, source, options.episodes, epsilon) for epsilon in options.epsilon]
        print(score_table(scores), flush=True)
    if options.save:
        data = {"machine": about, "scores": scores, "speed": speeds}
        report.write_json(RESULTS / "atari_teachers.json", data)
        report.write(RESULTS / "atari_teachers.md", _page(scores, speeds))


if __name__ == "__main__":
    main()
