"""Write the generated tables: ``python docs/make_tables.py``.

The rewards of ``docs/tasks_and_rewards.md`` come from the registry, ``docs/results/engines.md`` from what
``snnrl compare-engines --json docs/results/engines.json`` has measured.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from snnrl.tasks import rewards
from snnrl.tasks.rewards import Reward

PAGE = Path(__file__).parent / "tasks_and_rewards.md"
ENGINES = Path(__file__).parent / "results" / "engines.json"
BEGIN, END = "<!-- rewards: written by docs/make_tables.py -->\n", "<!-- end -->"


def reward_table() -> str:
    """Return all registered rewards as a Markdown table."""
    head = "| name | formula | parameters | range | source |\n|---|---|---|---|---|\n"
    return head + "".join(_row(rewards.make(name)) for name in rewards.names())


def _row(reward: Reward) -> str:
    parameters = ", ".join(f"`{name}` = {value:.4g}" for name, value in reward.parameters.items()) or "none"
    low, high = (f"{bound:.4g}".replace("inf", "∞") for bound in reward.range)
    cells = (f"`{reward.name}`", f"`{reward.formula}`", parameters, f"{low} to {high}", reward.source)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"


def engine_page() -> str:
    """Return the page of the engines."""
    found = json.loads(ENGINES.read_text(encoding="utf-8"))
    rows = "".join(_engine_row(row) for row in found["engines"])
    return f"""# One agent on every engine

Measured by `snnrl compare-engines --json docs/results/engines.json`, written by `python docs/make_tables.py`.

Open loop: the default actor-critic of the cart-pole (256 place cells, 32 critic and 16 actor neurons, 12,288 plastic
synapses) with plasticity for {found["seconds"]:g} s, spikes of the place cells and TD errors supplied, beside the dense NumPy
reference. *Weights* is the largest difference of a weight over the largest weight of its group. Closed loop: {found["episodes"]}
learning episodes of CartPole from the same seed, actions and lengths beside those of `fast`. Times are microseconds per dt of
1 ms without building and compiling, one agent; one run, on a machine that others shared.

| engine | same spikes | spike counts differ by | weights differ by | µs per dt, open loop | same actions | µs per dt, closed loop | build s |
|---|---|---|---|---|---|---|---|
{rows}
`reference` is the meaning of a model and no engine to train with. {found["system"]}, {found["cores"]} cores; \
{", ".join(f"{name} {version}" for name, version in found["versions"].items())}.
"""


def _engine_row(row: dict[str, Any]) -> str:
    if row["absent"]:
        return f"| {row['engine']} | {row['absent']} | | | | | | |\n"
    words = {None: "–", True: "yes", False: "no"}
    numbers = [
        "–" if row[key] is None else format(row[key], form)
        for key, form in (
            ("spike_count_difference", ".2%"), ("weights_max_rel_diff", ".1e"), ("us_per_dt", ".3g"),
            ("closed_loop_us_per_dt", ".3g"), ("build_seconds", ".1f"),
        )
    ]  # fmt: skip
    cells = [
        row["engine"],
        words[row["spikes_identical"]],
        *numbers[:3],
        words[row["same_actions"]],
        *numbers[3:],
    ]
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    """Replace the table of rewards in its page, and write the page of the engines."""
    ENGINES.with_suffix(".md").write_text(engine_page(), encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    table = BEGIN + reward_table() + END
    PAGE.write_text(
        re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: table, text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
