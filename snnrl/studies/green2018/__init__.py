"""Green, Vineyard & Koc (2018), "Impacts of Mathematical Optimizations on Reinforcement Learning Policy Performance".

>>> from snnrl.studies import green2018
>>> green2018.reproduce(green2018.Settings(policies=2))          # doctest: +SKIP

Policies with one hidden layer on CartPole-v0 and Acrobot-v1: full precision, binary, with shared and with pruned weights.
"""

from snnrl.studies.green2018.methods import METHODS, UPDATES
from snnrl.studies.green2018.reproduce import reproduce
from snnrl.studies.green2018.settings import Settings

__all__ = ["METHODS", "UPDATES", "Settings", "reproduce"]
