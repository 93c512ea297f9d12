"""The code in README and docs runs, the commands exist, links lead somewhere, tables are up to date."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

import snnrl
from snnrl import tasks
from snnrl.cli import main
from snnrl.cli.app import app
from snnrl.plasticity import devices
from snnrl.tasks import reward_registry, rewards

ROOT = Path(__file__).parent.parent
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


def _blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def _heading(page: str, block: str) -> str:
    before = PAGES[page][: PAGES[page].index(block)]
    return f"{page}: {re.findall(r'^#+ (.*)$', before, flags=re.MULTILINE)[-1]}"


BLOCKS = _blocks("README.md")
PYTHON = {
    _heading(page, text): text for page in PAGES for language, text in _blocks(page) if language == "python"
}
SHELL = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
COMMANDS = [shlex.split(line) for line in SHELL if line.startswith("snnrl ")]
SET_UP = [line for line in SHELL if line.startswith("python3 -m venv ")]


def test_every_block_has_a_language_that_is_checked() -> None:
    assert PAGES["README.md"].count("```") == 2 * len(BLOCKS)
    assert {language for language, _ in BLOCKS} == {"python", "sh", "text"}
    assert len(COMMANDS) + len(SET_UP) == len(SHELL)


@pytest.mark.parametrize("heading", PYTHON)
def test_python_block_runs(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        reward_registry, "_REWARDS", dict(reward_registry._REWARDS)
    )  # blocks may register rewards
    path = tmp_path / "block.py"  # a real file: kernels are made from the text of functions
    path.write_text(PYTHON[heading], encoding="utf-8")
    runpy.run_path(str(path))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_command_and_its_options_exist(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    for word in words[1:]:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "words", [w for w in COMMANDS if w[1] == "train" and "--resume" not in w], ids=" ".join
)
def test_training_command_is_accepted(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    configs = []
    monkeypatch.setattr("snnrl.cli.train._run", lambda config, *rest: configs.append(config))
    assert main(words[1:]) == 0
    assert configs[0].task == words[2]


def test_set_up_lines_differ_only_in_their_last_command() -> None:
    run, test = (line.rsplit(" && ", 1) for line in SET_UP)
    assert run[0] == test[0]
    assert run[1].startswith("snnrl train cartpole")
    assert test[1] == "pytest -n auto"


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_to_files(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    links = re.findall(r"\]\(([^)#\s]+)", PAGES[page])
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []


def test_table_of_rewards_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_tables.py"))
    assert script["reward_table"]() in PAGES["tasks_and_rewards.md"]
    assert all(f"| `{name}` |" in PAGES["tasks_and_rewards.md"] for name in rewards.names())


def test_page_of_engines_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_tables.py"))
    assert (ROOT / "docs" / "results" / "engines.md").read_text(encoding="utf-8") == script["engine_page"]()


def test_every_task_and_device_is_documented() -> None:
    assert set(tasks.names()) <= set(
        re.findall(r"^\| `([\w-]+)` \|", PAGES["tasks_and_rewards.md"], flags=re.MULTILINE)
    )
    assert set(devices.names()) <= set(
        re.findall(r"^\| `([\w-]+)` \|", PAGES["plasticity.md"], flags=re.MULTILINE)
    )


def test_citation_and_changelog_name_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    fields = dict(re.findall(r"^([a-z-]+): *(.*)$", citation, flags=re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= set(fields)  # what the format requires
    assert (fields["version"], fields["license"]) == (snnrl.__version__, "MIT")
    assert f"## [{snnrl.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
