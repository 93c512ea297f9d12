"""The tables of `benchmarks.peers_table` and its page of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from string import ascii_lowercase

from benchmarks import report
from benchmarks import workload as wl
from benchmarks.cells import Cell, Column, Contender
from benchmarks.measure import Result, Store

OURS = "snnrl"
"""The row that the others are compared with."""
PUBLISHED = """
*Published* is what was measured before this package was written, on another day (facts/peers.md)."""
FIGURE_ALT = "Microseconds per dt against agents and against synapses, both axes logarithmic"


class Page:
    """What was measured, as Markdown.

    Parameters
    ----------
    contenders, columns : tuple
        Rows and columns to show.
    store : Store
        The results.
    device : str
        cpu, or cuda: then environment steps per second and memory are shown as well.
    """

    def __init__(
        self, contenders: Sequence[Contender], columns: Sequence[Column], store: Store, device: str
    ) -> None:
        self._contenders, self._columns, self._store, self._device = contenders, columns, store, device
        self._reasons: list[str] = []

    def _result(self, contender: Contender, column: Column) -> Result:
        return self._store.results.get(Cell(contender, column).key, Result(reason="not measured yet"))

    def _present(self, learns: bool) -> list[Contender]:
        return [contender for contender in self._contenders if contender.learns == learns]

    # ------------------------------------------------------------------ tables

    def _cell(self, contender: Contender, column: Column) -> str:
        """Return the median, with its repeats where there were fewer, or a letter that stands for a reason."""
        result = self._result(contender, column)
        if result.median is None:
            if result.reason not in self._reasons:
                self._reasons.append(result.reason)
            return f"- ({ascii_lowercase[self._reasons.index(result.reason) % 26]})"
        repeats, wanted = len(result.us_per_dt), self._store.repeats
        return report.number(result.median) + (f" (n={repeats})" if repeats < wanted else "")

    def times(self, learns: bool) -> str:
        """Return microseconds per dt; below each row what facts/peers.md says, where it says something."""
        rows = []
        for contender in self._present(learns):
            rows.append([contender.title, *(self._cell(contender, column) for column in self._columns)])
            published = [contender.published.get(column.name, "") for column in self._columns]
            if any(published):
                rows.append(["- *published*", *(f"*{number}*" if number else "" for number in published)])
        return report.table(["us per dt", *(column.title for column in self._columns)], rows)

    def ratios(self) -> str:
        """Return how many times longer than snnrl everybody takes."""
        ours = {
            c.name: self._result(o, c).median
            for o in self._contenders
            if o.name == OURS
            for c in self._columns
        }
        rows = []
        for contender in self._present(learns=True):
            cells = []
            for column in self._columns:
                median, base = self._result(contender, column).median, ours.get(column.name)
                cells.append(report.number(median / base if median and base else None))
            rows.append([contender.title, *cells])
        return report.table(["times snnrl", *(column.title for column in self._columns)], rows)

    def throughput(self) -> str:
        """Return environment steps per second of all agents, and the memory on the GPU."""
        rows = []
        for contender in self._contenders:
            for column in self._columns:
                result = self._result(contender, column)
                if result.median is None or result.memory_mib is None:
                    continue
                steps = column.agents / (result.median * wl.STEPS * 1e-6)
                memory = f"{result.memory_mib['device'] / 1024:.2f}"
                rows.append([contender.title, column.title, report.number(steps), memory])
        return report.table(["peer", "size", "env steps/s", "GPU memory GiB"], rows)

    def _measured(self) -> Iterator[tuple[Contender, Column, Result]]:
        for column in self._columns:
            for contender in self._contenders:
                result = self._result(contender, column)
                if result.median is not None:
                    yield contender, column, result

    def details(self) -> str:
        """Return everything about each measured cell: scatter, build, and what the network did."""
        rows = []
        for contender, column, result in self._measured():
            regime = result.regime or {}
            memory = result.memory_mib or {}
            rows.append(
                [
                    column.title,
                    result.description,
                    f"{report.number(min(result.us_per_dt))} to {report.number(max(result.us_per_dt))}",
                    str(len(result.us_per_dt)),
                    str(result.env_steps),
                    report.number(result.build_seconds, 2),
                    str(max(memory.get("process", 0), memory.get("children", 0))),
                    f"{regime['input_hz']:.2f}",
                    f"{regime['output_hz']:.2f}",
                    f"{regime['weight_change_mean']:.5f}" if contender.learns else "-",
                ]
            )
        header = ["size", "what", "us per dt", "n", "env steps", "build s", "MiB"]
        return report.table([*header, "input Hz", "output Hz", "mean abs dw"], rows)

    def notes(self) -> str:
        """Return what has to be known about each row."""
        sections = []
        for learns, suffix in ((True, ""), (False, ", forward only")):
            for contender in self._present(learns):
                if contender.note:
                    sections.append(f"- {contender.title}{suffix}: {contender.note}")
        return "\n".join(sections)

    def reasons(self) -> str:
        """Return the letters of empty cells; call after the tables."""
        lines = [f"- ({ascii_lowercase[k % 26]}) {reason}" for k, reason in enumerate(self._reasons)]
        return "\n".join(["Empty cells:", "", *lines]) if lines else ""

    def tables(self) -> str:
        """Return the tables for a terminal."""
        parts = []
        if self._present(learns=True):
            parts += ["With plasticity:", self.times(learns=True)]
        if self._present(learns=False):
            parts += ["Forward only:", self.times(learns=False)]
        if self._device == "cuda":
            parts.append(self.throughput())
        parts += [self.reasons(), self.details()]
        return "\n\n".join(part for part in parts if part)

    # ------------------------------------------------------------------ files

    def save(self, folder: Path, name: str) -> None:
        """Write the page, the numbers and, for the CPU, the figure."""
        report.write_json(folder / f"{name}.json", self._store.as_dict())
        report.write(folder / f"{name}.md", self._text(name))
        if self._device == "cpu":
            from benchmarks.peers_figure import draw

            draw(self._contenders, self._columns, self._store.results, folder / f"{name}.png")

    def _text(self, name: str) -> str:
        cuda = self._device == "cuda"
        title = "Peers on one workload, on a GPU" if cuda else "Peers on one workload, at five sizes"
        sizes = table_of_sizes(self._columns)
        machine = "\n".join(
            f"- {key.replace('_', ' ')}: {value}" for key, value in self._store.machine.items()
        )
        figure = "" if cuda else f"![{FIGURE_ALT}]({name}.png)\n\n"
        published = "" if cuda else PUBLISHED
        return f"""# {title}

