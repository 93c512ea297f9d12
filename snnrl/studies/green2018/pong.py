"""Pong from the screen: policies of full precision and with shared weights, as in the bottom of the paper's figure 5."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import InvalidValueError
from snnrl.plasticity.low_precision import LayerSize, cost
from snnrl.studies.green2018.methods import METHODS
from snnrl.studies.green2018.pong_screens import ACTIONS, INPUTS
from snnrl.studies.paper import Claim, Outcome, PaperStudy, Report, Row, mean_with_ends, part_of
from snnrl.studies.rewards.execute import Workers
from snnrl.studies.rewards.work import Part
from snnrl.training.config import known_name, whole_number
from snnrl.training.files import replace_file
from snnrl.training.result import FloatArray

STUDY = "green2018-pong"
KINDS = ("full", "compressed", "pruned")
"""Methods that begin in full precision and are changed at half time; the paper shows the first two on Pong."""
CHECKPOINTS = "checkpoints"
CHECKPOINT_SECONDS = 20.0
POINTS = 200
"""Points of a learning curve."""
WINDOW = 0.05
"""Part of all decisions before a point of a curve whose games count for it."""
EVALUATION = 2**31
"""Added to a policy's seed for the games that only count."""


@dataclass(frozen=True)
class PongSettings:
    """What is run.

    Parameters
    ----------
    policies, seed
        Policies of each kind, and the seed of the first. Seeds below 100,000 are for tuning.
    methods, widths
        Of `KINDS`, and hidden units ("256 and 128", section IV).
    decisions
        Of a policy while it learns, all its games together; half of them before the change.
    games
        Of the evaluation, with the likeliest action.
    k, percent
        As in `snnrl.studies.green2018.Settings`.

    Raises
    ------
    InvalidValueError, UnknownNameError
        If a number is out of its range, or a name is not known.
    """

    policies: int = 5
    seed: int = 7_530_000
    methods: tuple[str, ...] = ("full", "compressed")
    widths: tuple[int, ...] = (128,)
    decisions: int = 3_000_000
    games: int = 20
    k: int = 8
    percent: float = 50.0

    def __post_init__(self) -> None:
        for name in ("policies", "seed", "decisions", "games", "k"):
            whole_number(f"--{name}", getattr(self, name), 0 if name == "seed" else 1)
        if not 0.0 < self.percent < 100.0:
            raise InvalidValueError("--percent", self.percent, "above 0 and below 100")
        for method in self.methods:
            known_name("--methods", method, KINDS)
        for width in self.widths:
            whole_number("--widths", width, 1)

    def to_dict(self) -> dict[str, Any]:
        """Return as values for JSON what every number depends on; seeds, methods and widths are in the names of the parts."""
        values = dataclasses.asdict(self)
        for name in ("methods", "widths", "policies"):
            del values[name]
        return {"study": STUDY, **values}

    def kinds(self) -> Iterator[tuple[str, int]]:
        """Give methods and widths."""
        for width in self.widths:
            for method in self.methods:
                yield method, width

    def parts(self, folder: Path | None) -> Iterator[tuple[tuple[str, int], Part]]:
        """Give kind and part of every policy; all kinds of a seed before the next seed."""
        for seed in range(self.seed, self.seed + self.policies):
            for method, width in self.kinds():
                options = {"seed": seed, "method": method, "hidden": width, "decisions": self.decisions,
                           "games": self.games, "k": self.k, "percent": self.percent}  # fmt: skip
                part = part_of(f"pong-{method}-{width}-{seed}", ".json", learn_pong, (options,))
                kept = None if folder is None else str(folder / CHECKPOINTS / f"{part.file}.npz")
                yield (method, width), dataclasses.replace(part, arguments=(options, kept))


def learn_pong(options: dict[str, Any], checkpoint: str | None = None) -> bytes:
    """Let one policy learn, and evaluate it.

    Parameters
    ----------
    options
        ``seed, method, hidden, decisions, games, k, percent``.
    checkpoint
        File of the last checkpoint: gone on from where there is one, written now and then between two updates; None: none.

    Returns
    -------
    bytes
        JSON: ``scores`` of the games while learning with the decisions at their end, ``[games, 2]``; ``evaluation``, scores;
        ``kept``, weights of each layer that are not zero; ``seconds`` since the last interruption.
    """
    import torch

    from snnrl.studies.green2018.pong_learner import PongLearner
    from snnrl.training.checkpoint import pack, unpack

    torch.set_num_threads(1)
    path = None if checkpoint is None else Path(checkpoint)
    learner = PongLearner(options["seed"], options["hidden"], options["method"])
    began = saved = time.monotonic()
    if path is not None and path.exists():
        learner.restore(unpack(path.read_bytes())[0], options["k"], options["percent"])
    while learner.decisions < options["decisions"]:
        learner.update()
        if not learner.optimised and learner.decisions >= options["decisions"] / 2:
            learner.optimise(options["k"], options["percent"])
        if path is not None and time.monotonic() - saved > CHECKPOINT_SECONDS:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, pack(learner.save(), []))
            saved = time.monotonic()
    evaluation = learner.evaluate(options["games"], options["seed"] + EVALUATION)
    found = {"scores": learner.scores, "evaluation": evaluation, "kept": learner.kept(),
             "seconds": time.monotonic() - began}  # fmt: skip
    learner.close()
    return json.dumps(found).encode()


