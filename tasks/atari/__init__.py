"""Atari 2600 games: ten of them, two ways of looking at the screen, protocols with names.

>>> from snnrl.tasks import atari
>>> atari.game("pong").title
'Pong'
>>> atari.PROTOCOLS["no-op"].max_frames
18000

ale-py, Gymnasium, OpenCV and Pillow are imported when the first `Atari` is made.
"""

from snnrl.tasks.atari.emulator import check_rom
from snnrl.tasks.atari.environment import Atari, Step
from snnrl.tasks.atari.games import GAMES, Game, game
from snnrl.tasks.atari.lane import LaneState
from snnrl.tasks.atari.protocol import PREPROCESSINGS, PROTOCOLS, Protocol
from snnrl.tasks.atari.stack import Stack

__all__ = [
    "GAMES",
    "PREPROCESSINGS",
    "PROTOCOLS",
    "Atari",
    "Game",
    "LaneState",
    "Protocol",
    "Stack",
    "Step",
    "check_rom",
    "game",
]
