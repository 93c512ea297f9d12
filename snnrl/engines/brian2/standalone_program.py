"""Brian2's C++ standalone device: write a project, compile it once, run the binary as often as needed.

A program is compiled once for a model; what differs between runs (an agent's initial values, its random streams, the
books of the agent loop) goes in as files and comes out as files. Unchanged sources are never compiled twice.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.engines.brian2.cpp import ALTERNATIVES
from snnrl.engines.fast.cache import cache_folder
from snnrl.equations.brian import brian2
from snnrl.errors import SimulationError, UnsupportedError

ENGINE = "brian2 (standalone)"
FOREVER = 1e9
"""Steps of dt a program would run for if nothing stopped it."""
EXACT = [
    "-w",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c++11",
]
"""Compiler flags. Brian2's own hold ``-ffast-math``, with which sums are reordered and an FMA is used where it fits:
other last bits, and sooner or later another spike. None of these flags changes a bit; without ``errno`` and traps a
constant ``exp(-dt/tau)`` still leaves the loop over the neurons."""
_PREFERENCES = {
    "codegen.loop_invariant_optimisations": False,  # they reorder products
    "codegen.cpp.extra_compile_args": EXACT,
    "core.stop_on_keyboard_interrupt": False,  # an interrupted program must not write half an episode
}
_SOURCE, _HEADER = "snnrl_loop.cpp", "snnrl_headers.h"
_HEADERS = ('"objects.h"', '"brianlib/common_math.h"', '"brianlib/stdint_compat.h"', "<cmath>", "<ctime>", "<iostream>",
            "<fstream>", "<climits>", "<algorithm>", "<vector>")  # fmt: skip
"""What nearly every file includes, read once."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Program:
    """A compiled program.

    Parameters
    ----------
    folder
        Where its binary is.
    files
        File name and type of every array that it writes, by ``"owner.variable"``.
    """

    folder: Path
    files: dict[str, tuple[str, str]]

    def run(self, values: Mapping[str, NDArray[Any]], given: Mapping[str, bytes], wanted: tuple[str, ...],
            written: str) -> tuple[Arrays, bytes]:  # fmt: skip
        """Run the binary.

        Parameters
        ----------
        values
            Start values by ``"owner.variable"``, flat.
        given
            Files that the program's own sources read, by name.
        wanted
            Which arrays to return.
        written
            The file that the program's own sources write.

        Returns
        -------
        arrays, file
            The wanted arrays at the end, and what was written.

        Raises
        ------
        SimulationError
            If the program fails.
        """
        with tempfile.TemporaryDirectory(prefix="snnrl-standalone-") as place:
            results = Path(place)
            arguments = []
            for number, (name, value) in enumerate(values.items()):
                path = results / f"start_{number}"
                np.ascontiguousarray(value, dtype=self.files[name][1]).tofile(path)
                arguments.append(f"{name}={path}")
            for name, content in given.items():
                (results / name).write_bytes(content)
            command = ["./main", "--results_dir", f"{results}{os.sep}", *arguments]
            done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
            if done.returncode != 0 or done.stderr:
                reason = f"{done.stdout}{done.stderr}".strip() or f"exit code {done.returncode}"
                raise SimulationError(f"engine {ENGINE!r}: the compiled program failed: {reason}")
            arrays = {
                name: np.fromfile(results / self.files[name][0], self.files[name][1]) for name in wanted
            }
            return arrays, (results / written).read_bytes()


@contextmanager
def standalone_device() -> Iterator[Path]:
    """Make C++ standalone Brian2's device for a while; afterwards device and preferences are as before.

    Yields the folder in which the project may be written; it is removed in the end.

    Raises
    ------
    UnsupportedError
        If there is no C++ compiler, or a standalone project of the user's own is being put together.
    """
    # Not at the head of this file: snnrl.equations.brian must import Brian2 first, and ``brian2.devices.device`` is the
    # present device, not the module.
    from brian2.devices.device import reset_device

    check_compiler()
    if "standalone" in type(brian2.get_device()).__name__.lower():
        raise UnsupportedError(
            ENGINE, "device", "another standalone project is being put together", "reset_device() before"
        )
    saved = {name: brian2.prefs[name] for name in _PREFERENCES}
    with tempfile.TemporaryDirectory(prefix="snnrl-brian2-") as folder, _names_of_their_own():
        brian2.set_device("cpp_standalone", build_on_run=False)
        try:
            brian2.device.reinit()
            brian2.device.activate(build_on_run=False)
            _prefer(_PREFERENCES)
            yield Path(folder)
        finally:
            brian2.device.reinit()
            reset_device()
            _prefer(saved)


