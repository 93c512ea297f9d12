"""Green, Vineyard & Koc (2018), "Impacts of Mathematical Optimizations on Reinforcement Learning Policy Performance".

>>> from snnrl.studies import green2018
>>> green2018.reproduce(green2018.Settings(policies=2))          # doctest: +SKIP

Policies with one hidden layer on CartPole-v0 and Acrobot-v1: full precision, binary, with shared and with pruned weights.
Two more studies: `reproduce_precisions`, one table over dense, crossbar and spiking networks, and `reproduce_pong`.
"""

from snnrl.studies.green2018.methods import METHODS, UPDATES
from snnrl.studies.green2018.pong import PongSettings
from snnrl.studies.green2018.pong import reproduce as reproduce_pong
from snnrl.studies.green2018.precisions import PrecisionSettings
from snnrl.studies.green2018.precisions import reproduce as reproduce_precisions
from snnrl.studies.green2018.reproduce import reproduce
from snnrl.studies.green2018.settings import Settings

__all__ = [
    "METHODS",
    "UPDATES",
    "PongSettings",
    "PrecisionSettings",
    "Settings",
    "reproduce",
    "reproduce_pong",
    "reproduce_precisions",
]
