"""What a finished distillation leaves: summary, figure and a page."""

from __future__ import annotations

import base64
from typing import Any

from snnrl.distillation.folder import REPORT, SUMMARY
from snnrl.distillation.packing import Scores, score_of
from snnrl.distillation.session import Session
from snnrl.networks.truenorth.student_file import STUDENT_FILE
from snnrl.report import STYLE, escaped, html_table, section
from snnrl.training.files import replace_file, write_json

FIGURE = "learning_curve.png"


def write_results(session: Session, mine: Scores, theirs: Scores, seconds: float) -> dict[str, Any]:
    """Write figure, page and, last, the summary, which is returned.

    Parameters
    ----------
    session
        A run that has been trained.
    mine, theirs
        Last scores of the student and of its teachers, by game.
    seconds
        Wall time of this part of the run.
    """
    numbers = summary(session, mine, theirs, seconds)
    picture = _draw(session, theirs)
    replace_file(session.folder / REPORT, page(session, numbers, picture).encode())
    write_json(session.folder / SUMMARY, numbers)
    return numbers


def summary(session: Session, mine: Scores, theirs: Scores, seconds: float) -> dict[str, Any]:
    """Return the numbers of a run as JSON values."""
    learner, plan = session.learner, session.plan
    assert learner is not None
    first, last = learner.curve[0], learner.curve[-1]
    return {
        "student": plan.recipe.student,
        "parameters": learner.student.spec.parameters,
        "populations": session.populations,
        "bytes": (session.folder / STUDENT_FILE).stat().st_size,
        "batches": learner.done,
        "frames": {c.game: len(c.buffer) for c in session.collectors},
        "held_out_start": first.held_out,
        "held_out_end": last.held_out,
        "agreement_start": first.agreement,
        "agreement_end": last.agreement,
        "seconds": seconds,
        "games": {
            game: {
                "teacher": session.teachers[k].name,
                "teacher_outputs": session.teachers[k].outputs,
                "temperature": learner.lessons[k].temperature,
                "protocol": session.protocols[k].describe(),
                "score": score_of(mine.get(game, [])),
                "teacher_score": score_of(theirs.get(game, [])),
            }
            for k, game in enumerate(plan.games)
        },
        "curve": [
            {"batches": p.batches, "held_out": p.held_out, "agreement": p.agreement}
            | ({"training": p.training} if p.training == p.training else {})
            for p in learner.curve
        ],
        "live_scores": session.scores,
        "recipe": plan.recipe.to_dict(),
    }


def score_rows(numbers: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return game, the student's score, its teacher's, and the protocol, as text."""
    return [
        (game, _score_text(found["score"]), _score_text(found["teacher_score"]), found["protocol"])
        for game, found in numbers["games"].items()
    ]


def number_rows(numbers: dict[str, Any]) -> list[tuple[str, str]]:
    """Return label and value of the other numbers, as text."""
    rows = [
        ("batches", f"{numbers['batches']:,}"),
        ("frames", ", ".join(f"{game} {n:,}" for game, n in numbers["frames"].items())),
        (
            "held-out divergence, start and end",
            f"{numbers['held_out_start']:.4f}, {numbers['held_out_end']:.4f}",
        ),
        (
            "agreement with the teacher, start and end",
            f"{numbers['agreement_start']:.3f}, {numbers['agreement_end']:.3f}",
        ),
        ("student's file (bytes)", f"{numbers['bytes']:,}"),
        ("wall time of the last part (s)", f"{numbers['seconds']:.0f}"),
    ]
    return rows


def _score_text(score: dict[str, Any] | None) -> str:
    if score is None:
        return "not played"
    spread = "" if score["std"] is None else f" ± {score['std']:.1f}"
    return f"{score['mean']:.1f}{spread} ({len(score['scores'])} games)"


def _draw(session: Session, theirs: Scores) -> bytes:
    from snnrl.figures.distillation import distillation_figure
    from snnrl.figures.style import write_png

    learner, plan = session.learner, session.plan
    assert learner is not None
    live = {
        game: [(int(row["batches"]), sum(row[game]) / len(row[game])) for row in session.scores]
        for game in plan.games
    }
    teachers = {game: sum(scores) / len(scores) for game, scores in theirs.items() if scores}
    (session.folder / "figures").mkdir(exist_ok=True)
    path = session.folder / "figures" / FIGURE
    write_png(lambda: distillation_figure(learner.curve, live, teachers, plan.recipe.loss), path)
    return path.read_bytes()


def page(session: Session, numbers: dict[str, Any], picture: bytes) -> str:
    """Return the report as one self-contained page."""
    plan = session.plan
    title = f"{plan.recipe.student} learns {', '.join(plan.games)}"
    data = base64.b64encode(picture).decode()
    recipe = [(name.replace("_", " "), str(value)) for name, value in plan.recipe.to_dict().items()]
    teachers = [
        (game, found["teacher"], found["teacher_outputs"], f"{found['temperature']:g}")
        for game, found in numbers["games"].items()
    ]
    parts = [
        section("Scores", html_table(("game", "student", "teacher", "protocol"), score_rows(numbers))),
        section(
            "Learning", f'<figure><img alt="learning curves" src="data:image/png;base64,{data}"></figure>'
        ),
        section("Numbers", html_table(("", ""), number_rows(numbers))),
        section("Teachers", html_table(("game", "teacher", "its outputs", "temperature"), teachers)),
        section("Recipe", html_table(("", ""), recipe)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>snnrl: {escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escaped(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )
