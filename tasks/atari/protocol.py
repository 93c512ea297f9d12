"""How a game is played and counted: scores are comparable only under the same protocol.

Sources: Mnih et al., Nature 518:529 (2015), Extended Data Table 2 (30 no-ops, epsilon 0.05, 5 minutes); van
Hasselt, Guez and Silver, AAAI 2016 (human starts, 30 minutes); Machado et al., JAIR 61:523 (2018), section 4
(sticky actions 0.25).
"""

from __future__ import annotations

from dataclasses import dataclass

from snnrl.errors import InvalidValueError, UnknownNameError

FRAMES_PER_MINUTE = 3600
PREPROCESSINGS = ("ddqn", "teacher", "async-rl")


@dataclass(frozen=True)
class Protocol:
    """Rules of play.

    Parameters
    ----------
    noop_max
        At the start of an episode the game runs for 1 to this many frames without a player; 0: none.
    frame_skip
        Frames for which an action is held.
    sticky
        Probability in each frame that the action of the frame before is held instead.
    max_frames
        Frames, at 60 a second, after which an episode is cut off; the frames before the player's first count.
    epsilon
        Probability with which a player's action is replaced by any, see `Atari.explore`.
    full_actions
        All 18 actions of the joystick instead of those that differ in the game.
    life_ends_episode
        A lost life ends the episode (of a learner); the game goes on in the next one.
    preprocessing
        ``ddqn``: grey of the emulator, maximum of the last two frames, area interpolation to 84 x 84, as
        Gymnasium's ``AtariPreprocessing``. ``teacher``: maximum of the last two frames in RGB, grey in floating
        point, Pillow's bilinear interpolation; the fire button is pressed where nothing moves without, and a
        lost life starts a new stack. ``async-rl``: the same maximum, the weights of muupan/async-rl, grey in whole
        numbers, OpenCV's linear interpolation; nothing is pressed, and a lost life changes nothing.

    Raises
    ------
    InvalidValueError, UnknownNameError
        A number outside its range, or an unknown preprocessing.
    """

    noop_max: int = 30
    frame_skip: int = 4
    sticky: float = 0.0
    max_frames: int = 18_000
    epsilon: float = 0.05
    full_actions: bool = False
    life_ends_episode: bool = False
    preprocessing: str = "teacher"

    def __post_init__(self) -> None:
        for name, least in (("noop_max", 0), ("frame_skip", 1), ("max_frames", 1)):
            if getattr(self, name) < least:
                raise InvalidValueError(f"Protocol.{name}", getattr(self, name), f"at least {least}")
        for name in ("sticky", "epsilon"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidValueError(f"Protocol.{name}", getattr(self, name), "0 to 1")
        if self.preprocessing not in PREPROCESSINGS:
            raise UnknownNameError("Protocol.preprocessing", self.preprocessing, PREPROCESSINGS)

    def describe(self) -> str:
        """Return all rules in one line."""
        starts = f"1 to {self.noop_max} no-ops at the start" if self.noop_max else "no no-ops"
        minutes = f"{self.max_frames / FRAMES_PER_MINUTE:.3g}"
        return ", ".join(
            (
                starts,
                f"action held for {self.frame_skip} frames",
                f"sticky actions {self.sticky:g}",
                f"cap {self.max_frames:,} frames ({minutes} min)",
                f"epsilon {self.epsilon:g}",
                f"{'all 18' if self.full_actions else 'minimal'} actions",
                f"a lost life {'ends' if self.life_ends_episode else 'does not end'} the episode",
                f"preprocessing {self.preprocessing}",
            )
        )


PROTOCOLS: dict[str, Protocol] = {
    "no-op": Protocol(),
    "human-cap": Protocol(max_frames=108_000),
    "sticky": Protocol(noop_max=0, sticky=0.25, epsilon=0.01),
}
"""By name: 5 minutes after no-ops; the 30 minutes of the human-start protocol, but after no-ops, since the human
starts were never published; sticky actions."""
