"""The devices that can learn, by name, and their spread set with one number."""

from __future__ import annotations

from dataclasses import fields, replace

from snnrl.errors import InvalidValueError, UnknownNameError
from snnrl.plasticity.al2o3 import AL2O3_SYNAPSE, Al2O3
from snnrl.plasticity.device import Device
from snnrl.plasticity.nanocomposite import NANOCOMPOSITE, Nanocomposite
from snnrl.plasticity.parylene import PARYLENE, Parylene
from snnrl.plasticity.vteam import VTEAM, VTEAM_MEMTORCH, VTEAM_SYNAPSE

__all__ = [
    "AL2O3_SYNAPSE",
    "NANOCOMPOSITE",
    "PARYLENE",
    "VTEAM",
    "VTEAM_MEMTORCH",
    "VTEAM_SYNAPSE",
    "Al2O3",
    "Device",
    "Nanocomposite",
    "Parylene",
    "make",
    "names",
]

_PRESETS: dict[str, Device] = {
    "al2o3": AL2O3_SYNAPSE,
    "nanocomposite": NANOCOMPOSITE,
    "parylene": PARYLENE,
    "vteam": VTEAM_SYNAPSE,
}
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
        of the conductance range and 10 % cycle to cycle; zero means identical, noise-free devices. For ``al2o3``
        the half-width of its uniform thresholds and nothing else, as in Wu et al. 2019; with
        ``thresholds="full"``, 1 to 5.5 V, there is none to give.
    overrides
        Fields of the device that differ from the preset.
    """
    key = _ALIASES.get(name, name)
    if key not in _PRESETS:
        raise UnknownNameError("device", name, _PRESETS)
    if not 0 <= spread < 1:
        raise InvalidValueError("spread", spread, "0 <= spread < 1 (0.3 is 30 %)")
    values = _spread_fields(_PRESETS[key], spread)
    known = [f.name for f in fields(_PRESETS[key])]
    for field in overrides:
        if field not in known:
            raise UnknownNameError(f"{name} parameter", field, known)
    if "thresholds" in overrides and spread > 0:
        raise InvalidValueError("spread", spread, f"0 beside thresholds={overrides['thresholds']}")
    try:
        return replace(_PRESETS[key], **(values | overrides))  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidValueError(
            f"parameters of device {name}", dict(overrides), f"numbers ({error})"
        ) from error


def _spread_fields(device: Device, spread: float) -> dict[str, float | str]:
    """Give the fields that spread means for a device."""
    if isinstance(device, Al2O3):
        return {"thresholds": "spread", "threshold_spread": spread} if spread > 0 else {}
    noise = {"range_dtod": _RANGE_DTOD, "update_std": _UPDATE_STD} if spread > 0 else {}
    return {"threshold_dtod": spread, "rate_dtod": spread, **noise}
