"""Pulse shapes, their superposition, and the weight change against direct integration of the waveform."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from snnrl.errors import InvalidValueError
from snnrl.plasticity import VTEAM, Exponential, Rectangular, Triangular
from snnrl.plasticity.pulses import Pulse, overlap_window, superpose, tent
from snnrl.plasticity.vteam import VTEAM_SYNAPSE

MS = 1e-3
HARD = dataclasses.replace(VTEAM_SYNAPSE, k_on=-20.0, k_off=20.0, window="none")
BIOLEK = dataclasses.replace(
    VTEAM_SYNAPSE, k_on=-60.0, k_off=60.0, window="biolek", p=2, alpha_on=2.0, alpha_off=2.0
)


def direct(device: VTEAM, pulse: Pulse, delta_t: float, u: float) -> float:
    """Integrate the VTEAM equation over the superposed waveform with scipy, independently of the package."""
    from scipy.integrate import solve_ivp

    def rate(t: float, y: np.ndarray) -> list[float]:
        v = pulse.leading * float(pulse.voltage(t) - pulse.voltage(t - delta_t))
        x = min(max(1 - y[0], 0.0), 1.0)
        f_off, f_on = (1 - x ** (2 * device.p), 1 - (1 - x) ** (2 * device.p))
        if device.window == "none":
            f_off = f_on = 1.0
        if v > device.v_off:
            return [-device.k_off * (v / device.v_off - 1) ** device.alpha_off * f_off]
        if v < device.v_on:
            return [-device.k_on * (v / device.v_on - 1) ** device.alpha_on * f_on]
        return [0.0]

    start, stop = pulse.breaks[0] + min(delta_t, 0), pulse.breaks[-1] + max(delta_t, 0)
    solution = solve_ivp(rate, (start, stop), [u], method="RK23", max_step=2e-5, rtol=1e-6, atol=1e-9)
    return float(solution.y[0, -1]) - u


def test_rectangular_shape() -> None:
    pulse = Rectangular(0.7, 0.01)
    times = np.array([-0.1, 0, 9.9, 10, 19.9, 20]) * MS
    assert pulse.voltage(times) == pytest.approx([0, -0.7, -0.7, 0.7, 0.7, 0])


def test_triangular_shape() -> None:
    pulse = Triangular(0.8, 0.01)
    times = np.array([-1, 0, 2.5, 5, 10, 15, 17.5, 20, 21]) * MS
    assert pulse.voltage(times) == pytest.approx([0, 0, -0.4, -0.8, 0, 0.8, 0.4, 0, 0], abs=1e-12)


def test_exponential_shape() -> None:
    pulse = Exponential(a_plus=0.9, a_minus=0.5, t_plus=0.005, t_minus=0.05, tau_plus=0.002, tau_minus=0.02)
    end = math.exp(-2.5)
    assert pulse.voltage(-0.002) == pytest.approx(0.9 * (math.exp(-1) - end) / (1 - end))
    assert pulse.voltage(0.02) == pytest.approx(-0.5 * (math.exp(-1) - end) / (1 - end))
    assert pulse.voltage(-1e-12) == pytest.approx(0.9, rel=1e-6)
    assert pulse.voltage(1e-12) == pytest.approx(-0.5, rel=1e-6)
    assert np.all(pulse.voltage(np.array([-0.006, -0.005, 0.05, 0.06])) == 0)


def test_superposition_is_pre_minus_shifted_post() -> None:
    pulse = Rectangular(0.7, 0.01)
    times = np.array([2, 7, 12, 17, 22]) * MS
    assert superpose(pulse, pulse, 5 * MS, times) == pytest.approx([-0.7, 0, 1.4, 0, -0.7])


def test_tent() -> None:
    assert tent(np.array([0, 3, -3, 10, 15, -15, 20, 25]) * MS, 0.01) == pytest.approx(
        np.array([0, 3, 3, 10, 5, 5, 0, 0]) * MS
    )


@pytest.mark.parametrize(
    ("delta_t", "expected"), [(1, 0.008), (5, 0.04), (10, 0.08), (15, 0.04), (20, 0.0), (0, 0.0)]
)
def test_facts_5_4(delta_t: float, expected: float) -> None:
    """v_th = 1 V, k = 0.02/ms, alpha = 1, V0 = 0.7 V, T = 10 ms: 0.008 per ms of overlap, odd in delta_t."""
    pulse = Rectangular(0.7, 0.01)
    assert overlap_window(HARD, pulse, delta_t * MS) == pytest.approx(expected, abs=1e-14)
    assert overlap_window(HARD, pulse, -delta_t * MS) == pytest.approx(-expected, abs=1e-14)


@pytest.mark.parametrize("delta_t", [4, -4, 14, -14, 22])
@pytest.mark.parametrize("amplitude", [0.8, 1.3])
def test_closed_form_against_direct_integration(delta_t: float, amplitude: float) -> None:
    """Above 1 V a line alone switches too: every phase of the waveform counts, in its order."""
    device = dataclasses.replace(HARD, v_limit=3.0)
    pulse = Rectangular(amplitude, 0.01)
    change = overlap_window(device, pulse, delta_t * MS, 0.4)
    assert change == pytest.approx(direct(device, pulse, delta_t * MS, 0.4), abs=3e-4)
    assert (abs(change) > 0.01) == (abs(delta_t) < 20)


@pytest.mark.parametrize("delta_t", [3, -3, 8, -8, 16])
@pytest.mark.parametrize(
    "pulse",
    [Rectangular(0.8, 0.01), Triangular(0.9, 0.01), Exponential(0.9, 0.6)],
    ids=lambda p: type(p).__name__,
)
def test_numerical_window_against_direct_integration(pulse: Pulse, delta_t: float) -> None:
    change = overlap_window(BIOLEK, pulse, delta_t * MS, 0.6)
    assert change == pytest.approx(direct(BIOLEK, pulse, delta_t * MS, 0.6), abs=1e-4)


@pytest.mark.parametrize("pulse", [Rectangular(0.8, 0.01), Triangular(0.95, 0.01), Exponential(0.95, 0.6)])
def test_causal_pairs_raise_the_conductance(pulse: Pulse) -> None:
    assert overlap_window(BIOLEK, pulse, 8 * MS) > 1e-3
    assert overlap_window(BIOLEK, pulse, -8 * MS) < -1e-3


def test_saturation_stops_at_the_bounds() -> None:
    device = dataclasses.replace(HARD, k_on=-1e4, k_off=1e4)
    pulse = Rectangular(0.8, 0.01)
    assert overlap_window(device, pulse, 0.01, 0.3) == pytest.approx(0.7)
    assert overlap_window(device, pulse, -0.01, 0.3) == pytest.approx(-0.3)


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidValueError, match=r"Rectangular.width"):
        Rectangular(0.5, 0.0)
    with pytest.raises(InvalidValueError, match=r"Exponential.a_minus"):
        Exponential(a_minus=-1.0)
    with pytest.raises(InvalidValueError, match=r"overlap_window.u"):
        overlap_window(HARD, Rectangular(), 0.01, 1.2)
