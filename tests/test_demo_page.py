"""The demo's real page in the system's Chromium: `snnrl demo` as a user starts it, seen and pressed by Playwright."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="the page is driven by playwright")
pytest.importorskip("bokeh", reason="the page is served by bokeh")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this system")

PATIENCE = 180_000
"""Milliseconds that anything may take; the kernel may have to be compiled first."""
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-renderer-backgrounding",
         "--disable-backgrounding-occluded-windows")  # fmt: skip
"""No sandbox: root has none in a container. The rest keeps pages drawing where memory is short or another page is in front."""
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


class Demo:
    """`snnrl demo cartpole` in a process of its own."""

    def __init__(self, *words: str) -> None:
        self.port = free_port()
        command = [
            sys.executable,
            "-m",
            "snnrl",
            "demo",
            "cartpole",
            "--no-browser",
            "--port",
            str(self.port),
            *words,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.url = f"http://localhost:{self.port}/"

    def children(self) -> list[int]:
        """Return the processes that it has started."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [pid for pid in map(int, found) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def memory(self) -> float:
        """Return the resident memory of the server and the simulation, MiB."""
        return sum(resident(pid) for pid in (self.process.pid, *self.children()))

    def interrupt(self) -> tuple[str, str]:
        """Press Ctrl-C; return what it printed after its first line."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)

    def close(self) -> None:
        """End it, however it stands."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=60)


def resident(pid: int) -> float:
    fields = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(f.split()[1] for f in fields if f.startswith("VmRSS"))) / 1024


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    running = Demo("--seed", "3")
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


