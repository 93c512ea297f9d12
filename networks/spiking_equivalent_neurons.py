"""The neurons that stand for the units of a dense network, as equation text.

All of them integrate and fire without a leak, and begin anew with every decision (``on_step``). ``k`` counts the dt of
the decision. A spike adds ``w`` times what it stands for to what its targets integrate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnrl.model import Neurons

FloatArray = NDArray[np.float64]

TRANSFER = {"relu": "(u*int(u > 0))", "tanh": "tanh(u)"}
"""Activation of a dense unit as text of what it integrates."""
STEP = "1*ms"
"""The time step; its length has no meaning here."""


RESETS = {"subtract": "v -= 1", "zero": "v = 0"}


def plain_neurons(
    name: str, size: int, current: FloatArray | None, late: int = 0, reset: str = "subtract"
) -> Neurons:
    """Integrate-and-fire neurons, reset by subtraction: a constant current z gives ``floor(z k)`` spikes in k dt.

    Rueckauer et al. 2017 (Front. Neurosci. 11:682): what exceeds the threshold at a spike is kept. Silent for
    negative z, one spike per dt for z of 1 and more. Spikes from below add to ``arriving``, which joins the membrane with
    the next dt: a reset to zero does not lose what arrives with the spike.

    Parameters
    ----------
    name, size
        Of the population.
    current
        What the bias adds in every dt, ``[size]``; ``None``: the encoder writes the current.
    late
        Number of dt by which the layers below make it late: it begins by so many biases lower.
    reset
        ``subtract``, or ``zero``, which loses what exceeds the threshold.
    """
    if current is None:
        equations = "dv/dt = current/step : 1\ncurrent : 1"
        return Neurons(
            name, size, equations, "v >= 1", RESETS[reset], on_step="v = 0", parameters={"step": STEP}
        )
    return Neurons(
        name,
        size,
        """
        dv/dt = (current + arriving)/step : 1
        darriving/dt = -arriving/step : 1
        current : 1 (constant)
        """,
        threshold="v >= 1",
        reset=RESETS[reset],
        on_step=f"v = -{late}*current\narriving = 0",
        parameters={"step": STEP, "current": current},
    )


def tracking_neurons(name: str, activation: str, base: FloatArray | None, middle: FloatArray, quantum: FloatArray,
                     first: int, stop: int, plateau: int) -> Neurons:  # fmt: skip
    """Pairs of neurons whose spikes tell ``activation(u)``: up with the on-neuron, down with the off-neuron.

    ``told`` is what the pair has said so far; the membrane is what is missing, ``activation(u) - told``. When it reaches
    half of a spike's worth ``q``, one of the two fires, and the reset subtracts q from it: a soft reset with the
    membrane at q/2 in the beginning (Bu et al. 2022, ICLR). The off-neuron takes back spikes that came too
    early (Hao et al. 2023, ICLR, "Bridging the gap"). ``q`` stays for ``plateau`` dt, a rate code, and then
    halves in every dt: the residual membrane of the rate code is told by spikes of falling weight.

    Parameters
    ----------
    name
        Of the population; neuron i is an on-neuron, neuron ``i + units`` its partner.
    activation
        ``relu`` or ``tanh``.
    base
        What u begins with, ``[units]``; ``None``: the encoder writes u.
    middle, quantum
        Where ``told`` and ``q`` begin, ``[units]``.
    first, stop
        The dt in which it may fire first, and the one after the last.
    plateau
        Number of dt with the whole quantum.
    """
    units = len(quantum)
    parameters: Mapping[str, Any] = {
        "step": STEP,
        "first": first + 0.5,
        "stop": stop + 0.5,
        "late": first + plateau - 0.5,
        "side": np.repeat([1.0, -1.0], units),
        "middle": np.tile(middle, 2),
        "quantum": np.tile(quantum, 2),
    }
    constants = ["side", "middle", "quantum"]
    begin = "told = middle\nq = quantum\nk = 0"
    if base is not None:
        parameters = {**parameters, "base": np.tile(base, 2)}
        constants.append("base")
        begin = f"u = base\n{begin}"
    return Neurons(
        name,
        2 * units,
        "\n".join([
            "u : 1", "told : 1",
            "dk/dt = 1/step : 1",
            "dq/dt = -0.5*q*int(k > late)/step : 1",
            *(f"{constant} : 1 (constant)" for constant in constants),
        ]),
        threshold=f"side*({TRANSFER[activation]} - told)/q >= 0.5 and k > first and k < stop",
        reset="told += side*q",
        on_step=begin,
        parameters=parameters,
    )  # fmt: skip


def first_spike_neurons(name: str, activation: str, base: FloatArray | None, low: FloatArray, quantum: FloatArray,
                        first: int, window: int, rounding: float) -> Neurons:  # fmt: skip
    """Neurons that fire once in their window, the earlier the larger ``activation(u)`` is above ``low``.

    A threshold falls by ``quantum`` in every dt of the window; a spike stands for the threshold at its time (time to
    first spike: Rueckauer and Liu 2018, ISCAS; Park et al. 2020, DAC, "T2FSNN").

    Parameters
    ----------
    name, activation, base
        As for `tracking_neurons`; one neuron per unit.
    low, quantum
        Activation that means silence, and the step of the threshold, ``[units]``.
    first, window
        First dt of the window and its length; the layer below has finished by then.
    rounding
        Share of a quantum by which the neuron fires below its threshold: 0.5 rounds, 0 rounds down.
    """
    parameters: Mapping[str, Any] = {
        "step": STEP,
        "first": first + 0.5,
        "stop": first + window + 0.5,
        "before": first - 0.5,
        "rounding": rounding,
        "window": float(window),
        "low": low,
        "quantum": quantum,
    }
    constants = ["low", "quantum"]
    begin = "q = (window + 1)*quantum\nspent = 0\nk = 0"
    if base is not None:
        parameters = {**parameters, "base": base}
        constants.append("base")
        begin = f"u = base\n{begin}"
    return Neurons(
        name,
        len(quantum),
        "\n".join([
            "u : 1", "spent : 1",
            "dk/dt = 1/step : 1",
            "dq/dt = -quantum*int(k > before)/step : 1",
            *(f"{constant} : 1 (constant)" for constant in constants),
        ]),
        threshold=(
            f"({TRANSFER[activation]} - low - q)/quantum + rounding >= 0 and spent < 0.5 and k > first and k < stop"
        ),
        reset="spent = 1",
        on_step=begin,
        parameters=parameters,
    )  # fmt: skip


def integrators(name: str, base: FloatArray) -> Neurons:
    """Neurons that never fire: ``y`` adds up what arrives in a decision, from ``base`` on."""
    return Neurons(
        name, len(base), "y : 1\nbase : 1 (constant)", on_step="y = base", parameters={"base": base}
    )
