"""Barto, Sutton & Anderson (1983), "Neuronlike adaptive elements that can solve difficult learning control problems".

>>> from snnrl.studies import barto1983
>>> barto1983.reproduce(barto1983.Settings(seeds=5))          # doctest: +SKIP

IEEE Trans. SMC 13:834-846. The table of 162 boxes and its spiking counterpart, with and without the adaptive critic.
"""

from snnrl.studies.barto1983.reproduce import AGENTS, Settings, reproduce

__all__ = ["AGENTS", "Settings", "reproduce"]
