"""Tasks and rewards: what a network is asked to do.

>>> from snnrl import tasks
>>> tasks.make("cartpole", force=8.0)
CartPole(version='v1', force=8.0, pole_length=1.0, pole_mass=0.1, cart_mass=1.0, gravity=9.8, difficulty=None)
"""

from snnrl.tasks import atari, rewards
from snnrl.tasks.acrobot import Acrobot
from snnrl.tasks.atari import Atari
from snnrl.tasks.base import Task, TaskKernel, make, names, register, source_of
from snnrl.tasks.cartpole import DIFFICULTIES, CartPole, Difficulty
from snnrl.tasks.gym_task import GymTask
from snnrl.tasks.linear_track import LinearTrack
from snnrl.tasks.mountain_car import MountainCar
from snnrl.tasks.rotary_pendulum import RotaryPendulum

__all__ = [
    "DIFFICULTIES",
    "Acrobot",
    "Atari",
    "CartPole",
    "Difficulty",
    "GymTask",
    "LinearTrack",
    "MountainCar",
    "RotaryPendulum",
    "Task",
    "TaskKernel",
    "atari",
    "make",
    "names",
    "register",
    "rewards",
    "source_of",
]
