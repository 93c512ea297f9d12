"""Pulses on tiles of IBM aihwkit. Runs in aihwkit's own Python (`benchmarks.environments`), which has no snnrl.

Reads cases as JSON from standard input and writes for each the weights after every update, ``[updates, rows, columns]``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

CERTAIN = 100.0
"""Learning rate in steps: so large that no pulse of the stochastic trains is left out."""


def device_of(case: dict[str, Any]) -> Any:
    """Return the aihwkit device of a case: no spread, no noise, bounds -1 and 1."""
    from aihwkit.simulator import configs

    plain = {"dw_min": case["step"], "dw_min_dtod": 0.0, "dw_min_std": 0.0, "up_down": 0.0, "up_down_dtod": 0.0,
             "w_max": 1.0, "w_min": -1.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}  # fmt: skip
    if case["device"] == "ConstantStepDevice":
        return configs.ConstantStepDevice(**plain)
    if case["device"] == "SoftBoundsDevice":
        return configs.SoftBoundsDevice(**plain, mult_noise=False)
    return configs.LinearStepDevice(
        **plain, gamma_up=case["saturation"], gamma_down=case["saturation"], gamma_up_dtod=0.0, gamma_down_dtod=0.0,
        mult_noise=False, allow_increasing=False,
    )  # fmt: skip


def tile_of(case: dict[str, Any]) -> Any:
    """Return a tile with the case's start, on which one update is one pulse of every device."""
    import torch
    from aihwkit.simulator.configs import SingleRPUConfig
    from aihwkit.simulator.tiles.analog import AnalogTile

    config = SingleRPUConfig(device=device_of(case))
    config.update.desired_bl = 1
    config.update.update_bl_management = config.update.update_management = False
    start = torch.tensor(case["start"]).T.contiguous()  # aihwkit: [columns, rows]
    tile = AnalogTile(*start.shape, config)
    tile.set_learning_rate(CERTAIN * case["step"])
    hidden = tile.get_hidden_parameters()
    for way in ("up", "down"):
        speed = torch.tensor(case[way]).T.contiguous()
        for name in (f"dwmin_{way}", f"slope_{way}"):
            if name in hidden:
                hidden[name] = hidden[name] * speed
    tile.set_hidden_parameters(hidden)
    tile.set_weights(start)
    return tile


def respond(case: dict[str, Any]) -> list[Any]:
    """Return the weights after every update of a case."""
    import torch

    tile, found = tile_of(case), []
    for rows, columns in zip(case["row_signs"], case["column_signs"], strict=True):
        tile.update(torch.tensor([rows]), -torch.tensor([columns]))  # aihwkit descends
        found.append(tile.get_weights()[0].T.tolist())
    return found


def main() -> int:
    """Answer the cases."""
    from importlib.metadata import version

    versions = {name: version(name) for name in ("aihwkit", "torch")}
    json.dump({"versions": versions, "weights": [respond(case) for case in json.load(sys.stdin)]}, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
