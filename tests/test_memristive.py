"""Memristive storage: the generated statements against the devices, hand-counted writes, moments of the spread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from snnrl.errors import DeviceRangeError, InvalidValueError
from snnrl.plasticity import TDLTP, MemristiveOffset, MemristivePair, Rectangular, devices
from snnrl.plasticity.memristive import MemristiveStorage
from snnrl.plasticity.pulses import overlap_window
from snnrl.plasticity.rules import RuleText

UNITS = {"volt": 1.0, "siemens": 1.0, "ohm": 1.0, "second": 1.0}
ASKED = RuleText("", "", "", change="asked*td_error", after="", pre_trace="x", signal="td_error")
"""A rule that asks for a given weight change per unit of TD error."""


def zeros(size: int) -> np.ndarray:
    return np.zeros(size)


class Synapse:
    """Runs the generated text on numpy arrays: one entry per synapse."""

    def __init__(
        self, storage: MemristiveStorage, size: int, randn: Callable[[int], np.ndarray] = zeros
    ) -> None:
        self.fields = storage.text(ASKED)
        self.functions: dict[str, Any] = {
            "clip": np.clip, "exp": np.exp, "abs": np.abs, "int": lambda x: np.asarray(x).astype(int),
            "randn": lambda: randn(size), "rand": lambda: 0.5 + randn(size),
        }  # fmt: skip
        self.state: dict[str, Any] = {"x": np.zeros(size), "asked": np.zeros(size), "td_error": 1.0}
        for group in ("parameters", "initial"):
            for name, value in self.fields[group].items():  # type: ignore[literal-required]
                number = eval(value, self.functions | UNITS, self.state) if isinstance(value, str) else value
                self.state[name] = number if group == "parameters" else number * np.ones(size)

    def __getitem__(self, name: str) -> Any:
        return self.state[name]

    def reward(self, asked: Any = None, td_error: float = 1.0, **state: Any) -> Synapse:
        """Run on_reward once."""
        self.state |= {"td_error": td_error, **state}
        if asked is not None:
            self.state["asked"] = np.asarray(asked, dtype=float)
        exec(self.fields["on_reward"], dict(self.functions), self.state)  # noqa: S102  text of the package
        return self


def pair(
    name: str = "vteam", spread: float = 0.0, device: dict[str, Any] | None = None, **fields: Any
) -> MemristivePair:
    return MemristivePair(devices.make(name, spread=spread, **(device or {})), **{"trim_std": 0.0, **fields})


def ideal_step(
    storage: MemristiveStorage, g: np.ndarray, asked: np.ndarray, towards: np.ndarray
) -> np.ndarray:
    """Apply the noise-free rule of the device, written with the device's own functions."""
    device, pulse = storage.device, storage.pulse
    u = (g - device.g_min) / (device.g_max - device.g_min)
    lengths = [
        np.clip(np.abs(asked) / (2 * storage.w_max * device.pulse_step(0.5, up, pulse)), 0, 1)
        for up in (True, False)
    ]
    change = np.where(
        towards > 0,
        lengths[0] * device.pulse_step(u, True, pulse),
        -lengths[1] * device.pulse_step(u, False, pulse),
    )
    return np.clip(g + (device.g_max - device.g_min) * change, device.g_min, device.g_max)


@pytest.mark.parametrize("name", devices.names())
@pytest.mark.parametrize("noise_fields", [False, True])
def test_zero_spread_is_exactly_the_ideal_rule(name: str, noise_fields: bool) -> None:
    """Same numbers, bit by bit: without spread, and with spread whose random numbers are all zero."""
    storage = pair(name, spread=0.3 if noise_fields else 0.0, w_max=3.0)
    asked = np.array([0.02, -0.02, 0.3, -0.3, 5.0, -5.0])
    synapse = Synapse(storage, asked.size)
    g_plus, g_minus = synapse["g_plus"], synapse["g_minus"]
    for _ in range(5):
        synapse.reward(asked)
        g_plus = ideal_step(storage, g_plus, asked, asked)
        g_minus = ideal_step(storage, g_minus, asked, -asked)
        assert np.array_equal(synapse["g_plus"], g_plus)
        assert np.array_equal(synapse["g_minus"], g_minus)
    assert len(np.unique(g_plus)) >= asked.size - 1  # the two largest decreases are both one full pulse
    assert ("randn" in synapse.fields["on_reward"]) == (storage.device.update_std > 0)
    drawn = any("rand" in str(value) for value in synapse.fields["initial"].values())
    assert drawn == noise_fields


