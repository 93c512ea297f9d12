"""The Al2O3/TiO2-x presets of snnrl beside the same devices expressed in IBM aihwkit: conductance response curves.

Every device gets 400 set pulses from the bottom of its range and 400 reset pulses after them; in a differential pair the
other device gets the opposite ones from the top. Both packages answer pulse by pulse, and the largest difference is
reported as a part of the conductance range; aihwkit computes in float32. The two last cases use what aihwkit has no parameters
for, set and reset thresholds of each device and Manhattan pulses, as far as they can be put together from its parts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import machine, report
from benchmarks.client import ROOT, PeerError
from benchmarks.environments import peer_python
from snnrl.plasticity.al2o3 import AL2O3, RESET, SET, Al2O3
from snnrl.plasticity.crossbar import MINUS, PLUS, Crossbar

RESULTS = Path(__file__).resolve().parent / "results"
EXAMPLE = """
examples:
  python -m benchmarks.aihwkit              the table, less than a minute; the first time installs aihwkit, several GB
  python -m benchmarks.aihwkit --save       the same, with page and figure kept in benchmarks/results
"""
PULSES = 400
STEP = 0.01
"""Step at mid-range in aihwkit's units, in which the range is -1 to 1: half a per cent of the range."""
AGREED = 1e-5
"""Largest difference, as a part of the range, that is called agreement: 400 roundings of float32."""

KEPT_EVERY = 10
"""Pulses between two points of the curves in the JSON file."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One preset under one series of pulses.

    Parameters
    ----------
    name : str
        Of the preset.
    device : Al2O3 or None
        The preset; None is a crossbar's ideal device.
    peer : str
        Class of aihwkit.
    rows, columns : int
        Of the crossbar.
    step : float
        Step at mid-range, range -1 to 1.
    random_signs : bool
        Whether every line draws its sign (0 among them) at every pulse; else all go up, then all down.
    """

    name: str
    device: Al2O3 | None
    peer: str
    rows: int = 1
    columns: int = 1
    step: float = STEP
    random_signs: bool = False

    def crossbar(self) -> Crossbar:
        """Return the crossbar: plus devices at the bottom of the range and minus devices at the top."""
        thresholds = None
        if self.device is not None:
            size = self.rows * self.columns
            thresholds = self.device.draw_thresholds(1, 2 * size).reshape(2, 2, self.rows, self.columns)
        crossbar = Crossbar(self.rows, self.columns, self.device, w_max=2.0, thresholds=thresholds)
        crossbar.program(np.full((self.rows, self.columns), -2.0))
        return crossbar

    def signs(self) -> tuple[FloatArray, FloatArray]:
        """Return the signs of rows ``[pulses, rows]`` and of columns ``[pulses, columns]``."""
        if self.random_signs:
            rng = np.random.default_rng(1)
            drawn = [rng.integers(-1, 2, (2 * PULSES, n)).astype(float) for n in (self.rows, self.columns)]
            return drawn[0], drawn[1]
        down = np.arange(2 * PULSES)[:, None] >= PULSES
        return np.ones((2 * PULSES, self.rows)), np.where(down, -1.0, 1.0) * np.ones(self.columns)

    def ours(self) -> FloatArray:
        """Return the devices' states after every pulse, ``[pulses, 2, rows, columns]``."""
        crossbar, found = self.crossbar(), []
        for rows, columns in zip(*self.signs(), strict=True):
            crossbar.manhattan(rows, columns, 2 * self.step)  # a pair's step is twice that of a device
            found.append(crossbar.u.copy())
        return np.array(found)

    def requests(self) -> list[dict[str, Any]]:
        """Return what aihwkit is asked: one tile of plus and one of minus devices."""
        crossbar, (rows, columns) = self.crossbar(), self.signs()
        saturation = 0.0 if self.device is None else self.device.saturation
        return [
            {"device": self.peer, "saturation": saturation, "step": self.step, "start": crossbar.u[side].tolist(),
             "up": crossbar.speed[SET, side].tolist(), "down": crossbar.speed[RESET, side].tolist(),
             "row_signs": rows.tolist(), "column_signs": (way * columns).tolist()}
            for side, way in ((PLUS, 1), (MINUS, -1))
        ]  # fmt: skip


CASES = (
    Case("ideal", None, "ConstantStepDevice"),
    Case("saturation 0", Al2O3(saturation=0.0), "LinearStepDevice"),
    Case("saturation 0.1", Al2O3(saturation=0.1), "LinearStepDevice"),
    Case("saturation 1", AL2O3, "SoftBoundsDevice"),
    Case("saturation 1, its own rate", AL2O3, "SoftBoundsDevice", step=2 * AL2O3.rate),
    Case("thresholds 1 to 5.5 V", Al2O3(saturation=0.1, thresholds="full"), "LinearStepDevice", 8, 1),
    Case("the same, Manhattan pulses", Al2O3(saturation=0.1, thresholds="full"), "LinearStepDevice", 5, 6, 0.05,
         random_signs=True),
)  # fmt: skip
CURVES = 4
"""The first cases, which are drawn."""


