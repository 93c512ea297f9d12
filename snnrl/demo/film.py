"""A film of the demo without a browser: the same seed gives the same bytes.

Simulated time alone decides what is seen: one picture every ``1/FPS`` simulated seconds, drawn by matplotlib and encoded by
ffmpeg without time stamps or version names.
"""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl.demo.film_page import FilmPage
from snnrl.demo.live import LiveAgent, Start
from snnrl.demo.messages import Command
from snnrl.demo.steps import pack
from snnrl.errors import InvalidValueError, SimulationError

if TYPE_CHECKING:
    from snnrl.demo.scenes import Scene

FPS = {".mp4": 25, ".gif": 12.5}
"""Pictures per simulated second, by the ending of the file."""
SIZE = {".mp4": (1280, 720), ".gif": (800, 450)}
"""Pixels."""
ENDINGS = tuple(FPS)
KICK_EVERY = 4.0
"""Simulated seconds between two nudges."""


def check_ending(path: Path) -> None:
    """Refuse a file that is no film.

    Raises
    ------
    InvalidValueError
        If the ending is none of `ENDINGS`, or the folder does not exist.
    """
    if path.suffix.lower() not in ENDINGS:
        raise InvalidValueError("--record", str(path), f"a file that ends in {' or '.join(ENDINGS)}")
    if not path.absolute().parent.is_dir():
        raise InvalidValueError("--record", str(path), "a file in a folder that exists")


def record(start: Start, path: Path, seconds: float, nudge: bool = True) -> None:
    """Write a film of an agent.

    Parameters
    ----------
    start
        The agent; it and its seed decide every picture.
    path
        ``.mp4`` or ``.gif``.
    seconds
        Simulated and shown.
    nudge
        Whether one of the scene's buttons is pressed every `KICK_EVERY` seconds, in turn.

    Raises
    ------
    InvalidValueError
        For another ending.
    SimulationError
        If the encoder failed.
    """
    check_ending(path)
    ending = path.suffix.lower()
    width, height = SIZE[ending]
    encode(path, pictures(start, seconds, FPS[ending], width, height, nudge), FPS[ending], width, height)


def pictures(
    start: Start, seconds: float, fps: float, width: int, height: int, nudge: bool = True
) -> Iterator[NDArray[np.uint8]]:
    """Give the pictures, each ``[height, width, 3]``."""
    agent = LiveAgent(start)
    from snnrl.demo.setup import setup

    page = FilmPage(setup(agent), agent.scene, width, height)
    script, taken = _script(agent.scene, seconds, agent.env_step) if nudge else deque(), 0
    for number in range(round(seconds * fps)):
        until = round((number + 1) / fps / agent.env_step)
        steps = []
        for taken in range(taken, until):  # noqa: B020  goes on where the last picture ended
            while script and script[0][0] <= taken:
                _, command, words = script.popleft()
                agent.apply(command)
                page.note(words)
            step = agent.step()
            assert step is not None
            steps.append(step)
        taken = until
        shown = pack(steps, page.neurons) if steps else None
        yield page.picture(shown, agent.books(0.0, False), agent.synapses.map(), agent.task)


def _script(scene: Scene, seconds: float, env_step: float) -> deque[tuple[int, Command, str]]:
    """Return when which button is pressed, in environment steps."""
    times = np.arange(KICK_EVERY / 2, seconds, KICK_EVERY) if scene.buttons else ()
    buttons = [scene.buttons[(3 * k + 3) % len(scene.buttons)] for k in range(len(times))]
    return deque(
        (round(float(time) / env_step), Command("nudge", button.amount, button.state), button.label)
        for time, button in zip(times, buttons, strict=True)
    )


def encode(path: Path, frames: Iterator[NDArray[np.uint8]], fps: float, width: int, height: int) -> None:
    """Write pictures to a film with the ffmpeg that comes with imageio-ffmpeg.

    Raises
    ------
    SimulationError
        If ffmpeg did not like it; its last words are told.
    """
    import imageio_ffmpeg  # type: ignore[import-untyped]

    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-y",
        "-loglevel",
        "error",
        *given,
        *_coding(path.suffix.lower()),
        str(path),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    try:
        for frame in frames:
            process.stdin.write(np.ascontiguousarray(frame).tobytes())
    except BrokenPipeError:
        pass  # ffmpeg has gone, and says below why
    except BaseException:
        process.kill()
        process.wait()
        path.unlink(missing_ok=True)
        raise
    finally:
        _close(process.stdin)
    words = process.stderr.read().decode(errors="replace")
    process.stderr.close()
    if process.wait() != 0:
        raise SimulationError(f"{path}: ffmpeg could not write it ({' '.join(words.split())[-200:]})")


def _close(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return


def _coding(ending: str) -> Sequence[str]:
    """Return ffmpeg's options; one thread and no metadata, so that equal pictures give equal bytes."""
    exact = ["-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    if ending == ".gif":
        palette = (
            "[0:v]split[a][b];[a]palettegen=max_colors=64:stats_mode=full[p];[b][p]paletteuse=dither=none"
        )
        return ["-filter_complex", palette, *exact, "-loop", "0"]
    return [
        "-c:v",
        "libx264",
        "-preset",
        "medium",
        "-crf",
        "22",
        "-pix_fmt",
        "yuv420p",
        *exact,
        "-movflags",
        "+faststart",
    ]
