"""Gymnasium's Arcade Learning Environment for one lane."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from snnrl.errors import InvalidValueError
from snnrl.tasks.atari.games import Game
from snnrl.tasks.atari.protocol import Protocol


def open_emulator(game: Game, protocol: Protocol) -> Any:
    """Return the ``AtariEnv`` of Gymnasium's ``ALE/<game>-v5``, one frame per step, without sticky actions.

    An action is held by the lane, which counts its random numbers, and so are sticky actions.

    Raises
    ------
    InvalidValueError
        The ROM is missing or is not the one that is known.
    """
    import ale_py
    import gymnasium

    check_rom(game)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    gymnasium.register_envs(ale_py)
    with redirect_stdout(StringIO()):  # it names the folder of ALE_ROMS_DIR
        made = gymnasium.make(
            f"ALE/{game.ale_id}-v5",
            obs_type="ram",
            frameskip=1,
            repeat_action_probability=0.0,
            max_num_frames_per_episode=protocol.max_frames,
            disable_env_checker=True,
        )
        made.reset(seed=0)
    return made.unwrapped


def check_rom(game: Game) -> None:
    """Refuse a game whose ROM is missing or is not the one that is known.

    Raises
    ------
    InvalidValueError
        Names the file.
    """
    from ale_py import roms

    try:
        with redirect_stdout(StringIO()):
            roms.get_rom_path(game.rom)
    except OSError as error:
        allowed = "the ROM that comes with ale-py; see the environment variable ALE_ROMS_DIR"
        why = " ".join(str(error).split())
        raise InvalidValueError(f"ROM of {game.title}", why, allowed) from error
