"""The tables of `benchmarks.speed` and its page of results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import report
from benchmarks import workload as wl
from benchmarks.rows import Entry


def time_table(entries: Sequence[Entry]) -> str:
    """Return times of all rows; a row that could not be measured says why."""
    rows = [
        [
            entry.row.name,
            entry.description or f"absent: {entry.absent}",
            str(entry.row.agents),
            report.number(entry.median),
            report.number(min(entry.us_per_dt, default=None)),
            report.number(max(entry.us_per_dt, default=None)),
            report.number(entry.build_seconds, 2),
        ]
        for entry in entries
    ]
    return report.table(["name", "what", "agents", "us per dt", "least", "most", "build s"], rows)


def ratio_table(ratios: Sequence[dict[str, Any]]) -> str:
    """Return the measured ratios beside the asked ones."""
    rows = []
    for ratio in ratios:
        sign = "<=" if ratio["at_most"] else ">="
        asked = f"{sign} {ratio['asked']:.0f}" if ratio["asked"] is not None else "-"
        extremes = " to ".join(report.number(x) for x in ratio["range"]) if ratio["range"] else "-"
        rows.append([ratio["title"], report.number(ratio["ratio"]), extremes, asked, ratio["met"]])
    return report.table(["ratio", "measured", "within one repeat", "asked", "met"], rows)


def regime_table(entries: Sequence[Entry]) -> str:
    """Return what each network did: rates, episodes and how far the weights moved."""
    rows = []
    for entry in entries:
        if entry.regime is None:
            rows.append([entry.row.name, "absent", *["-"] * 8])
            continue
        regime = entry.regime
        rows.append(
            [
                entry.row.name,
                f"{regime['input_hz']:.2f}",
                f"{regime['output_hz']:.2f}",
                f"{regime['input_hz'] * wl.N_INPUTS:.0f}",
                f"{regime['output_hz'] * wl.N_OUTPUTS:.0f}",
                f"{regime['env_steps']:.0f}",
                f"{regime['episodes']:.0f}",
                f"{regime['env_steps'] / max(1, regime['episodes']):.1f}",
                f"{regime['weight_change_mean']:.4f}",
                f"{regime['weight_change_max']:.3f}",
            ]
        )
    header = ["name", "input Hz", "output Hz", "input spikes/s", "output spikes/s"]
    header += ["env steps", "episodes", "length", "mean abs dw", "max abs dw"]
    return report.table(header, rows)


def page(entries: Sequence[Entry], ratios: Sequence[dict[str, Any]], facts: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    listed = "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())
    return f"""# Speed on one workload

Made by `python -m benchmarks.speed --save`. The workload is in `benchmarks/workload.py`: {wl.N_INPUTS} inputs,
{wl.N_OUTPUTS} LIF neurons, {wl.N_INPUTS * wl.N_OUTPUTS} plastic synapses, CartPole-v1 in closed loop, {wl.STEPS}
steps of {wl.DT:g} ms per environment step. One thread each, interleaved, medians.

{time_table(entries)}

Time is for all agents of a row together. Brian2 is timed inside its binary, without its start.

{ratio_table(ratios)}

What the networks did, which shows that all of them did nearly the same work. Brian2 and snnrl let the membrane integrate
during the refractory period, BindsNET and JAX keep the input away; where a pre and a post spike fall in the same dt, Brian2's
equations and snnrl count the pair for the eligibility, the others count it to zero, so that weights move more:

{regime_table(entries)}

The machine:

{listed}
"""
