"""Write the generated table of ``docs/tasks_and_rewards.md`` from the registry: ``python docs/make_tables.py``."""

from __future__ import annotations

import re
from pathlib import Path

from snnrl.tasks import rewards
from snnrl.tasks.rewards import Reward

PAGE = Path(__file__).parent / "tasks_and_rewards.md"
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


def main() -> None:
    """Replace the table in the page."""
    text = PAGE.read_text(encoding="utf-8")
    table = BEGIN + reward_table() + END
    PAGE.write_text(
        re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: table, text, flags=re.DOTALL),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
