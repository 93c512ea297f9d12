"""The game in a window of its own, by tkinter, which comes with most Pythons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from snnrl.errors import InvalidValueError
from snnrl.play.picture import GamePicture

if TYPE_CHECKING:
    import tkinter

    from snnrl.play.live import LiveGame

SIZE = (960, 540)
"""Pixels."""
LOOK = 15
"""Milliseconds between two looks at the game."""


class GameWindow:
    """A window that shows a game which has been started.

    Space is pause; Q or closing the window ends it.

    Parameters
    ----------
    live
        The game.

    Raises
    ------
    InvalidValueError
        There is no tkinter, or no screen.
    """

    def __init__(self, live: LiveGame) -> None:
        self.live, self.root = live, open_window(live.show.title)
        import tkinter

        self.label = tkinter.Label(self.root, borderwidth=0)
        self.label.pack()
        self.picture = GamePicture(live.show, live.asked, *SIZE)
        self.drawn, self.image = 0, tkinter.PhotoImage(master=self.root)
        self.root.bind("<space>", lambda event: live.send("pause", not live.paused))
        self.root.bind("q", lambda event: self.root.destroy())

    def run(self) -> None:
        """Show the game until it is over or the window is closed."""
        self._look()
        self.root.mainloop()

    def _look(self) -> None:
        shown = self.live.newest
        if shown is not None and shown.moment.number != self.drawn:
            self.drawn = shown.moment.number
            drawing = portable_pixmap(self.picture.draw(shown.moment, shown.history))
            self.image.configure(data=drawing, format="PPM")
            self.label.configure(image=self.image)
        if self.live.finished or self.live.failure:
            self.root.destroy()
        else:
            self.root.after(LOOK, self._look)


def open_window(title: str) -> tkinter.Tk:
    """Return an empty window.

    Raises
    ------
    InvalidValueError
        There is no tkinter, or no screen.
    """
    instead = "--page and --record FILE need neither"
    try:
        import tkinter
    except ImportError as error:
        allowed = f"a Python with tkinter (Debian: apt install python3-tk) and a screen; {instead}"
        raise InvalidValueError("--window", "no tkinter", allowed) from error
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        raise InvalidValueError("--window", str(error), f"tkinter and a screen; {instead}") from error
    root.title(f"snnrl play: {title}")
    root.resizable(width=False, height=False)
    return root


def portable_pixmap(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture ``[height, width, 3]`` as the bytes of a PPM file."""
    height, width, _ = picture.shape
    return f"P6 {width} {height} 255 ".encode() + np.ascontiguousarray(picture).tobytes()
