"""The text of one memristive device inside a synapse: its constants, its state, what a programming slot does to it.

Physics assumed, here and in :mod:`snnrl.plasticity.memristive`:

* After the reward is known, every row whose presynaptic trace is alive gets one biphasic rectangular pulse (the
  slot). A column whose device is to change gets the same pulse, shifted so that opposite phases overlap for
  a time proportional to the wanted change. Rows take their slots one after the other; rows not in their slot
  and columns without a request are held so that no other device sees a voltage (line selectors, no sneak paths,
  no voltage drop along the lines).
* A device switches where the voltage across it passes its own threshold: rate * (v/v_th - 1)**alpha. Both phases
  together reach 2*amplitude, one line alone reaches amplitude, below the nominal threshold but above that of
  a device drawn low.
* Without ``waveform_steps`` only the overlap acts, and the window is held at its value before the pulse. With it,
  a programmed device sees the whole waveform: one line alone, overlap, one line alone, each phase in that
  many Euler steps. The two outer phases pull the other way, with half the voltage.
* With ``half_select`` a device without a request on a driven row sees the row's pulse alone: first one
  polarity, then the other, each for the full half width; a programmed device sees the outer phases too. A row
  kept busy only by tags that outlived its presynaptic trace is not counted.
* Cycle-to-cycle noise multiplies the conductance change; one draw per device for a programming slot, one more
  for the second polarity of a half-selected pulse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from snnrl.plasticity.device import G_MAX_FLOOR, HUGE, RATE_FLOOR, Device
from snnrl.plasticity.pulses import Rectangular


@dataclass
class Fields:
    """Fields of a :class:`snnrl.model.Synapses` under construction."""

    equations: list[str] = field(default_factory=list)
    initial: dict[str, float | str] = field(default_factory=dict)
    parameters: dict[str, float | str] = field(default_factory=dict)
    weights: list[str] = field(default_factory=list)
    on_reward: list[str] = field(default_factory=list)

    def variable(self, name: str, unit: str, initial: float | str) -> None:
        """Add a per-synapse variable that lasts from episode to episode."""
        self.equations.append(f"{name} : {unit}")
        self.initial[name] = initial
        self.weights.append(name)

    def drawn(self, name: str, unit: str, nominal: float, std: float, floor: float) -> None:
        """Add a device constant: one number without spread, else one draw per synapse, floored."""
        quantity = f"{nominal!r}" if unit == "1" else f"{nominal!r}*{unit}"
        if std == 0:
            self.parameters[name] = nominal if unit == "1" else quantity
        else:
            self.variable(name, unit, f"{quantity}*clip(1 + {std!r}*randn(), {floor!r}, {HUGE!r})")


@dataclass(frozen=True)
class Cell:
    """One device of a synapse.

    Parameters
    ----------
    suffix
        Ending of its variable names: ``_plus``, ``_minus`` or empty.
    device
        What it is.
    pulse
        The programming pulse on either line.
    trim_std
        Spread of the conductance around mid-range after trimming, before learning.
    waveform_steps, half_select
        See the module.
    """

    suffix: str
    device: Device
    pulse: Rectangular
    trim_std: float
    waveform_steps: int
    half_select: bool

    def declare(self, fields: Fields) -> None:
        """Add the constants, the conductance and the write counter of this device."""
        s, device = self.suffix, self.device
        for polarity in device.polarities:
            self._declare_threshold(fields, f"v_th{polarity}{s}")
        fields.drawn(f"rate{s}", "1", 1.0, device.rate_dtod, RATE_FLOOR)
        fields.drawn(f"g_lo{s}", "siemens", device.g_min, device.range_dtod, 0.0)
        fields.drawn(f"g_hi{s}", "siemens", device.g_max, device.range_dtod, G_MAX_FLOOR)
        self._declare_gain(fields, "gain", 2 * self.pulse.amplitude)
        if self._outer_phases:
            self._declare_gain(fields, "gain_half", self.pulse.amplitude)
        mid = f"{(device.g_min + device.g_max) / 2!r}*siemens"
        trimmed = f"{mid}*(1 + {self.trim_std!r}*randn())" if self.trim_std > 0 else mid
        fields.variable(f"g{s}", "siemens", f"clip({trimmed}, g_lo{s}, g_hi{s})")
        fields.variable(f"writes{s}", "1", 0.0)

    @property
    def _outer_phases(self) -> bool:
        return self.waveform_steps > 0 or self.half_select

    @property
    def _own_rate(self) -> bool:
        """Whether rates differ from device to device."""
        return self.device.rate_dtod > 0 or "rand" in self.device.threshold_text()

    def _declare_threshold(self, fields: Fields, name: str) -> None:
        text = self.device.threshold_text()
        if "rand" in text:
            fields.variable(name, "volt", text)
        else:
            fields.parameters[name] = text

    def _declare_gain(self, fields: Fields, name: str, volts: float) -> None:
        """Switching rate at `volts` relative to that of the nominal device under both phases."""
        s, device, both = self.suffix, self.device, 2 * self.pulse.amplitude
        if not self._own_rate:
            fields.parameters[f"{name}{s}"] = device.nominal_gain(volts, both)
            return
        for polarity in device.polarities:
            gain = device.gain_text(f"v_th{polarity}{s}", volts, both)
            fields.variable(f"{name}{polarity}{s}", "1", f"rate{s}*{gain}")

    def program(self, fields: Fields, up: str, down: str) -> None:
        """Add the statements of one programming slot.

        Parameters
        ----------
        fields
            Where the statements go.
        up, down
            Names of the overlap (fraction of the half width) that raises or lowers this device; the other is 0.
        """
        s = self.suffix
        fields.on_reward.append(f"next{s} = g{s}")
        if self.device.update_std > 0:
            fields.on_reward.append(f"noise{s} = 1 + {self.device.update_std!r}*randn()")
        if self._outer_phases:
            self._phases(fields, [("gain_half", down, up), ("gain", up, down), ("gain_half", down, up)])
        else:
            fields.on_reward += self._move("gain", up, down, 1, f"noise{s}")
        if self.half_select:
            self._disturb(fields)
        fields.on_reward += [f"writes{s} += int(next{s} != g{s})", f"g{s} = next{s}"]

    def _phases(self, fields: Fields, phases: list[tuple[str, str, str]]) -> None:
        steps = max(self.waveform_steps, 1)
        for gain, up, down in phases:
            fields.on_reward += self._move(gain, up, down, steps, f"noise{self.suffix}") * steps

    def _disturb(self, fields: Fields) -> None:
        """Add the row's pulse alone: its leading phase lowers the device, its second phase raises it."""
        s, steps = self.suffix, max(self.waveform_steps, 1)
        fields.on_reward += self._move("gain_half", "", "half_selected", steps, f"noise{s}") * steps
        if self.device.update_std > 0:
            fields.on_reward.append(f"noise_second{s} = 1 + {self.device.update_std!r}*randn()")
        fields.on_reward += self._move("gain_half", "half_selected", "", steps, f"noise_second{s}") * steps

    def _move(self, gain: str, up: str, down: str, steps: int, noise: str) -> list[str]:
        """Euler step of the conductance, one of `steps`, clipped to the range of this device."""
        s, device = self.suffix, self.device
        factors = ["g_range"]
        if self._own_rate and len(device.polarities) == 2:
            up, down = (
                way and f"{gain}{end}{s}*{way}"
                for way, end in zip((up, down), device.polarities, strict=True)
            )
        else:
            factors.append(f"{gain}{s}")
        raised = f"{up}*({device.pulse_step_text(f'u{s}', True, self.pulse)})" if up else ""
        lowered = f" - {down}*({device.pulse_step_text(f'u{s}', False, self.pulse)})" if down else ""
        if device.update_std > 0:
            factors.append(noise)
        if steps > 1:
            factors.append(repr(1 / steps))
        return [
            f"u{s} = (next{s} - g_lo{s})/(g_hi{s} - g_lo{s})",
            f"next{s} = clip(next{s} + {'*'.join(factors)}*({raised}{lowered}), g_lo{s}, g_hi{s})",
        ]
