"""Voltage pulses of spikes, their superposition on a device, and the weight change that follows.

A presynaptic spike drives the row and a postsynaptic spike the column; the device between them sees
V_pre(t) - V_post(t - delta_t), with delta_t = t_post - t_pre. One pulse alone stays below the threshold, two
opposite phases together pass it, so the device itself detects the coincidence.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnrl.errors import InvalidValueError
from snnrl.plasticity.validate import positive

if TYPE_CHECKING:
    from snnrl.plasticity.vteam import VTEAM

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Pulse(ABC):
    """A spike's voltage on its line, seconds and volt; the spike is at t = 0.

    ``leading`` is the sign of the first phase. The device is wired so that pre-before-post raises its
    conductance whatever that sign is: v_device = leading*(V_pre - V_post), as VTEAM's conductance rises at
    negative voltage.
    """

    leading: ClassVar[int]

    @abstractmethod
    def voltage(self, t: ArrayLike) -> FloatArray:
        """Voltage (volt) at the times `t` (seconds); zero outside the pulse."""

    @property
    @abstractmethod
    def breaks(self) -> tuple[float, ...]:
        """Times between which the voltage is smooth, from start to end of the pulse, seconds."""


@dataclass(frozen=True)
class Rectangular(Pulse):
    """Biphasic rectangular pulse: -amplitude on [0, width), then +amplitude on [width, 2*width)."""

    amplitude: float = 0.75
    width: float = 0.01
    leading: ClassVar[int] = -1

    def __post_init__(self) -> None:
        positive(self, "amplitude", "width")

    def voltage(self, t: ArrayLike) -> FloatArray:
        """Voltage (volt) at the times `t` (seconds)."""
        t = np.asarray(t, dtype=float)
        first, second = (t >= 0) & (t < self.width), (t >= self.width) & (t < 2 * self.width)
        return np.asarray(self.amplitude * (second.astype(float) - first))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Edges of the two phases."""
        return 0.0, self.width, 2 * self.width


@dataclass(frozen=True)
class Triangular(Pulse):
    """Biphasic triangular pulse: a triangle of height -amplitude on [0, width), then one of +amplitude."""

    amplitude: float = 0.75
    width: float = 0.01
    leading: ClassVar[int] = -1

    def __post_init__(self) -> None:
        positive(self, "amplitude", "width")

    def voltage(self, t: ArrayLike) -> FloatArray:
        """Voltage (volt) at the times `t` (seconds)."""
        s = np.asarray(t, dtype=float) / self.width
        first, second = np.maximum(1 - np.abs(2 * s - 1), 0), np.maximum(1 - np.abs(2 * s - 3), 0)
        return np.asarray(self.amplitude * (second - first))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Corners of the two triangles."""
        return 0.0, self.width / 2, self.width, 1.5 * self.width, 2 * self.width


@dataclass(frozen=True)
class Exponential(Pulse):
    """Action-potential-like pulse: an exponential rise before the spike, an exponential tail of opposite sign.

    ::

        +a_plus*(exp(t/tau_plus) - exp(-t_plus/tau_plus))/(1 - exp(-t_plus/tau_plus))            -t_plus < t < 0
        -a_minus*(exp(-t/tau_minus) - exp(-t_minus/tau_minus))/(1 - exp(-t_minus/tau_minus))     0 < t < t_minus

    References
    ----------
    Zamarreno-Ramos et al. 2011, Front. Neurosci. 5:26. The default numbers are a choice: a sharp rise of 5 ms
    and a slow tail of 75 ms.
    """

    a_plus: float = 0.9
    a_minus: float = 0.45
    t_plus: float = 0.005
    t_minus: float = 0.075
    tau_plus: float = 0.003
    tau_minus: float = 0.04
    leading: ClassVar[int] = 1

    def __post_init__(self) -> None:
        positive(self, "a_plus", "a_minus", "t_plus", "t_minus", "tau_plus", "tau_minus")

    def voltage(self, t: ArrayLike) -> FloatArray:
        """Voltage (volt) at the times `t` (seconds)."""
        t = np.asarray(t, dtype=float)
        rise = self.a_plus * _decay(-t, self.t_plus, self.tau_plus)
        tail = self.a_minus * _decay(t, self.t_minus, self.tau_minus)
        return np.where(t < 0, rise, np.where(t > 0, -tail, 0.0))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Start, spike and end."""
        return -self.t_plus, 0.0, self.t_minus