@pytest.mark.parametrize("name", devices.names())
def test_zero_spread_offset_is_exactly_the_ideal_rule(name: str) -> None:
    storage = MemristiveOffset(devices.make(name, spread=0.0), trim_std=0.0)
    asked = np.array([0.05, -0.05, 9.0, -9.0])
    synapse = Synapse(storage, asked.size)
    before = synapse["g"]
    synapse.reward(asked)
    assert np.array_equal(synapse["g"], ideal_step(storage, before, asked, asked))


@pytest.mark.parametrize("storage", [MemristivePair, MemristiveOffset])
@pytest.mark.parametrize("name", devices.names())
def test_a_nominal_synapse_at_mid_range_changes_by_what_is_asked(
    storage: type[MemristiveStorage], name: str
) -> None:
    asked = np.array([0.1, -0.1, 0.003])
    synapse = Synapse(storage(devices.make(name, spread=0.0), w_max=2.0, trim_std=0.0), asked.size)
    assert synapse["w"] == pytest.approx(0.0, abs=1e-12)
    assert synapse.reward(asked)["w"] == pytest.approx(asked, rel=1e-9)


def test_weight_is_the_conductance_difference_in_units_of_the_range() -> None:
    synapse = Synapse(pair(w_max=4.0), 1)
    for _ in range(400):
        synapse.reward([4.0])
    assert synapse["g_plus"] == pytest.approx(1e-4)
    assert synapse["g_minus"] == pytest.approx(5e-6)
    assert synapse["w"] == pytest.approx(4.0)


def test_switching_rate_of_a_spread_device() -> None:
    """DG = k*(request/w_max)*(1.5/v_th - 1)*(1 - u**20) of the range (recipe, memristive synapse)."""
    draws = iter([0.5, -1.0, 0.0, 0.0, 0.0] + [0.0] * 50)
    synapse = Synapse(pair(spread=0.3, device={"range_dtod": 0.0}), 1, lambda n: np.full(n, next(draws)))
    v_th, rate = 1.0 * (1 + 0.3 * 0.5), 1 - 0.3
    assert synapse["v_th_plus"] == pytest.approx(v_th)
    assert synapse["rate_plus"] == pytest.approx(rate)
    synapse.reward([0.4])
    step = (synapse["g_plus"] - 5.25e-5) / 9.5e-5
    assert step == pytest.approx(rate * 0.4 / 4.0 * (1.5 / v_th - 1), rel=1e-5)


def test_device_above_the_superposed_voltage_never_switches() -> None:
    draws = iter([2.0] + [0.0] * 50)
    synapse = Synapse(pair(spread=0.3), 1, lambda n: np.full(n, next(draws)))
    assert synapse["v_th_plus"] > 1.5
    before = synapse["g_plus"].copy()
    synapse.reward([3.0])
    assert np.array_equal(synapse["g_plus"], before)
    assert synapse["g_minus"] < 5.25e-5
    assert (synapse["writes_plus"], synapse["writes_minus"]) == (0, 1)


def test_write_counts_by_hand() -> None:
    """A write is a device whose conductance changed in a programming slot."""
    storage = pair(w_max=4.0, resolution=0.01, device={"window": "none"})
    synapse = Synapse(storage, 4)
    # Full overlap moves the weight by 4; requests under 1 % of that are not sent.
    synapse.reward([0.5, -0.5, 0.039, 0.0])  # writes: both, both, none, none
    synapse.reward([0.0, 4.0, 0.041, 0.0])  # none, both, both, none
    synapse.reward([4.0, 4.0, 4.0, 0.0])  # both, both (up to their bounds), both, none
    synapse.reward([4.0, 4.0, 4.0, 0.0])  # all at their bounds already: nothing changes
    synapse.reward([4.0, 4.0, 4.0, 0.0], td_error=0.0)  # no error, no programming
    at_bound = np.isclose(synapse["w"], 4.0)
    assert at_bound.tolist() == [True, True, True, False]
    assert synapse["writes_plus"].tolist() == [2, 3, 2, 0]
    assert synapse["writes_minus"].tolist() == [2, 3, 2, 0]


