"""Cores in the format of RANC, an open simulator of TrueNorth-like hardware (UA-RCL/RANC, MIT licence).

RANC reads a JSON file of packets and cores; a packet's or neuron's ``destination_tick`` 0 is the next tick.
130 kB per core, so this is for small networks. Cores stand row by row on a square grid with one cell more,
the output bus.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snnrl.errors import InvalidValueError
from snnrl.networks.truenorth.chip import NOWHERE, OUTPUT, Chip, CoreType
from snnrl.networks.truenorth.cores import AXONS, NEURONS


def to_ranc(chip: Chip, spikes: ArrayLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return RANC's configuration and input: cores, and packets for frames that come tick by tick.

    Parameters
    ----------
    chip
        The cores; their neurons must forget (`CoreType.stateless`), because RANC resets in its own way.
    spikes
        Input spikes, ``[frames, inputs]``.

    Raises
    ------
    InvalidValueError
        A neuron remembers.
    """
    if any(np.any(part) for t in chip.types for part in (t.threshold, t.floor, t.reset, t.mode)):
        raise InvalidValueError("neurons for RANC", "some that remember", "stateless ones")
    side = math.ceil(math.sqrt(chip.n_cores + 1))
    places = np.stack(np.divmod(np.arange(chip.n_cores + 1), side)[::-1], axis=1)
    bus = places[-1]
    configuration = {
        "num_neurons": NEURONS, "num_axons": AXONS, "num_cores_x": side, "num_cores_y": side, "num_weights": 4,
        "max_tick_offset": 16, "neuron_block_trace_verbosity": 0, "core_controller_trace_verbosity": 0,
        "scheduler_trace_verbosity": 0, "neuron_reset_type": 0,
    }  # fmt: skip
    content = {
        "packets": [_packets(chip, frame, places) for frame in np.asarray(spikes, dtype=bool)],
        "output_bus": {"coordinates": bus.tolist(), "num_outputs": chip.n_outputs},
        "cores": [_core(chip, number, places) for number in range(chip.n_cores)],
    }
    return configuration, content


def _packets(chip: Chip, frame: Any, places: Any) -> list[dict[str, Any]]:
    links = np.flatnonzero(frame[chip.input_sources])
    return [
        {
            "destination_core": places[chip.input_cores[link]].tolist(),
            "destination_axon": int(chip.input_axons[link]),
            "destination_tick": 0,
        }
        for link in links
    ]


def _core(chip: Chip, number: int, places: Any) -> dict[str, Any]:
    kind = chip.types[chip.core_types[number]]
    connections = np.zeros((NEURONS, AXONS), int)
    connections[: len(kind.leak), : len(kind.axon_types)] = kind.crossbar
    axons = np.zeros(AXONS, int)
    axons[: len(kind.axon_types)] = kind.axon_types
    return {
        "axons": axons.tolist(),
        "neurons": [_neuron(chip, kind, number, neuron, places) for neuron in range(NEURONS)],
        "connections": connections.tolist(),
        "coordinates": places[number].tolist(),
    }


def _neuron(chip: Chip, kind: CoreType, core: int, neuron: int, places: Any) -> dict[str, Any]:
    """Return one neuron. Unused ones never reach 0; those that nobody reads are silenced likewise."""
    target = int(chip.target_cores[core, neuron])
    speaks = neuron < len(kind.leak) and target != NOWHERE
    offset = places[-1 if target == OUTPUT else target] - places[core] if speaks else np.zeros(2, int)
    return {
        "reset_potential": 0,
        "weights": kind.weights[neuron].tolist() if speaks else [0, 0, 0, 0],
        "leak": int(kind.leak[neuron]) if speaks else -1,
        "positive_threshold": 0,
        "negative_threshold": 0,
        "destination_core_offset": offset.tolist(),
        "destination_axon": int(chip.target_axons[core, neuron]) if speaks else 0,
        "destination_tick": int(chip.delays[core, neuron]) - 1 if speaks else 0,
        "current_potential": 0,
        "reset_mode": 0,
    }