def _decay(s: FloatArray, length: float, tau: float) -> FloatArray:
    """Exponential that is 1 at s = 0 and reaches 0 at s = length; 0 beyond."""
    inside = np.clip(s, 0, length)
    return np.asarray((np.exp(-inside / tau) - math.exp(-length / tau)) / (1 - math.exp(-length / tau)))


def superpose(pre: Pulse, post: Pulse, delta_t: float, t: ArrayLike) -> FloatArray:
    """Voltage V_pre(t) - V_post(t - delta_t) across the device, volt.

    Parameters
    ----------
    pre, post
        Pulses of the row and of the column.
    delta_t
        t_post - t_pre, seconds.
    t
        Times relative to the presynaptic spike, seconds, any shape.
    """
    return pre.voltage(t) - post.voltage(np.asarray(t, dtype=float) - delta_t)


def tent(delta_t: ArrayLike, width: float) -> FloatArray:
    """Time (seconds) during which opposite phases of two biphasic rectangular pulses overlap.

    |delta_t| up to `width`, 2*width - |delta_t| up to twice `width`, zero beyond.
    """
    distance = np.abs(np.asarray(delta_t, dtype=float))
    return np.asarray(np.maximum(width - np.abs(distance - width), 0))


def overlap_window(device: VTEAM, pulse: Pulse, delta_t: float, u: float = 0.5, steps: int = 100) -> float:
    """Change of the normalised state by one spike pair: the device integrated over the superposed pulses.

    A device without window under rectangular pulses has a closed form (facts 5.4); everything else is
    integrated with fixed Runge-Kutta steps between the breaks of the waveform.

    Parameters
    ----------
    device
        The device. Its state is normalised as u = (x_off - x)/(x_off - x_on): 1 conducts best.
    pulse
        Shape of both pulses.
    delta_t
        t_post - t_pre, seconds; pre before post (above 0) raises the conductance.
    u
        State before the pair, in [0, 1].
    steps
        Integration steps between two breaks.

    Returns
    -------
    float
        u after minus u before.
    """
    if not 0 <= u <= 1:
        raise InvalidValueError("overlap_window.u", u, "0 to 1")
    if isinstance(pulse, Rectangular) and device.window == "none":
        return _closed_form(device, pulse, delta_t, u)
    edges = sorted({*pulse.breaks, *(b + delta_t for b in pulse.breaks)})
    state = u
    for start, stop in itertools.pairwise(edges):
        state = _integrate(device, pulse, delta_t, state, np.linspace(start, stop, steps + 1))
    return state - u


def _rate(device: VTEAM, v: float, u: float) -> float:
    """du/dt at device voltage v, with u held inside its bounds."""
    span = device.x_off - device.x_on
    x = min(max(device.x_off - u * span, device.x_on), device.x_off)
    return -float(device.state_rate(v, x)) / span


def _closed_form(device: VTEAM, pulse: Rectangular, delta_t: float, u: float) -> float:
    """Sum of rate times duration over the phases of constant voltage, in order, with hard bounds."""
    distance, causal = abs(delta_t), delta_t > 0
    both = float(tent(delta_t, pulse.width))
    sign = -1 if causal else 1
    alone, overlap = -sign * pulse.amplitude, sign * 2 * pulse.amplitude
    if distance <= pulse.width:
        phases = [(alone, distance), (overlap, both), (alone, distance)]
    else:
        gap = min(distance, 2 * pulse.width) - pulse.width
        first, last = (alone, pulse.width), (-alone, gap)
        phases = [first, last, (overlap, both), (-alone, gap), first]
    state = u
    for v, duration in phases:
        state = min(max(state + _rate(device, v, state) * duration, 0.0), 1.0)
    return state - u


def _integrate(device: VTEAM, pulse: Pulse, delta_t: float, u: float, t: FloatArray) -> float:
    """Integrate du/dt over the times `t`, inside one smooth piece, by the classical Runge-Kutta method."""
    h = float(t[1] - t[0])
    # The pieces are half open: keep the samples of both ends inside.
    inside = np.clip(np.stack([t[:-1], t[:-1] + h / 2, t[1:]]), t[0] + 1e-9 * h, t[-1] - 1e-9 * h)
    voltages = pulse.leading * superpose(pulse, pulse, delta_t, inside)
    if not np.any((voltages > device.v_off) | (voltages < device.v_on)):
        return u
    for start, middle, end in voltages.T:
        k1 = _rate(device, start, u)
        k2 = _rate(device, middle, u + h / 2 * k1)
        k3 = _rate(device, middle, u + h / 2 * k2)
        k4 = _rate(device, end, u + h * k3)
        u = min(max(u + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), 0.0), 1.0)
    return u
