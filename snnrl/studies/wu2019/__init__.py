"""Wu, Vincent, Strukov & Xie (2020), "Memristor Hardware-Friendly Reinforcement Learning", arXiv 2001.06930.

>>> from snnrl.studies import wu2019
>>> wu2019.reproduce(table=1, agents=250)          # doctest: +SKIP

The paper's tables and figures beside ours; docs/crossbar.md tells what the paper leaves open and what was chosen.
"""

from snnrl.studies.wu2019.limited import Limited
from snnrl.studies.wu2019.reproduce import EXTRAS, FIGURES, TABLES, reproduce
from snnrl.studies.wu2019.settings import Settings
from snnrl.studies.wu2019.study import Stage, Study

__all__ = ["EXTRAS", "FIGURES", "TABLES", "Limited", "Settings", "Stage", "Study", "reproduce"]
