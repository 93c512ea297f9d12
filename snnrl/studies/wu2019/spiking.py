"""Beyond the paper: crossbar networks and spiking actor-critics on the same Al2O3/TiO2-x devices, side by side.

Every row is an ordinary ``snnrl train`` run in a folder of its own, so that an interrupted comparison goes on where it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from snnrl.errors import RunFolderError, UnknownNameError
from snnrl.plasticity.wear import ENDURANCE
from snnrl.training.config import TrainingConfig
from snnrl.training.result import Progress, TrainingResult
from snnrl.training.runfolder import RunFolder
from snnrl.training.summary import Number, summary, summary_intervals
from snnrl.training.train import train

CROSSBAR_SEED, SPIKING_SEED = 4_000_000, 4_100_000
"""First seeds of the reported rows; all that was tuned was tuned on seeds below 100,000."""
SEEDS = 20

Report = Callable[[str, Progress], None]
"""Called with the name of a row and how far it is."""

AL2O3: dict[str, Any] = {"synapse": "memristive", "device": "al2o3"}
TABLE_2 = "30 %, Table II's constants"
DEVICES: dict[str, dict[str, Any]] = {
    "no spread": {**AL2O3, "spread": 0.0},
    "30 %": {**AL2O3, "spread": 0.3},
    "full range": {**AL2O3, "spread": 0.0, "device_parameters": {"thresholds": "full"}},
    TABLE_2: {**AL2O3, "spread": 0.3, "device_parameters": {"saturation": 0.1, "slope": 0.15}},
}  # fmt: skip
"""Al2O3 devices by the spread of their thresholds; the last is that of the study's Table II, which depends on its state."""
CROSSBAR: dict[str, Any] = {"network": "crossbar", "seed": CROSSBAR_SEED}
SPIKING: dict[str, Any] = {"network": "actor-critic", "seed": SPIKING_SEED}
PENDULUM: dict[str, Any] = {"task": "rotary-pendulum", "solve_window": 50}
"""Its episodes are up to 5000 steps long."""
NARROW: dict[str, Any] = {
    "network_parameters": {"reach": 0.5, "width": 0.8},
    "reward": "failure",
    "reward_parameters": {"penalty": 20.0},
    "episodes": 400,
    "evaluation_episodes": 10,
}
"""What the spiking network needs on the pendulum, found on seeds below 100,000: wider place cells closer to the middle, and
a failure that is as bad as -1 for ever."""


