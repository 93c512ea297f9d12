"""The report: one page that stands alone, says what happened and how to repeat it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from snnrl.report import LEARNING_CURVE, RASTER, headline, report_html, summary_rows, write_run
from snnrl.training.result import NEVER, AgentRecord, EpisodeRecording, TrainingConfig, TrainingResult
from snnrl.training.runfolder import RunFolder
from snnrl.training.summary import summary

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects the text, and fails on tags that do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what is open and what is linked."""
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        """Close the innermost tag, which must be this one."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text, style sheets left out."""
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def result(solved_at: tuple[int, ...] = (100, 120), **options: object) -> TrainingResult:
    agents = [
        AgentRecord(seed, np.full(120, 480), np.ones(120), at, np.array([500, 480 - seed]), 200.0)
        for seed, at in enumerate(solved_at)
    ]
    steps = 30
    recording = EpisodeRecording(
        dt=0.001,
        env_step=0.02,
        spikes={"input": np.eye(600, 4, dtype=bool), "left": np.eye(600, 2, dtype=bool)},
        value=None,
        td_error=None,
        observation=np.zeros((steps, 4)),
        action=np.zeros(steps, dtype=np.int64),
        reward=np.ones(steps),
        observation_names=("x", "x_dot", "theta", "theta_dot"),
    )
    config = TrainingConfig(seeds=len(agents), **options)  # type: ignore[arg-type]
    return TrainingResult(
        config, agents, recording, wall_time=12.34, versions={"snnrl": "0.1.0", "numpy": "2.3"}
    )


def test_write_run_leaves_everything(tmp_path: Path) -> None:
    done = result()
    folder = RunFolder.create(tmp_path / "run", done.config)
    write_run(folder, done)
    names = {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}
    assert names == {
        "config.json",
        "episodes.csv",
        "summary.json",
        "report.html",
        f"figures/{LEARNING_CURVE}",
        f"figures/{RASTER}",
    }
    assert folder.read_summary() == summary(done)
    assert len(folder.read_episodes()) == 2 * (120 + 2)
    page = checked((folder.path / "report.html").read_text())
    assert len(page.sources) == 2


def test_page_stands_alone() -> None:
    page = report_html(result(), {LEARNING_CURVE: b"one", RASTER: b"two"})
    assert checked(page).sources == ["data:image/png;base64,b25l", "data:image/png;base64,dHdv"]
    assert not re.search(r"https?://|<script|url\(|@import", page)
    assert "prefers-color-scheme: dark" in page


def test_page_says_what_happened_and_how_to_repeat_it() -> None:
    done = result()
    text = " ".join(checked(report_html(done, {})).text)
    assert headline(done) in text
    assert done.config.command() in text
    assert "at least 475 steps" in text
    assert "12.3 s" in text
    for row in summary_rows(done):
        assert all(cell in text for cell in row)
    for option, value in done.config.to_dict().items():
        if value not in (None, {}):
            assert option.replace("_", " ") in text
            assert str(value) in text
    assert done.config.make_reward().formula in text


def test_headline() -> None:
    assert headline(result()) == (
        "2 of 2 seeds solved the task within 1000 episodes, the median seed after 110 episodes. With plasticity "
        "off, an episode lasted 489.8 steps on average over the seeds, 489.5 for the worst seed."
    )
    assert "1 of 3 seeds solved the task within 1000 episodes." in headline(result((100, NEVER, NEVER)))
    assert headline(result((NEVER,), task="gym:Acrobot-v1")).startswith("1 agent learned")


def test_summary_rows_show_intervals_and_dashes() -> None:
    rows = {label: (value, interval) for label, value, interval in summary_rows(result())}
    assert rows["seeds"] == ("2", "")
    assert rows["solved"] == ("100 %", "100 % to 100 %")
    assert rows["median episodes to solve"] == ("110.0", "100.0 to 120.0")
    assert rows["writes per device"] == ("–", "")
    partly = {label: row for label, *row in summary_rows(result((100, 120, NEVER)))}
    assert partly["median episodes to solve"] == ["120.0", "100.0 to unbounded"]


def test_baselines_stand_beside_the_run() -> None:
    done = result()
    assert "baselines" not in " ".join(checked(report_html(done, {})).text)
    done.baselines = {"random": {"evaluation_mean": 22.25, "writes_per_device": None}}
    text = " ".join(checked(report_html(done, {})).text)
    assert "random policy" in text
    assert "22.2" in text
    assert text.index("this run") < text.index("random policy")


def test_device_is_cited() -> None:
    device = result(synapse="memristive", device="parylene")
    made = device.config.make_device()
    assert made is not None
    assert made.citation in " ".join(checked(report_html(device, {})).text)


def test_text_is_escaped() -> None:
    done = result()
    done.versions = {"platform": "<b>&\"'"}
    page = report_html(done, {})
    assert "<b>" not in page
    assert "<b>&\"'" in checked(page).text
