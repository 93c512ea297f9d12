"""The ten games of McKinstry et al., Low Precision Policy Distillation (2018), Table 3."""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.errors import UnknownNameError


@dataclass(frozen=True)
class Game:
    """What has to be known about a game before it is played.

    Parameters
    ----------
    name
        As it is written on the command line.
    rom
        Name of the ROM's file, without its ending.
    title
        As it is printed.
    ale_id
        Name in Gymnasium's ``ALE/<name>-v5``.
    lives
        Lives at the start as the emulator counts them; 0 where a game does not count any.
    n_actions
        Actions of the minimal set.
    fire_to_start
        Whether nothing moves, at the start and after a lost life, until the fire button is pressed.
    """

    name: str
    rom: str
    title: str
    ale_id: str
    lives: int
    n_actions: int
    fire_to_start: bool = False


GAMES: dict[str, Game] = {
    found.name: found
    for found in (
        Game("breakout", "breakout", "Breakout", "Breakout", 5, 4, fire_to_start=True),
        # Fire, alone or with right or left, moves no paddle, but it changes the ball's flight.
        Game("pong", "pong", "Pong", "Pong", 0, 6),
        Game("qbert", "qbert", "Q*bert", "Qbert", 4, 6),
        Game("seaquest", "seaquest", "Seaquest", "Seaquest", 4, 18),
        Game("space-invaders", "space_invaders", "Space Invaders", "SpaceInvaders", 3, 6),
        Game("freeway", "freeway", "Freeway", "Freeway", 0, 3),
        Game("ms-pacman", "ms_pacman", "Ms. Pacman", "MsPacman", 3, 9),
        Game("riverraid", "riverraid", "River Raid", "Riverraid", 4, 18),
        Game("beam-rider", "beam_rider", "Beam Rider", "BeamRider", 3, 9),
        Game("enduro", "enduro", "Enduro", "Enduro", 0, 9),
    )
}
"""By name."""


def game(name: str) -> Game:
    """Return a game by its name.

    Raises
    ------
    UnknownNameError
        There is no such game.
    """
    if name not in GAMES:
        raise UnknownNameError("game", name, GAMES)
    return GAMES[name]
