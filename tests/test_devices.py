"""Devices against the published windows (facts, section 3), the VTEAM equations, and their own range."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from snnrl.errors import DeviceRangeError, InvalidValueError, UnknownNameError
from snnrl.plasticity import VTEAM, Nanocomposite, Parylene, Rectangular, devices
from snnrl.plasticity.vteam import VTEAM_MEMTORCH, VTEAM_SYNAPSE

MS = 1e-3
NC_WINDOW = {
    1: 0.14694, 5: 0.14615, 10: 0.14359, 20: 0.11943, 26.73: 0.07377, 40: 0.00804, 60: 0.000115,
    -1: -0.09739, -5: -0.09540, -10: -0.09006, -22.33: -0.04962, -40: -0.00364,
}  # fmt: skip
PPX_WINDOW = {
    10: (0.033498, 0.041796, 0.101292, 0.245482, 0.306289),
    39.63: (0.083119, 0.103708, 0.251338, 0.609120, 0.760001),
    -10: (-0.009766, -0.017741, -0.193182, -2.103573, -3.821248),
    -18.53: (-0.012695, -0.023061, -0.251113, -2.734387, -4.967154),
}


@pytest.mark.parametrize(("delta_t", "expected"), NC_WINDOW.items())
def test_nanocomposite_window(delta_t: float, expected: float) -> None:
    device = Nanocomposite()
    assert device.stdp(delta_t * MS, 1.0) == pytest.approx(expected, abs=6e-6)
    assert device.stdp(delta_t * MS, 0.3) == pytest.approx(0.3 * device.stdp(delta_t * MS, 1.0), rel=1e-12)


@pytest.mark.parametrize(("delta_t", "expected"), PPX_WINDOW.items())
def test_parylene_window(delta_t: float, expected: tuple[float, ...]) -> None:
    weights = np.array([0, 0.1, 0.5, 0.9, 1])
    assert Parylene().stdp(delta_t * MS, weights) == pytest.approx(np.array(expected), abs=6e-7)


def test_parylene_peaks_and_ends() -> None:
    device = Parylene()
    times = np.arange(-499.99, 500, 0.01) * MS
    window = device.stdp(times, 0.5)
    assert times[np.argmax(window)] == pytest.approx(39.63 * MS, abs=0.02 * MS)
    assert times[np.argmin(window)] == pytest.approx(-18.53 * MS, abs=0.02 * MS)
    flat = dataclasses.replace(device, gamma_plus=1e-9, gamma_minus=1e-9)
    assert flat.stdp(np.array([-0.501, 0.0, 0.501]), 0.5) == pytest.approx(0.0)
    assert flat.stdp(0.499, 0.5) > 1


def test_nanocomposite_zero_is_absorbing_and_coincidence_is_neutral() -> None:
    assert Nanocomposite().stdp(np.array([-0.01, 0.01]), 0.0) == pytest.approx(0.0)
    assert Nanocomposite().stdp(0.0, 0.7) == 0.0


def test_events_across_the_range_as_in_the_facts() -> None:
    """Facts 3.3: NC needs 17 potentiating events at 5 ms from 0.1 to 0.9, parylene 19 and one reset."""
    counts = []
    for device in (Nanocomposite(), Parylene()):
        w, n = 0.1, 0
        while w < 0.9:
            w, n = min(w + float(device.stdp(5 * MS, w)), 1.0), n + 1
        counts.append(n)
    assert counts == [17, 19]
    assert 0.9 + float(Parylene().stdp(-5 * MS, 0.9)) < 0


def vteam(**changes: float | str) -> VTEAM:
    base = VTEAM(
        r_on=100.0,
        r_off=1e4,
        k_on=-3.0,
        k_off=2.0,
        alpha_on=3.0,
        alpha_off=2.0,
        v_on=-0.5,
        v_off=1.0,
        x_off=4.0,
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_vteam_polarity_and_dead_zone() -> None:
    """The paper's polarity: above v_off the resistance rises, below v_on it falls, between them nothing moves."""
    device = vteam()
    assert device.state_rate(1.5, 2.0) == pytest.approx(2.0 * 0.5**2)
    assert device.state_rate(-1.5, 2.0) == pytest.approx(-3.0 * 2.0**3)
    assert np.all(device.state_rate(np.array([-0.5, -0.4, 0.0, 0.9, 1.0]), 2.0) == 0)
    assert device.conductance(4.0) < device.conductance(2.0) < device.conductance(0.0)


@pytest.mark.parametrize(
    ("law", "middle"), [("resistance", 1 / 5050.0), ("exponential", 1e-3), ("conductance", 0.00505)]
)
def test_vteam_current_laws(law: str, middle: float) -> None:
    device = vteam(map=law)
    assert device.current(2.0, np.array([0.0, 2.0, 4.0])) == pytest.approx([0.02, 2 * middle, 2e-4])


