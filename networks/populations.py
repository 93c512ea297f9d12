"""Populations that networks are made of: input cells and leaky integrate-and-fire output neurons."""

from __future__ import annotations

import math

from snnrl.model import Neurons


def current_driven_cells(name: str, size: int, tau: float = 0.01, refractory: float = 0.002) -> Neurons:
    """Leaky integrate-and-fire cells driven by a constant current: a deterministic rate code.

    The variable ``drive`` is written by the encoder; a cell with ``drive <= 1`` stays silent, above that it
    fires at ``1 / (refractory + tau ln(drive / (drive - 1)))``.
    """
    return Neurons(
        name,
        size,
        """
        du/dt = (drive - u)/tau : 1 (unless refractory)
        drive : 1
        """,
        threshold="u >= 1",
        reset="u = 0",
        refractory=f"{refractory!r}*second",
        method="exact",
        parameters={"tau": f"{tau!r}*second"},
        initial={"u": "rand()"},
    )


def poisson_cells(name: str, size: int) -> Neurons:
    """Poisson cells: ``rate`` (Hz), written by the encoder, is the chance of a spike per unit of time."""
    return Neurons(name, size, "rate : Hz", threshold="rand() < rate*dt")


def latency_cells(name: str, size: int) -> Neurons:
    """Cells that spike once per environment step, ``latency`` (s) after it begins: a first-spike code."""
    return Neurons(
        name,
        size,
        """
        dclock/dt = 1 : second
        latency : second
        armed : 1
        """,
        threshold="armed > 0.5 and clock > latency",
        reset="armed = 0",
        on_step="clock = 0*second\narmed = 1",
    )


def lif_neurons(
    name: str,
    size: int,
    bias: float,
    noise: float,
    exploration: float = 0.0,
    tau_m: float = 0.01,
    tau_s: float = 0.005,
    refractory: float = 0.002,
    counts_inhibition: bool = False,
    expects_spikes: float = 0.0,
    window: float = 0.02,
) -> Neurons:
    """Leaky integrate-and-fire neurons with an exponential synaptic current and private noise.

    Parameters
    ----------
    name, size
        Of the population.
    bias
        Constant current; the threshold is at 1.
    noise
        Standard deviation of the membrane that private white noise alone would cause.
    exploration
        Standard deviation of a current that all neurons of the population share, drawn anew in every
        environment step; scaled by the shared name ``exploration``.
    tau_m, tau_s, refractory
        Membrane and synaptic time constant, refractory period (s).
    counts_inhibition
        Adds ``h``, the inhibitory events received in this environment step.
    expects_spikes
        Adds ``rho``, an exponential average over this many seconds of the spikes per environment step; 0: none.
    window
        Duration of an environment step (s), for ``rho``.
    """
    equations = ["du/dt = (bias + I - u)/tau_m + sigma*sqrt(2/tau_m)*xi : 1 (unless refractory)"]
    reset, on_step = ["u = 0"], []
    initial: dict[str, float | str] = {"u": "rand()"}
    parameters: dict[str, float | str] = {
        "bias": bias,
        "sigma": noise,
        "tau_m": f"{tau_m!r}*second",
        "tau_s": f"{tau_s!r}*second",
    }
    if exploration > 0.0:
        equations[0] = equations[0].replace("bias + I", "bias + explore + I")
        equations.append("explore : 1 (shared)")
        on_step.append("explore = exploration*explore_std*randn()")
        parameters["explore_std"] = exploration
    equations.append("dI/dt = -I/tau_s : 1")
    if counts_inhibition:
        equations.append("h : 1")
        on_step.append("h = 0")
    if expects_spikes > 0.0:
        equations.append("drho/dt = -rho/tau_rho : 1")
        reset.append("rho += rho_jump")
        # Two rivals that share the time fire at half of their resting rate: a better start than zero.
        initial["rho"] = 0.5 * resting_count(bias, window, tau_m, refractory)
        parameters |= {"tau_rho": f"{expects_spikes!r}*second", "rho_jump": window / expects_spikes}
    return Neurons(
        name,
        size,
        "\n".join(equations),
        threshold="u >= 1",
        reset="\n".join(reset),
        refractory=f"{refractory!r}*second",
        parameters=parameters,
        initial=initial,
        on_step="\n".join(on_step),
    )


def resting_count(bias: float, window: float, tau_m: float = 0.01, refractory: float = 0.002) -> float:
    """Spikes that a noise-free `lif_neurons` cell fires in ``window`` seconds under the constant current ``bias``.

    The closed form of the leaky integrate-and-fire neuron, ``window / (refractory + tau_m ln(b / (b - 1)))``; 0
    at or below the threshold of 1.
    """
    if bias <= 1.0:
        return 0.0
    return window / (refractory + tau_m * math.log(bias / (bias - 1.0)))
