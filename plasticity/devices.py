"""The devices that can learn, by name, and their spread set with one number."""

from __future__ import annotations

from dataclasses import fields, replace

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.plasticity.device import Device
from snnrl.plasticity.nanocomposite import NANOCOMPOSITE, Nanocomposite
from snnrl.plasticity.parylene import PARYLENE, Parylene
from snnrl.plasticity.vteam import VTEAM, VTEAM_MEMTORCH, VTEAM_SYNAPSE

__all__ = [
    "NANOCOMPOSITE",
    "PARYLENE",
    "VTEAM",
    "VTEAM_MEMTORCH",
    "VTEAM_SYNAPSE",
    "Device",
    "Nanocomposite",
    "Parylene",
    "make",
    "names",
]

_PRESETS: dict[str, Device] = {"vteam": VTEAM_SYNAPSE, "parylene": PARYLENE, "nanocomposite": NANOCOMPOSITE}
_ALIASES = {"ppx": "parylene", "nc": "nanocomposite"}
_RANGE_DTOD = 0.1
_UPDATE_STD = 0.1


def names() -> list[str]:
    """Names that :func:`make` knows (``ppx`` and ``nc`` are accepted for parylene and nanocomposite)."""
    return sorted(_PRESETS)


def make(name: str, spread: float = 0.3, **overrides: float | str) -> Device:
    """Return the device `name`.

    Parameters
    ----------
    name
        One of :func:`names`.
    spread
        Device-to-device spread of thresholds and of rates, relative. Above zero it also brings 10 % spread
        of the conductance range and 10 % cycle to cycle; zero means identical, noise-free devices.
    overrides
        Fields of the device that differ from the preset.
    """
    key = _ALIASES.get(name, name)
    if key not in _PRESETS:
        raise UnknownNameError("device", name, _PRESETS)
    if not 0 <= spread < 1:
        raise InvalidValueError("spread", spread, "0 <= spread < 1 (0.3 is 30 %)")
    values: dict[str, float | str] = {"threshold_dtod": spread, "rate_dtod": spread}
    if spread > 0:
        values |= {"range_dtod": _RANGE_DTOD, "update_std": _UPDATE_STD}
    known = [f.name for f in fields(_PRESETS[key])]
    for field in overrides:
        if field not in known:
            raise UnknownNameError(f"{name} parameter", field, known)
    return replace(_PRESETS[key], **(values | overrides))  # type: ignore[arg-type]