@contextmanager
def _names_of_their_own() -> Iterator[None]:
    """Let Brian2 name objects as if there were no others.

    It numbers the names of objects that exist at the same time: the second program of a model would be another text,
    and would have to be compiled again.
    """
    tracking = brian2.core.tracking
    others = tracking.InstanceFollower.instance_sets
    tracking.InstanceFollower.instance_sets = defaultdict(tracking.InstanceTrackerSet)
    try:
        yield
    finally:
        tracking.InstanceFollower.instance_sets = others


def _prefer(preferences: Mapping[str, Any]) -> None:
    for name, value in preferences.items():
        brian2.prefs[name] = value


def check_compiler() -> str:
    """Return the C++ compiler; `UnsupportedError` if there is none."""
    compiler = os.environ.get("CXX") or "g++"
    if shutil.which(compiler) is None:
        reason = f"there is no C++ compiler: {compiler!r} is not found (CXX names another)"
        raise UnsupportedError(ENGINE, "target 'standalone'", reason, ALTERNATIVES)
    return compiler


def build_program(network: Any, folder: Path, source: Callable[[], str], dt: float) -> Program:
    """Write the project of a network inside of `standalone_device` and compile it, unless it has been before.

    Parameters
    ----------
    network
        The Brian2 network.
    folder
        An empty folder.
    source
        Gives C++ of one's own, once Brian2 has generated its code. It defines ``void snnrl_attach()`` and
        ``void snnrl_finish()``, which are called before and after the run.
    dt
        Time step in seconds.
    """
    device = brian2.device
    device.insert_code("before_network_run", "void snnrl_attach(); snnrl_attach();")
    device.insert_code("after_network_run", "void snnrl_finish(); snnrl_finish();")
    try:
        network.run(FOREVER * dt * brian2.second, namespace={})
    except brian2.core.base.BrianObjectException as error:
        part = str(error).split("'")[1] if "'" in str(error) else "network"
        reason = " ".join(str(error.__cause__).split())
        raise UnsupportedError(ENGINE, part, f"Brian2 makes no C++ of it: {reason}", ALTERNATIVES) from error
    (folder / _SOURCE).write_text(source())
    device.build(directory=str(folder), compile=False, run=False, additional_source_files=[_SOURCE])
    files = {
        f"{variable.owner.name}.{variable.name}": (
            device.get_array_filename(variable),
            np.dtype(variable.dtype).str,
        )
        for variable in device.arrays
    }
    return Program(_compiled(folder), files)


def _compiled(folder: Path) -> Path:
    """Return the cached folder of this project; compiles it if it is new."""
    place = cache_folder() / f"snnrl_standalone_{_digest(folder)}"
    if (place / "main").exists():
        return place
    _compile(folder)
    for leftover in [*folder.rglob("*.o"), *folder.rglob("*.gch")]:
        leftover.unlink()
    part = Path(tempfile.mkdtemp(prefix=f"{place.name}.part", dir=place.parent))
    shutil.copytree(folder, part, dirs_exist_ok=True)
    try:
        os.replace(part, place)
    except OSError:  # another process was faster
        shutil.rmtree(part, ignore_errors=True)
    return place


def _digest(folder: Path) -> str:
    """Return a hash of everything that is compiled, of the compiler and of the machine it compiles for."""
    found = hashlib.sha256()
    version = subprocess.run([check_compiler(), "--version"], capture_output=True, check=False).stdout
    found.update(version + f"{platform.node()} {platform.machine()}".encode())
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return found.hexdigest()[:20]


def _compile(folder: Path) -> None:
    """Compile and link a project. Brian2's makefile would read its headers twice for each of some fifty files."""
    (folder / _HEADER).write_text("".join(f"#include {name}\n" for name in _HEADERS))
    _call(folder, ["-x", "c++-header", _HEADER, "-o", f"{_HEADER}.gch"])
    sources = sorted(path.relative_to(folder) for path in folder.rglob("*.cpp"))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        calls = [
            ["-include", _HEADER, "-c", str(path), "-o", str(path.with_suffix(".o"))] for path in sources
        ]
        list(pool.map(lambda arguments: _call(folder, arguments), calls))
    _call(folder, [*(str(path.with_suffix(".o")) for path in sources), "-o", "main"])


def _call(folder: Path, arguments: list[str]) -> None:
    command = [check_compiler(), *EXACT, "-I.", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line]
        reason = f"its C++ did not compile: {lines[0] if lines else done.stderr[-300:]}"
        raise UnsupportedError(ENGINE, "target 'standalone'", reason, ALTERNATIVES)
