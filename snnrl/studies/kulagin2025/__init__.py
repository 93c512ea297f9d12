"""Kulagin et al. (2025), reinforcement learning of spiking networks with trace variables and memristive plasticity.

>>> from snnrl.studies import kulagin2025
>>> kulagin2025.reproduce(kulagin2025.Settings(seeds=2))          # doctest: +SKIP

Mikroelektronika 54(3):213-223, DOI 10.31857/S0544126925030033, known to us from its abstract; docs/paper_studies.md tells what it
leaves open and what was chosen.
"""

from snnrl.studies.kulagin2025.reproduce import Settings, reproduce

__all__ = ["Settings", "reproduce"]