def test_moments_of_the_spread() -> None:
    """Means and standard deviations of 40000 devices; three standard errors, widened for the floors."""
    rng, n = np.random.default_rng(5), 40_000
    synapse = Synapse(pair(spread=0.15, trim_std=0.03), n, lambda size: rng.standard_normal(size))
    for name, nominal, std in [
        ("v_th_plus", 1.0, 0.15), ("rate_minus", 1.0, 0.15), ("g_hi_plus", 1e-4, 0.1), ("g_lo_minus", 5e-6, 0.1),
        ("g_plus", 5.25e-5, 0.03),
    ]:  # fmt: skip
        values = synapse[name] / nominal
        assert values.mean() == pytest.approx(1.0, abs=3 * std / np.sqrt(n)), name
        assert values.std() == pytest.approx(std, rel=3 / np.sqrt(2 * n)), name
    assert abs(np.corrcoef(synapse["v_th_plus"], synapse["v_th_minus"])[0, 1]) < 3 / np.sqrt(n)


def test_moments_of_the_cycle_to_cycle_noise() -> None:
    rng, n = np.random.default_rng(6), 40_000
    noisy = pair(device={"update_std": 0.2, "window": "none"})
    synapse = Synapse(noisy, n, lambda size: rng.standard_normal(size)).reward(np.full(n, 0.4))
    steps = (synapse["g_plus"] - 5.25e-5) / 9.5e-5 / 0.05
    assert steps.mean() == pytest.approx(1.0, abs=3 * 0.2 / np.sqrt(n))
    assert steps.std() == pytest.approx(0.2, rel=3 / np.sqrt(2 * n))
    other = (5.25e-5 - synapse["g_minus"]) / 9.5e-5 / 0.05
    assert abs(np.corrcoef(steps, other)[0, 1]) < 3 / np.sqrt(n)


def low_threshold(v_th: float) -> Callable[[int], np.ndarray]:
    """Draws that give the first device `v_th` volt and leave everything else nominal."""
    draws = iter([(v_th - 1) / 0.3] + [0.0] * 200)
    return lambda size: np.full(size, next(draws))


@pytest.mark.parametrize("asked", [1.3, -1.3])
@pytest.mark.parametrize("v_th", [0.5, 0.9])
def test_waveform_steps_converge_to_the_integrated_waveform(v_th: float, asked: float) -> None:
    """The unrolled text against the pulse module's integration of the same device (order one in the step)."""
    shape = {"window": "biolek", "p": 2, "range_dtod": 0.0}
    device = dataclasses.replace(
        pair(device=shape).device,
        v_on=-v_th,
        v_off=v_th,
    )
    nominal = pair(device=shape)
    interval = 0.01 * abs(asked) / (8 * nominal.device.pulse_step(0.5, True, nominal.pulse)) * np.sign(asked)
    exact = overlap_window(device, Rectangular(0.75, 0.01), float(interval), 0.5)
    errors = []
    for steps in (8, 16, 256):
        storage = pair(spread=0.3, device=shape, waveform_steps=steps)
        synapse = Synapse(storage, 1, low_threshold(v_th)).reward([asked])
        errors.append(abs(float(synapse["g_plus"][0] - 5.25e-5) / 9.5e-5 - exact))
    assert errors[1] / errors[0] == pytest.approx(0.5, abs=0.08)
    assert errors[2] < 5e-3 * abs(exact)


def test_one_waveform_step_of_a_nominal_device_is_the_plain_rule() -> None:
    """No outer phase reaches the nominal threshold, so one step is the overlap alone."""
    asked = np.array([0.4, -2.0, 0.0])
    plain, stepped = Synapse(pair(), 3).reward(asked), Synapse(pair(waveform_steps=1), 3).reward(asked)
    assert np.array_equal(plain["g_plus"], stepped["g_plus"])
    assert np.array_equal(plain["g_minus"], stepped["g_minus"])


def test_half_selected_device_sees_both_polarities_of_the_row_pulse() -> None:
    """v_th = 0.5 V under 0.75 V: down by k*T*0.5*f_off, then up by k*T*0.5*f_on, only on a driven row."""
    shape = {"window": "biolek", "p": 1, "range_dtod": 0.0, "update_std": 0.0}
    storage = pair(spread=0.3, device=shape, half_select=True)
    idle = Synapse(storage, 1, low_threshold(0.5)).reward([0.0], x=0.0)
    assert idle["g_plus"] == pytest.approx(5.25e-5)
    assert idle["writes_plus"] == 0
    silent = Synapse(storage, 1, low_threshold(0.5)).reward([0.0], td_error=0.0, x=1.0)
    assert silent["writes_plus"] == 0
    driven = Synapse(storage, 1, low_threshold(0.5)).reward([0.0], x=1.0)
    down = 0.5 - 0.5 * (1 - 0.5**2)
    assert (driven["g_plus"] - 5e-6) / 9.5e-5 == pytest.approx(down + 0.5 * (1 - down**2))
    assert (driven["writes_plus"], driven["writes_minus"]) == (1, 0)
    assert driven["g_minus"] == pytest.approx(5.25e-5)