Made by `python -m benchmarks.peers_table{" --device cuda" if cuda else ""} --save`. The workload is in
`benchmarks/workload.py`: CartPole-v1 in closed loop, {wl.STEPS} steps of {wl.DT:g} ms per environment step, R-STDP
with a TD error. Microseconds per dt for all agents together, one thread on one core each, medians of
{self._store.repeats} timings, or of n where it says so.{published}

{figure}{self._measured_text()}
## Notes

{self.notes()}

{self.reasons()}

## Every cell

Sizes, and the environment steps after which all go back to their start, which is not timed:

{sizes}

Least and greatest time, number of timings, environment steps per timing, seconds to build (imports and compilation
included), most memory of the process or its children, firing rates and mean absolute weight change after a block.
Within a size all of them do nearly the same work. Two differences remain, as the simulators' own idioms have them: Brian2
and snnrl let the membrane integrate during the refractory period, the others keep the input away, and rates differ by a few
per cent; and where a pre and a post spike fall in the same dt, Brian2's equations and snnrl count the pair for the eligibility,
the others count it to zero, so that weights move more.

{self.details()}

The machine:

{machine}
"""

    def _measured_text(self) -> str:
        if self._device == "cuda":
            return f"{self.times(learns=True)}\n\n{self.throughput()}\n"
        return f"""## With plasticity

{self.times(learns=True)}

How many times longer than snnrl:

{self.ratios()}

## Forward only: no plasticity

{self.times(learns=False)}
"""


def table_of_sizes(columns: Sequence[Column]) -> str:
    """Return what each column stands for."""
    rows = [
        [c.title, str(c.agents), str(wl.N_INPUTS * c.scale), f"{c.synapses:,}", str(c.block)] for c in columns
    ]
    return report.table(
        ["size", "agents", "neurons in each layer", "plastic synapses", "env steps per block"], rows
    )
