"""Exact statements about the model, checked on what the package simulates from its equation text.

A time step of 0.1 ms is used, because some statements are about integrals, which a sum over time steps only approaches;
the traces themselves are exact at any step.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snnrl import simulate
from snnrl.model import Network, Neurons, Pairs, Synapses
from snnrl.networks.fremaux import SRM0ActorCritic
from snnrl.networks.fremaux_presets import PAPER_KERNELS
from snnrl.networks.srm0 import SRM0, kernel, kernel_peak, motor_cells
from snnrl.plasticity import IdealWeights, plastic_synapses

FloatArray = NDArray[np.float64]
DT = 1e-4
"""Seconds per time step."""
TAU_R, NU, V0 = 4.0, 2.0, -40.0
"""Discount time constant (s), reward per hertz, and value of a silent critic in the maze."""
_FORCED = 1e9
"""A jump of I (mV) that makes the next time step a spike for certain."""


@dataclass(frozen=True)
class Identity:
    """One statement.

    Parameters
    ----------
    name
        What is compared.
    expected
        The closed form: a number, or in words where a whole curve is compared.
    simulated
        What came out of the simulation, likewise.
    deviation
        Largest deviation, relative to the largest value of the closed form.
    """

    name: str
    expected: str
    simulated: str
    deviation: float


@dataclass(frozen=True)
class Response:
    """Answer to one spike at time zero.

    Attributes
    ----------
    times
        Seconds since the spike, ascending, shape ``[n]``.
    values
        What the simulation gave, shape ``[n]``.
    """

    times: FloatArray
    values: FloatArray

    @property
    def integral(self) -> float:
        """Integral by Simpson's rule."""
        from scipy.integrate import simpson

        return float(simpson(self.values, x=self.times))

    @property
    def peak(self) -> tuple[float, float]:
        """Time and height of the maximum of a cubic spline through the samples."""
        from scipy.interpolate import CubicSpline

        near = np.argmax(self.values)
        around = slice(max(near - 8, 0), near + 9)
        spline = CubicSpline(self.times[around], self.values[around])
        roots = spline.derivative().roots(extrapolate=False)
        top = float(roots[np.argmin(np.abs(roots - self.times[near]))])
        return top, float(spline(top))


def paper_network() -> SRM0ActorCritic:
    """Return the network with the paper's kernels."""
    return SRM0ActorCritic(**PAPER_KERNELS)  # type: ignore[arg-type]


def identities() -> list[Identity]:
    """Return every statement with its deviation."""
    return [
        *_potential(),
        *_value_kernel(),
        *_td_kernel(),
        *_vector_kernel(),
        *_constant_rate(),
        _eligibility(),
    ]


def _relative(found: FloatArray | float, expected: FloatArray | float) -> float:
    return float(np.max(np.abs(np.asarray(found) - expected)) / np.max(np.abs(expected)))


def _row(name: str, found: float, expected: float, unit: str) -> Identity:
    return Identity(
        name, f"{expected:.7g} {unit}".strip(), f"{found:.7g} {unit}".strip(), _relative(found, expected)
    )


def _curve(name: str, response: Response, closed: FloatArray) -> Identity:
    text = f"{response.times.size} points to {response.times[-1]:g} s"
    return Identity(name, "closed form", text, _relative(response.values, closed))


def _times(steps: int) -> FloatArray:
    return np.asarray(DT * np.arange(steps), dtype=np.float64)


def _silent(neuron: SRM0) -> SRM0:
    """Return a neuron that never spikes by itself: its threshold is out of reach, except of a forced spike."""
    return replace(neuron, theta=1e4)


def _one_to_one(name: str, source: str, target: str, size: int, on_pre: str, **parameters: float) -> Synapses:
    pairs = Pairs(np.arange(size), np.arange(size))
    return Synapses(
        name, source, target, on_pre=on_pre, weights=(), parameters=parameters, connectivity=pairs
    )


@functools.cache
def potential_response(neuron: SRM0, duration: float = 0.5) -> Response:
    """Return the potential (mV) that one presynaptic spike of weight 1 leaves: neuron j received it j time steps ago."""
    steps = round(duration / DT) + 1
    network = Network(
        (Neurons("cells", steps), _silent(neuron).neurons("neuron", steps)),
        (_one_to_one("input", "cells", "neuron", steps, "I_post += jump", jump=neuron.jump),),
        "0.1*ms",
    )
    spikes = np.eye(steps, dtype=bool)[::-1]
    done = simulate(network, f"{steps}*0.1*ms", inputs={"cells": spikes}, variables=("neuron.u",))
    return Response(_times(steps), done.variables["neuron.u"])


