"""Options of the torch engine, checked."""

from __future__ import annotations

import torch

from snnrl.errors import InvalidValueError, UnsupportedError

DTYPES = {"float64": torch.float64, "float32": torch.float32}


def torch_dtype(name: str) -> torch.dtype:
    """Return the precision called ``name``."""
    if name not in DTYPES:
        raise InvalidValueError("engine.dtype", name, ", ".join(DTYPES))
    return DTYPES[name]


def check_options(device: torch.device, surrogate: bool, compile: bool, graphs: bool) -> None:
    """Raise `UnsupportedError` for options that do not go together."""
    if graphs and device.type != "cuda":
        raise UnsupportedError("torch", "graphs=True", f"CUDA graphs do not exist on the device {device.type!r}",
                               "graphs=False, or device='cuda'")  # fmt: skip
    if surrogate and (compile or graphs):
        raise UnsupportedError("torch", "surrogate", "gradients are not recorded by compile=True or graphs=True",
                               "compile=False and graphs=False")  # fmt: skip


def torch_device(name: str) -> torch.device:
    """Return the device called ``name``.

    Raises
    ------
    InvalidValueError
        If there is no such kind of device.
    UnsupportedError
        If it is a CUDA device and torch finds none, or not so many.
    """
    allowed = "'cpu', 'cuda' or 'cuda:N'"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InvalidValueError("engine.device", name, allowed) from error
    if device.type not in ("cpu", "cuda"):
        raise InvalidValueError("engine.device", name, allowed)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        found = "no CUDA device" if count == 0 else f"only {count} CUDA devices"
        raise UnsupportedError("torch", f"device {name!r}", f"torch {torch.__version__} finds {found}",
                               "device='cpu', or the engine 'fast'")  # fmt: skip
    return device
