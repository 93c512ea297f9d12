"""What ``snnrl info FILE`` shows of a packed student and of a core file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from snnrl.cli.text import print_table

if TYPE_CHECKING:
    from snnrl.networks.truenorth.integer import IntegerNetwork

SAMPLE = 20
"""Frames of noise on which spikes are counted."""


def show_file(path: Path, figure: Path | None = None) -> dict[str, Any]:
    """Print a student or a core file, draw it if asked, and return what was printed.

    Raises
    ------
    InvalidValueError
        The file is neither, or is damaged.
    """
    from snnrl.networks.truenorth.student_file import MAGIC

    with path.open("rb") as file:
        packed = file.read(len(MAGIC)) == MAGIC
    return _show_student(path, figure) if packed else _show_cores(path, figure)


def _show_student(path: Path, figure: Path | None) -> dict[str, Any]:
    from snnrl.networks.truenorth import IntegerNetwork, plan_cores

    network = IntegerNetwork.load(path)
    spec = network.spec
    plan = plan_cores(spec)
    numbers: dict[str, Any] = {
        "student": spec.name,
        "input": [spec.channels, spec.side, spec.side],
        "differences": network.signed_input,
        "actions": network.n_actions,
        "parameters": spec.parameters,
        "neurons": spec.neurons,
        "multiply_accumulates": spec.multiply_accumulates,
        "sees_rows_and_columns": spec.visible,
        "bytes": path.stat().st_size,
        "cores": plan.cores,
        "splitters": plan.splitters,
    }
    print_table(str(path), ("", "value"), [(k.replace("_", " "), _text(v)) for k, v in numbers.items()])
    spikes = _spikes(network)
    cores = {layer.index: layer.cores + layer.splitters for layer in plan.layers}
    layers = _student_layers(network, spikes.mean(axis=0), cores)
    if figure is not None:
        from snnrl.figures.style import write_png
        from snnrl.figures.truenorth import activity_figure

        rates = spikes / np.array([place.neurons for place in spec.places()])
        names = [str(place.index) for place in spec.places()]
        write_png(lambda: activity_figure(rates, names), figure)
    print()
    print_table(
        f"layers; spikes: mean over {SAMPLE} frames of noise", tuple(k.replace("_", " ") for k in layers[0]),
        [[_text(v) for v in layer.values()] for layer in layers],
    )  # fmt: skip
    return {**numbers, "layers": layers}


def _spikes(network: IntegerNetwork) -> NDArray[np.int64]:
    """Return the spikes of each layer on frames of noise, ``[frames, layers]``."""
    from snnrl.engines.truenorth.packed import PackedNetwork

    spec, rng = network.spec, np.random.default_rng(0)
    low = -255 if network.signed_input else 0
    frames = rng.integers(low, 256, (SAMPLE, spec.channels, spec.side, spec.side)).astype(np.int16)
    return PackedNetwork(network).layer_spikes(frames)


def _student_layers(
    network: IntegerNetwork, spikes: NDArray[np.float64], cores: dict[int, int]
) -> list[dict[str, Any]]:
    rows = zip(network.spec.places(), network.layers, network.constant_features(), spikes, strict=True)
    return [
        {
            "layer": place.index,
            "features": place.layer.features,
            "kernel": place.layer.kernel,
            "stride": place.layer.stride,
            "groups": place.layer.groups,
            "side": place.output_side,
            "fan_in": place.fan_in,
            "zero_weights": f"{np.mean(layer.weights == 0):.0%}",
            "constant_features": sum(len(features) for features in constant),
            "cores": cores.get(place.index, "off chip"),
            "spikes": round(float(mean), 1),
        }
        for place, layer, constant, mean in rows
    ]


def _show_cores(path: Path, figure: Path | None) -> dict[str, Any]:
    from dataclasses import asdict

    from snnrl.networks.truenorth import checker, core_file

    chip = core_file.read(path)
    if figure is not None:
        from snnrl.figures.style import write_png
        from snnrl.figures.truenorth import chip_figure

        write_png(lambda: chip_figure(chip), figure)
    numbers = {
        "student": chip.name,
        **asdict(checker.check(path)),
        "inputs": chip.n_inputs,
        "outputs": chip.n_outputs,
    }
    numbers |= {"latency_ticks": chip.latency, "core_types": len(chip.types), "bytes": path.stat().st_size}
    shown = {**numbers, "violations": "; ".join(numbers["violations"]) or "none"}
    print_table(str(path), ("", "value"), [(k.replace("_", " "), _text(v)) for k, v in shown.items()])
    layers = [
        {
            "layer": int(index),
            "cores": int(np.sum((chip.layers == index) & ~chip.splitters)),
            "splitters": int(np.sum((chip.layers == index) & chip.splitters)),
            "neurons": int(chip.n_neurons[chip.layers == index].sum()),
        }
        for index in np.unique(chip.layers)
    ]
    print()
    rows = [[_text(v) for v in layer.values()] for layer in layers]
    print_table("layers", ("layer", "cores", "splitters", "neurons"), rows)
    return {**numbers, "layers": layers}


def _text(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
