"""The converters of SpikingJelly and BindsNET on a given ReLU network and given states, in a process of their own.

``python -m benchmarks.conversion_peers NAME IN.npz OUT.npz``: the input has the layers of two chains (``policy_0_weight``,
...), ``calibration``, ``states`` and ``steps``; the output has, for every setting, what the last layer says at each of these
times, ``[steps, states, outputs]``, as ``SETTING/policy`` and ``SETTING/value``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PERCENTILES = (99.0, 99.9, 100.0)
BATCH = 1000


def chain(arrays: Any, name: str) -> nn.Sequential:
    """Return a chain of Linear and ReLU layers."""
    n = sum(key.startswith(f"{name}_") and key.endswith("_weight") for key in arrays.files)
    layers: list[nn.Module] = []
    for k in range(n):
        weight, bias = (
            torch.as_tensor(arrays[f"{name}_{k}_{part}"], dtype=torch.float32) for part in ("weight", "bias")
        )
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
        layers += [linear, nn.ReLU()] if k < n - 1 else [linear]
    return nn.Sequential(*layers)


def spikingjelly(net: nn.Sequential, calibration: Tensor) -> dict[str, Callable[[Tensor, list[int]], Tensor]]:
    """Return runners of SpikingJelly's converter: rate coding at three percentiles, and local threshold balancing.

    The readout is the running mean of the last linear layer, as in its examples.
    """
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based.ann2snn import (
        FXConverter,
        LocalThresholdBalancingRecipe,
        RateCodingRecipe,
    )

    batches = [(part, torch.zeros(len(part))) for part in calibration.split(BATCH)]
    recipes = {
        ("Max" if p == 100.0 else f"{p}%"): RateCodingRecipe(batches, mode="Max" if p == 100.0 else f"{p}%")
        for p in PERCENTILES
    }
    recipes["local threshold balancing"] = LocalThresholdBalancingRecipe(batches * 20)

    def runner(recipe: Any) -> Callable[[Tensor, list[int]], Tensor]:
        converted = FXConverter(recipe, device="cpu").convert(net)

        def run(states: Tensor, steps: list[int]) -> Tensor:
            functional.reset_net(converted)
            total, found = torch.zeros(len(states), 1), []
            for t in range(max(steps)):
                total = total + converted(states)
                if t + 1 in steps:
                    found.append(total / (t + 1))
            return torch.stack(found)

        return run

    return {name: runner(recipe) for name, recipe in recipes.items()}


def bindsnet(net: nn.Sequential, calibration: Tensor) -> dict[str, Callable[[Tensor, list[int]], Tensor]]:
    """Return runners of BindsNET's converter at three percentiles.

    The readout is what the last layer has summed (`sum_input`), all layers in one step (`one_step`); the chain is a child
    of a module, because only then BindsNET normalises it.
    """
    from bindsnet.conversion import ann_to_snn
    from bindsnet.network.monitors import Monitor

    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain = net

        def forward(self, x: Tensor) -> Tensor:
            return self.chain(x)

    def runner(percentile: float) -> Callable[[Tensor, list[int]], Tensor]:
        with torch.no_grad():
            unit = float(np.percentile(net(calibration), percentile))  # what BindsNET divides the outputs by
        made = ann_to_snn(
            Holder(), input_shape=(calibration.shape[1],), data=calibration, percentile=percentile
        )
        last = list(made.layers)[-1]

        def run(states: Tensor, steps: list[int]) -> Tensor:
            monitor = Monitor(made.layers[last], ["summed"], time=max(steps), batch_size=len(states))
            made.add_monitor(monitor, "summed")
            for layer in made.layers.values():
                layer.set_batch_size(len(states))
            made.reset_state_variables()
            made.run({"Input": states.repeat(max(steps), 1, 1)}, time=max(steps), one_step=True)
            summed = monitor.get("summed")
            return torch.stack([unit * summed[t - 1] / t for t in steps])

        return run

    return {f"{p:g} %": runner(p) for p in PERCENTILES}


def main(name: str, source: str, target: str) -> None:
    """Run every setting of one converter on all states."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    arrays = np.load(source)
    calibration, states = (torch.as_tensor(arrays[k], dtype=torch.float32) for k in ("calibration", "states"))
    steps = [int(t) for t in arrays["steps"]]
    found: dict[str, NDArray[Any]] = {"version": np.array(version(name))}
    for part in ("policy", "value"):
        made = {"spikingjelly": spikingjelly, "bindsnet": bindsnet}[name](chain(arrays, part), calibration)
        for setting, run in made.items():
            with torch.no_grad():
                parts = [run(batch, steps) for batch in states.split(BATCH)]
            found[f"{setting}/{part}"] = torch.cat(parts, dim=1).numpy()
    np.savez(target, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
