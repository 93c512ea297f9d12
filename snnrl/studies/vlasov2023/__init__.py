"""Vlasov et al. (2023), "Memristor-based spiking neural network with online reinforcement learning", Neural Networks 166:512.

>>> from snnrl.studies import vlasov2023
>>> vlasov2023.reproduce(vlasov2023.Settings(seeds=5))          # doctest: +SKIP

Known to us from its abstract; docs/paper_studies.md tells what it leaves open and what was chosen.
"""

from snnrl.studies.vlasov2023.agents import AGENTS, build
from snnrl.studies.vlasov2023.reproduce import Settings, reproduce

__all__ = ["AGENTS", "Settings", "build", "reproduce"]
