"""An independent look at a core file: whether it obeys the chip and the constraints of training.

This module shares no code with the mapping. It reads the JSON file on its own and counts everything anew:

* every core has at most 256 axons and 256 neurons, axon types 0 to 3, delays 1 to 15;
* every weight is -1, 0 or 1: a synapse weighs +-1, and no neuron is connected to both axons of an input;
* fan-in: no neuron has more than 128 synapses;
* binary, without memory: threshold, floor and reset are 0, V saturates, so that V is 0 after every tick;
* fan-out: one target per neuron (the file has room for no more), which exists; no axon has two sources; and
  none that a synapse uses has no source;
* alignment: whatever reaches a core is equally old, and the outputs are as old as the file says; each output
  is there once.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from snnrl.errors import InvalidValueError

CORES_PER_CHIP = 4096
MAX_ARRAY = 2**30
"""Most bytes of one array that are looked at."""


@dataclass(frozen=True)
class Report:
    """What the check found.

    Parameters
    ----------
    cores, chips, splitters
        Cores with splitters, chips of 4096 cores, and splitters.
    axons_used, neurons_used
        Axons with a source, and neurons.
    fan_in_max
        Most synapses of a neuron.
    violations
        What is wrong, in words; empty if nothing is.
    """

    cores: int
    chips: int
    splitters: int
    axons_used: int
    neurons_used: int
    fan_in_max: int
    violations: list[str] = field(default_factory=list)


def check(path: Path) -> Report:
    """Check a core file.

    Raises
    ------
    InvalidValueError
        It cannot be read as a core file at all.
    """
    try:
        content = json.loads(path.read_bytes())
        return _Check(content).report()
    except OSError as error:
        raise InvalidValueError(
            "core file", str(path), f"a file that can be read ({error.strerror})"
        ) from error
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError, zlib.error) as error:
        got = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InvalidValueError(f"core file {path}", got, "a core file written by snnrl") from None


class _Check:
    """The content of a file, unpacked, and the checks on it."""

    def __init__(self, content: dict[str, Any]) -> None:
        if content["format"] != "snnrl-truenorth-cores" or content["version"] != 1:
            raise ValueError("another format or version")
        self.latency, self.outputs = int(content["latency"]), int(content["outputs"])
        self.types = {name: _array(packed) for name, packed in content["types"].items()}
        self.cores = {name: _array(packed) for name, packed in content["cores"].items()}
        self.links = {name: _array(packed) for name, packed in content["links"].items()}
        self.n = len(self.cores["type"])
        self.n_axons = self.types["axons"][self.cores["type"]].astype(np.int64)
        self.n_neurons = self.types["neurons"][self.cores["type"]].astype(np.int64)
        self.core = np.repeat(np.arange(self.n), self.n_neurons)  # of each neuron
        self.target = self.cores["target_core"].astype(np.int64)
        self.axon = self.cores["target_axon"].astype(np.int64)
        self.delay = self.cores["delay"].astype(np.int64)
        if not len(self.core) == len(self.target) == len(self.axon) == len(self.delay):
            raise ValueError("neurons and targets differ in number")
        self.connected = np.unpackbits(self.types["crossbar"], axis=1, bitorder="little").astype(bool)
        self.inside = self.target >= 0

    def report(self) -> Report:
        """Count and check."""
        violations = [*self.sizes()]
        if not violations:  # else the numbers point nowhere
            violations = [*self.synapses(), *self.neurons(), *self.targets()]
        used = np.zeros(0, np.int64) if violations else np.unique(self.sources())
        if not violations:
            violations += [*self.sourceless(used), *self.alignment()]
        fan_in = self.connected.sum(axis=1)
        splitters = int(self.cores["splitter"].astype(bool).sum())
        chips = -(-self.n // CORES_PER_CHIP)
        return Report(
            self.n, chips, splitters, len(used), len(self.core), int(fan_in.max(initial=0)), violations
        )

    def sizes(self) -> Iterator[str]:
        """Check what everything else relies on."""
        if self.n_axons.max(initial=0) > 256 or self.n_neurons.max(initial=0) > 256:
            yield "a core has more than 256 axons or neurons"
        if self.types["axon_types"].max(initial=0) > 3:
            yield "an axon has a type above 3"
        if not np.all((self.delay >= 1) & (self.delay <= 15)):
            yield "a delay is not 1 to 15"
        if not np.all((self.target >= -2) & (self.target < self.n)):
            yield "a target core does not exist"
        elif np.any(self.axon[self.inside] < 0) or np.any(
            self.axon[self.inside] >= self.n_axons[self.target[self.inside]]
        ):
            yield "a target axon does not exist"
        if np.any(self.links["axon"] < 0) or np.any(self.links["axon"] >= self.n_axons[self.links["core"]]):
            yield "an input link leads to an axon that does not exist"

    def synapses(self) -> Iterator[str]:
        """Check that weights are ternary and fan-in is at most 128."""
        axon_ends = np.cumsum(self.types["axons"].astype(np.int64))
        ends = np.cumsum(self.types["neurons"].astype(np.int64))
        for k, (size, end) in enumerate(zip(self.types["neurons"], ends, strict=True)):
            rows = self.connected[end - size : end, : self.types["axons"][k]]
            kinds = self.types["axon_types"][axon_ends[k] - self.types["axons"][k] : axon_ends[k]]
            weights = self.types["weights"][end - size : end][:, kinds]  # of every axon
            if np.any(np.abs(weights[rows]) != 1):
                yield f"type {k}: a synapse weighs something else than -1 or 1"
            if rows.any(axis=0).size and len(np.unique(kinds)) > 1 and np.any(rows[:, 0::2] & rows[:, 1::2]):
                yield f"type {k}: a neuron is connected to both axons of an input"
            if rows.sum(axis=1).max(initial=0) > 128:
                yield f"type {k}: a neuron has more than 128 inputs"

    def neurons(self) -> Iterator[str]:
        """Check that neurons forget."""
        for name in ("threshold", "floor", "reset", "mode"):
            if np.any(self.types[name] != 0):
                yield f"a neuron's {name} is not 0: it would remember"
        if not np.all(self.types["saturates"] == 1):
            yield "a neuron's potential does not stop at its floor: it would remember"
        if np.any(np.abs(self.types["leak"].astype(np.int64)) > 255):
            yield "a leak does not fit nine bits"

    def sources(self) -> Any:
        """Return every axon that something leads to, as core * 256 + axon."""
        on_chip = self.target[self.inside] * 256 + self.axon[self.inside]
        return np.concatenate([on_chip, self.links["core"].astype(np.int64) * 256 + self.links["axon"]])

    def targets(self) -> Iterator[str]:
        """Check that no axon has two sources and every output is there once."""
        if len(np.unique(self.sources())) != len(self.sources()):
            yield "an axon has two sources"
        numbers = np.sort(self.axon[self.target == -2])
        if len(numbers) != self.outputs or np.any(numbers != np.arange(self.outputs)):
            yield "an output is missing or there twice"

    def sourceless(self, used: Any) -> Iterator[str]:
        """Check that every axon with synapses has a source."""
        has_source = np.zeros((self.n, 256), bool)
        has_source.ravel()[used] = True
        ends = np.cumsum(self.types["neurons"].astype(np.int64))
        sizes = self.types["neurons"].astype(np.int64)
        needed = np.array([self.connected[e - s : e].any(axis=0) for s, e in zip(sizes, ends, strict=True)])
        if np.any(needed[self.cores["type"]] & ~has_source):
            yield "a synapse is on an axon that nothing leads to"

    def alignment(self) -> Iterator[str]:
        """Check that spikes of one frame meet."""
        edges = np.unique(np.stack((self.core, self.target, self.delay))[:, self.inside], axis=1)
        source, target, delay = edges
        age = np.full(self.n, -1)
        age[self.links["core"]] = 0
        for _ in range(self.n):
            ready = (age[source] >= 0) & (age[target] < 0)
            if not ready.any():
                break
            age[target[ready]] = age[source[ready]] + delay[ready]
        if np.any(age[target] != age[source] + delay):
            yield "spikes of different frames meet on a core"
        if np.any(age[self.core[self.target == -2]] != self.latency):
            yield "an output does not come after the latency"


def _array(packed: dict[str, Any]) -> Any:
    raw = zlib.decompressobj().decompress(base64.b64decode(packed["zlib"], validate=True), MAX_ARRAY)
    return np.frombuffer(raw, packed["type"]).reshape(packed["shape"])
