"""Frémaux, Sprekeler & Gerstner (2013), a continuous-time actor-critic of spiking neurons, PLoS Comput. Biol. 9:e1003024.

>>> from snnrl.studies import fremaux2013
>>> fremaux2013.reproduce(fremaux2013.Settings(parts=("identities",)))          # doctest: +SKIP

The abstract was read, and the constants in public re-implementations; the body of the paper was not available.
docs/fremaux2013.md tells what that leaves open and what was chosen.
"""

from snnrl.studies.fremaux2013.identities import Identity, identities
from snnrl.studies.fremaux2013.reproduce import PARTS, STUDY, Settings, reproduce

__all__ = ["PARTS", "STUDY", "Identity", "Settings", "identities", "reproduce"]
