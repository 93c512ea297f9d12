"""The runtime targets numpy and cython: what compiles the code, and the preferences of the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.device import RuntimeDevice, get_device

from snnrl.engines.brian2.checks import refuse
from snnrl.equations.brian import brian2
from snnrl.errors import InvalidValueError

TARGETS = ("numpy", "cython")


def code_object(target: str) -> Any:
    """Return Brian2's class of compiled code for a target, if it works here."""
    if target == "standalone":
        raise refuse("target='standalone'", "a compiled program is not asked for anything while it runs",
                     "target='numpy' or 'cython' here; snnrl.simulate and snnrl.train run the program")  # fmt: skip
    if target not in TARGETS:
        raise InvalidValueError("engine.target", target, "numpy, cython or standalone")
    if not isinstance(get_device(), RuntimeDevice):
        raise refuse(f"target={target!r}", "another Brian2 device is active",
                     "brian2.set_device('runtime') first, or target='standalone'")  # fmt: skip
    if target == "numpy":
        return NumpyCodeObject
    if not CythonCodeObject.is_available():
        raise refuse("target='cython'", "no C++ compiler, or Cython, works here",
                     "target='numpy', a C++ compiler on the PATH, or the engine fast")  # fmt: skip
    return CythonCodeObject


@contextmanager
def preferences() -> Iterator[None]:
    """Set the target of the code whose class cannot be given, for the time being; the user's preference comes back.

    That code makes connections and queues spikes, one call of a method each: nothing to compile. Ctrl-C is left to
    Python: Brian2 would end the present run quietly and let the training go on.
    """
    prefs = brian2.prefs
    before = prefs.codegen.target, prefs.core.stop_on_keyboard_interrupt
    prefs.codegen.target, prefs.core.stop_on_keyboard_interrupt = "numpy", False
    try:
        yield
    finally:
        prefs.codegen.target, prefs.core.stop_on_keyboard_interrupt = before
