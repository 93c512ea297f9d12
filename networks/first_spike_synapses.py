"""Synapses that learn from the times of single spikes: which pair of spikes asks for which change, and where weights live.

In every environment step an input cell spikes at most once and an output neuron at most once. Once per environment step
(``on_reward``) the synapse takes the two times, and the difference ``lag = t_post - t_pre`` says what the pair asks for: the
part of an STDP function that depends on the interval goes into an eligibility trace, ``causal`` for lag > 0 and ``acausal``
for lag < 0. The TD error of the next step turns the traces into a change of the weight, times the part of the function that
depends on the weight; a negative TD error flips the sign of the whole, which is punishment.

Names that the neurons at both ends provide: ``spike_time`` (s, since the beginning of the environment step), ``armed_pre`` (1
while the input cell has not spiked), ``credit_post`` (1: it spiked; below 0: a rival was faster; 0: neither).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from snnrl.errors import InvalidValueError
from snnrl.model import Synapses
from snnrl.plasticity import Nanocomposite, Parylene
from snnrl.plasticity.cell import Fields
from snnrl.plasticity.validate import between, not_negative, positive, require

SPREADS = ("threshold_dtod", "rate_dtod", "range_dtod", "update_std")


@dataclass(frozen=True)
class PairRule:
    """What is common to all synapses of a group.

    Parameters
    ----------
    rate
        Factor on every change: the scale of the programming pulses.
    decay
        Factor on the traces per environment step, gamma times lambda; 0: only the pairs of the step that is judged.
    anneal
        The rate falls to ``rate*(1 - anneal)`` as the shared ``success`` reaches 1, with its square.
    """

    rate: float
    decay: float
    anneal: float = 0.0

    def __post_init__(self) -> None:
        not_negative(self, "rate", "decay", "anneal")
        require(self.decay < 1 and self.anneal <= 1, self, "decay", "below 1, and an anneal of at most 1")

    @property
    def parameters(self) -> dict[str, float | str]:
        """Constants of the text."""
        return {"rate": self.rate, "decay": self.decay, "anneal": self.anneal}


class PairStorage(ABC):
    """Where the weight lives, and the STDP function of what it is made of."""

    def synapses(self, name: str, source: str, target: str, rule: PairRule, gain: float) -> Synapses:
        """Return the synapses; a presynaptic spike adds ``gain*w`` to the current ``I`` of its target."""
        fields = Fields(parameters={"gain": gain, **rule.parameters})
        fields.equations += ["lag : second", "causal : 1", "acausal : 1", "step : 1"]
        self._declare(fields)
        fields.on_reward.append("step = rate*(1 - anneal*success**2)*td_error")
        self._change(fields)
        pair = "decay*{0} + (1 - armed_pre)*credit_post*int(lag {1} 0*second)*{2}"
        fields.on_reward += [
            self._lag(),
            "causal = " + pair.format("causal", ">", self._timing(up=True)),
            "acausal = " + pair.format("acausal", "<", self._timing(up=False)),
        ]
        return Synapses(
            name,
            source,
            target,
            equations="\n".join(fields.equations),
            on_pre="I_post += gain*w",
            on_reward="\n".join(fields.on_reward),
            weights=tuple(fields.weights),
            parameters=fields.parameters,
            initial=fields.initial,
        )

    @abstractmethod
    def _declare(self, fields: Fields) -> None:
        """Add the weight and what it is made of."""

    @abstractmethod
    def _change(self, fields: Fields) -> None:
        """Add the statements that turn ``step`` and the traces into a new weight."""

    @abstractmethod
    def _timing(self, up: bool) -> str:
        """Return what a pair adds to a trace, an expression of ``lag``."""

    def _lag(self) -> str:
        return "lag = spike_time_post - spike_time_pre"


@dataclass(frozen=True)
class IdealPairs(PairStorage):
    """A real number between hard bounds, changed by additive STDP with exponential windows.

    Parameters
    ----------
    w_max
        Weights lie in [-w_max, w_max].
    tau
        Time constant of both windows (s).
    acausal
        Depression by an input spike after the output spike, relative to potentiation by one before it.
    """

    w_max: float = 2.0
    tau: float = 0.1
    acausal: float = 0.67

    def __post_init__(self) -> None:
        positive(self, "w_max", "tau")
        not_negative(self, "acausal")

    def _declare(self, fields: Fields) -> None:
        fields.variable("w", "1", 0.0)
        fields.parameters |= {"w_max": self.w_max, "tau": f"{self.tau!r}*second"}
        fields.parameters["depression"] = self.acausal

    def _change(self, fields: Fields) -> None:
        fields.on_reward.append("w = clip(w + step*(causal - depression*acausal), -w_max, w_max)")

    def _timing(self, up: bool) -> str:
        return "exp(-abs(lag)/tau)"


@dataclass(frozen=True)
class DevicePairs(PairStorage):
    """A differential pair of memristors, each changed by its published STDP function: w = w_max*(g_plus - g_minus)/range.

    The function stands as published; around it are the factor ``rate*td_error`` (the scale of the programming pulses and
    their polarity), the eligibility traces, and the second device of the pair, which is always given the flipped change.
    ``rate = 1``, ``decay = 0`` and a TD error of 1 are the published step itself.

    Parameters
    ----------
    device
        A device with a published function of interval and conductance.
    w_max
        Weight at full conductance of one device and none of the other.
    stretch
        Interval that the devices see over interval of the spikes: the pulses of a spike code of 20 ms may be played slower,
        as the device needs it.
    level
        Normalised conductance at which both devices begin: where the function is steep, a step up and a step down differ most.
    trim_std
        Spread of the conductances around that level before learning (relative).
    """

    device: Parylene | Nanocomposite
    w_max: float = 2.0
    stretch: float = 1.0
    level: float = 0.5
    trim_std: float = 0.03

    def __post_init__(self) -> None:
        if not isinstance(self.device, Parylene | Nanocomposite):
            raise InvalidValueError(
                "DevicePairs.device", type(self.device).__name__, "Parylene or Nanocomposite: devices with a "
                "published function of interval and conductance",
            )  # fmt: skip
        for name in SPREADS:
            if getattr(self.device, name):
                raise InvalidValueError(
                    f"device.{name}", getattr(self.device, name), "0: the functions as published"
                )
        positive(self, "w_max", "stretch")
        between(self, "level", 0.0, 1.0)
        not_negative(self, "trim_std")

    def _declare(self, fields: Fields) -> None:
        low, high = self.device.g_min, self.device.g_max
        fields.parameters |= {
            "g_min": f"{low!r}*siemens",
            "g_max": f"{high!r}*siemens",
            "g_range": f"{high - low!r}*siemens",
            "w_scale": f"{self.w_max / (high - low)!r}*ohm",
            "stretch": self.stretch,
        }
        middle = f"{low + self.level * (high - low)!r}*siemens"
        for end in ("plus", "minus"):
            fields.variable(
                f"g_{end}", "siemens", f"clip({middle}*(1 + {self.trim_std!r}*randn()), g_min, g_max)"
            )
            fields.variable(f"writes_{end}", "1", 0.0)
        fields.variable("w", "1", "w_scale*(g_plus - g_minus)")

    def _change(self, fields: Fields) -> None:
        for end, sign in (("plus", "+"), ("minus", "-")):
            up, down = (self.device.state_text(f"u_{end}", up) for up in (True, False))
            fields.on_reward += [
                f"u_{end} = (g_{end} - g_min)/g_range",
                f"next_{end} = clip(g_{end} {sign} g_range*step*({up}*causal - {down}*acausal), g_min, g_max)",
                f"writes_{end} += int(next_{end} != g_{end})",
                f"g_{end} = next_{end}",
            ]
        fields.on_reward.append("w = w_scale*(g_plus - g_minus)")

    def _timing(self, up: bool) -> str:
        return self.device.timing_text("lag", up)

    def _lag(self) -> str:
        return f"lag = stretch*({super()._lag().removeprefix('lag = ')})"
