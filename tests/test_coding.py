"""Encoders and decoders against values worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from snnrl.coding import (
    FirstSpikeAction,
    FirstSpikeLatency,
    GaussianPopulation,
    PlaceCells,
    PopulationValue,
    Readout,
    SignedRate,
    SoftmaxAction,
    SpikeCountAction,
)
from snnrl.errors import InvalidValueError

# ---------------------------------------------------------------------- encoders


def test_signed_rate() -> None:
    """Bounded: 0.5/2 = 0.25 and clipped at -1. Unbounded: tanh(1)."""
    code = SignedRate("in", "drive", (2.0, 1.0, 3.0), (True, True, False), peak=4.0)
    np.testing.assert_allclose(
        code.encode([0.5, -7.0, 3.0]), [1.0, 0.0, 0.0, 4.0, 4.0 * math.tanh(1.0), 0.0], rtol=1e-15
    )
    assert code.size == 6
    np.testing.assert_array_equal(code.encode([0.0, 0.0, 0.0]), np.zeros(6))


def gaussians(z: float, count: int, reach: float, width: float) -> np.ndarray:
    centres = np.linspace(-reach, reach, count)
    return np.exp(-0.5 * ((z - centres) / (width * (centres[1] - centres[0]))) ** 2)


def test_gaussian_population_by_hand() -> None:
    """Three centres -1, 0, 1, width one spacing; z = 0.5 is half a spacing from two of them."""
    code = GaussianPopulation("in", "drive", (2.0,), (True,), 2.0, (3,))
    half, far = math.exp(-0.125), math.exp(-0.5 * 1.5**2)
    np.testing.assert_allclose(code.encode([1.0]), [2.0 * far, 2.0 * half, 2.0 * half], rtol=1e-14)


@pytest.mark.parametrize("x", [-1e9, -3.0, -0.3, 0.0, 0.123, 0.8, 40.0])
def test_gaussian_population_is_its_formula(x: float) -> None:
    code = GaussianPopulation("in", "drive", (1.0, 0.5), (True, False), 3.0, (5, 8), (0.9, 0.6), 0.7)
    expected = [gaussians(min(max(x, -1), 1), 5, 0.9, 0.7), gaussians(math.tanh(x / 0.5), 8, 0.6, 0.7)]
    np.testing.assert_allclose(code.encode([x, x]), 3.0 * np.concatenate(expected), rtol=1e-12, atol=1e-290)
    assert code.size == 13


def test_place_cells_are_products_with_the_last_variable_fastest() -> None:
    code = PlaceCells(
        "in", "drive", (1.0, 2.0, 1.0), (True, True, False), 5.0, (2, 4, 3), (1.0, 0.8, 0.5), 0.9
    )
    assert code.size == 24
    rows = [
        gaussians(0.3, 2, 1.0, 0.9),
        gaussians(-0.35, 4, 0.8, 0.9),
        gaussians(math.tanh(0.4), 3, 0.5, 0.9),
    ]
    expected = 5.0 * np.einsum("i,j,k->ijk", *rows).ravel()
    np.testing.assert_allclose(code.encode([0.3, -0.7, 0.4]), expected, rtol=1e-13)


def test_first_spike_latency() -> None:
    """At a centre g = 1, latency 0; one spacing away exp(-1/2); below the cut-off never."""
    code = FirstSpikeLatency("in", "latency", (1.0,), (True,), 0.02, (5,), (1.0,), 1.0)
    latency = code.encode([0.0])
    beside = 0.02 * (1 - math.exp(-0.5))
    np.testing.assert_allclose(latency[1:4], [beside, 0.0, beside], rtol=1e-12)
    assert (latency[[0, 4]] < 0.02).all()  # exp(-2) = 0.135 is above 0.09
    narrow = FirstSpikeLatency("in", "latency", (1.0,), (True,), 0.02, (5,), (1.0,), 0.5)
    assert (narrow.encode([0.0])[[0, 4]] > 1.0).all()


def test_one_number_stands_for_every_variable() -> None:
    code = PlaceCells("in", "drive", (1.0, 1.0), (True, True), 1.0, (4,), (0.8,))
    assert code.counts == (4, 4)
    assert code.reach == (0.8, 0.8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SignedRate("a", "b", (1.0,), (True, False)), r"SignedRate\.bounded: got \(True, False\), allowed: 1 booleans"),
        (lambda: SignedRate("a", "b", (), ()), r"SignedRate\.bounded"),
        (lambda: SignedRate("a", "b", (0.0,), (True,)), r"SignedRate\.scale: got \(0\.0,\), allowed: positive finite"),
        (lambda: SignedRate("a", "b", (1.0,), (True,), peak=math.nan), r"SignedRate\.peak: got nan"),
        (lambda: GaussianPopulation("a", "b", (1.0,), (True,), 1.0, (1,)), r"GaussianPopulation\.counts: got \(1,\)"),
        (lambda: GaussianPopulation("a", "b", (1.0,), (True,), 1.0, (2.5,)), r"counts: got \(2\.5,\)"),  # type: ignore[arg-type]
        (lambda: PlaceCells("a", "b", (1.0,), (True,), 1.0, (3,), (-0.5,)), r"PlaceCells\.reach: got \(-0\.5,\)"),
        (lambda: PlaceCells("a", "b", (1.0,), (True,), 1.0, (3,), (0.5,), 0.0), r"PlaceCells\.width: got 0\.0"),
        (lambda: PlaceCells("a", "b", (1.0, 1.0, 1.0), (True,) * 3, 1.0, (3, 4)), r"PlaceCells\.counts: got \(3, 4\)"),
        (lambda: GaussianPopulation("a", "b", (1.0, 1.0, 1.0), (True,) * 3, 1.0, (3,), (1.0, 1.0)), r"reach: got \(1\.0, 1\.0\)"),
        (lambda: FirstSpikeLatency("a", "b", (1.0,), (True,), 0.02, (3,), (1.0,), 1.0, cutoff=1.5), r"cutoff: got 1\.5"),
    ],
)  # fmt: skip
def test_encoders_refuse_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        call()


# ---------------------------------------------------------------------- decoders

GROUPS = ("a", "b", "c")


def decide(decoder: Any, counts: Any, first: Any = None, uniform: float = 0.0) -> int:
    firsts = np.full(len(counts), -1) if first is None else np.asarray(first)
    return int(type(decoder).function(np.asarray(counts, float), firsts, uniform, 20.0, decoder.packed()))


@pytest.mark.parametrize(("counts", "action"), [([3, 1], 0), ([1, 3], 1), ([0, 0, 2], 2), ([5, 4, 4], 0)])
def test_most_spikes_win(counts: list[int], action: int) -> None:
    decoder = SpikeCountAction(GROUPS[: len(counts)])
    assert [decide(decoder, counts, uniform=u) for u in (0.0, 0.5, 0.999)] == [action] * 3


@pytest.mark.parametrize(
    ("counts", "actions"),
    [([2, 2], [0, 0, 1, 1]), ([0, 0], [0, 0, 1, 1]), ([4, 1, 4], [0, 0, 2, 2]), ([1, 4, 4], [1, 1, 2, 2])],
)
def test_ties_and_silence_are_broken_evenly(counts: list[int], actions: list[int]) -> None:
    decoder = SpikeCountAction(GROUPS[: len(counts)])
    assert [decide(decoder, counts, uniform=u) for u in (0.0, 0.49, 0.5, 0.999)] == actions


def test_silence_of_three_is_broken_in_thirds() -> None:
    decoder = SpikeCountAction(GROUPS)
    assert [decide(decoder, [0, 0, 0], uniform=u) for u in (0.3, 0.34, 0.66, 0.67)] == [0, 1, 1, 2]


def test_softmax_probabilities() -> None:
    """Counts 1, 2 at temperature 1: the first group has 1/(1 + e); at 0.5 it has 1/(1 + e^2)."""
    for temperature in (1.0, 0.5):
        share = 1.0 / (1.0 + math.exp(1.0 / temperature))
        decoder = SoftmaxAction(("a", "b"), temperature)
        assert decide(decoder, [1, 2], uniform=share - 1e-9) == 0
        assert decide(decoder, [1, 2], uniform=share + 1e-9) == 1
    three = SoftmaxAction(GROUPS)
    assert [decide(three, [0, 0, 0], uniform=u) for u in (0.33, 0.34, 0.66, 0.67, 1 - 2**-32)] == [
        0,
        1,
        1,
        2,
        2,
    ]
    assert decide(three, [5000, 0, 0], uniform=0.999) == 0  # no overflow


@pytest.mark.parametrize(
    ("first", "actions"),
    [([4, 9], [0, 0]), ([9, 4], [1, 1]), ([-1, 4], [1, 1]), ([0, -1], [0, 0]), ([4, 4], [0, 1]), ([-1, -1], [0, 1]),
     ([3, 7, 3], [0, 2]), ([-1, -1, 19], [2, 2]), ([-1, -1, -1], [0, 2])],
)  # fmt: skip
def test_first_spike_wins(first: list[int], actions: list[int]) -> None:
    decoder = FirstSpikeAction(GROUPS[: len(first)])
    assert [decide(decoder, [0] * len(first), first, u) for u in (0.1, 0.9)] == actions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("critic", ("critic", 0, None, 80)),
        ("out[40:80]", ("out", 40, 80, 40)),
        ("out[0:1]", ("out", 0, 1, 1)),
    ],
)
def test_readout_of_a_part(text: str, expected: tuple[Any, ...]) -> None:
    readout = Readout.parse(text)
    assert (readout.population, readout.start, readout.stop, readout.size(80)) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SpikeCountAction(("only",)), r"SpikeCountAction\.populations: got \('only',\), allowed: two or more"),
        (lambda: SoftmaxAction(("a", "b"), 0.0), r"SoftmaxAction\.temperature: got 0\.0"),
        (lambda: PopulationValue("critic", smoothing=0.0), r"PopulationValue\.smoothing: got 0\.0, allowed: 0 < smoothing <= 1"),
        (lambda: PopulationValue("critic", smoothing=1.5), r"PopulationValue\.smoothing: got 1\.5"),
        (lambda: PopulationValue("critic", scale=-1.0), r"PopulationValue\.scale: got -1\.0"),
        (lambda: Readout.parse("out[3:3]"), r"'out\[3:3\]'.*start < stop"),
        (lambda: Readout.parse("out[a:b]"), r"name\[start:stop\]"),
        (lambda: Readout.parse("out[4:9]").size(8), r"'out\[4:9\]', allowed: at most 8 neurons"),
        (lambda: Readout.parse("out[9:12]").size(8), r"at most 8 neurons"),
    ],
)  # fmt: skip
def test_decoders_refuse_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        call()
