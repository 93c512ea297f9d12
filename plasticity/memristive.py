"""Where the weight lives: an ideal number, one memristor with an offset, or a differential pair of memristors.

A storage takes the text of a learning rule and returns the fields of a :class:`snnrl.model.Synapses`. Memristive
storage turns the wanted weight change into a pair of pulses whose overlap is proportional to it; what the
devices make of them is described in :mod:`snnrl.plasticity.cell`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict

from snnrl.errors import DeviceRangeError, InvalidValueError
from snnrl.model import Pairs, Synapses, Value
from snnrl.plasticity.cell import Cell, Fields
from snnrl.plasticity.device import Device
from snnrl.plasticity.pulses import Rectangular
from snnrl.plasticity.rules import Rule, RuleText
from snnrl.plasticity.validate import finite, not_negative, positive, require


class SynapseFields(TypedDict):
    """Fields of :class:`snnrl.model.Synapses` that a storage fills in."""

    equations: str
    on_reward: str
    parameters: dict[str, float | str]
    initial: dict[str, float | str]
    weights: tuple[str, ...]


class Storage(Protocol):
    """Anything that can hold the weight of a plastic synapse; transmission reads the variable ``w``."""

    def text(self, rule: RuleText) -> SynapseFields:
        """Compose the change that `rule` wants with the way the weight is stored."""
        ...


@dataclass(frozen=True)
class IdealWeights:
    """A real number between hard bounds.

    Parameters
    ----------
    w_min, w_max
        Bounds of the weight.
    initial
        Initial weight: a number, or expression text with ``rand()`` and ``randn()``.
    """

    w_min: float = -4.0
    w_max: float = 4.0
    initial: float | str = 0.0

    def __post_init__(self) -> None:
        finite(self, "w_min", "w_max")
        require(self.w_max > self.w_min, self, "w_max", f"above w_min = {self.w_min:g}")

    def text(self, rule: RuleText) -> SynapseFields:
        """Compose `rule` with ``w = clip(w + change, w_min, w_max)``."""
        fields = Fields(parameters={"w_min": self.w_min, "w_max": self.w_max})
        fields.variable("w", "1", self.initial)
        fields.on_reward.append(f"w = clip(w + {rule.change}, w_min, w_max)")
        return _compose(rule, fields)


@dataclass(frozen=True)
class MemristiveStorage(ABC):
    """What the two memristive storages share.

    Parameters
    ----------
    device
        The device; its spread comes with it.
    w_max
        Weight at the end of the nominal conductance range; weights lie in [-w_max, w_max].
    trim_std
        Spread of the conductances around mid-range after trimming, before learning (relative).
    amplitude
        Voltage of one line in units of the nominal threshold, above 0.5 and below 1: a pulse alone must not
        switch a nominal device, two together must.
    width
        Half width of the biphasic pulse, seconds: the longest overlap.
    resolution
        Shortest overlap that the drivers can produce, as a fraction of `width`; shorter requests are not sent.
    waveform_steps
        0: the overlap acts in one step. n > 0: the whole waveform, n steps for each phase.
    half_select
        Devices without a request on a driven row see the row's pulse.
    alive
        A row is driven when its presynaptic trace exceeds this.
    """

    device: Device
    w_max: float = 4.0
    trim_std: float = 0.03
    amplitude: float = 0.75
    width: float = 0.01
    resolution: float = 1e-4
    waveform_steps: int = 0
    half_select: bool = False
    alive: float = 0.01

    def __post_init__(self) -> None:
        positive(self, "w_max", "width")
        not_negative(self, "trim_std", "resolution", "alive")
        require(self.resolution < 1, self, "resolution", "below 1 (a fraction of width)")
        whole = isinstance(self.waveform_steps, int) and self.waveform_steps >= 0
        require(whole, self, "waveform_steps", "a whole number, 0 or above")
        if not 0.5 < self.amplitude < 1:
            allowed = "0.5 < amplitude < 1 thresholds: one pulse alone must not switch, two must"
            raise DeviceRangeError(f"{type(self).__name__}.amplitude", self.amplitude, allowed)
        if not self.device.time_resolved and (self.waveform_steps or self.half_select):
            name = "waveform_steps" if self.waveform_steps else "half_select"
            allowed = (
                f"0 or False for {type(self.device).__name__}: its data are whole pulse pairs, not a rate law"
            )
            raise InvalidValueError(f"{type(self).__name__}.{name}", getattr(self, name), allowed)
        for up in (True, False):
            self._full_request(up)  # refuses a device that cannot be programmed with this pulse

    @property
    def pulse(self) -> Rectangular:
        """The programming pulse on either line, volt and seconds."""
        return Rectangular(self.amplitude * self.device.v_th, self.width)

    def text(self, rule: RuleText) -> SynapseFields:
        """Compose `rule` with reward-gated programming of the devices."""
        fields = Fields(parameters=self._parameters())
        for cell in self._cells():
            cell.declare(fields)
        fields.variable("w", "1", self._readout())
        fields.on_reward += self._request(rule)
        self._program(fields)
        fields.on_reward.append(f"w = {self._readout()}")
        return _compose(rule, fields)

    def _full_request(self, up: bool) -> float:
        """Weight change of a nominal synapse at mid-range by one full overlap."""
        return 2 * self.w_max * float(self.device.pulse_step(0.5, up, self.pulse))

    def _parameters(self) -> dict[str, float | str]:
        span = self.device.g_max - self.device.g_min
        return {
            "g_range": f"{span!r}*siemens",
            "w_scale": f"{self.w_max / span!r}*ohm",
            "full_up": self._full_request(up=True),
            "full_down": self._full_request(up=False),
            "request_min": self.resolution * min(self._full_request(up=True), self._full_request(up=False)),
        }

    def _request(self, rule: RuleText) -> list[str]:
        """Statements that turn the wanted change into two overlaps, as fractions of the half width."""
        lines = [
            f"request = {rule.change}",
            "selected = int(abs(request) > request_min)",
            "overlap_up = selected*clip(abs(request)/full_up, 0, 1)",
            "overlap_down = selected*clip(abs(request)/full_down, 0, 1)",
            "more = int(request > 0)",
        ]
        if self.half_select:
            driven = f"int({rule.pre_trace} > {self.alive!r})*int({rule.signal} != 0)"
            lines.append(f"half_selected = (1 - selected)*{driven}")
        return lines

    def _cell(self, suffix: str) -> Cell:
        return Cell(suffix, self.device, self.pulse, self.trim_std, self.waveform_steps, self.half_select)

    @abstractmethod
    def _cells(self) -> tuple[Cell, ...]: ...

    @abstractmethod
    def _readout(self) -> str: ...

    @abstractmethod
    def _program(self, fields: Fields) -> None: ...


@dataclass(frozen=True)
class MemristivePair(MemristiveStorage):
    """A differential pair: w = w_max*(g_plus - g_minus)/(g_max - g_min), conductances in siemens.

    A positive request raises g_plus and lowers g_minus by half of it each; a negative one does the reverse.
    Parameters are those of `MemristiveStorage`.
    """

    def _cells(self) -> tuple[Cell, ...]:
        return self._cell("_plus"), self._cell("_minus")

    def _readout(self) -> str:
        return "w_scale*(g_plus - g_minus)"

    def _program(self, fields: Fields) -> None:
        fields.on_reward += [
            "up_plus = more*overlap_up",
            "down_plus = (1 - more)*overlap_down",
            "up_minus = (1 - more)*overlap_up",
            "down_minus = more*overlap_down",
        ]
        for cell in self._cells():
            cell.program(fields, up=f"up{cell.suffix}", down=f"down{cell.suffix}")


@dataclass(frozen=True)
class MemristiveOffset(MemristiveStorage):
    """One device with an offset: w = 2*w_max*(g - g_mid)/(g_max - g_min), g_mid the middle of the nominal range.

    Parameters are those of `MemristiveStorage`.
    """

    def _cells(self) -> tuple[Cell, ...]:
        return (self._cell(""),)

    def _parameters(self) -> dict[str, float | str]:
        mid = (self.device.g_min + self.device.g_max) / 2
        return {**super()._parameters(), "g_mid": f"{mid!r}*siemens"}

    def _readout(self) -> str:
        return "2*w_scale*(g - g_mid)"

    def _program(self, fields: Fields) -> None:
        fields.on_reward += ["up = more*overlap_up", "down = (1 - more)*overlap_down"]
        self._cell("").program(fields, up="up", down="down")


def _compose(rule: RuleText, fields: Fields) -> SynapseFields:
    return SynapseFields(
        equations="\n".join([rule.equations, *fields.equations]),
        on_reward="\n".join([*fields.on_reward, *([rule.after] if rule.after else [])]),
        parameters={**rule.parameters, **fields.parameters},
        initial={**rule.initial, **fields.initial},
        weights=tuple(fields.weights),
    )


def plastic_synapses(
    name: str,
    source: str,
    target: str,
    rule: Rule,
    storage: Storage,
    transmit: str,
    *,
    equations: str = "",
    on_post: str = "",
    parameters: Mapping[str, Value] | None = None,
    initial: Mapping[str, Value] | None = None,
    connectivity: str | Pairs = "all-to-all",
    delay: int = 0,
    method: str = "exact",
) -> Synapses:
    """Build synapses that learn.

    Parameters
    ----------
    name, source, target, connectivity, delay, method
        As in :class:`snnrl.model.Synapses`.
    rule
        What the synapse wants to change.
    storage
        Where its weight lives.
    transmit
        Statements of a presynaptic spike before those of the rule, such as ``I_post += gain*w``.
    equations, on_post, parameters, initial
        Added to those of rule and storage.
    """
    text = rule.text()
    stored = storage.text(text)
    return Synapses(
        name,
        source,
        target,
        equations=_lines(stored["equations"], equations),
        on_pre=_lines(transmit, text.on_pre),
        on_post=_lines(text.on_post, on_post),
        on_reward=stored["on_reward"],
        weights=stored["weights"],
        parameters={**stored["parameters"], **(parameters or {})},
        initial={**stored["initial"], **(initial or {})},
        connectivity=connectivity,
        delay=delay,
        method=method,
    )


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)
