"""Counter-based random numbers: distribution, independence, golden values, and the kernel's own arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from snnrl import random

N = 200_000
SEEDS = 5
"""Tests look at ``SEEDS * N`` numbers; bounds are five standard errors."""
STREAM = random.stream_id("critic/update/0")
LARGEST_NORMAL = 16.5 * random.NORMAL_SCALE


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    return np.concatenate([random.normal(seed, STREAM, seed + 3, N) for seed in range(SEEDS)])


@pytest.fixture(scope="module")
def uniforms() -> np.ndarray:
    return np.concatenate([random.uniform(seed, STREAM, seed + 3, N) for seed in range(SEEDS)])


def binomial_dither_moment(order: int) -> float:
    """Moment of (Binomial(32, 1/2) - 16 + U(-1/2, 1/2)) in units of its standard deviation, by its definition."""
    from scipy.special import comb

    weights = comb(32, np.arange(33)) / 2.0**32
    edges = np.arange(33) - 16.0
    moments = ((edges + 0.5) ** (order + 1) - (edges - 0.5) ** (order + 1)) / (order + 1)
    return float((weights * moments).sum() * random.NORMAL_SCALE**order)


def test_variance_and_kurtosis_are_those_stated() -> None:
    assert binomial_dither_moment(2) == pytest.approx(1.0, rel=1e-12)
    assert binomial_dither_moment(3) == pytest.approx(0.0, abs=1e-12)
    assert binomial_dither_moment(4) - 3.0 == pytest.approx(-0.06, abs=0.005)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
def test_moments_of_normal(normals: np.ndarray, order: int) -> None:
    expected = binomial_dither_moment(order) if order > 1 else 0.0
    error = np.sqrt((binomial_dither_moment(2 * order) - expected**2) / normals.size)
    assert np.mean(normals**order) == pytest.approx(expected, abs=5 * error)


def test_normal_is_bounded_and_fills_its_range(normals: np.ndarray) -> None:
    assert np.abs(normals).max() <= LARGEST_NORMAL
    assert np.abs(normals).max() > 4.0
    assert len(np.unique(normals)) > 0.99 * normals.size


def test_normal_is_close_to_the_normal_distribution(normals: np.ndarray) -> None:
    from scipy.stats import kstest

    assert kstest(normals, "norm").statistic < 0.004  # that of the exact construction is 0.0017


def test_uniform_passes_kolmogorov_smirnov(uniforms: np.ndarray) -> None:
    from scipy.stats import kstest

    assert kstest(uniforms, "uniform").pvalue > 1e-4
    assert uniforms.min() >= 0.0
    assert uniforms.max() < 1.0


def sequences(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of sequences that differ in one coordinate only."""
    draw = random.uniform
    if kind == "index":
        x = draw(1, STREAM, 7, N + 1)
        return x[:-1], x[1:]
    if kind == "step":
        x = np.array([draw(1, STREAM, step, 8) for step in range(N // 8)]).T.copy()
        return x[:, :-1].ravel(), x[:, 1:].ravel()
    if kind == "seed":
        return (np.concatenate([draw(s + d, STREAM, 7, 200) for s in range(1000)]) for d in (0, 1))  # type: ignore[return-value]
    return draw(1, STREAM, 7, N), draw(1, random.stream_id("critic/update/1"), 7, N)


@pytest.mark.parametrize("kind", ["index", "step", "seed", "stream"])
def test_neighbours_are_independent(kind: str) -> None:
    """No correlation of values or of squares, and a flat joint histogram, between neighbours in any coordinate."""
    a, b = sequences(kind)
    bound = 5.0 / np.sqrt(a.size)
    for f in (lambda x: x, np.square, lambda x: (x * 2**16) % 1.0):
        assert abs(np.corrcoef(f(a), f(b))[0, 1]) < bound
    counts = np.histogram2d(a, b, bins=16, range=[[0, 1], [0, 1]])[0]
    chi2 = ((counts - a.size / 256) ** 2 / (a.size / 256)).sum()
    assert abs(chi2 - 255) < 5 * np.sqrt(2 * 255)


def test_each_bit_is_fair() -> None:
    words = random.bits(3, STREAM, 11, N)
    for bit in range(32):
        assert abs(((words >> np.uint32(bit)) & 1).mean() - 0.5) < 5 * 0.5 / np.sqrt(N)


def test_a_number_does_not_depend_on_how_many_are_drawn() -> None:
    assert np.array_equal(random.uniform(5, STREAM, 9, 10), random.uniform(5, STREAM, 9, 1000)[:10])


def test_golden_values() -> None:
    """Written down from this implementation (2026-11): a change would break every saved run."""
    assert random.stream_id("critic/update/0") == 0xCCD101BB
    assert random.stream_base(7, STREAM) == 0x61AC27A3DA6722DF
    assert random.step_key(random.stream_base(7, STREAM), 3) == 0xCC45714EE62BD8D2
    assert random.bits(7, STREAM, 3, 4).tolist() == [1811509099, 988837488, 3475178686, 1862162826]
    assert random.bits(-1, 0, 0, 2).tolist() == [3708065765, 916803724]
    assert random.uniform(7, STREAM, 3, 2).tolist() == [0.42177482950501144, 0.23023166880011559]
    assert random.normal(7, STREAM, 3, 2).tolist() == [2.037822284102533, 0.06243426018612518]


def test_splitmix64_against_its_published_reference() -> None:
    """First outputs of splitmix64.c (Vigna 2015) from state 1234567."""
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [random.step_key(1234567, step) for step in range(3)] == expected


@pytest.fixture(scope="module")
def header() -> dict[str, Any]:
    """Compile the random functions of every kernel."""
    from snnrl.engines.fast.library import header

    names: dict[str, Any] = {}
    exec(header("float64"), names)  # noqa: S102  text of the package
    return names


def test_the_kernel_draws_the_same_numbers_bit_for_bit(header: dict[str, Any]) -> None:
    for seed, step in ((0, 0), (123456789, 99_999), (-5, 2**40)):
        base = np.uint64(random.stream_base(seed, STREAM))
        low, high = header["step_key"](base, np.int64(step))
        assert int(low) | int(high) << 32 == random.step_key(int(base), step)
        for name, draw in (("uniform", random.uniform), ("normal", random.normal)):
            mine = [header[name](low, high, index) for index in range(500)]
            assert mine == draw(seed, STREAM, step, 500).tolist()


def test_first_uniforms_are_those_of_each_stream() -> None:
    seeds, steps = [0, 1, 77, -3], np.array([0, 5, 2**40, 12])
    bases = np.array([random.stream_base(seed, 9) for seed in seeds], dtype=np.uint64)
    wanted = [random.uniform(seed, 9, int(step), 1)[0] for seed, step in zip(seeds, steps, strict=True)]
    np.testing.assert_array_equal(random.first_uniforms(bases, steps), wanted)
