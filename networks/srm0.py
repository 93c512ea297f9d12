"""Populations of Frémaux, Sprekeler and Gerstner 2013: SRM0 neurons with escape noise, a ring actor and its read-out.

A postsynaptic potential is ``epsilon(s) = epsilon_0/(tau_m - tau_s) (exp(-s/tau_m) - exp(-s/tau_s))``, a kernel of the same
form low-passes spikes. Either is a chain of two exponentials, ``dy/dt = -y/fast, dx/dt = (y - x)/slow`` with a jump of
``1/fast`` in y, which Brian2's exact state updater integrates without error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnrl.model import Neurons, Synapses
from snnrl.plasticity.validate import finite, positive, require


def kernel(t: NDArray[np.float64], slow: float, fast: float) -> NDArray[np.float64]:
    """Return ``(exp(-t/slow) - exp(-t/fast)) / (slow - fast)`` at times t >= 0, of integral 1, in 1/s."""
    return np.asarray((np.exp(-t / slow) - np.exp(-t / fast)) / (slow - fast))


def kernel_peak(slow: float, fast: float) -> float:
    """Return the time at which `kernel` is largest, ``ln(slow/fast) slow fast / (slow - fast)``."""
    return math.log(slow / fast) * slow * fast / (slow - fast)


@dataclass(frozen=True)
class SRM0:
    """Constants of the neuron; by default the paper's, as public re-implementations agree on them.

    Parameters
    ----------
    tau_m, tau_s
        Membrane and synaptic time constant, seconds.
    epsilon_0
        Integral of a postsynaptic potential of weight 1, millivolt times seconds.
    chi
        Amplitude of the after-potential of an own spike, millivolt.
    theta, delta_u
        Threshold and width of the escape noise, millivolt.
    rho_0
        Firing rate at the threshold, hertz.
    """

    tau_m: float = 0.02
    tau_s: float = 0.005
    epsilon_0: float = 0.02
    chi: float = -5.0
    theta: float = 16.0
    delta_u: float = 2.0
    rho_0: float = 60.0

    def __post_init__(self) -> None:
        positive(self, "tau_m", "tau_s", "epsilon_0", "delta_u", "rho_0")
        finite(self, "chi", "theta")
        require(self.tau_m > self.tau_s, self, "tau_m", f"above tau_s = {self.tau_s:g}")

    def neurons(self, name: str, size: int, equations: str = "", reset: str = "",
                parameters: Mapping[str, object] | None = None) -> Neurons:  # fmt: skip
        """Return a population.

        ``u`` (mV) obeys ``tau_m du/dt = I - u``, ``tau_s dI/dt = -I``. A spike sets u to chi and I to zero: only input
        since the last own spike counts, and the after-potential decays with tau_m. It comes with probability ``1 -
        exp(-rho dt)`` in a time step, ``rho = rho_0 exp((u - theta)/delta_u)``.

        Parameters
        ----------
        name, size
            Of the population.
        equations, reset, parameters
            Added to the neuron's own.
        """
        own = {"theta": self.theta, "delta_u": self.delta_u, "chi": self.chi, "rho_0": f"{self.rho_0!r}*Hz",
               "tau_m": f"{self.tau_m!r}*second", "tau_s": f"{self.tau_s!r}*second"}  # fmt: skip
        return Neurons(
            name,
            size,
            f"du/dt = (I - u)/tau_m : 1\ndI/dt = -I/tau_s : 1\n{equations}",
            threshold="rand() < 1 - exp(-rho_0*exp((u - theta)/delta_u)*dt)",
            reset=f"u = chi\nI = 0\n{reset}",
            method="exact",
            parameters={**own, **(parameters or {})},
        )

    @property
    def jump(self) -> float:
        """Jump of I per presynaptic spike and unit of weight, millivolt."""
        return self.epsilon_0 / self.tau_s


@dataclass(frozen=True)
class Ring:
    """Lateral synapses of the actor: N-winner-take-all among neurons that stand on a ring.

    Neuron k' receives from k the weight ``w_minus/N + w_plus f(k, k') / sum f``, ``f = exp(-(d/zeta)^2)`` with the distance d
    of the two on the ring.

    Parameters
    ----------
    size
        Number of neurons N.
    w_minus, w_plus
        Total inhibition and total excitation, in units of the plastic weights.
    zeta
        Width of the excitation in neurons.
    """

    size: int = 60
    w_minus: float = -60.0
    w_plus: float = 30.0
    zeta: float = 2.0

    def __post_init__(self) -> None:
        finite(self, "w_minus", "w_plus")
        positive(self, "zeta")
        require(isinstance(self.size, int) and self.size >= 3, self, "size", "an integer of at least 3")

    def weights(self) -> NDArray[np.float64]:
        """Return the weights ``[from, to]``; the diagonal, wiped out by the spike itself, is zero."""
        places = np.arange(self.size)
        apart = np.abs(places[:, None] - places[None, :])
        apart = np.minimum(apart, self.size - apart)
        f = np.where(apart > 0, np.exp(-((apart / self.zeta) ** 2)), 0.0)
        found: NDArray[np.float64] = self.w_minus / self.size + self.w_plus * f / f.sum(axis=0)
        return np.where(apart > 0, found, 0.0)

    def synapses(self, name: str, population: str, neuron: SRM0) -> Synapses:
        """Return the lateral synapses of a population."""
        return Synapses(
            name,
            population,
            population,
            "w : 1 (constant)",
            on_pre="I_post += jump*w",
            weights=(),
            parameters={"w": self.weights(), "jump": neuron.jump},
        )

    def directions(self) -> NDArray[np.float64]:
        """Return the preferred direction of each neuron along the axis of the action, from -1 to 1.

        Neuron k stands at the angle ``2 pi (k + 1/2)/N``; the action is its cosine, so that it varies smoothly around
        the ring.
        """
        return np.asarray(np.cos(2.0 * np.pi * (np.arange(self.size) + 0.5) / self.size))


def motor_cells(name: str, edges: tuple[float, ...], env_step: float, dt: float, tau_gamma: float = 0.05,
                nu_gamma: float = 0.02) -> Neurons:  # fmt: skip
    """Cells that read the population vector: in the last dt of an environment step the one of the chosen action spikes.

    The population vector is ``a = sum_k a_k (Y_k * gamma) / sum_k (Y_k * gamma)`` with the kernel of `kernel`; cell k
    spikes where ``edges[k] <= a < edges[k + 1]``. Before the first spike of the actor none does.

    Parameters
    ----------
    name
        Of the population.
    edges
        Ascending bounds of the actions along the vector, one more than there are actions.
    env_step, dt
        Seconds.
    tau_gamma, nu_gamma
        Time constants of the kernel, seconds.
    """
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    return Neurons(
        name,
        len(edges) - 1,
        """
        dtotal/dt = (total_in - total)/tau_gamma : 1
        dtotal_in/dt = -total_in/nu_gamma : 1
        dvector/dt = (vector_in - vector)/tau_gamma : 1
        dvector_in/dt = -vector_in/nu_gamma : 1
        dclock/dt = 1 : second
        low : 1 (constant)
        high : 1 (constant)
        """,
        threshold="clock > decision and total > 0 and vector >= low*total and vector < high*total",
        method="exact",
        on_step="clock = 0*second",
        parameters={
            "low": low,
            "high": high,
            "decision": f"{env_step - 0.5 * dt!r}*second",
            "tau_gamma": f"{tau_gamma!r}*second",
            "nu_gamma": f"{nu_gamma!r}*second",
        },
    )


def action_edges(actions: int, threshold: float) -> tuple[float, ...]:
    """Return the bounds of `motor_cells`: the sign for two actions, a rest within +-threshold for three, else even parts.

    The first and last reach beyond [-1, 1].
    """
    inner = (
        (-threshold, threshold) if actions == 3 else tuple(np.linspace(-1.0, 1.0, actions + 1)[1:-1].tolist())
    )
    return (-2.0, *inner, 2.0)