def critic_traces(
    duration: float, points: int, net: SRM0ActorCritic
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return times since a critic neuron's only spike, its filtered rate, and that rate's inner trace, ascending in time."""
    steps = round(duration / DT) + 2
    ages = np.unique(np.linspace(0, steps - 2, points).astype(int))
    critic = replace(net, critic_size=ages.size, neuron=_silent(net.neuron), start_rate=0.0).critic()
    force = _one_to_one("input", "cells", "critic", ages.size, "I_post += jump", jump=_FORCED)
    network = Network((Neurons("cells", ages.size), critic), (force,), "0.1*ms")
    spikes = np.zeros((steps, ages.size), dtype=bool)
    spikes[steps - 2 - ages, np.arange(ages.size)] = True
    names = ("critic.rate", "critic.rate_in")
    done = simulate(network, f"{steps}*0.1*ms", inputs={"cells": spikes}, variables=names)
    when = np.argmax(done.spikes["critic"], axis=0)
    return DT * (steps - 1 - when), done.variables[names[0]], done.variables[names[1]]


def _potential() -> list[Identity]:
    neuron = SRM0()
    response = potential_response(neuron)
    slow, fast = neuron.tau_m, neuron.tau_s
    top = kernel_peak(slow, fast)
    at, height = response.peak
    return [
        _curve(
            "potential of one spike, curve", response, neuron.epsilon_0 * kernel(response.times, slow, fast)
        ),
        _row("potential, integral", 1e3 * response.integral, 1e3 * neuron.epsilon_0, "mV ms"),
        _row("potential, time of the peak", 1e3 * at, 1e3 * top, "ms"),
        _row(
            "potential, height of the peak",
            height,
            neuron.epsilon_0 * float(kernel(np.array(top), slow, fast)),
            "mV",
        ),
    ]


@functools.cache
def value_response(points: int = 2001) -> tuple[Response, Response]:
    """Return the kernels kappa and kappa' - kappa/tau_r of a critic neuron's spike, 1/s and 1/s^2."""
    net = paper_network()
    times, rate, inner = critic_traces(4.0, points, net)
    td = (inner - rate) / net.tau_kappa - rate / TAU_R
    return Response(times, rate), Response(times, td)


def _value_kernel() -> list[Identity]:
    net = paper_network()
    slow, fast = net.tau_kappa, net.nu_kappa
    response, _ = value_response()
    top = kernel_peak(slow, fast)
    at, height = response.peak
    return [
        _curve("value kernel kappa, curve", response, kernel(response.times, slow, fast)),
        _row("value kernel, integral", response.integral, 1.0, ""),
        _row("value kernel, time of the peak", 1e3 * at, 1e3 * top, "ms"),
        _row("value kernel, height of the peak", height, float(kernel(np.array(top), slow, fast)), "1/s"),
    ]


def td_kernel(times: FloatArray, slow: float, fast: float) -> FloatArray:
    """Return ``kappa' - kappa/tau_r`` as two exponentials, 1/s^2."""
    grown, shrunk = (1 + TAU_R / fast) * np.exp(-times / fast), (1 + TAU_R / slow) * np.exp(-times / slow)
    return np.asarray((grown - shrunk) / (TAU_R * (slow - fast)))


def _td_kernel() -> list[Identity]:
    net = paper_network()
    _, response = value_response()
    closed = td_kernel(response.times, net.tau_kappa, net.nu_kappa)
    return [
        _curve("TD error kernel, curve", response, closed),
        _row("TD error kernel, integral (-1/tau_r)", response.integral, -1.0 / TAU_R, "1/s"),
    ]


@functools.cache
def vector_response(net: SRM0ActorCritic, duration: float = 0.3) -> Response:
    """Return the kernel gamma of the population vector, 1/s: motor cell j was told of a spike j time steps ago."""
    steps = round(duration / DT) + 1
    edges = tuple(np.linspace(-2.0, 2.0, steps + 1))
    cells = motor_cells("motor", edges, duration, DT, net.tau_gamma, net.nu_gamma)
    told = _one_to_one("input", "cells", "motor", steps, "total_in_post += 1")
    network = Network((Neurons("cells", steps), cells), (told,), "0.1*ms")
    time = f"{steps}*0.1*ms"
    spikes = np.eye(steps, dtype=bool)[::-1]
    done = simulate(network, time, inputs={"cells": spikes}, env_step=time, variables=("motor.total",))
    return Response(_times(steps), done.variables["motor.total"] / net.nu_gamma)


def _vector_kernel() -> list[Identity]:
    net = paper_network()
    response = vector_response(net)
    closed = kernel(response.times, net.tau_gamma, net.nu_gamma)
    top = kernel_peak(net.tau_gamma, net.nu_gamma)
    return [
        _curve("population vector kernel gamma, curve", response, closed),
        _row("population vector kernel, time of the peak", 1e3 * response.peak[0], 1e3 * top, "ms"),
    ]


RATES = (20.0, 60.0, 100.0)


def constant_rate(rate: float, duration: float) -> float:
    """Return the mean filtered rate (Hz) of critic neurons that take turns to spike, together in every time step.

    Parameters
    ----------
    rate
        Of each neuron, a multiple of the slowest of `RATES`, hertz; the filters begin there and would drift away if
        their integral were not 1.
    duration
        Seconds.
    """
    size, steps = round(1.0 / (RATES[0] * DT)), round(duration / DT)
    net = paper_network()
    critic = replace(net, critic_size=size, start_rate=rate, neuron=_silent(net.neuron)).critic()
    force = _one_to_one("input", "cells", "critic", size, "I_post += jump", jump=_FORCED)
    network = Network((Neurons("cells", size), critic), (force,), "0.1*ms")
    at_once = round(rate / RATES[0])
    spikes = (np.arange(size) - at_once * np.arange(steps)[:, None]) % size < at_once
    done = simulate(network, f"{steps}*0.1*ms", inputs={"cells": spikes}, variables=("critic.rate",))
    return float(done.variables["critic.rate"].mean())


def _constant_rate() -> list[Identity]:
    """Compare the value and the TD error of constant rates and rewards with V = nu rho + V0 and delta = r - V/tau_r."""
    reward, step = 3.0, 0.02
    values, later = (
        NU * np.array([constant_rate(rate, end) for rate in RATES]) + V0 for end in (3.0, 3.0 + step)
    )
    expected = NU * np.array(RATES) + V0
    errors, expected_errors = (later - values) / step - values / TAU_R + reward, reward - expected / TAU_R
    return [
        Identity(f"value of a constant rate, V = {NU:g} rho {V0:+g}", _listed(expected), _listed(values),
                 _relative(values, expected)),
        Identity(f"TD error of it, delta = {reward:g} - V/{TAU_R:g} s", _listed(expected_errors), _listed(errors),
                 _relative(errors, expected_errors)),
    ]  # fmt: skip


def _listed(numbers: FloatArray) -> str:
    return ", ".join(f"{x:.6g}" for x in np.round(numbers, 5) + 0.0)


def simulated_eligibility(pre: NDArray[np.bool_], post: NDArray[np.bool_], dt: float) -> FloatArray:
    """Return the eligibility (mV Hz) at the end of spike trains ``[time steps, neurons]``, from the rule's own text.

    Returns
    -------
    ndarray
        ``[presynaptic neurons, postsynaptic neurons]``.
    """
    net = paper_network()
    synapses = plastic_synapses(
        "synapses", "pre", "post", net.rule(1e-3), IdealWeights(0.0, 3.0, 0.5), "I_post += w"
    )
    network = Network(
        (Neurons("pre", pre.shape[1]), Neurons("post", post.shape[1], "I : 1")),
        (synapses,),
        f"{1e3 * dt:g}*ms",
    )
    names = ("synapses.elig_slow", "synapses.elig_fast")
    time = f"{len(pre)}*{1e3 * dt:g}*ms"
    done = simulate(network, time, inputs={"pre": pre, "post": post}, env_step=time, variables=names)
    return (done.variables[names[0]] - done.variables[names[1]]) / (net.tau_kappa - net.nu_kappa)


def closed_eligibility(
    pre: NDArray[np.bool_], post: NDArray[np.bool_], dt: float, net: SRM0ActorCritic | None = None
) -> FloatArray:
    """Return the same, pair of spikes by pair of spikes, from the two kernels (Eq. 17, without its 1/tau_r).

    ``net`` has the kernels; by default the paper's.
    """
    net = net or paper_network()
    neuron, end = net.neuron, len(pre) * dt
    found = np.zeros((pre.shape[1], post.shape[1]))
    for i, j in np.ndindex(*found.shape):
        before, sources = -1.0, dt * np.flatnonzero(pre[:, i])
        for time in dt * np.flatnonzero(post[:, j]):
            ages = time - sources[(sources > before + dt / 2) & (sources <= time)]
            potential = neuron.epsilon_0 * kernel(ages, neuron.tau_m, neuron.tau_s).sum()
            found[i, j] += potential * kernel(np.array(end - time), net.tau_kappa, net.nu_kappa)
            before = time
    return found


def spike_trains(steps: int, neurons: int, rate: float, dt: float, seed: int) -> NDArray[np.bool_]:
    """Return Poisson spike trains ``[time steps, neurons]``."""
    drawn = np.random.default_rng(seed).random((steps, neurons)) < rate * dt
    return np.asarray(drawn)


def _eligibility() -> Identity:
    pre, post = spike_trains(10_000, 5, 60.0, DT, 1), spike_trains(10_000, 4, 30.0, DT, 2)
    found, expected = simulated_eligibility(pre, post, DT), closed_eligibility(pre, post, DT)
    text = f"{expected.size} synapses, {int(pre.sum())} spikes in, {int(post.sum())} out"
    return Identity(
        "eligibility of Eq. 17, all pairs of spikes", "closed form", text, _relative(found, expected)
    )
