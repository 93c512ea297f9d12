"""The page: a Bokeh server whose documents carry frames one way and commands the other; the browser does the drawing.

Everything a browser needs comes from this server, so it works offline.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from importlib import resources
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.core.properties import Any as AnyValue
from bokeh.core.properties import Float, Int, String
from bokeh.document import Document
from bokeh.model import DataModel
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from jinja2 import Template
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop, PeriodicCallback
from tornado.iostream import IOStream

from snnrl.demo.process import Simulation
from snnrl.demo.scenes import LOOPBACK, scene
from snnrl.demo.spectator import Spectator, told, trouble
from snnrl.errors import InvalidValueError

PERIOD = 25
"""Milliseconds between two looks for new frames."""
FOLDER = "static"


class Link(DataModel):
    """What a browser and the server share."""

    setup = AnyValue(default={})
    frame = AnyValue(default={})
    status = String(default="")
    command = AnyValue(default={})
    ack = Int(default=0)
    fps = Float(default=0.0)


class Viewer:
    """One open page: its document, and what goes through its link."""

    def __init__(self, document: Document, simulation: Simulation, name: str) -> None:
        self.simulation, self.spectator = simulation, Spectator(simulation, scene(name))
        self.link = Link()
        self.link.on_change("ack", lambda attr, old, new: self.spectator.acknowledge(new))
        self.link.on_change("command", lambda attr, old, new: self.obey(new))
        document.title = scene(name).title
        document.template = template(static("page.html"))
        document.template_variables.update(
            page_css=static("page.css"), page_js=static("draw.js") + static("link.js") + static("page.js")
        )
        document.add_root(self.link)
        document.add_periodic_callback(self.look, PERIOD)

    def look(self) -> None:
        """Send what is new."""
        said = trouble(self.simulation)
        if said != self.link.status:
            self.link.update(status=said)
        if self.simulation.setup is None:
            return
        if not self.link.setup:
            self.link.update(setup=told(self.simulation.setup))
        message = self.spectator.message()
        if message is not None:
            self.link.update(frame=message)

    def obey(self, command: Any) -> None:
        """Pass a command on; one that makes no sense is answered on the page."""
        try:
            self.spectator.command(command)
            self.simulation.refused = ""
        except InvalidValueError as error:
            self.simulation.refused = str(error)


class PromptServer(HTTPServer):
    """An HTTP server whose connections send at once.

    A frame goes out in some twenty small parts. By default TCP holds them back until the browser has acknowledged the
    first, which takes it up to 40 ms: frames would arrive in pairs.
    """

    def handle_stream(self, stream: IOStream, address: tuple[str, int]) -> None:
        """Handle a new connection."""
        stream.set_nodelay(True)
        # Tornado switches it off again after the request that opens a websocket.
        setattr(stream, "set_nodelay", lambda value: None)  # noqa: B010
        super().handle_stream(stream, address)


def listen(port: int, host: str) -> list[socket.socket]:
    """Return sockets that listen for pages.

    Parameters
    ----------
    port, host
        Where to listen; port 0 takes any that is free.

    Raises
    ------
    InvalidValueError
        If the port or the address cannot be had.
    """
    try:
        sockets, _ = bind_sockets(host, port)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise InvalidValueError("--port", port, "a port that is free, or 0 for any") from error
        raise InvalidValueError("--host", host, f"an address of this machine ({error.strerror})") from error
    return sockets


def serve(simulation: Simulation, name: str, sockets: list[socket.socket], host: str) -> BaseServer:
    """Return a server of the page, started; its ``io_loop`` runs it.

    Parameters
    ----------
    simulation
        What is shown, to every browser that comes.
    name
        Scene.
    sockets
        From `listen`.
    host
        What they were made for: on a loopback address, pages from elsewhere are refused.
    """
    return serve_documents(lambda document: _open(document, simulation, name), sockets, host)


def serve_documents(fill: Callable[[Document], None], sockets: list[socket.socket], host: str) -> BaseServer:
    """Return a server of documents, started; see `serve`.

    Parameters
    ----------
    fill
        Makes the document of each page that is opened.
    """
    viewers = Application(FunctionHandler(fill))
    port = sockets[0].getsockname()[1]
    origins = ["*"] if host not in LOOPBACK else [f"{each}:{port}" for each in LOOPBACK]
    application = BokehTornado({"/": viewers}, extra_websocket_origins=origins,
                               unused_session_lifetime_milliseconds=10_000, check_unused_sessions_milliseconds=5_000)  # fmt: skip
    http = PromptServer(application)
    http.add_sockets(sockets)
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    # A page that was closed is nothing to be told.
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)
    return server


def run_until_interrupted(
    server: BaseServer, over: Callable[[], bool], every: int, farewell: float, begun: Callable[[], object]
) -> None:
    """Run a server until Ctrl-C, or until what it shows is over and pages have said so for some seconds.

    Parameters
    ----------
    server
        From `serve`.
    over
        Asked every so many milliseconds.
    every
        Milliseconds.
    farewell
        Seconds.
    begun
        Called once Ctrl-C is waited for: what it tells the user may be answered at once.
    """

    def look() -> None:
        if over() and watch.is_running():
            watch.stop()
            server.io_loop.call_later(farewell, server.io_loop.stop)

    watch = PeriodicCallback(look, every)
    watch.start()
    server.io_loop.add_callback(begun)
    try:
        server.io_loop.start()
    except KeyboardInterrupt:
        return
    finally:
        watch.stop()
        server.stop()


def run(server: BaseServer, simulation: Simulation, farewell: float, begun: Callable[[], object]) -> None:
    """Run a server of a simulation until Ctrl-C or its end; see `run_until_interrupted`."""

    def over() -> bool:
        simulation.listen()
        simulation.frames(simulation.latest - 1)
        return bool(simulation.failure)

    run_until_interrupted(server, over, 500, farewell, begun)


def _open(document: Document, simulation: Simulation, name: str) -> None:
    Viewer(document, simulation, name)


def template(text: str) -> Template:
    """Return a page's template, which Bokeh fills in."""
    from bokeh.core.templates import get_env

    return get_env().from_string(text)


def static(file: str) -> str:
    """Return a file of the demo's pages."""
    return resources.files("snnrl.demo").joinpath(FOLDER, file).read_text(encoding="utf-8")
