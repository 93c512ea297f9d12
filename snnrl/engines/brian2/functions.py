"""The random numbers of `snnrl.random` as Brian2 functions, for the targets numpy, cython and cpp.

``rand()`` and ``randn()`` in a model's text become ``counter_rand(site, step)`` and ``counter_randn(site, step)``: each
place in the text that draws has a number, its call site, which stands for a random stream. The fourth thing a number
depends on, the index of the neuron or synapse, comes from Brian2 itself (``auto_vectorise``). ``shared_rand`` and
``shared_randn`` draw one number for the whole population.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl import random
from snnrl.equations.brian import brian2
from snnrl.equations.lowered import LoweredNetwork, LoweredNeurons, LoweredSynapses
from snnrl.equations.statements import Statement

RANDOM_CALL = re.compile(r"\b(randn?)\s*\(\s*\)")

RANDOM_CPP = f"""\
#ifndef SNNRL_RANDOM
#define SNNRL_RANDOM
#include <stdint.h>
static inline uint64_t snnrl_mix(uint64_t z) {{
    z = (z ^ (z >> 30)) * UINT64_C({random._MIX_1});
    z = (z ^ (z >> 27)) * UINT64_C({random._MIX_2});
    return z ^ (z >> 31);
}}
static inline uint32_t snnrl_bits(int64_t base, int64_t step, int64_t index) {{
    const uint64_t key = snnrl_mix((uint64_t)base + ((uint64_t)step + 1) * UINT64_C({random._GOLDEN}));
    uint32_t x = (uint32_t)index * UINT32_C(0x9E3779B1) + (uint32_t)key;
    x = (x ^ (x >> 16)) * UINT32_C(0x7FEB352D);
    x = ((x ^ (x >> 15)) + (uint32_t)(key >> 32)) * UINT32_C(0x846CA68B);
    return x ^ (x >> 16);
}}
static inline double snnrl_uniform(int64_t base, int64_t step, int64_t index) {{
    return (double)snnrl_bits(base, step, index) * {2.0**-32!r};
}}
static inline double snnrl_normal(int64_t base, int64_t step, int64_t index) {{
    const uint32_t x = snnrl_bits(base, step, index);
    const uint32_t dither = (((x * UINT32_C(0x2C1B3C6D)) ^ (x >> 13)) * UINT32_C(0x297A2D39)) >> 8;
    uint32_t ones = x - ((x >> 1) & UINT32_C(0x55555555));
    ones = (ones & UINT32_C(0x33333333)) + ((ones >> 2) & UINT32_C(0x33333333));
    ones = (((ones + (ones >> 4)) & UINT32_C(0x0F0F0F0F)) * UINT32_C(0x01010101)) >> 24;
    return ((double)ones - 16.5 + (double)dither * {2.0**-24!r}) * {random.NORMAL_SCALE!r};
}}
#endif
"""
"""The functions of `snnrl.random` in C++; ``base`` is `snnrl.random.stream_base`."""

_KERNELS = {"rand": "snnrl_uniform", "randn": "snnrl_normal"}


class Streams:
    """The random streams of a network, one per call site, and the functions that draw from them.

    Parameters
    ----------
    network
        The lowered network: the call sites are numbered in the order of its statements.
    seed
        The agent.

    Attributes
    ----------
    names
        Name of the stream of each call site, without the prefix of a phase.
    bases
        `snnrl.random.stream_base` of each, int64: what compiled code reads. It changes in place with the phase, so
        that no code has to be made anew.
    """

    def __init__(self, network: LoweredNetwork, seed: int) -> None:
        self.seed, self.names = seed, list[str]()
        self.first: dict[str, int] = {}
        for neurons in network.neurons:
            self._add_neurons(neurons)
        for synapses in network.synapses:
            self._add_synapses(synapses)
        self.bases = np.zeros(max(len(self.names), 1), dtype=np.int64)
        self.select("")

    def _add_neurons(self, neurons: LoweredNeurons) -> None:
        self._add(f"{neurons.name}/update", neurons.update)
        self._add(f"{neurons.name}/threshold", [Statement("", neurons.threshold)])
        self._add(f"{neurons.name}/reset", neurons.reset)
        for number, statement in enumerate(neurons.on_step):
            self._add(f"{neurons.name}/on_step/{number}", [statement])

    def _add_synapses(self, synapses: LoweredSynapses) -> None:
        self._add(f"{synapses.name}/clock", synapses.clock_update)
        for event in ("on_pre", "on_post", "on_reward"):
            self._add(f"{synapses.name}/{event}", getattr(synapses, event))

    def _add(self, code: str, statements: Iterable[Statement]) -> None:
        """Give numbers to the call sites of one piece of code, such as ``"critic/update"``."""
        self.first[code] = len(self.names)
        calls = sum(len(RANDOM_CALL.findall(statement.expression)) for statement in statements)
        self.names += [f"{code}/{call}" for call in range(calls)]

    def select(self, prefix: str) -> None:
        """Draw from the streams whose names begin with ``prefix``."""
        self.ids = [random.stream_id(prefix + name) for name in self.names]
        bases = [random.stream_base(self.seed, stream) for stream in self.ids]
        self.bases[: len(bases)] = np.array(bases, dtype=np.uint64).view(np.int64)

    def functions(self) -> dict[str, Any]:
        """Return the Brian2 functions by name, for the namespace of a group."""
        return {
            f"{owner}_{kind}": self._function(f"{owner}_{kind}", kind, owner == "shared")
            for owner in ("counter", "shared")
            for kind in _KERNELS
        }

    def _function(self, name: str, kind: str, shared: bool) -> Any:
        def draw(site: int, step: int, index: Any = 0) -> Any:
            return self._draw(kind, site, step, index)

        function = brian2.Function(draw, arg_units=[1, 1], return_unit=1, arg_types=["integer", "integer"],
                                   stateless=shared, auto_vectorise=not shared)  # fmt: skip
        function.implementations.add_implementation("numpy", draw)
        arrays = {f"{name}_streams": self.bases}
        for target, text in (("cython", _cython(name, kind, shared)), ("cpp", _cpp(name, kind, shared))):
            function.implementations.add_implementation(target, text, arrays, name=name)
        return function

    def _draw(self, kind: str, site: int, step: int, index: Any) -> NDArray[np.float64]:
        numbers = random.uniform if kind == "rand" else random.normal
        places = np.asarray(index)
        drawn = numbers(self.seed, self.ids[int(site)], int(step), int(places.max(initial=-1)) + 1)
        return np.asarray(drawn[places])


def _cython(name: str, kind: str, shared: bool) -> str:
    quoted = "\n".join(f"    {line}" for line in RANDOM_CPP.splitlines())
    last, index = ("", "0") if shared else (", int64_t index", "index")
    return f'''\
cdef extern from *:
    """
{quoted}
    """
    double _{name} "{_KERNELS[kind]}"(int64_t, int64_t, int64_t)

cdef double {name}(int64_t site, int64_t step{last}) noexcept:
    global _namespace{name}_streams
    return _{name}(_namespace{name}_streams[site], step, {index})
'''


def _cpp(name: str, kind: str, shared: bool) -> str:
    last, index = ("", "0") if shared else (", const int64_t index", "index")
    return f"""\
{RANDOM_CPP}
static inline double {name}(const int64_t site, const int64_t step{last}) {{
    return {_KERNELS[kind]}(_namespace{name}_streams[site], step, {index});
}}
"""


def _chosen(flag: Any, new: Any, old: Any) -> Any:
    return np.where(flag, new, old)


def choose() -> Any:
    """Return the function ``choose(flag, new, old)``: ``new`` where the flag is true, else ``old``."""
    function = brian2.Function(_chosen, arg_units=[bool, None, "new"], arg_names=["flag", "new", "old"],
                               return_unit=lambda flag, new, old: new)  # fmt: skip
    texts = {
        "cython": "cdef double choose(bint flag, double new, double old) noexcept:\n    return new if flag else old\n",
        "cpp": "static inline double choose(const bool flag, const double now, const double old) "
               "{ return flag ? now : old; }\n",
    }  # fmt: skip
    function.implementations.add_implementation("numpy", _chosen)
    for target, text in texts.items():
        function.implementations.add_implementation(target, text, name="choose")
    return function