def visit(browser: Any, demo: Demo, size: dict[str, int] = DESKTOP, query: str = "") -> Any:
    """Open the page offline but for the demo itself, and wait until it moves; errors on it are errors here."""
    context = browser.new_context(viewport=size)
    context.route(
        "**/*", lambda route: route.continue_() if f":{demo.port}/" in route.request.url else route.abort()
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto(demo.url + query)
    page.wait_for_function("window.demo && demo.drawn > 2", timeout=PATIENCE)
    return page


@pytest.fixture(scope="module")
def page(browser: Any, demo: Demo) -> Iterator[Any]:
    opened = visit(browser, demo)
    yield opened
    assert opened.wrong == []
    opened.context.close()


LOOK = """id => {
    const c = document.getElementById(id), g = c.getContext("2d"), all = new Uint32Array(g.getImageData(0, 0, c.width, c.height).data.buffer);
    let sum = 0;
    for (const colour of all) sum = (Math.imul(sum, 31) + colour) | 0;
    return { sum, colours: new Set(all).size, corner: Array.from(g.getImageData(0, 0, 1, 1).data) };
}"""


def pixels(page: Any, canvas: str) -> dict[str, Any]:
    """Read a canvas back: a sum over all its pixels, the number of colours, and its corner."""
    found: dict[str, Any] = page.evaluate(LOOK, canvas)
    return found


def get(page: Any, expression: str) -> Any:
    return page.evaluate(expression)


def until(page: Any, condition: str) -> None:
    page.wait_for_function(condition, timeout=PATIENCE)


def after_frames(page: Any, frames: int = 5) -> None:
    until(page, f"demo.drawn > {get(page, 'demo.drawn') + frames}")


def test_page_needs_nothing_from_elsewhere(page: Any, demo: Demo) -> None:
    assert demo.line.startswith(demo.url)
    assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {
        f"localhost:{demo.port}"
    }
    assert page.title() == page.inner_text("h1") == "A spiking network balances a pole"


@pytest.mark.parametrize("canvas", ["scene", "raster", "membranes", "value", "map"])
def test_canvas_shows_something_and_moves(canvas: str, page: Any) -> None:
    before = pixels(page, canvas)
    assert before["colours"] > 3
    if canvas == "map":
        return  # learning is off
    after_frames(page, 10)
    assert pixels(page, canvas)["sum"] != before["sum"]


def test_every_panel_has_a_caption(page: Any) -> None:
    panels = page.query_selector_all("figure.panel")
    assert len(panels) == 6
    assert all(len(panel.query_selector("figcaption").inner_text()) > 30 for panel in panels)


def test_spikes_appear(page: Any) -> None:
    before = get(page, "demo.spikes")
    until(page, f"demo.spikes > {before} + 500")
    assert 20 < get(page, "demo.books.spikes") < 1000


def test_kick_turns_the_pole(page: Any) -> None:
    after_frames(page)
    nudges, before = get(page, "demo.books.kicks"), []
    for _ in range(20):
        before.append(abs(get(page, "demo.state[2]")))
        after_frames(page, 1)
    for _ in range(4):  # four kicks at once: more than its noise does
        page.click("#nudge-theta_dot-plus")
    until(page, f"demo.books.kicks >= {nudges} + 4")
    until(page, f"Math.abs(demo.state[2]) > {max(before)} + 0.01 || demo.books.episode > 0")


def test_keyboard_does_what_buttons_do(page: Any, browser: Any, demo: Demo) -> None:
    nudges = get(page, "demo.books.kicks")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("d")
    until(page, f"demo.books.kicks == {nudges} + 2")
    page.keyboard.press(" ")
    until(page, "demo.books.paused")
    steps = get(page, "demo.clock.steps")
    after_frames(page)
    assert get(page, "demo.clock.steps") == steps
    assert "paused" in page.inner_text("#mode")
    assert pixels(page, "scene")["colours"] > 3  # what was drawn stays
    newcomer = visit(browser, demo)
    assert pixels(newcomer, "scene")["colours"] > 3  # for who comes now, too
    newcomer.context.close()
    page.keyboard.press(" ")
    until(page, f"demo.clock.steps > {steps}")


def test_learning_changes_weights_and_nothing_else_does(page: Any) -> None:
    page.keyboard.press("r")
    until(page, "!demo.books.learning && demo.weights")
    weights = get(page, "Array.from(demo.weights)")
    after_frames(page, 20)
    assert get(page, "Array.from(demo.weights)") == weights
    page.click("#learning")
    until(page, "demo.books.learning")
    before = get(page, "demo.books.writes")
    until(page, f"demo.books.writes > {before} && document.getElementById('learning').ariaPressed === 'true'")
    after_frames(page, 20)
    assert get(page, "Array.from(demo.weights)") != weights
    assert pixels(page, "writes")["colours"] > 1
    page.click("#restore")
    until(page, "!demo.books.learning")
    after_frames(page, 30)
    assert np.allclose(get(page, "Array.from(demo.weights)"), weights)


def test_forgetting_lets_the_pole_fall(page: Any) -> None:
    page.keyboard.press("z")
    until(page, "demo.books.learning && demo.books.episode >= 2 && demo.books.last_length < 200")
    page.keyboard.press("x")
    until(page, "!demo.books.learning")


@pytest.mark.parametrize(
    ("name", "key"), [("pole_length", "ArrowLeft"), ("rate", "ArrowRight"), ("spread", "ArrowRight")]
)
def test_slider_acts(name: str, key: str, page: Any) -> None:
    before = get(page, f"demo.books.sliders.{name}")
    page.focus(f"#slider-{name}")
    page.keyboard.press(key)
    until(page, f"demo.books.sliders.{name} != {before}")
    after = get(page, f"demo.books.sliders.{name}")
    assert (after > before) == (key == "ArrowRight")
    page.evaluate("document.activeElement.blur()")
    until(page, f"+document.getElementById('slider-{name}').value === {after}")


def test_speed_slider_changes_the_pace(page: Any) -> None:
    page.keyboard.press("+")
    until(page, "demo.clock.asked > 1.2")
    page.keyboard.press("-")
    until(page, "demo.clock.asked == 1")


def test_reward_is_chosen(page: Any) -> None:
    page.select_option("#reward", "survival")
    until(page, "demo.books.reward == 'survival'")
    assert page.inner_text("#formula").startswith("r = alive")
    page.select_option("#reward", "gaussian")
    until(page, "demo.books.reward == 'gaussian'")


def test_latency_is_on_the_page(page: Any) -> None:
    after_frames(page)
    assert page.inner_text("#n-ratio").endswith("×")
    assert page.inner_text("#n-jitter").endswith("ms")
    missed, _, steps = page.inner_text("#n-missed").replace(",", "").split()
    assert 0 <= int(missed) <= int(steps)
    before = int(steps)
    page.click("#clear")
    until(page, f"demo.clock.steps < {before}")


def test_dark_and_light(page: Any) -> None:
    corner = pixels(page, "scene")["corner"][:3]
    page.click("#theme")
    after_frames(page)
    other = pixels(page, "scene")["corner"][:3]
    assert (max(corner) > 200) != (max(other) > 200)
    page.click("#theme")


@pytest.mark.parametrize("size", [DESKTOP, PHONE, {"width": 1920, "height": 1080}])
def test_nothing_sticks_out(size: dict[str, int], page: Any) -> None:
    page.set_viewport_size(size)
    after_frames(page)
    wide, clipped = page.evaluate(
        """() => [document.documentElement.scrollWidth,
                  [...document.querySelectorAll("button, dd, figcaption, canvas")].filter(e => {
                      const r = e.getBoundingClientRect();
                      return r.width && (r.right > innerWidth + 1 || r.height < 5); }).map(e => e.id || e.textContent)]"""
    )
    page.set_viewport_size(DESKTOP)
    assert wide <= size["width"]
    assert clipped == []


def test_projector_hides_the_controls(page: Any) -> None:
    page.keyboard.press("f")
    assert not page.is_visible("#controls")
    assert page.is_visible("#scene")
    page.keyboard.press("f")
    assert page.is_visible("#controls")


def test_two_browsers_see_the_same_agent(page: Any, browser: Any, demo: Demo) -> None:
    other = visit(browser, demo, PHONE)
    nudges = get(page, "demo.books.kicks")
    other.click("#nudge-x_dot-plus")
    until(page, f"demo.books.kicks == {nudges} + 1")
    after_frames(page)
    after_frames(other)
    assert abs(get(page, "demo.number") - get(other, "demo.number")) < 500
    assert other.wrong == []
    other.context.close()
    after_frames(page)


def test_a_browser_leaves_and_comes_back(browser: Any, demo: Demo) -> None:
    first = visit(browser, demo)
    number = get(first, "demo.number")
    first.reload()
    until(first, f"window.demo && demo.drawn > 2 && demo.number > {number}")
    first.context.close()
    second = visit(browser, demo)
    assert get(second, "demo.number") > number
    second.context.close()


def test_page_keeps_up_with_a_busy_tab(page: Any) -> None:
    """A browser that does nothing for a while drops frames, and no simulated time is lost."""
    before = get(page, "[demo.number, demo.drawn, demo.clock.simulated]")
    page.evaluate("() => { const until = performance.now() + 1500; while (performance.now() < until); }")
    after_frames(page, 3)
    after = get(page, "[demo.number, demo.drawn, demo.clock.simulated]")
    assert after[2] - before[2] > 1.4
    assert after[0] - before[0] > after[1] - before[1]
    kept, dropped = page.evaluate(
        """() => { const before = demo.dropped; for (let k = 0; k < 10; k++) take(link.frame);
                   return [waiting.length, demo.dropped - before]; }"""
    )
    assert kept <= 4
    assert dropped >= 6


def test_a_command_without_sense_is_told(page: Any) -> None:
    page.evaluate("send('set', 1, 'gravity')")
    page.wait_for_selector("#banner:not([hidden])")
    assert "slider: got 'gravity'" in page.inner_text("#banner")
    page.keyboard.press("r")
    page.wait_for_selector("#banner", state="hidden")


def test_memory_stays(page: Any, demo: Demo) -> None:
    """A short soak at high speed: the ten-minute one is ``python -m benchmarks.demo``."""
    page.evaluate("send('set', 20, 'speed')")
    until(page, "demo.clock.asked == 20")
    page.wait_for_timeout(4000)
    before, heap = demo.memory(), get(page, "performance.memory.usedJSHeapSize")
    page.wait_for_timeout(8000)
    assert demo.memory() - before < 12
    assert get(page, "performance.memory.usedJSHeapSize") - heap < 60e6
    page.evaluate("send('set', 1, 'speed')")
    until(page, "demo.clock.asked == 1")


def test_another_site_may_not_connect(demo: Demo) -> None:
    lines = [
        "GET /ws HTTP/1.1", f"Host: localhost:{demo.port}", "Origin: http://elsewhere.example", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
    ]  # fmt: skip
    with socket.create_connection(("127.0.0.1", demo.port), timeout=60) as connection:
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def test_port_in_use_is_one_line(demo: Demo) -> None:
    words = [sys.executable, "-m", "snnrl", "demo", "cartpole", "--no-browser", "--port", str(demo.port)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"snnrl: --port: got {demo.port}, allowed: a port that is free, or 0 for any\n"


def test_a_dead_simulation_is_told_on_the_page_and_ends_the_command(browser: Any) -> None:
    broken = Demo("--from-zero")
    try:
        opened = visit(browser, broken)
        (child,) = broken.children()
        os.kill(child, signal.SIGKILL)
        opened.wait_for_selector("#banner:not([hidden])")
        assert "The simulation has ended" in opened.inner_text("#banner")
        opened.context.close()
        _, err = broken.process.communicate(timeout=60)
        assert broken.process.returncode == 1
        assert err.startswith("snnrl: the simulation ended without a word")
        assert err.count("\n") == 1
    finally:
        broken.close()


def test_ctrl_c_ends_it_cleanly() -> None:
    running = Demo()
    try:
        children = running.children()
        assert len(children) == 1
        out, err = running.interrupt()
        assert (running.process.returncode, err) == (0, "")
        assert "s simulated in" in out
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    finally:
        running.close()
