"""The live page: a Bokeh document that carries the game one way and commands the other; the browser draws.

The server, the look and the link are those of `snnrl demo`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
from bokeh.document import Document
from bokeh.server.server import BaseServer

from snnrl.demo.page import PERIOD, Link, run_until_interrupted, serve_documents, static, template
from snnrl.demo.spectator import AHEAD, UNDERWAY
from snnrl.errors import InvalidValueError
from snnrl.play.live import SPEEDS, LiveGame, Shown
from snnrl.play.picture import bar_lengths
from snnrl.play.show import HISTORY

WATCH = 200
"""Milliseconds between two looks at whether the game is over."""
SWITCH = 0.001
"""Seconds after which the server lets the game go on; Python's 5 ms, several times a frame, make it late."""
FAREWELL = 3.0
"""Seconds for which pages still say that the game is over before the server ends too."""


class GameViewer:
    """One open page: its document, and what goes through its link.

    Parameters
    ----------
    document
        To be filled.
    live
        The game.
    """

    def __init__(self, document: Document, live: LiveGame) -> None:
        self.live, self.link = live, Link()
        self.sent = 0
        self.underway: list[int] = []
        self.link.on_change("ack", lambda attr, old, new: self.acknowledge(new))
        self.link.on_change("command", lambda attr, old, new: self.obey(new))
        document.title = f"A TrueNorth student plays {live.show.title}"
        document.template = template(_text("play.html"))
        scripts = static("draw.js") + static("link.js") + _text("play.js")
        document.template_variables.update(page_css=static("page.css") + _text("play.css"), page_js=scripts)
        document.add_root(self.link)
        self.link.update(setup=setup(live))
        document.add_periodic_callback(self.look, PERIOD)

    def acknowledge(self, number: int) -> None:
        """Note that the browser has drawn everything up to a decision."""
        self.underway = [sent for sent in self.underway if sent > number]

    def look(self) -> None:
        """Send what is new, unless the browser is busy."""
        said = trouble(self.live)
        if said != self.link.status:
            self.link.update(status=said)
        shown = self.live.newest
        if shown is None or shown.number == self.sent:
            return
        if len(self.underway) >= UNDERWAY and shown.number < self.underway[-1] + AHEAD:
            return
        self.link.update(frame=message(self.live, shown))
        self.sent = shown.number
        self.underway = [*self.underway[-UNDERWAY + 1 :], self.sent]

    def obey(self, command: Any) -> None:
        """Pass a command on; one that makes no sense is answered on the page."""
        try:
            given = command if isinstance(command, dict) else {}
            self.live.send(str(given.get("name")), given.get("value"))
            self.live.refused = ""
        except InvalidValueError as error:
            self.live.refused = str(error)


def setup(live: LiveGame) -> dict[str, Any]:
    """Return what does not change, as plain values for a browser."""
    player = live.show.player
    return {
        "title": live.show.title,
        "player": player.name,
        "layers": list(player.layers),
        "neurons": player.neurons.tolist(),
        "actions": list(live.show.env.action_names),
        "history": HISTORY,
        "speeds": list(SPEEDS),
        "protocol": live.show.env.protocol.describe(),
    }


def message(live: LiveGame, shown: Shown) -> dict[str, Any]:
    """Return what a browser draws; all of it, since the first messages are gone before a page can take them."""
    moment = shown.moment
    return {
        "number": shown.number,
        "frames": moment.number,
        "screen": moment.screen.ravel(),
        "seen": moment.seen.ravel(),
        "history": np.array(shown.history, np.float32).ravel(),
        "share": moment.share.tolist(),
        "spikes": moment.spikes,
        "outputs": moment.outputs.tolist(),
        "bars": bar_lengths(moment.outputs).tolist(),
        "action": moment.action,
        "explored": moment.explored,
        "score": moment.score,
        "lives": moment.lives,
        "game": moment.game,
        "scores": list(moment.scores),
        "fps": shown.fps,
        "asked": live.asked,
        "paused": live.paused,
        "latency": [1000 * shown.p50, 1000 * shown.p99],
        "missed": shown.missed,
        "steps": shown.steps,
    }


def trouble(live: LiveGame) -> str:
    """Return what a page has to say about the game, in words; empty if all is well."""
    if live.failure:
        return f"The game has broken off: {live.failure}"
    return "All is played that was asked for." if live.finished else live.refused


def serve(live: LiveGame, sockets: list[socket.socket], host: str) -> BaseServer:
    """Return a server of the page, started; see `snnrl.demo.page.serve_documents`."""
    return serve_documents(lambda document: _fill(document, live), sockets, host)


def _fill(document: Document, live: LiveGame) -> None:
    GameViewer(document, live)


def run(server: BaseServer, live: LiveGame, begun: Callable[[], object]) -> None:
    """Run a server until Ctrl-C, or until the game is over and pages have said so for some seconds.

    ``begun`` is called once Ctrl-C is waited for.
    """
    sys.setswitchinterval(SWITCH)
    run_until_interrupted(server, lambda: bool(live.failure or live.finished), WATCH, FAREWELL, begun)


def _text(file: str) -> str:
    return resources.files("snnrl.play").joinpath("static", file).read_text(encoding="utf-8")