@dataclass(frozen=True)
class Row:
    """One run of the comparison.

    Parameters
    ----------
    name
        Name of the row and of its folder.
    options
        Fields of `TrainingConfig` that differ from its defaults.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def rows() -> tuple[Row, ...]:
    """Return all rows: the cart-pole first, then the rotary pendulum; crossbar networks first, then spiking ones."""
    gated = {"network_parameters": {"gate": 0.9, "gate_after": 20}}
    vteam = {"synapse": "memristive", "device": "vteam", "spread": 0.3}
    cart_pole = [
        Row("crossbar, ideal", CROSSBAR),
        *(Row(f"crossbar, {name}", CROSSBAR | device) for name, device in DEVICES.items()),
        Row("crossbar, 30 %, gated", CROSSBAR | DEVICES["30 %"] | gated),
        Row("spiking, ideal", SPIKING),
        *(Row(f"spiking, {name}", SPIKING | device) for name, device in list(DEVICES.items())[:-1]),
        Row(f"spiking, {TABLE_2}", SPIKING | DEVICES[TABLE_2] | {"episodes": 300}),
        Row("spiking, vteam 30 %", SPIKING | vteam),
    ]
    crossbar, spiking = PENDULUM | CROSSBAR | {"episodes": 3000}, PENDULUM | SPIKING
    pendulum = [
        Row("pendulum, crossbar, ideal", crossbar),
        Row("pendulum, crossbar, 30 %", crossbar | DEVICES["30 %"]),
        Row("pendulum, spiking, as on the cart-pole", spiking | {"episodes": 300}),
        Row("pendulum, spiking, ideal", spiking | NARROW),
        Row("pendulum, spiking, 30 %", spiking | NARROW | DEVICES["30 %"]),
    ]
    return (*cart_pole, *pendulum)


def compare(
    folder: Path | None = None,
    names: Collection[str] | None = None,
    seeds: int = SEEDS,
    endurance: float = ENDURANCE,
    threads: int | None = None,
    progress: Report | None = None,
    **changes: Any,
) -> list[dict[str, Any]]:
    """Train the agents of every row, or read what has been trained, and return the rows.

    Parameters
    ----------
    folder
        Where the runs are kept; an interrupted comparison goes on there. None: nothing is kept.
    names
        Rows to run, see `rows`; None: all.
    seeds
        Agents per row.
    endurance
        Write cycles that a device survives.
    threads
        Most threads; changes no number.
    progress
        Called now and then.
    changes
        Fields of `TrainingConfig` that differ in all rows, for trials.

    Returns
    -------
    list of dict
        Per row: ``row``, ``task``, ``network``, ``seeds``, ``first_seed``, ``solved`` (fraction), ``median_episodes`` with its
        bootstrap interval ``median_low``, ``median_high`` (None: unbounded), ``evaluation`` (mean length, steps),
        ``writes_mean``, ``writes_median``, ``writes_p99``, ``writes_most`` of a device, ``trainings_median`` and
        ``trainings_first`` until the median and the first device have had ``endurance`` writes,
        ``spikes_per_decision``, ``energy`` (joule per decision of the actors' arrays). None where one does not apply.

    Raises
    ------
    UnknownNameError
        If there is no row of a name.
    RunFolderError
        If the folder holds a run with other options.
    """
    if folder is None:
        with TemporaryDirectory() as passing:
            return compare(Path(passing), names, seeds, endurance, threads, progress, **changes)
    known = {row.name: row for row in rows()}
    for name in names or ():
        if name not in known:
            raise UnknownNameError("row", name, known)
    chosen = [row for row in known.values() if names is None or row.name in names]
    return [_row(row, folder, seeds, endurance, threads, progress, changes) for row in chosen]


def _row(
    row: Row,
    folder: Path,
    seeds: int,
    endurance: float,
    threads: int | None,
    progress: Report | None,
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    path = folder / row.name.replace("%", "percent").replace(", ", "-").replace(" ", "-").replace("'", "")
    config = TrainingConfig(**{"task": "cartpole", "seeds": seeds, **row.options, **changes})
    run = _finished(path, config)
    if run is None:
        report = None if progress is None else (lambda state: progress(row.name, state))
        begun = (path / "config.json").exists()
        train(_threaded(config, threads), None if begun else path, path if begun else None, report)
        run = RunFolder.open(path)
    return {"row": row.name, **numbers(run, endurance)}


def _threaded(config: TrainingConfig, threads: int | None) -> TrainingConfig:
    return TrainingConfig.from_dict(config.to_dict() | {"threads": threads})


def _finished(path: Path, config: TrainingConfig) -> RunFolder | None:
    """Return the run of a folder, None where it has still to be made or finished.

    Raises
    ------
    RunFolderError
        If the folder holds another run.
    """
    if not path.exists():
        return None
    run = RunFolder.open(path)
    found, wanted = ({**each.to_dict(), "threads": None} for each in (run.config, config))
    for option, value in wanted.items():
        if found[option] != value:
            raise RunFolderError(
                f"{path}: a run with {option} = {found[option]!r}, allowed: {value!r}, or a new folder"
            )
    return run if run.finished else None


def numbers(run: RunFolder, endurance: float = ENDURANCE) -> dict[str, Any]:
    """Return the numbers of a finished run as `compare` lists them."""
    config, found = run.config, _result(run)
    short, intervals = summary(found), summary_intervals(found)
    low, high = intervals.get("median_episodes", (None, None))
    return {
        "task": config.task, "network": config.network, "seeds": config.seeds, "first_seed": config.seed,
        "solved": short["solved_fraction"], "median_episodes": short["median_episodes"],
        "median_low": low, "median_high": high, "evaluation": short["evaluation_mean"],
        **_wear(run, endurance), "spikes_per_decision": short["spikes_per_step"],
    }  # fmt: skip


def _result(run: RunFolder) -> TrainingResult:
    return TrainingResult(run.config, run.load_checkpoint()[1])


def _wear(run: RunFolder, endurance: float) -> dict[str, Number]:
    """Return writes, lifetime and energy of a run with devices; all None without."""
    keys = ("mean", "median", "p99", "most")
    if not run.has_wear:
        names = [f"writes_{key}" for key in keys]
        return dict.fromkeys((*names, "trainings_median", "trainings_first", "endurance", "energy"))
    wear = run.read_wear()
    lasting = {
        f"trainings_{who}": endurance / wear[key] if wear[key] else None
        for who, key in (("median", "median"), ("first", "most"))
    }
    writes: dict[str, Number] = {f"writes_{key}": wear[key] for key in keys}
    return {**writes, **lasting, "endurance": endurance, "energy": wear["energy"]}


COLUMNS = ("solved", "median episodes", "evaluation", "writes: mean", "median", "99 %", "most", "trainings until the first",
           "spikes", "pJ")  # fmt: skip


def table(found: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of `compare` as a Markdown table."""
    lines = [f"| row | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    return "\n".join([*lines, *(f"| {row['row']} | {' | '.join(_cells(row))} |" for row in found)])


def _cells(row: Mapping[str, Any]) -> list[str]:
    median = "–"
    if row["median_episodes"] is not None:
        high = "–" if row["median_high"] is None else f"{row['median_high']:.0f}"
        median = f"{row['median_episodes']:.0f} ({row['median_low']:.0f} to {high})"
    writes = [_text(row[f"writes_{key}"], ",.0f") for key in ("mean", "median", "p99", "most")]
    energy = None if row["energy"] is None else 1e12 * row["energy"]
    return [
        _text(row["solved"], ".0%"), median, _text(row["evaluation"], ".0f"), *writes,
        _text(row["trainings_first"], ",.0f"), _text(row["spikes_per_decision"], ".0f"), _text(energy, ".3g"),
    ]  # fmt: skip


def _text(value: float | None, form: str) -> str:
    return "–" if value is None or math.isnan(value) else format(value, form)
