"""The machine on which a measurement was made."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path


def describe(device: str = "cpu") -> dict[str, str | int | float]:
    """Return processor, cores, memory, load, system, Python and date, for a results file; with cuda the GPU too."""
    return {
        **(_gpu() if device == "cuda" else {}),
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": len(usable_cores()) or os.cpu_count() or 1,
        "memory_gib": _memory_gib(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else -1.0,
        "system": platform.platform(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _gpu() -> dict[str, str | int | float]:
    import torch

    properties = torch.cuda.get_device_properties(0)
    return {"gpu": properties.name, "gpu_memory_gib": round(properties.total_memory / 2**30, 1)}


def usable_cores() -> list[int]:
    """Return the cores this process may use, empty where the system does not pin processes."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _first(path: str, key: str) -> str:
    """Return the value of the first ``key : value`` line of a file under /proc, or nothing."""
    file = Path(path)
    if not file.exists():
        return ""
    lines = (line for line in file.read_text().splitlines() if line.startswith(key))
    return next(lines, ":").split(":", 1)[1].strip()


def _memory_gib() -> float:
    kilobytes = _first("/proc/meminfo", "MemTotal").split()
    return round(int(kilobytes[0]) / 2**20, 1) if kilobytes else 0.0
