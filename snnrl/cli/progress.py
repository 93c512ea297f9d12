"""The progress bar: transient, on standard error, with the live length of the episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from snnrl.training.result import Progress


@contextmanager
def progress_bar(seeds: int, learning: int, evaluation: int) -> Iterator[Callable[[Progress], None]]:
    """Show a bar while the block runs; the value is the function that moves it.

    Until it is called for the first time, the bar says that the kernel is being prepared.

    Parameters
    ----------
    seeds
        Number of agents.
    learning, evaluation
        Most episodes per agent in either phase.
    """
    most = {"learning": learning, "evaluation": evaluation}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("preparing the kernel", total=None, detail="")
        yield lambda progress: bar.update(
            task,
            description=progress.phase,
            total=1.0,
            completed=share_done(progress, seeds, most[progress.phase]),
            detail=progress_text(progress, seeds),
        )


def share_done(progress: Progress, seeds: int, most: int) -> float:
    """Return the part of the phase that is done, 0 to 1.

    Agents stop when they have solved the task, so the share of finished agents can run ahead of the share of
    episodes.
    """
    return max(progress.seeds_done / seeds, float(progress.episodes.mean()) / max(most, 1))


def progress_text(progress: Progress, seeds: int) -> str:
    """Return the words beside the bar."""
    return (
        f"{progress.seeds_done}/{seeds} seeds done, episode {int(progress.episodes.max())}, "
        f"length {progress.recent_length:.0f} steps, {progress.env_steps:,} environment steps"
    )