@dataclass(frozen=True)
class Compared:
    """A case and the states of its devices by both packages, ``[pulses, 2, rows, columns]``, range -1 to 1."""

    case: Case
    ours: FloatArray
    theirs: FloatArray

    @property
    def difference(self) -> float:
        """Largest difference as a part of the range."""
        return float(np.abs(self.ours - self.theirs).max()) / 2.0

    @property
    def travelled(self) -> float:
        """Part of the range that the devices were moved through, the least of all devices."""
        return float(np.ptp(self.ours, axis=0).min()) / 2.0

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison for JSON; the curves are those of the first plus device."""
        return {
            "case": self.case.name, "aihwkit_device": self.case.peer, "step": self.case.step / 2.0,
            "devices": 2 * self.case.rows * self.case.columns, "pulses": len(self.ours),
            "part_of_range": self.travelled, "largest_difference": self.difference,
            "agrees": self.difference <= AGREED,
            "kept_every": KEPT_EVERY,
            **{name: np.round(states[KEPT_EVERY - 1 :: KEPT_EVERY, PLUS, 0, 0], 9).tolist()
               for name, states in (("snnrl", self.ours), ("aihwkit", self.theirs))},
        }  # fmt: skip


def compare(python: Path) -> tuple[list[Compared], dict[str, str]]:
    """Ask aihwkit in its own Python; also returns its versions.

    Raises
    ------
    PeerError
        If it breaks down; the message is the last line of what it said.
    """
    done = subprocess.run(
        [str(python), "-m", "benchmarks.aihwkit_tiles"],
        cwd=ROOT,
        input=json.dumps([request for case in CASES for request in case.requests()]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PeerError((done.stderr.strip() or "no message").splitlines()[-1])
    answer = json.loads(done.stdout)
    sides = iter([np.array(weights) for weights in answer["weights"]])
    return [Compared(c, c.ours(), np.stack([next(sides), next(sides)], axis=1)) for c in CASES], answer[
        "versions"
    ]


def table_of(results: Sequence[Compared]) -> str:
    """Return the comparison as a table."""
    header = ["preset", "aihwkit", "devices", "step", "moved through", "largest difference", "agree"]
    rows = [
        [r.case.name, r.case.peer, str(2 * r.case.rows * r.case.columns), f"{r.case.step / 2:.3%}", f"{r.travelled:.1%}",
         f"{r.difference:.1e}", report.verdict(r.difference, AGREED, at_most=True)]
        for r in results
    ]  # fmt: skip
    return report.table(header, rows)


def _page(table: str, versions: dict[str, str], facts: dict[str, Any]) -> str:
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in {**versions, **facts}.items())
    return f"""# Memristor presets beside IBM aihwkit

Made by `python -m benchmarks.aihwkit --save`: {PULSES} set and {PULSES} reset pulses, all parts of the conductance range. "Step" is that
at mid-range; the presets' own {AL2O3.rate:g} would need some 30,000 pulses for the range, so it has one row and the others
are quicker. aihwkit computes in float32, and differences up to {AGREED:g} are its rounding.

{table}

![Conductance after every pulse](aihwkit.png)

How the presets are expressed: spread and noise 0, bounds -1 and 1, `dw_min` twice the step; `saturation` is `gamma_up` and
`gamma_down` of `LinearStepDevice`, and `SoftBoundsDevice` is `saturation=1`. One update is one pulse: `desired_bl=1`, both
kinds of update management off, and a learning rate far above `dw_min`, else some pulses of the stochastic trains are left out.

What aihwkit has no parameters for:

- **Two effective thresholds per device.** Its spreads `dw_min_dtod` and `up_down_dtod` are Gaussian and in steps; there is
  no volt. The thresholds can be worked out outside, as the speeds `Al2O3.speed`, and written device by device into the hidden
  parameters `dwmin_up`, `dwmin_down`, `slope_up` and `slope_down` (`set_hidden_parameters`); so are the last two rows.
- **Manhattan pulses in four steps.** Updates are outer products of stochastic pulse trains. With signs in place of the values
  one update gives every device its one pulse, all four quadrants at once: the same states, without the order of the steps.
- **Pairs whose devices move against each other.** `OneSidedUnitCell` only ever sets, and refreshes; here a pair is two tiles
  with opposite updates.
- **Voltage and length of a pulse,** which variable amplitude needs, and the count of each device's writes.

The machine:

{listed}
"""


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.aihwkit", description=__doc__, epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--python", type=Path, metavar="PATH", help="an interpreter that has aihwkit")
    parser.add_argument("--no-install", action="store_true", help="do not install aihwkit")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--save", action="store_true", help=f"write aihwkit.json, .md and .png to {RESULTS}")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print the table, write what was asked for; 1 if a curve differs, 2 if there is no aihwkit."""
    arguments = _parse(argv)
    facts = machine.describe()
    try:
        python = peer_python("aihwkit", arguments.python, not arguments.no_install)
        results, versions = compare(python)
    except (PeerError, OSError) as error:
        print(f"aihwkit: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("aihwkit: interrupted, nothing was written", file=sys.stderr)
        return 130
    table = table_of(results)
    print(table)
    data = {"machine": facts, "versions": versions, "cases": [result.as_dict() for result in results]}
    if arguments.json is not None:
        report.write_json(arguments.json, data)
    if arguments.save:
        from benchmarks.aihwkit_figure import draw

        draw(results[:CURVES], RESULTS / "aihwkit.png")
        report.write_json(RESULTS / "aihwkit.json", data)
        report.write(RESULTS / "aihwkit.md", _page(table, versions, facts))
    return 0 if all(result.difference <= AGREED for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