def reproduce(
    settings: PongSettings | None = None,
    folder: Path | None = None,
    workers: Workers | None = None,
    report: Report | None = None,
) -> Outcome:
    """Train and evaluate all policies; parameters as in `snnrl.studies.vlasov2023.reproduce`."""
    chosen = settings or PongSettings()
    study = PaperStudy(STUDY, chosen, folder, workers, report)
    parts = list(chosen.parts(folder))
    made = study.make("policies", {part.file: part for _, part in parts})
    found = {
        kind: [json.loads(made[part.file]) for own, part in parts if own == kind] for kind in chosen.kinds()
    }
    rows = [_row(method, width, some, chosen) for (method, width), some in found.items()]
    pictures = [] if folder is None else [_draw(found, chosen, folder)]
    return study.finish(claims(rows), rows, pictures)


def _row(method: str, width: int, policies: list[dict[str, Any]], settings: PongSettings) -> Row:
    """Return the numbers of one kind: ``return``, mean score of the evaluation, and of the last tenth of learning ``late``."""
    returns = np.array([np.mean(each["evaluation"]) for each in policies])
    kept = np.mean([each["kept"] for each in policies], axis=0)
    precision = METHODS[method].precision(settings.k)
    sizes = ((INPUTS, width), (width, len(ACTIONS)))
    spent = cost(
        [LayerSize(n * m, m, kept=round(float(left)) if precision.sparse else None)
         for (n, m), left in zip(sizes, kept, strict=True)], precision,
    )  # fmt: skip
    late = [score for each in policies for at, score in each["scores"] if at >= 0.9 * settings.decisions]
    return {
        "row": f"{METHODS[method].title}, {width} units",
        "environment": "pong", "method": method, "width": width, "policies": len(policies),
        **mean_with_ends("return", returns),
        "return_error": float(returns.std(ddof=1) / np.sqrt(len(returns))) if len(returns) > 1 else 0.0,
        "late": float(np.mean(late)) if late else None,
        "games": float(np.mean([len(each["scores"]) for each in policies])),
        "parameter_bits": spent.parameter_bits, "additions": spent.additions,
        "multiplications": spent.multiplications, "energy": spent.energy,
    }  # fmt: skip


def claims(rows: list[Row]) -> list[Claim]:
    """Return what the paper says beside what was measured."""
    said = "; ".join(f"{row['row']}: {row['return']:+.1f} +- {row['return_error']:.1f}" for row in rows)
    return [
        Claim(
            'Compression+VPG "shows stronger results than FP+VPG after tuning"',
            "figure 5, bottom, read",
            said,
        )
    ]


def curve(scores: list[list[float]], decisions: int) -> FloatArray:
    """Return the mean score of the games that ended in the window before each of `POINTS` moments; -21 before the first game."""
    found = np.array(scores, dtype=float).reshape(-1, 2)
    moments = np.linspace(0.0, decisions, POINTS + 1)[1:]
    means, last = np.zeros(POINTS), -21.0
    for i, moment in enumerate(moments):
        inside = (found[:, 0] <= moment) & (found[:, 0] > moment - WINDOW * decisions)
        last = float(found[inside, 1].mean()) if inside.any() else last
        means[i] = last
    return means


def _draw(found: dict[tuple[str, int], list[dict[str, Any]]], settings: PongSettings, folder: Path) -> str:
    from snnrl.figures.policies import Panel, policies_figure
    from snnrl.figures.style import write_png

    curves = {
        f"{METHODS[method].title}, {width} units": np.array(
            [curve(each["scores"], settings.decisions) for each in policies]
        )
        for (method, width), policies in found.items()
    }
    step = settings.decisions / POINTS / 1e6
    panel = Panel(
        "Pong", curves, step, 0.0, settings.decisions / 2e6, "million decisions", "score of a game", step
    )
    write_png(functools.partial(policies_figure, [panel]), folder / "pong.png")
    return str(folder / "pong.png")
