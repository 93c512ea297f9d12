"""A NIR graph written by snnrl in Norse and in snnTorch: spikes of every hidden layer, in a process of its own.

``python -m benchmarks.conversion_nir_peers NAME GRAPH.nir IN.npz OUT.npz``: the input has ``states`` ``[states, variables]`` and
``steps``; the output has ``hidden_1``, ..., each ``[states, steps, neurons]``. snnTorch 1.0 makes a leaky neuron of every IF
(``beta = 0.9``, reset by subtraction), so leak and reset are set to those of the graph; Norse is run as it imports.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import nir
import numpy as np
import torch


def norse(graph: nir.NIRGraph, steps: int) -> Any:
    """Return a function from the current state to the spikes of every layer, as Norse imports the nodes."""
    from norse.torch.utils.import_nir import _import_norse_module

    return [(name, _import_norse_module(graph.nodes[name])) for name in _chain(graph)]


def snntorch(graph: nir.NIRGraph, steps: int) -> Any:
    """Return the modules that snnTorch imports, leak and reset set to those of the graph."""
    from snntorch.import_nir import _nir_to_snntorch_module

    reset = json.loads(graph.metadata["snnrl"])["reset"]
    made = [(name, _nir_to_snntorch_module(graph.nodes[name])) for name in _chain(graph)]
    for _, module in made:
        if hasattr(module, "beta"):
            module.beta = torch.ones_like(module.beta)
            module.reset_mechanism = reset
    return made


def _chain(graph: nir.NIRGraph) -> list[str]:
    following, name, names = dict(graph.edges), next(iter(graph.inputs)), []
    while following[name] != "readout":
        name = following[name]
        names.append(name)
    return names


def run(
    modules: list[tuple[str, torch.nn.Module]], states: torch.Tensor, steps: int
) -> dict[str, np.ndarray]:
    """Return the spikes by layer."""
    memory: dict[str, Any] = {}
    found: dict[str, list[torch.Tensor]] = {name: [] for name, _ in modules if name.startswith("hidden")}
    for _ in range(steps):
        x = states
        for name, module in modules:
            if name in found:
                arguments = (x, memory[name]) if memory.get(name) is not None else (x,)
                x, memory[name] = module(*arguments)
                found[name].append(x)
            else:
                x = module(x)
    return {name: torch.stack(spikes, dim=1).numpy() != 0 for name, spikes in found.items()}


def main(name: str, source: str, given: str, target: str) -> None:
    """Import the graph and run it."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    graph, arrays = nir.read(source), np.load(given)
    steps = int(arrays["steps"])
    with torch.no_grad():
        states = torch.as_tensor(arrays["states"], dtype=torch.float32)
        spikes = run({"norse": norse, "snntorch": snntorch}[name](graph, steps), states, steps)
    np.savez(target, **spikes)


if __name__ == "__main__":
    main(*sys.argv[1:])
