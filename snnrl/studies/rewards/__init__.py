"""Reward functions compared: the same agents, judged by how long they balance, whatever they were rewarded for.

`compare_rewards` runs `Settings` in this process, in several, or on a Dask cluster, and keeps every part as soon as it is
done; `report.write` makes tables, figures and a page of what comes of it.
"""

from __future__ import annotations

from snnrl.studies.rewards.settings import NINE, Combination, Settings
from snnrl.studies.rewards.study import Comparison, compare_rewards

__all__ = ["NINE", "Combination", "Comparison", "Settings", "compare_rewards"]
