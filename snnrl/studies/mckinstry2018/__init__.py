"""McKinstry et al. (2018), "Low Precision Policy Distillation with Application to Low-Power, Real-time Sensation-Cognition-Action Loop".

>>> from snnrl.studies import mckinstry2018
>>> mckinstry2018.reproduce(mckinstry2018.Settings("quick", teachers=Path("teachers")), Path("runs/quick"))  # doctest: +SKIP

Tables 2 and 3 and Figures 3 and 4 at a stated scale, and one table of methods at equal budget. Every distillation is a
run folder of its own (`snnrl.distillation`), and can be gone on with.
"""

from snnrl.studies.mckinstry2018.reproduce import reproduce
from snnrl.studies.mckinstry2018.settings import PARTS, SCALES, Scale, Settings

__all__ = ["PARTS", "SCALES", "Scale", "Settings", "reproduce"]
