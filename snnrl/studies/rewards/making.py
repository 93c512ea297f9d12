"""Parts of a study: those in the folder are taken, the others made and kept as soon as each is done."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from importlib import metadata

from snnrl.studies.rewards import work
from snnrl.studies.rewards.execute import Workers, run_all
from snnrl.studies.rewards.folder import StudyFolder
from snnrl.studies.rewards.work import Part, Texts


def make_all(
    parts: Iterable[Part],
    folder: StudyFolder,
    workers: Workers,
    tell: Callable[[int, int], None],
    texts: Texts = (),
) -> dict[str, bytes]:
    """Return the bytes of parts by file.

    Parameters
    ----------
    parts
        What is wanted.
    folder
        Where parts are found and kept.
    workers
        Who makes those that are not there.
    tell
        Is given the number of parts that are done and of all, at the beginning and after every part.
    texts
        Files that register rewards, loaded wherever a part is made.

    Raises
    ------
    SimulationError, WorkersLostError
        If a part cannot be made; those made before are kept.
    """
    wanted = {part.file: part for part in parts}
    made = {file: content for file in wanted if (content := folder.found(file)) is not None}
    version = metadata.version("snnrl")

    def done(file: str, content: bytes) -> None:
        made[file] = content
        folder.keep(file, content)
        tell(len(made), len(wanted))

    tell(len(made), len(wanted))
    calls = {
        file: functools.partial(work.run, part, version, texts)
        for file, part in wanted.items()
        if file not in made
    }
    run_all(workers, calls, done)
    return made