def test_vteam_windows() -> None:
    """Biolek slows only the approach to the bound ahead, Joglekar both bounds, TEAM by a double exponential."""
    biolek, joglekar = vteam(window="biolek", p=2), vteam(window="joglekar", p=2)
    assert biolek.window_value(3.0, up=False) == pytest.approx(1 - 0.75**4)
    assert biolek.window_value(3.0, up=True) == pytest.approx(1 - 0.25**4)
    assert biolek.window_value(np.array([0.0, 4.0]), up=False) == pytest.approx([1.0, 0.0])
    assert joglekar.window_value(np.array([0.0, 3.0, 4.0]), up=True) == pytest.approx([0, 1 - 0.5**4, 0])
    team = vteam(window="team", a_on=1.0, a_off=3.0, w_c=0.5)
    assert team.window_value(2.0, up=False) == pytest.approx(math.exp(-math.exp(-2)))
    assert team.window_value(0.5, up=True) == pytest.approx(math.exp(-math.exp(1)))
    assert biolek.state_rate(-1.0, 1.0) == pytest.approx(-3.0 * (1 - 0.75**4))


@pytest.mark.parametrize("window", ["none", "joglekar", "biolek"])
@pytest.mark.parametrize("up", [True, False])
def test_vteam_text_is_the_pulse_step(window: str, up: bool) -> None:
    """The learning text, the pulse step and rate times duration are the same numbers."""
    device, pulse = dataclasses.replace(VTEAM_SYNAPSE, window=window, p=3), Rectangular(0.8, 0.004)
    u = np.linspace(0, 1, 11)
    step = device.pulse_step(u, up, pulse)
    assert np.array_equal(eval(device.pulse_step_text("u", up, pulse), {"u": u}) * np.ones(11), step)
    rate = device.state_rate(-1.6 if up else 1.6, 1 - u)
    assert step == pytest.approx(np.abs(rate) * 0.004, abs=1e-15)


def test_presets_hold_the_published_numbers() -> None:
    assert (VTEAM_MEMTORCH.r_on, VTEAM_MEMTORCH.r_off, VTEAM_MEMTORCH.x_off) == (50.0, 1000.0, 3e-9)
    assert VTEAM_MEMTORCH.state_rate(0.04, 1e-9) == pytest.approx(5e-4)
    assert VTEAM_SYNAPSE.g_min / VTEAM_SYNAPSE.g_max == pytest.approx(0.05)
    assert Parylene().g_max == pytest.approx(1e-2)


@pytest.mark.parametrize("w", [-0.01, 1.01, math.nan])
def test_windows_refuse_weights_outside_the_fit(w: float) -> None:
    for device in (Nanocomposite(), Parylene()):
        with pytest.raises(DeviceRangeError, match="0 to 1"):
            device.stdp(0.01, np.array([0.5, w]))


def test_vteam_refuses_extrapolation() -> None:
    device = vteam(v_limit=2.0)
    with pytest.raises(DeviceRangeError, match="voltage"):
        device.state_rate(2.1, 1.0)
    with pytest.raises(DeviceRangeError, match="state"):
        device.conductance(4.1)
    with pytest.raises(DeviceRangeError, match="state"):
        device.state_rate(0.0, -0.1)
    with pytest.raises(DeviceRangeError, match="voltage"):
        device.current(-2.1, 1.0)
    with pytest.raises(DeviceRangeError, match="voltage"):
        VTEAM_SYNAPSE.pulse_step(0.5, True, Rectangular(1.1, 0.01))
    with pytest.raises(DeviceRangeError, match="conductance"):
        VTEAM_SYNAPSE.normalised(2e-4)
    assert VTEAM_SYNAPSE.normalised(np.array([5e-6, 1e-4])) == pytest.approx([0.0, 1.0])


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"v_on": 0.5}, "v_on"), ({"k_on": 1.0}, "k_on"), ({"r_off": 50.0}, "r_off"), ({"window": "box"}, "window"),
     ({"p": 0}, "p"), ({"map": "cubic"}, "map"), ({"threshold_dtod": 1.0}, "threshold_dtod"),
     ({"x_off": 0.0}, "x_off"), ({"update_std": -0.1}, "update_std")],
)  # fmt: skip
def test_vteam_refuses_bad_fields(changes: dict[str, float | str], field: str) -> None:
    with pytest.raises(InvalidValueError, match=rf"VTEAM\.{field}:"):
        vteam(**changes)


def test_registry() -> None:
    assert devices.names() == ["al2o3", "nanocomposite", "parylene", "vteam"]
    spread = devices.make("vteam", spread=0.2)
    assert (spread.threshold_dtod, spread.rate_dtod) == (0.2, 0.2)
    assert (spread.range_dtod, spread.update_std) == (0.1, 0.1)
    assert devices.make("vteam", spread=0) == VTEAM_SYNAPSE
    assert devices.make("ppx", spread=0, pair_interval=0.02) == Parylene(pair_interval=0.02)
    assert devices.make("nc", update_std=0.3).update_std == 0.3
    with pytest.raises(UnknownNameError, match="al2o3, nanocomposite, parylene, vteam"):
        devices.make("vteem")
    with pytest.raises(UnknownNameError, match="pair_interval"):
        devices.make("ppx", pairinterval=0.1)
    with pytest.raises(InvalidValueError, match="spread"):
        devices.make("vteam", spread=1.5)
