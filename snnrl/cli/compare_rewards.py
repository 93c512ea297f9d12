"""``snnrl compare-rewards``."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnrl.cli.text import INTERRUPTED, check_json_option, print_table, write_json_option
from snnrl.errors import InvalidValueError, SimulationError
from snnrl.training.config import whole_number

if TYPE_CHECKING:
    from snnrl.studies.rewards import Comparison, Settings
    from snnrl.studies.rewards.execute import Workers
    from snnrl.studies.rewards.study import Progress

EXAMPLE = "Example:  snnrl compare-rewards cartpole --rewards gaussian,failure --synapses ideal --seeds 8 --out study"

_LISTS = ("rewards", "plasticities", "synapses", "devices")
_NUMBERS = ("seeds", "seed", "episodes", "evaluation_episodes", "spread", "td_error")


def _names(help_text: str, default: str) -> Any:
    return typer.Option(metavar="A,B,...", help=help_text, show_default=default)


def _number(help_text: str, default: str) -> Any:
    return typer.Option(metavar="NUMBER", help=help_text, show_default=default)


def compare_rewards(
    task: Annotated[str, typer.Argument(metavar="TASK", help="cartpole or cartpole-v0.", show_default=False)],
    rewards: Annotated[
        str | None, _names("Reward functions, see 'snnrl info'.", "nine that fit an actor-critic")
    ] = None,
    plasticities: Annotated[str | None, _names("Rules: td-ltp, r-stdp, policy-gradient.", "td-ltp")] = None,
    synapses: Annotated[str | None, _names("ideal, memristive.", "ideal,memristive")] = None,
    devices: Annotated[str | None, _names("Memristive devices, see 'snnrl info'.", "vteam")] = None,
    spread: Annotated[
        str | None, _number("Device-to-device spread of thresholds and rates, 0 to 1.", "0.3")
    ] = None,
    seeds: Annotated[str | None, _number("Agents per combination.", "40")] = None,
    seed: Annotated[str | None, _number("Seed of the first agent.", "4000000")] = None,
    episodes: Annotated[
        str | None, _number("Most learning episodes per agent; then it counts as unsolved.", "400")
    ] = None,
    evaluation_episodes: Annotated[
        str | None, _number("Episodes per agent with plasticity off.", "100")
    ] = None,
    no_equalise: Annotated[
        bool,
        typer.Option("--no-equalise", help="Leave every reward, and so its TD error, as large as it is."),
    ] = False,
    td_error: Annotated[
        str | None, _number("Size of all TD errors, in units of that of 'gaussian'.", "1")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.NAME=VALUE",
            help="A parameter of a reward or of the network: failure.penalty=5, network.critic_size=64.",
            show_default=False,
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--import",
            metavar="FILE.py",
            help="A Python file that registers rewards of your own.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the study; one that was interrupted is gone on with.",
            show_default="runs/compare-rewards-<task>-<time>",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the rows to this file.", show_default=False)
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Scheduler of a Dask cluster, such as tcp://10.0.0.1:8786.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        str | None,
        _number("Processes on this machine; 0: no process but this one.", "one per core"),
    ] = None,
    threads: Annotated[
        str | None, _number("Threads of each process.", "1; without other processes one per core")
    ] = None,
) -> None:
    """Train agents on different rewards, judge all by how long they balance, and write a report."""
    words = dict(locals())
    check_json_option(json_file)
    from snnrl.studies.rewards import Settings

    given: dict[str, Any] = {
        name: tuple(words[name].split(",")) for name in _LISTS if words[name] is not None
    }
    given |= {name: _read(words[name]) for name in _NUMBERS if words[name] is not None}
    part = _parameters(parameters or [])
    settings = Settings(
        task=task, equalise=not no_equalise, network_parameters=part.pop("network", {}), reward_parameters=part,
        files=tuple(files or ()), **given,
    )  # fmt: skip
    count, threads_each = _processes(workers, threads, cluster)
    folder = out or Path("runs") / f"compare-rewards-{task}-{datetime.now():%Y%m%d-%H%M%S}"
    comparison = _compare(settings, folder, _place(cluster, count), threads_each)
    _print(comparison, folder)
    from snnrl.studies.rewards.results import content

    write_json_option(json_file, content(comparison))


def _read(text: str) -> Any:
    """Return a number, or the text itself for the error message."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parameters(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read ``REWARD.NAME=NUMBER`` and ``network.NAME=VALUE``."""
    read: dict[str, dict[str, Any]] = {}
    for setting in given:
        key, equals, text = setting.partition("=")
        reward, dot, name = key.rpartition(".")
        if not (equals and dot and reward and name):
            raise InvalidValueError("--set", setting, "REWARD.NAME=NUMBER, network.NAME=VALUE")
        read.setdefault(reward, {})[name] = _read(text)
    return read


def _processes(workers: str | None, threads: str | None, cluster: str | None) -> tuple[int, int]:
    """Return the number of processes, 0 for this one, and of threads in each."""
    if cluster is not None and workers is not None:
        raise InvalidValueError(
            "--workers", workers, "nothing beside --cluster, which has workers of its own"
        )
    cores = os.cpu_count() or 1
    count = cores if workers is None else whole_number("--workers", _read(workers), 0)
    usual = cores if count == 0 and cluster is None else 1
    return count, usual if threads is None else whole_number("--threads", _read(threads), 1)


def _place(cluster: str | None, count: int) -> AbstractContextManager[Workers | None]:
    """Return where the work is done, as a context that makes it."""
    from snnrl.studies.rewards import execute

    if cluster is not None:
        return execute.cluster(cluster)
    return execute.processes(count) if count else nullcontext()


def _compare(
    settings: Settings, folder: Path, place: AbstractContextManager[Workers | None], threads: int
) -> Comparison:
    from snnrl.studies.rewards import compare_rewards as compare
    from snnrl.studies.rewards.execute import WorkersLostError

    again = f"{_command(settings)} --out {shlex.quote(str(folder))}"
    try:
        with place as workers, _bar() as progress:
            return compare(settings, folder, workers, threads, progress)
    except KeyboardInterrupt:
        print(f"snnrl: interrupted, finished parts are kept; go on with: {again}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except (SimulationError, WorkersLostError) as error:
        raise type(error)(f"{error}; finished parts are kept, go on with: {again}") from error


def _command(settings: Settings) -> str:
    from snnrl.studies.rewards.report import command

    return command(settings)


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    """Show which parts are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("beginning", total=None)
        yield lambda now: bar.update(task, description=now.doing, completed=now.done, total=now.all)


def _print(comparison: Comparison, folder: Path) -> None:
    from snnrl.studies.rewards import report

    page = report.write(comparison, folder)
    settings = comparison.settings
    scaled = "TD errors equalised" if settings.equalise else "rewards as they are"
    print_table(
        f"{settings.task}: {settings.seeds} seeds from {settings.seed}, {scaled}",
        *report.table_rows(comparison),
    )
    print_table("\nTD error, root mean square", *report.td_error_rows(comparison))
    print(f"\n{page}")
