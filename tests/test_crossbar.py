"""Crossbars: the device, the array, hand-worked pulses, thresholds, and the random number generator's registers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from snnrl.errors import DeviceRangeError, InvalidValueError
from snnrl.plasticity import Rectangular
from snnrl.plasticity.al2o3 import AL2O3, Al2O3
from snnrl.plasticity.crossbar import MINUS, PLUS, Crossbar
from snnrl.plasticity.crossbar_random import (
    CASR_BITS,
    LFSR_BITS,
    HardwareRandom,
    casr_seed,
    casr_step,
    lfsr_seed,
    lfsr_step,
)
from snnrl.random import bits as random_bits
from snnrl.random import stream_id

# ---------------------------------------------------------------------- device


def test_soft_bounds_stop_at_the_bound_ahead_and_are_nominal_at_mid_range() -> None:
    pulse = Rectangular(AL2O3.v_write / 2, AL2O3.write_width)
    u = np.array([0.0, 0.25, 0.5, 1.0])
    assert AL2O3.pulse_step(u, True, pulse) == pytest.approx(AL2O3.rate * np.array([2.0, 1.5, 1.0, 0.0]))
    assert AL2O3.pulse_step(u, False, pulse) == pytest.approx(AL2O3.rate * np.array([0.0, 0.5, 1.0, 2.0]))
    hard = dataclasses.replace(AL2O3, saturation=0.0)
    assert hard.pulse_step(u, True, pulse) == pytest.approx(np.full(4, AL2O3.rate))


def test_step_grows_exponentially_with_voltage_and_linearly_with_length() -> None:
    at = Rectangular(1.5, 5e-4)
    higher, longer = Rectangular(1.6, 5e-4), Rectangular(1.5, 1e-3)
    step = AL2O3.pulse_step(0.3, True, at)
    assert AL2O3.pulse_step(0.3, True, higher) == pytest.approx(step * math.exp(AL2O3.slope * 0.2))
    assert AL2O3.pulse_step(0.3, True, longer) == pytest.approx(2 * step)


@pytest.mark.parametrize("up", [True, False])
def test_text_is_the_pulse_step(up: bool) -> None:
    device, pulse, u = (
        dataclasses.replace(AL2O3, saturation=0.4),
        Rectangular(1.7, 2e-3),
        np.linspace(0, 1, 7),
    )
    assert eval(device.pulse_step_text("u", up, pulse), {"u": u}) == pytest.approx(
        device.pulse_step(u, up, pulse)
    )


@pytest.mark.parametrize(
    ("case", "low", "high"), [("ideal", 2.25, 2.25), ("30%", 1.575, 2.925), ("full", 1.0, 5.5)]
)
def test_thresholds_fill_the_range_of_their_case(case: str, low: float, high: float) -> None:
    drawn = Al2O3(thresholds=case).draw_thresholds(seed=4, size=4000)
    assert drawn.shape == (2, 4000)
    assert np.all((drawn >= low) & (drawn <= high))
    # Uniform: mean within five standard errors, (high - low)/sqrt(12 n).
    assert drawn.mean(axis=1) == pytest.approx(
        (low + high) / 2, abs=5 * (high - low) / math.sqrt(12 * 4000) + 1e-12
    )
    if high > low:
        assert np.ptp(drawn) > 0.995 * (high - low)
        assert abs(np.corrcoef(drawn)[0, 1]) < 5 / math.sqrt(4000)
        assert not np.array_equal(drawn, Al2O3(thresholds=case).draw_thresholds(seed=5, size=4000))


def test_a_lower_threshold_switches_faster() -> None:
    assert AL2O3.speed([2.25, 1.25, 3.25]) == pytest.approx([1.0, math.exp(0.3), math.exp(-0.3)])
    with pytest.raises(InvalidValueError, match="volts above 0"):
        AL2O3.speed([1.0, 0.0])


@pytest.mark.parametrize(
    ("field", "value"),
    [("rate", 0.0), ("rate", 0.5), ("saturation", 1.1), ("slope", -0.1), ("thresholds", "20%"), ("g_max", 1e-6),
     ("v_threshold", -1.0)],
)  # fmt: skip
def test_a_device_out_of_range_is_one_line(field: str, value: object) -> None:
    with pytest.raises(InvalidValueError, match=rf"^Al2O3\.{field}: got .*, allowed: .*$"):
        Al2O3(**{field: value})


# ---------------------------------------------------------------------- array


def test_programmed_weights_are_symmetric_and_come_back_exactly() -> None:
    crossbar, w = Crossbar(3, 2, AL2O3), np.random.default_rng(0).uniform(-1.7, 1.7, (3, 2))
    crossbar.program(w)
    assert np.array_equal(crossbar.weights, w)
    plus, minus = crossbar.conductances
    middle = (AL2O3.g_min + AL2O3.g_max) / 2
    assert plus + minus == pytest.approx(np.full((3, 2), 2 * middle), rel=1e-12)
    assert np.all(crossbar.conductances >= AL2O3.g_min)
    assert np.all(crossbar.writes == 1)


def test_currents_are_the_matrix_product_in_ampere() -> None:
    crossbar = Crossbar(2, 2, AL2O3)
    crossbar.program([[1.7, -1.7], [0.0, 0.85]])
    # A weight of w_max is the whole range, 90 uS: 0.1 V on row 0 gives 9 uA, 0.2 V on row 1 half of 18 uA.
    assert crossbar.read([0.1, 0.2]) == pytest.approx([9e-6, 0.0], abs=1e-15)


def test_ideal_pairs_hold_the_same_numbers_as_a_plain_array() -> None:
    rng = np.random.default_rng(1)
    w = rng.uniform(-0.1, 0.1, (4, 3))
    crossbar = Crossbar(4, 3, w_max=1.3)
    crossbar.program(w)
    at_bounds = 0
    for _ in range(400):
        change = rng.normal(0.0, 0.1, (4, 3))
        crossbar.add(change)
        w = np.clip(w + change, -1.3, 1.3)
        assert np.array_equal(crossbar.weights, w)
        at_bounds += int((np.abs(w) == 1.3).sum())
    assert at_bounds > 100


def test_manhattan_steps_on_a_2_by_2_crossbar_by_hand() -> None:
    device = Al2O3(saturation=1.0)
    crossbar = Crossbar(2, 2, device, w_max=2.0)
    crossbar.program([[0.0, 1.0], [-0.4, 2.0]])
    crossbar.manhattan([1, -1], [1, -1], step=0.1)
    # Rows (+, -) and columns (+, -): up, down / down, up. Bounds at u = +-1, half step 0.05, window 1 -+ u.
    plus = [[0.05, 0.5 - 0.05 * 1.5], [-0.2 - 0.05 * 0.8, 1.0 + 0.05 * 0.0]]
    minus = [[-0.05, -0.5 + 0.05 * 1.5], [0.2 + 0.05 * 0.8, -1.0 - 0.05 * 0.0]]
    assert crossbar.u[PLUS] == pytest.approx(np.array(plus))
    assert crossbar.u[MINUS] == pytest.approx(np.array(minus))
    assert crossbar.weights == pytest.approx(np.array([[0.1, 0.85], [-0.48, 2.0]]))
    assert np.all(crossbar.writes == 2)  # ex situ, and one pulse


def test_lines_at_rest_are_not_written() -> None:
    crossbar = Crossbar(2, 3)
    crossbar.manhattan([1, 0], [-1, 0, 1], step=0.2)
    assert crossbar.weights == pytest.approx(np.array([[-0.2, 0, 0.2], [0, 0, 0]]))
    assert crossbar.writes.tolist() == [[[1, 0, 1], [0, 0, 0]]] * 2


def test_thresholds_scale_set_and_reset_of_each_device() -> None:
    device = Al2O3(slope=1.0, saturation=0.0)
    thresholds = np.full((2, 2, 1, 1), 2.25)
    thresholds[0, PLUS], thresholds[1, MINUS] = 1.25, 3.25  # set of plus is quick, reset of minus slow
    crossbar = Crossbar(1, 1, device, thresholds=thresholds)
    crossbar.pulse(0, 0, 0.02)
    assert crossbar.u[:, 0, 0] == pytest.approx([0.01 * math.e, -0.01 / math.e])
    crossbar.pulse(0, 0, -0.02)
    assert crossbar.u[:, 0, 0] == pytest.approx([0.01 * math.e - 0.01, -0.01 / math.e + 0.01])


def test_variable_amplitude_is_proportional_at_mid_range() -> None:
    crossbar = Crossbar(2, 2, AL2O3)
    wanted = np.array([[1e-3, -2e-3], [0.0, 4e-5]])
    crossbar.variable_amplitude(wanted)
    assert crossbar.weights == pytest.approx(wanted)
    assert crossbar.writes[PLUS].tolist() == [[1, 1], [0, 1]]


def test_pulses_never_leave_the_conductance_range() -> None:
    for saturation in (0.0, 1.0):
        crossbar = Crossbar(1, 1, Al2O3(saturation=saturation))
        for _ in range(100):
            crossbar.pulse(0, 0, 0.3)
        assert crossbar.weights[0, 0] <= 1.7
        assert crossbar.weights[0, 0] == pytest.approx(1.7, rel=1e-2)
        assert crossbar.conductances.max() <= AL2O3.g_max * (1 + 1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Crossbar(0, 2), InvalidValueError, "rows, columns"),
        (lambda: Crossbar(1, 2, w_max=-1.0), InvalidValueError, "w_max"),
        (
            lambda: Crossbar(2, 2).program(np.zeros((2, 3))),
            InvalidValueError,
            r"got \(2, 3\), allowed: shape \(2, 2\)",
        ),
        (lambda: Crossbar(1, 1).program([[1.8]]), DeviceRangeError, r"got 1\.8, allowed: -1\.7 to 1\.7"),
        (lambda: Crossbar(1, 1).program([[math.nan]]), DeviceRangeError, "got nan"),
        (lambda: Crossbar(1, 2, AL2O3, thresholds=np.ones((2, 2, 1, 1))), InvalidValueError, "thresholds"),
    ],
)
def test_what_a_crossbar_refuses(call: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------------- random numbers

LFSR_FACTORS = (431, 9719, 2099863)
CASR_FACTORS = (223, 616318177)


def power(step: Callable[[int], int], bits: int, exponent: int) -> list[int]:
    """Columns of the matrix of ``exponent`` steps over GF(2), by squaring the matrix of one."""

    def times(columns: list[int], vector: int) -> int:
        total = 0
        for i in range(bits):
            if vector >> i & 1:
                total ^= columns[i]
        return total

    result = [1 << i for i in range(bits)]
    square = [step(1 << i) for i in range(bits)]
    while exponent:
        if exponent & 1:
            result = [times(square, column) for column in result]
        square = [times(square, column) for column in square]
        exponent >>= 1
    return result


@pytest.mark.parametrize(
    ("step", "bits", "factors"), [(lfsr_step, LFSR_BITS, LFSR_FACTORS), (casr_step, CASR_BITS, CASR_FACTORS)]
)
def test_registers_have_the_longest_period(
    step: Callable[[int], int], bits: int, factors: tuple[int, ...]
) -> None:
    full, identity = 2**bits - 1, [1 << i for i in range(bits)]
    assert math.prod(factors) == full
    assert all(factor % d for factor in factors for d in range(2, math.isqrt(factor) + 1))  # primes
    assert power(step, bits, full) == identity
    for factor in factors:
        assert power(step, bits, full // factor) != identity


def test_registers_are_linear_and_follow_their_rules() -> None:
    rng = np.random.default_rng(0)
    for step, bits in ((lfsr_step, LFSR_BITS), (casr_step, CASR_BITS)):
        for a, b in rng.integers(1, 2**bits, (50, 2)):
            assert step(int(a) ^ int(b)) == step(int(a)) ^ step(int(b))
    assert lfsr_step(1 << 42) == (1 << 41 | 1 << 20 | 1 << 1 | 1)
    assert casr_step(1) == 2  # null boundary: nothing comes round
    assert casr_step(1 << 36) == 1 << 35
    assert casr_step(1 << 28) == (1 << 29 | 1 << 28 | 1 << 27)  # rule 150
    assert casr_step(1 << 27) == (1 << 28 | 1 << 26)  # rule 90


def test_bytes_are_uniform_and_uncorrelated() -> None:
    n = 60_000
    drawn = HardwareRandom(lfsr=0x123456789AB, casr=0xABCDEF12).bytes(n).astype(float)
    assert drawn.mean() == pytest.approx(127.5, abs=5 * 256 / math.sqrt(12 * n))
    assert drawn.var() == pytest.approx((256**2 - 1) / 12, rel=5 * math.sqrt(0.8 / n))
    chi2 = float((((np.bincount(drawn.astype(int), minlength=256) - n / 256) ** 2) / (n / 256)).sum())
    assert abs(chi2 - 255) < 5 * math.sqrt(2 * 255)
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 5 / math.sqrt(n)


def test_seeds_fill_the_registers_and_are_never_zero() -> None:
    ones = 0xFFFFFFFF
    assert (lfsr_seed(ones, ones), casr_seed(ones, ones)) == (2**LFSR_BITS - 1, 2**CASR_BITS - 1)
    assert (lfsr_seed(0, 0), casr_seed(0, 0)) == (1, 1)
    assert lfsr_seed(1, 1 << 31) == (1 << 11 | 1 << 10)
    assert casr_seed(1, 1 << 31) == (1 << 5 | 1 << 4)
    words = random_bits(5, stream_id("some"), 3, 4).tolist()
    seeded = HardwareRandom.seeded(5, "some", 3)
    assert (seeded.lfsr, seeded.casr) == (lfsr_seed(*words[:2]), casr_seed(*words[2:]))


def test_a_register_at_zero_is_refused() -> None:
    with pytest.raises(
        InvalidValueError, match=r"^HardwareRandom\.lfsr: got 0, allowed: 1 to 8796093022207$"
    ):
        HardwareRandom(lfsr=0)
    with pytest.raises(InvalidValueError, match="casr"):
        HardwareRandom(casr=1 << 37)