def test_half_select_leaves_isolated_devices_alone() -> None:
    shape = {"range_dtod": 0.0, "update_std": 0.0}
    synapse = Synapse(pair(spread=0.3, device=shape), 1, low_threshold(0.5)).reward([0.0], x=1.0)
    assert synapse["writes_plus"] == 0


@pytest.mark.parametrize("half_select", [False, True])
@pytest.mark.parametrize("name", devices.names())
def test_text_runs_in_brian2_with_units(name: str, half_select: bool) -> None:
    """Brian2 accepts units and statements, and computes the same numbers."""
    import brian2 as b2

    time_resolved = devices.make(name).time_resolved
    storage = pair(name, half_select=half_select and time_resolved, waveform_steps=2 * time_resolved)
    reference = Synapse(storage, 3).reward(np.array([0.2, -0.7, 0.0]), x=1.0)
    fields = storage.text(dataclasses.replace(ASKED, equations="x : 1\nasked : 1"))
    units = {"volt": b2.volt, "siemens": b2.siemens, "ohm": b2.ohm}
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    namespace = {
        key: eval(value, units) if isinstance(value, str) else value
        for key, value in fields["parameters"].items()
    }
    neurons = b2.NeuronGroup(3, "v : 1", dt=1 * b2.ms)
    synapses = b2.Synapses(
        neurons, neurons, fields["equations"], namespace={**namespace, "td_error": 1.0}, dt=1 * b2.ms
    )
    synapses.connect(j="i")
    for key, value in fields["initial"].items():
        setattr(synapses, key, value)
    synapses.x, synapses.asked = 1.0, [0.2, -0.7, 0.0]
    synapses.run_regularly(fields["on_reward"], dt=1 * b2.ms)
    b2.Network(neurons, synapses).run(1 * b2.ms)
    for key in ("g_plus", "g_minus", "w", "writes_plus"):
        assert np.asarray(getattr(synapses, key)) == pytest.approx(reference[key], rel=1e-12, abs=1e-18), key


def test_spread_constants_in_brian2_have_units() -> None:
    """The expressions that draw device constants pass Brian2's unit check."""
    import brian2 as b2

    fields = pair(spread=0.3, trim_std=0.03).text(TDLTP().text())
    b2.start_scope()
    b2.prefs.codegen.target = "numpy"
    units = {"volt": b2.volt, "siemens": b2.siemens, "ohm": b2.ohm, "second": b2.second}
    namespace = {k: eval(v, units) if isinstance(v, str) else v for k, v in fields["parameters"].items()}
    neurons = b2.NeuronGroup(20, "v : 1", threshold="v > 1")
    synapses = b2.Synapses(neurons, neurons, fields["equations"], on_pre="x += 1", namespace=namespace)
    synapses.connect()
    b2.Network(neurons, synapses).run(0 * b2.ms)
    for key, value in fields["initial"].items():
        setattr(synapses, key, value)
    assert 0.2 < float(np.std(np.asarray(synapses.v_th_plus))) < 0.4
    assert np.all(np.asarray(synapses.g_plus) <= np.asarray(synapses.g_hi_plus))


@pytest.mark.parametrize(
    ("fields", "match"),
    [({"w_max": 0.0}, "MemristivePair.w_max"), ({"waveform_steps": -1}, "waveform_steps"),
     ({"resolution": 1.0}, "resolution"), ({"alive": -1.0}, "alive")],
)  # fmt: skip
def test_bad_fields_are_named(fields: dict[str, float], match: str) -> None:
    with pytest.raises(InvalidValueError, match=match):
        pair(**fields)


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 1.5])
def test_pulses_outside_the_selective_range_are_refused(amplitude: float) -> None:
    with pytest.raises(DeviceRangeError, match="one pulse alone must not switch"):
        pair(amplitude=amplitude)


def test_devices_that_cannot_be_programmed_so_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"waveform_steps.*Parylene"):
        pair("parylene", waveform_steps=3)
    with pytest.raises(InvalidValueError, match=r"half_select.*Nanocomposite"):
        pair("nanocomposite", half_select=True)
    with pytest.raises(InvalidValueError, match="map=conductance"):
        pair(device={"map": "resistance"})
    with pytest.raises(InvalidValueError, match="v_on"):
        pair(device={"v_on": -0.9})
